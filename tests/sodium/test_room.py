"""How much room is left: plot and cards name one value and one time, and one "none" (F32, F4)."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.chart.view import view_of
from cds_service.cli.replay import evaluate
from cds_service.cli.stories import prefetch_of
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.engine.cards import FACE_BULLETS, Phrases
from cds_service.knowledge.languages import ENGLISH
from cds_service.pipeline import Evaluation
from cds_service.sodium.results import Band
from cds_service.sodium.rules.room import room_of
from cds_service.trust.registry import Client
from cds_service.web.plots import plotted
from tests.examples import examples
from tests.fhir_resources import (
    NOW,
    SALINE_3,
    VIEW,
    Call,
    lab,
    pipeline,
    problem,
    sodium,
    sodiums,
    taking,
)
from tests.sodium.test_one_voice import calls

# The value and the time of a card, in each way in which a card writes them.
_SCALE = r"(?: \(glucose-corrected, measured [\d.]+\))?"
_VALUE, _UNTIL = rf"(?P<value>[\d.]+){_SCALE}", r"(?P<until>[\w ]+ \d\d:\d\d)"
_WAYS = (
    re.compile(rf"(?:Ceiling:|in 24 h,) not above {_VALUE} mmol/L before {_UNTIL}"),
    re.compile(rf"Ceiling passed by [\d.]+: {_VALUE} mmol/L was the most until {_UNTIL}"),
    re.compile(
        rf"no further rise before {_UNTIL}\W+ceiling {_VALUE} mmol/L",
        re.IGNORECASE,
    ),
    re.compile(rf"ceiling {_VALUE} mmol/L before {_UNTIL}"),
)
_LEFT = re.compile(
    rf"Room left until ([\w ]+ \d\d:\d\d): ([\d.]+) mmol/L \(not above ([\d.]+){_SCALE}\)"
)
_NONE = re.compile(
    r"No room left until ([\w ]+ \d\d:\d\d)(?:: already ([\d.]+) mmol/L over)?"
    rf" \(not above ([\d.]+){_SCALE}\)"
)
_NEXT = "No room left before the next sodium"
_NO_LIMIT = re.compile(r"No limit of 24 h (is under way|applies|can be named)")
# What a card says in place of a value and a time.
_HOLDS = re.compile(
    r"before the next sodium|sodium is measured again|Check the dialysate|[Rr]epeat"
)
_FREE = {
    "acute": re.compile(r"no limit of 24 h applies|limit does not apply|limit is less strict"),
    "steady": re.compile(r"no limit of 24 h is under way"),
}
_RATE_CARDS = ("overcorrection", "correctionNearLimit")
# Cards on which a treatment that raises sodium is begun or goes on.
_TREATED = (
    *("sodiumSevere", "sodiumModerate", "sodiumEmergency", "sodiumEncephalopathy"),
    *("sodiumAcuteFall", "sodiumMildSymptomatic"),
)


@cache
def phrases(language: str = ENGLISH) -> Phrases:
    """The words of the cards that come when a chart is opened."""
    known = pipeline()._known_in(language)
    speech = pipeline()._translations[language].speech if language != ENGLISH else None
    return Phrases(known, known.services[VIEW], speech)


def room(found: Evaluation, language: str = ENGLISH) -> str:
    """What the plot says."""
    assert found.case is not None
    said: str = plotted(view_of(found.case), phrases(language))["room"]
    return said


def bullets(detail: str) -> list[str]:
    """The bullets of a card, those before "More" first."""
    return [line[2:] for line in detail.splitlines() if line.startswith("- ")]


def named(texts: list[str]) -> set[tuple[str, str]]:
    """Each value with its time that these texts name."""
    found = [way.search(text) for text in texts for way in _WAYS]
    return {(one["value"], one["until"].strip()) for one in found if one}


def compare(found: Evaluation) -> None:
    """Plot and cards of one chart must say the same, and each must say something."""
    plot, texts = room(found), [card["detail"] for card in found.cards]
    left, none = _LEFT.fullmatch(plot), _NONE.fullmatch(plot)
    wanted = {(left[3], left[1])} if left else {(none[3], none[1])} if none else set()
    on_cards = named(texts)
    assert on_cards <= wanted, f"plot: {plot or 'nothing'}; cards: {on_cards}"
    assert found.case is not None
    if found.case.sodium.low or found.case.rate.rule:
        assert wanted or plot.startswith(_NEXT) or _NO_LIMIT.match(plot), plot or "no words"
    for card in found.cards:
        topic = card["source"]["topic"]["code"]
        if topic in _RATE_CARDS:
            compare_rise(plot, wanted, card)
        elif topic in _TREATED:
            compare_treated(found, plot, wanted)


def compare_rise(plot: str, wanted: set[tuple[str, str]], card: dict[str, Any]) -> None:
    """A card on the rise says in its first lines what the plot says."""
    face = bullets(card["detail"])[:FACE_BULLETS]
    left, none = _LEFT.fullmatch(plot), _NONE.fullmatch(plot)
    assert named(face) == wanted, f"plot: {plot or 'nothing'}; read in ten seconds: {face}"
    headline = re.search(r"([\d.]+) mmol/L left before", card["summary"])
    if headline:
        assert left, plot
        assert headline[1] == left[2], plot
    if none and none[2]:
        over = rf"already {none[2]} over|passed by {none[2]}:"
        assert any(re.search(over, line) for line in face), f"plot: {plot}; face: {face}"
    if plot.startswith(_NEXT):
        assert any(_HOLDS.search(line) for line in face), f"plot: {plot}; face: {face}"


def compare_treated(found: Evaluation, plot: str, wanted: set[tuple[str, str]]) -> None:
    """Beside a card on which sodium may be raised, some card names the room, or that none is."""
    texts = "\n".join(card["detail"] for card in found.cards)
    if wanted:
        assert named(texts.splitlines()) == wanted, f"plot: {plot}; cards: {texts}"
    free = room_of(found.case) if found.case is not None else None
    says = _FREE.get(free.no_limit) if free is not None else None
    if says is not None:
        assert says.search(texts), f"plot: {plot}; cards: {texts}"


def chart_of(story: Story) -> Evaluation:
    """The answer when the chart of this story's patient is opened."""
    knowledge = pipeline().knowledge
    opened = replace(story, file=replace(story.file, service=VIEW))
    context = {
        name: value
        for name, value in story.request["context"].items()
        if name in ("userId", "patientId", "encounterId")
    }
    opened = replace(opened, request={"context": context})
    body = {
        "hook": "patient-view",
        "hookInstance": "6a2f1ef5-3b1f-4c40-9e2d-5f0d6f0c1a11",
        "context": context,
        "prefetch": prefetch_of(opened, knowledge),
    }
    client = Client(profile=story.file.profile, explain_missing_data=True)
    return evaluate(pipeline(), VIEW, body, story.file.now, client)


