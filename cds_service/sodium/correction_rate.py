"""How fast sodium rises: the rolling 24-hour rise, pair by pair, in decimals (B.0.8, M10)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Indicator
from cds_service.engine.wording import DAY, HOUR, ratio
from cds_service.knowledge.limits import Limits
from cds_service.knowledge.names import Analyte, DrugClass
from cds_service.lazy import cached_property
from cds_service.sodium.acute_setting import acute_setting_before
from cds_service.sodium.exposure import dialysis_fluids, is_hypertonic
from cds_service.sodium.glucose import katz
from cds_service.sodium.results import Band, Sample, band_of, drawn, ordered

if TYPE_CHECKING:
    from cds_service.sodium.case import Case

THOUSANDTH = Decimal("0.001")  # M10 a
DAY_HOURS = Decimal(24)

Window = Literal["day", "two-days", "average"]
GlucoseUse = Literal["", "corrected", "raised", "one-end"]
RateVariant = Literal[
    "fast",
    "slow",
    "was",
    "still",
    "acute",
    "acute-setting",
    "contested",
    "jump",
    "goal",
    "near",
    "estimated",
    "average",
    "two-days",
]

ONE_LOWER: Mapping[Indicator, Indicator] = {
    "critical": "warning",
    "warning": "info",
    "info": "info",
}
PREFERRED_WINDOW = ("average", "two-days", "day")
CAPPING = frozenset(
    {
        "preliminary",
        "status-unknown",
        "result-time",
        "jump",
        "glucose-one-end",
        "dialysis",
    }
)  # notes under which a rise is at most a warning

ACUTE_VARIANTS: tuple[RateVariant, ...] = ("acute", "acute-setting")
ACUTE: frozenset[str] = frozenset(ACUTE_VARIANTS)  # notes that lower the level by one


class Ceiling(Struct, frozen=True, kw_only=True):
    """What sodium must not pass in these 24 h: the lowest value in them, plus the limit (F32)."""

    value: Decimal  # mmol/L, glucose-corrected if the newest glucose is high
    since: datetime  # when the value was drawn from which it is counted
    until: datetime
    limit: Decimal
    measured: Decimal | None = None  # what is measured then at the newest glucose; None: the value

    @property
    def base(self) -> Decimal:
        """The value from which it is counted."""
        return self.value - self.limit


class RateView(Struct, frozen=True, kw_only=True):
    """The verdict on the correction rate, as rules see it."""

    assessable: bool = False
    now: RatePair | None = None  # the largest rise to the present
    worst: RatePair | None = None  # the pair that the card takes, by level
    level: Indicator | None = None  # None: no card
    rule: Literal["RATE-OVER", "RATE-NEAR", ""] = ""
    presses: bool = False  # at this pace the limit is passed before the next usual sample
    variant: RateVariant = "near"
    limit: Decimal = Decimal(0)
    notes: tuple[str, ...] = ()  # keys of words: "methods-differ", "preliminary", ...
    average_per_day: Decimal | None = None  # if samples lie more than 48 h apart
    jump: RatePair | None = None  # DQ-DELTA
    episode: RatePair | None = None  # the over-correction that is still remembered (F4)
    latest: Sample | None = None  # the sample that counts as the present
    day_limit: Decimal = Decimal(0)  # of these 24 h; an earlier rise does not change it
    ceiling: Ceiling | None = None  # None: no sample of the last 24 h to count from
    shift: Decimal = Decimal(0)  # how far a high glucose lowers `latest`
    unconfirmed: bool = False  # the lowest sodium of the day is the newest, and in doubt
    by_glucose: RatePair | None = None  # what was measured as a rise while glucose fell (M10 c)

    @property
    def may_be_acute(self) -> bool:
        """Whether the onset was or may have been under two days, so that no limit holds (F2)."""
        return not ACUTE.isdisjoint(self.notes)

    @property
    def present(self) -> Decimal:
        """The newest sodium, corrected if its glucose is high; zero without one."""
        return self.latest.value + self.shift if self.latest else Decimal(0)

    @property
    def rise_now(self) -> Decimal:
        """The rise to the last sample, or zero if it is not known."""
        return self.now.rise if self.now else Decimal(0)


class RatePair(Struct, frozen=True, kw_only=True):
    """The rise to one endpoint, from a measured or an interpolated base."""

    base: Decimal  # mmol/L
    rise: Decimal
    end: Sample
    over: timedelta  # from the base (or the sample before the interpolated base) to the end
    observed: bool  # False: base interpolated at end - 24 h
    gap: timedelta  # between the samples around an interpolated base; zero if it was measured
    used: tuple[Sample, ...]  # oldest first; the first is the base, or the sample before it
    window: Window = "day"
    base_at: datetime | None = None
    until: datetime | None = None  # when the window ends, if that is before the end
    last: Decimal | None = None  # the sodium at the end, if the window ends before it
    glucose: GlucoseUse = ""  # Katz values, or a glucose that is high at one end only

    @property
    def start(self) -> Sample:
        """The measured base, or the sample before an interpolated base."""
        return self.used[0]

    @property
    def end_value(self) -> Decimal:
        """The sodium at the end sample, glucose-corrected if the base is."""
        return self.base + self.rise if self.last is None else self.last

    @property
    def span(self) -> timedelta:
        """The time of the rise, from the measured or estimated base to the end."""
        return (self.until or self.end.at) - self.base_at if self.base_at else self.over

    @property
    def measured_rise(self) -> Decimal:
        """The rise as it was measured from the first sample to the last, without glucose."""
        return self.used[-1].value - self.start.value

    @property
    def per_day(self) -> Decimal:
        """The rise as an average over 24 h, mmol/L."""
        return (self.rise * DAY_HOURS / ratio(self.over, HOUR)).quantize(THOUSANDTH)


class SodiumRises(Struct, frozen=True, dict=True):
    """The rises that exact samples show: measured, estimated between two samples, or averaged."""

    samples: tuple[Sample, ...]  # oldest first
    glucose: Mapping[Sample, Decimal]  # mg/dL, of the samples that have one
    limits: Limits
    methods_apart: bool = False  # the laboratory's method reads falsely low (F12)

    @cached_property
    def times(self) -> tuple[datetime, ...]:
        """When each sample was drawn."""
        return tuple(map(drawn, self.samples))

    def since(self, moment: datetime) -> tuple[Sample, ...]:
        """Returns the samples of this moment and later."""
        return self.samples[bisect_left(self.times, moment) :]

    def to(self, end: Sample) -> Iterator[RatePair]:
        """Returns every rise or fall to `end` in both windows, and its average if one exists."""
        yield from self.within(end, "day", self.limits.rate_window_hours)
        yield from self.within(end, "two-days", self.limits.rate_long_window_hours)
        yield from self.average(end)

    def within(self, end: Sample, window: Window, length: timedelta) -> Iterator[RatePair]:
        """Returns every rise or fall to `end` in one window."""
        first, past_last = bisect_left(self.times, end.at - length), self.place_of(end)
        yield from self.measured(self.samples[first:past_last], end, window)
        yield from self.estimated(end, window, length)
        yield from self.passing(end, window, length)

    def comparable(self, start: Sample, end: Sample) -> bool:
        """Returns whether a difference may be a change: not between a false and a true method."""
        return not self.methods_apart or start.method == end.method

    def _all_comparable(self, used: Iterable[Sample], end: Sample) -> bool:
        return all(self.comparable(sample, end) for sample in used)

    def measured(
        self, starts: Iterable[Sample], end: Sample, window: Window = "day"
    ) -> Iterator[RatePair]:
        """Returns the rise or fall to `end` from each of these samples that can be one (F12)."""
        for start in starts:
            if self.comparable(start, end) and not same_state(start, end, self.limits):
                yield self._pair((start, end), start.at, window)

    def estimated(self, end: Sample, window: Window, length: timedelta) -> Iterator[RatePair]:
        """Returns the rises to `end` from the values that are estimated where a window begins."""
        begins = end.at - length
        for before, after in self._brackets(end, begins):
            used = (before, end) if after == end else (before, after, end)
            if self._all_comparable(used, end):
                yield self._pair(used, begins, window)

    def passing(self, end: Sample, window: Window, length: timedelta) -> Iterator[RatePair]:
        """Returns the rises in windows that begin with a sample and end shortly before `end`.

        Where sodium leapt after the sample and hardly rose later, no other window shows the rise.
        """
        begins = end.at - length - self.limits.rate_slack_minutes
        for before in self._befores(end):
            after = bisect_right(self.times, before.at - length)
            first = max(after, bisect_left(self.times, begins))
            past_last = bisect_left(self.times, end.at - length)
            for start in self.samples[first:past_last]:
                used = (start, before, end)
                if start != before and self._all_comparable(used, end):
                    yield self._passing(used, start.at + length, window)

    def _befores(self, end: Sample) -> list[Sample]:
        """The sample before `end`, and that of its method, near enough for an estimate."""
        earlier = self.samples[: self.place_of(end)]
        if not earlier:
            return []
        found = dict.fromkeys(
            one for one in (earlier[-1], _of_method(end.method, reversed(earlier))) if one
        )
        return [one for one in found if end.at - one.at <= self.limits.rate_bridge_hours]

    def average(self, end: Sample) -> Iterator[RatePair]:
        """Returns the rise since a sample that is too old for an estimate, not for an average."""
        place = self.place_of(end)
        if place == 0:
            return
        before = self.samples[place - 1]
        apart = end.at - before.at
        if not self.comparable(before, end):
            return
        if self.limits.rate_bridge_hours < apart <= self.limits.rate_average_hours:
            yield self._pair((before, end), before.at, "average")

    def change(self, start: Sample, end: Sample) -> RatePair:
        """Returns the measured change between two samples."""
        return RatePair(
            base=start.value,
            rise=(end.value - start.value).quantize(THOUSANDTH),
            end=end,
            over=end.at - start.at,
            observed=True,
            gap=timedelta(0),
            used=(start, end),
            base_at=start.at,
        )

    def place_of(self, end: Sample) -> int:
        """Returns how many samples were drawn before `end`."""
        return bisect_left(self.times, end.at)

    def _brackets(self, end: Sample, moment: datetime) -> list[tuple[Sample, Sample]]:
        """Neighbors around a moment that are near enough for an estimate.

        They are of all samples, and of the method of `end` alone: a sample of the other method must
        not hide a rise within one method.
        """
        place = bisect_left(self.times, moment)
        if place in (0, len(self.times)):
            return []
        pairs = [(self.samples[place - 1], self.samples[place])]
        if not all(s.method == end.method for s in pairs[0]):
            before = _of_method(end.method, reversed(self.samples[:place]))
            after = _of_method(end.method, self.samples[place:])
            if before and after:
                pairs.append((before, after))
        longest = self.limits.rate_bridge_hours
        return [(a, b) for a, b in pairs if moment < b.at <= end.at and b.at - a.at <= longest]

    def _passing(
        self, used: tuple[Sample, Sample, Sample], until: datetime, window: Window
    ) -> RatePair:
        start, before, end = used
        glucose = self._glucose_use(used)
        first, earlier, last = self._values(used, glucose)
        share = ratio(until - before.at, end.at - before.at)
        base = first.quantize(THOUSANDTH)
        return RatePair(
            base=base,
            rise=(earlier + (last - earlier) * share - base).quantize(THOUSANDTH),
            end=end,
            over=end.at - start.at,
            observed=False,
            gap=end.at - until,  # so far a sample is from the estimate
            used=used,
            window=window,
            base_at=start.at,
            until=until,
            last=last,
            glucose=glucose,
        )

    def _pair(self, used: tuple[Sample, ...], base_at: datetime, window: Window) -> RatePair:
        start, end = used[0], used[-1]
        glucose = self._glucose_use(used)
        values = self._values(used, glucose)
        observed = base_at == start.at
        base = values[0]
        if not observed:  # the value on the straight line between the first two samples
            share = ratio(base_at - start.at, used[1].at - start.at)
            base += (values[1] - values[0]) * share
        return RatePair(
            base=base.quantize(THOUSANDTH),
            rise=(values[-1] - base).quantize(THOUSANDTH),
            end=end,
            over=end.at - start.at,
            observed=observed,
            gap=timedelta(0) if observed else used[1].at - start.at,
            used=used,
            window=window,
            base_at=base_at,
            glucose=glucose,
        )

    def _glucose_use(self, used: tuple[Sample, ...]) -> GlucoseUse:
        """Which scale tells the rise, the worse one in doubt (M10 c).

        Katz values if glucose fell from high or rose to high; else whether a shift may hide at one
        end.
        """
        if not self.glucose:
            return ""
        known = [self.glucose.get(s) for s in used]
        first, last, high = known[0], known[-1], self.limits.glucose_shift_from
        if first is None or last is None:
            one_is_high = any(g is not None and g >= high for g in (first, last))
            return "one-end" if one_is_high else ""
        raised = last >= high and last > first
        fell = first >= high and first - last >= self.limits.glucose_fall_from
        if raised:
            return "raised"
        if not fell:
            return ""
        return "one-end" if None in known else "corrected"

    def _values(self, used: tuple[Sample, ...], glucose: GlucoseUse) -> list[Decimal]:
        """The sodium of each sample, on the scale that tells the rise.

        Below the limit glucose counts too, so that both ends are on one scale. If the glucose of
        the base is not known, a high one at the end is held against the rise.
        """
        if glucose in ("corrected", "raised"):
            return [self._corrected(s) for s in used]
        values = [s.value for s in used]
        if glucose == "one-end":
            values[-1] = max(values[-1], self.effective(used[-1]))
        return values

    def _corrected(self, sample: Sample) -> Decimal:
        """The Katz value of a sample, at any glucose; without one the measured value."""
        glucose = self.glucose.get(sample)
        return sample.value if glucose is None else katz(sample.value, glucose, self.limits)

    def effective(self, sample: Sample) -> Decimal:
        """The sodium of a sample, corrected if its glucose is high."""
        high = self.glucose.get(sample, 0) >= self.limits.glucose_shift_from
        return self._corrected(sample) if high else sample.value

    def risen(self, start: Sample, end: Sample) -> Decimal:
        """The change from one sample to another, on the scale that tells a rise."""
        used = (start, end)
        first, last = self._values(used, self._glucose_use(used))
        return last - first


def _of_method(method: str, samples: Iterable[Sample]) -> Sample | None:
    return next((s for s in samples if s.method == method), None)


class LowestOfKind:
    """The lowest sample of each kind in a window that moves forward in time.

    Each kind has a queue with its lowest sample in front. Behind it wait the samples that will be
    the lowest when it has left the window, so each sample enters and leaves once.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._queues: defaultdict[Hashable, deque[int]] = defaultdict(deque)

    def add(self, place: int, kind: Hashable) -> None:
        """Adds the sample at this place, which is later than all that were added before."""
        queue = self._queues[kind]
        while queue and self._samples[queue[-1]].value > self._samples[place].value:
            queue.pop()
        queue.append(place)

    def since(self, begins: datetime) -> list[int]:
        """Returns the place of the lowest sample of each kind, and forgets what is older."""
        for kind, queue in list(self._queues.items()):
            while queue and self._samples[queue[0]].at < begins:
                queue.popleft()
            if not queue:
                del self._queues[kind]
        return sorted(queue[0] for queue in self._queues.values())


