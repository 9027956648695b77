"""`cds-service demo registry`: an invented EHR for development mode, with a key of its own."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cds_service.cli.demo_options import FHIR_BASE
from cds_service.errors import RegistryError
from cds_service.trust.registry import Registry

ISSUER = "https://demo-ehr.invalid"
AUDIENCE = "hyponatremia-cds-demo"  # by whatever URL the service is called: its own, or a proxy's
_KID, _ALGORITHM = "demo-ehr", "ES384"
_LIFE = timedelta(minutes=2)
_PRIVATE, _PUBLIC = 0o600, 0o644


@click.command("registry")
@FHIR_BASE
@click.option(
    "--clients-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="To be written.",
)
@click.option(
    "--key-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="To be written.",
)
def command(base: str, clients_file: Path, key_file: Path) -> None:
    """Write a registry (clients.toml) with one invented EHR, and the private key that signs its tokens.

    For a service in development mode: with this registry it takes calls of that EHR only, each token once,
    and reads live from the FHIR server named here. `cds-service demo call --key-file` calls as that EHR.
    Where both files are there already, nothing changes.

    \b
    Example:
      cds-service demo registry --fhir-base http://127.0.0.1:8080/fhir --clients-file clients.toml --key-file ehr.pem
      CDS_CLIENTS_FILE=clients.toml cds-service serve
      cds-service demo call cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir --key-file ehr.pem
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
    try:
        _write(key_file, _pem(key), _PRIVATE)
        _write(clients_file, _registry(base, key.public_key()).encode(), _PUBLIC)
        Registry.load(clients_file, allow_http=True)
    except OSError as error:
        raise RegistryError(f"{error.filename}: cannot be written ({error.strerror})") from None
    click.echo(f"Written: {clients_file}, and {key_file}, which only the caller needs.")


def signed_token(key_file: Path, now: datetime) -> str:
    """A token of the invented EHR for one call."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(now.timestamp()),
        "exp": int((now + _LIFE).timestamp()),
        "jti": uuid.uuid4().hex,
    }
    try:
        return jwt.encode(
            claims, key_file.read_bytes(), algorithm=_ALGORITHM, headers={"kid": _KID, "typ": "JWT"}
        )
    except (OSError, ValueError, jwt.InvalidKeyError):
        raise click.BadParameter("no readable private key", param_hint="--key-file") from None


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _registry(base: str, key: ec.EllipticCurvePublicKey) -> str:
    jwk: dict[str, Any] = ECAlgorithm.to_jwk(key, as_dict=True)
    members = {name: jwk[name] for name in ("kty", "crv", "x", "y")} | {
        "kid": _KID,
        "alg": _ALGORITHM,
        "use": "sig",
    }
    inline = ", ".join(f'{name} = "{value}"' for name, value in members.items())
    written = datetime.now(UTC).date()
    return f"""# Written by `cds-service demo registry` on {written}: an invented EHR, for development only.
[clients.demo-ehr]
issuer = "{ISSUER}"
audiences = ["{AUDIENCE}"]
keys = [{{ {inline} }}]
fhir_bases = ["{base}"]
open_access = true      # its FHIR server asks for no token
allow_private = true    # and stands on this machine or in a private network
explain = true
"""


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
