"""Volume status in M8's order, and the risk of osmotic demyelination (B.0.5, B.0.6, M7, M8, S10)."""

from __future__ import annotations

import pytest

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
        ("pituitary-surgery", Volume.NEURO),
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
    [("100.1", "30", Volume.EUV), ("100", "30", Volume.UNKNOWN), ("100.1", "29.9", Volume.HYPO)],
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
    low = (result("urine-sodium", 20, comparator="<"),)
    assert status(results=low).evidence == ("urine-sodium-low",)
    assert status(results=low, orders=(order("furosemide"),)).status is Volume.UNKNOWN
    assert status(problem("cirrhosis"), results=low).status is Volume.UNKNOWN
    assert status(problem("ascites"), results=low).status is Volume.HYPER


@pytest.mark.parametrize(("urea", "verdict"), [("20", Volume.UNKNOWN), ("20.1", Volume.HYPO)])
def test_a_high_urea_to_creatinine_ratio_is_volume_depletion(urea: str, verdict: Volume) -> None:
    assert status(results=(result("bun", urea), result("creatinine", 1))).status is verdict


def test_a_high_urea_to_creatinine_ratio_says_nothing_in_kidney_failure() -> None:
    high = (result("bun", 40), result("creatinine", 1))
    assert status(problem("ckd-4-5", days=None), results=high).status is Volume.UNKNOWN
    assert status(problem("gi-bleed", days=20), results=high).status is Volume.UNKNOWN


def test_urea_in_millimoles_is_compared_on_the_same_scale() -> None:
    creatinine = result("creatinine", "88.4", unit="umol/L")
    assert (
        status(results=(result("bun", "7.1", unit="mmol/L"), creatinine)).status is Volume.UNKNOWN
    )
    assert status(results=(result("bun", "7.2", unit="mmol/L"), creatinine)).status is Volume.HYPO


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
