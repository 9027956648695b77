"""docs/settings.md lists every setting with its default and its description."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from cds_service.settings import Settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def row(name: str, field: FieldInfo) -> str:
    """Returns the line of the table for one setting."""
    default = (
        field.get_default(call_default_factory=True) if name != "hooks_dir" else "the bundled ones"
    )
    shown = "" if default is None or default in ("", ()) else f"`{default}`"
    return f"| `CDS_{name.upper()}` | {shown} | {field.description} |"


@pytest.mark.skipif(not PAGE.is_file(), reason="a wheel has no docs")
def test_the_page_lists_every_setting_with_its_default_and_description() -> None:
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `CDS_")
    ]
    assert rows == [row(name, field) for name, field in Settings.model_fields.items()]


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in Settings.model_fields.values())