class Verdict(Struct, frozen=True, kw_only=True):
    """One pair with its level; None means no card."""

    pair: RatePair
    limit: Decimal
    level: Indicator | None
    over: bool  # above the limit, not only near it
    variant: RateVariant = "near"
    notes: tuple[str, ...] = ()
    present: bool = True  # False: an earlier endpoint
    driven: bool = False  # a warning by its pace alone: nothing was corrected too fast yet

    @property
    def is_remembered(self) -> bool:
        """Whether a later fall is planned: a warning or more that no sample puts in doubt (F4)."""
        warns = self.level in ("warning", "critical") and not self.driven
        return warns and "jump" not in self.notes

    @property
    def rank(self) -> tuple[int, bool, int, bool, Decimal]:
        """By level, then the present, the plain 24 h pair, over before near, the larger rise."""
        return (
            URGENCY[self.level] if self.level else -1,
            self.present,
            PREFERRED_WINDOW.index(self.pair.window),
            self.over,
            self.pair.rise,
        )


class RateRules(Struct, frozen=True, kw_only=True, dict=True):
    """What every pair of one case is judged by (M10 b to d)."""

    case: Case
    rises: SodiumRises
    latest: Sample  # the sample that counts as the present (S3)
    history: Sequence[Sample]  # bounds and days without a clock too, oldest first

    @property
    def limits(self) -> Limits:
        """The numbers of the profile."""
        return self.case.limits

    @property
    def high_risk(self) -> bool:
        """Whether the goal of patients at risk of osmotic demyelination holds."""
        return self.case.risk.high

    @cached_property
    def doubted(self) -> frozenset[Sample]:
        """Values that need a repeat."""
        return doubtful(self.rises.samples, self.limits)

    @cached_property
    def first_or_lowest(self) -> frozenset[Sample]:
        """Values that begin an episode, or are its lowest so far."""
        return first_or_lowest(self.rises.samples, self.limits)

    @cached_property
    def acute_onsets(self) -> tuple[datetime, ...]:
        """Times of believed normal values with no low one in the weeks before (M10 c)."""
        limits = self.limits
        low = [
            s.at
            for s in self.history
            if s.value <= limits.rate_normal_above and not s.comparator.startswith(">")
        ]
        onsets = []
        for sample in self.rises.samples:
            if sample.value < limits.acute_normal_from or sample in self.doubted:
                continue
            lows_before = bisect_right(low, sample.at)
            if lows_before and sample.at - low[lows_before - 1] <= limits.acute_clean_days:
                continue
            onsets.append(sample.at)
        return tuple(onsets)

    @cached_property
    def least_rise(self) -> Decimal:
        """The smallest rise that may have a level."""
        limits = self.limits
        return min(
            limits.rate_limit_day,
            limits.rate_limit_first_day,
            limits.rate_limit_first_day_risk,
            limits.rate_limit_two_days,
            limits.rate_limit_two_days_risk,
            limits.rate_goal,
            limits.rate_near_from,
        )

    def verdicts(self, pairs: Iterable[RatePair]) -> list[Verdict]:
        """Returns the verdicts on those rises that are large enough for a level."""
        return [self.judge(pair) for pair in pairs if pair.rise >= self.least_rise]

    def far_apart(self, ends: Iterable[Sample]) -> list[Sample]:
        """Returns the samples to which a rise may have a level, seen from the values alone.

        With glucose they are all of them: corrected values may be farther apart.
        """
        if self.rises.glucose:
            return [*ends]
        return [end for end in ends if self._may_rise_to(end)]

    def _may_rise_to(self, end: Sample) -> bool:
        """Whether a value from shortly before `end` on is far enough above any earlier one.

        A rise to a value between two samples ends between the later one and one shortly before it.
        """
        times = self.rises.times
        first = bisect_left(times, end.at - self.limits.rate_bridge_hours)
        past_last = bisect_right(times, end.at)
        highest = max(sample.value for sample in self.rises.samples[first:past_last])
        return highest - self._lowest_to[past_last - 1] >= self.least_rise - THOUSANDTH  # rounded

    @cached_property
    def _lowest_to(self) -> tuple[Decimal, ...]:
        """The lowest value up to each sample."""
        return tuple(accumulate((sample.value for sample in self.rises.samples), min))

    def past(self, ends: Iterable[Sample]) -> list[Verdict]:
        """Returns verdicts on rises to earlier samples; the worst rise is always among them.

        Only the lowest base of each kind is judged for an end, because a higher base of that kind
        cannot lead to a worse verdict.
        """
        limits, samples = self.limits, self.rises.samples
        if not self.rises.glucose and spread(samples) < self.least_rise:
            return []
        ends = tuple(ends)
        highest = max((end.value for end in ends), default=Decimal(0))
        lowest = LowestOfKind(samples)
        # From some starts near the end nothing is computed, so that these are looked at one by one.
        at_once = limits.rate_least_minutes
        if len({sample.method for sample in samples}) > 1:
            at_once = limits.lab_wins_minutes
        place = 0
        verdicts: list[Verdict] = []
        # Without glucose no rise to a value is larger than that from the lowest value before it.
        least = self.least_rise - THOUSANDTH  # a rise is rounded
        lows = self._lowest_to
        for end in ends:
            if not self.rises.glucose and end.value - lows[self.rises.place_of(end)] < least:
                continue
            while samples[place].at < end.at - at_once:
                if highest - samples[place].value >= self.least_rise:
                    lowest.add(place, self._kind(samples[place]))
                place += 1
            places = lowest.since(end.at - limits.rate_window_hours)
            places += range(place, self.rises.place_of(end))
            verdicts += self._past_to(end, [samples[i] for i in places])
        return verdicts

    def _past_to(self, end: Sample, lowest: Sequence[Sample]) -> Iterator[Verdict]:
        """Yields verdicts on the rises to an earlier sample, which has these lowest bases."""
        day = self.limits.rate_window_hours
        starts = [start for start in lowest if end.value - start.value >= self.least_rise]
        if self.rises.effective(end) != end.value:  # corrected, any base may be the worst
            starts = [s for s in self.rises.since(end.at - day) if s.at < end.at]
        yield from self.verdicts(self.rises.measured(starts, end))
        yield from self.verdicts(self.rises.estimated(end, "day", day))
        yield from self.verdicts(self.rises.passing(end, "day", day))
        yield from self.verdicts(self.rises.average(end))

    def _kind(self, start: Sample) -> Hashable:
        """Returns what a verdict takes from a base apart from its value.

        A base with high glucose has a kind of its own, because its value may be corrected.
        """
        glucose = self.rises.glucose.get(start)
        if glucose is not None and glucose >= self.limits.glucose_shift_from:
            return start
        limit = self._day_limit(start)
        return (
            start.method,
            start.status,
            start.result_time,
            start in self.doubted,
            glucose is None,
            limit,
            not self.high_risk and self._acute_onset(start.at),
            not self.high_risk and self._acute_setting(start.at),
            self.latest.value > self._allowed(start.value, start.at, limit),
        )

    def judge(self, pair: RatePair) -> Verdict:
        """Returns the pair's level by its own base, rise and modifiers (M10 b, c)."""
        limit = self.limit_of(pair)
        rise = pair.per_day if pair.window == "average" else pair.rise
        over = rise > limit
        level = self._level(pair, over=over)
        if level is None:
            return Verdict(pair=pair, limit=limit, level=None, over=over)
        notes = self._notes(pair)
        driven = level == "info" and not over and self._is_driven(pair)
        if driven:
            level = "warning"
        unsure = "methods-differ" in notes and rise <= limit + self.limits.rate_methods_margin
        # The tonicity that glucose added goes as glucose is treated.
        unsure = unsure or ("glucose-raised" in notes and pair.measured_rise <= limit)
        if level == "critical" and (unsure or CAPPING.intersection(notes)):
            level = "warning"
        if not ACUTE.isdisjoint(notes):
            level = ONE_LOWER[level]
        variant = self._variant(pair, notes, level, over=over)
        return Verdict(
            pair=pair,
            limit=limit,
            level=level,
            over=over,
            variant=variant,
            notes=notes,
            driven=driven,
        )

    def later(self, verdict: Verdict) -> Verdict:
        """Returns what remains of a rise that ended before the last sample (M10 d)."""
        pair = verdict.pair
        past = replace(verdict, present=False, level=None)
        if verdict.level in (None, "info"):
            return past
        if not verdict.over and not self._above_goal(pair):
            return past
        if self._latest_value(pair) < pair.base:
            return past  # it fell below where it began: that fall is the danger now (F4)
        allowed = self._allowed(pair.base, pair.base_at or pair.start.at, verdict.limit)
        if self._latest_value(pair) > allowed:
            variant: RateVariant = verdict.variant
            if variant in ("fast", "slow"):
                variant = "still"
            return replace(verdict, present=False, variant=variant)
        if self.case.snapshot.now - pair.end.at > self.limits.rate_was_hours:
            return past
        return replace(past, level="warning", variant="was")

    def episode(self, verdicts: Iterable[Verdict]) -> RatePair | None:
        """Returns the worst rise after which a fall is planned, or None (F4).

        A fall below the value from which sodium rose lowers more than the rise, so it is no plan.
        """
        remembered = [v for v in verdicts if v.is_remembered]
        held = [v for v in remembered if self._latest_value(v.pair) >= v.pair.base]
        worst = max(held, key=lambda v: v.rank, default=None)
        return worst.pair if worst else None

    @cached_property
    def start_of_day(self) -> Sample | None:
        """The sample of the last 24 h that leaves least room; the newest of equals (F32).

        It is the lowest, on the scale of the newest sample: glucose can make an old value seem low.
        """
        begins = self.case.snapshot.now - self.limits.rate_window_hours
        young = [s for s in self.rises.since(begins) if s.at > begins]
        return min(reversed(young), key=self._left_after, default=None)

    def _left_after(self, start: Sample) -> Decimal:
        return self._day_limit(start) - self.rises.risen(start, self.latest)

    @property
    def unconfirmed(self) -> bool:
        """Whether the newest sodium is the lowest of the day, and needs a repeat.

        An older value then makes no ceiling: it would be far above the true one if the newest is
        right. The newest makes none either: it would ask to lower a sodium that never fell.
        """
        start = self.start_of_day
        return start in self.doubted and start in (self.latest, self.rises.samples[-1])

    @cached_property
    def ceiling(self) -> Ceiling | None:
        """What sodium may reach from the start of this day (F32)."""
        start, latest = self.start_of_day, self.latest
        if start is None or self.unconfirmed:
            return None
        limit, left = self._day_limit(start), self._left_after(start)
        present = self.rises.effective(latest)
        return Ceiling(
            value=present + left,
            since=start.at,
            until=start.at + self.limits.rate_window_hours,
            limit=limit,
            measured=latest.value + left if present != latest.value else None,
        )

    @property
    def day_limit(self) -> Decimal:
        """The limit of these 24 h: that of the ceiling, else of a day that begins now."""
        return self.ceiling.limit if self.ceiling else self._day_limit(self.latest)

    def limit_of(self, pair: RatePair) -> Decimal:
        """Returns the limit for this pair; the first day of an episode may have its own (M10 d)."""
        limits = self.limits
        if pair.window == "two-days":
            return two_days_limit(self.case)
        if pair.window == "day" and pair.gap <= limits.rate_estimated_hours:
            return self._day_limit(pair.start)
        return limits.rate_limit_day

    def _day_limit(self, start: Sample) -> Decimal:
        first, later = self.first_limit, self.limits.rate_limit_day
        return first if first != later and start in self.first_or_lowest else later

    @cached_property
    def first_limit(self) -> Decimal:
        """The limit of the first day of an episode in this patient."""
        return first_day_limit(self.case)

    def _allowed(self, base: Decimal, base_at: datetime, limit: Decimal) -> Decimal:
        """The highest sodium that the limit allows today: the limit each day, once at least."""
        days = ratio(self.latest.at - base_at, DAY)
        return base + limit * max(Decimal(1), days)

    def _above_goal(self, pair: RatePair) -> bool:
        return self.high_risk and pair.rise > self.limits.rate_goal

    def _level(self, pair: RatePair, *, over: bool) -> Indicator | None:
        limits, base = self.limits, pair.base
        if base >= limits.rate_ignored_base_from and pair.end_value > limits.acute_fall_start_to:
            return None  # high sodium develops: another matter than correction (F42)
        dangerous = base < limits.rate_danger_base_below
        if pair.window != "day":
            if not (over and dangerous):
                return None
            return "critical" if pair.window == "two-days" else "warning"
        if self._harmless(pair):
            return "info" if over and self.high_risk else None
        if over:
            return "critical" if dangerous and not self._contested(pair) else "warning"
        return self._level_within_limit(pair, dangerous=dangerous)

    def _level_within_limit(self, pair: RatePair, *, dangerous: bool) -> Indicator | None:
        """Returns how a rise of a day that keeps its limit is told, from a low base or another."""
        limits = self.limits
        if self._above_goal(pair):
            return "warning"
        if pair.rise < limits.rate_near_from or not (dangerous or self.high_risk):
            return None
        steep = pair.observed and pair.over <= limits.rate_steep_hours
        return "warning" if steep and dangerous else "info"

    def _is_driven(self, pair: RatePair) -> bool:
        """Returns whether a rise from a low base presses, and what drives it goes on (F31)."""
        low = pair.base < self.limits.rate_danger_base_below
        return low and self.presses(pair) and self.driven

    def presses(self, pair: RatePair) -> bool:
        """Returns whether sodium passes its limit before the next usual sample at this pace (F31).

        The pace is measured, up to the newest value, and the day of the rise lasts so long.
        """
        old = self.case.snapshot.now - pair.end.at > self.limits.rate_now_hours
        if old or not pair.observed or pair.window != "day" or pair.end != self.latest:
            return False
        left, span = self.limit_of(pair) - pair.rise, pair.span
        if pair.rise <= 0 or left < 0:
            return False
        until = span * float(left / pair.rise)
        limits = self.limits
        return until < limits.repeat_near_hours and span + until <= limits.rate_window_hours

    @cached_property
    def driven(self) -> bool:
        """Whether something on record raises sodium now: an infusion, a vaptan, a dilute urine."""
        case, limits = self.case, self.limits
        strong = filter(is_hypertonic, case.running_fluids)
        fluids = (*case.raising_fluids, *strong, *dialysis_fluids(case))
        urine = case.readings.latest(Analyte.URINE_OSMOLALITY, limits.shedding_urine_hours)
        dilute = urine is not None and urine.below(limits.rising_urine_below)
        # The exposures look at the rate, so that the orders themselves are asked.
        vaptan = any(
            drug.cls == DrugClass.VAPTAN and case.is_active(order)
            for order in case.listed
            for drug in order.drugs
        )
        return bool(fluids) or vaptan or dilute

    def _contested(self, pair: RatePair) -> bool:
        """Whether panels would still allow the rise: usual risk, and no very low base (F34)."""
        limits = self.limits
        if self.high_risk or pair.window != "day" or pair.base < limits.rate_contested_base_from:
            return False
        return pair.rise <= self.limit_of(pair) + limits.rate_contested_margin

    def _harmless(self, pair: RatePair) -> bool:
        """Whether the base was normal, or sodium is normal now and was nearly so at the base."""
        limits = self.limits
        if pair.base > limits.rate_normal_above:
            return True
        normal_now = self._latest_value(pair) > limits.rate_normal_above
        return normal_now and pair.base >= limits.rate_recovered_base_from

    def _latest_value(self, pair: RatePair) -> Decimal:
        """Returns the newest sodium on the pair's scale: corrected for glucose if the pair is."""
        if pair.end == self.latest:
            return pair.end_value
        glucose = self.rises.glucose.get(self.latest)
        if glucose is None or pair.glucose not in ("corrected", "raised"):
            return self.latest.value
        return katz(self.latest.value, glucose, self.limits)

    def _notes(self, pair: RatePair) -> tuple[str, ...]:
        """Returns what a reader must know of the pair: keys of words, in the order of the card."""
        methods = {s.method for s in pair.used}
        statuses = {s.status for s in pair.used}
        base_at = pair.base_at or pair.start.at
        acute = not self.high_risk and self._acute_onset(base_at)
        notes = {
            "methods-differ": len(methods) > 1,
            "preliminary": "preliminary" in statuses,
            "status-unknown": "unknown" in statuses,
            "result-time": any(s.result_time for s in pair.used),
            "jump": not self.doubted.isdisjoint(pair.used),
            "repeat-to-confirm": large_for_a_day(pair.start, pair.end, self.limits),
            "glucose-shift": pair.glucose == "corrected",
            "glucose-raised": pair.glucose == "raised",
            "glucose-one-end": pair.glucose == "one-end",
            "estimated": pair.gap > self.limits.rate_estimated_hours,
            "dialysis": self.case.dialysis,
            "acute": acute,
            "acute-setting": not acute and not self.high_risk and self._acute_setting(base_at),
        }
        return tuple(note for note, holds in notes.items() if holds)

    def _acute_onset(self, base_at: datetime) -> bool:
        """Whether a normal value shortly before the base documents an acute onset (M10 c)."""
        before = bisect_left(self.acute_onsets, base_at)
        if before == 0:
            return False
        return base_at - self.acute_onsets[before - 1] <= self.limits.acute_onset_hours

    def _acute_setting(self, base_at: datetime) -> bool:
        """Whether low sodium at the base followed a setting in which it is acute (F2).

        It does not, if sodium was low before: the brain had adapted then.
        """
        limits = self.limits
        setting = acute_setting_before(self.case, base_at)
        if setting is None:
            return False
        begun = setting.since or base_at - limits.acute_setting_hours
        return not any(
            s.value <= limits.rate_normal_above and begun - limits.acute_clean_days <= s.at < begun
            for s in self.history
        )

    def _variant(
        self, pair: RatePair, notes: tuple[str, ...], level: Indicator, *, over: bool
    ) -> RateVariant:
        if over and "jump" in notes:
            return "jump"
        acute = next((note for note in ACUTE_VARIANTS if note in notes), None)
        if over and acute:
            return acute
        if pair.window != "day":
            return pair.window
        if "estimated" in notes:
            return "estimated"
        if over and pair.base < self.limits.rate_danger_base_below and self._contested(pair):
            return "contested"
        if over:
            return "fast" if level == "critical" else "slow"
        return "goal" if self._above_goal(pair) else "near"


