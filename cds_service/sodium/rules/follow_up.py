"""What is measured next: sodium again, how often, and the work-up (B.4, MON, S6, S7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from cds_service.engine.finding import DraftLabs, Line, Suggestion
from cds_service.engine.rule import line
from cds_service.engine.wording import AGO_IN_HOURS, NOW_WORD, joined, lasted
from cds_service.knowledge.names import Analyte, DrugClass, Problem, Sign
from cds_service.sodium.adrenal import on_glucocorticoid
from cds_service.sodium.case import Case
from cds_service.sodium.depletion import fast_heart, red_flag_window, weight_loss
from cds_service.sodium.desmopressin import wears_off
from cds_service.sodium.pace import pace_per_hour
from cds_service.sodium.results import URINE, Band, band_of
from cds_service.sodium.rules.gates import (
    adrenal_crisis,
    at,
    in_use,
    inpatient,
    on_day,
    palliative,
    pressure_lost,
    recorded,
    rises_by_itself,
    shedding_water,
    surgery_lines,
    will_shed_water,
)
from cds_service.sodium.rules.room import room_of
from cds_service.sodium.sodium import Fall, fall_within
from cds_service.sodium.volume import Volume
from cds_service.sodium.weak_signs import dry_signs

Priority = Literal["routine", "urgent", "stat"]
NOW = timedelta(0)
RATE_OVER = "RATE-OVER"
SODIUM = (Analyte.SODIUM,)
MONITORING_OUTSIDE = {
    Band.SEVERE: "monitor-severe-outpatient",
    Band.MODERATE: "monitor-moderate",
}


# ---- the next sodium ----


def repeat_sodium(
    case: Case,
    after: timedelta = NOW,
    priority: Priority = "routine",
    *,
    day_only: bool = False,
) -> Suggestion:
    """Returns the draft of the next sodium: at once ("stat"), today, or at a time (F31, F32).

    The label of a patient who goes home names the day alone.
    """
    if priority == "stat":
        draw = DraftLabs(SODIUM, "stat")
        chosen = not palliative(case)
        return Suggestion("repeat-sodium-stat", (draw,), recommended=chosen, within=NOW)
    if after <= NOW:
        return Suggestion("repeat-sodium-now", (DraftLabs(SODIUM, priority),), within=NOW)
    draw = DraftLabs(SODIUM, priority, after)
    when = _day(case, after) if day_only else _when(case, after)
    return Suggestion("repeat-sodium", (draw,), {"when": when}, within=after)


def soonest(case: Case, due: timedelta) -> timedelta:
    """Returns when sodium is due, sooner where a rise would meet its ceiling before (F31)."""
    sooner = pace_due(case)
    return due if sooner is None else min(due, sooner)


def pace_due(case: Case) -> timedelta | None:
    """Returns when sodium is due by the pace of its rise; None if the day has room for that (F31).

    It is half of the time that is left to the ceiling: not more than 2 h, and not less than 1 h.
    """
    room, pace, limits = room_of(case), pace_per_hour(case), case.limits
    if pace is None or room is None or room.left is None or case.sodium.band is Band.MILD:
        return None
    left = timedelta(hours=float(room.left / pace))
    if left >= limits.rate_window_hours and shedding_water(case) is None:
        return None
    interval = max(min(limits.repeat_over_hours, left / 2), limits.repeat_least_hours)
    return max(interval - case.sodium.age, NOW)


def watch_by_day(case: Case, key: str, after: timedelta) -> Line:
    """Returns the line with the day of the next sodium: at home no one draws it by the hour."""
    after = max(after, NOW)
    return line(key, within=after, next_=_day(case, after) if after else NOW_WORD)


def watch(case: Case, key: str, after: timedelta = NOW) -> Line:
    """Returns the line with the time of the next sodium, and how often from then on (F31)."""
    after = max(after, NOW)
    return line(key, within=after, next_=_when(case, after) if after else NOW_WORD)


def repeat_suggestions(case: Case, *, long_known: bool = False) -> list[Suggestion]:
    """Returns the next sodium by setting, band and symptoms; none if a rate card drafts it.

    A value that has long been known is followed as a mild one (F21).
    """
    if case.rate.rule:
        return []
    after, priority = _due(case, long_known=long_known)
    if pace_due(case) is not None:
        priority = "urgent"
    return [repeat_sodium(case, soonest(case, after), priority)]


def monitoring(case: Case, after: timedelta | None = None, *, long_known: bool = False) -> Line:
    """Returns the line that says when sodium is measured, and how often from there on.

    Severe low sodium is measured at once, unless `after` says when a planned rise makes it due.
    """
    severe = case.sodium.band is Band.SEVERE and not long_known
    first = NOW if severe and after is None else after
    if case.rate.rule:
        return rate_watch(case, first)
    due = soonest(case, _due(case, long_known=long_known)[0] if first is None else first)
    moving = _moving_key(case, long_known=long_known) if after is None else ""
    if moving:
        return watch(case, moving, due)
    if pace_due(case) is not None:
        return watch(case, "monitor-over", due)
    if inpatient(case):
        often = "monitor-severe" if severe else "monitor-near"
        closely = severe or (after is None and not long_known and moves(case))
        return watch(case, often if closely else "monitor-inpatient", due)
    mild = _mild_outside(case)
    band = None if long_known else case.sodium.band
    return watch(case, MONITORING_OUTSIDE.get(band, mild) if band else mild, due)


def _moving_key(case: Case, *, long_known: bool) -> str:
    """Returns the line on the next sodium of one that moves by itself; "" of one that does not."""
    moves_by = {
        "monitor-insipidus": case.replaces_hormone and not long_known,
        "monitor-shedding": shedding_water(case) is not None,
        "monitor-crisis": diabetic_crisis(case),
        "monitor-desmopressin": inpatient(case) and _will_be_let_go(case),
    }
    return next((key for key, holds in moves_by.items() if holds), "")


def _will_be_let_go(case: Case) -> bool:
    """Returns whether sodium below the mild band rises once desmopressin is left out (F1)."""
    return case.sodium.band is not Band.MILD and wears_off(case)


def _mild_outside(case: Case) -> str:
    """Returns how a mild value of the clinic is followed; a treated one has no limit of hours.

    After pituitary surgery it is followed as in hospital: the lowest value comes at home (F5).
    """
    if surgery_lines(case):
        return "monitor-inpatient"
    if not has_symptom(case):
        return "monitor-silent"
    room = room_of(case)
    steady = room is not None and room.no_limit == "steady"
    return "monitor-symptom-steady" if steady else "monitor-symptom"


def rate_watch(case: Case, first: timedelta | None = None) -> Line:
    """Returns the line on the next sodium while a card on the rate is shown."""
    closely = _moves_fast(case) or pace_due(case) is not None
    due = rate_due(case) if first is None else min(first, rate_due(case))
    return watch(case, "monitor-over" if closely else "monitor-near", due)


def rate_due(case: Case) -> timedelta:
    """Returns when sodium is due while it rises too fast or near its limit; a jump is repeated."""
    limits = case.limits
    if case.rate.variant == "jump" or case.rate.jump is not None:
        return NOW
    interval = limits.repeat_near_hours
    if _moves_fast(case):
        interval = limits.repeat_over_hours
    return soonest(case, max(interval - case.sodium.age, NOW))


def _moves_fast(case: Case) -> bool:
    """Returns whether 4 h are too long: a rise that presses, a kidney that sheds, a crisis."""
    rises = case.rate.rule == RATE_OVER or case.rate.presses or rises_by_itself(case)
    return rises or diabetic_crisis(case)


def _due(case: Case, *, long_known: bool = False) -> tuple[timedelta, Priority]:
    """Returns when the next sodium is due without a card on the rate, and how urgent it is."""
    if case.doubtful:
        return NOW, "urgent"
    limits = case.limits
    moving = _moving_interval(case, long_known=long_known)
    if moving is not None:
        return moving - case.sodium.age, "urgent"
    mild = case.sodium.band is Band.MILD or long_known
    if (mild and same_day(case)) or (case.volume.shock and not inpatient(case)):
        return NOW, "urgent"
    if inpatient(case) and not long_known and moves(case):
        return limits.repeat_near_hours - case.sodium.age, "urgent"
    if not mild:
        return limits.repeat_daily_hours - case.sodium.age, "urgent"
    return _routine_interval(case, long_known=long_known) - case.sodium.age, "routine"


def _routine_interval(case: Case, *, long_known: bool) -> timedelta:
    """Returns the interval of a mild or long known sodium that does not move."""
    limits, value = case.limits, case.effective_sodium
    if inpatient(case) or surgery_lines(case):
        return limits.repeat_daily_hours
    if has_symptom(case):
        return limits.repeat_symptom_days
    news = not long_known and case.sodium.stable_since is None
    low = news and value is not None and value < limits.repeat_low_below
    return limits.repeat_low_days if low else limits.repeat_silent_days


def _moving_interval(case: Case, *, long_known: bool) -> timedelta | None:
    """Returns the interval of a sodium that moves by itself; None of one that does not.

    In diabetes insipidus the dose is delayed, and sodium then rises with the dilute urine.
    """
    limits = case.limits
    if case.replaces_hormone and not long_known:
        return limits.repeat_near_hours if inpatient(case) else NOW
    if shedding_water(case) is not None:
        return limits.repeat_over_hours
    if diabetic_crisis(case):
        return limits.repeat_crisis_hours
    will_rise = inpatient(case) and _will_be_let_go(case)
    return limits.repeat_near_hours if will_rise else None


def moves(case: Case) -> bool:
    """Returns whether a sodium falls steeply, or below the mild band falls on or will rise (F27).

    It falls on also if the first value is a little older than two days. It rises once volume or
    cortisol is given, a thiazide or an antidiuretic was stopped, or water is no longer drunk. In an
    adrenal crisis it rises with the first hydrocortisone, from any value (F5). Around labor it may
    fall within hours (F2).
    """
    if steep_fall(case) is not None or adrenal_crisis(case):
        return True
    if volume_leaves(case) or _around_labor(case):
        return True
    if case.sodium.band is Band.MILD:
        # Sodium rises once volume is restored, most from the lower values.
        dry = case.volume.status is Volume.HYPO or bool(case.volume.shock or case.volume.dry)
        return dry and in_use(case) < case.limits.repeat_low_below
    fall, recent, volume = case.sodium.down, case.limits.falling_recent_hours, case.volume
    falls = fall is not None and fall.over <= recent
    unclear = volume.shock or volume.dry or volume.drinks or volume.potassium is not None
    # Its replacement raises sodium, in a patient whom a fast rise harms (F22).
    replaced = Sign.POTASSIUM_LOW in case.risk.reasons
    return bool(
        falls or unclear or replaced or volume.status is Volume.HYPO or will_shed_water(case)
    )


def volume_leaves(case: Case) -> bool:
    """Returns whether salt wasting or brain injury comes with signs that volume is being lost.

    The kidney sheds salt and water as fast as they are given, and sodium falls with it.
    """
    if case.volume.status not in (Volume.CSW, Volume.NEURO) or not inpatient(case):
        return False
    window = red_flag_window(case)
    fast, lost = fast_heart(case, window), weight_loss(case, window)
    seen = bool(pressure_lost(case)) or fast is not None or lost is not None
    return seen or bool(dry_signs(case))


def _around_labor(case: Case) -> bool:
    """Returns whether labor or oxytocin of these two days makes a sodium fall within hours (F2)."""
    setting = case.acute_setting
    return setting is not None and setting.name in (Problem.LABOR, DrugClass.OXYTOCIN)


def steep_fall(case: Case) -> Fall | None:
    """Returns the fall of the last day that is too steep to wait for tomorrow, at any value.

    Two methods may differ as much, so that it is judged by one.
    """
    limits, sodium, latest = case.limits, case.sodium, case.sodium.latest
    if latest is None or not sodium.low or sodium.down is None:
        return None
    samples = [sample for sample in sodium.samples if sample.method == latest.method]
    return fall_within(samples, latest, limits.steep_fall_hours, limits.steep_fall_from)


def steep_fall_lines(case: Case) -> list[Line]:
    """Returns a steep fall, in hospital, for a card whose headline does not name one."""
    fall = steep_fall(case) if inpatient(case) and not case.rate.rule else None
    return [line("steep-fall", fall=fall.amount, over=lasted(fall.over), keep=True)] if fall else []


def _when(case: Case, after: timedelta) -> str:
    """Returns a time ahead as a card says it: "today 14:00", "tomorrow 07:45", "on 27 Nov"."""
    moment = case.snapshot.now + after
    return at(case, moment) if after <= AGO_IN_HOURS else on_day(case, moment)


def _day(case: Case, after: timedelta) -> str:
    """Returns the day of a time ahead: "today", "tomorrow", "on 27 Nov"."""
    return on_day(case, case.snapshot.now + after)


def diabetic_crisis(case: Case) -> bool:
    """Returns whether sodium moves with a very high glucose: ketoacidosis, hyperosmolar (F14)."""
    limits, window = case.limits, case.limits.restriction_glucose_hours
    if case.problems.current(case.sets.hyperglycemic_crisis, window):
        return True
    return case.glucose is not None and case.glucose.glucose >= limits.glucose_crisis_from


def has_symptom(case: Case) -> bool:
    """Returns whether a symptom that low sodium may cause, a fall or a fracture is recorded."""
    return bool(case.symptoms.severe) or has_mild_symptom(case)


def has_mild_symptom(case: Case) -> bool:
    """Returns whether a symptom below severe, a fall or a fracture is recorded."""
    symptoms = case.symptoms
    return bool(symptoms.moderate or symptoms.mild) or symptoms.fall_or_fracture


def same_day(case: Case) -> bool:
    """Returns whether cramps come with a symptom that is to be assessed today (S8)."""
    symptoms = case.symptoms
    beside = case.sets.same_day.among(frozenset({*symptoms.moderate, *symptoms.mild}))
    return symptoms.cramp and bool(beside)


# ---- the work-up ----


def workup_suggestions(case: Case, priority: Priority = "routine") -> list[Suggestion]:
    """Returns the first tests, then more tests, each without what was measured lately.

    In mild low sodium some of them wait until a repeat was low too (F51). If adrenal failure is
    known or measured, no cortisol is drawn before it is treated (F5).
    """
    window, sets = _workup_window(case), case.sets
    more: Sequence[str] = sets.workup_second.members
    if case.sodium.band is Band.MILD and not _repeat_was_low(case):
        more = [test for test in more if test not in sets.workup_after_repeat]
    if case.volume.status is Volume.ADRENAL or on_glucocorticoid(case):
        more = [test for test in more if test != Analyte.CORTISOL]
    if cortisol_suggestions(case):
        more = [test for test in more if test not in sets.workup_adrenal]
    return [
        *_missing(case, "workup", sets.workup_first.members, window, priority),
        *_missing(case, "workup-second", more, window, priority),
    ]


def cortisol_suggestions(case: Case) -> list[Suggestion]:
    """Returns the button that a card with "cortisol first" needs, in every band (F5).

    Under a glucocorticoid no test tells it.
    """
    asked = case.restriction.adrenal or case.volume.shock
    if not asked or case.volume.status is Volume.ADRENAL or on_glucocorticoid(case):
        return []
    tests = case.sets.workup_adrenal.members
    return _missing(case, "workup-adrenal", tests, _workup_window(case), "urgent")


def cortisol_first(case: Case) -> list[Suggestion]:
    """Returns the button that draws cortisol before a drug that adrenal failure forbids (F5)."""
    if case.volume.status is Volume.ADRENAL or on_glucocorticoid(case):
        return []
    return _missing(case, "workup-adrenal", (Analyte.CORTISOL,), _workup_window(case), "urgent")


def _repeat_was_low(case: Case) -> bool:
    """Returns whether the sample before the latest was low too."""
    return len(case.sodium.samples) > 1 and case.is_low(case.sodium.samples[-2])


def emergency_workup(case: Case) -> list[Suggestion]:
    """Returns the tests that have to be drawn before treatment changes them."""
    window = _workup_window(case)
    return [
        *_missing(case, "workup-stat", case.sets.workup_emergency.members, window, "stat"),
        *cortisol_suggestions(case),
    ]


def osmolality_suggestion(case: Case) -> Suggestion:
    """Returns the tests that tell an artifact from low sodium: sodium in any case (M6).

    An osmolality that was measured with this sodium is not drawn again.
    """
    members = case.sets.artifact_labs.members
    known = _osmolality_with_sodium(case)
    tests = [test for test in members if not (known and test == Analyte.SERUM_OSMOLALITY)]
    return _labs("osmolality", tuple(tests), "urgent")


def _osmolality_with_sodium(case: Case) -> bool:
    latest, near = case.sodium.latest, case.limits.osmolality_near_hours
    measured = case.readings.within(Analyte.SERUM_OSMOLALITY, _workup_window(case))
    return latest is not None and any(abs(r.at - latest.at) <= near for r in measured)


def cramp_labs(case: Case) -> list[Suggestion]:
    """Returns the tests for other causes of cramps that were not measured lately."""
    limits = case.limits
    inside, outside = limits.cramp_labs_inpatient_days, limits.cramp_labs_outpatient_days
    window = inside if inpatient(case) else outside
    return _missing(case, "cramp-labs", case.sets.cramp_labs.members, window, "routine")


def workup_due(case: Case) -> bool:
    """Returns whether mild low sodium lasts, falls or is far from normal without a work-up (S4)."""
    limits, sodium = case.limits, case.sodium
    if sodium.latest is None:
        return False
    if _measured(case, Analyte.SERUM_OSMOLALITY, limits.osmolality_recent_days):
        return False
    if sodium.falling or sodium.latest.value < limits.mild_workup_below:
        return True
    low = [
        s.at for s in sodium.samples if band_of(s.value, limits, s.comparator) is not Band.NORMAL
    ]
    return bool(low) and max(low) - min(low) >= limits.low_again_hours


def _workup_window(case: Case) -> timedelta:
    limits = case.limits
    return limits.workup_inpatient_hours if inpatient(case) else limits.workup_outpatient_days


def _missing(
    case: Case, kind: str, panel: Sequence[str], window: timedelta, priority: Priority
) -> list[Suggestion]:
    """Returns a button for those tests of the panel that were not measured within the window.

    A hormone is not measured again as long as the last one still tells of today. Without urine uric
    acid tells nothing either: the kidney sheds none.
    """
    useless, limits = makes_no_urine(case), case.limits
    lasting: dict[str, timedelta] = {
        Analyte.CORTISOL: limits.adrenal_cortisol_excludes_days,
        Analyte.TSH: limits.tsh_told_days,
    }
    wanted = tuple(
        analyte
        for analyte in panel
        if not _measured(case, analyte, max(window, lasting.get(analyte, NOW)))
        and not (useless and (analyte.startswith(URINE) or analyte == Analyte.URATE))
    )
    return [_labs(kind, wanted, priority)] if wanted else []


def makes_no_urine(case: Case) -> bool:
    """Returns whether urine says nothing of sodium: on dialysis, or with anuria recorded (F26)."""
    return case.dialysis or recorded(case, Problem.ANURIA)


def _measured(case: Case, analyte: str, window: timedelta) -> bool:
    return case.readings.latest(analyte, window) is not None


def _labs(kind: str, analytes: tuple[str, ...], priority: Priority) -> Suggestion:
    return Suggestion(kind, (DraftLabs(analytes, priority),), {"labs": joined("lab", analytes)})
