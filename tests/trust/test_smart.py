"""SMART App Launch: what an EHR must say before it is trusted, and what never goes anywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cds_service.errors import RegistryError
from cds_service.trust.client import Client, SmartLaunch
from cds_service.trust.egress import destinations
from cds_service.trust.registry import Registry
from cds_service.trust.smart import (
    LaunchFailed,
    SmartServers,
    authorization_url,
    begin,
)
from tests.smart.told import KEY, Ehr

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
REDIRECT = "https://cds.example/smart/mercy/app"


@pytest.fixture
def ehr() -> Iterator[Ehr]:
    ehr = Ehr()
    yield ehr
    ehr.server.shutdown()
    ehr.server.server_close()


def test_the_address_of_the_ehr_carries_the_challenge_and_never_the_verifier(ehr: Ehr) -> None:
    started = begin(ehr.base)
    endpoints = SmartServers().endpoints(ehr.client(), ehr.base)
    smart = SmartLaunch(client_id="sodium-app")
    url = authorization_url(started, endpoints, smart, "launch openid", REDIRECT, "handle")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert started.verifier not in url
    assert len(started.verifier) >= 43
    assert query["code_challenge_method"] == "S256"
    assert (query["aud"], query["launch"], query["nonce"]) == (ehr.base, "handle", started.nonce)
    assert len({begin(ehr.base).state for _ in range(50)}) == 50


def test_the_code_is_exchanged_with_the_verifier(ehr: Ehr) -> None:
    ehr.gives(encounter="v1", appContext="RATE-OVER")
    started = begin(ehr.base)
    opened = SmartServers().opened(ehr.client(), started, "the-code", REDIRECT)
    assert (opened.patient, opened.encounter, opened.app_context) == ("p1", "v1", "RATE-OVER")
    [form] = [form for path, form in ehr.asked if path == "/token"]
    assert form["code_verifier"] == [started.verifier]
    assert form["client_id"] == ["sodium-app"]
    assert form["redirect_uri"] == [REDIRECT]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"token_endpoint": "http://elsewhere.example/token"}, "not registered"),
        ({"authorization_endpoint": "https://evil.example/authorize"}, "not registered"),
        ({"jwks_uri": "http://169.254.169.254/latest"}, "not registered"),
        ({"token_endpoint": "file:///etc/passwd"}, "not registered"),
        ({"token_endpoint": 7}, "cannot be read"),
    ],
)
def test_an_ehr_that_leads_elsewhere_is_not_followed(
    change: dict[str, Any], words: str, ehr: Ehr
) -> None:
    ehr.says(ehr.configuration(**change))
    with pytest.raises(LaunchFailed, match=words):
        SmartServers().endpoints(ehr.client(), ehr.base)
    assert len(ehr.asked) == 1


def test_a_registered_authorization_server_of_another_host_is_used(ehr: Ehr) -> None:
    login = "https://login.mercy.example"
    ehr.says(ehr.configuration(authorization_endpoint=f"{login}/authorize"))
    client = ehr.client(authorization_servers=(login,))
    assert SmartServers().endpoints(client, ehr.base).authorization_endpoint.startswith(login)
    hosts = {one.host for one in destinations(Registry(anonymous=Client(), clients=(client,)))}
    assert "login.mercy.example" in hosts, "a firewall has to let it out"


def test_what_an_ehr_said_is_kept_and_a_failure_not_for_long(ehr: Ehr) -> None:
    now = [0.0]
    servers = SmartServers(clock=lambda: now[0])
    for _ in range(3):
        servers.endpoints(ehr.client(), ehr.base)
    assert len(ehr.asked) == 1
    ehr.answers.clear()
    now[0] = 700.0
    for _ in range(3):
        with pytest.raises(LaunchFailed, match="status 404"):
            servers.endpoints(ehr.client(), ehr.base)
    assert len(ehr.asked) == 2
    ehr.says(ehr.configuration())
    now[0] = 711.0
    servers.endpoints(ehr.client(), ehr.base)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ({"patient": None}, "named no patient"),
        ({"patient": ["p1"]}, "named no patient"),
        ({"token_type": "mac"}, "no bearer token"),
        ({"access_token": None}, "no bearer token"),
        ({"error": "invalid_grant"}, "did not exchange"),
    ],
)
def test_a_token_that_cannot_be_used_opens_nothing(
    token: dict[str, Any], words: str, ehr: Ehr
) -> None:
    ehr.gives(**token)
    with pytest.raises(LaunchFailed, match=words):
        SmartServers().opened(ehr.client(), begin(ehr.base), "code", REDIRECT)


@pytest.mark.parametrize(
    ("status", "token", "remedy"),
    [
        (400, {"error": "invalid_grant"}, "over"),
        (401, {"error": "invalid_client"}, "setup"),
        (200, {"patient": None}, "patient"),
        (200, {"token_type": "mac"}, "setup"),
    ],
)
def test_a_launch_that_fails_says_what_helps(
    status: int, token: dict[str, Any], remedy: str, ehr: Ehr
) -> None:
    ehr.gives(status, **token)
    with pytest.raises(LaunchFailed) as failed:
        SmartServers().opened(ehr.client(), begin(ehr.base), "code", REDIRECT)
    assert failed.value.remedy == remedy


@pytest.mark.parametrize(("status", "remedy"), [(503, "later"), (404, "setup")])
def test_an_ehr_that_is_down_may_be_asked_again(status: int, remedy: str, ehr: Ehr) -> None:
    ehr.answers["/fhir/.well-known/smart-configuration"] = (status, b"")
    with pytest.raises(LaunchFailed) as failed:
        SmartServers().endpoints(ehr.client(), ehr.base)
    assert failed.value.remedy == remedy


@pytest.mark.parametrize("answer", [(500, b""), (200, b"<html>"), (200, b"[]"), (400, b"{}")])
def test_an_odd_answer_for_a_token_is_a_failure_in_words(
    answer: tuple[int, bytes], ehr: Ehr
) -> None:
    ehr.answers["/token"] = answer
    with pytest.raises(LaunchFailed):
        SmartServers().opened(ehr.client(), begin(ehr.base), "code", REDIRECT)


def proof(ehr: Ehr, nonce: str, key: rsa.RSAPrivateKey = KEY, **other: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ehr.origin,
        "aud": "sodium-app",
        "sub": "nurse",
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
        "fhirUser": f"{ehr.base}/Practitioner/7",
    } | other
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k1"})


def test_the_user_is_whom_the_ehr_proves(ehr: Ehr) -> None:
    started = begin(ehr.base)
    ehr.gives(id_token=proof(ehr, started.nonce))
    opened = SmartServers().opened(ehr.client(), started, "code", REDIRECT)
    assert opened.user == f"{ehr.base}/Practitioner/7"


@pytest.mark.parametrize(
    "other",
    [
        {"nonce": "of another launch"},
        {"aud": "another-app"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"key": OTHER_KEY},
    ],
    ids=["nonce", "audience", "issuer", "expired", "key"],
)
def test_a_proof_of_another_launch_app_or_key_opens_nothing(
    other: dict[str, Any], ehr: Ehr
) -> None:
    started = begin(ehr.base)
    ehr.gives(id_token=proof(ehr, **({"nonce": started.nonce} | other)))
    with pytest.raises(LaunchFailed, match="proof of who opens the app"):
        SmartServers().opened(ehr.client(), started, "code", REDIRECT)


ENTRY = """
[clients.mercy]
fhir_bases = ["https://fhir.mercy.example/r4"]
[clients.mercy.smart_launch]
"""


def test_an_entry_says_how_its_ehr_opens_the_app(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(
        ENTRY + 'client_id = "sodium"\nframe_ancestors = ["https://ehr.mercy.example"]\n'
    )
    smart = Registry.load(path).clients[0].smart
    assert smart is not None
    assert (smart.client_id, smart.frame_ancestors) == ("sodium", ("https://ehr.mercy.example",))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "client_id"),
        ('client_id = "a b"', "client_id"),
        ('client_id = "a"\nframe_ancestors = ["*"]', "smart_launch.frame_ancestors"),
        ('client_id = "a"\nframe_ancestors = ["https://ehr.example/path"]', "frame_ancestors"),
        ('client_id = "a"\nauthorization_servers = ["http://login.example"]', "authorization_serv"),
        ('client_id = "a"\nclient_secret = "s"', "client_secret"),
    ],
)
def test_a_mistake_in_the_entry_is_named(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(ENTRY + line)
    with pytest.raises(RegistryError, match=words):
        Registry.load(path)
