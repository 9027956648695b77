"""Reads for the report the counts, cards and feedback of one tenant since a day, by an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from cds_service.store.engine import Database
from cds_service.store.tables import AUDIT, CENSUS, FEEDBACK, ISSUED, TALLY

_UNAVAILABLE = 412
_AT_ONCE = 5000  # rows in memory
ALWAYS = datetime.max.replace(tzinfo=UTC)


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


class Used(NamedTuple):
    """How the service was used: what the cards are compared with."""

    calls: int
    charts: int  # different patients
    users: int  # different users, as far as calls name them
    shadow: int  # calls that were answered without their cards
    unchecked: int  # calls in which something needed could not be checked: 412, or a card says so


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
    suggestions: Any  # the kind of each by its uuid; rows of earlier releases: a list of uuids


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

    def counts(self, tenant: str, since: date, until: date = date.max) -> Iterator[DayCount]:
        """Yields the daily counts."""
        yield from (DayCount._make(row) for row in self._rows(count_query(tenant, since, until)))

    def delivered(self, tenant: str, since: date, until: date = date.max) -> Iterator[Delivered]:
        """Yields what each client of this tenant brought, over all days and services."""
        yield from (
            Delivered._make(row) for row in self._rows(delivered_query(tenant, since, until))
        )

    def used(
        self, tenant: str, since: datetime, unreadable: Iterable[str], until: datetime = ALWAYS
    ) -> Used:
        """Counts calls; `unreadable` are the rules that say that something is not checked."""
        (row,) = self._rows(used_query(tenant, since, unreadable, until))  # read to its end
        return Used._make(row)

    def indicators(self, tenant: str, since: datetime, until: datetime = ALWAYS) -> dict[str, int]:
        """Returns how many cards were sent with each indicator."""
        c = ISSUED.c
        query = sa.select(c.indicator, sa.func.count()).where(
            c.tenant == tenant, c.issued_at >= since, c.issued_at < until
        )
        return {str(name): int(n) for name, n in self._rows(query.group_by(c.indicator))}

    def knowledge(self, tenant: str, since: datetime, until: datetime = ALWAYS) -> set[str]:
        """Returns the hashes of hooks/ with which calls were answered."""
        c = AUDIT.c
        query = (
            sa.select(c.knowledge).distinct().where(c.tenant == tenant, c.at >= since, c.at < until)
        )
        return {str(row[0]) for row in self._rows(query)}

    def arm_calls(
        self, tenant: str, since: datetime, until: datetime = ALWAYS
    ) -> Iterator[ArmCall]:
        """Yields the calls about patients of a randomised roll-out, oldest first."""
        yield from (ArmCall._make(row) for row in self._rows(arm_query(tenant, since, until)))

    def showings(self, tenant: str, since: datetime, until: datetime = ALWAYS) -> Iterator[Showing]:
        """Yields the cards that were sent, oldest first."""
        yield from (Showing._make(row) for row in self._rows(showing_query(tenant, since, until)))

    def answers(self, tenant: str, since: datetime, until: datetime = ALWAYS) -> Iterator[Answer]:
        """Yields the feedback that was received, in the order in which it was given."""
        yield from (Answer._make(row) for row in self._rows(answer_query(tenant, since, until)))

    def comments(
        self, tenant: str, since: datetime, until: datetime = ALWAYS
    ) -> Iterator[tuple[Answer, str]]:
        """Yields the feedback with a comment, and the rule of its card, as far as it is known."""
        for row in self._rows(comment_query(tenant, since, until)):
            yield Answer._make(row[:-1]), str(row[-1] or "")

    def _rows(self, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
        with self._database.transaction() as connection:
            yield from map(tuple, connection.execution_options(yield_per=_AT_ONCE).execute(query))


def count_query(tenant: str, since: date, until: date = date.max) -> sa.Select[Any]:
    """Returns the query behind `counts`."""
    c = TALLY.c
    columns = (c.day, c.rule, c.profile, c.fired, c.returned, c.suppressed)
    return sa.select(*columns).where(c.tenant == tenant, c.day >= since, c.day <= until)


def delivered_query(tenant: str, since: date, until: date = date.max) -> sa.Select[Any]:
    """Returns the query behind `delivered`."""
    c = CENSUS.c
    sums = (sa.func.sum(c[name]) for name in Delivered._fields[1:])
    of_period = sa.select(c.client, *sums).where(c.tenant == tenant, c.day >= since, c.day <= until)
    return of_period.group_by(c.client).order_by(c.client)


def used_query(
    tenant: str, since: datetime, unreadable: Iterable[str], until: datetime = ALWAYS
) -> sa.Select[Any]:
    """Returns the query behind `used`."""
    c = AUDIT.c
    unchecked = sa.or_(c.status == _UNAVAILABLE, *(c.fired.like(f"%{one}%") for one in unreadable))
    count, distinct = sa.func.count(), sa.func.count(sa.distinct(c.patient_hash))
    users = sa.func.count(sa.distinct(sa.func.nullif(c.user_hash, "")))
    columns: list[Any] = [count, distinct, users, _how_many(c.shadow), _how_many(unchecked)]
    return sa.select(*columns).where(c.tenant == tenant, c.at >= since, c.at < until)


def _how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


def arm_query(tenant: str, since: datetime, until: datetime = ALWAYS) -> sa.Select[Any]:
    """Returns the query behind `arm_calls`."""
    c = AUDIT.c
    columns = (c.patient_hash, c.at, c.arm, c.fired, c.cards)
    period = (c.tenant == tenant, c.at >= since, c.at < until, c.arm != "")
    return sa.select(*columns).where(*period).order_by(c.at)


def showing_query(tenant: str, since: datetime, until: datetime = ALWAYS) -> sa.Select[Any]:
    """Returns the query behind `showings`."""
    c = ISSUED.c
    period = (c.tenant == tenant, c.issued_at >= since, c.issued_at < until)
    columns = (c.card, c.rule, c.profile, c.issued_at, c.suggestions)
    return sa.select(*columns).where(*period).order_by(c.issued_at)


def answer_query(tenant: str, since: datetime, until: datetime = ALWAYS) -> sa.Select[Any]:
    """Returns the query behind `answers`."""
    c = FEEDBACK.c
    known = sa.exists().where(ISSUED.c.tenant == c.tenant, ISSUED.c.card == c.card)
    period = (c.tenant == tenant, c.received_at >= since, c.received_at < until)
    return (
        sa.select(c.card, c.outcome, c.outcome_at, c.content, known)
        .where(*period)
        .order_by(c.outcome_at)
    )


def comment_query(tenant: str, since: datetime, until: datetime) -> sa.Select[Any]:
    """Returns the query behind `comments`."""
    c, rule = FEEDBACK.c, sa.func.max(ISSUED.c.rule)
    of_card = sa.select(rule).where(ISSUED.c.tenant == c.tenant, ISSUED.c.card == c.card)
    period = (c.tenant == tenant, c.received_at >= since, c.received_at < until)
    columns = (c.card, c.outcome, c.outcome_at, c.content, sa.true(), of_card.scalar_subquery())
    return sa.select(*columns).where(*period).order_by(c.outcome_at)
