"""The figures for the committee: each card counted once, by what became of it; plans use indexes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from cds_service.cli.report import show_figures
from cds_service.feedback.figures import (
    NO_REASON,
    ONLY_COMMENT,
    OTHER_CODE,
    Figures,
    RuleFigures,
    figures,
)
from cds_service.feedback.report_html import report_page
from cds_service.feedback.report_table import accepted_of_answered, report_csv, usage_words
from cds_service.store.engine import Database
from cds_service.store.feedback import FeedbackTable
from cds_service.store.figures import FigureTables, answer_query, count_query, showing_query
from cds_service.store.recorder import insert_calls
from cds_service.store.shown import SHOWN_CARDS
from tests.feedback.simulated import fill
from tests.fhir_resources import pipeline
from tests.store.test_recorder import a_call

SHOWN = datetime(2026, 11, 16, 9, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SINCE = datetime(2026, 11, 9, tzinfo=UTC).date()
REASONS = {("https://own", "other"): "Other"}


def show(database: Database, card: str, at: datetime = SHOWN, *, tenant: str = "mercy") -> None:
    record = a_call(f"{card}-{at:%d%H%M%S}", tenant=tenant)
    issued = [dict(record.issued[0]) | {"card": card, "issued_at": at}]
    tallies = [
        t._replace(day=at.date(), kind=kind)
        for t in record.tallies
        for kind in ("fired", "returned")
    ]
    changed = type(record)(audit=record.audit, issued=issued, tallies=tallies)
    with database.transaction() as connection:
        insert_calls(connection, [changed])


def answer(
    database: Database,
    card: str,
    outcome: str,
    after: timedelta,
    content: Any = None,
    tenant: str = "mercy",
) -> None:
    at = SHOWN + after
    FeedbackTable(database).add(
        [
            {
                "tenant": tenant, "card": card, "digest": f"{outcome}{after}", "service": "s", "outcome": outcome,
                "outcome_at": at, "received_at": at, "content": content or {},
            }
        ]
    )  # fmt: skip


def report(database: Database, now: datetime = NOW, tenants: list[str] | None = None) -> Figures:
    tables = FigureTables(database)
    return figures(tables, tables.tenants() if tenants is None else tenants, SINCE, now, REASONS)


def the_rule(database: Database) -> RuleFigures:
    (rule,) = report(database).rules
    return rule


def test_a_card_shown_again_is_one_card(database: Database) -> None:
    show(database, "a")
    show(database, "a", SHOWN + timedelta(hours=2))
    rule = the_rule(database)
    assert (rule.fired, rule.returned, rule.cards) == (2, 2, 1)


def test_accepted_once_is_accepted_whatever_else_was_said(database: Database) -> None:
    show(database, "a")
    answer(database, "a", "overridden", timedelta(minutes=1))
    answer(database, "a", "accepted", timedelta(minutes=5), {"suggestions": ["s"]})
    rule = the_rule(database)
    assert (rule.accepted, rule.overridden, rule.reasons) == (1, 0, {})


def test_time_to_action_runs_from_the_last_showing_before_it(database: Database) -> None:
    show(database, "a")
    show(database, "a", SHOWN + timedelta(minutes=10))
    show(database, "a", SHOWN + timedelta(minutes=50))
    answer(database, "a", "overridden", timedelta(minutes=12))
    assert the_rule(database).median_seconds == 120


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"reason": {"code": "other", "system": "https://own"}}, "Other"),
        ({"reason": {"code": "=cmd()", "system": "urn:x"}}, OTHER_CODE),
        ({"comment": "patient Jane Roe"}, ONLY_COMMENT),
        ({"commented": True}, ONLY_COMMENT),
        ({}, NO_REASON),
    ],
)
def test_a_reason_is_told_in_our_words_and_never_in_the_clients(
    database: Database, content: dict[str, Any], words: str
) -> None:
    show(database, "a")
    answer(database, "a", "overridden", timedelta(minutes=1), content)
    assert the_rule(database).reasons == {words: 1}


def test_a_card_without_feedback_for_a_day_is_told_apart_from_one_that_is_still_open(
    database: Database,
) -> None:
    show(database, "old")
    show(database, "late")
    answer(database, "late", "overridden", timedelta(hours=25))
    show(database, "young", NOW - timedelta(hours=23))
    rule = the_rule(database)
    assert (rule.silent_for_a_day, rule.unanswered, rule.open, rule.overridden) == (2, 1, 1, 1)


def test_feedback_on_a_card_that_was_never_sent_is_counted_apart(database: Database) -> None:
    show(database, "a")
    answer(database, "forged", "accepted", timedelta(minutes=1))
    found = report(database)
    assert (found.unmatched, found.total.accepted) == (1, 0)


def test_feedback_of_another_tenant_on_the_same_card_changes_nothing(database: Database) -> None:
    show(database, "a", tenant="mercy")
    answer(database, "a", "accepted", timedelta(minutes=1), tenant="grace")
    found = report(database)
    assert (found.unmatched, found.total.accepted) == (1, 0)
    assert report(database, tenants=["grace"]).rules == ()


def test_feedback_that_came_before_the_row_of_its_card_is_matched(database: Database) -> None:
    answer(database, "a", "accepted", timedelta(minutes=1))
    show(database, "a")
    assert the_rule(database).accepted == 1


def test_feedback_on_a_card_from_before_the_period_is_not_taken_for_unknown(
    database: Database,
) -> None:
    show(database, "a", SHOWN - timedelta(days=30))
    answer(database, "a", "accepted", timedelta(0))
    found = report(database)
    assert (found.earlier, found.unmatched) == (1, 0)


def test_the_trend_has_one_entry_for_each_week(database: Database) -> None:
    show(database, "a")
    show(database, "b", SHOWN - timedelta(days=1))
    answer(database, "b", "overridden", timedelta(0))
    weeks = the_rule(database).weeks
    assert {str(day): (w.returned, w.overridden) for day, w in weeks.items()} == {
        "2026-11-09": (1, 0),
        "2026-11-16": (1, 1),
    }


def test_an_empty_period_is_a_page_too(database: Database) -> None:
    page = report_page(report(database))
    assert "No card was shown in this period." in page
    assert report_csv(report(database)).startswith("Week,Rule")


def test_the_page_loads_nothing_and_holds_no_patient(database: Database) -> None:
    show(database, "a")
    answer(
        database,
        "a",
        "overridden",
        timedelta(minutes=1),
        {"comment": "Jane Roe <script>x</script>"},
    )
    page = report_page(report(database))
    assert not re.search(r"<script|https?://|src=|@import|url\(", page)
    assert "Jane" not in page
    assert "patient_hash" not in page


def test_a_spreadsheet_finds_no_formula(database: Database) -> None:
    """T-65: what begins with = + - @ becomes text."""
    evil = RuleFigures(rule="=cmd()", profile="@x", cards=1)
    evil.reasons.update({"+1": 1})
    found = Figures(since=SINCE, until=NOW, rules=(evil,), unmatched=0, earlier=0)
    cells = [cell for row in csv.reader(io.StringIO(report_csv(found))) for cell in row]
    assert "'=cmd()" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def plan(database: Database, query: sa.Select[Any]) -> str:
    """The database's plan, as a large table would be read."""
    dialect = database.engine.dialect
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    with database.transaction() as connection:
        if database.is_sqlite:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")
            return "\n".join(str(row[3]) for row in rows)
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(
            row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text.replace('%', '%%')}")
        )


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (showing_query("mercy", SHOWN), ["issued_time"]),
        (answer_query("mercy", SHOWN), ["feedback_received", "issued_card"]),
        (
            SHOWN_CARDS.params(
                tenant="mercy", patient_hash="p", since=SHOWN, unanswered_since=SHOWN
            ),
            ["issued_patient"],
        ),
    ],
    ids=["showings", "answers", "suppression"],
)
def test_every_query_goes_by_an_index(
    database: Database, query: sa.Select[Any], indexes: list[str]
) -> None:
    fill(database, "mercy", cards=2000, answers=500, until=NOW)
    told = plan(database, query)
    for index in indexes:
        assert index in told
    assert "SCAN" not in re.sub(r"Index (Only )?Scan|Bitmap \w+ Scan", "", told).replace(
        "USING", ""
    )
    assert not re.search(r"\bSCAN (issued|feedback)|Seq Scan", told), told


