"""How fast sodium rises: the rolling 24-hour rise, pair by pair, in decimals (B.0.8, M10)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Indicator
from cds_service.engine.spans import DAY, HOUR, ratio
from cds_service.knowledge.limits import Limits
from cds_service.sodium.glucose import katz
from cds_service.sodium.implausible import doubtful, large_for_a_day, unbelieved_change
from cds_service.sodium.results import Band, Sample, band_of, drawn, ordered

THOUSANDTH = Decimal("0.001")  # M10 a
DAY_HOURS = Decimal(24)

Window = Literal["day", "two-days", "average"]
GlucoseUse = Literal["", "corrected", "one-end"]


class RatePair(Struct, frozen=True, kw_only=True):
    """The rise to one endpoint, from a measured or an interpolated base."""

    base: Decimal  # mmol/L
    rise: Decimal
    end: Sample
    over: timedelta  # from the base (or the sample before the interpolated base) to the end
    observed: bool  # False: base interpolated at end - 24 h
    gap: timedelta  # between the samples that bracket an interpolated base; zero where it was measured
    used: tuple[Sample, ...]  # oldest first; the first is the base, or the sample before it
    window: Window = "day"
    base_at: datetime | None = None
    glucose: GlucoseUse = ""  # Katz values used, or glucose known to be high at one end only

    @property
    def start(self) -> Sample:
        """The measured base, or the sample before an interpolated base."""
        return self.used[0]

    @property
    def end_value(self) -> Decimal:
        """The sodium that the rise ends with, glucose-corrected where the base is."""
        return self.base + self.rise

    @property
    def span(self) -> timedelta:
        """The time in which the rise took place: from the base, measured or estimated, to the end."""
        return self.end.at - self.base_at if self.base_at else self.over

    @property
    def per_day(self) -> Decimal:
        """The rise as an average over 24 h, mmol/L."""
        return (self.rise * DAY_HOURS / ratio(self.over, HOUR)).quantize(THOUSANDTH)


class Ladder(Struct, frozen=True, dict=True):
    """Exact samples, oldest first, with the glucose (mg/dL) of those that have one."""

    samples: tuple[Sample, ...]
    glucose: Mapping[Sample, Decimal]
    limits: Limits

    @cached_property
    def times(self) -> tuple[datetime, ...]:
        """When each sample was drawn."""
        return tuple(map(drawn, self.samples))

    def may_rise_by(self, least: Decimal, end: Sample, window: Literal["day", "two-days"]) -> bool:
        """Whether a rise to `end` can reach `least`, by the values alone: most sodium hardly moves.

        An estimated base lies between two samples, so no base is below the lowest of those in reach.
        """
        if self.glucose:
            return True
        begins = end.at - self._length(window) - self.limits.rate_bridge_hours
        in_reach = self.samples[bisect_left(self.times, begins) : bisect_right(self.times, end.at)]
        lowest = min([s.value for s in in_reach], default=end.value)
        return end.value - lowest + THOUSANDTH >= least  # rises are rounded to a thousandth

    def rises(self, end: Sample, window: Literal["day", "two-days"]) -> Iterator[RatePair]:
        """Every rise or fall to `end` within the window: from each sample, and from its estimated start."""
        length = self._length(window)
        inside = slice(bisect_left(self.times, end.at - length), bisect_left(self.times, end.at))
        for start in self.samples[inside]:
            yield self._pair((start, end), start.at, window)
        for before, after in self._brackets(end, end.at - length):
            used = (before, end) if after == end else (before, after, end)
            yield self._pair(used, end.at - length, window)

    def average(self, end: Sample) -> RatePair | None:
        """The rise from the sample before `end`, too long ago for an estimate and not for an average."""
        place = bisect_left(self.times, end.at)
        before = self.samples[place - 1] if place else None
        shortest, longest = (
            self.limits.rate_bridge_hours,
            self.limits.rate_average_hours,
        )
        if before is None or not shortest < end.at - before.at <= longest:
            return None
        return self._pair((before, end), before.at, "average")

    def change(self, start: Sample, end: Sample) -> RatePair:
        """The measured change between two samples."""
        rise = (end.value - start.value).quantize(THOUSANDTH)
        return RatePair(
            base=start.value,
            rise=rise,
            end=end,
            over=end.at - start.at,
            observed=True,
            gap=timedelta(0),
            used=(start, end),
            base_at=start.at,
        )

    def _brackets(self, end: Sample, moment: datetime) -> list[tuple[Sample, Sample]]:
        """Neighbors around a moment, near enough for an estimate: of all samples, and of the end's method.

        Looking at one method alone keeps a sample of the other from hiding a rise within one method.
        """
        place = bisect_left(self.times, moment)
        if place in (0, len(self.times)):
            return []
        pairs = [(self.samples[place - 1], self.samples[place])]
        if not all(s.method == end.method for s in pairs[0]):
            before = _of_method(end.method, reversed(self.samples[:place]))
            after = _of_method(end.method, self.samples[place:])
            pairs += [(before, after)] if before and after else []
        longest = self.limits.rate_bridge_hours
        return [(a, b) for a, b in pairs if moment < b.at <= end.at and b.at - a.at <= longest]

    def _length(self, window: Literal["day", "two-days"]) -> timedelta:
        return (
            self.limits.rate_window_hours if window == "day" else self.limits.rate_long_window_hours
        )

    def _pair(self, used: tuple[Sample, ...], base_at: datetime, window: Window) -> RatePair:
        start, end = used[0], used[-1]
        glucose = self._glucose_use(used)
        values = [self._corrected(s) if glucose == "corrected" else s.value for s in used]
        base = _at(base_at, used, values)
        return RatePair(
            base=base.quantize(THOUSANDTH),
            rise=(values[-1] - base).quantize(THOUSANDTH),
            end=end,
            over=end.at - start.at,
            observed=base_at == start.at,
            gap=timedelta(0) if base_at == start.at else used[1].at - start.at,
            used=used,
            window=window,
            base_at=base_at,
            glucose=glucose,
        )

    def _glucose_use(self, used: tuple[Sample, ...]) -> GlucoseUse:
        """Katz values where glucose is known to have fallen from high; else whether a shift may hide."""
        if not self.glucose:
            return ""
        known = [self.glucose.get(s) for s in used]
        first, last, high = known[0], known[-1], self.limits.glucose_shift_from
        if first is None or last is None:
            return "one-end" if any(g is not None and g >= high for g in (first, last)) else ""
        if first < high or first - last < self.limits.glucose_fall_from:
            return ""
        return "one-end" if None in known else "corrected"

    def _corrected(self, sample: Sample) -> Decimal:
        """The Katz value; below the limit glucose counts too, so that both ends stand on one scale."""
        return katz(sample.value, self.glucose[sample], self.limits)


def _of_method(method: str, samples: Iterable[Sample]) -> Sample | None:
    return next((s for s in samples if s.method == method), None)


def _at(moment: datetime, used: tuple[Sample, ...], values: Sequence[Decimal]) -> Decimal:
    """The first value, or the value on the straight line from the first to the second at this moment."""
    if moment == used[0].at:
        return values[0]
    share = ratio(moment - used[0].at, used[1].at - used[0].at)
    return values[0] + (values[1] - values[0]) * share


RateVariant = Literal[
    "fast",
    "slow",
    "was",
    "still",
    "acute",
    "jump",
    "goal",
    "near",
    "estimated",
    "average",
    "two-days",
]

LOWER: Mapping[Indicator, Indicator] = {"critical": "warning", "warning": "info", "info": "info"}
PREFERRED_WINDOW = ("average", "two-days", "day")
CAPPING = frozenset(
    {
        "preliminary",
        "status-unknown",
        "result-time",
        "jump",
        "two-methods",
        "glucose-one-end",
        "dialysis",
    }
)  # notes under which a rise is at most a warning


class Verdict(Struct, frozen=True, kw_only=True):
    """One pair with its level; None: no card."""

    pair: RatePair
    limit: Decimal
    level: Indicator | None
    over: bool  # above the limit, not only near it
    variant: RateVariant = "near"
    notes: tuple[str, ...] = ()
    present: bool = True  # False: an earlier endpoint

    @property
    def rank(self) -> tuple[int, bool, int, bool, Decimal]:
        """By level, then the present, the plain 24 h pair, over before near, the larger rise."""
        urgency = URGENCY[self.level] if self.level else -1
        return (
            urgency,
            self.present,
            PREFERRED_WINDOW.index(self.pair.window),
            self.over,
            self.pair.rise,
        )


class Bench(Struct, frozen=True, kw_only=True, dict=True):
    """What every pair is judged with."""

    ladder: Ladder
    latest: Sample
    now: datetime
    limits: Limits
    at_risk: Callable[[], bool]  # of osmotic demyelination
    on_dialysis: Callable[[], bool]
    history: Sequence[Sample]  # bounds and days without a clock too, oldest first

    @property
    def high_risk(self) -> bool:
        """Whether the goal of patients at risk holds."""
        return self.at_risk()

    @cached_property
    def least(self) -> Decimal:
        """The smallest rise that any level asks for (`_level`)."""
        limits = self.limits
        near = (limits.rate_near_from, limits.rate_goal)
        return min(
            *near, limits.rate_limit_day, limits.rate_limit_first_day, limits.rate_limit_two_days
        )

    @cached_property
    def doubted(self) -> frozenset[Sample]:
        """Values that need a repeat."""
        return doubtful(self.ladder.samples, self.limits)

    @cached_property
    def first_or_lowest(self) -> frozenset[Sample]:
        """Values that begin an episode, or are its lowest so far."""
        return first_or_lowest(self.ladder.samples, self.limits)

    @cached_property
    def acute_onsets(self) -> tuple[datetime, ...]:
        """Times of normal values that document one."""
        return acute_onsets(self.ladder.samples, self.history, self.doubted, self.limits)

    def may_tell(self, end: Sample, window: Literal["day", "two-days"]) -> bool:
        """Whether a rise to `end` can be large enough for any level."""
        return self.ladder.may_rise_by(self.least, end, window)

    def judge(self, pair: RatePair) -> Verdict:
        """The pair's level by its own base, rise and modifiers (M10 b, c)."""
        limit = self.limit_of(pair)
        rise = pair.per_day if pair.window == "average" else pair.rise
        over = rise > limit
        level = self._level(pair, limit, over)
        if level is None or (not over and self._two_methods_at_once(pair)):
            return Verdict(pair=pair, limit=limit, level=None, over=over)
        notes = tuple(self._notes(pair))
        margin = self.limits.rate_methods_margin
        unsure = "methods-differ" in notes and rise <= limit + margin
        if level == "critical" and (unsure or CAPPING.intersection(notes)):
            level = "warning"
        if "acute" in notes:
            level = LOWER[level]
        variant = self._variant(pair, over, notes, level)
        return Verdict(pair=pair, limit=limit, level=level, over=over, variant=variant, notes=notes)

    def earlier(self, judged: Verdict) -> Verdict:
        """What remains of a rise that ended before the last sample: still over, was over, or past (M10 d)."""
        verdict, pair = replace(judged, present=False), judged.pair
        above = verdict.over or (self.high_risk and pair.rise > self.limits.rate_goal)
        if verdict.level in (None, "info") or not above:
            return replace(verdict, level=None)
        if self._still_over(pair, verdict.limit):
            still: RateVariant = "still" if verdict.variant in ("fast", "slow") else verdict.variant
            return replace(verdict, variant=still)
        if self.now - pair.end.at > self.limits.rate_was_hours:
            return replace(verdict, level=None)
        return replace(verdict, level="warning", variant="was")

    def limit_of(self, pair: RatePair) -> Decimal:
        """The limit for this pair; the first day of an episode may have one of its own (M10 d)."""
        if pair.window == "two-days":
            return self.limits.rate_limit_two_days
        if self.limits.rate_limit_first_day == self.limits.rate_limit_day:
            return self.limits.rate_limit_day
        near = pair.window == "day" and pair.gap <= self.limits.rate_estimated_hours
        first = near and pair.start in self.first_or_lowest
        return self.limits.rate_limit_first_day if first else self.limits.rate_limit_day

    def _level(self, pair: RatePair, limit: Decimal, over: bool) -> Indicator | None:
        limits, base, rise = self.limits, pair.base, pair.rise
        dangerous = base < limits.rate_danger_base_below
        if pair.window != "day" and not (over and dangerous):
            return None
        if pair.window != "day":
            return "critical" if pair.window == "two-days" else "warning"
        normal_now = self._latest_value(pair) > limits.rate_normal_above
        recovered = normal_now and base >= limits.rate_recovered_base_from
        if base > limits.rate_normal_above or recovered:
            return "info" if over and self.high_risk else None
        if over:
            return "critical" if dangerous else "warning"
        if self.high_risk and rise > limits.rate_goal:
            return "warning"
        if rise < limits.rate_near_from or not (dangerous or self.high_risk):
            return None
        steep = pair.observed and pair.over <= limits.rate_steep_hours
        return "warning" if steep and dangerous else "info"

    def _latest_value(self, pair: RatePair) -> Decimal:
        """The newest sodium on the pair's scale: corrected for glucose where the pair is."""
        if pair.end == self.latest:
            return pair.end_value
        glucose = self.ladder.glucose.get(self.latest) if pair.glucose == "corrected" else None
        return (
            self.latest.value if glucose is None else katz(self.latest.value, glucose, self.limits)
        )

    def _notes(self, pair: RatePair) -> Iterator[str]:
        """What a reader must know of the pair: keys of words, in the order in which cards list them."""
        if len({s.method for s in pair.used}) > 1:
            yield "two-methods" if self._two_methods_at_once(pair) else "methods-differ"
        for status, note in (("preliminary", "preliminary"), ("unknown", "status-unknown")):
            if any(s.status == status for s in pair.used):
                yield note
        if any(s.result_time for s in pair.used):
            yield "result-time"
        if self.doubted.intersection(pair.used):
            yield "jump"
        if large_for_a_day(pair.start, pair.end, self.limits):
            yield "repeat-to-confirm"
        if pair.glucose:
            yield {"corrected": "glucose-shift", "one-end": "glucose-one-end"}[pair.glucose]
        if self._estimated(pair):
            yield "estimated"
        if self.on_dialysis():
            yield "dialysis"
        if not self.high_risk and self._acute_onset(pair):
            yield "acute"

    def _two_methods_at_once(self, pair: RatePair) -> bool:
        """Whether two methods measured nearly at one time: they disagree, and nothing rose (S3)."""
        at_once = pair.end.at - pair.start.at <= self.limits.lab_wins_minutes
        return at_once and pair.start.method != pair.end.method

    def _estimated(self, pair: RatePair) -> bool:
        return pair.gap > self.limits.rate_estimated_hours

    def _acute_onset(self, pair: RatePair) -> bool:
        """Whether a normal value shortly before the base documents an acute onset (M10 c)."""
        base_at = pair.base_at or pair.start.at
        window = self.limits.acute_onset_hours
        return any(onset < base_at <= onset + window for onset in self.acute_onsets)

    def _variant(
        self, pair: RatePair, over: bool, notes: tuple[str, ...], level: Indicator
    ) -> RateVariant:
        if over and ("jump" in notes or "two-methods" in notes):
            return "jump"
        if over and "acute" in notes:
            return "acute"
        if pair.window != "day":
            return pair.window
        if "estimated" in notes:
            return "estimated"
        if over:
            return "fast" if level == "critical" else "slow"
        return "goal" if self.high_risk and pair.rise > self.limits.rate_goal else "near"

    def _still_over(self, pair: RatePair, limit: Decimal) -> bool:
        """Whether the newest sodium is above what the limit allows since the base."""
        since = self.latest.at - (pair.base_at or pair.start.at)
        return self._latest_value(pair) > pair.base + limit * max(Decimal(1), ratio(since, DAY))


