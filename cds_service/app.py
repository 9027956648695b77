"""create_app(settings): the one place where the parts meet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask
from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.cards import CardSettings
from cds_service.errors import SettingsError
from cds_service.feedback.inbox import Inbox
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import Suppression
from cds_service.knowledge.load import load_knowledge
from cds_service.knowledge.review import refuse_unsigned
from cds_service.pipeline import Options, Pipeline
from cds_service.records.client import FhirClient
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings
from cds_service.store.engine import Database, open_database, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.store.recorder import Recorder
from cds_service.store.shown import ShownTable
from cds_service.store.used_tokens import UsedTokens, used_tokens_file
from cds_service.telemetry import log
from cds_service.trust.gate import Gate
from cds_service.trust.keys import KeyCache, fetch_keys
from cds_service.trust.modes import refuse_unsafe, registry_of
from cds_service.trust.registry import Registry
from cds_service.trust.replay import ReplayGuard
from cds_service.web import errors, health, hooks, terminology
from cds_service.web.access import held_off
from cds_service.web.cors import allow_browsers
from cds_service.web.front import Front, FrontLimits
from cds_service.web.messages import marks
from cds_service.web.pages import basis_page, start_page
from cds_service.web.runtime import Runtime, runtime_of, utc_now

_SECRET_BYTES = 32
_SERVICE = (hooks.blueprint, health.blueprint, terminology.blueprint, basis_page)
_SECRET_NAME = "card-secret"  # noqa: S105  # a file's name


class Foundation(Struct, frozen=True, kw_only=True):
    """What a start makes of hooks/ and of a site's codes. It never changes, and crosses a fork."""

    pipeline: Pipeline
    secret: bytes
    rxnorm_release: date | None  # of the site's RxNorm index, where there is one

    @property
    def rules(self) -> list[str]:
        """All rules that hooks/ has words for."""
        return list(self.pipeline.knowledge.rules)


def foundation(settings: Settings) -> Foundation:
    """Everything that takes a while. ConfigurationError where the service must not start."""
    refuse_unsafe(settings)
    knowledge = load_knowledge(settings.hooks_dir)
    if settings.require_signed:
        refuse_unsigned(knowledge.reviews)
    secret = card_secret(settings)
    card_settings = CardSettings(
        base_url=settings.base_url,
        terminology_base=settings.fhir_terminology,
        secret=secret,
        demo=settings.mode == "demo",
    )
    site = site_codes(knowledge.terms, settings.rxnorm_index, settings.local_codes)
    options = Options(
        fluid_restriction_resource=settings.fluid_restriction_resource, local_codes=site.local
    )
    pipeline = Pipeline(asking_for(knowledge, site), card_settings, _fhir_client(settings), options)
    return Foundation(pipeline=pipeline, secret=secret, rxnorm_release=site.release)


def refuse_wrong(settings: Settings, base: Foundation) -> None:
    """What each worker opens for itself, opened once before there are any: ConfigurationError where that fails.

    Nothing stays open, and no thread runs: a fork comes next.
    """
    registry_of(settings, base.rules)
    _database(settings).close()
    if not settings.database_url:
        used_tokens_file(settings.data_dir).dispose()


