"""TLS to PostgreSQL as docs/operations.md has it: `sslmode=verify-full` and the authority's certificate."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.store.engine import make_engine, upgrade
from tests.databases import Server, server_tools

CERTIFICATE = Path(__file__).parents[2] / "deploy" / "nginx" / "certificate.py"
pytestmark = pytest.mark.skipif(not CERTIFICATE.is_file(), reason="a wheel has no deploy/")


def certified(folder: Path) -> Path:
    """Returns a certificate for this machine, with its key beside it."""
    folder.mkdir(exist_ok=True)
    subprocess.run([sys.executable, CERTIFICATE, folder], check=True, capture_output=True)
    return folder / "certificate.pem"


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server that takes TLS, with the one authority that it is to be known by."""
    tools = server_tools()
    if tools is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must test on PostgreSQL too: install Debian's package postgresql")
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="cds-pg-tls-"))
    server = Server(tools, folder)
    try:
        server.initialise()
        certificate, key = certified(folder / "tls"), folder / "tls" / "key.pem"
        if os.geteuid() == 0:
            for path in (folder / "tls", certificate, key):
                shutil.chown(path, "postgres", "postgres")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n")
        server.start()
        yield f"{server.fresh('cds')}?sslmode=verify-full&sslrootcert={certificate}"
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_connection_is_encrypted_and_another_authority_is_refused(
    url: str, tmp_path: Path
) -> None:
    engine = make_engine(url)
    upgrade(engine)
    with engine.connect() as connection:
        found = connection.execute(
            sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        ).scalar_one()
    engine.dispose()
    assert found is True
    known, _, _ = url.rpartition("=")
    other = make_engine(f"{known}={certified(tmp_path)}")
    with pytest.raises(sa.exc.OperationalError, match="certificate verify failed"):
        other.connect()
    other.dispose()
