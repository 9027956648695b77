"""Writes records to a FHIR R4 server under their own ids, so that a run can be repeated."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from cds_service.errors import BadRequest, UploadError
from cds_service.protocol.request import Secret
from cds_service.protocol.wire import decode, encode
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, Fetched, Sent, fetch
from cds_service.trust.guard import address_allowed
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

Resource: TypeAlias = dict[str, Any]

# HL7's label for invented records, so that they can be recognised on a shared server.
_TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
_FHIR = "application/fhir+json"
_ANSWER_S = 60.0  # the first answer of a server that has just started takes long
_ANSWER_BYTES = 20_000_000
_PAUSES_S = (1.0, 3.0, 6.0)  # before a busy server is asked again
_LOOK_EVERY_S = 1.0
_LONGEST_REMARK = 240
_OK = range(200, 300)
_ELSEWHERE = range(300, 400)
_READ = 200
_REFUSED = frozenset({401, 403})
_GONE = frozenset({404, 410})
_BUSY = frozenset({0, 429, 502, 503, 504})
_HINTS = {401: ", give a token that may write", 403: ", its token may not do this"}
_FAILURES = {
    Failure.TIME: f"no answer within {_ANSWER_S:.0f} s",
    Failure.BROKEN: "no connection, or it broke",
    Failure.TOO_LARGE: "an answer too large to read",
}


class Upload:
    """One run against one server; UploadError says what stopped it.

    `base` is canonical, as trust.guard writes it.
    """

    def __init__(
        self,
        base: str,
        token: Secret | None = None,
        *,
        ca_bundle: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transactions = True  # until the server refuses one
        self._base = base
        self._sleep = sleep
        self._session = guarded_session(1, tls_context(ca_bundle))
        self._headers = {"Accept": _FHIR, "Content-Type": _FHIR, "Prefer": "return=minimal"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token.reveal()}"

    def wait(self, seconds: float, report: Callable[[float, str], None]) -> None:
        """Returns as soon as there is a FHIR R4 server; `report` gets the time waited and why."""
        began = time.monotonic()
        while True:
            if _is_in_the_open(self._base):
                raise UploadError(
                    "http is for this machine and private networks; use https for this server"
                )
            fetched = self._once("metadata", None)
            if _is_ready(fetched):
                return
            waited = time.monotonic() - began
            if waited >= seconds:
                raise UploadError(
                    f"no FHIR server there: GET metadata: {_remark_on(fetched)} "
                    f"(waited {waited:.0f} s)"
                )
            report(waited, _remark_on(fetched))
            self._sleep(_LOOK_EVERY_S)

    def store(self, record: Sequence[Resource]) -> None:
        """Writes one record, as one transaction if the server takes it, else one by one.

        Nothing is written if one of its patients is a different person on that server.
        """
        ordered = [as_test_data(resource) for resource in in_order(record)]
        for resource in ordered:
            if resource["resourceType"] == "Patient":
                self._refuse_stranger(resource)
        if self.transactions:
            self.transactions = self._as_transaction(ordered)
        if not self.transactions:
            for resource in ordered:
                name = _name(resource)
                fetched = self._patiently(name, name, Sent("PUT", encode(resource)))
                if fetched.status not in _OK:
                    raise UploadError(f"PUT {name}: {_remark_on(fetched)}")

    def _refuse_stranger(self, patient: Resource) -> None:
        name = _name(patient)
        fetched = self._patiently(name, name, None)
        if fetched.status in _GONE:
            return
        there = _json(fetched)
        if fetched.status != _READ or not isinstance(there, dict):
            raise UploadError(f"GET {name}: {_remark_on(fetched)}")
        if there.get("name") != patient.get("name"):
            raise UploadError(f"{name} on this server is somebody else; nothing was overwritten")

    def _as_transaction(self, ordered: Sequence[Resource]) -> bool:
        """Returns True if the server took all of it; UploadError if it is busy or forbids it."""
        entries = [
            {
                "fullUrl": f"{self._base}/{_name(resource)}",
                "resource": resource,
                "request": {"method": "PUT", "url": _name(resource)},
            }
            for resource in ordered
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        fetched = self._patiently("", "Bundle (transaction)", Sent("POST", encode(bundle)))
        if fetched.status in _REFUSED | _BUSY:
            raise UploadError(f"POST Bundle (transaction): {_remark_on(fetched)}")
        return fetched.status in _OK and _all_taken(_json(fetched), len(entries))

    def _patiently(self, path: str, what: str, sent: Sent | None) -> Fetched:
        """Returns the answer, after more tries if the server is busy or out of reach."""
        fetched = self._once(path, sent)
        for pause in _PAUSES_S:
            if fetched.status not in _BUSY:
                break
            self._sleep(pause)
            fetched = self._once(path, sent)
        if fetched.failure is not None:
            raise UploadError(f"{what}: {_remark_on(fetched)}")
        return fetched

    def _once(self, path: str, sent: Sent | None) -> Fetched:
        # The user of the loader chose the server, and it is mostly for private addresses.
        outgoing = OutgoingCall(Deadline.after(_ANSWER_S), allow_private=True)
        url = f"{self._base}/{path}" if path else self._base
        return fetch(self._session, url, self._headers, outgoing, _ANSWER_BYTES, sent)


def _is_in_the_open(base: str) -> bool:
    """Returns True if plain http would leave private networks, as far as the name resolves."""
    parts = urlsplit(base)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        addresses = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return False
    return any(address_allowed(str(address[0]), allow_private=False) for *_, address in addresses)


def _is_ready(fetched: Fetched) -> bool:
    """Returns True if this describes an R4 server; UploadError if waiting cannot help."""
    if fetched.status in _REFUSED or fetched.status in _ELSEWHERE:
        raise UploadError(f"GET metadata: {_remark_on(fetched)}")
    statement = _json(fetched)
    if fetched.status != _READ or not isinstance(statement, dict):
        return False
    if statement.get("resourceType") != "CapabilityStatement":
        return False
    version = str(statement.get("fhirVersion", "4."))
    if not version.startswith("4."):
        raise UploadError(f"this server speaks FHIR {version[:20]!a}; the stories are R4")
    return True


def _all_taken(answer: object, entries: int) -> bool:
    """Returns True if each entry was written; some servers answer 200 and name failures inside."""
    listed = _member(answer, "entry")
    if not isinstance(listed, list) or len(listed) != entries:
        return False
    statuses = [_member(_member(entry, "response"), "status") for entry in listed]
    return all(str(status).startswith("2") for status in statuses)


def _remark_on(fetched: Fetched) -> str:
    """Returns status and explanation of an answer in one line that is safe for a terminal."""
    if fetched.failure is not None:
        return _FAILURES[fetched.failure]
    hint = _HINTS.get(fetched.status, "")
    if fetched.status in _ELSEWHERE:
        hint = ", give the URL that it moved to"
    return f"status {fetched.status}{hint}{remark(_json(fetched))}"


def remark(answer: object) -> str:
    """Returns a colon and the first text of an OperationOutcome, safe for a terminal; or ""."""
    issues = _member(answer, "issue")
    for issue in issues if isinstance(issues, list) else []:
        # A text for people is in `details`; HAPI puts everything into `diagnostics`.
        words = _member(_member(issue, "details"), "text") or _member(issue, "diagnostics")
        if isinstance(words, str):
            return ": " + "".join(c if c.isprintable() else " " for c in words[:_LONGEST_REMARK])
    return ""


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _json(fetched: Fetched) -> Any:
    try:
        return decode(fetched.body)
    except BadRequest:
        return None


def in_order(record: Sequence[Resource]) -> list[Resource]:
    """Returns each resource after those that it refers to, because servers check references."""
    by_name = {f"{resource['resourceType']}/{resource['id']}": resource for resource in record}
    seen: set[str] = set()
    ordered: list[Resource] = []

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for reference in _references(by_name[name]):
            if reference in by_name:
                visit(reference)
        ordered.append(by_name[name])

    for name in by_name:
        visit(name)
    return ordered


def as_test_data(resource: Resource) -> Resource:
    """Returns the resource, labelled as test data."""
    meta = resource.get("meta", {})
    return resource | {"meta": meta | {"security": [*meta.get("security", []), _TEST_DATA]}}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    for member in value if isinstance(value, list) else []:
        yield from _references(member)
