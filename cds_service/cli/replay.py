"""`cds-service replay` and `cds-service explain` answer a hook call without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec.structs
from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cds_service.backtest.calls import RecordedCall, recorded_calls
from cds_service.cli.manners import did_you_mean, json_of
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.engine.cards import CardSettings
from cds_service.errors import BadRequest, InputError, ServiceError, StoryError
from cds_service.knowledge.limits import PROFILES
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.pipeline import HOOKS, Evaluation, Options, Pipeline
from cds_service.protocol.request import hook_request
from cds_service.protocol.wire import encode
from cds_service.records.client import FhirClient
from cds_service.records.recording import AT, RECORDED
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import named_hooks_dir, naming, settings_from_environment
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client


def _or_of_settings(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
    """Returns the folder that is given, or else the one that CDS_HOOKS_DIR names."""
    return value or named_hooks_dir()


HOOKS_FOLDER = click.option(
    "--hooks",
    type=click.Path(path_type=Path, file_okay=False),
    callback=_or_of_settings,
    help="Another hooks/ folder. Default: CDS_HOOKS_DIR, else our own.",
)
FIXTURES_FOLDER = click.option(
    "--fixtures", type=click.Path(path_type=Path, file_okay=False), help="Another fixtures/ folder."
)
_PATIENCE_S = 600  # no EHR waits for what is answered here, and nothing is read live
_COLORS = {"info": "blue", "warning": "yellow", "critical": "red"}
# These cards go to no EHR, so a constant secret is enough, and a story always prints the same.
SETTINGS = CardSettings(
    base_url="http://127.0.0.1:8642",
    terminology_base="http://127.0.0.1:8642/fhir",
    secret=b"replayed on the command line",
    demo=True,
)


@click.command("replay")
@click.argument("names", metavar="[STORY|FILE|DIR]...", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="List the stories and stop.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the CDS Hooks answers, one JSON object a line."
)
@click.option("--language", default="", metavar="CODE", help='Of the cards, such as "de".')
@HOOKS_FOLDER
@FIXTURES_FOLDER
def replay(
    names: tuple[str, ...],
    only_list: bool,
    as_json: bool,
    language: str,
    hooks: Path | None,
    fixtures: Path | None,
) -> None:
    """Show the cards of one STORY, of several, or of all.

    A FILE or DIR holds recorded hook calls (`cds-service record`): each is answered as of its own
    moment, for the client that its recording names. Give "./name" for a folder that is named like a
    story.

    \b
    Examples:
      cds-service replay cramps-in-siadh
      cds-service replay cramps-in-siadh --language de
      cds-service replay calls/0001-patient-view.json
      cds-service replay --json saline-3-percent-mild | python -m json.tool
    """
    paths = [Path(name) for name in names if _is_path(name)]
    names = tuple(name for name in names if not _is_path(name))
    fixtures = fixtures or default_fixtures_dir()
    stories = chosen_stories(fixtures, names) if names or not paths else []
    console = Console(highlight=False)
    if only_list:
        _list(stories, console)
        return
    # A new rule is tried out before `make facts` has recorded its texts.
    pipeline = offline_pipeline(hooks or default_hooks_dir(), check_facts=False)
    if language and language not in pipeline.languages:
        spoken = ", ".join(pipeline.languages)
        raise click.BadParameter(f"cards speak {spoken}", param_hint="--language")
    for story in stories:
        cards = answer_story(pipeline, story, language).cards
        if as_json:
            print_json({"story": story.name, "cards": cards})
            continue
        console.print(f"\n[bold]{story.name}[/bold]  {story.file.title}")
        print_cards(cards)
    wrong = [_replay_file(pipeline, path, language, as_json=as_json) for path in paths]
    if any(wrong):
        sys.exit(1)


def _list(stories: Iterable[Story], console: Console) -> None:
    """Names the stories; a pipe has no width, so that each story has one line."""
    for story in stories:
        console.print(f"[bold]{story.name}[/bold]  {story.file.title}", soft_wrap=True)


def _is_path(name: str) -> bool:
    """Whether a name is one of a file or folder: a story's name has neither slash nor point."""
    return "/" in name or "." in name or Path(name).is_dir()


