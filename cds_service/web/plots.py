"""The plots of a view for a page: a drawing for each stretch of time and shape, with its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cds_service.chart.draw import NARROW, WIDE, draw, rows_of
from cds_service.chart.view import Event, View, spans
from cds_service.engine.cards import Phrases
from cds_service.engine.finding import Fact
from cds_service.engine.wording import number, when

_DEFAULT_SPAN = "7 days"


def plotted(view: View, phrases: Phrases, drafts: Sequence[str] = ()) -> dict[str, Any]:
    """Returns what plot.html and the pages around it show; `drafts` are names of draft orders."""
    events = [_in_words(event, phrases) for event in view.events]
    rows = rows_of(view, events, drafts)
    corridor = view.corridor
    limit = view.limit
    return {
        "view": view,
        "plots": {
            name: (draw(view, span, WIDE, rows), draw(view, span, NARROW, rows))
            for name, span in spans(view).items()
        },
        "chosen": _chosen(view),
        "goal": f"{number(corridor.base)} to {number(corridor.goal)}" if corridor else "",
        "room": _room(view, phrases),
        "limit": phrases.fill(phrases.words.lines[limit.key], limit.facts) if limit else "",
        "events": [(event.words, when(event.at, view.now, view.zone, False)) for event in events],
        "drafted": bool(drafts),
    }


def _chosen(view: View) -> str:
    """Returns the shortest usual stretch that holds the newest value, and all of them otherwise."""
    latest = view.latest
    if latest is None or view.now - latest.at <= (
        spans(view)[_DEFAULT_SPAN] or view.now - latest.at
    ):
        return _DEFAULT_SPAN
    return "all"


def _room(view: View, phrases: Phrases) -> str:
    """Returns how far sodium may still rise, also if that is nothing: a gap would mislead."""
    corridor, card = view.corridor, phrases.words.card
    if corridor is None:
        return ""
    facts: dict[str, Fact] = {"until": corridor.until_words, "ceiling": number(corridor.limit)}
    if corridor.left is not None:
        return phrases.fill(card.room, {**facts, "left": number(corridor.left)})
    return phrases.fill(card.no_room, facts) if corridor.until > view.now else ""


def _in_words(event: Event, phrases: Phrases) -> Event:
    """Returns the event with its words as a card writes them."""
    return Event(event.at, phrases.fill("$words", {"words": event.words}), event.kind)
