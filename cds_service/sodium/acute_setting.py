"""Situations after which low sodium is likely to be younger than two days (F2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.engine.wording import joined
from cds_service.knowledge.names import ProblemSet

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


class AcuteSetting(Struct, frozen=True, kw_only=True):
    """One such situation, and since when it is recorded."""

    name: str  # a problem of conditions.toml or an ingredient of sodium-drugs.toml
    shown: str  # how a card names it
    since: datetime | None = None  # None: it belongs to this visit, and its date is not known


def acute_setting(case: Case) -> AcuteSetting | None:
    """Returns the newest acute setting of the last hours, or None (F2)."""
    return acute_setting_before(case, case.snapshot.now)


def acute_setting_before(case: Case, moment: datetime) -> AcuteSetting | None:
    """Returns the newest acute setting that began within its time before this moment (F2)."""
    limits, sets = case.limits, case.sets
    found = [
        *_events(case, sets.acute_settings, moment, limits.acute_setting_hours),
        *_events(case, sets.acute_irrigation, moment, limits.acute_irrigation_hours),
        *_drugs(case, moment),
        *_polydipsia(case, moment),
    ]
    newest = [setting for setting in found if setting.since is not None]
    if newest:
        return max(newest, key=lambda setting: setting.since or moment)
    return found[0] if found else None


def _events(
    case: Case, wanted: ProblemSet, moment: datetime, window: timedelta
) -> Iterator[AcuteSetting]:
    """Yields poisoning, labor, exercise and procedures, also if they are over by now.

    Without a date only a diagnosis or a reason of this visit counts.
    """
    for problem in case.snapshot.problems:
        if problem.since is None:
            is_near = problem.active and problem.encounter_diagnosis
        else:
            is_near = timedelta(0) <= moment - problem.since <= window
        for name in wanted.among(problem.concepts) if is_near else ():
            yield _problem(name, problem.since)
    for name in wanted.among(case.snapshot.encounter_reasons):
        yield _problem(name, None)


def _polydipsia(case: Case, moment: datetime) -> Iterator[AcuteSetting]:
    """Yields compulsive drinking, which lasts for years and lowers sodium within hours.

    Its date says nothing, so it counts only if sodium has not been low for longer than two days.
    """
    sets, problems = case.sets, case.problems
    named = problems.active(sets.compulsive_drinking)
    if not named and problems.active(sets.polydipsia) and problems.active(sets.polydipsia_cause):
        named = problems.active(sets.polydipsia)
    first_low = case.first_low
    if first_low is not None and moment - first_low > case.limits.acute_setting_hours:
        return
    for name in named:
        yield _problem(name, None)


def _drugs(case: Case, moment: datetime) -> Iterator[AcuteSetting]:
    """Yields oxytocin, bowel preparation, and cytotoxic drugs that do not come as tablets."""
    sets, window = case.sets, case.limits.acute_setting_hours
    for order in case.listed:
        begun = order.begun
        if begun is None or not timedelta(0) <= moment - begun <= window:
            continue
        for drug in order.drugs:
            by_vein = drug.name not in sets.acute_by_vein or order.route != "systemic"
            if drug.name in sets.acute_drugs and by_vein:
                yield AcuteSetting(name=drug.name, shown=drug.name, since=begun)


def _problem(name: str, since: datetime | None) -> AcuteSetting:
    return AcuteSetting(name=name, shown=joined("evidence", [name]), since=since)
