"""Card details as HTML: GitHub-flavoured Markdown without raw HTML, links of known schemes only."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt

_LINK = re.compile(r"https?://|mailto:|/(?!/)|#", re.IGNORECASE)


@cache
def _renderer() -> MarkdownIt:
    # "js-default" is markdown-it's safe preset with tables and strikethrough; raw HTML stays text.
    renderer = MarkdownIt("js-default", {"html": False, "linkify": False})
    renderer.disable("image")  # nothing is fetched because a card says so
    renderer.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]  # its documented hook
    return renderer


def rendered(text: str) -> str:
    """HTML that holds no script, no image and no element but those of Markdown."""
    html: str = _renderer().render(text)
    return html
