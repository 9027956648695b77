"""Observations as results, before any judgement whether they are usable (B.0.1)."""

from __future__ import annotations

import re
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.names import Analyte, Unused
from cds_service.records.fhir_types import (
    NO_QUANTITY,
    NO_REFERENCE,
    NO_RESOURCE,
    Component,
    Quantity,
    Resource,
    concepts,
    exact,
    first_concept,
    words_of,
)
from cds_service.records.read_context import ReadContext
from cds_service.records.times import BARE_DAY, drawn_before, moment, result_time
from cds_service.sodium.snapshot import DroppedResult, LabResult, Problem
from cds_service.terminology.codes import LabMatch
from cds_service.terminology.remembering import remembering
from cds_service.terminology.units import decimal_of
from cds_service.terminology.vocabulary import Test

_WRONG = frozenset({"entered-in-error", "cancelled"})
_LONGEST = 100  # characters of a number with its unit; a longer text is a comment
_SHOWN = 40  # characters of an unreadable value that `explain` shows
# Other spellings of FHIR's comparators; one that is not known is kept, and no rule uses the result.
_COMPARATORS = {"=": "", "≤": "<=", "≥": ">=", "=<": "<=", "=>": ">="}
# "112", "<115", "128,4 mmol/L"; a comma before three digits may part thousands, and is not read.
_WRITTEN = re.compile(
    r"(?P<comparator>[<>=≤≥]{0,2})\s*(?P<number>\d{1,9}(?:\.\d{1,20}|,\d{1,2})?)"
    r"(?:\s*(?P<unit>[^\d\s.,<>=≤≥+-].*))?",
    re.ASCII | re.DOTALL,
)


_LETTERS = re.compile(r"[a-z]+")


class Observed(Struct, frozen=True, kw_only=True):
    """What one Observation says."""

    labs: tuple[LabResult, ...] = ()
    problem: Problem | None = None
    dropped: DroppedResult | None = None  # it is or may be sodium, and no result could be made

    @property
    def has_sodium(self) -> bool:
        """Whether it is sodium, or may be."""
        return self.dropped is not None or any(lab.analyte == Analyte.SODIUM for lab in self.labs)


class _Value(Struct, frozen=True):
    """The value of an Observation or component as far as it can be read."""

    number: Decimal
    comparator: str = ""
    unit: str = ""
    code: str = ""


def observed(observation: Resource, context: ReadContext, *, asked_sodium: bool) -> Observed:
    """The results of an Observation, the problem that it states, or why sodium is lost with it.

    Of a known panel its components are read too; sodium is never a component (B.0.1).
    `asked_sodium`: it answers the search for sodium, so that an unknown code may mean sodium.
    """
    code = first_concept(observation.code)
    if code is None:
        why = Unused.CODE if asked_sodium else None
        return Observed(dropped=_dropped(observation, why, context))
    test = context.vocabulary.test(code)
    problem = _problem(observation, context) if test.problem else None
    if test.panel:
        labs = _components(observation, context)
    else:
        result = _result(observation, observation, test, context)
        labs = (result,) if result is not None else ()
    if any(lab.analyte == Analyte.SODIUM for lab in labs):
        return Observed(labs=labs, problem=problem)
    why = _why_dropped(observation, test, asked_sodium, context)
    return Observed(labs=labs, problem=problem, dropped=_dropped(observation, why, context))


def observed_once(observation: Resource, context: ReadContext, *, asked_sodium: bool) -> Observed:
    """The same as `observed`, from the memory of the call if it has one.

    Only what does not depend on the moment of the call is kept: no bare day, which may be today.
    """
    memory = context.remembered
    if memory is None:
        return observed(observation, context, asked_sodium=asked_sodium)
    key = (id(observation), id(context.vocabulary), asked_sodium, context.zone)
    found: Observed | None = memory.get(key)
    if found is None:
        found = observed(observation, context, asked_sodium=asked_sodium)
        if _is_lasting(found, observation):
            memory[key] = found
    return found


def _is_lasting(found: Observed, observation: Resource) -> bool:
    """Whether an Observation reads alike at every moment."""
    if found.problem is not None or found.dropped is not None:
        return False
    stored = observation.meta.last_updated.strip() if observation.meta is not None else ""
    return len(stored) != BARE_DAY and all(
        lab.time is not None and not lab.time.day_only for lab in found.labs
    )


def says_no_test(observation: Resource, context: ReadContext) -> bool:
    """Whether it cannot be read what was measured: there is no code, and no word that we know.

    A search by codes brings no such result unless its code was spoilt on the way.
    """
    code = first_concept(observation.code)
    if code is None:
        return True
    if any(coding.code for coding in code.codings):
        return False
    test = context.vocabulary.test(code)
    return test.lab is None and not (test.panel or test.problem)


