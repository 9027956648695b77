"""The whole service behind its door: tokens, tenants, rates, services, as a registered EHR meets them."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.app import create_app
from cds_service.demo.stories import Story
from cds_service.errors import StoreUnavailable
from cds_service.feedback.inbox import Inbox
from cds_service.settings import Settings
from cds_service.telemetry import configure_logging
from cds_service.trust.throttle import MOST, RateLimit
from cds_service.web.runtime import runtime_of
from tests.trust.tokens import AUDIENCE, BASE, VIEW, forged, part, public_jwk, token, written

PATH = f"/cds-services/{VIEW}"
STORY = "cramps-in-siadh"
Door = Callable[..., FlaskClient]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """The service with one registered client; lines for its entry, or settings, as a test needs them."""

    def opened(entry: str = "", **settings: Any) -> FlaskClient:
        path = written(tmp_path, entry)
        chosen: dict[str, Any] = {
            "mode": "development",
            "public_url": BASE,
            "data_dir": tmp_path / "data",
        }
        return create_app(Settings(clients_file=path, **(chosen | settings))).test_client()

    return opened


@pytest.fixture
def body(stories: dict[str, Story]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        json.dumps(stories[STORY].request_at(datetime.now(UTC)), default=float)
    )
    return found


def call(client: FlaskClient, body: object, text: str | None, path: str = PATH) -> TestResponse:
    headers = {} if text is None else {"Authorization": text if " " in text else f"Bearer {text}"}
    return client.post(path, json=body, headers=headers)


def test_a_registered_client_gets_its_cards(door: Door, body: dict[str, Any]) -> None:
    answer = call(door(), body, token())
    assert answer.status_code == 200
    assert answer.get_json()["cards"]
    assert "X-Demo" not in answer.headers


BAD = [
    None,
    "Basic dTpw",
    "Bearer ",
    "Bearer abc.def.ghi",
    "Bearer " + "a" * 9000,
    forged("none"),
    forged("HS256", b"secret"),
    forged("ES384", jku="http://127.0.0.1:9/jwks"),
    token(iss="https://evil.example"),
    token(aud="https://cds.example"),
    token(exp=1),
    token(jti=None),
    token("ES384/2", {"kid": "ES384+/="}),
    token(header={"kid": "../../etc/passwd"}),
    token(header={"crit": ["exp"]}),
    token("RS384"),
]


def test_every_refused_token_gets_one_and_the_same_answer(door: Door, body: dict[str, Any]) -> None:
    client = door()
    answers = [call(client, body, text) for text in BAD]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert len({answer.headers["X-Correlation-Id"] for answer in answers}) == len(BAD)
    assert answers[0].get_json(force=True)["issue"][0]["code"] == "login"


def test_the_log_names_the_reason_and_nothing_of_the_token(
    door: Door, body: dict[str, Any]
) -> None:
    lines = io.StringIO()
    client = door()
    configure_logging(lines)
    answer = call(client, body, token(sub="SENTINEL", jti=""))
    structlog.reset_defaults()
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    (refusal,) = [line for line in told if line["event"] == "unauthorized"]
    assert refusal["reason"] == "token-jti"
    assert refusal["client"] == "mercy"
    assert refusal["correlation"] == answer.headers["X-Correlation-Id"]
    assert "SENTINEL" not in lines.getvalue()
    assert "eyJ" not in lines.getvalue()


def test_t23_the_same_token_twice_is_refused(door: Door, body: dict[str, Any]) -> None:
    client, once = door(), token()
    assert [call(client, body, once).status_code for _ in range(2)] == [200, 401]


def test_t23_a_token_is_taken_only_after_its_signature_is_checked(
    door: Door, body: dict[str, Any]
) -> None:
    client, good = door(), token(jti="same")
    assert call(client, body, token("ES384/2", {"kid": "ES384+/="}, jti="same")).status_code == 401
    assert call(client, body, good).status_code == 200


def test_t26_no_header_of_the_call_changes_the_audience(door: Door, body: dict[str, Any]) -> None:
    headers = {
        "Authorization": f"Bearer {token(aud=f'https://evil.example{PATH}')}",
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
    }
    assert door().post(PATH, json=body, headers=headers).status_code == 401


def test_t28_two_authorization_headers_are_refused(door: Door, body: dict[str, Any]) -> None:
    headers = [("Authorization", f"Bearer {token()}"), ("Authorization", f"Bearer {token()}")]
    assert door().post(PATH, json=body, headers=headers).status_code == 401


def test_a_body_is_looked_at_only_after_the_token(door: Door) -> None:
    client = door()
    headers = {"Content-Type": "application/json"}
    assert client.post(PATH, data=b"{broken", headers=headers).status_code == 401
    proven = headers | {"Authorization": f"Bearer {token()}"}
    assert client.post(PATH, data=b"{broken", headers=proven).status_code == 400
    assert client.post(PATH, data=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post("/cds-services/no-such-service", json={}).status_code == 404


@pytest.mark.parametrize("audience", [AUDIENCE, AUDIENCE + "/feedback"])
def test_feedback_takes_its_own_url_or_the_services(door: Door, audience: str) -> None:
    item = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-21T12:00:00Z"}
    client = door()
    assert call(client, {"feedback": [item]}, None, PATH + "/feedback").status_code == 401
    assert (
        call(client, {"feedback": [item]}, token(aud=audience), PATH + "/feedback").status_code
        == 200
    )
    assert call(client, {}, token(aud=AUDIENCE + "/feedback")).status_code == 401


def test_a_client_whose_audience_has_a_slash_is_let_in_and_named_once_in_the_log(
    door: Door, body: dict[str, Any]
) -> None:
    client = door()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert call(client, body, token(aud=AUDIENCE + "/")).status_code == 200
    told = [line for line in lines if line["event"] == "audience"]
    assert [line["client"] for line in told] == ["mercy"]
    assert "slash" in told[0]["reason"]


def test_t62_feedback_is_kept_under_the_tenant_of_the_token(door: Door, tmp_path: Path) -> None:
    import sqlite3

    client = door("[clients.mercy.tenants]\nnorth = []\nsouth = []\n")
    item = {"card": "same", "outcome": "overridden", "outcomeTimestamp": "2026-11-21T12:00:00Z"}
    for tenant in ("north", "south", "north"):
        said = token(tenant=tenant)
        assert call(client, {"feedback": [item]}, said, PATH + "/feedback").status_code == 200
    with closing(sqlite3.connect(tmp_path / "data" / "hyponatremia-cds.db")) as database:
        rows = database.execute("SELECT tenant FROM feedback ORDER BY tenant").fetchall()
    assert rows == [("mercy/north",), ("mercy/south",)]


def test_t62_two_tenants_never_share_the_uuid_of_a_card(door: Door, body: dict[str, Any]) -> None:
    client = door("[clients.mercy.tenants]\nnorth = []\nsouth = []\n")
    body.pop("fhirServer", None)
    body.pop("fhirAuthorization", None)
    answers = [
        call(client, body, token(tenant=t)).get_json()["cards"] for t in ("north", "north", "south")
    ]
    ids = [[card["uuid"] for card in cards] for cards in answers]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_discovery_is_open_unless_the_deployment_closes_it(door: Door) -> None:
    client = door()
    assert client.get("/cds-services").status_code == 200
    assert client.get("/cds-services", headers={"Authorization": "Bearer bad"}).status_code == 200
    closed = door(discovery_auth="required")
    assert closed.get("/cds-services").status_code == 401
    good = {"Authorization": f"Bearer {token(aud=BASE + '/cds-services')}"}
    assert closed.get("/cds-services", headers=good).status_code == 200
    assert closed.get("/health").status_code == 200


def test_a_client_may_call_only_the_services_of_its_entry(door: Door, body: dict[str, Any]) -> None:
    client = door('services = ["hyponatremia-order-select"]')
    answer = call(client, body, token())
    assert answer.status_code == 403
    assert answer.get_json(force=True)["issue"][0]["code"] == "forbidden"


def test_t50_a_client_that_calls_too_often_gets_429_and_discovery_goes_on(
    door: Door, body: dict[str, Any]
) -> None:
    client = door("rate_limit = 2")
    answers = [call(client, body, token()) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "1"
    assert client.get("/cds-services").status_code == 200
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("way", "status"),
    [("/hyponatremia-patient-view/feedback", 503), ("/hyponatremia-patient-view", 429)],
)
def test_a_token_whose_call_got_no_answer_can_be_sent_once_more(
    door: Door, body: dict[str, Any], way: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = door("rate_limit = 1")
    same = {"Authorization": f"Bearer {token()}"}
    with monkeypatch.context() as broken:
        if status == 503:
            broken.setattr(Inbox, "keep", _refuses)
        else:
            broken.setattr(RateLimit, "admits", lambda *_: False)
        assert (
            client.post("/cds-services" + way, json=_sent(way, body), headers=same).status_code
            == status
        )
    again = [
        client.post("/cds-services" + way, json=_sent(way, body), headers=same).status_code
        for _ in range(2)
    ]
    assert again == [200, 401]


def _refuses(*_: object) -> int:
    raise StoreUnavailable("OperationalError")


def _sent(way: str, body: dict[str, Any]) -> dict[str, Any]:
    if not way.endswith("feedback"):
        return body
    card = {
        "card": str(uuid.uuid4()),
        "outcome": "overridden",
        "outcomeTimestamp": "2026-11-21T12:00:00Z",
    }
    return {"feedback": [card]}


def test_t31_only_what_speaks_against_the_caller_counts_against_its_address(
    door: Door, tmp_path: Path, body: dict[str, Any]
) -> None:
    client, good = door(proxies=0), token()
    failures = runtime_of(client.application).gate.failures
    for _ in range(MOST):
        assert call(client, body, token("ES384/2", {"kid": "ES384+/="})).status_code == 401
    assert failures.holds_off("127.0.0.1")
    assert call(client, body, good).status_code == 200, (
        "the front refuses; here every token is looked at"
    )
    assert not failures.holds_off("127.0.0.1")
    unreachable = (
        '[clients.mercy]\nissuer = "https://ehr.example/r4"\njwks_url = "http://127.0.0.1:9/jwks"\n'
    )
    (tmp_path / "clients.toml").write_text(unreachable)
    settings = Settings(
        mode="development",
        clients_file=tmp_path / "clients.toml",
        data_dir=tmp_path / "d",
        proxies=0,
    )
    other = create_app(settings).test_client()
    for _ in range(MOST):
        assert call(other, body, token(aud=f"{settings.base_url}{PATH}")).status_code == 401
    assert not runtime_of(other.application).gate.failures.holds_off("127.0.0.1"), (
        "its keys are out of our reach"
    )


def test_t72_in_shadow_mode_no_card_is_sent_and_the_log_says_which_would_have_been(
    door: Door, body: dict[str, Any]
) -> None:
    client, lines = door("shadow = true"), io.StringIO()
    configure_logging(lines)
    answer = call(client, body, token())
    structlog.reset_defaults()
    assert answer.get_json() == {"cards": []}
    (told,) = [json.loads(line) for line in lines.getvalue().splitlines() if '"call"' in line]
    assert told["shadow"] is True
    assert told["cards"]


def test_a_client_may_ask_for_the_explanation(door: Door, body: dict[str, Any]) -> None:
    assert "extension" not in call(door(), body, token()).get_json()
    assert "extension" in call(door("explain = true"), body, token()).get_json()


def test_a_browser_may_call_from_the_origins_of_the_registry_only(
    door: Door, body: dict[str, Any]
) -> None:
    client = door('cors_origins = ["https://ehr.example"]')
    for origin, allowed in (
        ("https://ehr.example", "https://ehr.example"),
        ("https://evil.example", None),
    ):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        for answer in (
            client.options(PATH, headers=asked),
            client.post(PATH, json=body, headers={"Origin": origin}),
        ):
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Origin" in answer.headers["Vary"]


def noticed(client: FlaskClient) -> None:
    """Lets the service look at its registry twice: it reads a file that two looks find the same."""
    for _ in range(2):
        client.get("/health")


def test_a_token_of_a_client_that_was_removed_no_longer_passes(
    door: Door, tmp_path: Path, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.trust.current.LOOK_EVERY_S", 0.0)
    client = door()
    assert call(client, body, token()).status_code == 200
    (tmp_path / "mercy.json").write_text(json.dumps({"keys": [public_jwk("ES384/2", alg="ES384")]}))
    noticed(client)
    assert call(client, body, token()).status_code == 401
    assert call(client, body, token("ES384/2")).status_code == 200


def test_a_registry_that_breaks_while_the_service_runs_changes_nothing_and_health_says_so(
    door: Door, tmp_path: Path, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.trust.current.LOOK_EVERY_S", 0.0)
    client, path = door(), tmp_path / "clients.toml"
    sound = path.read_text()
    for broken in (
        "[clients.mercy",
        sound + 'disabled_rules = ["PV-MIDL"]\n',
        sound.replace("mercy.json", "gone.json"),
    ):
        path.write_text(broken)
        noticed(client)
        assert call(client, body, token()).status_code == 200
        told = client.get("/health").get_json()
        assert told["degraded"] == ["client registry: its file is broken, an older one is in force"]
    path.write_text(sound + 'disabled_rules = ["PV-MILD-SYMP"]\n')
    noticed(client)
    assert client.get("/health").get_json() == {"status": "ok"}
    topics = [
        card["source"]["topic"]["code"] for card in call(client, body, token()).get_json()["cards"]
    ]
    assert "sodiumMildSymptomatic" not in topics


def test_a_browsers_origin_counts_from_the_moment_it_stands_in_the_registry(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.trust.current.LOOK_EVERY_S", 0.0)
    client, path = door(), tmp_path / "clients.toml"
    sound = path.read_text()
    asked = {"Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"}
    for origins, allowed in (
        ("[]", None),
        ('["https://ehr.example"]', "https://ehr.example"),
        ("[ ]", None),
    ):
        path.write_text(sound + f"cors_origins = {origins}\n")
        noticed(client)
        assert (
            client.options(PATH, headers=asked).headers.get("Access-Control-Allow-Origin")
            == allowed
        )


def test_without_any_keys_in_the_registry_development_asks_nobody_for_a_token(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    path = tmp_path / "clients.toml"
    path.write_text('[clients.local]\nfhir_bases = ["http://127.0.0.1:8080/fhir"]\n')
    settings = Settings(mode="development", clients_file=path, data_dir=tmp_path / "data")
    assert call(create_app(settings).test_client(), body, None).status_code == 200


def test_t68_in_a_demo_a_token_is_looked_at_and_grants_nothing(
    client: FlaskClient, stories: dict[str, Story], body: dict[str, Any]
) -> None:
    lines = io.StringIO()
    configure_logging(lines)
    claims = {"iss": "https://sandbox.cds-hooks.org", "exp": 1}
    forged_one = f"Bearer {part({'alg': 'ES384', 'typ': 'JWT', 'kid': 'x'})}.{part(claims)}.AAAA"
    answer = call(client, body, forged_one)
    structlog.reset_defaults()
    assert answer.status_code == 200
    assert answer.headers["X-Demo"] == "1"
    assert all("DEMO" in card["source"]["label"] for card in answer.get_json()["cards"])
    assert "not signed by the public sandbox" in lines.getvalue()


def test_t68_a_demo_answers_a_call_whose_token_cannot_be_read(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    """The public sandbox must never see an error because of its own token."""
    assert call(client, body, "Bearer neither-a-token").status_code == 200


def test_the_registry_is_frozen() -> None:
    from cds_service.trust.client import Client

    with pytest.raises(AttributeError, match="immutable"):
        Client().name = "root"  # type: ignore[misc]
