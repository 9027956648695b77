"""How fast sodium rises: the rolling 24-hour rise, pair by pair, in decimals (B.0.8 as amended by M10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from cds_service.clinical.finding import Indicator
from cds_service.clinical.jumps import doubtful, unbelieved_change
from cds_service.clinical.rises import Ladder, RatePair
from cds_service.clinical.sample import Sample
from cds_service.clinical.series import in_time
from cds_service.clinical.spans import hours
from cds_service.clinical.trend import first_or_lowest
from cds_service.clinical.verdict import Bench, RateVariant, Verdict, acute_onsets
from cds_service.knowledge.limits import Limits

__all__ = ["RateInput", "RatePair", "RateVariant", "RateView", "rate_view"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateView:
    """The verdict on the correction rate."""

    assessable: bool = False
    now: RatePair | None = None  # the largest rise to the last sample
    worst: RatePair | None = None  # the pair that the card takes, by level
    level: Indicator | None = None  # None: no card
    rule: Literal["RATE-OVER", "RATE-NEAR", ""] = ""
    variant: RateVariant = "near"
    limit: Decimal = Decimal(0)
    notes: tuple[str, ...] = ()  # keys of words: "methods-differ", "preliminary", "glucose-shift", ...
    average_per_day: Decimal | None = None  # where samples lie more than 48 h apart
    jump: RatePair | None = None  # DQ-DELTA
    over_recently: bool = False  # a rise above the limit ended in the last 48 h: a fall may be planned (M3)
    latest: Sample | None = None  # the sample that stands for now

    @property
    def rise_now(self) -> Decimal:
        """Rise to the last sample, zero where it cannot be told."""
        return self.now.rise if self.now else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateInput:
    """What the rate is judged from; order and repetition of samples do not matter."""

    samples: Sequence[Sample]
    now: datetime
    high_risk: bool = False  # of osmotic demyelination (B.0.6)
    dialysis: bool = False
    glucose: Mapping[Sample, Decimal] = field(default_factory=dict)  # mg/dL
    latest: Sample | None = None  # the sample that stands for now (S3); None: the last


def rate_view(given: RateInput, limits: Limits) -> RateView:
    """The verdict on the correction rate (B.0.8, M10); it takes two samples near enough in time."""
    history = tuple(sorted(set(given.samples), key=in_time))
    samples = tuple(s for s in history if s.exact)
    if not samples:
        return RateView(limit=limits.rate_limit_day)
    doubted = doubtful(samples, limits)
    bench = Bench(
        ladder=Ladder(samples, given.glucose, limits),
        latest=given.latest if given.latest in samples and given.latest else samples[-1],
        now=given.now,
        limits=limits,
        high_risk=given.high_risk,
        dialysis=given.dialysis,
        doubted=doubted,
        first_or_lowest=first_or_lowest(samples, limits),
        acute_onsets=acute_onsets(samples, history, doubted, limits),
    )
    return _view(bench, limits)


def _view(bench: Bench, limits: Limits) -> RateView:
    samples = bench.ladder.samples
    recent = [s for s in samples if bench.now - s.at <= hours(limits.rate_earlier_hours)]
    standing = dict.fromkeys((samples[-1], bench.latest))
    present = [s for s in standing if bench.now - s.at <= hours(limits.rate_now_hours)]
    pairs_now = [pair for end in present for pair in bench.ladder.rises(end, "day")]
    now = max(pairs_now, key=_largest, default=None)
    verdicts = [bench.judge(p) for end in present for p in _pairs(bench.ladder, end, present=True)]
    earlier_ends = [end for end in recent if end not in present]
    past = [bench.judge(p) for end in earlier_ends for p in _pairs(bench.ladder, end, present=False)]
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


def _pairs(ladder: Ladder, end: Sample, present: bool) -> Iterable[RatePair]:
    """Every pair that ends here; the 48 h rise is looked at only for the present."""
    yield from ladder.rises(end, "day")
    if present:
        yield from ladder.rises(end, "two-days")
    average = ladder.average(end)
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
