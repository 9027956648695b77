"""`/basis` and `/clinical-decisions`: what every card rests on, for all to read. No patient data."""

from __future__ import annotations

import re
from functools import cache

from flask import Blueprint, render_template, url_for
from markupsafe import Markup, escape

from cds_service.knowledge.basis import in_order, review_rows
from cds_service.knowledge.decisions import anchor, decisions_text, linked
from cds_service.web.runtime import runtime

_HEADING = re.compile(r"<(h[1-6])>(.+?)</h[1-6]>")
_NUMBER = re.compile(r"<code>([a-z0-9]+(?:_[a-z0-9]+)+)</code>")
_TABLE = '<div class="wide" tabindex="0" role="region" aria-label="Table {}"><table>'

blueprint = Blueprint("basis", __name__)


@blueprint.get("/basis")
def basis() -> str:
    """Rules, words, numbers and sources as they are in hooks/."""
    here = runtime()
    knowledge = here.pipeline.knowledge
    return render_template(
        "basis.html",
        knowledge=knowledge,
        services=in_order(knowledge),
        reviews=review_rows(knowledge.reviews),
        profiles=list(knowledge.limits),
        demo=here.settings.mode == "demo",
    )


@blueprint.get("/clinical-decisions")
def decisions() -> str:
    """What each clinical code stands for; the name of a number leads to its value on `/basis`."""
    here = runtime()
    known = here.pipeline.knowledge.thresholds
    basis_page = url_for("basis.basis")

    def told(found: re.Match[str]) -> str:
        link = f'<a href="{basis_page}#number-{found[1]}">{found[0]}</a>'
        return link if found[1] in known else found[0]

    page = Markup(_NUMBER.sub(told, _page()))  # noqa: S704  # our own document, without raw HTML
    return render_template("decisions.html", page=page, demo=here.settings.mode == "demo")


@blueprint.app_template_filter("decided")
def decided(where: str) -> Markup:
    """The place in a source, with a link from each of our codes to its entry."""
    page = url_for("basis.decisions")
    text = linked(str(escape(where)), lambda code, name: f'<a href="{page}#{name}">{code}</a>')
    return Markup(text)  # noqa: S704  # escaped before the links were set


@cache
def _page() -> str:
    """The document as HTML, with GitHub's anchors."""
    from cds_service.web.markdown import rendered  # a start does without it

    html = _HEADING.sub(_anchored, rendered(decisions_text()))
    first, *tables = html.split("<table>")
    framed = (_TABLE.format(number) + table for number, table in enumerate(tables, 1))
    return (first + "".join(framed)).replace("</table>", "</table></div>")


def _anchored(heading: re.Match[str]) -> str:
    tag, text = heading.groups()
    name = re.sub(r"[^\w-]", "", anchor(text))
    return f'<{tag} id="{name}">{text}</{tag}>'
