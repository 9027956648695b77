"""The command line. `Commands` lists each command with its module and function."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any, ClassVar

import click

from cds_service.cli.manners import Group, show_no_traceback
from cds_service.errors import (
    BacktestError,
    CannotWrite,
    ConfigurationError,
    FolderBusy,
    InputError,
    ServiceError,
    StoryError,
    UploadError,
)

EX_DATA = 65  # sysexits.h: what was given to read cannot be used
EX_CANTCREAT = 73  # sysexits.h: an output cannot be written
EX_TEMPFAIL = 75  # sysexits.h: try again later
EX_CONFIG = 78  # sysexits.h: the configuration is wrong
EX_INTERRUPTED = 130  # as a shell has it after Ctrl-C


_EXIT_CODES: dict[type[Exception], int] = {
    ConfigurationError: EX_CONFIG,
    FolderBusy: EX_TEMPFAIL,
    CannotWrite: EX_CANTCREAT,
    BacktestError: EX_DATA,
    InputError: EX_DATA,
    StoryError: 2,
    UploadError: 1,
}


class Commands(Group):
    """Imports the module of a command only when the command is called."""

    commands_by_name: ClassVar[dict[str, str]] = {
        "demo": "demo:demo",
        "serve": "serve:serve",
        "check": "knowledge:check",
        "replay": "replay:replay",
        "explain": "replay:explain",
        "record": "record:record",
        "replay-export": "replay_export:replay_export",
        "backtest": "backtest:backtest",
        "diff-stories": "stories:diff_stories",
        "basis": "knowledge:basis",
        "review": "review:review",
        "regulatory": "regulatory:regulatory",
        "stories": "stories:stories",
        "prefetch-table": "prefetch_table:prefetch_table",
        "client": "client:client",
        "terminology": "terminology:terminology",
        "report": "report:report",
        "off": "switch:off",
        "on": "switch:on",
        "db": "db:db",
    }

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; after Ctrl-C, also while its modules are loaded, it ends with 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(EX_INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the order in which a newcomer needs them."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command of this name, from its module."""
        if cmd_name not in self.commands_by_name:
            return None
        module, _, function = self.commands_by_name[cmd_name].partition(":")
        # What an import makes stays until the end, so the collector need not look through it.
        gc.disable()
        try:
            command: click.Command = getattr(
                importlib.import_module(f"cds_service.cli.{module}"), function
            )
        finally:
            gc.freeze()
            gc.enable()
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyponatremia-cds", prog_name="cds-service")
def cli() -> None:
    """FHIR-integrated CDS Hooks for hyponatremia.

    Start with `cds-service demo`: it runs the service with synthetic patients and prints lines to
    try. `cds-service replay` shows the cards of one story in the terminal.
    """


def main() -> None:
    """Runs a command. Every error becomes one line and an exit code; a closed pipe is no error."""
    show_no_traceback()
    try:
        cli()
    except tuple(_EXIT_CODES) as error:
        click.echo(f"cds-service: {error}", err=True)
        sys.exit(next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)))
    except ServiceError as error:
        click.echo(f"cds-service: {error.status}: {error.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"cds-service: {error.filename}: {error.strerror}", err=True)
        sys.exit(EX_DATA)
