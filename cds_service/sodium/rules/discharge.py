"""What is settled before a patient goes home: a rise, a low sodium, a new drug (DISCHARGE)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Indicator, Line
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import ago, in_days, in_hours, joined, lasted, month_name, number
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, Missing
from cds_service.sodium.blamed import earlier_harm, taken_at
from cds_service.sodium.blind_spots import MEDICINES_UNREAD, STAY_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RatePair
from cds_service.sodium.exposure import Exposure, stopped_lately
from cds_service.sodium.results import Band
from cds_service.sodium.rules.acute_order import SALINE_FIRST
from cds_service.sodium.rules.book import discharge_rule
from cds_service.sodium.rules.danger import near_lines, over_lines
from cds_service.sodium.rules.demyelination import (
    Demyelination,
    demyelination,
    demyelination_care,
)
from cds_service.sodium.rules.follow_up import (
    NOW,
    RATE_OVER,
    rate_due,
    repeat_sodium,
    watch,
    watch_by_day,
)
from cds_service.sodium.rules.gates import (
    at,
    day_of,
    drains,
    drug_lines,
    heart_failure,
    in_use,
    latest_sodium,
    lines_of,
    on_day,
    osmolality_normal,
    require_unexplained_by_glucose,
    result_lines,
    shown_sodium,
    surgery_lines,
    undiluted_lines,
)
from cds_service.sodium.rules.lost_volume import (
    holds_diuretic,
    lost_signs,
    lost_volume_lines,
)
from cds_service.sodium.rules.not_home_yet import (
    NotHomeYet,
    adrenal_evidence,
    failing_organs,
    not_home_yet,
)
from cds_service.sodium.rules.plan import (
    combination_lines,
    diuretics_to_stop,
    drink_after_surgery,
    risk_lines,
    salt_tablet_lines,
    stop_lines,
)
from cds_service.sodium.rules.room import passed_limit
from cds_service.sodium.rules.written_anew import carried_home, goes_home, written_anew
from cds_service.sodium.stay import Stay
from cds_service.sodium.tapering import begun_lately, never_abruptly
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch

REPEAT_BY = "repeat-by"
ORDER_SOURCES = ("NutritionOrder", "ServiceRequest")  # where a fluid restriction is ordered
ANEW = "anew"
# first lines of DC-LOW that say that sodium is repeated before the patient goes
SAYS_NOW = (
    *("senior-first", "symptom-first", "acute-first", "adrenal-first", "falling-first"),
    *("fell-first", "before-leaving"),
)
# variants of DC-LOW that repeat sodium before the patient goes
NOT_STEADY_YET = (
    "severe", "old", "symptom", "acute", "falling", "fell", "adrenal", "organ", "unsettled",
)  # fmt: skip
# variants of DC-LOW that give their summary to a drug that is written anew
GIVES_WAY_TO_ANEW = ("fall", "open", "treated", "known")


# ---- sodium rose too fast


@discharge_rule("DC-OVER")
def over_corrected(case: Case) -> Finding:
    """The card comes if sodium rises too fast now, or did within the last week."""
    signs = demyelination(case)
    variant, pair = _rise(case) if signs is None else ("signs", signs.pair)
    limits, rate, was = case.limits, case.rate, not _not_home_yet(case)
    due = _due_after_a_rise(case, signs)
    until = day_of(case, pair.end.at + limits.rate_remembered_days)
    steps = _steps_of_the_chart(case)
    return card(
        _level_of_rise(case, signs),
        variant,
        rise=number(pair.rise, (rate.limit, limits.rate_goal)),
        average=number(pair.per_day, (rate.limit,)),
        hours=in_hours(pair.span),
        limit=rate.limit,
        date=on_day(case, pair.end.at),
        until=until,
        more_facts={"signs": signs.shown} if signs is not None else {},
        do=[
            *_keeps_after_a_rise(signs, home=variant == "was"),
            *steps,
            *(demyelination_care(case, signs, steps) if signs is not None else []),
            watch_by_day(case, REPEAT_BY, due) if was else watch(case, REPEAT_BY, due),
            *([line("come-back", until=until, keep=True)] if signs is None else []),
            *_goes_on(case),
            *_potassium_open(case, rising=True),
            *([] if steps else _meant_to_stop(case)),
            *([line("examine")] if signs is None else []),
        ],
        why=[*_risk(case, past=was), *_what_is_uncertain(case)],
        offer=[repeat_sodium(case, due, "urgent", day_only=was)],
    )


def _level_of_rise(case: Case, signs: Demyelination | None) -> Indicator:
    """Returns critical if the card on the rise would be, or beside telling signs (F4)."""
    now = _not_home_yet(case) and case.rate.level == "critical"
    return "critical" if now or (signs is not None and signs.indicator == "critical") else "warning"


def _due_after_a_rise(case: Case, signs: Demyelination | None) -> timedelta:
    """Returns when sodium is due: as on the chart, now beside signs, else the next day."""
    if _not_home_yet(case):
        return rate_due(case)
    return case.limits.repeat_daily_hours if signs is None else NOW


def _keeps_after_a_rise(signs: Demyelination | None, *, home: bool) -> list[Line]:
    """Returns what keeps the patient here: signs of demyelination, or a rise that goes on."""
    if signs is not None:
        return [line("signs-stay", keep=True), line("demyelination-mri", keep=True)]
    return [] if home else [line("stay", keep=True)]


def _steps_of_the_chart(case: Case) -> list[Line]:
    """Returns what the chart's card says to do about a rise that goes on, by the same function."""
    if not _not_home_yet(case):
        return []
    over = case.rate.rule == RATE_OVER
    steps = over_lines(case) if over else near_lines(case, watch(case, REPEAT_BY))
    return [told for told in steps if told.key not in (REPEAT_BY, "neuro-checks")]


