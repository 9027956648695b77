"""Tokens: what proves a caller, and everything that does not (T-20..T-31)."""

from __future__ import annotations

import codecs
import functools
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import RegistryError
from cds_service.trust.jwt import Proven, Reason, Refused, prove, read_token, verified_by
from cds_service.trust.keys import KeyCache
from cds_service.trust.keyset import SANDBOX_JWK, BadKeySet, key_set, read_key_set, thumbprint
from cds_service.trust.registry import Registry
from tests.trust.tokens import (
    AUDIENCE,
    ISSUER,
    claims,
    forged,
    part,
    private_key,
    public_jwk,
    token,
    written,
)

EPIC = 'audiences = ["mercy-typed-this-in"]\n'
NO_KEYS = KeyCache(lambda url, private, seconds: pytest.fail("a token made us fetch something"))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry.load(
        written(tmp_path_factory.mktemp("jwt"), EPIC, [public_jwk(), public_jwk("RS384")])
    )


def proven(registry: Registry, text: str, now: datetime | None = None) -> Proven:
    return prove(
        read_token(f"Bearer {text}"), (AUDIENCE,), registry, NO_KEYS, now or datetime.now(UTC)
    )


def refusal(registry: Registry, text: str, now: datetime | None = None) -> Reason:
    with pytest.raises(Refused) as caught:
        proven(registry, text, now)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["ES384", "RS384"])
def test_a_token_of_a_registered_client_passes(registry: Registry, kind: str) -> None:
    found = proven(registry, token(kind))
    assert found.client.name == "mercy"
    assert not found.client.anonymous
    assert found.client.tenant == "mercy"


@pytest.mark.parametrize("kind", ["ES256", "ES512", "RS256", "RS512", "PS256", "PS384", "PS512"])
def test_other_algorithms_pass_only_where_the_client_lists_them(tmp_path: Path, kind: str) -> None:
    jwks = [public_jwk(kind)]
    with pytest.raises(Refused):
        proven(Registry.load(written(tmp_path, "", jwks)), token(kind))
    named = Registry.load(written(tmp_path, f'algorithms = ["{kind}"]', jwks))
    assert proven(named, token(kind)).client.name == "mercy"


@pytest.mark.parametrize(
    "algorithm", ["none", "NoNe", "", "HS256", "HS384", "HS512", "EdDSA", "ES256K"]
)
def test_t20_no_token_passes_without_a_signature_by_the_clients_own_key(
    registry: Registry, algorithm: str
) -> None:
    from cryptography.hazmat.primitives import serialization as s

    public = private_key("ES384").public_key()
    pem = public.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    for secret in (b"secret", pem, json.dumps(public_jwk()).encode()):
        assert refusal(registry, forged(algorithm, secret)) in (Reason.ALGORITHM, Reason.SHAPE)


def test_t20_a_key_serves_only_the_algorithm_it_is_for(tmp_path: Path) -> None:
    both = 'algorithms = ["ES384", "RS256", "RS384", "PS384"]'
    strict = Registry.load(written(tmp_path, both, [public_jwk("RS384")]))
    for other in ("RS256", "PS384"):
        said = token("RS384", {"alg": other})
        assert refusal(strict, said) is Reason.UNKNOWN_KEY
    assert refusal(strict, token("RS384", {"alg": "ES384"})) is Reason.UNKNOWN_KEY
    loose = Registry.load(written(tmp_path, both, [public_jwk("RS384", alg=None)]))
    assert proven(loose, token("RS384")).client.name == "mercy"


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    ("jwks", "why"),
    [
        ([public_jwk("RS384/weak")], "no key .*key 1: .*2048"),
        ([public_jwk(kid=None)], "no key .*key 1: without 'kid'"),
        ([public_jwk(x="AAAA")], "no key .*key 1: cannot be read"),
        ([public_jwk(), public_jwk("ES384/2", d="AAAA")], "private"),
        ([public_jwk(), dict(SANDBOX_JWK)], "andbox"),
        ([public_jwk(), dict(SANDBOX_JWK) | {"kid": 7}], "andbox"),
        ([public_jwk(use="enc")], "no key"),
        ([public_jwk(key_ops=["sign"])], "no key"),
        ([public_jwk(alg="ES256")], "no key"),
        ([{"kty": "oct", "k": "AAAA", "kid": "a", "alg": "HS256"}], "no key"),
        ([{"kty": "EC"}], "no key"),
        (["text"], "not an object"),
        ([], "no key"),
        ([public_jwk(kid=str(n)) for n in range(51)], "more than"),
    ],
)
def test_t20_t21_a_doubtful_key_set_is_refused_as_a_whole(jwks: list[Any], why: str) -> None:
    with pytest.raises(BadKeySet, match=why):
        key_set(jwks)


