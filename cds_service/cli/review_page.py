"""The page for a clinical reviewer: one HTML file, which loads nothing from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from msgspec import Struct

from cds_service.cli.review_examples import BASIS_LINE, Example
from cds_service.knowledge.answers import FORMAT, Item, Saved, is_stale, items_of
from cds_service.knowledge.basis import review_rows
from cds_service.knowledge.limits import Cited, Threshold
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.review import text_sha256
from cds_service.knowledge.words import Citation, RuleWords
from cds_service.web.pages import rendered

_OFTEN = 4  # a number that more than a quarter of the rules read is shown once, below


class Number(Struct, frozen=True, kw_only=True):
    """One number as the page shows it."""

    item: Item
    name: str
    unit: str
    values: tuple[tuple[str, str, str, str, str, str], ...]
    rules: tuple[str, ...]  # that read it in their example


class Rule(Struct, frozen=True, kw_only=True):
    """One rule as the page shows it."""

    item: Item
    name: str
    words: RuleWords
    topic: str
    sources: tuple[tuple[str, str], ...]  # words and link
    own: tuple[Number, ...]  # numbers that few other rules read
    shared: tuple[str, ...]
    example: Example | None
    detail: Markup


class Part(Struct, frozen=True, kw_only=True):
    """The rules of one file."""

    file: str
    title: str
    rules: tuple[Rule, ...]


def review_page(
    knowledge: Knowledge,
    texts: Mapping[str, str],
    examples: Mapping[str, Example],
    saved: Saved | None,
) -> str:
    """Returns the page, with the answers that were saved before where nothing has changed."""
    items = items_of(knowledge, texts)
    by_id = {item.id: item for item in items}
    readers = _readers(examples)
    numbers = {
        name: _number(knowledge, by_id[f"number {name}"], threshold, readers.get(name, ()))
        for name, threshold in knowledge.thresholds.items()
    }
    titles = {
        "chart.toml": "Opening a chart",
        "orders.toml": "Selecting an order",
        "discharge.toml": "Going home",
    }
    parts = [
        Part(
            file=file,
            title=titles.get(file, file),
            rules=tuple(
                _rule(knowledge, by_id[f"rule {rule}"], words, examples.get(rule), numbers)
                for rule, words in rules.rules.items()
            ),
        )
        for file, rules in knowledge.rule_files.items()
    ]
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True
    )
    return templates.get_template("review.html").render(
        parts=parts,
        numbers=list(numbers.values()),
        files=[(item, texts[item.file]) for item in items if item.id.startswith("file ")],
        state=review_rows(knowledge.reviews),
        flags=knowledge.words.evidence_flags,
        counts=Counter(one.evidence for one in knowledge.thresholds.values()),
        data=_data(knowledge, texts, items, saved),
        knowledge=knowledge.sha256,
        earlier=saved,
        changed=_changed(items, saved),
    )


def _data(
    knowledge: Knowledge,
    texts: Mapping[str, str],
    items: tuple[Item, ...],
    saved: Saved | None,
) -> dict[str, Any]:
    """Returns what the page's script needs, with earlier answers to what has not changed."""
    answers = saved.answer if saved is not None else {}
    kept = {}
    for item in items:
        answer = answers.get(item.id)
        if answer is not None:
            same = not is_stale(item, answer)
            kept[item.id] = {"agreed": answer.agreed and same, "comment": answer.comment}
    files = sorted({item.file for item in items})
    return {
        "format": FORMAT,
        "knowledge": knowledge.sha256,
        "files": {file: text_sha256(texts[file]) for file in files},
        "items": {item.id: item.sha256 for item in items},
        "answers": kept,
        "name": saved.name if saved is not None else "",
        "role": saved.role if saved is not None else "",
    }


def _changed(items: tuple[Item, ...], saved: Saved | None) -> list[str]:
    """Returns the items that were answered and have changed or are gone."""
    if saved is None:
        return []
    known = {item.id: item.sha256 for item in items}
    return [name for name, answer in saved.answer.items() if known.get(name) != answer.sha256]


def _readers(examples: Mapping[str, Example]) -> dict[str, tuple[str, ...]]:
    readers: dict[str, tuple[str, ...]] = {}
    for rule, example in examples.items():
        for name in example.numbers:
            readers[name] = (*readers.get(name, ()), rule)
    return readers


def _number(
    knowledge: Knowledge, item: Item, threshold: Threshold, rules: tuple[str, ...]
) -> Number:
    cited: list[tuple[str, Cited]] = [
        (profile, threshold.cited_under(profile)) for profile in knowledge.limits
    ]
    same = all(one is cited[0][1] for _, one in cited)
    rows = [("all", cited[0][1])] if same else cited
    return Number(
        item=item,
        name=item.title,
        unit=threshold.unit,
        values=tuple(_row(profile, one, knowledge) for profile, one in rows),
        rules=rules,
    )


def _row(profile: str, one: Cited, knowledge: Knowledge) -> tuple[str, str, str, str, str, str]:
    source = knowledge.citations[one.source]
    where = f"{source.short}, {one.where}"
    return profile, f"{one.value:f}", one.evidence, one.why, where, source.url or ""


def _source(one: Citation) -> str:
    year = "" if str(one.year) in one.short else f", {one.year}"
    return f"{one.short}{year}: {one.title}"


def _rule(
    knowledge: Knowledge,
    item: Item,
    words: RuleWords,
    example: Example | None,
    numbers: Mapping[str, Number],
) -> Rule:
    read = sorted(example.numbers & set(numbers)) if example is not None else []
    few = len(knowledge.rules) / _OFTEN
    cited = [knowledge.citations[key] for key in words.sources]
    detail = BASIS_LINE.sub("", str(example.card["detail"])) if example is not None else ""
    return Rule(
        item=item,
        name=item.title.partition(":")[0],
        words=words,
        topic=knowledge.topics[words.topic],
        sources=tuple((_source(one), one.url or "") for one in cited),
        own=tuple(numbers[name] for name in read if len(numbers[name].rules) <= few),
        shared=tuple(name for name in read if len(numbers[name].rules) > few),
        example=example,
        detail=Markup(rendered(detail)),  # noqa: S704  # raw HTML is off in our own renderer
    )
