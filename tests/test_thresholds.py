"""Each number is tried at its edge: the last amount at which a card changes, and the next one.

Each number of thresholds.toml has a test on both sides, here or in tests/sodium (`make mutate`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cds_service.knowledge.load import default_hooks_dir
from tests.fhir_resources import (
    NOW,
    SALINE_3,
    TOLVAPTAN_15,
    Call,
    Resource,
    draft,
    instant,
    lab,
    pipeline,
    problem,
    sodium,
    sodiums,
    taking,
)

DAY = 24
SALINE_1000 = "1807639", "1000 ML sodium chloride 9 MG/ML Injection"
DEXTROSE = draft("dextrose 5% in water 1000 mL", ml=1000)
SERTRALINE = draft("sertraline")
SIADH = problem("E22.2", 5)
CIRRHOSIS = problem("K74.60", 400)
ASCITES = problem("R18.8", 5)
CRAMP = problem("R25.2", 1)
Make = Callable[[float], Call]
Seen = Callable[[Call], bool]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An edge: `seen` is true for the call with `at`, and no longer for the call with `beyond`."""

    number: str  # its name in thresholds.toml
    says: str
    call: Make
    at: float
    beyond: float
    seen: Seen


def edge(
    number: str, says: str, call: Make, seen: Seen, at: float, beyond: float | None = None
) -> Edge:
    """Returns an edge; without `beyond` it is a span of time, and `beyond` is one minute more."""
    return Edge(number=number, says=says, call=call, seen=seen, at=at, beyond=beyond or at + 1 / 60)


def shown(words: str) -> Seen:
    """Returns a check that any card says this."""
    return lambda call: any(words in card.text for card in call.cards())


def offered(words: str, of: str = "") -> Seen:
    """Returns a check that any button that begins with `of` offers this."""
    return lambda call: any(
        label.startswith(of) and words in label for card in call.cards() for label in card.labels
    )


def head(wanted: str) -> Seen:
    """Returns a check that there is a card of this topic and indicator."""
    return lambda call: any(card.head.startswith(wanted) for card in call.cards())


def no(seen: Seen) -> Seen:
    """Returns the opposite check."""
    return lambda call: not seen(call)


def may_restrict(call: Call) -> bool:
    """Returns True if the plan offers a restriction, on any card."""
    case = call.evaluation().case
    return case is not None and case.restriction.verdict == "offer"


def view(*record: Resource, **more: Any) -> Call:
    return Call(record=record, **more)


def select(order: Resource, *record: Resource, **more: Any) -> Call:
    return Call(record=record, drafts=(order,), **more)


def ended(drug: str | tuple[str, str], hours: float) -> Resource:
    """Returns a drug that was taken for a long time, until so many hours ago."""
    period = {"start": instant(days=200), "end": instant(hours=hours)}
    dosage = [{"timing": {"repeat": {"boundsPeriod": period}}}]
    return taking(drug, status="completed", dosageInstruction=dosage)


def urine(hours: float, osmolality: str = "400") -> tuple[Resource, ...]:
    """Returns urine results as in SIADH."""
    return lab("urine-sodium", "60", hours), lab("urine-osmolality", osmolality, hours)


def supply(days: float) -> dict[str, Any]:
    """Returns an order for a course of so many days."""
    return {"dispenseRequest": {"expectedSupplyDuration": {"value": days, "code": "d"}}}


