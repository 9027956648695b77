"""Which lines of an export a rule can look at, and under which key of the prefetch each would come.

A line is decoded as far as this needs. What a code means is asked of the service's own vocabulary,
once for each code, so that no list of codes is copied and a site's local codes count.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from cds_service.backtest.times import when
from cds_service.backtest.unknown import Unknowns
from cds_service.errors import BadRequest
from cds_service.knowledge.words import Lab
from cds_service.protocol.references import type_and_id
from cds_service.records.fhir_types import (
    NO_REFERENCE,
    Resource,
    decode_resource,
    first_concept,
    kind_of,
)
from cds_service.records.medications import KINDS
from cds_service.records.prefetch import OLDER_NAMES
from cds_service.records.reader import SODIUM
from cds_service.terminology.vocabulary import Test, Vocabulary

# Resources about a patient that a rule, or the outcome after a card, can look at.
READ = frozenset(
    {
        *("Patient", "Encounter", "Observation", "Condition", "Procedure", "AllergyIntolerance"),
        *("Flag", *KINDS, *(older for names in OLDER_NAMES.values() for older in names)),
    }
)
SHARED = "Medication"  # belongs to no patient
BROKEN, UNKNOWN, OWNERLESS, OTHER = "broken", "unknown", "ownerless", "other"
MAYBE_SODIUM = "maybe_sodium"  # its code is not known, and may mean sodium
_ABSENT = Raw(b"")
_MOST_CODES = 100_000  # distinct codes that are remembered
_URN = "urn:uuid:"
_DAY = len("2026-11-21")


class _Reference(Struct):
    reference: str = ""


class _Line(Struct, rename="camel"):
    """What sifting looks at; a line of another shape is read as the service reads it."""

    resource_type: str = ""
    id: str = ""
    code: Raw = _ABSENT
    medication_codeable_concept: Raw = _ABSENT
    value_quantity: Raw = _ABSENT
    issued: str | None = None
    effective_date_time: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None


class _Coded(Struct):
    """An Observation that consists of its code."""

    code: Raw
    resourceType: str = "Observation"  # noqa: N815  # as FHIR writes it


class Kept(Struct, frozen=True):
    """A line that is kept: its key, and the id of its patient (of a Medication: its own)."""

    key: str
    owner: str


class Left(Struct, frozen=True):
    """A line that is not kept, and why."""

    why: str
    kind: str = ""


class Sifter:
    """Sorts the lines of an export; it holds nothing of a patient."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        labs: Mapping[str, Lab],
        *others: tuple[Vocabulary, Mapping[str, Lab]],
    ) -> None:
        # What any knowledge reads that judges is kept.
        self._known = ((vocabulary, labs), *others)
        self._keys: dict[bytes, str] = {}
        self._decode = msgspec.json.Decoder(_Line).decode
        self._maybe_sodium: set[bytes] = set()  # codes that are not known, and may mean it
        self.unknown = Unknowns(vocabulary, labs)
        self.first_sodium = ""  # the earliest day of a result

    def sort(self, line: bytes) -> Kept | Left:
        """Returns what becomes of one line."""
        try:
            read = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._sort_odd(line)
        kind = read.resource_type
        if not kind:
            return Left(BROKEN)
        if kind == "Observation":
            key = self._key(bytes(read.code), read.id)
        elif kind in READ:
            key = kind
        elif kind == SHARED:
            return Kept(kind, read.id) if read.id else Left(OWNERLESS, kind)
        else:
            return Left(OTHER, kind)
        if not key:
            return self._unknown(bytes(read.code))
        self._note(key, read)
        if kind == "Patient":
            owner = read.id
        else:
            named = read.subject or read.patient
            owner = patient_id(named.reference) if named is not None else ""
        return Kept(key, owner) if owner else Left(OWNERLESS, kind)

    def _unknown(self, code: bytes) -> Left:
        """Returns that no rule looks at an Observation, or that it may be a sodium result."""
        return Left(MAYBE_SODIUM if code in self._maybe_sodium else UNKNOWN, "Observation")

    def _note(self, key: str, read: _Line) -> None:
        """Notes a unit, a drug or a problem that nothing is known of."""
        if key == SODIUM:
            self.unknown.note("unit", bytes(read.value_quantity), read.id)
            self._note_day(read.issued or read.effective_date_time or "")
        elif key == "Condition":
            self.unknown.note("problem", bytes(read.code), read.id)
        elif bytes(read.medication_codeable_concept):
            self.unknown.note("drug", bytes(read.medication_codeable_concept), read.id)

    def _note_day(self, time: str) -> None:
        day = time[:_DAY]
        earlier = not self.first_sodium or day < self.first_sodium
        if earlier and len(day) == _DAY and when(day) is not None:
            self.first_sodium = day

    def _sort_odd(self, line: bytes) -> Kept | Left:
        """Sorts a line of an unusual shape, as the service reads it."""
        if not line.startswith(b"{"):
            return Left(BROKEN)
        try:
            read = decode_resource(line)
        except BadRequest:
            return Left(BROKEN)
        kind = kind_of(read) if read is not None else ""
        if read is None or not kind:
            return Left(BROKEN)
        own = read.id.strip()
        if kind == SHARED:
            return Kept(kind, own) if own else Left(OWNERLESS, kind)
        if kind not in READ:
            return Left(OTHER, kind)
        key = self._key_of(read) if kind == "Observation" else kind
        if not key:
            code = first_concept(read.code)
            maybe = code is not None and self._known[0][0].test(code).maybe_sodium
            return Left(MAYBE_SODIUM if maybe else UNKNOWN, kind)
        named = read.subject or read.patient or NO_REFERENCE
        owner = own if kind == "Patient" else patient_id(named.reference)
        return Kept(key, owner) if owner else Left(OWNERLESS, kind)

    def _key(self, code: bytes, own: str) -> str:
        """Returns under which key of the prefetch a result of this code comes; "": under none."""
        key = self._keys.get(code)
        if key is None:
            if len(self._keys) >= _MOST_CODES:
                self._keys.clear()
            key = self._keys[code] = self._asked(code)
        if not key and code in self._maybe_sodium:
            self.unknown.note("sodium", code, own)
        return key

    def _asked(self, code: bytes) -> str:
        if not code:
            return ""
        read = decode_resource(msgspec.json.encode(_Coded(Raw(code))))
        concept = first_concept(read.code) if read is not None else None
        if concept is not None and self._known[0][0].test(concept).maybe_sodium:
            self._maybe_sodium.add(code)
        return self._key_of(read) if read is not None else ""

    def _key_of(self, observation: Resource) -> str:
        code = first_concept(observation.code)
        if code is None:
            return ""
        keys = (_key_in(vocabulary.test(code), labs) for vocabulary, labs in self._known)
        return next(filter(None, keys), "")


def _key_in(test: Test, labs: Mapping[str, Lab]) -> str:
    if test.lab is not None:
        return labs[test.lab.analyte].prefetch or "labs"
    return "vitals" if test.panel else "labs" if test.problem else ""


def patient_id(reference: str) -> str:
    """Returns the id of the patient that a reference names; "" if it names none."""
    kind, own = type_and_id(reference)
    if own:
        return own if kind in ("", "Patient") else ""
    bare = reference.strip()
    return bare[len(_URN) :] if bare.lower().startswith(_URN) else ""
