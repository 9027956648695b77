"""Puts the parts of the service together: create_app(settings)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from functools import partial
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask
from msgspec import Struct
from msgspec.structs import replace

from cds_service import metrics
from cds_service.engine.cards import CardSettings
from cds_service.errors import SettingsError
from cds_service.feedback.inbox import OUTCOMES, Inbox
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import Suppression
from cds_service.knowledge.languages import only_signed
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.knowledge.regulatory import load_regulatory
from cds_service.knowledge.review import refuse_unsigned
from cds_service.pipeline import Options, Pipeline
from cds_service.records.client import READ_OUTCOMES, FhirClient
from cds_service.records.pool import ReadLimits
from cds_service.records.searches import long_searches
from cds_service.records.site_codes import asking_for, site_codes
from cds_service.settings import Settings, folder_of, naming, refuse_missing_files
from cds_service.store.engine import Database, open_database, refuse_unchecked, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.store.files import make_private
from cds_service.store.recorder import Recorder
from cds_service.store.shown import ShownTable
from cds_service.store.switches import Switches
from cds_service.store.used_tokens import UsedTokens, used_tokens_file
from cds_service.telemetry import log, release
from cds_service.trust.gate import Gate
from cds_service.trust.keys import KeyCache, fetch_keys
from cds_service.trust.modes import refuse_unsafe, registry_of
from cds_service.trust.registry import Registry
from cds_service.trust.replay import ReplayGuard
from cds_service.trust.smart import SmartServers
from cds_service.web import errors, health, hooks, smart, terminology
from cds_service.web.access import address, claimed_by, held_off, wants_body
from cds_service.web.basis import basis_page
from cds_service.web.cors import allow_browsers
from cds_service.web.front import Door, Front, FrontLimits
from cds_service.web.messages import marks
from cds_service.web.openapi import openapi_page
from cds_service.web.pages import start_page
from cds_service.web.reference import reference_page
from cds_service.web.runtime import Runtime, runtime_of, utc_now
from cds_service.web.trace import trace

Pages = Sequence[Blueprint]
_SECRET_BYTES = 32
_SERVICE = (
    hooks.blueprint,
    health.blueprint,
    terminology.blueprint,
    basis_page,
    openapi_page,
    reference_page,
    smart.blueprint,
)
_SECRET_NAME = "card-secret"  # noqa: S105  # a file's name


class Foundation(Struct, frozen=True, kw_only=True):
    """What a start reads from hooks/ and a site's codes; it never changes and survives a fork."""

    pipeline: Pipeline
    secret: bytes
    rxnorm_release: date | None  # of the site's RxNorm index, if it has one

    @property
    def rules(self) -> list[str]:
        """Returns all rules that hooks/ has words for."""
        return list(self.pipeline.knowledge.rules)


def foundation(settings: Settings) -> Foundation:
    """Makes everything that takes a while; ConfigurationError if the service must not start."""
    refuse_unsafe(settings)
    if settings.mode == "production":
        refuse_unchecked(settings.database_url)
    refuse_missing_files(settings)
    knowledge = load_knowledge(settings.hooks_dir)
    load_regulatory(settings.hooks_dir, knowledge)
    if settings.require_signed:
        refuse_unsigned(knowledge.reviews)
        knowledge = only_signed(knowledge)
    secret = card_secret(settings)
    card_settings = CardSettings(
        base_url=settings.base_url,
        terminology_base=settings.fhir_terminology,
        secret=secret,
        demo=settings.mode == "demo",
    )
    site = site_codes(knowledge.terms, settings.rxnorm_index, settings.local_codes, naming)
    options = Options(
        fluid_restriction_resource=settings.fluid_restriction_resource, local_codes=site.local
    )
    knowledge = asking_for(knowledge, site)
    for sentence in long_searches(service.prefetch for service in knowledge.services.values()):
        log().warning("long-search", reason=sentence)
    pipeline = Pipeline(knowledge, card_settings, _fhir_client(settings), options)
    return Foundation(pipeline=pipeline, secret=secret, rxnorm_release=site.release)


def refuse_wrong(settings: Settings, base: Foundation) -> None:
    """Opens once what each worker will open, and raises ConfigurationError if that fails.

    Nothing stays open and no thread runs, because a fork comes next.
    """
    registry_of(settings, base.rules, base.pipeline.languages)
    _database(settings).close()
    if not settings.database_url:
        used_tokens_file(settings.data_dir).dispose()


