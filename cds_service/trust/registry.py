"""Who may call us, and whom we may call for them: clients.toml as frozen objects (decisions 1 and 2)."""

from __future__ import annotations

import tomllib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar

import msgspec

from cds_service.errors import RegistryError
from cds_service.knowledge.limits import PROFILES
from cds_service.trust.guard import canonical_base

# Its private key is public: it names a caller and proves nothing (security.md decision 11).
SANDBOX_ISSUER = "https://sandbox.cds-hooks.org"
DEFAULT_DEADLINE_MS = 1500

ExtraSource = Literal["MedicationStatement", "MedicationAdministration", "NutritionOrder", "ServiceRequest"]

_UNREGISTERED = "The FHIR server of this call is not among this client's fhir_bases in clients.toml."
_UNNAMED = "The FHIR server of this call was not named: start the demo with --fhir-base and its URL."


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One CDS client: what it is called, where its records are, and how it wants to be answered."""

    name: str = "anonymous"
    anonymous: bool = True
    issuer: str = ""
    fhir_bases: tuple[str, ...] = ()  # canonical
    open_access: bool = False  # its FHIR server may be read without a token
    allow_private: bool = False  # its FHIR server may have a private or loopback address
    prefetch_aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # our key -> the client's
    extra_sources: tuple[ExtraSource, ...] = ()
    profile: str = PROFILES[0]
    deadline_ms: int = DEFAULT_DEADLINE_MS
    time_zone: zoneinfo.ZoneInfo | None = None  # None: the offset of the newest result
    explain_missing_data: bool = False  # an info card in place of a 412
    refusal: str = _UNREGISTERED  # what the analyst is told of a FHIR server that is not called

    def base_for(self, fhir_server: str | None) -> str | None:
        """The registered base that `fhir_server` names, or None: only what this returns is ever called."""
        base = canonical_base(fhir_server)
        return base if base in self.fhir_bases else None


_Issuer = Annotated[str, msgspec.Meta(max_length=512, pattern="^[!-~]*$")]
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[clients.<name>]` as it is written."""

    fhir_bases: tuple[str, ...] = ()
    issuer: _Issuer = ""
    open_access: bool = False
    allow_private: bool = False
    prefetch_aliases: dict[_Key, tuple[_Key, ...]] = {}
    extra_sources: tuple[ExtraSource, ...] = ()
    profile: str = PROFILES[0]
    deadline_ms: Annotated[int, msgspec.Meta(ge=300, le=5000)] = DEFAULT_DEADLINE_MS
    time_zone: str = ""
    explain_missing_data: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: dict[Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")], object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All clients of one deployment; nothing that comes in a request can add to it."""

    clients: tuple[Client, ...] = ()
    anonymous: Client = Client()
    anonymous_by_issuer: Mapping[str, Client] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Registry:
        """No client: every call is anonymous and nothing is ever read live."""
        return cls()

    @classmethod
    def demo(cls, *bases: str) -> Registry:
        """The demo's: an anonymous caller, the demo's own FHIR server, and the bases named by --fhir-base.

        Raises RegistryError for a base that is not a plain http(s) URL. Calls with the public sandbox's
        issuer get missing data explained on a card, because the sandbox shows an error as "all clear".
        """
        visitor = Client(
            fhir_bases=tuple(_base("--fhir-base", base, allow_http=True) for base in bases),
            open_access=True,
            allow_private=True,
            refusal=_UNNAMED,
        )
        sandbox = replace(visitor, issuer=SANDBOX_ISSUER, explain_missing_data=True)
        return cls(anonymous=visitor, anonymous_by_issuer=MappingProxyType({SANDBOX_ISSUER: sandbox}))

    @classmethod
    def load(cls, path: Path, *, allow_http: bool = False) -> Registry:
        """clients.toml, checked as a whole; RegistryError names the file, the client and the key."""
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"{path.name}: cannot be read ({type(error).__name__}).") from None
        except tomllib.TOMLDecodeError as error:
            raise RegistryError(f"{path.name}: {error}") from None
        entries = _converted(path.name, raw, _File).clients
        clients = tuple(
            _client(f"{path.name}: clients.{name}", name, entry, allow_http)
            for name, entry in entries.items()
        )
        _refuse_ambiguous(path.name, clients)
        return cls(clients=clients)

    def client_for(self, fhir_server: str | None, issuer: str | None) -> Client:
        """The client whose registered base `fhir_server` names; else the anonymous one.

        `issuer` is an unproven claim: it chooses between clients that share a base, and how an anonymous
        caller is answered, and grants nothing.
        """
        base = canonical_base(fhir_server)
        found = [client for client in self.clients if base in client.fhir_bases]
        for client in found:
            if client.issuer == (issuer or ""):
                return client
        if found:
            return found[0]
        return self.anonymous_by_issuer.get(issuer or "", self.anonymous)


def _client(where: str, name: str, raw: object, allow_http: bool) -> Client:
    entry = _converted(where, raw, _Entry)
    return Client(
        name=name,
        anonymous=False,
        issuer=entry.issuer,
        fhir_bases=tuple(_base(f"{where}.fhir_bases", base, allow_http) for base in entry.fhir_bases),
        open_access=entry.open_access,
        allow_private=entry.allow_private,
        prefetch_aliases=MappingProxyType(entry.prefetch_aliases),
        extra_sources=entry.extra_sources,
        profile=_profile(where, entry.profile),
        deadline_ms=entry.deadline_ms,
        time_zone=_zone(where, entry.time_zone),
        explain_missing_data=entry.explain_missing_data,
    )


_T = TypeVar("_T")


def _converted(where: str, raw: object, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise RegistryError(f"{where}: {error}") from None


def _base(where: str, written: str, allow_http: bool) -> str:
    base = canonical_base(written)
    if base is None:
        raise RegistryError(f"{where}: not a plain URL (https, no query, no user, no '%', no dot segments).")
    if base.startswith("http:") and not allow_http:
        raise RegistryError(f"{where}: http is for development only; use https.")
    return base


def _profile(where: str, name: str) -> str:
    if name not in PROFILES:
        raise RegistryError(f"{where}.profile: must be one of {', '.join(PROFILES)}.")
    return name


def _zone(where: str, name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RegistryError(f"{where}.time_zone: not an IANA name such as 'America/Chicago'.") from None


def _refuse_ambiguous(where: str, clients: tuple[Client, ...]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for client in clients:
        for base in client.fhir_bases:
            other = seen.setdefault((base, client.issuer), client.name)
            if other != client.name:
                raise RegistryError(
                    f"{where}: clients.{client.name}.fhir_bases: clients.{other} has this base and issuer."
                )
