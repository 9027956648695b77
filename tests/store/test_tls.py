"""TLS to PostgreSQL as docs/operations.md has it: `sslmode=verify-full` and the authority's certificate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cds_service.store.engine import make_engine, upgrade
from tests.databases import certified, postgresql_by_certificate, postgresql_with_tls

CERTIFICATE = Path(__file__).parents[2] / "deploy" / "nginx" / "certificate.py"
pytestmark = pytest.mark.skipif(not CERTIFICATE.is_file(), reason="a wheel has no deploy/")


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server that takes TLS, with its authority."""
    with postgresql_with_tls() as (server, certificate):
        yield f"{server.fresh('cds')}?sslmode=verify-full&sslrootcert={certificate}"


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


def test_a_server_that_asks_for_a_certificate_lets_nobody_in_without_one(tmp_path: Path) -> None:
    with postgresql_by_certificate() as url:
        engine = make_engine(url)
        upgrade(engine)
        with engine.connect() as connection:
            found = connection.execute(
                sa.text("SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            ).scalar_one()
        assert found == "/CN=cds"
        without, _, _ = url.partition("&sslcert=")
        stranger = f"{certified(tmp_path / 'stranger', 'cds')}"
        foreign = f"{without}&sslcert={stranger}&sslkey={stranger.replace('certificate', 'key')}"
        for other in (without, foreign):
            refused = make_engine(other)
            with pytest.raises(
                sa.exc.OperationalError,
                match=r"requires a valid client certificate|alert unknown ca",
            ):
                refused.connect()
            refused.dispose()
        engine.dispose()
    guide = (CERTIFICATE.parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "hostssl all cds all cert" in guide
    assert "&sslcert=/etc/cds/certificate.pem&sslkey=/etc/cds/key.pem" in guide
