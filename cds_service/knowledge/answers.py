"""What a reviewer answered on the page of `cds-service review`, and which files it signs."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
from msgspec import Struct, field

from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import RULE_FILES, Knowledge
from cds_service.knowledge.review import REVIEWED, review_state, text_sha256
from cds_service.knowledge.words import Review

FORMAT = "hyponatremia-cds review 1"
NUMBERS = "knowledge/thresholds.toml"
_DATE = "%Y-%m-%d"


class Item(Struct, frozen=True, kw_only=True):
    """One thing to agree to: a rule, a number, or a file of hooks/ as a whole."""

    id: str  # "rule PV-MILD", "number severe_below", "file knowledge/labs.toml"
    file: str
    title: str
    sha256: str  # of what is reviewed


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """What the reviewer said to one item, and the hash of what was on the page."""

    sha256: str
    agreed: bool = False
    comment: str = ""


class Saved(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file that the page saves."""

    format: str
    name: str
    role: str
    date: date
    answers: int  # how many follow: a file that was cut off has fewer
    files: dict[str, str]  # name below hooks/ -> the SHA-256 of what was on the page
    answer: dict[str, Answer] = {}  # by the id of the item


class Comment(Struct, frozen=True, kw_only=True):
    """A comment that somebody has to look at."""

    item: str
    title: str
    file: str
    comment: str
    agreed: bool
    changed: bool  # the item has changed, or is gone, since it was reviewed


class Applied(Struct, frozen=True, kw_only=True):
    """What the answers come to. Nothing is written yet."""

    signed: Mapping[
        str, Review
    ]  # by file: each item was agreed to, and it is as it was on the page
    kept: Mapping[str, Review] = field(default_factory=dict)  # signed before, and still valid
    stale: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # file -> items that changed
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # file -> not agreed to
    comments: tuple[Comment, ...] = ()


def items_of(knowledge: Knowledge, texts: Mapping[str, str]) -> tuple[Item, ...]:
    """Returns everything that is to be reviewed: all rules, all numbers, then the other files."""
    items = [
        Item(
            id=f"rule {rule}",
            file=file,
            title=f"{rule}: {knowledge.topics[words.topic]}",
            sha256=_sha256(words),
        )
        for file, rules in knowledge.rule_files.items()
        for rule, words in rules.rules.items()
    ]
    items += [
        Item(id=f"number {name}", file=NUMBERS, title=name, sha256=_sha256(number))
        for name, number in knowledge.thresholds.items()
    ]
    apart = {*RULE_FILES, NUMBERS, REVIEWED}
    items += [
        Item(id=f"file {name}", file=name, title=name, sha256=text_sha256(text))
        for name, text in texts.items()
        if name not in apart
    ]
    return tuple(items)


def _sha256(words: Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(words)).hexdigest()


def read_answers(text: str, where: str) -> Saved:
    """Returns the saved answers; KnowledgeError says what is wrong with the file."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KnowledgeError(f"{where}: this is no TOML file, or it was cut off: {error}") from None
    if table.get("format") != FORMAT:
        raise KnowledgeError(f"{where}: this is no file saved by the page of `cds-service review`")
    try:
        saved = msgspec.convert(table, Saved)
    except msgspec.ValidationError as error:
        raise KnowledgeError(f"{where}: {error}") from None
    if len(saved.answer) != saved.answers:
        raise KnowledgeError(
            f"{where}: it holds {len(saved.answer)} answers, and {saved.answers} were saved: "
            "the file is cut off or was edited; save it again from the page"
        )
    return saved


def apply_answers(
    saved: Saved,
    items: Iterable[Item],
    texts: Mapping[str, str],
    *,
    replace_signed: bool = False,
) -> Applied:
    """Returns which files the answers sign.

    A file is signed if it is as it was on the page, and each of its items was agreed to. A
    signature that is still valid is kept, unless `replace_signed`.
    """
    by_file: dict[str, list[Item]] = {}
    for item in items:
        by_file.setdefault(item.file, []).append(item)
    valid = review_state(texts).signed
    signed, kept = dict[str, Review](), dict[str, Review]()
    stale, missing = dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
    for file, own in by_file.items():
        agreed = [_is_agreed(item, saved) for item in own]
        if not any(agreed):
            continue
        if saved.files.get(file) != text_sha256(texts[file]):
            stale[file] = tuple(i.id for i in own if is_stale(i, saved.answer.get(i.id)))
            continue
        if not all(agreed):
            missing[file] = tuple(i.id for i, yes in zip(own, agreed, strict=True) if not yes)
        elif file in valid and not replace_signed:
            kept[file] = valid[file]
        else:
            signed[file] = _signature(saved, texts[file])
    return Applied(
        signed=signed, kept=kept, stale=stale, missing=missing, comments=_comments(saved, by_file)
    )


def _is_agreed(item: Item, saved: Saved) -> bool:
    answer = saved.answer.get(item.id)
    return answer is not None and answer.agreed


def is_stale(item: Item, answer: Answer | None) -> bool:
    """Whether an item has changed since it was answered."""
    return answer is not None and answer.sha256 != item.sha256


def _signature(saved: Saved, text: str) -> Review:
    if not saved.name.strip() or not saved.role.strip():
        raise KnowledgeError("the saved review needs the name and the role of who signs")
    return Review(
        name=saved.name.strip(), role=saved.role.strip(), date=saved.date, sha256=text_sha256(text)
    )


def _comments(saved: Saved, by_file: Mapping[str, Iterable[Item]]) -> tuple[Comment, ...]:
    known = {item.id: item for own in by_file.values() for item in own}
    found = []
    for name, answer in saved.answer.items():
        if not answer.comment.strip():
            continue
        item = known.get(name)
        found.append(
            Comment(
                item=name,
                title=item.title if item is not None else name,
                file=item.file if item is not None else "",
                comment=answer.comment.strip(),
                agreed=answer.agreed,
                changed=item is None or item.sha256 != answer.sha256,
            )
        )
    return tuple(found)


def with_signatures(before: str, signed: Mapping[str, Review]) -> str:
    """Returns reviewed.toml with these signatures; the other tables and all comments stay."""
    kept, skipping = [], False
    names = {f'["{name}"]' for name in signed}
    for line in before.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            skipping = line.split("#")[0].strip() in names
        if not skipping or line.lstrip().startswith("#"):
            kept.append(line)
    text = "".join(kept).rstrip("\n")
    tables = [_table(name, review) for name, review in signed.items()]
    return "\n\n".join([*([text] if text else []), *tables]) + "\n"


def _table(name: str, review: Review) -> str:
    return (
        f'["{name}"]\nname = {_quoted(review.name)}\nrole = {_quoted(review.role)}\n'
        f"date = {review.date.strftime(_DATE)}\n" + f'sha256 = "{review.sha256}"'
    )


_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f]')


def _quoted(text: str) -> str:
    return '"' + _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + '"'
