"""When fluid restriction is offered, and each reason that withholds it (B.2, M5, M8, M9, M15, S4, N4, N9)."""

from __future__ import annotations

from datetime import date, timedelta
from string import Template
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.restriction import Restriction
from cds_service.sodium.snapshot import LabResult, Missing, Patient, Problem, Setting
from tests.sodium.patients import (
    Story,
    fluid_restriction,
    isotonic,
    order,
    problem,
    result,
    ringer,
    words,
)

SEEN = (result("systolic", 120), result("creatinine", 1), result("heart-rate", 80))
ASCITES = problem("ascites", days=10)
SIADH = problem("siadh", days=10)
OFFERED = Story(sodium=123, problems=(ASCITES,), results=SEEN)
INPATIENT = replace(OFFERED, setting="inpatient")


def verdict(story: Story, profile: str = "aasld") -> Restriction:
    return story.case(profile).restriction


def reasons(story: Story) -> list[str]:
    return [line.key for line in verdict(story).reasons]


def with_results(story: Story, *added: LabResult) -> Story:
    return replace(story, results=(*story.results, *added))


def with_problems(story: Story, *added: Problem) -> Story:
    return replace(story, problems=(*story.problems, *added))


# ---- the matrix of B.2 ----------


@pytest.mark.parametrize(
    ("sodium", "problems", "expected"),
    [
        (131, (ASCITES,), "text"),
        (131, (ASCITES, problem("cramp")), "offer"),
        (131, (ASCITES, problem("headache")), "offer"),
        (125, (ASCITES,), "offer"),
        (119, (ASCITES,), "offer"),
        (131, (SIADH,), "none"),
        (130, (SIADH,), "none"),
        ("129.9", (SIADH,), "offer"),
        (131, (SIADH, problem("cramp")), "offer"),
        (125, (SIADH,), "offer"),
        (119, (SIADH,), "offer"),
        (131, (), "text"),
        (119, (), "text"),
        (131, (problem("vomiting"), ASCITES), "text"),
        (123, (problem("hypovolemia"),), "never"),
        (123, (problem("sah"),), "never"),
        (123, (problem("adrenal"),), "never"),
        (123, (problem("tbi"), SIADH), "never"),
        (136, (ASCITES,), "none"),
        (136, (), "none"),
        (None, (ASCITES,), "none"),
    ],
)
def test_volume_band_and_symptom_decide_whether_restriction_helps(
    sodium: str | int | None, problems: tuple[Problem, ...], expected: str
) -> None:
    story = Story(sodium=sodium, problems=problems, results=SEEN)
    assert verdict(story).verdict == expected


@pytest.mark.parametrize("sodium", [133, 134, 135])
def test_near_normal_sodium_gets_no_order_even_with_a_symptom(sodium: int) -> None:
    story = Story(sodium=sodium, problems=(SIADH, problem("cramp")), results=SEEN)
    assert reasons(story) == ["withheld-near-normal"]
    assert verdict(replace(story, sodium="132.9")).verdict == "offer"


@pytest.mark.parametrize("sodium", [123, 140])
@pytest.mark.parametrize(
    ("concept", "key"),
    [
        ("salt-wasting", "never-csw"),
        ("sah", "never-csw"),
        ("adrenal", "never-adrenal"),
        ("hypovolemia", "never-hypo"),
        ("tbi", "never-neuro"),
        ("seizure", "never-severe"),
        ("respiratory-failure", "never-severe"),
    ],
)
def test_restriction_that_harms_is_never_offered_at_any_sodium(
    concept: str, key: str, sodium: int
) -> None:
    found = verdict(Story(sodium=sodium, problems=(problem(concept),)))
    assert found.verdict == "never"
    assert found.reasons[0].key == key
    assert found.reasons[0].keep


@pytest.mark.parametrize(
    "story",
    [
        replace(OFFERED, orders=(order("tolvaptan", days=0.5),)),
        replace(OFFERED, orders=(order("tolvaptan", days=20),)),
        replace(OFFERED, orders=(order("conivaptan", days=2, ended=0.9, status="completed"),)),
        replace(OFFERED, drafts=(order("tolvaptan", days=0, status="draft"),)),
    ],
)
def test_no_restriction_beside_a_vaptan_taken_or_drafted(story: Story) -> None:
    assert verdict(story).verdict == "never"
    assert reasons(story) == ["never-vaptan"]


