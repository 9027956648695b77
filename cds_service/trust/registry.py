"""Who may call us, and whom we may call for them: clients.toml as frozen objects (decisions 1 and 2)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import RegistryError
from cds_service.trust.client import DEFAULT_DEADLINE_MS, UNNAMED, Client, Credentials, ExtraSource
from cds_service.trust.entry import SANDBOX_ISSUER, converted, read_base, read_client
from cds_service.trust.guard import canonical_base

__all__ = [
    "DEFAULT_DEADLINE_MS",
    "SANDBOX_ISSUER",
    "Client",
    "Credentials",
    "ExtraSource",
    "Registry",
]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: dict[Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")], object] = {}


_STRANGER = Client()


class Registry(Struct, frozen=True, kw_only=True):
    """All clients of one deployment; nothing that comes in a request can add to it."""

    clients: tuple[Client, ...] = ()
    anonymous: Client = _STRANGER
    anonymous_by_issuer: Mapping[str, Client] = field(default_factory=dict)
    files: tuple[Path, ...] = ()  # key sets that clients.toml names: they are watched with it
    outdated: bool = False  # the file has changed since, and is broken

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
            fhir_bases=tuple(read_base("--fhir-base", base, allow_http=True) for base in bases),
            open_access=True,
            allow_private=True,
            suppression=False,
            rate_limit=0,
            refusal=UNNAMED,
        )
        sandbox = replace(visitor, issuer=SANDBOX_ISSUER, explain_missing_data=True)
        return cls(
            anonymous=visitor, anonymous_by_issuer=MappingProxyType({SANDBOX_ISSUER: sandbox})
        )

    @classmethod
    def load(cls, path: Path, *, allow_http: bool = False, need_keys: bool = False) -> Registry:
        """clients.toml, checked as a whole; RegistryError names the file, the client and the key.

        With `need_keys` (production) there must be a client, and each must be able to prove who it is.
        """
        raw = _parsed(path)
        entries = converted(path.name, raw, _File).clients
        clients = tuple(
            read_client(
                f"{path.name}: clients.{name}",
                name,
                entry,
                folder=path.parent,
                allow_http=allow_http,
            )
            for name, entry in entries.items()
        )
        _refuse_ambiguous(path.name, clients)
        if need_keys:
            _refuse_unproven(path.name, clients)
        named = [entry.get("jwks_file") for entry in entries.values() if isinstance(entry, dict)]
        return cls(clients=clients, files=tuple(path.parent / name for name in named if name))

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Where browsers may call from, for any client: a preflight does not say who will call."""
        return tuple(origin for client in self.clients for origin in client.cors_origins)

    @property
    def asks_for_tokens(self) -> bool:
        """Whether a call must prove who it is from: as soon as one client can."""
        return any(client.credentials.usable for client in self.clients)

    def issued_by(self, issuer: str, tenant: object) -> Client | None:
        """The client whose tokens name this issuer, and this tenant where clients share an issuer."""
        found = [c for c in self.clients if c.credentials.usable and c.credentials.issuer == issuer]
        if len(found) > 1:
            found = [
                c for c in found if isinstance(tenant, str) and tenant in c.credentials.tenants
            ]
        return found[0] if found else None

    def client_for(self, fhir_server: str | None, issuer: str | None) -> Client:
        """The client whose registered base `fhir_server` names; else the anonymous one.

        For registries without keys (development) and for the demo. `issuer` is an unproven claim: it
        chooses between clients that share a base, and how an anonymous caller is answered, and grants
        nothing.
        """
        base = canonical_base(fhir_server)
        found = [client for client in self.clients if base in client.fhir_bases]
        for client in found:
            if client.issuer == (issuer or ""):
                return client
        if found:
            return found[0]
        return self.anonymous_by_issuer.get(issuer or "", self.anonymous)


def _parsed(path: Path) -> object:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path.name}: cannot be read ({type(error).__name__}).") from None
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(f"{path.name}: {error}") from None


def _refuse_ambiguous(where: str, clients: tuple[Client, ...]) -> None:
    seen: dict[tuple[str, str], str] = {}
    for client in clients:
        for base in client.fhir_bases:
            other = seen.setdefault((base, client.issuer), client.name)
            if other != client.name:
                raise RegistryError(
                    f"{where}: clients.{client.name}.fhir_bases: clients.{other} has this base and issuer."
                )
    _refuse_shared_issuers(where, [client for client in clients if client.credentials.usable])


def _refuse_shared_issuers(where: str, clients: list[Client]) -> None:
    """Clients with one issuer must be told apart by the tenants of their tokens."""
    for number, client in enumerate(clients):
        for other in clients[:number]:
            mine, theirs = client.credentials.tenants, other.credentials.tenants
            shared = client.credentials.issuer == other.credentials.issuer
            if shared and (not mine or not theirs or set(mine) & set(theirs)):
                raise RegistryError(
                    f"{where}: clients.{client.name}.issuer: clients.{other.name} has it too; "
                    "give each of them its own tenants."
                )


def _refuse_unproven(where: str, clients: tuple[Client, ...]) -> None:
    if not clients:
        raise RegistryError(f"{where}: holds no client; add one with 'cds-service client add'.")
    for client in clients:
        if not client.credentials.usable:
            raise RegistryError(
                f"{where}: clients.{client.name}: needs issuer and one of jwks_url, jwks_file and keys."
            )
