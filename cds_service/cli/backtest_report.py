"""`cds-service backtest report` writes the page of a run, and takes the answers of reviewers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from pathlib import Path

import click
import msgspec
from msgspec.structs import replace

from cds_service.backtest.figures import Report
from cds_service.backtest.held import opened
from cds_service.backtest.judge import asked_by
from cds_service.backtest.recipe import Recipe
from cds_service.backtest.results import write_results
from cds_service.backtest.reviewed import Reviewed, read_answers, reviewed
from cds_service.backtest.rows import Run, write_for_owner, write_whole
from cds_service.backtest.sample import charts, draw, read_drawing, write_drawing
from cds_service.cli.backtest_form import form_page
from cds_service.cli.replay import HOOKS_FOLDER, print_json
from cds_service.knowledge.load import Knowledge
from cds_service.pipeline import Pipeline
from cds_service.settings import settings_from_environment
from cds_service.trust.client import Client

FORM, ANSWERS = "review.html", "answers.json"
_OWNER_ONLY = 0o600
LOCAL_CODES = click.option(
    "--local-codes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The site's own codes, as the run had them. Default: CDS_LOCAL_CODES.",
)
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
@click.option(
    "--min-cell",
    type=click.IntRange(1, 1000),
    help="No figure about fewer patients is in the report. Default: that of the run.",
)
@click.option(
    "--sample",
    type=click.IntRange(1, 1000),
    help="Draw so many cards for chart review, and write the form for it.",
)
@click.option(
    "--profile", help="Whose cards are drawn. Default: the first profile of the run.", default=""
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="The answers of a reviewer; give one for each reviewer. They become part of the page.",
)
@HOOKS_FOLDER
@LOCAL_CODES
@click.option("--json", "as_json", is_flag=True, help="Print the names of the files as JSON.")
def report(
    folder: Path,
    rows: bool,
    min_cell: int | None,
    sample: int | None,
    profile: str,
    answers: tuple[Path, ...],
    hooks: Path | None,
    local_codes: Path | None,
    as_json: bool,
) -> None:
    """Write the page of a run anew, and let charts be reviewed.

    FOLDER is the --output of `cds-service backtest`. report.html is one page without network, which
    prints; figures.csv has all its numbers and more; not-understood.csv lists codes and names of
    which nothing is known, and local-codes.csv drafts CDS_LOCAL_CODES. None of these names a
    patient, or tells a figure about fewer patients than --min-cell. What --rows writes is about
    patients, each of them alone, and for its owner only.

    --sample writes private/review.html: cards that were drawn by chance, with the sodium before
    them. It names patients, so that their charts can be opened. Its answers come back by --answers.
    An earlier form stays beside it.

    \b
    Examples:
      cds-service backtest report run1 --rows
      cds-service backtest report run1 --sample 50
      cds-service backtest report run1 --answers ada.json --answers ben.json
    """
    files = []
    with opened(folder, "backtest report") as found_run:
        run = _with_cell(found_run, min_cell)
        pipeline = pipeline_of(run, hooks, local_codes)
        if sample is not None:
            files.append(_write_form(run, sample, profile or run.settings.profiles[0], pipeline))
        found = _reviewed(run, answers)
        results = write_results(
            run, pipeline.knowledge, pipeline.vocabulary, reviewed=found, rows=rows
        )
    show_files([*results.files, *files], results.report, pipeline.knowledge, as_json=as_json)


def _with_cell(run: Run, min_cell: int | None) -> Run:
    """Returns the run with another smallest cell for its figures."""
    if min_cell is None:
        return run
    file = copy(run.file)
    file.settings = replace(file.settings, min_cell=min_cell)
    return replace(run, file=file)


def _write_form(run: Run, number: int, profile: str, pipeline: Pipeline) -> Path:
    """Writes the form for chart review into the folder that only its owner reads.

    The form of another drawing stays beside it, because reviewers may be at work with it.
    """
    if profile not in run.settings.profiles:
        known = ", ".join(run.settings.profiles)
        raise click.BadParameter(f"the run has {known}", param_hint="--profile")
    drawing = draw(run, number, profile)
    write_drawing(run, drawing)
    held = charts(run, drawing, pipeline, lambda service: asked_by(service, Client()))
    path = run.folder.private / FORM
    kept = write_for_owner(path, form_page(drawing, held, pipeline).encode())
    if kept is not None:
        click.echo(
            f"The form that was there is now {kept}. Its answers are taken too, for as long as the "
            "run is the same, but not together with those to the new one.",
            err=True,
        )
    return path


def _reviewed(run: Run, answers: Sequence[Path]) -> Reviewed | None:
    """Returns what reviewers thought; the answers of earlier times stay in the folder."""
    kept = run.folder.private / ANSWERS
    if answers:
        given = [read_answers(path) for path in answers]
        drawing = read_drawing(run, given[0].sample)
        found = reviewed(given, drawing.rules, drawing.sample)
        write_whole(kept, msgspec.json.encode(found))
        kept.chmod(_OWNER_ONLY)
        return found
    return msgspec.json.decode(kept.read_bytes(), type=Reviewed) if kept.exists() else None


def pipeline_of(run: Run, hooks: Path | None, local_codes: Path | None = None) -> Pipeline:
    """Returns the rules for names and words; the figures are those of the run in any case."""
    environment = settings_from_environment()
    recipe = Recipe(
        hooks=hooks,
        local_codes=local_codes or environment.local_codes,
        rxnorm_index=environment.rxnorm_index,
    )
    known = recipe.loaded()
    if (known.hash("new"), recipe.codes) != (run.settings.hooks, run.settings.local_codes):
        click.echo(
            "Warning: hooks/ or the local codes are not those of the run. The figures are those of "
            "the run; names of rules, lists and cards for review are of today. Name what it had "
            "with --hooks and --local-codes, or run it anew.",
            err=True,
        )
    return known.pipelines["new"]


def show_files(
    files: Sequence[Path], report: Report, knowledge: Knowledge, *, as_json: bool = False
) -> None:
    """Prints what was written, and what an analyst looks at first."""
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return
    patients = report.run.totals.patients
    for profile in report.profiles:
        told = [
            f"{c.name} ({knowledge.topics[knowledge.rules[c.name].topic]}) "
            f"{c.per_100(patients) or 0:.1f}"
            if c.name in knowledge.rules
            else f"{c.name} {c.per_100(patients) or 0:.1f}"
            for c in report.noisiest(profile)
        ]
        rules = ", ".join(told) or "no rule about enough patients"
        click.echo(f"Noisiest under {profile}, cards for each 100 patients: {rules}")
    counts = Counter(one.kind for one in report.unknown)
    unread = ", ".join(f"{number} of {kind}" for kind, number in counts.items())
    rare = sum(report.unknown_rare.values())
    more = f"; {rare} that came seldom are in private/local-codes.csv alone" if rare else ""
    click.echo(f"Codes, units and names that were not understood: {unread or 'none'}{more}")
    for path in files:
        click.echo(f"Written: {path}")
    click.echo(f"Open {files[0]} with a browser; it needs no network.")
