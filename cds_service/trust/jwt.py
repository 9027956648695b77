"""Proves who sent a call by the JWT that it carries (T-20..T-31, CDSH-108..124).

Cheap checks come first, on claims that are not proven yet; then the signature; then all claims
again as PyJWT returns them. Values of a token are only compared, never fetched or opened.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import jwt
from jwt.types import Options
from msgspec import Struct

from cds_service.errors import BadRequest
from cds_service.protocol.wire import decode
from cds_service.trust.client import Client, Credentials
from cds_service.trust.keys import KeyCache
from cds_service.trust.keyset import LONGEST_KID, KeySet
from cds_service.trust.registry import Registry

LEEWAY_S = 60
LONGEST_LIFE_S = 3600
LONGEST_TOKEN = 8192
LONGEST_HEADER = 2048
_LONGEST_JTI = 1024
_REQUIRED = ("iss", "aud", "exp", "iat", "jti")
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)


class Reason(StrEnum):
    """The reason why a call is refused, for the log and never for the caller."""

    MISSING = "token-missing"
    SHAPE = "token-shape"
    HEADER = "token-header"
    ALGORITHM = "token-algorithm"
    KID = "token-kid"
    JKU = "token-jku"
    ISSUER = "token-issuer"
    AUDIENCE = "token-audience"
    TIMES = "token-times"
    JTI = "token-jti"
    TENANT = "token-tenant"
    SUBJECT = "token-subject"
    NO_KEYS = "keys-unavailable"
    UNKNOWN_KEY = "key-unknown"
    SIGNATURE = "signature"
    REPLAY = "replay"


class Refused(Exception):
    """The token does not prove that the call comes from one of our clients."""

    def __init__(self, reason: Reason, client: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.client = client  # its name in the registry, if the issuer is known


class Token(Struct, frozen=True, kw_only=True):
    """The parts of a token in an Authorization header, before any check."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]


class Proven(Struct, frozen=True, kw_only=True):
    """A caller that proved who it is. Its `jti` may be used once, and is kept until `expires`."""

    client: Client
    jti: str
    expires: datetime
    slash: bool = False  # its `aud` is ours but for a slash at the end


def read_token(authorization: str | None) -> Token:
    """Returns the bearer token of a header; raises Refused if there is none. Checks shape only."""
    if not authorization:
        raise Refused(Reason.MISSING)
    scheme, _, text = authorization.partition(" ")
    if scheme.casefold() != "bearer" or len(authorization) > LONGEST_TOKEN:
        raise Refused(Reason.SHAPE)
    parts = _TOKEN.fullmatch(text.strip(" "))
    if parts is None or len(parts[1]) > LONGEST_HEADER:
        raise Refused(Reason.SHAPE)
    return Token(text=parts[0], header=_json(parts[1]), claims=_json(parts[2]))


def prove(
    token: Token, audiences: tuple[str, ...], registry: Registry, keys: KeyCache, now: datetime
) -> Proven:
    """Returns the client that sent this token to one of `audiences`, our URLs of the endpoint.

    Raises Refused with one of the closed reasons. It does not check whether the token was used
    before.
    """
    algorithm, kid = _header(token.header)
    client = _claimed(token, registry)
    credentials = client.credentials
    exact = (*audiences, *credentials.audiences)
    accepted = _with_and_without_slash(exact)
    try:
        _cheap(token, algorithm, credentials, accepted, now)
        key = _key_set(client, kid, keys).find(kid, algorithm)
        if key is None:
            raise Refused(Reason.UNKNOWN_KEY)
        claims = _decoded(token.text, key, credentials, accepted)
        _claims(claims, credentials, now)
    except Refused as refusal:
        raise Refused(refusal.reason, client.name) from None
    return Proven(
        client=client.for_tenant(str(claims.get("tenant", ""))),
        jti=claims["jti"],
        expires=datetime.fromtimestamp(claims["exp"] + LEEWAY_S, UTC),
        slash=not set(_named(claims.get("aud"))) & set(exact),
    )


def is_plausible(
    authorization: str | None, audiences: tuple[str, ...], registry: Registry, now: datetime
) -> bool:
    """Returns False if a header holds no token that `prove` can accept; it looks at no signature.

    So a call without a token, or with a plainly wrong one, is refused before its body is read.
    """
    try:
        token = read_token(authorization)
        algorithm, _ = _header(token.header)
        credentials = _claimed(token, registry).credentials
        accepted = _with_and_without_slash((*audiences, *credentials.audiences))
        _cheap(token, algorithm, credentials, accepted, now)
    except Refused:
        return False
    return True


def _claimed(token: Token, registry: Registry) -> Client:
    """Returns the client that a token names; nothing is proven yet."""
    issuer = token.claims.get("iss")
    if isinstance(issuer, str):
        client = registry.issued_by(issuer, token.claims.get("tenant"))
        if client is not None:
            return client
    raise Refused(Reason.ISSUER)