def foreign_sodium(
    observation: Resource, context: ReadContext, *, asked_sodium: bool
) -> DroppedResult | None:
    """What is lost with an Observation that names no patient we know, if it may be sodium."""
    found = observed(observation, context, asked_sodium=asked_sodium)
    why = Unused.SUBJECT if found.has_sodium else None
    return _dropped(observation, why, context, with_value=False)


def stray_sodium(resource: Resource, context: ReadContext) -> DroppedResult | None:
    """What is lost with a resource of another type that has a code of sodium."""
    code = first_concept(resource.code)
    lab = context.vocabulary.test(code).lab if code is not None else None
    is_sodium = lab is not None and lab.analyte == Analyte.SODIUM
    return _dropped(resource, Unused.KIND if is_sodium else None, context)


def _why_dropped(
    observation: Resource, test: Test, asked_sodium: bool, context: ReadContext
) -> Unused | None:
    """Why an Observation that is or may be sodium made no sodium result; None for any other."""
    if test.lab is not None and test.lab.analyte == Analyte.SODIUM:
        return _why_without_value(observation, context)
    if _holds_sodium(observation, context):
        return Unused.PANEL
    return Unused.CODE if asked_sodium and test.maybe_sodium else None


def _why_without_value(observation: Resource, context: ReadContext) -> Unused:
    """Why there is no number: the sample was spoilt, the value cannot be read, or none came."""
    answers = (
        first_concept(observation.data_absent_reason),
        first_concept(observation.value_codeable_concept),
    )
    words = [words_of(answer) for answer in answers]
    words += [note.text.lower() for note in observation.note]
    shown = _shown_value(observation)
    words.append(shown.lower())
    spoilt = context.vocabulary.code_lists.hemolyzed_words
    if any(word in text for text in words for word in spoilt):
        return Unused.HEMOLYZED
    return Unused.VALUE if shown else Unused.NO_VALUE


def _shown_value(observation: Resource) -> str:
    """What came in place of a number, as text; "" if nothing came."""
    quantity = observation.value_quantity or NO_QUANTITY
    parts = (quantity.value, observation.value_string, observation.value_integer)
    given = next((str(part) for part in parts if part is not None), "")
    return (given or words_of(first_concept(observation.value_codeable_concept))).strip()[:_SHOWN]


def _holds_sodium(observation: Resource, context: ReadContext) -> bool:
    codes = [first_concept(component.code) for component in observation.component]
    tests = [context.vocabulary.test(code).lab for code in codes if code is not None]
    return any(lab is not None and lab.analyte == Analyte.SODIUM for lab in tests)


def _dropped(
    observation: Resource, why: Unused | None, context: ReadContext, *, with_value: bool = True
) -> DroppedResult | None:
    if why is None:
        return None
    return DroppedResult(
        why=why,
        status=observation.status.strip().lower(),
        shown=_shown_value(observation) if with_value else "",
        code=_first_code(observation),
        time=result_time(observation, context.zone, context.now),
        before=drawn_before(observation, context.zone, context.now),
    )


def _first_code(observation: Resource) -> str:
    coded = first_concept(observation.code)
    coding = next(iter(coded.codings), None) if coded is not None else None
    return f"{coding.system}|{coding.code}" if coding is not None else ""


def _components(observation: Resource, context: ReadContext) -> tuple[LabResult, ...]:
    results = []
    for component in observation.component:
        code = first_concept(component.code)
        if code is not None:
            test = context.vocabulary.test(code)
            result = _result(observation, component, test, context)
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
    observation: Resource, holder: Resource | Component, test: Test, context: ReadContext
) -> LabResult | None:
    """One result; None if the code is unknown or there is no value to read."""
    lab = test.lab
    value = _value(holder) if lab is not None else None
    if lab is None or value is None:
        return None
    updated = observation.meta.last_updated if observation.meta is not None else ""
    changed = moment(updated, context.zone, context.now)
    taken = result_time(observation, context.zone, context.now)
    specimen = observation.specimen or NO_REFERENCE
    own = observation.id.strip()
    untestable = lab.analyte == Analyte.GCS and _is_untestable(observation, value, context)
    number, unit = _in_unit(lab, value, context)
    return LabResult(
        analyte=lab.analyte,
        value=number,
        unit="" if untestable else unit,
        untestable=untestable,
        comparator=value.comparator,
        time=taken,
        before=None if taken else drawn_before(observation, context.zone, context.now),
        status=observation.status.strip().lower(),
        method="poc" if _is_bedside(observation, test, context) else "lab",
        urine=_is_urine(observation, context),
        identity=_first_identifier(observation),
        specimen=specimen.reference.strip(),
        updated=changed.at if changed is not None else None,
        reference=f"Observation/{own}" if own else "",
    )


