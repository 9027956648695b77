"""`cds-service terminology` makes a site's RxNorm index and looks up a code or a name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from cds_service.cli.manners import Group
from cds_service.cli.replay import HOOKS_FOLDER, print_json
from cds_service.errors import TerminologyError
from cds_service.knowledge.load import load_knowledge
from cds_service.records.rxnorm_files import Progress, import_release, write_index
from cds_service.records.site_codes import site_codes
from cds_service.settings import settings_from_environment
from cds_service.terminology.vocabulary import explain_term, vocabulary

_DEFAULT_INDEX = Path("rxnorm-index.json")
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def _file(name: str, text: str) -> Callable[[_Decorated], _Decorated]:
    return click.option(name, type=click.Path(path_type=Path, dir_okay=False), help=text)


_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_LOCAL = _file(
    "--local-codes",
    "CSV: system, code, and ingredient, analyte or problem. Default: CDS_LOCAL_CODES.",
)


@click.group("terminology", cls=Group)
def terminology() -> None:
    """Add drug codes from RxNorm, and look up a code or a name."""


@terminology.command("import")
@click.argument("release", metavar="PATH", type=click.Path(path_type=Path))
@_file("--output", f"The index to write. Default: CDS_RXNORM_INDEX, else {_DEFAULT_INDEX}.")
@click.option(
    "--released",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Date of the release, if no file name contains it.",
)
@_LOCAL
@HOOKS_FOLDER
@_JSON
def import_(
    release: Path,
    output: Path | None,
    released: datetime | None,
    local_codes: Path | None,
    hooks: Path | None,
    as_json: bool,
) -> None:
    """Make the index from NLM's RxNorm in PATH.

    PATH is a folder or a ZIP file with the full or the prescribable release. Nothing is downloaded.
    The index is written whole or not at all: if the import was stopped, run it again. The service
    reads the index that CDS_RXNORM_INDEX names at its next start.

    \b
    Example:
      cds-service terminology import RxNorm_full_prescribe_10062025.zip \\
        --output /etc/cds/rxnorm-index.json
    """
    if not release.exists():
        raise TerminologyError(f"{release.name}: there is no such folder or file")
    settings = settings_from_environment()
    knowledge = load_knowledge(hooks or settings.hooks_dir)
    # A broken CSV shows before the long walk.
    site_codes(knowledge.terms, codes=local_codes or settings.local_codes)
    when = released.date() if released is not None else None
    with _bar() as progress:
        index = import_release(knowledge.terms.drugs, release, when, progress)
    path = output or settings.rxnorm_index or _DEFAULT_INDEX
    write_index(index, path)
    reached = {name for product in index.products.values() for name in product.ingredients}
    result = {
        "index": str(path),
        "release": index.release.isoformat(),
        "codes": len(index.products),
        "ingredients": len(reached),
        "notInRelease": sorted(set(knowledge.terms.drugs) - reached),
    }
    if as_json:
        print_json(result)
        return
    size = f"{len(index.products)} codes of {len(reached)} ingredients"
    click.echo(f"{path}: RxNorm of {index.release}, {size}.")
    click.echo(f"Set CDS_RXNORM_INDEX={path} and start the service again.")


@contextmanager
def _bar() -> Iterator[Progress]:
    """Shows a progress bar on standard error, one line for each file, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    console = Console(stderr=True)
    tasks: dict[str, TaskID] = {}
    with Bar(console=console, disable=not console.is_terminal) as bar:

        def report(file: str, read: int, size: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=size)
            bar.update(tasks[file], completed=read)

        yield report


@terminology.command("lookup")
@click.argument("term", metavar="CODE_OR_NAME")
@_file("--index", "An RxNorm index. Default: CDS_RXNORM_INDEX.")
@_LOCAL
@HOOKS_FOLDER
@_JSON
def lookup(
    term: str, index: Path | None, local_codes: Path | None, hooks: Path | None, as_json: bool
) -> None:
    """Show what the service takes CODE_OR_NAME for.

    It looks for a meaning in an order, a result and a problem, and names the step that found it. A
    code may have its system in front: "http://snomed.info/sct|372594008"; without one every system
    is tried. Exit code 1 if it is not known: such a drug counts as "not recognised" on cards.

    \b
    Examples:
      cds-service terminology lookup 312940
      cds-service terminology lookup "HYDROCHLOROTHIAZIDE 25 MG TAB"
    """
    settings = settings_from_environment()
    knowledge = load_knowledge(hooks or settings.hooks_dir)
    site = site_codes(
        knowledge.terms, index or settings.rxnorm_index, local_codes or settings.local_codes
    )
    words = vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders, site.local)
    meanings = explain_term(term, words.drugs, words.concepts, words.labs)
    if as_json:
        release = site.release.isoformat() if site.release else None
        meanings_as_json = [meaning.as_dict() for meaning in meanings]
        print_json({"asked": term, "meanings": meanings_as_json, "rxnormRelease": release})
    elif meanings:
        click.echo("\n".join(m.as_text() for m in meanings))
    else:
        click.echo("Not known as a drug, a fluid, a laboratory test or a problem.")
    if not meanings:
        sys.exit(1)
