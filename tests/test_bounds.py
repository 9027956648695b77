"""How much of a call is read: what lies beyond a limit is said, and is never taken for absent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.errors import BodyTooLarge, DataUnavailable, OutOfTime
from cds_service.pipeline import HOOKS, Evaluation
from cds_service.protocol.request import hook_request
from cds_service.records.bounds import (
    MAX_CODINGS,
    MAX_CONCEPTS,
    MAX_DRAFTS,
    MAX_SELECTED,
    MAX_TEXT,
    MAX_VALUES,
    RESOURCE_BYTES,
)
from cds_service.records.fhir_types import decode_call
from cds_service.trust.client import Client
from cds_service.trust.deadline import Deadline
from tests.attack import bodies
from tests.attack.bodies import Body
from tests.fhir_resources import pipeline

NOW = datetime.now(UTC)
LONG_S = 600  # no test here is about the speed of the machine
PLAIN = Client()
TOLD = replace(PLAIN, explain_missing_data=True)
CALM = 140  # a sodium about which no rule speaks


def answer(body: Body, client: Client = TOLD, deadline: Deadline | None = None) -> Evaluation:
    """What the pipeline makes of one body."""
    here = pipeline()
    hook = here.knowledge.services[body.service].hook
    call = hook_request(
        decode_call(body.content),
        body.service,
        hook,
        NOW,
        body.content,
        HOOKS[hook].drafts,
    )
    return here.answer(call, client, deadline or Deadline.after(LONG_S))


def chart(**prefetch: Sequence[Mapping[str, Any]]) -> Body:
    """A patient-view of a patient with a calm sodium."""
    sources = {name: bodies.bundle(resources) for name, resources in prefetch.items()}
    return Body(bodies.VIEW, bodies.call("patient-view", sources, lowest=CALM))


def ordered(drafts: Sequence[Mapping[str, Any]], selected: int, sodium: float = CALM) -> Body:
    """An order-select whose first drafts are selected."""
    chosen = [f"MedicationRequest/{one['id']}" for one in drafts[:selected]]
    context = {"selections": chosen, "draftOrders": bodies.bundle(drafts)}
    return Body(bodies.SELECT, bodies.call("order-select", {}, context, lowest=sodium))


def harmless(count: int) -> list[dict[str, Any]]:
    """Drafts about which no rule has anything to say."""
    return [bodies.order(n, f"paracetamol {n}", "draft") for n in range(count)]


def summary(found: Evaluation) -> str:
    """The first line of the first card; "" for silence."""
    return str(found.cards[0]["summary"]) if found.cards else ""


def missing(found: Evaluation, key: str) -> str:
    """Why a source was not read in full; "" if it was."""
    assert found.case is not None
    why = found.case.snapshot.missing.get(key)
    return why.value if why is not None else ""


LATE_NAME = "x" * MAX_TEXT + " sertraline"
CODING = {"system": "http://local.example", "code": "1", "display": "unknown"}
SERTRALINE = {"system": bodies.RXNORM, "code": "312940", "display": "sertraline 25 MG Oral Tablet"}


def named(medication: Mapping[str, Any]) -> dict[str, Any]:
    """A draft of this medication."""
    return bodies.order(0, "", "draft") | {"medicationCodeableConcept": medication}


def contained(ingredients: int) -> dict[str, Any]:
    """A draft of a Medication with so many ingredients, of which the last one is sertraline."""
    filler = [{"itemCodeableConcept": {"text": f"water {n}"}} for n in range(ingredients - 1)]
    inside = {
        "resourceType": "Medication",
        "id": "inner",
        "ingredient": [*filler, {"itemCodeableConcept": {"coding": [SERTRALINE]}}],
    }
    order = {key: v for key, v in named({}).items() if key != "medicationCodeableConcept"}
    return order | {"contained": [inside], "medicationReference": {"reference": "#inner"}}


@pytest.mark.parametrize(
    ("draft", "is_read"),
    [
        (named({"text": "paracetamol"}), True),
        (named({"text": LATE_NAME}), False),
        (named({"coding": [CODING] * MAX_CODINGS + [SERTRALINE], "text": "unknown"}), False),
        (contained(10), True),
        (contained(MAX_CONCEPTS + 1), False),
    ],
    ids=[
        "a name",
        "beyond a long name",
        "beyond the codes",
        "ingredients",
        "beyond the ingredients",
    ],
)
def test_a_selected_order_whose_name_is_cut_was_not_read(
    draft: dict[str, Any], is_read: bool
) -> None:
    told = answer(ordered([draft], 1))
    assert ("could not be read" in summary(told)) is not is_read
    if not is_read:
        with pytest.raises(DataUnavailable):
            answer(ordered([draft], 1), PLAIN)


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("medications", bodies.order(1, LATE_NAME)),
        (
            "conditions",
            {
                "resourceType": "Condition",
                "subject": {"reference": f"Patient/{bodies.PATIENT}"},
                "code": {"text": LATE_NAME},
            },
        ),
        ("sodium", bodies.sodium(1, datetime.now(UTC), 120) | {"code": {"text": LATE_NAME}}),
    ],
)
def test_a_source_with_a_name_that_is_cut_was_read_in_part(
    name: str, resource: dict[str, Any]
) -> None:
    found = answer(chart(**{name: [resource]}))
    assert missing(found, name) == "in-part"
    assert "too long" in found.sources[name].shown


def test_a_resource_of_which_too_much_would_be_read_is_not_read_and_narrative_does_not_count() -> (
    None
):
    usual = bodies.sodium(0, datetime.now(UTC), CALM)
    narrative = usual | {"text": {"div": "x" * RESOURCE_BYTES * 2}}
    component = {"code": {"text": "y" * 900}}
    large = usual | {"component": [component] * 300}
    assert missing(answer(chart(sodium=[narrative])), "sodium") == ""
    told = answer(chart(sodium=[large]))
    assert missing(told, "sodium") == "in-part"
    assert "Sodium could not be checked" in summary(told)


def test_rules_are_asked_about_so_many_orders_and_the_rest_is_no_silence() -> None:
    salt = bodies.order(999, "sodium chloride 3 % 500 mL infusion", "draft")
    within = answer(ordered([*harmless(MAX_SELECTED - 1), salt], MAX_SELECTED))
    beyond = answer(ordered([*harmless(MAX_SELECTED), salt], MAX_SELECTED + 1))
    assert within.returned[0].rule.startswith("OS-HTS")
    assert "could not be read" in summary(beyond)


def test_a_card_says_how_many_orders_were_not_read() -> None:
    salt = bodies.order(999, "sodium chloride 3 % 500 mL infusion", "draft")
    found = answer(ordered([salt, *harmless(MAX_SELECTED + 6)], MAX_SELECTED + 7))
    assert "Not read: 7 more of the orders of this call." in found.cards[0]["detail"]


def test_signing_asks_about_as_many_orders_and_the_rest_is_no_silence() -> None:
    def signed(count: int) -> Body:
        context = {"draftOrders": bodies.bundle(harmless(count))}
        value = bodies.call("order-sign", {}, context, lowest=CALM)
        return Body("hyponatremia-order-sign", value)

    assert summary(answer(signed(MAX_SELECTED))) == ""
    assert "could not be read" in summary(answer(signed(MAX_SELECTED + 1)))


def test_drafts_beyond_the_limit_are_no_silence_although_none_of_them_is_selected() -> None:
    assert summary(answer(ordered(harmless(MAX_DRAFTS), 1))) == ""
    assert "could not be read" in summary(answer(ordered(harmless(MAX_DRAFTS + 1), 1)))


def test_a_body_of_more_values_than_fit_into_memory_is_refused_in_words() -> None:
    full = chart(conditions=[{"resourceType": "Basic"}]).content
    dense = full.replace(b'"lowest"', b"")[:-1] + b',"extension":[' + b"{}," * MAX_VALUES + b"{}]}"
    with pytest.raises(BodyTooLarge, match="more than 200000 objects"):
        decode_call(dense)


LATER = float("inf")


class Ticking(Deadline, frozen=True):
    """A deadline that passes at the n-th look at it, whatever the clock says."""

    looks: list[int]

    def keep(self) -> None:
        """Counts down."""
        self.looks[0] -= 1
        if self.looks[0] < 0:
            raise OutOfTime


CALLS: dict[str, Callable[[], Body]] = {
    "chart": lambda: bodies.view([bodies.coded(n) for n in range(5)]),
    "orders": lambda: ordered([*harmless(3), bodies.order(9, "sertraline 50 mg", "draft")], 4, 128),
}


@pytest.mark.parametrize("name", CALLS)
def test_work_that_is_late_ends_at_every_step_and_is_never_silence(name: str) -> None:
    """Whenever the deadline passes, the answer is 503, or the card for a client that wants one."""
    body, looks = CALLS[name](), 0
    whole = answer(body, PLAIN)
    assert whole.cards
    while (told := answer(body, TOLD, Ticking(LATER, LATER, [looks]))).cards != whole.cards:
        assert "more came than could be read in time" in summary(told)
        with pytest.raises(OutOfTime):
            answer(body, PLAIN, Ticking(LATER, LATER, [looks]))
        looks += 1
    assert looks > 10, "the deadline is looked at too seldom"


def test_a_call_whose_deadline_has_passed_before_it_began_is_not_worked_out() -> None:
    body = bodies.usual()
    with pytest.raises(OutOfTime):
        answer(body, PLAIN, Deadline.after(-100))
    assert json.loads(body.content)["hook"] == "patient-view"
