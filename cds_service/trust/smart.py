"""SMART App Launch 2 as a public client with PKCE: discovery, the way to the user, the token.

The protocol is Authlib's. Every call goes through our own guarded connections: to registered
servers only, without redirects, within a deadline and a size.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urlsplit

import jwt
import msgspec
import requests
from msgspec import Struct

from cds_service.errors import ServiceError
from cds_service.trust.client import Client, SmartLaunch
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Fetched, Sent, fetch
from cds_service.trust.guard import canonical_base
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

if TYPE_CHECKING:
    from authlib.oauth2.client import OAuth2Client

WELL_KNOWN = "/.well-known/smart-configuration"
_OK, _SERVER_ERROR = 200, 500
_MAX_BYTES = 64_000
_CALL_S = 5.0
_KEPT_S, _KEPT_FAILURE_S = 600.0, 10.0
_VERIFIER_LENGTH = 64
_ID_TOKEN_ALGORITHMS = ("RS256", "RS384", "ES256", "ES384")
_LEEWAY_S = 60


# What a clinician can do about it: "app_do_..." in words.toml.
Remedy = Literal["leave", "over", "patient", "setup", "trial", "later"]


class LaunchFailed(ServiceError):
    """The app cannot be opened; the text is for the EHR's analyst, `remedy` for the clinician."""

    status = 502
    code = "login"

    def __init__(self, message: str, remedy: Remedy = "setup") -> None:
        super().__init__(message)
        self.remedy = remedy


class Endpoints(Struct, frozen=True, kw_only=True):
    """What an EHR says of its authorization, as far as we use it."""

    authorization_endpoint: str
    token_endpoint: str
    code_challenge_methods_supported: tuple[str, ...] = ()
    issuer: str = ""
    jwks_uri: str = ""


class Started(Struct, frozen=True):
    """A launch under way: what the browser keeps until the EHR sends it back."""

    state: str
    verifier: str
    nonce: str
    base: str


class Opened(Struct, frozen=True, kw_only=True):
    """What a launch brought."""

    token: str
    patient: str
    encounter: str = ""
    user: str = ""  # "Practitioner/7", if the EHR says so
    app_context: str = ""


def begin(base: str) -> Started:
    """Returns a new launch, with random values that no one can guess."""
    from authlib.common.security import generate_token  # most deployments have no app

    return Started(
        state=generate_token(32),
        verifier=generate_token(_VERIFIER_LENGTH),
        nonce=generate_token(32),
        base=base,
    )


def authorization_url(
    started: Started,
    endpoints: Endpoints,
    launch: SmartLaunch,
    scope: str,
    redirect: str,
    handle: str,
) -> str:
    """Returns where the browser asks the EHR for its leave; `handle` is the `launch` of the EHR."""
    more = {"launch": handle} if handle else {}
    url, _ = _oauth(launch, _NoSession(), scope, redirect).create_authorization_url(
        endpoints.authorization_endpoint,
        state=started.state,
        code_verifier=started.verifier,
        nonce=started.nonce,
        aud=started.base,
        **more,
    )
    return str(url)


def _no_token(failed: Exception) -> LaunchFailed:
    """Returns what a token endpoint's refusal means; a code of RFC 6749 says whose fault it is."""
    said = getattr(failed, "error", "")
    remedy: Remedy = "over" if said == "invalid_grant" else "setup"
    if isinstance(failed, requests.RequestException):
        remedy = "later"
    return LaunchFailed(
        "The EHR did not exchange the code for a token. If it stays, compare the client id and the "
        "redirect URL with those of clients.toml.",
        remedy,
    )


