"""The pages for people, without patient data: the one at `/`, and Markdown as HTML."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from flask import Blueprint, current_app, render_template

from cds_service.web.runtime import runtime

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_LINK = re.compile(r"https?://|mailto:|/(?!/)|#", re.IGNORECASE)

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
        workbench="workbench.workbench" in current_app.view_functions,
    )


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
    # markdown-it documents this hook.
    renderer.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]
    return renderer