def rate_view(case: Case) -> RateView:
    """Returns the verdict on the correction rate (B.0.8, M10), which takes two samples."""
    limits, now = case.limits, case.snapshot.now
    history = ordered(case.series.samples)
    exact = believed(tuple([s for s in history if s.exact]), limits)
    if not exact:  # no earlier value is known, so that this day is the first
        first = first_day_limit(case)
        return RateView(limit=first, day_limit=first)
    rises = SodiumRises(exact, _glucose_of(case), limits, _methods_apart(case))
    latest = _newest_believed(case, exact)
    rules = RateRules(case=case, rises=rises, latest=latest, history=history)
    view = RateView(
        limit=rules.day_limit,
        latest=latest,
        day_limit=rules.day_limit,
        ceiling=rules.ceiling,
        shift=rises.effective(latest) - latest.value,
    )
    if len(exact) == 1:  # there is nothing to compare it with
        return view

    ends = [s for s in dict.fromkeys((exact[-1], latest)) if now - s.at <= limits.rate_now_hours]
    pairs = _present_rises(rules, ends)
    present = rules.verdicts(pairs)
    remembered = rises.since(now - limits.rate_remembered_days)
    past = rules.past([s for s in remembered if s not in ends])
    lately = [v for v in past if now - v.pair.end.at <= limits.rate_earlier_hours]

    largest = _largest_in_a_day(pairs)
    recent = rises.since(now - limits.rate_earlier_hours)
    view = replace(
        view,
        assessable=largest is not None,
        now=largest,
        limit=rules.limit_of(largest) if largest else rules.day_limit,
        average_per_day=_last_average(rises, recent),
        jump=_unbelieved_last(rises, ends),
        episode=rules.episode([*present, *past]),
        unconfirmed=rules.unconfirmed,
        by_glucose=_by_glucose(pairs, limits),
    )
    view = _with_card(view, [*present, *map(rules.later, lately)])
    if view.worst is None or view.rule != "RATE-NEAR":
        return view
    return replace(view, presses=rules.presses(view.worst))


