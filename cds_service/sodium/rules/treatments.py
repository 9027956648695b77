"""A treatment is selected that may harm: fluid restriction, salt, diuretics, baclofen (B.3)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cds_service.engine.finding import Finding, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import joined, number
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, Problem, Sign
from cds_service.sodium.adrenal import Ground, adrenal_grounds
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.desmopressin import wears_off
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.restriction import (
    HARMED,
    fluid_grounds,
    likely_insufficient,
    little_urine_sodium,
    signs_of_loss,
)
from cds_service.sodium.results import Freshness
from cds_service.sodium.rules.book import is_doubled, order_rule
from cds_service.sodium.rules.gates import (
    EUROPEAN,
    actionable,
    at,
    cirrhosis,
    direct_value_lower,
    drains_the_heart,
    emergency,
    ever_recorded,
    heart_failure,
    holds_salt,
    in_use,
    latest_sodium,
    likely_urea,
    lines_of,
    lipids,
    osmole_unmeasured,
    overload,
    recorded,
    require_actionable,
    require_low,
    require_recorded,
    require_unexplained_by_glucose,
    shown_sodium,
    symptom_lines,
    undiluted_lines,
)
from cds_service.sodium.rules.order_helpers import (
    baseline,
    beside,
    drug_of,
    first_evidence,
    for_low_sodium,
    is_raised,
    may_remove,
    other_drafts,
    raised_potassium,
    recorded_or_reason,
    remove,
    remove_restriction,
    sodium_after,
    sodium_today,
    taken,
    vaptan_of,
    watched_drugs_of,
)
from cds_service.sodium.rules.plan import (
    SALT_TREATS,
    egfr,
    risk_lines,
    salt_harms,
    salt_held_lines,
)
from cds_service.sodium.rules.room import day_limit
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch, RecordText

# Grounds of F6 that water answers: the kidney loses it by a drug, or for want of the hormone.
EFFERVESCENT = "effervescent"  # has no name on a card
DRINK_TO_THIRST = ("withheld-lithium", "withheld-insipidus", "withheld-aquaretic")


def is_salt_tablet(order: Order) -> bool:
    """Tells whether the order is oral sodium chloride."""
    return order.saline is not None and order.saline.kind == "salt-tablet"


@order_rule("OS-SALT", is_salt_tablet, otherwise="no-salt-tablet", without_sodium=True)
def salt_tablets(case: Case, order: Order, _salt: bool) -> Finding:
    """Speaks if salt tablets are ordered in overload, or if a diagnosis says that salt is held.

    Restriction is offered only in judged overload; for a warning the diagnosis is enough. With
    hypertension it informs: in SIADH salt is a treatment all the same. The same tablets twice are
    told in any state.
    """
    treats, doubled = case.volume.status in SALT_TREATS, is_doubled(case, order)
    require(doubled or not treats, "salt-is-treatment")
    if doubled and (treats or not (case.volume.status is Volume.HYPER or holds_salt(case))):
        salt = DrugName.SODIUM_CHLORIDE
        return card("info", "twice", drugs=[salt], drug=salt, do=[])
    if case.volume.status is Volume.HYPER:
        condition = first_evidence(case)
        return card(
            "warning",
            drugs=[DrugName.SODIUM_CHLORIDE],
            condition=condition,
            do=["reconsider-salt", "daily-weight"],
            why=[line("judged-overloaded", evidence=condition)],
        )
    condition = holds_salt(case)
    if not condition and recorded(case, Problem.HYPERTENSION):
        return card(
            "info",
            "pressure",
            drugs=[DrugName.SODIUM_CHLORIDE],
            do=[line("pressure-first", keep=True)],
            why=[line("recorded-active", evidence=f"evidence:{Sign.HYPERTENSION}")],
        )
    require_recorded(case, condition, "no-salt-held")
    return card(
        "warning",
        "diagnosis",
        drugs=[DrugName.SODIUM_CHLORIDE],
        condition=condition,
        do=[*salt_held_lines(case), *_volume_too(case), "daily-weight"],
        why=[line("recorded-active", evidence=condition)],
    )


def _volume_too(case: Case) -> list[Line]:
    """Returns that signs of lost volume are recorded too, which need fluid and no tablets."""
    if case.volume.status is not Volume.CONFLICT:
        return []
    return [line("volume-lost-too", evidence=joined("evidence", case.volume.evidence[:2]))]


def salt_load_of(order: Order) -> str:
    """Returns what brings much sodium by mouth beside its purpose; "" for every other order."""
    if order.kind != "medication" or is_salt_tablet(order):
        return ""
    bicarbonate = drug_of(order, DrugClass.BICARBONATE)
    if bicarbonate is not None and order.route == "systemic" and order.strong_salt is None:
        return bicarbonate.name
    fizzes = order.effervescent and drug_of(order, DrugClass.POTASSIUM) is None
    return EFFERVESCENT if fizzes else ""


@order_rule("OS-LOAD", salt_load_of, otherwise="no-salt-load")
def salt_load(case: Case, _order: Order, drug: str) -> Finding:
    """Speaks if bicarbonate by mouth or effervescent tablets meet a diagnosis that holds salt.

    It informs: bicarbonate may be needed. While sodium rises too fast another card counts it.
    """
    latest_sodium(case)
    require_actionable(case)
    require_low(case)
    require(case.volume.status not in SALT_TREATS, "salt-is-treatment")
    fizzes = drug == EFFERVESCENT
    require(fizzes or case.rate.level not in ("warning", "critical"), "raise-leads")
    condition = overload(case) or holds_salt(case)
    require_recorded(case, condition, "no-salt-held")
    return card(
        "info",
        "fizzes" if fizzes else "main",
        drug="" if fizzes else drug,
        condition=condition,
        do=[line("plain-tablets" if fizzes else "weigh-bicarbonate", keep=True), "daily-weight"],
        why=[line("recorded-active", evidence=condition)],
    )


def is_dialysis(order: Order) -> bool:
    """Tells whether the order is about hemodialysis, hemofiltration or its fluid (F26)."""
    session = order.kind == "service" and Problem.DIALYSIS_SESSION in order.about
    return session or drug_of(order, DrugClass.DIALYSIS_FLUID) is not None


@order_rule("OS-DIALYSIS", is_dialysis, otherwise="no-dialysis", without_sodium=True)
def dialysis(case: Case, _order: Order, _dialysis: bool) -> Finding:
    """Speaks if dialysis meets a sodium so low that usual dialysate raises it too fast (F26).

    Without any sodium it says that this could not be checked.
    """
    if case.sodium.latest is None:
        return card(
            "info",
            "none",
            do=[line("sodium-before", keep=True), line("dialysis-now", keep=True)],
            offer=[baseline(case)],
        )
    require_unexplained_by_glucose(case)
    require_actionable(case)
    limits, value = case.limits, case.effective_sodium
    low_enough = value is not None and value < limits.dialysis_sodium_below
    require(low_enough, "not-so-low", na=shown_sodium(case))
    most = day_limit(case)
    return card(
        "warning",
        na=shown_sodium(case),
        limit=most,
        do=[
            line("dialysate-low", keep=True),
            line("dialysis-sodium", limit=most, keep=True),
            line("dialysis-urgent"),
        ],
        why=[*symptom_lines(case), *risk_lines(case)],
        offer=[sodium_after(case)],
    )


def is_fluid_restriction(order: Order) -> bool:
    """Tells whether the order limits all fluids."""
    return order.fluid_restriction


@order_rule("OS-FR", is_fluid_restriction, otherwise="no-restriction", without_sodium=True)
def restriction(case: Case, order: Order, _restriction: bool) -> Finding:
    """Speaks if restriction does harm: by volume, beside a new vaptan (N9), or by F5 or F6."""
    status = case.volume.status
    if status in HARMED:
        key, why = HARMED[status], first_evidence(case)
    else:
        key, why = "vaptan", _new_vaptan(case, order)
    offer = remove_restriction(case, order)
    adrenal = () if status is Volume.ADRENAL else adrenal_grounds(case)
    grounds = (*adrenal, *fluid_grounds(case))
    if grounds and not why:
        return card(
            "warning",
            "adrenal" if adrenal else "fluid",
            why_=grounds[0].names,
            do=[line(_fluid_step(grounds[0], adrenal), keep=True), "examine-volume"],
            why=[*(ground.line for ground in grounds), *case.restriction.running[:1]],
            offer=offer,
        )
    sooner = None if why else _before_it_helps(case, offer)
    if sooner is not None:
        return sooner
    if not why and case.restriction.verdict == "ordered" and case.restriction.running:
        return card(
            "info",
            "running",
            do=[line("keep-one", keep=True), *_active_already(case)],
            why=[],
        )
    if not why and _may_fail(case):
        return _likely_to_fail(case)
    require_recorded(case, why, _nothing_against(case))
    return card(
        "critical" if status in (Volume.CSW, Volume.ADRENAL) else "warning",
        "vaptan" if key == "vaptan" else "main",
        why_=why,
        do=[line(f"do-{key}", keep=True), "examine-volume"],
        why=[
            line(f"because-{key}", why=why),
            *(ground.line for ground in grounds),
            *case.restriction.running[:1],
        ],
        offer=offer,
    )


def _before_it_helps(case: Case, offer: list[Suggestion]) -> Finding | None:
    """Returns what is settled before restriction helps: is the blood dilute, is volume lost?"""
    kept = likely_urea(case) or bool(overload(case)) or bool(holds_salt(case))
    if case.pseudo is not None and case.pseudo.speaks_against_water:
        return _not_dilute(case, case.pseudo, [] if kept else offer)
    doubted = [*lines_of({"lipids-lead": lipids(case)}, keep=True), *osmole_unmeasured(case)]
    if doubted and case.sodium.low:
        return card(
            "warning",
            "artefact",
            do=[line("do-prove-dilution", keep=True), *doubted],
            why=symptom_lines(case),
            offer=[] if kept else offer,
        )
    if _may_be_dry(case):
        return _volume_first(case)
    return _signs_first(case) if actionable(case) and case.sodium.low else None


def _fluid_step(ground: Ground, adrenal: Sequence[Ground]) -> str:
    """Returns what to do instead: hormone first, drink to thirst, or isotonic fluid into a vein.

    Only a drug that makes the kidney lose water is answered by drinking: where blood, salt or
    muscle is lost, water alone lowers sodium further.
    """
    if adrenal:
        return "do-adrenal-first"
    return "do-fluid" if ground.line.key in DRINK_TO_THIRST else "do-fluid-vein"


def _nothing_against(case: Case) -> str:
    """Returns why a restriction has no card: nothing speaks against it, as far as was read."""
    if not case.medicines_known:
        return MEDICINES_UNREAD  # a medicine may need fluid (F6)
    return "not-harmful" if case.snapshot.complete("labs") else "labs-unread"


def _active_already(case: Case) -> list[Line]:
    """Returns the restrictions that are active, by their names if these are readable."""
    names = [name.value for name in case.restriction.running_names]
    return [line("active-already", order=RecordText(", ".join(names)))] if names else []


def _may_fail(case: Case) -> bool:
    """Tells whether the urine foretells that restriction alone does not raise this sodium (N4).

    In overload it has other purposes, and while sodium rises another card speaks.
    """
    euvolemic = case.volume.status in (Volume.EUV, Volume.UNKNOWN)
    rises = case.rate.level is not None or case.rate.episode is not None
    current = actionable(case) and case.sodium.low and not emergency(case)
    holds = euvolemic and current and not rises and not wears_off(case)
    return holds and likely_insufficient(case) is not None


def _may_be_dry(case: Case) -> bool:
    """Tells whether a urine sodium says that volume may be lacking, at a low sodium (F55)."""
    return actionable(case) and case.sodium.low and little_urine_sodium(case) is not None


def _volume_first(case: Case) -> Finding:
    """Returns the card of a restriction before volume is judged; the order stays (F55)."""
    salt = little_urine_sodium(case) or Decimal(0)
    return card(
        "warning",
        "urine",
        value=salt,
        do=[line("do-volume-first", keep=True), "examine-volume"],
        why=["because-urine", *symptom_lines(case)],
        offer=[sodium_today()],
    )


def _signs_first(case: Case) -> Finding | None:
    """Returns the same by weak signs of lost volume; None if there are too few of them."""
    signs = signs_of_loss(case)
    if not signs:
        return None
    return card(
        "warning",
        "signs",
        why_=joined("evidence", signs[:2]),
        do=[line("do-signs-first", keep=True), "examine-volume"],
        why=symptom_lines(case),
        offer=[sodium_today()],
    )


def _likely_to_fail(case: Case) -> Finding:
    """Returns the card of a restriction that does no harm, and that alone is likely to fail."""
    why = likely_insufficient(case) or skip("not-harmful")
    return card(
        "info",
        f"insufficient-{why.by}",
        value=why.value,
        do=[line("next-step-no-salt" if salt_harms(case) else "next-step", keep=True)],
        why=["why-insufficient", *symptom_lines(case)],
    )


def _not_dilute(case: Case, pseudo: Pseudo, offer: list[Suggestion]) -> Finding:
    """Returns the card on a restriction in a blood that is not dilute, or not surely (M6).

    Failing kidneys and an overload are reasons to keep it until urea is known.
    """
    if likely_urea(case):
        return card(
            "info",
            "urea",
            value=pseudo.shown,
            do=[line("do-measure-urea", keep=True)],
            why=["because-urea", *symptom_lines(case)],
            offer=[sodium_today()],
        )
    held = "" if offer else overload(case) or holds_salt(case)
    overloaded = [line("do-keep-in-overload", evidence=held, keep=True)] if held else []
    return card(
        "warning",
        "osmolality",
        value=pseudo.shown,
        do=overloaded or [line("do-prove-dilution", keep=True)],
        why=[*undiluted_lines(case), *symptom_lines(case)],
        offer=offer,
    )


def _new_vaptan(case: Case, order: Order) -> str:
    """Returns a vaptan drafted beside the restriction, or started within its first day (N9)."""
    for other in other_drafts(case, order):
        drafted = vaptan_of(other)
        if drafted:
            return drafted.name
    for exposure in case.exposures.of(DrugClass.VAPTAN):
        if exposure.since and case.snapshot.now - exposure.since <= case.limits.vaptan_hours:
            return exposure.drug.name
    return ""


def demeclocycline_of(order: Order) -> DrugMatch | None:
    """Returns demeclocycline, or lithium that is ordered for low sodium; skips other lithium."""
    drug = drug_of(order, DrugClass.DEMECLOCYCLINE, DrugClass.LITHIUM)
    if drug and drug.cls == DrugClass.LITHIUM:
        require(for_low_sodium(order), "other-reason")
    return drug


@order_rule("OS-DEMECLO", demeclocycline_of, otherwise="no-demeclocycline")
def demeclocycline(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if demeclocycline or lithium is to raise sodium, or demeclocycline meets pregnancy."""
    if case.pregnant and drug.cls == DrugClass.DEMECLOCYCLINE:
        return card(
            "warning",
            "pregnancy",
            drug=drug.name,
            do=["avoid-in-pregnancy"],
            why=["fetal-harm"],
        )
    if not for_low_sodium(order):
        require_recorded(case, case.sodium.low, "other-reason")
        require(case.sodium.freshness is not Freshness.STALE, "other-reason")
    weak_organ = cirrhosis(case) or _weak_kidney(case)
    return card(
        "warning" if weak_organ else "info",
        "european" if case.limits.profile == EUROPEAN else "main",
        drug=drug.name,
        do=[
            *([line("liver-or-kidney", keep=True)] if weak_organ else []),
            "kidney-function",
            *([] if weak_organ else ["other-treatment"]),
        ],
        why=["onset-slow"],
        offer=[sodium_today()],
    )


