"""Vendors' limits: a card with less on it, and never with something else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cds_service.protocol.card import check_cards
from cds_service.protocol.limits import CardLimits, obey

DETAIL = (
    "- **Fluid** restriction\n- Recheck sodium\n\n"
    "[Basis of this card](https://cds.example/basis#PV-MILD): Spasovski 2014. Advice only."
)
CREATE = {"type": "create", "description": "Order", "resource": {"resourceType": "ServiceRequest"}}
UPDATE = {
    "type": "update",
    "description": "Stop",
    "resource": {"resourceType": "MedicationRequest", "id": "1"},
}
DELETE = {"type": "delete", "description": "Remove", "resourceId": "MedicationRequest/1"}
EPIC = CardLimits(
    accepts_update=False, one_action_per_suggestion=True, selection_behavior_any_only=True
)


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def suggestion(number: int, *actions: dict[str, Any], recommended: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"label": f"Do {number}", "uuid": uuid(number), "actions": list(actions)}
    return made | ({"isRecommended": True} if recommended else {})


def card(*suggestions: dict[str, Any], behavior: str = "any") -> dict[str, Any]:
    coding = {"code": "sodiumMild", "system": "https://cds.example/fhir", "display": "Mild"}
    made: dict[str, Any] = {
        "uuid": uuid(0),
        "summary": "Sodium 128",
        "detail": DETAIL,
        "indicator": "warning",
        "source": {"label": "Guideline", "url": "https://cds.example/basis", "topic": coding},
        "links": [{"label": "Guideline", "url": "https://doi.example", "type": "absolute"}],
    }
    return made | (
        {"suggestions": list(suggestions), "selectionBehavior": behavior} if suggestions else {}
    )


def obeyed(given: dict[str, Any], limits: CardLimits) -> dict[str, Any]:
    before = copy.deepcopy(given)
    (found,) = obey([given], limits)
    assert given == before, "the card that came in is left as it was"
    check_cards([found])
    return found


def labels(found: dict[str, Any]) -> list[str]:
    return [s["label"] for s in found.get("suggestions", [])]


def test_a_client_without_limits_gets_the_card_as_it_is() -> None:
    given = card(suggestion(1, CREATE, UPDATE))
    assert obey([given], CardLimits()) == [given]


def test_a_client_that_takes_no_update_gets_no_stop_suggestion() -> None:
    found = obeyed(
        card(suggestion(1, CREATE), suggestion(2, UPDATE)), CardLimits(accepts_update=False)
    )
    assert labels(found) == ["Do 1"]
    none = obeyed(card(suggestion(2, UPDATE)), CardLimits(accepts_update=False))
    assert "suggestions" not in none
    assert "selectionBehavior" not in none
    assert none["detail"] == DETAIL


def test_a_suggestion_of_two_actions_is_never_cut_in_half() -> None:
    found = obeyed(card(suggestion(1, DELETE, CREATE), suggestion(2, CREATE)), EPIC)
    assert labels(found) == ["Do 2"]


def test_suggestions_that_exclude_each_other_become_the_recommended_one() -> None:
    two = (suggestion(1, CREATE), suggestion(2, CREATE, recommended=True))
    found = obeyed(card(*two, behavior="at-most-one"), EPIC)
    assert labels(found) == ["Do 2"]
    assert found["selectionBehavior"] == "any"
    both = obeyed(card(*two, behavior="any"), EPIC)
    assert labels(both) == ["Do 1", "Do 2"]


def test_plain_text_has_no_markdown_and_keeps_every_word_and_address() -> None:
    found = obeyed(card(), CardLimits(plain_text_detail=True))["detail"]
    assert found.startswith("• Fluid restriction\n• Recheck sodium")
    assert "Basis of this card (https://cds.example/basis#PV-MILD): Spasovski" in found
    assert "**" not in found


@pytest.mark.parametrize("plain", [True, False])
def test_without_links_only_the_source_has_an_address(plain: bool) -> None:
    found = obeyed(card(), CardLimits(no_links=True, plain_text_detail=plain))
    assert "links" not in found
    assert "http" not in found["detail"]
    assert "Basis of this card: Spasovski" in found["detail"]
    assert found["source"]["url"]
