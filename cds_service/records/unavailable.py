"""What an analyst is told where something that an answer needs could not be had (412)."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.errors import DataRefused, DataTooSlow, DataUnavailable
from cds_service.records.gather import Unreachable
from cds_service.sodium.blind_spots import Unlooked
from cds_service.sodium.snapshot import Missing
from cds_service.trust.registry import Client

_NEEDED: Mapping[Unlooked, str] = {
    "sodium": "Sodium results are needed: neither the prefetch key 'sodium' nor a live read brought them.",
    "medications": "The current medicines are needed: neither the prefetch key 'medications' nor a live read "
    "brought them all.",
    "conditions": "The problem list is needed: neither the prefetch key 'conditions' nor a live read brought it all.",
    "order": "The selected order points to a Medication that is neither among the draft orders nor readable.",
}
_PARTLY = "Only a part of the sodium results could be read, and not the newest for certain."
_WHY_UNREACHABLE: Mapping[Unreachable, str] = {
    "no-fhir-server": "The call carries no 'fhirServer'.",
    "no-token": "The call carries no 'fhirAuthorization', and this FHIR server is not registered as open.",
    "not-registered": "",  # the registry entry has its own text
}
_KIND: Mapping[Missing, type[DataUnavailable]] = {
    Missing.TIMEOUT: DataTooSlow,
    Missing.REFUSED: DataRefused,
}


def unavailable(
    what: Unlooked, why: Missing, unreachable: Unreachable | None, client: Client
) -> DataUnavailable:
    """The error for `what` is missing and `why`; fixed texts, nothing of the patient."""
    needed = _PARTLY if what == "sodium" and why is Missing.TRUNCATED else _NEEDED[what]
    return _KIND.get(why, DataUnavailable)(f"{needed} {_cause(why, unreachable, client)}")


def _cause(why: Missing, unreachable: Unreachable | None, client: Client) -> str:
    if why is Missing.TIMEOUT:
        return "The FHIR server is taking too long to respond and guidance cannot be provided."
    if why is Missing.REFUSED:
        return "The FHIR server refused the token of the call: check its scopes and how long it is valid."
    if why is Missing.VERSION:
        return "The results are of another FHIR version than R4."
    if unreachable is not None:
        return _WHY_UNREACHABLE[unreachable] or client.refusal
    return "The FHIR server did not give it."
