"""Holds who may call the service, and which servers it may call for them (clients.toml)."""

from __future__ import annotations

import base64
import binascii
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.errors import BadRequest, RegistryError
from cds_service.protocol.limits import CardLimits
from cds_service.protocol.wire import decode
from cds_service.trust.client import (
    DEFAULT_DEADLINE_MS,
    UNNAMED,
    USUAL,
    Client,
    Credentials,
    Defaults,
    ExtraSource,
)
from cds_service.trust.entry import SANDBOX_ISSUER, converted, read_base, read_client
from cds_service.trust.guard import canonical_base
from cds_service.trust.keyset import KeySet

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
_LARGEST_BYTES = 4_000_000
_NO_CLIENT = "holds no client; add one with 'cds-service client add'."


CLIENT_NAME = "^[a-z0-9][a-z0-9-]{0,63}$"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    clients: dict[Annotated[str, msgspec.Meta(pattern=CLIENT_NAME)], object] = {}


_STRANGER = Client()


class Registry(Struct, frozen=True, kw_only=True):
    """All clients of one deployment; no request can add to it."""

    clients: tuple[Client, ...] = ()
    anonymous: Client = _STRANGER
    # Of a demo: the clients that a token may prove. A call without a token of theirs is anonymous.
    may_prove: tuple[Client, ...] = ()
    anonymous_by_issuer: Mapping[str, Client] = field(default_factory=dict)
    files: tuple[Path, ...] = ()  # the key sets that clients.toml names; they are watched too
    outdated: bool = False  # the file has changed since, and is broken

    @classmethod
    def empty(cls, defaults: Defaults = USUAL) -> Registry:
        """Returns a registry without clients: calls are anonymous and no record is read live."""
        return cls(anonymous=_anonymous(defaults))

    @classmethod
    def demo(
        cls, *bases: str, defaults: Defaults = USUAL, test_ehr: KeySet | None = None
    ) -> Registry:
        """Returns the demo's registry: anonymous callers, and the FHIR servers of `bases`.

        `bases` are the demo's own server and those of --fhir-base. Raises RegistryError for a
        base that is not a plain http(s) URL. Calls with the issuer of the public sandbox get
        missing data explained on a card, because the sandbox shows an error as "all clear". A base
        that ends in AS_EUROPEAN or AS_EPIC is answered as for such a client. With the keys of a
        test EHR its tokens prove it, a tenant for each of these kinds of client.
        """
        visitor = Client(
            fhir_bases=tuple(read_base("--fhir-base", base, allow_http=True) for base in bases),
            open_access=True,
            allow_private=True,
            suppression=False,
            rate_limit=0,
            refusal=UNNAMED,
            profile=defaults.profile,
            deadline_ms=defaults.deadline_ms,
        )
        sandbox = replace(visitor, issuer=SANDBOX_ISSUER, explain_missing_data=True)
        return cls(
            clients=tuple(_shown_as(visitor, base) for base in visitor.fhir_bases if _kind(base)),
            anonymous=visitor,
            may_prove=_test_ehrs(visitor, test_ehr) if test_ehr is not None else (),
            anonymous_by_issuer=MappingProxyType({SANDBOX_ISSUER: sandbox}),
        )

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        allow_http: bool = False,
        need_keys: bool = False,
        defaults: Defaults = USUAL,
    ) -> Registry:
        """Reads clients.toml; RegistryError names the file, the client and the key.

        There must be a client, because a service without one would take every call. With
        `need_keys` (production) each client must be able to prove who it is. `defaults` is for
        clients that name no profile or deadline, and for anonymous ones.
        """
        entries = converted(path.name, _parsed(path), _File).clients
        if not entries:
            raise RegistryError(f"{path.name}: {_NO_CLIENT}")
        clients = tuple(
            read_client(
                f"{path.name}: clients.{name}",
                name,
                entry,
                folder=path.parent,
                allow_http=allow_http,
                defaults=defaults,
            )
            for name, entry in entries.items()
        )
        _refuse_shared_bases(path.name, clients)
        _refuse_shared_issuers(path.name, clients)
        if need_keys:
            _refuse_unproven(path.name, clients)
        named = [entry.get("jwks_file") for entry in entries.values() if isinstance(entry, dict)]
        files = tuple(path.parent / name for name in named if name)
        return cls(clients=clients, anonymous=_anonymous(defaults), files=files)

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

    def wants_proof(self, authorization: str | None) -> bool:
        """True if a call must prove who sends it: always, or because it says so itself."""
        if self.asks_for_tokens:
            return True
        issuer = claimed_issuer(authorization) if self.may_prove else None
        return any(client.credentials.issuer == issuer for client in self.may_prove)

    def issued_by(self, issuer: str, tenant: object) -> Client | None:
        """Returns the client whose tokens name this issuer.

        If several clients share an issuer, the tenant of the token chooses.
        """
        known = (*self.clients, *self.may_prove)
        usable = [client for client in known if client.credentials.usable]
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


