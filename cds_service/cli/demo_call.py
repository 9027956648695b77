"""`cds-service demo call`: a hook call as an EHR would make it, and its cards in the terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cds_service.cli.demo_options import FHIR_BASE, fhir_token
from cds_service.cli.demo_request import live_call
from cds_service.cli.offline import chosen_stories
from cds_service.demo.stories import default_fixtures_dir
from cds_service.demo.upload import remark
from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode, encode
from cds_service.settings import DEFAULT_PORT, settings_from_environment
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Sent, fetch
from cds_service.trust.guard import canonical_base
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_ANSWER_S = 30.0
_ANSWER_BYTES = 5_000_000
_OK = 200


@click.command("call")
@click.argument("name", metavar="STORY")
@FHIR_BASE
@click.option(
    "--service-url",
    default=f"http://127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    help="Whom to call.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key of `demo registry`, for a service that wants tokens.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as it came.")
def command(name: str, base: str, service_url: str, key_file: Path | None, as_json: bool) -> None:
    """Call a running service with STORY as an EHR would, without prefetch, and show the cards.

    Exit code 1 where the answer is not 200.

    \b
    Example, with `cds-service demo --fhir-base http://127.0.0.1:8080/fhir` in another terminal:
      cds-service demo call cramps-in-siadh --fhir-base http://127.0.0.1:8080/fhir
    """
    from rich.console import Console

    from cds_service.cli.terminal import print_cards

    (story,) = chosen_stories(default_fixtures_dir(), (name,))
    now = datetime.now(UTC)
    body = encode(live_call(story, base, fhir_token(), now))
    status, answer = _post(_url(service_url, story.file.service), body, key_file, now)
    if as_json:
        sys.stdout.write(answer.decode(errors="replace") + "\n")
    elif status == _OK:
        print_cards(Console(highlight=False), _cards(answer))
    if status != _OK:
        click.echo(f"cds-service: {service_url} answered {status}{_why(answer)}", err=True)
        raise SystemExit(1)


def _url(service_url: str, service: str) -> str:
    base = canonical_base(service_url)
    if base is None:
        raise click.BadParameter(
            "give an http(s) URL such as http://127.0.0.1:8642", param_hint="--service-url"
        )
    return f"{base}/cds-services/{service}"


def _post(url: str, body: bytes, key_file: Path | None, now: datetime) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key_file is not None:
        from cds_service.cli.demo_registry import signed_token

        headers["Authorization"] = f"Bearer {signed_token(key_file, now)}"
    ca_bundle = settings_from_environment().ca_bundle
    session = guarded_session(1, tls_context(str(ca_bundle) if ca_bundle else None))
    errand = OutgoingCall(Deadline.after(_ANSWER_S), allow_private=True)
    fetched = fetch(session, url, headers, errand, _ANSWER_BYTES, Sent("POST", body))
    if not fetched.status:
        raise click.ClickException(f"{url}: no answer. Is the service running there?")
    return fetched.status, fetched.body


def _cards(answer: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = decode(answer)["cards"]
    return found


def _why(answer: bytes) -> str:
    try:
        return remark(decode(answer))
    except BadRequest:
        return ""
