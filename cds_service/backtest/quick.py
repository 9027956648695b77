"""Which moments of results cannot get a card: seen from numbers alone, before anything is decoded.

A card on a chart needs one of these: the newest sodium is low; sodium changed by as much as the
smallest limit within the longest time that a rule looks back; laboratory and bedside differ; a
result is odd; a glucose is high enough to shift sodium; or no sodium was measured for as long as
the rule on new drugs asks for. A moment is left out only if none of them holds under any profile
that is judged. All numbers are read from the limits, and what a code, a unit or a word means is
asked of the service's vocabulary.

Whatever is not plain is left to the rules: a result that the reader may take otherwise than as its
number at its time makes every moment of its patient possible. `--all` judges every moment, and must
give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_service.backtest.times import DAY, LOADED, instant, since_of
from cds_service.errors import BadRequest
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte
from cds_service.pipeline import Pipeline
from cds_service.records.bounds import MAX_CODINGS, MAX_TEXT, RESOURCE_BYTES
from cds_service.records.fhir_types import decode_resource, first_concept
from cds_service.terminology.units import factor

_LAB, _BEDSIDE, _EITHER = "lab", "bedside", "either"
_FINAL = frozenset({"final", "amended", "corrected"})
_ABSENT = Raw(b"")
_MOST_DIGITS = 12  # of a plain number
_MOST_KEPT = 10_000  # distinct codes and units that are remembered
_ROUNDED = 0.002  # a rise is rounded to a thousandth before it is compared, and so is its base


class Look(Struct, frozen=True):
    """The moments of a patient's results, and those at which a card is possible."""

    times: Sequence[datetime]
    possible: frozenset[datetime]


class Bounds(Struct, frozen=True, kw_only=True):
    """The numbers of all profiles that decide whether a card is possible."""

    low: float  # mmol/L; a sodium up to this may be low
    least: float  # mmol/L; a smaller change is none of a rule
    apart: float  # mmol/L; two methods that differ less agree
    reach: timedelta  # as far back as a change counts
    beside: timedelta  # results so near in time may stand for one another
    plausible_from: float
    plausible_to: float
    sweet: float  # mg/dL; a glucose from here on shifts sodium
    sweet_near: timedelta  # how far from a sodium a glucose belongs to it
    unmeasured: timedelta  # so long without a sodium a new drug is a reason for a card


def bounds_of(every: Sequence[Limits]) -> Bounds:
    """Returns what holds under all of these limits."""
    return Bounds(
        low=float(max(one.mild_below for one in every)),
        least=float(min(_least(one) for one in every)) - _ROUNDED,
        apart=float(min(one.methods_apart_from for one in every)) - _ROUNDED,
        reach=max(_reach(one) for one in every),
        beside=max(max(one.lab_wins_minutes, one.same_sample_minutes) for one in every),
        plausible_from=float(max(one.plausible_from for one in every)),
        plausible_to=float(min(one.plausible_to for one in every)),
        sweet=float(min(one.glucose_shift_from for one in every)),
        sweet_near=max(one.glucose_loose_hours for one in every),
        unmeasured=min(one.drugcheck_sodium_days for one in every),
    )


def _least(limits: Limits) -> Decimal:
    return min(
        limits.rate_limit_day,
        limits.rate_limit_first_day,
        limits.rate_limit_two_days,
        limits.rate_goal,
        limits.rate_near_from,
        limits.jump_above,
        limits.jump_day_above,
    )


def _reach(limits: Limits) -> timedelta:
    """Returns how far before a moment a rise to one of its recent results may have begun."""
    newest = max(limits.rate_earlier_hours, limits.rate_now_hours)
    longest = max(limits.rate_long_window_hours, limits.rate_window_hours)
    jumps = max(limits.jump_hours, limits.jump_day_hours)
    return newest + max(longest + limits.rate_bridge_hours, limits.rate_average_hours, jumps)


class _Reference(Struct):
    reference: str = ""
    display: str = ""


class _Identifier(Struct):
    system: str = ""
    value: str = ""


class _Quantity(Struct):
    value: Raw
    unit: str = ""
    code: str = ""
    comparator: str = ""


class _Result(Struct, rename="camel"):
    """What is looked at of a result; one of another shape is odd."""

    id: str
    status: str
    code: Raw
    subject: _Reference
    effective_date_time: str
    value_quantity: _Quantity
    issued: str = ""
    identifier: list[_Identifier] = []
    specimen: _Reference | None = None
    method: Raw = _ABSENT
    device: Raw = _ABSENT
    contained: Raw = _ABSENT


