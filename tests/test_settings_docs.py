"""docs/settings.md lists every setting with its default and its description."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from cds_service.errors import SettingsError
from cds_service.settings import Settings, settings_from_environment, unknown_variables

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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://a.example", ("https://a.example",)),
        ("https://a.example, https://b.example ", ("https://a.example", "https://b.example")),
        ('["https://a.example"]', ("https://a.example",)),
        ("", ()),
    ],
)
def test_origins_are_a_list_with_commas(
    written: str, read: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_CORS_ORIGINS", written)
    assert settings_from_environment().cors_origins == read


def test_a_broken_list_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_CORS_ORIGINS", "[https://a.example")
    with pytest.raises(SettingsError, match=r"^CDS_CORS_ORIGINS: "):
        settings_from_environment()


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant() -> None:
    found = unknown_variables(["CDS_REPLAY_STRICKT", "CDS_MODE", "PATH", "CDS_SERVICE_HOST"])
    assert found["CDS_REPLAY_STRICKT"] == "CDS_REPLAY_STRICT"
    assert set(found) == {"CDS_REPLAY_STRICKT", "CDS_SERVICE_HOST"}


@pytest.mark.parametrize(
    ("held", "url", "told"),
    [
        ("postgresql://u:p4711@db/cds", "sqlite://", "not both"),
        (None, "", "cannot be read"),
        ("\n", "", "is empty"),
    ],
)
def test_a_wrong_file_of_the_database_url_is_one_line_without_its_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, held: str | None, url: str, told: str
) -> None:
    path = tmp_path / "url"
    if held is not None:
        path.write_text(held)
    monkeypatch.setenv("CDS_DATABASE_URL_FILE", str(path))
    with pytest.raises(SettingsError) as caught:
        settings_from_environment(database_url=url)
    assert str(caught.value).startswith("CDS_DATABASE_URL: ")
    assert told in str(caught.value)
    assert "4711" not in str(caught.value)
