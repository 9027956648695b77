"""Cards in the terminal, as a clinician would read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

_COLORS = {"info": "blue", "warning": "yellow", "critical": "red"}


def print_cards(console: Console, cards: list[dict[str, Any]]) -> None:
    """Each card as a panel; where there is none, that it was looked for."""
    if not cards:
        console.print("  No card: looked, and found nothing to say.", style="green")
    for card in cards:
        console.print(_panel(card))


def _panel(card: Mapping[str, Any]) -> Panel:
    indicator = card["indicator"]
    parts: list[Any] = [
        Text(card["summary"], style="bold"),
        Markdown(card["detail"], hyperlinks=False),
    ]
    for suggestion in card.get("suggestions", []):
        kinds = ", ".join(_action(action) for action in suggestion["actions"])
        parts.append(
            Text(f"[ {suggestion['label']} ]", style="bold cyan").append(f"  {kinds}", style="dim")
        )
    return Panel(
        Group(*parts),
        title=f"{indicator} · {card['source']['topic']['code']}",
        subtitle=card["source"]["label"],
        title_align="left",
        border_style=_COLORS[indicator],
    )


def _action(action: Mapping[str, Any]) -> str:
    resource = action.get("resource", {})
    what = resource.get("resourceType") or action.get("resourceId", "").partition("/")[0]
    coding = resource.get("code", {}).get("coding", [{}])[0]
    return f"{action['type']} {what} {coding.get('code', '')}".strip()
