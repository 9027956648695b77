"""Drugs that block cortisol, and adrenal failure by its pattern: the hormone before 3 % saline (F5)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result, sets
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import Scene, restriction, selected, table

SIADH = problem("siadh", days=5)
VOMITING = problem("vomiting", days=0.5, encounter=True)
BLOCKERS = sets().cortisol_blockers.members
SUPPRESSORS = sets().cortisol_suppressors.members
SYNTHESIS = [drug for drug in BLOCKERS if drug not in (*SUPPRESSORS, "mifepristone")]
DEPOTS = ("triamcinolone", "methylprednisolone acetate", "betamethasone acetate")
OSILODROSTAT = order("osilodrostat", days=40)


def ward(*orders: Order, sodium: str = "124", **more: Any) -> Story:
    """An inpatient with SIADH on record and a normal value a month ago."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        orders=orders,
        problems=(SIADH, *more.pop("problems", ())),
        results=(result("sodium", "139", 672), *more.pop("results", ())),
        **more,
    )


def infused(name: str, **more: Any) -> Order:
    """An order of this drug as it is given: etomidate by vein, medroxyprogesterone in its dose."""
    route = "iv" if name == "etomidate" else "systemic"
    dose = "500" if name == "medroxyprogesterone" else None
    return order(name, **{"days": 40, "route": route, "dose": dose, **more})


def adrenal(story: Story) -> list[str]:
    return [line.key for line in story.case().restriction.adrenal]


def sick(systolic: int, *orders: Order, sodium: str = "124", **measured: str) -> Story:
    """An inpatient who vomits, with this pressure."""
    results = (
        result("systolic", systolic),
        result("heart-rate", 118),
        *(result(k, v) for k, v in measured.items()),
    )
    return Story(
        sodium=sodium,
        setting="inpatient",
        orders=orders,
        problems=(VOMITING,),
        results=(result("sodium", "139", 672), *results),
    )


def card(story: Story, profile: str) -> Finding:
    """The card of the chart on low sodium."""
    found = [one for rule, one in fired(story.case(profile)).items() if rule.startswith("PV-")]
    return max(found, key=lambda one: one.indicator == "critical")


# ---- (a) the drugs


@pytest.mark.parametrize("drug", BLOCKERS)
def test_each_drug_that_lowers_cortisol_withholds_restriction_and_is_named(drug: str) -> None:
    story = ward(infused(drug))
    assert ward().case().restriction.verdict == "offer"
    assert story.case().restriction.verdict == "text"
    said = "\n".join(detail(next(iter(fired(story.case()).values()))))
    assert "**Think adrenal**" in said
    assert drug in said


@pytest.mark.parametrize("drug", SYNTHESIS)
def test_a_drug_that_blocks_synthesis_is_held(drug: str) -> None:
    assert adrenal(ward(infused(drug))) == ["withheld-adrenal-blocker"]


def test_at_the_receptor_dexamethasone_is_named_and_megestrol_is_not_just_held() -> None:
    assert adrenal(ward(infused("mifepristone"))) == ["withheld-adrenal-receptor"]
    assert adrenal(ward(infused("megestrol"))) == ["withheld-adrenal-several"]


@pytest.mark.parametrize(
    ("story", "keys"),
    [
        (ward(infused("osilodrostat", ended=13.9, status="completed")), ["withheld-adrenal-blocker"]),
        (ward(infused("osilodrostat", ended=14.1, status="completed")), []),
        (ward(infused("mitotane", days=400, ended=179.9, status="completed")), ["withheld-adrenal-blocker"]),
        (ward(infused("mitotane", days=400, ended=180.1, status="completed")), []),
        (ward(replace(infused("etomidate", days=0.2), single_dose=True)), []),
        (ward(replace(infused("mifepristone", days=2), single_dose=True)), []),
        (ward(infused("ketoconazole", route="local")), []),
    ],
    ids=["two weeks", "later", "mitotane half a year", "mitotane later", "one dose of etomidate", "one dose of mifepristone", "cream"],
)  # fmt: skip
def test_what_no_longer_acts_or_never_did_is_no_ground(story: Story, keys: list[str]) -> None:
    assert adrenal(story) == keys


@pytest.mark.parametrize("drug", SUPPRESSORS)
def test_a_drug_that_acts_as_a_steroid_counts_as_long_after_its_end(drug: str) -> None:
    def ended(days: float) -> Story:
        return ward(infused(drug, days=150, ended=days, status="completed"))

    assert adrenal(ended(29.9)) == ["withheld-adrenal-several"]
    assert ended(29.9).case().restriction.verdict == "text"
    assert adrenal(ended(30.1)) == []


@pytest.mark.parametrize(("dose", "counts"), [("200", True), ("199", False), (None, False)])
def test_medroxyprogesterone_counts_in_the_dose_against_cancer_only(
    dose: str | None, counts: bool
) -> None:
    assert bool(adrenal(ward(infused("medroxyprogesterone", dose=dose)))) is counts