def _replay_file(pipeline: Pipeline, path: Path, language: str, *, as_json: bool) -> bool:
    """Shows the cards of recorded calls; True if one could not be answered."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    console, wrong = Console(highlight=False), False
    for call in recorded_calls(path):
        reason, cards = call.wrong, list[dict[str, Any]]()
        try:
            if not reason:
                cards = answer_recorded(pipeline, call, language).cards
        except ServiceError as error:
            reason = f"{error.status}: {error.message}"
        wrong = wrong or bool(reason)
        if as_json:
            print_json({"call": call.where} | ({"wrong": reason} if reason else {"cards": cards}))
            continue
        console.print(f"\n[bold]{call.where}[/bold]  {call.at or ''}")
        if reason:
            console.print(f"  {reason}", style="red")
        else:
            print_cards(cards)
    return wrong


def answer_recorded(pipeline: Pipeline, call: RecordedCall, language: str = "") -> Evaluation:
    """Answers a recorded call as of its moment, for the client that its recording names."""
    assert call.at is not None  # noqa: S101  # a call without a moment is `wrong`
    service = service_of_hook(pipeline, str(call.body.get("hook")))
    client = recorded_client(call.body)
    if language:
        client = msgspec.structs.replace(client, language=language)
    return evaluate(pipeline, service, call.body, call.at, client)


def recorded_client(body: Mapping[str, Any]) -> Client:
    """Returns the client for which a call was answered, as far as its recording says."""
    extension = body.get("extension")
    about = extension.get(RECORDED) if isinstance(extension, dict) else None
    if not isinstance(about, dict):
        return Client()
    profile, language = about.get("profile"), about.get("language")
    return Client(
        profile=profile if profile in PROFILES else PROFILES[0],
        language=language if isinstance(language, str) else "",
        explain_missing_data=about.get("explainMissingData") is True,
    )


@click.command("explain")
@click.argument("request", metavar="REQUEST.json", type=click.File("rb"))
@click.option(
    "--at",
    metavar="INSTANT",
    help="Evaluate as of this time (ISO 8601 with zone); default: of a recorded call its own, else "
    "now.",
)
@click.option(
    "--profile",
    type=click.Choice(PROFILES),
    help="Guideline profile; default: that of a recorded call, else aasld.",
)
@HOOKS_FOLDER
@click.option("--json", "as_json", is_flag=True, help="Print cards and explanation as JSON.")
def explain(
    request: BinaryIO, at: str | None, profile: str | None, hooks: Path | None, as_json: bool
) -> None:
    """Show why a hook call gets its cards, and no others.

    REQUEST.json is the hook call ("-" for standard input). Only its prefetch is read; no FHIR
    server is called. The site's own codes are known as to the service (CDS_LOCAL_CODES).
    The output shows values of the request: protect it like the patient's record.

    \b
    Example:
      cds-service explain fixtures/cramps-in-siadh/request.json --at 2026-11-20T09:00:00Z
    """
    pipeline = site_pipeline(hooks or default_hooks_dir())
    body = _hook_call(request)
    service = service_of_hook(pipeline, str(body.get("hook")))
    client = recorded_client(body)
    if profile:
        client = msgspec.structs.replace(client, profile=profile)
    try:
        evaluation = evaluate(pipeline, service, body, _instant(at or body.get(AT)), client)
    except ServiceError as error:
        click.echo(f"{error.status}: {error.message}")
        sys.exit(1)
    reasons = pipeline.explain(evaluation, service, with_values=True)
    if as_json:
        print_json({"cards": evaluation.cards, "explanation": reasons})
        return
    print_cards(evaluation.cards)
    _print_reasons(reasons)


def _hook_call(file: BinaryIO) -> dict[str, Any]:
    """Returns the hook call in a file; InputError says what the file is instead."""
    body = json_of(file)
    if not isinstance(body, dict):
        raise InputError("this is no JSON object; give a hook call, as the EHR sends it")
    if "resourceType" in body:
        raise InputError(
            f"this is a FHIR {body['resourceType']} and no hook call, which has the members hook, "
            "hookInstance, context and prefetch; `cds-service demo request STORY` prints one"
        )
    return body


def service_of_hook(pipeline: Pipeline, hook: str) -> str:
    """Returns the id of the service that answers a hook; BadRequest if no service does."""
    for service in pipeline.knowledge.services.values():
        if service.hook == hook:
            return service.id
    raise BadRequest("The member 'hook' names no hook that this service answers.")


def _instant(at: object) -> datetime:
    if at is None:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(str(at))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise click.BadParameter(
            "give an instant with its zone, as in 2026-11-20T09:00:00Z", param_hint="--at"
        )
    return instant


def _print_reasons(reasons: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    console.print("\n[bold]Sources[/bold]")
    for key, state in reasons["sources"].items():
        console.print(f"  {key}: {state}")
    if reasons.get("reason"):
        console.print(f"\n{reasons['reason']}")
    console.print(f"\n[bold]Fired[/bold]  {', '.join(reasons.get('fired', [])) or 'none'}")
    table = Table("Silent rule", "because", box=None, pad_edge=False)
    for row in reasons.get("silent", []):
        table.add_row(row["rule"], row["because"])
    console.print(table)


def offline_pipeline(hooks: Path, *, check_facts: bool = True) -> Pipeline:
    """Returns a pipeline over a hooks folder that reads no FHIR server."""
    return Pipeline(load_knowledge(hooks, check_facts=check_facts), SETTINGS, FhirClient())


def site_pipeline(hooks: Path) -> Pipeline:
    """Returns one that knows the site's own codes, as the service does (CDS_LOCAL_CODES)."""
    settings, knowledge = settings_from_environment(), load_knowledge(hooks)
    site = site_codes(knowledge.terms, settings.rxnorm_index, settings.local_codes, naming)
    options = Options(local_codes=site.local)
    return Pipeline(asking_for(knowledge, site), SETTINGS, FhirClient(), options)


