"""What the status of an order was at a moment: an export only tells what it is today.

An order that is completed or stopped today was current once. When that ended is rebuilt from the
period that it names, its supply, what was dispensed, the next order of the same drug, the end of
the hospital stay, and the last change of the record; the earliest of these counts. Where none of
them says it for certain, the order is marked as guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cds_service.backtest.stays import Stay, stays
from cds_service.backtest.times import LATER, LONG_AGO, end_of, first_of, when
from cds_service.protocol.references import type_and_id
from cds_service.records.dosage import dosage
from cds_service.records.fhir_types import (
    NO_DISPENSE,
    NO_PERIOD,
    Resource,
    concepts,
    decode_resource,
    listed,
)
from cds_service.records.problems import visit
from cds_service.records.read_context import Index, ReadContext, identity
from cds_service.terminology.vocabulary import Vocabulary

CURRENT = frozenset({"active", "on-hold"})
ENDED = frozenset({"completed", "stopped"})
_CANCELLED = frozenset({"cancelled"})
_NEVER = frozenset({"draft", "entered-in-error"})  # no service ever saw them, or should have
# If an export says nothing of the end of an order: no knowledge of medicine, an assumption that is
# counted and printed.
_ASSUMED = timedelta(days=30)
_LONGEST_DAYS = 3650


class PastOrder(Struct, frozen=True, kw_only=True):
    """An order, when it was written, and when it ended; None: it is current today."""

    reference: str
    resource: Resource
    active: Resource  # the same, as it was while it was current
    since: datetime
    ends: datetime | None
    guessed: bool

    def is_current(self, now: datetime) -> bool:
        """Whether a search for current orders would have brought it."""
        return self.ends is None or now < self.ends

    def has_ended(self, now: datetime) -> bool:
        """Whether a search for past orders would have brought it."""
        ended = self.ends is not None and self.ends <= now
        return ended and self.resource.status.strip().lower() in ENDED

    def as_draft(self) -> Resource:
        """Returns the order as it was while it was being written."""
        return replace(self.resource, status="draft")

    def then(self, now: datetime) -> Resource:
        """Returns the order with the status that it had."""
        return self.active if self.is_current(now) else self.resource


class _Dispensed(Struct, rename="camel"):
    """What is read of a MedicationDispense beside the service's own members."""

    authorizing_prescription: list[dict[str, object]] = []
    when_handed_over: str = ""
    when_prepared: str = ""
    days_supply: dict[str, object] = {}


class Supply(Struct, frozen=True):
    """Until when the tablets of one dispense last."""

    order: str
    until: datetime


_dispensed = msgspec.json.Decoder(_Dispensed).decode


def supply(line: bytes) -> Supply | None:
    """Returns how long a MedicationDispense lasts, if it says for which order and for how long."""
    try:
        read = _dispensed(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    handed = first_of(read.when_handed_over, read.when_prepared)
    days = read.days_supply.get("value")
    names = [str(one.get("reference", "")) for one in read.authorizing_prescription]
    if handed is None or not names or not isinstance(days, int | float):
        return None
    _, own = type_and_id(names[0])
    lasts = timedelta(days=min(float(days), _LONGEST_DAYS))
    return Supply(own, handed.at + lasts) if own else None


class CourseReader:
    """Rebuilds the courses of orders with the service's own reader of doses and visits."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._context = ReadContext(
            vocabulary=vocabulary, index=Index(), now=LATER, encounter="Encounter/any"
        )

        self._inpatient: dict[bytes, bool] = {}

    def stays(self, lines: Iterable[bytes]) -> list[Stay]:
        """Returns the Encounters that have a start, by time."""
        return stays(lines, self._is_inpatient)

    def _is_inpatient(self, class_: bytes) -> bool:
        """Whether an Encounter is a hospital stay, as the service reads its class."""
        known = self._inpatient.get(class_)
        if known is None:
            text = b'{"resourceType":"Encounter","class":%s}' % (class_ or b"null")
            known = visit(decode_resource(text), self._context).setting == "inpatient"
            self._inpatient[class_] = known
        return known

    def read(
        self,
        orders: Iterable[Resource],
        supplies: Iterable[Supply],
        discharged: Callable[[datetime], datetime | None],
    ) -> list[PastOrder]:
        """Returns the orders by time, each with its end; `discharged` ends what a ward ordered."""
        written = [(_written(order), order) for order in orders if _status(order) not in _NEVER]
        written.sort(key=lambda one: (one[0], one[1].id))
        lasts: dict[str, datetime] = {}
        for one in supplies:
            lasts[one.order] = max(one.until, lasts.get(one.order, LONG_AGO))
        following: dict[frozenset[str], datetime] = {}  # by drug
        found = []
        for since, order in reversed(written):
            drug = _drug(order)
            found.append(self._past(order, since, following.get(drug), lasts, discharged))
            if drug:
                following[drug] = since
        return found[::-1]

    def _past(
        self,
        order: Resource,
        since: datetime,
        following: datetime | None,
        lasts: dict[str, datetime],
        discharged: Callable[[datetime], datetime | None],
    ) -> PastOrder:
        status = _status(order)
        ends, guessed = None, False
        if status in ENDED | _CANCELLED:
            planned = self._planned(order, since)
            hints = [planned, following, lasts.get(order.id), discharged(since), _changed(order)]
            known = [end for end in hints if end is not None and end > since]
            ends = min(known, default=since + _ASSUMED)
            guessed = not (status == "completed" and planned is not None)
        return PastOrder(
            reference=identity(order),
            resource=order,
            active=order if ends is None else replace(order, status="active"),
            since=since,
            ends=ends,
            guessed=guessed,
        )

    def _planned(self, order: Resource, since: datetime) -> datetime | None:
        """Returns the end that the order itself names, by its period or by its supply."""
        doses = dosage(order, self._context.vocabulary.code_lists, None, LATER)
        if doses.end is not None:
            return doses.end
        validity = (order.dispense_request or NO_DISPENSE).validity_period or NO_PERIOD
        valid = when(validity.end)
        if valid is not None:
            return end_of(valid)
        days = doses.duration_days
        if days is None or not 0 < days < Decimal(_LONGEST_DAYS):
            return None
        return (doses.start or since) + timedelta(days=float(days))


def _status(order: Resource) -> str:
    return order.status.strip().lower()


def _written(order: Resource) -> datetime:
    found = first_of(order.authored_on, order.date_written)
    return found.at if found is not None else LONG_AGO


def _changed(order: Resource) -> datetime | None:
    """Returns when the record of an order last changed: it had ended by then."""
    stored = when(order.meta.last_updated) if order.meta is not None else None
    return stored.at if stored is not None else None


def _drug(order: Resource) -> frozenset[str]:
    """Returns what an order calls its drug: codes, else words, else what it points to."""
    coded = concepts(*(m for m in (order.medication_codeable_concept,) if not isinstance(m, str)))
    codes = {f"{c.system}|{c.code}" for one in coded for c in one.codings if c.code}
    if codes:
        return frozenset(codes)
    words = {one.text.lower() for one in coded if one.text}
    pointed = listed(order.medication_reference)
    return frozenset(words or {str(one.reference) for one in pointed if one.reference})
