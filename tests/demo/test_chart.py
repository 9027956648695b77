"""The chart page's server side: patients, chart, plot, Markdown, and servers in trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.demo.chart import chart_of, years
from cds_service.demo.listing import grouped
from cds_service.demo.pages import demo_pages, formulary
from cds_service.demo.plot import NARROW, WIDE, Mark, Plot, Point, axis, band_name, draw, legend
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from cds_service.web.pages import rendered

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
STORIES = load_stories(default_fixtures_dir())
LIMITS = load_knowledge(default_hooks_dir()).limits["aasld"]
SODIUM = ("2951-2",)
HOSTILE = "<img src=x onerror=alert(1)>\"'&</svg><script>alert(2)</script>"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = Settings(
        mode="demo", data_dir=Path(tmp_path_factory.mktemp("demo")), public_url="http://127.0.0.1"
    )
    app = create_app(
        settings, pages=demo_pages(STORIES), registry=Registry.empty, clock=lambda: NOW
    )
    with app.test_client() as test_client:
        yield test_client


def _hours_ago(hours: float, value: float) -> Point:
    return Point(NOW - timedelta(hours=hours), value)


def _plot(*points: Point, marks: tuple[Mark, ...] = ()) -> Plot:
    return Plot(points=points, marks=marks, now=NOW, limits=LIMITS)


def _sodium(value: object, at: str = "2026-11-20T08:00:00Z", **more: object) -> dict[str, Any]:
    quantity = {"value": value, "unit": "mmol/L"}
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]},
        "effectiveDateTime": at,
        "valueQuantity": quantity,
    } | more


# Pages ---------------------------------------------------------------------------------------------------


def test_the_start_page_lists_every_story_as_a_patient(client: FlaskClient) -> None:
    page = client.get("/").get_data(as_text=True)
    for name in STORIES:
        assert f'href="/chart/{name}"' in page
    assert "Nora Lindqvist" in page
    assert "Start with" in page
    assert "/cds-services" in page


@pytest.mark.parametrize("name", STORIES)
def test_every_story_has_a_chart(name: str, client: FlaskClient) -> None:
    answer = client.get(f"/chart/{name}")
    assert answer.status_code == 200
    assert f'data-patient="{STORIES[name].patient_id}"' in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/", "/chart/cramps-in-siadh"])
def test_pages_run_our_own_scripts_only(path: str, client: FlaskClient) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    page = answer.get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page), (
        "inline script or style"
    )
    assert not re.search(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', page), (
        "something from elsewhere"
    )


def test_a_chart_shows_problems_medicines_and_results(client: FlaskClient) -> None:
    page = client.get("/chart/cramps-in-siadh").get_data(as_text=True)
    for words in (
        "Cramp and spasm",
        "sertraline 50 MG Oral Tablet",
        "50 mg, 1 × daily",
        "131 mmol/L",
        "Creatinine",
    ):
        assert words in page


def test_a_chart_that_does_not_exist_is_a_page_that_says_so(client: FlaskClient) -> None:
    answer = client.get("/chart/nobody")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "There is no such patient" in answer.get_data(as_text=True)


def test_every_story_is_in_one_group(client: FlaskClient) -> None:
    listed = grouped(STORIES.values(), load_knowledge(default_hooks_dir()), NOW)
    names = [row.story.name for _, rows in listed for row in rows]
    assert sorted(names) == sorted(STORIES)


def test_a_medicine_inside_its_order_is_named(client: FlaskClient) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "contained": [{"resourceType": "Medication", "id": "m1", "code": {"text": "Zoloft 50"}}],
        "medicationReference": {"reference": "#m1"},
    }
    found = chart_of([order], NOW, ())
    assert [item.name for item in found.medicines] == ["Zoloft 50"]


def test_the_story_of_an_order_offers_that_order(client: FlaskClient) -> None:
    assert 'id="story-order"' in client.get("/chart/saline-3-percent-mild").get_data(as_text=True)
    assert 'id="story-order"' not in client.get("/chart/cramps-in-siadh").get_data(as_text=True)


def test_the_order_menu_is_answered_as_resources(client: FlaskClient) -> None:
    menu = client.get("/demo/formulary").get_json()
    assert set(menu) == set(formulary())
    assert menu["sertraline"]["medicationCodeableConcept"]["coding"][0]["code"] == "312941"
    assert menu["fluid-restriction"]["resourceType"] == "NutritionOrder"
    assert all(order["status"] == "draft" and "id" not in order for order in menu.values())


def test_menu_orders_carry_the_codes_of_the_stories() -> None:
    """A code of the menu is either one that a story uses, or was looked up for the menu; none is doubled."""
    codes = [entry.code for entry in formulary().values()]
    assert all(code.isdigit() for code in codes)
    assert len(set(codes)) == len(codes)


# Drawing a case --------------------------------------------------------------------------------------------


def test_hostile_names_are_text(client: FlaskClient) -> None:
    resources = [
        {
            "resourceType": "Patient",
            "id": "p",
            "name": [{"given": [HOSTILE], "family": HOSTILE}],
            "gender": HOSTILE,
        },
        {"resourceType": "Condition", "code": {"text": HOSTILE}},
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "authoredOn": "2026-11-19",
            "medicationCodeableConcept": {"text": HOSTILE},
        },
        _sodium(129, id=HOSTILE, status="final"),
        _sodium("x", valueQuantity={"value": 4, "unit": HOSTILE}),
    ]
    pieces = client.post("/demo/chart", json={"resources": resources}).get_json()
    for piece in ("banner", "sodium", "record"):
        assert "<img" not in pieces[piece]
        assert "<script" not in pieces[piece]
    assert "&lt;img" in pieces["banner"]
    assert pieces["sodium"].count("</svg>") == 2


@pytest.mark.parametrize(
    "resources",
    [
        [None, 7, "x", [], {}],
        [{"resourceType": ["Patient"], "name": {"given": "x"}}],
        [{"resourceType": "Patient", "name": "x", "birthDate": "2026-13-45"}],
        [{"resourceType": "Patient", "name": [{"given": [None, 3]}], "birthDate": 1950}],
        [_sodium(True), _sodium(None), _sodium([1]), _sodium(1e300), _sodium(-5)],
        [
            _sodium(131, at="yesterday"),
            _sodium(131, at="2026"),
            _sodium(131, at="9999-12-31T23:59:59Z"),
        ],
        [
            _sodium(131, code=3),
            _sodium(131, code={"coding": "x"}),
            _sodium(131, valueQuantity="131"),
        ],
        [
            {
                "resourceType": "MedicationRequest",
                "dosageInstruction": [{"doseAndRate": 3, "timing": []}],
            }
        ],
        [{"resourceType": "Encounter", "id": 5, "class": [{"display": 2}]}],
    ],
)
def test_a_pasted_bundle_may_hold_anything(resources: list[object], client: FlaskClient) -> None:
    assert client.post("/demo/chart", json={"resources": resources}).status_code == 200


@pytest.mark.parametrize("body", [{}, [], {"resources": 3}, {"resources": [0] * 2001}])
def test_what_is_no_list_of_resources_is_refused(body: object, client: FlaskClient) -> None:
    assert client.post("/demo/chart", json=body).status_code == 400


def test_a_name_without_parts_is_unknown() -> None:
    assert chart_of([{"resourceType": "Patient"}], NOW, SODIUM).name == "Unknown"


@pytest.mark.parametrize(
    ("status", "shown"), [("in-progress", "now"), ("finished", ""), (None, "")]
)
def test_a_visit_that_has_ended_is_not_the_setting_of_a_decision(
    status: str | None, shown: str
) -> None:
    visit = {"resourceType": "Encounter", "id": "now", "status": status, "class": {"code": "IMP"}}
    assert chart_of([visit], NOW, SODIUM).encounter_id == shown


def test_a_result_of_urine_says_so_and_a_tablet_has_no_braces(client: FlaskClient) -> None:
    urine = {
        "system": "http://loinc.org",
        "code": "2955-3",
        "display": "Sodium [Moles/volume] in Urine",
    }
    serum = {
        "system": "http://loinc.org",
        "code": "2160-0",
        "display": "Creatinine [Mass/volume] in Serum or Plasma",
    }
    resources = [
        _sodium(62, code={"coding": [urine], "text": "Sodium"}),
        _sodium(1, code={"coding": [serum], "text": "Creatinine"}),
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "dosageInstruction": [
                {"doseAndRate": [{"doseQuantity": {"value": 1, "unit": "{tablet}"}}]}
            ],
        },
    ]
    record = chart_of(resources, NOW, SODIUM)
    assert {result.name for result in record.results} == {"Sodium (urine)", "Creatinine"}
    assert record.medicines[0].detail == "1 tablet"


def test_age_is_completed_years() -> None:
    born = datetime(1958, 11, 21, tzinfo=UTC).date()
    assert years(born, datetime(2026, 11, 20, tzinfo=UTC).date()) == 67
    assert years(born, datetime(2026, 11, 21, tzinfo=UTC).date()) == 68


def test_what_cannot_be_compared_is_in_the_table_and_not_in_the_plot(client: FlaskClient) -> None:
    resources = [
        _sodium(131),
        _sodium(135, id="o2", valueQuantity={"value": 135, "unit": "mg/dL"}),
        _sodium(120, id="o3", valueQuantity={"value": 120, "unit": "mmol/L", "comparator": "<"}),
        _sodium(125, id="o4", status="entered-in-error"),
        _sodium(126, id="o5", at="2026-11-20T09:30:00Z"),
    ]
    drawn = client.post("/demo/chart", json={"resources": resources}).get_json()["sodium"]
    assert drawn.count("<circle") == 2, "one value, in two shapes"
    assert drawn.count("not drawn") == 4
    assert "135 mg/dL" in drawn


# The plot --------------------------------------------------------------------------------------------------


def test_the_rise_that_is_allowed_counts_from_the_lowest_value_of_the_last_day() -> None:
    plot = _plot(
        _hours_ago(40, 110), _hours_ago(23, 118), _hours_ago(10, 121), _hours_ago(0.5, 127)
    )
    assert plot.allowed == (_hours_ago(23, 118), 126)


@pytest.mark.parametrize(
    "points",
    [
        (_hours_ago(30, 120),),  # nothing in the last day
        (_hours_ago(20, 139), _hours_ago(2, 140)),  # not low
    ],
)
def test_without_a_fresh_low_value_no_limit_is_drawn(points: tuple[Point, ...]) -> None:
    plot = _plot(*points)
    assert plot.allowed is None
    assert 'class="limit"' not in draw(plot, WIDE)


@pytest.mark.parametrize("shape", [WIDE, NARROW])
def test_the_limit_is_to_be_seen_however_long_the_past_is(shape: Any) -> None:
    drawn = draw(_plot(_hours_ago(24 * 400, 139), _hours_ago(20, 131)), shape)
    (left, right) = re.findall(
        r'<line class="limit" x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)"', drawn
    )[0]
    assert float(right) - float(left) > 20
    assert "limit 139 (131 + 8 in 24 h)" in drawn


def test_a_value_is_not_written_over_the_limit() -> None:
    drawn = draw(_plot(_hours_ago(20, 118), _hours_ago(10, 125), _hours_ago(1, 125)), WIDE)
    dots = re.findall(r'<circle class="[^"]+" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    labels = {
        x: float(y)
        for x, y in re.findall(r'<text class="value middle" x="([\d.]+)" y="([\d.]+)"', drawn)
    }
    below = [labels[x] > float(y) for x, y in reversed(dots)]
    assert below == [False, True, True]


def test_the_legend_names_what_is_drawn_and_nothing_else() -> None:
    quiet = legend(_plot(_hours_ago(1, 139)))
    assert [style for style, _ in quiet] == ["mild", "moderate"]
    marks = (
        Mark(NOW, "sertraline", "draft"),
        *[Mark(NOW - timedelta(days=n), f"drug {n}") for n in range(6)],
    )
    full = dict(legend(_plot(_hours_ago(1, 117), marks=marks)))
    assert list(full) == ["mild", "moderate", "severe", "limit", "start", "draft", "more"]
    assert full["more"] == "2 earlier ones not marked"


def _given(at: str, **more: object) -> dict[str, Any]:
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "3 % saline"},
        "effectiveDateTime": at,
        "dosage": {"dose": {"value": 100, "unit": "mL"}},
    }
    return given | more


def test_doses_that_were_given_are_marked_in_one_row_for_each_medicine(client: FlaskClient) -> None:
    pieces = client.post(
        "/demo/chart",
        json={
            "resources": [
                _sodium(118, "2026-11-19T09:00:00Z"),
                _given("2026-11-19T10:00:00Z"),
                _given("", effectivePeriod={"start": "2026-11-19T11:00:00Z"}),
                _given("2026-11-19T12:00:00Z", status="not-done"),
                _given("2026-11-19T13:00:00Z", wasNotGiven=True),
                _given("2026-11-20T10:00:00Z"),  # an hour ahead
                _given(
                    "2026-11-20T07:00:00Z",
                    medicationCodeableConcept=None,
                    dosage={"text": "half a tablet"},
                ),
                _given("no time"),
            ]
        },
    ).get_json()
    wide = pieces["sodium"].partition('class="plot narrow"')[0]
    assert wide.count('class="mark dose middle"') == 3
    assert "2 doses: 3 % saline 100 mL" in wide
    assert "20 Nov 07:00: Unnamed medicine half a tablet" in wide
    table = pieces["record"].partition('id="doses-table"')[2].partition("</table>")[0]
    assert table.count("<time") == 4, "the record lists every dose, also a future one"


@pytest.mark.parametrize("shape", [WIDE, NARROW])
def test_words_of_a_row_are_not_written_over_its_signs(shape: Any) -> None:
    doses = tuple(NOW - timedelta(hours=hours) for hours in (2, 4, 500))
    drawn = draw(
        _plot(_hours_ago(20, 118), marks=(Mark(NOW, "tolvaptan 15 mg: 4 doses", "dose", doses),)),
        shape,
    )
    signs = [float(x) for x in re.findall(r'<text class="mark dose middle" x="([\d.]+)"', drawn)]
    assert len(signs) == 4, "three doses, and one sign for those before the axis"
    ((end, x),) = re.findall(r'<text class="mark dose( end)?" x="([\d.]+)"', drawn)
    assert (float(x) < min(signs)) if end else (float(x) > max(signs))


@pytest.mark.parametrize(
    ("value", "band"),
    [
        (119.9, "severe"),
        (120, "moderate"),
        (125.5, "moderate"),
        (126, "mild"),
        (135, "mild"),
        (135.1, "not low"),
    ],
)
def test_bands_are_those_of_the_profile(value: float, band: str) -> None:
    assert band_name(value, LIMITS) == band


@pytest.mark.parametrize("shape", [WIDE, NARROW])
def test_every_value_stands_inside_the_picture_and_low_is_low(shape: Any) -> None:
    points = [
        _hours_ago(24 * 200, 139),
        _hours_ago(60, 128),
        _hours_ago(40, 124),
        _hours_ago(20, 118),
        _hours_ago(1, 127),
    ]
    drawn = draw(
        _plot(*points, marks=(Mark(NOW - timedelta(days=4000), "carbamazepine, since 2015"),)),
        shape,
    )
    dots = [
        (float(x), float(y))
        for x, y in re.findall(r'<circle class="[^"]+" cx="([\d.]+)" cy="([\d.]+)"', drawn)
    ]
    dots.reverse()
    assert [x for x, _ in dots] == sorted(x for x, _ in dots), "time runs to the right"
    assert max(dots, key=lambda d: d[1]) == dots[3], "the lowest value is drawn lowest"
    assert all(0 < x < shape.width and 0 < y < shape.height for x, y in dots)
    assert "carbamazepine" in drawn


def test_a_hostile_medicine_cannot_leave_its_text_element() -> None:
    drawn = draw(_plot(_hours_ago(1, 130), marks=(Mark(NOW, HOSTILE, "draft"),)), WIDE)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert drawn.count("<svg") == 1


def test_a_long_past_and_a_busy_present_get_scales_of_their_own() -> None:
    instants = [NOW - timedelta(days=300), NOW - timedelta(hours=30), NOW - timedelta(hours=2)]
    found = axis(instants, NOW, 0, 100)
    assert found.broken
    assert found.place(instants[0]) < 38 < found.place(instants[1])
    assert max(found.ticks(10))[1] == "now"


def test_a_long_past_is_told_in_days_and_not_in_hours() -> None:
    instants = [NOW - timedelta(days=30), NOW - timedelta(hours=30), NOW - timedelta(hours=2)]
    words = [word for x, word in axis(instants, NOW, 0, 400).ticks(60) if x < 150]
    assert "30 d ago" in words
    assert all(word.endswith(" d ago") for word in words)


def test_a_short_series_is_drawn_to_one_scale() -> None:
    found = axis([NOW - timedelta(hours=24), NOW], NOW, 0, 100)
    assert not found.broken
    assert found.place(NOW - timedelta(hours=12)) == pytest.approx(50)
    assert found.place(NOW - timedelta(days=900)) == pytest.approx(0), "older marks are at the edge"


# Markdown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](//evil.example)",
        "[x](vbscript:x)",
        "![x](https://evil.example/pixel.png)",
        '<https://ok.example/" onmouseover="x>',
    ],
)
def test_a_detail_cannot_bring_script_images_or_odd_links(text: str) -> None:
    html = rendered(text)
    assert not re.search(
        r"<(script|img|iframe|svg)|\son\w+=\"|href=\"(?!https?://|mailto:|/[^/]|#)", html
    ), html


def test_markdown_of_cards_is_rendered() -> None:
    html = rendered("- **Stop** it\n\n[Basis](http://127.0.0.1/basis#X): 124 &lt; 126")
    assert "<strong>Stop</strong>" in html
    assert '<a href="http://127.0.0.1/basis#X">' in html


def test_texts_are_rendered_in_their_order(client: FlaskClient) -> None:
    answer = client.post("/demo/markdown", json={"texts": ["a", "*b*"]})
    assert answer.get_json()["html"] == ["<p>a</p>\n", "<p><em>b</em></p>\n"]
    assert client.post("/demo/markdown", json={"texts": [1]}).status_code == 400


# Servers in trouble ----------------------------------------------------------------------------------------


def test_the_broken_server_answers_every_read_with_an_error(client: FlaskClient) -> None:
    for path in ("Patient/cramps-in-siadh", "Observation?patient=cramps-in-siadh"):
        assert client.get(f"/demo/fhir-broken/{path}").status_code == 503


def test_the_slow_server_gives_sodium_at_once_and_medicines_late(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("cds_service.demo.fhir_server.time.sleep", waited.append)
    client.get("/demo/fhir-slow/Observation?patient=cramps-in-siadh")
    assert waited == []
    client.get("/demo/fhir-slow/MedicationRequest?patient=cramps-in-siadh")
    assert waited == [2.0]


def test_a_story_of_a_failing_search_fails_that_search_alone(client: FlaskClient) -> None:
    services = client.get("/cds-services").get_json()["services"]
    prefetch = services[0]["prefetch"]
    statuses = {
        key: client.get(
            "/demo/fhir/" + query.replace("{{context.patientId}}", "sodium-not-readable")
        ).status_code
        for key, query in prefetch.items()
        if key in ("sodium", "labs", "conditions")
    }
    assert statuses == {"sodium": 500, "labs": 200, "conditions": 200}


def test_outside_demo_mode_there_is_no_chart(tmp_path: Path) -> None:
    registry = tmp_path / "clients.toml"
    registry.write_text("[clients.mercy]\n", encoding="utf-8")
    settings = Settings(mode="development", data_dir=tmp_path, clients_file=registry)
    app = create_app(settings)
    with app.test_client() as plain:
        assert plain.get("/chart/cramps-in-siadh").status_code == 404
        page = plain.get("/")
        assert page.status_code == 200
        assert "DEMO" not in page.get_data(as_text=True)
        assert "script-src" not in page.headers["Content-Security-Policy"]