def acute_onsets(
    exact: Sequence[Sample], history: Sequence[Sample], doubted: frozenset[Sample], limits: Limits
) -> tuple[datetime, ...]:
    """The times of believed normal values with no low one in the weeks before, of whatever precision."""
    normal = [s for s in exact if s.value >= limits.acute_normal_from and s not in doubted]
    low = [
        s
        for s in history
        if s.value <= limits.rate_normal_above and not s.comparator.startswith(">")
    ]
    weeks = limits.acute_clean_days
    return tuple(n.at for n in normal if not any(s.at <= n.at <= s.at + weeks for s in low))


class RateView(Struct, frozen=True, kw_only=True):
    """The verdict on the correction rate."""

    assessable: bool = False
    now: RatePair | None = None  # the largest rise to the last sample
    worst: RatePair | None = None  # the pair that the card takes, by level
    level: Indicator | None = None  # None: no card
    rule: Literal["RATE-OVER", "RATE-NEAR", ""] = ""
    variant: RateVariant = "near"
    limit: Decimal = Decimal(0)
    notes: tuple[
        str, ...
    ] = ()  # keys of words: "methods-differ", "preliminary", "glucose-shift", ...
    average_per_day: Decimal | None = None  # where samples lie more than 48 h apart
    jump: RatePair | None = None  # DQ-DELTA
    over_recently: bool = (
        False  # a rise above the limit ended in the last 48 h: a fall may be planned (M3)
    )
    latest: Sample | None = None  # the sample that stands for now

    @property
    def rise_now(self) -> Decimal:
        """Rise to the last sample, zero where it cannot be told."""
        return self.now.rise if self.now else Decimal(0)


