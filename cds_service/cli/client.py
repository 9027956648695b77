"""`cds-service client` registers an EHR, tests its tokens, and lists the servers to call."""

from __future__ import annotations

import csv
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TextIO, get_args

import click
from msgspec import Struct, to_builtins

from cds_service.cli.db import open_database
from cds_service.cli.ledger import ledger, open_ledger
from cds_service.cli.manners import Group, did_you_mean
from cds_service.cli.replay import print_json
from cds_service.errors import RegistryError, SettingsError, StoreUnavailable
from cds_service.feedback.figures import clients_of
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.languages import ENGLISH, only_signed
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.settings import Settings, naming, settings_from_environment
from cds_service.store.figures import FigureTables
from cds_service.trust.client import Client, Vendor
from cds_service.trust.egress import Destination, Unusable, addresses_of, destinations
from cds_service.trust.jwt import LONGEST_LIFE_S, Refused, prove, read_token
from cds_service.trust.keys import KeyCache
from cds_service.trust.keyset import KeySet
from cds_service.trust.modes import refuse_unknown_names
from cds_service.trust.registry import CLIENT_NAME, Registry, client_names

_FILE_MODE = 0o600
_LATELY_DAYS = 7
_LONGEST_SHOWN = 200
OTHER = "other"
# Limits that the software of a vendor has at every site (docs/security.md, docs/ehr/).
_LIMITS = {
    "epic": (
        "accepts_update = false",
        "one_action_per_suggestion = true",
        "selection_behavior_any_only = true",
    ),
}
_WHY_REFUSED = {
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


def _or_of_settings(_: click.Context, __: click.Parameter, value: Path | None) -> Path:
    """Returns the file that is given or that CDS_CLIENTS_FILE names, before anything is asked."""
    chosen = value or settings_from_environment().clients_file
    if chosen is None:
        raise click.UsageError(
            "name the registry, as in --file clients.toml, or set CDS_CLIENTS_FILE as for the "
            "service."
        )
    return chosen


def _given_token(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Returns the token itself; "-" reads it from standard input."""
    return _bare(sys.stdin.read() if value == "-" else value).strip() if value else value


_ACCESS_TOKEN = click.option(
    "--access-token",
    envvar="CDS_TEST_ACCESS_TOKEN",
    callback=_given_token,
    help="The token to read with ('access_token' of a call's fhirAuthorization); '-' reads it from "
    "standard input. Default: CDS_TEST_ACCESS_TOKEN.",
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_FILE = partial(click.option, "--file", "path", type=click.Path(path_type=Path, dir_okay=False))
REGISTRY_FILE = _FILE(help="The registry. Default: CDS_CLIENTS_FILE.")
_NAMED_FILE = _FILE(
    is_eager=True,
    callback=_or_of_settings,
    help="The registry. Default: CDS_CLIENTS_FILE.",
)


@click.group("client", cls=Group)
def client() -> None:
    """Register CDS clients (EHRs) and test their tokens.

    The registry is the file clients.toml, which CDS_CLIENTS_FILE names.
    """


class NewClient(Struct, frozen=True, kw_only=True):
    """The values that `client add` was given for a new entry of clients.toml."""

    name: str
    issuer: str
    jwks_url: str
    jwks_file: str
    fhir_base: str
    audience: str
    vendor: str = OTHER


def _or_asked(_: click.Context, option: click.Parameter, value: str | None, question: str) -> str:
    """Returns the value of an option, or asks for it."""
    return _asked(question, option.opts[0]) if value is None else value


@client.command("add")
@click.option(
    "--name",
    callback=partial(_or_asked, question="Short name (a-z, 0-9, -)"),
    help="The name in logs and reports, such as mercy-epic.",
)
@click.option(
    "--issuer",
    callback=partial(_or_asked, question="'iss' of its tokens"),
    help="Often the URL of its FHIR server.",
)
@click.option("--jwks-url", default=None, help="The URL at which it publishes its public keys.")
@click.option("--jwks-file", default=None, help="Its public keys as a file beside clients.toml.")
@click.option(
    "--fhir-base",
    default="",
    help="Base URL of its FHIR R4 server, to read what the prefetch lacks.",
)
@click.option(
    "--audience",
    default="",
    help="The 'aud' of its tokens, if it is not the URL of the service.",
)
@click.option(
    "--vendor",
    type=click.Choice([OTHER, *filter(None, get_args(Vendor))]),
    default=OTHER,
    show_default=True,
    help="Its software: adds the limits that it has, and names the right table of queries.",
)
@_NAMED_FILE
def add(
    name: str,
    issuer: str,
    jwks_url: str | None,
    jwks_file: str | None,
    fhir_base: str,
    audience: str,
    vendor: str,
    path: Path,
) -> None:
    """Add one client to clients.toml.

    It prompts for values that are not given, and prints what the EHR's analyst must type in. The
    file is replaced only if the whole registry is sound with the new entry; a running service reads
    it within two seconds.
    """
    if not re.fullmatch(CLIENT_NAME, name):
        raise click.BadParameter(
            f"use a-z, 0-9 and '-' only, as in {_suggested(name)}", param_hint="--name"
        )
    if jwks_url is None and jwks_file is None:
        jwks_url = _asked("URL of its public keys (JWKS; empty: from a file)", "--jwks-url", "")
    if not jwks_url and not jwks_file:
        jwks_file = _asked("File with its public keys (JWKS)", "--jwks-file")
    settings = settings_from_environment()
    new = NewClient(
        name=name,
        issuer=issuer,
        jwks_url=jwks_url or "",
        jwks_file=jwks_file or "",
        fhir_base=fhir_base,
        audience=audience,
        vendor=vendor,
    )
    _refuse_taken(name, path)
    added = _append(path, new, settings)
    click.echo(f"clients.{name} is in {path.name}.\n")
    where = "" if path == settings.clients_file else f" --file {shlex.quote(str(path))}"
    knowledge = load_knowledge(settings.hooks_dir)
    click.echo(_settings_of_the_ehr(added, settings, knowledge, where))


def _asked(question: str, option: str, default: str | None = None) -> str:
    """Asks for a value; UsageError names its option if no terminal is there to ask at."""
    try:
        return str(click.prompt(question, default=default))
    except click.Abort:
        raise click.UsageError(f"{question}: give {option}.") from None


def _refuse_taken(name: str, path: Path) -> None:
    """Raises BadParameter if there is a client of this name; says if it makes a folder."""
    if not path.exists():
        if not path.absolute().parent.is_dir():
            click.echo(f"Making the folder {path.absolute().parent}.", err=True)
        return
    if name in client_names(path):
        raise click.BadParameter(
            f"there is a client of this name already; change its entry in {path.name}",
            param_hint="--name",
        )


def _suggested(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")
    return plain[:64] or "mercy-epic"


def _append(path: Path, new: NewClient, settings: Settings) -> Client:
    """Adds the entry to the end of the file in one step, if the registry is sound with it."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: key files are named relative to it, and a rename is atomic only there.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".clients-", suffix=".toml")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(before + ("\n" if before else "") + entry_text(new))
        draft.chmod(path.stat().st_mode if path.exists() else _FILE_MODE)
        added = _client_named(_load_registry(draft, settings), new.name)
        draft.replace(path)
    except RegistryError as error:
        raise RegistryError(str(error).replace(draft.name, path.name)) from None
    finally:
        draft.unlink(missing_ok=True)
    return added


def entry_text(new: NewClient) -> str:
    """Returns `[clients.<name>]` in TOML."""
    lines = [f"[clients.{new.name}]", f"issuer = {_quoted(new.issuer)}"]
    if new.jwks_url:
        lines.append(f"jwks_url = {_quoted(new.jwks_url)}")
    if new.jwks_file:
        lines.append(f"jwks_file = {_quoted(new.jwks_file)}")
    if new.fhir_base:
        lines.append(f"fhir_bases = [{_quoted(new.fhir_base)}]")
    if new.audience:
        lines.append(f"audiences = [{_quoted(new.audience)}]")
    if new.vendor != OTHER:
        lines.append(f"vendor = {_quoted(new.vendor)}")
    return "\n".join([*lines, *_LIMITS.get(new.vendor, ())]) + "\n"


def _quoted(text: str) -> str:
    """Returns a TOML basic string that no character of `text` can end."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in plain) + '"'


def _settings_of_the_ehr(
    added: Client, settings: Settings, knowledge: Knowledge, where: str
) -> str:
    """Returns the settings that the EHR's analyst must type in, as lines to hand over.

    `where` is the option that names the registry to the commands that follow, if it needs one.
    """
    credentials = added.credentials
    base = settings.base_url
    audiences = ", ".join(credentials.audiences) or "the URL of the service that is called"
    by_discovery = added.vendor != "epic"  # Epic does not read it
    rows = [("discovery", f"{base}/cds-services")] if by_discovery else []
    rows += [
        (service.hook, f"{base}/cds-services/{service.id}")
        for service in knowledge.services.values()
    ]
    rows += [
        ("feedback", f"{base}/cds-services/<service>/feedback"),
        ("JWT 'aud'", audiences),
        ("JWT 'iss'", credentials.issuer),
        ("JWT 'alg'", f"one of {', '.join(credentials.algorithms)}"),
        ("JWT 'jku'", " or ".join(credentials.jku) or "left out"),
        (
            "JWT life",
            f"at most {LONGEST_LIFE_S // 60} minutes; kid, iat, exp and a new jti in each",
        ),
    ]
    if credentials.subject:
        rows.append(("JWT 'sub'", credentials.subject))
    if by_discovery:
        rows.append(("prefetch", "as discovery says; for EHRs that do not read it:"))
    rows += [
        (
            "" if by_discovery else "prefetch",
            f"cds-service prefetch-table --client {added.name}{where}",
        ),
        ("scopes", "read access to Patient, Encounter, Observation, Condition and"),
        ("", "MedicationRequest, and for order-select and order-sign the scope for"),
        ("", "unsigned orders"),
        (
            "time-out",
            f"above {added.deadline_ms} ms, which is when this service answers at the latest",
        ),
    ]
    wide = max(len(label) for label, _ in rows)
    lines = [
        "On the EHR's side, type in:",
        *(f"  {label:<{wide}}  {text}" for label, text in rows),
        "",
        f"Then: cds-service client test {added.name}{where} --token <a token of the EHR>",
        f"      cds-service client probe {added.name}{where} --patient <the id of a test patient>",
    ]
    if not settings.public_url:
        lines += ["", "These URLs are of this machine: set CDS_PUBLIC_URL to the one EHRs reach."]
    return "\n".join(lines)


@client.command("test")
@click.argument("name")
@click.option("--token", help="A token of that client; '-' reads it from standard input.")
@click.option(
    "--service",
    default="hyponatremia-patient-view",
    show_default=True,
    help="The service that the token is for.",
)
@click.option(
    "--patient",
    default="",
    help="A test patient's id: its records are searched as a hook call does, and only counted.",
)
@_ACCESS_TOKEN
@_AS_JSON
@_NAMED_FILE
def test(
    name: str,
    token: str | None,
    service: str,
    patient: str,
    access_token: str | None,
    as_json: bool,
    path: Path,
) -> None:
    """Test a client's entry, its keys, a token, and its FHIR server.

    It shows which claim of the token would be refused. The test does not use the token up: the
    service still accepts it. With --patient it shows for each prefetch key what the FHIR server
    gives, and in which form it takes the search. Exit code 1 if something would be refused.
    """
    settings = settings_from_environment()
    registry = _load_registry(path, settings)
    tested = _client_named(registry, name)
    found = open_ledger(as_json=as_json)
    known = load_knowledge(settings.hooks_dir)
    known = only_signed(known) if settings.require_signed else known
    refuse_unknown_names(registry, known.rules, (ENGLISH, *known.languages))
    ledger().check(True, f"the entry clients.{name} is sound")
    good = _keys_are_usable(tested)
    if token is None:
        ledger().note("Give one of its tokens with --token to have its claims checked.")
        good = _may_be_called(tested) and good
    else:
        given = sys.stdin.read() if token == "-" else token  # noqa: S105  # a dash is no secret
        url = f"{settings.base_url}/cds-services/{service}"
        good = _token_passes(_bare(given), tested, registry, url) and good
    if patient:
        good = _records_are_read(tested, service, patient, access_token, settings) and good
    _show_delivered(tested)
    found.end(name, good=good)


@client.command("probe")
@click.argument("name")
@click.option("--patient", required=True, help="The id of a test patient of that FHIR server.")
@click.option("--service", default="hyponatremia-patient-view", show_default=True)
@_ACCESS_TOKEN
@_AS_JSON
@_NAMED_FILE
def probe(
    name: str, patient: str, service: str, access_token: str | None, as_json: bool, path: Path
) -> None:
    """Read one test patient as a hook call would, and say what came.

    For each query it shows how many resources came, in which form the server takes it, and what is
    behind a failure: cut, refused (with the scope that is needed), slow, a next link to another
    server, a private address without allow_private, a certificate. Then it shows how much of it the
    rules can use, and the codes of the sodium results that they cannot. It prints counts and codes,
    no value of the record. Without --access-token it reads an open server (open_access = true).
    Exit code 1 if a hook call would lack something.
    """
    settings = settings_from_environment()
    registry = _load_registry(path, settings)
    probed = _client_named(registry, name)
    found = open_ledger(as_json=as_json)
    good = _records_are_read(probed, service, patient, access_token, settings)
    found.end(name, good=good)


@client.command("arm")
@click.argument("name")
@click.argument("patients", type=click.File(encoding="utf-8"))
@click.option("--tenant", default="", help="The tenant of its tokens, if it has several.")
@_NAMED_FILE
def arm(name: str, patients: TextIO, tenant: str, path: Path) -> None:
    """Print the arm of each patient of a randomised trial.

    PATIENTS is a file with one patient id on each line; "-" reads standard input. It prints CSV:
    the id, and `shown` or `shadow` as the client's shadow_share decides. It uses the secret of the
    deployment (CDS_SECRET_FILE), so run it on the machine of the service. The output names
    patients: treat it as patient data.
    """
    from cds_service.app import card_secret  # brings Flask, which the other commands do without

    settings = settings_from_environment()
    registry = _load_registry(path, settings)
    chosen = _client_named(registry, name)
    if not chosen.shadow_share or chosen.shadow:
        raise click.BadParameter("has no shadow_share, so it has no arms", param_hint="NAME")
    if tenant not in chosen.credentials.tenants and (tenant or chosen.credentials.tenants):
        known = ", ".join(chosen.credentials.tenants) or "none"
        raise click.BadParameter(f"its tenants are: {known}", param_hint="--tenant")
    places = Pseudonyms(card_secret(settings, make=False))
    owner = chosen.for_tenant(tenant) if tenant else chosen
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("patient", "arm"))
    for patient_id in filter(None, map(str.strip, patients)):
        place = places.place(owner.tenant, patient_id.removeprefix("Patient/"))
        writer.writerow((patient_id, owner.for_patient(place).arm))


def _show_delivered(tested: Client) -> None:
    """Prints what the client's calls of the last days brought, if this machine has the database."""
    try:
        _, database = open_database()
        tables = FigureTables(database)
        since = (datetime.now(UTC) - timedelta(days=_LATELY_DAYS)).date()
        found = [one for tenant in _tenants_of(tested) for one in clients_of(tables, tenant, since)]
    except (SettingsError, StoreUnavailable):
        return
    for one in found:
        if one.client.partition("/")[0] == tested.name:
            ledger().note(
                f"In {_LATELY_DAYS} days: {one.read} of {one.calls} calls brought a sodium "
                f"({one.without} none, {one.unreadable} unreadable), "
                f"{one.recognised} of {one.orders} selected orders were recognised."
            )
            for warning in one.warnings:
                ledger().note(f"Warning: {warning}")


def _tenants_of(tested: Client) -> list[str]:
    """Returns the owners of the rows of a client; calls without tokens have none."""
    tenants = tested.credentials.tenants
    return [*(f"{tested.name}/{tenant}" for tenant in tenants), tested.name, ""]


def _keys_are_usable(tested: Client) -> bool:
    credentials = tested.credentials
    if credentials.keys is not None:
        return _keys_listed(credentials.keys, "")
    url = credentials.jwks_url
    if not url:
        return ledger().check(
            False, "it has no keys: give issuer and one of jwks_url, jwks_file and keys"
        )
    fetched = KeyCache().keys(url, "", allow_private=tested.allow_private)
    if fetched is None:
        return ledger().check(False, f"no usable key set at {url} (https, within 1 s, no redirect)")
    return _keys_listed(fetched, f" at {url}")


def _keys_listed(keys: KeySet, place: str) -> bool:
    """Reports the keys, and those that are left out; one that is left out is no failure."""
    ledger().check(True, f"{len(keys.keys)} public keys{place}: {', '.join(keys.keys)}")
    for odd in keys.left_out:
        ledger().note(f"left out: {odd}")
    return True


def _token_passes(token: str, tested: Client, registry: Registry, url: str) -> bool:
    try:
        proven = prove(
            read_token(f"Bearer {token}"), (url,), registry, KeyCache(), datetime.now(UTC)
        )
    except Refused as refusal:
        why = _WHY_REFUSED.get(refusal.reason, refusal.reason)
        ledger().check(False, f"the token is refused: {why}")
        _show_side_by_side(token, tested, url)
        return False
    if proven.client.name != tested.name:
        return ledger().check(False, f"the token passes, but as clients.{proven.client.name}")
    ledger().check(True, f"the token passes for {url}")
    if proven.slash:
        ledger().note("Its 'aud' differs from that URL by a slash at the end, which is accepted.")
    return _may_be_called(proven.client)


def _bare(given: str) -> str:
    """Returns the token itself, if it was copied with the name of its header or its scheme."""
    text = re.sub(r"(?i)^\s*authorization:", "", given).strip()
    return re.sub(r"(?i)^bearer\s+", "", text)


def _may_be_called(named: Client) -> bool:
    """Reports the FHIR servers, and those whose address the service would refuse to call."""
    good = ledger().check(
        True, f"what it may read: {', '.join(named.fhir_bases) or 'nothing live'}"
    )
    for destination in destinations(Registry(clients=(named,))):
        if destination.address:  # a name is looked up by `client probe`
            good = _is_called(destination) and good
    return good


def _is_called(destination: Destination) -> bool:
    try:
        addresses_of(destination)
    except Unusable as problem:
        return ledger().check(False, str(problem))
    return True


def _show_side_by_side(text: str, tested: Client, url: str) -> None:
    """Prints what the token says beside what is accepted here; nothing if it is no JWT."""
    try:
        token = read_token(f"Bearer {text}")
    except Refused:
        return
    credentials, claims, now = tested.credentials, token.claims, datetime.now(UTC)
    keys = credentials.keys or KeyCache().keys(
        credentials.jwks_url, "", allow_private=tested.allow_private
    )
    rows = [
        ("alg", token.header.get("alg"), " or ".join(credentials.algorithms)),
        ("kid", token.header.get("kid"), " or ".join(keys.keys) if keys else "keys not fetched"),
        ("jku", token.header.get("jku"), " or ".join(("left out", *credentials.jku))),
        ("iss", claims.get("iss"), credentials.issuer),
        ("aud", claims.get("aud"), " or ".join((url, *credentials.audiences))),
        ("iat", _time_of(claims.get("iat")), f"not after {now:%H:%M:%S} UTC, our clock"),
        ("exp", _time_of(claims.get("exp")), f"after now, within {LONGEST_LIFE_S} s of iat"),
        ("jti", claims.get("jti"), "any text, new in each token"),
        ("tenant", claims.get("tenant"), " or ".join(credentials.tenants) or "anything"),
        ("sub", claims.get("sub"), credentials.subject or "anything"),
    ]
    ledger().note("In the token, and below it what is accepted here:")
    for name, given, accepted in rows:
        ledger().note(f"  {name:<7} {_shown(given)}\n            {accepted}")
    ledger().note(
        "The accepted 'aud' follows CDS_PUBLIC_URL (or CDS_HOST and CDS_PORT) of this terminal; "
        "they must be those of the service."
    )


def _shown(value: object) -> str:
    """Returns a claim on one line; what could move a cursor is left out."""
    text = "missing" if value is None else str(value)
    return "".join(c for c in text if c.isprintable())[:_LONGEST_SHOWN]


def _time_of(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    try:
        return f"{datetime.fromtimestamp(float(value), UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return value


def _records_are_read(
    tested: Client, service: str, patient: str, access_token: str | None, settings: Settings
) -> bool:
    from cds_service.cli.probe import records_are_read  # it imports this module

    return records_are_read(tested, service, patient, access_token, settings)


def _load_registry(path: Path, settings: Settings) -> Registry:
    production = settings.mode == "production"
    with _named(path, settings):
        return Registry.load(path, allow_http=not production, need_keys=production)


def _named(path: Path, settings: Settings) -> AbstractContextManager[None]:
    """Names CDS_CLIENTS_FILE before what is wrong with the registry, if it names that file."""
    return naming("clients_file") if path == settings.clients_file else nullcontext()


def _client_named(registry: Registry, name: str) -> Client:
    for registered in registry.clients:
        if registered.name == name:
            return registered
    known = [registered.name for registered in registry.clients]
    raise click.BadParameter(
        f"there is no such client{did_you_mean(name, known)}", param_hint="NAME"
    )


_APP = "hyponatremia-cds"
_POLICY = f"{_APP}-registry"
_MADE_BY = "# Made by `cds-service client egress` from the registry of clients; do not edit.\n"


@client.command("egress")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["names", "cilium", "networkpolicy"]),
    default="names",
    show_default=True,
    help=(
        "Host and port; a policy for Cilium by name; "
        "a NetworkPolicy by the addresses that the names have now."
    ),
)
@_AS_JSON
@_NAMED_FILE
def egress(kind: str, as_json: bool, path: Path) -> None:
    """Print firewall rules for the servers we call.

    These are the FHIR servers and key sets of clients.toml; database and name server are not in it.
    A NetworkPolicy knows only addresses: make it again if the address of a name changes (the same
    registry and addresses give the same text, so that `diff` shows a change). Exit code 1, and no
    policy, if a name has no address or one that the service refuses to call.
    """
    settings = settings_from_environment()
    with _named(path, settings):
        registry = Registry.load(path, allow_http=settings.mode != "production")
    wanted = destinations(registry)
    if as_json:
        if kind != "names":
            raise click.UsageError("--json lists the names: give it without --format.")
        print_json([to_builtins(one) for one in wanted])
        return
    if kind == "cilium":
        text = _cilium(wanted)
    elif kind == "networkpolicy":
        text = _network_policy(wanted)
    else:
        text = "".join(f"{d.host} {d.port}  # {', '.join(d.clients)}\n" for d in wanted)
    click.echo(text, nl=False)


def _cilium(wanted: Sequence[Destination]) -> str:
    # Cilium learns the addresses of a name from the name server's answers, so it must see them.
    text = (
        f"{_MADE_BY}apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\n"
        f"metadata:\n  name: {_POLICY}\nspec:\n"
        f"  endpointSelector:\n    matchLabels:\n      app.kubernetes.io/name: {_APP}\n"
        "  egress:\n"
        "    - toEndpoints:\n"
        "        - matchLabels:\n"
        '            "k8s:io.kubernetes.pod.namespace": kube-system\n'
        '            "k8s:k8s-app": kube-dns\n'
        "      toPorts:\n"
        "        - ports:\n"
        '            - {port: "53", protocol: ANY}\n'
        "          rules:\n"
        "            dns:\n"
        '              - matchPattern: "*"\n'
    )
    for destination in wanted:
        if destination.address:
            text += f'    - toCIDR: ["{_network(destination.address)}"]'
        else:
            text += f'    - toFQDNs: [{{matchName: "{destination.host}"}}]'
        text += (
            f"  # {', '.join(destination.clients)}\n"
            "      toPorts:\n        - ports:\n"
            f'            - {{port: "{destination.port}", protocol: TCP}}\n'
        )
    return text


def _network_policy(wanted: Sequence[Destination]) -> str:
    rules, problems = [], []
    for destination in wanted:
        try:
            addresses = addresses_of(destination)
        except Unusable as problem:
            problems.append(str(problem))
            continue
        rules.append(f"    # {destination.host}: {', '.join(destination.clients)}\n    - to:\n")
        rules += [f'        - ipBlock: {{cidr: "{_network(a)}"}}\n' for a in addresses]
        rules.append(f"      ports:\n        - {{port: {destination.port}, protocol: TCP}}\n")
    if problems:
        raise click.ClickException("no policy was made:\n  " + "\n  ".join(problems))
    return (
        f"{_MADE_BY}apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        f"metadata:\n  name: {_POLICY}\nspec:\n"
        f"  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: {_APP}\n"
        "  policyTypes: [Egress]\n"
        + ("  egress:\n" + "".join(rules) if rules else "  egress: []\n")
    )


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"