def _glucose_of(case: Case) -> dict[Sample, Decimal]:
    """Returns the glucose of each sample that has one, in mg/dL."""
    return {sample: pair.glucose for sample, pair in case.glucose_pairs.items()}


def _newest_believed(case: Case, exact: tuple[Sample, ...]) -> Sample:
    """Returns the sample that counts as the present: the newest, if its value is believed."""
    latest = case.series.latest
    return exact[-1] if latest is None or latest not in reversed(exact) else latest


def _present_rises(rules: RateRules, ends: Sequence[Sample]) -> list[RatePair]:
    """Returns the rises to the present; only those of a day if none of them can have a level.

    So it is in most charts: no card comes, and the largest rise of a day is told.
    """
    rises = rules.rises
    if rules.far_apart(ends):
        return [pair for end in ends for pair in rises.to(end)]
    day = rules.limits.rate_window_hours
    return [pair for end in ends for pair in rises.within(end, "day", day)]


def _unbelieved_last(rises: SodiumRises, ends: Sequence[Sample]) -> RatePair | None:
    """Returns the change to a present last sample that is too large to believe (DQ-DELTA)."""
    last = rises.samples[-1]
    start = unbelieved_change(rises.samples, rises.limits) if last in ends else None
    if start is None or not rises.comparable(start, last):
        return None
    return rises.change(start, last)


