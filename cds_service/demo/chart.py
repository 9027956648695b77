"""What the demo's EHR shows of a patient: FHIR resources, read liberally, as lines of a chart.

It reads the record itself and knows nothing of the service's snapshot. A pasted Bundle may hold anything:
what does not fit is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

Resource = Mapping[str, Any]
_PRESENT = (
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
)  # an ended visit is no setting for a decision now
_NOT_GIVEN = ("not-done", "entered-in-error")
_SPECIMEN = re.compile(r" in (.+)")
_USUAL = "Serum or Plasma"
_YEAR, _MONTH = len("2026"), len("2026-11")
_LARGEST = 10_000  # a larger number is no laboratory result, and would stretch every axis


class Item(Struct, frozen=True, kw_only=True):
    """A problem, a medicine, a draft order, or a dose that was given."""

    name: str
    status: str = ""
    detail: str = ""
    since: datetime | None = None


class Result(Struct, frozen=True, kw_only=True):
    """One laboratory result or vital sign. `amount` is None where it is no number."""

    id: str
    name: str
    shown: str
    amount: float | None
    unit: str
    at: datetime | None
    status: str
    comparator: str = ""


class Chart(Struct, frozen=True, kw_only=True):
    """One patient as the page shows it; results newest first."""

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


def chart_of(resources: Iterable[object], now: datetime, sodium_codes: Collection[str]) -> Chart:
    """The chart of one patient's resources; the first Patient is the one that it is about."""
    by_type: dict[str, list[Resource]] = {}
    for resource in resources:
        if isinstance(resource, Mapping):
            by_type.setdefault(text(resource, "resourceType"), []).append(resource)
    patient = next(iter(by_type.get("Patient", ())), {})
    encounter = next((e for e in by_type.get("Encounter", ()) if text(e, "status") in _PRESENT), {})
    orders = [r for kind in ("MedicationRequest", "NutritionOrder") for r in by_type.get(kind, ())]
    medications = {text(m, "id"): concept(m, "code") for m in by_type.get("Medication", ())}
    observations = by_type.get("Observation", ())
    doses = [
        _given(a, medications) for a in by_type.get("MedicationAdministration", ()) if _is_given(a)
    ]
    born = _instant(text(patient, "birthDate"))
    return Chart(
        patient_id=text(patient, "id"),
        name=person(patient),
        sex=text(patient, "gender"),
        born=born.date() if born else None,
        age=years(born.date(), now.date()) if born else None,
        encounter_id=text(encounter, "id"),
        setting=text(encounter, "class", "display") or text(encounter, "class", "code"),
        problems=tuple(_problem(c) for c in by_type.get("Condition", ())),
        medicines=tuple(_order(o, medications) for o in orders if text(o, "status") != "draft"),
        drafts=tuple(_order(o, medications) for o in orders if text(o, "status") == "draft"),
        doses=tuple(
            sorted((d for d in doses if d.since), key=lambda d: d.since or now, reverse=True)
        ),
        sodium=_newest_first(o for o in observations if _has_code(o, sodium_codes)),
        results=_newest_first(o for o in observations if not _has_code(o, sodium_codes)),
    )


def walk(value: object, *path: str) -> list[Any]:
    """Every value at this path; lists are entered, and what is no object on the way is left out."""
    here = [value]
    for name in path:
        here = [v[name] for v in _flat(here) if isinstance(v, Mapping) and name in v]
    return [v for v in _flat(here) if v is not None]


def text(value: object, *path: str) -> str:
    """The first string at this path, or an empty one."""
    return next((v for v in walk(value, *path) if isinstance(v, str)), "")


def concept(value: object, *path: str) -> str:
    """The words of a CodeableConcept: its text, else a display, else a code."""
    return (
        text(value, *path, "text") or text(value, *path, "coding", "display") or _code(value, *path)
    )


def person(patient: Resource) -> str:
    """A patient's name as a chart shows it."""
    given = [v for v in walk(patient, "name", "given") if isinstance(v, str)]
    family = text(patient, "name", "family")
    return " ".join([*given[:1], family]).strip() or text(patient, "name", "text") or "Unknown"


