"""What was answered is compared with the stored digests, and each difference is told in words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tests.golden.calls import batch
from tests.golden.digests import (
    ANSWERS,
    ROWS,
    Digest,
    asked_otherwise,
    changed_calls,
    changed_tables,
    stored,
)
from tests.golden.running import ROOT, Outcome, elsewhere

_IF_WANTED = (
    'If the change is wanted, say in CHANGELOG.md (under "Clinical" if it changes a card) which '
    "answers change and why, then store them: make golden WRITE=1"
)
_SHOWN_GROUPS, _SHOWN_CALLS, _NAMED, _DIFF_LINES = 5, 2, 12, 60


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference is one group whose answers changed, or one batch whose rows did."""

    batch: str
    name: str  # the group, or the batch again
    what: str  # "answers" or "rows"
    said: str
    calls: tuple[str, ...] = ()  # whose answers changed
    tables: tuple[str, ...] = ()  # whose rows changed


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison counts what was asked, and lists what is no longer as it was."""

    calls: int
    cards: int
    differences: tuple[Difference, ...]

    @property
    def summary(self) -> str:
        """The last line of the report."""
        found = len(self.differences)
        plural = "difference" if found == 1 else "differences"
        return f"golden: {self.calls:,} calls, {self.cards:,} cards, {found:,} {plural}"


def compare(outcomes: Sequence[Outcome], *, whole: bool) -> Comparison:
    """The outcomes are held against the stored files; a `whole` record must have every group."""
    answers, rows = stored(ANSWERS), stored(ROWS)
    found: list[Difference] = []
    for outcome in sorted(outcomes, key=lambda o: o.batch):
        found += _in_answers(outcome, answers)
        found += _in_rows(outcome, rows)
    if whole:
        found += _gone(answers, {name for outcome in outcomes for name in outcome.groups})
    calls, cards = sum(o.calls for o in outcomes), sum(o.cards for o in outcomes)
    found.sort(key=lambda d: (d.what, d.batch, d.name))
    return Comparison(calls, cards, tuple(found))


def settled(compared: Comparison, again: Callable[[list[str]], Iterable[Outcome]]) -> Comparison:
    """A few batches that differ are answered again, alone: a busy machine may be the cause."""
    batches = sorted({d.batch for d in compared.differences if d.batch})
    if not batches or len(batches) > _SHOWN_GROUPS:
        return compared
    still = compare(list(again(batches)), whole=False).differences
    gone = tuple(d for d in compared.differences if not d.batch)
    return replace(compared, differences=still + gone)


def told(compared: Comparison, against: Path | None) -> str:
    """The report names the first differences and, with a checkout, shows both answers."""
    lines: list[str] = []
    for difference in compared.differences[:_SHOWN_GROUPS]:
        lines.append(f"{difference.what} of {difference.name}: {difference.said}")
    more = len(compared.differences) - _SHOWN_GROUPS
    if more > 0:
        lines.append(f"... and {more:,} more")
    if compared.differences and against is not None:
        lines += _both(compared.differences, against.resolve())
    elif compared.differences:
        lines.append("See both answers: make golden AGAINST=<an older checkout with its .venv>")
    if compared.differences:
        lines.append(_IF_WANTED)
    return "\n".join([*lines, compared.summary]) + "\n"


def as_json(compared: Comparison) -> str:
    """The report for programs holds all differences."""
    return json.dumps(asdict(compared), indent=2) + "\n"


def _in_answers(outcome: Outcome, answers: dict[str, Digest]) -> Iterator[Difference]:
    names = _names(outcome.batch)
    for group, now in outcome.groups.items():
        before = answers.get(group)
        if before is not None and before.line == now.line:
            continue
        changed = changed_calls(before, now)
        calls = tuple(names[group][number] for number in changed)
        said = _words(before, now, calls)
        yield Difference(outcome.batch, group, "answers", said, calls=calls)


def _in_rows(outcome: Outcome, rows: dict[str, Digest]) -> Iterator[Difference]:
    before, now = rows.get(outcome.batch), outcome.rows
    if before is not None and before.line == now.line:
        return
    tables = tuple(changed_tables(before, now)) if before else ()
    said = f"other rows in {', '.join(tables)}" if tables else "nothing is stored of this batch"
    yield Difference(outcome.batch, outcome.batch, "rows", said, tables=tables)


def _gone(answers: dict[str, Digest], asked: set[str]) -> Iterator[Difference]:
    for group in sorted(answers.keys() - asked):
        yield Difference("", group, "answers", "is stored, and nobody asks for it any more")


def _words(before: Digest | None, now: Digest, calls: Sequence[str]) -> str:
    if before is None:
        return "nothing is stored of this group"
    named = ", ".join(calls[:_NAMED]) + (", ..." if len(calls) > _NAMED else "")
    said = f"{len(calls)} of {now.calls} changed" + (f" ({named})" if named else "")
    if before.cards != now.cards:
        said += f"; {before.cards} cards became {now.cards}"
    return said + ("; asked otherwise" if asked_otherwise(before, now) else "")


def _names(batch_name: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for call in batch(batch_name):
        names.setdefault(call.group, []).append(call.name)
    return names


def _both(differences: Sequence[Difference], older: Path) -> list[str]:
    """Both codes answer the batches of the first differences."""
    shown = [d for d in differences if d.batch][:_SHOWN_GROUPS]
    names = list(dict.fromkeys(d.batch for d in shown))
    batches = [batch(name) for name in names]
    before, now = (elsewhere(checkout, batches) for checkout in (older, ROOT))
    lines = []
    for difference in shown:
        number = names.index(difference.batch)
        pair = before[number], now[number]
        lines += _shown(difference, *pair)
    return lines or ["nothing to show: the differences are groups that nobody asks for any more"]


def _shown(difference: Difference, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if difference.what == "rows":
        tables = difference.tables or tuple(now["rows"])
        pairs = [(t, *_only(before["rows"].get(t, []), now["rows"].get(t, []))) for t in tables]
    else:
        asked = enumerate(batch(difference.batch))
        calls = [(n, c) for n, c in asked if c.group == difference.name]
        calls = [(n, c) for n, c in calls if c.name in difference.calls]
        pairs = [(c.name, before["answers"][n], now["answers"][n]) for n, c in calls]
    lines: list[str] = []
    for name, old, new in pairs[:_SHOWN_CALLS]:
        lines += _diff(f"{difference.name} {name}", old, new)
    return lines


def _only(before: list[str], now: list[str]) -> tuple[list[str], list[str]]:
    """The rows that only one side has are written with a column on each line."""
    return _columns(set(before) - set(now)), _columns(set(now) - set(before))


def _columns(rows: Iterable[str]) -> list[str]:
    shown = [json.dumps(json.loads(row), indent=2, ensure_ascii=False) for row in sorted(rows)]
    return [line for row in shown for line in row.split("\n")]


def _diff(name: str, before: list[str], now: list[str]) -> list[str]:
    found = list(difflib.unified_diff(before, now, f"before: {name}", f"now: {name}", lineterm=""))
    if not found:
        return [f"{name}: both checkouts answer the same; the stored digest is of other code"]
    more = len(found) - _DIFF_LINES
    return found[:_DIFF_LINES] + ([f"... {more} more lines of difference"] if more > 0 else [])
