"""Measures a backtest on invented exports, beside the goals that it is to reach.

    python bench/backtest.py [--patients 50000] [--thick 5000] [--keep FOLDER] [--cumulus] [--json]
                             [--write]

It makes a thin export (few results beside sodium) and a thick one (twenty others beside each), runs
`cds-service backtest` on both with two profiles, and says: CPU seconds of all processes, the
largest memory of all of them together, moments that were judged in full in a core second, megabytes
that the sift reads in a core second, and whether `--all` gives the same rows. `--cumulus` flattens
the thick export with Cumulus Library beside it, in an environment of its own, if it can be had.
`--write` puts the figures into RESULTS.md. The run asks no question; on standard error each step
says that it begins, and how far it is.

Wall time means little on a machine that does other things; CPU seconds are comparable, though a
busy neighbor on the same core makes them longer too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sections

ROOT = Path(__file__).resolve().parent.parent
SEED, PER = 7, 1_000_000
MIB, MB = 1 << 20, 1_000_000
HEADING = "## Backtest"
GOALS = {  # issue 19; "at most" or "at least"
    "CPU seconds of 1,000,000 thin patients, two profiles": ("<=", 400.0),
    "MiB, all processes together": ("<=", 512.0),
    "moments judged in full a core second": (">=", 2500.0),
    "MB sifted a core second": (">=", 250.0),
}


@dataclass
class Measured:
    """One run."""

    patients: int
    results: int
    megabytes: float
    cpu: float
    wall: float
    mib: float
    judged: int
    judged_a_second: float
    sifted_a_second: float
    seconds: dict[str, float]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=50_000)
    parser.add_argument("--thick", type=int, default=5_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="Folder for exports and runs; they stay there.")
    parser.add_argument("--cumulus", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="Write the figures to RESULTS.md.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        thin = measured(export(folder, "thin", given.patients, 0.0, given.jobs), folder, given.jobs)
        thick = measured(export(folder, "thick", given.thick, 1.0, given.jobs), folder, given.jobs)
        same = same_rows(folder, given.jobs)
        rival = cumulus(folder) if given.cumulus else None
    figures = reached(thin, thick)
    lines = [*told(thin, thick, figures, same=same, rival=rival)]
    if given.write:
        sections.put(HEADING, lines)
    if given.json:
        every = {"thin": asdict(thin), "thick": asdict(thick), "sameRows": same}
        print(json.dumps(every | {"goals": figures, "cumulus": rival}))
    else:
        print("\n".join(lines))


def told(
    thin: Measured, thick: Measured, figures: dict[str, Any], *, same: bool, rival: str | None
) -> Iterator[str]:
    """Yields what was measured, as Markdown."""
    yield f"`make bench-backtest` on {date.today()}: {_machine()}, two profiles."
    yield ""
    yield "| export | patients | sodium results | MB | CPU s | s of the clock | MiB, all | judged |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, one in (("thin", thin), ("thick", thick)):
        yield (
            f"| {name} | {one.patients:,} | {one.results:,} | {one.megabytes:,.0f} "
            f"| {one.cpu:,.1f} | {one.wall:,.1f} | {one.mib:,.0f} | {one.judged:,} |"
        )
    yield ""
    yield "| goal | | measured | reached |"
    yield "|---|---|---|---|"
    for name, (reading, sign, goal) in figures.items():
        holds = reading <= goal if sign == "<=" else reading >= goal
        words = {"<=": "at most", ">=": "at least"}[sign]
        yield f"| {name} | {words} {goal:,.0f} | {reading:,.0f} | {'yes' if holds else 'NOT YET'} |"
    yield ""
    for name, one in (("thin", thin), ("thick", thick)):
        parts = ", ".join(f"{k} {v:.1f}" for k, v in sorted(one.seconds.items()))
        yield f"CPU seconds of the {name} one: {parts}."
    yield f"The rows of `--all` are the same, byte by byte: {'yes' if same else 'NO'}."
    if rival is not None:
        yield f"Cumulus Library, flattening the thick export: {rival}."


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    name = next(names, platform.machine())
    return f"{name}, {os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}"


def _say(what: str) -> None:
    """Says on standard error what begins now."""
    print(f"{datetime.now():%H:%M:%S} {what}", file=sys.stderr, flush=True)


def export(folder: Path, name: str, patients: int, thick: float, jobs: int) -> Path:
    """Makes an invented export, if it is not there yet."""
    target = folder / name
    if not target.exists():
        _say(f"making the {name} export of {patients:,} patients")
        command = [sys.executable, "-m", "tests.exports", str(target), "--seed", str(SEED)]
        more = ["--patients", str(patients), "--thick", str(thick), "--jobs", str(jobs)]
        subprocess.run([*command, *more], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return target


def measured(source: Path, folder: Path, jobs: int, *more: str) -> Measured:
    """Runs a backtest and returns what it took."""
    output = folder / f"{source.name}-run"
    command = [sys.executable, "-m", "cds_service", "backtest", str(source)]
    command += ["--output", str(output), "--jobs", str(jobs), "--json", *more]
    _say(f"backtest of the {source.name} export {' '.join(more)}")
    before, begun = _cpu(), time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as run:
        memory = _Memory(run.pid)
        run.wait()
    if run.returncode:
        sys.exit(f"{' '.join(command)}: exit code {run.returncode}")
    totals = json.loads((output / "private/run.json").read_bytes())["totals"]
    seconds = totals["seconds"]
    judged = sum(totals["judged"].values())
    return Measured(
        patients=totals["patients"],
        results=totals["results"],
        megabytes=totals["bytesRead"] / MB,
        cpu=_cpu() - before,
        wall=time.monotonic() - begun,
        mib=memory.most / MIB,
        judged=judged,
        judged_a_second=judged / max(seconds["judge"], 1e-9),
        sifted_a_second=totals["bytesRead"] / MB / max(seconds["sift"], 1e-9),
        seconds=seconds,
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Memory:
    """The largest memory of a process and its children together; shared pages count once."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._pid = pid
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while (now := sum(map(_proportional, _tree(self._pid)))) > 0:
            self.most = max(self.most, now)
            time.sleep(0.25)


