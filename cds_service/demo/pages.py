"""Demo mode's small EHR: the stories as patients, a chart for each, and what its script asks to be drawn.

The chart is drawn from the FHIR record. Cards are fetched by the page's own script over the public
interface, as any EHR would; nothing here looks into the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, render_template, request

from cds_service.demo import fhir_pages
from cds_service.demo.axis import HOUR
from cds_service.demo.chart_record import Chart, Result, chart_of
from cds_service.demo.fhir_pages import SERVERS, STORIES, kept_stories
from cds_service.demo.formulary import formulary
from cds_service.demo.plot import NARROW, WIDE, Mark, Plot, Point, band_name, draw, legend
from cds_service.demo.stories import Story
from cds_service.errors import BadRequest, NotFound
from cds_service.knowledge.limits import Limits
from cds_service.protocol.wire import encode
from cds_service.web.markdown import rendered
from cds_service.web.messages import json_body, refuse_by_head
from cds_service.web.runtime import runtime

blueprint = Blueprint("chart", __name__)
MOST_TEXTS = 20
MOST_RESOURCES = 2000
USER = "Practitioner/demo-clinician"
START_WITH = (
    "cramps-in-siadh",
    "saline-3-percent-mild",
    "rising-too-fast",
)  # for who opens the page first
# Scripts and styles of our own files only, requests to ourselves only, HTML only through one named policy.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types ehr"
)
_MOLAR = ("mmol/l", "meq/l")
_DRAWN = ("final", "amended", "corrected", "preliminary", "")


def demo_pages(stories: Mapping[str, Story]) -> list[Blueprint]:
    """Returns the pages of the demo over these stories, for `create_app(pages=...)`."""
    files = Blueprint(
        "demo_files",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/static/demo",
    )
    files.record(lambda setup: setup.app.extensions.update({STORIES: stories}))
    return [files, blueprint, fhir_pages.blueprint]


@blueprint.app_template_filter("utc")
def utc(at: datetime) -> datetime:
    """An instant in UTC, for a page that says so."""
    return at.astimezone(UTC)


@blueprint.get("/")
def patients() -> Response:
    """The stories as a list of patients, and the addresses that a tester needs."""
    here, stories = runtime(), kept_stories()
    now = here.clock()
    rows = [(story, chart_of(story.resources_at(now), now, ())) for story in stories.values()]
    knowledge = here.pipeline.knowledge
    return _page(
        "patients.html",
        base=here.settings.base_url,
        first=[stories[name] for name in START_WITH if name in stories],
        rows=sorted(rows, key=lambda row: row[1].name.split()[-1]),
        reviewed=knowledge.reviews.complete,
    )


@blueprint.get("/chart/<name>")
def chart(name: str) -> Response:
    """One patient's chart."""
    here = runtime()
    story = _story(name)
    now = here.clock()
    return _page(
        "chart.html",
        story=story,
        groups=_groups(),
        servers=SERVERS,
        user=USER,
        profile=_limits().profile,
        order=_story_order(story, now),
        **_drawn(story.resources_at(now), now),
    )


@blueprint.post("/demo/chart")
def drawn_chart() -> Response:
    """Banner and record of the resources in the body, as the pieces of HTML that the chart page shows."""
    resources = _member("resources")
    if not isinstance(resources, list) or len(resources) > MOST_RESOURCES:
        raise BadRequest("Send an object with the list 'resources', of at most 2000.")
    drawn = _drawn(resources, runtime().clock())
    pieces = {
        piece: render_template(f"chart-{piece}.html", **drawn)
        for piece in ("banner", "sodium", "record")
    }
    return _json(
        pieces
        | {"patientId": drawn["chart"].patient_id, "encounterId": drawn["chart"].encounter_id}
    )