def _risk(case: Case, *, past: bool) -> list[Line]:
    """Returns the risk of demyelination: after the rise without a goal, which is of no use then."""
    if not past or not case.risk.high:
        return risk_lines(case)
    return [line("risk-then", evidence=joined("evidence", case.risk.reasons), keep=True)]


def _not_home_yet(case: Case) -> bool:
    """Returns whether the card on a rise keeps the patient here: no word on who measures later."""
    serious = case.rate.worst is not None and case.rate.level in ("warning", "critical")
    return serious and case.rate.variant != "was"


def _rise(case: Case) -> tuple[str, RatePair]:
    """Returns the rise that is not over yet, with its summary; skips if there is none."""
    rate = case.rate
    serious = rate.level in ("warning", "critical")
    if rate.worst is not None and serious and rate.variant != "was":
        if rate.variant == "jump" or rate.jump is not None:
            return "jump", rate.worst
        span, _ = passed_limit(case)
        return (f"now{span}" if rate.rule == RATE_OVER else "near"), rate.worst
    past = rate.episode or (rate.worst if serious else None)
    if past is None:
        require(Stay(case).unread is None, STAY_UNREAD)
        skip("no-over-correction")
    return "was", past


# ---- sodium is low, or not settled


@discharge_rule("DC-LOW")
def low(case: Case) -> Finding:
    """The card comes if sodium is low at discharge, fell in the stay, or is still treated."""
    latest, stay, limits = latest_sodium(case), Stay(case), case.limits
    age = ago(case.sodium.age)
    require(case.sodium.age <= limits.stale_outpatient_days, "too-old", na=latest.shown, age=age)
    require_unexplained_by_glucose(case)
    require(not osmolality_normal(case), "osmolality-normal")
    require(not _not_home_yet(case), "rate-leads")
    here = _keeps_here(case, stay)
    variant = here.variant if here is not None else _variant(case, stay)
    due, lowest, since = _due(case, stay, variant), stay.lowest, case.sodium.stable_since
    again = list(written_anew(case, stay).values())[: int(limits.suspects_to)]
    anew = ", ".join(exposure.drug.name for exposure in again)
    if anew and variant in GIVES_WAY_TO_ANEW:
        variant = ANEW
        due = min(due, max(limits.repeat_low_days - case.sodium.age, NOW))
    first = here.first if here is not None else tuple(_first_steps(variant))
    return card(
        here.indicator if here is not None else _at_least(case, stay, variant),
        variant,
        na=shown_sodium(case),
        age=age,
        more_facts={
            "fall": number(stay.fall),
            **({"drugs": anew} if anew else {}),
            **(here.facts if here is not None else {}),
        },
        lowest=lowest.shown if lowest is not None else latest.shown,
        since=month_name(since, case.snapshot.now, case.snapshot.zone) if since else "",
        do=_with_fall(
            case,
            stay,
            [
                *first,
                *_organs_untold(case, variant),
                *[told for told in _diuretics_stop(case) if told not in first],
                *salt_tablet_lines(case),
                *_think_adrenal(case, variant),
                *surgery_lines(case),
                *lost_volume_lines(case, bolus_first=_saline_first(first)),
                *_held_while_dry(case, stay),
                *_anew_lines(case, again),
                *_culprit(case, stay),
                *_not_again(case, stay),
                _repeat(case, due, first),
                *_home_after_surgery(case),
                *_goes_on(case),
                *_potassium_open(case),
                *_meant_to_stop(case),
                line("letter"),
                *lines_of({"warn-patient": not surgery_lines(case)}),
            ],
        ),
        why=[*_evidence(case, stay), *_what_is_uncertain(case)],
        offer=[repeat_sodium(case, due, "urgent" if due <= NOW else "routine", day_only=True)],
    )


