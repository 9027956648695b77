"""A demo may be called with a token of its test EHR; without one a call is anonymous, as before."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jwt.algorithms import ECAlgorithm

from cds_service.app import create_app
from cds_service.demo.pages import demo_pages
from cds_service.demo.stories import Story
from cds_service.demo.test_ehr import new_test_ehr
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from cds_service.web.runtime import utc_now
from tests.feedback.deployments import PATIENT_VIEW

BASE = "http://cds.test"


@pytest.fixture(scope="module")
def signed_demo(tmp_path_factory: pytest.TempPathFactory, stories: dict[str, Story]) -> Flask:
    made = new_test_ehr()
    bases = [f"{BASE}/demo/{name}" for name in ("fhir", "fhir-slow", "fhir-european", "fhir-epic")]
    registry = Registry.demo(*bases, test_ehr=made.public)
    settings = Settings(mode="demo", data_dir=tmp_path_factory.mktemp("demo"), public_url=BASE)
    return create_app(settings, pages=demo_pages(stories, made), registry=lambda: registry)


@pytest.fixture
def caller(signed_demo: Flask) -> FlaskClient:
    return signed_demo.test_client()


def _token(caller: FlaskClient, **changed: Any) -> str:
    given = caller.get("/demo/test-ehr").get_json()
    now = int(time.time())
    claims = {
        "iss": given["issuer"],
        "aud": f"{given['base']}{PATIENT_VIEW}",
        "iat": now,
        "exp": now + 120,
        "jti": uuid.uuid4().hex,
        "tenant": "fhir",
    } | changed
    key: Any = ECAlgorithm.from_jwk({k: v for k, v in given["key"].items() if k != "use"})
    return jwt.encode(claims, key, "ES384", {"kid": given["key"]["kid"], "typ": "JWT"})


def _status(caller: FlaskClient, stories: dict[str, Story], token: str = "") -> int:
    call = json.loads(json.dumps(stories["cramps-in-siadh"].request_at(utc_now()), default=float))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return caller.post(PATIENT_VIEW, json=call, headers=headers).status_code


def _seen(caller: FlaskClient) -> str:
    number = caller.get("/workbench/calls", headers={"Host": "localhost"}).get_json()["latest"]
    return str(caller.get(f"/workbench/calls/{number}").get_json()["html"])


def test_a_call_without_a_token_is_anonymous(
    caller: FlaskClient, stories: dict[str, Story]
) -> None:
    assert _status(caller, stories) == 200
    assert "No token: anonymous." in _seen(caller)


@pytest.mark.parametrize("tenant", ["fhir", "fhir-european", "fhir-epic"])
def test_a_token_of_the_test_ehr_proves_it(
    tenant: str, caller: FlaskClient, stories: dict[str, Story]
) -> None:
    assert _status(caller, stories, _token(caller, tenant=tenant)) == 200
    assert f"Token of test-ehr, tenant {tenant}: signature" in _seen(caller)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"aud": "http://elsewhere.test/x"}, "token-audience"),
        ({"exp": 1}, "token-times"),
        ({"tenant": "nobody"}, "token-issuer"),
    ],
)
def test_a_wrong_token_is_refused_and_the_workbench_says_why(
    changed: dict[str, Any], reason: str, caller: FlaskClient, stories: dict[str, Story]
) -> None:
    assert _status(caller, stories, _token(caller, **changed)) == 401
    assert f"Token refused: {reason}" in _seen(caller)


def test_a_token_is_used_once(caller: FlaskClient, stories: dict[str, Story]) -> None:
    token = _token(caller)
    assert [_status(caller, stories, token) for _ in range(2)] == [200, 401]


def test_a_token_of_somebody_else_is_no_reason_to_refuse_a_demo_call(
    caller: FlaskClient, stories: dict[str, Story]
) -> None:
    """The public sandbox signs its calls too, and they stay anonymous."""
    other = jwt.encode({"iss": "https://sandbox.cds-hooks.org"}, "s" * 64, "HS256")
    assert _status(caller, stories, other) == 200
    assert "proves no one by it: anonymous" in _seen(caller)


def test_two_demos_have_two_keys_and_a_demo_without_one_says_so(
    client: FlaskClient, tmp_path: Path
) -> None:
    assert new_test_ehr().private["d"] != new_test_ehr().private["d"]
    assert client.get("/demo/test-ehr").status_code == 404