@blueprint.post("/demo/markdown")
def markdown() -> Response:
    """The texts in the body, rendered from Markdown with HTML off."""
    texts = _member("texts")
    if (
        not isinstance(texts, list)
        or len(texts) > MOST_TEXTS
        or not all(isinstance(t, str) for t in texts)
    ):
        raise BadRequest("Send an object with the list 'texts', of at most 20 strings.")
    return _json({"html": [rendered(text) for text in texts]})


@blueprint.get("/demo/formulary")
def orders() -> Response:
    """The order menu as draft resources by key."""
    return _json({key: entry.resource() for key, entry in formulary().items()})


def _member(name: str) -> object:
    """One member of the JSON object in the body, None where it is missing."""
    limit = runtime().settings.max_body_bytes
    refuse_by_head(request, limit)
    body = json_body(request, limit)
    return body.get(name) if isinstance(body, dict) else None


def _drawn(resources: Iterable[object], now: datetime) -> dict[str, Any]:
    """What both pieces of the chart are rendered from."""
    limits = _limits()
    record = chart_of(resources, now, runtime().pipeline.knowledge.terms.labs["sodium"].loinc)
    points = sorted(
        (p for r in record.sodium if (p := _point(r, now)) is not None), key=lambda p: p.at
    )
    plot = (
        Plot(points=points, marks=list(_marks(record, now)), now=now, limits=limits)
        if points
        else None
    )
    return {
        "chart": record,
        "now": now,
        "plots": [draw(plot, WIDE), draw(plot, NARROW)] if plot else [],
        "legend": legend(plot) if plot else [],
        "allowed": plot.allowed if plot else None,
        "limits": limits,
        "window": limits.rate_window_hours // HOUR,
        "band": lambda value: band_name(value, limits),
        "drawable": lambda result: _point(result, now) is not None,
    }


def _marks(record: Chart, now: datetime) -> Iterator[Mark]:
    """Orders and doses of a record for the plot; doses of one medicine and amount share a row."""
    for item in record.medicines:
        if item.since:
            yield Mark(item.since, f"{item.name}, since {item.since:%d %b %Y}")
    for item in record.drafts:
        yield Mark(now, f"draft: {item.name}", "draft")
    doses: dict[str, list[datetime]] = {}  # newest first, as the record has them
    for item in record.doses:
        if item.since and item.since <= now:
            doses.setdefault(" ".join(filter(None, (item.name, item.detail))), []).append(
                item.since
            )
    for words, (last, *earlier) in doses.items():
        count = f"{len(earlier) + 1} doses" if earlier else f"{utc(last):%d %b %H:%M}"
        yield Mark(last, f"{count}: {words}", "dose", tuple(earlier))


def _point(result: Result, now: datetime) -> Point | None:
    """A result that may be drawn: a plain number in mmol/L, with a time that has come."""
    plain = result.unit.lower() in _MOLAR and not result.comparator and result.status in _DRAWN
    if not plain or result.amount is None or result.at is None or result.at > now:
        return None
    return Point(result.at, result.amount)


def _limits() -> Limits:
    """The numbers that an anonymous caller of the demo is judged by."""
    here = runtime()
    return here.pipeline.knowledge.limits[here.registry().client_for(None, None).profile]


def _groups() -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for key, entry in formulary().items():
        groups.setdefault(entry.group, []).append((key, entry.label))
    return groups


def _story_order(story: Story, now: datetime) -> str:
    """What this story's clinician is about to order, in words; empty where the story only opens a chart."""
    drafts = story.request["context"].get("draftOrders", {}).get("entry", [])
    found = chart_of((entry["resource"] for entry in drafts), now, ()).drafts
    return found[0].name if found else ""


def _story(name: str) -> Story:
    try:
        return kept_stories()[name]
    except KeyError:
        raise NotFound("There is no such patient. All are listed at /.") from None


def _page(template: str, **values: Any) -> Response:
    response = Response(render_template(template, demo=True, **values), mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def _json(value: dict[str, Any]) -> Response:
    return Response(
        encode(value), mimetype="application/json", headers={"Cache-Control": "no-store"}
    )
