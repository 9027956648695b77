"""Refuses to start if the settings do not fit the mode; the error names the variable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import partial

from cds_service.errors import RegistryError, SettingsError
from cds_service.settings import Settings, naming
from cds_service.telemetry import log
from cds_service.trust.client import Defaults
from cds_service.trust.current import CurrentRegistry
from cds_service.trust.guard import canonical_base
from cds_service.trust.registry import Registry

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?")


def refuse_unsafe(settings: Settings) -> None:
    """Raises SettingsError if this start would let strangers in or data out."""
    for refused, text in _refusals(settings):
        if refused:
            raise SettingsError(text)
    for name in ("public_url", "terminology_base"):
        if getattr(settings, name) and canonical_base(getattr(settings, name)) is None:
            raise SettingsError(f"CDS_{name.upper()}: give a URL such as https://cds.hospital.org")
    for origin in settings.cors_origins:
        if not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                "CDS_CORS_ORIGINS: give exact origins such as https://ehr.example, no '*'"
            )


def _refusals(settings: Settings) -> tuple[tuple[bool, str], ...]:
    """Returns what the mode of these settings demands: whether it is refused, and the text."""
    no_clients = settings.clients_file is None
    if settings.mode == "demo":
        beyond_this_machine = settings.host not in LOOPBACK
        return (
            (
                not no_clients,
                "CDS_CLIENTS_FILE: a demo has no clients; take it out, or choose another CDS_MODE",
            ),
            (
                beyond_this_machine and not settings.demo_public,
                "CDS_HOST: the demo listens on this machine only; --demo-public allows more",
            ),
        )
    if settings.mode == "development":
        return (
            (
                no_clients,
                "CDS_CLIENTS_FILE: name the registry of CDS clients (see clients.example.toml)",
            ),
        )
    sqlite = settings.database_url.startswith("sqlite")
    return (
        (
            no_clients,
            "CDS_CLIENTS_FILE: production (the default of CDS_MODE) needs the registry of CDS "
            "clients, with their keys",
        ),
        (
            not _is_https(settings.public_url),
            "CDS_PUBLIC_URL: production needs the https URL under which EHRs reach the service",
        ),
        (
            not _is_https(settings.fhir_terminology),
            "CDS_TERMINOLOGY_BASE: production needs an https URL",
        ),
        (
            sqlite and ":////" not in settings.database_url,
            "CDS_DATABASE_URL: production needs the absolute path of an SQLite file",
        ),
        (
            settings.database_url != "" and settings.secret_file is None,
            "CDS_SECRET_FILE: nodes that share a database must share the secret for card uuids",
        ),
        (
            any(origin.startswith("http:") for origin in settings.cors_origins),
            "CDS_CORS_ORIGINS: production takes https origins only",
        ),
        (
            settings.demo_public,
            "CDS_DEMO_PUBLIC: is for the demo; production is never one",
        ),
    )


def _is_https(url: str) -> bool:
    """Returns True for an https URL with a host and without a query."""
    return url.startswith("https://") and canonical_base(url) is not None


def registry_of(
    settings: Settings, rules: Iterable[str], languages: Iterable[str]
) -> Callable[[], Registry]:
    """Returns the function that gives the registry in force; RegistryError if its file is broken.

    `rules` and `languages` are those of hooks/, which `disabled_rules` and `language` may name.
    """
    if settings.clients_file is None:
        return partial(Registry.empty, defaults_of(settings))
    check = partial(refuse_unknown_names, rules=frozenset(rules), languages=frozenset(languages))
    with naming("clients_file"):
        registry = CurrentRegistry(
            settings.clients_file,
            report=lambda text: log().warning("registry", reason=text),
            check=check,
            allow_http=settings.mode != "production",
            need_keys=settings.mode == "production",
            defaults=defaults_of(settings),
        )
    return registry.current


def defaults_of(settings: Settings) -> Defaults:
    """Returns what clients get that do not say it themselves."""
    return Defaults(profile=settings.profile, deadline_ms=settings.deadline_ms)


def refuse_unknown_names(
    registry: Registry, rules: Iterable[str], languages: Iterable[str]
) -> None:
    """Raises RegistryError if a client names a rule or a language that hooks/ does not have.

    The rule that was meant would stay on, and its clinicians would read English.
    """
    known, spoken = frozenset(rules), frozenset(languages)
    for client in registry.clients:
        if client.language and client.language not in spoken:
            raise RegistryError(
                f"clients.{client.name}.language: cards speak {', '.join(sorted(spoken))}; with "
                "CDS_REQUIRE_SIGNED only the languages that are signed"
            )
        for rule in sorted(client.disabled_rules - known):
            near = get_close_matches(rule, sorted(known), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise RegistryError(
                f"clients.{client.name}.disabled_rules: names a rule that hooks/ does not have: "
                f"{rule}{meant}"
            )
