"""The last check of a card finds every member that a client could not accept, at any depth."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cds_service.protocol.card import InvalidCard, check_cards

CODING = {"code": "sodiumMild", "system": "https://cds.example/fhir", "display": "Mild"}


def card(draft: Any = None, **more: Any) -> dict[str, Any]:
    resource = {"resourceType": "ServiceRequest", "status": "draft"} | (draft or {})
    action = {"type": "create", "description": "Order", "resource": resource}
    uuid = "00000000-0000-4000-8000-000000000001"
    return {
        "uuid": "00000000-0000-4000-8000-000000000000",
        "summary": "Sodium 128",
        "detail": "Recheck",
        "indicator": "warning",
        "source": {"label": "Guideline", "url": "https://cds.example/basis", "topic": CODING},
        "suggestions": [{"label": "Order", "uuid": uuid, "actions": [action]}],
        "selectionBehavior": "any",
    } | more


@pytest.mark.parametrize("empty", ["", None, [], {}, ()], ids=repr)
def test_an_empty_member_is_told_however_deep_it_lies(empty: object) -> None:
    for member in (empty, [empty], ({"x": empty},), {"x": [{"y": empty}]}):
        with pytest.raises(InvalidCard, match=r"sodiumMild: .* is empty"):
            check_cards([card({"note": member})])


def test_zero_no_and_lists_of_any_kind_are_no_empty_members() -> None:
    check_cards(
        [
            card(
                {
                    "value": 0,
                    "given": False,
                    "amount": Decimal("0.0"),
                    "ratio": 1.5,
                    "both": ("a", ["b"]),
                }
            )
        ]
    )


@pytest.mark.parametrize("uuid", ["", "7", "00000000-0000-4000-8000-00000000000", None])
def test_a_card_without_a_whole_uuid_is_told(uuid: object) -> None:
    with pytest.raises(InvalidCard):
        check_cards([card(uuid=uuid)])


@pytest.mark.parametrize("url", ["", "basis", "ftp://cds.example/", "https://cds.example/a b"])
def test_a_source_or_link_that_is_no_address_is_told(url: str) -> None:
    with pytest.raises(InvalidCard, match="source"):
        check_cards([card(source={"label": "Guideline", "url": url, "topic": CODING})])
    with pytest.raises(InvalidCard, match="link"):
        check_cards([card(links=[{"label": "Guideline", "url": url, "type": "absolute"}])])
