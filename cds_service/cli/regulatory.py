"""`cds-service regulatory` writes the file that a manufacturer shows: docs/regulatory/."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from cds_service.backtest.figures import Report, report_of
from cds_service.backtest.reviewed import USES, Reviewed, Share
from cds_service.backtest.rows import Run, read_run
from cds_service.cli.backtest_report import ANSWERS
from cds_service.cli.replay import HOOKS_FOLDER
from cds_service.errors import SettingsError
from cds_service.knowledge.examples import examples
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.knowledge.regulatory import load_regulatory
from cds_service.knowledge.regulatory_text import COMMAND, File, Measured, regulatory_pages

NAME = "regulatory"  # of the folder beside docs/clinical-basis.md
_HIDDEN = "too few patients to tell"


@click.command("regulatory")
@click.option("--write", is_flag=True, help="Write the pages.")
@click.option(
    "--check",
    "only_check",
    is_flag=True,
    help="Exit with 1 if a page differs from what hooks/ says.",
)
@HOOKS_FOLDER
@click.option(
    "--backtest",
    "run",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The --output of `cds-service backtest`: its figures and chart review become part of the "
    "validation summary.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("docs") / NAME,
    show_default=True,
    help="The folder to write or to check.",
)
def regulatory(
    write: bool, only_check: bool, hooks: Path | None, run: Path | None, output: Path
) -> None:
    """Write the file that a manufacturer shows.

    Intended purpose, the four criteria of United States law for each rule, the source attributes of
    ONC HTI-1, European law, hazard log, usability, SAFER self-assessment and validation summary: as
    far as possible made from hooks/, which says in hooks/regulatory/ what the rest of hooks/ does
    not. All of it is a draft until a manufacturer signs.

    \b
    Examples:
      cds-service regulatory --write
      cds-service regulatory --write --backtest run1 --output our-file
    """
    folder = hooks or default_hooks_dir()
    pages = pages_of(load_knowledge(folder), folder, read_run(run) if run else None)
    if write:
        write_pages(pages, output)
    elif only_check:
        check_pages(pages, output)
    else:
        click.echo("\n".join(pages))
        click.echo(f"Nothing is written. Add --write to write these pages into {output}.", err=True)


def pages_of(knowledge: Knowledge, hooks: Path, run: Run | None = None) -> dict[str, str]:
    """Returns the pages by name, with what a run measured if one is given."""
    read = load_regulatory(hooks, knowledge)
    measured = _measured(run) if run else None
    return regulatory_pages(
        File(knowledge=knowledge, regulatory=read, examples=examples(), measured=measured)
    )


def write_pages(pages: Mapping[str, str], output: Path) -> None:
    """Writes the pages; SettingsError if the folder cannot be written."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError:
        raise SettingsError(f"{output}: cannot be written") from None
    click.echo(f"Written: {len(pages)} pages in {output}.")


def check_pages(pages: Mapping[str, str], output: Path) -> None:
    """Ends with 1 if a page is missing, unreadable or not current."""
    stale = [name for name, text in pages.items() if _text_of(output / name) != text]
    if stale:
        told = ", ".join(stale)
        click.echo(f"{output}: not what hooks/ says: {told}. Run `{COMMAND}`.", err=True)
        sys.exit(1)
    click.echo(f"{output} is current.")


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


# ---- what a backtest adds


def _measured(run: Run) -> Measured:
    """Returns the figures of a run and of its chart review, without any patient."""
    kept = run.folder.private / ANSWERS
    answered = msgspec.json.decode(kept.read_bytes(), type=Reviewed) if kept.exists() else None
    report = report_of(run, reviewed=answered)
    settings, totals = run.settings, run.totals
    return Measured(
        about=[
            ("Export", settings.export),
            ("Patients", str(totals.patients)),
            ("Moments", str(sum(totals.moments.values()))),
            ("hooks/ of the run", f"`{settings.hooks[:16]}`"),
            ("Release", settings.version),
        ],
        cards=[row for profile in report.profiles for row in _cards(report, profile, answered)],
        review=_review(answered) if answered else [],
    )


def _cards(report: Report, profile: str, answered: Reviewed | None) -> list[tuple[str, ...]]:
    by_rule = answered.by_rule if answered else {}
    return [
        (
            f"{cell.name} ({profile})",
            _HIDDEN if cell.cards is None else str(cell.cards),
            _HIDDEN if cell.patients is None else str(cell.patients),
            _share(by_rule[cell.name]) if cell.name in by_rule else "",
        )
        for cell in report.table(profile, "rule")
    ]


def _review(answered: Reviewed) -> list[tuple[str, str]]:
    agreed = _share(answered.agreed)
    uses = [(meaning, str(answered.uses.get(use, 0))) for use, meaning in USES.items()]
    return [
        ("Cards drawn by chance", str(answered.drawn)),
        ("Reviewers", str(answered.reviewers)),
        ("Cards that were judged", str(answered.answered)),
        ("The card was right", agreed),
        *uses,
        ("Agreement of two reviewers (kappa)", _kappa(answered)),
    ]


def _share(share: Share) -> str:
    low, high = share.interval
    number = f"{share.number:.1f}".removesuffix(".0")
    return f"{number} of {share.whole} (95 % interval {low:.0f} to {high:.0f} %)"


def _kappa(answered: Reviewed) -> str:
    return "not known" if answered.kappa is None else f"{answered.kappa:.2f}"
