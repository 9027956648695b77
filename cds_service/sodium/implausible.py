"""Which sodium values need a repeat: large jumps and lone values (B.0.8, M10 c)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from cds_service.knowledge.limits import Limits
from cds_service.sodium.results import Sample


def doubtful(samples: Sequence[Sample], limits: Limits) -> frozenset[Sample]:
    """Returns the values that need a repeat.

    They jumped within hours without confirmation, or are far from both their neighbors. `samples`
    are exact, oldest first.
    """
    window = max(limits.jump_hours, limits.jump_lone_hours)  # either doubt needs a value before it
    places = [i for i in range(1, len(samples)) if samples[i].at - samples[i - 1].at <= window]
    return frozenset(
        samples[i] for i in places if _unconfirmed(samples, i, limits) or _alone(samples, i, limits)
    )


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


def large_for_a_day(start: Sample, end: Sample, limits: Limits) -> bool:
    """Whether the change between two samples is so large that a repeat is due at once."""
    near = timedelta(0) < end.at - start.at <= limits.jump_day_hours
    return near and abs(end.value - start.value) > limits.jump_day_above


def _jump(start: Sample, end: Sample, limits: Limits) -> bool:
    return abs(end.value - start.value) > limits.jump_above


def _unconfirmed(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    earlier = _earlier(samples, place, limits.jump_hours)
    jumped = any(_jump(s, samples[place], limits) for s in earlier)
    return jumped and not _confirmed(samples, place, limits)


def _confirmed(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    """Whether the next value agrees, or an earlier one does, within the time of a repeat."""
    sample, window = samples[place], limits.jump_confirm_hours
    witnesses = list(_earlier(samples, place, window))
    after = _next(samples, place)
    if after and after.at - sample.at <= window:
        witnesses.append(after)
    return any(abs(s.value - sample.value) <= limits.jump_agree_within for s in witnesses)


def _alone(samples: Sequence[Sample], place: int, limits: Limits) -> bool:
    """Whether it is far from both neighbors, which agree and are close in time."""
    window = limits.jump_lone_hours
    sample, after = samples[place], _next(samples, place)
    before = next(_earlier(samples, place, window), None)
    if before is None or after is None or after.at - before.at > window:
        return False
    off = min(abs(sample.value - before.value), abs(sample.value - after.value))
    return (
        off > limits.jump_lone_above and abs(before.value - after.value) <= limits.jump_agree_within
    )


def _earlier(samples: Sequence[Sample], place: int, window: timedelta) -> Iterator[Sample]:
    """The samples of an earlier instant inside the window, newest first."""
    end = samples[place].at
    for i in range(place - 1, -1, -1):
        if end - samples[i].at > window:
            return
        if samples[i].at < end:
            yield samples[i]


def _next(samples: Sequence[Sample], place: int) -> Sample | None:
    return next(
        (samples[i] for i in range(place + 1, len(samples)) if samples[i].at > samples[place].at),
        None,
    )
