"""The stories in fixtures/ are synthetic patients, at their own time or shifted to now."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cds_service.errors import BadRequest, StoryError
from cds_service.lazy import cached_property
from cds_service.protocol.wire import decode

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class ExpectedCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a story expects of one card; it leaves the rest open."""

    topic: str
    indicator: str
    suggests: list[str] = []  # words that the labels of its suggestions hold, in this order
    suggests_nothing: bool = False
    says: list[str] = []  # words that summary or detail hold
    never: list[str] = []  # words that neither the card nor its suggestions may hold


class StoryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file story.toml."""

    title: str
    why: str  # one line: what this story shows
    service: str
    now: datetime
    cards: list[ExpectedCard] = []
    profile: str = "aasld"
    explain_missing_data: bool = False  # as in a registry entry
    failing: list[str] = []  # prefetch keys that the EHR answers with an error


class Story(Struct, frozen=True, dict=True):
    """One folder of fixtures/."""

    name: str
    file: StoryFile
    record: dict[str, Any]  # FHIR Bundle of type collection
    request: dict[str, Any]  # the raw hook call

    @property
    def patient_id(self) -> str:
        """Returns the id of the patient that the hook call is about."""
        return str(self.request["context"]["patientId"])

    @cached_property
    def resources(self) -> tuple[dict[str, Any], ...]:
        """Returns the resources of the record, at the story's own time."""
        return tuple(entry["resource"] for entry in self.record.get("entry", []))

    def request_at(self, now: datetime) -> dict[str, Any]:
        """Returns the hook call as an EHR would send it at `now`."""
        shifted: dict[str, Any] = _shifted(self.request, self._offset(now))
        return shifted

    def resources_at(self, now: datetime) -> tuple[dict[str, Any], ...]:
        """Returns the record as it would be at `now`, with the same ids and values."""
        offset = self._offset(now)
        return tuple(_shifted(resource, offset) for resource in self.resources)

    def _offset(self, now: datetime) -> timedelta:
        # Whole minutes: page, FHIR server and request then agree for as long as one minute lasts.
        minute = now.astimezone(UTC).replace(second=0, microsecond=0)
        return minute - self.file.now.astimezone(UTC)


def default_fixtures_dir() -> Path:
    """Returns fixtures/, which is inside an installed package and beside it in a checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "fixtures"
    return bundled if bundled.is_dir() else package.parent / "fixtures"


def load_stories(fixtures: Path) -> Mapping[str, Story]:
    """Returns all stories by name; StoryError names a folder that is not a story."""
    if not fixtures.is_dir():
        raise StoryError(f"{fixtures} is not a folder of stories")
    folders = sorted(path for path in fixtures.iterdir() if (path / "story.toml").is_file())
    if not folders:
        raise StoryError(f"{fixtures} holds no story: no folder in it has a story.toml")
    return {folder.name: load_story(folder) for folder in folders}


def load_story(folder: Path) -> Story:
    """Returns one story; StoryError names the file that is missing or wrong."""
    if not NAME.fullmatch(folder.name):
        raise StoryError(f"{folder.name}: a story's folder is named in lower case, with hyphens")
    try:
        table = tomllib.loads((folder / "story.toml").read_text(encoding="utf-8"))
        file = msgspec.convert(table, StoryFile)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise StoryError(f"{folder.name}/story.toml: {error}") from None
    if file.now.tzinfo is None:
        raise StoryError(
            f"{folder.name}/story.toml: 'now' needs a time zone, as in 2026-11-20T09:00:00Z"
        )
    record, request = _json(folder, "record.json"), _json(folder, "request.json")
    if record.get("resourceType") != "Bundle":
        raise StoryError(f"{folder.name}/record.json: not a FHIR Bundle")
    if not isinstance(request.get("context"), dict) or "patientId" not in request["context"]:
        raise StoryError(f"{folder.name}/request.json: not a hook call with context.patientId")
    return Story(folder.name, file, record, request)


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        value = decode((folder / name).read_bytes())
    except (OSError, BadRequest):
        raise StoryError(f"{folder.name}/{name}: missing, or not valid JSON") from None
    if not isinstance(value, dict):
        raise StoryError(f"{folder.name}/{name}: not a JSON object")
    return value


def _shifted(value: Any, offset: timedelta) -> Any:
    """Returns the same JSON with every instant moved exactly and every date by whole days."""
    if isinstance(value, dict):
        return {name: _shifted(member, offset) for name, member in value.items()}
    if isinstance(value, list):
        return [_shifted(member, offset) for member in value]
    if isinstance(value, str):
        if _INSTANT.fullmatch(value):
            moved = datetime.fromisoformat(value) + offset
            return moved.isoformat().replace("+00:00", "Z")
        if _DATE.fullmatch(value):
            # Floor division: a date stays on the same side of midnight as the instants around it.
            days = offset // timedelta(days=1)
            return (date.fromisoformat(value) + timedelta(days=days)).isoformat()
        return value
    return value
