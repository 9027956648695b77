"""`cds-service replay-export` shows how many cards recorded hook calls would have brought."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from msgspec import Struct, field
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cds_service.backtest.burden import INDICATORS, Answer, Burden, SeenCard, burden
from cds_service.backtest.calls import RecordedCall, call_files, recorded_calls
from cds_service.cli.replay import (
    HOOKS_FOLDER,
    evaluate,
    print_json,
    service_of_hook,
    site_pipeline,
)
from cds_service.errors import BadRequest, ServiceError
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import grounds
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir
from cds_service.pipeline import Evaluation, Pipeline
from cds_service.trust.client import Client

_NAMED = 20  # calls that could not be used, named one by one in the terminal
_NAMES = Pseudonyms(b"compared within one run only")


class _Run(Struct):
    """What became of the calls so far."""

    answers: dict[str, list[Answer]]  # by profile
    wrong: list[RecordedCall] = field(default_factory=list)


@click.command("replay-export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(PROFILES),
    multiple=True,
    help="Guideline profile; may be given twice. Default: all.",
)
@HOOKS_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print the figures as one JSON object.")
def replay_export(
    folder: Path, profiles: tuple[str, ...], hooks: Path | None, as_json: bool
) -> None:
    """Count the cards of recorded hook calls.

    Shows what the calls in DIR would have brought: cards per 100 calls, repeats, bullets and draft
    orders. DIR holds hook calls with their prefetch: one in a .json file, or one a line in a
    .ndjson file, also compressed (.gz). Each is answered as of its own moment: its member "at", or
    else the newest time in its prefetch. No FHIR server is called. The output holds figures only,
    and no patient data. Run it with the old and the new --hooks to see what a change costs.

    \b
    Exit code 1: a file or line could not be used; each is named.

    \b
    Examples:
      cds-service replay-export calls/
      cds-service replay-export calls/ --profile aasld --json > burden.json
    """
    pipeline = site_pipeline(hooks or default_hooks_dir())
    chosen = tuple(dict.fromkeys(profiles)) or PROFILES
    run = _Run({profile: [] for profile in chosen})
    for call in _with_progress(folder):
        _answer(pipeline, call, run)
    limits = pipeline.knowledge.limits
    figures = {profile: burden(run.answers[profile], limits[profile]) for profile in chosen}
    if as_json:
        wrong = [{"where": call.where, "wrong": call.wrong} for call in run.wrong]
        profiles_ = {profile: each.as_json() for profile, each in figures.items()}
        print_json({"profiles": profiles_, "notUsed": wrong})
    else:
        for profile, each in figures.items():
            _print(profile, each)
    sys.exit(_told(run, sum(each.calls for each in figures.values()), as_json))


def _with_progress(folder: Path) -> Iterator[RecordedCall]:
    """Yields the calls; in a terminal a bar shows how far the reading is, by the size of files."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Calls", total=None)
        files = len(call_files(folder))
        for number, call in enumerate(recorded_calls(folder), 1):
            progress.update(task, completed=number, description=f"Calls of {files} files: {number}")
            yield call


def _answer(pipeline: Pipeline, call: RecordedCall, run: _Run) -> None:
    """Answers one call under each profile; what cannot be used is kept with its reason."""
    if call.wrong:
        run.wrong.append(call)
        return
    try:
        service = service_of_hook(pipeline, str(call.body.get("hook")))
        new = [(p, _answered(pipeline, service, call, p)) for p in run.answers]
    except BadRequest as error:
        run.wrong.append(RecordedCall(where=call.where, wrong=error.message))
        return
    for profile, answer in new:
        run.answers[profile].append(answer)


def _answered(pipeline: Pipeline, service: str, call: RecordedCall, profile: str) -> Answer:
    """Answers one call; one that lacks its data (412) counts as a call without a card."""
    assert call.at is not None  # noqa: S101  # a call without a moment is not answered
    context = call.body.get("context")
    who = context if isinstance(context, dict) else {}
    answer = Answer(
        at=call.at, patient=str(who.get("patientId", "")), user=str(who.get("userId", ""))
    )
    try:
        evaluation = evaluate(pipeline, service, call.body, call.at, Client(profile=profile))
    except BadRequest:
        raise
    except ServiceError as error:
        return replace(answer, refused=error.status)
    return replace(answer, cards=tuple(_seen(pipeline, service, evaluation)))


def _seen(pipeline: Pipeline, service: str, evaluation: Evaluation) -> Iterator[SeenCard]:
    more = pipeline.knowledge.words.card.more
    rules = pipeline.knowledge.services[service].rules
    for finding, card in zip(evaluation.returned, evaluation.cards, strict=False):
        topic = card["source"]["topic"]["code"]
        assert evaluation.case is not None  # noqa: S101  # a card is always about a case
        yield SeenCard(
            topic=topic,
            indicator=card["indicator"],
            bullets=card["detail"].partition(more)[0].count("\n- ")
            + card["detail"].startswith("- "),
            drafts=_drafts(card),
            slot=rules[finding.rule].slot_of(finding.variant),
            grounds=grounds(finding, evaluation.case, topic, _NAMES),
        )


def _drafts(card: dict[str, Any]) -> int:
    """Returns how many new orders the buttons of a card would write."""
    suggestions = card.get("suggestions", [])
    return sum(action["type"] == "create" for each in suggestions for action in each["actions"])


def _told(run: _Run, calls: int, as_json: bool) -> int:
    """Names what could not be used, and returns the exit code."""
    if not as_json:
        for call in run.wrong[:_NAMED]:
            click.echo(f"Not used: {call.where}: {call.wrong}", err=True)
        if len(run.wrong) > _NAMED:
            click.echo(f"... and {len(run.wrong) - _NAMED} more; --json lists all.", err=True)
    if not calls and not run.wrong:
        click.echo("No hook call found: files end in .json, .ndjson or .jsonl.", err=True)
    return 0 if calls and not run.wrong else 1


def _print(profile: str, figures: Burden) -> None:
    console = Console(highlight=False)
    shown = figures.of(*INDICATORS)
    console.print(
        f"\n[bold]{profile}[/bold]: {figures.calls} calls, {figures.with_card} with a card"
    )
    for status, number in sorted(figures.refused.items()):
        console.print(f"  not answered, status {status}: {number}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Topic", "Indicator"):
        table.add_column(name)
    for name in ("Cards", "Per 100 calls", "Again within 24 h"):
        table.add_column(name, justify="right")
    for (topic, indicator), number in figures.cards.most_common():
        again = figures.repeats[topic, indicator]
        table.add_row(topic, indicator, *_cells(figures, number, again))
    table.add_section()
    for indicator in INDICATORS:
        again = sum(n for (_, i), n in figures.repeats.items() if i == indicator)
        table.add_row("all", indicator, *_cells(figures, figures.of(indicator), again))
    table.add_row("all", "", *_cells(figures, shown, sum(figures.repeats.values())), style="bold")
    console.print(table)
    told = figures.as_json()
    console.print(f"Info cards that their reader saw unchanged within 12 h: {figures.unchanged}")
    for title, spread in (("Bullets before More", "bullets"), ("Draft orders", "draftOrders")):
        console.print(
            f"{title} per card: {', '.join(f'{k} {v:g}' for k, v in told[spread].items())}"
        )


def _cells(figures: Burden, number: int, again: int) -> tuple[str, str, str]:
    return str(number), f"{figures.per_100(number):.1f}", str(again)