SPANS = [
    edge(
        "low_again_hours",
        "two low values a day apart are worth a work-up",
        lambda h: view(sodium("134"), sodium("134", 2 + h), problem("R25.2", 2)),
        offered("work-up"),
        24,
        24 - 1 / 60,
    ),
    edge(
        "new_drug_days",
        "a new suspect drug ends the silence on a long steady sodium",
        lambda h: view(*(sodium("131", t) for t in (2, 720, 1700)), taking("mirtazapine", h / 24)),
        head("sodiumMild info"),
        14 * DAY,
    ),
    edge(
        "workup_inpatient_hours",
        "in hospital a test of the last day is not suggested again",
        lambda h: view(sodium("123"), lab("urine-osmolality", "300", h)),
        no(offered("urine osmolality")),
        24,
    ),
    edge(
        "workup_outpatient_days",
        "in the clinic a test of the last week is not suggested again",
        lambda h: view(sodium("123"), lab("urine-osmolality", "300", h), inpatient=False),
        no(offered("urine osmolality")),
        7 * DAY,
    ),
    edge(
        "osmolality_recent_days",
        "an osmolality of the last month spares a mild, silent low sodium the work-up",
        lambda h: view(sodium("131"), lab("serum-osmolality", "260", h), inpatient=False),
        no(offered("work-up")),
        30 * DAY,
    ),
    edge(
        "cramp_labs_inpatient_days",
        "in hospital a potassium of the last week is not suggested again for cramps",
        lambda h: view(sodium("131"), CRAMP, lab("potassium", "4", h)),
        no(offered("potassium", of="Order for cramps")),
        7 * DAY,
    ),
    edge(
        "cramp_labs_outpatient_days",
        "in the clinic a potassium of the last month is not suggested again for cramps",
        lambda h: view(sodium("131"), CRAMP, lab("potassium", "4", h), inpatient=False),
        no(offered("potassium", of="Order for cramps")),
        30 * DAY,
    ),
    edge(
        "baclofen_egfr_days",
        "baclofen needs a kidney function of the last three months",
        lambda h: view(sodium("131"), CIRRHOSIS, CRAMP, lab("egfr", "80", h)),
        offered("baclofen"),
        90 * DAY,
    ),
    edge(
        "drugcheck_started_days",
        "a drug is new for a month",
        lambda h: view(taking("sertraline", h / 24), age=70, inpatient=False),
        head("sodiumCheckDue"),
        30 * DAY,
    ),
    edge(
        "drugcheck_sodium_days",
        "a sodium of the last three months is a baseline",
        lambda h: view(taking("sertraline", 10), sodium("140", h), age=70, inpatient=False),
        no(head("sodiumCheckDue")),
        90 * DAY,
    ),
    edge(
        "urine_labs_hours",
        "urine of the last two days tells the volume status",
        lambda h: view(sodium("128"), lab("urine-sodium", "20", h)),
        shown("Low urine sodium"),
        48,
    ),
    edge(
        "urine_pair_hours",
        "urine explains a sodium of the same day",
        lambda h: view(sodium("128"), *urine(2 + h)),
        shown("SIADH pattern"),
        24,
    ),
    edge(
        "diuretic_washout_hours",
        "a diuretic of the last three days hides a SIADH pattern",
        lambda h: view(sodium("128"), *urine(2), ended("furosemide", h)),
        no(shown("SIADH pattern")),
        72,
    ),
    edge(
        "stop_unknown_days",
        "a stopped order without its date may have lasted until now",
        lambda h: view(sodium("128"), *urine(2), taking("furosemide", h / 24, status="stopped")),
        no(shown("SIADH pattern")),
        90 * DAY,
    ),
    edge(
        "bun_creatinine_pair_hours",
        "urea and creatinine of one day make a ratio",
        lambda h: view(sodium("128"), lab("bun", "50"), lab("creatinine", "1", 2 + h)),
        shown("BUN:creatinine ratio 50"),
        24,
    ),
    edge(
        "demyelination_bmi_days",
        "a low body mass index counts for a year",
        lambda h: view(sodium("128"), lab("bmi", "17", h)),
        shown("High risk of osmotic demyelination"),
        365 * DAY,
    ),
    edge(
        "demyelination_episode_days",
        "a very low sodium counts for two weeks",
        lambda h: view(sodium("128"), sodium("104", h)),
        shown("High risk of osmotic demyelination"),
        14 * DAY,
    ),
    edge(
        "normal_before_days",
        "a normal sodium in the half year before the start makes the drug the probable cause",
        lambda h: view(sodium("128"), taking("sertraline", 10), sodium("140", 10 * DAY + h)),
        shown("probable cause"),
        180 * DAY,
    ),
    edge(
        "restriction_inpatient_hours",
        "in hospital restriction needs a sodium of the last day",
        lambda h: view(sodium("123", h), SIADH),
        may_restrict,
        24,
    ),
    edge(
        "vaptan_hours",
        "a vaptan of the last day forbids restriction",
        lambda h: view(sodium("123"), SIADH, ended(TOLVAPTAN_15, h)),
        no(may_restrict),
        24,
    ),
    edge(
        "clamp_saline_hours",
        "desmopressin beside hypertonic saline of the last day is a clamp",
        lambda h: select(draft("desmopressin"), sodium("128"), taking(SALINE_3, h / 24)),
        no(head("sodiumLoweringDrug")),
        24,
    ),
    edge(
        "low_glucose_hours",
        "dextrose treats a low glucose of the last hours",
        lambda h: select(DEXTROSE, sodium("128"), lab("glucose", "60", h)),
        no(head("hypotonicFluid")),
        6,
    ),
    edge(
        "combination_sodium_days",
        "a sodium of the last three months tells how much room there is",
        lambda h: select(SERTRALINE, sodium("137", h), taking("hydrochlorothiazide")),
        head("sodiumLoweringCombination warning"),
        90 * DAY,
    ),
    edge(
        "creatinine_rise_hours",
        "creatinine up by 0.3 within two days",
        lambda h: view(
            sodium("123"), ASCITES, lab("creatinine", "1.3"), lab("creatinine", "1", 2 + h)
        ),
        shown("creatinine rose"),
        48,
    ),
    edge(
        "creatinine_baseline_days",
        "creatinine one and a half times its lowest of three months",
        lambda h: view(
            sodium("123"), ASCITES, lab("creatinine", "1.6"), lab("creatinine", "1", 2 + h)
        ),
        shown("creatinine rose"),
        90 * DAY,
    ),
    edge(
        "weight_loss_days",
        "weight lost within a week",
        lambda h: view(sodium("123"), ASCITES, lab("weight", "72"), lab("weight", "75", 2 + h)),
        shown("weight fell"),
        7 * DAY,
    ),
    edge(
        "dilute_urine_days",
        "dilute urine of the last week withholds restriction",
        lambda h: view(sodium("123"), SIADH, lab("urine-osmolality", "70", h)),
        no(may_restrict),
        7 * DAY,
    ),
    edge(
        "vaptan_sodium_hours",
        "a vaptan needs a sodium of the last day",
        lambda h: select(draft(TOLVAPTAN_15), sodium("128", h)),
        no(head("sodiumNeededFirst")),
        24,
    ),
    edge(
        "raising_case_hours",
        "a sodium of the last day still tells that hypertonic saline does not fit",
        lambda h: select(draft(SALINE_3, ml=250), sodium("132", h)),
        shown("not advised; repeat sodium first"),
        24,
    ),
    edge(
        "baseline_inpatient_days",
        "in hospital a sodium of the last week is a baseline",
        lambda h: select(SERTRALINE, sodium("140", h), age=70),
        no(head("baselineSodium")),
        7 * DAY,
    ),
]
AMOUNTS = [
    edge(
        "baclofen_sodium_from",
        "no baclofen at a moderately low sodium",
        lambda na: view(sodium(str(na)), CIRRHOSIS, CRAMP, lab("egfr", "80")),
        offered("baclofen"),
        126,
        125.9,
    ),
    edge(
        "low_glucose_below",
        "dextrose treats a glucose below 70",
        lambda mg: select(DEXTROSE, sodium("128"), lab("glucose", str(mg))),
        no(head("hypotonicFluid")),
        69.9,
        70,
    ),
    edge(
        "lowering_age_years",
        "from 65 on a mildly low sodium with an SSRI is a warning",
        lambda years: select(SERTRALINE, sodium("132"), age=int(years)),
        head("sodiumLoweringDrug warning"),
        65,
        64,
    ),
    edge(
        "refill_sodium_below",
        "a refill is worth a card below 130",
        lambda na: select(SERTRALINE, sodium(str(na)), taking("sertraline")),
        head("sodiumLoweringDrug"),
        129.9,
        130,
    ),
    edge(
        "urate_low_below",
        "uric acid below 4 supports SIADH",
        lambda mg: view(sodium("128"), *urine(2), lab("urate", str(mg))),
        shown("uric acid"),
        3.9,
        4,
    ),
    edge(
        "raise_warning_risk_from",
        "at high risk hypertonic saline after a rise of 4 is a warning",
        lambda na: select(draft(SALINE_3, ml=250), *sodiums((0, "112"), (10, str(na))), CIRRHOSIS),
        head("raiseOvercorrection"),
        116,
        115.9,
    ),
    edge(
        "conivaptan_days_max",
        "conivaptan for more than four days",
        lambda d: select(
            draft(
                "conivaptan",
                iv=True,
                dispenseRequest={"expectedSupplyDuration": {"value": d, "code": "d"}},
            ),
            sodium("124"),
        ),
        no(shown("limit is 4 d")),
        4,
        5,
    ),
    edge(
        "isotonic_osmolality_above",
        "isotonic saline with urine above 500 mOsm/kg is a warning",
        lambda osm: select(draft(SALINE_1000, ml=1000), sodium("128"), *urine(2, str(osm))),
        head("isotonicSalineSiadh warning"),
        501,
        500,
    ),
]
EDGES = [*SPANS, *AMOUNTS]


