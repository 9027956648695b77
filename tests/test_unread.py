"""What came and could not be taken for this patient's sodium or problems is never "nothing there".

Each of these was an answer without a card, or an offer of fluid restriction, before it had a test.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from cds_service.errors import DataUnavailable
from tests.fhir_resources import Call, Card, draft, problem, sodium

SERTRALINE = draft("sertraline")
STRANGERS = [
    {"reference": "Patient/other"},
    {"reference": "Group/p1"},
    {"identifier": {"system": "urn:mrn", "value": "1"}},
]
UNKNOWN_CODES = [
    {"text": "Sodium"},
    {"coding": [{"system": "urn:example:lis", "code": "NA"}]},
]


def changed(call: Call, key: str, **members: Any) -> dict[str, Any]:
    """The call with these members in each entry of one prefetch key."""
    body = copy.deepcopy(call.body())
    for entry in body["prefetch"][key]["entry"]:
        entry["resource"] |= members
    return body


@pytest.mark.parametrize("drafts", [(), (SERTRALINE,)], ids=["chart", "order"])
@pytest.mark.parametrize("code", UNKNOWN_CODES, ids=["name", "local"])
def test_results_for_sodium_of_which_none_is_known_to_be_sodium_are_not_no_sodium(
    code: dict[str, Any], drafts: tuple[Any, ...]
) -> None:
    call = Call(record=(sodium("117"),), drafts=drafts)
    with pytest.raises(DataUnavailable):
        call.answer(changed(call, "sodium", code=code))


@pytest.mark.parametrize("drafts", [(), (SERTRALINE,)], ids=["chart", "order"])
@pytest.mark.parametrize("subject", STRANGERS, ids=["other", "group", "identifier"])
def test_sodium_of_nobody_we_know_is_not_no_sodium(
    subject: dict[str, Any], drafts: tuple[Any, ...]
) -> None:
    call = Call(record=(sodium("117"),), drafts=drafts)
    with pytest.raises(DataUnavailable):
        call.answer(changed(call, "sodium", subject=subject))


@pytest.mark.parametrize("subject", STRANGERS, ids=["other", "group", "identifier"])
def test_a_problem_of_nobody_we_know_withholds_the_restriction_and_is_named(
    subject: dict[str, Any],
) -> None:
    safe = problem("E22.2", 5)
    call = Call(record=(sodium("123"), safe, problem("I60.9", 0, visit=True)))
    assert Call(record=(sodium("123"), safe)).cards()[0].restricts, "offered without the hemorrhage"
    body = copy.deepcopy(call.body())
    for entry in body["prefetch"]["conditions"]["entry"]:
        if "I60.9" in str(entry):
            entry["resource"]["subject"] = subject
    (card,) = [Card.of(raw) for raw in call.answer(body).cards]
    assert not card.restricts
    assert "Not checked: problem list (only part was read)" in card.text


@pytest.mark.parametrize("drafts", [(), (SERTRALINE,)], ids=["chart", "order"])
@pytest.mark.parametrize("older", [(), (sodium("138", 30),)], ids=["alone", "after a normal one"])
def test_a_sodium_whose_time_lies_ahead_is_not_passed_over_in_silence(
    older: tuple[Any, ...], drafts: tuple[Any, ...]
) -> None:
    """An EHR that writes local time as UTC dates today's result hours ahead."""
    with pytest.raises(DataUnavailable):
        Call(record=(sodium("117", -5), *older), drafts=drafts).cards()


def test_a_withdrawn_result_that_lies_ahead_is_no_reason_for_an_error() -> None:
    assert (
        Call(record=(sodium("138", 3), sodium("117", -5, status="entered-in-error"))).cards() == []
    )


def test_results_that_lie_ahead_as_far_as_clocks_differ_are_used() -> None:
    (card,) = Call(record=(sodium("117", -0.1),)).cards()
    assert "117" in card.summary
