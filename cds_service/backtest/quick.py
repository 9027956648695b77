"""Which moments of results cannot get a card: seen from numbers alone, before anything is decoded.

A card on a chart needs one of these: the newest sodium is low; sodium rose by as much as the
smallest limit that can hold for such a rise, or jumped; laboratory and bedside differ; a result of
these days, or the newest of all, is odd; a glucose of these days is high enough to shift sodium; or
no sodium was measured for as long as the rule on new drugs asks for. (A drug of which a rule speaks
at any sodium is looked for in `watched`.) A moment is left out only if none of them holds under any
profile that is judged. All numbers are read from the limits, and what
a code, a unit or a word means is asked of the service's vocabulary.

A result is odd if the reader may take it otherwise than as its number at its time. What is more
than odd, because it may make the whole series count as not read, makes every moment of its patient
possible. `--all` judges every moment, and must give the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from cds_service.backtest.times import (
    DAY,
    LATER,
    LOADED,
    end_of,
    instant,
    known_since,
    since_of,
)
from cds_service.errors import BadRequest
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte
from cds_service.pipeline import Pipeline
from cds_service.records.bounds import MAX_CODINGS, MAX_TEXT, RESOURCE_BYTES
from cds_service.records.cut import is_cut, is_too_large
from cds_service.records.fhir_types import decode_resource, first_concept
from cds_service.records.times import result_time
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
    quiet: bool = False  # nothing is odd, high in glucose, low, or changed: nothing happened


class Bounds(Struct, frozen=True, kw_only=True):
    """The numbers of all profiles that decide whether a card is possible."""

    low: float  # mmol/L; a sodium up to this may be low
    least: float  # mmol/L; no rule speaks of a smaller rise
    over: float  # mmol/L; the same for a rise that counts only above its limit: from here ...
    recovered: float  # mmol/L; ... if sodium is normal now, and was not below this
    settled: float  # mmol/L; above this sodium is normal for the rate
    recent: timedelta  # a rise that ended longer ago is no more told
    jump: float  # mmol/L; no rule speaks of a smaller jump
    jump_reach: timedelta
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
        over=float(min(_over(one) for one in every)) - _ROUNDED,
        recovered=float(max(one.rate_recovered_base_from for one in every)) + _ROUNDED,
        settled=float(max(one.rate_normal_above for one in every)),
        recent=max(_recent(one) for one in every),
        jump=float(min(min(one.jump_above, one.jump_day_above) for one in every)) - _ROUNDED,
        jump_reach=max(max(one.jump_hours, one.jump_day_hours) for one in every),
        apart=float(min(one.methods_apart_from for one in every)) - _ROUNDED,
        reach=max(_reach(one) for one in every),
        beside=max(max(one.lab_wins_minutes, one.same_sample_minutes) for one in every),
        plausible_from=float(max(one.plausible_from for one in every)),
        plausible_to=float(min(one.plausible_to for one in every)),
        sweet=float(min(one.glucose_shift_from for one in every)),
        sweet_near=max(one.glucose_loose_hours for one in every),
        unmeasured=min(one.drugcheck_sodium_days for one in every),
    )


def _over(limits: Limits) -> Decimal:
    return min(
        limits.rate_limit_day,
        limits.rate_limit_first_day,
        limits.rate_limit_first_day_risk,
        limits.rate_limit_two_days,
        limits.rate_limit_two_days_risk,
    )


def _least(limits: Limits) -> Decimal:
    return min(
        limits.rate_limit_day,
        limits.rate_limit_first_day,
        limits.rate_limit_first_day_risk,
        limits.rate_limit_two_days,
        limits.rate_limit_two_days_risk,
        limits.rate_goal,
        limits.rate_near_from,
    )


def _recent(limits: Limits) -> timedelta:
    return max(limits.rate_earlier_hours, limits.rate_now_hours)


def _reach(limits: Limits) -> timedelta:
    """Returns how far before a moment a rise to one of its recent results may have begun."""
    longest = max(limits.rate_long_window_hours, limits.rate_window_hours)
    jumps = max(limits.jump_hours, limits.jump_day_hours)
    return _recent(limits) + max(
        longest + limits.rate_bridge_hours, limits.rate_average_hours, jumps
    )


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


class Unclear(Exception):  # the same of all results of a patient
    """A result may decide how the whole series is read."""


class Sample(Struct, frozen=True):
    """One sodium: since when it was known, when it was drawn, and its value if that is plain."""

    since: datetime
    drawn: datetime
    value: float | None
    specimen: str = ""
    method: str = _LAB
    odd: bool = False


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
        except Unclear:
            return None
        sweet = [found for line in glucose if (found := self._sweet(line)) is not None]
        return Look(
            tuple(dict.fromkeys(one.since for one in samples)),
            frozenset(_possible(samples, sweet, self._bounds)),
            quiet=not samples or _is_quiet(samples, sweet, self._bounds),
        )

    # ---- sodium

    def _samples(self, owner: str, lines: Sequence[bytes]) -> list[Sample]:
        """Returns the results by when they became known; Unclear if only the rules can tell."""
        samples: list[Sample] = []
        ids: set[str] = set()
        draws: dict[str, int] = {}  # identifier of a draw -> the place of its first result
        for line in lines:
            found = self._told(owner, line)
            if found is None:
                continue
            sample, own, draw = found
            if own in ids:
                raise Unclear  # two versions of one result
            ids.add(own)
            if draw and draw in draws:
                first = draws[draw]
                samples[first] = replace(samples[first], odd=True)
                sample = replace(sample, odd=True)
            draws.setdefault(draw, len(samples))
            samples.append(sample)
        return sorted(samples, key=lambda one: (one.since, one.drawn))

    def _told(self, owner: str, line: bytes) -> tuple[Sample, str, str] | None:
        """Returns one result with its id and the identifier of its draw; None if it is never seen.

        It is never seen if it cannot be read, or has no time at all.
        """
        try:
            read = self._read(line)
            if read.subject.reference == owner and read.status in _FINAL:
                return self._sample(read), read.id, _draw(read)
        except Odd:
            pass
        return _told_oddly(owner, line)

    def _read(self, line: bytes) -> _Result:
        try:
            read = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Odd from None
        code = bytes(read.code)
        large = len(line) > RESOURCE_BYTES or len(code) >= MAX_TEXT
        if large or code.count(b"{") > MAX_CODINGS or bytes(read.contained):
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
        if not known:
            raise Unclear  # not every knowledge takes it for a sodium
        if specimen.reference.startswith("#"):
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

    def _sweet(self, line: bytes) -> Sweet | None:
        """Returns a glucose that is not plainly too low to shift sodium."""
        try:
            read = self._read(line)
            drawn, value = instant(read.effective_date_time), _plain_number(read.value_quantity)
        except Odd:
            return _sweet_oddly(line)
        if drawn is None:
            return _sweet_oddly(line)
        factors = self._factors_of(Analyte.GLUCOSE, read.value_quantity)
        if all(factors) and max(factors) * value < self._bounds.sweet:
            return None
        return Sweet(drawn, _specimen(read))


def _told_oddly(owner: str, line: bytes) -> tuple[Sample, str, str] | None:
    """Returns a result that is not plain, by the service's own reading of it."""
    try:
        read = decode_resource(line)
    except BadRequest:
        return None
    if read is None or read.subject is None or read.subject.reference != owner:
        raise Unclear  # of another patient, as far as the reader can tell
    if is_cut(read) or is_too_large(read) or read.contained:
        raise Unclear
    since, drawn = known_since(read), result_time(read, None, LATER)
    if since is None:
        return None
    if drawn is None:
        raise Unclear  # it may be newer than any other
    named = read.identifier[0] if read.identifier else None
    draw = f"{named.system.strip()}|{named.value.strip()}" if named and named.value.strip() else ""
    return Sample(since[0], end_of(drawn), None, odd=True), read.id, draw


