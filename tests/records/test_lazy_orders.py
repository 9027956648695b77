"""A medication list that nobody asks for costs nothing, and says the same as one that was read at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cds_service.records import medications
from cds_service.records.lazy_orders import Listing
from cds_service.sodium.snapshot import Order
from tests.fhir_resources import Call, sodium, taking


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the orders that are read, each time that one is."""
    found: list[str] = []

    def exposure(resource: Mapping[str, object], scene: Any) -> Order | None:
        found.append(str(resource["id"]))
        return medications.exposure(resource, scene)

    monkeypatch.setattr("cds_service.records.reader.exposure", exposure)
    return found


def test_with_normal_sodium_no_order_is_read(read: list[str]) -> None:
    call = Call(record=(sodium("139"), taking("sertraline"), taking("hydrochlorothiazide")))
    assert call.cards() == []
    assert read == []


def test_with_low_sodium_each_order_is_read_once_and_the_drug_is_named(read: list[str]) -> None:
    orders = (taking("sertraline"), taking("amlodipine"))
    (card, *_) = Call(record=(sodium("128"), *orders)).cards()
    assert "sertraline" in card.detail.lower()
    assert sorted(read) == sorted(str(order["id"]) for order in orders)


def test_an_order_of_another_patient_is_counted_though_the_list_is_not_read(
    read: list[str],
) -> None:
    foreign = taking("sertraline") | {"subject": {"reference": "Patient/somebody-else"}}
    case = Call(record=(sodium("139"),)).answer(_with(foreign)).case
    assert case is not None
    assert case.snapshot.dropped_foreign == 1
    assert read == []


def _with(order: dict[str, Any]) -> dict[str, Any]:
    body = Call(record=(sodium("139"),)).body()
    body["prefetch"]["medications"] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": order}],
    }
    return body


def test_it_is_the_tuple_that_it_stands_for() -> None:
    one, two = Order(reference="MedicationRequest/1"), Order(reference="MedicationRequest/2")
    known = {"1": one, "2": two, "none": None}
    listing = Listing(
        [{"id": "1"}, {"id": "none"}, {"id": "2"}], lambda resource: known[str(resource["id"])]
    )
    assert listing == (one, two) == tuple(listing)
    assert (len(listing), listing[0], listing[-1], listing[:1], two in listing) == (
        2,
        one,
        two,
        (one,),
        True,
    )
    assert repr(listing) == repr((one, two))
    assert listing != (one,)
    assert not Listing([], lambda resource: one)