def _repeat(case: Case, due: timedelta, first: Iterable[Line]) -> Line:
    """Returns who measures next; that sodium is repeated now is said once, by the first line."""
    said = due <= NOW and any(told.key in SAYS_NOW for told in first)
    return line("repeat-then", within=NOW) if said else watch_by_day(case, REPEAT_BY, due)


def _at_least(case: Case, stay: Stay, variant: str) -> Indicator:
    """Returns the level: a drug that would be a warning at a normal sodium is one here too."""
    indicator = _indicator(case, stay, variant)
    harmful = indicator == "info" and _was_serious(case, stay, _culprits(case, stay))
    return "warning" if harmful else indicator


def _was_serious(case: Case, stay: Stay, culprits: Mapping[str, Exposure]) -> bool:
    """Returns whether sodium was far too low with these drugs, or the record blames one (F24)."""
    lowest = stay.lowest if stay.was_low else None
    serious = lowest is not None and stay.value(lowest) < case.limits.rechallenge_below
    return bool(culprits) and (serious or any(_is_blamed(case, e) for e in culprits.values()))


def _saline_first(first: Iterable[Line]) -> bool:
    """Returns whether the card says 3 % saline before any other fluid."""
    return any(told.key == SALINE_FIRST for told in first)


def _keeps_here(case: Case, stay: Stay) -> NotHomeYet | None:
    """Returns what keeps the patient here, if the last sodium is not old."""
    found = not_home_yet(case, stay)
    old = case.sodium.age > case.limits.stale_inpatient_hours
    falls = found is not None and found.variant in ("falling", "fell")
    severe = case.sodium.band is Band.SEVERE and falls
    return None if old or severe else found


def _variant(case: Case, stay: Stay) -> str:
    """Returns which summary the card has; skips if sodium is settled."""
    limits, value = case.limits, in_use(case)
    below = value < limits.discharge_low_below
    if case.sodium.age > limits.stale_inpatient_hours:
        unsettled = below or (case.sodium.low and stay.fell)
        return "old" if unsettled else _settled(case, stay, "old-and-not-low")
    if case.sodium.band is Band.SEVERE:
        return "severe"
    if below:
        return "known" if case.sodium.stable_since and not stay.fell else "low"
    if stay.fell:
        return "fall"
    if stay.was_low and case.sodium.low and not stay.steady:
        return "open"
    if case.sodium.low and surgery_lines(case):
        return "pituitary"
    treated = bool(stay.treatments) or bool(case.restriction.running)
    lowest = stay.lowest
    was_low = lowest is not None and case.is_low(lowest)
    return "treated" if treated and was_low else _settled(case, stay, "settled")


def _settled(case: Case, stay: Stay, reason: str) -> str:
    require(stay.unread is None, STAY_UNREAD, na=shown_sodium(case))
    known = reason != "settled" or not stay.gave_no_value
    skip(reason if known else "settled-as-read", na=shown_sodium(case), age=ago(case.sodium.age))