class _Coded(Struct):
    code: Raw
    resourceType: str = "Observation"  # noqa: N815  # as FHIR writes it


class Odd(Exception):  # no error: the rules are to look
    """A result is not plain."""


class Sample(Struct, frozen=True):
    """One plain sodium: since when it was known, when it was drawn, and its value."""

    since: datetime
    drawn: datetime
    value: float
    specimen: str = ""
    method: str = _LAB


class Sweet(Struct, frozen=True):
    """A glucose that may shift sodium: when it was drawn, and of which specimen."""

    drawn: datetime
    specimen: str = ""


class Quick:
    """Looks at the numbers of one patient after the other."""

    def __init__(
        self, pipelines: Iterable[Pipeline], profiles: Sequence[str], bounds: Bounds | None = None
    ) -> None:
        every = tuple(pipelines)
        limits = [one.knowledge.limits[profile] for one in every for profile in profiles]
        self._pipelines = every
        self._bounds = bounds or bounds_of(limits)
        self._decode = msgspec.json.Decoder(_Result).decode
        self._methods: dict[bytes, str] = {}
        self._factors: dict[tuple[str, str, str], tuple[float, ...]] = {}
        self._lists = [one.vocabulary.code_lists for one in every]

    def look(self, who: str, sodium: Sequence[bytes], glucose: Sequence[bytes]) -> Look | None:
        """Returns what the numbers say of a patient; None if only the rules can tell."""
        if self._bounds.unmeasured <= LOADED + DAY:
            return None  # a result could come so late that a new drug is a reason for a card
        try:
            samples = self._samples(f"Patient/{who}", sodium)
            sweet = list(self._sweet(glucose))
        except Odd:
            return None
        return Look(
            tuple(dict.fromkeys(one.since for one in samples)),
            frozenset(_possible(samples, sweet, self._bounds)),
        )

    # ---- sodium

    def _samples(self, owner: str, lines: Sequence[bytes]) -> list[Sample]:
        """Returns the results by when they became known; Odd if one of them is not plain."""
        samples: list[Sample] = []
        identities: set[str] = set()
        for line in lines:
            read = self._read(line)
            if read.subject.reference != owner or read.status not in _FINAL:
                raise Odd
            names = _names(read)
            if not names.isdisjoint(identities):
                raise Odd
            identities |= names
            samples.append(self._sample(read))
        samples.sort(key=lambda one: (one.since, one.drawn))
        return samples

    def _read(self, line: bytes) -> _Result:
        if len(line) > RESOURCE_BYTES:
            raise Odd
        try:
            read = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Odd from None
        code = bytes(read.code)
        if len(code) >= MAX_TEXT or code.count(b"{") > MAX_CODINGS or bytes(read.contained):
            raise Odd
        return read

    def _sample(self, read: _Result) -> Sample:
        value = _plain_number(read.value_quantity)
        drawn, issued = instant(read.effective_date_time), instant(read.issued)
        if drawn is None or (read.issued and issued is None):
            raise Odd
        bounds = self._bounds
        if not bounds.plausible_from <= value <= bounds.plausible_to:
            raise Odd
        quantity = read.value_quantity
        named = quantity.code.strip() or quantity.unit.strip()  # without one the number is enough
        if named and not all(one == 1 for one in self._factors_of(Analyte.SODIUM, quantity)):
            raise Odd
        since = drawn if issued is None else since_of(issued, drawn)[0]
        if since < drawn:
            raise Odd  # the rules may take it for a result of the future
        return Sample(since, drawn, value, _specimen(read), self._method(read))

    def _method(self, read: _Result) -> str:
        """Returns how it was measured, as far as that is certain; Odd if it may be of urine."""
        code = bytes(read.code)
        known = self._methods.get(code)
        if known is None:
            if len(self._methods) >= _MOST_KEPT:
                self._methods.clear()
            found = {_method_of(one, code) for one in self._pipelines}
            known = "" if "" in found else found.pop() if len(found) == 1 else _EITHER
            self._methods[code] = known
        specimen = read.specimen or _Reference()
        display = specimen.display.lower()
        if not known or specimen.reference.startswith("#"):
            raise Odd
        if any(word in display for lists in self._lists for word in lists.urine_words):
            raise Odd
        return known if not (read.method or read.device) else _EITHER

    def _factors_of(self, analyte: str, quantity: _Quantity) -> tuple[float, ...]:
        """Returns the factor of a unit to that of the rules, in each knowledge; 0: not known."""
        key = (analyte, quantity.code.strip(), quantity.unit.strip())
        known = self._factors.get(key)
        if known is None:
            if len(self._factors) >= _MOST_KEPT:
                self._factors.clear()
            known = self._factors[key] = tuple(_factor(one, *key) for one in self._pipelines)
        return known

    # ---- glucose

    def _sweet(self, lines: Sequence[bytes]) -> Iterator[Sweet]:
        """Yields each glucose that is not plainly too low to shift sodium."""
        for line in lines:
            read = self._read(line)
            quantity = read.value_quantity
            drawn = instant(read.effective_date_time)
            if drawn is None:
                raise Odd
            factors = self._factors_of(Analyte.GLUCOSE, quantity)
            value = _plain_number(quantity)
            if not all(factors) or max(factors) * value >= self._bounds.sweet:
                yield Sweet(drawn, _specimen(read))


