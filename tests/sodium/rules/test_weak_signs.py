"""Weak signs of lost volume: two of them stop "euvolemic", and a salt-loser is told with saline."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding, Line
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import LabResult, Order
from cds_service.sodium.volume import Volume
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, kinds, text_of
from tests.sodium.rules.orders import Scene, restriction, selected, table

PROFILES = ("aasld", "european")
BANDS = ("PV-SEV", "PV-MOD", "PV-MILD-SYMP", "PV-MILD")
SIGNS: dict[str, tuple[LabResult, ...]] = {
    "weight": (result("weight", "59.8", 190), result("weight", "57.2", 1)),
    "creatinine": (result("creatinine", "1.3", 190), result("creatinine", "1.8", 2)),
    "pressure": (result("systolic", 124, 190), result("systolic", 102, 1)),
    "pulse": (result("heart-rate", 104, 1),),
}
PAIRS = [pair for size in (2, 3, 4) for pair in combinations(SIGNS, size)]
# Of the other side: problems, and results that replace a sign.
OPPOSITE: dict[str, tuple[Any, ...]] = {
    "weight up": (result("weight", "57.0", 190), result("weight", "59.4", 1)),
    "edema": (problem("edema-unspecified", days=20),),
    "cirrhosis": (problem("cirrhosis", days=400),),
    "old heart failure": (problem("heart-failure", days=None),),
    "kidney disease": (problem("ckd-4-5", days=900),),
}
LOSERS: dict[str, tuple[Order, ...]] = {
    "trimethoprim": (order("trimethoprim", days=7),),
    "cisplatin": (
        replace(order("cisplatin", days=7, route="iv", status="completed"), single_dose=True),
    ),
    "furosemide": (order("furosemide", days=7),),
    "hydrochlorothiazide": (order("hydrochlorothiazide", days=7),),
}
URINE = (result("urine-osmolality", 412), result("urine-sodium", 81))
FORBIDDEN = {
    "volume-euv", "siadh-pattern", "siadh-pattern-cortisol", "siadh-pattern-tsh",
    "siadh-pattern-both", "restriction-euvolemic", "restriction-next", "restriction-severe",
    "restriction-severe-next", "euvolemia-next", "avoid-water", "withheld-volume-unknown",
    "vaptan-aasld", "vaptan-european",
}  # fmt: skip
EXAMINE = {"volume-dry", "volume-dry-drug"}


def dry(*signs: str, orders: tuple[Order, ...] = (), sodium: str = "126", **more: Any) -> Story:
    """An inpatient whose urine looks like SIADH, with these signs."""
    found = more.pop("results", ())
    measured = [one for sign in signs for one in SIGNS[sign]]
    earlier = (result("sodium", 138, 190), result("sodium", float(sodium) + 3, 80))
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(*earlier, *URINE, *measured, *found),
        orders=orders,
        **more,
    )


def card(story: Story, profile: str = "aasld") -> Finding:
    """The card of the band."""
    found = fired(story.case(profile))
    return next(found[rule] for rule in BANDS if rule in found)


def face(finding: Finding) -> list[Line]:
    """The first four bullets."""
    return list(finding.do[:4])


def euvolemic(finding: Finding) -> set[str]:
    """What the card says as if volume were normal, and its buttons of restriction."""
    restricting = {kind for kind in kinds(finding) if kind.startswith("fluid-restriction")}
    return (set(keys(finding)) & FORBIDDEN) | restricting


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["117", "123", "126", "128"])
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_two_weak_signs_stop_the_word_euvolemic(
    signs: tuple[str, ...], sodium: str, profile: str
) -> None:
    story = dry(*signs, sodium=sodium)
    found = card(story, profile)

    assert story.case(profile).volume.status is Volume.UNKNOWN
    assert not euvolemic(found)
    assert "volume-dry" in keys(found)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("recorded", [(), ("siadh",)])
@pytest.mark.parametrize("sign", SIGNS)
def test_one_weak_sign_stops_nothing_by_itself(
    sign: str, recorded: tuple[str, ...], profile: str
) -> None:
    story = dry(sign, problems=tuple(problem(name, days=9) for name in recorded))

    assert story.case(profile).volume.status is Volume.EUV
    assert not EXAMINE & set(keys(card(story, profile)))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["123", "126", "128"])
@pytest.mark.parametrize("loser", LOSERS)
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_beside_a_drug_that_loses_salt_saline_is_on_the_face(
    signs: tuple[str, ...], loser: str, sodium: str, profile: str
) -> None:
    story = dry(*signs, orders=LOSERS[loser], sodium=sodium)
    found = card(story, profile)

    assert not euvolemic(found)
    told = [one for one in found.do if one.key == "volume-dry-drug"]
    assert len(told) == 1
    assert f"{loser} can make the kidney lose salt" in text_of(found, told[0])
    assert "isotonic saline" in text_of(found, told[0])
    assert told[0] in face(found)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_sodium_is_measured_as_often_as_in_a_dry_patient(
    signs: tuple[str, ...], profile: str
) -> None:
    story = dry(*signs, orders=LOSERS["trimethoprim"], sodium="127")
    like = replace(story, problems=(problem("hypovolemia", days=1),))

    told, known = (
        [one.key for one in card(one, profile).do if one.key.startswith("monitor-")]
        for one in (story, like)
    )
    assert told == known == ["monitor-near"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("loser", [None, "trimethoprim", "furosemide"])
@pytest.mark.parametrize("other", OPPOSITE)
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_beside_a_sign_of_overload_neither_is_said(
    signs: tuple[str, ...], other: str, loser: str | None, profile: str
) -> None:
    problems = tuple(one for one in OPPOSITE[other] if not isinstance(one, LabResult))
    weights = tuple(one for one in OPPOSITE[other] if isinstance(one, LabResult))
    kept = [sign for sign in signs if not (weights and sign == "weight")]
    if len(kept) < 2:
        kept = ["creatinine", "pulse"]
    orders = LOSERS[loser] if loser else ()
    story = dry(*kept, orders=orders, problems=problems, results=weights)
    siadh = replace(story, problems=(*problems, problem("siadh", days=9)))

    for found in (card(story, profile), card(siadh, profile)):
        assert not euvolemic(found)
        assert not EXAMINE & set(keys(found))


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_a_recorded_siadh_is_told_as_recorded_and_not_treated(
    signs: tuple[str, ...], profile: str
) -> None:
    found = card(dry(*signs, sodium="127", problems=(problem("siadh", days=9),)), profile)

    assert not euvolemic(found)
    assert "volume-recorded" in keys(found)
    assert "volume-dry" in [one.key for one in face(found)]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("loser", LOSERS)
def test_the_urine_under_a_drug_that_loses_salt_is_no_siadh(loser: str, profile: str) -> None:
    found = card(dry(orders=LOSERS[loser]), profile)

    assert not {"volume-euv", "siadh-pattern"} & set(keys(found))
    assert {"volume-euv", "siadh-pattern"} <= set(keys(card(dry(), profile)))


@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_beside_a_low_urine_sodium_they_are_lost_volume(signs: tuple[str, ...]) -> None:
    story = dry(*signs)
    low = (result("urine-osmolality", 640), result("urine-sodium", 9))
    story = replace(story, results=tuple(r for r in story.results if r not in URINE) + low)

    assert story.case().volume.status is Volume.HYPO
    assert "hypovolemia-replace" in [one.key for one in face(card(story))]


def test_a_lasting_loss_is_named_with_the_signs() -> None:
    found = card(dry("weight", "pulse", problems=(problem("lasting-bowel-loss", days=90),)))

    told = next(one for one in face(found) if one.key == "volume-dry")
    assert "ileostomy" in text_of(found, told)


@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_while_sodium_rises_too_fast_no_saline_is_told(signs: tuple[str, ...]) -> None:
    story = dry(*signs, sodium="124", results=(result("sodium", 112, 20),))
    said = {key for one in fired(story.case()).values() for key in keys(one)}

    assert not EXAMINE & said


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", ["seizure", "confusion"])
@pytest.mark.parametrize("signs", PAIRS, ids="-".join)
def test_beside_an_emergency_they_are_told_too(
    signs: tuple[str, ...], symptom: str, profile: str
) -> None:
    felt = (problem(symptom, days=0.04, encounter=True),)
    story = dry(*signs, sodium="119", problems=felt, orders=LOSERS["trimethoprim"])
    found = fired(story.case(profile))
    told = next(found[rule] for rule in ("PV-SYMP", "PV-ENC", "PV-ACUTE") if rule in found)

    assert "volume-dry-drug" in keys(told)
    assert not euvolemic(told)


def test_a_pressure_that_comes_down_to_normal_is_no_sign() -> None:
    treated = (result("systolic", 165, 190), result("systolic", 128, 1))
    story = dry("pulse", results=treated)

    assert story.case().volume.status is Volume.EUV


# ---- a weight that rises


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("without", ["anuria", "dialysis"])
@pytest.mark.parametrize(("now", "over"), [("89.4", True), ("84.0", False)])
def test_without_urine_a_weight_that_rises_by_much_is_overload(
    now: str, without: str, profile: str, *, over: bool
) -> None:
    weights = (result("weight", "82.0", 216), result("weight", now, 1))
    story = Story(
        sodium="121",
        setting="inpatient",
        results=(*weights, result("systolic", 192, 1)),
        problems=(problem(without, days=900),),
    )
    said = {key for one in fired(story.case(profile)).values() for key in keys(one)}

    assert (story.case(profile).volume.status is Volume.HYPER) is over
    assert ("volume-hyper" in said) is over
    assert not (over and "volume-hint" in said)


@pytest.mark.parametrize("hint", ["ckd-4-5", "cirrhosis", "edema-unspecified"])
def test_a_weight_that_rises_by_much_is_no_weak_hint(hint: str) -> None:
    weights = (result("weight", "82.0", 216), result("weight", "89.4", 1))
    story = Story(
        sodium="127", setting="inpatient", results=weights, problems=(problem(hint, days=400),)
    )
    said = keys(card(story))

    assert "volume-hint-weight" in said
    assert "volume-hint" not in said


# ---- a potassium that a drug raises


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["123", "126", "132"])
@pytest.mark.parametrize("others", [(), ("prednisone",)])
@pytest.mark.parametrize("signs", [(), ("creatinine",), ("weight", "creatinine", "pulse")])
@pytest.mark.parametrize("drug", ["trimethoprim", "spironolactone", "lisinopril", "losartan"])
@pytest.mark.parametrize("potassium", ["5.5", "5.9", "6.4"])
def test_a_potassium_of_5_5_with_its_drug_is_on_the_face(
    potassium: str,
    drug: str,
    signs: tuple[str, ...],
    others: tuple[str, ...],
    sodium: str,
    profile: str,
) -> None:
    taken = tuple(order(name, days=7, reference=f"M/{name}") for name in (drug, *others))
    story = dry(*signs, orders=taken, sodium=sodium, results=(result("potassium", potassium, 2),))
    found = card(story, profile)

    told = [one for one in face(found) if "otassium" in text_of(found, one)]
    assert told, [one.key for one in found.do]
    assert any(potassium in text_of(found, one) and drug in text_of(found, one) for one in told)
    measured = [key for key in keys(found) if key == "measured-potassium-drug"]
    raised = [key for key in keys(found) if key == "potassium-raised"]
    assert len(measured) + len(raised) <= 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("potassium", "stops"), [("6.4", True), ("5.8", False)])
def test_stop_trimethoprim_is_not_contradicted(
    potassium: str, profile: str, *, stops: bool
) -> None:
    story = dry(orders=LOSERS["trimethoprim"], results=(result("potassium", potassium, 2),))
    said = keys(card(story, profile))

    assert ("potassium-first-drugs" in said) is stops
    assert ("review-treatment-potassium" in said) is stops
    assert "review-treatment" not in said or not stops


@pytest.mark.parametrize("profile", PROFILES)
def test_a_needed_drug_that_raises_potassium_is_told_in_one_line(profile: str) -> None:
    taken = (*LOSERS["trimethoprim"], order("prednisone", days=7, reference="M/prednisone"))
    measured = (result("potassium", "5.8", 2), result("systolic", 86, 1))
    found = card(dry("weight", "creatinine", orders=taken, results=measured), profile)
    told = [one.key for one in face(found)]

    assert {"potassium-raised-needed", "volume-shock-salt", "monitor-near"} <= set(told)
    assert "review-treatment" not in keys(found)


# ---- orders

SCENES = (
    Scene(
        says="a restriction with a falling weight and a fast pulse: volume first, it stays",
        order=restriction(),
        story=dry("weight", "pulse", problems=(problem("siadh", days=9),)),
        fires={"OS-FR": "warning signs"},
        shows=("do-signs-first",),
    ),
    Scene(
        says="a restriction with one weak sign",
        order=restriction(),
        story=dry("weight", problems=(problem("siadh", days=9),)),
    ),
    Scene(
        says="urea with a rising creatinine and a fast pulse: examine first",
        order=selected("urea"),
        story=dry("creatinine", "pulse", problems=(problem("siadh", days=9),)),
        fires={"OS-UREA": "warning signs"},
    ),
    Scene(
        says="a vaptan with a falling weight and pressure: examine first",
        order=selected("tolvaptan"),
        story=dry("weight", "pressure", sodium="124", problems=(problem("siadh", days=9),)),
        fires={"OS-VAP-CONTRA": "warning signs", "OS-VAP-GEN": "info main"},
        shows=("not-yet-signs",),
    ),
    Scene(
        says="a vaptan in heart failure with these signs: they have other causes",
        order=selected("tolvaptan"),
        story=dry(
            "creatinine", "pulse", sodium="124", problems=(problem("heart-failure", days=5),)
        ),
        fires={"OS-VAP-GEN": "info main"},
    ),
)


@table(SCENES)
def test_weak_signs_come_before_what_is_ordered(scene: Scene) -> None:
    scene.check()


# ---- discharge


def going_home(*signs: str, **more: Any) -> Story:
    """The same patient at the end of a stay of ten days."""
    return replace(dry(*signs, sodium="128", **more), stay_days=10)


def at_discharge(story: Story, profile: str = "aasld") -> Finding:
    """The card of DC-LOW."""
    outcome = BOOK.discharge["DC-LOW"](story.case(profile))
    assert isinstance(outcome, Finding)
    return outcome


LOST: dict[str, dict[str, Any]] = {
    "weak signs": {},
    "recorded": {"problems": (problem("hypovolemia", days=1),)},
    "pressure": {"results": (result("systolic", 92, 1),)},
    "undated": {"problems": (problem("hypovolemia", days=None),)},
    "stoma": {"problems": (problem("lasting-bowel-loss", days=90),)},
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("drug", ["indapamide", "omeprazole", "sertraline"])
@pytest.mark.parametrize("lost", LOST)
def test_at_discharge_lost_volume_comes_before_the_drug(lost: str, drug: str, profile: str) -> None:
    signs = ("weight", "creatinine") if lost == "weak signs" else ()
    orders = (order(drug, days=12), order("perindopril", days=90, reference="M/perindopril"))
    found = at_discharge(going_home(*signs, orders=orders, **LOST[lost]), profile)
    told = [one.key for one in found.do]

    volume = next(i for i, key in enumerate(told) if key in ("volume-lost", "volume-examine"))
    assert volume < 4
    assert all(i > volume for i, key in enumerate(told) if key.startswith("culprit"))
    assert ("hold-dry" in told) is (lost not in ("stoma", "undated"))


def test_in_overload_nothing_is_said_to_be_dry_at_discharge() -> None:
    story = going_home("creatinine", "pulse", problems=(problem("ascites", days=9),))
    told = [one.key for one in at_discharge(story).do]

    assert not {"volume-lost", "volume-examine", "hold-dry"} & set(told)
