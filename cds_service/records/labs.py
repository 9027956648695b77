"""Observations as results, before any judgement whether they are usable (B.0.1)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from cds_service.records.elements import (
    Element,
    child,
    concept_of,
    concepts,
    exact,
    items,
    text,
    words_of,
)
from cds_service.records.forms import Meta, Quantity, Reference, first_identifier, form
from cds_service.records.read_context import ReadContext
from cds_service.records.times import moment, result_time
from cds_service.sodium.snapshot import LabResult, Problem
from cds_service.terminology.vocabulary import Test

SODIUM = "sodium"
_REMEMBERED = 1024
_WRONG = frozenset({"entered-in-error", "cancelled"})


class Seen(Struct, frozen=True, kw_only=True):
    """What one Observation says."""

    labs: tuple[LabResult, ...] = ()
    problem: Problem | None = None


NOTHING = Seen()


def seen(observation: Element, context: ReadContext) -> Seen:
    """The results of an Observation, or the problem it states.

    Of a known panel its components are read too; sodium is never a component (B.0.1).
    """
    code = concept_of(observation, "code")
    if code is None:
        return NOTHING
    test = context.vocabulary.test(code)
    labs: tuple[LabResult, ...] = ()
    if test.panel:
        labs = _components(observation, context)
    elif test.lab is not None:
        labs = _result(observation, form(Quantity, observation, "valueQuantity"), test, context)
    if not (labs or test.problem):
        return NOTHING
    return Seen(
        labs=labs,
        problem=_problem(observation, context) if test.problem else None,
    )


def _components(observation: Element, context: ReadContext) -> tuple[LabResult, ...]:
    found: tuple[LabResult, ...] = ()
    for component in items(observation, "component"):
        code = concept_of(component, "code")
        if code is not None:
            quantity = form(Quantity, component, "valueQuantity")
            found += _result(observation, quantity, context.vocabulary.test(code), context)
    return tuple(lab for lab in found if lab.analyte != SODIUM)


def _problem(observation: Element, context: ReadContext) -> Problem | None:
    """A coded answer that counts as a problem: pregnancy status (M15)."""
    taken = result_time(observation, context.zone, context.now)
    if taken is None or text(observation, "status").lower() in _WRONG:
        return None
    found = context.vocabulary.problems(concepts(observation, "valueCodeableConcept"))
    if not found.concepts:
        return None
    return Problem(
        concepts=found.concepts,
        active=True,
        encounter_diagnosis=False,
        since=taken.at,
        by_text=found.by_text,
    )


def _result(
    observation: Element, quantity: Quantity | None, test: Test, context: ReadContext
) -> tuple[LabResult, ...]:
    """One result; none where the code is unknown or there is no quantity to read."""
    known = test.lab
    value = exact(quantity.value) if quantity is not None else None
    if known is None or quantity is None or value is None:
        return ()
    meta, specimen = form(Meta, observation, "meta"), form(Reference, observation, "specimen")
    updated = (
        moment(meta.last_updated.strip(), context.zone, context.now) if meta is not None else None
    )
    own = text(observation, "id")
    found = LabResult(
        analyte=known.analyte,
        value=value,
        unit=context.vocabulary.unit(known.analyte, quantity.code.strip(), quantity.unit.strip()),
        comparator=quantity.comparator.strip(),
        time=result_time(observation, context.zone, context.now),
        status=text(observation, "status").lower(),
        method="poc" if known.poc or test.bedside or _is_poc(observation, context) else "lab",
        urine=specimen is not None and _is_urine(observation, specimen, context),
        identity=_identifier(observation),
        specimen=specimen.reference.strip() if specimen is not None else "",
        updated=updated.at if updated is not None else None,
        reference=f"Observation/{own}" if own else "",
    )
    return (found,)


def _identifier(observation: Element) -> str:
    first = first_identifier(observation)
    value = first.value.strip() if first is not None else ""
    return f"{first.system.strip()}|{value}" if first is not None and value else ""


def _is_poc(observation: Element, context: ReadContext) -> bool:
    """Whether method or device speak of a blood gas analyzer or the bedside."""
    if "method" not in observation and "device" not in observation:
        return False
    said = words_of(concept_of(observation, "method"))
    device = child(observation, "device")
    if device:
        found = context.index.get(text(device, "reference"), observation)
        said += f" {text(device, 'display').lower()} {_device_words(found or {})}"
    return _speaks_of(said, context.vocabulary.code_lists.poc_words)


@lru_cache(maxsize=_REMEMBERED)
def _speaks_of(said: str, words: frozenset[str]) -> bool:
    return any(word in said for word in words)


def _device_words(device: Element) -> str:
    names = [text(name, "name").lower() for name in items(device, "deviceName")]
    return " ".join((words_of(concept_of(device, "type")), *names))


def _is_urine(observation: Element, specimen: Reference, context: ReadContext) -> bool:
    """Whether the specimen, as far as it is at hand, is urine."""
    said = specimen.display.strip().lower()
    reference = specimen.reference.strip()
    found = context.index.get(reference, observation) if reference else None
    kind = concept_of(found, "type") if found is not None else None
    if kind is not None:
        said = " ".join((said, words_of(kind), *(c.code for c in kind.codings)))
    return _speaks_of(said, context.vocabulary.code_lists.urine_words)
