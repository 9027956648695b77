"""What was given once and is completed, and what rinses an organ: causes that no list shows (F24, F28)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftOrder
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.charts import irrigated, treated
from tests.sodium.rules.orders import Scene, restriction, table

SCENES = (
    *(
        Scene(
            says=f"F6: cisplatin {days} days ago needs no hydration today",
            order=restriction(),
            story=treated("cisplatin", days),
        )
        for days in (2.1, 9, 75)
    ),
    Scene(
        says="F6: within 48 h it does",
        order=restriction(),
        story=treated("cisplatin", 1.9),
        fires={"OS-FR": "warning fluid"},
        removes=True,
        shows=("withheld-hydrated",),
    ),
    Scene(
        says="F6: an order that is still active may have been given today",
        order=restriction(),
        story=treated("cisplatin", 9, "active"),
        fires={"OS-FR": "warning fluid"},
        removes=True,
        shows=("withheld-hydrated-listed",),
        hides=("withheld-hydrated",),
    ),
)


@table(SCENES)
def test_restriction_after_a_cytotoxic_drug(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(
    ("drug", "days", "key"),
    [
        ("cisplatin", 9, "drug-given-salt-loss"),
        ("vincristine", 5, "drug-given"),
        ("cyclophosphamide", 3, "drug-given"),
        ("vincristine", 20, "drug-given"),
    ],
)
def test_a_completed_cytotoxic_drug_is_a_possible_cause(drug: str, days: float, key: str) -> None:
    card = fired(treated(drug, days).case())["PV-MOD"]
    assert key in keys(card)
    assert card.variant == "drug"
    assert card.facts["drug"] == drug


def test_f2_within_two_days_of_cyclophosphamide_the_fall_since_before_it_is_acute() -> None:
    card = fired(treated("cyclophosphamide", 1).case())["PV-ACUTE"]
    assert (card.variant, card.facts["setting"]) == ("setting", "cyclophosphamide")


@pytest.mark.parametrize(
    ("drug", "days"), [("vincristine", 22), ("cisplatin", 75), ("tolvaptan", 5)]
)
def test_beyond_a_cycle_or_of_another_kind_it_is_none(drug: str, days: float) -> None:
    card = fired(treated(drug, days).case())["PV-MOD"]
    assert not {"drug-given", "drug-given-salt-loss"} & set(keys(card))


def test_what_is_given_after_the_sodium_fell_is_no_cause() -> None:
    story = treated("vincristine", 0.04)
    assert "drug-given" not in keys(fired(story.case())["PV-MOD"])


def test_a_drug_that_is_taken_leads_the_headline() -> None:
    story = treated("vincristine", 5)
    both = replace(story, orders=(*story.orders, order("sertraline", days=10)))
    card = fired(both.case())["PV-MOD"]
    assert card.facts["drug"] == "sertraline"
    assert "drug-given" in keys(card)


# ---- a drug under which the kidney loses salt


SIADH_LIKE = (
    result("urine-osmolality", "410"),
    result("urine-sodium", "96"),
    result("serum-osmolality", 259),
)


def offered(story: Story) -> bool:
    """Whether a button drafts a fluid restriction."""
    card = fired(story.case())["PV-MOD"]
    return any(isinstance(a, DraftOrder) for s in card.suggestions for a in s.actions)


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(treated("cisplatin", 9, results=SIADH_LIKE), id="cisplatin"),
        pytest.param(
            replace(
                treated("vincristine", 30, results=SIADH_LIKE),
                orders=(order("trimethoprim", days=7),),
            ),
            id="trimethoprim",
        ),
    ],
)
def test_urine_that_looks_like_siadh_may_be_salt_loss(story: Story) -> None:
    assert "withheld-salt-loss" in keys(fired(story.case())["PV-MOD"])
    assert not offered(story)


def test_vincristine_keeps_water_and_not_salt() -> None:
    assert offered(treated("vincristine", 5, results=SIADH_LIKE))


# ---- irrigation that runs


@pytest.mark.parametrize(
    ("rule", "symptom"),
    [
        ("PV-SYMP", problem("seizure", days=0.03, encounter=True)),
        ("PV-ENC", problem("confusion", days=0.04)),
    ],
)
def test_running_irrigation_is_stopped_before_anything_else(rule: str, symptom: object) -> None:
    lines = keys(fired(irrigated(symptom).case())[rule])
    assert lines.index("running-irrigation") == 1


def test_an_acute_fall_without_symptoms_names_it_too() -> None:
    assert "running-irrigation" in keys(fired(irrigated().case())["PV-ACUTE"])


@pytest.mark.parametrize(("hours", "status"), [(25, "active"), (5, "completed")])
def test_irrigation_that_is_over_is_not_running(hours: float, status: str) -> None:
    found = fired(irrigated(hours=hours, status=status).case())
    assert not any("running-irrigation" in keys(card) for card in found.values())
