"""Reading the cards that a patient's readers were shown."""

from __future__ import annotations

from datetime import timedelta

from cds_service.store.engine import Database
from cds_service.store.recorder import CallRecord, insert_calls
from cds_service.store.shown import MOST_SHOWINGS, ShownTable
from tests.store.test_recorder import NOW, a_call


def shown_at(minute: int) -> CallRecord:
    call = a_call(f"call-{minute}")
    [row] = call.issued
    at = NOW + timedelta(minutes=minute)
    return CallRecord(audit=call.audit, issued=[{**row, "card": f"card-{minute}", "issued_at": at}])


def test_a_chart_that_is_opened_again_and_again_costs_its_calls_no_more_and_more(
    database: Database,
) -> None:
    opened = 2 * MOST_SHOWINGS
    with database.transaction() as connection:
        insert_calls(connection, [shown_at(minute) for minute in range(opened)])
    read = ShownTable(database).shown("mercy", "p", NOW, NOW)
    newest = [f"card-{minute}" for minute in range(MOST_SHOWINGS, opened)]
    assert [card.card for card in read] == newest, "the newest ones, and the oldest of them first"