# What the demo's page can show an answer as, by the last part of the FHIR base that a call names.
AS_EUROPEAN, AS_EPIC = "fhir-european", "fhir-epic"


def _kind(base: str) -> str:
    name = base.rpartition("/")[2]
    return name if name in (AS_EUROPEAN, AS_EPIC) else ""


def _shown_as(visitor: Client, base: str) -> Client:
    """Returns the caller of the demo as another client: European, or with the limits of Epic."""
    kind = _kind(base)
    named = replace(visitor, name=kind, fhir_bases=(base,))
    if kind == AS_EUROPEAN:
        return replace(named, profile="european")
    limits = CardLimits(
        accepts_update=False,
        one_action_per_suggestion=True,
        selection_behavior_any_only=True,
        plain_text_detail=True,
    )
    return replace(named, card_limits=limits)


TEST_ISSUER = "https://test-ehr.invalid"


def _test_ehrs(visitor: Client, keys: KeySet) -> tuple[Client, ...]:
    """Returns the test EHR, once for each kind of client; the tenant of its token chooses."""
    made = []
    for kind in ("", AS_EUROPEAN, AS_EPIC):
        bases = tuple(base for base in visitor.fhir_bases if _kind(base) == kind)
        shown = _shown_as(visitor, bases[0]) if kind and bases else visitor
        tenants = {kind or "fhir": bases}
        credentials = Credentials(issuer=TEST_ISSUER, keys=keys, tenants=tenants)
        made.append(
            replace(
                shown, name="test-ehr", anonymous=False, issuer=TEST_ISSUER, credentials=credentials
            )
        )
    return tuple(made)


def client_names(path: Path) -> tuple[str, ...]:
    """Returns the names in clients.toml, whatever else it holds; RegistryError if it is no TOML."""
    return tuple(converted(path.name, _parsed(path), _File).clients)


def _anonymous(defaults: Defaults) -> Client:
    return replace(_STRANGER, profile=defaults.profile, deadline_ms=defaults.deadline_ms)


def _parsed(path: Path) -> object:
    """Returns the content of a TOML file; RegistryError if it is none that can be read at once."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # A pipe or a device would hold this thread until its writer comes.
            raise RegistryError(f"{path.name}: is not a regular file.")
        if status.st_size > _LARGEST_BYTES:
            raise RegistryError(f"{path.name}: is larger than {_LARGEST_BYTES:,} bytes.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{path.name}: cannot be read ({type(error).__name__}).") from None
    except RecursionError:
        raise RegistryError(f"{path.name}: is nested too deeply.") from None
    except ValueError as error:  # no TOML, or a number with thousands of digits
        raise RegistryError(f"{path.name}: {error}") from None


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
    """Raises RegistryError if a client cannot prove who it is."""
    for client in clients:
        if not client.credentials.usable:
            raise RegistryError(
                f"{where}: clients.{client.name}: "
                "needs issuer and one of jwks_url, jwks_file and keys."
            )
