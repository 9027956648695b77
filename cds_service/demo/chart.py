"""What the demo's EHR shows of a patient: FHIR resources as lines of a chart.

They are read with the service's own types (records.fhir_types), and the same tolerance: a pasted
Bundle may hold anything, and what does not fit is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct, field

from cds_service.records.fhir_types import (
    NO_PERIOD,
    NO_REPEAT,
    NO_RESOURCE,
    NO_TIMING,
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
    patient = by_type.get("Patient", [_NOTHING])[0]
    visits = [v for v in by_type.get("Encounter", ()) if v.read.status in _PRESENT]
    visit = visits[0] if visits else _NOTHING
    setting = visit.shown.class_ or RecordedCoding()
    reader = _Reader(now, by_type.get("Medication", ()))
    born = reader.instant(patient.read.birth_date)
    orders = [*by_type.get("MedicationRequest", ()), *by_type.get("NutritionOrder", ())]
    given = [
        reader.given(record.read)
        for record in by_type.get("MedicationAdministration", ())
        if record.read.status not in _NOT_GIVEN and not record.read.was_not_given
    ]
    sodium: list[Result] = []
    others: list[Result] = []
    for record in by_type.get("Observation", ()):
        results = sodium if _has_code(record.read, sodium_codes) else others
        results.append(reader.result(record))
    return Chart(
        patient_id=patient.read.id,
        name=_person(patient.shown.name),
        sex=patient.shown.gender,
        born=born.date() if born else None,
        age=years(born.date(), now.date()) if born else None,
        encounter_id=visit.read.id,
        setting=setting.display or setting.code,
        problems=tuple(reader.problem(c.read) for c in by_type.get("Condition", ())),
        medicines=tuple(reader.order(o.read) for o in orders if o.read.status != "draft"),
        drafts=tuple(reader.order(o.read) for o in orders if o.read.status == "draft"),
        doses=tuple(sorted((d for d in given if d.since), key=_when, reverse=True)),
        sodium=tuple(sorted(sodium, key=_taken, reverse=True)),
        results=tuple(sorted(others, key=_taken, reverse=True)),
    )


def years(born: date, today: date) -> int:
    """Returns completed years of life."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


class _Reader:
    """Makes lines of a chart from resources."""

    def __init__(self, now: datetime, medications: Iterable[_Record]) -> None:
        self._now = now
        self._medications = {m.read.id: _words(m.read.code) for m in medications}

    def instant(self, value: str) -> datetime | None:
        """Returns a FHIR date, partial date or instant; without an offset it is taken as UTC."""
        return first_day(value, timedelta(0), self._now)

    def problem(self, condition: Resource) -> Item:
        """Returns the line of a Condition."""
        status = first_concept(condition.clinical_status)
        return Item(
            name=_words(condition.code) or "Unnamed problem",
            status=status.codings[0].code if status and status.codings else "",
            since=self.instant(condition.onset_date_time or condition.recorded_date),
        )

    def order(self, order: Resource) -> Item:
        """Returns the line of a prescription, a diet, or a draft of them."""
        diet = _words(order.oral_diet.type) if order.oral_diet else ""
        instructions = listed(order.dosage_instruction)
        return Item(
            name=self._medicine(order) or diet or "Unnamed order",
            status=order.status,
            detail=_dose(instructions[0]) if instructions else "",
            since=self.instant(order.authored_on or order.date_time),
        )

    def given(self, administration: Resource) -> Item:
        """Returns the line of a dose, with the time when it was given or begun."""
        period = administration.effective_period or NO_PERIOD
        dosage = (*listed(administration.dosage), Instruction())[0]
        return Item(
            name=self._medicine(administration) or "Unnamed medicine",
            status=administration.status,
            detail=_quantity(dosage.dose) or dosage.text,
            since=self.instant(administration.effective_date_time or period.start),
        )

    def result(self, record: _Record) -> Result:
        """Returns the line of an Observation."""
        observation = record.read
        quantity = observation.value_quantity or Quantity()
        words = record.shown.value_string or _words(observation.value_codeable_concept)
        return Result(
            id=observation.id,
            name=_result_name(observation),
            shown=_quantity(quantity) or words or "no value",
            amount=_number(quantity.value),
            unit=quantity.unit or quantity.code,
            at=self.instant(observation.effective_date_time or observation.issued),
            status=observation.status,
            comparator=quantity.comparator,
        )

    def _medicine(self, order: Resource) -> str:
        words = _words(order.medication_codeable_concept)
        for choice in listed(order.medication_reference):
            target = choice.reference
            reference = target.reference if isinstance(target, Reference) else target or ""
            words = words or self._medications.get(reference.removeprefix("Medication/"), "")
        return words


def _when(dose: Item) -> datetime:
    return dose.since or datetime.min.replace(tzinfo=UTC)


def _taken(result: Result) -> datetime:
    return result.at or datetime.min.replace(tzinfo=UTC)


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


def _has_code(observation: Resource, codes: Collection[str]) -> bool:
    coded = first_concept(observation.code)
    return coded is not None and any(coding.code in codes for coding in coded.codings)


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


def _result_name(observation: Resource) -> str:
    """Returns the test, with its specimen if the laboratory's own words lack it ("Sodium")."""
    name = _words(observation.code) or "Unnamed result"
    coded = first_concept(observation.code)
    displays = [coding.display for coding in coded.codings] if coded else []
    match = _SPECIMEN.search(displays[0]) if displays else None
    specimen = match[1] if match else ""
    if not specimen or specimen in _USUAL or specimen.lower() in name.lower():
        return name
    return f"{name} ({specimen.lower()})"


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
