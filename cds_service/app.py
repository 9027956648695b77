"""create_app(settings): the one place where the parts meet."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask, Response

from cds_service.cards import Desk
from cds_service.errors import SettingsError
from cds_service.feedback.inbox import Inbox
from cds_service.fhir.client import FhirClient
from cds_service.knowledge.load import load_knowledge
from cds_service.pipeline import Options, Pipeline
from cds_service.settings import Settings
from cds_service.store.engine import open_database, sqlite_url
from cds_service.store.feedback import FeedbackTable
from cds_service.stories import Story
from cds_service.telemetry import log
from cds_service.trust.current import CurrentRegistry
from cds_service.trust.registry import Registry
from cds_service.web import basis, demo, errors, health, hooks, start, terminology
from cds_service.web.cors import allow_browsers
from cds_service.web.runtime import Runtime, utc_now

_SECRET_BYTES = 32
_SECRET_NAME = "card-secret"  # noqa: S105  # a file's name
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}


def create_app(
    settings: Settings,
    *,
    stories: Mapping[str, Story] | None = None,
    registry: Callable[[], Registry] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> Flask:
    """The service as a WSGI application. ConfigurationError where it must not start."""
    refuse_unsafe(settings)
    knowledge = load_knowledge(settings.hooks_dir)
    desk = Desk(
        base_url=settings.base_url,
        terminology_base=settings.fhir_terminology,
        secret=card_secret(settings),
        demo=settings.mode == "demo",
    )
    options = Options(fluid_restriction_resource=settings.fluid_restriction_resource)
    runtime = Runtime(
        settings=settings,
        pipeline=Pipeline(knowledge, desk, _fhir_client(settings), options),
        registry=registry or _registry(settings),
        inbox=Inbox(FeedbackTable(open_database(settings.database_url or sqlite_url(settings.data_dir)))),
        stories=stories or {},
        clock=clock,
    )
    app = Flask("cds_service", static_folder="web/static", template_folder="web/templates")
    app.url_map.merge_slashes = False  # no redirect: a preflight does not follow one
    runtime.install(app)
    errors.register(app)
    for blueprint in _pages(settings):
        app.register_blueprint(blueprint)
    app.after_request(_headers)
    allow_browsers(app, settings)
    app.wsgi_app = _OneSlash(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way
    log().info("ready", mode=settings.mode, knowledge=knowledge.sha256[:16])
    return app


def _fhir_client(settings: Settings) -> FhirClient:
    return FhirClient(ca_bundle=str(settings.ca_bundle) if settings.ca_bundle else None)


def refuse_unsafe(settings: Settings) -> None:
    """Stop a start that would let strangers in. Raises SettingsError with one line that says why."""
    if settings.mode == "production":
        # Callers cannot be authenticated yet, and a production service without that must not exist.
        raise SettingsError("CDS_MODE: production needs authentication, which this release does not have yet")
    if settings.mode == "development" and settings.clients_file is None:
        raise SettingsError("CDS_CLIENTS_FILE: name the registry of CDS clients (see clients.example.toml)")


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


def _registry(settings: Settings) -> Callable[[], Registry]:
    if settings.clients_file is None:
        return Registry.empty
    return CurrentRegistry(
        settings.clients_file,
        report=lambda text: log().warning("registry", reason=text),
        allow_http=settings.mode != "production",
    ).current


def _pages(settings: Settings) -> list[Blueprint]:
    pages = [hooks.blueprint, health.blueprint, terminology.blueprint, basis.blueprint, start.blueprint]
    return [*pages, demo.blueprint] if settings.mode == "demo" else pages


def _headers(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


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
