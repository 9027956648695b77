"""What is read as a type and what is read member by member say the same, whatever JSON stands there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.protocol.wire import decode, encode
from cds_service.records.dosage import Dosage, dosage
from cds_service.records.elements import child, trimmed
from cds_service.records.forms import (
    NO_DISPENSE,
    NOTHING,
    Dispense,
    Form,
    Instruction,
    Meta,
    Period,
    Quantity,
    Reference,
    coerced,
    form,
    instructions,
)
from cds_service.terminology.vocabulary import CodeLists, vocabulary

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DOSE = {"value": 25, "unit": "mg", "code": "mg"}
REPEAT = {
    "boundsPeriod": {"start": "2026-11-01", "end": "2026-11-30"},
    "frequency": 2,
    "period": 1.0,
    "periodUnit": "d",
}
INSTRUCTION: dict[str, Any] = {
    "text": " one in the morning ",
    "timing": {"repeat": REPEAT, "code": {"text": "Daily"}, "event": ["2026-11-20"]},
    "asNeededBoolean": False,
    "route": {"coding": [{"code": "26643006"}], "text": "oral"},
    "doseAndRate": [
        {
            "doseQuantity": DOSE,
            "rateRatio": {"numerator": DOSE, "denominator": {"value": 1, "unit": "h"}},
        }
    ],
}
MEMBERS: dict[type[Form], dict[str, Any]] = {  # of an Observation
    Quantity: {"value": 131.5, "unit": "mmol/L", "code": "mmol/L", "comparator": "<"},
    Meta: {"lastUpdated": "2026-11-20T08:05:00Z"},
    Reference: {"reference": "Specimen/7", "display": "Blood"},
    Period: {"start": "2026-11-20T08:00:00Z", "end": "2026-11-20T08:01:00Z"},
}
DISPENSE: dict[str, Any] = {
    "validityPeriod": {"end": "2026-12-01"},
    "numberOfRepeatsAllowed": 3,
    "quantity": {"value": 90, "unit": "tablet"},
    "expectedSupplyDuration": {"value": 30, "unit": "d"},
}
SCALARS = st.sampled_from(
    [None, True, 0, 7, 1.5, "", "x", "  2026-11-20 ", "mg", 10**30, " " + 1001 * "y"]
)
ODD = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(
    ["value", "unit", "start", "repeat", "doseQuantity", "text", "unknown"]), inner, max_size=2), max_leaves=4)  # fmt: skip


def spoilt(value: Any, draw: st.DrawFn) -> Any:
    """The same JSON with something else in one place, or as it is."""
    if not isinstance(value, dict | list) or not value or draw(st.booleans()):
        return draw(ODD)
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    place = draw(st.sampled_from(places))
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[place] = spoilt(value[place], draw)
    return changed


@st.composite
def variants(draw: st.DrawFn, sound: Any) -> Any:
    return decode(json.dumps(spoilt(sound, draw)).encode())


def plain(value: object) -> object:
    """A form as plain values, its strings as a reader takes them."""
    if isinstance(value, Form):
        return (
            {name: plain(getattr(value, name)) for name in value.__struct_fields__}
            if not _is_empty(value)
            else None
        )
    if isinstance(value, Raw):
        return decode(bytes(value))
    if isinstance(value, list):
        return [plain(item) for item in value]
    return trimmed(value) if isinstance(value, str) else value


def _is_empty(value: Form) -> bool:
    return value == type(value)()


@pytest.mark.parametrize("kind", list(MEMBERS), ids=lambda kind: kind.__name__)
@settings(max_examples=100)
@given(data=st.data())
def test_a_member_reads_the_same_decoded_undecoded_and_member_by_member(
    kind: type[Form], data: st.DataObject
) -> None:
    value = data.draw(variants(MEMBERS[kind]))
    inner = child({"here": value}, "here")
    for held in (value, Raw(encode(value))):
        assert plain(form(kind, {"here": held}, "here") or kind()) == plain(coerced(kind, inner))


@settings(max_examples=300)
@given(value=variants([INSTRUCTION]))
def test_instructions_read_the_same_decoded_undecoded_and_member_by_member(value: object) -> None:
    there = value if isinstance(value, list) else [value]
    by_member = [plain(coerced(Instruction, item)) for item in there if isinstance(item, dict)]
    for held in (value, Raw(encode(value))):
        assert [plain(one) for one in instructions({"dosage": held}, "dosage")] == by_member


@settings(max_examples=300)
@given(value=variants(DISPENSE))
def test_what_may_be_dispensed_reads_the_same_decoded_undecoded_and_member_by_member(
    value: object,
) -> None:
    inner = child({"dispenseRequest": value}, "dispenseRequest")
    for held in (value, Raw(encode(value))):
        read = form(Dispense, {"dispenseRequest": held}, "dispenseRequest") or NO_DISPENSE
        assert plain(read) == plain(coerced(Dispense, inner))


def test_what_is_sound_never_takes_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above compare it with itself."""

    def slow(kind: type[Form], element: object) -> Form:
        raise AssertionError(kind)

    monkeypatch.setattr("cds_service.records.forms.coerced", slow)
    for kind, member in MEMBERS.items():
        assert form(kind, {"here": member}, "here") is not None
        assert form(kind, {"here": Raw(encode(member))}, "here") is not None
    (given_,) = instructions({"dosageInstruction": Raw(encode([INSTRUCTION]))}, "dosageInstruction")
    assert given_.route is not NOTHING
    assert form(Dispense, {"dispenseRequest": Raw(encode(DISPENSE))}, "dispenseRequest") is not None


@pytest.fixture(scope="module")
def reading() -> CodeLists:
    knowledge = load_knowledge(default_hooks_dir())
    return vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders).code_lists


@pytest.mark.parametrize("second", [{}, {"text": "and one at noon"}, {"value": 50, "unit": "mg"}])
def test_a_second_dose_that_cannot_be_read_leaves_the_day_s_dose_open(
    second: object, reading: CodeLists
) -> None:
    order = {"dosageInstruction": [INSTRUCTION | {"doseQuantity": second}]}
    assert dosage(decode(encode(order)), NO_DISPENSE, reading, None, NOW).daily_dose_mg is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda order: order,
        lambda order: order["dosageInstruction"][0],  # DSTU2 has one object
        lambda order: {"dosageInstruction": order["dosageInstruction"] + [5]},
        lambda order: {"dosageInstruction": [INSTRUCTION | {"patientInstruction": 5}]},
        lambda order: {
            "dosageInstruction": [INSTRUCTION | {"doseAndRate": {"doseQuantity": [DOSE]}}]
        },
    ],
)
def test_one_odd_member_costs_itself_and_not_the_dose(spoil: Any, reading: CodeLists) -> None:
    order = {"dosageInstruction": [INSTRUCTION]}
    made = spoil(order)
    order = made if "dosageInstruction" in made else {"dosageInstruction": made}
    found = dosage(decode(encode(order)), NO_DISPENSE, reading, None, NOW)
    assert isinstance(found, Dosage)
    assert found.daily_dose_mg == Decimal(50)
    assert found.words == "one in the morning"
    assert [route.text for route in found.routes] == ["oral"]
    assert msgspec.json.encode(found.duration_days) == msgspec.json.encode(Decimal(29))