def _indicator(case: Case, stay: Stay, variant: str) -> Indicator:
    if variant == "severe":
        return "critical"
    new = {e.drug.name for e in stay.new_drugs}
    by_new = any(e.drug.name in new for e in _suspected(case, stay))
    fell_low = by_new or (variant == "fall" and case.sodium.low)
    return "warning" if variant in ("low", "old", "pituitary", ANEW) or fell_low else "info"


def _culprit(case: Case, stay: Stay) -> list[Line]:
    """Returns the drugs that may be the cause and would go on, in the order of the chart."""
    taken = _suspected(case, stay)
    return [*_by_ending(case, "culprit", taken), *_partners(case, taken)]


def _held_while_dry(case: Case, stay: Stay) -> list[Line]:
    """Returns what harms the kidney while volume is lost, unless its combination is told (M14)."""
    evidence = lost_signs(case)
    if not evidence or heart_failure(case):
        return []
    partners = _partners(case, _suspected(case, stay))
    held = [
        exposure.drug.name
        for exposure in case.exposures.of(*case.sets.kidney_held.members)
        if exposure.drug.cls not in case.sets.diuretics
        and not (partners and holds_diuretic(case, exposure))
    ]
    if not held:
        return []
    shown = joined("evidence", evidence[:2])
    return [line("hold-dry", drugs=", ".join(held), evidence=shown, keep=True)]


def _suspected(case: Case, stay: Stay) -> list[Exposure]:
    """Returns what may be the cause and goes home, also what is new, the likeliest first (F8).

    A weakly linked drug is no cause beside pituitary surgery (F5).
    """
    suspects = case.exposures.suspects if case.sodium.low else ()
    left_out = {*stay.treatments, *needed_at_home(case), *written_anew(case, stay)}
    if failing_organs(case):  # the line that stops them leaves no choice
        left_out |= {exposure.drug.name for exposure in diuretics_to_stop(case)}
    taken = [e for e in suspects if not drains(case, e.drug) and e.drug.name not in left_out]
    weak = case.sets.weak_tiers if surgery_lines(case) else ()
    return [e for e in taken if e.drug.tier not in weak]


def _by_ending(
    case: Case, key: str, taken: Iterable[Exposure], needed: str = "-needed"
) -> list[Line]:
    """Returns one line for each way in which these drugs end, or do not end for sodium (M14).

    The line with the likeliest drug comes first.
    """
    groups: dict[str, list[str]] = {}
    for drug in (exposure.drug for exposure in taken):
        groups.setdefault(_ending(case, drug, needed), []).append(drug.name)
    return [
        line(f"{key}{ending}", drugs=", ".join(dict.fromkeys(named)), keep=True)
        for ending, named in groups.items()
    ]


def _ending(case: Case, drug: DrugMatch, needed: str) -> str:
    """Returns how the drug may end, as the chart says it: never abruptly, or by its prescriber."""
    if begun_lately(case, drug):
        return "-early"
    if drug.cls in case.sets.never_abruptly:
        return "-gently"
    return needed if drug.cls in case.sets.needed_treatments else ""


def _partners(case: Case, stopped: Iterable[Exposure]) -> list[Line]:
    """Returns that the product of a diuretic holds another drug, which would stop with it (M14)."""
    return combination_lines(case, [e for e in stopped if e.drug.cls in case.sets.diuretics])


def _not_again(case: Case, stay: Stay) -> list[Line]:
    """Returns the drugs that were stopped lately, with which sodium was low: not to be restarted.

    In central diabetes insipidus desmopressin is needed again.
    """
    lowest = stay.lowest
    if lowest is None or not stay.was_low:
        return []
    replaced = bool(case.problems.active(case.sets.insipidus))
    stopped = stopped_lately(case, case.sets.check_tiers, case.limits.stopped_days)
    names = [
        drug.name
        for name, order in stopped
        for drug in order.drugs
        if drug.name == name and not (replaced and drug.cls == DrugClass.DESMOPRESSIN)
    ]
    return [line("not-again", drugs=", ".join(names), keep=True)] if names else []


