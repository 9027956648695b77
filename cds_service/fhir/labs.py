"""Observations as results, before any judgement whether they are usable (B.0.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cds_service.clinical.snapshot import LabResult, Problem
from cds_service.fhir.elements import Element, child, concept_of, concepts, items, number, text, words_of
from cds_service.fhir.references import identity
from cds_service.fhir.scene import Scene
from cds_service.fhir.times import moment, result_time
from cds_service.fhir.vocabulary import Test
from cds_service.terminology.match import Coded

SODIUM = "sodium"
_WRONG = frozenset({"entered-in-error", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one Observation says."""

    labs: tuple[LabResult, ...] = ()
    problem: Problem | None = None
    volume: tuple[str, datetime] | None = None


NOTHING = Seen()


def seen(observation: Element, scene: Scene) -> Seen:
    """The results of an Observation, the problem it states, or a site's own "volume status".

    Of a known panel its components are read too; sodium is never a component (B.0.1).
    """
    code = concept_of(observation, "code")
    if code is None:
        return NOTHING
    test = scene.vocabulary.test(code)
    labs = _components(observation, scene) if test.panel else _result(observation, observation, test, scene)
    if not (labs or test.problem or scene.volume_codes):
        return NOTHING
    return Seen(
        labs=labs,
        problem=_problem(observation, scene) if test.problem else None,
        volume=_volume(observation, code, scene) if scene.volume_codes else None,
    )


def _components(observation: Element, scene: Scene) -> tuple[LabResult, ...]:
    found: tuple[LabResult, ...] = ()
    for component in items(observation, "component"):
        code = concept_of(component, "code")
        if code is not None:
            found += _result(observation, component, scene.vocabulary.test(code), scene)
    return tuple(lab for lab in found if lab.analyte != SODIUM)


def _problem(observation: Element, scene: Scene) -> Problem | None:
    """A coded answer that counts as a problem: pregnancy status (M15)."""
    taken = result_time(observation, scene.zone, scene.now)
    if taken is None or text(observation, "status").lower() in _WRONG:
        return None
    found = scene.vocabulary.problems(concepts(observation, "valueCodeableConcept"))
    if not found.concepts:
        return None
    return Problem(
        concepts=found.concepts,
        active=True,
        encounter_diagnosis=False,
        since=taken.at,
        by_text=found.by_text,
    )


def _volume(observation: Element, code: Coded, scene: Scene) -> tuple[str, datetime] | None:
    """The answer in lower case with hyphens, and when it was given."""
    if not any(f"{c.system}|{c.code}" in scene.volume_codes for c in code.codings):
        return None
    taken = result_time(observation, scene.zone, scene.now)
    if taken is None or text(observation, "status").lower() in _WRONG:
        return None
    answer = concept_of(observation, "valueCodeableConcept")
    words = text(observation, "valueString")
    if answer is not None:
        words = answer.text or next((c.display or c.code for c in answer.codings), "")
    return ("-".join(words.lower().split()), taken.at) if words else None


def _result(observation: Element, holder: Element, test: Test, scene: Scene) -> tuple[LabResult, ...]:
    """One result; none where the code is unknown or there is no quantity to read."""
    known = test.lab
    if known is None:
        return ()
    quantity = child(holder, "valueQuantity")
    value = number(quantity, "value")
    if value is None:
        return ()
    updated = moment(text(child(observation, "meta"), "lastUpdated"), scene.zone, scene.now)
    result = LabResult(
        analyte=known.analyte,
        value=value,
        unit=scene.vocabulary.unit(known.analyte, text(quantity, "code"), text(quantity, "unit")),
        comparator=text(quantity, "comparator"),
        time=result_time(observation, scene.zone, scene.now),
        status=text(observation, "status").lower(),
        method="poc" if known.poc or test.bedside or _is_poc(observation, scene) else "lab",
        urine=_is_urine(observation, scene),
        identity=_identifier(observation),
        specimen=text(child(observation, "specimen"), "reference"),
        updated=updated.at if updated is not None else None,
        reference=identity(observation),
    )
    return (result,)


def _identifier(observation: Element) -> str:
    if "identifier" not in observation:
        return ""
    first = child(observation, "identifier")
    value = text(first, "value")
    return f"{text(first, 'system')}|{value}" if value else ""


def _is_poc(observation: Element, scene: Scene) -> bool:
    """Whether method or device speak of a blood gas analyzer or the bedside."""
    if "method" not in observation and "device" not in observation:
        return False
    said = words_of(concept_of(observation, "method"))
    device = child(observation, "device")
    if device:
        found = scene.index.get(text(device, "reference"), observation)
        said += f" {text(device, 'display').lower()} {_device_words(found or {})}"
    return any(word in said for word in scene.vocabulary.reading.poc_words)


def _device_words(device: Element) -> str:
    names = [text(name, "name").lower() for name in items(device, "deviceName")]
    return " ".join((words_of(concept_of(device, "type")), *names))


def _is_urine(observation: Element, scene: Scene) -> bool:
    """Whether the specimen, as far as it is at hand, is urine."""
    specimen = child(observation, "specimen")
    if not specimen:
        return False
    said = text(specimen, "display").lower()
    reference = text(specimen, "reference")
    found = scene.index.get(reference, observation) if reference else None
    kind = concept_of(found, "type") if found is not None else None
    if kind is not None:
        said = " ".join((said, words_of(kind), *(c.code for c in kind.codings)))
    return any(word in said for word in scene.vocabulary.reading.urine_words)
