"""The clinical basis as one Markdown text: the rules, words, numbers and sources of hooks/."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from cds_service.knowledge.limits import Cited
from cds_service.knowledge.load import Knowledge, Service
from cds_service.knowledge.review import Reviews
from cds_service.knowledge.words import Citation, RuleWords

_NAME = re.compile(r"\$(\w+)")
_HEAD = """# Clinical basis

Generated from `hooks/` by `cds-service basis --write`; a test keeps it current. Do not edit it
here: change the files in `hooks/` (see `hooks/README.md`). The running service shows the same at
`/basis`. What a code such as M9 or B.0.7 stands for: [clinical decisions](clinical-decisions.md).

Decision support only: check against current guidance and your clinical judgment. A `$name` stands
for what a card fills in from the record.
"""


def basis_text(knowledge: Knowledge) -> str:
    """Returns the whole document; the same knowledge always gives the same text."""
    parts = [_HEAD, f"{evidence_sentence(knowledge)}\n", _contents(knowledge)]
    parts += [_contested(knowledge), _reviews(knowledge.reviews), _flags(knowledge)]
    parts += [part for service in in_order(knowledge) for part in _service(service, knowledge)]
    parts += [
        f"## Lines that several cards share\n\n{_list(knowledge.words.lines)}",
        _suggestions(knowledge),
        _numbers(knowledge),
        _citations(knowledge),
    ]
    return "\n".join(parts)


def in_order(knowledge: Knowledge) -> list[Service]:
    """Returns the services in their order; each rule is shown with the first that asks it."""
    services = []
    shown: set[str] = set()
    for service in knowledge.services.values():
        rules = {rule: words for rule, words in service.rules.items() if rule not in shown}
        services.append(replace(service, rules=rules))
        shown.update(rules)
    return services


def review_rows(reviews: Reviews) -> list[tuple[str, str]]:
    """Returns every file of hooks/ with the state of its signature, in words."""
    states = {
        name: f"signed by {r.name}, {r.role}, {r.date:%Y-%m-%d}"
        for name, r in reviews.signed.items()
    }
    states |= dict.fromkeys(reviews.changed, "not clinically reviewed: changed since it was signed")
    states |= dict.fromkeys(reviews.unsigned, "not clinically reviewed")
    return sorted(states.items())


def _contents(knowledge: Knowledge) -> str:
    titles = [
        "What is contested",
        "Review",
        "Evidence flags",
        *(service.title for service in in_order(knowledge)),
    ]
    titles += ["Lines that several cards share", "Suggestions", "Numbers", "Sources"]
    return "\n".join(f"- [{title}](#{_anchor(title)})" for title in titles) + "\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _reviews(reviews: Reviews) -> str:
    rows = [(f"`{name}`", state) for name, state in review_rows(reviews)]
    return f"## Review\n\n{_table(('File', 'State'), rows)}"


def evidence_counts(knowledge: Knowledge) -> Mapping[str, int]:
    """Returns how many numbers have each evidence flag; a profile's own number counts too."""
    numbers = [n for t in knowledge.thresholds.values() for n in (t, *t.profiles.values())]
    found = Counter(number.evidence for number in numbers)
    return {flag: found[flag] for flag in knowledge.words.evidence_flags}


def evidence_sentence(knowledge: Knowledge) -> str:
    """Returns on what the numbers rest, as the first thing that a reader should know."""
    counts = evidence_counts(knowledge)
    told = ", ".join(f"{number} {flag}" for flag, number in counts.items())
    return f"Of {sum(counts.values())} numbers, by evidence: {told}."


def _contested(knowledge: Knowledge) -> str:
    rows = [
        f"- {one.text} {'; '.join(_cited(knowledge.citations[key]) for key in one.sources)}.\n"
        for one in knowledge.words.contested.values()
    ]
    return f"## What is contested\n\n{''.join(rows)}"


def _flags(knowledge: Knowledge) -> str:
    flags = knowledge.words.evidence_flags.items()
    return f"## Evidence flags\n\n{_table(('Flag', 'Meaning'), flags)}"


def _service(service: Service, knowledge: Knowledge) -> Iterator[str]:
    yield f"## {service.title}\n\n{service.description}\n\n{service.usage_requirements}\n"
    for rule, words in service.rules.items():
        yield _rule(rule, words, knowledge)


