"""Which drugs count as taken, since when, and which are suspected (B.0.7)."""

from __future__ import annotations

import pytest

from cds_service.sodium.exposure import Exposures
from cds_service.sodium.rules.gates import drug_lines
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, ago, order, problem, result

HOUR = 1 / 24


def exposures_of(
    *orders: Order, sodium: str | int = 131, normal_days_ago: float | None = None
) -> Exposures:
    earlier = () if normal_days_ago is None else (result("sodium", 139, 24 * normal_days_ago),)
    return Story(sodium=sodium, orders=orders, results=earlier).case().exposures


def names(found: Exposures) -> list[str]:
    return [e.drug.name for e in found.active]


@pytest.mark.parametrize(
    "taken",
    [
        order("sertraline"),
        order("sertraline", intent="plan"),
        order("sertraline", intent="instance-order"),
        order("sertraline", intent="reflex-order"),
        order("sertraline", intent="original-order"),
        order("sertraline", intent=""),
        order("sertraline", status=""),
        order("sertraline", route="unknown"),
        order("sertraline", route="iv"),
        order("sertraline", ended=30),
        order("sertraline", days=None),
        order("sertraline", status="completed", days=3, reference="MedicationAdministration/1"),
    ],
)
def test_a_current_systemic_order_is_an_exposure(taken: Order) -> None:
    assert names(exposures_of(taken)) == ["sertraline"]


@pytest.mark.parametrize(
    "not_taken",
    [
        order("sertraline", status="completed"),
        order("sertraline", status="stopped"),
        order("sertraline", status="cancelled"),
        order("sertraline", status="entered-in-error"),
        order("sertraline", status="draft"),
        order("sertraline", status="on-hold"),
        order("sertraline", intent="proposal"),
        order("sertraline", intent="option"),
        order("sertraline", route="local"),
        order("sertraline", ended=30 + HOUR),
        order(
            "sertraline", status="completed", days=3 + HOUR, reference="MedicationAdministration/1"
        ),
    ],
)
def test_what_is_not_taken_now_is_no_exposure(not_taken: Order) -> None:
    assert names(exposures_of(not_taken)) == []


def test_a_drug_on_hold_is_listed_and_not_counted() -> None:
    found = exposures_of(order("sertraline", status="on-hold"), order("furosemide"))
    assert [d.name for d in found.on_hold] == ["sertraline"]
    assert names(found) == ["furosemide"]


def test_a_drug_that_is_on_hold_and_also_taken_is_taken() -> None:
    found = exposures_of(order("sertraline", status="on-hold"), order("sertraline"))
    assert (names(found), found.on_hold) == (["sertraline"], ())


def test_drafts_are_no_exposures() -> None:
    assert Story(drafts=(order("sertraline", status="draft"),)).case().exposures == Exposures()


def test_a_combination_is_one_exposure_for_each_ingredient() -> None:
    assert names(exposures_of(order("hydrochlorothiazide", "spironolactone"))) == [
        "hydrochlorothiazide",
        "spironolactone",
    ]


def test_exposures_can_be_asked_for_by_class() -> None:
    found = exposures_of(order("hydrochlorothiazide"), order("furosemide"))
    assert [e.drug.name for e in found.of("thiazide", "vaptan")] == ["hydrochlorothiazide"]


@pytest.mark.parametrize(("gap", "since"), [(30, 100), (31, 40)])
def test_an_unbroken_chain_of_orders_reaches_back_to_its_first_one(gap: int, since: int) -> None:
    chain = (
        order("sertraline", days=40),
        order("sertraline", days=100, ended=40 + gap, status="completed"),
    )
    (found,) = exposures_of(*chain).active
    assert found.since == ago(days=since)
    assert len(found.orders) == (2 if gap == 30 else 1)


def test_a_recorded_duration_fills_the_gap_between_two_orders() -> None:
    refill = order("sertraline", days=10)
    first = order("sertraline", days=100, duration="90", status="completed")
    (found,) = exposures_of(refill, first).active
    assert found.since == ago(days=100)
    assert found.orders == (refill, first)


def test_an_absurd_duration_does_no_harm() -> None:
    endless = order("sertraline", days=100, duration="1e30", status="completed")
    assert names(exposures_of(order("sertraline", days=10), endless)) == ["sertraline"]


def test_the_start_is_the_earliest_time_that_an_order_names() -> None:
    later = Order(
        reference="MedicationRequest/1",
        drugs=order("sertraline").drugs,
        status="active",
        start=ago(days=5),
        authored=ago(days=9),
    )
    assert exposures_of(later).active[0].since == ago(days=9)