def create_app(
    settings: Settings,
    *,
    base: Foundation | None = None,
    pages: Sequence[Blueprint] = (start_page,),
    registry: Callable[[], Registry] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Flask:
    """Returns the service as a WSGI application, or raises ConfigurationError if it must not start.

    `pages` holds what is served at `/` and around it; a demo gives its own.
    """
    base = base or foundation(settings)
    registry = registry or registry_of(settings, base.rules)
    runtime = replace(_runtime(settings, base, registry), clock=clock)
    app = _Plain("cds_service", static_folder="web/static", template_folder="web/templates")
    app.url_map.merge_slashes = False  # no redirect: a preflight does not follow one
    runtime.install(app)
    errors.register(app)
    for blueprint in (*_SERVICE, *pages):
        app.register_blueprint(blueprint)
    app.after_request(marks(demo=settings.mode == "demo"))
    allow_browsers(app, settings, registry)
    app.wsgi_app = _OneSlash(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way
    log().info("ready", mode=settings.mode, knowledge=base.pipeline.knowledge.sha256[:16])
    return app


def _runtime(settings: Settings, base: Foundation, registry: Callable[[], Registry]) -> Runtime:
    """The parts, put together; the store is opened here."""
    database = _database(settings)
    if database.problem:
        log().error("degraded", reason=f"database: {database.problem}")
    used_tokens = database.engine if settings.database_url else used_tokens_file(settings.data_dir)
    pseudonyms = Pseudonyms(base.secret)
    remembers = settings.suppression and settings.mode != "demo"
    return Runtime(
        settings=settings,
        pipeline=base.pipeline,
        registry=registry,
        gate=_gate(settings, registry, UsedTokens(used_tokens)),
        inbox=Inbox(FeedbackTable(database), comments=settings.keep_comments_days > 0),
        database=database,
        recorder=Recorder(database, settings.queue_size),
        pseudonyms=pseudonyms,
        suppression=Suppression(ShownTable(database), pseudonyms) if remembers else None,
        rxnorm_release=base.rxnorm_release,
    )


def _database(settings: Settings) -> Database:
    return open_database(settings.database_url or sqlite_url(settings.data_dir))


def front_for(app: Flask, settings: Settings) -> Front:
    """The application behind its guard."""
    limits = FrontLimits(body_bytes=settings.max_body_bytes, threads=settings.threads)
    here = runtime_of(app)
    holds_off = partial(held_off, here) if settings.proxies is not None else None
    return Front(app.wsgi_app, limits, closing=here.recorder.close, holds_off=holds_off)


def _fhir_client(settings: Settings) -> FhirClient:
    try:
        return FhirClient(ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None)
    except OSError:
        raise SettingsError("CDS_CA_BUNDLE: cannot be read as certificates in PEM") from None


def card_secret(settings: Settings) -> bytes:
    """The secret behind card uuids: from its file, or made once and kept beside the store."""
    path = settings.secret_file or settings.data_dir / _SECRET_NAME
    if settings.secret_file is None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_secret(path)
    try:
        secret = path.read_bytes().strip()
    except OSError:
        raise SettingsError("CDS_SECRET_FILE: the file cannot be read") from None
    if len(secret) < _SECRET_BYTES:
        raise SettingsError(f"CDS_SECRET_FILE: at least {_SECRET_BYTES} bytes are needed")
    return secret


def _write_secret(path: Path) -> None:
    try:
        with path.open("xb") as file:
            path.chmod(0o600)
            file.write(secrets.token_hex(_SECRET_BYTES).encode())
    except FileExistsError:
        return  # another worker was first; its secret is the one


def _gate(settings: Settings, registry: Callable[[], Registry], used: UsedTokens) -> Gate:
    """Who may call, with the keys of the clients on their way already."""
    ca_bundle = str(settings.ca_bundle) if settings.ca_bundle else None
    keys = KeyCache(partial(fetch_keys, ca_bundle=ca_bundle))
    published = [c for c in registry().clients if c.credentials.jwks_url]
    keys.warm((client.credentials.jwks_url, client.allow_private) for client in published)
    replay = ReplayGuard(used, strict=settings.replay_strict)
    return Gate(registry=registry, keys=keys, replay=replay, demo=settings.mode == "demo")


class _Plain(Flask):
    """Flask without what no page of this service is: a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Asked several times for each request; the answer takes Python's inspection every time."""
        return func


class _OneSlash:
    """Takes `//` in a path for `/`: what a pasted discovery URL with a trailing slash leads to."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        while "//" in path:
            path = path.replace("//", "/")
        environ["PATH_INFO"] = path
        return self._inner(environ, start_response)
