"""The stored digests say for each group of calls, and for each batch of rows, what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.golden.answering import Answer, Call, Rows

HERE = Path(__file__).parent
ANSWERS, ROWS = HERE / "answers.txt", HERE / "rows.txt"
_ASKED, _ANSWERED, _EACH, _TABLE = 8, 16, 4, 12  # hexadecimal digits that are kept of a SHA-256
_HEADS = {
    ANSWERS: "# group, calls, cards, digest of the calls, of the answers, of each answer\n",
    ROWS: "# batch, then for each table how many rows it holds and their digest\n",
}


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest is one line of a stored file: it speaks for one group or for the rows of a batch."""

    calls: int
    cards: int
    line: str

    @property
    def parts(self) -> list[str]:
        """What stands after the name is split at the blanks."""
        return self.line.split()


def of_group(calls: Sequence[Call], answers: Sequence[Answer]) -> Digest:
    """The digest of a group holds a short one of each answer too, so that a call can be named."""
    asked = sha256("\n".join(f"{c.name} {c.service} {c.body}" for c in calls).encode()).hexdigest()
    each = [answer.digest for answer in answers]
    answered = sha256("".join(each).encode()).hexdigest()
    cards = sum(answer.cards for answer in answers)
    short = "".join(digest[:_EACH] for digest in each)
    line = f"{len(calls)} {cards} {asked[:_ASKED]} {answered[:_ANSWERED]} {short}"
    return Digest(len(calls), cards, line)


def of_groups(calls: Sequence[Call], answers: Sequence[Answer]) -> dict[str, Digest]:
    """The calls of a batch are taken apart by their groups."""
    grouped: dict[str, list[int]] = {}
    for number, call in enumerate(calls):
        grouped.setdefault(call.group, []).append(number)
    return {
        group: of_group([calls[n] for n in numbers], [answers[n] for n in numbers])
        for group, numbers in grouped.items()
    }


def of_rows(rows: Rows) -> Digest:
    """The digest of the rows of a batch speaks for each table by itself."""
    told = [
        f"{table}={len(lines)}:{sha256(chr(10).join(lines).encode()).hexdigest()[:_TABLE]}"
        for table, lines in rows.items()
    ]
    return Digest(0, 0, " ".join(told))


def stored(file: Path) -> dict[str, Digest]:
    """The digests of one stored file come by name; without the file there are none."""
    if not file.is_file():
        return {}
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    split = [line.partition(" ") for line in lines]
    return {name: _digest(file, rest) for name, _, rest in split}


def store(file: Path, digests: Mapping[str, Digest]) -> None:
    """One file of digests is written anew, sorted by name."""
    lines = [f"{name} {digests[name].line}\n" for name in sorted(digests)]
    file.write_text(_HEADS[file] + "".join(lines), encoding="utf-8")


def changed_calls(before: Digest | None, now: Digest) -> list[int]:
    """The numbers of the calls in a group whose answers are others than the stored ones."""
    if before is None or before.calls != now.calls:
        return list(range(now.calls))
    then, here = (_each(digest) for digest in (before, now))
    return [n for n, (old, new) in enumerate(zip(then, here, strict=True)) if old != new]


def asked_otherwise(before: Digest, now: Digest) -> bool:
    """Whether the calls themselves are others than when the digest was stored."""
    return (before.calls, before.parts[2]) != (now.calls, now.parts[2])


def changed_tables(before: Digest, now: Digest) -> list[str]:
    """The tables whose rows are others than the stored ones are named."""
    return sorted({part.partition("=")[0] for part in {*before.parts} ^ {*now.parts}})


def _digest(file: Path, rest: str) -> Digest:
    if file != ANSWERS:
        return Digest(0, 0, rest)
    calls, cards = rest.split()[:2]
    return Digest(int(calls), int(cards), rest)


def _each(digest: Digest) -> list[str]:
    short = digest.parts[4]
    return [short[n : n + _EACH] for n in range(0, len(short), _EACH)]