def _tree(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _tree(int(child))
    except OSError:
        pass
    return found


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def same_rows(folder: Path, jobs: int) -> bool:
    """Whether the thick export gives the same rows if no moment is left out."""
    filtered = _digest(folder / "thick-run")
    measured(folder / "thick", folder, jobs, "--all")
    return _digest(folder / "thick-run") == filtered


def _digest(output: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((output / "private/rows").glob("*.ndjson")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def cumulus(folder: Path) -> str:
    """Builds the core tables of Cumulus Library from the thick export, in DuckDB."""
    home = folder / "cumulus"
    _say("Cumulus Library on the thick export")
    if not home.exists():
        venv.create(home, with_pip=True)
        install = [str(home / "bin/pip"), "install", "--quiet", "cumulus-library"]
        if subprocess.run(install, check=False, stdout=sys.stderr).returncode:
            shutil.rmtree(home)
            return f"not installed: pip could not get its packages on {platform.node()}"
    files = folder / "cumulus-in"
    for path in (folder / "thick").glob("*.ndjson"):
        kind = path.name.partition(".")[0].lower()
        (files / kind).mkdir(parents=True, exist_ok=True)
        link = files / kind / path.name
        if not link.exists():
            link.symlink_to(path)
    command = [
        str(home / "bin/cumulus-library"),
        "build",
        "--db-type",
        "duckdb",
        "--target",
        "core",
    ]
    command += ["--database", str(folder / "cumulus.db"), "--load-ndjson-dir", str(files)]
    before = _cpu()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        memory = _Memory(run.pid)
        _, said = run.communicate()
    if run.returncode:
        return f"exit code {run.returncode}: {said.decode()[-300:].strip()}"
    return f"{_cpu() - before:.1f} CPU s, {memory.most / MIB:,.0f} MiB (no rule, no card)"


def reached(thin: Measured, thick: Measured) -> dict[str, Any]:
    """Returns each goal with what was measured."""
    readings = (
        thin.cpu / thin.patients * PER,
        max(thin.mib, thick.mib),
        (thin.judged + thick.judged) / (thin.seconds["judge"] + thick.seconds["judge"]),
        thick.sifted_a_second,
    )
    return {
        name: (reading, *goal)
        for (name, goal), reading in zip(GOALS.items(), readings, strict=True)
    }


if __name__ == "__main__":
    main()
