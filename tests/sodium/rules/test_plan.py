"""The plan by volume status, stops and reviews: what is offered, and why something is not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftOrder, Line, StopOrder
from cds_service.knowledge.names import OrderTemplate
from cds_service.sodium.case import Case
from cds_service.sodium.correction_rate import RateView
from cds_service.sodium.glucose import Pseudo
from cds_service.sodium.problems import Symptoms
from cds_service.sodium.restriction import Restriction
from cds_service.sodium.rules.plan import plan_lines, plan_suggestions
from cds_service.sodium.sodium import SodiumView
from cds_service.sodium.volume import OdsRisk, Volume
from tests.sodium.patients import Story, isotonic, result
from tests.sodium.patients import problem as coded
from tests.sodium.rules.cases import (
    a_case,
    detail,
    exposure,
    fired,
    glucose,
    in_words,
    keys,
    kinds,
    offer,
    on,
    part_keys,
    problem,
    rise,
    sodium,
    volume,
)
from tests.sodium.rules.charts import two_in_one

CIRRHOSIS = (problem("cirrhosis"), problem("ascites"))
FAILURE = (problem("heart-failure", encounter_diagnosis=True),)
HYPER = volume(Volume.HYPER, "cirrhosis", "ascites")


def diuretics(**order: Any) -> Any:
    return on(
        exposure("spironolactone", "mra", tier="T2"),
        exposure("furosemide", "loop", tier="T2", **order),
    )


def card(case: Case) -> Any:
    found = fired(case)
    assert len(found) == 1
    return next(iter(found.values()))


def stopped(case: Case) -> list[str]:
    return [
        a.reference for s in card(case).suggestions for a in s.actions if isinstance(a, StopOrder)
    ]


def test_moderate_cirrhosis_restricts_fluid_and_stops_both_diuretics() -> None:
    case = a_case(
        "123", problems=CIRRHOSIS, volume=HYPER, restriction=offer(), exposures=diuretics()
    )
    shown = card(case)
    assert shown.rule == "PV-MOD"
    assert shown.indicator == "warning"
    assert "fluid-restriction" in kinds(shown)
    assert stopped(case) == ["MedicationRequest/spironolactone", "MedicationRequest/furosemide"]
    assert "stop-drug-potassium" in kinds(shown)


@pytest.mark.parametrize(
    ("na", "profile", "count"),
    [("125.9", "aasld", 2), ("126", "aasld", 0), ("124.9", "european", 2), ("125", "european", 0)],
)
def test_diuretics_stop_in_cirrhosis_only_below_the_limit_of_the_profile(
    na: str, profile: str, count: int
) -> None:
    case = a_case(na, profile=profile, problems=CIRRHOSIS, volume=HYPER, exposures=diuretics())
    assert len(stopped(case)) == count


def test_in_heart_failure_nothing_is_stopped_by_a_click() -> None:
    case = a_case(
        "123", problems=FAILURE, volume=volume(Volume.HYPER, "heart-failure"), restriction=offer(),
        exposures=on(exposure("furosemide", "loop", tier="T2"), exposure("hydrochlorothiazide", "thiazide")),
    )  # fmt: skip
    shown = card(case)
    assert stopped(case) == []
    assert "fluid-restriction" in kinds(shown)
    assert "review-heart-failure" in keys(shown)


def test_cirrhosis_with_heart_failure_stops_nothing() -> None:
    case = a_case("123", problems=(*CIRRHOSIS, *FAILURE), volume=HYPER, exposures=diuretics())
    assert stopped(case) == []


def test_a_thiazide_is_stopped_at_moderate_sodium() -> None:
    case = a_case("123", exposures=on(exposure("hydrochlorothiazide", "thiazide")))
    assert stopped(case) == ["MedicationRequest/hydrochlorothiazide"]
    assert "Consider stopping hydrochlorothiazide: thiazides often lower sodium." in detail(
        card(case)
    )


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ({}, 0),
        ({"volume": volume(Volume.HYPO, "vomiting")}, 1),
        ({"symptoms": Symptoms(moderate=("nausea",))}, 1),
    ],
)
def test_at_mild_sodium_a_thiazide_is_stopped_only_with_depletion_or_symptoms(
    parts: dict[str, Any], count: int
) -> None:
    case = a_case("131", exposures=on(exposure("chlorthalidone", "thiazide")), **parts)
    assert len(stopped(case)) == count
    assert any("chlorthalidone" in line for line in detail(card(case)))


def test_near_normal_with_a_symptom_a_thiazide_is_reviewed_not_stopped() -> None:
    case = a_case(
        "134",
        symptoms=Symptoms(moderate=("nausea",)),
        exposures=on(exposure("indapamide", "thiazide")),
    )
    assert stopped(case) == []


def test_a_combination_is_never_stopped_by_a_click_and_its_partner_is_named() -> None:
    combined = exposure(
        "hydrochlorothiazide", "thiazide", ingredient_count=2, partners=("metoprolol",)
    )
    case = a_case("123", exposures=on(combined))
    assert stopped(case) == []
    assert any(
        "contains metoprolol too" in line and "never abruptly" in line
        for line in detail(card(case))
    )


def test_an_unnamed_partner_blocks_the_stop_too() -> None:
    case = a_case(
        "123", exposures=on(exposure("hydrochlorothiazide", "thiazide", ingredient_count=2))
    )
    assert stopped(case) == []
    assert "stop-combination-unnamed" in keys(card(case))


@pytest.mark.parametrize("source", ["medications", "conditions"])
def test_no_stop_is_drafted_on_half_a_record_and_the_card_says_so(source: str) -> None:
    case = a_case(
        "123",
        exposures=on(exposure("hydrochlorothiazide", "thiazide")),
        missing={source: "timeout"},
    )
    assert stopped(case) == []
    assert "stop-unread" in keys(card(case))


def test_an_order_that_cannot_become_an_update_stays_text() -> None:
    case = a_case("123", exposures=on(exposure("hydrochlorothiazide", "thiazide", stoppable=False)))
    assert stopped(case) == []
    assert "stop-thiazide" in keys(card(case))


def test_given_doses_and_ended_orders_are_not_stopped() -> None:
    given = exposure("hydrochlorothiazide", "thiazide", reference="MedicationAdministration/1")
    ended = exposure("chlorthalidone", "thiazide", status="completed")
    assert stopped(a_case("123", exposures=on(given, ended))) == []


def test_a_drug_that_came_after_the_low_sodium_is_not_stopped() -> None:
    case = a_case("123", exposures=on(exposure("hydrochlorothiazide", "thiazide", "unlikely")))
    assert stopped(case) == []


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("sertraline", "ssri"),
        ("venlafaxine", "snri"),
        ("carbamazepine", "iminostilbene"),
        ("valproate", "valproate"),
        ("olanzapine", "antipsychotic"),
    ],
)
def test_some_drugs_are_never_stopped_by_a_click_nor_abruptly(name: str, cls: str) -> None:
    for na in ("115", "123", "131"):
        case = a_case(na, exposures=on(exposure(name, cls, "probable")))
        assert stopped(case) == []
        assert f"Review {name} with the prescriber; never stop abruptly." in detail(card(case))


def test_desmopressin_is_never_stopped_by_a_click_but_by_its_prescriber() -> None:
    for na in ("115", "123", "131"):
        case = a_case(na, exposures=on(exposure("desmopressin", "desmopressin", "probable")))
        assert stopped(case) == []
        assert any("(diabetes insipidus: no)" in words for words in detail(card(case)))


def test_other_suspects_are_reviewed_by_name_with_their_start() -> None:
    case = a_case(
        "123", exposures=on(exposure("omeprazole", "ppi", "possible-chronic", tier="T3", days=400))
    )
    assert "Review the need for omeprazole." in detail(card(case))
    assert "omeprazole since 11 Oct 2025: possible cause, taken for long." in detail(card(case))


@pytest.mark.parametrize(
    ("status", "key"),
    [
        (Volume.CSW, "salt-wasting-first"),
        (Volume.ADRENAL, "adrenal-treat"),
        (Volume.NEURO, "neuro-first"),
        (Volume.HYPO, "hypovolemia-replace"),
    ],
)
def test_where_restriction_harms_the_card_says_so_first_and_never_offers_it(
    status: Volume, key: str
) -> None:
    harm = Restriction(
        verdict="never", reasons=(Line(f"never-{status}", {"evidence": "evidence:sah"}, keep=True),)
    )
    shown = card(a_case("123", volume=volume(status, "sah"), restriction=harm))
    assert detail_starts(shown, "**Do not restrict fluids**")
    assert key in keys(shown)
    assert not any(k.startswith("fluid-restriction") for k in kinds(shown))
    assert not {"avoid-water", "restriction-watch"} & set(keys(shown))


def detail_starts(shown: Any, text: str) -> bool:
    return detail(shown)[0].startswith(text)


@pytest.mark.parametrize(
    "line",
    [
        Line("withheld-systolic-low", {"value": "84"}),
        Line("withheld-creatinine-rise", {"from": "1", "value": "1.5"}),
        Line("withheld-volume-unknown", {"ml": "1000"}),
        Line(
            "withheld-volume-conflict",
            {"evidence": "evidence:ascites", "against": "evidence:vomiting"},
        ),
        Line("withheld-conditions-unread"),
        Line("withheld-glucose-high"),
        Line("withheld-pregnancy"),
        Line("withheld-dialysis"),
        Line("withheld-rate"),
        Line("text-hyper-mild"),
    ],
)
def test_a_withheld_restriction_shows_its_reason(line: Line) -> None:
    shown = card(a_case("123", restriction=Restriction(verdict="text", reasons=(line,))))
    assert line.key in keys(shown)
    assert not any(k.startswith("fluid-restriction") for k in kinds(shown))


def test_further_reasons_stand_below_the_first() -> None:
    reasons = (Line("withheld-volume-unknown", {"ml": "1000"}), Line("withheld-medications-unread"))
    shown = card(a_case("123", restriction=Restriction(verdict="text", reasons=reasons)))
    assert shown.do[0].key == "withheld-volume-unknown"
    assert "withheld-medications-unread" in [line.key for line in shown.why]


def test_an_order_that_is_already_there_is_not_offered_again() -> None:
    shown = card(a_case("123", restriction=Restriction(verdict="ordered")))
    assert keys(shown)[0] == "restriction-ordered"
    assert not any(k.startswith("fluid-restriction") for k in kinds(shown))


def test_what_was_not_seen_ends_the_label_of_the_restriction() -> None:
    shown = card(
        a_case("123", volume=HYPER, restriction=offer("caveat-bp", likely_insufficient=True))
    )
    button = next(s for s in shown.suggestions if s.kind == "fluid-restriction-caveats")
    assert in_words(button.facts["caveats"]) == "BP not seen, likely to be insufficient"
    assert button.actions == (DraftOrder(OrderTemplate.FLUID_RESTRICTION, "1000"),)


def test_severe_low_sodium_is_checked_for_severe_symptoms_before_restriction() -> None:
    shown = card(a_case("115", volume=HYPER, problems=CIRRHOSIS, restriction=offer()))
    order = keys(shown)
    assert order.index("restriction-severe") < order.index("restriction-overload")
    assert "overload-albumin" in order


def test_f35_the_figure_of_a_restriction_is_never_the_european_guidelines() -> None:
    shown = card(a_case("123", volume=volume(Volume.EUV, "siadh"), restriction=offer()))
    assert any("figure of the source article and AASLD 2021" in line for line in detail(shown))
    assert not any("European guideline" in line for line in detail(shown) if "1000 mL" in line)
    assert "euvolemia-next" in keys(shown)


def test_siadh_by_laboratory_alone_says_what_is_not_excluded() -> None:
    shown = card(
        a_case("123", volume=volume(Volume.EUV, "siadh-pattern", by_labs=True), restriction=offer())
    )
    assert "siadh-pattern" in keys(shown)


def test_losses_are_treated_where_they_are_the_cause() -> None:
    assert "hypovolemia-losses" in keys(card(a_case("123", volume=volume(Volume.HYPO, "diarrhea"))))


def test_salty_food_is_never_advised_in_heart_failure_or_cirrhosis() -> None:
    euvolemic = volume(Volume.EUV, "siadh")
    assert "salty-food" in keys(card(a_case("123", volume=euvolemic)))
    for problems in (CIRRHOSIS, FAILURE):
        assert "salty-food" not in keys(card(a_case("123", volume=euvolemic, problems=problems)))


def test_a_weak_hint_at_overload_is_shown_as_a_hint() -> None:
    shown = card(a_case("123", volume=volume(Volume.UNKNOWN, hint=("cirrhosis",))))
    assert "volume-hint" in keys(shown)


def test_the_reasons_for_demyelination_risk_are_named() -> None:
    shown = card(a_case("123", risk=OdsRisk(reasons=("alcohol-use-disorder", "malnutrition"))))
    assert any("alcohol use disorder, malnutrition" in line for line in detail(shown))


def test_the_glucose_corrected_value_decides_on_stops() -> None:
    shift = glucose("400", "128.8", "131.2", explained=False)
    case = a_case(
        "124",
        sodium=sodium("124", katz="128.8"),
        glucose=shift,
        problems=CIRRHOSIS,
        exposures=diuretics(),
    )
    assert stopped(case) == []


def test_plan_functions_can_be_used_alone() -> None:
    case = a_case("123", volume=HYPER, problems=CIRRHOSIS, restriction=offer())
    assert [line.key for line in plan_lines(case)] == ["restriction-overload"]
    assert [s.kind for s in plan_suggestions(case)] == ["fluid-restriction"]


def withheld(*keys_of: str, **more: Any) -> Restriction:
    lines = {"withheld-volume-unknown": {"ml": "1000"}, "withheld-systolic-low": {"value": "84"}}
    lines["withheld-near-normal"] = {"value": "134"}
    return Restriction(
        verdict="text", reasons=tuple(Line(k, lines.get(k, {})) for k in keys_of), **more
    )


def test_a_sign_of_depletion_leads_without_a_conditional_restriction_beside_it() -> None:
    flag = Line("withheld-systolic-low", {"value": "84"})
    verdict = withheld("withheld-volume-unknown", "withheld-systolic-low", red_flags=(flag,))
    shown = card(a_case("123", restriction=verdict))
    assert shown.do[0].key == "withheld-systolic-low"
    assert "withheld-volume-unknown" not in keys(shown)


def test_near_normal_no_conditional_restriction_is_shown() -> None:
    reasons = withheld("withheld-volume-unknown", "withheld-near-normal")
    shown = card(a_case("134", symptoms=Symptoms(mild=("cramp",), cramp=True), restriction=reasons))
    assert shown.do[0].key == "withheld-near-normal"
    assert "withheld-volume-unknown" not in keys(shown)


@pytest.mark.parametrize(
    ("profile", "key"), [("aasld", "vaptan-aasld"), ("european", "vaptan-european")]
)
def test_vaptans_are_mentioned_with_the_caution_of_the_profile(profile: str, key: str) -> None:
    assert key in keys(card(a_case("122", profile=profile, volume=HYPER, problems=CIRRHOSIS)))


def test_a_restriction_that_is_likely_to_fail_says_so() -> None:
    siadh = volume(Volume.EUV, "siadh")
    shown = card(a_case("123", volume=siadh, restriction=offer(likely_insufficient=True)))
    assert "restriction-next" in keys(shown)
    assert "euvolemia-next" not in keys(shown)
    lungs = volume(Volume.EUV, "siadh", hint=("ckd-4-5",))
    salted = card(a_case("123", volume=lungs, restriction=offer(likely_insufficient=True)))
    assert "restriction-next-no-salt" in keys(salted)


@pytest.mark.parametrize(
    "view",
    [
        sodium("123", sample={"status": "preliminary"}),
        sodium("117", other_method=sodium("110").samples[0]),
    ],
)
def test_no_stop_rests_on_a_sodium_that_is_in_doubt(view: SodiumView) -> None:
    used = Pseudo(kind="direct-ise", shown="117") if view.other_method else None
    taken = on(exposure("hydrochlorothiazide", "thiazide"))
    case = a_case("123", sodium=view, pseudo=used, exposures=taken)
    shown = next(iter(fired(case).values()))
    assert not any(isinstance(a, StopOrder) for s in shown.suggestions for a in s.actions)
    assert "stop-doubtful" in part_keys(shown)


def test_biliary_cholangitis_is_cirrhosis_only_with_its_signs() -> None:
    alone, with_ascites = (problem("pbc"),), (problem("pbc"), problem("ascites"))
    assert stopped(a_case("123", problems=alone, exposures=diuretics())) == []
    assert len(stopped(a_case("123", problems=with_ascites, exposures=diuretics()))) == 2


OVER = RateView(level="critical", rule="RATE-OVER", variant="fast", worst=rise("9"), now=rise("9"))


def test_while_sodium_rises_too_fast_nothing_on_the_sodium_card_pushes_it_further() -> None:
    reasons = (Line("withheld-volume-unknown", {"ml": "1000"}), Line("withheld-rate"))
    case = a_case(
        "123",
        rate=OVER,
        restriction=Restriction(verdict="text", reasons=reasons),
        exposures=on(exposure("hydrochlorothiazide", "thiazide")),
    )
    shown = fired(case)["PV-MOD"]
    assert shown.do[0].key == "withheld-rate"
    assert not {"withheld-volume-unknown", "avoid-water"} & set(keys(shown))
    assert "stop-rising" in keys(shown)
    assert not any(k.startswith("stop") for k in kinds(shown))


@pytest.mark.parametrize("status", [Volume.EUV, Volume.HYPER])
def test_while_sodium_rises_too_fast_no_salt_urea_or_vaptan_is_mentioned(status: Volume) -> None:
    shown = fired(a_case("123", rate=OVER, volume=volume(status, "siadh")))["PV-MOD"]
    assert not {"euvolemia-next", "salty-food", "vaptan-aasld", "avoid-water"} & set(keys(shown))


@pytest.mark.parametrize(
    "key", ["withheld-glucose-high", "withheld-sodium-doubtful", "withheld-pregnancy"]
)
def test_a_weighty_reason_replaces_the_conditional_words(key: str) -> None:
    shown = card(a_case("123", restriction=withheld("withheld-volume-unknown", key)))
    assert shown.do[0].key == key
    assert "withheld-volume-unknown" not in keys(shown)


TWO_IN_ONE = {
    "lisinopril": "stop-combination",
    "amlodipine": "stop-combination",
    "metoprolol": "stop-combination-tapered",
    "clonidine": "stop-combination-tapered",
}


@pytest.mark.parametrize(("partner", "key"), TWO_IN_ONE.items())
def test_m14_words_on_a_beta_blocker_come_only_beside_one(partner: str, key: str) -> None:
    """They came beside lisinopril, with no beta-blocker on the list (cold review)."""
    found = fired(two_in_one(partner).case())["PV-MOD"]
    assert [k for k in keys(found) if k.startswith("stop-combination")] == [key]


SALTY = Story(sodium="128", problems=(coded("siadh"),), setting="inpatient")


@pytest.mark.parametrize(
    ("more", "advised"),
    [
        ({}, True),
        ({"results": (result("systolic", "179"),)}, True),
        ({"results": (result("systolic", "180"),)}, False),
        ({"problems": (coded("siadh"), coded("ckd-4-5", days=900))}, False),
        ({"problems": (coded("siadh"), coded("nephrotic", days=900))}, False),
        ({"results": (result("creatinine", "4.1"),)}, False),
    ],
)
def test_s9_no_salt_is_advised_at_a_severe_pressure_or_to_failing_kidneys(
    more: dict[str, Any], advised: bool
) -> None:
    (found,) = fired(replace(SALTY, **more).case()).values()
    assert ("salty-food" in keys(found)) is advised


def test_f23_pregnancy_leads_over_isotonic_fluid_that_is_ordered() -> None:
    expecting = coded("pregnancy", days=90)
    story = Story(
        sodium="125", setting="inpatient", problems=(expecting,), orders=(isotonic(None),)
    )
    (found,) = fired(story.case()).values()
    assert next(k for k in keys(found) if k.startswith("withheld")) == "withheld-pregnancy"
    low = replace(story, results=(result("systolic", "84"),))
    (shocked,) = fired(low.case()).values()
    assert next(k for k in keys(shocked) if k.startswith("withheld")) == "withheld-systolic-low"
