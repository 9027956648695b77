"""Writes docs/openapi.yaml as the JSON that the service answers: `python -m tests.openapi`."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

import cds_service

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "docs" / "openapi.yaml"
SERVED = Path(cds_service.__file__).parent / "web" / "openapi.json"  # of the wheel, if it is tested


def as_json() -> str:
    """Returns the description as it is served, but for the address of the service."""
    document = yaml.safe_load(WRITTEN.read_text(encoding="utf-8"))
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SERVED.write_text(as_json(), encoding="utf-8")
