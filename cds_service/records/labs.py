"""Observations as results, before any judgement whether they are usable (B.0.1)."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from cds_service.knowledge.names import Analyte
from cds_service.records.fhir_types import (
    NO_REFERENCE,
    NO_RESOURCE,
    Quantity,
    Resource,
    concepts,
    exact,
    first_concept,
    words_of,
)
from cds_service.records.read_context import ReadContext
from cds_service.records.times import moment, result_time
from cds_service.sodium.snapshot import LabResult, Problem
from cds_service.terminology.vocabulary import Test

_REMEMBERED = 1024
_WRONG = frozenset({"entered-in-error", "cancelled"})


class Observed(Struct, frozen=True, kw_only=True):
    """What one Observation says."""

    labs: tuple[LabResult, ...] = ()
    problem: Problem | None = None


def observed(observation: Resource, context: ReadContext) -> Observed:
    """The results of an Observation, or the problem that it states.

    Of a known panel its components are read too; sodium is never a component (B.0.1).
    """
    code = first_concept(observation.code)
    if code is None:
        return Observed()
    test = context.vocabulary.test(code)
    problem = _problem(observation, context) if test.problem else None
    if test.panel:
        return Observed(labs=_components(observation, context), problem=problem)
    result = _result(observation, observation.value_quantity, test, context)
    return Observed(labs=(result,) if result is not None else (), problem=problem)


def _components(observation: Resource, context: ReadContext) -> tuple[LabResult, ...]:
    results = []
    for component in observation.component:
        code = first_concept(component.code)
        if code is not None:
            test = context.vocabulary.test(code)
            result = _result(observation, component.value_quantity, test, context)
            if result is not None and result.analyte != Analyte.SODIUM:
                results.append(result)
    return tuple(results)


def _problem(observation: Resource, context: ReadContext) -> Problem | None:
    """A coded answer that counts as a problem: pregnancy status (M15)."""
    taken = result_time(observation, context.zone, context.now)
    if taken is None or observation.status.strip().lower() in _WRONG:
        return None
    match = context.vocabulary.problems(concepts(observation.value_codeable_concept))
    if not match.concepts:
        return None
    return Problem(
        concepts=match.concepts,
        active=True,
        encounter_diagnosis=False,
        since=taken.at,
        by_text=match.by_text,
    )


def _result(
    observation: Resource, quantity: Quantity | None, test: Test, context: ReadContext
) -> LabResult | None:
    """One result; None if the code is unknown or there is no quantity to read."""
    lab = test.lab
    value = exact(quantity.value) if quantity is not None else None
    if lab is None or quantity is None or value is None:
        return None
    updated = observation.meta.last_updated if observation.meta is not None else ""
    changed = moment(updated, context.zone, context.now)
    specimen = observation.specimen or NO_REFERENCE
    own = observation.id.strip()
    return LabResult(
        analyte=lab.analyte,
        value=value,
        unit=context.vocabulary.unit(lab.analyte, quantity.code.strip(), quantity.unit.strip()),
        comparator=quantity.comparator.strip(),
        time=result_time(observation, context.zone, context.now),
        status=observation.status.strip().lower(),
        method="poc" if lab.poc or test.bedside or _is_poc(observation, context) else "lab",
        urine=_is_urine(observation, context),
        identity=_first_identifier(observation),
        specimen=specimen.reference.strip(),
        updated=changed.at if changed is not None else None,
        reference=f"Observation/{own}" if own else "",
    )


def _first_identifier(observation: Resource) -> str:
    """The first identifier as "system|value"; "" without a value."""
    for identifier in observation.identifier[:1]:
        if identifier.value.strip():
            return f"{identifier.system.strip()}|{identifier.value.strip()}"
    return ""


def _is_poc(observation: Resource, context: ReadContext) -> bool:
    """Whether method or device speak of a blood gas analyzer or the bedside."""
    if observation.method is None and observation.device is None:
        return False
    words = [words_of(first_concept(observation.method))]
    if observation.device is not None:
        reference = observation.device.reference.strip()
        device = context.index.get(reference, observation) or NO_RESOURCE
        words += [observation.device.display.strip().lower(), words_of(first_concept(device.type))]
        words += [name.name.strip().lower() for name in device.device_name]
    return _speaks_of(" ".join(words), context.vocabulary.code_lists.poc_words)


@lru_cache(maxsize=_REMEMBERED)
def _speaks_of(text: str, words: frozenset[str]) -> bool:
    return any(word in text for word in words)


def _is_urine(observation: Resource, context: ReadContext) -> bool:
    """Whether the specimen, as far as it is at hand, is urine."""
    if observation.specimen is None:
        return False
    words = [observation.specimen.display.strip().lower()]
    reference = observation.specimen.reference.strip()
    specimen = context.index.get(reference, observation) if reference else None
    kind = first_concept(specimen.type) if specimen is not None else None
    if kind is not None:
        words += [words_of(kind), *(c.code for c in kind.codings)]
    return _speaks_of(" ".join(words), context.vocabulary.code_lists.urine_words)