def _sweet_oddly(line: bytes) -> Sweet | None:
    try:
        read = decode_resource(line)
    except BadRequest:
        return None
    drawn = result_time(read, None, LATER) if read is not None else None
    if read is None or drawn is None:
        return None  # without a time it belongs to no sodium
    specimen = read.specimen.reference.strip() if read.specimen is not None else ""
    return Sweet(end_of(drawn), specimen)


def _draw(read: _Result) -> str:
    """Returns the identifier by which two results are of one draw."""
    first = read.identifier[0] if read.identifier else None
    if first is None or not first.value.strip():
        return ""
    return f"{first.system.strip()}|{first.value.strip()}"


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
    if not samples or _is_quiet(samples, sweet, bounds):
        return
    specimens = {one.specimen for one in sweet if one.specimen}
    shifted = [one.drawn for one in sweet]
    shifted += [one.drawn for one in samples if one.specimen in specimens]
    methods = {one.method for one in samples}
    mixed = len(methods) > 1 or _EITHER in methods
    near, far = -bounds.sweet_near - DAY, bounds.reach + bounds.sweet_near + DAY
    known = _Known(bounds, mixed)
    for place, sample in enumerate(samples):
        known.add(sample)
        if samples[place + 1 : place + 2] and samples[place + 1].since == sample.since:
            continue  # of several results of one instant the last one sees all
        now = sample.since
        if any(near <= now - at <= far for at in shifted) or known.may_speak(now):
            yield now


