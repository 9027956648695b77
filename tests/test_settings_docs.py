"""docs/settings.md lists every setting with its default and its description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from cds_service.errors import SettingsError
from cds_service.settings import (
    Settings,
    refuse_missing_files,
    settings_from_environment,
    unknown_variables,
)
from cds_service.trust.modes import refuse_unsafe

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


def changed(name: str, value: object, **others: Any) -> Settings:
    """Returns settings with one of them changed."""
    return Settings(**{name: value, **others})


def refusal() -> str:
    """Returns the one line that refuses the variables that are set."""
    with pytest.raises(SettingsError) as caught:
        settings_from_environment()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_misspelt_setting_is_refused_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CDS_REPLAY_STRICKT", "s3cret")
    monkeypatch.setenv("cds_prot", "8701")
    monkeypatch.setenv("CDS_ZZZZ", "1")
    assert refusal() == (
        "CDS_REPLAY_STRICKT: there is no such setting; did you mean CDS_REPLAY_STRICT?; "
        "CDS_ZZZZ: there is no such setting; docs/settings.md lists them all; "
        "cds_prot: there is no such setting; did you mean CDS_PORT?"
    )


def test_what_an_orchestrator_sets_beside_a_service_called_cds_is_no_misspelt_setting() -> None:
    assert not unknown_variables(
        {
            "CDS_SERVICE_HOST": "10.0.0.1",
            "CDS_SERVICE_PORT_HTTP": "8642",
            "CDS_PORT_8642_TCP_ADDR": "10.0.0.1",
            "CDS_STAGING_PORT": "tcp://10.0.0.1:8642",
            "CDS_STAGING_SERVICE_HOST": "10.0.0.1",
            "CDS_MODE": "demo",
            "PATH": "/bin",
        }
    )


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_setting_is_what_its_description_says_or_refused_by_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"CDS_{name.upper()}"
    monkeypatch.setenv(variable, " ")
    described = Settings.model_fields[name].description or ""
    if "empty: " in described:
        assert getattr(settings_from_environment(), name) == getattr(Settings(), name)
    else:
        assert refusal() == f"{variable}: it is set and empty; give it a value, or unset it"


def takes_any_text(name: str, field: FieldInfo) -> bool:
    """Returns True for a text or path that only a start can find wrong."""
    return field.annotation in (str, Path, Path | None) and name != "profile"


@pytest.mark.parametrize(
    "name",
    [name for name, field in Settings.model_fields.items() if not takes_any_text(name, field)],
)
def test_a_wrong_value_is_refused_by_name_and_never_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = '["s3cret' if name == "cors_origins" else "s3cret"
    monkeypatch.setenv(f"CDS_{name.upper()}", wrong)
    said = refusal()
    assert said.startswith(f"CDS_{name.upper()}: ")
    assert "s3cret" not in said
    assert "Value error" not in said


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_PORT", "x")
    monkeypatch.setenv("CDS_PROFILE", "x")
    assert (
        refusal()
        == "CDS_PORT: it should be a valid integer; CDS_PROFILE: use one of aasld, european"
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("clients_file", "does not exist"),
        ("ca_bundle", "does not exist"),
        ("rxnorm_index", "does not exist"),
        ("local_codes", "does not exist"),
        ("secret_file", "does not exist"),
        ("hooks_dir", "does not exist"),
    ],
)
def test_a_file_that_is_not_there_is_named_with_its_variable(
    name: str, what: str, tmp_path: Path
) -> None:
    missing = tmp_path / "not-there"
    with pytest.raises(SettingsError, match=rf"^CDS_{name.upper()}: {missing} {what}$"):
        refuse_missing_files(changed(name, missing))


def test_a_file_in_the_place_of_a_folder_is_named_and_a_folder_in_that_of_a_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match=r"^CDS_DATA_DIR: .*/file is no folder$"):
        refuse_missing_files(Settings(data_dir=file))
    with pytest.raises(SettingsError, match=r"^CDS_CLIENTS_FILE: .* is no file that can be read$"):
        refuse_missing_files(Settings(clients_file=tmp_path))


@pytest.mark.parametrize("name", ["public_url", "terminology_base"])
def test_an_address_that_is_no_url_is_refused_in_every_mode(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"^CDS_{name.upper()}: give a URL"):
        refuse_unsafe(changed(name, "cds.example", mode="development", clients_file=tmp_path))


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
    named = "CDS_DATABASE_URL: " if url else "CDS_DATABASE_URL_FILE: "
    assert str(caught.value).startswith(named)
    assert told in str(caught.value)
    assert "4711" not in str(caught.value)
