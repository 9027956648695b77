"""The chart shows what the rules judged: the corridor of the card, both methods, glucose, drugs, doses."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import cache

import pytest
from msgspec.structs import replace

from cds_service.chart.draw import NARROW, WIDE, draw, rows_of, ticks
from cds_service.chart.view import Corridor, View, spans, view_of
from cds_service.engine.cards import Phrases
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.sodium.rules.room import limit_line
from cds_service.terminology.types import Saline
from cds_service.web.plots import plotted
from tests.sodium.cases import NOW
from tests.sodium.patients import Story, ago, order, problem, result

DAY = timedelta(days=1)


def series(*points: tuple[float, str], **more: object) -> Story:
    """Sodium values by the hours before now."""
    results = tuple(result("sodium", value, hours) for hours, value in points)
    return replace(Story(sodium=None, results=results, setting="inpatient"), **more)


def view(story: Story, profile: str = "aasld") -> View:
    return view_of(story.case(profile))


@cache
def phrases() -> Phrases:
    """The words of the shipped hooks/."""
    knowledge = load_knowledge(default_hooks_dir())
    return Phrases(knowledge, knowledge.services["hyponatremia-patient-view"])


def corridor(story: Story, profile: str = "aasld") -> Corridor:
    found = view(story, profile).corridor
    assert found is not None
    return found


def test_the_corridor_begins_at_the_lowest_value_of_the_day_and_has_its_clock() -> None:
    found = corridor(series((30, "117"), (12, "116"), (8, "118"), (1, "121")))
    assert (found.base, found.goal, found.limit) == (Decimal(116), Decimal(122), Decimal(124))
    assert found.until == ago(hours=12) + DAY
    assert found.left == Decimal(3)


def test_base_and_limit_are_those_of_the_profile() -> None:
    story = series((12, "116"), (1, "118"))
    assert corridor(story).limit == Decimal(124)
    assert corridor(story, "european").limit == Decimal(126)


def test_after_too_fast_a_rise_no_room_is_left_and_the_corridor_is_that_of_the_rise() -> None:
    found = corridor(series((20, "112"), (10, "117"), (1, "123")))
    assert (found.base, found.limit, found.left) == (Decimal(112), Decimal(120), None)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (((20, "112"), (10, "117"), (1, "123")), "No room left until"),
        (((23.9, "112"), (23, "117"), (1, "119")), "Room left until"),
        (((32, "112"), (9, "121"), (1, "121")), "No room left until tomorrow"),
    ],
    ids=["over", "below", "over, but its day has ended"],
)
def test_the_page_says_how_much_room_is_left_or_that_there_is_no_more(
    values: tuple[tuple[float, str], ...], says: str
) -> None:
    shown = plotted(view(series(*values)), phrases())["room"]
    assert shown.startswith(says)


def test_room_is_never_rounded_up() -> None:
    """0.75 was shown as 0.8, beside a value of 123.25 that reads as 123.3."""
    story = series((12, "116"), (1, "123.25"))
    assert "until" in (shown := plotted(view(story), phrases()))["room"]
    assert ": 0.7 mmol/L" in shown["room"]
    assert shown["left"] == "room left: 0.7 mmol/L"
    assert limit_line(story.case("aasld")).facts["left"] == "0.7"


def test_a_normal_sodium_has_no_corridor() -> None:
    assert view(series((12, "139"), (1, "138"))).corridor is None


def test_both_methods_and_the_glucose_corrected_values_are_apart() -> None:
    gas = replace(result("sodium", "126", 8), method="poc")
    story = series((20, "125"), (1, "124"))
    glucose = result("glucose", "500", 1)
    found = view(replace(story, results=(*story.results, gas, glucose)))
    assert [p.method for p in found.points] == ["lab", "poc", "lab"]
    assert [p.corrected is not None for p in found.points] == [False, False, True]
    drawing = str(
        draw(found, timedelta(days=7), WIDE, rows_of(found, found.events, phrases()), phrases())
    )
    assert 'class="series lab"' in drawing
    assert 'class="series poc"' in drawing
    assert 'class="dot corrected"' in drawing


def test_drugs_are_bars_over_their_time_and_doses_signs() -> None:
    saline = replace(
        order("sodium chloride", days=0.2, reference="MedicationAdministration/1"),
        saline=Saline(kind="hypertonic", percent=Decimal(3), volume_ml=Decimal(100)),
    )
    story = series(
        (1, "124"),
        orders=(
            order("sertraline", days=3, reference="MedicationRequest/a"),
            order("tolvaptan", days=2, reference="MedicationRequest/b"),
            order(
                "hydrochlorothiazide",
                days=30,
                ended=1,
                status="stopped",
                reference="MedicationRequest/c",
            ),
            saline,
        ),
    )
    found = {(bar.name, bar.kind): bar for bar in view(story).bars}
    assert found["sertraline", "lowers"].start == ago(days=3)
    assert found["tolvaptan", "treats"].end is None
    assert found["hydrochlorothiazide", "lowers"].end == ago(days=1)
    assert ("3% saline", "dose") in found


def test_symptoms_and_a_rise_that_was_too_fast_are_events() -> None:
    story = series((70, "112"), (55, "123"), (1, "126"), problems=(problem("seizure", days=2),))
    kinds = {event.kind: event for event in view(story).events}
    assert kinds["symptom"].words == "symptom:seizure"
    assert kinds["rise"].at == ago(hours=55)


def test_osmolality_and_urine_are_beside_it_newest_first() -> None:
    story = series((1, "124"))
    more = (result("urine-osmolality", 420, 5), result("urine-osmolality", 90, 2))
    [row] = view(replace(story, results=(*story.results, *more))).others
    assert [value for value, _ in row.values] == ["90", "420"]


@pytest.mark.parametrize("span", ["span_1", "span_7", "span_90", "span_all"])
@pytest.mark.parametrize("shape", [WIDE, NARROW], ids=lambda shape: shape.name)
def test_each_value_of_the_stretch_is_drawn_inside_and_can_be_read_out(
    span: str, shape: object
) -> None:
    found = view(series((24 * 200, "131"), (24 * 30, "128"), (60, "119"), (12, "121"), (1, "124")))
    length = spans(found)[span]
    drawing = str(draw(found, length, shape, rows_of(found, found.events, phrases()), phrases()))  # type: ignore[arg-type]
    since = NOW - length if length else None
    wanted = [p for p in found.points if since is None or p.at >= since]
    dots = re.findall(
        r'<circle class="dot lab \w+" cx="([\d.]+)" cy="([\d.]+)"[^>]*aria-label="([^"]+)"', drawing
    )
    assert len(dots) == len(wanted)
    for x, y, words in dots:
        assert 30 <= float(x) <= shape.width  # type: ignore[attr-defined]
        assert 0 <= float(y) <= shape.height  # type: ignore[attr-defined]
        assert re.match(r"\d+ mmol/L, (severe|moderate|mild), .+, laboratory", words), words
    assert drawing.count('tabindex="0"') == (1 if wanted else 0)


def test_the_axis_has_full_hours_and_days_by_the_clocks_of_the_patient() -> None:
    zone = timedelta(hours=-6)
    hours = [words for _, words in ticks(NOW - DAY, NOW, zone, 9)]
    assert all(re.fullmatch(r"\d\d:00|\d+ \w{3}", words) for words in hours), hours
    assert 4 <= len(hours) <= 10
    assert len(list(ticks(NOW - 3000 * DAY, NOW, zone, 4))) <= 5


def test_words_of_a_record_stay_words() -> None:
    fluid = replace(order("sertraline", days=1), drugs=(), reference="MedicationAdministration/9")
    hostile = replace(fluid, hypotonic=True, fluid_name=None)
    found = view(series((1, "124"), orders=(hostile,)))
    assert [bar.name for bar in found.bars] == [""]