def test_a_vaptan_that_ended_more_than_a_day_ago_no_longer_counts() -> None:
    gone = order("tolvaptan", days=5, ended=1.1, status="completed")
    assert verdict(replace(OFFERED, orders=(gone,))).verdict == "offer"


# ---- what withholds it ----------


def test_without_any_reason_against_it_restriction_is_offered() -> None:
    assert verdict(OFFERED) == Restriction(verdict="offer")
    assert verdict(INPATIENT) == Restriction(verdict="offer")


@pytest.mark.parametrize("source", ["patient", "sodium", "conditions", "medications"])
@pytest.mark.parametrize("why", [w for w in Missing if w is not Missing.NOT_APPLICABLE])
def test_a_required_source_that_was_not_read_in_full_withholds_it(
    source: str, why: Missing
) -> None:
    story = replace(OFFERED, missing={source: why})
    assert verdict(story).verdict == "text"
    assert f"withheld-{source}-unread" in reasons(story)


def test_a_source_that_does_not_apply_withholds_nothing() -> None:
    assert (
        verdict(replace(OFFERED, missing={"encounter": Missing.NOT_APPLICABLE})).verdict == "offer"
    )


def test_an_unknown_age_withholds_it() -> None:
    assert reasons(replace(OFFERED, patient=Patient())) == ["withheld-age-unknown"]


@pytest.mark.parametrize(
    ("setting", "sodium", "problems", "allowed"),
    [
        ("inpatient", 123, (ASCITES,), 24),
        ("inpatient", 131, (ASCITES, problem("cramp")), 24),
        ("outpatient", 131, (ASCITES, problem("cramp")), 14 * 24),
        ("outpatient", 123, (ASCITES,), 72),
    ],
)
def test_an_order_needs_a_young_sodium(
    setting: Setting, sodium: int, problems: tuple[Problem, ...], allowed: int
) -> None:
    story = Story(
        sodium=sodium, sodium_hours=allowed, setting=setting, problems=problems, results=SEEN
    )
    assert verdict(story).verdict == "offer"
    assert reasons(replace(story, sodium_hours=allowed + 0.1)) == ["withheld-sodium-old"]


@pytest.mark.parametrize(
    "story",
    [
        replace(OFFERED, sodium=88),
        replace(OFFERED, sodium=None, results=(*SEEN, result("sodium", 123, status="preliminary"))),
        with_results(OFFERED, result("sodium", 124, 1, unit="mg/dL")),
        with_results(OFFERED, result("sodium", 60, 1)),
    ],
)
def test_a_sodium_that_must_be_repeated_first_withholds_it(story: Story) -> None:
    assert verdict(story).verdict == "text"
    assert "withheld-sodium-doubtful" in reasons(story)


def test_glucose_that_explains_the_sodium_leaves_nothing_to_restrict() -> None:
    story = with_results(replace(OFFERED, sodium=128), result("glucose", 600))
    assert verdict(story).verdict == "none"
    assert reasons(story) == ["withheld-glucose-shift"]


def test_glucose_explains_no_sodium_that_was_not_measured_low() -> None:
    """A direct 137 beside a laboratory's 121 heard "glucose explains the low sodium" at 216."""
    assert reasons(with_results(replace(OFFERED, sodium=137), result("glucose", 216))) == []


@pytest.mark.parametrize(
    ("glucose", "hours", "expected"),
    [(299, 2, "offer"), (300, 2, "text"), (300, 24, "text"), (300, 25, "offer")],
)
def test_high_glucose_of_the_last_day_withholds_it(glucose: int, hours: int, expected: str) -> None:
    story = with_results(replace(OFFERED, sodium=121), result("glucose", glucose, hours))
    assert verdict(story).verdict == expected


@pytest.mark.parametrize("encounter", [True, False])
def test_a_hyperglycemic_crisis_withholds_it(encounter: bool) -> None:
    crisis = problem("hyperglycemic-crisis", days=3 if encounter else 0.5, encounter=encounter)
    assert reasons(with_problems(OFFERED, crisis)) == ["withheld-glucose-high"]


