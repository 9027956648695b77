"""What cards of one rule share, and what they must not."""

from __future__ import annotations

import copy

from tests.fhir_resources import Call, sodium, taking


def test_clients_of_one_service_each_get_the_label_of_their_own_profile() -> None:
    """Writers are kept from call to call."""
    for profile, named in (("aasld", "AASLD"), ("european", "European"), ("aasld", "AASLD")):
        (card, *_) = Call(record=(sodium("128"),), profile=profile).evaluation().cards
        assert named in card["source"]["label"]


def test_a_card_says_nothing_of_the_patient_before() -> None:
    """Source, links and override reasons are made once for a rule: what is of a patient stands nowhere in them."""
    shared = ("source", "links", "overrideReasons")
    drug = taking("sertraline")
    (one, *_) = Call(record=(sodium("128"), drug)).evaluation().cards
    before = copy.deepcopy({name: one.get(name) for name in shared})
    (other, *_) = Call(record=(sodium("126"),)).evaluation().cards
    assert (
        {name: other.get(name) for name in shared}
        == before
        == {name: one.get(name) for name in shared}
    )
    assert "128" not in str(other)
    assert "sertraline" not in str(other).lower()