def first_day_limit(case: Case) -> Decimal:
    """Returns the limit of the first day of an episode, which is lower at high risk (M10 d)."""
    limits = case.limits
    return limits.rate_limit_first_day_risk if case.risk.high else limits.rate_limit_first_day


def two_days_limit(case: Case) -> Decimal:
    """Returns the limit of 48 h, which is lower at high risk (M10 d)."""
    limits = case.limits
    return limits.rate_limit_two_days_risk if case.risk.high else limits.rate_limit_two_days


def over_corrections(case: Case) -> list[Verdict]:
    """Returns for each sample what RATE-OVER says of the rise to it, if it warns: the same verdict.

    Each sample is the present once, with all that is known of the record, so that a value which the
    next ones refute ends no rise.
    """
    limits = case.limits
    history = ordered(case.series.samples)
    exact = believed(tuple([s for s in history if s.exact]), limits)
    if not exact:
        return []
    rises = SodiumRises(exact, _glucose_of(case), limits, _methods_apart(case))
    rules = RateRules(case=case, rises=rises, latest=exact[-1], history=history)
    if not rises.glucose and spread(exact) < rules.least_rise:
        return []
    found = (_over_at(case, rises, history, end) for end in rules.far_apart(exact))
    return [verdict for verdict in found if verdict is not None]