@pytest.mark.parametrize(
    ("name", "started", "normal", "attribution"),
    [
        ("sertraline", 30, 31, "probable"),
        ("sertraline", 30, 209, "probable"),
        ("sertraline", 30, 211, "possible-recent"),
        ("sertraline", 31, 40, "possible-recent"),
        ("sertraline", 30, None, "possible-recent"),
        ("sertraline", 90, None, "possible-recent"),
        ("sertraline", 91, None, "possible-chronic"),
        ("hydrochlorothiazide", 4000, None, "possible-recent"),
        ("carbamazepine", 4000, None, "possible-chronic"),
        ("sertraline", None, None, "possible-chronic"),
        ("spironolactone", 20, 21, "probable"),
        ("tolvaptan", 20, 21, None),
        ("ibuprofen", 20, 21, "probable"),
    ],
)
def test_time_of_start_and_of_the_first_low_sodium_say_how_likely_a_drug_is_the_cause(
    name: str, started: float | None, normal: float | None, attribution: str | None
) -> None:
    (found,) = exposures_of(order(name, days=started), normal_days_ago=normal).active
    assert found.attribution == attribution


@pytest.mark.parametrize(
    ("name", "attribution"), [("sertraline", "may-worsen"), ("omeprazole", "unlikely")]
)
@pytest.mark.parametrize(("low_days_ago", "acquits"), [(40, True), (41, False), (10.1, True)])
def test_f8_a_low_value_acquits_a_drug_only_if_it_was_measured_shortly_before_the_start(
    name: str, attribution: str, low_days_ago: float, acquits: bool
) -> None:
    low = result("sodium", 132, 24 * low_days_ago)
    found = Story(orders=(order(name, days=10),), results=(low,)).case().exposures
    assert found.active[0].attribution == (attribution if acquits else "possible-recent")
    named = acquits and attribution == "may-worsen"
    assert [e.drug.name for e in found.worsening] == ([name] if named else [])
    assert acquits or name == "omeprazole" or found.suspects == found.active


@pytest.mark.parametrize(("latest", "attribution"), [("127.1", "may-worsen"), (127, "probable")])
def test_f8_a_fall_of_5_after_the_start_is_probable_however_low_the_value_before(
    latest: str | float, attribution: str
) -> None:
    low = result("sodium", 132, 24 * 15)
    story = Story(sodium=latest, orders=(order("sertraline", days=10),), results=(low,))
    assert story.case().exposures.active[0].attribution == attribution


@pytest.mark.parametrize(("low_days_ago", "is_probable"), [(190, True), (191, False)])
def test_f8_the_value_before_a_far_fall_is_of_the_half_year_before_the_start(
    low_days_ago: float, is_probable: bool
) -> None:
    low = result("sodium", 135, 24 * low_days_ago)
    story = Story(sodium=118, orders=(order("sertraline", days=10),), results=(low,))
    assert (story.case().exposures.active[0].attribution == "probable") is is_probable


@pytest.mark.parametrize(("started", "is_probable"), [(30, True), (31, False)])
def test_f8_sodium_fell_far_within_a_month_of_the_start(started: float, is_probable: bool) -> None:
    low = result("sodium", 135, 24 * 60)
    story = Story(
        sodium=118, sodium_hours=0, orders=(order("sertraline", days=started),), results=(low,)
    )
    assert (story.case().exposures.active[0].attribution == "probable") is is_probable


def test_f8_a_far_fall_counts_as_corrected_for_glucose() -> None:
    low = result("sodium", 132, 24 * 15)
    shifted = (low, result("glucose", 400))
    story = Story(sodium=126, orders=(order("sertraline", days=10),), results=shifted)
    assert story.case().exposures.active[0].attribution == "may-worsen"


def test_f8_without_a_value_before_the_start_a_drug_is_possible() -> None:
    later = result("sodium", 133, 24 * 9)
    story = Story(sodium=126, orders=(order("sertraline", days=10),), results=(later,))
    assert story.case().exposures.active[0].attribution == "possible-recent"


def test_f50_drugs_that_may_worsen_it_are_named_beside_three_suspects() -> None:
    low = result("sodium", 132, 24 * 3)
    normal = result("sodium", 140, 24 * 8)
    story = Story(
        orders=(
            order("carbamazepine", days=7),
            order("sertraline", days=7),
            order("hydrochlorothiazide", days=7),
            order("desmopressin", days=1),
            order("metolazone", days=1),
        ),
        results=(low, normal),
    )
    found = story.case().exposures
    assert len(found.suspects) == 3
    assert [e.drug.name for e in found.worsening] == ["desmopressin", "metolazone"]


@pytest.mark.parametrize(
    ("home", "since"),
    [
        (order("sertraline", days=300, status="on-hold"), 300),
        (order("sertraline", days=121, status="completed"), 121),
        (order("sertraline", days=122, status="completed"), 1),
        (order("sertraline", days=300, ended=31, status="stopped"), 300),
        (order("sertraline", days=300, ended=32, status="stopped"), 1),
    ],
)
def test_f50_a_drug_that_the_hospital_orders_anew_is_the_drug_taken_at_home(
    home: Order, since: float
) -> None:
    assert exposures_of(order("sertraline", days=1), home).active[0].since == ago(days=since)