def test_a_suspected_artefact_withholds_it_and_a_mere_hint_does_not() -> None:
    measured = (("serum-osmolality", 290), ("bun", 14), ("glucose", 100))
    artefact = with_results(OFFERED, *(result(analyte, value) for analyte, value in measured))
    assert "withheld-pseudo" in reasons(artefact)
    assert verdict(with_problems(OFFERED, problem("myeloma"))).verdict == "offer"
    unproven = with_results(OFFERED, result("serum-osmolality", 290))
    assert "withheld-undiluted" in reasons(unproven)
    assert verdict(with_results(OFFERED, result("serum-osmolality", 265))).verdict == "offer"
    gap = (result("serum-osmolality", 320), *(result(a, v) for a, v in measured[1:]))
    assert "withheld-hypertonic" in reasons(with_results(OFFERED, *gap))


def test_an_acute_fall_withholds_it() -> None:
    story = with_results(OFFERED, result("sodium", 135, 24))
    assert reasons(story) == ["withheld-acute"]


def test_sodium_that_rises_too_fast_withholds_it() -> None:
    assert "withheld-rate" in reasons(with_results(OFFERED, result("sodium", 114, 22)))


def test_sodium_above_the_slower_goal_of_a_patient_at_risk_withholds_it() -> None:
    story = with_problems(OFFERED, problem("alcohol-use-disorder"))
    assert reasons(with_results(story, result("sodium", 116, 22))) == ["withheld-rate"]


@pytest.mark.parametrize(("days", "expected"), [(300, "text"), (301, "offer"), (None, "text")])
def test_pregnancy_withholds_it_and_so_does_one_without_a_date(
    days: int | None, expected: str
) -> None:
    assert verdict(with_problems(OFFERED, problem("pregnancy", days=days))).verdict == expected


@pytest.mark.parametrize(
    ("concept", "key"),
    [
        ("dialysis", "withheld-dialysis"),
        ("comfort-care", "withheld-comfort-care"),
        ("kidney-stone", "withheld-concentrated-urine"),
        ("adpkd", "withheld-concentrated-urine"),
    ],
)
def test_dialysis_comfort_care_and_what_needs_a_dilute_urine_withhold_it(
    concept: str, key: str
) -> None:
    assert reasons(with_problems(OFFERED, problem(concept, days=None))) == [key]


@pytest.mark.parametrize(
    ("value", "comparator", "hours", "expected"),
    [
        ("99", "", 2, "text"),
        ("100", "", 2, "offer"),
        ("100", "<", 2, "text"),
        ("99", "", 169, "offer"),
    ],
)
def test_dilute_urine_withholds_it(value: str, comparator: str, hours: int, expected: str) -> None:
    story = with_results(OFFERED, result("urine-osmolality", value, hours, comparator=comparator))
    assert verdict(story).verdict == expected


@pytest.mark.parametrize("concept", ["sah", "tbi"])
def test_a_brain_injury_without_a_date_withholds_it(concept: str) -> None:
    assert reasons(with_problems(OFFERED, problem(concept, days=None))) == [
        "withheld-brain-undated"
    ]


# ---- red flags of M9 ----------


@pytest.mark.parametrize(
    ("analyte", "value", "key"),
    [
        ("systolic", "99.9", "withheld-systolic-low"),
        ("heart-rate", "110.1", "withheld-heart-rate-high"),
        ("bun", "25", "withheld-bun-creatinine-flow"),
    ],
)
@pytest.mark.parametrize(
    ("setting", "inside", "outside"), [("inpatient", 24, 25), ("outpatient", 168, 169)]
)
def test_a_sign_of_depletion_counts_for_a_day_or_a_week(
    analyte: str, value: str, key: str, setting: Setting, inside: int, outside: int
) -> None:
    base = replace(OFFERED, setting=setting, results=())
    creatinine = (result("creatinine", 1, inside), result("creatinine", 1, outside))
    seen = verdict(with_results(base, *creatinine, result(analyte, value, inside)))
    assert (seen.verdict, [line.key for line in seen.red_flags]) == ("text", [key])
    assert verdict(with_results(base, *creatinine, result(analyte, value, outside))).red_flags == ()


