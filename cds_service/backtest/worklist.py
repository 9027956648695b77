"""Lists of patients for a quality team: who should be looked at on one day, from a spool.

What each list looks for is in hooks/knowledge/history.toml; the record is that of the moment, as in
a hook call. Patients who have died, are children, or have comfort care are on no list.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from cds_service.backtest.judge import asked_by
from cds_service.backtest.moments import CHART
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.rows import PieceCounts, Run
from cds_service.backtest.spool import Person
from cds_service.backtest.timeline import Asked, Timeline
from cds_service.engine.finding import Finding
from cds_service.knowledge.words import WorklistWords
from cds_service.pipeline import HOOKS, Pipeline
from cds_service.records.reader import CallRecords
from cds_service.sodium.case import Case
from cds_service.sodium.results import Sample
from cds_service.sodium.rules.book import BOOK, closed
from cds_service.trust.client import Client

COLUMNS = ("list", "patient", "sodium", "drawn", "days", "about", "to do")
_DAY = timedelta(days=1)


class Entry(Struct, frozen=True, kw_only=True):
    """One patient on one list."""

    listed: str  # the name of the list
    patient_id: str
    sodium: str = ""  # the newest usable one, mmol/L
    drawn: datetime | None = None
    days: int | None = None  # since then, or since the discharge
    about: str = ""  # drugs, or what else put the patient on the list


class _Look(Struct, frozen=True, kw_only=True):
    """One patient at the moment of the list."""

    at: datetime
    case: Case
    timeline: Timeline
    words: WorklistWords

    @property
    def latest(self) -> Sample | None:
        """The newest usable sodium."""
        return self.case.sodium.latest

    def days_since(self, at: datetime) -> int:
        """Returns the whole days since a moment."""
        return (self.at - at) // _DAY

    def is_due(self, at: datetime) -> bool:
        """Whether a moment is at least `days` ago, and not history yet."""
        passed = self.at - at
        longest = float(self.words.longest_days)
        old = bool(longest) and passed > timedelta(days=longest)
        return passed >= timedelta(days=float(self.words.days)) and not old


Found = tuple[int | None, str]  # days, and what it is about
Finder = Callable[[_Look], Found | None]


def _combination_unchecked(look: _Look) -> Found | None:
    """Two drugs that lower sodium together, and no sodium for long."""
    taken = look.case.exposures
    first, second = taken.of(*look.words.first), taken.of(*look.words.second)
    if not first or not second:
        return None
    drugs = " + ".join(one.drug.name for one in (first[0], second[0]))
    if look.latest is None:
        return None, drugs
    return (look.days_since(look.latest.at), drugs) if look.is_due(look.latest.at) else None


def _low_not_repeated(look: _Look) -> Found | None:
    """The newest sodium is low, and its repeat is overdue; in hospital the ward looks at it."""
    latest = look.latest
    if latest is None or not look.case.sodium.low or look.case.snapshot.setting == "inpatient":
        return None
    return (look.days_since(latest.at), "") if look.is_due(latest.at) else None


def _low_after_discharge(look: _Look) -> Found | None:
    """The last value of the last hospital stay was low, and none was measured since."""
    stays = [s for s in look.timeline.stays if s.inpatient and not s.guessed and s.end <= look.at]
    latest = look.latest
    if not stays or latest is None:
        return None
    last = max(stays, key=lambda stay: stay.end)
    of_the_stay = last.start <= latest.at <= last.end
    if not of_the_stay or not look.case.sodium.low or not look.is_due(last.end):
        return None
    return look.days_since(last.end), f"discharged {last.end:%-d %B %Y}"


def _rising_today(look: _Look) -> Found | None:
    """A rule says that sodium rises too fast, with a value of this day."""
    latest = look.latest
    if latest is None or look.at - latest.at > timedelta(days=float(look.words.days)):
        return None
    said = BOOK.chart[look.words.rule](look.case)
    return (0, said.indicator) if isinstance(said, Finding) else None


LISTS: Mapping[str, Finder] = {
    "rising-today": _rising_today,
    "low-after-discharge": _low_after_discharge,
    "low-not-repeated": _low_not_repeated,
    "combination-unchecked": _combination_unchecked,
}


class Lister:
    """Puts one patient after the other on the lists of one moment."""

    def __init__(self, pipeline: Pipeline, profile: str, at: datetime) -> None:
        self._pipeline, self._profile, self._at = pipeline, profile, at
        self._reader = CourseReader(pipeline.vocabulary)
        service = next(s for s in pipeline.knowledge.services.values() if s.hook == CHART)
        self._asked: Asked = asked_by(service, Client(profile=profile))
        self.newest: datetime | None = None  # when the newest sodium of anyone became known

    def person(self, person: Person, medication: Callable[[str], bytes | None]) -> Iterator[Entry]:
        """Yields the entries of a patient."""
        if not person.of("sodium", "MedicationRequest"):
            return
        timeline = Timeline(person, self._reader, PieceCounts(), medication)
        self._look_when(timeline)
        case = self._case(timeline)
        if closed(case, HOOKS[CHART].gates) is not None:
            return
        for name, find in LISTS.items():
            words = self._pipeline.knowledge.history.worklist[name]
            look = _Look(at=self._at, case=case, timeline=timeline, words=words)
            found = find(look)
            if found is not None:
                yield self._entry(name, look, *found)

    def _look_when(self, timeline: Timeline) -> None:
        times = [at for at in timeline.series["sodium"].times[-1:] if at <= self._at]
        self.newest = max(filter(None, (*times, self.newest)), default=None)

    def _case(self, timeline: Timeline) -> Case:
        record = timeline.at(self._at, self._asked)
        records = CallRecords(
            patient_id=timeline.id,
            now=self._at,
            encounter_id=record.encounter_id,
            sources=record.sources,
        )
        return self._pipeline.case(self._pipeline.snapshot(records, CHART), self._profile)

    def _entry(self, name: str, look: _Look, days: int | None, about: str) -> Entry:
        latest, undated = look.latest, look.timeline.undated
        if undated:
            results = "result" if undated == 1 else "results"
            about = f"{about}; " * bool(about) + f"also {undated} sodium {results} without a time"
        return Entry(
            listed=name,
            patient_id=look.timeline.id,
            sodium=latest.shown if latest is not None else "",
            drawn=latest.at if latest is not None else None,
            days=days,
            about=about,
        )


def worklist_of(run: Run, lister: Lister, pieces: Iterable[int] | None = None) -> list[Entry]:
    """Returns every list, the most urgent first, and the lowest sodium first in each."""
    found: list[Entry] = []
    for piece in run.pieces if pieces is None else pieces:
        for person in run.people(piece):
            found += lister.person(person, run.spool.medication)
    order = list(LISTS)
    return sorted(found, key=lambda one: (order.index(one.listed), *_urgency(one)))


def _urgency(entry: Entry) -> tuple[float, str]:
    value = entry.sodium.lstrip("<>=") or "999"
    return float(value), entry.patient_id


def counts_if(name: str, words: WorklistWords) -> str:
    """Returns in words when a patient is on a list."""
    days, longest = (f"{one:g}" for one in (words.days, words.longest_days))
    if name == "rising-today":
        return f"its newest value is at most {days} {'day' if days == '1' else 'days'} old"
    if name == "combination-unchecked":
        return f"none for {days} days or more, or none on record"
    since = "the discharge" if name == "low-after-discharge" else "the value"
    return f"{days} to {longest} days since {since}"


def stale(at: datetime, newest: datetime | None, words: Mapping[str, WorklistWords]) -> str:
    """Returns a warning if nothing of the days before the list is in the export; else ""."""
    if newest is None:
        return f"The export holds no sodium result of before {_day(at)}: no list can say anything."
    days = (at - newest) // _DAY
    if days <= words["rising-today"].days:
        return ""
    return (
        f"The newest sodium result of the export is of {_day(newest)}, {days:,} days before "
        f"{_day(at)}: what was measured or done since then is not in these lists. "
        "An empty list is no all-clear."
    )


def _day(at: datetime) -> str:
    return f"{at:%-d %B %Y}"


def worklist_csv(entries: Iterable[Entry], words: Mapping[str, WorklistWords]) -> str:
    """Returns the lists as a table; they name patients."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in entries:
        drawn = one.drawn.isoformat(" ", "minutes") if one.drawn is not None else "none on record"
        days = "" if one.days is None else one.days
        listed = words[one.listed]
        writer.writerow(
            (listed.title, one.patient_id, one.sodium, drawn, days, one.about, listed.todo)
        )
    return text.getvalue()
