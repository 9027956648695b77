"""What the third pair of reviews found on charts: water that is shed, shock, drinking, headlines."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import Order
from cds_service.sodium.volume import Volume
from tests.sodium.patients import Story, drug, order, problem, result
from tests.sodium.rules.cases import detail, fired, keys, reason, summary
from tests.sodium.rules.orders import Scene, restriction, selected, table

POLYDIPSIA = (problem("schizophrenia", days=900), problem("polydipsia", days=900))


def ward(sodium: str, *results: Any, **more: Any) -> Story:
    """An inpatient with one low sodium and these results."""
    return Story(sodium=sodium, setting="inpatient", results=results, **more)


def urine(osmolality: float, sodium: float | None = None) -> tuple[Any, ...]:
    """Urine of two hours ago."""
    salt = () if sodium is None else (result("urine-sodium", sodium),)
    return (result("urine-osmolality", osmolality), *salt)


def card(story: Story, rule: str) -> Finding:
    """The finding of a rule that must speak."""
    return fired(story.case())[rule]


def face(story: Story, rule: str) -> list[str]:
    """The keys of the first four lines of the finding."""
    return [line.key for line in card(story, rule).do][:4]


# ---- water that is shed while sodium rises (PH25, B05)


def rising(
    *more: Any, sodium: str = "118", base: float = 112, hours: float = 9, **parts: Any
) -> Story:
    """Sodium rose by 6 within seven hours."""
    return ward(sodium, result("sodium", base, hours), *more, **parts)


@pytest.mark.parametrize("osmolality", [60, 90, 199])
def test_a_dilute_urine_leads_the_card_near_the_limit(osmolality: float) -> None:
    story = rising(*urine(osmolality))
    assert face(story, "RATE-NEAR")[0] == "sheds-water"
    assert "slow-down" not in keys(card(story, "RATE-NEAR"))
    assert "monitor-over" in keys(card(story, "RATE-NEAR"))


def test_what_raises_sodium_and_runs_is_reviewed_all_the_same() -> None:
    story = rising(*urine(70), orders=(order("urea", days=1),))
    assert face(story, "RATE-NEAR") == [
        "sheds-water",
        "raising-drugs",
        "ceiling-aasld",
        "monitor-over",
    ]


@pytest.mark.parametrize("results", [(), urine(200), urine(420)])
def test_without_a_dilute_urine_the_treatment_is_reviewed(results: Any) -> None:
    story = rising(*results)
    assert face(story, "RATE-NEAR")[0] == "slow-down"
    assert "sheds-water" not in keys(card(story, "RATE-NEAR"))


def test_a_stopped_antidiuretic_is_named_before_the_urine_is_known() -> None:
    stopped = order("desmopressin", days=30, ended=0.4, status="stopped")
    assert face(rising(orders=(stopped,)), "RATE-NEAR")[0] == "will-shed-water"


@pytest.mark.parametrize(
    ("results", "key"), [(urine(95), "hold-vaptan-shedding"), ((), "hold-vaptan")]
)
def test_a_vaptan_is_held_and_the_patient_drinks(results: Any, key: str) -> None:
    vaptan = (order("tolvaptan", days=1),)
    contested = rising(*results, sodium="132", base=122, hours=22, orders=vaptan)
    assert key in face(contested, "RATE-OVER")
    assert face(rising(*results, orders=vaptan), "RATE-NEAR")[0] == key


@pytest.mark.parametrize("base", [119, 122])
def test_no_mild_card_distracts_from_an_over_correction(base: float) -> None:
    story = rising(sodium="132", base=base, hours=20)
    assert "RATE-OVER" in fired(story.case())
    assert reason("PV-MILD", story.case()) == "rate-leads"


def test_a_mild_value_near_the_limit_keeps_its_card() -> None:
    found = fired(rising(sodium="127", base=120.5, hours=20).case())
    assert {"RATE-NEAR", "PV-MILD"} <= found.keys()


# ---- pressure and pulse beside a urine that looks like SIADH (PH20)

SHOCK = (result("systolic", 86, 1), result("heart-rate", 120, 1))


def test_a_low_pressure_is_not_overruled_by_the_urine() -> None:
    story = ward("121", *urine(480, 90), *SHOCK)
    assert story.case().volume.status is Volume.UNKNOWN
    assert story.case().volume.shock == ("hypotension", "heart-rate-high")
    assert face(story, "PV-MOD")[0] == "volume-shock"
    assert "monitor-near" in keys(card(story, "PV-MOD"))
    assert "siadh-pattern" not in keys(card(story, "PV-MOD"))


def test_a_recorded_siadh_is_not_called_likely_beside_a_low_pressure() -> None:
    story = ward("121", *urine(480, 90), *SHOCK, problems=(problem("siadh", days=20),))
    assert story.case().volume.status is Volume.EUV
    assert face(story, "PV-MOD")[0] == "volume-shock"
    told = keys(card(story, "PV-MOD"))
    assert {"volume-recorded", "monitor-near"} <= set(told)
    assert "volume-euv" not in told


def test_the_same_urine_with_a_good_pressure_is_a_siadh_pattern() -> None:
    story = ward("121", *urine(480, 90), result("systolic", 130, 1), result("heart-rate", 70, 1))
    assert story.case().volume.status is Volume.EUV


def test_a_fast_pulse_alone_says_nothing_against_the_urine() -> None:
    story = ward("121", *urine(480, 90), result("systolic", 130, 1), result("heart-rate", 120, 1))
    assert story.case().volume.status is Volume.EUV


def test_a_drug_that_loses_salt_is_named_beside_the_pressure() -> None:
    story = ward("121", *urine(480, 96), *SHOCK, orders=(order("cisplatin", days=5, route="iv"),))
    assert face(story, "PV-MOD")[0] == "volume-shock-salt"
    assert "withheld-hydrated" not in keys(card(story, "PV-MOD"))
    assert "withheld-hydrated-listed" in keys(card(story, "PV-MOD"))


def test_a_cytotoxic_drug_of_yesterday_needs_its_fluid_within_two_days() -> None:
    story = ward("121", orders=(order("cisplatin", days=1, route="iv"),))
    assert "withheld-hydrated" in keys(card(story, "PV-MOD"))


# ---- recorded polydipsia with a urine of 100 to 200 (B11)


@pytest.mark.parametrize("osmolality", [101, 180, 199])
def test_recorded_polydipsia_is_no_siadh(osmolality: float) -> None:
    story = ward("122", *urine(osmolality, 34), problems=POLYDIPSIA)
    assert story.case().volume.status is Volume.UNKNOWN
    told = keys(card(story, "PV-MOD"))
    assert {"polydipsia", "monitor-near"} <= set(told)
    assert "polydipsia on record, a likely cause" in summary(card(story, "PV-MOD"))
    assert not {"siadh-pattern", "restriction-euvolemic", "euvolemia-next"} & set(told)


@pytest.mark.parametrize(
    ("osmolality", "problems"), [(200, POLYDIPSIA), (180, ()), (180, POLYDIPSIA[:1])]
)
def test_other_urine_or_no_polydipsia_is_a_siadh_pattern(osmolality: float, problems: Any) -> None:
    story = ward("122", *urine(osmolality, 34), problems=problems)
    assert story.case().volume.status is Volume.EUV


def test_a_recorded_siadh_stays_siadh_beside_polydipsia() -> None:
    problems = (*POLYDIPSIA, problem("siadh", days=5))
    assert ward("122", *urine(180, 34), problems=problems).case().volume.status is Volume.EUV


# ---- headlines and plans


@pytest.mark.parametrize(
    "problems",
    [(problem("lasting-bowel-loss", days=300),), (problem("gi-bleed", days=1),)],
)
def test_a_weak_suspect_gives_way_to_losses_on_record(problems: Any) -> None:
    story = ward("122", problems=problems, orders=(order("omeprazole", days=20),))
    found = card(story, "PV-MOD")
    assert "omeprazole" not in summary(found)
    assert ("fistula on record, a likely cause" in summary(found)) is (
        problems[0].concepts == {"lasting-bowel-loss"}
    )
    assert "review-after-losses" in keys(found)


def test_losses_are_told_where_the_depletion_has_another_sign() -> None:
    results = (*urine(560, 8), result("systolic", 90, 1))
    story = ward("122", *results, problems=(problem("lasting-bowel-loss", days=300),))
    assert "withheld-losses" in keys(card(story, "PV-MOD"))


def test_a_strong_suspect_stays_in_the_headline() -> None:
    story = ward(
        "122", problems=(problem("gi-bleed", days=1),), orders=(order("sertraline", days=9),)
    )
    assert "sertraline" in summary(card(story, "PV-MOD"))


@pytest.mark.parametrize("name", ["trimethoprim", "linezolid", "cisplatin", "terlipressin"])
def test_the_need_of_a_needed_treatment_is_not_questioned(name: str) -> None:
    story = ward("122", orders=(order(name, days=5, route="iv"),))
    assert "review-need" not in keys(card(story, "PV-MOD"))


@pytest.mark.parametrize(("sodium", "rule"), [("127", "PV-MILD"), ("122", "PV-MOD")])
def test_an_osmolality_that_is_not_low_leads_the_headline(sodium: str, rule: str) -> None:
    results = (result("serum-osmolality", 289), result("glucose", 100))
    given = (order("intravenous immunoglobulin", days=1, route="iv"),)
    found = card(ward(sodium, *results, orders=given), rule)
    assert "osmolality 289 is not low" in summary(found)
    assert "osmolality-unproven-drug" in keys(found)
    assert not {"avoid-water", "treat-cause", "salty-food"} & set(keys(found))


def test_running_oxytocin_in_dextrose_is_stopped_before_the_bolus() -> None:
    drip = Order(
        reference="MedicationRequest/drip",
        drugs=(drug("oxytocin"),),
        hypotonic=True,
        carries=True,
        route="iv",
        status="active",
        intent="order",
    )
    story = ward("116", problems=(problem("seizure", days=0.05),), orders=(drip,))
    told = face(story, "PV-SYMP")
    assert told.index("running-hypotonic-unnamed") < told.index("bolus-aasld")


def test_in_diabetes_insipidus_sodium_is_measured_today_and_at_one_time() -> None:
    story = Story(
        sodium="127",
        problems=(problem("diabetes-insipidus", days=900),),
        orders=(order("desmopressin", days=400),),
    )
    assert "monitor-insipidus" in keys(card(story, "PV-MILD"))
    kinds = [s.kind for s in card(story, "PV-MILD").suggestions]
    assert "repeat-sodium-now" in kinds


@pytest.mark.parametrize("setting", ["inpatient", "outpatient"])
def test_a_steady_mild_value_of_the_clinic_has_no_ceiling_of_hours(setting: Any) -> None:
    story = Story(
        sodium="128",
        setting=setting,
        results=(result("sodium", 129, 24 * 20),),
        problems=(problem("siadh", days=10), problem("fall", days=5)),
    )
    told = [key for key in keys(card(story, "PV-MILD-SYMP")) if key.startswith("ceiling-")]
    assert bool(told) is (setting == "inpatient")


# ---- orders

SCENES = (
    Scene(
        says="A12: renal salt wasting is called salt wasting",
        order=restriction(),
        story=ward("126", problems=(problem("salt-wasting", days=5),)),
        fires={"OS-FR": "critical main"},
        removes=True,
        shows=("do-csw",),
    ),
    Scene(
        says="A08: a vaptan without urine is answered by dialysis",
        order=selected("tolvaptan"),
        story=ward("127", problems=(problem("dialysis", days=300),)),
        fires={"OS-VAP-CONTRA": "critical main", "OS-VAP-GEN": "info main"},
        removes=True,
        shows=("not-give-anuria",),
        hides=("not-give",),
    ),
    Scene(
        says="A13: spironolactone at 119 in cirrhosis is held, and no line says not to delay it",
        order=selected("spironolactone"),
        story=ward("119", problems=(problem("cirrhosis", days=900),)),
        fires={"OS-DIUR-CRAMP": "warning main"},
        removes=True,
        hides=("check-not-delay",),
    ),
    Scene(
        says="A13: a thiazide there keeps the words of its own danger",
        order=selected("hydrochlorothiazide"),
        story=ward("119", problems=(problem("cirrhosis", days=900),)),
        fires={"OS-DIUR-CRAMP": "warning main", "OS-LOW": "critical main"},
        removes=True,
    ),
)


@table(SCENES)
def test_orders_of_the_third_reviews(scene: Scene) -> None:
    scene.check()


def test_the_words_of_salt_wasting_name_no_place() -> None:
    case = SCENES[0].case()
    assert "cerebral" not in " ".join(
        str(value) for told in case.restriction.reasons for value in told.facts.values()
    )
    assert replace(SCENES[0], says="").findings()


@pytest.mark.parametrize(("days", "named"), [(25, True), (41, True), (89, True), (95, False)])
def test_f29_a_pump_inhibitor_of_the_last_three_months_is_named_if_nothing_else_is(
    days: int, named: bool
) -> None:
    story = ward("126", orders=(order("omeprazole", days=days),))
    told = detail(next(f for rule, f in fired(story.case()).items() if rule.startswith("PV-M")))
    assert any("omeprazole" in text for text in told) is named
