"""What every command does for its user: it names what was meant, and cuts no sentence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from types import TracebackType
from typing import Any, BinaryIO

import click

from cds_service.errors import BadRequest, InputError
from cds_service.protocol.wire import decode

EX_SOFTWARE = 70  # sysexits.h: an error of the program
_NEAR = 0.6  # of difflib; a name that is less alike is not what was meant
_BOM = b"\xef\xbb\xbf"


class Group(click.Group):
    """A group of commands that lists them in whole sentences, and says which one was meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command; UsageError names the nearest one that exists."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            ctx.fail(f"No such command '{args[0]}'{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the first sentence of each command, on as many lines as it needs."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(limit=10_000))
            for name, command in found
            if command is not None and not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Returns the end of a sentence that names the nearest of the names that exist, or all."""
    names = list(known)
    near = get_close_matches(given, names, n=1, cutoff=_NEAR)
    if near:
        return f"; did you mean {near[0]}?"
    parts = [name for name in names if given and given.casefold() in name.casefold()]
    if parts:
        return f"; did you mean {_one_of(parts)}?"
    return f"; there are: {', '.join(names) or 'none'}"


def _one_of(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def json_of(file: BinaryIO) -> Any:
    """Returns the JSON of a file; InputError says in which line and column it breaks."""
    body = file.read().removeprefix(_BOM)
    try:
        return decode(body)
    except BadRequest:
        raise InputError(f"{_name_of(file)} is not valid JSON{_place(body)}") from None


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", "-")
    return "standard input" if name in ("-", "<stdin>", 0) else str(name)


def _place(body: bytes) -> str:
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        return f": line {error.lineno}, column {error.colno}: {error.msg}"
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        return f": line {line} is not UTF-8"
    except RecursionError:
        return ": it is nested too deeply"
    return ": NaN and Infinity are no numbers of JSON"


def show_no_traceback() -> None:
    """Makes an error of the program one line; `python -X dev` shows all of it."""
    if not sys.flags.dev_mode:
        sys.excepthook = _told


def _told(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    # The text of an exception may hold patient data, so only its class and place are shown.
    place = ""
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__", "?")
        if str(name).startswith("cds_service") or not place:
            place = f"{name}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    sys.stdout.flush()
    sys.stderr.write(
        f"cds-service: this is an error of the program ({kind.__name__} in {place}); please report "
        "this line. `python -X dev -m cds_service ...` shows more; that may hold patient data.\n"
    )
    sys.stderr.flush()
    os._exit(EX_SOFTWARE)