ODD_KEYS = [
    ("no kid", public_jwk("ES384/2", kid=None), "without 'kid'"),
    ("empty kid", public_jwk("ES384/2", kid=""), "without 'kid'"),
    ("numeric kid", public_jwk("ES384/2", kid=7), "without 'kid'"),
    ("kid as a list", public_jwk("ES384/2", kid=["a"]), "without 'kid'"),
    ("long kid", public_jwk("ES384/2", kid="x" * 257), "without 'kid'"),
    ("weak", public_jwk("RS384/weak"), "2048"),
    ("broken", public_jwk("ES384/2", x="AAAA"), "cannot be read"),
    ("members of other types", public_jwk("ES384/2", x=5, y=None), "cannot be read"),
    ("the same kid and algorithm", public_jwk("ES384/2", kid="ES384+/="), "earlier key"),
    ("the same key twice", public_jwk(), "earlier key"),
    ("no object", "text", "not an object"),
]


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize(("odd", "why"), [o[1:] for o in ODD_KEYS], ids=[o[0] for o in ODD_KEYS])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "byte order mark"])
def test_t20_t21_an_odd_key_is_never_used_and_costs_no_other(
    tmp_path: Path, odd: Any, why: str, mark: bytes
) -> None:
    good, other = public_jwk(), public_jwk("RS384")
    found = read_key_set(mark + json.dumps({"keys": [good, odd, other]}).encode())
    assert set(found.keys) == {"ES384+/=", "RS384+/="}
    (told,) = found.left_out
    assert told.startswith("key 2: ")
    assert why in told
    registry = Registry.load(written(tmp_path, EPIC, [good, odd, other]))
    assert proven(registry, token()).client.name == "mercy"
    assert proven(registry, token("RS384")).client.name == "mercy"
    with pytest.raises(Refused):  # signed by the odd key, or by one that was never published
        proven(registry, token("ES384/2", {"kid": odd.get("kid") if isinstance(odd, dict) else ""}))


def test_t20_keys_of_two_kinds_may_share_a_kid_and_each_checks_its_own_algorithm(
    tmp_path: Path,
) -> None:
    shared = [public_jwk(kid="one"), public_jwk("RS384", kid="one")]
    registry = Registry.load(written(tmp_path, EPIC, shared))
    assert proven(registry, token(header={"kid": "one"})).client.name == "mercy"
    assert proven(registry, token("RS384", {"kid": "one"})).client.name == "mercy"
    confused = token("RS384", {"kid": "one", "alg": "ES384"})
    assert refusal(registry, confused) in (Reason.SIGNATURE, Reason.SHAPE)
    confused = token(header={"kid": "one", "alg": "RS384"})
    assert refusal(registry, confused) is Reason.SIGNATURE
    assert refusal(registry, token("ES384/2", {"kid": "one"})) is Reason.SIGNATURE


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b" " * 64_001, b'{"keys": NaN}']
)
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(BadKeySet):
        read_key_set(body)


def test_keys_of_other_kinds_are_passed_over() -> None:
    okp = {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "ed"}
    found = key_set(
        [okp, {"kty": "new"}, public_jwk(), public_jwk("ES384/2", use=None, kid="second")]
    )
    assert set(found.keys) == {"ES384+/=", "second"}


@pytest.mark.parametrize(
    "kid",
    [
        "../../etc/passwd",
        "' OR 1=1 --",
        "x" * 257,
        "",
        7,
        {"a": "b"},
        ["ES384+/="],
        "a\nb",
        None,
        "nobody",
    ],
)
def test_t21_a_kid_is_only_ever_compared(registry: Registry, kid: object) -> None:
    assert refusal(registry, token(header={"kid": kid})) in (
        Reason.KID,
        Reason.UNKNOWN_KEY,
        Reason.SHAPE,
    )


