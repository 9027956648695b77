"""What the demo's EHR shows of a patient: FHIR resources as lines of a chart.

They are read with the service's own types (records.fhir_types), and the same tolerance: a pasted
Bundle may hold anything, and what does not fit is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct, field

from cds_service.records.fhir_types import (
    NO_PERIOD,
    NO_REPEAT,
    NO_RESOURCE,
    NO_TIMING,
    Concept,
    Concepts,
    Form,
    Instruction,
    Items,
    Quantity,
    RecordedCoding,
    Reference,
    Resource,
    Text,
    as_resource,
    exact,
    first_concept,
    listed,
    tolerant,
)
from cds_service.records.times import first_day

# A visit that has ended is no setting for a decision now.
_PRESENT = ("arrived", "triaged", "in-progress", "onleave")
_NOT_GIVEN = ("not-done", "entered-in-error")
_SPECIMEN = re.compile(r" in (.+)")
_USUAL = ("Serum or Plasma", "Blood")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LARGEST = 10_000  # a larger number is no laboratory result, and would stretch every axis


class Item(Struct, frozen=True, kw_only=True):
    """A problem, a medicine, a draft order, or a dose that was given."""

    name: str
    status: str = ""
    detail: str = ""
    since: datetime | None = None


class Result(Struct, frozen=True, kw_only=True):
    """One laboratory result or vital sign; `amount` is None if it is not a number."""

    id: str
    name: str
    shown: str
    amount: float | None
    unit: str
    at: datetime | None
    status: str
    comparator: str = ""


class Chart(Struct, frozen=True, kw_only=True):
    """One patient as the page shows it; results are newest first."""

    patient_id: str = ""
    name: str = "Unknown"
    sex: str = ""
    born: date | None = None
    age: int | None = None
    encounter_id: str = ""
    setting: str = ""
    problems: tuple[Item, ...] = ()
    medicines: tuple[Item, ...] = ()
    drafts: tuple[Item, ...] = ()
    doses: tuple[Item, ...] = ()  # newest first; each has a time
    sodium: tuple[Result, ...] = ()
    results: tuple[Result, ...] = ()


class _Name(Form, frozen=True):
    """Patient.name."""

    given: Any = None
    family: Text = ""
    text: Text = ""


class _Shown(Form, frozen=True):
    """Members that a chart shows and the service does not read."""

    name: Items[_Name] = ()
    gender: Text = ""
    class_: RecordedCoding | None = field(default=None, name="class")
    value_string: Text = ""


class _Record(Struct, frozen=True):
    """One resource as the service reads it, and what a chart shows beyond that."""

    read: Resource
    shown: _Shown


_NOTHING = _Record(NO_RESOURCE, _Shown())


def chart_of(resources: Iterable[object], now: datetime, sodium_codes: Collection[str]) -> Chart:
    """Returns the chart of one patient, who is the first Patient among the resources."""
    by_type: dict[str, list[_Record]] = {}
    for value in resources:
        if isinstance(value, Mapping):
            record = _Record(as_resource(value) or NO_RESOURCE, tolerant(_Shown, value))
            by_type.setdefault(record.read.resource_type, []).append(record)
    lines = _Lines(now, sodium_codes, by_type.get("Medication", ()))
    for kind, add in lines.adders.items():
        for record in by_type.get(kind, ()):
            add(record)
    patient = by_type.get("Patient", [_NOTHING])[0]
    present = [v for v in by_type.get("Encounter", ()) if v.read.status in _PRESENT]
    visit = [*present, _NOTHING][0]
    setting = visit.shown.class_ or RecordedCoding()
    birth = lines.instant(patient.read.birth_date)
    born = birth.date() if birth else None
    return Chart(
        patient_id=patient.read.id,
        name=_person(patient.shown.name),
        sex=patient.shown.gender,
        born=born,
        age=years(born, now.date()) if born else None,
        encounter_id=visit.read.id,
        setting=setting.display or setting.code,
        problems=tuple(lines.problems),
        medicines=tuple(lines.medicines),
        drafts=tuple(lines.drafts),
        doses=tuple(sorted(lines.doses, key=lambda dose: dose.since or _LONG_AGO, reverse=True)),
        sodium=tuple(sorted(lines.sodium, key=_taken, reverse=True)),
        results=tuple(sorted(lines.results, key=_taken, reverse=True)),
    )


def years(born: date, today: date) -> int:
    """Returns completed years of life."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


