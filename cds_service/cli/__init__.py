"""The command line: one module per command, imported when it is called."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from types import ModuleType
from typing import ClassVar

import click

from cds_service.errors import ConfigurationError, ServiceError, StoryError, UploadError

EX_CONFIG = 78  # sysexits.h: the configuration is wrong


class Commands(click.Group):
    """Finds a command in the module of its name, so that `--help` stays fast."""

    modules: ClassVar[dict[str, str]] = {
        "demo": "demo",
        "serve": "serve",
        "check": "check",
        "replay": "replay",
        "explain": "explain",
        "diff-stories": "diff_stories",
        "basis": "basis",
        "stories": "stories",
        "prefetch-table": "prefetch_table",
        "client": "client",
        "terminology": "terminology",
        "report": "report",
        "db": "db",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a newcomer needs them."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = _imported(f"cds_service.cli.{self.modules[cmd_name]}").command
        return command


def _imported(name: str) -> ModuleType:
    """A module, without the collector's looking again and again through what stays until the end."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hyponatremia-cds", prog_name="cds-service")
def cli() -> None:
    """FHIR-integrated CDS Hooks for hyponatremia.

    Start with `cds-service demo`: the service with synthetic patients, and lines to try.
    `cds-service replay` shows the cards of one story in the terminal.
    """


def main() -> None:
    """Run a command; our own errors become one line and an exit code, a closed pipe is no error."""
    try:
        cli()
    except ConfigurationError as error:
        click.echo(f"cds-service: {error}", err=True)
        sys.exit(EX_CONFIG)
    except StoryError as error:
        click.echo(f"cds-service: {error}", err=True)
        sys.exit(2)
    except UploadError as error:
        click.echo(f"cds-service: {error}", err=True)
        sys.exit(1)
    except ServiceError as error:
        click.echo(f"cds-service: {error.status}: {error.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
