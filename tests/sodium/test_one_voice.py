"""F31: the cards of one answer never contradict each other, and name one time for the next sodium."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.fhir_resources import (
    SALINE_3,
    TOLVAPTAN_15,
    Call,
    Card,
    Resource,
    draft,
    lab,
    problem,
    restriction_order,
    sodium,
    sodiums,
    taking,
)

# No answer may hold both texts of a row.
OPPOSITES: tuple[tuple[str, str], ...] = (
    (r"[Dd]o not let (?:it|sodium) rise again", r"3% saline 1[05]0 mL"),
    (r"further bolus only while seizing", r"3% saline 1[05]0 mL"),
    (r"[Ss]top what raises sodium", r"If symptoms fit: 3% saline"),
    (r"too fast, act now", r"looks wrong"),
    (r"too fast, act now|still too high", r"Salty food|salt tablets or urea by local"),
    (r"too fast, act now|still too high|rise again", r"avoid drinking beyond thirst"),
    (r"too fast, act now|still too high|rise again", r"Consider stopping"),
    (r"too fast, act now|still too high|rise again", r"Limit all fluids to"),
    (r"re-lowered after a rise", r"acute, check for symptoms"),
    (r"re-lowered after a rise", r"Stop hypotonic fluid|find the cause|look for a cause"),
    (r"Do not restrict fluids", r"Limit all fluids to|total fluids max"),
    (r"Restore volume: isotonic saline", r"Limit all fluids to|total fluids max"),
    (r"kidney is shedding water", r"isotonic saline \(0\.9%\) by local protocol"),
    (r"raises sodium too", r"can lower sodium further"),
    (r"[Dd]o not raise (?:it|sodium) (?:further|again)", r"If present, give now|then at most"),
    (r"over-corrected", r"max \+\d+ mmol/L in 24 h"),
    (r"may be a lab artifact", r"3% saline 1[05]0 mL"),
    (r"possible emergency", r"No severe symptoms recorded"),
    (r"ordered already|already ordered", r"Draft: total fluids"),
    (r"fluid-overloaded|fluid overload|acute heart failure", r"ratio .* suggests volume depletion"),
    (
        r"too fast, act now|still too high|rise again",
        r"water restriction and monitoring|limit all fluids",
    ),
    (r"\*\*Stop or hold", r"too fast, act now|still too high"),
    (r"low potassium", r"low potassium, low potassium"),
)
# Cards of these topics on the chart say how often sodium is measured.
WATCHED = frozenset(
    {
        "sodiumEmergency",
        "sodiumAcuteFall",
        "sodiumSevere",
        "sodiumModerate",
        "sodiumMildSymptomatic",
        "sodiumMild",
        "overcorrection",
        "correctionNearLimit",
    }
)
MONITOR = re.compile(r"Monitor: (.+)$", re.MULTILINE)
NEXT = re.compile(r"sodium (now|today \d\d:\d\d|tomorrow \d\d:\d\d|on \d+ \w+|\d+ \w+ \d\d:\d\d)")
BUTTON = re.compile(r"^Repeat sodium (now|today \d\d:\d\d|tomorrow \d\d:\d\d|on \d+ \w+)")

series = st.lists(
    st.tuples(st.integers(0, 240), st.integers(104, 142)),
    min_size=1,
    max_size=6,
    unique_by=lambda point: point[0],
)
problems = st.lists(
    st.sampled_from(
        ["R56.9", "R40.20", "R41.0", "R11.2", "G93.6", "E22.2", "E86.0", "K74.60", "R18.8", "I50.9",
         "F10.20", "E43", "I60.9", "E27.1", "N18.6", "R25.2", "Z33.1", "T43.621A", "I50.23", "J81.0", "E87.6", "E87.70"]
    ),
    max_size=4,
    unique=True,
)  # fmt: skip
results = st.lists(
    st.sampled_from(
        [("urine-osmolality", "60"), ("urine-osmolality", "500"), ("urine-sodium", "15"),
         ("urine-sodium", "60"), ("potassium", "2.4"), ("glucose", "500"), ("gcs", "7"),
         ("serum-osmolality", "300"), ("systolic", "85"), ("bun", "60"), ("creatinine", "1.2")]
    ),
    max_size=3,
    unique_by=lambda pair: pair[0],
)  # fmt: skip
drugs = st.lists(
    st.sampled_from(["hydrochlorothiazide", "sertraline", "furosemide", "desmopressin"]),
    max_size=2,
    unique=True,
)
ORDERS: tuple[Resource, ...] = (
    draft(SALINE_3, ml=100),
    draft(TOLVAPTAN_15),
    draft("potassium chloride", iv=True),
    draft("sodium bicarbonate", iv=True),
    draft("urea"),
    draft({"text": "sodium chloride 0.9% 1000 mL IV"}["text"], iv=True),
    draft("desmopressin"),
    draft("sertraline"),
    restriction_order(),
)


@st.composite
def calls(draw: Any, *, orders: bool) -> Call:
    """A patient with some of everything, as a chart or with one or two selected orders."""
    points = sorted(draw(series), reverse=True)
    record = (
        *(sodium(str(value), hours / 3 + 0.5) for hours, value in points),
        *(problem(code, draw(st.sampled_from([0, 1, 5]))) for code in draw(problems)),
        *(lab(analyte, value, 1) for analyte, value in draw(results)),
        *(taking(drug, 20) for drug in draw(drugs)),
    )
    chosen = draw(st.lists(st.sampled_from(ORDERS), min_size=1, max_size=2, unique_by=id))
    return Call(
        record=record,
        drafts=tuple(chosen) if orders else (),
        selected=len(chosen),
        inpatient=draw(st.booleans()),
        profile=draw(st.sampled_from(["aasld", "european"])),
    )


def everything(cards: list[Card]) -> str:
    return "\n".join(f"{card.text}\n" + "\n".join(card.labels) for card in cards)


def contradictions(cards: list[Card]) -> list[tuple[str, str]]:
    text = everything(cards)
    return [pair for pair in OPPOSITES if all(re.search(half, text) for half in pair)]


thorough = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
enough = settings(thorough, max_examples=examples(80, 400))


@enough
@given(calls(orders=False))
def test_f31_no_answer_about_a_chart_contradicts_itself(call: Call) -> None:
    assert contradictions(call.cards()) == []


@thorough
@given(calls(orders=True))
def test_f31_no_answer_about_orders_contradicts_itself(call: Call) -> None:
    assert contradictions(call.cards()) == []


@enough
@given(calls(orders=False))
def test_f31_an_answer_has_one_monitoring_interval_and_one_next_sodium(call: Call) -> None:
    cards = call.cards()
    told = MONITOR.findall("\n".join(card.detail for card in cards))
    if any(card.topic in WATCHED for card in cards):
        assert len(told) == 1
    times = {time for line in told for time in NEXT.findall(line)[:1]}
    buttons = [found[1] for c in cards for label in c.labels if (found := BUTTON.match(label))]
    assert len(buttons) <= 1
    if buttons and times:
        assert times == set(buttons)


def test_f31_the_rate_leads_at_an_equal_level_and_the_band_is_its_line() -> None:
    cards = Call(record=sodiums((0, "112"), (20, "118.5"), first_hours=1)).cards()
    assert [card.head for card in cards] == ["sodiumSevere critical", "correctionNearLimit info"]
    risk = problem("F10.20", 300)
    cards = Call(record=(*sodiums((0, "114"), (20, "121"), first_hours=1), risk)).cards()
    assert [card.head for card in cards] == ["correctionNearLimit warning"]
    assert "- Moderate low sodium 121 mmol/L: find the cause" in cards[0].detail


def test_f31_near_the_allowance_a_bolus_is_for_a_seizure_only() -> None:
    seizing = problem("R56.9", 0, visit=True)
    text = everything(Call(record=(*sodiums((0, "110"), (8, "116")), seizing)).cards())
    assert "Already up 6 mmol/L, the allowance of 24 h is nearly used" in text
    text = everything(Call(record=(*sodiums((0, "110"), (8, "115.9")), seizing)).cards())
    assert "3% saline 100 mL" in text
    risk = problem("F10.20", 300)
    text = everything(Call(record=(*sodiums((0, "110"), (8, "114")), seizing, risk)).cards())
    assert "nearly used" in text
    text = everything(Call(record=(*sodiums((0, "110"), (8, "113.9")), seizing, risk)).cards())
    assert "3% saline 100 mL" in text


def test_f32_the_ceiling_has_figures_and_a_clock_time() -> None:
    (card,) = Call(record=(sodium("118", 1),)).cards()
    assert "Ceiling: not above 126 mmol/L before tomorrow 08:00" in card.detail
    assert "118 today 08:00" in card.detail
    risen = Call(record=sodiums((0, "118"), (10, "127"), first_hours=1)).cards()[0]
    assert (
        "no further rise before tomorrow 01:00** (ceiling 126 mmol/L, already 1 over)"
        in risen.detail
    )
    alone = Call(record=sodiums((0, "118"), (30, "121"), first_hours=1), profile="european").cards()
    assert "not above 131 mmol/L before tomorrow 08:00" in alone[0].detail or (
        "not above 129 mmol/L before tomorrow 08:00" in alone[0].detail
    )


def test_f32_a_button_says_when() -> None:
    card = Call(record=(sodium("124", 1.25),)).cards()[0]
    assert card.labels[0] == "Repeat sodium tomorrow 07:45"
    assert "- Monitor: sodium tomorrow 07:45, then daily" in card.detail


def test_f32_symptoms_carry_their_time() -> None:
    card = Call(record=(sodium("124", 1), problem("R41.0", 0))).cards()[0]
    assert "confusion (today 08:00)" in card.detail


def test_f31_what_a_bullet_holds_back_is_no_bullet_beside_it() -> None:
    """Saline and a vaptan after an over-correction: no "give now" beside "do not raise again"."""
    call = Call(
        record=(sodium("108", 90), sodium("133", 31), sodium("118", 2.5)),
        drafts=(draft(SALINE_3, ml=100), draft(TOLVAPTAN_15)),
        selected=2,
        inpatient=True,
    )
    text = everything(call.cards())
    assert "Do not raise sodium again" in text
    assert "If present, give now" not in text
