"""One CDS client of the registry: who it is, what it may do, and how it wants to be answered."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.knowledge.limits import PROFILES
from cds_service.protocol.limits import ALL, CardLimits
from cds_service.trust.guard import canonical_base
from cds_service.trust.keyset import KeySet

DEFAULT_DEADLINE_MS = 1500
DEFAULT_ALGORITHMS = ("ES384", "RS384")  # CDSH-124
DEFAULT_RATE = 60  # calls a second (T-50)

ExtraSource = Literal[
    "MedicationStatement",
    "MedicationAdministration",
    "NutritionOrder",
    "ServiceRequest",
    "Procedure",
    "AllergyIntolerance",
    "Flag",
]
Vendor = Literal["", "epic", "oracle-health", "athenahealth"]
Indicator = Literal["info", "warning", "critical"]


class SmartLaunch(Struct, frozen=True, kw_only=True):
    """How the EHR of a client opens our SMART app."""

    client_id: str  # as the EHR has registered the app; a public client with PKCE
    scopes: tuple[str, ...] = ()  # none given: those that the queries of the service need
    # Origins of authorization servers, beside that of the FHIR base.
    authorization_servers: tuple[str, ...] = ()
    frame_ancestors: tuple[str, ...] = ()  # origins of pages that may show the app in a frame


Arm = Literal["", "shown", "shadow"]

UNREGISTERED = "The FHIR server of this call is not among this client's fhir_bases in clients.toml."
UNNAMED = "The FHIR server of this call was not named: start the demo with --fhir-base and its URL."


class Credentials(Struct, frozen=True, kw_only=True):
    """How a client proves who it is (T-20..T-30): what its tokens must say, and who signs them.

    The keys are either a known set (`keys`) or fetched from one registered URL (`jwks_url`). A URL
    in a token is never used. Without keys the client cannot prove anything.
    """

    issuer: str = ""
    keys: KeySet | None = None
    jwks_url: str = ""
    jku: tuple[str, ...] = ()  # the strings that a token's `jku` may be; never followed
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    # Accepted beside the public URL of the endpoint: in Epic the hospital types the audience in.
    audiences: tuple[str, ...] = ()
    tenants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # claim -> FHIR bases
    subject: str = ""  # the agreed `sub`, if the client sends one

    @property
    def usable(self) -> bool:
        """True if a token can prove that it comes from this client."""
        return bool(self.issuer) and (self.keys is not None or bool(self.jwks_url))


NO_CREDENTIALS = Credentials()


class Defaults(Struct, frozen=True, kw_only=True):
    """What a client gets that does not say it itself (CDS_PROFILE, CDS_DEADLINE_MS)."""

    profile: str = PROFILES[0]
    deadline_ms: int = DEFAULT_DEADLINE_MS


USUAL = Defaults()


class ServerHabits(Struct, frozen=True, kw_only=True):
    """What a client's FHIR server wants otherwise than most, and what the client means by null."""

    search: Literal["get", "post"] = "get"
    max_codes: int = 0  # at most so many codes in one search; 0: no limit is known
    category: str = ""  # searches for Observations carry it
    also_known_as: tuple[str, ...] = ()  # canonical; compared, never called
    null_means: Literal["none", "unknown"] = "none"  # a prefetch key that is null


USUAL_HABITS = ServerHabits()


class Client(Struct, frozen=True, kw_only=True):
    """One CDS client: what it is called, where its records are, and how it wants to be answered."""

    name: str = "anonymous"
    anonymous: bool = True
    vendor: Vendor = ""  # the maker of its EHR; it says which table of queries its analyst gets
    issuer: str = ""
    credentials: Credentials = NO_CREDENTIALS
    claimed_tenant: str = ""  # from the token of this call, if the client has tenants
    visit: str = ""  # of the demo's chart page; what it answers counts in this visit alone
    services: tuple[str, ...] = ()  # the services it may call; empty: all
    fhir_bases: tuple[str, ...] = ()  # canonical
    open_access: bool = False  # its FHIR server may be read without a token
    allow_private: bool = False  # its FHIR server may have a private or loopback address
    habits: ServerHabits = USUAL_HABITS
    cors_origins: tuple[str, ...] = ()  # the origins of its browser pages
    prefetch_aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # key -> theirs
    extra_sources: tuple[ExtraSource, ...] = ()
    profile: str = USUAL.profile
    deadline_ms: int = USUAL.deadline_ms
    language: str = ""  # of its cards; "": the one that a call asks for, else English
    time_zone: zoneinfo.ZoneInfo | None = None  # None: the offset of the newest result
    explain_missing_data: bool = False  # an info card instead of a 412
    disabled_rules: frozenset[str] = frozenset()
    rules_off: frozenset[str] = frozenset()  # by `cds-service off`, for this client or for all
    all_off: bool = False  # no rule is asked at all
    min_indicator: Indicator = "info"  # cards below it are not shown
    card_limits: CardLimits = ALL
    smart: SmartLaunch | None = None  # None: no app, and no link to it on cards
    shadow: bool = False  # evaluate and record, answer no cards (T-72)
    shadow_share: float = 0.0  # this share of the patients is answered as in shadow mode
    arm: Arm = ""  # of the patient of this call, if the client has a shadow_share
    explain: bool = False  # add why, and why not, to each answer as an extension
    suppression: bool = True  # an overridden card stays away until the patient gets worse
    # Calls a second in one worker, and twice as many at once; 0: no limit.
    rate_limit: int = DEFAULT_RATE
    refusal: str = UNREGISTERED  # what the analyst reads about a FHIR server that is not called

    @property
    def not_shown(self) -> frozenset[str]:
        """The rules whose cards this client does not get, by its own choice or switched off."""
        return self.disabled_rules | self.rules_off

    @property
    def tenant(self) -> str:
        """The owner of this client's rows in every table: its name, and its tenant (T-62)."""
        if self.anonymous:
            return ""
        if self.claimed_tenant:
            return f"{self.name}/{self.claimed_tenant}"
        return self.name

    def base_for(self, fhir_server: str | None) -> str | None:
        """Returns the registered base that `fhir_server` names, or None.

        The service calls no URL that does not come from here. Another name of the server
        (`also_known_as`) stands for the base, of which there is only one then.
        """
        base = canonical_base(fhir_server)
        if base in self.habits.also_known_as and self.fhir_bases:
            return self.fhir_bases[0]
        return base if base in self.fhir_bases else None

    def names_of(self, base: str | None) -> tuple[str, ...]:
        """Returns the names under which references of this client may mean a registered base."""
        return (base, *self.habits.also_known_as) if base else ()

    def for_patient(self, place: float) -> Client:
        """Returns this client as it answers about one patient, whose place is from 0 to 1.

        A place below `shadow_share` is in shadow. A patient keeps the place, so a smaller share
        only takes patients out of shadow, and a larger one only adds some.
        """
        if self.shadow or not self.shadow_share:
            return self
        hidden = place < self.shadow_share
        return replace(self, shadow=hidden, arm="shadow" if hidden else "shown")

    def for_tenant(self, tenant: str) -> Client:
        """Returns this client for one of its tenants, with the FHIR bases of that one (T-30)."""
        if not self.credentials.tenants:
            return self
        return replace(self, claimed_tenant=tenant, fhir_bases=self.credentials.tenants[tenant])
