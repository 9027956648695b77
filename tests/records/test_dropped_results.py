"""The law of the dropped result: a sodium that came and is not used is never silence.

The reasons are those of `Unused`; each has a record here that is dropped for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.cli.replay import evaluate
from cds_service.errors import DataUnavailable
from cds_service.knowledge.names import Unused
from cds_service.sodium.results import HIDES_NOTHING
from cds_service.trust.registry import Client
from tests.fhir_resources import (
    NOW,
    SALINE_3,
    VIEW,
    Call,
    Resource,
    draft,
    instant,
    pipeline,
    sodium,
    taking,
)

VALUE = "valueQuantity"
ORDERS = (draft("sertraline"), draft("citalopram"), draft(SALINE_3, ml=500))
OTHER_CODE = {"coding": [{"system": "urn:oid:1.2.3", "code": "NA"}], "text": "Sodium"}
NO_TIME = {"effectiveDateTime": None}


def changed(resource: Resource, **members: Any) -> Resource:
    """The resource with other members; None takes a member away."""
    return {name: value for name, value in (resource | members).items() if value is not None}


def low(hours: float = 3, **members: Any) -> Resource:
    """A sodium of 112 with these members."""
    return changed(sodium("112", hours), **members)


def quantity(**members: Any) -> dict[str, Any]:
    """A quantity of 112 mmol/L with these members."""
    whole = {"value": 112, "unit": "mmol/L", **members}
    return {name: value for name, value in whole.items() if value is not None}


def of_value(value: object) -> dict[str, Any]:
    """A quantity with this value."""
    return quantity(value=value)


def inside_a_panel(hours: float) -> Resource:
    single = low(hours)
    component = {"code": single["code"], "valueQuantity": single["valueQuantity"]}
    code = {"coding": [{"system": "http://loinc.org", "code": "51990-0"}]}
    return changed(single, code=code, component=[component], valueQuantity=None)


def with_identifier(resource: Resource) -> Resource:
    return changed(resource, identifier=[{"system": "urn:lab", "value": "A1"}])


BUILDERS: Mapping[Unused, Callable[[float], Resource]] = {
    Unused.STATUS: lambda hours: low(hours, status="cancelled"),
    Unused.OLD: lambda hours: low(hours + 24 * 800),
    Unused.FUTURE: lambda hours: low(-2),
    Unused.SUBJECT: lambda hours: low(hours, subject={"identifier": {"value": "17"}}),
    Unused.CODE: lambda hours: low(hours, code=OTHER_CODE),
    Unused.KIND: lambda hours: low(hours, resourceType="DiagnosticReport"),
    Unused.PANEL: inside_a_panel,
    Unused.SPECIMEN: lambda hours: low(hours, specimen={"display": "Urine"}),
    Unused.NO_VALUE: lambda hours: low(hours, valueQuantity=None),
    Unused.HEMOLYZED: lambda hours: low(
        hours, valueQuantity=None, dataAbsentReason={"text": "Sample haemolysed"}
    ),
    Unused.VALUE: lambda hours: low(hours, valueQuantity=None, valueString="see comment"),
    Unused.TIME: lambda hours: low(hours, **NO_TIME),
    Unused.UNIT: lambda hours: low(hours, valueQuantity=quantity(unit="furlong")),
    Unused.IMPLAUSIBLE: lambda hours: low(hours, valueQuantity=quantity(value=11.2)),
    Unused.COMPARATOR: lambda hours: low(hours, valueQuantity=quantity(comparator="<>")),
    Unused.PRELIMINARY: lambda hours: low(max(hours, 25), status="preliminary"),
    Unused.IDENTIFIER: lambda hours: with_identifier(
        low(hours, meta={"lastUpdated": instant(hours=900)})
    ),
}
# What makes the reader or the series drop it: another sodium of the same identifier.
BESIDE: Mapping[Unused, Resource] = {
    Unused.IDENTIFIER: changed(
        with_identifier(sodium("140", 40)), meta={"lastUpdated": instant(hours=1)}
    )
}


def prefetched(call: Call, *results: Resource) -> dict[str, Any]:
    """The body of a call whose prefetch holds these as its answer for sodium."""
    body = call.body()
    entries = [{"resource": result} for result in results]
    body["prefetch"]["sodium"] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    return body


def came_of(call: Call, *results: Resource) -> list[str]:
    """The topics of the cards, or "412 " and the text."""
    try:
        cards = call.answer(prefetched(call, *results)).cards
    except DataUnavailable as error:
        return [f"412 {error.message}"]
    return [card["source"]["topic"]["code"] for card in cards]


def reasons_of(call: Call, *results: Resource) -> list[Unused]:
    """The reasons for which sodium results are dropped."""
    told = replaced(call).answer(prefetched(call, *results, sodium("141", 24 * 80)))
    assert told.case is not None
    return [result.why for result in told.case.sodium.rejected]


def replaced(call: Call) -> Call:
    return Call(drafts=call.drafts, age=call.age, explain_missing=True)


VIEWED, SELECTED = Call(), Call(drafts=(draft("sertraline"),))
NORMAL = sodium("140", 30)


def test_every_reason_for_which_a_result_is_dropped_has_a_record_here() -> None:
    missing = [reason.name for reason in Unused if reason not in BUILDERS]
    assert not missing, f"add a builder for {', '.join(missing)} to BUILDERS"


@pytest.mark.parametrize("reason", Unused)
def test_a_record_is_dropped_for_the_reason_that_it_stands_for(reason: Unused) -> None:
    beside = [BESIDE[reason]] if reason in BESIDE else []
    assert reasons_of(VIEWED, BUILDERS[reason](3), *beside) == [reason]


@pytest.mark.parametrize("call", [VIEWED, SELECTED], ids=["patient-view", "order-select"])
@pytest.mark.parametrize("reason", [reason for reason in Unused if reason not in HIDES_NOTHING])
def test_a_low_sodium_that_is_dropped_is_never_silence(reason: Unused, call: Call) -> None:
    dropped, beside = BUILDERS[reason](3), [BESIDE[reason]] if reason in BESIDE else []
    for others in ([], [NORMAL]):
        found = came_of(call, dropped, *beside, *others)
        assert found, f"{reason.name} is silent with {len(others)} other results"
        assert came_of(call, *others, *beside, dropped) == found, "the order of entries decides"
        told = came_of(Call(drafts=call.drafts, explain_missing=True), dropped, *beside, *others)
        assert not [topic for topic in told if topic.startswith("412")]
        assert told


@pytest.mark.parametrize("reason", sorted(HIDES_NOTHING))
def test_a_withdrawn_result_and_one_of_years_ago_hide_nothing(reason: Unused) -> None:
    assert came_of(VIEWED, BUILDERS[reason](3), NORMAL) == []


# A time ahead is never old; the others are older than the normal sodium of 30 h ago.
NEVER_OLD = {*HIDES_NOTHING, Unused.FUTURE, Unused.TIME}
# An entry that names no patient we know makes the whole answer a part, whatever its time.
PROVABLY_OLDER = [r for r in Unused if r not in {*NEVER_OLD, Unused.SUBJECT}]


@pytest.mark.parametrize("reason", PROVABLY_OLDER)
def test_a_dropped_result_older_than_the_one_in_use_costs_no_answer(reason: Unused) -> None:
    beside = [BESIDE[reason]] if reason in BESIDE else []
    newer = sodium("140", 1)
    assert came_of(VIEWED, newer, BUILDERS[reason](60), *beside) == []


@pytest.mark.parametrize(
    ("members", "silent"),
    [
        ({"effectiveDateTime": "2026-10"}, True),
        ({"effectiveDateTime": "2026-11"}, False),
        ({"effectiveDateTime": "2025", "issued": "2026-11-20T08:00:00Z"}, True),
        ({"effectiveDateTime": "yesterday"}, False),
        ({**NO_TIME, "meta": {"lastUpdated": "2026-11-10T08:00:00Z"}}, True),
        ({**NO_TIME, "meta": {"lastUpdated": "2026-11-20T08:00:00Z"}}, False),
    ],
)
def test_any_time_that_can_be_read_proves_that_a_result_is_older(
    members: dict[str, Any], silent: bool
) -> None:
    found = came_of(VIEWED, low(3, **members), NORMAL)
    assert (found == []) is silent, found


def test_three_percent_saline_does_not_say_that_there_is_no_sodium_if_one_could_not_be_used() -> (
    None
):
    call = Call(drafts=(draft(SALINE_3, ml=500),))
    (card,) = call.answer(prefetched(call, low(3, **NO_TIME), NORMAL)).cards
    assert card["source"]["topic"]["code"] == "sodiumNeededFirst"
    assert "a sodium result could not be used" in card["summary"]
    assert "no sodium in the last" not in card["summary"] + card["detail"]
    assert "the time of its sample cannot be read" in card["detail"]


def test_a_newer_sample_without_a_result_is_said_beside_the_card_of_the_older_one() -> None:
    spoilt = BUILDERS[Unused.HEMOLYZED](3)
    cards = VIEWED.answer(prefetched(VIEWED, spoilt, sodium("118", 30))).cards
    assert cards[0]["source"]["topic"]["code"] == "sodiumSevere"
    assert "The newest sodium sample gave no result (hemolyzed)." in cards[0]["detail"]
    assert came_of(VIEWED, spoilt, NORMAL) == [
        "412 Sodium could not be checked, although results came. "
        "The newest sodium sample gave no result (hemolyzed). (cause: unusable)"
    ]


def test_no_order_is_drafted_beside_a_result_that_could_not_be_used() -> None:
    older = sodium("118", 30)
    alone = VIEWED.answer(prefetched(VIEWED, older)).cards
    doubted = VIEWED.answer(prefetched(VIEWED, low(3, **NO_TIME), older)).cards
    assert alone[0]["summary"] == doubted[0]["summary"]
    labels = [label["label"] for card in doubted for label in card.get("suggestions", [])]
    assert not [label for label in labels if "mL/24 h" in label or label.startswith("Stop")]


def test_a_reminder_does_not_claim_that_no_sodium_was_measured() -> None:
    call = Call(record=(taking("sertraline", days=5),), age=80)
    assert came_of(call) == ["sodiumCheckDue"]
    assert came_of(call, low(3, **NO_TIME))[0].startswith("412")


def test_explain_lists_each_dropped_result_and_its_time_and_value_only_if_asked() -> None:
    call = Call(explain_missing=True)
    answered = call.answer(prefetched(call, BUILDERS[Unused.VALUE](3), low(5, **NO_TIME), NORMAL))
    told = pipeline().explain(answered, VIEW)["droppedResults"]
    assert [one["reason"] for one in told] == ["time", "unreadable"]
    assert all(set(one) == {"reason", "because"} and one["because"] for one in told)
    assert "see comment" not in str(told)
    assert "112" not in str(told)
    with_values = pipeline().explain(answered, VIEW, with_values=True)["droppedResults"]
    assert [one["value"] for one in with_values] == ["112 mmol/L", "see comment"]
    assert [one.get("time") for one in with_values] == [
        None,
        (NOW - timedelta(hours=3)).isoformat(),
    ]


def test_a_client_that_wants_no_small_cards_is_still_told_of_a_dropped_result() -> None:
    body = prefetched(VIEWED, low(3, **NO_TIME), sodium("131", 5))
    client = Client(explain_missing_data=True)
    for wanted, topic in (("info", "sodiumMild"), ("warning", "sodiumNotChecked")):
        quiet = replace(client, min_indicator=wanted)
        cards = evaluate(pipeline(), VIEW, body, NOW, quiet).cards
        assert [card["source"]["topic"]["code"] for card in cards] == [topic]


@pytest.mark.parametrize("reason", [Unused.UNIT, Unused.IMPLAUSIBLE])
def test_a_result_with_a_card_of_its_own_is_said_once_and_never_less(reason: Unused) -> None:
    body = prefetched(VIEWED, BUILDERS[reason](3), sodium("112", 20))
    words = pipeline().knowledge.words.unused[reason]
    whole = evaluate(pipeline(), VIEW, body, NOW, Client()).cards
    assert [card["source"]["topic"]["code"] for card in whole][1:] == ["sodiumImplausible"]
    assert words not in whole[0]["detail"] + whole[1]["detail"]
    for quiet in (
        Client(min_indicator="critical"),
        Client(disabled_rules=frozenset({"DQ-UNIT", "DQ-PLAUS"})),
    ):
        (card,) = evaluate(pipeline(), VIEW, body, NOW, quiet).cards
        assert words in card["detail"]


def test_a_low_result_that_has_the_id_of_another_one_is_not_lost() -> None:
    older, newer = changed(sodium("140", 30), id="1"), low(3, id="1")
    for entries in ((older, newer), (newer, older), (older, newer, older)):
        assert came_of(VIEWED, *entries) == ["sodiumAcuteFall"]
    assert came_of(VIEWED, older, older) == []


@pytest.mark.parametrize(
    "hole",
    [
        None,
        "x",
        {},
        {"resource": None},
        {"resource": []},
        {"resource": {"resourceType": "", "id": "1"}},
        {"resource": changed(low(3), resourceType=None)},
        {"resource": changed(low(3), resourceType="Observatio")},
        {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "fatal"}]}},
    ],
)
def test_a_hole_where_the_newest_result_stood_is_never_silence(hole: Any) -> None:
    older = [sodium("140", 30 + 24 * day) for day in range(5)]
    body = prefetched(VIEWED, *older)
    assert not VIEWED.answer(body).cards
    body["prefetch"]["sodium"]["entry"].insert(0, hole)
    with pytest.raises(DataUnavailable):
        VIEWED.answer(body)


# ---- any damage


def each(name: str, *values: Any, without: str = "") -> list[dict[str, Any]]:
    """One spoilt member for each value; the member `without` goes away beside it."""
    taken = {without: None} if without else {}
    return [{**taken, name: value} for value in values]


SPOILT: tuple[dict[str, Any], ...] = (
    *each("effectiveDateTime", None, "", "2026", "2026-11", "now", 20261120, [], {}),
    *each("effectivePeriod", {}, {"end": "x"}, [], "x", without="effectiveDateTime"),
    *each("effectiveTiming", {}, {"event": ["x"]}, {"event": 5}, without="effectiveDateTime"),
    *each("valueString", "LT 112", "", "112-115", "___", "112", "<115 mmol/L", without=VALUE),
    *each("valueInteger", "x", 112, 0, without=VALUE),
    *each("valueRange", {}, {"low": {"value": 110}}, {"high": {"value": 114}}, without=VALUE),
    *each("valueCodeableConcept", {"text": "low"}, [], "low", without=VALUE),
    *each("valueRatio", {}, without=VALUE),
    *each("valueBoolean", True, without=VALUE),
    *each("dataAbsentReason", {"coding": [{"code": "error"}]}, "x", without=VALUE),
    *each("note", [{"text": "clotted"}], without=VALUE),
    *each(VALUE, "112", 112, [], {}, [{"value": 112}], True),
    *each(VALUE, *map(of_value, ("112", "112,0", "x", None, True, 1e99, -112))),
    *each(VALUE, *map(of_value, (0, 1120, 11.2, "9" * 60, {}, []))),
    *each(VALUE, *(quantity(comparator=c) for c in ("<>", "~", "=", "<", ">", ">=", "ad", 5))),
    *each(VALUE, *(quantity(unit=u) for u in ("mg/dL", "", None, 5, "mval/L", "ммоль/л", "%"))),
    *each("code", None, {}, [], "sodium", {"text": "Sodium"}, OTHER_CODE),
    *each("code", *({"coding": [{"system": s, "code": "2951-2"}]} for s in ("LN", "urn:x", None))),
    *each("status", None, "", "F", "preliminary", "unknown", 5),
    *each("subject", {}, None, {"display": "x"}, {"reference": "Patient/other"}, "Patient/p1"),
    *each("specimen", {"display": "Urine"}, {}, "urine", []),
    *each("identifier", [{"value": "A"}], {}),
    *each("component", [{}]),
    *each("issued", "x"),
    *each("meta", "x"),
    *each("id", None, 5, "1"),
)


def _spoilt_calls(seed: int, count: int) -> None:
    """Spoils one low sodium in each of so many records in one to three ways; none is silent."""
    dice = random.Random(seed)
    for _ in range(count):
        hours = dice.choice([0.1, 1, 3, 20, 40])
        members: dict[str, Any] = {}
        for one in dice.sample(SPOILT, dice.choice([1, 1, 1, 2, 3])):
            members |= one
        others = [
            sodium(dice.choice(["136", "140", "144"]), hours + 1 + dice.random() * 200)
            for _ in range(dice.randrange(4))
        ]
        if dice.random() < 0.2:
            others = [changed(other, id="1") for other in others]
        entries = [low(hours, **members), *others]
        dice.shuffle(entries)
        drafts = (dice.choice(ORDERS),) if dice.random() < 0.4 else ()
        call = Call(drafts=drafts, inpatient=dice.random() < 0.5)
        found = came_of(call, *entries)
        assert found, f"silent: {call.service} {members} beside {len(others)} others"


def test_a_low_sodium_spoilt_at_random_is_never_silence() -> None:
    _spoilt_calls(seed=15, count=400)


@pytest.mark.long
def test_fifty_thousand_low_sodiums_spoilt_at_random_are_never_silence() -> None:
    _spoilt_calls(seed=50, count=50_000)


# ---- answers without results that warn of something


def warning(code: str = "", severity: str = "warning") -> Resource:
    """A warning of the server, with the code that its details carry."""
    details = {"coding": [{"system": "urn:x", "code": code}]} if code else {"text": "left out"}
    issue = {"severity": severity, "code": "processing", "details": details}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@pytest.mark.parametrize("call", [VIEWED, SELECTED], ids=["patient-view", "order-select"])
@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([warning("4101")], ""),
        ([warning(severity="information")], ""),
        ([warning("59100"), warning("4101")], ""),
        ([warning()], "with a warning in place of results"),
        ([warning("59100")], "with a warning in place of results"),
        ([warning("4119")], "more than the user of the call may see"),
        ([warning("4101"), warning("4119")], "more than the user of the call may see"),
        ([warning(severity="error")], "did not give it"),
    ],
)
def test_no_results_with_a_warning_are_only_none_if_the_warning_says_so(
    call: Call, entries: list[Resource], told: str
) -> None:
    found = came_of(call, *entries)
    if told:
        assert found[0].startswith("412 Sodium results are needed")
        assert told in found[0] or "no 'fhirServer'" in found[0]
        explained = Call(drafts=call.drafts, explain_missing=True)
        assert came_of(explained, *entries) == ["sodiumNotChecked"]
    else:
        assert found == []


def test_a_warning_beside_results_costs_nothing() -> None:
    assert came_of(VIEWED, NORMAL, warning(), warning("4119")) == []
