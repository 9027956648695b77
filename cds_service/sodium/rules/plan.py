"""What to do about low sodium: fluid, volume, diuretics, drugs, cramps (B.2, M7 to M9)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cds_service.engine.finding import (
    DraftOrder,
    Fact,
    Line,
    StopOrder,
    Suggestion,
)
from cds_service.engine.rule import line
from cds_service.engine.wording import joined, number
from cds_service.knowledge.names import Analyte, DrugClass, OrderTemplate, Problem, Sign
from cds_service.sodium.adrenal import (
    adrenal_grounds,
    adrenal_likely,
    high_cortisol,
    high_potassium,
    kidney_explains,
    on_glucocorticoid,
    potassium_drugs,
)
from cds_service.sodium.case import Case
from cds_service.sodium.depletion import (
    creatinine_rise,
    failing_circulation,
    fast_heart,
    red_flag_window,
)
from cds_service.sodium.desmopressin import clamp_runs, taken_for, wears_off
from cds_service.sodium.exposure import (
    Exposure,
    dialysis_fluids,
    is_diluent,
    is_hypertonic,
    salt_losers,
)
from cds_service.sodium.pituitary import pituitary_surgery
from cds_service.sodium.restriction import (
    CONCENTRATED,
    HELPED,
    little_urine_sodium,
    losses,
    signs_of_loss,
)
from cds_service.sodium.results import Band, Reading
from cds_service.sodium.rules.desmopressin import pause_lines
from cds_service.sodium.rules.follow_up import cramp_labs, diabetic_crisis, has_mild_symptom
from cds_service.sodium.rules.gates import (
    EUROPEAN,
    LOSSES,
    acute_congestion,
    adrenal_crisis,
    circulation_fails,
    cirrhosis,
    concentrated_urine,
    decongesting,
    doubt_lines,
    drug_lines,
    ever_recorded,
    heart_failure,
    holds_salt,
    in_use,
    is_drain,
    lines_of,
    lipids,
    liver_forbids_diuretics,
    osmolality_normal,
    osmole_unmeasured,
    overloaded,
    pressure_lost,
    recorded,
    rises_fast,
    rising_too_fast,
    shedding_water,
    stronger_cause,
    surgery_lines,
    unconfirmed,
    undiluted,
    undiluted_lines,
    volume_lost,
    water_stays_restricted,
)
from cds_service.sodium.rules.measured import (
    kidney_lines,
    measured_lines,
    potassium_by_drug,
    potassium_lines,
    told,
    urgent_potassium,
)
from cds_service.sodium.rules.room import day_limit, limit_reached
from cds_service.sodium.snapshot import Order
from cds_service.sodium.tapering import begun_lately
from cds_service.sodium.volume import Volume
from cds_service.sodium.weak_signs import weight_gained
from cds_service.terminology.types import DrugMatch, RecordText

RESTRICTING = ("offer", "ordered")
FLUID_ORDERS = ("NutritionOrder", "ServiceRequest")
NEAR_NORMAL = "withheld-near-normal"
CONDITIONAL = "withheld-volume-unknown"
WEARS_OFF = "withheld-desmopressin"
KEPT = frozenset({"review-overload", "review-decongestion"})  # they change nothing
DRY = "never-hypo"
ADRENAL_POTASSIUM = "withheld-adrenal-potassium"
UNSPECIFIC = frozenset({CONDITIONAL, NEAR_NORMAL})  # they say nothing of this patient
UNKNOWN_DATA = ("-unread", "-age-unknown")
ISOTONIC_ORDERED = "withheld-isotonic-fluid"
LEADING_STATES = frozenset({"withheld-pregnancy", "withheld-postpartum", "withheld-dialysis"})
MAY_BE_DRY = frozenset({"withheld-brain-undated", "withheld-conditions-unread", CONCENTRATED})
BESIDE = {
    "running-hypotonic": "running-hypotonic-beside",
    "running-hypotonic-unnamed": "running-hypotonic-beside-unnamed",
}  # the same fluid on the card of an order that may lower sodium
NO_VAPTAN = frozenset({"withheld-pregnancy", "withheld-dialysis", "never-vaptan"})
WATER_COUNTS = (Volume.UNKNOWN, Volume.HYPER, Volume.EUV)
SALT_TREATS = (Volume.CSW, Volume.ADRENAL, Volume.HYPO)  # salt is part of their treatment
SALT_HELPS = (Volume.HYPO, Volume.EUV)
TREAT = {
    Volume.CSW: "salt-wasting-replace",
    Volume.NEURO: "neuro-advice",
}
NEVER_WITH_TREATMENT = {"never-csw": "salt-wasting-first", "never-neuro": "neuro-first"}
TREAT_WHILE_RISING = {**TREAT, Volume.CSW: "neuro-advice", Volume.HYPO: "hypovolemia-rising"}
ADRENAL_CRISIS = "withheld-adrenal-shock"
POTASSIUM_SAID = frozenset({"withheld-potassium-drug", "withheld-adrenal-pattern"})
POTASSIUM_ADRENAL = "withheld-adrenal-potassium"
DRY_FLAGS = frozenset(
    {
        *("withheld-volume-signs", "withheld-weight-loss", "withheld-systolic-low"),
        *("withheld-creatinine-rise", "withheld-bun-creatinine", "withheld-heart-rate-high"),
    }
)  # red flags for which "examine volume now" stands in among the first lines (M9)
VOMITING_ALONE = (Sign.VOMITING,)  # a symptom first (F7)
PRESCRIPTION = "MedicationRequest/"
BACLOFEN_SOURCES = ("medications", "conditions", "labs")


# ---- the whole plan ----


def plan_lines(case: Case) -> list[Line]:
    """Returns what to do, the most important first: fluid, volume, diuretics, other drugs."""
    if osmolality_normal(case):
        return [line("plan-artifact")]
    if unconfirmed(case):
        return [line("plan-unconfirmed", keep=True)]
    stops, liver = stop_lines(case), liver_forbids_diuretics(case)
    return [
        *_harms_now(case),
        *(stops if liver else []),  # every diuretic is stopped first
        *restriction_lines(case),
        *_albumin_lines(case),
        *([] if adrenal_crisis(case) else _volume_treatment(case)),
        *([] if liver else stops),
        *_insipidus_aquaresis(case),
        *_reviews(case),
    ]


def severe_plan(case: Case) -> tuple[list[Line], list[Line]]:
    """Returns the plan of the severe band in two parts: what is read in ten seconds, and the rest.

    It is ordered by harm: the volume before the drug, and the drug before a restriction.
    """
    if osmolality_normal(case) or unconfirmed(case):
        return plan_lines(case), []
    treatment = [] if adrenal_crisis(case) else _volume_treatment(case)
    helped = case.volume.status in HELPED  # then it is what follows a restriction
    drugs = [*stop_lines(case), *_reviews(case)]
    culprits, more = _in_one_line([told for told in drugs if told.key not in KEPT])
    more += [told for told in drugs if told.key in KEPT]
    adrenal, restricted, restricted_more = _restriction_parts(case)
    first = [
        *_harms_now(case),
        *adrenal,
        *([] if helped else _depleted_now(case) or treatment),
        *_albumin_lines(case),
        # Where the kidneys shed no water, less of it is part of the treatment.
        *([*restricted, *culprits] if failing_kidney_lines(case) else [*culprits, *restricted]),
    ]
    rest = [*restricted_more, *(treatment if helped else []), *_insipidus_aquaresis(case), *more]
    return first, rest


def _in_one_line(drugs: list[Line]) -> tuple[list[Line], list[Line]]:
    """Returns the first two lines on drugs as one line, and the others."""
    if len(drugs) < 2:  # noqa: PLR2004
        return drugs, []
    return [drugs[0].also(drugs[1])], drugs[2:]


def _restriction_parts(case: Case) -> tuple[list[Line], list[Line], list[Line]]:
    """Returns adrenal failure, what else is read of fluid restriction in ten seconds, and the rest.

    A restriction that runs and harms is to be lifted: that is read before the reason against it.
    """
    told = restriction_lines(case)
    adrenal = [one for one in told if one in case.restriction.adrenal]
    running = [one for one in told if one in case.restriction.running]
    others = [one for one in told if one not in (*adrenal, *running)]
    later = UNSPECIFIC
    if _depleted_now(case):  # its line says so already
        others, later = [one for one in others if one.key != DRY], UNSPECIFIC | {LOSSES}
    leading = [*running, *(one for one in others if one.key not in later)]
    rest = [one for one in others if one.key in later]
    return adrenal, leading[:1], [*leading[1:], *rest]


def _harms_now(case: Case) -> list[Line]:
    """Returns what is read before the volume: a doubt, salt, dialysis, potassium, what runs."""
    return [
        *lines_of({"lipids-lead": lipids(case)}, keep=True),
        *undiluted_lines(case),
        *osmole_unmeasured(case),
        *salt_tablet_lines(case),
        *dialysis_lines(case),
        *lines_of({"adrenal-crisis": bool(adrenal_crisis(case))}, keep=True),
        *potassium_first(case),
        *failing_kidney_lines(case),
        *unclear_volume(case),
        *irrigation_lines(case),
        *fluid_lines(case),
    ]


def _albumin_lines(case: Case) -> list[Line]:
    return lines_of({"cirrhosis-kidney-albumin": _kidney_fails_in_cirrhosis(case)}, keep=True)


def _reviews(case: Case) -> list[Line]:
    """Returns how the drugs are reviewed that are no diuretic to be stopped."""
    return review_lines(case, leave_out=[e.drug.name for e in diuretics_to_stop(case)])


def _depleted_now(case: Case) -> list[Line]:
    """Returns, in one line, that volume is lost, what restores it, and that no fluid is restricted.

    Not while sodium rises too fast or the kidney sheds water (F27), nor for vomiting alone (F7).
    """
    volume, harm = case.volume, case.restriction.reasons[:1]
    if volume.status is not Volume.HYPO or volume.evidence == VOMITING_ALONE:
        return []
    rises = rising_too_fast(case) or shedding_water(case) is not None
    if rises or [told.key for told in harm] != [DRY]:
        return []
    lost = case.sets.fluid_losses.among(frozenset(volume.evidence))
    key = "hypovolemia-losses-now" if lost else "hypovolemia-replace-now"
    return [line(key, evidence=joined("evidence", volume.evidence[:2]), keep=True)]


def insipidus_lines(case: Case) -> list[Line]:
    """Returns that in central diabetes insipidus desmopressin is the cause, and how to give less.

    It is read before the rest of the plan. While sodium rises too fast, the card on the rate says
    that it is not to be stopped.
    """
    if not case.replaces_hormone or rises_fast(case) or osmolality_normal(case):
        return []
    return [] if unconfirmed(case) else [line("insipidus-dose", keep=True)]


def _insipidus_aquaresis(case: Case) -> list[Line]:
    """Returns that sodium rises fast once desmopressin wears off."""
    return [line("insipidus-aquaresis", keep=True)] if insipidus_lines(case) else []


def dialysis_lines(case: Case) -> list[Line]:
    """Returns that on dialysis the water leaves by dialysis, as slowly as sodium allows (F26).

    A potassium that cannot wait for the next session is told with it. Above the limit of the rise
    the card on the rate tells of the dialysate.
    """
    running = [] if rises_fast(case) else dialysis_fluid_lines(case)
    return [*running, *_dialysis_team_lines(case)]


def dialysis_fluid_lines(case: Case) -> list[Line]:
    """Returns the fluid for dialysis that runs, by name: it takes sodium toward its own (F26)."""
    if in_use(case) >= case.limits.dialysis_sodium_below and not case.rate.rule:
        return []
    running = dialysis_fluids(case)
    names = dict.fromkeys(order.fluid_name.value for order in running if order.fluid_name)
    if names:
        return [line("running-dialysis-fluid", fluid=RecordText("; ".join(names)), keep=True)]
    return lines_of({"running-dialysis-fluid-unnamed": running}, keep=True)


def _dialysis_team_lines(case: Case) -> list[Line]:
    if not case.dialysis:
        return []
    potassium = urgent_potassium(case)
    if rising_too_fast(case) or in_use(case) >= case.limits.dialysis_sodium_below:
        return [told(case, "dialysis-potassium", potassium)] if potassium else []
    limit = day_limit(case)
    if potassium is None:
        return [line("dialysis-team", limit=limit, keep=True)]
    return [line("dialysis-team-potassium", limit=limit, value=potassium.value, keep=True)]


def potassium_first(case: Case) -> list[Line]:
    """Returns a potassium that is treated before sodium; on dialysis that team is told.

    Below the mild band one that is high and not urgent is told there too (F26).
    """
    potassium = urgent_potassium(case)
    if case.dialysis:
        return []
    if potassium is None:
        by_drug = potassium_by_drug(case) is not None
        return raised_potassium(case) if by_drug else _potassium_today(case)
    drugs = ", ".join(potassium_drugs(case))
    key = "potassium-first-drugs" if drugs else "potassium-first"
    return [told(case, key, potassium, drug=drugs)]


def raised_potassium(case: Case) -> list[Line]:
    """Returns a high potassium with the drug that raises it, which is read before the rest (F26).

    Where a likely adrenal failure or the reason against restriction tells it, it is not said twice.
    """
    potassium, drugs = potassium_by_drug(case), potassium_drugs(case)
    if potassium is None or case.dialysis or urgent_potassium(case) is not None:
        return []
    said = {one.key for one in (*case.restriction.adrenal, *restriction_lines(case))}
    if any(key in POTASSIUM_SAID or key.startswith(POTASSIUM_ADRENAL) for key in said):
        return []
    needed = _needed_and_suspected(case)
    if needed:
        return [told(case, "potassium-raised-needed", potassium, drug=needed)]
    return [told(case, "potassium-raised", potassium, drug=", ".join(drugs[:2]))]


def _needed_and_suspected(case: Case) -> str:
    """Returns the needed treatment that raises potassium and may lower sodium, or ""."""
    raising, needed = potassium_drugs(case), case.sets.needed_treatments
    suspects = (e.drug for e in case.exposures.suspects)
    found = [drug.name for drug in suspects if drug.name in raising and drug.cls in needed]
    return found[0] if found else ""


def _potassium_today(case: Case) -> list[Line]:
    """Returns a high potassium that is not urgent, unless adrenal failure is told with it."""
    if case.sodium.band is Band.MILD or high_potassium(case) is None:
        return []
    if any(told.key == ADRENAL_POTASSIUM for told in case.restriction.adrenal):
        return []
    return potassium_lines(case)


def failing_kidney_lines(case: Case) -> list[Line]:
    """Returns that failing kidneys keep water in overload, and what takes it away (F26).

    Not in cirrhosis or with a lack of pressure, and not while a rise is too fast.
    """
    if case.volume.status is not Volume.HYPER or case.sodium.band is Band.MILD:
        return []
    spared = cirrhosis(case) or pressure_lost(case) or rises_fast(case)
    failing = [] if spared or shedding_water(case) is not None else kidney_lines(case)
    keys = {"measured-creatinine": "overload-kidney", "measured-egfr": "overload-kidney-egfr"}
    return [Line(keys[told.key], {"value": told.facts["value"]}, keep=True) for told in failing]


def unclear_volume(case: Case) -> list[Line]:
    """Returns what the urine alone would have judged wrongly: shock, or water that was drunk."""
    volume, failing = case.volume, _failing_volume(case)
    if failing:
        evidence, losers = joined("evidence", failing), salt_losers(case)
        if rises_fast(case):  # the card on the rise says to stop saline: one voice (F31)
            return [line("volume-shock-rising", evidence=evidence, keep=True)]
        if losers:
            return [line("volume-shock-salt", evidence=evidence, drug=losers[0], keep=True)]
        return [line("volume-shock", evidence=evidence, keep=True)]
    if volume.dry:
        return [_dry_line(case)]
    if volume.potassium is not None:
        return [line("volume-potassium", value=volume.potassium, keep=True)]
    window = case.limits.urine_labs_hours
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, window) if volume.drinks else None
    if urine is None or rises_fast(case):
        return []
    if case.sodium.band is Band.MILD:
        return [line("polydipsia-mild", evidence=volume.drinks, value=urine.value, keep=True)]
    return [line("polydipsia", evidence=volume.drinks, value=urine.value, keep=True)]


def _dry_line(case: Case) -> Line:
    """Returns that volume is examined, by weak signs, with what makes the kidney lose salt."""
    signs = case.volume.dry[: int(case.limits.suspects_to)]
    if rises_fast(case):
        return line("volume-shock-rising", evidence=joined("evidence", signs), keep=True)
    drugs = salt_shedders(case)
    if drugs:
        evidence = joined("evidence", signs)
        return line("volume-dry-drug", evidence=evidence, drug=drugs[0], keep=True)
    lost: tuple[str, ...] = losses(case)[:1]
    if little_urine_sodium(case) is not None:
        lost += (Sign.URINE_SODIUM_LOW,)
    return line("volume-dry", evidence=joined("evidence", (*lost, *signs)), keep=True)


def weak_sign_lines(case: Case) -> list[Line]:
    """Returns that volume is examined by weak signs, for a card of an emergency without a plan."""
    return [_dry_line(case)] if case.volume.dry else []


def salt_shedders(case: Case) -> tuple[str, ...]:
    """Returns the drugs by which the kidney loses salt: likely causes first, then diuretics."""
    diuretics = [e.drug.name for e in case.exposures.of(*case.sets.diuretics.members)]
    return (*salt_losers(case), *diuretics)


def _failing_volume(case: Case) -> tuple[str, ...]:
    """Returns a low pressure of unknown cause; vomiting may be the cause or one more sign."""
    volume = case.volume
    if volume.shock or volume.evidence != VOMITING_ALONE:
        return volume.shock
    fast = fast_heart(case, red_flag_window(case)) is not None
    failing = failing_circulation(case)
    return (*failing, *((Sign.HEART_RATE_HIGH,) if failing and fast else ()))


def shock_lines(case: Case) -> list[Line]:
    """Returns that volume is examined before hypertonic saline, while the circulation fails (M9).

    Where an adrenal crisis is likely its line says what is given.
    """
    known = _crisis_told(case) or crisis_lines(case)
    return [] if known or not _failing_volume(case) else unclear_volume(case)


def adrenal_first(case: Case) -> list[Line]:
    """Returns a likely adrenal failure, if it is read before the rest of the card (F5).

    It is while the circulation fails, with two grounds or a pattern of results, or if vomiting is
    the only symptom: it may be its sign.
    """
    adrenal = list(case.restriction.adrenal)
    if not adrenal or adrenal_likely(case):
        return adrenal
    symptoms = (*case.symptoms.severe, *case.symptoms.moderate)
    by_stomach = bool(symptoms) and set(symptoms) <= case.sets.sick_stomach.names
    return adrenal if by_stomach else []


def _crisis_told(case: Case) -> bool:
    return any(told.key.startswith(ADRENAL_CRISIS) for told in case.restriction.adrenal)


def plan_suggestions(case: Case) -> list[Suggestion]:
    """Returns the fluid restriction, if it is safe, and the stops, one button per drug."""
    if osmolality_normal(case) or unconfirmed(case):
        return []
    return [*restriction_suggestions(case), *stop_suggestions(case)]


def background(case: Case) -> list[Line]:
    """Returns what every card about low sodium rests on: doubts, volume, risk, reasons, drugs."""
    return [
        *doubt_lines(case),
        *volume_lines(case),
        *measured_lines(case),
        *([] if risk_leads(case) else risk_lines(case)),
        *_further_reasons(case),
        *drug_lines(case),
    ]


def background_of_plan(case: Case) -> list[Line]:
    """Returns the background without the results that the plan tells already."""
    said = [*potassium_first(case), *(kidney_lines(case) if failing_kidney_lines(case) else [])]
    return [told for told in background(case) if told not in said]


def fluid_lines(case: Case) -> list[Line]:
    """Returns the infusions that run now, by name: hypotonic fluid first of all (F28).

    After a rise that was too fast it may be meant to lower sodium again.
    """
    return [*weak_fluid_lines(case), *_isotonic_lines(case), *strong_fluid_lines(case)]


def _isotonic_lines(case: Case) -> list[Line]:
    """Returns the isotonic fluid that runs in SIADH, where it can lower sodium further (F28)."""
    others = [flag for flag in case.restriction.red_flags if flag.key != ISOTONIC_ORDERED]
    running = case.raising_fluids
    if not running or others or rises_fast(case) or case.relowered or not _keeps_water(case):
        return []
    names = dict.fromkeys(order.fluid_name.value for order in running if order.fluid_name)
    if not names:
        return [line("running-isotonic-unnamed", keep=True)]
    fluid = RecordText("; ".join(names))
    urine = case.readings.latest(Analyte.URINE_OSMOLALITY, case.limits.urine_labs_hours)
    if urine is None or not concentrated_urine(case):
        return [line("running-isotonic", fluid=fluid, keep=True)]
    return [line("isotonic-in-siadh", fluid=fluid, value=urine.value, keep=True)]


def _keeps_water(case: Case) -> bool:
    """Returns whether the body keeps water and sheds salt: recorded, or by a concentrated urine."""
    if case.volume.status is not Volume.EUV or unclear_volume(case):
        return False
    return Problem.SIADH in case.volume.evidence or concentrated_urine(case)


def weak_fluid_lines(case: Case) -> list[Line]:
    """Returns the hypotonic fluid that runs, which is stopped before anything else is given."""
    if rising_too_fast(case) or case.relowered:
        return []
    weak = [order for order in case.running_fluids if not is_hypertonic(order)]
    return [_fluid_line(_running_weak(case, order), order) for order in weak]


def strong_fluid_lines(case: Case) -> list[Line]:
    """Returns the hypertonic saline that runs: to be stopped if no rise is left (F28).

    Against pressure in the skull it may go on: its rate is checked.
    """
    strong = [order for order in case.running_fluids if is_hypertonic(order)]
    too_fast = rising_too_fast(case) and case.rate.level in ("warning", "critical")
    stops = (too_fast or limit_reached(case)) and not (
        case.symptoms.icp_indication or case.symptoms.brain_edema
    )
    key = "running-hypertonic-stop" if stops else "running-hypertonic"
    return [_fluid_line(key, order) for order in strong]


def fluid_beside(case: Case, drug: DrugMatch) -> list[Line]:
    """Returns the hypotonic fluid that runs, for the card of an order that may lower sodium (F28).

    A loop diuretic sheds water. In central diabetes insipidus the fluid belongs to desmopressin.
    """
    replaced = drug.cls == DrugClass.DESMOPRESSIN and recorded(case, Problem.DIABETES_INSIPIDUS)
    if drug.cls == DrugClass.LOOP or replaced:
        return []
    return [_line_beside(told, drug) for told in weak_fluid_lines(case)]


def _line_beside(told: Line, drug: DrugMatch) -> Line:
    """Returns the line of hypotonic fluid with the drug; a diluent and a tube keep their own."""
    if told.key not in BESIDE:
        return told
    return Line(BESIDE[told.key], {**told.facts, "drug": drug.name}, keep=True)


def _running_weak(case: Case, order: Order) -> str:
    """Returns the line on hypotonic fluid that runs: by a tube, with a drug, or by itself."""
    if order.nutrition is not None:
        return "running-nutrition"
    if order.tube_water:
        return "running-tube"
    if order.alkali:
        return "running-alkali"
    return "running-diluent" if is_diluent(case, order) else "running-hypotonic"


def irrigation_lines(case: Case) -> list[Line]:
    """Returns the irrigation that runs, by its solute: its water goes into the blood (F2, F28)."""
    now, window = case.snapshot.now, case.limits.acute_irrigation_hours
    running = [
        drug.name
        for order in case.snapshot.exposures
        if order.irrigation
        and case.is_active(order)
        and (order.begun is None or now - order.begun <= window)
        for drug in order.drugs
        if drug.cls in case.sets.water_shift
    ]
    return [line("running-irrigation", drug=drug, keep=True) for drug in dict.fromkeys(running)]


def _fluid_line(key: str, order: Order) -> Line:
    facts: dict[str, Fact] = {"drug": order.alkali} if key == "running-alkali" else {}
    if order.fluid_name is None:
        return Line(f"{key}-unnamed", facts, keep=True)
    return Line(key, {**facts, "fluid": order.fluid_name}, keep=True)


# ---- fluid restriction ----


def restriction_lines(case: Case) -> list[Line]:
    """Returns the verdict on fluid restriction in one line: its leading reason (F51)."""
    restriction = case.restriction
    if undiluted(case) and restriction.verdict == "text":
        return list(restriction.adrenal)  # the line about the osmolality leads (M6)
    if restriction.verdict == "ordered":
        against = restriction.adrenal or restriction.reasons[:1]
        return [*_ordered_lines(case), *(against or drinking_lines(case))]
    if restriction.verdict == "never":
        lost = [told for told in restriction.fluid if told.key == LOSSES]
        return [*_harm(case), *lost[:1], *restriction.running[:1], *restriction.adrenal]
    if restriction.verdict != "offer":
        adrenal = list(restriction.adrenal)
        return adrenal or drink_after_surgery(case) or _untold_reason(case)
    if case.symptoms.severe:
        return []  # a severe symptom comes first, also with another cause
    return [
        *_before_the_offer(case),
        line(_offer(case), ml=case.limits.fluid_ml_day, keep=True),
        *_likely_to_fail(case),
        *drinking_lines(case),
        *lines_of({"restriction-heart-failure": heart_failure(case)}),
        *fluid_orders_unread(case),
    ]


def _before_the_offer(case: Case) -> list[Line]:
    """Returns the condition of a restriction in the severe band, with its next step (N4)."""
    if case.sodium.band is not Band.SEVERE:
        return []
    if not case.restriction.likely_insufficient:
        return [line("restriction-severe", ml=case.limits.fluid_ml_day, keep=True)]
    if salt_harms(case):
        return [line("restriction-severe-next-no-salt", keep=True)]
    return [line("restriction-severe-next", keep=True)]


def after_surgery(case: Case) -> list[Line]:
    """Returns that pituitary surgery is the likely cause, after cortisol if that is not settled."""
    told = surgery_lines(case)
    return [*case.restriction.adrenal, *told] if told else []


def drink_after_surgery(case: Case) -> list[Line]:
    """Returns how much is drunk after pituitary surgery, if cortisol is known to be enough (F5).

    Not if anything speaks for lost volume: in about a quarter of them salt is lost.
    """
    restriction = case.restriction
    keys = {reason.key for reason in restriction.reasons}
    dry = restriction.red_flags or restriction.fluid or not keys <= {NEAR_NORMAL, CONDITIONAL}
    if restriction.verdict != "text" or dry or restriction.adrenal or high_cortisol(case) is None:
        return []
    return [line("pituitary-drink", keep=True)] if surgery_lines(case) else []


def _likely_to_fail(case: Case) -> list[Line]:
    """Returns the next step beside a restriction that is likely to fail by the urine (N4)."""
    told = case.sodium.band is Band.SEVERE
    return [after_failure(case)] if case.restriction.likely_insufficient and not told else []


def after_failure(case: Case) -> Line:
    """Returns what is planned where restriction alone is likely to fail (N4)."""
    return line("restriction-next-no-salt" if salt_harms(case) else "restriction-next", keep=True)


def drinking_lines(case: Case) -> list[Line]:
    """Returns the orders to drink much that are active beside a restriction, by name (F23)."""
    active = case.sets.active_statuses
    running = [o for o in case.snapshot.exposures if o.asks_to_drink and o.status in active]
    named = next((order.fluid_name for order in running if order.fluid_name), None)
    if named is not None:
        return [line("drinking-running", order=named, keep=True)]
    return lines_of({"drinking-running-unnamed": running}, keep=True)


def fluid_orders_unread(case: Case) -> list[Line]:
    """Returns that an existing fluid order may have been missed: the prefetch holds none."""
    unread = not any(case.snapshot.complete(source) for source in FLUID_ORDERS)
    return lines_of({"restriction-orders-unread": unread}, keep=True)


def restriction_suggestions(case: Case) -> list[Suggestion]:
    """Returns the draft of a fluid restriction, only if the verdict offers it."""
    restriction = case.restriction
    if restriction.verdict != "offer" or case.symptoms.severe:
        return []
    caveats = dict.fromkeys(restriction.caveats)
    if restriction.likely_insufficient:
        caveats["caveat-insufficient"] = None
    ml = number(case.limits.fluid_ml_day)
    draft = DraftOrder(OrderTemplate.FLUID_RESTRICTION, ml)
    if not caveats:
        return [Suggestion("fluid-restriction", (draft,), {"ml": ml})]
    facts = {"ml": ml, "caveats": joined("line", caveats)}
    return [Suggestion("fluid-restriction-caveats", (draft,), facts)]


def _offer(case: Case) -> str:
    """Returns the offer with its guidance; beyond cirrhosis the figure is borrowed (S1-5, N6)."""
    if case.volume.status is Volume.EUV:
        return "restriction-euvolemic"
    if not cirrhosis(case):
        return "restriction-overload-other"
    # The article alone restricts in the mild band (F35).
    return "restriction-overload-mild" if _mildly_low(case) else "restriction-overload"


def _mildly_low(case: Case) -> bool:
    return in_use(case) >= case.limits.stop_diuretics_below


def _ordered_lines(case: Case) -> list[Line]:
    """Returns that a restriction runs, by its name: to be lifted, if anything speaks against it."""
    restriction = case.restriction
    if restriction.reasons and restriction.running:
        return list(restriction.running[:1])
    names = restriction.running_names
    if not names:
        return [line("restriction-ordered")]
    orders = RecordText(", ".join(name.value for name in names))
    if len(names) > 1:
        return [line("restriction-ordered-several", orders=orders, keep=True)]
    return [line("restriction-ordered-named", order=orders)]


def running_restriction(case: Case) -> list[Line]:
    """Returns the restriction that runs while sodium rises too fast, to be lifted."""
    lifted = rises_fast(case) and not water_stays_restricted(case)
    return list(case.restriction.running[:1]) if lifted else []


def _harm(case: Case) -> list[Line]:
    """Returns the first reason why restriction harms; after brain injury with what is given."""
    return volume_first(case) or list(case.restriction.reasons[:1])


def volume_first(case: Case) -> list[Line]:
    """Returns, in salt wasting or after brain injury, that no fluid is restricted but given.

    It is one line, so that it is among the first of a card that an acute fall leads. While sodium
    rises too fast or the kidney sheds water, no salt is told by reflex (F27).
    """
    if rises_fast(case) or shedding_water(case) is not None:
        return []
    reasons = case.restriction.reasons
    key = NEVER_WITH_TREATMENT.get(reasons[0].key) if reasons else None
    if key is not None:
        return [Line(key, reasons[0].facts, keep=True)]
    if case.volume.status is not Volume.CONFLICT:
        return []
    # Vomiting may be a symptom of the injury, and makes restriction no safer.
    injured = case.problems.happened(case.sets.brain_injury, case.limits.brain_injury_days)
    return [line("neuro-first", evidence=joined("evidence", injured), keep=True)] if injured else []


def _leading_reason(case: Case) -> list[Line]:
    """Returns the reason that weighs most; conditional words lead only beside unread data."""
    restriction = case.restriction
    near_normal = [r for r in restriction.reasons if r.key == NEAR_NORMAL]
    reasons = [r for r in restriction.reasons if r.key != WEARS_OFF]  # it is said before the plan
    weighty = [r for r in reasons if r.key != CONDITIONAL and not r.key.endswith(UNKNOWN_DATA)]
    # Fluid that is ordered is no sign of the patient, and gives way to a state that forbids it.
    signs = [flag for flag in restriction.red_flags if flag.key != ISOTONIC_ORDERED]
    state = [r for r in restriction.reasons if r.key in LEADING_STATES]
    candidates = (
        restriction.fluid
        or signs
        or state
        or restriction.red_flags
        or near_normal
        or weighty
        or reasons
    )
    return list(candidates[:1])


def _untold_reason(case: Case) -> list[Line]:
    """Returns the leading reason, unless the line before says it: examine volume, the signs.

    Beside a low pressure it gives way if a potassium needs the room.
    """
    reasons = _leading_reason(case)
    told = case.volume.dry or (case.volume.shock and potassium_by_drug(case) is not None)
    return [one for one in reasons if one.key not in DRY_FLAGS] if told else reasons


def _further_reasons(case: Case) -> list[Line]:
    """Returns the reasons that do not lead; conditional words are shown only if they lead."""
    restriction = case.restriction
    leading = {
        "never": list(restriction.reasons[:1]),
        "ordered": list(restriction.reasons[:1]),
    }.get(restriction.verdict, _untold_reason(case))
    shown = [(reason.key, reason.facts) for reason in (*restriction.adrenal, *leading)]
    further = [r for r in restriction.reasons if r.key != CONDITIONAL]
    return [r for r in further if (r.key, r.facts) not in shown]


# ---- volume status ----


def volume_lines(case: Case) -> list[Line]:
    """Returns how the volume status was judged, or a hint at it if it is not known."""
    volume = case.volume
    if volume.status is Volume.CONFLICT:
        return []
    if volume.status is Volume.UNKNOWN:
        return _hint_lines(case)
    if not volume.evidence:
        return []
    if volume.evidence == VOMITING_ALONE:
        return [line("volume-vomiting", keep=True)]
    evidence = joined("evidence", volume.evidence)
    # What is recorded in the same words needs no conclusion (F37).
    doubted = volume.status is Volume.EUV and (volume.shock or signs_of_loss(case))
    recorded_so = volume.evidence[0] in case.sets.says_itself or bool(doubted)
    key = "volume-recorded" if recorded_so else f"volume-{volume.status}"
    return [
        line(key, evidence=evidence, keep=True),
        *([_siadh_pattern(case)] if volume.by_labs and not _drug_keeps_water(case) else []),
        *_after_pituitary_surgery(case),
    ]


def _hint_lines(case: Case) -> list[Line]:
    """Returns what hints at overload; a weight that rose by much says more than a hint (M8)."""
    hint = [sign for sign in case.volume.hint if sign != Sign.WEIGHT_GAIN]
    gained = weight_gained(case) if case.volume.hint else None
    if gained is not None and hint:
        evidence = joined("evidence", hint)
        return [line("volume-hint-weight", evidence=evidence, kg=gained, keep=True)]
    evidence = joined("evidence", case.volume.hint)
    return [line("volume-hint", evidence=evidence)] if evidence else []


def _drug_keeps_water(case: Case) -> bool:
    """Returns whether the concentrated urine is made by desmopressin."""
    return case.replaces_hormone or wears_off(case)


def volume_state(case: Case) -> str:
    """Returns the judged volume as a fact of a headline; "" if it is not known.

    The urine alone is named as a pattern only if nothing speaks for lost volume.
    """
    volume = case.volume
    if volume.shock:
        return joined("evidence", volume.shock)
    if volume.status in (Volume.CSW, Volume.NEURO, Volume.ADRENAL):
        return joined("evidence", volume.evidence[:1])
    key = {
        Volume.HYPO: "" if volume.evidence == VOMITING_ALONE else "state-dry",
        Volume.HYPER: "state-overload-kidney" if failing_kidney_lines(case) else "state-overload",
        Volume.EUV: "state-siadh" if _is_plain_siadh(case) else "",
    }.get(volume.status, "")
    return joined("line", [key]) if key else ""


def _is_plain_siadh(case: Case) -> bool:
    restriction = case.restriction
    against = restriction.red_flags or restriction.adrenal or salt_losers(case)
    return not (against or _drug_keeps_water(case))


def _after_pituitary_surgery(case: Case) -> list[Line]:
    """Returns that sources differ: mostly SIADH, in some salt wasting, so that volume decides."""
    happened = case.problems.happened(case.sets.pituitary_surgery, case.limits.brain_injury_days)
    helped = happened and case.volume.status is Volume.EUV
    return [line("volume-after-pituitary", keep=True)] if helped else []


def _siadh_pattern(case: Case) -> Line:
    """Returns the pattern of SIADH with what else may be the cause, as far as hormones tell."""
    cortisol = high_cortisol(case)
    tsh = case.readings.latest(Analyte.TSH, case.limits.tsh_told_days)
    if tsh is not None and tsh.above(case.limits.tsh_told_above):
        tsh = None
    if cortisol is not None and tsh is not None:
        both = "siadh-pattern-both"
        return line(
            both, keep=True, cortisol=case.as_sent(Analyte.CORTISOL, cortisol.value), tsh=tsh.value
        )
    if cortisol is not None:
        return line(
            "siadh-pattern-cortisol",
            cortisol=case.as_sent(Analyte.CORTISOL, cortisol.value),
            keep=True,
        )
    if tsh is not None:
        return line("siadh-pattern-tsh", tsh=tsh.value, keep=True)
    return line("siadh-pattern", keep=True)


def leading_risk(case: Case) -> list[Line]:
    """Returns the risk of osmotic demyelination for the face of a card that is not mild (F27)."""
    if not risk_leads(case):
        return []
    thiamine = any(reason in case.sets.needs_thiamine for reason in case.risk.reasons)
    return [*risk_lines(case), *lines_of({"thiamine": thiamine}, keep=True)]


def risk_leads(case: Case) -> bool:
    """Returns whether the risk is told among what to do: below the mild band (F27)."""
    return case.risk.high and case.sodium.band is not Band.MILD


def risk_lines(case: Case) -> list[Line]:
    """Returns a high risk of osmotic demyelination with its reasons."""
    if not case.risk.high:
        return []
    reasons = joined("evidence", case.risk.reasons)
    # The limit of the European profile is the same at every risk; the one for the liver is lower.
    liver = case.limits.profile == EUROPEAN and cirrhosis(case)
    key = f"risk-{case.limits.profile}"
    return [line(f"{key}-cirrhosis" if liver else key, evidence=reasons, keep=True)]


def crisis_lines(case: Case) -> list[Line]:
    """Returns the treatment of an adrenal crisis, or of what may become one (M7, F5)."""
    if adrenal_crisis(case):
        return [line("adrenal-crisis", keep=True)]
    if case.volume.status is not Volume.ADRENAL:
        return []
    return [_adrenal_treatment(case)]


def adrenal_beside(case: Case) -> list[Line]:
    """Returns the hormone that belongs beside saline, if adrenal failure is likely (F5)."""
    known = crisis_lines(case)
    if known:
        return known
    grounds = adrenal_grounds(case)
    return [line("adrenal-beside", evidence=grounds[0].names, keep=True)] if grounds else []


def _adrenal_treatment(case: Case) -> Line:
    """Returns what recorded adrenal failure needs; under a glucocorticoid no test tells it."""
    drug = on_glucocorticoid(case)
    return (
        line("adrenal-replaced", drug=drug, keep=True) if drug else line("adrenal-treat", keep=True)
    )


def _volume_treatment(case: Case) -> list[Line]:
    """Returns what the volume status needs beside fluid restriction."""
    status = case.volume.status
    rises = rising_too_fast(case) or shedding_water(case) is not None  # F27: no saline by reflex
    treat = TREAT_WHILE_RISING if rises else TREAT
    if status is Volume.ADRENAL:
        return [_adrenal_treatment(case)]
    if status in treat:
        return [] if volume_first(case) else [line(treat[status])]
    if case.volume.evidence == VOMITING_ALONE:
        key = "hypovolemia-rising" if rises else "vomiting-alone"
        return [] if status is Volume.CONFLICT else [line(key)]
    if status is Volume.HYPO:
        lost = case.sets.fluid_losses.among(frozenset(case.volume.evidence))
        return [line("hypovolemia-losses" if lost else "hypovolemia-replace")]
    if status is Volume.EUV:
        return _after_restriction(case)
    severe = case.sodium.band is Band.SEVERE and cirrhosis(case)
    if status is Volume.HYPER and severe and not _kidney_fails_in_cirrhosis(case):
        return [line("overload-albumin")]
    return []


def volume_plan(case: Case) -> list[Line]:
    """Returns isotonic fluid and the diuretic to stop, if volume is lost by more than vomiting."""
    if case.volume.status is not Volume.HYPO or case.volume.evidence == VOMITING_ALONE:
        return []
    return [*_volume_treatment(case), *_stop_lines(case, diuretics_to_stop(case))]


def _kidney_fails_in_cirrhosis(case: Case) -> bool:
    """Returns whether creatinine rises in cirrhosis with a severely low sodium (M14)."""
    if case.sodium.band is not Band.SEVERE or not cirrhosis(case) or rises_fast(case):
        return False
    window = red_flag_window(case)
    injured = case.problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
    return injured or creatinine_rise(case, window) is not None


def _after_restriction(case: Case) -> list[Line]:
    """Returns the next step for SIADH, if fluid is restricted and sodium does not rise fast."""
    if case.sodium.band is Band.MILD or rises_fast(case) or wears_off(case):
        return []
    if case.volume.dry:
        return []  # no urea and no salt tablets before volume is examined
    if case.restriction.verdict not in RESTRICTING or case.restriction.likely_insufficient:
        return []
    return [line("euvolemia-next-no-salt" if salt_harms(case) else "euvolemia-next")]


# ---- diuretics that should stop ----


def diuretics_to_stop(case: Case) -> list[Exposure]:
    """Returns the diuretics that should stop, by a click or in words (M14, N8)."""
    return [exposure for exposure in case.exposures.active if _should_stop(case, exposure)]


def stop_suggestions(case: Case) -> list[Suggestion]:
    """Returns one button for each diuretic whose prescriptions a click may safely stop."""
    if rises_fast(case) or _no_stop_because(case):
        return []
    buttons = []
    for exposure in diuretics_to_stop(case):
        drug, orders = exposure.drug, running(case, exposure)
        stoppable = bool(orders) and all(order.stoppable for order in orders)
        if stoppable and not _is_combination(orders):
            kind = "stop-drug-potassium" if drug.cls == DrugClass.MRA else "stop-drug"
            actions = tuple(StopOrder(o.reference, drug.name) for o in orders)
            buttons.append(Suggestion(kind, actions, {"drug": drug.name}))
    return buttons


def stop_lines(case: Case) -> list[Line]:
    """Returns which diuretics should stop, for a card that has no whole plan."""
    return _stop_lines(case, diuretics_to_stop(case))


def _stop_lines(case: Case, diuretics: list[Exposure]) -> list[Line]:
    """Returns which diuretics should stop, and why a stop is not offered."""
    if not diuretics:
        return []
    if rises_fast(case):
        # Without a diuretic the kidney sheds water, and sodium rises faster still.
        names = sorted(exposure.drug.name for exposure in diuretics)
        return [line("stop-rising", drugs=", ".join(names))]
    lines = combination_lines(case, diuretics)
    single = [e.drug.name for e in diuretics if not is_combined(case, e)]
    if not single:
        return lines
    key = "stop-cirrhosis" if liver_forbids_diuretics(case) else "stop-thiazide"
    lines.append(line(key, drugs=", ".join(single), keep=True))
    withheld = _no_stop_because(case)
    return [*lines, line(withheld)] if withheld else lines


def combination_lines(case: Case, diuretics: Iterable[Exposure]) -> list[Line]:
    """Returns how those of the diuretics are stopped whose product holds another drug too."""
    return [_combination_line(case, e) for e in diuretics if is_combined(case, e)]


def is_combined(case: Case, exposure: Exposure) -> bool:
    """Returns whether a product that runs holds this drug and another one."""
    return _is_combination(running(case, exposure))


def running(case: Case, exposure: Exposure) -> list[Order]:
    """Returns its prescriptions that still run; given doses and statements cannot be stopped."""
    ended = case.sets.ended_statuses
    prescribed = [o for o in exposure.orders if o.reference.startswith(PRESCRIPTION)]
    return [o for o in prescribed if o.status not in ended]


def _should_stop(case: Case, exposure: Exposure) -> bool:
    """Returns whether a thiazide, or any diuretic in cirrhosis, may be the cause and has to go.

    In heart failure diuretics are part of the treatment.
    """
    drug = exposure.drug
    if drug.cls not in case.sets.diuretics or heart_failure(case):
        return False
    if drug.cls == DrugClass.THIAZIDE and decongesting(case):
        return False
    if liver_forbids_diuretics(case):
        return True
    if drug.cls != DrugClass.THIAZIDE or exposure.attribution == "unlikely":
        return False
    if case.sodium.band is not Band.MILD or case.volume.status is Volume.HYPO:
        return True
    return has_mild_symptom(case) and in_use(case) < case.limits.mild_workup_below


def _is_combination(orders: list[Order]) -> bool:
    return any(order.ingredient_count > 1 or order.partners for order in orders)


def _combination_line(case: Case, exposure: Exposure) -> Line:
    """Returns that a product holds more than the drug: its partner alone, or neither of them."""
    orders = running(case, exposure)
    partners = sorted({partner for order in orders for partner in order.partners})
    facts = {"drug": exposure.drug.name}
    if partners:
        facts["partner"] = ", ".join(partners)
    key = f"stop-combination{_of_partner(case, orders)}"
    dangers = _partner_dangers(case, [drug for order in orders for drug in order.drugs])
    if not dangers:
        return Line(key, facts, keep=True)
    named = dangers[: int(case.limits.suspects_to)]
    return Line(f"{key}-danger", {**facts, "evidence": joined("evidence", named)}, keep=True)


def _of_partner(case: Case, orders: list[Order]) -> str:
    """Returns the part of the key that says whether the partner is known, and may not end fast.

    A partner of which no class is known may be a beta-blocker.
    """
    partners = {partner for order in orders for partner in order.partners}
    if not partners:
        return "-unnamed"
    known = {drug.name: drug.cls for order in orders for drug in order.drugs}
    tapered = case.sets.tapered_partners
    plain = all(name in known and known[name] not in tapered for name in partners)
    return "" if plain else "-tapered"


def _partner_dangers(case: Case, drugs: Iterable[DrugMatch]) -> tuple[str, ...]:
    """Returns what forbids to go on with the partner: lost volume, kidney injury, potassium.

    A partner that is not known counts as one that lowers the pressure.
    """
    sets, window = case.sets, red_flag_window(case)
    classes = [drug.cls for drug in drugs]
    dangers = dict.fromkeys(pressure_lost(case))
    if any(cls in sets.kidney_held for cls in classes):
        injured = case.problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
        dangers |= {Sign.CREATININE_RISE: None} if creatinine_rise(case, window) else {}
        dangers |= {Problem.ACUTE_KIDNEY_INJURY: None} if injured else {}
    raises = any(cls in sets.potassium_raising for cls in classes)
    if raises and high_potassium(case) is not None:
        dangers[Sign.POTASSIUM_HIGH] = None
    return tuple(dangers)


def _no_stop_because(case: Case) -> str:
    """Returns the line that says why no stop is drafted at all; empty if one may be."""
    if not case.snapshot.complete("medications", "conditions"):
        return "stop-unread"
    return "stop-doubtful" if case.doubtful else ""


# ---- drugs that are reviewed ----


def review_lines(case: Case, leave_out: Collection[str] = ()) -> list[Line]:
    """Returns how to review what may cause or worsen it, but for what should stop (DRUG, F50)."""
    groups: dict[str, list[str]] = {}
    reviewed = (*case.exposures.suspects, *case.exposures.worsening)
    left_out = {*leave_out, *(exposure.drug.name for exposure in held_thiazides(case))}
    raised = [one for one in raised_potassium(case) if one.key == "potassium-raised-needed"]
    said_with_potassium = [one.facts["drug"] for one in raised]
    for drug in (exposure.drug for exposure in reviewed):
        said_with_the_rise = case.rate.rule and drug.cls in case.sets.kept_in_a_rise
        dosed = insipidus_lines(case) or pause_lines(case)
        told = dosed and drug.cls == DrugClass.DESMOPRESSIN
        told = told or _gives_way_to_surgery(case, drug) or drug.name in said_with_potassium
        if drug.name not in left_out and not (told or said_with_the_rise):
            groups.setdefault(_review_key(case, drug), []).append(drug.name)
    return [line(key, drugs=", ".join(drugs)) for key, drugs in groups.items()]


def _gives_way_to_surgery(case: Case, drug: DrugMatch) -> bool:
    """Returns whether a weakly linked drug is no question beside pituitary surgery (F5, F8)."""
    weak = drug.tier in case.sets.weak_tiers and drug.cls not in case.sets.diuretics
    return weak and pituitary_surgery(case) is not None


def _review_key(case: Case, drug: DrugMatch) -> str:
    """Returns the line that says how a drug is reviewed.

    While sodium rises too fast, stopping what lowers it would speed the rise (F4).
    """
    if drug.cls == DrugClass.DESMOPRESSIN and clamp_runs(case):
        return "review-clamp"
    if rises_fast(case):
        return "keep-antidiuretic" if drug.cls in case.sets.kept_in_a_rise else "stop-rising"
    if begun_lately(case, drug):
        return "review-early"
    if drug.cls in case.sets.never_abruptly:
        held = drug.cls == DrugClass.DESMOPRESSIN and taken_for(case) == "bleeding"
        return "review-need" if held else "review-gently"
    if drug.cls in case.sets.diuretics:
        return _review_diuretic(case, drug)
    if drug.cls in case.sets.needed_treatments:
        return _review_treatment(case, drug)
    if drug.tier in case.sets.weak_tiers and stronger_cause(case):
        return "review-after-losses"
    return "review-need"


def _review_treatment(case: Case, drug: DrugMatch) -> str:
    """Returns that a needed treatment goes on, unless it stops for a potassium that is urgent."""
    stops = urgent_potassium(case) is not None and not case.dialysis
    ends = stops and drug.name in potassium_drugs(case)
    return "review-treatment-potassium" if ends else "review-treatment"


def _review_diuretic(case: Case, drug: DrugMatch) -> str:
    """Returns the line on a diuretic: where it drains an overload it is the treatment (F48)."""
    if circulation_fails(case):
        return "review-shock"
    failing = heart_failure(case)
    if drug.cls == DrugClass.THIAZIDE and decongesting(case):
        by_heart = failing or acute_congestion(case) or not overloaded(case)
        return "review-decongestion" if by_heart else "review-beside-loop"
    if drug.tier in case.sets.weak_tiers and stronger_cause(case):
        return "review-after-losses"
    if not failing and not is_drain(case, drug):
        return "review-need"
    dry = "-dry" if not decongesting(case) and volume_lost(case) else ""
    return f"review-{'heart-failure' if failing else 'overload'}{dry}"


# ---- a thiazide in heart failure that does harm (F18, F48)


def held_lines(case: Case) -> list[Line]:
    """Returns that a thiazide is held in heart failure too, with its signs and potassium (F18).

    While sodium rises too fast, stopping it is left to the specialists.
    """
    held = held_thiazides(case)
    if not held:
        return []
    drugs = ", ".join(exposure.drug.name for exposure in held)
    if rises_fast(case):
        return [line("stop-rising", drugs=drugs)]
    signs = volume_lost(case)
    hold = line("thiazide-hold-sodium", drugs=drugs, keep=True)
    if signs:
        hold = line("thiazide-hold", drugs=drugs, evidence=joined("evidence", signs), keep=True)
    return [hold, *potassium_lines(case, high=False)]


def held_thiazides(case: Case) -> list[Exposure]:
    """Returns the thiazides that are held although heart failure is recorded or treated (F18).

    In acute heart failure a low sodium alone is no reason, because they drain the lungs (F48).
    """
    acute = decongesting(case)
    if not acute and not heart_failure(case):
        return []
    low = not acute and in_use(case) < case.limits.thiazide_hold_below
    if not low and not volume_lost(case):
        return []
    thiazides = case.exposures.of(DrugClass.THIAZIDE)
    return [exposure for exposure in thiazides if exposure.attribution != "unlikely"]


# ---- cramps ----


def cramp_lines(case: Case) -> list[Line]:
    """Returns what to do about cramps in cirrhosis (S15, S1-13)."""
    if not (case.symptoms.cramp and cirrhosis(case)):
        return []
    keep_diuretic = heart_failure(case) or rising_too_fast(case)
    on_diuretic = case.exposures.of(*case.sets.diuretics.members)
    return [
        *lines_of({"cramp-diuretic": on_diuretic and not keep_diuretic}),
        _cramp_treatment(case),
    ]


def cramp_background(case: Case) -> list[Line]:
    """Returns that low sodium hardly explains cramps, and why no baclofen is drafted."""
    if not case.symptoms.cramp:
        return []
    caveat = line("cramp-caveat", keep=True)
    withheld = baclofen_withheld(case) if cirrhosis(case) else None
    return [caveat, withheld] if withheld else [caveat]


def cramp_suggestions(case: Case) -> list[Suggestion]:
    """Returns the laboratory panel, and in cirrhosis baclofen if nothing speaks against it."""
    if not case.symptoms.cramp:
        return []
    if not cirrhosis(case) or baclofen_withheld(case):
        return cramp_labs(case)
    mg = number(case.limits.baclofen_start_mg)
    return [
        *cramp_labs(case),
        Suggestion("baclofen", (DraftOrder(OrderTemplate.BACLOFEN, mg),), {"mg": mg}),
    ]


def baclofen_withheld(case: Case) -> Line | None:
    """Returns the line with the first reason why no baclofen is drafted (S15, F17)."""
    limits, sets, taken = case.limits, case.sets, case.exposures
    kidney, latest = egfr(case), case.sodium.latest
    unread = not case.snapshot.complete(*BACLOFEN_SOURCES)
    weak = kidney is not None and not kidney.at_least(limits.baclofen_egfr_from)
    old = case.age_years is not None and case.age_years >= limits.falls_age_years
    sedatives = taken.of(*sets.sedatives.members)
    against = [e for e in taken.active if e.drug.name in sets.encephalopathy_drugs]
    reasons: dict[str, object] = {
        "baclofen-taken": taken.of(DrugClass.BACLOFEN),
        "baclofen-unread": unread or case.age_years is None,
        "baclofen-kidney-unknown": kidney is None,
        "baclofen-kidney": weak or case.dialysis,
        "baclofen-encephalopathy": ever_recorded(case, *sets.no_baclofen.members),
        "baclofen-encephalopathy-drug": against,
        "baclofen-seizure": case.symptoms.seizure,
        "baclofen-sedative": sedatives,
        "baclofen-fall": old and case.symptoms.fall_or_fracture,
        "baclofen-pregnancy": case.pregnant,
        "baclofen-sodium": latest is None or latest.value < limits.baclofen_sodium_from,
    }
    key = next((key for key, holds in reasons.items() if holds), "")
    named = {"baclofen-encephalopathy-drug": against, "baclofen-sedative": sedatives}
    if key in named:
        return line(key, drug=named[key][0].drug.name)
    return line(key) if key else None


def egfr(case: Case) -> Reading | None:
    """Returns the newest estimated GFR that is recent enough to judge the kidney by."""
    return case.readings.latest(Analyte.EGFR, case.limits.baclofen_egfr_days)


def _cramp_treatment(case: Case) -> Line:
    limits, kidney = case.limits, egfr(case)
    if case.dialysis:
        return line("cramp-dialysis")
    if kidney and kidney.below(limits.baclofen_egfr_avoid_below):
        return line("cramp-albumin-only")
    weak = kidney is not None and kidney.below(limits.baclofen_egfr_from)
    return line(
        "cramp-cirrhosis-reduced" if weak else "cramp-cirrhosis",
        start=limits.baclofen_start_mg,
        step=limits.baclofen_step_mg,
        max=limits.baclofen_max_mg,
    )


# ---- further advice ----


def plan_advice(case: Case, *, critical: bool = False) -> list[Line]:
    """Returns the articles' advice, the first to go when a card grows too long (S9).

    A critical card has no room for what holds for everybody (F37).

    What changes care comes first, rationale last. What raises sodium further has no place on a
    card that says it rose too fast.
    """
    if undiluted(case):
        return []  # no advice rests on a sodium that may be an artifact (M6)
    restriction, liver = case.restriction, cirrhosis(case)
    may_rise = not rises_fast(case)
    against = frozenset(reason.key for reason in restriction.reasons)
    return lines_of(
        {
            "restriction-watch": restriction.verdict in RESTRICTING,
            f"vaptan-{case.limits.profile}": may_rise and _vaptan_may_help(case, against),
            "avoid-water": not critical and may_rise and _water_may_harm(case, against),
            "salty-food": may_rise and _salt_may_help(case, against),
            "hypovolemia-watch": case.volume.status is Volume.HYPO,
            "treat-cause-cirrhosis": liver and may_rise and not critical,
            "treat-cause": not liver and may_rise and not critical,
        }
    )


def _vaptan_may_help(case: Case, against: frozenset[str]) -> bool:
    if case.volume.status is not Volume.HYPER or case.sodium.band is Band.MILD:
        return False
    if case.dialysis or recorded(case, Problem.ANURIA) or wears_off(case):
        return False
    if failing_kidney_lines(case):
        return False
    restriction = case.restriction
    if restriction.red_flags or restriction.adrenal or restriction.fluid:
        return False
    return against.isdisjoint(NO_VAPTAN)


def _water_may_harm(case: Case, against: frozenset[str]) -> bool:
    """Returns whether water adds to the low sodium, and no sign says that the patient is dry."""
    restriction = case.restriction
    if restriction.verdict == "never" or restriction.red_flags:
        return False
    if restriction.adrenal or restriction.fluid:
        return False
    if little_urine_sodium(case) is not None:
        return False
    return case.volume.status in WATER_COUNTS and against.isdisjoint(MAY_BE_DRY)


def _salt_may_help(case: Case, against: frozenset[str]) -> bool:
    if case.volume.status not in SALT_HELPS or "never-vaptan" in against:
        return False
    if _drug_keeps_water(case):
        return False  # the dose is the cause, and not too little salt
    if recorded(case, Problem.HYPERTENSION):
        return False  # the line says so itself
    return not salt_harms(case) and not diabetic_crisis(case)


def salt_tablet_lines(case: Case) -> list[Line]:
    """Returns what the order of salt tablets would be told, of those that are taken already."""
    taken = any(
        order.saline is not None and order.saline.kind == "salt-tablet" and case.is_active(order)
        for order in case.snapshot.exposures
    )
    return salt_held_lines(case) if taken and case.volume.status not in SALT_TREATS else []


def salt_held_lines(case: Case) -> list[Line]:
    """Returns that salt is restricted in what is recorded; empty without such a diagnosis."""
    condition = holds_salt(case)
    return [line("salt-restricted", condition=condition, keep=True)] if condition else []


def salt_harms(case: Case) -> bool:
    """Returns whether heart, liver, kidney or pressure forbid salt; a weak hint counts too."""
    held = heart_failure(case) or cirrhosis(case) or case.dialysis or bool(case.volume.hint)
    kidney = recorded(case, Problem.CKD_4_5, Problem.NEPHROTIC) or kidney_explains(case)
    return held or kidney or severe_pressure(case)


def severe_pressure(case: Case) -> bool:
    """Returns whether the pressure is so high that no salt is advised."""
    window, limit = red_flag_window(case), case.limits.systolic_severe_from
    pressures = case.readings.within(Analyte.SYSTOLIC, window)
    return any(reading.at_least(limit) for reading in pressures)
