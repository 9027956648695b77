"""Reads for the report the counts, cards and feedback of one tenant since a day, by an index."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from cds_service.store.engine import Database
from cds_service.store.tables import AUDIT, CENSUS, FEEDBACK, ISSUED, TALLY

_AT_ONCE = 5000  # rows in memory


class DayCount(NamedTuple):
    """One row of TALLY."""

    day: date
    rule: str
    profile: str
    fired: int
    returned: int
    suppressed: int


class Delivered(NamedTuple):
    """What the calls of one client brought."""

    client: str
    sodium_none: int
    sodium_unreadable: int
    sodium_read: int
    orders_recognised: int
    orders_unrecognised: int


class ArmCall(NamedTuple):
    """One call about a patient of a randomised roll-out."""

    patient: str
    at: datetime
    arm: str  # "shown" or "shadow"
    fired: str  # rules
    cards: int


class Showing(NamedTuple):
    """One time a card was sent."""

    card: str
    rule: str
    profile: str
    issued_at: datetime


class Answer(NamedTuple):
    """One feedback; `known` says whether its card is among those we sent."""

    card: str
    outcome: str
    outcome_at: datetime
    content: dict[str, Any]
    known: bool


class FigureTables:
    """The tables behind the report.

    Rows are yielded as they are read, because a year of them does not fit into memory twice.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def tenants(self) -> list[str]:
        """Returns all tenants that have a call, a card, a count or feedback."""
        named = sa.union(*(sa.select(t.c.tenant) for t in (TALLY, ISSUED, FEEDBACK, CENSUS)))
        with self._database.transaction() as connection:
            return sorted(connection.execute(named).scalars())

    def counts(self, tenant: str, since: date) -> Iterator[DayCount]:
        """Yields the daily counts."""
        yield from (DayCount._make(row) for row in self._rows(count_query(tenant, since)))

    def delivered(self, tenant: str, since: date) -> Iterator[Delivered]:
        """Yields what each client of this tenant brought, over all days and services."""
        yield from (Delivered._make(row) for row in self._rows(delivered_query(tenant, since)))

    def arm_calls(self, tenant: str, since: datetime) -> Iterator[ArmCall]:
        """Yields the calls about patients of a randomised roll-out, oldest first."""
        yield from (ArmCall._make(row) for row in self._rows(arm_query(tenant, since)))

    def showings(self, tenant: str, since: datetime) -> Iterator[Showing]:
        """Yields the cards that were sent, oldest first."""
        yield from (Showing._make(row) for row in self._rows(showing_query(tenant, since)))

    def answers(self, tenant: str, since: datetime) -> Iterator[Answer]:
        """Yields the feedback that was received, in the order in which it was given."""
        yield from (Answer._make(row) for row in self._rows(answer_query(tenant, since)))

    def _rows(self, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
        with self._database.transaction() as connection:
            yield from map(tuple, connection.execution_options(yield_per=_AT_ONCE).execute(query))


def count_query(tenant: str, since: date) -> sa.Select[Any]:
    """Returns the query behind `counts`."""
    c = TALLY.c
    columns = (c.day, c.rule, c.profile, c.fired, c.returned, c.suppressed)
    return sa.select(*columns).where(c.tenant == tenant, c.day >= since)


def delivered_query(tenant: str, since: date) -> sa.Select[Any]:
    """Returns the query behind `delivered`."""
    c = CENSUS.c
    sums = (sa.func.sum(c[name]) for name in Delivered._fields[1:])
    of_period = sa.select(c.client, *sums).where(c.tenant == tenant, c.day >= since)
    return of_period.group_by(c.client).order_by(c.client)


def arm_query(tenant: str, since: datetime) -> sa.Select[Any]:
    """Returns the query behind `arm_calls`."""
    c = AUDIT.c
    columns = (c.patient_hash, c.at, c.arm, c.fired, c.cards)
    period = (c.tenant == tenant, c.at >= since, c.arm != "")
    return sa.select(*columns).where(*period).order_by(c.at)


def showing_query(tenant: str, since: datetime) -> sa.Select[Any]:
    """Returns the query behind `showings`."""
    c = ISSUED.c
    period = (c.tenant == tenant, c.issued_at >= since)
    return sa.select(c.card, c.rule, c.profile, c.issued_at).where(*period).order_by(c.issued_at)


def answer_query(tenant: str, since: datetime) -> sa.Select[Any]:
    """Returns the query behind `answers`."""
    c = FEEDBACK.c
    known = sa.exists().where(ISSUED.c.tenant == c.tenant, ISSUED.c.card == c.card)
    period = (c.tenant == tenant, c.received_at >= since)
    return (
        sa.select(c.card, c.outcome, c.outcome_at, c.content, known)
        .where(*period)
        .order_by(c.outcome_at)
    )
