"""Mutation of the knowledge: a shifted number or a list without one of its members must break a test.

`make mutate` shifts every number of thresholds.toml one step up and one step down. `make mutate LISTS=1` leaves
each member out of its list in concept-sets.toml. One pytest session collects the tests of the medicine, runs
them once while it notes which test reads which table, then changes one at a time and runs the tests that read
it, the fastest first, until one fails. A change that no test notices is a survivor: exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from msgspec.structs import fields, replace

from cds_service.knowledge.limits import PROFILES, Limits, Threshold
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.names import ConceptSet, ConceptSets

ROOT = Path(__file__).parents[1]
TESTS = (
    "tests/sodium",
    "tests/feedback",
    "tests/test_fixtures.py",
    "tests/test_thresholds.py",
    "tests/test_vectors.py",
)
YES_NO = "1 = yes, 0 = no"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One number of one table, shifted; `profiles` are those whose number changes with it."""

    name: str
    place: str  # "value", or the profile that has a number of its own
    was: Decimal
    now: Decimal
    profiles: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name} ({self.place}): {self.was} -> {self.now}"

    def instead(self, limits: Limits, was: Any) -> Any:
        """What a rule reads under these limits in place of the number that was."""
        return self.now if limits.profile in self.profiles else was


@dataclass(frozen=True, slots=True)
class Shorter:
    """One list, without one of its members."""

    name: str
    member: str
    rest: ConceptSet

    def __str__(self) -> str:
        return f"{self.name}: without {self.member or 'the empty one'}"

    def instead(self, sets: ConceptSets, was: Any) -> Any:
        """The list that a rule reads in place of the one that was."""
        return self.rest


Change = Mutant | Shorter


def shorter(sets: ConceptSets) -> Iterator[Shorter]:
    """Every list without each of its members, one at a time."""
    for name in (f.name for f in fields(ConceptSets)):
        whole = getattr(sets, name)
        for member in whole.members if isinstance(whole, ConceptSet) else ():
            rest = replace(whole, members=[one for one in whole.members if one != member])
            yield Shorter(name, member, rest)


def mutants_of(name: str, threshold: Threshold) -> Iterator[Mutant]:
    """One step up and one down for the value, and for each profile's own number where it differs."""
    common = frozenset(PROFILES) - threshold.profiles.keys()
    places = [("value", threshold.value, common)] if common else []
    places += [(p, own.value, frozenset({p})) for p, own in threshold.profiles.items()]
    for place, number, profiles in places:
        for mutant in _steps(name, place, number, threshold.unit, profiles):
            # The start refuses a number out of its range, so no test has to.
            too_low = threshold.least is not None and mutant.now < threshold.least
            too_high = threshold.most is not None and mutant.now > threshold.most
            if not (too_low or too_high):
                yield mutant


def _steps(
    name: str, place: str, number: Decimal, unit: str, profiles: frozenset[str]
) -> Iterator[Mutant]:
    if unit == YES_NO:
        yield Mutant(name, place, number, 1 - number, profiles)
        return
    step = Decimal(1).scaleb(min(int(number.as_tuple().exponent), 0))
    for shifted in (number - step, number + step):
        yield Mutant(name, place, number, shifted, profiles)


class Seam:
    """Stands between a rule and its knowledge: notes who reads what, and hands out the changed one."""

    def __init__(self) -> None:
        self.reads: dict[str, set[str]] = defaultdict(set)
        self.reader = ""
        self.mutant: Change | None = None

    def install(self) -> None:
        """Wrap every number of `Limits` and every list of `ConceptSets`."""
        for owner in (Limits, ConceptSets):
            for name in [f.name for f in fields(owner) if f.name != "profile"]:
                setattr(owner, name, _Watched(name, getattr(owner, name), self))


class _Watched:
    """The descriptor of one number or list."""

    def __init__(self, name: str, inner: Any, seam: Seam) -> None:
        self._name = name
        self._inner = inner
        self._seam = seam

    def __get__(self, holder: Any, owner: type) -> Any:
        if holder is None:
            return self
        if self._seam.reader:
            self._seam.reads[self._name].add(self._seam.reader)
        known, mutant = self._inner.__get__(holder, owner), self._seam.mutant
        if mutant is not None and mutant.name == self._name:
            return mutant.instead(holder, known)
        return known

    def __set__(self, holder: Any, value: Any) -> None:
        self._inner.__set__(holder, value)


