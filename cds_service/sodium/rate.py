"""How fast sodium rises: the rolling 24-hour rise, pair by pair, in decimals (B.0.8 as amended by M10)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from cds_service.engine.finding import Indicator
from cds_service.knowledge.limits import Limits
from cds_service.sodium.implausible import unbelieved_change
from cds_service.sodium.rises import Ladder, RatePair
from cds_service.sodium.sample import Sample, ordered
from cds_service.sodium.verdict import Bench, RateVariant, Verdict

__all__ = ["RateInput", "RatePair", "RateVariant", "RateView", "rate_view"]


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
