"""Volume status in M8's order, and the risk of osmotic demyelination (B.0.5, B.0.6, M7, M8, S10)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import LabResult, Missing, Order, Problem
from cds_service.sodium.volume import Volume, VolumeStatus
from tests.sodium.patients import Story, order, problem, result

PATTERN = (result("urine-osmolality", 400), result("urine-sodium", 60))


def status(
    *problems: Problem,
    results: tuple[LabResult, ...] = (),
    orders: tuple[Order, ...] = (),
) -> VolumeStatus:
    return Story(problems=problems, results=results, orders=orders).case().volume


@pytest.mark.parametrize(
    ("concept", "verdict"),
    [
        ("salt-wasting", Volume.CSW),
        ("sah", Volume.CSW),
        ("traumatic-sah", Volume.CSW),
        ("adrenal", Volume.ADRENAL),
        ("adrenal-crisis", Volume.ADRENAL),
        ("hypovolemia", Volume.HYPO),
        ("hypovolemic-shock", Volume.HYPO),
        ("hemorrhage", Volume.HYPO),
        ("gi-bleed", Volume.HYPO),
        ("vomiting", Volume.HYPO),
        ("diarrhea", Volume.HYPO),
        ("orthostatic-hypotension", Volume.HYPO),
        ("tbi", Volume.NEURO),
        ("intracranial-bleed", Volume.NEURO),
        ("meningitis-encephalitis", Volume.NEURO),
        ("decompensated-cirrhosis", Volume.HYPER),
        ("ascites", Volume.HYPER),
        ("acute-heart-failure", Volume.HYPER),
        ("fluid-overload", Volume.HYPER),
        ("edema-generalized", Volume.HYPER),
        ("heart-failure", Volume.HYPER),
        ("nephrotic", Volume.HYPER),
        ("siadh", Volume.EUV),
        ("cirrhosis", Volume.UNKNOWN),
        ("portal-hypertension", Volume.UNKNOWN),
        ("ckd-4-5", Volume.UNKNOWN),
        ("edema-unspecified", Volume.UNKNOWN),
        ("hyponatremia", Volume.UNKNOWN),
    ],
)
def test_each_recorded_problem_says_what_it_says(concept: str, verdict: Volume) -> None:
    found = status(problem(concept, days=1))
    assert found.status is verdict
    assert concept in found.evidence or verdict is Volume.UNKNOWN


@pytest.mark.parametrize(
    ("concept", "inside", "outside", "verdict"),
    [
        ("sah", 30, 31, Volume.CSW),
        ("tbi", 30, 31, Volume.NEURO),
        ("hypovolemia", 14, 15, Volume.HYPO),
        ("ascites", 90, 91, Volume.HYPER),
        ("heart-failure", 30, 31, Volume.HYPER),
        ("siadh", 90, 91, Volume.EUV),
    ],
)
def test_a_problem_counts_only_while_recent_or_of_this_encounter(
    concept: str, inside: int, outside: int, verdict: Volume
) -> None:
    assert status(problem(concept, days=inside)).status is verdict
    assert status(problem(concept, days=outside, encounter=True)).status is verdict
    assert status(problem(concept, days=outside)).status is Volume.UNKNOWN
    assert status(problem(concept, days=None)).status is Volume.UNKNOWN


@pytest.mark.parametrize("concept", ["salt-wasting", "adrenal"])
def test_salt_wasting_and_adrenal_insufficiency_count_at_any_date(concept: str) -> None:
    assert status(problem(concept, days=None)).status in (Volume.CSW, Volume.ADRENAL)
    assert status(problem(concept, days=None, active=False)).status is Volume.UNKNOWN


@pytest.mark.parametrize("concept", ["sah", "tbi"])
def test_a_brain_injury_of_the_last_month_counts_even_when_marked_resolved(concept: str) -> None:
    assert status(problem(concept, days=10, active=False)).status in (Volume.CSW, Volume.NEURO)


ORDER = [
    ("salt-wasting", Volume.CSW),
    ("adrenal", Volume.ADRENAL),
    ("hypovolemia", Volume.HYPO),
    ("tbi", Volume.NEURO),
    ("ascites", Volume.HYPER),
    ("siadh", Volume.EUV),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
@pytest.mark.parametrize("second", range(len(ORDER)))
def test_of_two_kinds_of_evidence_the_more_dangerous_leads(first: int, second: int) -> None:
    pair = {ORDER[first][0], ORDER[second][0]}
    expected = (
        Volume.CONFLICT if pair == {"hypovolemia", "ascites"} else ORDER[min(first, second)][1]
    )
    assert status(*(problem(c) for c in sorted(pair))).status is expected


@pytest.mark.parametrize("other", ["ascites", "cirrhosis", "ckd-4-5", "heart-failure"])
def test_depletion_beside_any_hint_of_overload_is_a_conflict_with_both_sides_named(
    other: str,
) -> None:
    found = status(problem("vomiting"), problem(other, days=400))
    assert found.status is Volume.CONFLICT
    assert (found.evidence, found.against) == (("vomiting",), (other,))


def test_malignant_ascites_is_no_evidence_of_overload() -> None:
    assert status(problem("ascites", "malignant-ascites")).status is Volume.UNKNOWN
    assert status(problem("ascites", "malignant-ascites")).hint == ()


@pytest.mark.parametrize("concept", ["heart-failure", "ascites", "siadh"])
def test_the_reason_of_a_draft_is_no_evidence_that_restriction_may_rest_on(concept: str) -> None:
    refill = Story(drafts=(order("furosemide", status="draft", reasons=(concept,)),))
    assert refill.case().volume.status is Volume.UNKNOWN
    assert Story(reasons=frozenset({concept})).case().volume.status in (Volume.HYPER, Volume.EUV)


def test_weak_signs_of_overload_are_a_hint() -> None:
    assert status(problem("cirrhosis"), problem("heart-failure", days=None)).hint == (
        "heart-failure",
        "cirrhosis",
    )


def test_urine_that_wastes_water_and_salt_is_euvolemic_by_laboratory() -> None:
    found = status(results=(*PATTERN, result("urate", "3.9")))
    assert (found.status, found.by_labs) == (Volume.EUV, True)
    assert found.evidence == ("siadh-pattern", "urate-low")


@pytest.mark.parametrize(
    ("osmolality", "sodium", "verdict"),
    [("100.1", "30", Volume.EUV), ("100", "30", Volume.UNKNOWN), ("100.1", "29.9", Volume.UNKNOWN)],
)
def test_the_limits_of_the_urine_pattern(osmolality: str, sodium: str, verdict: Volume) -> None:
    found = status(results=(result("urine-osmolality", osmolality), result("urine-sodium", sodium)))
    assert found.status is verdict


@pytest.mark.parametrize(
    "changed",
    [
        Story(results=PATTERN, orders=(order("furosemide"),)),
        Story(results=PATTERN, orders=(order("hydrochlorothiazide", status="stopped", ended=2.9),)),
        Story(results=PATTERN, orders=(order("spironolactone", status="on-hold"),)),
        Story(results=PATTERN, orders=(order("furosemide", status="stopped", days=60),)),
        Story(results=PATTERN, missing={"medications": Missing.TIMEOUT}),
        Story(results=PATTERN, missing={"conditions": Missing.TRUNCATED}),
        Story(results=PATTERN, problems=(problem("cirrhosis"),)),
        Story(results=PATTERN, problems=(problem("ckd-4-5", days=None),)),
        Story(results=PATTERN, sodium=140),
        Story(results=PATTERN, sodium_hours=27),
        Story(
            results=(result("urine-osmolality", 400, 49), result("urine-sodium", 60, 49)),
            sodium_hours=49,
        ),
        Story(
            results=(result("urine-osmolality", 400), result("urine-sodium", 60, comparator="<"))
        ),
    ],
)
def test_urine_chemistry_says_nothing_with_a_diuretic_other_disease_or_unread_lists(
    changed: Story,
) -> None:
    assert Story(results=PATTERN).case().volume.status is Volume.EUV
    assert changed.case().volume.status is Volume.UNKNOWN


@pytest.mark.parametrize(
    "gone",
    [
        order("furosemide", status="stopped", ended=3.1),
        order("furosemide", status="completed", days=91),
    ],
)
def test_a_diuretic_that_is_long_gone_does_not_hide_the_urine_pattern(gone: Order) -> None:
    assert status(results=PATTERN, orders=(gone,)).status is Volume.EUV


def test_low_urine_sodium_is_volume_depletion_unless_a_diuretic_or_overload_explains_it() -> None:
    low = (result("urine-sodium", 20, comparator="<"), LOW_PRESSURE)
    assert status(results=low).evidence == ("urine-sodium-low",)
    assert status(results=low, orders=(order("furosemide"),)).status is Volume.UNKNOWN
    assert status(problem("cirrhosis"), results=low).status is Volume.UNKNOWN
    assert status(problem("ascites"), results=low).status is Volume.HYPER


LOW_PRESSURE = result("systolic", 84)
URINE_LOW = result("urine-sodium", "29.9")
UREA_HIGH = (result("bun", 40), result("creatinine", 1))


@pytest.mark.parametrize(
    "sign",
    [
        (LOW_PRESSURE,),
        (result("heart-rate", 125),),
        (result("creatinine", "0.8", 30), result("creatinine", "1.2", 3)),
        (result("weight", 75, 100), result("weight", 70, 3)),
    ],
)
@pytest.mark.parametrize("lab", [(URINE_LOW,), UREA_HIGH])
def test_f16_f40_a_laboratory_sign_counts_beside_another_sign(
    sign: tuple[LabResult, ...], lab: tuple[LabResult, ...]
) -> None:
    assert status(results=(*lab, *sign)).status is Volume.HYPO
    assert status(results=lab).status is Volume.UNKNOWN


def test_f16_f40_two_laboratory_signs_or_a_red_flag_are_another_sign() -> None:
    assert status(results=(URINE_LOW, *UREA_HIGH)).evidence == (
        "urine-sodium-low",
        "bun-creatinine-high",
    )
    assert status(problem("hypotension"), results=(URINE_LOW,)).status is Volume.HYPO


def test_f16_low_urine_sodium_alone_is_no_siadh_and_no_depletion() -> None:
    siadh = problem("siadh")
    found = status(siadh, results=(URINE_LOW,))
    assert (found.status, found.low_solute) == (Volume.UNKNOWN, True)
    assert status(siadh, results=(result("urine-sodium", 30),)).status is Volume.EUV
    assert status(siadh, problem("ascites"), results=(URINE_LOW,)).status is Volume.HYPER
    assert not status(siadh, results=(URINE_LOW,), orders=(order("furosemide"),)).low_solute


@pytest.mark.parametrize(("urea", "verdict"), [("24.9", Volume.UNKNOWN), ("25", Volume.HYPO)])
def test_f40_a_ratio_needs_a_high_urea(urea: str, verdict: Volume) -> None:
    results = (result("bun", urea), result("creatinine", 1), LOW_PRESSURE)
    assert status(results=results).status is verdict


@pytest.mark.parametrize(("creatinine", "verdict"), [("2", Volume.UNKNOWN), ("1.99", Volume.HYPO)])
def test_a_high_urea_to_creatinine_ratio_is_volume_depletion(
    creatinine: str, verdict: Volume
) -> None:
    results = (result("bun", 40), result("creatinine", creatinine), LOW_PRESSURE)
    assert status(results=results).status is verdict


@pytest.mark.parametrize(
    "explained",
    [
        {"problems": (problem("ckd-4-5", days=None),)},
        {"problems": (problem("gi-bleed", days=20),)},
        {"orders": (order("prednisone"),)},
        {"results": (*UREA_HIGH, LOW_PRESSURE, result("urine-sodium", 30))},
    ],
)
def test_f40_a_ratio_that_is_explained_says_nothing(explained: dict[str, Any]) -> None:
    base = Story(results=(*UREA_HIGH, LOW_PRESSURE))
    assert base.case().volume.status is Volume.HYPO
    assert replace(base, **explained).case().volume.status is Volume.UNKNOWN


def test_urea_in_millimoles_is_compared_on_the_same_scale() -> None:
    creatinine = result("creatinine", "88.4", unit="umol/L")
    low, high = (result("bun", v, unit="mmol/L") for v in ("8.9", "9"))
    assert status(results=(low, creatinine, LOW_PRESSURE)).status is Volume.UNKNOWN
    assert status(results=(high, creatinine, LOW_PRESSURE)).status is Volume.HYPO


@pytest.mark.parametrize(
    "story",
    [
        Story(problems=(problem("cirrhosis", days=None),)),
        Story(problems=(problem("decompensated-cirrhosis"),)),
        Story(problems=(problem("advanced-liver"),)),
        Story(problems=(problem("alcoholic-hepatitis"),)),
        Story(problems=(problem("alcohol-use-disorder"),)),
        Story(problems=(problem("malnutrition"),)),
        Story(problems=(problem("myelinolysis", days=3000),)),
        Story(problems=(problem("hypokalemia", days=7),)),
        Story(results=(result("potassium", "3.4", 72),)),
        Story(results=(result("bmi", "18.4", 24 * 300),)),
        Story(sodium=105),
        Story(results=(result("sodium", 105, 24 * 13),)),
    ],
)
def test_each_reason_makes_the_risk_of_osmotic_demyelination_high(story: Story) -> None:
    assert story.case().risk.high


@pytest.mark.parametrize(
    "story",
    [
        Story(),
        Story(problems=(problem("hypokalemia", days=8),)),
        Story(problems=(problem("alcohol-use-disorder", active=False),)),
        Story(results=(result("potassium", "3.5"),)),
        Story(results=(result("potassium", "3.4", 73),)),
        Story(results=(result("bmi", "18.5"),)),
        Story(sodium="105.1"),
        Story(results=(result("sodium", 105, 24 * 15),)),
    ],
)
def test_nothing_else_makes_the_risk_high(story: Story) -> None:
    assert not story.case().risk.high


def test_the_newest_potassium_decides() -> None:
    story = Story(results=(result("potassium", "3.1", 40), result("potassium", "4.0", 2)))
    assert not story.case().risk.high


VOMITING = problem("vomiting", days=1)
KEPT_WATER: dict[str, dict[str, Any]] = {
    "siadh": {"problems": (problem("siadh", days=89.9),)},
    "urine": {"results": (result("urine-osmolality", "100.1", 47.9), result("urine-sodium", 30, 47.9))},
    "desmopressin": {"orders": (order("desmopressin"),)},
    "terlipressin": {"orders": (order("terlipressin", days=1),)},
    "oxytocin": {"orders": (order("oxytocin", days=0.2),)},
    "cytotoxic": {"orders": (order("vincristine", days=9, ended=47.9 / 24, status="completed"),)},
    "acute fall": {"results": (result("sodium", 140, 20),)},
    "acute setting": {"problems": (problem("prolonged-exercise", days=1),)},
}  # fmt: skip


@pytest.mark.parametrize("more", KEPT_WATER.values(), ids=KEPT_WATER)
def test_f7_vomiting_beside_a_sign_of_kept_water_is_a_conflict(more: dict[str, Any]) -> None:
    story = Story(sodium=124, **{**more, "problems": (VOMITING, *more.get("problems", ()))})
    found = story.case().volume
    assert (found.status, found.evidence) == (Volume.CONFLICT, ("vomiting",))
    assert found.kept_water
    verdict = story.case().restriction
    assert (verdict.verdict, verdict.reasons[-1].key) in (
        ("text", "withheld-vomiting"),
        ("text", "withheld-acute"),
    )


@pytest.mark.parametrize(
    "more",
    [
        {"problems": (problem("siadh", days=90.1),)},
        {"results": (result("urine-osmolality", "100.1", 48.1), result("urine-sodium", 30, 2))},
        {"results": (result("urine-osmolality", "100"), result("urine-sodium", 30))},
        {"results": (result("urine-osmolality", "400"), result("urine-sodium", "29.9"))},
        {"orders": (order("vincristine", days=9, ended=48.1 / 24, status="completed"),)},
        {},
    ],
)
def test_f7_vomiting_without_such_a_sign_is_volume_depletion(more: dict[str, Any]) -> None:
    story = Story(sodium=124, **{**more, "problems": (VOMITING, *more.get("problems", ()))})
    assert story.case().volume.status is Volume.HYPO


def test_f7_vomiting_with_another_sign_of_depletion_is_volume_depletion() -> None:
    siadh = problem("siadh")
    assert status(VOMITING, problem("diarrhea"), siadh).status is Volume.HYPO
    assert status(VOMITING, siadh, results=UREA_HIGH).status is Volume.HYPO


def test_low_potassium_by_code_and_by_result_is_one_reason() -> None:
    story = Story(problems=(problem("hypokalemia", days=1),), results=(result("potassium", "2.4"),))
    assert story.case().risk.reasons == ("hypokalemia",)
    story = Story(problems=(problem("hypokalemia", days=8),), results=(result("potassium", "2.4"),))
    assert story.case().risk.reasons == ("potassium-low",)
