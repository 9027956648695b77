"""Selected orders through the whole service: what was not read, and cards that must not contradict themselves."""

from __future__ import annotations

import pytest

from cds_service.errors import DataUnavailable
from tests.fhir_resources import (
    TOLVAPTAN_15,
    Call,
    Resource,
    draft,
    problem,
    restriction_order,
    sodium,
)

BLEED = problem("I60.9", 6)
SEIZURE = problem("R56.9", visit=True)


def test_what_forbids_a_fluid_restriction_forbids_it_whatever_sodium_is() -> None:
    card = Call(record=(BLEED,), drafts=(restriction_order(),), failing=("sodium",)).cards()[0]

    assert card.head == "fluidRestrictionHarm critical"
    assert "Not checked: sodium results" in card.detail


@pytest.mark.parametrize("record", [(), (sodium("131"),)])
def test_a_fluid_restriction_with_an_unread_problem_list_is_not_met_with_silence(
    record: tuple[Resource, ...],
) -> None:
    call = Call(record=record, drafts=(restriction_order(),), failing=("conditions",))
    with pytest.raises(DataUnavailable, match="problem list"):
        call.cards()

    told = Call(
        record=record, drafts=(restriction_order(),), failing=("conditions",), explain_missing=True
    )
    card = told.cards()[0]
    assert card.summary.startswith("This order: the problem list could not be checked")
    assert "subarachnoid" in card.detail


def test_a_vaptan_that_is_contraindicated_is_not_told_how_to_start() -> None:
    card = Call(record=(sodium("118"), SEIZURE), drafts=(draft(TOLVAPTAN_15),)).cards()[0]

    assert card.head == "vaptanContraindicated critical"
    assert "start in hospital" not in card.detail


def test_bupropion_with_a_seizure_is_not_told_to_be_given() -> None:
    card = Call(record=(sodium("118"), SEIZURE), drafts=(draft("bupropion"),)).cards()[0]

    assert "contraindicated" in card.detail
    assert "Give it" not in card.text
    assert "not a reason to delay" not in card.text


def test_triamterene_with_hydrochlorothiazide_is_judged_by_the_thiazide() -> None:
    generic = ("", "triamterene-HCTZ 37.5-25 mg")
    card = Call(record=(sodium("128"),), drafts=(draft(generic),), age=72).cards()[0]

    assert card.head == "sodiumLoweringDrug warning"
    assert card.summary.startswith("Hydrochlorothiazide ")


def test_normal_saline_written_without_its_zero_is_not_hypertonic() -> None:
    order = ("", ".9% NaCl 1000 mL")
    assert Call(record=(sodium("138"),), drafts=(draft(order, iv=True),)).cards() == []
