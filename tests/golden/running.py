"""All batches are answered here on all cores, and their digests come back as they are ready."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.golden import answering
from tests.golden.answering import Call, Services, written
from tests.golden.calls import batch
from tests.golden.digests import Digest, of_groups, of_rows

ROOT = Path(__file__).parents[2]
_MOST_PROCESSES = 9


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome is what one batch came to."""

    batch: str
    groups: dict[str, Digest]
    rows: Digest

    @property
    def calls(self) -> int:
        """How many calls the batch holds."""
        return sum(digest.calls for digest in self.groups.values())

    @property
    def cards(self) -> int:
        """How many cards the batch was answered with."""
        return sum(digest.cards for digest in self.groups.values())


def answered(name: str, services: Services) -> Outcome:
    """One batch is asked of the services of this process."""
    calls = batch(name)
    answers, rows = services.batch(calls)
    kept = [n for n, call in enumerate(calls) if call.service != answering.WAIT]
    groups = of_groups([calls[n] for n in kept], [answers[n] for n in kept])
    return Outcome(name, groups, of_rows(rows))


def all_answered(names: Sequence[str]) -> Iterator[Outcome]:
    """One process more than there are cores answers the batches, as each waits at times."""
    processes = min(_MOST_PROCESSES, (os.cpu_count() or 1) + 1, len(names))
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("spawn")
        with context.Pool(processes, _begin, (folder,)) as pool:
            yield from pool.imap_unordered(_in_worker, names)


def elsewhere(checkout: Path, batches: Sequence[Sequence[Call]]) -> list[dict[str, Any]]:
    """The same calls are answered by the Python and the code of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        asked, out = Path(folder) / "calls.json", Path(folder) / "answers.json"
        asked.write_text(written(batches), encoding="utf-8")
        python = checkout / ".venv" / "bin" / "python"
        command = [str(python if python.exists() else sys.executable), answering.__file__]
        subprocess.run(
            [*command, str(asked), str(out)],
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        found: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
        return found


_services: list[Services] = []


def _begin(folder: str) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, sys.stdout.fileno())  # the log of the service
    _services.append(Services(Path(folder) / str(os.getpid())))


def _in_worker(name: str) -> Outcome:
    return answered(name, _services[0])
