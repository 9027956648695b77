"""The clinical basis for people: an index with search, a page a rule, numbers, words, sources.

None of these pages holds patient data: the cards on them are those of the stories in fixtures/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from markupsafe import Markup, escape
from msgspec import Struct

from cds_service.errors import NotFound
from cds_service.knowledge.basis import (
    anchor,
    decisions_text,
    evidence_counts,
    evidence_sentence,
    in_order,
    linked,
    review_rows,
)
from cds_service.knowledge.examples import RuleExample, examples
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.regulatory import load_regulatory
from cds_service.knowledge.regulatory_text import File
from cds_service.knowledge.regulatory_text import source_attributes as attributes_of
from cds_service.knowledge.words import RuleWords
from cds_service.protocol.wire import encode
from cds_service.telemetry import release
from cds_service.web.pages import rendered
from cds_service.web.runtime import runtime

_HEADING = re.compile(r"<(h[1-6])>(.+?)</h[1-6]>")
_NUMBER = re.compile(r"<code>([a-z0-9]+(?:_[a-z0-9]+)+)</code>")
_TABLE = '<div class="wide" tabindex="0" role="region" aria-label="Table {}"><table>'
NUMBERS = "knowledge/thresholds.toml"
_LONGEST_QUERY = 80  # characters of a search
_OFTEN = 4  # a number that more than a quarter of the rules read is named, and not shown in full
# As every page, and a search form to this server and one script of ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)

basis_page = Blueprint("basis", __name__)


class Found(Struct, frozen=True):
    """One line of the answer to a search."""

    kind: str  # "Rule", "Number", "Drug", "Line", "Source"
    name: str
    text: str
    address: str  # "" if it has no page


@basis_page.get("/basis")
def basis() -> Response:
    """Lists the rules by moment, the evidence of the numbers, and what a search finds."""
    knowledge = _knowledge()
    query = request.args.get("q", "")[:_LONGEST_QUERY].strip()
    return _page(
        "basis.html",
        services=in_order(knowledge),
        evidence=evidence_sentence(knowledge),
        counts=evidence_counts(knowledge),
        reviews=review_rows(knowledge.reviews),
        query=query,
        found=list(_found(knowledge, query)) if query else None,
    )


@basis_page.get("/basis/<rule>")
def rule_page(rule: str) -> Response:
    """Shows one rule: its card, its numbers, its stories, and who signed it."""
    knowledge = _knowledge()
    if rule not in knowledge.rules:
        raise NotFound("There is no such rule. All are listed at /basis.")
    names = list(knowledge.rules)
    place, words = names.index(rule), knowledge.rules[rule]
    shown = examples()
    example = shown.rules.get(rule)
    own, shared = _numbers_of(knowledge, example, shown.rules)
    file = next(name for name, rules in knowledge.rule_files.items() if rule in rules.rules)
    return _page(
        "basis-rule.html",
        rule=rule,
        words=words,
        example=example,
        detail=Markup(rendered(example.detail)) if example else "",  # noqa: S704  # raw HTML is off
        same=shown.knowledge == knowledge.sha256,
        own=own,
        shared=shared,
        moments=_moments(knowledge, rule),
        signed=[row for row in review_rows(knowledge.reviews) if row[0] in (file, NUMBERS)],
        before=names[place - 1] if place else "",
        after=names[place + 1] if place + 1 < len(names) else "",
    )


@basis_page.get("/basis/numbers")
def numbers() -> Response:
    """Shows every number, or those of one evidence class."""
    knowledge = _knowledge()
    wanted = request.args.get("evidence", "")
    if wanted not in knowledge.words.evidence_flags:
        wanted = ""
    return _page(
        "basis-numbers.html",
        numbers={n: t for n, t in knowledge.thresholds.items() if _has(t, wanted)},
        profiles=list(knowledge.limits),
        counts=evidence_counts(knowledge),
        wanted=wanted,
    )


@basis_page.get("/basis/words")
def words_page() -> Response:
    """Shows the lines that several cards share, and the buttons."""
    return _page("basis-words.html")


@basis_page.get("/basis/sources")
def sources() -> Response:
    """Shows the guidelines, labels and papers."""
    return _page("basis-sources.html")


@basis_page.get("/source-attributes.json")
def source_attributes() -> Response:
    """Returns the source attributes of ONC HTI-1 for each rule, for EHRs that show them."""
    found = _source_attributes(runtime().settings.hooks_dir, _knowledge().sha256)
    return Response(found, mimetype="application/json")


@cache
def _source_attributes(hooks: Path, _sha256: str) -> bytes:
    """Returns the document; it is the same for as long as hooks/ is."""
    knowledge = _knowledge()
    read = load_regulatory(hooks, knowledge)
    file = File(knowledge=knowledge, regulatory=read, examples=examples())
    return encode(attributes_of(file, release()))


def _knowledge() -> Knowledge:
    return runtime().pipeline.knowledge


def _page(template: str, **values: Any) -> Response:
    demo = runtime().settings.mode == "demo"
    page = render_template(template, knowledge=_knowledge(), demo=demo, **values)
    response = Response(page, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _has(threshold: Any, evidence: str) -> bool:
    if not evidence:
        return True
    return any(one.evidence == evidence for one in (threshold, *threshold.profiles.values()))


def _moments(knowledge: Knowledge, rule: str) -> list[str]:
    return [service.hook for service in knowledge.services.values() if rule in service.rules]


def _numbers_of(
    knowledge: Knowledge, example: RuleExample | None, every: Mapping[str, RuleExample]
) -> tuple[list[str], list[str]]:
    """Returns the numbers that a rule read in its stories: its own, and those of most rules."""
    read = [name for name in (example.numbers if example else ()) if name in knowledge.thresholds]
    few = len(every) / _OFTEN
    readers = {name: sum(name in one.numbers for one in every.values()) for name in read}
    own = [name for name in read if readers[name] <= few]
    return own, [name for name in read if readers[name] > few]


# ---- search


Entry = tuple[Found, tuple[str, ...]]  # what is shown, and the texts in which a search looks


def _found(knowledge: Knowledge, query: str) -> Iterator[Found]:
    """Yields what holds every word of the query, the rules first."""
    wanted = query.casefold().split()
    parts = (_rules, _numbers, _drugs, _lines, _sources)
    for found, texts in (entry for entries_of in parts for entry in entries_of(knowledge)):
        whole = " ".join((found.name, found.text, *texts)).casefold()
        if all(word in whole for word in wanted):
            yield found


def _rules(knowledge: Knowledge) -> Iterator[Entry]:
    for rule, words in knowledge.rules.items():
        address = url_for("basis.rule_page", rule=rule)
        found = Found("Rule", rule, knowledge.topics[words.topic], address)
        yield found, (words.topic, *_texts(words))


def _numbers(knowledge: Knowledge) -> Iterator[Entry]:
    page = url_for("basis.numbers")
    for name, number in knowledge.thresholds.items():
        told = f"{number.value} {number.unit}: {number.why}"
        yield Found("Number", name, told, f"{page}#number-{name}"), (number.where,)


def _drugs(knowledge: Knowledge) -> Iterator[Entry]:
    for name, drug in knowledge.terms.drugs.items():
        cls = knowledge.words.drug_classes[drug.cls]
        yield Found("Drug", name, f"{cls}, tier {drug.tier}", ""), (*drug.names, *drug.brands)


def _lines(knowledge: Knowledge) -> Iterator[Entry]:
    page = url_for("basis.words_page")
    for text in knowledge.words.lines.values():
        yield Found("Line", "", text, page), ()


def _sources(knowledge: Knowledge) -> Iterator[Entry]:
    page = url_for("basis.sources")
    for key, source in knowledge.citations.items():
        found = Found("Source", source.short, source.title, f"{page}#{key}")
        yield found, (source.author, source.note)


def _texts(words: RuleWords) -> Iterable[str]:
    return (words.when, *words.summary.values(), *words.lines.values(), *words.silence.values())


# ---- what each clinical code means


@basis_page.get("/clinical-decisions")
def decisions() -> str:
    """Explains each clinical code; the name of a number leads to its value on `/basis/numbers`."""
    here = runtime()
    known = here.pipeline.knowledge.thresholds
    address = url_for("basis.numbers")

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