def _in_unit(lab: LabMatch, value: _Value, context: ReadContext) -> tuple[Decimal, str]:
    """The number with its unit; if the code says of what it is, in the unit of the rules.

    Two codes of one result that say two things leave it without a unit that can be read.
    """
    vocabulary, unit = context.vocabulary, (value.code, value.unit)
    own = vocabulary.by_code(lab.analyte, lab.codes, *unit) if lab.codes else None
    if own is None:
        return value.number, vocabulary.unit(lab.analyte, *unit)
    return (value.number * own, vocabulary.lab_unit[lab.analyte]) if own else (value.number, "")


def _is_untestable(observation: Resource, value: _Value, context: ReadContext) -> bool:
    """Whether a coma scale says that speech could not be tested: "10T", or a part of it (F43)."""
    known = context.vocabulary.code_lists.untestable_words
    said = [value.unit]
    for part in observation.component:
        written = part.value_string if isinstance(part.value_string, str) else ""
        answers = (part.value_codeable_concept, part.data_absent_reason)
        said += [written.lstrip("0123456789 "), *(words_of(first_concept(a)) for a in answers)]
    return any(not known.isdisjoint(_LETTERS.findall(text.lower())) for text in said)


def _value(holder: Resource | Component) -> _Value | None:
    """The value as a Quantity, a Range, an integer or a text holds it; None for none of these.

    A Range counts as a bound: at most its upper end, or at least its lower end if it has no other.
    The rules use a bound only if it is certain on which side of the limits it lies.
    """
    if holder.value_quantity is not None:
        return _of_quantity(holder.value_quantity)
    if holder.value_range is not None:
        return _of_range(holder.value_range.low, holder.value_range.high)
    if holder.value_integer is not None:
        return _of_quantity(Quantity(value=holder.value_integer))
    return _written(holder.value_string)


def _of_quantity(quantity: Quantity) -> _Value | None:
    comparator, unit = quantity.comparator.strip(), quantity.unit.strip()
    comparator = _COMPARATORS.get(comparator, comparator)
    number, code = exact(quantity.value), quantity.code.strip()
    if number is not None:
        return _Value(number, comparator, unit, code)
    written = _written(quantity.value)
    if written is None or (comparator and written.comparator):
        return None
    return _Value(written.number, comparator or written.comparator, unit or written.unit, code)


def _of_range(low: Quantity | None, high: Quantity | None) -> _Value | None:
    for end, comparator in ((high, "<="), (low, ">=")):
        value = _of_quantity(end) if end is not None else None
        if value is not None:
            return (
                None
                if value.comparator
                else _Value(value.number, comparator, value.unit, value.code)
            )
    return None


def _written(text: object) -> _Value | None:
    """A number that came as text, with its comparator and its unit; None for other words."""
    short = text.strip() if isinstance(text, str) and len(text) <= _LONGEST else ""
    match = _WRITTEN.fullmatch(short)
    number = decimal_of(match["number"].replace(",", ".")) if match is not None else None
    if match is None or number is None:
        return None
    comparator = match["comparator"]
    return _Value(number, _COMPARATORS.get(comparator, comparator), (match["unit"] or "").strip())


def _first_identifier(observation: Resource) -> str:
    """The first identifier as "system|value"; "" without a value."""
    for identifier in observation.identifier[:1]:
        if identifier.value.strip():
            return f"{identifier.system.strip()}|{identifier.value.strip()}"
    return ""


def _is_bedside(observation: Resource, test: Test, context: ReadContext) -> bool:
    """Whether it is of whole blood or the point of care; a site that says so decides (F47)."""
    if test.lab is not None and test.lab.by_site:
        return test.lab.poc
    poc = test.lab is not None and test.lab.poc
    return poc or test.bedside or _is_poc(observation, context)


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


@remembering
def _speaks_of(text: str, words: frozenset[str]) -> bool:
    return any(word in text for word in words)


def _is_urine(observation: Resource, context: ReadContext) -> bool:
    """Whether the specimen, as far as it is at hand, is urine."""
    if observation.specimen is None:
        return False
    words = [observation.specimen.display.strip().lower()]
    reference = observation.specimen.reference.strip()
    specimen = context.index.get(reference, observation) if reference else None
    if specimen is None and not words[0]:
        return False
    kind = first_concept(specimen.type) if specimen is not None else None
    if kind is None and not words[0]:
        return False
    if kind is not None:
        words += [words_of(kind), *(c.code for c in kind.codings)]
    return _speaks_of(" ".join(words), context.vocabulary.code_lists.urine_words)