def create_app(
    settings: Settings,
    *,
    base: Foundation | None = None,
    pages: Pages = (start_page,),
    registry: Callable[[], Registry] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Flask:
    """Returns the service as a WSGI application, or raises ConfigurationError if it must not start.

    `pages` holds what is served at `/` and around it; a demo gives its own.
    """
    base = base or foundation(settings)
    registry = registry or registry_of(settings, base.rules, base.pipeline.languages)
    runtime = replace(_runtime(settings, base, registry), clock=clock)
    app = Flask("cds_service", static_folder="web/static", template_folder="web/templates")
    app.url_map.merge_slashes = False  # no redirect: a preflight does not follow one
    runtime.install(app)
    trace(app)  # before all else that may log
    errors.register(app)
    for blueprint in (*_SERVICE, *pages):
        app.register_blueprint(blueprint)
    app.after_request(marks(demo=settings.mode == "demo"))
    allow_browsers(app, settings, registry)
    below = urlsplit(settings.base_url).path
    # Flask documents this way of wrapping an application.
    app.wsgi_app = _Addressed(app.wsgi_app, below)  # type: ignore[method-assign]
    _log_ready(runtime)
    knowledge = base.pipeline.knowledge
    _begin_counts(knowledge)
    signed = "yes" if knowledge.reviews.complete else "no"
    metrics.show("cds_build_info", 1, release(), knowledge.sha256[:16], signed)
    metrics.show("cds_rxnorm_index_age_days", runtime.index_age_days)
    return app


def _begin_counts(knowledge: Knowledge) -> None:
    """Lets every series that an alarm looks at exist before its first event."""
    metrics.begin("cds_calls", *product(knowledge.services, metrics.STATUSES))
    metrics.begin("cds_fhir_reads", *((outcome,) for outcome in READ_OUTCOMES))
    metrics.begin("cds_feedback", *((outcome,) for outcome in OUTCOMES))
    metrics.begin("cds_key_fetches", *((outcome,) for outcome in ("ok", "failed", "refused")))
    for rule, words in knowledge.rules.items():
        metrics.begin("cds_cards", *((rule, indicator) for indicator in words.indicators))


def _log_ready(here: Runtime) -> None:
    """Logs what runs here, for whoever starts it or looks for a difference between nodes."""
    knowledge = here.pipeline.knowledge
    log().info(
        "ready",
        url=here.settings.base_url,
        mode=here.settings.mode,
        clients=[client.name for client in here.registry().clients],
        store=here.database.shown,
        knowledge=knowledge.sha256[:16],
        reviewed=knowledge.reviews.complete,
    )


def _runtime(settings: Settings, base: Foundation, registry: Callable[[], Registry]) -> Runtime:
    """Returns the parts of a running service; this opens the store."""
    database = _database(settings)
    if database.problem:
        log().error("degraded", reason=f"database: {database.problem}")
    if settings.database_url:
        used_tokens = UsedTokens(database.engine, database.desk)
    else:
        used_tokens = UsedTokens(used_tokens_file(settings.data_dir))
    pseudonyms = Pseudonyms(base.secret)
    suppression = None
    if settings.suppression:
        overrides = base.pipeline.knowledge.overrides.items()
        cared_for = {code for code, reason in overrides if reason.rests_team}
        # A visitor of the demo asks again and again to look at what is shown.
        repeats = settings.mode == "demo"
        suppression = Suppression(ShownTable(database), pseudonyms, cared_for, repeats=repeats)
    return Runtime(
        settings=settings,
        pipeline=base.pipeline,
        registry=registry,
        gate=_gate(settings, registry, used_tokens),
        inbox=Inbox(FeedbackTable(database), comments=settings.keep_comments_days > 0),
        database=database,
        recorder=Recorder(database, settings.queue_size),
        switches=Switches(database),
        pseudonyms=pseudonyms,
        smart=SmartServers(str(settings.ca_bundle) if settings.ca_bundle else None),
        launch_secret=hmac.digest(base.secret, b"smart launch", "sha256"),
        suppression=suppression,
        rxnorm_release=base.rxnorm_release,
    )


def _database(settings: Settings) -> Database:
    if settings.database_url:
        return open_database(settings.database_url)
    with folder_of("data_dir", settings.data_dir):
        url = sqlite_url(settings.data_dir)
        make_private(Path(url.removeprefix("sqlite:///")))
    return open_database(url)


def front_for(app: Flask, settings: Settings) -> Front:
    """Returns the application behind its front."""
    limits = FrontLimits(body_bytes=settings.max_body_bytes, threads=settings.threads)
    here = runtime_of(app)
    taking = frozenset(
        f"/cds-services/{name}{more}"
        for name in here.pipeline.knowledge.services
        for more in ("", "/feedback")
    )
    door = Door(
        holds_off=partial(held_off, here),
        wants_body=partial(wants_body, here, app.url_map, taking),
        address=partial(address, here),
        caller=claimed_by,
    )
    return Front(app.wsgi_app, limits, here.recorder.close, door)


def _fhir_client(settings: Settings) -> FhirClient:
    try:
        half = settings.threads // 2
        # Of the threads that answer calls, some stay free for calls that read nothing.
        limits = ReadLimits(calls_waiting=half + half // 2, calls_waiting_of_one=half)
        ca_bundle = str(settings.ca_bundle) if settings.ca_bundle else None
        return FhirClient(limits, ca_bundle=ca_bundle)
    except OSError:
        raise SettingsError("CDS_CA_BUNDLE: cannot be read as certificates in PEM") from None


def card_secret(settings: Settings, *, make: bool = True) -> bytes:
    """Returns the secret behind card uuids, from its file; it is made once beside the store.

    Without `make` it raises SettingsError if the file is not there.
    """
    path = settings.secret_file or settings.data_dir / _SECRET_NAME
    if make and settings.secret_file is None and not path.exists():
        with folder_of("data_dir", settings.data_dir):
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
    """Returns what decides who may call, and starts to fetch the keys of the clients."""
    ca_bundle = str(settings.ca_bundle) if settings.ca_bundle else None
    keys = KeyCache(partial(fetch_keys, ca_bundle=ca_bundle))
    published = [c for c in registry().clients if c.credentials.jwks_url]
    keys.warm((client.credentials.jwks_url, client.allow_private) for client in published)
    replay = ReplayGuard(used, strict=settings.replay_strict)
    return Gate(registry=registry, keys=keys, replay=replay, demo=settings.mode == "demo")


class _Addressed:
    """Reads `//` in a path as `/`, and links below the path of the public URL.

    Discovery URLs are often pasted with a slash at the end. A proxy that serves the service at
    https://host/cds/ takes that path away, and only the public URL tells of it.
    """

    def __init__(self, inner: WSGIApplication, below: str) -> None:
        self._inner = inner
        self._below = below

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        while "//" in path:
            path = path.replace("//", "/")
        environ["PATH_INFO"] = path
        environ["SCRIPT_NAME"] = self._below
        return self._inner(environ, start_response)
