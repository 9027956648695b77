"""Reads a JSON Web Key Set; each key verifies only what it was made for (T-20, T-21, T-29)."""

from __future__ import annotations

import base64
import codecs
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct, field

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode, encode

MAX_KEYS = 50
MAX_BYTES = 64_000
LONGEST_KID = 256
_RSA_BITS = range(2048, 4097)  # a longer key is no safer for an hour and costs 9 ms a check

_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
ALGORITHMS = (*_CURVES.values(), *_RSA_ALGORITHMS)
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "k"})

# The public CDS Hooks Sandbox publishes its private keys. Thumbprints are those of RFC 7638.
SANDBOX_KIDS = frozenset(
    {"44823f3d-0b01-4a6c-a80e-b9d3e8a7226f", "d9cd3c4f-eb08-4304-b973-44f352fd2ca2"}
)
_SANDBOX_THUMBPRINTS = frozenset(
    {"s9fOe-KDYD1myZ8YCzleUqJQgrYZL49kVijBxhnZvZc", "WUEVfFenRfMtdDhwPUzCCfmqEN45h61hdHclwVoqfes"}
)
SANDBOX_JWK: Mapping[str, str] = MappingProxyType(
    {
        "kty": "EC",
        "use": "sig",
        "crv": "P-384",
        "kid": "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f",
        "x": "dw_JGR8nB2I6XveNxUOl2qk699ZPLM2nYI5STSdiEl9avAkrm3CkfYMbrrjr8laB",
        "y": "Sm3mLE-n1zYNla_aiE3cb3nZsL51RbC7ysw3q8aJLxGm-hx79RPMYpITDjp7kgzy",
        "alg": "ES384",
    }
)


class BadKeySet(Exception):
    """A key set that is refused as a whole; the text says why and quotes nothing of it."""


class _OddKey(Exception):
    """One key that is left out; the text says why and quotes nothing of it."""


class KeySet(Struct, frozen=True):
    """A key set holds the usable keys of one client, by `kid` and then by their algorithms."""

    keys: Mapping[str, Mapping[str, jwt.PyJWK]] = field(default_factory=dict)
    # Each key that is never used although it is there to check signatures: its place and why.
    left_out: tuple[str, ...] = ()

    def find(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """Returns the key with this id, made for this algorithm."""
        return self.keys.get(kid, {}).get(algorithm)

    def __contains__(self, kid: object) -> bool:
        return kid in self.keys


def read_key_set(body: bytes) -> KeySet:
    """Returns the key set in a JSON document; BadKeySet if it must not be trusted."""
    if len(body) > MAX_BYTES:
        raise BadKeySet(f"larger than {MAX_BYTES} bytes")
    try:
        document = decode(body.removeprefix(codecs.BOM_UTF8))
    except BadRequest:
        raise BadKeySet("not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise BadKeySet("no member 'keys' with a list")
    return key_set(keys)


def key_set(jwks: list[Any], *, allow_sandbox: bool = False) -> KeySet:
    """Returns the keys of this list that can check signatures.

    Keys of other kinds and uses are passed over, as RFC 7517 demands. A key that is weak, cannot be
    read or cannot be named costs only itself: `left_out` names it. Two keys may share a `kid` if no
    algorithm is for both; else the second is left out. Raises BadKeySet for the whole set if it
    holds a private key or a key of the public sandbox, or if no key is left.
    """
    if len(jwks) > MAX_KEYS:
        raise BadKeySet(f"more than {MAX_KEYS} keys")
    keys: dict[str, Mapping[str, jwt.PyJWK]] = {}
    left_out: list[str] = []
    for number, jwk in enumerate(jwks, 1):
        try:
            _take(jwk, keys, allow_sandbox=allow_sandbox)
        except _OddKey as odd:
            left_out.append(f"key {number}: {odd}")
    if not keys:
        raise BadKeySet("; ".join(["no key that can check a signature", *left_out]))
    return KeySet(MappingProxyType(keys), tuple(left_out))


def _take(jwk: Any, keys: dict[str, Mapping[str, jwt.PyJWK]], *, allow_sandbox: bool) -> None:
    """Adds a key to `keys` if it can check signatures; raises _OddKey if it must not be used."""
    if not isinstance(jwk, dict):
        raise _OddKey("is not an object")
    if not _for_signatures(jwk):
        return
    if _PRIVATE_MEMBERS & set(jwk):
        raise BadKeySet("a private key")
    if not allow_sandbox and _of_the_sandbox(jwk):
        raise BadKeySet("a key of the public CDS Hooks Sandbox, whose private half is public")
    kid, made = _kid(jwk), _by_algorithm(jwk)
    known = keys.get(kid, {})
    if set(made) & set(known):
        raise _OddKey("an earlier key has its 'kid' and its algorithm")
    keys[kid] = MappingProxyType({**known, **made})


def _of_the_sandbox(jwk: Mapping[str, Any]) -> bool:
    kid = jwk.get("kid")
    named = isinstance(kid, str) and kid in SANDBOX_KIDS
    return named or thumbprint(jwk) in _SANDBOX_THUMBPRINTS


def left_out(keys: KeySet) -> str:
    """Returns one sentence about the keys of a set that are not used, for the log."""
    return f"Keys are left out, the others work. {'; '.join(keys.left_out)}."


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Returns the name that a key has by its value, independent of its `kid` (RFC 7638)."""
    members = ("crv", "kty", "x", "y") if jwk.get("kty") == "EC" else ("e", "kty", "n")
    canonical = encode({name: str(jwk.get(name, "")).rstrip("=") for name in members})
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _for_signatures(jwk: Mapping[str, Any]) -> bool:
    if jwk.get("use", "sig") != "sig":
        return False
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return False
    return jwk.get("alg", ALGORITHMS[0]) in ALGORITHMS and bool(_algorithms(jwk))


def _algorithms(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the algorithms that this key may verify; without `alg` all of its kind."""
    kind, curve = jwk.get("kty"), jwk.get("crv")
    fitting: tuple[str, ...] = ()
    if kind == "RSA":
        fitting = _RSA_ALGORITHMS
    elif kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        fitting = (_CURVES[curve],)
    named = jwk.get("alg")
    if named is None:
        return fitting
    return tuple(algorithm for algorithm in fitting if algorithm == named)


def _kid(jwk: Mapping[str, Any]) -> str:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID:
        raise _OddKey("without 'kid' as a text")
    return kid


def _by_algorithm(jwk: Mapping[str, Any]) -> Mapping[str, jwt.PyJWK]:
    public = {name: value for name, value in jwk.items() if isinstance(value, str)}
    try:
        made = {alg: jwt.PyJWK(public, algorithm=alg) for alg in _algorithms(jwk)}
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _OddKey("cannot be read") from None
    for key in made.values():
        if isinstance(key.key, RSAPublicKey) and key.key.key_size not in _RSA_BITS:
            raise _OddKey("an RSA key that has not 2048 to 4096 bits")
    return MappingProxyType(made)