def _due(case: Case, stay: Stay, variant: str) -> timedelta:
    """Returns when sodium is due: before leaving, in a day, in days, or in a week.

    It is a day after a fall that went on to the end, or that a new drug of the stay may have made,
    and after pituitary surgery.
    """
    limits = case.limits
    if variant in NOT_STEADY_YET or case.doubtful:
        return NOW
    moves = variant == "fall" and case.sodium.low and (not stay.steady or bool(stay.new_drugs))
    if (stay.fell and (variant == "low" or moves)) or surgery_lines(case):
        return max(limits.repeat_daily_hours - case.sodium.age, NOW)
    soon = variant in ("low", "open")
    interval = limits.repeat_low_days if soon else limits.discharge_repeat_days
    return max(interval - case.sodium.age, NOW)


def _think_adrenal(case: Case, variant: str) -> list[Line]:
    """Returns that adrenal failure is likely, where the summary does not say so (F5)."""
    evidence = adrenal_evidence(case) if case.sodium.low and variant != "adrenal" else ""
    return [line("think-adrenal", evidence=evidence, keep=True)] if evidence else []


def _home_after_surgery(case: Case) -> list[Line]:
    """Returns how much is drunk, and what brings the patient back, after pituitary surgery (F5)."""
    if not surgery_lines(case):
        return []
    return [line("pituitary-home" if drink_after_surgery(case) else "pituitary-return", keep=True)]


def _diuretics_stop(case: Case) -> list[Line]:
    """Returns which diuretics stop, on every card of a sodium far too low (M14)."""
    return stop_lines(case) if failing_organs(case) else []


def _organs_untold(case: Case, variant: str) -> list[Line]:
    """Returns failing kidneys and cirrhosis under diuretics, if the summary does not name them."""
    found = failing_organs(case) if variant != "organ" else ()
    return [line("also-keeps", evidence=joined("evidence", found), keep=True)] if found else []


def _first_steps(variant: str) -> list[Line]:
    steps = {"senior-first": variant == "severe", "before-leaving": variant == "old"}
    return lines_of(steps, keep=True)


def _evidence(case: Case, stay: Stay) -> list[Line]:
    lines = lines_of({"readmission": in_use(case) < case.limits.discharge_low_below})
    anew = written_anew(case, stay)
    if _culprit(case, stay):
        lines = [*drug_lines(case, leave_out=anew), *lines]
    return [*_courses(case, anew.values()), *lines]


def _with_fall(case: Case, stay: Stay, do: list[Line]) -> list[Line]:
    """Returns what to do with the fall of the stay: from, to, and in how long.

    It is the third line, unless that would push a line off the face that must be read, as a stop.
    """
    latest, highest = case.sodium.latest, stay.highest
    if not stay.fell or highest is None or latest is None:
        return do
    fell = line(
        "fell-in-stay",
        highest=highest.shown,
        date=on_day(case, highest.at),
        na=shown_sodium(case),
        over=lasted(latest.at - highest.at),
        keep=True,
    )
    pushes = any(one.keep for one in do[FACE_BULLETS - 1 : FACE_BULLETS])
    place = FACE_BULLETS if pushes else 2
    return [*do[:place], fell, *do[place:]]


def _anew_lines(case: Case, anew: Iterable[Exposure]) -> list[Line]:
    """Returns that drugs which are ordered again stop, or are changed if no sudden stop is safe."""
    drugs = [exposure.drug for exposure in anew]
    kept = [drug for drug in drugs if _ending(case, drug, "-needed")]
    groups = {ANEW: kept, "anew-stop": [drug for drug in drugs if drug not in kept]}
    return [
        line(key, drugs=", ".join(drug.name for drug in named), keep=True)
        for key, named in groups.items()
        if named
    ]


def _courses(case: Case, anew: Iterable[Exposure]) -> list[Line]:
    """Returns since when these drugs are ordered again; that of the past was another course."""
    begun = [(e.drug.name, [o.begun for o in e.orders if case.is_active(o)]) for e in anew]
    return [
        line("begun-anew", drug=drug, date=at(case, min(dated), day_only=True), keep=True)
        for drug, times in begun
        if (dated := [time for time in times if time is not None])
    ]


# ---- a new drug