def _is_quiet(samples: Sequence[Sample], sweet: Sequence[Sweet], bounds: Bounds) -> bool:
    """Whether nothing of a patient is odd, high in glucose, low, or changed: the usual case."""
    if sweet or any(one.odd or one.method == _EITHER for one in samples):
        return False
    values = [one.value for one in samples if one.value is not None]
    return min(values) > bounds.low and max(values) - min(values) < min(bounds.least, bounds.apart)


class _Known:
    """What was known of a series so far."""

    def __init__(self, bounds: Bounds, mixed: bool) -> None:
        self._bounds = bounds
        self._mixed = mixed
        self._plain: list[Sample] = []  # those with a value, by when they became known
        self._odd: list[datetime] = []  # when odd ones were drawn, or until when
        self._newest: datetime | None = None  # of those that are not odd

    def add(self, sample: Sample) -> None:
        """Takes in the next result."""
        if sample.value is not None:
            self._plain.append(sample)
        if sample.odd:
            self._odd.append(sample.drawn)
        elif self._newest is None or sample.drawn > self._newest:
            self._newest = sample.drawn

    def may_speak(self, now: datetime) -> bool:
        """Whether a card is possible at a moment."""
        newest, bounds = self._newest, self._bounds
        if newest is None or any(
            at + DAY >= newest or now - at <= bounds.reach + DAY for at in self._odd
        ):
            return True
        begins = min(now - bounds.reach, newest - 2 * bounds.beside - bounds.jump_reach)
        window: list[tuple[datetime, float]] = []
        for sample in reversed(self._plain):
            if sample.since < begins:
                break  # it was drawn even earlier
            if sample.drawn >= begins and sample.value is not None:
                window.append((sample.drawn, sample.value))
        return self._is_low(window, newest) or self._has_changed(sorted(window), now, newest)

    def _is_low(self, window: Sequence[tuple[datetime, float]], newest: datetime) -> bool:
        """Whether the newest value, or one that may stand for it, is low."""
        beside = newest - self._bounds.beside
        return any(value <= self._bounds.low for at, value in window if at >= beside)

    def _has_changed(
        self, window: Sequence[tuple[datetime, float]], now: datetime, newest: datetime
    ) -> bool:
        """Whether methods differ, or values jumped, or rose; `window` by when they were drawn."""
        bounds = self._bounds
        values = [value for _, value in window]
        if max(values) - min(values) < min(bounds.least, bounds.apart):
            return False
        beside = newest - 2 * bounds.beside
        if self._mixed and _range(window, beside) >= bounds.apart:
            return True
        if _range(window, beside - bounds.jump_reach) >= bounds.jump:
            return True
        at_last = [value for at, value in window if at >= newest - bounds.beside]
        return self._has_risen(window, now - bounds.recent, min(at_last) > bounds.settled)

    def _has_risen(
        self, window: Sequence[tuple[datetime, float]], recent: datetime, settled: bool
    ) -> bool:
        """Whether a value of these days is so far above an earlier one that a rule may speak."""
        bounds = self._bounds
        lowest = window[0][1]
        for at, value in window:
            harmless = settled and lowest >= bounds.recovered
            if at >= recent and value - lowest >= (bounds.over if harmless else bounds.least):
                return True
            lowest = min(lowest, value)
        return False


def _range(window: Sequence[tuple[datetime, float]], begins: datetime) -> float:
    values = [value for at, value in window if at >= begins]
    return max(values) - min(values)