@pytest.mark.parametrize("at_edge", EDGES, ids=[e.number for e in EDGES])
def test_a_number_counts_up_to_its_edge(at_edge: Edge) -> None:
    assert at_edge.seen(at_edge.call(at_edge.at)), f"{at_edge.says}: not at {at_edge.at}"
    assert not at_edge.seen(at_edge.call(at_edge.beyond)), (
        f"{at_edge.says}: still at {at_edge.beyond}"
    )


def _planned(call: Call, label: str) -> timedelta:
    """Returns the time from now until the sodium of this button is to be drawn."""
    for card in call.cards():
        for suggestion in card.raw.get("suggestions", []):
            if label in suggestion["label"]:
                due: datetime = datetime.fromisoformat(
                    suggestion["actions"][0]["resource"]["occurrenceDateTime"]
                )
                return due - NOW
    raise AssertionError(f"no button '{label}'")


REPEATS = {
    "repeat_over_hours": (view(*sodiums((0, "118"), (20, "128"))), "Repeat sodium today 11:00", 2),
    "repeat_over_hours, the ceiling in 7 h": (
        view(*sodiums((0, "118"), (20, "124"))),
        "Repeat sodium today 11:00",
        2,
    ),
    "repeat_least_hours, the ceiling in 1 h": (
        view(*sodiums((0, "118"), (6, "125"))),
        "Repeat sodium today 10:00",
        1,
    ),
    "repeat_near_hours, glucose": (
        view(sodium("131"), lab("glucose", "500")),
        "Repeat sodium today 13:00",
        4,
    ),
    "repeat_crisis_hours": (
        view(sodium("128", 0), lab("glucose", "600", 0)),
        "Repeat sodium today 11:00",
        2,
    ),
    "vaptan_recheck_hours": (select(draft(TOLVAPTAN_15), sodium("124")), "sodium", 6),
    "drug_recheck_days": (
        select(SERTRALINE, sodium("132"), inpatient=False),
        "sodium in 1-2 weeks",
        7 * DAY,
    ),
}


