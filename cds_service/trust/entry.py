"""Reads and checks an entry `[clients.<name>]` of clients.toml."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from cds_service.errors import RegistryError
from cds_service.knowledge.limits import PROFILES
from cds_service.protocol.limits import CardLimits
from cds_service.trust.client import (
    DEFAULT_ALGORITHMS,
    DEFAULT_RATE,
    Client,
    Credentials,
    Defaults,
    ExtraSource,
    Indicator,
    ServerHabits,
    SmartLaunch,
    Vendor,
)
from cds_service.trust.guard import canonical_base
from cds_service.trust.keyset import ALGORITHMS, BadKeySet, KeySet, key_set, read_key_set

# Its private key is public: it names a caller and proves nothing (security.md decision 11).
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"

_ORIGIN = re.compile(r"(https?)://[a-z0-9.-]+(:\d{1,5})?")

_Text = Annotated[str, msgspec.Meta(max_length=512, pattern="^[!-~]*$")]
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Tenant = Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern="^[!-~]+$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Token = Annotated[str, msgspec.Meta(max_length=128, pattern="^[A-Za-z0-9:/._|,-]*$")]


class SmartEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table `smart_launch` of an entry."""

    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern="^[!-~]+$")]
    scopes: tuple[Annotated[str, msgspec.Meta(max_length=128, pattern="^[!-~]+$")], ...] = ()
    authorization_servers: tuple[str, ...] = ()
    frame_ancestors: tuple[str, ...] = ()


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One client as it is written; docs/ehr/ and clients.example.toml explain each key."""

    vendor: Vendor = ""
    issuer: _Text = ""
    jwks_file: str = ""
    jwks_url: str = ""
    keys: list[dict[str, Any]] = []
    jku: tuple[_Text, ...] = ()
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    audiences: tuple[_Text, ...] = ()
    tenants: dict[_Tenant, tuple[str, ...]] = {}
    subject: _Text = ""
    services: tuple[_Name, ...] = ()
    fhir_bases: tuple[str, ...] = ()
    open_access: bool = False
    allow_private: bool = False
    search: Literal["get", "post"] = "get"
    max_codes: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    category: _Token = ""
    also_known_as: tuple[str, ...] = ()
    null_means: Literal["none", "unknown"] = "none"
    cors_origins: tuple[str, ...] = ()
    prefetch_aliases: dict[_Key, tuple[_Key, ...]] = {}
    extra_sources: tuple[ExtraSource, ...] = ()
    # Without these two, CDS_PROFILE and CDS_DEADLINE_MS count.
    profile: str = ""
    deadline_ms: Annotated[int, msgspec.Meta(ge=300, le=5000)] | None = None
    language: Annotated[str, msgspec.Meta(pattern="^([a-z]{2})?$")] = ""
    time_zone: str = ""
    explain_missing_data: bool = False
    disabled_rules: tuple[_Name, ...] = ()
    min_indicator: Indicator = "info"
    accepts_update: bool = True
    one_action_per_suggestion: bool = False
    selection_behavior_any_only: bool = False
    plain_text_detail: bool = False
    no_links: bool = False
    smart_launch: SmartEntry | None = None
    shadow: bool = False
    shadow_share: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    explain: bool = False
    suppression: bool = True
    rate_limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = DEFAULT_RATE


def read_client(
    where: str, name: str, raw: object, *, folder: Path, allow_http: bool, defaults: Defaults
) -> Client:
    """Returns the client that an entry describes; RegistryError names `where` and the key."""
    entry = converted(where, raw, Entry)
    if entry.profile and entry.profile not in PROFILES:
        raise RegistryError(f"{where}.profile: must be one of {', '.join(PROFILES)}.")
    return Client(
        name=name,
        anonymous=False,
        vendor=entry.vendor,
        issuer=entry.issuer,
        credentials=_credentials(where, entry, folder, allow_http),
        services=entry.services,
        fhir_bases=_bases(f"{where}.fhir_bases", entry.fhir_bases, allow_http),
        open_access=entry.open_access,
        allow_private=entry.allow_private,
        habits=_habits(where, entry),
        cors_origins=_origins(f"{where}.cors_origins", entry.cors_origins, allow_http),
        prefetch_aliases=MappingProxyType(entry.prefetch_aliases),
        extra_sources=entry.extra_sources,
        profile=entry.profile or defaults.profile,
        deadline_ms=entry.deadline_ms or defaults.deadline_ms,
        language=entry.language,
        time_zone=_zone(where, entry.time_zone),
        explain_missing_data=entry.explain_missing_data,
        disabled_rules=frozenset(entry.disabled_rules),
        min_indicator=entry.min_indicator,
        card_limits=CardLimits(
            accepts_update=entry.accepts_update,
            one_action_per_suggestion=entry.one_action_per_suggestion,
            selection_behavior_any_only=entry.selection_behavior_any_only,
            plain_text_detail=entry.plain_text_detail,
            no_links=entry.no_links,
        ),
        smart=_smart(f"{where}.smart_launch", entry.smart_launch, allow_http),
        shadow=entry.shadow,
        shadow_share=entry.shadow_share,
        explain=entry.explain,
        suppression=entry.suppression,
        rate_limit=entry.rate_limit,
    )


_T = TypeVar("_T")


def converted(where: str, raw: object, kind: type[_T]) -> _T:
    """Returns `raw` as a `kind`; RegistryError names the member that does not fit."""
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise RegistryError(f"{where}: {error}") from None


def read_base(where: str, written: str, allow_http: bool) -> str:
    """Returns a URL in its canonical spelling; RegistryError if the service may never call it."""
    base = canonical_base(written)
    if base is None:
        raise RegistryError(
            f"{where}: not a plain URL (https, no query, no user, no '%', no dot segments)."
        )
    if base.startswith("http:") and not allow_http:
        raise RegistryError(
            f"{where}: http is for development only (CDS_MODE=development); use https."
        )
    return base


def _bases(where: str, written: Iterable[str], allow_http: bool) -> tuple[str, ...]:
    return tuple(read_base(where, base, allow_http) for base in written)


def _smart(where: str, entry: SmartEntry | None, allow_http: bool) -> SmartLaunch | None:
    if entry is None:
        return None
    return SmartLaunch(
        client_id=entry.client_id,
        scopes=entry.scopes,
        authorization_servers=_origins(
            f"{where}.authorization_servers", entry.authorization_servers, allow_http
        ),
        frame_ancestors=_origins(f"{where}.frame_ancestors", entry.frame_ancestors, allow_http),
    )


def _habits(where: str, entry: Entry) -> ServerHabits:
    bases = entry.tenants.values() or [entry.fhir_bases]
    if entry.also_known_as and any(len(set(named)) != 1 for named in bases):
        raise RegistryError(
            f"{where}.also_known_as: these are other names of one server, so fhir_bases must name "
            "exactly one."
        )
    if entry.also_known_as and len(entry.tenants) > 1:
        raise RegistryError(
            f"{where}.also_known_as: with several tenants it is not known whose server is meant."
        )
    return ServerHabits(
        search=entry.search,
        max_codes=entry.max_codes or 0,
        category=entry.category,
        # http is allowed: these names are compared and never called.
        also_known_as=_bases(f"{where}.also_known_as", entry.also_known_as, True),
        null_means=entry.null_means,
    )


def _credentials(where: str, entry: Entry, folder: Path, allow_http: bool) -> Credentials:
    url = ""
    jku = list(entry.jku)
    if entry.jwks_url:
        url = read_base(f"{where}.jwks_url", entry.jwks_url, allow_http)
        # An EHR puts the URL into its tokens as it was written, so that spelling is accepted too.
        jku.append(entry.jwks_url)
    if not entry.algorithms or not set(entry.algorithms) <= set(ALGORITHMS):
        raise RegistryError(f"{where}.algorithms: must be some of {', '.join(ALGORITHMS)}.")
    _refuse_sandbox(f"{where}.issuer", entry.issuer)
    _refuse_sandbox(f"{where}.jwks_url", url)
    sources = [entry.jwks_file, entry.jwks_url, entry.keys]
    if len([source for source in sources if source]) > 1:
        raise RegistryError(f"{where}: give one of jwks_url, jwks_file and keys.")
    keys = _keys(where, entry, folder)
    if (keys or url) and not entry.issuer:
        raise RegistryError(f"{where}.issuer: is missing; it is the 'iss' of this client's tokens.")
    return Credentials(
        issuer=entry.issuer,
        keys=keys,
        jwks_url=url,
        jku=tuple(dict.fromkeys(jku)),
        algorithms=entry.algorithms,
        audiences=entry.audiences,
        tenants=_tenants(where, entry, allow_http),
        subject=entry.subject,
    )


def _refuse_sandbox(where: str, url: str) -> None:
    if f"{url}/".startswith(f"{SANDBOX_ISSUER}/"):
        raise RegistryError(
            f"{where}: the public sandbox proves nothing; its private key is public."
        )


def _keys(where: str, entry: Entry, folder: Path) -> KeySet | None:
    try:
        if entry.keys:
            return key_set(entry.keys)
        if entry.jwks_file:
            return read_key_set((folder / entry.jwks_file).read_bytes())
        return None
    except BadKeySet as error:
        key = "keys" if entry.keys else "jwks_file"
        raise RegistryError(f"{where}.{key}: refused: {error}.") from None
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"{where}.jwks_file: cannot be read ({type(error).__name__})."
        ) from None


def _tenants(where: str, entry: Entry, allow_http: bool) -> Mapping[str, tuple[str, ...]]:
    if entry.tenants and entry.fhir_bases:
        raise RegistryError(f"{where}.fhir_bases: with tenants each tenant names its own.")
    return MappingProxyType(
        {
            tenant: _bases(f"{where}.tenants", bases, allow_http)
            for tenant, bases in entry.tenants.items()
        }
    )


def _origins(where: str, written: tuple[str, ...], allow_http: bool) -> tuple[str, ...]:
    for origin in written:
        match = _ORIGIN.fullmatch(origin)
        if match is None or (match[1] == "http" and not allow_http):
            raise RegistryError(
                f"{where}: an origin is https://host or https://host:port, in lower case, no path."
            )
    return written


def _zone(where: str, name: str) -> zoneinfo.ZoneInfo | None:
    if not name:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RegistryError(
            f"{where}.time_zone: not an IANA name such as 'America/Chicago'."
        ) from None
