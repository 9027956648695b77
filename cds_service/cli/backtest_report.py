"""`cds-service backtest report` writes the page of a run, and takes the answers of reviewers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cds_service.backtest.results import write_results
from cds_service.backtest.rows import Run, read_run
from cds_service.cli.replay import HOOKS_FOLDER, print_json
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.terminology.vocabulary import Vocabulary, vocabulary

FOLDER = click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
ROWS = click.option(
    "--rows",
    is_flag=True,
    help="Also write a line for each card, patients as keyed hashes: rows.parquet if the extra "
    "[parquet] is installed, else rows.csv.",
)


@click.command("report")
@FOLDER
@ROWS
@HOOKS_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print the names of the files as JSON.")
def report(folder: Path, rows: bool, hooks: Path | None, as_json: bool) -> None:
    """Write the page and the figures of a run anew.

    FOLDER is the --output of `cds-service backtest`. report.html is one page without network, which
    prints; figures.csv has all its numbers and more; not-understood.csv lists codes and names of
    which nothing is known, and local-codes.csv drafts CDS_LOCAL_CODES. No file outside of private/
    names a patient, or tells a figure about fewer patients than --min-cell.

    \b
    Examples:
      cds-service backtest report run1
      cds-service backtest report run1 --rows
    """
    run = read_run(folder)
    known, words = _knowledge(run, hooks)
    show_files(write_results(run, known, words, rows=rows), as_json=as_json)


def _knowledge(run: Run, hooks: Path | None) -> tuple[Knowledge, Vocabulary]:
    """Returns the knowledge for names and words; the figures are those of the run in any case."""
    known = load_knowledge(hooks or default_hooks_dir())
    if known.sha256 != run.settings.hooks:
        click.echo(
            "Warning: hooks/ has changed since the run. The figures are those of the run; names of "
            "rules and lists are of today. Run it anew, or name its hooks/ with --hooks.",
            err=True,
        )
    return known, vocabulary(known.terms, known.fluids, known.orders)


def show_files(files: Sequence[Path], *, as_json: bool = False) -> None:
    """Prints what was written."""
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    for path in files:
        click.echo(f"Written: {path}")
    click.echo(f"Open {files[0]} with a browser; it needs no network.")