def _weak_kidney(case: Case) -> bool:
    """Tells whether a kidney disease of any stage is recorded or measured, or dialysis."""
    limits, recent = case.limits, case.limits.measured_days
    if case.dialysis or recorded(case, Problem.CKD_4_5, *case.sets.weak_kidney.members):
        return True
    filtration = case.readings.latest(Analyte.EGFR, recent)
    return filtration is not None and filtration.below(limits.demeclocycline_egfr_below)


# Drugs that are a question in cirrhosis (S14, S15)


@order_rule("OS-DIUR-CRAMP", watched_drugs_of, otherwise="no-diuretic")
def diuretic(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if a diuretic is started in cirrhosis with low sodium or cramps (S14)."""
    diuretics = [drug for drug in drugs if drug.cls in case.sets.diuretics]
    require(diuretics, "no-diuretic")
    drug = diuretics[0]
    known = cirrhosis(case)
    require(known or not taken(case, drug), "no-cirrhosis")
    require_recorded(case, known, "no-cirrhosis")
    real = actionable(case) and not direct_value_lower(case)
    stops = real and in_use(case) < case.limits.stop_diuretics_below
    # What the chart says to stop is not raised or renewed either.
    require(stops or not taken(case, drug), "already-taken")
    if not stops:
        require(case.symptoms.cramp, "no-reason-to-stop")
        return card(
            "info",
            "cramps",
            drug=drug.name,
            why_="symptom:cramp",
            do=["stop-if-incapacitating", _potassium(case, drug)],
            why=["cramps-recorded"],
        )
    offer = [sodium_today()]
    kept = heart_failure(case) or (drug.cls == DrugClass.THIAZIDE and drains_the_heart(case))
    kept = kept or (taken(case, drug) is not None and not is_raised(case, order, drug))
    if may_remove(case) and not kept and order.route != "iv":
        offer.insert(0, remove(order, drug.name))
    return card(
        "warning",
        drug=drug.name,
        na=shown_sodium(case),
        do=[
            "heart-failure-text" if heart_failure(case) else "hold-diuretic",
            _potassium(case, drug),
        ],
        why=[f"guidance-{case.limits.profile}"],
        offer=offer,
    )


def _potassium(case: Case, drug: DrugMatch) -> Line:
    """Returns the potassium that is known; a high one comes before what raises it."""
    high = raised_potassium(case, drug)
    if high is not None:
        return line("potassium-before", drug=drug.name, value=high.value, keep=True)
    known = case.readings.latest(Analyte.POTASSIUM, case.limits.measured_days)
    if known is None:
        return line("kidney-and-potassium")
    time = at(case, known.at, known.day_only)
    return line("potassium-known", value=known.value, time=time, keep=True)


def baclofen_of(order: Order) -> DrugMatch | None:
    """Returns the baclofen of the order."""
    return drug_of(order, DrugClass.BACLOFEN)


@order_rule("OS-BACLO", baclofen_of, otherwise="no-baclofen", without_sodium=True)
def baclofen(case: Case, order: Order, drug: DrugMatch) -> Finding:
    """Speaks if baclofen for cramps in cirrhosis is unsafe at its dose or with a problem (S15)."""
    limits = case.limits
    require_recorded(case, cirrhosis(case), "no-cirrhosis")
    require(not recorded_or_reason(case, order, Problem.SPASTICITY), "spasticity")
    avoid, doses = _problems_against_baclofen(case), _dose_too_high(case, order, drug)
    require(avoid or doses or order.daily_dose_mg, "dose-not-known")
    require(avoid or doses, "within-limits")
    sedatives = [other.name for other in beside(case, order, *case.sets.sedatives.members)]
    sedation = [line("sedatives", drugs=", ".join(sedatives))] if sedatives else []
    steps = {
        "start": limits.baclofen_start_mg,
        "step": limits.baclofen_step_mg,
        "max": limits.baclofen_max_mg,
    }
    return card(
        "warning",
        "avoid" if avoid else "main",
        drug=drug.name,
        more_facts={} if avoid else steps,
        do=["avoid-baclofen" if avoid else "lower-the-dose", "baclofen-not-abruptly"],
        why=[*avoid, *doses, *sedation],
    )


def _problems_against_baclofen(case: Case) -> list[Line]:
    """Returns the problems that forbid baclofen at any dose."""
    kidney, lines = egfr(case), []
    if case.dialysis:
        lines.append(line("kidney-dialysis"))
    elif kidney is not None and kidney.below(case.limits.baclofen_egfr_avoid_below):
        lines.append(line("kidney-low", egfr=f"{kidney.comparator}{number(kidney.value)}"))
    treated = [e for e in case.exposures.active if e.drug.name in case.sets.encephalopathy_drugs]
    if ever_recorded(case, Problem.ENCEPHALOPATHY):
        lines.append(line("encephalopathy"))
    elif treated:  # F17
        lines.append(line("encephalopathy-drug", drug=treated[0].drug.name))
    return lines


def _dose_too_high(case: Case, order: Order, drug: DrugMatch) -> list[Line]:
    """Returns what is wrong with the dose: too high for anybody, or too high for a start."""
    dose = order.daily_dose_mg
    start, most = case.limits.baclofen_start_mg, case.limits.baclofen_max_mg
    if dose is None:
        return []
    if dose > most:
        return [line("dose-high", dose=dose, max=most)]
    if dose > start and not taken(case, drug):
        return [line("start-high", dose=dose, start=start)]
    return []
