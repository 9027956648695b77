"""A client that never delivers a sodium, or whose orders are never recognised, is seen: nothing else tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from cds_service import metrics
from cds_service.cli import cli
from cds_service.demo.stories import Story
from cds_service.feedback.figures import ClientFigures, Figures, RuleFigures
from cds_service.feedback.report_html import report_page
from cds_service.feedback.report_table import report_csv
from cds_service.knowledge.names import Missing
from cds_service.records.causes import CODES
from cds_service.records.gather import unchecked
from cds_service.sodium.blind_spots import Unlooked
from cds_service.store.engine import Database, make_engine, open_database, sqlite_url, upgrade
from cds_service.store.recorder import CENSUS_SUMS, Count, insert_calls
from cds_service.store.tables import CENSUS
from cds_service.trust.registry import Registry
from cds_service.web.runtime import runtime_of
from tests.conftest import NOW
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment, settle
from tests.store.test_recorder import a_call as a_record
from tests.store.test_way_back import bring_to, older_release

ORDER_SELECT = "/cds-services/hyponatremia-order-select"
BASE = "https://fhir.mercy.example/r4"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = deployment(tmp_path)
    yield app
    close(app)


def post(app: Flask, call: Any, path: str = PATIENT_VIEW) -> Any:
    answered = app.test_client().post(path, json=call)
    settle(app)
    return answered


def census(app: Flask) -> dict[str, int]:
    with runtime_of(app).database.transaction() as connection:
        rows = [dict(row._mapping) for row in connection.execute(sa.select(CENSUS))]
    return {name: n for name in CENSUS_SUMS if (n := sum(row[name] for row in rows))}


def with_sodium(call: dict[str, Any], change: Any) -> dict[str, Any]:
    for entry in call["prefetch"]["sodium"]["entry"]:
        change(entry["resource"])
    return call


def of_mercy(story: Story) -> dict[str, Any]:
    return a_call(story) | {"fhirServer": BASE}


def test_a_sodium_that_rules_use_counts_as_read(app: Flask, stories: dict[str, Story]) -> None:
    assert post(app, a_call(stories["cramps-in-siadh"])).get_json()["cards"]
    assert post(app, a_call(stories["normal-sodium"])).get_json()["cards"] == []
    assert census(app) == {"sodium_read": 2}


def test_a_sodium_that_is_only_too_old_was_read(app: Flask, stories: dict[str, Story]) -> None:
    def age(resource: dict[str, Any]) -> None:
        resource["effectiveDateTime"] = "2021-01-01T09:00:00Z"

    post(app, with_sodium(a_call(stories["normal-sodium"]), age))
    assert census(app) == {"sodium_read": 1}


def test_an_empty_answer_counts_as_none(app: Flask, stories: dict[str, Story]) -> None:
    call = a_call(stories["normal-sodium"])
    call["prefetch"]["sodium"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    assert post(app, call).status_code == 200
    assert census(app) == {"sodium_none": 1}


def test_results_of_an_unknown_unit_and_a_search_that_failed_are_unreadable(
    app: Flask, stories: dict[str, Story]
) -> None:
    def odd_unit(resource: dict[str, Any]) -> None:
        resource["valueQuantity"] |= {"unit": "furlong", "code": "furlong"}

    post(app, with_sodium(a_call(stories["normal-sodium"]), odd_unit))
    failed = a_call(stories["normal-sodium"])
    failed["prefetch"]["sodium"] = {"resourceType": "OperationOutcome", "issue": []}
    assert post(app, failed).status_code == 412
    assert census(app) == {"sodium_unreadable": 2}


def test_a_call_that_was_not_looked_at_counts_nothing(
    app: Flask, stories: dict[str, Story]
) -> None:
    assert post(app, a_call(stories["normal-sodium"]) | {"hook": "order-sign"}).status_code == 400
    assert post(app, {}).status_code == 400
    assert census(app) == {}


def renamed(call: dict[str, Any], name: str) -> dict[str, Any]:
    for entry in call["context"]["draftOrders"]["entry"]:
        entry["resource"]["medicationCodeableConcept"] = {"text": name}
    return call


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("sertraline 50 mg tablet", {"orders_recognised": 1, "sodium_read": 1}),
        ("Zzyzxine forte", {"orders_unrecognised": 1}),
    ],
)
def test_selected_orders_count_also_if_no_rule_is_asked(
    app: Flask, stories: dict[str, Story], name: str, counted: dict[str, int]
) -> None:
    call = renamed(a_call(stories["sertraline-with-low-sodium"]), name)
    assert post(app, call, ORDER_SELECT).status_code == 200
    assert census(app) == counted


def test_metrics_count_by_the_name_of_the_client_and_never_by_what_a_call_says(
    app: Flask, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[tuple[str, ...]] = []
    monkeypatch.setattr(metrics, "count", lambda *named, times=1: counted.append(named))
    post(app, of_mercy(stories["normal-sodium"]))
    post(app, a_call(stories["normal-sodium"]) | {"fhirServer": "https://jane-roe.example/r4"})
    seen = [named for named in counted if named[0] == "cds_sodium"]
    assert seen == [("cds_sodium", "mercy", "read"), ("cds_sodium", "anonymous", "read")]


@pytest.mark.parametrize("card", [False, True], ids=["412", "card"])
@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "no-token"),
        ({"fhirAuthorization": {"access_token": "", "token_type": "Bearer"}}, "odd-token"),
        ({"fhirServer": None}, "no-fhir-server"),
    ],
)
def test_a_call_that_could_not_be_checked_counts_for_its_client_refused_or_told_by_a_card(
    changed: dict[str, Any],
    cause: str,
    card: bool,
    tmp_path: Path,
    stories: dict[str, Story],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = deployment(tmp_path, entry="explain_missing_data = true\n" if card else "")
    monkeypatch.setattr(Registry, "client_for", lambda self, *_: self.clients[0])
    call = of_mercy(stories["normal-sodium"])
    del call["prefetch"]["sodium"]
    call = {name: value for name, value in (call | changed).items() if value is not None}
    counted: list[tuple[str, ...]] = []
    monkeypatch.setattr(metrics, "count", lambda *named, times=1: counted.append(named))
    assert post(app, call).status_code == (200 if card else 412)
    close(app)
    seen = [named[1:] for named in counted if named[0] == "cds_data_unavailable"]
    assert seen == [("mercy", cause)]


def test_a_call_that_was_checked_counts_as_no_such_call(
    app: Flask, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(metrics, "count", lambda name, *labels, times=1: counted.append(name))
    post(app, of_mercy(stories["cramps-in-siadh"]))
    assert "cds_calls" in counted
    assert "cds_data_unavailable" not in counted


def test_causes_of_an_unchecked_call_are_a_closed_set() -> None:
    whats, codes = get_args(Unlooked), (*CODES, "status-500", "")
    found = {unchecked(*one) for one in product(whats, Missing, codes)}
    assert found == set(metrics.UNCHECKED)


def test_low_sodium_behind_local_codes_is_silent_and_report_and_client_test_say_so(
    app: Flask, tmp_path: Path, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    """MIMIC-IV: the laboratory's own codes are never found by a search for LOINC codes."""
    silent = of_mercy(stories["severe-without-symptoms"])
    silent["prefetch"]["sodium"] = {"resourceType": "Bundle", "type": "searchset", "total": 0}
    for _ in range(64):
        assert post(app, silent).get_json() == {"cards": []}
    for name, value in (
        ("CDS_MODE", "development"),
        ("CDS_DATA_DIR", str(tmp_path)),
        ("CDS_CLIENTS_FILE", str(tmp_path / "clients.toml")),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("cds_service.cli.client._LATELY_DAYS", 36_500)
    told = run("report", "--since", "2027-01-01", "--format", "csv")
    assert "all,mercy: Calls,,64\n" in told
    assert "all,mercy: With a sodium,,0\n" in told
    warning = "mercy: none of 64 calls brought a sodium that could be read"
    assert warning in run("report", "--since", "2027-01-01")
    assert warning in run("report", "--since", "2027-01-01", "--format", "html")
    assert "No rule has fired" in run("report", "--since", "2027-01-01")
    tested = CliRunner().invoke(cli, ["client", "test", "mercy"])
    assert "0 of 64 calls brought a sodium (64 none, 0 unreadable)" in tested.output
    assert warning in tested.output


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def delivered(**counts: int) -> ClientFigures:
    none = {"read": 0, "without": 0, "unreadable": 0, "recognised": 0, "unrecognised": 0}
    return ClientFigures(client="mercy", **(none | counts))


@pytest.mark.parametrize(
    ("counts", "warnings"),
    [
        ({}, 0),
        ({"without": 49}, 0),
        ({"without": 50}, 1),
        ({"unreadable": 30, "without": 20}, 1),
        ({"without": 5000, "read": 1}, 0),
        ({"unrecognised": 199}, 0),
        ({"unrecognised": 200}, 1),
        ({"unrecognised": 5000, "recognised": 1}, 0),
        ({"without": 50, "unrecognised": 200}, 2),
    ],
)
def test_a_warning_needs_many_calls_and_not_one_that_delivered(
    counts: dict[str, int], warnings: int
) -> None:
    assert len(delivered(**counts).warnings) == warnings


def test_a_name_of_a_client_makes_no_markup_and_no_formula() -> None:
    rule = RuleFigures(rule="PV-MILD", profile="aasld")
    evil = ClientFigures(
        client="=<b>x", read=0, without=50, unreadable=0, recognised=0, unrecognised=0
    )
    found = Figures(
        since=date(2027, 1, 1), until=NOW, rules=(rule,), unmatched=0, earlier=0, clients=(evil,)
    )
    assert "<b>x" not in report_page(found)
    assert "all,'=<b>x: Calls,,50\r\n" in report_csv(found)


def test_counts_of_many_calls_add_up_by_client_and_day_and_a_repeat_adds_nothing(
    database: Database,
) -> None:
    def record(n: int) -> Any:
        found = a_record(f"call-{n}")
        place = ("mercy", date(2026, 11, 22), ("mercy", "grace")[n % 2], "pv")
        counts = [Count(*place, "sodium_read", 1), Count(*place, "orders_unrecognised", 2)]
        return type(found)(audit=found.audit, census=counts)

    for records in ([record(n) for n in range(7)], [record(7)]):
        with database.transaction() as connection:
            insert_calls(connection, records)
    with database.transaction() as connection:
        rows = [tuple(row) for row in connection.execute(sa.select(CENSUS).order_by("client"))]
    day = date(2026, 11, 22)
    assert rows == [
        ("mercy", day, "grace", "pv", 0, 0, 4, 0, 8),
        ("mercy", day, "mercy", "pv", 0, 0, 4, 0, 8),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_the_release_before_keeps_its_rows_and_gets_the_new_table(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(tmp_path)
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").fresh("before_census")
    engine = make_engine(url)
    bring_to(engine, "0003")
    older_release(engine)("old")
    upgrade(engine)
    opened = open_database(url)
    with opened.transaction() as connection:
        insert_calls(connection, [a_record("new")])
        kept = connection.execute(sa.text("SELECT count(*) FROM audit")).scalar_one()
        assert connection.execute(sa.select(sa.func.count()).select_from(CENSUS)).scalar_one() == 0
    opened.close()
    assert kept == 2


def test_the_census_holds_nothing_of_a_patient(app: Flask, stories: dict[str, Story]) -> None:
    call = of_mercy(stories["cramps-in-siadh"])
    post(app, call)
    with runtime_of(app).database.transaction() as connection:
        (row,) = [dict(row._mapping) for row in connection.execute(sa.select(CENSUS))]
    assert row["client"] == "mercy"
    assert call["context"]["patientId"] not in json.dumps(row, default=str)
    assert set(row) == {"tenant", "day", "client", "service", *CENSUS_SUMS}