@pytest.mark.parametrize(("call", "label", "hours"), REPEATS.values(), ids=REPEATS)
def test_the_next_sodium_is_drawn_when_the_card_says(call: Call, label: str, hours: float) -> None:
    assert _planned(call, label) == timedelta(hours=hours)


def test_only_the_european_profile_counts_vomiting_as_severe() -> None:
    """0 means "never" in the table; any other number would be a decision that was never made."""
    assert pipeline().knowledge.limits["aasld"].vomiting_severe_below == 0


def site_hooks(folder: Path, number: str, value: int) -> Path:
    """Returns the hooks/ of a site that changed one number."""
    hooks = folder / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    file = hooks / "knowledge" / "thresholds.toml"
    text, changes = re.subn(
        rf"(?m)^(\[{number}\]\nvalue = ).*$", rf"\g<1>{value}", file.read_text(encoding="utf-8")
    )
    assert changes == 1
    file.write_text(text, encoding="utf-8")
    return hooks


@pytest.fixture(scope="module")
def weak_hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_hooks(tmp_path_factory.mktemp("weak"), "weak_suspects_included", 1)


@pytest.mark.parametrize(("na", "named"), [("129.9", True), ("130", False)])
def test_weakly_linked_drugs_are_named_below_130_if_a_site_wants_them(
    na: str, named: bool, weak_hooks: Path
) -> None:
    record = sodium(na), taking("theophylline", 20)
    assert shown("theophylline")(Call(record=record, hooks=weak_hooks)) is named
    assert not shown("theophylline")(Call(record=record))


@pytest.fixture(scope="module")
def patient_hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return site_hooks(tmp_path_factory.mktemp("patient"), "current_inpatient_hours", 48)


def test_restriction_needs_a_sodium_of_today_even_if_a_site_trusts_one_for_two_days(
    patient_hooks: Path,
) -> None:
    late = sodium("123", 24 + 1 / 60)
    assert not may_restrict(Call(record=(late, SIADH), hooks=patient_hooks))
    assert may_restrict(Call(record=(sodium("123", 24), SIADH), hooks=patient_hooks))
