"""Reads a hook call: its shape and its ids are checked, and its content is not interpreted.

It follows CDS Hooks 3.0.0-ballot ("HTTP Request"), and accepts what 2.0 and 1.1 clients send.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, NoReturn, TypeGuard

from msgspec import Struct, field

from cds_service.errors import BadRequest
from cds_service.protocol.references import id_text, type_and_id

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
    encounter_id: str | None = None  # "": one was given, and no id can be made of it
    user_id: str | None = None  # "Practitioner/7"
    selections: tuple[str, ...] = ()
    draft_bundle: Mapping[str, Any] = field(default_factory=dict)  # a Bundle, whatever shape came
    lacks: str = ""  # the member that names the orders and that did not come
    fhir_server: str | None = None
    token: Secret | None = None
    odd_token: bool = False  # `fhirAuthorization` came, and holds no token that can be used
    prefetch: Mapping[str, object] = field(default_factory=dict)
    trace: Mapping[str, str] = field(default_factory=dict)  # headers for what is read for this call
    language: str = ""  # that the call asks for; "": none that cards can speak
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
    patient_id = _patient_id(context)
    _same_patient(body, patient_id)
    orders = {} if drafts == "none" else _orders(context, hook, drafts)
    return HookRequest(
        service=service,
        hook=hook,
        hook_instance=instance,
        patient_id=patient_id,
        received=received,
        encounter_id=_encounter_id(context),
        user_id=_user(context),
        fhir_server=server,
        token=token,
        odd_token=token is None and body.get("fhirAuthorization") is not None,
        prefetch=_prefetch(body),
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


def _prefetch(body: Mapping[str, object]) -> Mapping[str, object]:
    """Returns the prefetch; one that is no object brought nothing, and what is needed is read."""
    value = body.get("prefetch")
    return value if isinstance(value, dict) else {}


def _patient_id(context: Mapping[str, object]) -> str:
    value = context.get("patientId")
    text = id_text(value)
    if value is None or text == "":
        raise BadRequest("The member 'context.patientId' is missing.")
    kind, own = type_and_id(text or "")
    if not own:
        raise BadRequest("The member 'context.patientId' is not a FHIR id.")
    if kind not in ("", "Patient"):
        raise BadRequest("The member 'context.patientId' names a resource that is no Patient.")
    return own


def _encounter_id(context: Mapping[str, object]) -> str | None:
    """Returns the id; None without one, and "" if one came that cannot be read."""
    value = context.get("encounterId")
    text = id_text(value)
    if not (value if text is None else text):
        return None
    kind, own = type_and_id(text or "")
    return own if kind in ("", "Encounter") else ""


def _user(context: Mapping[str, object]) -> str | None:
    # An odd or missing user never breaks an answer (CDSH-134): drafts then carry no requester.
    kind, own = type_and_id(id_text(context.get("userId")) or "")
    return f"{kind}/{own}" if kind else None


def _fhir_access(body: Mapping[str, object]) -> tuple[str | None, Secret | None]:
    """Returns server and token, as far as both can be used: not every call needs them."""
    server = body.get("fhirServer")
    authorization = body.get("fhirAuthorization")
    if not isinstance(server, str) or not server.strip():
        return None, None
    if not isinstance(authorization, dict):
        return server, None
    token, kind = authorization.get("access_token"), authorization.get("token_type")
    usable = isinstance(kind, str) and kind.strip().casefold() == "bearer" and _is_token(token)
    return server, Secret(str(token).strip()) if usable else None


def _is_token(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or not value.strip():
        return False
    return value.isascii() and value.isprintable()


def _same_patient(body: Mapping[str, object], patient_id: str) -> None:
    authorization = body.get("fhirAuthorization")
    patient = id_text(authorization.get("patient")) if isinstance(authorization, dict) else None
    if patient and type_and_id(patient) not in (("", patient_id), ("Patient", patient_id)):
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
        if not isinstance(selections, list | str):
            raise without_orders(hook, drafts, "selections")
        orders["selections"] = _selections(selections)
    entries = _entries(context["draftOrders"])
    if entries is None:
        raise without_orders(hook, drafts, "draftOrders")
    return orders | {"draft_bundle": {"resourceType": "Bundle", "entry": entries}}


def _selections(value: list[object] | str) -> tuple[str, ...]:
    """Returns what is selected: a list, or one selection by itself. "" is one that is no id."""
    listed: Iterable[object] = [value] if isinstance(value, str) else value
    return tuple([id_text(one) or "" for one in listed if one is not None])


def _entries(orders: object) -> list[dict[str, Any]] | None:
    """Returns the entries of draftOrders: of a Bundle, a bare list, or one resource by itself."""
    if isinstance(orders, list) and len(orders) == 1 and _is_bundle(orders[0]):
        orders = orders[0]
    found = orders
    if isinstance(orders, dict):
        is_bundle = _is_bundle(orders) or "entry" in orders
        found = orders.get("entry") or [] if is_bundle else [orders] if orders else None
    if isinstance(found, dict):
        found = [found]
    return [_entry(one) for one in found] if isinstance(found, list) else None


def _is_bundle(value: object) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"


def _entry(value: object) -> dict[str, Any]:
    """Returns one entry; one that holds no resource keeps its place, so that it can be named."""
    if not isinstance(value, dict):
        return {}
    if "resourceType" in value:
        return {"fullUrl": value.get("fullUrl"), "resource": value}
    return value