def verified_by(token: Token, keys: KeySet) -> bool:
    """Returns True if one of these keys signed the token and it has not expired.

    This does not say who may call.
    """
    try:
        algorithm, kid = _header(token.header)
        key = keys.find(kid, algorithm)
        if key is None:
            return False
        jwt.decode(token.text, key, [algorithm], {"verify_aud": False}, leeway=LEEWAY_S)
    except (Refused, jwt.PyJWTError, ValueError, OverflowError):
        return False
    return True


def _json(part: str) -> Mapping[str, Any]:
    try:
        value = decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (BadRequest, binascii.Error):
        raise Refused(Reason.SHAPE) from None
    if not isinstance(value, dict):
        raise Refused(Reason.SHAPE)
    return value


def _header(header: Mapping[str, Any]) -> tuple[str, str]:
    """Returns algorithm and key id; refuses a header with members that would change its meaning."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
    if "crit" in header or "b64" in header or not isinstance(kind, str) or kind.upper() != "JWT":
        raise Refused(Reason.HEADER)
    if not isinstance(algorithm, str):
        raise Refused(Reason.ALGORITHM)
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or not kid.isprintable():
        raise Refused(Reason.KID)
    return algorithm, kid


def _cheap(
    token: Token,
    algorithm: str,
    credentials: Credentials,
    audiences: tuple[str, ...],
    now: datetime,
) -> None:
    """Checks all that needs no key, so that a stranger's token costs no signature check (T-31)."""
    if algorithm not in credentials.algorithms:
        raise Refused(Reason.ALGORITHM)
    jku = token.header.get("jku")
    if "jku" in token.header and jku not in credentials.jku:
        raise Refused(Reason.JKU)
    named = _named(token.claims.get("aud"))
    if not all(isinstance(aud, str) for aud in named) or not set(named) & set(audiences):
        raise Refused(Reason.AUDIENCE)
    _claims(token.claims, credentials, now)


def _named(audience: object) -> list[Any]:
    return audience if isinstance(audience, list) else [audience]


def _with_and_without_slash(audiences: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the audiences, and each URL among them in its other spelling too.

    The service answers at both, so an analyst may have typed in either.
    """
    urls = [audience for audience in audiences if "://" in audience]
    others = [url[:-1] if url.endswith("/") else f"{url}/" for url in urls]
    return (*audiences, *others)


def _claims(claims: Mapping[str, Any], credentials: Credentials, now: datetime) -> None:
    exp, iat, nbf = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
    at = now.timestamp()
    if exp is None or iat is None or exp < iat or exp - iat > LONGEST_LIFE_S:
        raise Refused(Reason.TIMES)
    if exp + LEEWAY_S <= at or max(iat, nbf or 0.0) - LEEWAY_S > at:
        raise Refused(Reason.TIMES)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti.strip() or len(jti) > _LONGEST_JTI:
        raise Refused(Reason.JTI)
    tenant = claims.get("tenant")
    if credentials.tenants and (not isinstance(tenant, str) or tenant not in credentials.tenants):
        raise Refused(Reason.TENANT)
    if credentials.subject and claims.get("sub") != credentials.subject:
        raise Refused(Reason.SUBJECT)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """Returns a claim as seconds since 1970, or None if it is missing; refuses any other value."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool | str | list | dict | None):
        raise Refused(Reason.TIMES)
    try:
        seconds = float(value)
    except OverflowError:
        raise Refused(Reason.TIMES) from None
    if not math.isfinite(seconds):
        raise Refused(Reason.TIMES)
    return seconds


def _key_set(client: Client, kid: str, keys: KeyCache) -> KeySet:
    credentials = client.credentials
    key_set = credentials.keys or keys.keys(
        credentials.jwks_url, kid, allow_private=client.allow_private
    )
    if key_set is None:
        raise Refused(Reason.NO_KEYS)
    return key_set


_OPTIONS: Options = {
    "require": list(_REQUIRED),
    "enforce_minimum_key_length": True,
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


def _decoded(
    text: str, key: jwt.PyJWK, credentials: Credentials, audiences: tuple[str, ...]
) -> Mapping[str, Any]:
    """Returns the claims after PyJWT has checked the signature.

    `_claims` checks the times, by the clock of the request.
    """
    try:
        claims: Mapping[str, Any] = jwt.decode(
            text,
            key,
            list(credentials.algorithms),
            _OPTIONS,
            audience=audiences,
            issuer=credentials.issuer,
            leeway=LEEWAY_S,
        )
    except jwt.InvalidSignatureError:
        raise Refused(Reason.SIGNATURE) from None
    except (jwt.PyJWTError, ValueError, OverflowError, TypeError):
        raise Refused(Reason.SHAPE) from None
    return claims