def _over_at(
    case: Case, rises: SodiumRises, history: Sequence[Sample], end: Sample
) -> Verdict | None:
    """Returns the worst verdict on the rises to a sample, as its card takes it."""
    rules = RateRules(case=case, rises=rises, latest=end, history=history)
    shown = [verdict for verdict in rules.verdicts(rises.to(end)) if verdict.level]
    worst = max(shown, key=lambda verdict: verdict.rank, default=None)
    if worst is None or not worst.over or worst.level == "info":
        return None
    return worst


def _methods_apart(case: Case) -> bool:
    """Whether a laboratory value of these days was falsely low, as others may be (F12)."""
    window = case.limits.methods_apart_days
    return any(case.snapshot.now - s.at <= window for s in case.series.falsely_low)


def _largest_in_a_day(pairs: Iterable[RatePair]) -> RatePair | None:
    in_a_day = [pair for pair in pairs if pair.window == "day"]
    return max(in_a_day, key=lambda pair: (pair.rise, pair.start.at), default=None)


def _by_glucose(pairs: Iterable[RatePair], limits: Limits) -> RatePair | None:
    """Returns the largest measured rise of a day that a falling glucose explains (M10 c)."""
    explained = [
        pair
        for pair in pairs
        if pair.window == "day" and pair.observed and pair.glucose == "corrected"
        if pair.rise < limits.rate_near_from <= pair.measured_rise
    ]
    return max(explained, key=lambda pair: pair.measured_rise, default=None)