def test_t22_keys_in_a_header_are_ignored_and_critical_extensions_refused(
    registry: Registry,
) -> None:
    own = {"jwk": public_jwk("ES384/2"), "x5u": "https://evil.example", "x5c": ["AAAA"]}
    assert refusal(registry, token("ES384/2", {"kid": "ES384+/=", **own})) is Reason.SIGNATURE
    assert proven(registry, token(header=own)).client.name == "mercy"
    assert refusal(registry, token(header={"crit": ["exp"], "exp": 1})) is Reason.HEADER
    assert refusal(registry, token(header={"crit": []})) is Reason.HEADER
    assert refusal(registry, token(header={"b64": False})) is Reason.HEADER


@pytest.mark.parametrize("kind", [None, "", "at+jwt", "JWS", 5, ["JWT"]])
def test_a_token_is_of_type_jwt(registry: Registry, kind: object) -> None:
    assert refusal(registry, token(header={"typ": kind})) is Reason.HEADER


def test_type_is_compared_without_case(registry: Registry) -> None:
    assert proven(registry, token(header={"typ": "jwt"})).jti


NOW = time.time()
HOUR, DAY = 3600, 86_400
BAD_TIMES = [
    {"exp": NOW - 61, "iat": NOW - 100},
    {"exp": None},
    {"iat": None},
    {"exp": "soon"},
    {"exp": str(NOW + 100)},
    {"exp": True},
    {"exp": [NOW + 60]},
    {"exp": {}},
    {"exp": 1e308},
    {"exp": 10**400},
    {"exp": NOW + 30 * DAY},
    {"exp": NOW + HOUR + 1, "iat": NOW},
    {"exp": NOW - 30, "iat": NOW},
    {"iat": NOW + HOUR, "exp": NOW + HOUR + 100},
    {"iat": NOW - 2 * DAY},
    {"iat": "now"},
    {"iat": False},
    {"nbf": NOW + HOUR},
    {"nbf": "later"},
]


@pytest.mark.parametrize("changed", BAD_TIMES)
def test_t25_times_must_be_numbers_that_hold_now(
    registry: Registry, changed: dict[str, Any]
) -> None:
    made = token(**{"now": NOW, **changed})
    assert refusal(registry, made, datetime.fromtimestamp(NOW, UTC)) in (Reason.TIMES, Reason.SHAPE)


@pytest.mark.parametrize(
    "changed",
    [
        {"nbf": NOW - 300, "exp": NOW + 900, "sub": "12345678-ce08"},  # Epic
        {"iat": NOW + 20, "exp": NOW + 200},  # its clock is ahead
        {"iat": NOW - 200, "exp": NOW - 20},  # its clock is behind
        {"iat": NOW + 0.5, "exp": NOW + 300.5},
        {"exp": NOW + HOUR - 5, "iat": NOW - 5},
    ],
)
def test_t25_clocks_may_differ_by_a_minute(registry: Registry, changed: dict[str, Any]) -> None:
    made = token(**{"now": NOW, **changed})
    assert proven(registry, made, datetime.fromtimestamp(NOW, UTC)).client.name == "mercy"


@pytest.mark.parametrize("jti", [None, "", "  ", 5, ["a"], "x" * 5000])
def test_a_token_has_an_identifier(registry: Registry, jti: object) -> None:
    assert refusal(registry, token(jti=jti)) is Reason.JTI


@pytest.mark.parametrize(
    "audience",
    [
        None,
        [],
        "",
        AUDIENCE + "//",
        AUDIENCE + "/x",
        AUDIENCE + "/feedback/",
        "mercy-typed-this-in/",
        "https://cds.example",
        AUDIENCE.upper(),
        [5],
        5,
        {},
        [None],
    ],
)
def test_t26_the_audience_is_exactly_the_endpoint(registry: Registry, audience: object) -> None:
    assert refusal(registry, token(aud=audience)) is Reason.AUDIENCE


@pytest.mark.parametrize(
    "audience", [AUDIENCE, [AUDIENCE], ["https://x", AUDIENCE], "mercy-typed-this-in"]
)
def test_t26_one_of_several_audiences_will_do(registry: Registry, audience: object) -> None:
    assert proven(registry, token(aud=audience)).client.name == "mercy"