class _Lines:
    """The lines of one chart, which are added resource by resource."""

    def __init__(
        self, now: datetime, sodium_codes: Collection[str], medications: Iterable[_Record]
    ) -> None:
        self._now = now
        self._sodium_codes = sodium_codes
        self._medications = {m.read.id: _words(m.read.code) for m in medications}
        self.problems: list[Item] = []
        self.medicines: list[Item] = []
        self.drafts: list[Item] = []
        self.doses: list[Item] = []
        self.sodium: list[Result] = []
        self.results: list[Result] = []
        self.adders: dict[str, Callable[[_Record], None]] = {
            "Condition": self._add_problem,
            "MedicationRequest": self._add_order,
            "NutritionOrder": self._add_order,
            "MedicationAdministration": self._add_dose,
            "Observation": self._add_result,
        }

    def instant(self, value: str) -> datetime | None:
        """Returns a FHIR date, partial date or instant; without an offset it is taken as UTC."""
        return first_day(value, timedelta(0), self._now)

    def _add_problem(self, record: _Record) -> None:
        condition = record.read
        statuses = [coding.code for coding in _codings(condition.clinical_status)]
        self.problems.append(
            Item(
                name=_words(condition.code) or "Unnamed problem",
                status=next(filter(None, statuses), ""),
                since=self.instant(condition.onset_date_time or condition.recorded_date),
            )
        )

    def _add_order(self, record: _Record) -> None:
        order = record.read
        diet = _words(order.oral_diet.type) if order.oral_diet else ""
        instruction = [*listed(order.dosage_instruction), Instruction()][0]
        item = Item(
            name=self._medicine(order) or diet or "Unnamed order",
            status=order.status,
            detail=_dose(instruction),
            since=self.instant(order.authored_on or order.date_time),
        )
        lines = self.drafts if order.status == "draft" else self.medicines
        lines.append(item)

    def _add_dose(self, record: _Record) -> None:
        """Adds a dose that was given, with the time when it was given or begun."""
        administration = record.read
        if administration.status in _NOT_GIVEN or administration.was_not_given:
            return
        period = administration.effective_period or NO_PERIOD
        since = self.instant(administration.effective_date_time or period.start)
        dosage = [*listed(administration.dosage), Instruction()][0]
        item = Item(
            name=self._medicine(administration) or "Unnamed medicine",
            status=administration.status,
            detail=_quantity(dosage.dose) or dosage.text,
            since=since,
        )
        if since:
            self.doses.append(item)

    def _add_result(self, record: _Record) -> None:
        observation = record.read
        quantity = observation.value_quantity or Quantity()
        words = record.shown.value_string or _words(observation.value_codeable_concept)
        result = Result(
            id=observation.id,
            name=_result_name(observation.code),
            shown=_quantity(quantity) or words or "no value",
            amount=_number(quantity.value),
            unit=quantity.unit or quantity.code,
            at=self.instant(observation.effective_date_time or observation.issued),
            status=observation.status,
            comparator=quantity.comparator,
        )
        codes = {coding.code for coding in _codings(observation.code)}
        lines = self.results if codes.isdisjoint(self._sodium_codes) else self.sodium
        lines.append(result)

    def _medicine(self, order: Resource) -> str:
        words = _words(order.medication_codeable_concept)
        for choice in listed(order.medication_reference):
            target = choice.reference
            reference = target.reference if isinstance(target, Reference) else target or ""
            words = words or self._referred(order, reference)
        return words

    def _referred(self, order: Resource, reference: str) -> str:
        """Returns the name of the Medication that a reference means, in the order or beside it."""
        if not reference.startswith("#"):
            return self._medications.get(reference.removeprefix("Medication/"), "")
        inside = (one for one in order.contained if one.id == reference.removeprefix("#"))
        return next((_words(one.code) for one in inside), "")


def _taken(result: Result) -> datetime:
    return result.at or _LONG_AGO


def _person(names: Sequence[_Name]) -> str:
    """Returns a patient's name as a chart shows it."""
    if not names:
        return "Unknown"
    name = names[0]
    given = name.given if isinstance(name.given, list) else [name.given]
    first = [word for word in given if isinstance(word, str)][:1]
    return " ".join([*first, name.family]).strip() or name.text or "Unknown"


def _words(member: Concepts) -> str:
    """Returns the words of a CodeableConcept: its text, else a display, else a code."""
    coded = first_concept(member)
    if coded is None:
        return ""
    displays = [coding.display for coding in coded.codings]
    codes = [coding.code for coding in coded.codings]
    return next(filter(None, [coded.text, *displays, *codes]), "")


def _codings(member: Concepts) -> Sequence[RecordedCoding]:
    concepts = [concept for concept in listed(member) if isinstance(concept, Concept)]
    return concepts[0].coding if concepts else ()


def _dose(instruction: Instruction) -> str:
    if instruction.text:
        return instruction.text
    doses = [dose.dose_quantity for dose in instruction.dose_and_rate]
    words = [_quantity(doses[0])] if doses else []
    repeat = (instruction.timing or NO_TIMING).repeat or NO_REPEAT
    times = _number(repeat.frequency)
    if times and repeat.period_unit == "d" and repeat.period == 1:
        words.append(f"{times:g} × daily")
    return ", ".join(filter(None, words))


def _result_name(test: Concepts) -> str:
    """Returns the test, with its specimen if the laboratory's own words lack it ("Sodium")."""
    name = _words(test) or "Unnamed result"
    displays = [coding.display for coding in _codings(test)]
    match = _SPECIMEN.search(next(filter(None, displays), ""))
    if match is None or match[1] in _USUAL or match[1].lower() in name.lower():
        return name
    return f"{name} ({match[1].lower()})"


def _quantity(quantity: Quantity | None) -> str:
    amount = _number(quantity.value) if quantity else None
    if quantity is None or amount is None:
        return ""
    unit = (quantity.unit or quantity.code).strip("{}")  # UCUM writes {tbl} for a tablet
    return f"{quantity.comparator}{amount:g} {unit}".strip()


def _number(value: object) -> float | None:
    number = exact(value)
    if number is None or abs(number) >= _LARGEST:
        return None
    return float(number)
