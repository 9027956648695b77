"""`cds-service demo load` writes the stories as patients to any FHIR R4 server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from cds_service.cli.demo_call import FHIR_BASE, ca_bundle, fhir_token
from cds_service.cli.replay import chosen_stories, print_json
from cds_service.demo.stories import Story, default_fixtures_dir
from cds_service.demo.upload import Upload
from cds_service.errors import UploadError

_LINE_EVERY_S = 5.0
_TO_TRY = ("saline-3-percent-mild", "cramps-in-siadh", "sertraline-with-low-sodium")


# Gets the number of stories that are loaded, and the name of the next one.
ShowProgress = Callable[[int, str], None]


@click.command("load")
@FHIR_BASE
@click.option(
    "--story", "names", multiple=True, metavar="NAME", help="Only this story. Repeatable."
)
@click.option(
    "--wait",
    default=10,
    show_default=True,
    type=click.IntRange(0, 3600),
    metavar="SECONDS",
    help="How long to wait for a server that is still starting.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was loaded as JSON.")
def load(base: str, names: tuple[str, ...], wait: int, as_json: bool) -> None:
    """Write the stories' patients to a FHIR R4 server.

    Their times are shifted to now. Each resource is written under its own id (PUT), so you can run
    it again after it was stopped, and a later run brings the same patients back to the present. If
    the server has another person under one of these ids, the run stops before anything of that
    story is written. All patients are invented, and labelled as test data (HTEST).

    The server needs no preparation. If it wants a token, put it into the variable DEMO_FHIR_TOKEN,
    or its file into DEMO_FHIR_TOKEN_FILE.
    Plain http is for this machine and private networks.

    \b
    Examples:
      cds-service demo load --fhir-base http://127.0.0.1:8080/fhir
      DEMO_FHIR_TOKEN=... cds-service demo load --fhir-base https://fhir.example/r4
    """
    chosen = chosen_stories(default_fixtures_dir(), names)
    stories = [story for story in chosen if not story.file.failing]
    upload = Upload(base, fhir_token(), ca_bundle=ca_bundle())

    def show_waiting(waited: float, why: str) -> None:
        if round(waited) % round(_LINE_EVERY_S) == 0:
            click.echo(f"Waiting for {base} ({waited:.0f} of {wait} s): {why}", err=True)

    try:
        upload.wait(wait, show_waiting)
        # The time is taken after the wait, which may last minutes.
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with _progress(len(stories)) as show:
            for number, story in enumerate(stories):
                show(number, story.name)
                upload.store(story.resources_at(now))
    except UploadError as error:
        raise UploadError(
            f"{base}: {error}. Run it again when that is mended: it writes the same resources."
        ) from None
    left_out = [story.name for story in chosen if story.file.failing]
    if as_json:
        print_json(_as_json(base, stories, left_out, now, upload))
    else:
        click.echo(_as_text(base, stories, left_out, now))


@contextmanager
def _progress(stories: int) -> Iterator[ShowProgress]:
    """Shows a bar on standard error; in a log, at most one line in five seconds."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(console=console) as bar:
            task = bar.add_task("Loading", total=stories)
            yield lambda done, story: bar.update(task, completed=done, description=story)
            bar.update(task, completed=stories, description="Loaded")
        return
    last = time.monotonic()

    def show_line(done: int, story: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            click.echo(f"Loaded {done} of {stories} stories; now {story}", err=True)

    yield show_line


def _as_json(
    base: str, stories: list[Story], left_out: list[str], now: datetime, upload: Upload
) -> dict[str, Any]:
    return {
        "fhirBase": base,
        "asOf": now.isoformat().replace("+00:00", "Z"),
        "by": "transaction" if upload.transactions else "put",
        "stories": [
            {
                "name": story.name,
                "patientId": story.patient_id,
                "service": story.file.service,
                "profile": story.file.profile,
                "resources": len(story.resources),
            }
            for story in stories
        ],
        "leftOut": left_out,
    }


def _as_text(base: str, stories: list[Story], left_out: list[str], now: datetime) -> str:
    written = sum(len(story.resources) for story in stories)
    lines = [
        f"{base} holds {len(stories)} stories ({written} resources) "
        f"as they are at {now:%Y-%m-%d %H:%M} UTC."
    ]
    lines += [f"Left out: {name}, which is about a FHIR server that fails." for name in left_out]
    lines.append("They grow older from now on; run this again to bring them back to the present.")
    to_try = [story for story in stories if story.name in _TO_TRY] or stories[: len(_TO_TRY)]
    if to_try:
        lines += ["", "See their cards, read live from that server. In one terminal:", ""]
        lines += [f"  cds-service demo --fhir-base {base}", "", "and in another:", ""]
        lines += [f"  cds-service demo call {story.name} --fhir-base {base}" for story in to_try]
        lines += ["", "The same by curl:", ""]
        lines.append(
            f"  cds-service demo request {to_try[0].name} --fhir-base {base}"
            " | curl -s -H 'Content-Type: application/json' "
            f"--data-binary @- http://127.0.0.1:8642/cds-services/{to_try[0].file.service}"
        )
    return "\n".join(lines)
