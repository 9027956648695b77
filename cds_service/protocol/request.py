"""Reads a hook call: its shape and its ids are checked, and its content is not interpreted.

It follows CDS Hooks 3.0.0-ballot ("HTTP Request"), and accepts what 2.0 and 1.1 clients send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NoReturn, TypeGuard

from msgspec import Struct, field

from cds_service.errors import BadRequest

# FHIR ids have 64 characters; Epic's are longer and look like base64 (T-11).
_ID = re.compile(r"[A-Za-z0-9\-._]{1,256}")
# A user: what may stand before the reference, type and id, and the version.
_USER = re.compile(
    r"(?:\S+://\S*/)?([A-Z][A-Za-z]{1,40}/[A-Za-z0-9\-._]{1,256})(?:/_history/\S*)?/?"
)
_MAX_TEXT = 256
Drafts = Literal["none", "selected", "all"]  # which draft orders of the context a hook is about
NEEDS: Mapping[Drafts, tuple[str, ...]] = {
    "selected": ("selections", "draftOrders"),
    "all": ("draftOrders",),
}


class Secret:
    """The access token of a call; `repr`, formatting and pickling do not show it (CDSH-051)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Returns the value, for the header of the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return ""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class HookRequest(Struct, frozen=True, kw_only=True):
    """One call of one service; `received` is the only clock for all that follows."""

    service: str
    hook: str
    hook_instance: str
    patient_id: str
    received: datetime
    encounter_id: str | None = None
    user_id: str | None = None  # "Practitioner/7"
    selections: tuple[str, ...] = ()
    draft_orders: tuple[dict[str, Any], ...] = ()
    draft_bundle: Mapping[str, object] = field(default_factory=dict)  # with their fullUrls
    lacks: str = ""  # the member that names the orders and that did not come
    fhir_server: str | None = None
    token: Secret | None = None
    prefetch: Mapping[str, object] = field(default_factory=dict)
    body: bytes = b""  # as received: prefetched resources are read in part (fhir.shape)

    def __repr__(self) -> str:
        """Returns a text without patient data, because it may be printed anywhere."""
        return f"HookRequest(service={self.service!r})"

    @property
    def practitioner(self) -> str | None:
        """The user as a reference that may sign orders, or None."""
        user = self.user_id or ""
        return user if user.startswith(("Practitioner/", "PractitionerRole/")) else None


def hook_request(
    body: object,
    service: str,
    hook: str,
    received: datetime,
    raw: bytes = b"",
    drafts: Drafts = "none",
) -> HookRequest:
    """Checks a decoded body against the hook that `service` serves; BadRequest says what to mend.

    `raw` is the body that was decoded, if only a part of each resource was. `drafts` says which
    members of the context name the orders of this hook.
    """
    if not isinstance(body, dict):
        raise BadRequest("The body is not a JSON object.")
    named = _text(body, "hook", "The member 'hook' is missing or not a string.")
    instance = _text(body, "hookInstance", "The member 'hookInstance' is missing or not a string.")
    context = body.get("context")
    if not isinstance(context, dict):
        raise BadRequest("The member 'context' is missing or not an object.")
    if named != hook:
        raise BadRequest(
            f"This service answers the hook '{hook}'. "
            "Check which service URL the EHR calls for which hook."
        )
    server, token = _fhir_access(body)
    patient_id = _id(context, "patientId")
    if patient_id is None:
        raise BadRequest("The member 'context.patientId' is missing.")
    _same_patient(body, patient_id)
    orders = {} if drafts == "none" else _orders(context, hook, drafts)
    return HookRequest(
        service=service,
        hook=hook,
        hook_instance=instance,
        patient_id=patient_id,
        received=received,
        encounter_id=_id(context, "encounterId"),
        user_id=_user(context),
        fhir_server=server,
        token=token,
        prefetch=_object(body, "prefetch"),
        body=raw,
        **orders,
    )


def without_orders(hook: str, drafts: Drafts, lacks: str) -> BadRequest:
    """Returns the error for a call about orders that lacks this member of the context."""
    needs = " and ".join(f"'{name}'" for name in NEEDS[drafts])
    return BadRequest(
        f"The member 'context.{lacks}' is missing or malformed. {hook} needs {needs}; "
        "check that the EHR's registration holds the scope for unsigned orders."
    )


def _text(body: Mapping[str, object], name: str, otherwise: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT:
        raise BadRequest(otherwise)
    return value


def _object(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"The member '{name}' is not an object.")
    return value


def _id(context: Mapping[str, object], name: str) -> str | None:
    value = context.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not _ID.fullmatch(value) or set(value) == {"."}:
        raise BadRequest(f"The member 'context.{name}' is not a FHIR id.")
    return value


def _user(context: Mapping[str, object]) -> str | None:
    # An odd or missing user never breaks an answer (CDSH-134): drafts then carry no requester.
    # Without base and version, so that one user is one whatever way the EHR names them.
    value = context.get("userId")
    found = _USER.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1] if found else None


def _fhir_access(body: Mapping[str, object]) -> tuple[str | None, Secret | None]:
    server = body.get("fhirServer")
    if server is not None and not isinstance(server, str):
        raise BadRequest("The member 'fhirServer' is not a string.")
    authorization = body.get("fhirAuthorization")
    if authorization is None:
        return server, None
    if not isinstance(authorization, dict):
        raise BadRequest("The member 'fhirAuthorization' is not an object.")
    if server is None:
        raise BadRequest("The member 'fhirAuthorization' needs 'fhirServer' beside it.")
    token, kind = authorization.get("access_token"), authorization.get("token_type")
    if not _is_token(token):
        raise BadRequest("The member 'fhirAuthorization.access_token' is missing or not a token.")
    if not isinstance(kind, str) or kind.casefold() != "bearer":
        raise BadRequest("The member 'fhirAuthorization.token_type' is not 'Bearer'.")
    return server, Secret(token.strip())


def _is_token(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or not value.strip():
        return False
    return value.isascii() and value.isprintable()


def _same_patient(body: Mapping[str, object], patient_id: str) -> None:
    authorization = body.get("fhirAuthorization")
    patient = authorization.get("patient") if isinstance(authorization, dict) else None
    if isinstance(patient, str) and patient.removeprefix("Patient/") != patient_id:
        raise BadRequest("The member 'fhirAuthorization.patient' differs from 'context.patientId'.")


def _orders(context: Mapping[str, object], hook: str, drafts: Drafts) -> dict[str, Any]:
    """Returns what a hook about orders adds to a call, or the name of the member that it lacks.

    Whether a lack is an error or a card depends on the client.
    """
    for name in NEEDS[drafts]:
        if context.get(name) is None:
            return {"lacks": name}
    orders: dict[str, Any] = {}
    if drafts == "selected":
        selections = context["selections"]
        if not _texts(selections):
            raise without_orders(hook, drafts, "selections")
        orders["selections"] = tuple(selections)
    bundle = context["draftOrders"]
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise without_orders(hook, drafts, "draftOrders")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise without_orders(hook, drafts, "draftOrders")
    # One odd entry never costs the call; the reader looks at each resource by itself.
    resources = (entry.get("resource") for entry in entries if isinstance(entry, dict))
    return orders | {
        "draft_orders": tuple(r for r in resources if isinstance(r, dict)),
        "draft_bundle": bundle,
    }


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(s, str) and s.strip() for s in value)
