"""Holds who may call the service, and which servers it may call for them (clients.toml)."""

from __future__ import annotations

import base64
import binascii
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import BadRequest, RegistryError
from cds_service.protocol.wire import decode
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


_LONGEST_TOKEN = 8192  # T-28
_PARTS_OF_A_TOKEN = 3


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: dict[Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,63}$")], object] = {}


_STRANGER = Client()


class Registry(Struct, frozen=True, kw_only=True):
    """All clients of one deployment; no request can add to it."""

    clients: tuple[Client, ...] = ()
    anonymous: Client = _STRANGER
    anonymous_by_issuer: Mapping[str, Client] = field(default_factory=dict)
    files: tuple[Path, ...] = ()  # the key sets that clients.toml names; they are watched too
    outdated: bool = False  # the file has changed since, and is broken

    @classmethod
    def empty(cls) -> Registry:
        """Returns a registry without clients: calls are anonymous and no record is read live."""
        return cls()

    @classmethod
    def demo(cls, *bases: str) -> Registry:
        """Returns the demo's registry: anonymous callers, and the FHIR servers of `bases`.

        `bases` are the demo's own server and those of --fhir-base. Raises RegistryError for a
        base that is not a plain http(s) URL. Calls with the issuer of the public sandbox get
        missing data explained on a card, because the sandbox shows an error as "all clear".
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
        """Reads clients.toml; RegistryError names the file, the client and the key.

        With `need_keys` (production) there must be a client, and each must be able to prove who it
        is.
        """
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise RegistryError(f"{path.name}: cannot be read ({type(error).__name__}).") from None
        except tomllib.TOMLDecodeError as error:
            raise RegistryError(f"{path.name}: {error}") from None
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
        _refuse_shared_bases(path.name, clients)
        _refuse_shared_issuers(path.name, clients)
        if need_keys:
            _refuse_unproven(path.name, clients)
        named = [entry.get("jwks_file") for entry in entries.values() if isinstance(entry, dict)]
        return cls(clients=clients, files=tuple(path.parent / name for name in named if name))

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """The origins from which browsers may call, of all clients.

        A preflight does not name the client that is going to call.
        """
        return tuple(origin for client in self.clients for origin in client.cors_origins)

    @property
    def asks_for_tokens(self) -> bool:
        """True if calls must carry a token, which is so if one client can prove who it is."""
        return any(client.credentials.usable for client in self.clients)

    def issued_by(self, issuer: str, tenant: object) -> Client | None:
        """Returns the client whose tokens name this issuer.

        If several clients share an issuer, the tenant of the token chooses.
        """
        usable = [client for client in self.clients if client.credentials.usable]
        candidates = [client for client in usable if client.credentials.issuer == issuer]
        if len(candidates) == 1:
            return candidates[0]
        for client in candidates:
            if isinstance(tenant, str) and tenant in client.credentials.tenants:
                return client
        return None

    def client_for(self, fhir_server: str | None, issuer: str | None) -> Client:
        """Returns the client whose registered base `fhir_server` names; else the anonymous one.

        This is for registries without keys (development) and for the demo. `issuer` is a claim
        without proof: it chooses between clients that share a base, and decides how an anonymous
        caller is answered. It grants nothing.
        """
        base = canonical_base(fhir_server)
        sharing_base = [client for client in self.clients if base in client.fhir_bases]
        for client in sharing_base:
            if client.issuer == (issuer or ""):
                return client
        if sharing_base:
            return sharing_base[0]
        return self.anonymous_by_issuer.get(issuer or "", self.anonymous)


def claimed_issuer(authorization: str | None) -> str | None:
    """Returns the `iss` of a JWT in an Authorization header, or None.

    The signature is not checked. The issuer is a claim to compare with the registry, never a proof.
    """
    scheme, _, token = (authorization or "").partition(" ")
    parts = token.strip().split(".")
    is_token = len(token) <= _LONGEST_TOKEN and len(parts) == _PARTS_OF_A_TOKEN
    if scheme.casefold() != "bearer" or not is_token:
        return None
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = decode(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (BadRequest, binascii.Error, UnicodeEncodeError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def _refuse_shared_bases(where: str, clients: tuple[Client, ...]) -> None:
    """Raises RegistryError if two clients have one FHIR base and one issuer."""
    seen: dict[tuple[str, str], str] = {}
    for client in clients:
        for base in client.fhir_bases:
            other = seen.setdefault((base, client.issuer), client.name)
            if other != client.name:
                raise RegistryError(
                    f"{where}: clients.{client.name}.fhir_bases: "
                    f"clients.{other} has this base and issuer."
                )


def _refuse_shared_issuers(where: str, clients: tuple[Client, ...]) -> None:
    """Raises RegistryError if clients share an issuer and their tenants do not tell them apart."""
    usable = [client for client in clients if client.credentials.usable]
    for number, client in enumerate(usable):
        for other in usable[:number]:
            if client.credentials.issuer != other.credentials.issuer:
                continue
            mine, theirs = client.credentials.tenants, other.credentials.tenants
            if not mine or not theirs or set(mine) & set(theirs):
                raise RegistryError(
                    f"{where}: clients.{client.name}.issuer: clients.{other.name} has it too; "
                    "give each of them its own tenants."
                )


def _refuse_unproven(where: str, clients: tuple[Client, ...]) -> None:
    """Raises RegistryError if there is no client, or one that cannot prove who it is."""
    if not clients:
        raise RegistryError(f"{where}: holds no client; add one with 'cds-service client add'.")
    for client in clients:
        if not client.credentials.usable:
            raise RegistryError(
                f"{where}: clients.{client.name}: "
                "needs issuer and one of jwks_url, jwks_file and keys."
            )