def _rule(rule: str, words: RuleWords, knowledge: Knowledge) -> str:
    """Returns one rule: when, the card's words, why it stays silent, and what it rests on."""
    indicators = ", ".join(words.indicators)
    parts = [
        f"### {rule}: {knowledge.topics[words.topic]}\n",
        f"**When.** {words.when}\n",
        f"**Card** ({indicators}; topic `{words.topic}`).\n\n{_list(words.summary)}",
        f"**Lines of its own.**\n\n{_list(words.lines)}" if words.lines else "",
        f"**No card, because.**\n\n{_list(words.silence)}" if words.silence else "",
        f"**Source.** {'; '.join(_cited(knowledge.citations[key]) for key in words.sources)}. "
        f"Evidence: {words.evidence}.\n",
    ]
    return "\n".join(part for part in parts if part)


def _cited(citation: Citation) -> str:
    short = (
        citation.short
        if str(citation.year) in citation.short
        else f"{citation.short}, {citation.year}"
    )
    return f"[{short}]({citation.url})" if citation.url else short


def _suggestions(knowledge: Knowledge) -> str:
    rows = [
        (_told(words.label), _told(words.description))
        for words in knowledge.words.suggestions.values()
    ]
    return f"## Suggestions\n\n{_table(('Button', 'Text of the order'), rows)}"


def _numbers(knowledge: Knowledge) -> str:
    profiles = tuple(knowledge.limits)
    rows = []
    for name, threshold in knowledge.thresholds.items():
        values = [f"{threshold.under(profile):f}" for profile in profiles]
        rows.append((f"`{name}`", *values, threshold.unit, *_source(threshold, knowledge)))
        for own, cited in threshold.profiles.items():
            values = [f"{cited.value:f}" if profile == own else "" for profile in profiles]
            rows.append((f"`{name}` ({own})", *values, "", *_source(cited, knowledge)))
    head = ("Name", *profiles, "Unit", "Why", "Source", "Evidence")
    about = "One column for each profile. A profile's own number has its source in the row below."
    return f"## Numbers\n\n{about}\n\n{_table(head, rows)}"


def _source(number: Cited, knowledge: Knowledge) -> tuple[str, str, str]:
    where = f"{knowledge.citations[number.source].short}, {linked(number.where, _decided)}"
    return number.why, where, number.evidence


def _decided(code: str, anchor: str) -> str:
    return f"[{code}]({NAME}.md#{anchor})"


def _citations(knowledge: Knowledge) -> str:
    rows = [
        (
            c.short,
            c.author,
            str(c.year),
            f"[{c.title}]({c.url})" if c.url else c.title,
            c.publisher,
            c.note,
        )
        for c in knowledge.citations.values()
    ]
    return (
        f"## Sources\n\n{_table(('Short', 'Author', 'Year', 'Title', 'Publisher', 'Note'), rows)}"
    )


def _list(texts: Mapping[str, str]) -> str:
    return "".join(f"- {_told(text)}\n" for text in texts.values())


def _told(text: str) -> str:
    return _NAME.sub(r"`$\1`", text)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines
    )


# ---- docs/clinical-decisions.md: what each clinical code such as "M9" or "B.0.7" means


NAME = "clinical-decisions"
# "B.0.7", "B.5 rule 6", "M9", "M10 c", "S15", "N4", "S1-6", "MON": never a part of a longer word
# or number, and no code of ICD-10 ("S06.6X0A", "N17.9").
CODE = re.compile(
    r"(?<![\w.#*-])(?:"
    r"B\.5 rule [1-9]|B scope|[A-E]\.[0-9]+(?:\.[0-9]+)*"
    r"|S[12]-[1-9][0-9]?|M10 [a-f]|[MNS][1-9][0-9]?|F(?:[1-9]|[1-5][0-9]|60)"
    r"|MON|FALL|CRAMP|DRUG|DISCHARGE"
    r")(?![\w*-]|\.[0-9])"
)
_ENTRY = re.compile(r"^#+ (.+)\n\n", re.MULTILINE)


def anchor(code: str) -> str:
    """Returns the anchor of a code's heading, as GitHub makes it."""
    return code.lower().replace(".", "").replace(" ", "-")


@cache
def decisions_text() -> str:
    """Returns the document: it lies inside an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "docs" / f"{NAME}.md"
    path = bundled if bundled.is_file() else package.parent / "docs" / f"{NAME}.md"
    return path.read_text(encoding="utf-8")


@cache
def entries() -> Mapping[str, str]:
    """Returns each code with the text below its heading."""
    parts = _ENTRY.split(decisions_text())
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {heading: text for heading, text in found if CODE.fullmatch(heading)}


def linked(text: str, link: Callable[[str, str], str]) -> str:
    """Returns the text with `link(code, anchor)` in place of each code that has an entry."""

    def told(found: re.Match[str]) -> str:
        return link(found[0], anchor(found[0])) if found[0] in entries() else found[0]

    return CODE.sub(told, text)
