"""The workbench keeps what it shows in memory, within bounds, for this machine, and never in production."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import create_app
from cds_service.cli import cli
from cds_service.cli.serve import _pages
from cds_service.demo.calls import KeptCall, Workbench
from cds_service.demo.pages import demo_pages, development_pages
from cds_service.demo.stories import Story
from cds_service.errors import ConfigurationError
from cds_service.protocol.wire import decode
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from cds_service.web.runtime import utc_now
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, close, deployment
from tests.trust.tokens import BASE, VIEW, token, written

SECRET = "NEVER-SHOW-THIS-TOKEN"


def _story(stories: dict[str, Story], name: str = "cramps-in-siadh") -> dict[str, Any]:
    return dict(json.loads(json.dumps(stories[name].request_at(NOW), default=float)))


def _newest(client: FlaskClient) -> int:
    return int(client.get("/workbench/calls").get_json()["latest"])


def _everything(client: FlaskClient, number: int) -> str:
    pages = (f"/workbench/calls/{number}", "/workbench/calls", "/workbench/recorded")
    return "".join(client.get(page).get_data(as_text=True) for page in pages)


def _production(folder: Path) -> Settings:
    (folder / "secret").write_text("s" * 64)
    return Settings(
        mode="production",
        clients_file=written(folder),
        data_dir=folder,
        public_url=BASE,
        secret_file=folder / "secret",
        database_url=f"sqlite:///{folder}/cds.sqlite",
    )


def test_production_has_no_workbench(tmp_path: Path) -> None:
    settings = _production(tmp_path)
    app = create_app(settings, pages=_pages(settings))
    for path in ("/workbench", "/workbench/calls", "/workbench/recorded"):
        assert app.test_client().get(path).status_code == 404, path
    assert not any(rule.rule.startswith("/workbench") for rule in app.url_map.iter_rules())
    close(app)


def test_production_refuses_to_start_with_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="demo and development mode only"):
        create_app(_production(tmp_path), pages=development_pages())


def test_development_has_one(tmp_path: Path, stories: dict[str, Story]) -> None:
    app = deployment(tmp_path, pages=development_pages())
    client = app.test_client()
    assert client.post(PATIENT_VIEW, json=_story(stories)).status_code == 200
    assert "Workbench" in client.get("/workbench").get_data(as_text=True)
    shown = _everything(client, 1)
    assert "sodiumMildSymptomatic" in shown
    close(app)


@pytest.mark.parametrize(
    "asked",
    [
        {"environ_base": {"REMOTE_ADDR": "10.0.0.7"}},
        {"headers": {"Host": "rebound.example"}},
        {"headers": {"X-Forwarded-For": "10.0.0.7"}},
    ],
    ids=["another-machine", "another-name", "through-a-proxy"],
)
def test_it_answers_on_this_machine_only(client: FlaskClient, asked: dict[str, Any]) -> None:
    for path in ("/workbench", "/workbench/calls", "/workbench/recorded"):
        assert client.get(path, **asked).status_code == 403


def test_no_other_page_may_read_it(client: FlaskClient) -> None:
    """The demo lets pages of this machine and of the public sandbox call its hooks, not this."""
    for origin in ("http://localhost:8080", "https://sandbox.cds-hooks.org"):
        hooks = client.get("/cds-services", headers={"Origin": origin})
        assert hooks.headers["Access-Control-Allow-Origin"] == origin
        for path in ("/workbench", "/workbench/calls", "/workbench/recorded"):
            answer = client.get(path, headers={"Origin": origin})
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("broken", [False, True], ids=["json", "broken-json"])
def test_no_token_is_shown(client: FlaskClient, stories: dict[str, Story], broken: bool) -> None:
    call = _story(stories) | {
        "fhirServer": "http://cds.test/demo/fhir",
        "fhirAuthorization": {"access_token": SECRET, "token_type": "Bearer"},
    }
    text = json.dumps(call)[: -1 if broken else None]
    answer = client.post(
        PATIENT_VIEW,
        data=text,
        content_type="application/json",
        headers={"Authorization": f"Bearer {SECRET}"},
    )
    assert answer.status_code == (400 if broken else 200)
    shown = _everything(client, _newest(client))
    assert SECRET not in shown
    assert "not shown" in shown


def test_a_token_that_proves_a_client_says_so_and_the_reason_of_a_refusal_is_seen(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    settings = Settings(
        mode="development", clients_file=written(tmp_path), data_dir=tmp_path, public_url=BASE
    )
    app = create_app(settings, pages=development_pages())
    client = app.test_client()

    def call(bearer: str) -> int:
        said = {"Authorization": f"Bearer {bearer}", "Host": "localhost"}
        now = json.loads(
            json.dumps(stories["cramps-in-siadh"].request_at(utc_now()), default=float)
        )
        return client.post(f"/cds-services/{VIEW}", json=now, headers=said).status_code

    good = token()
    assert (call(good), call(good)) == (200, 401)
    shown = [client.get(f"/workbench/calls/{n}").get_json()["html"] for n in (1, 2)]
    assert "signature, audience, time and id are good" in shown[0]
    assert "Token refused: replay" in shown[1]
    assert good not in _everything(client, 1) + _everything(client, 2)
    # The page may send it again although its token is used up; a call that proved no one it may not.
    body = client.get("/workbench/calls/1").get_json()["request"]
    assert client.post("/workbench/calls/1/again", json={"body": body}).status_code == 200
    assert client.post("/workbench/calls/2/again", json={"body": body}).status_code == 403
    close(app)


def test_a_call_that_is_sent_again_leaves_no_rows_and_no_counts(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    app = deployment(tmp_path, pages=development_pages())
    client = app.test_client()
    rows: list[object] = []
    app.extensions["hyponatremia-cds"].recorder.put = rows.append
    client.post(PATIENT_VIEW, json=_story(stories))
    assert len(rows) == 1
    body = client.get("/workbench/calls/1").get_json()["request"]
    answer = client.post("/workbench/calls/1/again", json={"body": body}).get_json()
    assert (answer["changes"], len(rows)) == ([], 1)
    close(app)


def test_what_is_sent_again_may_be_anything(client: FlaskClient, stories: dict[str, Story]) -> None:
    client.post(PATIENT_VIEW, json=_story(stories))
    number = _newest(client)
    for body, words in (("[]", "Status: 200 before, 400 now."), ("{}", "400 now")):
        answer = client.post(f"/workbench/calls/{number}/again", json={"body": body})
        assert answer.status_code == 200
        assert any(words in change for change in answer.get_json()["changes"]), answer.get_json()
    bad: tuple[object, ...] = ({"body": "{"}, {"body": 1}, {}, [])
    for wrong in bad:
        assert client.post(f"/workbench/calls/{number}/again", json=wrong).status_code == 400


@pytest.mark.parametrize("name", ["../etc", "A Story", "", "a" * 300, "a/b"])
def test_a_story_needs_a_name_that_is_a_folder(
    name: str, client: FlaskClient, stories: dict[str, Story]
) -> None:
    client.post(PATIENT_VIEW, json=_story(stories))
    asked = {"name": name, "title": "t", "why": "w"}
    answer = client.post(f"/workbench/calls/{_newest(client)}/story", json=asked)
    assert answer.status_code == 400


def test_a_saved_story_is_replayed_with_the_cards_of_its_call(
    client: FlaskClient, stories: dict[str, Story], tmp_path: Path
) -> None:
    answer = client.post(PATIENT_VIEW, json=_story(stories)).get_json()
    asked = {"name": "saved", "title": "Saved", "why": "It was saved."}
    saved = client.post(f"/workbench/calls/{_newest(client)}/story", json=asked)
    zipfile.ZipFile(io.BytesIO(saved.data)).extractall(tmp_path)
    assert "cramps-in-siadh" not in (tmp_path / "saved" / "request.json").read_text()
    command = ["replay", "saved", "--json", "--fixtures", str(tmp_path)]
    cards = json.loads(CliRunner().invoke(cli, command).stdout)["cards"]
    assert [card["summary"] for card in cards] == [card["summary"] for card in answer["cards"]]


def _kept(size: int = 10) -> KeptCall:
    return KeptCall(
        kind="hook",
        at=NOW,
        method="POST",
        path="/cds-services/x",
        access="",
        status=200,
        milliseconds=1,
        body=b"x" * size,
    )


def test_the_oldest_calls_go_first_and_their_number_and_bytes_are_bounded() -> None:
    bench = Workbench(most_calls=3, most_bytes=4000)
    for _ in range(5):
        bench.keep(_kept())
    assert [call.number for call in bench.after(0)] == [3, 4, 5]
    for _ in range(5):
        bench.keep(_kept(900))
    assert sum(call.size for call in bench.after(0)) <= 4000
    assert bench.keep(_kept(5000)).body == b"", "one call may not push all others out"
    assert bench.last == 11
    bench.forget()
    assert bench.after(0) == []


def test_pages_run_our_own_scripts_only(client: FlaskClient) -> None:
    policy = client.get("/workbench").headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
    assert client.get("/workbench").headers["Cache-Control"] == "no-store"


def test_hostile_words_of_a_call_are_text(client: FlaskClient, stories: dict[str, Story]) -> None:
    call = _story(stories)
    call["context"]["userId"] = "</pre><script>alert(1)</script>"
    client.post(PATIENT_VIEW, json=call)
    html = client.get(f"/workbench/calls/{_newest(client)}").get_json()["html"]
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_a_demo_opened_to_other_machines_shows_it_there(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    settings = Settings(mode="demo", data_dir=tmp_path, demo_public=True, host="0.0.0.0")  # noqa: S104  # nothing listens
    registry = Registry.demo("http://cds.test/demo/fhir")
    app: Flask = create_app(settings, pages=demo_pages(stories), registry=lambda: registry)
    answer = app.test_client().get("/workbench", environ_base={"REMOTE_ADDR": "10.0.0.7"})
    assert answer.status_code == 200
    close(app)


def test_a_call_is_explained_when_a_page_first_shows_it_and_only_once() -> None:
    bench, made = Workbench(), list[int]()

    def make() -> KeptCall:
        made.append(1)
        return _kept()

    bench.keep_unread(b"x" * 10, b"{}", make)
    assert made == [], "the caller waited for a page that may never be opened"
    assert [call.number for call in bench.after(0)] == [1]
    assert bench.find(1).body == b"x" * 10
    assert made == [1]


def test_calls_that_no_page_has_shown_are_bounded_too() -> None:
    bench = Workbench(most_calls=100, most_bytes=4000)
    for _ in range(20):
        bench.keep_unread(b"x" * 100, b"", lambda: _kept(100))
    assert 0 < len(bench.after(0)) <= 5
    bench.keep_unread(b"x" * 5000, b"", lambda: _kept(5000))
    assert bench.find(21).body == b"", "one call may not push all others out"


@pytest.mark.parametrize(
    "nested", ["[" * 50 + "]" * 50, "{}", '{"a":1}'], ids=["lists", "objects", "members"]
)
def test_a_body_that_was_refused_unread_is_kept_without_reading_it(
    nested: str, stories: dict[str, Story], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decoded such a body takes a hundred times its size, and many may come at once."""
    settings = Settings(mode="demo", data_dir=tmp_path)
    app: Flask = create_app(settings, pages=demo_pages(stories))
    client = app.test_client()
    token = json.dumps({"access_token": SECRET, "token_type": "Bearer"})
    filling = ",".join([nested] * (5_000 if len(nested) > 9 else 110_000))
    body = (
        f'{{"hook":"patient-view","fhirAuthorization":{token},"context":{{"other":[{filling}]}}}}'
    )
    decoded: list[int] = []

    def counted(one: bytes) -> object:
        decoded.append(len(one))
        return decode(one)

    monkeypatch.setattr("cds_service.demo.calls.decode", counted)
    answer = client.post(PATIENT_VIEW, data=body, content_type="application/json")
    assert answer.status_code == 413
    shown = _everything(client, _newest(client))
    assert [size for size in decoded if size >= len(body) // 2] == []
    assert SECRET not in shown
    again = client.post(f"/workbench/calls/{_newest(client)}/again", json={"body": body})
    assert again.status_code == 413
    close(app)
