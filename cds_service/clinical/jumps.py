"""Which sodium values are hard to believe before a repeat: large jumps and lone values (B.0.8, M10 c)."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.clinical.sample import Sample
from cds_service.clinical.spans import hours
from cds_service.knowledge.limits import Limits


def doubtful(samples: Sequence[Sample], sample: Sample, limits: Limits) -> bool:
    """Whether a value jumped within hours and nothing confirms it, or stands off both its neighbors.

    `samples` are exact, oldest first, and hold `sample`.
    """
    jumped = any(
        abs(sample.value - s.value) > limits.jump_above
        for s in _before(samples, sample)
        if sample.at - s.at <= hours(limits.jump_hours)
    )
    return (jumped and not _confirmed(samples, sample, limits)) or _alone(samples, sample, limits)


def unbelieved_change(samples: Sequence[Sample], limits: Limits) -> Sample | None:
    """The earlier sample from which the last one changed implausibly (DQ-DELTA); None: it is believed."""
    last = samples[-1]
    if _confirmed(samples, last, limits):
        return None
    far = [s for s in _before(samples, last) if _too_far(s, last, limits)]
    return max(far, key=lambda s: abs(last.value - s.value), default=None)


def large_for_a_day(start: Sample, end: Sample, limits: Limits) -> bool:
    """Whether the change between two samples asks for a repeat at once, believed or not."""
    near = end.at - start.at <= hours(limits.jump_day_hours)
    return near and abs(end.value - start.value) > limits.jump_day_above


def _too_far(start: Sample, end: Sample, limits: Limits) -> bool:
    soon = end.at - start.at <= hours(limits.jump_hours)
    return (soon and abs(end.value - start.value) > limits.jump_above) or large_for_a_day(start, end, limits)


def _before(samples: Sequence[Sample], sample: Sample) -> list[Sample]:
    return [s for s in samples if s.at < sample.at]


def _confirmed(samples: Sequence[Sample], sample: Sample, limits: Limits) -> bool:
    """The next value agrees, or one of the last hours before does; both within the time of a repeat."""
    following = next((s for s in samples if s.at > sample.at), None)
    witnesses = [*_before(samples, sample), *([following] if following else [])]
    return any(
        abs(s.value - sample.value) <= limits.jump_agree_within
        and abs(s.at - sample.at) <= hours(limits.jump_confirm_hours)
        for s in witnesses
    )


def _alone(samples: Sequence[Sample], sample: Sample, limits: Limits) -> bool:
    """Further than the limit from both neighbors, which agree with each other and lie close in time."""
    before = next((s for s in reversed(samples) if s.at < sample.at), None)
    after = next((s for s in samples if s.at > sample.at), None)
    if before is None or after is None or after.at - before.at > hours(limits.jump_lone_hours):
        return False
    off = min(abs(sample.value - before.value), abs(sample.value - after.value))
    return off > limits.jump_lone_above and abs(before.value - after.value) <= limits.jump_agree_within
