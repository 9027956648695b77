"""Real databases for tests: SQLite in a file, and a PostgreSQL server from Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.cli.run import free_port
from cds_service.store.engine import make_engine, upgrade

_USER = "postgres"
_CERTIFICATE = Path(__file__).parents[1] / "deploy" / "nginx" / "certificate.py"


def server_tools() -> Path | None:
    """The folder of initdb and pg_ctl, newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else (Path(on_path).parent if on_path else None)


class Server:
    """One PostgreSQL server in a folder of its own, on a free port of this machine."""

    def __init__(self, tools: Path, folder: Path) -> None:
        self._tools = tools
        self._folder = folder
        self._template = ""
        self.port = free_port("127.0.0.1")

    def initialise(self) -> None:
        """Make its files."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER, _USER)  # the server refuses to run as root
        self._run(
            "initdb",
            "-D",
            f"{self._folder}/data",
            "-U",
            _USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = (
            f"-p {self.port} -h 127.0.0.1 -k {self._folder} -c fsync=off -c max_connections=60"
        )
        log = f"{self._folder}/server.log"
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-o", settings, "-l", log, "-w", "start")

    def stop(self) -> None:
        """Stop it as a crash would: connections break."""
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "-w", "stop")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stops all its processes inside, as a stalled disk does: TCP answers, PostgreSQL does not."""
        main = int(Path(f"{self._folder}/data/postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        processes = [main, *map(int, children)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def lets_in(self, line: str, authority: Path) -> None:
        """Puts this line before the others of pg_hba.conf, and takes clients of this authority."""
        data = self._folder / "data"
        hba = data / "pg_hba.conf"
        hba.write_text(f"{line}\n{hba.read_text()}")
        (data / "clients.pem").write_bytes(authority.read_bytes())
        with (data / "postgresql.conf").open("a") as file:
            file.write("ssl_ca_file = 'clients.pem'\n")
        self._run("pg_ctl", "-D", str(data), "reload")

    def fresh(self, name: str) -> str:
        """The URL of a new, empty database."""
        return self._made(name, "template1")

    def migrated(self, name: str) -> str:
        """The URL of a new database with our schema: a copy of one that was migrated once."""
        if not self._template:
            upgrade(make_engine(self.fresh("migrated_once")))
            self._template = "migrated_once"
        return self._made(name, self._template)

    def _made(self, name: str, template: str) -> str:
        engine = make_engine(self._url(_USER), patient=True)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        engine.dispose()
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{name}"

    def _run(self, tool: str, *arguments: str) -> None:
        user = {"user": _USER, "group": _USER, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(  # type: ignore[call-overload]  # the keywords depend on who runs the tests
            [str(self._tools / tool), *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **user,
        )


@contextmanager
def made() -> Iterator[tuple[Server, Path]]:
    """A server that is not started yet; skips the test without PostgreSQL, fails then in CI."""
    tools = server_tools()
    if tools is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must test on PostgreSQL too: install Debian's package postgresql")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="cds-pg-"))
    server = Server(tools, folder)
    try:
        server.initialise()
        yield server, folder
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A running server."""
    with made() as (server, _):
        server.start()
        yield server


def certified(folder: Path, *names: str) -> Path:
    """Returns a certificate for this machine, or for these names, with its key beside it."""
    folder.mkdir(exist_ok=True)
    subprocess.run([sys.executable, _CERTIFICATE, folder, *names], check=True, capture_output=True)
    return folder / "certificate.pem"


@contextmanager
def postgresql_with_tls() -> Iterator[tuple[Server, Path]]:
    """A running server that takes TLS, and the one authority that it is to be known by."""
    with made() as (server, folder):
        certificate, key = certified(folder / "tls"), folder / "tls" / "key.pem"
        if os.geteuid() == 0:
            for path in (folder / "tls", certificate, key):
                shutil.chown(path, _USER, _USER)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
        server.start()
        yield server, certificate


@contextmanager
def postgresql_by_certificate() -> Iterator[str]:
    """The address of a database that lets its owner in by a certificate, as docs/operations.md has it."""
    with postgresql_with_tls() as (server, certificate), tempfile.TemporaryDirectory() as folder:
        own = certified(Path(folder) / "own", "cds")
        by_certificate = "hostssl all cds all cert"
        server.lets_in(by_certificate, own)
        asked = f"sslmode=verify-full&sslrootcert={certificate}"
        engine = make_engine(server.fresh("cds"))
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE ROLE cds LOGIN"))
            connection.execute(sa.text("ALTER DATABASE cds OWNER TO cds"))
        engine.dispose()
        key = own.with_name("key.pem")
        yield f"postgresql://cds@localhost:{server.port}/cds?{asked}&sslcert={own}&sslkey={key}"