class SmartServers:
    """The authorization servers of all clients; all threads of a worker share what they said."""

    def __init__(
        self, ca_bundle: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = tls_context(ca_bundle)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, Endpoints | LaunchFailed]] = {}

    def endpoints(self, client: Client, base: str) -> Endpoints:
        """Returns what the server of this base says; LaunchFailed if it says nothing usable."""
        key = (client.name, base)
        with self._lock:
            until, known = self._known.get(key, (0.0, None))
        if known is None or self._clock() > until:
            known = self._discovered(client, base)
            keep = _KEPT_FAILURE_S if isinstance(known, LaunchFailed) else _KEPT_S
            with self._lock:
                self._known[key] = (self._clock() + keep, known)
        if isinstance(known, LaunchFailed):
            raise known
        return known

    def opened(self, client: Client, started: Started, code: str, redirect: str) -> Opened:
        """Exchanges the code for a token; LaunchFailed if the EHR refuses, or names no patient."""
        from authlib.common.errors import AuthlibBaseError

        launch = client.smart
        if launch is None:
            raise LaunchFailed("This EHR has no entry smart_launch.")
        endpoints = self.endpoints(client, started.base)
        oauth = _oauth(launch, _Sender(self._context, client), "", redirect)
        try:
            token = oauth.fetch_token(
                endpoints.token_endpoint,
                grant_type="authorization_code",
                code=code,
                code_verifier=started.verifier,
                redirect_uri=redirect,
            )
        except (AuthlibBaseError, requests.RequestException, ValueError) as failed:
            raise _no_token(failed) from None
        return self._checked(client, started, endpoints, token)

    def _checked(
        self, client: Client, started: Started, endpoints: Endpoints, token: Mapping[str, Any]
    ) -> Opened:
        access, patient = token.get("access_token"), token.get("patient")
        if not isinstance(access, str) or str(token.get("token_type", "")).lower() != "bearer":
            raise LaunchFailed("The EHR gave no bearer token.")
        if not isinstance(patient, str) or not patient:
            raise LaunchFailed(
                "The EHR named no patient. The app needs the scope 'launch' or 'launch/patient'.",
                "patient",
            )
        encounter = token.get("encounter")
        context = token.get("appContext")
        return Opened(
            token=access,
            patient=patient,
            encounter=encounter if isinstance(encounter, str) else "",
            user=self._user(client, started, endpoints, token.get("id_token")),
            app_context=context if isinstance(context, str) else "",
        )

    def _user(self, client: Client, started: Started, endpoints: Endpoints, raw: object) -> str:
        """Returns `fhirUser` of an id token that is proven to be for this launch, or ""."""
        if not isinstance(raw, str) or not endpoints.jwks_uri or client.smart is None:
            return ""
        answer = self._get(client, endpoints.jwks_uri)
        try:
            keys = jwt.PyJWKSet.from_dict(json.loads(answer.body))
            header = jwt.get_unverified_header(raw)
            key = next(k for k in keys.keys if header.get("kid") in (None, k.key_id))
            claims = jwt.decode(
                raw,
                key.key,
                algorithms=list(_ID_TOKEN_ALGORITHMS),
                audience=client.smart.client_id,
                issuer=endpoints.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, StopIteration, ValueError) as failed:
            raise LaunchFailed(
                "The EHR's proof of who opens the app is not valid.",
                "over" if isinstance(failed, jwt.ExpiredSignatureError) else "setup",
            ) from None
        if claims.get("nonce") != started.nonce:
            raise LaunchFailed("The EHR's proof of who opens the app is of another launch.", "over")
        user = claims.get("fhirUser")
        return user if isinstance(user, str) else ""

    def _discovered(self, client: Client, base: str) -> Endpoints | LaunchFailed:
        answer = self._get(client, base + WELL_KNOWN)
        if answer.failure is not None or answer.status != _OK:
            down = answer.failure is not None or answer.status >= _SERVER_ERROR
            return LaunchFailed(
                f"The EHR's FHIR server gave no smart-configuration (status {answer.status}).",
                "later" if down else "setup",
            )
        try:
            found = msgspec.json.decode(answer.body, type=Endpoints)
        except msgspec.MsgspecError:
            return LaunchFailed("The EHR's smart-configuration cannot be read.")
        if "S256" not in found.code_challenge_methods_supported:
            return LaunchFailed(
                "The EHR does not support PKCE with S256: SMART App Launch 2 needs it."
            )
        allowed = {_origin(base), *(client.smart.authorization_servers if client.smart else ())}
        named = [found.authorization_endpoint, found.token_endpoint]
        named += [found.jwks_uri] if found.jwks_uri else []
        if any(canonical_base(url) is None or _origin(url) not in allowed for url in named):
            return LaunchFailed(
                "The EHR's authorization server is not registered: add its origin to "
                "smart_launch.authorization_servers in clients.toml."
            )
        return found

    def _get(self, client: Client, url: str) -> Fetched:
        return _send(self._context, client, url, {"Accept": "application/json"}, None)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _oauth(launch: SmartLaunch, session: object, scope: str, redirect: str) -> OAuth2Client:
    from authlib.oauth2.client import OAuth2Client

    return OAuth2Client(
        session,
        client_id=launch.client_id,
        scope=scope or None,
        redirect_uri=redirect,
        code_challenge_method="S256",
    )


def _send(
    context: ssl.SSLContext, client: Client, url: str, headers: Mapping[str, str], sent: Sent | None
) -> Fetched:
    call = OutgoingCall(Deadline.after(_CALL_S), allow_private=client.allow_private)
    session = guarded_session(1, context)
    try:
        return fetch(session, url, headers, call, _MAX_BYTES, sent)
    finally:
        session.close()


class _NoSession:
    """Stands for a connection where none is used: building an address calls no one."""


class _Sender:
    """What Authlib sends with: one guarded call, which a new connection never repeats."""

    def __init__(self, context: ssl.SSLContext, client: Client) -> None:
        self._context, self._client = context, client

    def post(
        self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any
    ) -> _Answer:
        """Sends a form, with what the authentication of the client adds to it."""
        address, head, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        sent = Sent("POST", body.encode())
        return _Answer(_send(self._context, self._client, address, head, sent))


class _Answer:
    """An answer as Authlib reads it."""

    def __init__(self, fetched: Fetched) -> None:
        self._fetched = fetched
        self.status_code = fetched.status or _SERVER_ERROR

    def json(self) -> Any:
        """Returns the body; ValueError if it is no JSON."""
        return json.loads(self._fetched.body)

    def raise_for_status(self) -> None:
        """Raises HTTPError for an answer that is no success."""
        if self.status_code != _OK:
            raise requests.HTTPError(str(self.status_code))
