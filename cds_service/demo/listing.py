"""The list of patients of the demo: groups, newest sodium, level, and the words to find one by."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from cds_service.demo.chart import Chart, chart_of
from cds_service.demo.stories import Story
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.words import Drug

_LEVELS = ("critical", "warning", "info")  # the most urgent first
# Products of saline say their strength in mg/mL; people look for the percent.
_STRENGTH = re.compile(r"sodium chloride (\d+(?:\.\d+)?) MG/ML", re.IGNORECASE)
_HYPERTONIC_FROM = 0.9
_MG_PER_ML_OF_ONE_PERCENT = 10


class Group(Struct, frozen=True, forbid_unknown_fields=True):
    """One group of the list: the hooks or the topics of its stories."""

    title: str
    hooks: list[str] = []
    topics: list[str] = []


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    group: list[Group]


class Row(Struct, frozen=True, kw_only=True):
    """One patient of the list."""

    story: Story
    chart: Chart
    sodium: str  # the newest value, "" without one
    level: str  # of the most urgent card of the story, "" without one
    words: str  # by which the patient is found, beside what is shown


@cache
def groups() -> list[Group]:
    """Returns the groups in their order."""
    path = Path(__file__).with_name("groups.toml")
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).group


def grouped(
    stories: Iterable[Story], knowledge: Knowledge, now: datetime
) -> list[tuple[str, list[Row]]]:
    """Returns each group with its patients, by name; groups without one are left out."""
    rows: dict[str, list[Row]] = {group.title: [] for group in groups()}
    for story in stories:
        rows[_group_of(story).title].append(_row(story, knowledge, now))
    for listed in rows.values():
        listed.sort(key=lambda row: row.chart.name.split()[-1])
    return [(title, listed) for title, listed in rows.items() if listed]


def _group_of(story: Story) -> Group:
    topic = story.file.cards[0].topic if story.file.cards else ""
    hook = story.request["hook"]
    fits = [group for group in groups() if hook in group.hooks or topic in group.topics]
    return fits[0]


def _row(story: Story, knowledge: Knowledge, now: datetime) -> Row:
    codes = knowledge.terms.labs["sodium"].loinc
    chart = chart_of(story.resources_at(now), now, codes)
    levels = {card.indicator for card in story.file.cards}
    drafts = story.request["context"].get("draftOrders", {}).get("entry", [])
    drafted = chart_of((entry["resource"] for entry in drafts), now, ()).drafts
    names = [item.name for item in (*chart.medicines, *chart.doses, *drafted)]
    return Row(
        story=story,
        chart=chart,
        sodium=chart.sodium[0].shown if chart.sodium else "",
        level=next((level for level in _LEVELS if level in levels), ""),
        words=" ".join((story.name, *names, *_synonyms(names, knowledge))),
    )


def _synonyms(names: Iterable[str], knowledge: Knowledge) -> Iterator[str]:
    """Yields what else the medicines are called: brands, other names, and saline by its percent."""
    known = knowledge.terms.drugs
    for name in names:
        said = name.casefold()
        yield from (word for drug, entry in known.items() if drug in said for word in _names(entry))
        strength = _STRENGTH.search(name)
        percent = float(strength[1]) / _MG_PER_ML_OF_ONE_PERCENT if strength else 0
        if percent:
            yield f"{percent:g}% {percent:g} % saline"
        if percent > _HYPERTONIC_FROM:
            yield "hypertonic"


def _names(drug: Drug) -> Iterable[str]:
    return (*drug.names, *drug.brands)
