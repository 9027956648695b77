"""Writes records to a FHIR R4 server by PUT under their own ids: a run that was stopped is run again."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from cds_service.demo.upload_order import as_test_data, in_order
from cds_service.errors import BadRequest, UploadError
from cds_service.protocol.secret import Secret
from cds_service.protocol.wire import decode, encode
from cds_service.records.prefetch import Resource
from cds_service.trust.deadline import Deadline
from cds_service.trust.fetch import Failure, Fetched, Sent, fetch
from cds_service.trust.guard import address_allowed
from cds_service.trust.outgoing import OutgoingCall, guarded_session, tls_context

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
_FAILURES = {
    Failure.TIME: f"no answer within {_ANSWER_S:.0f} s",
    Failure.BROKEN: "no connection, or it broke",
    Failure.TOO_LARGE: "an answer too large to read",
}


class Upload:
    """One run against one server. `base` is canonical (trust.guard); UploadError says what stopped it."""

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
        """Return once the server says that it is a FHIR R4 server; `report` gets the time waited, and for what."""
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
                    f"no FHIR server there: GET metadata: {_told(fetched)} (waited {waited:.0f} s)"
                )
            report(waited, _told(fetched))
            self._sleep(_LOOK_EVERY_S)

    def store(self, record: Sequence[Resource]) -> None:
        """Write one record: as one transaction where the server takes it, else resource by resource.

        Nothing is written where one of its patients is somebody else on that server.
        """
        ordered = [as_test_data(resource) for resource in in_order(record)]
        for resource in ordered:
            if resource["resourceType"] == "Patient":
                self._refuse_stranger(resource)
        if self.transactions:
            self.transactions = self._as_transaction(ordered)
        if not self.transactions:
            for resource in ordered:
                self._put(resource)

    def _refuse_stranger(self, patient: Resource) -> None:
        name = _name(patient)
        fetched = self._patiently(name, name, None)
        if fetched.status in _GONE:
            return
        there = _json(fetched)
        if fetched.status != _READ or not isinstance(there, dict):
            raise UploadError(f"GET {name}: {_told(fetched)}")
        if there.get("name") != patient.get("name"):
            raise UploadError(f"{name} on this server is somebody else; nothing was overwritten")

    def _as_transaction(self, ordered: Sequence[Resource]) -> bool:
        """Whether the server took all of it at once. Any other word than busy or forbidden is asked again by PUT."""
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
            raise UploadError(f"POST Bundle (transaction): {_told(fetched)}")
        return fetched.status in _OK and _all_taken(_json(fetched), len(entries))

    def _put(self, resource: Resource) -> None:
        name = _name(resource)
        fetched = self._patiently(name, name, Sent("PUT", encode(resource)))
        if fetched.status not in _OK:
            raise UploadError(f"PUT {name}: {_told(fetched)}")

    def _patiently(self, path: str, what: str, sent: Sent | None) -> Fetched:
        """The answer, after some more tries where the server is busy, restarting or out of reach."""
        fetched = self._once(path, sent)
        for pause in _PAUSES_S:
            if fetched.status not in _BUSY:
                break
            self._sleep(pause)
            fetched = self._once(path, sent)
        if fetched.failure is not None:
            raise UploadError(f"{what}: {_told(fetched)}")
        return fetched

    def _once(self, path: str, sent: Sent | None) -> Fetched:
        # Whoever runs the loader chose the server: private addresses are what it is mostly for.
        errand = OutgoingCall(Deadline.after(_ANSWER_S), allow_private=True)
        url = f"{self._base}/{path}" if path else self._base
        return fetch(self._session, url, self._headers, errand, _ANSWER_BYTES, sent)


def _is_in_the_open(base: str) -> bool:
    """Whether plain http would leave private networks; a name that does not resolve yet does not."""
    parts = urlsplit(base)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return False
    return any(address_allowed(str(address[0]), allow_private=False) for *_, address in found)


def _is_ready(fetched: Fetched) -> bool:
    """Whether this is the CapabilityStatement of an R4 server; UploadError where waiting will not help."""
    if fetched.status in _REFUSED or fetched.status in _ELSEWHERE:
        raise UploadError(f"GET metadata: {_told(fetched)}")
    told = _json(fetched)
    if (
        fetched.status != _READ
        or not isinstance(told, dict)
        or told.get("resourceType") != "CapabilityStatement"
    ):
        return False
    version = str(told.get("fhirVersion", "4."))
    if not version.startswith("4."):
        raise UploadError(f"this server speaks FHIR {version[:20]!a}; the stories are R4")
    return True


def _all_taken(answer: object, entries: int) -> bool:
    """Whether each entry of a transaction was written: some servers answer 200 and name failures inside."""
    listed = answer.get("entry") if isinstance(answer, dict) else None
    if not isinstance(listed, list) or len(listed) != entries:
        return False
    said = [entry.get("response") for entry in listed if isinstance(entry, dict)]
    return len(said) == entries and all(
        isinstance(r, dict) and str(r.get("status", "")).startswith("2") for r in said
    )


def _told(fetched: Fetched) -> str:
    """The answer in a line: status, and what the server says of it, made safe for a terminal."""
    if fetched.failure is not None:
        return _FAILURES[fetched.failure]
    hints = {401: ", give a token that may write", 403: ", its token may not do this"}
    elsewhere = ", give the URL that it moved to" if fetched.status in _ELSEWHERE else ""
    return f"status {fetched.status}{hints.get(fetched.status, elsewhere)}{remark(_json(fetched))}"


def remark(answer: object) -> str:
    """What an OperationOutcome says first, behind a colon and made safe for a terminal; else nothing."""
    issues = answer.get("issue") if isinstance(answer, dict) else None
    for issue in issues if isinstance(issues, list) else []:
        details = issue.get("details") if isinstance(issue, dict) else None
        # A text for people stands in `details`; HAPI puts all it has to say into `diagnostics`.
        said = (details.get("text") if isinstance(details, dict) else None) or (
            issue.get("diagnostics") if isinstance(issue, dict) else None
        )
        if isinstance(said, str):
            return ": " + "".join(c if c.isprintable() else " " for c in said[:_LONGEST_REMARK])
    return ""


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _json(fetched: Fetched) -> Any:
    try:
        return decode(fetched.body)
    except BadRequest:
        return None
