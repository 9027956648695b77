"""One patient's record as it was at a moment: nothing that became known later is in it.

A result is known from when it was issued, a problem from when it was recorded, an order from when
it was written. The status of an order is that of the moment and not of the export (`orders.py`).
Where the export does not say it, the nearest time that it has stands in, and the moment is marked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.backtest.opens import OPEN, openings
from cds_service.backtest.orders import CourseReader, supply
from cds_service.backtest.rows import Guess, PieceCounts
from cds_service.backtest.spool import Person
from cds_service.backtest.stays import Stay, stay_at
from cds_service.backtest.times import (
    LATER,
    LONG_AGO,
    first_of,
    known_since,
    when,
)
from cds_service.errors import BadRequest
from cds_service.records.cut import is_cut, is_too_large, within_limits
from cds_service.records.fhir_types import NO_PERIOD, NO_RESOURCE, Resource, decode_resource
from cds_service.records.medications import KINDS
from cds_service.records.prefetch import OLDER_NAMES, Source
from cds_service.records.read_context import Remembered, identity
from cds_service.records.reader import (
    ENCOUNTER,
    PATIENT,
    SODIUM,
    CallRecords,
    wanted_references,
)
from cds_service.records.times import result_time
from cds_service.sodium.snapshot import Missing

REQUESTS = ("MedicationRequest", *OLDER_NAMES["MedicationRequest"])
NONE = frozenset[str]()
LABS = ("sodium", "glucose", "labs", "vitals")
CONDITIONS, CURRENT, PAST = "conditions", "medications", "pastMedications"
_EMPTY = Source(state="empty", origin="prefetch")
_NO_PATIENT = Source(state="empty", origin="prefetch", missing=Missing.FAILED)
_NO_ENCOUNTER = Source(state="absent", missing=Missing.NOT_APPLICABLE)
_NOT_READ = Source(state="absent", missing=Missing.NOT_READ)


class Known(Struct, frozen=True):
    """A resource, since when it was known, and when it was drawn or happened."""

    since: datetime
    resource: Resource
    at: datetime
    guessed: bool = False


class Asked(Struct, frozen=True, kw_only=True):
    """What a service asks of a record: how many of the newest, and which optional resources."""

    enough: Mapping[str, int]  # key of the prefetch -> how many of the newest are asked for
    optional: tuple[str, ...] = ()  # resource types that a client may list
    listed: tuple[str, ...] = ()  # ... and that this one does


class Record(Struct, frozen=True, kw_only=True):
    """The record of a patient at a moment, as a hook call would bring it."""

    sources: Mapping[str, Source]
    encounter_id: str | None
    inpatient: bool
    guessed: frozenset[Guess]


class Series(Struct):
    """Resources by when they became known."""

    known: list[Known]
    times: list[datetime] = field(default_factory=list)
    in_order: bool = True  # what became known later was drawn later

    def __post_init__(self) -> None:
        self.known.sort(key=lambda one: (one.since, one.at, one.resource.id))
        self.times = [one.since for one in self.known]
        drawn = [one.at for one in self.known]
        self.in_order = all(map(lambda one, other: one <= other, drawn, drawn[1:]))

    def newest(self, now: datetime, most: int) -> Sequence[Known]:
        """Returns what `_sort=-date` with this count brings at a moment, the newest first."""
        end = bisect_right(self.times, now)
        if self.in_order:
            return self.known[max(0, end - most) : end][::-1]
        newest_first = sorted(self.known[:end], key=lambda one: one.at, reverse=True)
        return newest_first[:most]


class Timeline:
    """Everything of one patient, decoded once, cut to each moment that is judged."""

    def __init__(
        self,
        person: Person,
        courses: CourseReader,
        counts: PieceCounts,
        medication: Callable[[str], bytes | None],
    ) -> None:
        self.id = person.id
        self.shapes: Counter[str] = Counter()  # sodium results without a unit, or as text
        self.undated = 0  # sodium results without any time, which no moment sees
        self._counts = counts
        self.remembered: Remembered = {}  # what was read of its resources, which live as long
        self.patient = next(iter(self._decoded(person, "Patient")), None)
        self.series = {key: self._series(person, key) for key in LABS}
        self.openings = openings(person.of(OPEN))
        self.stays = courses.stays(sorted(person.of("Encounter")))
        self._encounters: dict[str, Resource] = {}
        self.conditions = [_condition(one) for one in self._decoded(person, "Condition")]
        orders = self._decoded(person, *REQUESTS)
        supplies = [s for s in map(supply, person.of("MedicationDispense")) if s is not None]
        self.orders = courses.read(orders, supplies, self._discharged)
        self.extra = {
            kind: Series([_dated(one) for one in self._decoded(person, kind)])
            for kind in person.lines
            if kind in _EXTRA
        }
        self.medications = medications_of(self.id, orders, medication)
        every = [*orders, *self.medications, *(c.resource for c in self.conditions)]
        self._odd = any(map(_is_odd, every)) or any(
            _is_odd(known.resource) for series in self.series.values() for known in series.known
        )

    def _discharged(self, at: datetime) -> datetime | None:
        """Returns when the hospital stay of a moment ended, if it was in one."""
        stay = self.stay(at)
        return stay.end if stay is not None and stay.inpatient and not stay.guessed else None

    def _decoded(self, person: Person, *kinds: str) -> list[Resource]:
        """Returns the resources of these kinds, each once: of two versions the newer one."""
        kept: dict[str, Resource] = {}
        for line in sorted(person.of(*kinds)):  # however the files were cut and read
            try:
                read = decode_resource(line)
            except BadRequest:
                self._counts.broken += 1
                continue
            if read is None:
                continue
            name = identity(read) or f"#{len(kept)}"
            if name in kept:
                self._counts.duplicate += 1
                read = max(kept[name], read, key=_updated)
            kept[name] = read
        return list(kept.values())

    def _series(self, person: Person, key: str) -> Series:
        found = [_result(one) for one in self._decoded(person, key)]
        undated = sum(one is None for one in found)
        series = Series([one for one in found if one is not None])
        if key == SODIUM:
            self.undated = self._counts.undated_sodium = undated
            self.shapes = Counter(filter(None, map(_shape, series.known)))
        else:
            self._counts.undated += undated
        return series

    def is_dead(self, now: datetime) -> bool:
        """Whether the record of a moment says that the patient has died."""
        patient = _as_of(self.patient, now)
        return patient is not None and bool(
            patient.deceased_boolean or patient.deceased_date_time.strip()
        )

    def stay(self, now: datetime) -> Stay | None:
        """Returns the Encounter in which a chart would be opened at a moment."""
        return stay_at(self.stays, now)

    def _encounter(self, stay: Stay) -> Resource:
        found = self._encounters.get(stay.id)
        if found is None:
            found = self._encounters[stay.id] = decode_resource(stay.line) or NO_RESOURCE
        return found

    def at(self, now: datetime, asked: Asked, without: frozenset[str] = NONE) -> Record:
        """Returns the record of a moment; `without` names the orders that are being written."""
        guessed: set[Guess] = set()
        sources: dict[str, Source] = {}
        patient = _as_of(self.patient, now)
        sources[PATIENT] = _source([patient]) if patient is not None else _NO_PATIENT
        stay = self.stay(now)
        sources[ENCOUNTER] = _source([self._encounter(stay)]) if stay is not None else _NO_ENCOUNTER
        if stay is not None and stay.guessed:
            guessed.add("encounter")
        self._add_results(now, asked, sources, guessed)
        self._add_problems(now, sources, guessed)
        self._add_orders(now, asked, without, sources, guessed)
        for kind in asked.optional:
            listed = kind in asked.listed
            sources[kind] = self._extra(kind, now) if listed else _NOT_READ
        return Record(
            sources=within_limits(sources, large=True) if self._odd else sources,
            encounter_id=stay.id if stay is not None else None,
            inpatient=stay is not None and stay.inpatient,
            guessed=frozenset(guessed),
        )

    def _add_results(
        self, now: datetime, asked: Asked, sources: dict[str, Source], guessed: set[Guess]
    ) -> None:
        """Adds the newest results of each kind that were known."""
        for key, series in self.series.items():
            known = series.newest(now, asked.enough[key])
            sources[key] = _source([one.resource for one in known])
            if any(one.guessed for one in known):
                guessed.add("known-since")

    def _add_problems(self, now: datetime, sources: dict[str, Source], guessed: set[Guess]) -> None:
        """Adds the problems that were known, as they were then."""
        problems = [one for one in self.conditions if one.since <= now]
        sources[CONDITIONS] = _source([_problem_then(one.resource, now) for one in problems])
        if any(one.guessed for one in problems):
            guessed.add("condition-date")

    def _add_orders(
        self,
        now: datetime,
        asked: Asked,
        without: frozenset[str],
        sources: dict[str, Source],
        guessed: set[Guess],
    ) -> None:
        """Adds the orders that were current, and the newest of those that had ended."""
        written = [o for o in self.orders if o.since <= now and o.reference not in without]
        current = [order for order in written if order.is_current(now)]
        ended = [order for order in written if order.has_ended(now)]
        ended = sorted(ended, key=lambda order: order.since, reverse=True)[: asked.enough[PAST]]
        sources[CURRENT] = _source([*(o.then(now) for o in current), *self.medications])
        sources[PAST] = _source([*(o.then(now) for o in ended), *self.medications])
        if any(order.guessed for order in (*current, *ended)):
            guessed.add("order-status")

    def _extra(self, kind: str, now: datetime) -> Source:
        series = self.extra.get(kind)
        return _source([k.resource for k in series.newest(now, _ALL)]) if series else _EMPTY


def medications_of(
    patient_id: str, orders: Sequence[Resource], medication: Callable[[str], bytes | None]
) -> tuple[Resource, ...]:
    """Returns the Medications that orders point to, and those that these are made of."""
    found: dict[str, Resource | None] = {}
    while True:
        have = tuple(one for one in found.values() if one is not None)
        source = Source(state="satisfied", resources=(*orders, *have))
        records = CallRecords(patient_id=patient_id, now=LATER, sources={CURRENT: source})
        wanted = [name for name in wanted_references(records) if name not in found]
        if not wanted:
            return have
        for name in wanted:
            line = medication(name.partition("/")[2])
            found[name] = decode_resource(line) if line is not None else None


_ALL = 10**9
_EXTRA = frozenset(KINDS) - {*REQUESTS, "MedicationDispense"} | {
    "Procedure", "AllergyIntolerance", "Flag",
}  # fmt: skip


def _source(resources: Sequence[Resource]) -> Source:
    if not resources:
        return _EMPTY
    return Source(state="satisfied", origin="prefetch", resources=tuple(resources))


def _is_odd(resource: Resource) -> bool:
    """Whether a limit on what is read of one call may apply to it."""
    return is_cut(resource) or is_too_large(resource)


def _updated(resource: Resource) -> datetime:
    stored = resource.meta.last_updated if resource.meta is not None else ""
    changed = when(stored)
    return changed.at if changed is not None else datetime.min.replace(tzinfo=UTC)


def _result(observation: Resource) -> Known | None:
    since = known_since(observation)
    if since is None:
        return None
    drawn = result_time(observation, None, LATER)
    return Known(since[0], observation, drawn.at if drawn is not None else since[0], since[1])


def _shape(known: Known) -> str:
    """Returns how a sodium result came, if otherwise than as a number with its unit; else ""."""
    quantity, text = known.resource.value_quantity, known.resource.value_string
    if quantity is not None and quantity.value is not None:
        return "" if f"{quantity.unit or ''}{quantity.code or ''}".strip() else "unitless"
    return "text" if isinstance(text, str) and text.strip() else ""


def _condition(condition: Resource) -> Known:
    """A problem is known from when it was recorded, else from its onset, else always."""
    noted = first_of(condition.recorded_date, condition.asserted_date, condition.date_recorded)
    if noted is not None:
        return Known(noted.at, condition, noted.at)
    onset = first_of(condition.onset_date_time, (condition.onset_period or NO_PERIOD).start)
    since = onset.at if onset is not None else LONG_AGO
    return Known(since, condition, since, guessed=True)


def _dated(resource: Resource) -> Known:
    """A statement, an administration, a Procedure and their kin, known from when it happened."""
    performed = resource.performed_period or NO_PERIOD
    effective = resource.effective_period or resource.effective_time_period or NO_PERIOD
    found = first_of(
        resource.authored_on,
        resource.date_time,
        resource.ordered_on,
        resource.effective_date_time,
        resource.effective_time_date_time,
        effective.start,
        resource.performed_date_time,
        performed.end,
        performed.start,
        resource.recorded_date,
        resource.date_asserted,
    )
    since = found.at if found is not None else LONG_AGO
    return Known(since, resource, since, guessed=found is None)


def _as_of(patient: Resource | None, now: datetime) -> Resource | None:
    """Returns the patient as alive before the death that the export tells of."""
    if patient is None or not (patient.deceased_boolean or patient.deceased_date_time.strip()):
        return patient
    died = when(patient.deceased_date_time)
    if died is not None and died.at <= now:
        return patient
    return replace(patient, deceased_boolean=None, deceased_date_time="")


def _problem_then(condition: Resource, now: datetime) -> Resource:
    """Returns a problem as active before the end that the export tells of."""
    ended = condition.abatement_date_time
    end = when(ended) if isinstance(ended, str) else None
    if end is None or end.at <= now:
        return condition
    return replace(condition, abatement_date_time=None, clinical_status=None)