@pytest.mark.parametrize(
    ("analyte", "value"), [("systolic", 100), ("heart-rate", 110), ("bun", 24.9)]
)
def test_a_value_at_the_limit_is_no_sign_of_depletion(analyte: str, value: float) -> None:
    assert verdict(with_results(OFFERED, result(analyte, value))).verdict == "offer"


BARE = replace(OFFERED, results=())


def pressures(*values: float) -> Story:
    """A patient with these pressures, one an hour, the newest last."""
    readings = (result("systolic", v, len(values) - i) for i, v in enumerate(values))
    return with_results(BARE, *readings)


@pytest.mark.parametrize(
    ("values", "withheld"),
    [
        ((84,), True),  # the only reading there is
        ((120, 84, 122), False),
        ((84, 122), False),
        ((120, 84, 86, 122, 121, 120), True),  # two in a row
        ((120, 84, 100, 86, 122, 121, 120), False),
        ((95, 120, 95, 120, 95, 104), True),  # the median of six is 99.5
        ((95, 120, 95, 120, 95, 105), False),  # 100
        ((95, 120, 95, 120, 95, 120, 95), False),  # of the last six 107.5, of all seven 95
    ],
)
def test_f52_a_pressure_is_low_by_its_trend_and_not_by_its_worst_minute(
    values: tuple[float, ...], withheld: bool
) -> None:
    assert (verdict(pressures(*values)).verdict == "text") is withheld


@pytest.mark.parametrize(
    ("values", "withheld"),
    [
        ((80, 130, 85), False),
        ((112, 130, 85), True),
        ((111, 111), True),
        ((110, 110), False),
    ],
)
def test_f52_a_heart_rate_is_fast_by_its_trend(values: tuple[int, ...], withheld: bool) -> None:
    rates = (result("heart-rate", v, 3 - i) for i, v in enumerate(values))
    assert (verdict(with_results(BARE, *rates)).verdict == "text") is withheld


@pytest.mark.parametrize(("systolic", "expected"), [("90", "offer"), ("89", "text")])
def test_in_cirrhosis_a_lower_blood_pressure_is_usual(systolic: str, expected: str) -> None:
    story = with_problems(BARE, problem("cirrhosis", days=900))
    assert verdict(with_results(story, result("systolic", systolic))).verdict == expected


@pytest.mark.parametrize(
    ("before", "hours", "now", "expected"),
    [
        ("1.0", 40, "1.5", "text"),
        ("1.0", 47, "1.3", "text"),
        ("1.0", 47, "1.29", "offer"),
        ("1.0", 51, "1.3", "offer"),
        ("1.0", 24 * 80, "1.5", "text"),
        ("1.0", 24 * 80, "1.49", "offer"),
        ("1.0", 24 * 91, "1.5", "offer"),
    ],
)
def test_a_creatinine_rise_withholds_it(before: str, hours: int, now: str, expected: str) -> None:
    labs = (result("systolic", 120), result("creatinine", before, hours), result("creatinine", now))
    assert verdict(replace(OFFERED, results=labs)).verdict == expected


@pytest.mark.parametrize(
    ("before", "days", "expected"), [("72", 6, "text"), ("71.9", 6, "offer"), ("75", 8, "offer")]
)
def test_weight_lost_within_a_week_withholds_it(before: str, days: int, expected: str) -> None:
    story = with_results(OFFERED, result("weight", before, 24 * days), result("weight", 70, 2))
    assert verdict(story).verdict == expected


