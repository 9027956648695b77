"""A vaptan is selected: contraindications, liver, duration, and its start (B.3, S11, M15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from cds_service.engine.finding import DraftLabs, Fact, Finding, Line, Suggestion
from cds_service.engine.rule import card, line, require, skip
from cds_service.engine.wording import DAY, ago, in_days, in_hours, joined, number, ratio
from cds_service.knowledge.names import Analyte, DrugClass, DrugName, Problem, Sign
from cds_service.sodium.adrenal import adrenal_grounds
from cds_service.sodium.blind_spots import MEDICINES_UNREAD
from cds_service.sodium.case import Case
from cds_service.sodium.restriction import little_urine_sodium, signs_of_loss
from cds_service.sodium.results import Band, Freshness
from cds_service.sodium.rules.book import order_rule
from cds_service.sodium.rules.gates import (
    EUROPEAN,
    acute_congestion,
    circulation_fails,
    cirrhosis,
    cirrhosis_instead,
    decongesting,
    failing_filtration,
    holds_salt,
    inpatient,
    overload,
    recorded,
    require_recorded,
)
from cds_service.sodium.rules.order_helpers import (
    beside,
    first_evidence,
    for_low_sodium,
    for_polycystic_kidney,
    is_systemic,
    may_remove,
    other_drafts,
    remove,
    sodium_at_once,
    sodium_below,
    sodium_today,
    taken,
    vaptan_of,
    watched_drugs_of,
)
from cds_service.sodium.rules.plan import fluid_orders_unread
from cds_service.sodium.rules.raise_sodium import limit_forbids_vaptan
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import DrugMatch


@order_rule("OS-VAP-HYPO", vaptan_of, otherwise="no-vaptan")
def volume_depleted(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if volume depletion or salt wasting forbids a vaptan."""
    require_recorded(case, case.volume.status in (Volume.HYPO, Volume.CSW), "not-depleted")
    return card(
        "critical",
        drug=vaptan.name,
        why_=first_evidence(case),
        do=["not-give", "restore-volume"],
        why=["label-hypovolemia"],
        offer=_removal(case, order, vaptan),
    )


# What is done where the reason is not to be treated first; its key is that of the reason.
INSTEAD = {
    "inhibitor": "change-one",
    "anuria": "not-give-anuria",
    "thirst": "not-give-thirst",
    "polycystic": "not-give-polycystic",
}


