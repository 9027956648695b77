"""Writes docs/licenses.md: what the service is made of and under which terms, from the installed metadata."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
HEAD = """# Licenses

What a deployment runs beside this code, as `requirements.lock` pins it, and the license that each package states.
Written by `make sbom`; `tests/test_docs.py` fails where a package is missing.

| Package | License |
|---|---|
"""


def locked() -> list[str]:
    """The distributions of requirements.lock, normalised, without the build backend's own."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return sorted(
        {name(found) for found in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}
    )


def name(written: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", written).lower()


def license_of(distribution: str) -> str:
    """What its metadata say; a dash where it is not installed on this machine."""
    try:
        said = metadata.metadata(distribution)
    except metadata.PackageNotFoundError:
        return "— (other platforms only)"
    classifiers = [
        c.rpartition(" :: ")[2]
        for c in said.get_all("Classifier", [])
        if c.startswith("License ::")
    ]
    # get_all, because the type of metadata has no get.
    short = "".join(said.get_all("License", [])).strip()
    plain = short if short and "\n" not in short and len(short) < 60 else ""
    expression = "".join(said.get_all("License-Expression", []))
    return expression or ", ".join(classifiers) or plain or "see the package"


if __name__ == "__main__":
    rows = "".join(
        f"| {distribution} | {license_of(distribution)} |\n" for distribution in locked()
    )
    sys.stdout.write(HEAD + rows)