@pytest.mark.parametrize("ours", [AUDIENCE, AUDIENCE + "/"])
@pytest.mark.parametrize("theirs", [AUDIENCE, AUDIENCE + "/", [AUDIENCE + "/", "https://x"]])
def test_t26_a_slash_at_the_end_of_the_audience_makes_no_difference(
    registry: Registry, ours: str, theirs: object
) -> None:
    given = read_token(f"Bearer {token(aud=theirs)}")
    found = prove(given, (ours,), registry, NO_KEYS, datetime.now(UTC))
    assert found.client.name == "mercy"
    assert found.slash is (ours not in theirs if isinstance(theirs, list) else ours != theirs)


@pytest.mark.parametrize(
    "issuer", [None, "", "https://evil.example", ISSUER + "/", ISSUER.upper(), 5, [ISSUER]]
)
def test_the_issuer_is_compared_exactly(registry: Registry, issuer: object) -> None:
    assert refusal(registry, token(iss=issuer)) is Reason.ISSUER


@pytest.mark.parametrize(
    "jku", ["http://127.0.0.1:9/jwks", "file:///etc/passwd", "", 5, ["x"], {"a": 1}]
)
def test_t02_a_jku_that_is_not_registered_refuses_the_token_and_is_never_fetched(
    registry: Registry, jku: object
) -> None:
    assert refusal(registry, token(header={"jku": jku})) is Reason.JKU


def test_t02_a_registered_jku_is_only_compared(tmp_path: Path) -> None:
    known = Registry.load(written(tmp_path, 'jku = ["https://ehr.example/jwks"]'))
    assert proven(known, token(header={"jku": "https://ehr.example/jwks"})).jti


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Bearer abc.def.ghi",
        "Bearer " + "a" * 7000,
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Bearer e30=.e30.AA",
        "Bearer e30.e30.A A",
        "Bearer é.é.é",
        f"Bearer {part(5)}.{part({})}.AA",
        f"Bearer {part({'kid': 'x' * 3000})}.{part({})}.AA",
        f"Bearer {part({})}.{part(b'{')}.AA",
    ],
)
def test_t28_an_odd_authorization_header_is_no_token(
    registry: Registry, header: str | None
) -> None:
    with pytest.raises(Refused):
        prove(read_token(header), (AUDIENCE,), registry, NO_KEYS, datetime.now(UTC))


def test_t28_two_tokens_or_a_very_long_one_are_no_token(registry: Registry) -> None:
    with pytest.raises(Refused):
        read_token(f"Bearer {token()},Bearer {token()}")
    with pytest.raises(Refused):
        read_token(f"Bearer {token(filler='x' * 9000)}")
    assert proven(registry, token(filler="x" * 4000)).jti


def test_a_changed_or_cut_token_does_not_pass(registry: Registry) -> None:
    head, body, signature = token().split(".")
    assert refusal(registry, f"{head}.{part(claims(sub='root'))}.{signature}") is Reason.SIGNATURE
    assert refusal(registry, f"{head}.{body}.{signature[:-4]}AAAA") is Reason.SIGNATURE
    assert refusal(registry, f"{head}.{body}.AA") is Reason.SIGNATURE
    assert refusal(registry, token("ES384/2", {"kid": "ES384+/="})) is Reason.SIGNATURE


@pytest.mark.parametrize(
    "line",
    [
        'issuer = "https://sandbox.cds-hooks.org"\njwks_url = "https://sandbox.cds-hooks.org/.well-known/jwks.json"',
        f'issuer = "https://me.example"\nkeys = [{{ kty = "EC", crv = "P-384", kid = "mine", '
        f'x = "{SANDBOX_JWK["x"]}", y = "{SANDBOX_JWK["y"]}" }}]',
        'issuer = "https://me.example"\nkeys = [{ kty = "EC", crv = "P-384", '
        f'kid = "{SANDBOX_JWK["kid"]}", x = "{public_jwk()["x"]}", y = "{public_jwk()["y"]}" }}]',
    ],
)
def test_t29_the_public_sandboxs_key_is_nobodys(tmp_path: Path, line: str) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(f"[clients.sandbox]\n{line}\n")
    with pytest.raises(RegistryError, match="andbox"):
        Registry.load(path, allow_http=True)


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    example = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb"
        "9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls"
        "1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    assert thumbprint(example) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


TENANTS = """
[clients.mercy.tenants]
north = ["https://ehr.example/north"]
south = ["https://ehr.example/south"]
"""


