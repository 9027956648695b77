"""`python -m tests.attack` attacks services of its own on 127.0.0.1 and prints what came of it."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from msgspec import Struct

import tests.attack
from tests.attack.attack import Attack, Figure

_TEACHING = """\
Each attack starts a service (and what it needs beside it) on 127.0.0.1 with a temporary data
folder, attacks it for some seconds, and stops it. Nothing else on this machine or beyond is touched.
The exit code is 1 where a figure is out of its bounds. Figures depend on the machine: read them on
a quiet one.

  make attack                     all attacks
  make attack ONLY="worst-body"   these attacks, by name
  make attack JSON=1              the same as JSON
"""


class Result(Struct, frozen=True, kw_only=True):
    """What one attack came to."""

    attack: Attack
    figures: tuple[Figure, ...]
    problem: str  # why it could not be run to its end
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the service withstood it."""
        return not self.problem and all(figure.holds for figure in self.figures)


def attacks() -> Mapping[str, Attack]:
    """Returns all attacks of this folder by name."""
    found: dict[str, Attack] = {}
    for module in pkgutil.iter_modules(tests.attack.__path__):
        if module.name != "__main__":
            declared = getattr(
                importlib.import_module(f"tests.attack.{module.name}"), "ATTACK", None
            )
            if isinstance(declared, Attack):
                found[declared.name] = declared
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the attacks that were asked for; the exit code is 1 if one of them succeeded."""
    known = attacks()
    options = _options(arguments, known)
    if options.list:
        sys.stdout.write("".join(f"{one.name}: {one.says}\n" for one in known.values()))
        return 0
    results = []
    for name in options.only or known:
        if not options.json:
            sys.stderr.write(f"{name}: {known[name].says}\n")
        results.append(_run(known[name]))
        if not options.json:
            sys.stdout.write(_told(results[-1]))
            sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps([_as_json(one) for one in results], indent=2) + "\n")
    return 0 if all(one.holds for one in results) else 1


def _options(arguments: Sequence[str] | None, known: Mapping[str, Attack]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.attack",
        description=_TEACHING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.add_argument("--list", action="store_true", help="say what each attack does")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if name not in known]
    if unknown:
        parser.error(f"there is no attack {unknown[0]!r}; there are {', '.join(known)}")
    return options


def _run(attack: Attack) -> Result:
    began, figures, problem = time.monotonic(), list[Figure](), ""
    with tempfile.TemporaryDirectory(prefix="hyponatremia-attack-") as folder:
        try:
            with _at_most(attack.seconds):
                figures += attack.run(Path(folder))
        except (AssertionError, OSError, TimeoutError, RuntimeError) as error:
            problem = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - began
    return Result(attack=attack, figures=tuple(figures), problem=problem, seconds=seconds)


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Raises TimeoutError in this thread after so many seconds."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _told(result: Result) -> str:
    """One attack as rows of a table."""
    rows = [
        (figure.what, f"{figure.value:g} {figure.unit}".strip(), figure.bound, _verdict(figure))
        for figure in result.figures
    ]
    widths = [max(len(row[at]) for row in rows) if rows else 0 for at in range(4)]
    lines = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if result.problem:
        lines.append(f"  FAILED: {result.problem}")
    verdict = "held" if result.holds else "DID NOT HOLD"
    return "\n".join([f"{result.attack.name}: {verdict} ({result.seconds:.0f} s)", *lines]) + "\n\n"


def _verdict(figure: Figure) -> str:
    if not figure.bound:
        return ""
    return "ok" if figure.holds else "OUT OF BOUNDS"


def _as_json(result: Result) -> dict[str, object]:
    return {
        "attack": result.attack.name,
        "says": result.attack.says,
        "holds": result.holds,
        "problem": result.problem,
        "seconds": round(result.seconds, 1),
        "figures": [
            {
                "what": one.what,
                "value": one.value,
                "unit": one.unit,
                "most": one.most,
                "least": one.least,
                "holds": one.holds,
            }
            for one in result.figures
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
