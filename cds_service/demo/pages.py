"""The pages of the small EHR: a list of patients, a chart for each, and the parts of a chart.

The page's own script fetches the cards over the public interface, as any EHR would.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from flask import Blueprint, Response, current_app, render_template, request

from cds_service.demo import fhir_server, workbench
from cds_service.demo.chart import chart_of
from cds_service.demo.fhir_server import SERVERS, STORIES, kept_stories
from cds_service.demo.html import files, html_page
from cds_service.demo.listing import grouped
from cds_service.demo.shown import patient_view, shown_case
from cds_service.demo.stories import Story
from cds_service.demo.test_ehr import TestEhr
from cds_service.errors import BadRequest, NotFound
from cds_service.knowledge.limits import Limits
from cds_service.trust.registry import TEST_ISSUER
from cds_service.web.languages import asked_language
from cds_service.web.messages import json_body, refuse_by_head, unstored
from cds_service.web.pages import rendered, start_page
from cds_service.web.plots import plotted
from cds_service.web.runtime import runtime
from cds_service.web.visits import new_visitor

blueprint = Blueprint("chart", __name__)
MOST_TEXTS = 20
MOST_RESOURCES = 2000
_TEST_EHR = "hyponatremia-cds demo test EHR"
# The stories that the start page offers first.
START_WITH = ("cramps-in-siadh", "saline-3-percent-mild", "rising-too-fast")


def demo_pages(stories: Mapping[str, Story], test_ehr: TestEhr | None = None) -> list[Blueprint]:
    """Returns the pages of the demo over these stories, for `create_app(pages=...)`.

    With a test EHR, which the registry must know too, the chart page can sign its calls.
    """
    served = files()
    kept = {STORIES: stories, _TEST_EHR: test_ehr}
    served.record(lambda setup: setup.app.extensions.update(kept))
    return [served, blueprint, fhir_server.blueprint, workbench.blueprint]


def development_pages() -> list[Blueprint]:
    """Returns the pages for people who connect an EHR to a service in development mode."""
    return [start_page, files(), workbench.blueprint]


@blueprint.app_template_filter("utc")
def utc(at: datetime) -> datetime:
    """Returns an instant in UTC, for a page that says so."""
    return at.astimezone(UTC)


@blueprint.get("/")
def patients() -> Response:
    """Shows the stories as a list of patients, and the addresses that a tester needs."""
    here, stories = runtime(), kept_stories()
    now = here.clock()
    knowledge = here.pipeline.knowledge
    groups = grouped(stories.values(), knowledge, now)
    return html_page(
        "patients.html",
        base=here.settings.base_url,
        first=[stories[name] for name in START_WITH if name in stories],
        groups=groups,
        count=len(stories),
        reviewed=knowledge.reviews.complete,
    )


@blueprint.get("/chart/<name>")
def chart(name: str) -> Response:
    """Shows one patient's chart."""
    here = runtime()
    story = kept_stories().get(name)
    if story is None:
        return _unknown()
    now = here.clock()
    return html_page(
        "chart.html",
        story=story,
        groups=_groups(),
        servers=SERVERS,
        user=new_visitor(),
        profile=_limits().profile,
        order=_story_order(story, now),
        leaving=story.request["hook"] == "encounter-discharge",
        **_drawn(story.resources_at(now), now),
    )


@blueprint.post("/demo/chart")
def drawn_chart() -> Response:
    """Answers with the parts of a chart as HTML, for the resources in the body."""
    body = _body()
    resources, shown_as = body.get("resources"), body.get("as")
    if not isinstance(resources, list) or len(resources) > MOST_RESOURCES:
        raise BadRequest("Send an object with the list 'resources', of at most 2000.")
    name = shown_as if isinstance(shown_as, str) and shown_as in SERVERS else "fhir"
    drawn = _drawn(resources, runtime().clock(), name)
    answer = {
        piece: render_template(f"chart-{piece}.html", **drawn)
        for piece in ("banner", "sodium", "record")
    }
    answer["patientId"] = drawn["chart"].patient_id
    answer["encounterId"] = drawn["chart"].encounter_id
    return unstored(answer)


@blueprint.post("/demo/markdown")
def markdown() -> Response:
    """Answers with the Markdown texts in the body as HTML."""
    texts = _body().get("texts")
    listed: list[Any] = texts if isinstance(texts, list) else [None]
    if len(listed) > MOST_TEXTS or not all(isinstance(text, str) for text in listed):
        raise BadRequest("Send an object with the list 'texts', of at most 20 strings.")
    return unstored({"html": [rendered(text) for text in listed]})