def test_a_low_value_of_an_earlier_illness_does_not_clear_a_drug() -> None:
    history = (result("sodium", 130, 24 * 100), result("sodium", 140, 24 * 40))
    found = Story(orders=(order("sertraline", days=10),), results=history).case().exposures
    assert found.active[0].attribution == "probable"


def test_a_raised_dose_counts_like_a_start() -> None:
    chain = (
        order("sertraline", days=20, dose="100"),
        order("sertraline", days=300, ended=20, status="completed", dose="50"),
    )
    assert exposures_of(*chain, normal_days_ago=25).active[0].attribution == "probable"
    same = (chain[0], order("sertraline", days=300, ended=20, status="completed", dose="100"))
    assert exposures_of(*same, normal_days_ago=25).active[0].attribution == "possible-chronic"


def test_a_dose_raised_long_after_sodium_fell_does_not_make_an_old_drug_unlikely() -> None:
    chain = (
        order("sertraline", days=2, dose="100"),
        order("sertraline", days=300, ended=2, status="completed", dose="50"),
    )
    found = Story(orders=chain, results=(result("sodium", 132, 24 * 30),)).case().exposures
    assert found.active[0].attribution == "possible-chronic"


def test_a_drug_that_starts_tomorrow_is_not_the_cause_of_today() -> None:
    assert exposures_of(order("sertraline", days=-1)).suspects == ()


def test_nothing_is_suspected_while_sodium_is_normal() -> None:
    found = exposures_of(order("sertraline", days=10), sodium=140)
    assert found.suspects == ()
    assert found.active[0].attribution is None


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ("adverse-effect-ssri", "sertraline"),
        ("adverse-effect-diuretic", "furosemide"),
        ("adverse-effect-iminostilbene", "carbamazepine"),
    ],
)
def test_a_recorded_adverse_effect_makes_its_drug_probable(concept: str, name: str) -> None:
    story = Story(orders=(order(name, days=4000),), problems=(problem(concept),))
    assert story.case().exposures.active[0].attribution == "probable"


def test_at_most_three_suspects_the_likeliest_and_strongest_first() -> None:
    found = exposures_of(
        order("carbamazepine", days=300),
        order("haloperidol", days=20),
        order("sertraline", days=20),
        order("hydrochlorothiazide", days=300),
        normal_days_ago=30,
    )
    assert [e.drug.name for e in found.suspects] == [
        "sertraline",
        "haloperidol",
        "hydrochlorothiazide",
    ]


def test_f29_every_strong_or_moderate_suspect_beyond_three_is_named_too() -> None:
    names = ("sertraline", "hydrochlorothiazide", "desmopressin", "dosulepin", "omeprazole")
    story = Story(sodium=124, orders=tuple(order(name, days=900) for name in names))
    found = story.case().exposures
    assert len(found.suspects) == 3
    assert [e.drug.name for e in found.more_suspects] == ["dosulepin"]
    said = [line for line in drug_lines(story.case()) if line.key == "drugs-possible"]
    assert [dict(line.facts) for line in said] == [{"drugs": "dosulepin"}]
    three = Story(sodium=124, orders=tuple(order(name, days=900) for name in names[:3])).case()
    assert not [line for line in drug_lines(three) if line.key == "drugs-possible"]


def test_weakly_linked_drugs_are_no_suspects_by_default() -> None:
    assert exposures_of(order("theophylline", days=10), sodium=128).suspects == ()
    assert exposures_of(order("omeprazole", days=100), sodium=128).suspects == ()


def test_f29_a_weak_drug_is_named_while_it_is_new_and_no_stronger_one_is_suspected() -> None:
    def named(*orders: Order) -> list[str]:
        return [e.drug.name for e in exposures_of(*orders, sodium=128).suspects]

    assert named(order("ciprofloxacin", days=7)) == ["ciprofloxacin"]
    assert named(order("pembrolizumab", days=29)) == ["pembrolizumab"]
    assert named(order("omeprazole", days=90)) == ["omeprazole"]
    assert named(order("omeprazole", days=91)) == []
    assert named(order("ciprofloxacin", days=7), order("sertraline", days=400)) == ["sertraline"]
    assert named(order("ciprofloxacin", days=7), order("furosemide", days=400)) == ["furosemide"]


def test_acceptance_vector_12_names_carbamazepine_as_possible_chronic() -> None:
    story = Story(
        sodium=130,
        problems=(problem("epilepsy", days=4000),),
        orders=(order("carbamazepine", days=4000),),
    )
    case = story.case()
    assert case.symptoms.severe == ()
    assert [(e.drug.name, e.attribution) for e in case.exposures.suspects] == [
        ("carbamazepine", "possible-chronic")
    ]