def years(born: date, today: date) -> int:
    """Completed years of life."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _flat(values: Iterable[object]) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _code(value: object, *path: str) -> str:
    return text(value, *path, "coding", "code")


def _has_code(resource: Resource, codes: Collection[str]) -> bool:
    return any(
        code in codes for code in walk(resource, "code", "coding", "code") if isinstance(code, str)
    )


def _problem(condition: Resource) -> Item:
    since = text(condition, "onsetDateTime") or text(condition, "recordedDate")
    return Item(
        name=concept(condition, "code") or "Unnamed problem",
        status=_code(condition, "clinicalStatus"),
        since=_instant(since),
    )


def _medicine(order: Resource, medications: Mapping[str, str]) -> str:
    reference = text(order, "medicationReference", "reference").removeprefix("Medication/")
    return concept(order, "medicationCodeableConcept") or medications.get(reference, "")


def _order(order: Resource, medications: Mapping[str, str]) -> Item:
    return Item(
        name=_medicine(order, medications) or concept(order, "oralDiet", "type") or "Unnamed order",
        status=text(order, "status"),
        detail=_dose(order),
        since=_instant(text(order, "authoredOn") or text(order, "dateTime")),
    )


def _is_given(administration: Resource) -> bool:
    return (
        text(administration, "status") not in _NOT_GIVEN
        and administration.get("wasNotGiven") is not True
    )


def _given(administration: Resource, medications: Mapping[str, str]) -> Item:
    """A dose, by the time it was given or begun."""
    begun = text(administration, "effectiveDateTime") or text(
        administration, "effectivePeriod", "start"
    )
    dose: object = next(iter(walk(administration, "dosage", "dose")), None)
    return Item(
        name=_medicine(administration, medications) or "Unnamed medicine",
        status=text(administration, "status"),
        detail=_quantity(dose) or text(administration, "dosage", "text"),
        since=_instant(begun),
    )


def _dose(order: Resource) -> str:
    told = text(order, "dosageInstruction", "text")
    if told:
        return told
    dose = _quantity(
        next(iter(walk(order, "dosageInstruction", "doseAndRate", "doseQuantity")), {})
    )
    repeat: object = next(iter(walk(order, "dosageInstruction", "timing", "repeat")), None)
    per_day = text(repeat, "periodUnit") == "d" and walk(repeat, "period") == [1]
    times = _number(next(iter(walk(repeat, "frequency")), None)) if per_day else None
    return ", ".join(filter(None, (dose, f"{times:g} × daily" if times else "")))


def _newest_first(observations: Iterable[Resource]) -> tuple[Result, ...]:
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(map(_result, observations), key=lambda r: r.at or oldest, reverse=True))


def _result(observation: Resource) -> Result:
    quantity: object = next(iter(walk(observation, "valueQuantity")), None)
    shown = _quantity(quantity) or text(observation, "valueString")
    return Result(
        id=text(observation, "id"),
        name=_result_name(observation),
        shown=shown or concept(observation, "valueCodeableConcept") or "no value",
        amount=_number(next(iter(walk(quantity, "value")), None)),
        unit=text(quantity, "unit") or text(quantity, "code"),
        at=_instant(text(observation, "effectiveDateTime") or text(observation, "issued")),
        status=text(observation, "status"),
        comparator=text(quantity, "comparator"),
    )


def _result_name(observation: Resource) -> str:
    """The test, with its specimen where the laboratory's own words leave it out ("Sodium" of urine)."""
    name = concept(observation, "code") or "Unnamed result"
    found = _SPECIMEN.search(text(observation, "code", "coding", "display"))
    specimen = found[1] if found else _USUAL
    return (
        name
        if specimen in (_USUAL, "Blood") or specimen.lower() in name.lower()
        else f"{name} ({specimen.lower()})"
    )


def _quantity(quantity: object) -> str:
    amount = _number(next(iter(walk(quantity, "value")), None))
    if amount is None:
        return ""
    unit = text(quantity, "unit") or text(quantity, "code")
    return (
        f"{text(quantity, 'comparator')}{amount:g} {unit.strip('{}')}".strip()
    )  # UCUM writes {tbl} for a tablet


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = float(value)
    return number if abs(number) < _LARGEST else None


def _instant(value: str) -> datetime | None:
    """A FHIR date, partial date or instant; without an offset it is taken as UTC."""
    filled = value + {_YEAR: "-01-01", _MONTH: "-01"}.get(len(value), "")
    try:
        found = datetime.fromisoformat(filled)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
