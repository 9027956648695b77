"""`python -m tests.golden` compares every answer of the service with the golden record."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.golden.calls import batch_names
from tests.golden.comparing import as_json, compare, settled, told
from tests.golden.digests import ANSWERS, ROWS, store, stored
from tests.golden.running import Outcome, all_answered

_PAUSE_S = 5.0
_TEACHING = """\
The golden record answers some 31,000 calls and compares statuses, cards, buttons, uuids,
explanations and stored rows with digests in tests/golden/. Use it while you change code that must
not change an answer:

  make golden                      all calls (some minutes); exit code 1 where anything differs
  make golden QUICK=1              the stories and the menu of orders only (seconds)
  make golden AGAINST=../older     also show what an older checkout, with its .venv, answered
  make golden WRITE=1              store today's answers; say in the CHANGELOG or a note why

A line "asked otherwise" means that the calls have changed (fixtures/ or tests/golden/), so that
their answers may have changed for that reason alone. What is not compared stands in answering.py.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The batches are answered, compared or stored; the exit code is 1 where something differs."""
    options = _options(arguments)
    began = time.monotonic()
    progress = Progress(quiet=options.json)
    outcomes = progress.through(batch_names(quick=options.quick))
    if options.write:
        sys.stdout.write(_write(outcomes))
        return 0
    compared = settled(compare(outcomes, whole=not options.quick), all_answered)
    sys.stdout.write(as_json(compared) if options.json else told(compared, options.against))
    progress.say(f"golden: {time.monotonic() - began:.0f} s", last=True)
    return 1 if compared.differences else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden",
        description=_TEACHING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="only stories and menu")
    parser.add_argument("--write", action="store_true", help="store the answers of this code")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="show its answers too")
    parser.add_argument("--json", action="store_true", help="report as JSON, without progress")
    options = parser.parse_args(arguments)
    if options.write and options.quick:
        parser.error("--write stores the whole record: leave out --quick")
    return options


class Progress:
    """The progress tells how many calls are done, how fast, and how long the rest will take."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._began, self._said = quiet, time.monotonic(), 0.0

    def through(self, names: Sequence[str]) -> list[Outcome]:
        """All batches are answered; a line is written now and then."""
        heads = {name.partition("/")[0] for name in names}
        known = stored(ANSWERS).items()
        total = sum(d.calls for group, d in known if group.partition("/")[0] in heads)
        found: list[Outcome] = []
        done = 0
        for outcome in all_answered(names):
            found.append(outcome)
            done += outcome.calls
            took = time.monotonic() - self._began
            left = took * max(total - done, 0) / done
            rate, total = done / took, max(total, done)
            self.say(f"{done:,} of {total:,} calls, {rate:.0f}/s, {left:.0f} s left")
        return found

    def say(self, text: str, *, last: bool = False) -> None:
        """A terminal sees each step on one line; a log gets a line every few seconds."""
        terminal, now = sys.stderr.isatty(), time.monotonic()
        if self._quiet or not (terminal or last or now - self._said > _PAUSE_S):
            return
        self._said = now
        sys.stderr.write(f"\r{text:<78}" if terminal and not last else f"{text}\n")
        sys.stderr.flush()


def _write(outcomes: Sequence[Outcome]) -> str:
    groups = {name: digest for outcome in outcomes for name, digest in outcome.groups.items()}
    store(ANSWERS, groups)
    store(ROWS, {outcome.batch: outcome.rows for outcome in outcomes})
    calls, cards = sum(o.calls for o in outcomes), sum(o.cards for o in outcomes)
    return (
        f"golden: {calls:,} calls with {cards:,} cards are stored anew.\n"
        "Say in CHANGELOG.md or in a note which answers changed, and why that is right.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
