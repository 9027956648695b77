"""Looks for legal bodies that cost more than those that are known: `make check-long` searches on.

Cost is counted in calls of functions, so that no machine decides; a body is judged by its cost per
byte, because a body of 2 MB is as many such bytes as fit. What a second of this costs is bounded by
the deadline anyway (tests/test_bounds.py): this test is about how much of a worker it takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings, target
from hypothesis import strategies as st

from cds_service.pipeline import HOOKS
from cds_service.protocol.request import hook_request
from cds_service.records.fhir_types import decode_call
from cds_service.trust.client import Client
from cds_service.trust.deadline import Deadline
from tests.attack import bodies
from tests.attack.bodies import Body, worst
from tests.counting import counted
from tests.fhir_resources import pipeline

# The search found 19 a byte (ingredients that lead back to their own Medication); before texts were
# read in one pass, one long name cost hundreds.
MOST_PER_BYTE = 40
FREE = 40_000  # a body of a few bytes costs as much as its rules and its card
PATIENT = {"reference": f"Patient/{bodies.PATIENT}"}
FRAGMENTS = [
    *bodies.WORDS,
    *("/", "-", "+", ".", ";", "(", ",", "0.9", "500", "ml", "mg", "1000", "%", "no", "of", "the"),
    *("history", "allergy", "d/c", "hold", "today", "fluid", "restriction", "l", "per", "hour"),
    *("dextrose", "water", "in", "three percent", "siadh", "hyponatremia", "due", "to", "[", "]"),
    *("\u30bb\u30eb\u30c8\u30e9\u30ea\u30f3", "\u6c2f\u5316\u94a0", "hydrochlorid", "é", "\ufdfa"),
]
_serial = itertools.count()


def texts() -> st.SearchStrategy[str]:
    """A few fragments again and again, up to a name of full length that no memory holds."""
    repeated = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=8)
    return st.builds(
        lambda words, blank, length: f"n{next(_serial)} {blank.join(words * 300)}"[:length],
        repeated,
        st.sampled_from([" ", "", ", ", " / "]),
        st.sampled_from([40, 200, 900]),
    )


def concept(named: list[str]) -> dict[str, Any]:
    """A concept with these names in all of its places."""
    codings = [{"system": bodies.RXNORM, "code": text[:30], "display": text} for text in named[1:]]
    return {"text": named[0], "coding": codings}


def _order(number: int, named: list[str]) -> dict[str, Any]:
    made = bodies.order(number, "")
    sig = [{"text": named[-1], "timing": {"code": {"text": named[0][:30]}}}]
    return made | {"medicationCodeableConcept": concept(named), "dosageInstruction": sig}


def _inside(number: int, named: list[str]) -> dict[str, Any]:
    ingredients = [{"itemCodeableConcept": {"text": one}} for one in named]
    ingredients += [{"itemReference": {"reference": "#m"}}] * len(named)
    medication = {"resourceType": "Medication", "id": "m", "ingredient": ingredients}
    made = bodies.order(number, "") | {"contained": [medication]}
    return made | {"medicationReference": {"reference": "#m"}, "medicationCodeableConcept": None}


def _condition(number: int, named: list[str]) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": PATIENT,
        "code": concept(named),
    }


def _result(number: int, named: list[str]) -> dict[str, Any]:
    made = bodies.sodium(number, datetime.now(UTC), 120 + number % 20)
    components = [{"code": {"text": one}, "valueString": one} for one in named]
    return made | {"code": concept(named) if number % 2 else made["code"], "component": components}


SHAPES: Mapping[str, tuple[str, Callable[[int, list[str]], dict[str, Any]]]] = {
    "order": ("medications", _order),
    "inside": ("medications", _inside),
    "condition": ("conditions", _condition),
    "result": ("sodium", _result),
    "draft": ("", _order),
    "draft inside": ("", _inside),
}


def body(shape: str, named: list[list[str]], selected: int) -> Body:
    """A call with a resource of this shape for each list of names."""
    key, made = SHAPES[shape]
    resources = [made(number, names) for number, names in enumerate(named)]
    if key:
        return Body(bodies.VIEW, bodies.call("patient-view", {key: bodies.bundle(resources)}))
    return bodies.select([one | {"status": "draft"} for one in resources], selected)


def cost(sent: Body) -> int:
    """How many functions are called to answer a body, however long that takes."""
    here = pipeline()
    hook = here.knowledge.services[sent.service].hook
    with counted() as calls:
        decoded = decode_call(sent.content)
        request = hook_request(
            decoded, sent.service, hook, datetime.now(UTC), sent.content, HOOKS[hook].drafts
        )
        here.answer(request, Client(explain_missing_data=True), Deadline.after(3600))
    return calls()


@pytest.mark.long
@settings(
    max_examples=120,
    deadline=None,
    phases=(Phase.generate, Phase.target),  # a body that is too dear needs no smaller sister
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    shape=st.sampled_from(sorted(SHAPES)),
    named=st.lists(st.lists(texts(), min_size=1, max_size=4), min_size=1, max_size=6),
    times=st.sampled_from([1, 3]),
    selected=st.sampled_from([1, 100]),
)
def test_no_legal_body_costs_much_more_than_the_worst_that_are_known(
    shape: str, named: list[list[str]], times: int, selected: int
) -> None:
    sent = body(shape, named * times, selected)
    calls = cost(sent)
    target(calls / len(sent.content), label="calls of functions a byte")
    assert calls < FREE + MOST_PER_BYTE * len(sent.content)


@pytest.mark.long
@pytest.mark.parametrize("name", worst())
def test_the_worst_bodies_that_are_known_stay_within_that_bound(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    sent = worst()[name](next(_serial))
    calls = cost(sent)
    record_property("figure", f"{name}: {calls / len(sent.content):.2f} calls of functions a byte")
    assert calls < FREE + MOST_PER_BYTE * len(sent.content)
