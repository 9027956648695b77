"""`cds-service demo call`, `demo request` and `demo registry` play the part of an EHR."""

from __future__ import annotations

import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_service.cli.replay import chosen_stories, print_cards, print_json
from cds_service.demo.stories import Story, default_fixtures_dir
from cds_service.demo.upload import remark
from cds_service.engine.cards import EXTENSION_NAME
from cds_service.errors import BadRequest, RegistryError
from cds_service.protocol.request import Secret
from cds_service.protocol.wire import decode, encode
from cds_service.settings import DEFAULT_PORT, settings_from_environment
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Sent, fetch
from cds_service.trust.guard import canonical_base
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context
from cds_service.trust.registry import Registry

# The name of a variable; on a command line everyone on the machine would see the token.
_TOKEN_VARIABLE = "DEMO_FHIR_TOKEN"  # noqa: S105
_FHIR_TOKEN_S = 300
_ANSWER_S = 30.0
_ANSWER_BYTES = 5_000_000
_OK = 200
ISSUER = "https://demo-ehr.invalid"
AUDIENCE = "hyponatremia-cds-demo"  # valid for every URL of the service: its own, or a proxy's
_KID, _ALGORITHM = "demo-ehr", "ES384"
_TOKEN_LIFE = timedelta(minutes=2)
_PRIVATE, _PUBLIC = 0o600, 0o644


