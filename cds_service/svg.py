"""SVG elements as safe markup: words are escaped, colors and fonts come from the page's styles."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def drawing(style: str, title: str, width: float, height: float, parts: Iterable[Markup]) -> Markup:
    """Returns a whole drawing; `title` is read to those who cannot see it."""
    return Markup(
        '<svg class="{}" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}" focusable="false">'
        "{}</svg>"
    ).format(style, width, height, title, Markup("").join(parts))


def tooltip(words: str) -> Markup:
    """Returns what a browser shows if the pointer rests on the element that holds it."""
    return Markup("<title>{}</title>").format(words)


def line(style: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    """Returns a straight line."""
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        style, x1, y1, x2, y2
    )


def polyline(style: str, points: Iterable[tuple[float, float]]) -> Markup:
    """Returns a line through all these points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return Markup('<polyline class="{}" points="{}"/>').format(style, path)


def rect(style: str, x: float, y: float, width: float, height: float, words: str = "") -> Markup:
    """Returns a rectangle from its upper left corner, with a tooltip if there are words for it."""
    return Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">{}</rect>'
    ).format(style, x, y, width, height, tooltip(words) if words else "")


def dot(style: str, x: float, y: float, radius: float, words: str) -> Markup:
    """Returns a dot with a tooltip."""
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:g}">{}</circle>').format(
        style, x, y, radius, tooltip(words)
    )


def text(style: str, x: float, y: float, words: str) -> Markup:
    """Returns words at a place; the style says to which side of it they extend."""
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
        style, x, y, escape(words)
    )