@discharge_rule("DC-DRUG")
def new_drug(case: Case) -> Finding:
    """The card comes if a drug that often lowers sodium was begun in the stay and goes on.

    A drug with which sodium was low before, or in this stay, leads: it goes home by default.
    """
    stay = Stay(case)
    told = isinstance(low(case), Finding)
    culprits: Mapping[str, Exposure] = {} if told else _culprits(case, stay)
    if culprits:
        return _goes_home(case, stay, culprits)
    begun = [e for e in stay.new_drugs if not _checked_since(case, stay, e)]
    if not begun and stay.new_drugs:
        skip("already-checked")
    named = [*written_anew(case, stay), *(e.drug.name for e in _suspected(case, stay))]
    named = named if told else []
    if begun and all(e.drug.name in named for e in begun):
        skip("named-with-low")
    begun = [e for e in begun if e.drug.name not in named]
    if not begun:
        require(case.medicines_known, MEDICINES_UNREAD)
        require(not stay.undated_drugs, "start-not-known")
        skip("no-new-drug")
    unsettled = case.sodium.low or stay.fell
    gently = any(never_abruptly(case, e.drug) for e in begun)
    late = any(e.drug.cls in case.sets.antidepressants for e in begun)
    due = max(_weeks_on(case, begun), case.limits.repeat_daily_hours)
    names = [e.drug.name for e in begun[: int(case.limits.suspects_to)]]
    return card(
        "warning" if unsettled else "info",
        "low" if unsettled else "main",
        drugs=names,
        more_facts={"drugs": ", ".join(names)},
        na=shown_sodium(case),
        do=[
            *lines_of({"decide-gently" if gently else "decide": unsettled}, keep=True),
            *(_partners(case, begun) if unsettled else []),
            watch_by_day(case, REPEAT_BY, due),
            line("warn-patient"),
        ],
        why=[
            _started(case, begun),
            *lines_of({"shows-late": late}),
            *_what_is_uncertain(case),
        ],
        offer=[repeat_sodium(case, due, day_only=True)],
    )


def _culprits(case: Case, stay: Stay) -> dict[str, Exposure]:
    """Returns the drugs that go home though sodium was low with them, by name (F24)."""
    taken = [e for e in case.exposures.active if e.drug.tier in case.sets.check_tiers]
    own = [e for e in taken if goes_home(case, stay, e) and not drains(case, e.drug)]
    anew = written_anew(case, stay)
    return {
        e.drug.name: e
        for e in own
        if e.drug.name in anew or _is_blamed(case, e) or _was_low_with(case, stay, e)
    }


def _is_blamed(case: Case, taken: Exposure) -> bool:
    """Whether the record says that this drug, or its class, lowered sodium before."""
    harm = earlier_harm(case, taken.drug)
    return harm is not None and harm.low_sodium and harm.cause_known


def _was_low_with(case: Case, stay: Stay, taken: Exposure) -> bool:
    """Whether sodium of this stay was low while the drug was taken, and had not long been so."""
    lowest = stay.lowest
    if lowest is None or not stay.was_low or case.sodium.stable_since is not None:
        return False
    return carried_home(case, taken) or taken_at(case, lowest.at, taken.drug.cls)


def _goes_home(case: Case, stay: Stay, culprits: Mapping[str, Exposure]) -> Finding:
    """Returns the card on drugs that are to be stopped or changed before the patient leaves."""
    names = list(culprits)[: int(case.limits.suspects_to)]
    anew = [name for name in written_anew(case, stay) if name in names]
    others = [culprits[name] for name in names if name not in anew]
    lowest = stay.lowest if stay.was_low else None
    serious = lowest is not None and stay.value(lowest) < case.limits.rechallenge_below
    recorded = any(_is_blamed(case, culprits[name]) for name in names)
    limits = case.limits
    interval = limits.repeat_low_days if anew else limits.discharge_repeat_days
    due = max(interval - case.sodium.age, NOW)
    thiazide = any(culprits[name].drug.cls == DrugClass.THIAZIDE for name in names)
    return card(
        "warning" if serious or recorded or anew else "info",
        ANEW if anew else "culprit" if lowest is not None else "blamed",
        drugs=names,
        more_facts={"drugs": ", ".join(anew or names)},
        **({"na": shown_sodium(case)} if anew else {}),
        lowest=lowest.shown if lowest is not None else "",
        do=[
            *_anew_lines(case, [culprits[name] for name in anew]),
            *_by_ending(case, "home", others, needed="-gently"),
            *_partners(case, [culprits[name] for name in names]),
            watch_by_day(case, REPEAT_BY, due),
            line("warn-patient"),
        ],
        why=[
            *_courses(case, [culprits[name] for name in anew]),
            *lines_of({"single-dose": thiazide}),
            *_what_is_uncertain(case),
        ],
        offer=[repeat_sodium(case, due, day_only=True)],
    )