class Mutation:
    """The pytest plugin: a run loop of its own over the collected tests."""

    def __init__(self, mutants: Sequence[Change], report: Path) -> None:
        self._mutants = mutants
        self._report = report
        self._seam = Seam()
        self._seconds: dict[str, float] = {}

    def pytest_configure(self) -> None:
        """Before any test module is imported."""
        self._seam.install()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Once as it is, then once per mutant."""
        items = {item.nodeid: item for item in session.items if not _wild(item)}
        broken = [name for name, item in items.items() if not self._observed(item)]
        for name in broken:
            items.pop(name)
        rows = [self._row(mutant, items, broken) for mutant in self._mutants]
        self._report.write_text(json.dumps({"rows": rows, "broken": broken}), encoding="utf-8")
        return True

    def _observed(self, item: pytest.Item) -> bool:
        began = time.perf_counter()
        self._seam.reader = item.nodeid
        passed = _passes(item)
        self._seam.reader = ""
        self._seconds[item.nodeid] = time.perf_counter() - began
        return passed

    def _row(
        self, mutant: Change, items: dict[str, pytest.Item], broken: list[str]
    ) -> dict[str, Any]:
        readers = [name for name in self._seam.reads[mutant.name] if name in items]
        readers.sort(key=lambda name: (self._seconds[name], name))
        for name in readers:
            if self._survives(mutant, items[name]):
                continue
            if _passes(items[name]):
                return {"mutant": str(mutant), "killer": name, "readers": len(readers)}
            broken.append(name)  # it fails when run again: it cannot tell
            items.pop(name)
        return {"mutant": str(mutant), "killer": "", "readers": len(readers)}

    def _survives(self, mutant: Change, item: pytest.Item) -> bool:
        self._seam.mutant = mutant
        passed = _passes(item)
        self._seam.mutant = None
        return passed


def _wild(item: pytest.Item) -> bool:
    """Property tests draw their own input, and when one fails it shrinks for long: not for this."""
    return getattr(getattr(item, "obj", None), "is_hypothesis_test", False)


def _passes(item: pytest.Item) -> bool:
    reports = runtestprotocol(item, log=False, nextitem=None)
    return all(report.passed or report.skipped for report in reports)


def changes(*, lists: bool, only: str) -> list[Change]:
    """Every change of the numbers, or of the lists, whose name holds `only`."""
    known = load_knowledge(default_hooks_dir())
    if lists:
        return [change for change in shorter(known.sets) if only in change.name]
    return [m for name, t in known.thresholds.items() if only in name for m in mutants_of(name, t)]


def _work(shard: int, shards: int, report: Path, every: Sequence[Change]) -> int:
    plugin = Mutation(every[shard::shards], report)
    paths = [path for path in TESTS if (ROOT / path).exists()]
    arguments = [
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:terminal",
        "-p",
        "no:xdist",
        "-m",
        "not long",
        *paths,
    ]
    return int(pytest.main(arguments, plugins=[plugin]))


def main() -> int:
    """Share the mutants out to processes, and tell of those that no test caught."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only numbers or lists with TEXT in the name"
    )
    parser.add_argument(
        "--lists",
        action="store_true",
        help="leave out members of lists instead of shifting numbers",
    )
    parser.add_argument(
        "--report", type=Path, default=ROOT / "build" / "mutation", help="folder of the reports"
    )
    parser.add_argument("--shard", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.report.mkdir(parents=True, exist_ok=True)
    if given.shard is not None:
        every = changes(lists=given.lists, only=given.only)
        return _work(given.shard, given.processes, given.report / f"{given.shard}.json", every)
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "tests.mutate",
        "--processes",
        str(given.processes),
        "--only",
        given.only,
    ]
    command += ["--report", str(given.report), *(["--lists"] if given.lists else [])]
    running = [
        subprocess.Popen([*command, "--shard", str(n)], cwd=ROOT, stdout=subprocess.DEVNULL)
        for n in range(given.processes)
    ]
    ended = [process.wait() for process in running]
    if any(ended):
        sys.stderr.write("A mutation run did not come to its end.\n")
        return 2
    reports = [
        json.loads((given.report / f"{n}.json").read_bytes()) for n in range(given.processes)
    ]
    return _tell(reports, time.perf_counter() - began)


def _tell(reports: list[dict[str, Any]], seconds: float) -> int:
    rows = [row for report in reports for row in report["rows"]]
    survivors = [row for row in rows if not row["killer"]]
    told = [
        f"Left out, fails without a mutation or when run twice: {name}"
        for name in sorted({name for report in reports for name in report["broken"]})
    ]
    told += [f"SURVIVED  {row['mutant']}  ({row['readers']} tests read it)" for row in survivors]
    killed = len(rows) - len(survivors)
    told.append(f"{len(rows)} mutants, {killed} killed, {len(survivors)} survived, {seconds:.0f} s")
    sys.stdout.write("\n".join(told) + "\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