def test_the_counts_go_by_their_key(database: Database) -> None:
    fill(database, "mercy", cards=2000, answers=500, until=NOW)
    told = plan(database, count_query("mercy", SINCE))
    assert re.search(r"autoindex_tally|tally_pkey", told), told


@pytest.mark.long
def test_a_year_of_two_hundred_thousand_cards_is_counted(database: Database) -> None:
    fill(database, "mercy", cards=200_000, answers=50_000, until=NOW)
    tables = FigureTables(database)
    found = figures(tables, ["mercy"], (NOW - timedelta(days=365)).date(), NOW, {})
    page = report_page(found)
    assert found.total.cards == 200_000
    assert found.total.accepted + found.total.overridden == 50_000
    assert len(page) < 200_000


def call(database: Database, name: str, tenant: str = "mercy", **changed: Any) -> None:
    """Stores a call, with the cards that it brought."""
    record = a_call(name, tenant=tenant, cards=changed.pop("sent", 0))
    audit = dict(record.audit) | {"at": SHOWN, "fired": ""} | changed
    issued = [dict(row) | {"issued_at": SHOWN} for row in record.issued]
    with database.transaction() as connection:
        insert_calls(connection, [type(record)(audit=audit, issued=issued)])


def test_cards_are_compared_with_calls_charts_and_users(database: Database) -> None:
    call(database, "1", patient_hash="p1", user_hash="u1", sent=2)
    call(database, "2", patient_hash="p1", user_hash="u2")
    call(database, "3", patient_hash="p2", user_hash="", status=412)
    call(database, "4", patient_hash="p3", user_hash="u1", fired="PV-MILD PV-UNREADABLE")
    call(database, "5", patient_hash="p4", user_hash="u1", shadow=True, knowledge="other")
    call(database, "6", "anne", patient_hash="p1", user_hash="u1")
    call(database, "0", patient_hash="p9", at=SHOWN - timedelta(days=30))
    tables = FigureTables(database)
    usage = figures(tables, ["mercy", "anne"], SINCE, NOW, REASONS, ["PV-UNREADABLE"]).usage
    assert (usage.calls, usage.charts, usage.users) == (6, 5, 3)
    assert (usage.shadow, usage.unchecked) == (1, 2)
    assert dict(usage.indicators) == {"info": 2}
    assert usage.cards_per_100_charts == pytest.approx(40)
    assert usage.knowledge == {"k", "other"}
    one = figures(tables, ["anne"], SINCE, NOW, REASONS).usage
    assert (one.calls, one.charts, one.cards_per_100_charts) == (1, 1, 0)


