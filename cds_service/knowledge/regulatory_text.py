"""The pages of docs/regulatory/ and the source attributes as JSON, from hooks/ alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from string import Template
from typing import Any

from msgspec import Struct

from cds_service.knowledge.basis import evidence_counts, evidence_sentence, review_rows
from cds_service.knowledge.examples import Examples
from cds_service.knowledge.load import Knowledge
from cds_service.knowledge.regulatory import ALL_RULES, Group, Regulatory, group_of
from cds_service.knowledge.words import Citation, RuleWords

COMMAND = "cds-service regulatory --write"
REGULATION = "45 CFR 170.315(b)(11)(iv)(A)"
_CHECKED = frozenset({"verified", "secondary"})
_OUR_OWN = "design"


class Measured(Struct, frozen=True, kw_only=True):
    """What a backtest of a site, and its chart review, add to the validation summary."""

    about: Sequence[tuple[str, str]]  # what was run, and on how much
    cards: Sequence[tuple[str, ...]]  # by rule: rule, cards, patients, agreed
    review: Sequence[tuple[str, str]]


class File(Struct, frozen=True, kw_only=True):
    """All that the pages are made from."""

    knowledge: Knowledge
    regulatory: Regulatory
    examples: Examples
    measured: Measured | None = None


def regulatory_pages(file: File) -> dict[str, str]:
    """Returns each page by its name; the same input always gives the same text."""
    made = {
        "intended-purpose.md": ("Intended purpose", _purpose(file)),
        "united-states.md": ("United States: is it a device?", _us(file)),
        "source-attributes.md": ("Source attributes (ONC HTI-1)", _attributes(file)),
        "europe.md": ("European Union: MDR and AI Act", _europe(file)),
        "hazard-log.md": ("Hazard log (ISO 14971)", _hazards(file)),
        "usability.md": ("Usability (IEC 62366-1)", _usability(file)),
        "safer.md": ("Self-assessment along the SAFER Guides", _safer(file)),
        "validation.md": ("Validation summary", _validation(file)),
    }
    pages = {name: f"{_head(file, title)}\n{text}" for name, (title, text) in made.items()}
    listed = "".join(f"* [{title}]({name})\n" for name, (title, _) in made.items())
    first = f"{_head(file, 'The file of the manufacturer')}\n{listed}\n{_texts(file)}"
    return {"README.md": first} | pages


def _head(file: File, title: str) -> str:
    """Returns title and status of a page."""
    maker = file.regulatory.purpose.manufacturer
    status = (
        "**Draft for the manufacturer who signs.** No manufacturer has taken this product on, and "
        "no person with regulatory responsibility has read this page. It is an offer of the "
        "project, not legal advice and not a declaration of conformity."
        if maker.draft
        else f"Signed by {maker.responsible} for {maker.name}, {maker.address}: {maker.signed}."
    )
    made = (
        f"Generated from `hooks/` by `{COMMAND}`; a test keeps it current. Change "
        "`hooks/regulatory/` instead."
    )
    return f"# {title}\n\n{status}\n\n{made}\n"


def _texts(file: File) -> str:
    rows = [
        (f"[{one.title}]({one.url})", one.publisher, str(one.year), one.read)
        for one in file.regulatory.sources.values()
    ]
    about = (
        "`secondary` means that we know the text only from what others write about it: whoever "
        "signs reads the original."
    )
    listed = _table(("Text", "Publisher", "Year", "Read"), rows)
    return f"## Laws, guidances, standards\n\n{about}\n\n{listed}"


def _cited(file: File, sources: Iterable[str]) -> str:
    links = (file.regulatory.sources[name] for name in sources)
    return "Rests on: " + "; ".join(f"[{one.title}]({one.url})" for one in links) + ".\n"


# ---- the pages


def _purpose(file: File) -> str:
    maker, purpose = file.regulatory.purpose.manufacturer, file.regulatory.purpose.purpose
    parts = {
        "Medical indication": purpose.indication,
        "Patients": purpose.patients,
        "Users": purpose.users,
        "Setting": purpose.setting,
        "Principle of operation": purpose.principle,
        "Benefit": purpose.benefit,
    }
    services = [
        (f"`{one.id}`", one.hook, one.description) for one in file.knowledge.services.values()
    ]
    return (
        f"{purpose.statement}\n\n"
        + "".join(f"* **{name}.** {text}\n" for name, text in parts.items())
        + f"\n## What it is not for\n\n{_list(purpose.not_for)}"
        + f"\n## Functions\n\n{_table(('Service', 'Hook', 'What it does'), services)}"
        + "\n## Manufacturer\n\n"
        + _table(
            ("", ""),
            [
                ("Name", maker.name or "(open)"),
                ("Address", maker.address or "(open)"),
                ("Person responsible", maker.responsible or "(open)"),
                ("Signed", maker.signed or "(open)"),
                ("Developer", maker.developer),
                ("Funding", maker.funding),
            ],
        )
    )


def _us(file: File) -> str:
    us = file.regulatory.us
    criteria = [(number, one.title, one.answer, one.why) for number, one in us.criteria.items()]
    groups = "".join(_group(group) for group in us.groups.values())
    rows = [_rule_row(file, rule, words) for rule, words in file.knowledge.rules.items()]
    head = ("Rule", "About", "Levels", "1", "2", "3", "4", "Conclusion")
    counts = Counter(group_of(us, rule).conclusion for rule in file.knowledge.rules)
    told = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    about_4 = (
        "Column 4: `yes` if the rule and every number that it read in its stories were checked "
        "against a source, or in a text that quotes it; else how many of its numbers rest on our "
        "own decision or on memory. A strict reader of criterion 4 counts `in part` as not met, "
        "until a clinician has signed them."
    )
    return (
        f"{us.about}\n\n{_cited(file, us.sources)}\n"
        f"Of {len(file.knowledge.rules)} rules: {told}. As a whole the product has a device "
        "function.\n\n"
        f"## The criteria\n\n{_table(('', 'Criterion', 'Met', 'Why'), criteria)}"
        f"\n## Criterion 3, by group of rules\n\n{groups}"
        f"## Each rule\n\n{about_4}\n\n{_table(head, rows)}"
    )


def _group(group: Group) -> str:
    return (
        f"### {group.title}\n\n**{group.urgency}; criterion 3: {group.criterion_3}; "
        f"{group.conclusion}.** {group.why}\n\nRules: {', '.join(group.rules)}.\n\n"
    )


def _rule_row(file: File, rule: str, words: RuleWords) -> tuple[str, ...]:
    us = file.regulatory.us
    group = group_of(us, rule)
    return (
        rule,
        file.knowledge.topics[words.topic],
        ", ".join(words.indicators),
        us.criteria["1"].answer,
        us.criteria["2"].answer,
        group.criterion_3,
        _reviewable(file, rule, words),
        f"{group.conclusion} ({group.urgency})",
    )


def _reviewable(file: File, rule: str, words: RuleWords) -> str:
    """Returns whether a reader can check what the rule rests on, as criterion 4 wants it."""
    example = file.examples.rules.get(rule)
    read = [
        name for name in (example.numbers if example else ()) if name in file.knowledge.thresholds
    ]
    ours = sum(file.knowledge.thresholds[name].evidence not in _CHECKED for name in read)
    if words.evidence in _CHECKED and not ours:
        return "yes"
    what = "rule: " + ("our own decision" if words.evidence == _OUR_OWN else words.evidence)
    return f"in part: {what}; {ours} of {len(read)} numbers"


def _attributes(file: File) -> str:
    found = file.regulatory.attributes
    rows = [
        (
            str(one.number),
            one.title,
            one.used or "",
            _answered(file, one.answer),
            ", ".join(one.rules),
        )
        for one in found.attributes.values()
    ]
    rules = [
        (rule, file.knowledge.topics[words.topic], "; ".join(_names(file, words)), words.evidence)
        for rule, words in file.knowledge.rules.items()
    ]
    head = ("", f"Attribute of {REGULATION}", "Used", "Answer", "Rules")
    return (
        f"{found.about}\n\n{_cited(file, found.sources)}\n"
        "The running service answers the same as JSON at `/source-attributes.json`, rule by rule, "
        "with its release, the fingerprint of its `hooks/` and the signatures.\n\n"
        f"{_table(head, rows)}"
        "\n## Citation of each intervention\n\n"
        f"{_table(('Rule', 'About', 'Citation', 'Evidence'), rules)}"
    )


def _answered(file: File, answer: str) -> str:
    maker = file.regulatory.purpose.manufacturer
    developer = maker.developer if maker.draft else f"{maker.name}, {maker.address}"
    return Template(answer).substitute(developer=developer, funding=maker.funding)


def _names(file: File, words: RuleWords) -> list[str]:
    return [_reference(file.knowledge.citations[key]) for key in words.sources]


def _reference(one: Citation) -> str:
    """Returns a citation as a bibliography has it."""
    parts = (one.author, f"{one.title.rstrip('.')}", one.publisher, str(one.year), one.url or "")
    return ". ".join(part.rstrip(".") for part in parts if part)


def source_attributes(file: File, release: str) -> dict[str, Any]:
    """Returns the 13 source attributes for each rule, as a client shows them to its users."""
    knowledge, found = file.knowledge, file.regulatory.attributes.attributes
    signed = knowledge.reviews.signed
    return {
        "regulation": REGULATION,
        "kind": "evidence-based decision support intervention",
        "draft": file.regulatory.purpose.manufacturer.draft,
        "release": release,
        "knowledge": knowledge.sha256,
        "reviewed": knowledge.reviews.complete,
        "signatures": {name: f"{one.date:%Y-%m-%d}" for name, one in signed.items()},
        "interventions": [
            {
                "id": rule,
                "title": knowledge.topics[words.topic],
                "hooks": words.hooks,
                "when": words.when,
                "evidence": words.evidence,
                "attributes": [
                    {
                        "number": one.number,
                        "id": name,
                        "title": one.title,
                        "answer": _for_rule(file, name, words),
                        **_used(one.used, one.rules, rule),
                    }
                    for name, one in found.items()
                ],
            }
            for rule, words in knowledge.rules.items()
        ],
    }


def _for_rule(file: File, name: str, words: RuleWords) -> str:
    if name == "citation":
        return "; ".join(_names(file, words))
    if name == "dates":
        years = sorted({str(file.knowledge.citations[key].year) for key in words.sources})
        return f"References of {', '.join(years)}; release and signatures above."
    return _answered(file, file.regulatory.attributes.attributes[name].answer)


def _used(used: str, rules: Sequence[str], rule: str) -> dict[str, bool]:
    if not used:
        return {}
    return {"used": used == "yes" and (rule in rules or ALL_RULES in rules)}


def _europe(file: File) -> str:
    return (
        "".join(
            f"## {one.title}\n\n**{one.conclusion}.** {one.text}\n\n{_cited(file, one.sources)}\n"
            for one in file.regulatory.europe.points
        ).rstrip("\n")
        + "\n"
    )


def _hazards(file: File) -> str:
    log = file.regulatory.hazards
    severities = [(name, meaning) for name, meaning in log.severities.items()]
    ranks = list(log.severities)
    head = ("Hazard", "What", "Severity", "Controls")
    order = sorted(log.hazards, key=lambda name: (ranks.index(log.hazards[name].severity), name))
    overview = [
        (
            f"[{n}](#{n.lower()})",
            log.hazards[n].title,
            log.hazards[n].severity,
            _kinds(log.hazards[n].controls),
        )
        for n in order
    ]
    return (
        f"{_cited(file, log.sources)}\n"
        "Each hazard is traced to its controls, and each control to the tests that prove it; "
        "`tests/test_regulatory.py` fails if a named test does not exist. A probability is not "
        "estimated, because there are no data from use: a risk is evaluated by the severity of its "
        "worst credible harm. Whether what remains is acceptable is for the manufacturer and the "
        "site to decide.\n\n"
        f"{_table(('Severity', 'Meaning'), severities)}\n"
        f"## Overview, the most severe first\n\n{_table(head, overview)}\n"
        + "\n".join(_hazard(name, log.hazards[name]) for name in log.hazards)
    )


def _kinds(controls: Iterable[Any]) -> str:
    counts = Counter(control.kind for control in controls)
    return ", ".join(f"{number} {kind}" for kind, number in counts.items())


def _hazard(name: str, one: Any) -> str:
    controls = [
        (
            f"{name}.{number}",
            control.kind,
            control.text,
            " ".join(f"`{test}`" for test in control.tests),
        )
        for number, control in enumerate(one.controls, 1)
    ]
    return (
        f'<a id="{name.lower()}"></a>\n\n### {name} {one.title}\n\n'
        f"* **Cause**: {one.cause}\n* **Hazardous situation**: {one.situation}\n"
        f"* **Harm**: {one.harm} Severity: {one.severity}. Probability: not estimated.\n"
        f"* **Remains**: {one.remains}\n\n"
        f"{_table(('Control', 'Kind', 'What', 'Tests'), controls)}"
    )


def _usability(file: File) -> str:
    found = file.regulatory.usability
    users = [(one.who, one.knows, one.does) for one in found.users]
    scenarios = [
        (
            one.task,
            one.error,
            ", ".join(f"[{name}](hazard-log.md#{name.lower()})" for name in one.hazards),
            one.design,
            " ".join(f"`{test}`" for test in one.tests),
        )
        for one in found.scenarios
    ]
    return (
        f"{_cited(file, found.sources)}\n## Environment of use\n\n{found.environment}\n"
        f"\n## Users\n\n{_table(('Who', 'Knows', 'Does'), users)}"
        "\n## Scenarios in which a mistake can harm\n\n"
        f"{_table(('Task', 'Use error', 'Hazard', 'Design', 'Tests'), scenarios)}"
        f"\n## What was evaluated\n\n{_list(found.evaluation.done)}"
        f"\n## What is still to be done\n\n{_list(found.evaluation.open)}"
    )


def _safer(file: File) -> str:
    found = file.regulatory.safer
    rows = [
        (
            one.guide,
            one.practice,
            one.who,
            one.brings,
            one.site,
            " ".join(f"`{t}`" for t in one.tests),
        )
        for one in found.practices
    ]
    head = (
        "Guide",
        "Practice, in our words",
        "Who",
        "The product brings",
        "Left to the site",
        "Tests",
    )
    return f"{found.about}\n\n{_cited(file, found.sources)}\n{_table(head, rows)}"


def _validation(file: File) -> str:
    knowledge, examples = file.knowledge, file.examples
    stories = {story.story for one in examples.rules.values() for story in one.stories}
    shown = [rule for rule in knowledge.rules if rule in examples.rules]
    rows = [(name, state) for name, state in review_rows(knowledge.reviews)]
    signed = len(knowledge.reviews.signed)
    hidden = ", ".join(rule for rule in knowledge.rules if rule not in examples.rules)
    unseen = f"No story shows {hidden}; scenes of the test suite do." if hidden else ""
    checked = sum(n for flag, n in evidence_counts(knowledge).items() if flag in _CHECKED)
    return (
        "What has been shown about the product so far, and what has not.\n\n"
        "## Verification: it does what hooks/ says\n\n"
        f"* {len(shown)} of {len(knowledge.rules)} rules speak in {len(stories)} stories (invented "
        f"patients). {unseen}\n"
        f"* {len(file.regulatory.tests)} named tests prove the controls of the "
        "[hazard log](hazard-log.md).\n"
        "* 31,000 stored answers are compared with every change (`make golden`).\n"
        "\n## The knowledge itself\n\n"
        f"* {evidence_sentence(knowledge)} Those flagged verified or secondary ({checked}) were "
        "checked against a text.\n"
        f"* {signed} of {len(rows)} files of hooks/ are signed by a clinician.\n"
        "\n## Clinical performance\n\n"
        f"{_performance(file.measured)}"
        "\n## What has not been shown\n\n"
        "* That a card changes what a clinician does, or helps a patient: no study was made.\n"
        "* That it works inside a real EHR: it was run beside HAPI FHIR, Medplum and the public "
        "sandbox.\n"
        "\n## Signatures\n\n"
        f"{_table(('File', 'State'), rows)}"
    )


def _performance(measured: Measured | None) -> str:
    if measured is None:
        return (
            "No run on records of patients is part of this page. A site adds its own with "
            "`cds-service regulatory --write --backtest RUN --output FOLDER` "
            "([backtest](../backtest.md)): cards by rule, and what reviewers of charts thought of "
            "them.\n"
        )
    parts = [_table(("Run", ""), measured.about)]
    parts.append(_table(("Rule", "Cards", "Patients", "Agreed by reviewers"), measured.cards))
    parts.append(
        _table(("Chart review", ""), measured.review)
        if measured.review
        else "No charts were reviewed (`cds-service backtest report RUN --sample 50`).\n"
    )
    return "\n".join(parts)


def _list(texts: Iterable[str]) -> str:
    return "".join(f"* {text}\n" for text in texts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines
    )
