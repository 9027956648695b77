"""`cds-service basis`: docs/clinical-basis.md, generated from hooks/."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cds_service.errors import SettingsError
from cds_service.knowledge.basis import basis_text
from cds_service.knowledge.load import default_hooks_dir, load_knowledge

_DOCUMENT = Path("docs/clinical-basis.md")


@click.command("basis")
@click.option("--write", is_flag=True, help="Write the document.")
@click.option(
    "--check", is_flag=True, help="Exit with 1 where the document is not what hooks/ says."
)
@click.option(
    "--hooks", type=click.Path(path_type=Path, file_okay=False), help="Another hooks/ folder."
)
@click.option(
    "--document",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_DOCUMENT,
    show_default=True,
    help="The file to write or to check.",
)
def command(write: bool, check: bool, hooks: Path | None, document: Path) -> None:
    """Print what every card rests on, as Markdown: rules, words, numbers, sources.

    \b
    Examples:
      cds-service basis > basis.md
      cds-service basis --write
    """
    text = basis_text(load_knowledge(hooks or default_hooks_dir()))
    if write:
        _write(document, text)
        click.echo(f"Written: {document}.")
    elif check and _read(document) != text:
        click.echo(
            f"{document} is not what hooks/ says. Run `cds-service basis --write`.", err=True
        )
        sys.exit(1)
    elif check:
        click.echo(f"{document} is current.")
    else:
        sys.stdout.write(text)


def _write(document: Path, text: str) -> None:
    try:
        document.write_text(text, encoding="utf-8")
    except OSError:
        raise SettingsError(f"{document}: cannot be written") from None


def _read(document: Path) -> str:
    try:
        return document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
