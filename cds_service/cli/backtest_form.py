"""The form for chart review: one HTML file about real patients; it loads and sends nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from msgspec import Struct

from cds_service.backtest.reviewed import AGREEMENTS, FORMAT, USES
from cds_service.backtest.sample import Chart, Drawing, moment_words
from cds_service.cli.replay import evaluate
from cds_service.errors import ServiceError
from cds_service.feedback.plots import Measured, course
from cds_service.knowledge.load import Knowledge
from cds_service.pipeline import Pipeline
from cds_service.trust.client import Client
from cds_service.web.pages import rendered

_BASIS = re.compile(r"\n+\[Basis of this card\].*\Z", re.DOTALL)
_SHOWN_VALUES = 12


class Item(Struct, frozen=True, kw_only=True):
    """One card as the form shows it."""

    id: str
    rule: str
    topic: str
    indicator: str
    when: str
    patient_id: str
    setting: str
    age: str
    card: Mapping[str, Any] | None  # None: it cannot be written again from the record
    detail: Markup
    before: Markup
    values: str
    after: str


def form_page(drawing: Drawing, charts: Sequence[Chart], pipeline: Pipeline) -> str:
    """Returns the whole form."""
    items = [_item(chart, drawing.profile, pipeline) for chart in charts]
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    return templates.get_template("backtest_form.html").render(
        items=items,
        profile=drawing.profile,
        agreements=AGREEMENTS,
        uses=USES,
        data={
            "format": FORMAT,
            "sample": drawing.sample,
            "cards": [item.id for item in items],
        },
    )


def _item(chart: Chart, profile: str, pipeline: Pipeline) -> Item:
    drawn, knowledge = chart.drawn, pipeline.knowledge
    card = _card(chart, profile, pipeline)
    detail = _BASIS.sub("", str(card.get("detail", ""))) if card is not None else ""
    return Item(
        id=drawn.id,
        rule=drawn.rule,
        topic=_topic(drawn.rule, knowledge),
        indicator=drawn.indicator,
        when=moment_words(drawn.row.at),
        patient_id=chart.patient_id,
        setting=drawn.row.setting,
        age=drawn.row.age_band,
        card=card,
        detail=Markup(rendered(detail)),  # noqa: S704  # raw HTML is off in our own renderer
        before=course("Sodium before this moment", chart.before, drawn.row.at),
        values=_values(chart.before[-_SHOWN_VALUES:]),
        after=_values(chart.after[:_SHOWN_VALUES]),
    )


def _topic(rule: str, knowledge: Knowledge) -> str:
    words = knowledge.rules.get(rule)
    return knowledge.topics[words.topic] if words is not None else rule


def _card(chart: Chart, profile: str, pipeline: Pipeline) -> Mapping[str, Any] | None:
    """Returns the card as the clinician would have seen it, from the record as it then was."""
    row = chart.drawn.row
    service = next(s for s in pipeline.knowledge.services.values() if s.hook == row.hook)
    for call in chart.calls:
        try:
            found = evaluate(pipeline, service.id, call, row.at, Client(profile=profile))
        except ServiceError:
            continue
        for finding, card in zip(found.returned, found.cards, strict=True):
            if finding.rule == chart.drawn.rule:
                return card
    return None


def _values(measured: Sequence[Measured]) -> str:
    """Returns values with their times, as in "139 (1 Nov 08:00) · 124 (2 Nov 07:30)"."""
    return " · ".join(f"{one.shown} ({one.at:%-d %b %H:%M})" for one in measured)