def test_the_report_says_what_the_cards_are_compared_with(database: Database) -> None:
    call(database, "1", patient_hash="p1", user_hash="u1", sent=1)
    call(database, "2", patient_hash="p2", user_hash="u1", status=412)
    counted = figures(FigureTables(database), ["mercy"], SINCE, NOW, REASONS)
    assert usage_words(counted.usage) == (
        "2 calls, 0 in shadow mode; 2 charts, 1 user. Cards sent: 0 critical, 0 warning, 1 info; "
        "50.0 per 100 charts. Could not be checked: 1 call (50%)."
    )
    page = report_page(counted, client="mercy", release="0.1.0")
    for words in (
        "cards per 100 charts",
        "different users",
        "of them in shadow mode",
        "of calls could not be checked",
        "client mercy",
        "release 0.1.0",
        "hooks/ k",
    ):
        assert words in page, words


KINDS = {"s-keep": "keep-sodium-1h", "s-remove": "remove-draft", "s-labs": "workup"}


def keeping_one(offered: Collection[str]) -> frozenset[str]:
    return frozenset({"keep-sodium-1h"})


def show_with(database: Database, card: str, suggestions: Any, at: datetime = SHOWN) -> None:
    """Stores a card with its suggestions, as a call does."""
    record = a_call(f"{card}-{at:%d%H%M%S}", tenant="mercy")
    issued = [dict(record.issued[0]) | {"card": card, "issued_at": at, "suggestions": suggestions}]
    with database.transaction() as connection:
        insert_calls(connection, [type(record)(audit=record.audit, issued=issued)])


