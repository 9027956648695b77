"""An EHR with the table of seven keys, which asked widely, gets the answers that it always got."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.cli.replay import answer_story
from cds_service.cli.stories import prefetch_of
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import DataUnavailable
from cds_service.knowledge.load import Knowledge
from cds_service.pipeline import Evaluation
from cds_service.sodium.snapshot import Order
from tests.fhir_resources import Call, draft, lab, pipeline, sodium, taking

STORIES = load_stories(default_fixtures_dir())


def older(knowledge: Knowledge) -> Knowledge:
    """The knowledge with the templates of the older table."""
    services = {}
    for name, service in knowledge.services.items():
        keys = {
            key: one
            for key, one in service.prefetch.items()
            if key not in ("vitals", "pastMedications")
        }
        vitals = service.prefetch["vitals"].split("&code=")[1].split("&")[0]
        keys["labs"] = keys["labs"].replace("&_sort", f",{vitals}&_sort")
        keys["medications"] = keys["medications"].replace(
            "status=active,on-hold&", "status=active,on-hold,completed,stopped&"
        )
        services[name] = replace(service, prefetch=keys)
    return replace(knowledge, services=services)


def answer(story: Story, prefetch: Mapping[str, Any]) -> Evaluation:
    return answer_story(pipeline(), replace(story, request={**story.request, "prefetch": prefetch}))


@pytest.mark.parametrize("name", STORIES)
def test_the_wide_queries_give_the_same_cards_as_the_narrow_ones(name: str) -> None:
    story, knowledge = STORIES[name], pipeline().knowledge
    wide, narrow = prefetch_of(story, older(knowledge)), prefetch_of(story, knowledge)
    assert "vitals" not in wide
    try:
        cards = answer(story, narrow).cards
    except DataUnavailable as error:
        with pytest.raises(DataUnavailable, match=re.escape(error.message)):
            answer(story, wide)
        return
    assert answer(story, wide).cards == cards


def older_call(call: Call) -> dict[str, Any]:
    """The body without the newer keys, and without the links that say what was asked."""
    body = replace(call, left_out=("vitals", "pastMedications")).body()
    for bundle in body["prefetch"].values():
        bundle.pop("link", None)
    return body


LOW = Call(record=(sodium("123"), lab("potassium", "4", 1), lab("glucose", "100", 1)))


def test_a_call_with_one_of_the_newer_keys_has_left_the_other_one_out() -> None:
    (card,) = replace(LOW, left_out=("vitals",)).cards()
    assert "Not checked: vital signs (no access to the record server)" in card.text
    (card,) = replace(LOW, left_out=("pastMedications",)).cards()
    assert "Not checked: past medicines (no access to the record server)" in card.text


def test_a_call_with_neither_is_of_the_older_table() -> None:
    evaluation = LOW.answer(older_call(LOW))
    assert [card["detail"].count("Not checked") for card in evaluation.cards] == [0]
    assert evaluation.sources["vitals"].shown == "satisfied (prefetch): in labs"
    assert evaluation.sources["pastMedications"].shown == "empty (prefetch): in medications"


@pytest.mark.parametrize(
    ("key", "asked", "missing"),
    [
        ("medications", "MedicationRequest?patient=p1&status=active,on-hold", "past medicines"),
        ("medications", "MedicationRequest?patient=p1&status=active,completed", ""),
        ("medications", "MedicationRequest?patient=p1", ""),
        ("labs", "Observation?patient=p1&code=http://loinc.org|2823-3", "vital signs"),
        ("labs", "Observation?patient=p1&code=http%3A%2F%2Floinc.org%7C8480-6", ""),
    ],
)
def test_a_bundle_that_says_by_its_link_that_it_is_narrow_is_not_taken_for_wide(
    key: str, asked: str, missing: str
) -> None:
    body = older_call(LOW)
    body["prefetch"][key]["link"] = [
        {"relation": "self", "url": f"https://fhir.example/r4/{asked}"}
    ]
    (card,) = LOW.answer(body).cards
    assert (f"Not checked: {missing or ''}" in card["detail"]) is bool(missing)


def test_a_key_of_the_older_table_that_failed_is_named_once() -> None:
    call = replace(LOW, left_out=("vitals", "pastMedications"), failing=("labs", "medications"))
    (card,) = call.cards()
    assert (
        "Not checked (error of the record server): other laboratory results, current medicines."
        in card.text
    )
    assert "vital signs" not in card.text
    assert "past medicines" not in card.text


def test_an_order_that_came_under_both_keys_counts_once() -> None:
    call = replace(LOW, record=(*LOW.record, taking("hydrochlorothiazide", 9)))
    body = call.body()
    body["prefetch"]["pastMedications"] = body["prefetch"]["medications"]
    assert call.answer(body).cards == call.evaluation().cards


def stopped(count: int, **more: Any) -> tuple[dict[str, Any], ...]:
    return tuple(
        taking("lisinopril", 10 + number, status="stopped", note=[{"text": f"{number}"}], **more)
        for number in range(count)
    )


def test_the_fifty_newest_past_orders_are_all_that_is_asked_for() -> None:
    call = replace(LOW, record=(*LOW.record, *reversed(stopped(60))))
    evaluation = call.evaluation()
    past = evaluation.sources["pastMedications"]
    assert (len(past.resources), past.missing) == (50, None)
    assert "Not checked" not in evaluation.cards[0]["detail"]


def test_a_page_of_past_orders_that_is_not_the_newest_for_certain_is_a_part() -> None:
    undated = tuple({**order, "authoredOn": None} for order in stopped(60))
    evaluation = replace(LOW, record=(*LOW.record, *undated)).evaluation()
    assert evaluation.sources["pastMedications"].missing == "truncated"
    assert "past medicines (only part was read)" in evaluation.cards[0]["detail"]


def test_past_orders_push_no_current_one_out() -> None:
    current = taking("hydrochlorothiazide", 9)
    call = replace(LOW, record=(*LOW.record, *stopped(120), current), optional=())
    assert [order.drugs[0].name for order in _active(call)] == ["hydrochlorothiazide"]


def test_hourly_blood_pressures_push_no_creatinine_out() -> None:
    pressures = tuple(lab("systolic", str(100 + n % 40), n * 0.5) for n in range(300))
    old = lab("creatinine", "1.0", 24 * 60)
    case = replace(LOW, record=(*LOW.record, *pressures, old)).evaluation().case
    assert case is not None
    assert [one.value for one in case.snapshot.labs if one.analyte == "creatinine"] == [1]


def _active(call: Call) -> list[Order]:
    case = call.evaluation().case
    assert case is not None
    return [order for order in case.snapshot.exposures if order.status == "active"]


def test_whether_another_drug_is_taken_is_no_question_of_past_orders() -> None:
    call = Call(record=(sodium("139"),), drafts=(draft("sertraline"),))
    assert replace(call, failing=("pastMedications",)).cards() == []
    with pytest.raises(DataUnavailable):
        replace(call, failing=("medications",)).cards()