def _last_average(rises: SodiumRises, ends: Sequence[Sample]) -> Decimal | None:
    averages = (average for end in reversed(ends) for average in rises.average(end))
    last = next(averages, None)
    return last.per_day if last is not None else None


def _with_card(view: RateView, verdicts: Iterable[Verdict]) -> RateView:
    """Returns the view with the worst verdict, which is the one that the card takes."""
    shown = [verdict for verdict in verdicts if verdict.level]
    if not shown:
        return view
    worst = max(shown, key=lambda verdict: verdict.rank)
    return replace(
        view,
        worst=worst.pair,
        level=worst.level,
        rule="RATE-OVER" if worst.over else "RATE-NEAR",
        variant=worst.variant,
        limit=worst.limit,
        notes=worst.notes,
    )


def first_or_lowest(samples: Sequence[Sample], limits: Limits) -> frozenset[Sample]:
    """Returns the low values that begin an episode or are its lowest so far (M10 d).

    A long time without a low value ends an episode.
    """
    marked: set[Sample] = set()
    lowest = last = None
    for sample in samples:
        if band_of(sample.value, limits, sample.comparator) is Band.NORMAL:
            continue
        begins = last is None or sample.at - last.at > limits.episode_gap_days
        if begins or lowest is None or sample.value <= lowest.value:
            marked.add(sample)
            lowest = sample
        last = sample
    return frozenset(marked)