def _names(read: _Result) -> set[str]:
    """Returns by what a second result would be the same one."""
    names = {f"Observation/{read.id}"}
    first = read.identifier[0] if read.identifier else None
    if first is not None and first.value.strip():
        names.add(f"{first.system.strip()}|{first.value.strip()}")
    return names


def _specimen(read: _Result) -> str:
    return read.specimen.reference.strip() if read.specimen is not None else ""


def _plain_number(quantity: _Quantity) -> float:
    """Returns the number of a quantity; Odd if it is a bound, a text, or very long."""
    digits = bytes(quantity.value)
    if quantity.comparator or not 0 < len(digits) <= _MOST_DIGITS:
        raise Odd
    try:
        return float(digits)
    except ValueError:
        raise Odd from None


def _factor(pipeline: Pipeline, analyte: str, code: str, unit: str) -> float:
    found = factor(
        pipeline.knowledge.terms.labs[analyte], pipeline.vocabulary.unit(analyte, code, unit)
    )
    return float(found) if found is not None else 0.0


def _method_of(pipeline: Pipeline, code: bytes) -> str:
    """Returns what a code of an Observation says of its method; "" if it is no sodium of blood."""
    try:
        read = decode_resource(msgspec.json.encode(_Coded(Raw(code))))
    except BadRequest:
        return ""
    concept = first_concept(read.code) if read is not None else None
    test = pipeline.vocabulary.test(concept) if concept is not None else None
    if test is None or test.lab is None or test.panel or test.problem:
        return ""
    if test.lab.analyte != Analyte.SODIUM:
        return ""
    return _BEDSIDE if test.lab.poc or (test.bedside and not test.lab.by_site) else _LAB


# ---- the moments


def _possible(
    samples: Sequence[Sample], sweet: Sequence[Sweet], bounds: Bounds
) -> Iterator[datetime]:
    """Yields the moments at which a card is possible; `samples` by when they became known."""
    values = [one.value for one in samples]
    if not values:
        return
    if len({one.method for one in samples}) > 1 or samples[0].method == _EITHER:
        bounds = replace(bounds, least=min(bounds.least, bounds.apart))
    if not sweet and min(values) > bounds.low and max(values) - min(values) < bounds.least:
        return
    specimens = {one.specimen for one in sweet if one.specimen}
    shifted = [one.drawn for one in sweet]
    shifted += [one.drawn for one in samples if one.specimen in specimens]
    near, far = -bounds.sweet_near, bounds.reach + bounds.sweet_near
    newest = samples[0].drawn
    for place, sample in enumerate(samples):
        newest = max(newest, sample.drawn)
        if samples[place + 1 : place + 2] and samples[place + 1].since == sample.since:
            continue  # of several results of one instant the last one sees all
        now = sample.since
        is_shifted = any(near <= now - at <= far for at in shifted)
        if is_shifted or _may_speak(samples, place, newest, bounds):
            yield now


def _may_speak(samples: Sequence[Sample], place: int, newest: datetime, bounds: Bounds) -> bool:
    """Whether what was known at a moment holds a low newest value or a change."""
    begins, beside = samples[place].since - bounds.reach, newest - bounds.beside
    highest = lowest = samples[place].value
    while place >= 0 and samples[place].since >= min(begins, beside):
        sample = samples[place]
        if sample.drawn >= beside and sample.value <= bounds.low:
            return True
        if sample.drawn >= begins:
            highest, lowest = max(highest, sample.value), min(lowest, sample.value)
        place -= 1
    return highest - lowest >= bounds.least