@pytest.mark.parametrize("drug", DEPOTS)
@pytest.mark.parametrize(
    ("days", "route", "counts"),
    [
        (29.9, "systemic", True),
        (30.1, "systemic", False),
        (2, "iv", True),
        (2, "unknown", False),
        (2, "local", False),
    ],
)
def test_one_depot_injection_of_a_steroid_counts_for_a_month(
    drug: str, days: float, route: Any, counts: bool
) -> None:
    given = replace(order(drug, days=days, route=route, status="completed"), single_dose=True)
    assert bool(adrenal(ward(given))) is counts
    assert adrenal(ward(given)) in ([], ["withheld-adrenal-several"])


def test_oral_budesonide_that_ended_is_a_steroid_that_ended() -> None:
    story = ward(order("oral budesonide", days=120, ended=8, status="completed"))
    assert adrenal(story) == ["withheld-adrenal-steroid"]
    inhaled = ward(order("budesonide", days=120, ended=8, status="completed"))
    assert adrenal(inhaled) == []


def test_beside_a_steroid_that_replaces_it_a_missed_dose_is_asked_for() -> None:
    story = ward(infused("abiraterone"), order("prednisone", days=40))
    assert adrenal(story) == ["withheld-adrenal-replaced"]


@pytest.mark.parametrize(
    ("drug", "keys"), [("ketoconazole", []), ("osilodrostat", ["withheld-adrenal-blocker"])]
)
def test_a_high_cortisol_lifts_it_unless_the_drug_makes_the_test_mislead(
    drug: str, keys: list[str]
) -> None:
    assert adrenal(ward(infused(drug), results=(result("cortisol", "19", 24),))) == keys


# ---- (b) what is read first


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["112", "118", "124", "128"])
@pytest.mark.parametrize(
    "evidence",
    [
        ((OSILODROSTAT,), {"potassium": "5.5"}),
        ((), {"potassium": "6.2"}),
        ((), {"potassium": "5.2", "glucose": "61"}),
        ((order("prednisolone", days=200, ended=4, status="completed"),), {}),
        ((order("nivolumab", days=100),), {}),
    ],
    ids=["drug", "potassium", "pattern", "steroid ended", "checkpoint"],
)
def test_in_shock_the_adrenal_line_is_second_at_the_latest(
    profile: str, sodium: str, evidence: tuple[tuple[Order, ...], dict[str, str]]
) -> None:
    orders, measured = evidence
    found = card(sick(84, *orders, sodium=sodium, **measured), profile)
    keys = [line.key for line in found.do]
    at = [i for i, key in enumerate(keys) if key.startswith("withheld-adrenal-shock")]
    assert at, keys
    assert at[0] < 2, keys
    boluses = [i for i, key in enumerate(keys) if "bolus" in key]
    assert all(at[0] < i for i in boluses)
    assert [k for k in keys if k.startswith("withheld-adrenal")] == [keys[at[0]]]  # said once


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["112", "118", "124"])
def test_with_vomiting_alone_the_adrenal_line_and_the_volume_are_on_the_face(
    profile: str, sodium: str
) -> None:
    drug = card(sick(112, OSILODROSTAT, sodium=sodium), profile)
    face = [line.key for line in drug.do[:FACE_BULLETS]]
    assert [key for key in face if key.startswith("withheld-adrenal")], face
    dry = [line.key for line in card(sick(84, sodium=sodium), profile).do]
    volume = [i for i, key in enumerate(dry) if key in ("volume-shock", "vomiting-dry")]
    assert volume, dry
    assert volume[0] < FACE_BULLETS, dry
    boluses = [i for i, key in enumerate(dry) if "bolus" in key or key == "only-beside-signs"]
    assert all(volume[0] < i for i in boluses), dry


# Two grounds, and the pattern of results: without a failing circulation each leads the card too.
LIKELY: dict[str, dict[str, Any]] = {
    "two grounds": {
        "orders": (OSILODROSTAT,),
        "results": (result("potassium", "5.7"), result("systolic", 92)),
    },
    "a pattern": {"results": (result("potassium", "5.1"), result("glucose", "64"))},
    "a pattern and a drug that ended": {
        "orders": (order("megestrol", days=60, ended=5, status="stopped"),),
        "results": (result("potassium", "5.1"), result("glucose", "64"), result("systolic", 92)),
    },
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["112", "118", "124", "131"])
@pytest.mark.parametrize("grounds", LIKELY)
def test_a_likely_adrenal_failure_is_among_the_first_lines(
    grounds: str, sodium: str, profile: str
) -> None:
    story = replace(Story(sodium=sodium, setting="inpatient"), **LIKELY[grounds])
    face = [line.key for line in card(story, profile).do[:FACE_BULLETS]]
    assert [key for key in face if key.startswith("withheld-adrenal")], face


