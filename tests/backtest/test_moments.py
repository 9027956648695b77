"""Each kind of moment is judged when asked for, and a client's entry is obeyed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.backtest.judge import age_band
from cds_service.backtest.moments import Wanted
from cds_service.backtest.rows import Row, read_run
from cds_service.cli import cli
from cds_service.knowledge.load import default_hooks_dir
from tests.backtest.judging import clients, judged
from tests.backtest.small_exports import (
    START,
    Resource,
    order,
    patient,
    result,
    sertraline,
    stay,
    write_export,
)

LOW = [patient(), result(138, 0), result(124, 24)]


def rules(rows: list[Row], profile: str = "aasld") -> list[str]:
    return [card.rule for row in rows if row.profile == profile for card in row.shown]


def held(rows: list[Row], profile: str = "aasld") -> list[str]:
    return [card.held for row in rows if row.profile == profile for card in row.cards]


# ---- kinds


def test_the_start_of_a_stay_is_a_moment_and_its_end_another() -> None:
    chart = [*LOW, stay(26, 60)]
    rows, counts = judged(chart, Wanted(admissions=True, discharges=True))
    assert counts.moments == {"admission": 1, "discharge": 1}
    assert [(row.kind, row.hook, row.at) for row in rows if row.profile == "aasld"] == [
        ("admission", "patient-view", START + timedelta(hours=26)),
        ("discharge", "encounter-discharge", START + timedelta(hours=60)),
    ]


def test_an_order_is_one_moment_if_its_signing_says_what_its_pick_said() -> None:
    chart = [*LOW, sertraline(26)]
    rows, counts = judged(chart, Wanted(orders=True))
    mine = [(row.hook, row.again, len(row.shown)) for row in rows if row.profile == "aasld"]
    assert mine == [("order-select", False, 1), ("order-sign", True, 0)]
    assert counts.moments == counts.judged == {"order": 1}
    assert counts.orders == 1


def test_what_only_the_signing_of_two_orders_says_counts_and_the_rest_was_said_before() -> None:
    thiazide = order("310798", "hydrochlorothiazide 25 MG Oral Tablet", 50)
    rows, counts = judged([*LOW, sertraline(50), thiazide], Wanted(orders=True))
    assert counts.moments == {"order": 2, "signing": 1}
    mine = [row for row in rows if row.profile == "aasld"]
    picked = {(c.rule, c.variant) for row in mine if row.kind == "order" for c in row.cards}
    for card in (c for row in mine if row.kind == "signing" for c in row.cards):
        assert (card.held == "picked") == ((card.rule, card.variant) in picked), card


def test_orders_of_one_instant_are_signed_together_and_none_is_in_the_list_of_medicines() -> None:
    thiazide = order("310798", "hydrochlorothiazide 25 MG Oral Tablet", 50)
    rows, counts = judged([*LOW, sertraline(50), thiazide], Wanted(orders=True))
    assert counts.moments == {"order": 2, "signing": 1}
    signed = [row for row in rows if row.hook == "order-sign"]
    assert {row.ordered for row in signed} == {("hydrochlorothiazide", "sertraline")} or {
        row.ordered for row in signed
    } == {("sertraline", "hydrochlorothiazide")}


def test_an_order_of_a_drug_that_no_rule_watches_is_no_moment() -> None:
    rows, counts = judged(
        [*LOW, order("860975", "metformin 500 MG Oral Tablet", 30)], Wanted(orders=True)
    )
    assert (rows, counts.moments, counts.orders) == ([], {}, 0)


def test_one_day_for_all_is_a_moment_of_each_patient() -> None:
    rows, counts = judged([*LOW, patient("p2")], Wanted(at=START + timedelta(hours=30)))
    assert counts.moments == {"date": 2}
    assert {row.kind for row in rows} == {"date"}


def test_since_and_until_bound_the_moments_and_not_what_is_seen() -> None:
    first, last = date(2026, 3, 2), date(2026, 3, 2)
    rows, counts = judged([*LOW, result(126, 60)], Wanted(results=True, since=first, until=last))
    assert counts.moments == {"result": 1}
    assert "PV-ACUTE" in rules(rows), "the value of the day before is seen"


def test_openings_are_counted_by_user_and_day_and_no_name_is_kept(tmp_path: Path) -> None:
    opens = tmp_path / "opens.csv"
    opens.write_text(
        "Patient,at,user\n"
        "Patient/p1,2026-03-02T10:00:00+00:00,dr.house\n"
        "p1,2026-03-02T11:00:00+00:00,dr.house\n"
        "p1,2026-03-02T11:00:00+00:00,nurse\n"
        "p1,yesterday,nurse\n"
        "unknown,2026-03-02T11:00:00+00:00,nurse\n"
    )
    export = write_export(tmp_path / "export", LOW)
    done = _run(export, tmp_path / "run", "--moments", str(opens), "--profile", "aasld")
    assert done == 0
    run = read_run(tmp_path / "run")
    rows = [*run.rows()]
    assert len(rows) == 3
    assert run.totals.moments == {"open": 3}, "nobody knows the chart of the last one"
    assert run.totals.broken == 1
    assert len({row.user for row in rows}) == 2
    assert sorted(run.counts.users.values()) == [1, 2]
    private = tmp_path / "run/private/rows"
    assert all("house" not in path.read_text() for path in private.iterdir())


def test_a_list_of_openings_without_its_columns_stops_the_run(tmp_path: Path) -> None:
    opens = tmp_path / "opens.csv"
    opens.write_text("mrn;when\n1;2\n")
    with pytest.raises(Exception, match="no column patient or at"):
        CliRunner().invoke(
            cli,
            ["backtest", str(write_export(tmp_path / "e", LOW)), "--output", str(tmp_path / "run"),
             "--jobs", "1", "--moments", str(opens)],
            catch_exceptions=False,
        )  # fmt: skip


# ---- clients


def test_a_card_that_the_client_switched_off_is_in_the_row_and_not_shown() -> None:
    rows, _ = judged(LOW, clients=clients(disabled_rules=frozenset({"PV-ACUTE"})))
    assert "PV-ACUTE" not in rules(rows)
    assert "disabled" in held(rows)


def test_a_client_in_shadow_mode_shows_nothing() -> None:
    rows, _ = judged(LOW, clients=clients(shadow=True))
    assert rules(rows) == []
    assert set(held(rows)) == {"shadow"}


MILD: list[Resource] = [
    patient(),
    *(result(131 + (n % 2) * 0.5, 5 * n) for n in range(6)),
    result(127, 40),
]


def test_an_unchanged_card_rests_for_its_reader_and_comes_again_when_it_is_worse() -> None:
    rows, _ = judged(MILD, suppression=True)
    seen = held(rows)
    assert seen[0] == ""
    assert "suppressed" in seen
    assert seen[-1] == "", "the fall to 127 is news"
    assert "suppressed" not in held(judged(MILD)[0])


def test_a_rule_rests_for_days_after_its_card_but_a_critical_card_comes() -> None:
    rows, _ = judged(MILD, quiet=timedelta(days=7))
    first = rows[0].cards[0].rule
    of_it = [c for row in rows if row.profile == "aasld" for c in row.cards if c.rule == first]
    assert [card.held for card in of_it] == ["", *["quiet"] * (len(of_it) - 1)]
    falling = [patient(), *(result(118 - n, 5 * n) for n in range(4))]
    rows, _ = judged(falling, quiet=timedelta(days=7))
    critical = [c for row in rows for c in row.cards if c.indicator == "critical"]
    assert critical
    assert {card.held for card in critical} == {""}


def test_what_could_not_be_checked_is_a_row_and_for_some_clients_a_card() -> None:
    chart = [patient(), result(139, 0), result(124, 24, status="preliminary", late=40)]
    rows, _ = judged(chart)
    assert {(row.unread, row.cards) for row in rows if row.unread} == {("sodium", ())}
    told, _ = judged(chart, clients=clients(explain_missing_data=True))
    assert "PV-UNREADABLE" in rules(told)


def test_a_registered_client_is_found_by_its_name(tmp_path: Path) -> None:
    registry = tmp_path / "clients.toml"
    registry.write_text(
        '[clients.ward]\nfhir_bases = ["https://ehr.example/fhir"]\nprofile = "european"\n'
        'disabled_rules = ["PV-ACUTE"]\n'
    )
    export = write_export(tmp_path / "export", LOW)
    assert _run(export, tmp_path / "run", "--client", "ward", "--clients", str(registry)) == 0
    rows = [*read_run(tmp_path / "run").rows()]
    assert {row.profile for row in rows} == {"european"}
    assert {card.held for row in rows for card in row.cards if card.rule == "PV-ACUTE"} == {
        "disabled"
    }


def test_a_client_that_is_not_registered_is_a_configuration_error(tmp_path: Path) -> None:
    registry = tmp_path / "clients.toml"
    registry.write_text('[clients.ward]\nfhir_bases = ["https://ehr.example/fhir"]\n')
    with pytest.raises(Exception, match="there is no client 'wards'; did you mean ward"):
        _run(
            write_export(tmp_path / "export", LOW), tmp_path / "run",
            "--client", "wards", "--clients", str(registry),
        )  # fmt: skip


# ---- what if


def test_two_versions_of_the_knowledge_are_judged_side_by_side(tmp_path: Path) -> None:
    old = tmp_path / "hooks"
    _copy(default_hooks_dir(), old)
    thresholds = old / "knowledge/thresholds.toml"
    text = thresholds.read_text().replace(
        "[acute_fall_from]\nvalue = 8", "[acute_fall_from]\nvalue = 15"
    )
    thresholds.write_text(text)
    export = write_export(tmp_path / "export", LOW)
    assert _run(export, tmp_path / "run", "--against", str(old), "--profile", "aasld") == 0
    found = {
        row.knowledge: [c.rule for c in row.shown] for row in read_run(tmp_path / "run").rows()
    }
    assert found["new"] == ["PV-ACUTE"]
    assert found["old"] == ["PV-MOD"]


def _copy(source: Path, target: Path) -> None:
    for path in source.rglob("*.toml"):
        (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        (target / path.relative_to(source)).write_bytes(path.read_bytes())


def _run(export: Path, output: Path, *more: str) -> int:
    given: list[Any] = ["backtest", str(export), "--output", str(output), "--jobs", "1", *more]
    return CliRunner().invoke(cli, given, catch_exceptions=False).exit_code


@pytest.mark.parametrize(
    ("born", "band"),
    [
        ("2008-03-02", "0-17"),
        ("2008-03-01", "18-39"),
        ("1961-03-01", "65-79"),
        ("1940-01-01", "80+"),
    ],
)
def test_an_age_is_that_of_the_moment(born: str, band: str) -> None:
    assert age_band(date.fromisoformat(born), START) == band