def test_weight_in_pounds_is_compared_in_kilograms() -> None:
    story = with_results(
        OFFERED, result("weight", 158, 48, unit="[lb_av]"), result("weight", 70, 2)
    )
    assert verdict(story).verdict == "offer"


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (replace(OFFERED, orders=(isotonic("500"),)), "text"),
        (replace(OFFERED, orders=(isotonic("499"),)), "offer"),
        (replace(OFFERED, orders=(ringer("500"),)), "text"),
        (replace(OFFERED, orders=(ringer("250"), isotonic("250"))), "text"),
        (replace(OFFERED, orders=(ringer("499"),)), "offer"),
        (replace(OFFERED, orders=(isotonic("250"), isotonic("250"))), "text"),
        (replace(OFFERED, orders=(isotonic(None),)), "text"),
        (replace(OFFERED, orders=(isotonic("1000", days=3, status="completed"),)), "text"),
        (replace(OFFERED, orders=(isotonic("1000", days=8, status="completed"),)), "offer"),
        (replace(INPATIENT, orders=(isotonic("1000", days=2, status="completed"),)), "offer"),
        (replace(OFFERED, orders=(isotonic("1000", status="cancelled"),)), "offer"),
        (replace(OFFERED, drafts=(isotonic("1000", status="draft"),)), "text"),
    ],
)
def test_isotonic_fluid_that_is_ordered_withholds_it(story: Story, expected: str) -> None:
    assert verdict(story).verdict == expected


RED_FLAGS = ["shock", "sepsis", "acute-kidney-injury", "hypotension", "pancreatitis", "heat"]


@pytest.mark.parametrize("concept", RED_FLAGS)
def test_a_red_flag_problem_counts_for_a_day_or_a_week_or_undated_or_of_this_encounter(
    concept: str,
) -> None:
    assert verdict(with_problems(INPATIENT, problem(concept, days=1))).verdict == "text"
    assert verdict(with_problems(INPATIENT, problem(concept, days=1.1))).verdict == "offer"
    assert verdict(with_problems(OFFERED, problem(concept, days=7))).verdict == "text"
    assert verdict(with_problems(OFFERED, problem(concept, days=7.1))).verdict == "offer"
    assert (
        verdict(with_problems(INPATIENT, problem(concept, days=9, encounter=True))).verdict
        == "text"
    )
    assert verdict(with_problems(OFFERED, problem(concept, days=None))).verdict == "text"
    assert verdict(replace(OFFERED, reasons=frozenset({concept}))).verdict == "text"


def test_a_reading_with_only_a_date_counts_until_the_end_of_its_day() -> None:
    story = with_results(replace(INPATIENT, results=()), result("systolic", 84, 36, day_only=True))
    assert reasons(story) == ["withheld-systolic-low"]


def test_red_flags_are_named_with_every_verdict() -> None:
    story = with_results(Story(problems=(SIADH,)), result("systolic", 84))
    assert verdict(story).verdict == "none"
    assert [line.key for line in verdict(story).red_flags] == ["withheld-systolic-low"]


# ---- what the offer says ----------


@pytest.mark.parametrize(
    ("results", "caveats"),
    [
        (SEEN, ()),
        ((), ("caveat-bp-creatinine",)),
        ((result("creatinine", 1),), ("caveat-bp",)),
        ((result("systolic", 120),), ("caveat-creatinine",)),
        ((result("systolic", 120, 24 * 8), result("creatinine", 1)), ("caveat-bp",)),
    ],
)
def test_the_offer_says_what_was_not_seen(
    results: tuple[LabResult, ...], caveats: tuple[str, ...]
) -> None:
    story = replace(OFFERED, results=results)
    assert verdict(story) == Restriction(verdict="offer", caveats=caveats)


@pytest.mark.parametrize(
    ("source", "caveat"), [("labs", "caveat-labs"), ("glucose", "caveat-glucose")]
)
def test_the_offer_says_which_results_were_not_read_in_full(source: str, caveat: str) -> None:
    assert verdict(replace(OFFERED, missing={source: Missing.TIMEOUT})).caveats == (caveat,)


@pytest.mark.parametrize(
    ("urine", "expected"),
    [
        ((result("urine-osmolality", 501),), True),
        ((result("urine-osmolality", 500),), False),
        ((result("urine-sodium", 90), result("urine-potassium", 34)), True),
        ((result("urine-sodium", 90), result("urine-potassium", 33)), False),
        ((result("urine-sodium", 200),), False),
    ],
)
def test_concentrated_urine_predicts_failure_and_withholds_nothing(
    urine: tuple[LabResult, ...], expected: bool
) -> None:
    found = verdict(with_results(OFFERED, *urine))
    assert (found.verdict, found.likely_insufficient) == ("offer", expected)


