"""`cds-service client`: register an EHR, and see that its tokens would pass."""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import Struct

from cds_service.cli.egress import egress
from cds_service.cli.onboarding import for_the_analyst
from cds_service.errors import RegistryError
from cds_service.knowledge.load import load_knowledge
from cds_service.settings import Settings, settings_from_environment
from cds_service.trust.client import Client
from cds_service.trust.jwt import Refused, prove, read_token
from cds_service.trust.keys import KeyCache
from cds_service.trust.modes import refuse_unknown_rules
from cds_service.trust.registry import Registry

_HELD = 0o600
OTHER = "other"
# What a vendor's software cannot do, whichever the site (security.md 3.2, docs/ehr/).
_LIMITS = {
    OTHER: (),
    "epic": (
        "accepts_update = false",
        "one_action_per_suggestion = true",
        "selection_behavior_any_only = true",
    ),
}


@click.group("client")
def command() -> None:
    """Register CDS clients in clients.toml, test their tokens, and see whom the service calls for them."""


command.add_command(egress)


class Asked(Struct, frozen=True, kw_only=True):
    """What an entry needs at least."""

    name: str
    issuer: str
    jwks_url: str
    jwks_file: str
    fhir_base: str
    audience: str
    vendor: str = OTHER


_FILE = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Default: CDS_CLIENTS_FILE.",
)


@command.command("add")
@click.option(
    "--name", prompt="Short name (a-z, 0-9, -)", help="How logs and reports call it: mercy-epic"
)
@click.option("--issuer", prompt="'iss' of its tokens", help="Often the URL of its FHIR server.")
@click.option("--jwks-url", default=None, help="Where it publishes its public keys.")
@click.option("--jwks-file", default=None, help="Its public keys as a file beside clients.toml.")
@click.option("--fhir-base", prompt="Base URL of its FHIR R4 server (empty: none)", default="")
@click.option(
    "--audience",
    default="",
    help="The 'aud' of its tokens, where it is not the URL of the service.",
)
@click.option(
    "--vendor",
    type=click.Choice(list(_LIMITS)),
    prompt="Its software",
    default=OTHER,
    help="Adds the limits that its software has.",
)
@_FILE
def add(
    name: str,
    issuer: str,
    jwks_url: str | None,
    jwks_file: str | None,
    fhir_base: str,
    audience: str,
    vendor: str,
    path: Path | None,
) -> None:
    """Add one client, after asking for what is not given, and say what its analyst must type in.

    The file is replaced only if the whole registry is sound with the new entry; a running service takes
    it within a second.
    """
    if jwks_url is None and jwks_file is None:
        jwks_url = click.prompt("URL of its public keys (JWKS; empty: from a file)", default="")
    if not jwks_url and not jwks_file:
        jwks_file = click.prompt("File with its public keys (JWKS)")
    settings = settings_from_environment()
    asked = Asked(
        name=name,
        issuer=issuer,
        jwks_url=jwks_url or "",
        jwks_file=jwks_file or "",
        fhir_base=fhir_base,
        audience=audience,
        vendor=vendor,
    )
    target = _path(path, settings)
    client = _append(target, asked, settings)
    click.echo(f"clients.{name} is in {target.name}.\n")
    click.echo(for_the_analyst(client, settings, load_knowledge(settings.hooks_dir)))


@command.command("test")
@click.argument("name")
@click.option("--token", help="A token of that client; '-' reads it from standard input.")
@click.option(
    "--service", default="hyponatremia-patient-view", show_default=True, help="Whom it calls."
)
@_FILE
def test(name: str, token: str | None, service: str, path: Path | None) -> None:
    """Show that a token of this client would pass: its entry, its keys, and each claim of a token.

    A token counts as used nowhere by this. Exit code 1 where something would be refused.
    """
    settings = settings_from_environment()
    registry = _load(_path(path, settings), settings)
    client = _named(registry, name)
    refuse_unknown_rules(registry, load_knowledge(settings.hooks_dir).rules)
    _say(True, f"the entry clients.{name} is sound")
    good = _keys_hold(client)
    if token is not None:
        given = sys.stdin.read() if token == "-" else token  # noqa: S105  # a dash is no secret
        good = _token_passes(given.strip(), client, registry, settings, service) and good
    else:
        click.echo("  Give one of its tokens with --token to have its claims checked.")
    if not good:
        raise SystemExit(1)


