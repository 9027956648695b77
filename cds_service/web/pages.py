"""The pages for people, without patient data: `/basis`, `/clinical-decisions` and `/`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from flask import Blueprint, render_template, url_for
from markupsafe import Markup, escape

from cds_service.knowledge.basis import (
    anchor,
    decisions_text,
    evidence_sentence,
    in_order,
    linked,
    review_rows,
)
from cds_service.web.runtime import runtime

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_HEADING = re.compile(r"<(h[1-6])>(.+?)</h[1-6]>")
_NUMBER = re.compile(r"<code>([a-z0-9]+(?:_[a-z0-9]+)+)</code>")
_LINK = re.compile(r"https?://|mailto:|/(?!/)|#", re.IGNORECASE)
_TABLE = '<div class="wide" tabindex="0" role="region" aria-label="Table {}"><table>'

basis_page = Blueprint("basis", __name__)
start_page = Blueprint("start", __name__)


@start_page.get("/")
def start() -> str:
    """Says what this service is, to a person who opens its address in a browser."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    return render_template(
        "start.html",
        base=here.settings.base_url,
        services=knowledge.services.values(),
        reviewed=knowledge.reviews.complete,
        demo=here.settings.mode == "demo",
    )


@basis_page.get("/basis")
def basis() -> str:
    """Shows rules, words, numbers and sources as they are in hooks/."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    return render_template(
        "basis.html",
        knowledge=knowledge,
        services=in_order(knowledge),
        reviews=review_rows(knowledge.reviews),
        profiles=list(knowledge.limits),
        evidence=evidence_sentence(knowledge),
        demo=here.settings.mode == "demo",
    )


@basis_page.get("/clinical-decisions")
def decisions() -> str:
    """Explains each clinical code; the name of a number leads to its value on `/basis`."""
    here = runtime()
    known = here.pipeline.knowledge.thresholds
    address = url_for("basis.basis")

    def with_link(number: re.Match[str]) -> str:
        if number[1] not in known:
            return number[0]
        return f'<a href="{address}#number-{number[1]}">{number[0]}</a>'

    page = Markup(_NUMBER.sub(with_link, _decisions()))  # noqa: S704  # our own text, no raw HTML
    return render_template("decisions.html", page=page, demo=here.settings.mode == "demo")


@basis_page.app_template_filter("decided")
def decided(where: str) -> Markup:
    """Returns the place in a source, with a link from each of our codes to its entry."""
    page = url_for("basis.decisions")
    text = linked(str(escape(where)), lambda code, name: f'<a href="{page}#{name}">{code}</a>')
    return Markup(text)  # noqa: S704  # escaped before the links were set


@cache
def _decisions() -> str:
    """Returns docs/clinical-decisions.md as HTML, with GitHub's anchors."""
    html = _HEADING.sub(_with_anchor, rendered(decisions_text()))
    first, *tables = html.split("<table>")
    framed = (_TABLE.format(number) + table for number, table in enumerate(tables, 1))
    return (first + "".join(framed)).replace("</table>", "</table></div>")


def _with_anchor(heading: re.Match[str]) -> str:
    tag, text = heading.groups()
    name = re.sub(r"[^\w-]", "", anchor(text))
    return f'<{tag} id="{name}">{text}</{tag}>'


def rendered(text: str) -> str:
    """Returns GitHub-flavoured Markdown as HTML, without raw HTML, script or image."""
    html: str = _renderer().render(text)
    return html


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt  # a start does without it

    # "js-default" is markdown-it's safe preset with tables and strikethrough; raw HTML stays text.
    renderer = MarkdownIt("js-default", {"html": False, "linkify": False})
    renderer.disable("image")  # a card must not make a browser fetch anything
    renderer.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]  # its documented hook
    return renderer
