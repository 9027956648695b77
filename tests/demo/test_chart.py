"""The chart page's server side: patients, chart, plot, Markdown, and servers in trouble."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.demo.chart import chart_of, years
from cds_service.demo.listing import grouped
from cds_service.demo.pages import demo_pages, formulary
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from cds_service.web.pages import rendered

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
STORIES = load_stories(default_fixtures_dir())
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
    codes = [
        entry.code for entry in formulary().values() if not entry.rate
    ]  # an infusion of the same
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
    assert pieces["sodium"].count("</svg>") == 8


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


ME = {"resourceType": "Patient", "id": "p1", "birthDate": "1950-01-01"}


def _pieces(client: FlaskClient, *resources: dict[str, Any]) -> dict[str, Any]:
    """The parts of the chart of one patient with these resources."""
    mine = [one | {"subject": {"reference": "Patient/p1"}} for one in resources]
    answer = client.post("/demo/chart", json={"resources": [ME, *mine]})
    pieces: dict[str, Any] = answer.get_json()
    return pieces


def test_what_no_rule_uses_is_in_the_table_and_not_in_the_plot(client: FlaskClient) -> None:
    drawn = _pieces(
        client,
        _sodium(131, id="o1"),
        _sodium(135, id="o2", valueQuantity={"value": 135, "unit": "mg/dL"}),
        _sodium(125, id="o4", status="entered-in-error"),
        _sodium(126, id="o5", at="2026-11-20T13:30:00Z"),
    )["sodium"]
    assert drawn.count('<circle class="dot lab mild"') == 8, (
        "one value, in four times and two shapes"
    )
    assert drawn.count("not used") == 3
    assert "135 mg/dL" in drawn


# The plot --------------------------------------------------------------------------------------------------


def test_the_plot_has_the_corridor_of_the_card(client: FlaskClient) -> None:
    page = client.get("/chart/near-the-limit").get_data(as_text=True)
    assert "Room left until today 20:00: 1 mmol/L (not above 124)" in page
    assert "limit 124 until today 20:00" in page
    over = client.get("/chart/rising-too-fast").get_data(as_text=True)
    assert "Room left" not in over


def test_draft_orders_are_marked_at_now_and_change_no_value(client: FlaskClient) -> None:
    draft = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "medicationCodeableConcept": {"text": "Zoloft 50"},
    }
    drawn = _pieces(client, _sodium(131), draft)["sodium"]
    assert 'class="event draft middle"' in drawn
    assert "Zoloft 50" in drawn
    assert drawn.count("<circle") == _pieces(client, _sodium(131))["sodium"].count("<circle")


def _given(at: str, **more: object) -> dict[str, Any]:
    given = {
        "resourceType": "MedicationAdministration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "3 % saline"},
        "effectiveDateTime": at,
        "dosage": {"dose": {"value": 100, "unit": "mL"}},
    }
    return given | more


def test_doses_that_were_given_are_marked_and_listed(client: FlaskClient) -> None:
    pieces = _pieces(
        client,
        _sodium(118, "2026-11-19T09:00:00Z"),
        _given("2026-11-19T10:00:00Z", id="a1"),
        _given("", id="a2", effectivePeriod={"start": "2026-11-19T11:00:00Z"}),
        _given("2026-11-19T12:00:00Z", id="a3", status="not-done"),
        _given("2026-11-20T10:00:00Z", id="a4"),  # an hour ahead
    )
    wide = pieces["sodium"].partition('id="span-2"')[2].partition('class="plot narrow"')[0]
    assert wide.count('class="event dose middle"') >= 2
    assert "3% saline" in wide
    table = pieces["record"].partition('id="doses-table"')[2].partition("</table>")[0]
    assert table.count("<time") == 3, "the record lists every dose, also a future one"


def test_a_hostile_medicine_cannot_leave_its_text_element(client: FlaskClient) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "status": "draft",
        "medicationCodeableConcept": {"text": HOSTILE},
    }
    drawn = _pieces(client, _sodium(130), order)["sodium"]
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert drawn.count("<svg") == 8


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
