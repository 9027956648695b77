"""Situations after which low sodium is likely to be younger than two days (F2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.wording import joined
from cds_service.knowledge.names import ProblemSet

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class AcuteSetting(Struct, frozen=True, kw_only=True):
    """One such situation, and since when it is recorded."""

    name: str  # a problem of conditions.toml or an ingredient of sodium-drugs.toml
    shown: str  # how a card names it
    since: datetime | None = None  # None: it belongs to this visit, or lasts
    window: timedelta  # how long low sodium that follows is likely to be acute
    lasts: bool = False  # compulsive drinking lasts for years, so that its date says nothing


def acute_setting(case: Case) -> AcuteSetting | None:
    """Returns the newest acute setting of the last hours, or None (F2).

    What lasts for years counts only if sodium has not been low for longer than two days.
    """
    now, first_low = case.snapshot.now, case.first_low
    known_low = first_low is not None and now - first_low > case.limits.acute_setting_hours
    found = _before(case, now)
    return next((setting for setting in found if not (setting.lasts and known_low)), None)


def acute_setting_before(case: Case, moment: datetime) -> AcuteSetting | None:
    """Returns the newest acute setting that began within its time before this moment (F2)."""
    return next(iter(_before(case, moment)), None)


def setting_began(case: Case, moment: datetime) -> datetime | None:
    """Returns when the first of the settings began in whose time this moment is, or None (F2).

    What lasts for years has no beginning. One without a date belongs to this visit, and began
    within its time.
    """
    begun = [
        setting.since or moment - setting.window
        for setting in _before(case, moment)
        if not setting.lasts
    ]
    return min(begun, default=None)


def known_low_before(case: Case, moment: datetime) -> bool:
    """Returns whether sodium was low before the setting of this moment began: it is chronic (F2).

    Only the weeks before it count.
    """
    begun = setting_began(case, moment) or moment - case.limits.acute_setting_hours
    earliest = begun - case.limits.acute_setting_before_days
    return any(earliest <= s.at < begun and case.is_low(s) for s in case.series.samples)


def irrigated_before(case: Case, moment: datetime) -> bool:
    """Whether irrigation fluid may have been taken up within its time before this moment (F13)."""
    return any(setting.name in case.sets.acute_irrigation for setting in _before(case, moment))


def _before(case: Case, moment: datetime) -> list[AcuteSetting]:
    """Returns the settings in whose time this moment is, the newest first, undated ones last."""
    near = [
        setting
        for setting in case.acute_settings
        if setting.since is None or timedelta(0) <= moment - setting.since <= setting.window
    ]
    return sorted(near, key=lambda s: moment - s.since if s.since else timedelta.max)


def acute_settings(case: Case) -> tuple[AcuteSetting, ...]:
    """Returns every such situation of the record, however long ago (F2)."""
    limits, sets = case.limits, case.sets
    return (
        *_events(case, sets.acute_settings, limits.acute_setting_hours),
        *_events(case, sets.acute_irrigation, limits.acute_irrigation_hours),
        *_drugs(case),
        *_irrigations(case),
        *_polydipsia(case),
    )


def _events(case: Case, wanted: ProblemSet, window: timedelta) -> Iterator[AcuteSetting]:
    """Yields poisoning, labor, exercise and procedures, also if they are over by now.

    Without a date only a diagnosis or a reason of this visit counts.
    """
    for problem in case.snapshot.problems:
        if problem.since is None and not (problem.active and problem.encounter_diagnosis):
            continue
        for name in wanted.among(problem.concepts):
            yield _problem(name, problem.since, window)
    for name in wanted.among(case.snapshot.encounter_reasons):
        yield _problem(name, None, window)


def _drugs(case: Case) -> Iterator[AcuteSetting]:
    """Yields oxytocin, bowel preparation, and cytotoxic drugs that do not come as tablets."""
    sets, window = case.sets, case.limits.acute_setting_hours
    for order in case.listed:
        begun = order.begun
        for drug in order.drugs if begun is not None else ():
            by_vein = drug.name not in sets.acute_by_vein or order.route != "systemic"
            if drug.name in sets.acute_drugs and by_vein:
                yield AcuteSetting(name=drug.name, shown=drug.name, since=begun, window=window)


def _irrigations(case: Case) -> Iterator[AcuteSetting]:
    """Yields irrigation with glycine, sorbitol or mannitol that is an order and no procedure."""
    sets, window = case.sets, case.limits.acute_irrigation_hours
    for order in case.listed:
        if order.irrigation and any(drug.cls in sets.water_shift for drug in order.drugs):
            for name in sets.acute_irrigation.members[:1]:
                yield _problem(name, order.begun, window)


def _polydipsia(case: Case) -> Iterator[AcuteSetting]:
    """Yields compulsive drinking: by name, or polydipsia beside what makes it compulsive."""
    sets, problems, window = case.sets, case.problems, case.limits.acute_setting_hours
    named = problems.active(sets.compulsive_drinking)
    if not named and problems.active(sets.polydipsia_cause):
        named = problems.active(sets.polydipsia)
    for name in named:
        yield replace(_problem(name, None, window), lasts=True)


def _problem(name: str, since: datetime | None, window: timedelta) -> AcuteSetting:
    shown = joined("evidence", [name])
    return AcuteSetting(name=name, shown=shown, since=since, window=window)
