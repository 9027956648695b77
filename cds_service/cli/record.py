"""`cds-service record` keeps hook calls in files, with what identifies people replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec
from msgspec import Struct, field

from cds_service.backtest.calls import moment_of
from cds_service.cli.demo_call import ca_bundle
from cds_service.cli.manners import json_of
from cds_service.cli.replay import HOOKS_FOLDER
from cds_service.errors import BadRequest, InputError
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.protocol.wire import decode, encode
from cds_service.records.recording import Replacer
from cds_service.settings import DEFAULT_PORT
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import fetch
from cds_service.trust.guard import canonical_base
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

_PATIENCE_S = 10.0
_MOST_BYTES = 100_000_000
_POLL_S = 1.0
_PRIVATE = 0o600
_OK = 200


class _Told(Struct):
    """What a person should look at before the files are shared."""

    written: list[str] = field(default_factory=list)
    texts: dict[str, None] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)


@click.command("record")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--from",
    "url",
    default=f"http://127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    help="A service in demo or development mode, on this machine.",
)
@click.option(
    "--call",
    "files",
    type=click.File("rb"),
    multiple=True,
    help="A file with a hook call, in place of a service. Repeatable.",
)
@click.option("--profile", type=click.Choice(PROFILES), help="With --call: profile of its client.")
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C, with each new call.")
@HOOKS_FOLDER
def record(
    folder: Path,
    url: str,
    files: tuple[BinaryIO, ...],
    profile: str | None,
    follow: bool,
    hooks: Path | None,
) -> None:
    """Write hook calls to DIR with identifiers replaced.

    The calls are those on the workbench of a running service, or those in the files of --call. Each
    becomes one .json file with its prefetch and what the service read live. Ids, names and the
    systems of a site are replaced, dates are moved by one constant for each patient, tokens and
    prose are left out. `replay`, `explain` and `replay-export` read the files.

    Texts that rules read (names of drugs, problems and results) stay. They are listed: look
    through them, because only a person sees that one of them names somebody.

    \b
    Examples, with `cds-service demo` in another terminal:
      cds-service record calls/
      cds-service record calls/ --call request.json --profile european
    """
    if follow and files:
        raise click.UsageError("--follow goes with a service, not with --call.")
    told = _Told()
    made = _of_files(files, profile, hooks) if files else _of_service(url, follow)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for one in made:
            _write(folder, one, told)
    except KeyboardInterrupt:
        click.echo("", err=True)
    _tell(folder, told)


def _of_files(
    files: tuple[BinaryIO, ...], profile: str | None, hooks: Path | None
) -> Iterator[dict[str, Any]]:
    knowledge = load_knowledge(hooks or default_hooks_dir())
    replacer = Replacer()
    for file in files:
        body = json_of(file)
        if not isinstance(body, dict):
            raise InputError(f"{file.name}: this is no JSON object; give a hook call")
        service = next((s for s in knowledge.services.values() if s.hook == body.get("hook")), None)
        if service is None:
            raise InputError(f"{file.name}: its member 'hook' names no hook that we answer")
        at = moment_of(body) or datetime.now(UTC)
        keys = {key: key for key in (*service.prefetch, *service.optional)}
        about = {"service": service.id, "profile": profile or PROFILES[0]}
        try:
            one = replacer.replaced(body, at, keys, about)
        except BadRequest as error:
            raise InputError(f"{file.name}: {error.message}") from None
        told = {"texts": one.texts, "leftOut": one.left_out, "keys": one.keys}
        yield {"hook": service.hook, "call": one.call} | told


def _of_service(url: str, follow: bool) -> Iterator[dict[str, Any]]:
    """Yields the calls on a workbench, and with `follow` those that come."""
    base = canonical_base(url)
    if base is None:
        raise click.BadParameter("give a URL such as http://127.0.0.1:8642", param_hint="--from")
    after = 0
    while True:
        found = _asked(base, after)
        yield from found["calls"]
        after = found["latest"]
        if not follow:
            return
        time.sleep(_POLL_S)


def _asked(base: str, after: int) -> dict[str, Any]:
    session = guarded_session(1, tls_context(ca_bundle()))
    outgoing = OutgoingCall(Deadline.after(_PATIENCE_S), allow_private=True)
    page = f"{base}/workbench/recorded?after={after}"
    answer = fetch(session, page, {"Accept": "application/json"}, outgoing, _MOST_BYTES)
    if not answer.status:
        raise click.ClickException(f"{base}: no answer. Is the service running there?")
    if answer.status != _OK:
        raise click.ClickException(
            f"{base}: no workbench there ({answer.status}). It is there in demo and development "
            "mode only, and for callers on the same machine."
        )
    found: dict[str, Any] = decode(answer.body)
    return found


def _write(folder: Path, one: dict[str, Any], told: _Told) -> None:
    """Writes one call under the next free number, for its owner alone."""
    number = len(told.written) + 1
    while True:
        path = folder / f"{number:04}-{one['hook']}.json"
        try:
            file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb")
            break
        except FileExistsError:
            number += 1
    with file:
        file.write(msgspec.json.format(encode(one["call"]), indent=1) + b"\n")
    told.written.append(path.name)
    for kept, more in ((told.texts, "texts"), (told.left_out, "leftOut"), (told.keys, "keys")):
        kept |= dict.fromkeys(one[more])
    click.echo(str(path))


def _tell(folder: Path, told: _Told) -> None:
    """Says what a person must look at."""
    if not told.written:
        click.echo("No hook call to write: call the service first.", err=True)
        raise SystemExit(1)
    count = len(told.written)
    click.echo(f"{count} {'file' if count == 1 else 'files'} in {folder}.", err=True)
    if told.left_out:
        click.echo(f"Prose that was left out: {', '.join(told.left_out)}.", err=True)
    if told.keys:
        click.echo(f"Prefetch keys that no rule reads, left out: {', '.join(told.keys)}.", err=True)
    if told.texts:
        click.echo("Texts that stayed, because rules read them. Does one name somebody?", err=True)
        for text in told.texts:
            click.echo(f"  {text}", err=True)
