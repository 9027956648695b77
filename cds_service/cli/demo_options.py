"""What the commands below `cds-service demo` share."""

from __future__ import annotations

import os

import click

from cds_service.protocol.secret import Secret
from cds_service.trust.guard import canonical_base

TOKEN = "DEMO_FHIR_TOKEN"  # noqa: S105  # a variable's name; a command line would show the token to everyone


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
    """The bearer token for that server, where one is given."""
    value = os.environ.get(TOKEN, "").strip()
    if not value:
        return None
    if not (value.isascii() and value.isprintable()):
        raise click.UsageError(f"{TOKEN} is not a token.")
    return Secret(value)