def _keys_hold(client: Client) -> bool:
    credentials = client.credentials
    if credentials.keys is not None:
        return _say(
            True, f"{len(credentials.keys.keys)} public keys: {', '.join(credentials.keys.keys)}"
        )
    if not credentials.jwks_url:
        return _say(False, "it has no keys: give issuer and one of jwks_url, jwks_file and keys")
    found = KeyCache().keys(credentials.jwks_url, "", allow_private=client.allow_private)
    if found is None:
        return _say(
            False, f"no usable key set at {credentials.jwks_url} (https, within 1 s, no redirect)"
        )
    return _say(
        True, f"{len(found.keys)} public keys at {credentials.jwks_url}: {', '.join(found.keys)}"
    )


def _token_passes(
    token: str, client: Client, registry: Registry, settings: Settings, service: str
) -> bool:
    url = f"{settings.base_url}/cds-services/{service}"
    try:
        proven = prove(
            read_token(f"Bearer {token}"), (url,), registry, KeyCache(), datetime.now(UTC)
        )
    except Refused as refusal:
        return _say(False, f"the token is refused: {_WHY.get(refusal.reason, refusal.reason)}")
    if proven.client.name != client.name:
        return _say(False, f"the token passes, but as clients.{proven.client.name}")
    _say(True, f"the token passes for {url}")
    return _say(
        True, "what it may read: " + (", ".join(proven.client.fhir_bases) or "nothing live")
    )


_WHY = {
    "token-shape": "it is not a JWT of three parts below 8 kB",
    "token-header": "its header needs typ JWT and no 'crit'",
    "token-algorithm": "its 'alg' is not among this client's algorithms",
    "token-kid": "its header has no 'kid'",
    "token-jku": "its 'jku' is neither this client's jwks_url nor in its jku list",
    "token-issuer": "its 'iss' (with its 'tenant') is no client's in this registry",
    "token-audience": "its 'aud' is neither the URL of the service nor in this client's audiences",
    "token-times": "exp, iat or nbf: numbers, at most an hour apart, valid now (60 s leeway)",
    "token-jti": "its 'jti' is missing or empty",
    "token-tenant": "its 'tenant' is not among this client's tenants",
    "token-subject": "its 'sub' is not this client's subject",
    "keys-unavailable": "this client's keys cannot be fetched",
    "key-unknown": "no key of this client has its 'kid' for its 'alg'",
    "signature": "its signature is not by that key",
}


def _say(good: bool, text: str) -> bool:
    click.echo(("✓ " if good else "✗ ") + text)
    return good


def _path(path: Path | None, settings: Settings) -> Path:
    found = path or settings.clients_file
    if found is None:
        raise click.UsageError("Name the registry with --file or CDS_CLIENTS_FILE.")
    return found


def _load(path: Path, settings: Settings) -> Registry:
    production = settings.mode == "production"
    return Registry.load(path, allow_http=not production, need_keys=production)


def _named(registry: Registry, name: str) -> Client:
    for client in registry.clients:
        if client.name == name:
            return client
    known = ", ".join(client.name for client in registry.clients) or "none"
    raise click.BadParameter(f"there is no such client; there are: {known}", param_hint="NAME")


def _append(path: Path, asked: Asked, settings: Settings) -> Client:
    """The new entry at the end of the file, in one step, and only if the registry is sound with it."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: key files are named relative to it, and a rename is atomic only there.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".clients-", suffix=".toml")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(before + ("\n" if before else "") + entry_text(asked))
        draft.chmod(path.stat().st_mode if path.exists() else _HELD)
        client = _named(_load(draft, settings), asked.name)
        draft.replace(path)
    except RegistryError as error:
        raise RegistryError(str(error).replace(draft.name, path.name)) from None
    finally:
        draft.unlink(missing_ok=True)
    return client


def entry_text(asked: Asked) -> str:
    """`[clients.<name>]` in TOML."""
    given = {
        "issuer": _quoted(asked.issuer),
        "jwks_url": _quoted(asked.jwks_url) if asked.jwks_url else "",
        "jwks_file": _quoted(asked.jwks_file) if asked.jwks_file else "",
        "fhir_bases": f"[{_quoted(asked.fhir_base)}]" if asked.fhir_base else "",
        "audiences": f"[{_quoted(asked.audience)}]" if asked.audience else "",
    }
    lines = [f"{key} = {value}" for key, value in given.items() if value]
    return "\n".join([f"[clients.{asked.name}]", *lines, *_LIMITS[asked.vendor]]) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: nothing that is typed in can end it."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in plain) + '"'
