"""One rise, judged by itself: its level, what lowers it, and what becomes of it later (M10 b to d)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Indicator
from cds_service.engine.spans import DAY, ratio
from cds_service.knowledge.limits import Limits
from cds_service.sodium.glucose import katz
from cds_service.sodium.implausible import doubtful, large_for_a_day
from cds_service.sodium.rises import Ladder, RatePair
from cds_service.sodium.sample import Sample
from cds_service.sodium.trend import first_or_lowest

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
