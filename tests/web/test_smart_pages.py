"""The page of the SMART app when an EHR does not let it in: what to do, in the user's language."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.engine.speech import translations
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.settings import Settings
from tests.smart.told import Ehr

CLIENTS = """
[clients.mercy]
fhir_bases = ["{base}"]
allow_private = true
time_zone = "UTC"
[clients.mercy.smart_launch]
client_id = "sodium-app"
"""
LANGUAGES = ("en", "de", "fr", "es")


@pytest.fixture(scope="module")
def ehr() -> Iterator[Ehr]:
    ehr = Ehr()
    yield ehr
    ehr.server.shutdown()
    ehr.server.server_close()


@pytest.fixture(scope="module")
def app(ehr: Ehr, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder: Path = tmp_path_factory.mktemp("smart")
    (folder / "clients.toml").write_text(CLIENTS.format(base=ehr.base), encoding="utf-8")
    return create_app(
        Settings(
            mode="development",
            clients_file=folder / "clients.toml",
            data_dir=folder / "data",
            public_url="https://localhost",
        )
    )


@cache
def words(language: str, remedy: str) -> str:
    knowledge = load_knowledge(default_hooks_dir())
    known = {"en": knowledge, **{k: t.knowledge for k, t in translations(knowledge).items()}}
    return str(getattr(known[language].words.plot, f"app_do_{remedy}"))


def visited(browser: FlaskClient, path: str, language: str = "en") -> TestResponse:
    headers = {"Accept": "text/html", "Accept-Language": language}
    return browser.get(path, base_url="https://localhost", headers=headers)


def back(browser: FlaskClient, ehr: Ehr, query: str, language: str) -> TestResponse:
    """The EHR sends the browser back from its login, with this answer."""
    away = visited(browser, f"/smart/mercy/launch?iss={ehr.base}&launch=1", language)
    [state] = parse_qs(urlsplit(away.headers["Location"]).query)["state"]
    return visited(browser, f"/smart/mercy/app?{query}&state={state}", language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("query", "token", "remedy"),
    [
        ("error=access_denied", {}, "leave"),
        ("error=invalid_scope", {}, "setup"),
        ("error=temporarily_unavailable", {}, "later"),
        ("code=c", {"error": "invalid_grant"}, "over"),
        ("code=c", {"patient": None}, "patient"),
        ("code=c", {"patient": "Practitioner/7"}, "patient"),
    ],
)
def test_a_launch_that_is_refused_says_what_to_do_in_the_language_of_the_user(
    query: str, token: dict[str, Any], remedy: str, language: str, app: Flask, ehr: Ehr
) -> None:
    ehr.gives(**token)
    answer = back(app.test_client(), ehr, query, language)
    page = answer.get_data(as_text=True)
    assert words(language, remedy) in page.replace("&#39;", "'")
    assert f'<html lang="{language}"' in page
    assert answer.status_code == 502
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("/smart/mercy/app?code=c&state=of-another-browser", "over"),
        ("/smart/mercy/launch?iss=https://elsewhere.example/fhir&launch=1", "setup"),
        ("/smart/nobody/launch", "setup"),
    ],
)
def test_a_launch_that_never_began_here_says_what_to_do(
    path: str, remedy: str, language: str, app: Flask
) -> None:
    page = visited(app.test_client(), path, language).get_data(as_text=True)
    assert words(language, remedy) in page.replace("&#39;", "'")
    assert "elsewhere" not in page


def test_a_program_gets_an_operation_outcome(app: Flask) -> None:
    answer = app.test_client().get("/smart/nobody/launch", headers={"Accept": "application/json"})
    assert answer.get_json()["resourceType"] == "OperationOutcome"
