"""PgBouncer with the shipped configuration: transactions of many clients over few connections."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.cli.run import free_port
from cds_service.store.engine import Database, make_engine, open_database, upgrade
from tests.databases import Server, certified, postgresql_with_tls
from tests.patience import PATIENCE_S, until

INI = Path(__file__).parents[2] / "deploy" / "pgbouncer" / "pgbouncer.ini"
PASSWORD = "only-for-this-test"
CLIENTS, ROUNDS = 4, 12  # psycopg prepares a statement at its sixth time
pytestmark = pytest.mark.skipif(not INI.is_file(), reason="a wheel has no deploy/")


@dataclass(frozen=True)
class Pooled:
    """One database by two ways: through PgBouncer, and directly."""

    url: str
    direct: str


def configured(folder: Path, server: Server, certificate: Path, port: int) -> Path:
    """Writes the shipped file with this machine's addresses, and one connection for all clients."""
    text = INI.read_text(encoding="utf-8")
    for old, new in (
        ("host=db.example port=5432", f"host=localhost port={server.port}"),
        ("listen_addr = *", "listen_addr = 127.0.0.1"),
        ("listen_port = 6432", f"listen_port = {port}"),
        ("default_pool_size = 20", "default_pool_size = 1"),
        ("query_wait_timeout = 2", f"query_wait_timeout = {PATIENCE_S:.0f}"),
        ("/etc/pgbouncer/userlist.txt", str(folder / "userlist.txt")),
        ("/etc/pgbouncer/certificate.pem", str(certificate)),
        ("/etc/pgbouncer/key.pem", str(certificate.with_name("key.pem"))),
        ("/etc/pgbouncer/postgresql-ca.pem", str(certificate)),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "userlist.txt").write_text(f'"cds" "{PASSWORD}"\n')
    (folder / "pgbouncer.ini").write_text(text)
    return folder / "pgbouncer.ini"


@pytest.fixture
def pooled() -> Iterator[Pooled]:
    """PgBouncer before a PostgreSQL; skipped if one of them is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must test behind PgBouncer too: install Debian's package pgbouncer")
        pytest.skip("PgBouncer is not installed")
    with postgresql_with_tls() as (server, certificate):
        direct = server.fresh("cds")
        admin = make_engine(direct)
        with admin.begin() as connection:
            connection.execute(sa.text(f"CREATE ROLE cds LOGIN PASSWORD '{PASSWORD}'"))
            connection.execute(sa.text("ALTER ROLE cds SET statement_timeout = '5s'"))
            connection.execute(sa.text("ALTER DATABASE cds OWNER TO cds"))
        admin.dispose()
        folder, port = certificate.parent, free_port("127.0.0.1")
        ini = configured(folder, server, certificate, port)
        user = ["-u", "postgres"] if os.geteuid() == 0 else []  # it refuses to run as root
        for path in (ini, folder / "userlist.txt"):
            if user:
                shutil.chown(path, "postgres", "postgres")
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen([program, *user, ini], stdout=log, stderr=log)
            try:
                until(lambda: listens(process, port))
                checked = f"sslmode=verify-full&sslrootcert={certificate}"
                yield Pooled(
                    f"postgresql://cds:{PASSWORD}@localhost:{port}/cds?{checked}",
                    f"postgresql://cds:{PASSWORD}@localhost:{server.port}/cds?{checked}",
                )
            finally:
                process.terminate()
                process.wait(PATIENCE_S)


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether PgBouncer takes connections; fails if it refuses the file."""
    assert process.poll() is None, "PgBouncer refuses our configuration"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def rounds(database: Database) -> set[str]:
    """Does the same statement more often than a driver sends it as a text; returns the time limits."""
    limits = set()
    for n in range(ROUNDS):
        with database.transaction() as connection:
            limits.add(connection.execute(sa.text("SHOW statement_timeout")).scalar_one())
            found = connection.execute(sa.text("SELECT CAST(:n AS integer)"), {"n": n}).scalar_one()
            assert found == n
    return limits


def test_many_clients_share_one_connection(pooled: Pooled) -> None:
    """A prepared statement would belong to the connection, and the next client has another one."""
    upgrade(make_engine(pooled.direct, patient=True))
    nodes = [open_database(pooled.url) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        limits = set().union(*threads.map(rounds, nodes))
    assert [node.problem for node in nodes] == [""] * CLIENTS
    assert limits == {"5s"}, "the role has it, because PgBouncer leaves out what the service asks"
    for node in nodes:
        node.close()


def test_the_schema_is_made_without_the_time_limit_of_the_role(pooled: Pooled) -> None:
    patient = make_engine(pooled.direct, patient=True)
    with patient.connect() as connection:
        limit = connection.execute(sa.text("SHOW statement_timeout")).scalar_one()
    patient.dispose()
    assert limit == "0"


def test_another_certificate_and_another_password_are_refused(
    pooled: Pooled, tmp_path: Path
) -> None:
    before, _, _ = pooled.url.rpartition("=")
    for url, why in (
        (f"{before}={certified(tmp_path)}", "certificate verify failed"),
        (pooled.url.replace(PASSWORD, "another"), "password authentication failed|SASL"),
    ):
        engine = make_engine(url)
        with pytest.raises(sa.exc.OperationalError, match=why):
            engine.connect()
        engine.dispose()
