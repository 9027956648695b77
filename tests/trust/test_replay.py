"""A token is used once: by threads, by processes, by nodes, and with the store down (T-23, T-24)."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.errors import Overloaded, SettingsError, StoreUnavailable
from cds_service.store.engine import open_database
from cds_service.store.tables import USED_TOKENS
from cds_service.store.used_tokens import UsedTokens, used_tokens_file
from cds_service.trust.replay import OwnTokens, ReplayGuard
from tests.patience import PATIENCE_S

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(minutes=6)


class Broken:
    """A store that is down until it is mended."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = True

    def first_use(self, tenant: str, digest: str, expires: datetime, now: datetime) -> bool:
        self.asked += 1
        if self.down:
            raise StoreUnavailable("OperationalError")
        return True

    def forget(self, tenant: str, digest: str) -> None:
        self.asked += 1
        if self.down:
            raise StoreUnavailable("OperationalError")


def test_t23_a_token_is_new_once_for_each_client(tmp_path: Path) -> None:
    guard = ReplayGuard(UsedTokens(used_tokens_file(tmp_path)))
    assert guard.is_new("mercy", "one", SOON, NOW)
    assert not guard.is_new("mercy", "one", SOON, NOW)
    assert guard.is_new("anne", "one", SOON, NOW)
    assert guard.is_new("mercy", "two", SOON, NOW)


def test_t23_of_many_threads_with_one_token_one_gets_in(tmp_path: Path) -> None:
    table = UsedTokens(used_tokens_file(tmp_path))
    found: list[bool] = []
    # A guard each, as workers have: only the store is shared.
    callers = [
        threading.Thread(
            target=lambda: found.append(ReplayGuard(table).is_new("mercy", "same", SOON, NOW))
        )
        for _ in range(16)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found.count(True) == 1


PROCESS = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from cds_service.store.used_tokens import UsedTokens, used_tokens_file
now = datetime.now(UTC)
table = UsedTokens(used_tokens_file(Path(sys.argv[1])))
print(sum(table.first_use("mercy", str(n), now + timedelta(minutes=5), now) for n in range(200)))
"""


def test_t23_of_several_processes_with_the_same_tokens_each_token_gets_in_once(
    tmp_path: Path,
) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert sum(int(process.communicate(timeout=PATIENCE_S)[0]) for process in running) == 200


def test_t23_a_shared_database_has_the_table_by_its_migration(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'shared.db'}")
    nodes = [
        UsedTokens(database.engine),
        UsedTokens(open_database(f"sqlite:///{tmp_path / 'shared.db'}").engine),
    ]
    assert [node.first_use("mercy", "digest", SOON, NOW) for node in nodes] == [True, False]
    columns = {column["name"] for column in sa.inspect(database.engine).get_columns("replay")}
    assert columns == {column.name for column in USED_TOKENS.columns}


def test_rows_of_tokens_that_expired_are_removed(tmp_path: Path) -> None:
    engine = used_tokens_file(tmp_path)
    table = UsedTokens(engine)
    for n in range(5):
        assert table.first_use("mercy", str(n), SOON, NOW)
    assert table.first_use("mercy", "later", SOON + timedelta(hours=1), NOW + timedelta(minutes=30))
    with engine.connect() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(USED_TOKENS)).scalar_one()
            == 1
        )


def test_no_identifier_of_a_token_is_kept_as_it_came(tmp_path: Path) -> None:
    ReplayGuard(UsedTokens(used_tokens_file(tmp_path))).is_new("mercy", "SENTINEL-JTI", SOON, NOW)
    assert all(b"SENTINEL" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "replay.db").mkdir()
    with pytest.raises(SettingsError, match="CDS_DATA_DIR"):
        used_tokens_file(tmp_path)


def test_t24_with_the_store_down_this_process_still_refuses_a_second_use() -> None:
    store, guard_clock = Broken(), [0.0]
    guard = ReplayGuard(store, clock=lambda: guard_clock[0])
    assert guard.is_new("mercy", "one", SOON, NOW)
    assert not guard.is_new("mercy", "one", SOON, NOW)
    assert guard.is_new("mercy", "two", SOON, NOW)
    assert guard.degraded == 2
    assert store.asked == 1, "a store that is down is not asked for every call"
    store.down, guard_clock[0] = False, 6.0
    assert guard.is_new("mercy", "three", SOON, NOW)
    assert (store.asked, guard.degraded) == (2, 2)


def test_t24_a_token_used_before_the_outage_stays_used() -> None:
    store = Broken()
    store.down = False
    guard = ReplayGuard(store)
    assert guard.is_new("mercy", "one", SOON, NOW)
    store.down = True
    assert not guard.is_new("mercy", "one", SOON, NOW)


def test_t24_a_strict_deployment_answers_503_instead() -> None:
    guard = ReplayGuard(Broken(), strict=True)
    with pytest.raises(Overloaded):
        guard.is_new("mercy", "one", SOON, NOW)
    assert guard.degraded == 1


def test_a_token_that_a_strict_deployment_could_not_check_is_not_used_up() -> None:
    store, now = Broken(), [0.0]
    guard = ReplayGuard(store, strict=True, clock=lambda: now[0])
    with pytest.raises(Overloaded):
        guard.is_new("mercy", "one", SOON, NOW)
    store.down, now[0] = False, 60.0
    assert guard.is_new("mercy", "one", SOON, NOW)
    assert not guard.is_new("mercy", "one", SOON, NOW)


def test_a_token_that_is_given_back_is_new_once_more_for_all_workers(tmp_path: Path) -> None:
    table = UsedTokens(used_tokens_file(tmp_path))
    here, there = ReplayGuard(table), ReplayGuard(table)
    assert here.is_new("mercy", "one", SOON, NOW)
    here.give_back("mercy", "one")
    assert there.is_new("mercy", "one", SOON, NOW)
    assert not here.is_new("mercy", "one", SOON, NOW)


def test_t24_a_database_that_breaks_while_we_run_is_an_outage(tmp_path: Path) -> None:
    engine = used_tokens_file(tmp_path)
    guard = ReplayGuard(UsedTokens(engine))
    assert guard.is_new("mercy", "one", SOON, NOW)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE replay"))
    assert guard.is_new("mercy", "two", SOON, NOW)
    assert guard.degraded == 1


def test_t24_a_file_of_tokens_that_was_deleted_is_an_outage(tmp_path: Path) -> None:
    guard = ReplayGuard(UsedTokens(used_tokens_file(tmp_path)))
    assert guard.is_new("mercy", "one", SOON, NOW)
    (tmp_path / "replay.db").unlink()
    assert guard.is_new("mercy", "two", SOON, NOW)
    assert guard.resting
    assert not guard.is_new("mercy", "one", SOON, NOW)


def test_what_this_process_remembers_is_bounded() -> None:
    own = OwnTokens(most=10)
    assert all(own.first_use("mercy", str(n), SOON, NOW) for n in range(100))
    assert len(own._used) == 10
    assert own.first_use("mercy", "99", SOON, SOON + timedelta(seconds=1)), (
        "an expired one is forgotten"
    )
