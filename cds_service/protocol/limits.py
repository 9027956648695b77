"""Removes from a card what the EHR cannot show, before it is sent.

A card only loses parts, it never gets others. If a limit would change what a suggestion means, the
suggestion is removed, and the advice stays in the text of the card.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

Card = dict[str, Any]

_LINK = re.compile(r"\[([^\]]*)\]\((https?://[^)\s]*)\)")
_BULLET = re.compile(r"^- ", re.MULTILINE)


class CardLimits(Struct, frozen=True, kw_only=True):
    """What a client can show, by its entry in the registry; the default client can show all."""

    accepts_update: bool = True  # else no suggestion that changes an existing order
    one_action_per_suggestion: bool = False  # Epic
    selection_behavior_any_only: bool = False  # Epic
    plain_text_detail: bool = False  # no Markdown
    no_links: bool = False  # `source.url` stays: it is where the card comes from


ALL = CardLimits()


def obey(cards: list[Card], limits: CardLimits) -> list[Card]:
    """Returns the cards as this client can show them."""
    if limits == ALL:
        return cards
    return [_obey(card, limits) for card in cards]


def _obey(card: Card, limits: CardLimits) -> Card:
    suggestions = [s for s in card.get("suggestions", ()) if _takes(s, limits)]
    behavior = card.get("selectionBehavior")
    if limits.selection_behavior_any_only and behavior == "at-most-one":
        # Under `any` a user could take two suggestions that exclude each other, so one is left:
        # what is recommended, else the removal, because the card advises against the order (F11).
        suggestions = sorted(
            suggestions, key=lambda s: (not s.get("isRecommended"), not _removes(s))
        )
        suggestions, behavior = suggestions[:1], "any"
    written = {
        **card,
        "suggestions": suggestions,
        "selectionBehavior": behavior if suggestions else None,
        "detail": _detail(card.get("detail", ""), limits),
        "links": [] if limits.no_links else card.get("links", []),
    }
    return {name: value for name, value in written.items() if value}


def _takes(suggestion: Card, limits: CardLimits) -> bool:
    actions = suggestion["actions"]
    # The actions of a suggestion belong together: the first could remove an order that the second
    # replaces.
    if limits.one_action_per_suggestion and len(actions) > 1:
        return False
    return limits.accepts_update or all(action["type"] != "update" for action in actions)


def _removes(suggestion: Card) -> bool:
    return any(action["type"] == "delete" for action in suggestion["actions"])


def _detail(text: str, limits: CardLimits) -> str:
    if limits.no_links:
        text = _LINK.sub(r"\1", text)
    if limits.plain_text_detail:
        text = _BULLET.sub("• ", _LINK.sub(r"\1 (\2)", text)).replace("**", "")
    return text
