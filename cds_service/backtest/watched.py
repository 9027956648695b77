"""Whether an order of a patient names a drug of which a rule speaks at any sodium.

The filter of `quick` sees numbers alone, and a vaptan beside a drug that raises its level is told
of at a normal sodium too. So no moment of a patient who was ever ordered one is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Raw, Struct

from cds_service.backtest.moments import CHART
from cds_service.backtest.spool import Person
from cds_service.backtest.timeline import CURRENT, medications_of
from cds_service.backtest.times import LATER
from cds_service.errors import BadRequest
from cds_service.pipeline import Pipeline
from cds_service.records.fhir_types import Resource, decode_resource
from cds_service.records.medications import KINDS
from cds_service.records.prefetch import Source
from cds_service.records.reader import CallRecords
from cds_service.sodium.rules.taken_vaptans import AT_ANY_SODIUM

_ABSENT = Raw(b"")
_MOST_KEPT = 10_000  # distinct medications that are remembered


class _Order(Struct, rename="camel"):
    """Where an order names its medication; one of another shape is asked about each time."""

    medication_codeable_concept: Raw = _ABSENT
    medication_reference: Raw = _ABSENT
    medication: Raw = _ABSENT
    contained: Raw = _ABSENT


class Watched:
    """Looks at the medications of one patient after the other; asks once for each distinct one."""

    def __init__(
        self, pipelines: Iterable[Pipeline], medication: Callable[[str], bytes | None]
    ) -> None:
        self._pipelines = tuple(pipelines)
        self._medication = medication
        self._decode = msgspec.json.Decoder(_Order).decode
        self._known: dict[tuple[bytes, ...], bool] = {}

    def is_ordered(self, person: Person) -> bool:
        """Whether any order of a patient names such a drug, also one that has ended."""
        kinds = [kind for kind in person.lines if KINDS.get(kind) == "medication"]
        return any(self._names_one(line, person.id) for line in person.of(*kinds))

    def _names_one(self, line: bytes, owner: str) -> bool:
        try:
            read = self._decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._asked(line, owner)
        if bytes(read.contained):
            return self._asked(line, owner)
        key = tuple(
            bytes(one)
            for one in (
                read.medication_codeable_concept,
                read.medication_reference,
                read.medication,
            )
        )
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[key] = self._asked(line, owner)
        return known

    def _asked(self, line: bytes, owner: str) -> bool:
        """Whether the service's own reader finds such a drug in an order."""
        try:
            order = decode_resource(line)
        except BadRequest:
            return False
        return order is not None and self._found(order, owner)

    def _found(self, order: Resource, owner: str) -> bool:
        held = medications_of(owner, [order], self._medication)
        source = Source(state="satisfied", resources=(order, *held))
        records = CallRecords(patient_id=owner, now=LATER, sources={CURRENT: source})
        return any(
            not AT_ANY_SODIUM.isdisjoint(one.snapshot(records, CHART).named.classes)
            for one in self._pipelines
        )