def took(database: Database, card: str, *suggestions: str) -> None:
    content = {"suggestions": list(suggestions)}
    answer(database, card, "accepted", timedelta(minutes=1), content)


def test_a_card_of_which_only_the_order_was_kept_is_no_success_and_each_button_is_counted(
    database: Database,
) -> None:
    for card in ("kept", "removed", "both", "old", "foreign"):
        show_with(database, card, ["s-keep"] if card == "old" else KINDS)
    took(database, "kept", "s-keep")
    took(database, "removed", "s-remove")
    took(database, "both", "s-keep", "s-labs")
    took(database, "old", "s-keep")  # of a release that kept no kinds
    took(database, "foreign", "no-suggestion-of-ours")
    tables = FigureTables(database)
    total = figures(tables, ["mercy"], SINCE, NOW, REASONS, keeping=keeping_one).total
    assert (total.accepted, total.kept, total.overridden) == (4, 1, 0)
    assert total.chosen == {"keep-sodium-1h": 2, "remove-draft": 1, "workup": 1, "": 2}
    page = report_page(
        figures(tables, ["mercy"], SINCE, NOW, REASONS, keeping=keeping_one), {}, LABELS
    )
    assert "Keep order, add sodium in ... h" in page
    assert "a button that is not known here" in page
    assert "of answered cards: order kept" in page


LABELS = {"keep-sodium-1h": "Keep order, add sodium in ... h"}


MILD = {"s-now": "add-sodium-now", "s-labs": "workup", "s-remove": "remove-draft"}


def test_a_sample_taken_where_the_order_could_be_removed_is_no_success(
    database: Database,
) -> None:
    show_with(database, "now", MILD)
    show_with(database, "labs", MILD)
    show_with(database, "removed", MILD)
    show_with(database, "alone", {"s-labs": "workup"})  # nothing to remove: it was followed
    took(database, "now", "s-now")
    took(database, "labs", "s-labs", "s-now")
    took(database, "removed", "s-remove", "s-now")
    took(database, "alone", "s-labs")
    tables = FigureTables(database)
    found = figures(
        tables, ["mercy"], SINCE, NOW, REASONS, keeping=pipeline().knowledge.words.keeping
    )
    assert (found.total.accepted, found.total.kept) == (2, 2)


def test_few_answers_have_a_wide_interval(database: Database) -> None:
    for number in range(5):
        show(database, f"c{number}")
        answer(database, f"c{number}", "accepted", timedelta(minutes=1), {"suggestions": ["x"]})
    total = report(database).total
    assert accepted_of_answered(total) == "5 of 5 (57-100%)"


def test_a_quarter_can_be_reported_and_later_feedback_on_its_cards_counts(
    database: Database,
) -> None:
    show(database, "inside")
    show(database, "after", SHOWN + timedelta(days=1))
    answer(database, "inside", "overridden", timedelta(days=3))
    answer(database, "after", "overridden", timedelta(days=1, hours=1))
    call(database, "in", patient_hash="p")
    call(database, "later", patient_hash="p", at=SHOWN + timedelta(days=2))
    tables = FigureTables(database)
    found = figures(tables, ["mercy"], SINCE, NOW, REASONS, until=SHOWN.date())
    assert (found.total.cards, found.total.returned, found.total.overridden) == (1, 1, 1)
    assert (found.unmatched, found.earlier) == (0, 0)
    assert found.usage.calls == 1
    assert f"{found.until:%Y-%m-%d}" == "2026-11-16"


def test_the_report_is_readable_in_80_columns(database: Database) -> None:
    for number in range(12):
        show(database, f"c{number}")
        answer(database, f"c{number}", "accepted", timedelta(minutes=1), {"suggestions": ["x"]})
    text = io.StringIO()
    show_figures(report(database), Console(file=text, width=80), {})
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in text.getvalue()
    head = next(line for line in lines if line.startswith("Rule"))
    assert " ".join(head.split()) == "Rule Fired Shown Cards Accepted of answered Kept No Silent"
    assert sum("12 of 12 (76-100%)" in line for line in lines) == 2, "the rule, and all rules"