@order_rule("OS-VAP-CONTRA", vaptan_of, otherwise="no-vaptan")
def contraindicated(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks as critical; as a warning in pregnancy, beside some drugs, and for F5 (S11, F19)."""
    contraindication = next(contraindications(case, order), None)
    if contraindication:
        key, words = contraindication
        return card(
            "critical",
            drug=vaptan.name,
            why_=words,
            do=[INSTEAD.get(key, "not-give")],
            why=[f"contra-{key}"],
            offer=_removal(case, order, vaptan),
        )
    forbidden = _forbidden_in_europe(case, vaptan)
    if forbidden:
        return card(
            "critical",
            drug=vaptan.name,
            why_=f"evidence:{forbidden}",
            do=["ask-specialist"],
            why=["contra-european", *(["pregnancy-lowers"] if case.pregnant else [])],
            offer=_removal(case, order, vaptan),
        )
    adrenal = adrenal_grounds(case)
    if adrenal:
        return card(
            "warning",
            "adrenal",
            drug=vaptan.name,
            why_=adrenal[0].names,
            do=["exclude-adrenal-first"],
            why=[ground.line for ground in adrenal],
            offer=[sodium_today()],
        )
    early = _not_yet(case, order, vaptan)
    if early is not None:
        return early
    require(case.pregnant or case.snapshot.complete_alone("medications"), MEDICINES_UNREAD)
    changed = interaction(case, order)
    if changed and not case.pregnant:
        key, name = changed
        return card(
            "warning",
            key,
            drug=vaptan.name,
            why_=name,
            do=[f"avoid-{key}"],
            why=_goal(case),
            offer=[sodium_today()],
        )
    require_recorded(case, case.pregnant, "no-contraindication")
    return card(
        "warning",
        "pregnancy",
        drug=vaptan.name,
        do=["ask-specialist"],
        why=["pregnancy-lowers"],
        offer=[sodium_today()],
    )


def _forbidden_in_europe(case: Case, vaptan: DrugMatch) -> str:
    """Returns pregnancy or breast-feeding, in which the European label forbids tolvaptan; or ""."""
    if case.limits.profile != EUROPEAN or vaptan.name != DrugName.TOLVAPTAN:
        return ""
    if case.pregnant:
        return Sign.PREGNANCY
    return Sign.BREAST_FEEDING if recorded(case, Problem.BREAST_FEEDING) else ""


def _not_yet(case: Case, order: Order, vaptan: DrugMatch) -> Finding | None:
    """Returns that circulation, volume or kidney come first: no start, and no removal either."""
    if for_polycystic_kidney(case, order) or case.volume.status in (Volume.HYPO, Volume.CSW):
        return None
    found = _comes_first(case)
    if found is None:
        return None
    variant, facts = found
    return card(
        "warning",
        variant,
        drug=vaptan.name,
        more_facts=facts,
        do=[line(f"not-yet-{variant}", keep=True)],
        why=[f"because-{variant}"],
        offer=[sodium_today()],
    )


def _comes_first(case: Case) -> tuple[str, dict[str, str]] | None:
    """Returns what is treated before a vaptan, as a variant with its fact: the worst of them."""
    failing = circulation_fails(case)
    if failing:
        return "shock", {"why": failing}
    salt = little_urine_sodium(case) if case.sodium.low else None
    if salt is not None:
        return "urine", {"value": number(salt)}
    signs = signs_of_loss(case) if case.sodium.low else ()
    if signs:
        return "signs", {"why": joined("evidence", signs[:2])}
    filtration = failing_filtration(case)
    return None if filtration is None else ("kidney", {"value": number(filtration)})


def interacting_drug_of(order: Order) -> tuple[DrugMatch, ...]:
    """Returns what may change the effect of a vaptan; some of it lowers sodium as well."""
    classes = (
        DrugClass.CYP3A_INHIBITOR,
        DrugClass.CYP3A_MODERATE,
        DrugClass.CYP3A_INDUCER,
        DrugClass.CALCIUM_BLOCKER,
        DrugClass.BARBITURATE,
        DrugClass.IMINOSTILBENE,
        DrugClass.SSRI,
    )
    if not is_systemic(order) or vaptan_of(order):
        return ()
    return tuple(drug for drug in order.drugs if drug.cls in classes)


def _lowers_no_sodium(order: Order) -> bool:
    """Tells whether no other rule asks for the sodium of this order."""
    return not watched_drugs_of(order)


@order_rule(
    "OS-VAP-CYP",
    interacting_drug_of,
    otherwise="no-interaction",
    without_sodium=_lowers_no_sodium,
)
def beside_a_vaptan(case: Case, order: Order, drugs: tuple[DrugMatch, ...]) -> Finding:
    """Speaks if a CYP3A inhibitor or inducer is ordered while a vaptan is taken (F19)."""
    vaptans = case.exposures.of(DrugClass.VAPTAN)
    read = case.medicines_known
    require(vaptans, "no-vaptan-taken" if read else MEDICINES_UNREAD)
    moderate, inducers = case.sets.cyp3a_moderate, case.sets.cyp3a_inducers
    kinds = {
        "strong": [d.name for d in drugs if d.cls == DrugClass.CYP3A_INHIBITOR],
        "moderate": [d.name for d in drugs if d.name in moderate],
        "inducer": [d.name for d in drugs if d.name in inducers],
    }
    found = next(((kind, names[0]) for kind, names in kinds.items() if names), None)
    if found is None:
        skip("no-interaction")
    kind, name = found
    return card(
        "warning",
        kind,
        drugs=[name, vaptans[0].drug.name],
        drug_=name,
        partner=vaptans[0].drug.name,
        do=[line(f"do-{kind}", keep=True)],
        why=["label-inducer" if kind == "inducer" else "label-inhibitor"],
        offer=[sodium_today()],
    )


def interaction(case: Case, order: Order) -> tuple[str, str] | None:
    """Returns the first drug beside the vaptan that changes its effect (F19)."""
    known = {"moderate": case.sets.cyp3a_moderate, "inducer": case.sets.cyp3a_inducers}
    taken_now = [e.drug.name for e in case.exposures.active]
    drafted = [drug.name for draft in other_drafts(case, order) for drug in draft.drugs]
    for key, names in known.items():
        found = names.among(frozenset([*taken_now, *drafted]))
        if found:
            return key, found[0]
    return None


def contraindications(case: Case, order: Order) -> Iterator[tuple[str, str]]:
    """Yields each reason of the label that holds, with its words on the card (S11, F19)."""
    if case.volume.status is Volume.ADRENAL:
        yield "adrenal", f"evidence:{Sign.ADRENAL}"
    if case.dialysis:
        yield "anuria", f"evidence:{Sign.DIALYSIS}"
    elif recorded(case, Problem.ANURIA):
        yield "anuria", f"evidence:{Sign.ANURIA}"
    if case.symptoms.attributable and not limit_forbids_vaptan(case, order):
        yield "severe", f"symptom:{case.symptoms.severe[0]}"
    thirst = case.problems.current(case.sets.cannot_drink, case.limits.symptom_days)
    thirst = thirst or case.problems.active(case.sets.cannot_swallow)
    if thirst:
        yield "thirst", f"evidence:{thirst[0]}"
    inhibitors = beside(case, order, DrugClass.CYP3A_INHIBITOR)
    if inhibitors:
        yield "inhibitor", inhibitors[0].name
    if order.hyponatremia_product and recorded(case, Problem.ADPKD):
        yield "polycystic", f"evidence:{Sign.ADPKD}"


@order_rule("OS-VAP-SEV", vaptan_of, otherwise="no-vaptan")
def severe_symptoms(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if severe symptoms are recorded that this sodium is too high to explain."""
    _require_for_low_sodium(case, order)
    require(case.symptoms.severe, "no-severe-symptom")
    require(not case.symptoms.attributable, "no-severe-symptom")
    require(not limit_forbids_vaptan(case, order), "limit-leads")
    return card(
        "warning",
        drug=vaptan.name,
        do=["urgent-needs-saline"],
        why=[line("severe-recorded", symptoms=f"symptom:{case.symptoms.severe[0]}")],
        offer=[sodium_at_once(order)],
    )


@order_rule("OS-VAP-LIVER", vaptan_of, otherwise="no-vaptan")
def liver(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if a liver disease is recorded that tolvaptan can make worse (label; S1-6)."""
    _require_for_low_sodium(case, order)
    require(vaptan.name == DrugName.TOLVAPTAN, "not-tolvaptan")
    diseases = liver_diseases(case)
    require(diseases, "no-liver-disease")
    return card(
        "warning",
        drug=vaptan.name,
        days=in_days(case.limits.tolvaptan_days_max),
        do=[*_european_advice(case)[:1], *cirrhosis_instead(case), "short-and-close"],
        why=[
            line("liver-recorded", evidence=f"evidence:{diseases[0]}"),
            "liver-guidance-european" if case.limits.profile == EUROPEAN else "liver-guidance",
        ],
        offer=[sodium_today()],
    )


def liver_diseases(case: Case) -> list[str]:
    """Returns the recorded liver diseases that tolvaptan can make worse."""
    return [d for d in case.sets.liver_disease.members if recorded(case, d)]


@order_rule("OS-VAP-DUR", vaptan_of, otherwise="no-vaptan")
def duration(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if the course is longer than the label allows."""
    _require_for_low_sodium(case, order)
    require(not order.adpkd or for_low_sodium(order), "polycystic")
    longest = longest_course(case, vaptan)
    spans = [order.duration_days] if order.duration_days is not None else []
    if order.start and order.end:
        spans.append(Decimal((order.end - order.start) // DAY))
    exposure = taken(case, vaptan)
    if exposure and exposure.since:
        spans.append(Decimal((case.snapshot.now - exposure.since) // DAY))
    course = max(spans) if spans else None
    if course is None:
        skip("duration-unknown")
    require(course > ratio(longest, DAY), "short-enough", days=course)
    return card(
        "warning",
        drug=vaptan.name,
        days=course,
        limit=in_days(longest),
        do=[line("limit-course", limit=in_days(longest))],
        why=["label-liver-injury" if vaptan.name == DrugName.TOLVAPTAN else "label-days"],
    )


def longest_course(case: Case, vaptan: DrugMatch) -> timedelta:
    """Returns how long the label lets this vaptan be taken."""
    limits = case.limits
    is_conivaptan = vaptan.name == DrugName.CONIVAPTAN
    return limits.conivaptan_days_max if is_conivaptan else limits.tolvaptan_days_max


@order_rule("OS-VAP-NONE", vaptan_of, otherwise="no-vaptan")
def not_low(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if sodium is not low and no polycystic kidney disease is recorded (S11)."""
    _require_for_low_sodium(case, order)
    latest = case.sodium.latest or skip("no-recent-sodium")
    require(case.sodium.freshness is not Freshness.STALE, "no-recent-sodium")
    require(case.sodium.measured is Band.NORMAL, "low", na=latest.shown)
    require(not taken(case, vaptan), "already-taken")
    return card(
        "warning",
        drug=vaptan.name,
        na=latest.shown,
        do=["confirm-indication"],
        why=[line("sodium-age", age=ago(case.sodium.age))],
        offer=[sodium_today()],
    )


@order_rule("OS-VAP-GEN", vaptan_of, otherwise="no-vaptan")
def start(case: Case, order: Order, vaptan: DrugMatch) -> Finding:
    """Speaks if a vaptan is new: it is started in hospital and without fluid restriction.

    A very low sodium, a high risk of demyelination and a high potassium make it a warning (F19). So
    does profound low sodium in the European profile, and an overload: its guideline recommends
    against a vaptan.
    """
    _require_for_low_sodium(case, order)
    latest = case.sodium.latest or skip("no-sodium")
    require(case.sodium.low, "not-low", na=latest.shown)
    require(not taken(case, vaptan), "already-taken")
    outside = not inpatient(case)
    do: list[str | Line] = ["start-in-hospital", "no-restriction-first-day", _early(case, vaptan)]
    if _restricted(case, order):
        do.insert(0, line("restriction-also-ordered", keep=True))
    dangers, dose = [*_goal(case), *_potassium(case)], _first_dose(case, order, vaptan)
    variant = "dose" if dose and not _goal(case) else _start_variant(case, outside)
    advised = _european_advice(case)
    recheck = case.limits.vaptan_recheck_hours
    draw = DraftLabs((Analyte.SODIUM,), "urgent", recheck)
    return card(
        "warning" if outside or dangers or dose or _against(case) else "info",
        variant,
        drug=vaptan.name,
        more_facts={
            **(_dose_facts(dose) if variant == "dose" else _sodium_fact(variant, latest.shown)),
            **({"due": _due(case, vaptan)} if variant in SAYS_WHEN else {}),
            **({"condition": _expanded(case)} if variant == "overload" else {}),
        },
        do=[*advised, *dose, *dangers, *_low_start(case, order, vaptan), *do],
        why=[
            _indicated(case, vaptan),
            "too-fast",
            *([] if _restricted(case, order) else fluid_orders_unread(case)),
        ],
        offer=[
            *_removal_if_against(case, order, vaptan),
            Suggestion("sodium-after-start", (draw,), {"hours": in_hours(recheck)}),
        ],
    )


def _indicated(case: Case, vaptan: DrugMatch) -> str:
    """Returns for whom the label has it; the European one of tolvaptan has SIADH alone."""
    siadh_alone = _expanded(case) and _by_european_label(case, vaptan)
    return "siadh-alone" if siadh_alone else f"indicated-{case.limits.profile}"


def _start_variant(case: Case, outside: bool) -> str:
    band = case.sodium.band
    if _expanded(case):
        return "overload"
    if case.limits.profile == EUROPEAN and band in EUROPEAN_SUMMARY:
        return f"danger-{EUROPEAN_SUMMARY[band]}" if _goal(case) else EUROPEAN_SUMMARY[band]
    if _goal(case):
        return "danger-outpatient" if outside else "danger"
    return "outpatient" if outside else "main"


def _sodium_fact(variant: str, shown: str) -> dict[str, Fact]:
    """Returns the sodium for the summaries that name it."""
    return {} if variant in ("main", "outpatient") else {"na": shown}


# The summaries that say when sodium is measured.
SAYS_WHEN = frozenset({"main", "outpatient", "danger", "profound", "moderate"})
# How the summary calls what the European guideline says of vaptans, by the band.
EUROPEAN_SUMMARY = {Band.SEVERE: "profound", Band.MODERATE: "moderate"}
EUROPEAN_LINES = {
    Band.SEVERE: "against-profound",
    Band.MODERATE: "against-moderate",
    Band.MILD: "against-mild",
}


def _against(case: Case) -> bool:
    """Tells whether the guideline of the profile recommends against a vaptan in this patient."""
    european = case.limits.profile == EUROPEAN
    return european and (case.sodium.band is Band.SEVERE or bool(_expanded(case)))


def _expanded(case: Case) -> str:
    """Returns why the body holds salt and water, in which Europe advises against vaptans; or "".

    A diagnosis that holds salt is enough if the volume status is not known.
    """
    if case.limits.profile != EUROPEAN or case.sodium.band not in EUROPEAN_LINES:
        return ""
    unknown = case.volume.status in (Volume.UNKNOWN, Volume.CONFLICT)
    held = holds_salt(case) if unknown or case.volume.status is Volume.HYPER else ""
    return acute_congestion(case) or held or overload(case)


def _european_advice(case: Case) -> list[Line]:
    """Returns what the European guideline says of vaptans in this band, and what it gives instead.

    Its alternatives are for SIADH: not for an overload, nor if volume or salt is lost.
    """
    if case.limits.profile != EUROPEAN or case.sodium.band not in EUROPEAN_LINES:
        return []
    expanded = _expanded(case)
    if expanded:
        told = [line("against-overload", condition=expanded, keep=True)]
        return told if cirrhosis(case) else [*told, line("overload-instead", keep=True)]
    said = [line(EUROPEAN_LINES[case.sodium.band], keep=True)]
    fits = case.volume.status in (Volume.EUV, Volume.UNKNOWN) and not overload(case)
    fits = fits and not signs_of_loss(case)
    if fits and case.sodium.band is not Band.MILD:
        said.append(line("european-instead", keep=True))
    return said


def _goal(case: Case) -> list[Line]:
    """Returns the goal of the rise if it must be slow: a very low sodium, or a high risk (F19)."""
    limit, lines = case.limits.vaptan_danger_below, []
    if sodium_below(case, limit):
        lines.append(line("goal-very-low", keep=True, limit=limit))
    if case.risk.high:
        reasons = joined("evidence", case.risk.reasons)
        lines.append(line("goal-high-risk", keep=True, evidence=reasons))
    return lines


def _potassium(case: Case) -> list[Line]:
    reading = case.readings.latest(Analyte.POTASSIUM, case.limits.vaptan_potassium_hours)
    if reading is None or not reading.above(case.limits.vaptan_potassium_above):
        return []
    return [line("potassium-high", keep=True, value=reading.value)]


def _first_dose(case: Case, order: Order, vaptan: DrugMatch) -> list[Line]:
    """Returns that the first day is too much, if the order says how much it brings (F19)."""
    dose, usual = order.first_day_mg, case.limits.tolvaptan_start_mg
    if vaptan.name != DrugName.TOLVAPTAN or dose is None or dose <= usual:
        return []
    due = _due(case, vaptan)
    return [line("dose-too-high", keep=True, dose=dose, usual=usual, due=due)]


def _by_european_label(case: Case, vaptan: DrugMatch) -> bool:
    """Tells whether the European label is the one that counts: it is of tolvaptan alone."""
    return case.limits.profile == EUROPEAN and vaptan.name == DrugName.TOLVAPTAN


def _due(case: Case, vaptan: DrugMatch) -> str:
    """Returns the hours after which sodium is measured by the label, as a fact of a card."""
    return "6" if _by_european_label(case, vaptan) else "6-8"


def _early(case: Case, vaptan: DrugMatch) -> str:
    """Returns the line on the first sodium and how often from then on, by the label."""
    return "sodium-early-european" if _by_european_label(case, vaptan) else "sodium-early"


def _low_start(case: Case, order: Order, vaptan: DrugMatch) -> list[Line]:
    """Returns the smaller first dose of the European label, unless the order has it already."""
    low, dose = case.limits.tolvaptan_low_start_mg, order.first_day_mg
    if not _by_european_label(case, vaptan) or (dose is not None and dose <= low):
        return []
    return [line("start-low", keep=True, low=low)]


def _removal_if_against(case: Case, order: Order, vaptan: DrugMatch) -> list[Suggestion]:
    """Returns the removal of a vaptan that the guideline of the profile recommends against.

    A diagnosis that holds salt is no sign of an overload of today, and takes no order away.
    """
    judged = case.sodium.band is Band.SEVERE or bool(overload(case)) or decongesting(case)
    return [remove(order, vaptan.name)] if _against(case) and judged and may_remove(case) else []


def _dose_facts(dose: list[Line]) -> dict[str, Fact]:
    """Returns the facts of the summary about a first day that is too much."""
    facts = dict(dose[0].facts) if dose else {}
    return {name: fact for name, fact in facts.items() if name != "due"}


def _restricted(case: Case, order: Order) -> bool:
    """Tells whether a fluid restriction is active, or drafted beside the vaptan (N9)."""
    active = (o for o in case.snapshot.exposures if o.status in case.sets.active_statuses)
    return any(o.fluid_restriction for o in (*other_drafts(case, order), *active))


def _require_for_low_sodium(case: Case, order: Order) -> None:
    """Skips if the vaptan is for polycystic kidney disease."""
    require(not for_polycystic_kidney(case, order), "polycystic")


def _removal(case: Case, order: Order, vaptan: DrugMatch) -> list[Suggestion]:
    """Returns the removal of the draft, if the age is known, and a sodium at once."""
    repeat = sodium_at_once(order)
    return [repeat] if case.age_years is None else [remove(order, vaptan.name), repeat]
