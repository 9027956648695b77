"""Asks whether a locked package has a known vulnerability: 0 none, 1 some, 75 could not be asked.

Two sources of advisories are tried: PyPI's, then OSV. A package that a source does not know was
not audited, so the answer "none" is given only if one source knew every package.

Usage: python deploy/release/audit.py [--json] [LOCK ...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ACCEPTED = Path(__file__).with_name("accepted-advisories.toml")
LOCKS = ("requirements.lock", "requirements-dev.lock")
SOURCES = ("pypi", "osv")
FOUND, NOT_ASKED = 1, 75  # 75: EX_TEMPFAIL, try again where the source can be reached
TIME_LIMIT_S = 120


def main() -> int:
    """Audits the lock files and returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--json", action="store_true", help="print the result for a script")
    options.add_argument("locks", nargs="*", type=Path, default=[ROOT / name for name in LOCKS])
    given = options.parse_args()
    accepted = in_force(
        tomllib.loads(ACCEPTED.read_text(encoding="utf-8")), datetime.now(UTC).date()
    )
    result = {lock.name: audited(lock, accepted) for lock in given.locks}
    print(json.dumps(result, indent=1) if given.json else told(result))
    if any(lock["vulnerable"] for lock in result.values()):
        return FOUND
    return 0 if all(lock["source"] for lock in result.values()) else NOT_ASKED


def in_force(accepted: dict[str, dict[str, Any]], today: date) -> frozenset[str]:
    """Returns the advisories that are accepted today, each of which must give a reason."""
    for name, entry in accepted.items():
        if not entry.get("reason") or not isinstance(entry.get("until"), date):
            raise SystemExit(f"audit: {ACCEPTED.name}: {name} needs a reason and a day (until)")
    return frozenset(name for name, entry in accepted.items() if entry["until"] >= today)


def audited(lock: Path, accepted: frozenset[str]) -> dict[str, Any]:
    """Returns which source knew every package of a lock file, and what it knows against them."""
    vulnerable: dict[str, list[str]] = {}
    for source in SOURCES:
        packages = asked(lock, source)
        vulnerable |= against(packages, accepted)
        if packages and not any("skip_reason" in package for package in packages):
            return {"source": source, "packages": len(packages), "vulnerable": vulnerable}
    return {"source": None, "packages": 0, "vulnerable": vulnerable}


def asked(lock: Path, source: str) -> list[dict[str, Any]]:
    """Returns what pip-audit says of each package; nothing if the source gave no answer."""
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip"),
        *("--vulnerability-service", source, "--format", "json", "--progress-spinner", "off"),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return []
    return found


def against(packages: list[dict[str, Any]], accepted: frozenset[str]) -> dict[str, list[str]]:
    """Returns the advisories that nobody accepted, by package and version."""
    found = {
        f"{package['name']} {package['version']}": [
            advisory["id"]
            for advisory in package["vulns"]
            if not accepted & {advisory["id"], *advisory.get("aliases", [])}
        ]
        for package in packages
        if package.get("vulns")
    }
    return {name: ids for name, ids in found.items() if ids}


def told(result: dict[str, dict[str, Any]]) -> str:
    """Returns one line for each lock file, and one for each package with an advisory."""
    lines = []
    for name, lock in result.items():
        if lock["source"]:
            lines.append(f"{name}: {lock['packages']} packages, all known to {lock['source']}")
        else:
            lines.append(
                f"{name}: NOT AUDITED, neither source of advisories ({', '.join(SOURCES)}) knew "
                "every package here; run `make audit` where they can be reached"
            )
        lines += [f"  {package}: {', '.join(ids)}" for package, ids in lock["vulnerable"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