@pytest.mark.parametrize("name", load_stories(default_fixtures_dir()))
def test_plot_and_cards_of_a_story_name_one_room(name: str) -> None:
    found = chart_of(load_stories(default_fixtures_dir())[name])
    if found.case is not None:
        compare(found)


sweet_points = st.lists(
    st.tuples(st.integers(0, 30), st.integers(104, 138), st.sampled_from([None, 90, 250, 700])),
    min_size=2,
    max_size=4,
    unique_by=lambda point: point[0],
)


@settings(
    max_examples=examples(80, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(points=sweet_points, profile=st.sampled_from(["aasld", "european"]))
def test_beside_glucose_the_room_is_never_more_than_the_limit(
    points: list[tuple[int, int, int | None]], profile: str
) -> None:
    """An old value that glucose does not make low is no start: the newest would be far below it."""
    record = [sodium(str(value), hours + 0.25) for hours, value, _ in points]
    record += [lab("glucose", str(g), hours + 0.25) for hours, _, g in points if g is not None]
    found = Call(record=tuple(record), profile=profile).evaluation()
    if found.case is None:
        return
    compare(found)
    left = _LEFT.fullmatch(room(found))
    limit = found.case.rate.day_limit
    assert left is None or float(left[2]) <= limit, f"{room(found)}; limit {limit}"


rising = st.lists(
    st.tuples(st.integers(0, 60), st.integers(104, 138)),
    min_size=2,
    max_size=5,
    unique_by=lambda point: point[0],
)


@settings(
    max_examples=examples(150, 1500), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    points=rising,
    more=st.lists(st.sampled_from(["F10.20", "R56.9", "R41.0", "N18.6", "E22.2"]), max_size=2),
    profile=st.sampled_from(["aasld", "european"]),
)
def test_plot_and_cards_of_any_rise_name_one_room(
    points: list[tuple[int, int]], more: list[str], profile: str
) -> None:
    record = [sodium(str(value), hours + 0.25) for hours, value in sorted(points, reverse=True)]
    record += [problem(code, 0) for code in dict.fromkeys(more)]
    found = Call(record=tuple(record), profile=profile).evaluation()
    if found.case is not None:
        compare(found)


@settings(
    max_examples=examples(100, 1000), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(calls(orders=False))
def test_plot_and_cards_of_any_chart_name_one_room(call: Call) -> None:
    found = call.evaluation()
    if found.case is not None:
        compare(found)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ((118, 127), ("No room left until tomorrow 01:00: already 1 mmol/L over (not above 126)", "no further rise before tomorrow 01:00** (ceiling 126 mmol/L, already 1 over)")),
        ((112, 119), ("Room left until today 22:00: 1 mmol/L (not above 120)", "1 mmol/L left before the 8/24 h limit")),
    ],
    ids=["over", "near"],
)  # fmt: skip
def test_the_room_of_a_rise_is_on_the_plot_and_on_the_card(
    points: tuple[int, int], says: tuple[str, str]
) -> None:
    found = Call(
        record=sodiums((0, str(points[0])), (10, str(points[1])), first_hours=1)
    ).evaluation()
    assert room(found) == says[0]
    assert any(says[1] in f"{card['summary']}\n{card['detail']}" for card in found.cards)


@pytest.mark.parametrize(
    ("hours", "plot", "card"),
    [
        (1.5, "No room left until today 11:00: already 1 mmol/L over (not above 126)", "no further rise before today 11:00** (ceiling 126 mmol/L, already 1 over)"),
        (4.5, "No room left before the next sodium: it rose too fast", "no further rise before the next sodium**"),
    ],
    ids=["the limit of a day and an eighth", "a limit that is paid off"],
)  # fmt: skip
def test_after_the_day_of_the_rise_nothing_is_left_until_each_day_allows_it(
    hours: float, plot: str, card: str
) -> None:
    """A ceiling that counts from the newest value would read as leave to go on."""
    found = Call(record=sodiums((0, "118"), (23.5, "127"), first_hours=hours)).evaluation()
    assert room(found) == plot
    assert card in found.cards[0]["detail"]


def test_a_large_rise_has_no_room_for_days_and_each_full_day_allows_the_limit_once() -> None:
    """From 107 a day allows 8: 115 on the first, 123 on the second."""
    found = Call(record=sodiums((0, "107"), (12, "128"), first_hours=20)).evaluation()
    assert room(found).startswith("No room left until"), room(found)
    assert room(found).endswith("already 13 mmol/L over (not above 115)"), room(found)
    later = Call(record=sodiums((0, "107"), (50, "128"), first_hours=2)).evaluation()
    assert room(later).endswith("already 5 mmol/L over (not above 123)"), room(later)


def test_sodium_that_was_lowered_again_has_no_room() -> None:
    found = Call(
        record=sodiums((0, "107"), (12, "128"), (66, "130"), (85, "118"), first_hours=1)
    ).evaluation()
    assert "re-lowered after a rise" in found.cards[0]["summary"]
    assert room(found).startswith("No room left until"), room(found)
    assert room(found).endswith("(not above 118)"), room(found)


@pytest.mark.parametrize("language", ["de", "fr", "es"])
@pytest.mark.parametrize("newest", ["127", "125"], ids=["over", "near"])
def test_each_language_names_the_same_value_and_time(language: str, newest: str) -> None:
    call = Call(record=sodiums((0, "118"), (10, newest), first_hours=1))
    client = Client(profile=call.profile, language=language)
    found = evaluate(pipeline(), VIEW, call.body(), NOW, client)
    assert found.case is not None
    corridor = view_of(found.case).corridor
    assert corridor is not None
    until = phrases(language).said(corridor.until_words)
    plot = room(found, language)
    face = [line for card in found.cards for line in bullets(card["detail"])[:FACE_BULLETS]]
    assert until in plot
    assert "126" in plot
    assert any(until in line and "126" in line for line in face), face


def test_while_a_very_low_sodium_rises_as_planned_the_room_is_read_first() -> None:
    saline = taking(SALINE_3, 0.2)
    found = Call(record=(*sodiums((0, "115"), (7, "118"), first_hours=1), saline)).evaluation()
    face = bullets(found.cards[0]["detail"])[:FACE_BULLETS]
    assert named(face) == {("123", "tomorrow 01:00")}
    assert any(line.startswith("Running: ") for line in face), face


def test_a_band_card_below_mild_names_the_room_of_the_plot() -> None:
    found = Call(record=(sodium("117", 2),)).evaluation()
    assert found.case is not None
    assert found.case.sodium.band is Band.SEVERE
    assert named([found.cards[0]["detail"]]) == {("125", "tomorrow 07:00")}


@pytest.mark.parametrize(
    ("name", "left"),
    [("near-the-limit", "1"), ("severe-without-symptoms", "8"), ("moderate", "8")],
)
def test_the_number_that_is_left_is_among_the_first_lines_of_the_card_and_on_the_plot(
    name: str, left: str
) -> None:
    stories = load_stories(default_fixtures_dir())
    found = (
        chart_of(stories[name])
        if name in stories
        else Call(record=(sodium("123", 2),)).evaluation()
    )
    plot = _LEFT.fullmatch(room(found))
    assert plot is not None
    assert plot[2] == left
    face = "\n".join(bullets(found.cards[0]["detail"])[:FACE_BULLETS])
    assert f"not above {plot[3]} mmol/L before {plot[1]}, {left} mmol/L left" in face