# ---- already ordered ----------


def test_a_restriction_that_is_already_ordered_is_not_offered_again() -> None:
    assert verdict(replace(OFFERED, orders=(fluid_restriction(),))).verdict == "ordered"
    assert verdict(replace(OFFERED, drafts=(fluid_restriction("draft"),))).verdict == "ordered"
    assert verdict(replace(OFFERED, orders=(fluid_restriction("completed"),))).verdict == "offer"


def test_a_restriction_that_is_already_ordered_is_told_what_speaks_against_it() -> None:
    story = with_results(replace(BARE, orders=(fluid_restriction(),)), result("systolic", 84))
    assert reasons(story) == ["withheld-systolic-low"]


def test_a_restriction_that_is_already_ordered_and_harms_is_to_be_lifted() -> None:
    story = Story(problems=(problem("sah"),), orders=(fluid_restriction(),))
    assert verdict(story).verdict == "never"
    assert reasons(story) == ["never-csw"]
    assert [line.key for line in verdict(story).running] == ["restriction-running-unnamed"]
    ended = replace(story, orders=(fluid_restriction("completed"),))
    assert verdict(ended).running == ()


# ---- acceptance vectors ----------


@pytest.mark.parametrize(
    ("number", "story", "expected"),
    [
        (5, Story(problems=(problem("siadh", days=10), problem("cramp"))), "offer"),
        (6, Story(problems=(problem("hypovolemia", days=3), problem("cramp"))), "never"),
        (7, Story(problems=(problem("sah", days=6),)), "never"),
        (
            8,
            Story(
                sodium=123,
                problems=(problem("cirrhosis", days=None), problem("ascites", days=10)),
                orders=(order("spironolactone"), order("furosemide")),
            ),
            "offer",
        ),
        (
            9,
            Story(
                sodium=123,
                problems=(problem("heart-failure", days=900, encounter=True),),
                orders=(order("furosemide"),),
            ),
            "offer",
        ),
        (
            10,
            Story(problems=(problem("cirrhosis"), problem("vomiting"), problem("ascites"))),
            "text",
        ),
        (11, Story(sodium=118, problems=(problem("seizure", days=0, encounter=True),)), "never"),
        (41, Story(sodium=134, problems=(problem("respiratory-failure", days=0),)), "never"),
        (
            52,
            Story(
                sodium=124,
                problems=(problem("adrenal", days=None),),
                results=(result("urine-sodium", 60), result("urine-osmolality", 400)),
            ),
            "never",
        ),
        (55, Story(problems=(problem("cramp"), problem("siadh", days=5 * 365))), "text"),
        (
            63,
            Story(problems=(problem("sah", days=6), problem("siadh"))),
            "never",
        ),
    ],
)
def test_acceptance_vectors_of_fluid_restriction(number: int, story: Story, expected: str) -> None:
    assert verdict(story).verdict == expected, number
    assert verdict(replace(story, setting="inpatient")).verdict == expected, number


@pytest.mark.parametrize(
    ("results", "key"),
    [
        ((result("systolic", 84),), "withheld-systolic-low"),
        (
            (result("creatinine", "1.0", 42), result("creatinine", "1.5", 2)),
            "withheld-creatinine-rise",
        ),
    ],
)
def test_acceptance_vector_54_names_the_red_flag(results: tuple[LabResult, ...], key: str) -> None:
    ill = (problem("ascites", days=10), problem("cirrhosis", days=None))
    assert reasons(Story(sodium=123, problems=ill, results=results)) == [key]


# ---- words ----------


