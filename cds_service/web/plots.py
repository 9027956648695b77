"""The plots of a view for a page: a drawing for each stretch of time and shape, with its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cds_service.chart.draw import (
    NARROW,
    WIDE,
    draw,
    name_of,
    room_words,
    rows_of,
    status_of,
    time_of,
)
from cds_service.chart.view import Event, View, spans
from cds_service.engine.cards import Phrases
from cds_service.engine.finding import Fact
from cds_service.engine.wording import number, room_left, when

_USUAL_SPAN, _DAY, _ALL = "span_7", "span_1", "span_all"


def plotted(view: View, phrases: Phrases, drafts: Sequence[str] = ()) -> dict[str, Any]:
    """Returns what plot.html and the pages around it show; `drafts` are names of draft orders."""
    events = [_in_words(event, phrases) for event in view.events]
    rows = rows_of(view, events, phrases, drafts)
    limit = view.limit
    return {
        "view": view,
        "plots": {
            name: tuple([draw(view, span, shape, rows, phrases) for shape in (WIDE, NARROW)])
            for name, span in spans(view).items()
        },
        "chosen": _chosen(view),
        "goal": _goal(view, phrases),
        "left": _left(view, phrases),
        "room": _room(view, phrases),
        "room_kind": _room_kind(view),
        "say": phrases.plot,
        "said": phrases.said,
        "bars": [(bar, name_of(bar, phrases), time_of(bar, view, phrases)) for bar in view.bars],
        "status_of": lambda point: status_of(point, phrases),
        "limit": phrases.fill(phrases.words.lines[limit.key], limit.facts) if limit else "",
        "events": [
            (event.words, phrases.said(when(event.at, view.now, view.zone, False)))
            for event in events
        ],
        "event_kinds": {event.kind for event in events},
        "drafted": bool(drafts),
    }


def _chosen(view: View) -> str:
    """Returns the day if the rise of these 24 h matters, else the shortest that shows a value."""
    latest, known = view.latest, spans(view)
    for name in (_DAY, _USUAL_SPAN) if view.corrected_now else (_USUAL_SPAN,):
        length = known[name]
        if latest is None or length is None or view.now - latest.at <= length:
            return name
    return _ALL


def _goal(view: View, phrases: Phrases) -> str:
    """Returns the goal of these 24 h, "" if sodium is not to rise at all."""
    corridor = view.corridor
    if corridor is None or corridor.goal <= corridor.base:
        return ""
    return phrases.plot("goal", low=number(corridor.base), high=number(corridor.goal))


def _left(view: View, phrases: Phrases) -> str:
    """Returns how much room the plot shows, "" if it shows none."""
    corridor = view.corridor
    over = corridor is None or corridor.until <= view.now
    return "" if over else room_words(corridor, phrases)


def _room_kind(view: View) -> str:
    """Returns how the room is shown: "left" and "none" differ at a glance."""
    if view.no_limit:
        return "free"
    corridor = view.corridor
    open_ = corridor is not None and corridor.until > view.now and corridor.left is not None
    return "left" if open_ else "none"


def _room(view: View, phrases: Phrases) -> str:
    """Returns how far sodium may still rise, also if that is nothing: a gap would mislead."""
    corridor, card = view.corridor, phrases.words.card
    if view.no_limit:
        return phrases.plot(f"no_limit_{view.no_limit}")
    if corridor is None or corridor.until <= view.now:
        return card.no_room_now if view.no_rise else ""
    facts: dict[str, Fact] = {"until": corridor.until_words, "ceiling": corridor.limit_words}
    if corridor.over:
        return phrases.fill(card.no_room_over, {**facts, "over": number(corridor.over)})
    if corridor.left is None:
        return phrases.fill(card.no_room, facts)
    return phrases.fill(card.room, {**facts, "left": room_left(corridor.left)})


def _in_words(event: Event, phrases: Phrases) -> Event:
    """Returns the event with its words as a card writes them."""
    if event.kind == "rise":
        return Event(event.at, phrases.plot(event.words, **event.facts), event.kind)
    return Event(event.at, phrases.fill("$words", {"words": event.words}), event.kind)