def test_with_a_seizure_and_no_shock_the_bolus_comes_first() -> None:
    story = Story(
        sodium="118",
        setting="inpatient",
        orders=(OSILODROSTAT,),
        problems=(problem("seizure", days=0.03, encounter=True),),
    )
    keys = [line.key for line in card(story, "aasld").do]
    bolus = next(i for i, key in enumerate(keys) if "bolus" in key)
    assert bolus < keys.index("withheld-adrenal-blocker") < FACE_BULLETS + 1, keys


@pytest.mark.parametrize("held", ["acute-heart-failure", "fluid-overload", "heart-failure"])
def test_in_overload_no_fluid_is_given_by_reflex(held: str) -> None:
    story = sick(84, OSILODROSTAT)
    swollen = replace(story, problems=(*story.problems, problem(held, days=3)))
    assert adrenal(swollen) == ["withheld-adrenal-blocker"]


# ---- (c) the pattern


@pytest.mark.parametrize(
    ("potassium", "glucose", "systolic", "keys"),
    [
        ("5.0", "69", 118, ["withheld-adrenal-pattern"]),
        ("4.9", "69", 118, []),
        ("5.0", "70", 118, []),
        ("5.0", "90", 89, ["withheld-adrenal-shock"]),
        ("5.0", "90", 90, []),
        ("4.9", "90", 80, []),
        ("5.6", "61", 118, ["withheld-adrenal-potassium"]),
    ],
)
def test_the_pattern_needs_the_potassium_and_one_more_sign(
    potassium: str, glucose: str, systolic: int, keys: list[str]
) -> None:
    measured = (
        result("potassium", potassium),
        result("glucose", glucose),
        result("systolic", systolic),
    )
    assert adrenal(ward(results=measured)) == keys


def test_what_explains_the_signs_is_no_pattern() -> None:
    low = (result("potassium", "5.2"), result("glucose", "61"))
    shock = (result("potassium", "5.2"), result("systolic", 84))
    assert adrenal(ward(order("chlorpropamide", days=90), results=low)) == []
    assert adrenal(ward(order("spironolactone", days=90), results=shock)) == []
    assert adrenal(ward(results=low, problems=(problem("ckd-4-5", days=900),))) == []
    assert adrenal(Story(sodium="138", results=low)) == []


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["112", "124", "128", "131"])
def test_a_low_glucose_is_told_without_a_symptom(profile: str, sodium: str) -> None:
    story = Story(sodium=sodium, setting="inpatient", results=(result("glucose", "61"),))
    keys = [line.key for line in card(story, profile).do]
    assert keys[0] == "glucose-low-silent"


BLOCKED = ward(OSILODROSTAT)
UNWELL = (result("systolic", 84),)
SCENES = (
    *(
        Scene(
            says=f"F5: restriction under {drug}",
            order=restriction(),
            story=ward(infused(drug)),
            fires={"OS-FR": "warning adrenal"},
            removes=True,
            shows=("do-adrenal-first",),
        )
        for drug in BLOCKERS
    ),
    Scene(
        says="F5: restriction under osilodrostat in shock",
        order=restriction(),
        story=ward(OSILODROSTAT, results=UNWELL),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-shock-blocker",),
    ),
    Scene(
        says="F5: restriction under mifepristone in shock",
        order=restriction(),
        story=ward(infused("mifepristone"), results=UNWELL),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-shock-receptor",),
    ),
    Scene(
        says="F5: restriction in shock with a high potassium",
        order=restriction(),
        story=ward(results=(*UNWELL, result("potassium", "5.8"))),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-shock",),
    ),
    Scene(
        says="F5: restriction with the pattern",
        order=restriction(),
        story=ward(results=(result("potassium", "5.1"), result("glucose", "61"))),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-pattern",),
    ),
    Scene(
        says="F5: restriction under osilodrostat with a high potassium",
        order=restriction(),
        story=ward(OSILODROSTAT, results=(result("potassium", "5.8"),)),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-several-blocker",),
    ),
    Scene(
        says="F5: restriction under mifepristone with a high potassium",
        order=restriction(),
        story=ward(infused("mifepristone"), results=(result("potassium", "5.8"),)),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-several-receptor",),
    ),
    Scene(
        says="F5: urea under osilodrostat",
        order=selected("urea"),
        story=BLOCKED,
        fires={"OS-UREA": "warning adrenal"},
        shows=("exclude-adrenal-before-urea", "withheld-adrenal-blocker"),
    ),
    Scene(says="F5: urea in SIADH alone", order=selected("urea"), story=ward()),
    Scene(
        says="F5: a vaptan under ketoconazole",
        order=selected("tolvaptan"),
        story=ward(infused("osilodrostat"), order("tolvaptan", days=200)),
        fires={"OS-VAP-CONTRA": "warning adrenal", "OS-VAP-DUR": "warning main"},
        shows=("withheld-adrenal-blocker",),
    ),
)


@table(SCENES)
def test_f5_orders_meet_a_drug_that_blocks_cortisol(scene: Scene) -> None:
    scene.check()