def _checked_since(case: Case, stay: Stay, drug: Exposure) -> bool:
    """Whether a week or more after the start sodium was normal and had not fallen."""
    latest, limits = case.sodium.latest, case.limits
    if latest is None or drug.since is None or case.sodium.low or stay.fell:
        return False
    return latest.at - drug.since >= limits.drug_recheck_days


def _weeks_on(case: Case, begun: Sequence[Exposure]) -> timedelta:
    """Returns the time until the first of these drugs has been taken for a week."""
    first = min(e.since for e in begun if e.since is not None)
    return first + case.limits.drug_recheck_days - case.snapshot.now


def _started(case: Case, begun: Sequence[Exposure]) -> Line:
    dated = [(e.drug.name, e.since) for e in begun if e.since is not None]
    drugs = ", ".join(f"{drug} ({at(case, since, day_only=True)})" for drug, since in dated)
    return line("started", drugs=drugs, keep=True)


# ---- what several of these cards say


def needed_at_home(case: Case) -> list[str]:
    """Returns what must not end with the stay: hormones that replace what is missing (F59)."""
    return [drug for named in _hormones(case).values() for drug in named]


def _hormones(case: Case) -> dict[str, list[str]]:
    """Returns the hormones that replace what is missing, by the line that names them."""
    sets, problems, taken = case.sets, case.problems, case.exposures
    failure = case.volume.status is Volume.ADRENAL or problems.active(sets.adrenal)
    steroids = taken.of(*sets.adrenal_replacement.members) if failure else ()
    insipidus = problems.active(sets.insipidus)
    doses = taken.of(DrugClass.DESMOPRESSIN) if insipidus else ()
    return {
        "goes-on-steroid": [exposure.drug.name for exposure in steroids],
        "goes-on-insipidus": [exposure.drug.name for exposure in doses],
    }


def _goes_on(case: Case) -> list[Line]:
    """Returns these hormones by name, with what the letter says of them (F59)."""
    named = _hormones(case)
    return [line(key, drugs=", ".join(named[key]), keep=True) for key in named if named[key]]


def _potassium_open(case: Case, *, rising: bool = False) -> list[Line]:
    """Returns a potassium that is not settled; on dialysis that team plans it (F59).

    After too fast a rise it is said that potassium raises sodium as sodium does.
    """
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.measured_days)
    if potassium is None or case.dialysis:
        return []
    low, high = limits.potassium_told_below, limits.adrenal_potassium_above
    if not (potassium.below(low) or potassium.above(high)):
        return []
    time = at(case, potassium.at, potassium.day_only)
    key = "potassium-counts" if rising and potassium.below(low) else "potassium-open"
    return [line(key, value=potassium.value, time=time, keep=True)]


def _meant_to_stop(case: Case) -> list[Line]:
    """Returns what was begun for the stay and would go home: drugs, infusions, a restriction."""
    needed = needed_at_home(case)
    stopped = [DrugName.SODIUM_CHLORIDE] if salt_tablet_lines(case) else []
    treatments = [drug for drug in Stay(case).treatments if drug not in (*needed, *stopped)]
    lines = [line("stop-drugs", drugs=", ".join(treatments), keep=True)] if treatments else []
    for name in case.restriction.running_names[:1]:
        lines.append(Line("stop-restriction", {"order": name}, keep=True))
    if case.restriction.running and not case.restriction.running_names:
        lines.append(line("stop-restriction-unnamed", keep=True))
    return lines


def _what_is_uncertain(case: Case) -> list[Line]:
    """Returns what the cards could not know: the start of the stay, orders of fluid, the result."""
    lines = [*undiluted_lines(case), *result_lines(case)]
    if not Stay(case).known:
        days = in_days(case.limits.drugcheck_started_days)
        lines.append(line("stay-start-unknown", days=days, keep=True))
    unread = [case.snapshot.missing.get(key) is Missing.NOT_READ for key in ORDER_SOURCES]
    return [*lines, *lines_of({"restriction-not-read": all(unread)}, keep=True)]
