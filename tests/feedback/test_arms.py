"""A randomised roll-out: chance decides for each patient, and what fires later is counted by arm."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service.cli import cli
from cds_service.demo.stories import Story
from cds_service.errors import RegistryError
from cds_service.feedback.arms import arms, difference, wilson
from cds_service.feedback.figures import figures
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.report_html import report_page
from cds_service.feedback.report_table import report_csv
from cds_service.store.engine import Database
from cds_service.store.figures import ArmCall, FigureTables
from cds_service.store.recorder import insert_calls
from cds_service.trust.client import Client
from cds_service.web.runtime import runtime_of
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment
from tests.patience import PATIENCE_S
from tests.store.test_recorder import a_call as a_row

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
FIRST = NOW - timedelta(days=20)
BASE = "https://fhir.mercy.example/r4"


# ---- who is in which arm


def arm_of(patient: str, share: float, secret: bytes = b"s" * 32) -> str:
    client = Client(name="mercy", anonymous=False, shadow_share=share)
    return client.for_patient(Pseudonyms(secret).place(client.tenant, patient)).arm


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_patients_is_in_shadow(share: float) -> None:
    found = Counter(arm_of(f"p{n}", share) for n in range(4000))
    assert found["shadow"] / 4000 == pytest.approx(share, abs=0.03)
    assert set(found) == {"shown", "shadow"}


def test_a_smaller_share_shows_cards_to_more_and_hides_them_from_no_patient_more() -> None:
    for n in range(500):
        if arm_of(f"p{n}", 0.2) == "shadow":
            assert arm_of(f"p{n}", 0.6) == "shadow", n


def test_arms_of_another_secret_or_client_are_drawn_anew() -> None:
    places = [Pseudonyms(secret).place(tenant, "p1") for secret in (b"a" * 32, b"b" * 32) for tenant in ("x", "y")]  # fmt: skip
    assert len(set(places)) == len(places)


def test_the_place_says_nothing_of_the_hash_that_is_stored() -> None:
    names = Pseudonyms(b"s" * 32)
    halves = Counter(
        (names.place("mercy", f"p{n}") < 0.5, names.patient("mercy", BASE, f"p{n}")[0] < "8")
        for n in range(4000)
    )
    for number in halves.values():
        assert number == pytest.approx(1000, abs=130)


# ---- a hook call


@pytest.fixture
def calls(tmp_path: Path, stories: dict[str, Story]) -> Callable[..., list[tuple[int, ArmCall]]]:
    """Calls a service with half of its patients in shadow: number of cards, and the stored row."""

    def made(patients: Sequence[str], *bases: str) -> list[tuple[int, ArmCall]]:
        # The secret is the same in each run, so that chance does not put all patients in one arm.
        (tmp_path / "secret").write_text("s" * 64, encoding="utf-8")
        app = deployment(tmp_path, entry="shadow_share = 0.5\n", secret_file=tmp_path / "secret")
        here, story = runtime_of(app), stories["severe-without-symptoms"]
        text, shown = json.dumps(a_call(story)), []
        for patient in patients:
            for base in bases or (BASE,):
                body = json.loads(text.replace(story.patient_id, patient)) | {"fhirServer": base}
                answer = app.test_client().post(PATIENT_VIEW, json=body)
                shown.append(len(answer.get_json()["cards"]))
                assert here.recorder.flush(PATIENCE_S)
        rows = FigureTables(here.database).arm_calls("", NOW - timedelta(days=9999))
        found = list(zip(shown, rows, strict=True))
        close(app)
        return found

    return made


def test_in_the_shadow_arm_rules_are_recorded_and_no_card_is_shown(
    calls: Callable[..., list[tuple[int, ArmCall]]],
) -> None:
    found = calls([f"p{n}" for n in range(12)])
    assert {row.arm for _, row in found} == {"shown", "shadow"}
    for shown, row in found:
        assert "PV-SEV" in row.fired
        assert (shown > 0) == (row.arm == "shown")
        assert row.cards == shown


def test_a_patient_stays_in_the_arm_under_every_name_of_the_server(
    calls: Callable[..., list[tuple[int, ArmCall]]],
) -> None:
    found = calls(["p1", "p2", "p3"], BASE, "https://old.mercy.example/r4")
    arms_seen = [row.arm for _, row in found]
    assert arms_seen[::2] == arms_seen[1::2]


def test_without_a_shadow_share_no_call_has_an_arm(
    tmp_path: Path, stories: dict[str, Story]
) -> None:
    app = deployment(tmp_path)
    here = runtime_of(app)
    app.test_client().post(PATIENT_VIEW, json=a_call(stories["severe-without-symptoms"]))
    assert here.recorder.flush(PATIENCE_S)
    assert not list(FigureTables(here.database).arm_calls("", NOW - timedelta(days=9999)))
    close(app)


@pytest.mark.parametrize("share", ["-0.1", "1", "'half'"])
def test_a_share_that_makes_no_sense_is_refused_by_name(tmp_path: Path, share: str) -> None:
    with pytest.raises(RegistryError, match=r"clients\.mercy: .*shadow_share"):
        deployment(tmp_path, entry=f"shadow_share = {share}\n")


def test_the_arm_of_each_patient_can_be_listed_on_the_machine_of_the_service(
    tmp_path: Path,
) -> None:
    deployment(tmp_path, entry="shadow_share = 0.5\n")
    environment = {
        "CDS_MODE": "development",
        "CDS_CLIENTS_FILE": str(tmp_path / "clients.toml"),
        "CDS_DATA_DIR": str(tmp_path),
    }
    result = CliRunner().invoke(
        cli, ["client", "arm", "mercy", "-"], input="p1\nPatient/p2\n\np3\n", env=environment
    )
    assert result.exit_code == 0, result.output
    names = Pseudonyms((tmp_path / "card-secret").read_bytes().strip())
    client = Client(name="mercy", anonymous=False, shadow_share=0.5)
    listed = list(csv.reader(io.StringIO(result.output)))
    assert listed == [["patient", "arm"]] + [
        [written, client.for_patient(names.place("mercy", own)).arm]
        for written, own in (("p1", "p1"), ("Patient/p2", "p2"), ("p3", "p3"))
    ]


# ---- what became of them


def a_patient(name: str, arm: str, *fired: str, days: Sequence[float] = ()) -> list[ArmCall]:
    """Calls about one patient: the rules of each, a day apart unless `days` says otherwise."""
    return [
        ArmCall(name, FIRST + timedelta(days=days[n] if days else n), arm, rules, int(bool(rules)))
        for n, rules in enumerate(fired)
    ]


def counted(*patients: list[ArmCall]) -> Any:
    calls = sorted((call for patient in patients for call in patient), key=lambda call: call.at)
    return arms(calls, NOW)


def test_only_what_fires_after_the_first_finding_is_an_outcome() -> None:
    both = counted(
        a_patient("a", "shown", "PV-MOD", "PV-MOD RATE-OVER"),
        a_patient("b", "shown", "PV-MOD RATE-OVER", ""),
        a_patient("c", "shadow", "", "PV-MOD", "PV-MOD"),
    )
    assert both.shown.later == {"PV-MOD": 1, "RATE-OVER": 1}
    assert both.shadow.later == {"PV-MOD": 1}
    assert (both.shown.followed, both.shown.seen_again, both.shadow.followed) == (2, 2, 1)


@pytest.mark.parametrize(("day", "counts"), [(6.9, 1), (7.0, 1), (7.1, 0)])
def test_an_outcome_later_than_a_week_does_not_count(day: float, counts: int) -> None:
    both = counted(a_patient("a", "shown", "PV-MOD", "RATE-OVER", days=(0, day)))
    assert both.shown.later["RATE-OVER"] == counts


def test_a_patient_who_was_found_less_than_a_week_ago_is_not_followed_yet() -> None:
    late = (NOW - FIRST - timedelta(days=6)) / timedelta(days=1)
    both = counted(a_patient("a", "shown", "PV-MOD", "RATE-OVER", days=(late, late + 1)))
    assert (both.shown.found, both.shown.followed) == (1, 0)
    assert not both.shown.later


def test_a_patient_who_changed_the_arm_counts_in_none() -> None:
    both = counted(a_patient("a", "shown", "PV-MOD") + a_patient("a", "shadow", "PV-MOD"))
    assert (both.moved, both.shown.patients, both.shadow.patients) == (1, 0, 0)


def test_the_interval_is_newcombes() -> None:
    """His example: 56 of 70 against 48 of 80 (Stat Med 1998;17:873, table II, case a, method 10)."""
    found = difference((56, 70), (48, 80))
    assert found is not None
    rounded = [round(number / 100, 4) for number in (found.points, found.least, found.most)]
    assert rounded == [0.2, 0.0524, 0.3339]
    assert difference((0, 0), (1, 2)) is None
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-12)


def test_the_report_shows_both_arms_as_table_page_and_csv(database: Database) -> None:
    with database.transaction() as connection:
        for n in range(6):
            for day, rules in ((0, "PV-MOD"), (1, "RATE-OVER" if n < 3 else "")):
                row = a_row(f"{n}-{day}", cards=0)
                audit = {
                    **row.audit,
                    "at": FIRST + timedelta(days=day),
                    "patient_hash": f"p{n}",
                    "arm": "shown" if n % 2 else "shadow",
                    "fired": rules,
                }
                insert_calls(connection, [type(row)(audit=audit, tallies=row.tallies)])
    found = figures(FigureTables(database), ["mercy"], FIRST.date(), NOW, {})
    assert found.arms is not None
    assert (found.arms.shown.followed, found.arms.shadow.followed) == (3, 3)
    page = report_page(found)
    assert "later: RATE-OVER" in page
    assert "1 (33.3%)" in page
    assert "-33.3 (" in page
    lines = report_csv(found).splitlines()
    assert [line for line in lines if "later RATE-OVER" in line] == [
        "all,arm shown: later RATE-OVER,,1",
        "all,arm shadow: later RATE-OVER,,2",
    ]