def test_t30_a_token_speaks_for_one_listed_tenant_and_its_records(tmp_path: Path) -> None:
    registry = Registry.load(written(tmp_path, TENANTS))
    found = proven(registry, token(tenant="south")).client
    assert found.tenant == "mercy/south"
    assert found.base_for("https://ehr.example/south")
    assert found.base_for("https://ehr.example/north") is None
    for tenant in (None, "west", "", 5, ["south"]):
        assert refusal(registry, token(tenant=tenant)) is Reason.TENANT


def test_t30_clients_with_one_issuer_are_told_apart_by_tenant(tmp_path: Path) -> None:
    path = written(tmp_path, TENANTS)
    other = f'\n[clients.anne]\nissuer = "{ISSUER}"\njwks_file = "mercy.json"\n'
    path.write_text(path.read_text() + other)
    with pytest.raises(RegistryError, match=r"clients\.anne\.issuer"):
        Registry.load(path)
    path.write_text(
        path.read_text() + '[clients.anne.tenants]\nwest = ["https://ehr.example/west"]\n'
    )
    registry = Registry.load(path)
    assert proven(registry, token(tenant="west")).client.tenant == "anne/west"
    assert proven(registry, token(tenant="north")).client.tenant == "mercy/north"
    assert refusal(registry, token(tenant="east")) is Reason.ISSUER


def test_a_subject_that_was_agreed_on_must_be_there(tmp_path: Path) -> None:
    registry = Registry.load(written(tmp_path, 'subject = "app-7"'))
    assert proven(registry, token(sub="app-7")).jti
    assert refusal(registry, token(sub="app-8")) is Reason.SUBJECT
    assert refusal(registry, token()) is Reason.SUBJECT


def test_t31_what_is_cheap_is_refused_before_a_signature_is_checked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jwt.decode", lambda *_, **__: pytest.fail("a signature was checked"))
    for said in (
        token(iss="x"),
        token(aud="x"),
        token(exp=1),
        token(jti=""),
        token(header={"kid": "x"}),
        token("ES256"),
    ):
        refusal(registry, said)


def test_a_token_is_remembered_until_nobody_would_take_it_any_more(registry: Registry) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    found = proven(registry, token(now=at.timestamp(), exp=int(at.timestamp()) + 300), at)
    assert found.expires == at + timedelta(seconds=360)


@settings(max_examples=200, deadline=None)
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "jku", "crit", "x"]), st.from_type(object) | st.text()
    ),
    body=st.binary(max_size=200),
    signature=st.binary(max_size=120),
)
def test_no_token_breaks_the_check(
    tmp_path_factory: pytest.TempPathFactory,
    header: dict[str, object],
    body: bytes,
    signature: bytes,
) -> None:
    plain = {
        name: value if isinstance(value, str | int | None) else str(value)
        for name, value in header.items()
    }
    text = f"{part({'alg': 'ES384', 'typ': 'JWT', 'kid': 'ES384+/='} | plain)}.{part(body)}.{part(signature)}"
    with pytest.raises(Refused):
        prove(
            read_token(f"Bearer {text}"), (AUDIENCE,), Registry.empty(), NO_KEYS, datetime.now(UTC)
        )


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner),
    )
)
def test_no_claim_breaks_the_check(value: object) -> None:
    registry = a_registry()
    for name in ("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "tenant"):
        try:
            changed: dict[str, Any] = {name: value}
            proven(registry, token(**changed))
        except Refused:
            continue


@functools.cache
def a_registry() -> Registry:
    with tempfile.TemporaryDirectory() as folder:
        return Registry.load(written(Path(folder)))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (token(), True),
        (token(exp=int(time.time()) - 100), False),
        (token(header={"kid": "unknown"}), False),
        (token(header={"crit": ["exp"]}), False),
        (token("ES384/2", header={"kid": "ES384+/="}), False),
    ],
    ids=["signed", "expired", "unknown key", "critical header", "signed by another"],
)
def test_t68_a_token_is_verified_only_by_its_own_key_and_in_its_time(text: str, good: bool) -> None:
    assert verified_by(read_token(f"Bearer {text}"), key_set([public_jwk()])) is good


def test_an_algorithm_that_is_not_text_is_refused_before_any_key_is_looked_for(
    registry: Registry,
) -> None:
    message = part({"alg": 5, "typ": "JWT", "kid": "ES384+/="}) + "." + part(claims())
    assert refusal(registry, f"{message}.AAAA") is Reason.ALGORITHM
