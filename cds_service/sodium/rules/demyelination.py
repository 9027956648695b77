"""Signs of osmotic demyelination that were recorded after sodium rose too fast (F4)."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from msgspec import Struct

from cds_service.engine.finding import Finding, Indicator, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import in_hours, joined, number
from cds_service.knowledge.names import Analyte
from cds_service.sodium.blind_spots import RISE_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.rules.book import chart_rule
from cds_service.sodium.rules.follow_up import repeat_sodium, watch
from cds_service.sodium.rules.gates import on_day
from cds_service.sodium.snapshot import Problem

MIDNIGHT, DAY = time(0), timedelta(days=1)


class Demyelination(Struct, frozen=True, kw_only=True):
    """The signs that are on record, and the rise that they came after."""

    signs: tuple[str, ...]  # the most telling first
    pair: RatePair
    indicator: Indicator
    since: datetime  # when the first of them was recorded

    @property
    def shown(self) -> str:
        """The signs as a fact of a card."""
        return joined("symptom", self.signs[:3])


def demyelination(case: Case) -> Demyelination | None:
    """Returns the signs that were recorded a day or more after the start of such a rise.

    From a higher sodium, at which demyelination is unlikely, only its diagnosis counts.
    """
    pair = _rise(case)
    if pair is None:
        return None
    sets, limits = case.sets, case.limits
    likely = pair.base < limits.rate_danger_base_below
    wanted = sets.demyelination_signs if likely else sets.demyelination_known
    begins = pair.start.at + limits.demyelination_signs_hours
    entries = [one for one in case.snapshot.problems if _is_new(one, begins)]
    found = wanted.among(frozenset().union(*(one.concepts for one in entries)))
    dates = [one.since for one in entries if one.since and wanted.among(one.concepts)]
    if case.snapshot.stay_since is not None and case.snapshot.stay_since >= begins:
        reasons = wanted.among(case.snapshot.encounter_reasons)
        dates += [case.snapshot.stay_since] if reasons else []
        found = wanted.among(frozenset((*found, *reasons)))
    if not found:
        return None
    telling = any(sign not in sets.demyelination_unspecific for sign in found)
    return Demyelination(
        signs=found,
        pair=pair,
        indicator="critical" if telling else "warning",
        since=min(dates),
    )


def _rise(case: Case) -> RatePair | None:
    """Returns the over-correction of these days, also one that is still under way."""
    rate = case.rate
    if rate.episode is not None:
        return rate.episode
    serious = rate.level in ("warning", "critical") and rate.jump is None
    over = rate.rule == "RATE-OVER" and rate.variant != "jump" and serious
    return rate.worst if over else None


def _signs_of_unknown_day(case: Case) -> tuple[str, ...]:
    """Returns the telling signs without a date, which may have come after the rise."""
    pair, sets = _rise(case), case.sets
    if pair is None:
        return ()
    likely = pair.base < case.limits.rate_danger_base_below
    wanted = sets.demyelination_signs if likely else sets.demyelination_known
    undated = (p.concepts for p in case.snapshot.problems if p.active and p.since is None)
    signs = wanted.among(frozenset().union(*undated))
    return tuple(sign for sign in signs if sign not in sets.demyelination_unspecific)


def _undated(case: Case, signs: tuple[str, ...]) -> Finding:
    """Returns that such signs are on record, and that their day is not known."""
    pair = _rise(case) or skip("no-sign-after-a-rise")
    return card(
        "warning",
        "undated",
        signs=joined("symptom", signs[:2]),
        rise=number(pair.rise, (case.rate.limit, case.limits.rate_goal)),
        hours=in_hours(pair.span),
        date=on_day(case, pair.end.at),
        do=[
            line("demyelination-new", keep=True),
            line("demyelination-other", keep=True),
            watch(case, "repeat-by"),
        ],
        offer=[repeat_sodium(case, priority="urgent")],
    )


def _rise_may_be_unread(case: Case) -> bool:
    """Returns whether a telling sign is new, and a sodium of these days could not be read."""
    begins = case.snapshot.now - case.limits.rate_remembered_days
    read = case.snapshot.complete(Analyte.SODIUM) and case.sodium.unread_since(begins) is None
    if read or _rise(case) is not None:
        return False
    new = frozenset().union(*(p.concepts for p in case.snapshot.problems if _is_new(p, begins)))
    signs = case.sets.demyelination_signs.among(new)
    return any(sign not in case.sets.demyelination_unspecific for sign in signs)


def _is_new(problem: Problem, begins: datetime) -> bool:
    """Whether the problem is active and was recorded then or later.

    A day without a clock is kept at midnight: it may be of any hour of that day.
    """
    since = problem.since
    if not problem.active or since is None:
        return False
    by_day = MIDNIGHT in (since.time(), since.astimezone(begins.tzinfo).time())
    return (since + DAY if by_day else since) >= begins


def demyelination_care(case: Case, found: Demyelination, said: list[Line]) -> list[Line]:
    """Returns what is done beside the MRI; lowering again is weighed while the signs are young.

    It is left out if the lines on the rise that were `said` leave it to a specialist already.
    """
    young = case.snapshot.now - found.since <= case.limits.demyelination_relower_hours
    told = any(one.key == "relower" for one in said)
    return [
        line("demyelination-airway", keep=True),
        *([line("demyelination-relower", keep=True)] if young and not told else []),
    ]


@chart_rule("PV-ODS")
def signs_after_a_rise(case: Case) -> Finding:
    """The card comes if signs of demyelination were recorded after sodium rose too fast (F4).

    It is not silent about a sign or a sodium of these days that could not be read.
    """
    found = demyelination(case)
    if found is None:
        undated = _signs_of_unknown_day(case)
        if undated:
            return _undated(case, undated)
        require(not _rise_may_be_unread(case), RISE_UNREAD)
        skip("no-sign-after-a-rise")
    return card(
        found.indicator,
        signs=found.shown,
        rise=number(found.pair.rise, (case.rate.limit, case.limits.rate_goal)),
        hours=in_hours(found.pair.span),
        date=on_day(case, found.pair.end.at),
        do=[
            line("demyelination-mri", keep=True),
            *demyelination_care(case, found, []),
            line("demyelination-other", keep=True),
            watch(case, "repeat-by"),
        ],
        offer=[repeat_sodium(case, priority="urgent")],
    )
