"""Where the sodium series is going: falling, acutely falling, low and stable (B.0.8, B.5.6, M3, S18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from cds_service.knowledge.limits import Limits
from cds_service.sodium.implausible import doubtful, unbelieved_change
from cds_service.sodium.sample import Band, Fall, Sample, band_of, drawn


def falling(samples: Sequence[Sample], latest: Sample, limits: Limits) -> Fall | None:
    """The drop to `latest` from the highest value of the last days, else of the last months (B.0.8)."""
    if latest.comparator or latest.value > limits.falling_newest_to:
        return None
    windows = (
        (limits.falling_recent_hours, limits.falling_recent_from),
        (limits.falling_long_days, limits.falling_long_from),
    )
    starts = [s for s in samples if not s.comparator]
    for window, least in windows:
        fall = _largest_fall(starts, latest, window, {})
        if fall and fall.amount >= least:
            return fall
    return None


def acute_fall(
    samples: Sequence[Sample], latest: Sample, corrected: Mapping[Sample, Decimal], limits: Limits
) -> Fall | None:
    """A fall to a low `latest` that makes it acute (M3); one method, glucose-corrected where that is known.

    Values that are not believed without a repeat are no ground for it. Whether a shift of glucose, an
    artefact or a planned re-lowering explains the fall is for the caller to say.
    """
    if band_of(corrected.get(latest, latest.value), limits) is Band.NORMAL:
        return None
    window, least = limits.acute_fall_hours, limits.acute_fall_from
    exact = [s for s in samples if s.exact and s.at <= latest.at]
    starts = [s for s in exact if s.method == latest.method]
    fall = _largest_fall(starts, latest, window, corrected) if latest.exact else None
    if fall is None or fall.amount < least:
        return None  # without doubtful values it is no larger
    doubted = doubtful(exact, limits)
    if latest in doubted or unbelieved_change(exact, limits):
        return None
    believed = _largest_fall([s for s in starts if s not in doubted], latest, window, corrected)
    return believed if believed and believed.amount >= least else None


def _largest_fall(
    starts: Sequence[Sample], latest: Sample, window: timedelta, corrected: Mapping[Sample, Decimal]
) -> Fall | None:
    """The fall from the highest value inside the window, the newest of equals; None: it did not fall."""
    inside = [s for s in starts if timedelta(0) < latest.at - s.at <= window]
    if not inside:
        return None
    values = [corrected.get(s, s.value) for s in inside] if corrected else [s.value for s in inside]
    highest = max(values)
    if highest <= corrected.get(latest, latest.value):
        return None
    start = max((s for s, value in zip(inside, values, strict=True) if value == highest), key=drawn)
    amount = corrected.get(start, start.value) - corrected.get(latest, latest.value)
    return Fall(amount=amount, over=latest.at - start.at, start=start)


def stable_chronic(samples: Sequence[Sample], limits: Limits) -> bool:
    """Whether the newest values have been mild, close together and many for long (B.5 rule 6)."""
    run: list[Sample] = []
    for sample in reversed(samples):
        values = [sample.value, *(s.value for s in run)]
        mild = not sample.comparator and band_of(sample.value, limits) is Band.MILD
        if not mild or max(values) - min(values) > limits.stable_range:
            break
        run.append(sample)
    long = bool(run) and run[0].at - run[-1].at >= limits.stable_days
    return long and len(run) >= limits.stable_values


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
