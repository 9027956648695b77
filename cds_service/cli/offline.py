"""What commands use that evaluate a hook call without a server: the pipeline, and one answer of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from cds_service.demo.stories import Story, load_stories
from cds_service.engine.cards import CardSettings
from cds_service.errors import StoryError
from cds_service.knowledge.load import load_knowledge
from cds_service.pipeline import HOOKS, Evaluation, Pipeline
from cds_service.protocol.request import hook_request
from cds_service.records.client import FhirClient
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client

# Card uuids of a replay are for nobody: any constant serves, and the same story then prints the same.
_SETTINGS = CardSettings(
    base_url="http://127.0.0.1:8642",
    terminology_base="http://127.0.0.1:8642/fhir",
    secret=b"replayed on the command line",
    demo=True,
)


def offline_pipeline(hooks: Path) -> Pipeline:
    """A pipeline over a hooks folder; nothing is read from any FHIR server."""
    return Pipeline(load_knowledge(hooks), _SETTINGS, FhirClient())


def evaluate(
    pipeline: Pipeline, service: str, body: dict[str, Any], now: datetime, client: Client
) -> Evaluation:
    """One hook call as of `now`."""
    hook = pipeline.knowledge.services[service].hook
    read = hook_request(body, service, hook, now, drafts=HOOKS[hook].drafts)
    request = replace(read, fhir_server=None, token=None)
    return pipeline.answer(request, client, Deadline.after(client.deadline_ms / 1000))


def replay(pipeline: Pipeline, story: Story) -> Evaluation:
    """A story at its own time, under its own profile."""
    if story.file.service not in pipeline.knowledge.services:
        raise StoryError(f"{story.name}/story.toml: there is no service '{story.file.service}'")
    client = Client(
        profile=story.file.profile, explain_missing_data=story.file.explain_missing_data
    )
    return evaluate(pipeline, story.file.service, story.request, story.file.now, client)


def chosen_stories(fixtures: Path, names: tuple[str, ...]) -> list[Story]:
    """The named stories, or all; StoryError lists what there is."""
    stories = load_stories(fixtures)
    for name in names:
        if name not in stories:
            raise StoryError(f"there is no story '{name}'; there are: {', '.join(stories)}")
    return [stories[name] for name in names] if names else list(stories.values())