def _base(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    base = canonical_base(value)
    if base is None:
        raise click.BadParameter(
            "give the http(s) URL of a FHIR server, without a query: http://127.0.0.1:8080/fhir"
        )
    return base


FHIR_BASE = click.option(
    "--fhir-base",
    "base",
    required=True,
    metavar="URL",
    callback=_base,
    help="Base URL of the FHIR R4 server.",
)


def fhir_token() -> Secret | None:
    """Returns the bearer token for the FHIR server, if DEMO_FHIR_TOKEN or its file holds one."""
    value = os.environ.get(_TOKEN_VARIABLE, "").strip() or _token_of_file()
    if not value:
        return None
    if not (value.isascii() and value.isprintable()):
        raise click.UsageError(f"{_TOKEN_VARIABLE} is not a token.")
    return Secret(value)


def _token_of_file() -> str:
    """Returns the text of the file that DEMO_FHIR_TOKEN_FILE names; empty if it is not set."""
    path = os.environ.get(f"{_TOKEN_VARIABLE}_FILE", "")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(f"{_TOKEN_VARIABLE}_FILE cannot be read.") from None


def ca_bundle() -> str | None:
    """Returns the path of the certificates that CDS_CA_BUNDLE names, if it is set."""
    path = settings_from_environment().ca_bundle
    return str(path) if path else None


@click.command("request")
@click.argument("name", metavar="STORY")
@FHIR_BASE
def request(name: str, base: str) -> None:
    """Print a hook call of STORY without prefetch.

    The call is as of now, and the service must read from the FHIR server. If DEMO_FHIR_TOKEN is
    set, the call carries that token for the FHIR server, as an EHR's call would.

    \b
    Example, after `demo load`,
    with `cds-service demo --fhir-base http://127.0.0.1:8080/fhir` running:
      cds-service demo request cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir | curl -s \\
        -H 'Content-Type: application/json' --data-binary @- \\
        http://127.0.0.1:8642/cds-services/hyponatremia-patient-view
    """
    (story,) = chosen_stories(default_fixtures_dir(), (name,))
    print_json(live_call(story, base, fhir_token(), datetime.now(UTC)))


def live_call(story: Story, base: str, token: Secret | None, now: datetime) -> dict[str, Any]:
    """Returns the story's hook call at `now`, with the FHIR server in place of the prefetch."""
    call = story.request_at(now)
    call.pop("prefetch", None)
    call |= {"hookInstance": str(uuid.uuid4()), "fhirServer": base}
    if token is not None:
        call["fhirAuthorization"] = {
            "access_token": token.reveal(),
            "token_type": "Bearer",
            "expires_in": _FHIR_TOKEN_S,
            "scope": "user/*.read",
            "subject": "hyponatremia-cds",
        }
    return call


@click.command("call")
@click.argument("name", metavar="STORY")
@FHIR_BASE
@click.option(
    "--service-url",
    default=f"http://127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    help="The service to call.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key of `demo registry`, for a service that wants tokens.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as it came.")
def call(name: str, base: str, service_url: str, key_file: Path | None, as_json: bool) -> None:
    """Call a running service with STORY, as an EHR would.

    The call has no prefetch. The cards of the answer are shown. Exit code 1 if the answer is not
    200.

    \b
    Example, with `cds-service demo --fhir-base http://127.0.0.1:8080/fhir` in another terminal:
      cds-service demo call cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir
    """
    (story,) = chosen_stories(default_fixtures_dir(), (name,))
    now = datetime.now(UTC)
    body = encode(live_call(story, base, fhir_token(), now))
    service_base = canonical_base(service_url)
    if service_base is None:
        raise click.BadParameter(
            "give an http(s) URL such as http://127.0.0.1:8642", param_hint="--service-url"
        )
    status, answer = _post(f"{service_base}/cds-services/{story.file.service}", body, key_file, now)
    if as_json:
        sys.stdout.write(answer.decode(errors="replace") + "\n")
    elif status == _OK:
        answered = decode(answer)
        explained = answered.get("extension", {}).get(EXTENSION_NAME, {})
        print_cards(answered["cards"], explained.get("reason", ""))
    if status != _OK:
        click.echo(f"cds-service: {service_url} answered {status}{_why(answer)}", err=True)
        raise SystemExit(1)


def _post(url: str, body: bytes, key_file: Path | None, now: datetime) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key_file is not None:
        headers["Authorization"] = f"Bearer {signed_token(key_file, now)}"
    session = guarded_session(1, tls_context(ca_bundle()))
    outgoing = OutgoingCall(Deadline.after(_ANSWER_S), allow_private=True)
    fetched = fetch(session, url, headers, outgoing, _ANSWER_BYTES, Sent("POST", body))
    if not fetched.status:
        raise click.ClickException(f"{url}: no answer. Is the service running there?")
    return fetched.status, fetched.body


def _why(answer: bytes) -> str:
    try:
        return remark(decode(answer))
    except BadRequest:
        return ""


@click.command("registry")
@FHIR_BASE
@click.option(
    "--clients-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The registry to write.",
)
@click.option(
    "--key-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The private key to write.",
)
def registry(base: str, clients_file: Path, key_file: Path) -> None:
    """Write a registry with one invented EHR.

    It writes clients.toml and the private key that signs the tokens of that EHR. It is for a
    service in development mode: with this registry it takes calls of that EHR only, each token
    once, and reads live from the FHIR server named here. `cds-service demo call --key-file` calls
    as that EHR. If both files exist already, nothing changes.

    \b
    Example:
      cds-service demo registry --fhir-base http://127.0.0.1:8080/fhir \\
        --clients-file clients.toml --key-file ehr.pem
      CDS_MODE=development CDS_CLIENTS_FILE=clients.toml cds-service serve
      cds-service demo call cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir \\
        --key-file ehr.pem
    """
    if clients_file.exists() and key_file.exists():
        Registry.load(clients_file, allow_http=True)
        click.echo(f"{clients_file} and {key_file} are there; nothing was changed.")
        return
    for path in (clients_file, key_file):
        if path.exists():
            raise click.ClickException(
                f"{path} is there and its counterpart is not; it is not overwritten."
            )
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        _write(key_file, pem, _PRIVATE)
        _write(clients_file, _registry_text(base, key.public_key()).encode(), _PUBLIC)
        Registry.load(clients_file, allow_http=True)
    except OSError as error:
        raise RegistryError(f"{error.filename}: cannot be written ({error.strerror})") from None
    click.echo(f"Written: {clients_file}, and {key_file}, which only the caller needs.")


def signed_token(key_file: Path, now: datetime) -> str:
    """Returns a token of the invented EHR for one call."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": int((now + _TOKEN_LIFE).timestamp()),
        "jti": uuid.uuid4().hex,
    }
    try:
        return jwt.encode(
            claims, key_file.read_bytes(), algorithm=_ALGORITHM, headers={"kid": _KID, "typ": "JWT"}
        )
    except (OSError, ValueError, jwt.InvalidKeyError):
        raise click.BadParameter("no readable private key", param_hint="--key-file") from None


def _registry_text(base: str, key: ec.EllipticCurvePublicKey) -> str:
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(key, as_dict=True)
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y")} | {
        "kid": _KID,
        "alg": _ALGORITHM,
        "use": "sig",
    }
    inline = ", ".join(f'{name} = "{value}"' for name, value in members.items())
    today = datetime.now(UTC).date()
    return f"""# Written by `cds-service demo registry` on {today}.
# The EHR is invented, for development only.
[clients.demo-ehr]
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
keys = [{{ {inline} }}]
fhir_bases = ["{base}"]
open_access = true      # its FHIR server wants no token
allow_private = true    # and is on this machine or in a private network
explain = true
"""


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