def evaluate(
    pipeline: Pipeline, service: str, body: dict[str, Any], now: datetime, client: Client
) -> Evaluation:
    """Answers one hook call as of `now`."""
    hook = pipeline.knowledge.services[service].hook
    request = hook_request(body, service, hook, now, drafts=HOOKS[hook].drafts)
    request = msgspec.structs.replace(request, fhir_server=None, token=None)
    return pipeline.answer(request, client, Deadline.after(_PATIENCE_S))


def answer_story(pipeline: Pipeline, story: Story, language: str = "") -> Evaluation:
    """Answers the call of a story at the story's own time, under its own profile."""
    if story.file.service not in pipeline.knowledge.services:
        raise StoryError(f"{story.name}/story.toml: there is no service '{story.file.service}'")
    client = Client(
        profile=story.file.profile,
        explain_missing_data=story.file.explain_missing_data,
        language=language,
    )
    return evaluate(pipeline, story.file.service, story.request, story.file.now, client)


def chosen_stories(fixtures: Path, names: tuple[str, ...] = ()) -> list[Story]:
    """Returns the named stories, or all; StoryError lists the names that exist."""
    stories = load_stories(fixtures)
    for name in names:
        if name not in stories:
            raise StoryError(f"there is no story '{name}'{did_you_mean(name, stories)}")
    return [stories[name] for name in names] if names else list(stories.values())


def print_json(value: object) -> None:
    """Prints one line of JSON."""
    sys.stdout.write(encode(value).decode() + "\n")


def print_cards(cards: list[dict[str, Any]], reason: str = "") -> None:
    """Prints each card as a panel in the terminal; without one the reason, if it is known."""
    console = Console(highlight=False)
    if not cards and reason:
        console.print(f"  No card: {reason}.", style="yellow")
    elif not cards:
        console.print("  No card: looked, and found nothing to say.", style="green")
    for card in cards:
        _print_card(console, card)


def _print_card(console: Console, card: Mapping[str, Any]) -> None:
    indicator = card["indicator"]
    parts: list[Any] = [
        Text(card["summary"], style="bold"),
        Markdown(card["detail"], hyperlinks=False),
    ]
    for suggestion in card.get("suggestions", []):
        button = Text(f"[ {suggestion['label']} ]", style="bold cyan")
        actions = ", ".join(_action(action) for action in suggestion["actions"])
        parts.append(button.append(f"  {actions}", style="dim"))
    panel = Panel(
        Group(*parts),
        title=f"{indicator} · {card['source']['topic']['code']}",
        subtitle=card["source"]["label"],
        title_align="left",
        border_style=_COLORS[indicator],
    )
    console.print(panel)


def _action(action: Mapping[str, Any]) -> str:
    resource = action.get("resource", {})
    kind = resource.get("resourceType") or action.get("resourceId", "").partition("/")[0]
    coding = resource.get("code", {}).get("coding", [{}])[0]
    return f"{action['type']} {kind} {coding.get('code', '')}".strip()