def test_every_reason_has_words_and_they_fit_its_facts() -> None:
    doubtful = Story(
        sodium=123,
        problems=(
            ASCITES,
            problem("vomiting"),
            *(problem(c) for c in RED_FLAGS),
            problem("tbi", days=None),
        ),
        results=(result("systolic", 84), result("heart-rate", 130), result("urine-osmolality", 60)),
        orders=(isotonic(None),),
        patient=Patient(),
        missing=dict.fromkeys(("patient", "sodium", "conditions", "medications"), Missing.TIMEOUT),
    )
    harmful = Story(
        problems=(problem("sah"), problem("coma")), orders=(order("tolvaptan"), fluid_restriction())
    )
    for story in (doubtful, harmful, Story(), Story(sodium=134, problems=(ASCITES,))):
        for line in verdict(story).reasons:
            facts = {name: str(fact) for name, fact in line.facts.items()}
            text = Template(words().lines[line.key]).substitute(facts)
            assert text
            keys = [part for fact in facts.values() for part in fact.split("|") if ":" in part]
            for section, key in (part.split(":") for part in keys):
                known = words().symptoms if section == "symptom" else words().evidence
                assert key in known


def test_birthdays_and_time_zones_do_not_turn_an_offer_into_an_error() -> None:
    leap = replace(OFFERED, patient=Patient(birth_date=date(1960, 2, 29)), zone=timedelta(hours=14))
    assert verdict(leap).verdict == "offer"
    assert leap.case().age_years == 66


# ---- one voice about volume, and while sodium rises (F4, F40)


@pytest.mark.parametrize(
    ("problems", "key"),
    [
        ((SIADH,), "withheld-bun-creatinine"),
        ((SIADH, problem("acute-congestion", days=29.9)), "withheld-bun-creatinine-flow"),
        ((SIADH, problem("acute-congestion", days=30.1)), "withheld-bun-creatinine"),
        ((SIADH, problem("heart-failure", days=400)), "withheld-bun-creatinine-flow"),
        ((problem("fluid-overload", days=2),), "withheld-bun-creatinine-flow"),
    ],
)
def test_f40_beside_overload_a_high_ratio_is_low_flow_or_dryness(
    problems: tuple[Problem, ...], key: str
) -> None:
    ratio = (result("bun", 42), result("creatinine", "1.6"), result("systolic", 120))
    story = Story(sodium=122, setting="inpatient", problems=problems, results=ratio)
    assert [line.key for line in verdict(story).red_flags] == [key]


@pytest.mark.parametrize(
    "explained",
    [
        {"orders": (order("urea", days=20),)},
        {"orders": (order("prednisone", days=20),)},
        {"problems": (SIADH, problem("gi-bleed", days=20))},
        {"results": (result("urine-sodium", 30),)},
    ],
    ids=["urea", "steroid", "bleeding", "urine"],
)
def test_f40_a_high_ratio_that_is_explained_is_no_lack_of_fluid(explained: dict[str, Any]) -> None:
    ratio = (result("bun", 75), result("creatinine", "0.9"), result("systolic", 130))
    more = {**explained, "results": (*ratio, *explained.get("results", ()))}
    story = Story(sodium=126, setting="inpatient", problems=(SIADH,), results=ratio)
    assert [line.key for line in verdict(story).red_flags] == ["withheld-bun-creatinine"]
    assert verdict(replace(story, **more)).red_flags == ()


@pytest.mark.parametrize(
    "urine", [(result("urine-sodium", "29.9"),), (result("urine-sodium", 60), "furosemide")]
)
def test_f40_a_urine_that_refutes_nothing_leaves_the_ratio(urine: tuple[Any, ...]) -> None:
    results = (result("bun", 75), result("creatinine", "0.9"), urine[0])
    orders = tuple(order(name) for name in urine[1:])
    story = Story(
        sodium=126, setting="inpatient", problems=(SIADH,), results=results, orders=orders
    )
    assert "withheld-bun-creatinine" in [line.key for line in verdict(story).red_flags]


@pytest.mark.parametrize(("earlier", "key"), [("119", "withheld-rate"), ("127", "text-hyper-mild")])
def test_f4_while_sodium_rises_too_fast_nothing_speaks_of_drinking_less(
    earlier: str, key: str
) -> None:
    risen = with_results(replace(INPATIENT, sodium=131), result("sodium", earlier, 20))
    assert [line.key for line in verdict(risen).reasons][:1] == [key]
    unknown = replace(risen, problems=())
    assert ("withheld-volume-unknown" in reasons(unknown)) is (key != "withheld-rate")
