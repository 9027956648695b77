"""What each mode demands before the service starts: one line that names the variable, else no start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from cds_service.errors import RegistryError, SettingsError
from cds_service.settings import Settings
from cds_service.telemetry import log
from cds_service.trust.current import CurrentRegistry
from cds_service.trust.guard import canonical_base
from cds_service.trust.registry import Registry

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def refuse_unsafe(settings: Settings) -> None:
    """Stop a start that would let strangers in or data out. SettingsError says why in one line."""
    {"demo": _demo, "development": _development, "production": _production}[settings.mode](settings)
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                "CDS_CORS_ORIGINS: give exact origins such as https://ehr.example, no '*'"
            )


def _demo(settings: Settings) -> None:
    if settings.clients_file is not None:
        raise SettingsError(
            "CDS_CLIENTS_FILE: a demo has no clients; take it out, or choose another CDS_MODE"
        )
    if settings.host not in LOOPBACK and not settings.demo_public:
        raise SettingsError(
            "CDS_HOST: the demo listens on this machine only; --demo-public allows more"
        )


def _development(settings: Settings) -> None:
    if settings.clients_file is None:
        raise SettingsError(
            "CDS_CLIENTS_FILE: name the registry of CDS clients (see clients.example.toml)"
        )


def _production(settings: Settings) -> None:
    if settings.clients_file is None:
        raise SettingsError(
            "CDS_CLIENTS_FILE: production needs the registry of CDS clients, with their keys"
        )
    if not _is_https(settings.public_url):
        raise SettingsError(
            "CDS_PUBLIC_URL: production needs the https URL under which EHRs reach the service"
        )
    if not _is_https(settings.fhir_terminology):
        raise SettingsError("CDS_TERMINOLOGY_BASE: production needs an https URL")
    if settings.database_url.startswith("sqlite") and ":////" not in settings.database_url:
        raise SettingsError(
            "CDS_DATABASE_URL: production needs the absolute path of an SQLite file"
        )
    if settings.database_url and settings.secret_file is None:
        raise SettingsError(
            "CDS_SECRET_FILE: nodes that share a database must share the secret for card uuids"
        )
    if any(origin.startswith("http:") for origin in settings.cors_origins):
        raise SettingsError("CDS_CORS_ORIGINS: production takes https origins only")
    if settings.demo_public:
        raise SettingsError("CDS_DEMO_PUBLIC: is for the demo; production is never one")


def _is_https(url: str) -> bool:
    """Whether an EHR can be told this URL, and tokens can name it: https, a host, no query."""
    return url.startswith("https://") and canonical_base(url) is not None


def registry_of(settings: Settings, rules: Iterable[str]) -> Callable[[], Registry]:
    """The registry in force, as the mode demands it; RegistryError where its file is broken.

    `rules` are those of hooks/, which `disabled_rules` may name.
    """
    if settings.clients_file is None:
        return Registry.empty
    return CurrentRegistry(
        settings.clients_file,
        report=lambda text: log().warning("registry", reason=text),
        check=partial(refuse_unknown_rules, rules=frozenset(rules)),
        allow_http=settings.mode != "production",
        need_keys=settings.mode == "production",
    ).current


def refuse_unknown_rules(registry: Registry, rules: Iterable[str]) -> None:
    """A rule that is switched off under a wrong name would stay on: RegistryError names the client."""
    known = frozenset(rules)
    for client in registry.clients:
        if client.disabled_rules - known:
            raise RegistryError(
                f"clients.{client.name}.disabled_rules: names a rule that hooks/ does not have"
            )