def _no() -> bool:
    return False


class RateInput(Struct, frozen=True, kw_only=True):
    """What the rate is judged from; order and repetition of samples do not matter.

    Most sodium hardly moves: who the patient is, is asked only of a rise that may matter.
    """

    samples: Sequence[Sample]
    now: datetime
    high_risk: Callable[[], bool] = _no  # of osmotic demyelination (B.0.6)
    dialysis: Callable[[], bool] = _no
    glucose: Mapping[Sample, Decimal] = field(default_factory=dict)  # mg/dL
    latest: Sample | None = None  # the sample that stands for now (S3); None: the last


def rate_view(given: RateInput, limits: Limits) -> RateView:
    """The verdict on the correction rate (B.0.8, M10); it takes two samples near enough in time."""
    history = ordered(given.samples)
    samples = tuple([s for s in history if s.exact])
    if not samples:
        return RateView(limit=limits.rate_limit_day)
    bench = Bench(
        ladder=Ladder(samples, given.glucose, limits),
        latest=given.latest if given.latest and given.latest in reversed(samples) else samples[-1],
        now=given.now,
        limits=limits,
        at_risk=given.high_risk,
        on_dialysis=given.dialysis,
        history=history,
    )
    return _view(bench, limits)


def _view(bench: Bench, limits: Limits) -> RateView:
    samples = bench.ladder.samples
    recent = samples[bisect_left(bench.ladder.times, bench.now - limits.rate_earlier_hours) :]
    standing = dict.fromkeys((samples[-1], bench.latest))
    present = [s for s in standing if bench.now - s.at <= limits.rate_now_hours]
    day = {end: list(bench.ladder.rises(end, "day")) for end in present}
    pairs_now = [pair for pairs in day.values() for pair in pairs]
    now = max(pairs_now, key=_largest, default=None)
    verdicts = [bench.judge(p) for end in present for p in _present_pairs(bench, end, day[end])]
    past = [bench.judge(p) for end in recent if end not in day for p in _earlier_pairs(bench, end)]
    remaining = [bench.earlier(v) for v in past if v.level]
    card = max((v for v in [*verdicts, *remaining] if v.level), key=lambda v: v.rank, default=None)
    averages = [a for a in map(bench.ladder.average, recent) if a]
    jumped_from = unbelieved_change(samples, limits) if samples[-1] in present else None
    return RateView(
        assessable=bool(pairs_now),
        now=now,
        worst=card.pair if card else None,
        level=card.level if card else None,
        rule=_rule(card),
        variant=card.variant if card else "near",
        limit=card.limit if card else bench.limit_of(now) if now else limits.rate_limit_day,
        notes=card.notes if card else (),
        average_per_day=averages[-1].per_day if averages else None,
        jump=bench.ladder.change(jumped_from, samples[-1]) if jumped_from else None,
        over_recently=any(map(_believed_over, [*verdicts, *past])),
        latest=bench.latest,
    )