@blueprint.get("/demo/test-ehr")
def test_ehr() -> Response:
    """Answers with the key of the test EHR, which this demo made for its own page."""
    made: TestEhr | None = current_app.extensions[_TEST_EHR]
    if made is None:
        raise NotFound("This demo has no test EHR.")
    base = runtime().settings.base_url
    return unstored({"issuer": TEST_ISSUER, "base": base, "key": dict(made.private)})


@blueprint.get("/demo/formulary")
def orders() -> Response:
    """Answers with the order menu as draft resources by key."""
    return unstored({key: entry.resource() for key, entry in formulary().items()})


def _body() -> dict[str, Any]:
    """Returns the JSON object in the body; an empty one for what is no object."""
    limit = runtime().settings.max_body_bytes
    refuse_by_head(request, limit)
    body = json_body(request, limit)
    return body if isinstance(body, dict) else {}


def _drawn(resources: Iterable[object], now: datetime, server: str = "fhir") -> dict[str, Any]:
    """Returns the values that the templates of a chart need, as for the client of a demo server."""
    here = runtime()
    listed = [one for one in resources if isinstance(one, dict)]
    record = chart_of(listed, now, here.pipeline.knowledge.terms.labs["sodium"].loinc)
    values: dict[str, Any] = {
        "chart": record,
        "now": now,
        "bands": {},
        "view": None,
    }
    client = here.registry().client_for(f"{here.settings.base_url}/demo/{server}", None)
    view = shown_case(here, client, listed, record, now)
    if view is not None:
        language = here.pipeline.language_of(asked_language(here.pipeline.languages), client)
        phrases = here.pipeline.phrases(patient_view(here).id, language)
        values["language"] = language
        values |= plotted(view, phrases, [item.name for item in record.drafts])
        values["bands"] = {point.reference: point.band for point in view.points}
    return values


def _limits() -> Limits:
    """Returns the limits of an anonymous caller of the demo."""
    here = runtime()
    return here.pipeline.knowledge.limits[here.registry().client_for(None, None).profile]


def _groups() -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for key, entry in formulary().items():
        groups.setdefault(entry.group, []).append((key, entry.label))
    return groups


def _story_order(story: Story, now: datetime) -> str:
    """Returns the names of the orders that this story is about, or "" if it only opens a chart."""
    drafts = story.request["context"].get("draftOrders", {}).get("entry", [])
    orders = chart_of((entry["resource"] for entry in drafts), now, ()).drafts
    if "selections" in story.request["context"]:
        orders = orders[:1]
    return " and ".join(order.name for order in orders)


def _unknown() -> Response:
    """Returns the page for a patient who is not there."""
    response = html_page("unknown.html")
    response.status_code = 404
    return response


# ---- the orders that the demo offers


_RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
_SNOMED = "http://snomed.info/sct"
_UCUM = "http://unitsofmeasure.org"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the order menu."""

    group: str
    label: str
    name: str  # what the order calls it
    code: str = ""  # RxNorm; for a diet, SNOMED CT
    type: Literal["MedicationRequest", "NutritionOrder"] = "MedicationRequest"
    dose: float = 0
    rate: float = 0  # of an infusion, in place of a dose
    unit: str = ""
    times: int = 1  # a day
    route: str = ""

    def resource(self) -> dict[str, Any]:
        """Returns the draft order of this line."""
        order: dict[str, Any] = {
            "resourceType": self.type,
            "status": "draft",
            "intent": "order",
        }
        if self.type == "NutritionOrder":
            coding = _coding(_SNOMED, self.code, "Fluid restricted diet")
            return order | {"oralDiet": {"type": [{"coding": [coding], "text": self.name}]}}
        concept: dict[str, Any] = {"text": self.name}
        if self.code:
            concept = {"coding": [_coding(_RXNORM, self.code, self.name)]} | concept
        order["medicationCodeableConcept"] = concept
        if self.dose or self.rate:
            order["dosageInstruction"] = [self._dosage()]
        return order

    def _dosage(self) -> dict[str, Any]:
        amount = self.rate or self.dose
        quantity = {"value": amount, "unit": self.unit, "system": _UCUM, "code": self.unit}
        dosage: dict[str, Any] = {
            "doseAndRate": [{"rateQuantity" if self.rate else "doseQuantity": quantity}]
        }
        if not self.rate:
            repeat = {"frequency": self.times, "period": 1, "periodUnit": "d"}
            dosage["timing"] = {"repeat": repeat}
        if self.route:
            dosage["route"] = {"text": self.route}
        return dosage


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    order: dict[str, Entry]


@cache
def formulary() -> dict[str, Entry]:
    """Returns the order menu by key, in the order of formulary.toml."""
    path = Path(__file__).with_name("formulary.toml")
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File).order


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}