# ---- values that need a repeat: large jumps and lone values (B.0.8, M10 c)


def doubtful(samples: Sequence[Sample], limits: Limits) -> frozenset[Sample]:
    """Returns the values that need a repeat.

    They jumped within hours without confirmation, or are far from both their neighbors. `samples`
    are exact, oldest first.
    """
    if _all_agree(samples, limits):
        return frozenset()
    doubted = []
    for place, sample in enumerate(samples):
        # Confirmation is looked at first, because nearly always the value before confirms.
        jumped = not _confirmed(samples, place, limits) and _jumped(samples, place, limits)
        if jumped or _alone(samples, place, limits):
            doubted.append(sample)
    return frozenset(doubted)


def believed(samples: Sequence[Sample], limits: Limits) -> tuple[Sample, ...]:
    """Returns the samples without the lone values that both neighbors refute (F33)."""
    if _all_agree(samples, limits):
        return tuple(samples)
    return tuple(s for i, s in enumerate(samples) if not _alone(samples, i, limits))


def _all_agree(samples: Sequence[Sample], limits: Limits) -> bool:
    """Whether no two values are far enough apart for a jump, as in most charts."""
    return spread(samples) <= min(limits.jump_above, limits.jump_lone_above)


def spread(samples: Sequence[Sample]) -> Decimal:
    """Returns the difference between the highest and the lowest value, mmol/L."""
    values = [sample.value for sample in samples]
    return max(values) - min(values) if values else Decimal(0)


def unbelieved_change(samples: Sequence[Sample], limits: Limits) -> Sample | None:
    """Returns the sample since which the last one changed implausibly, or None (DQ-DELTA)."""
    place = len(samples) - 1
    last = samples[place]
    hours = _earlier(samples, place, limits.jump_hours)
    day = _earlier(samples, place, limits.jump_day_hours)
    far = [s for s in hours if _jump(s, last, limits)]
    far += reversed([s for s in day if large_for_a_day(s, last, limits)])
    if not far or _confirmed(samples, place, limits):
        return None
    return max(far, key=lambda s: abs(last.value - s.value))


def same_state(start: Sample, end: Sample, limits: Limits) -> bool:
    """Whether two values are too near in time for a rise between them (F12)."""
    apart = abs(end.at - start.at)
    return apart <= limits.rate_least_minutes or two_methods_at_once(start, end, limits)


def two_methods_at_once(start: Sample, end: Sample, limits: Limits) -> bool:
    """Whether two methods measured at nearly one time, so that a difference is no change (F12)."""
    near = abs(end.at - start.at) <= limits.lab_wins_minutes
    return near and start.method != end.method


def large_for_a_day(start: Sample, end: Sample, limits: Limits) -> bool:
    """Whether the change between two samples is so large that a repeat is due at once."""
    if two_methods_at_once(start, end, limits):
        return False
    near = timedelta(0) < end.at - start.at <= limits.jump_day_hours
    return near and abs(end.value - start.value) > limits.jump_day_above


def _jump(start: Sample, end: Sample, limits: Limits) -> bool:
    if two_methods_at_once(start, end, limits):
        return False
    return abs(end.value - start.value) > limits.jump_above


def _jumped(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    earlier = _earlier(samples, place, limits.jump_hours)
    return any(_jump(start, samples[place], limits) for start in earlier)


def _confirmed(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    """Whether the next value agrees, or an earlier one does, within the time of a repeat."""
    sample, window = samples[place], limits.jump_confirm_hours
    witnesses = _earlier(samples, place, window)
    after = _next(samples, place)
    if after is not None and after.at - sample.at <= window:
        witnesses = chain([after], witnesses)
    return any(abs(s.value - sample.value) <= limits.jump_agree_within for s in witnesses)


def _alone(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    """Whether both neighbors refute it: they agree, and are near, or a repeat confirmed them."""
    sample, after = samples[place], _next(samples, place)
    if after is None:
        return False
    if abs(sample.value - after.value) <= min(limits.jump_lone_above, limits.jump_above):
        return False  # the next value agrees
    if _near_neighbors_refute(samples, place, after, limits):
        return True
    return _repeats_refute(samples, place, after, limits)


def _repeats_refute(samples: Sequence[Sample], place: int, after: Sample, limits: Limits) -> bool:
    """Whether sodium was normal before, and two values after it are as before within hours.

    No sodium rises so fast that it can have been so low. `after` is the next value.
    """
    sample = samples[place]
    before = next(_earlier(samples, place, limits.acute_fall_hours), None)
    if before is None or after.at - sample.at > limits.jump_hours:
        return False
    if before.value < limits.acute_normal_from or not _jump(sample, after, limits):
        return False
    if abs(before.value - after.value) > limits.jump_agree_within:
        return False
    near = limits.jump_confirm_hours
    repeats = [s for s in samples[place + 1 :] if after.at < s.at <= after.at + near]
    return bool(repeats) and abs(repeats[0].value - after.value) <= limits.jump_agree_within


def _near_neighbors_refute(
    samples: Sequence[Sample], place: int, after: Sample, limits: Limits
) -> bool:
    """Whether it is far from both neighbors, which agree and are close in time."""
    window, sample = limits.jump_lone_hours, samples[place]
    before = next(_earlier(samples, place, window), None)
    if before is None or after.at - before.at > window:
        return False
    off = min(abs(sample.value - before.value), abs(sample.value - after.value))
    return (
        off > limits.jump_lone_above and abs(before.value - after.value) <= limits.jump_agree_within
    )


def _earlier(samples: Sequence[Sample], place: int, window: timedelta) -> Iterator[Sample]:
    """Returns the samples of an earlier instant inside the window, newest first."""
    end = samples[place].at
    for i in range(place - 1, -1, -1):
        if end - samples[i].at > window:
            return
        if samples[i].at < end:
            yield samples[i]


def _next(samples: Sequence[Sample], place: int) -> Sample | None:
    for i in range(place + 1, len(samples)):
        if samples[i].at > samples[place].at:
            return samples[i]
    return None