def _present_pairs(bench: Bench, end: Sample, day: Iterable[RatePair]) -> Iterator[RatePair]:
    """Every pair to the present that can tell anything; the 48 h rise is looked at only here."""
    if bench.may_tell(end, "day"):
        yield from day
    if bench.may_tell(end, "two-days"):
        yield from bench.ladder.rises(end, "two-days")
    yield from _average(bench, end)


def _earlier_pairs(bench: Bench, end: Sample) -> Iterator[RatePair]:
    """The same for an endpoint that is not the present."""
    if bench.may_tell(end, "day"):
        yield from bench.ladder.rises(end, "day")
    yield from _average(bench, end)


def _average(bench: Bench, end: Sample) -> Iterator[RatePair]:
    average = bench.ladder.average(end)
    if average:
        yield average


def _largest(pair: RatePair) -> tuple[Decimal, datetime]:
    return (pair.rise, pair.start.at)


def _believed_over(verdict: Verdict) -> bool:
    return verdict.over and verdict.level is not None and verdict.variant != "jump"


def _rule(verdict: Verdict | None) -> Literal["RATE-OVER", "RATE-NEAR", ""]:
    if verdict is None:
        return ""
    return "RATE-OVER" if verdict.over else "RATE-NEAR"


def first_or_lowest(samples: Sequence[Sample], limits: Limits) -> frozenset[Sample]:
    """The low values that begin an episode or are its lowest so far; a long time without ends it (M10 d)."""
    found: set[Sample] = set()
    lowest = last = None
    for sample in samples:
        if band_of(sample.value, limits, sample.comparator) is Band.NORMAL:
            continue
        begins = last is None or sample.at - last.at > limits.episode_gap_days
        if begins or lowest is None or sample.value <= lowest.value:
            found.add(sample)
            lowest = sample
        last = sample
    return frozenset(found)
