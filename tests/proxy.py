"""A real nginx with the shipped configuration, for tests that call the service through it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from cds_service.cli.run import free_port
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).parents[1]
CONF = ROOT / "deploy" / "nginx" / "nginx.conf"
MUTUAL_TLS = ("ssl_client_certificate /tls/ehr-ca.pem;", "ssl_verify_client on;")


@dataclass(frozen=True)
class Proxy:
    """A proxy is a running nginx with the service behind it."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def get(self, path: str, **more: object) -> requests.Response:
        given: dict[str, Any] = {"verify": str(self.certificate), "timeout": PATIENCE_S}
        return requests.get(self.url + path, **given | more)  # noqa: S113  # it is among them

    def post(self, path: str, **more: object) -> requests.Response:
        given: dict[str, Any] = {"verify": str(self.certificate), "timeout": PATIENCE_S}
        return requests.post(self.url + path, **given | more)  # noqa: S113  # it is among them

    def raw(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.certificate))
        return context.wrap_socket(
            socket.create_connection(("localhost", self.port), timeout=PATIENCE_S),
            server_hostname="localhost",
        )


def asking_for_certificates(folder: Path, authority: Path) -> tuple[str, str]:
    """Returns the lines to replace for mutual TLS: those of docs/container.md behind the service's own."""
    (folder / "ehr-ca.pem").write_bytes(authority.read_bytes())
    own = f"ssl_certificate_key {folder}/key.pem;"
    lines = "\n".join(MUTUAL_TLS).replace("/tls/", f"{folder}/")
    return own, f"{own}\n{lines}"


@contextmanager
def nginx(
    folder: Path, *upstreams: str, port: int = 0, below: tuple[tuple[str, str], ...] = ()
) -> Iterator[Proxy]:
    """Starts the shipped file with other paths, another port and other names of the upstreams.

    `below` are further words to replace: those that put the service below a path.
    """
    found = shutil.which("nginx")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must test behind nginx too: install Debian's package nginx")
        pytest.skip("nginx is not installed")
    port = port or free_port("127.0.0.1")
    subprocess.run(
        [sys.executable, ROOT / "deploy/nginx/certificate.py", folder],
        check=True,
        capture_output=True,
    )
    text = CONF.read_text(encoding="utf-8")
    shipped = re.findall(r"server cds:8642\b[^;]*;", text)
    for old, new in (
        ("/tmp/", f"{folder}/"),  # noqa: S108  # the container's tmpfs; first, for it holds the folder too
        ("/tls/", f"{folder}/"),
        (shipped[0], " ".join(shipped[0].replace("cds:8642", one) for one in upstreams)),
        ("listen 8443", f"listen 127.0.0.1:{port}"),
        *below,
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(text)
    log = (folder / "nginx.log").open("w")
    # In the container all of nginx is one user; as root, its workers could not write here.
    options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    process = subprocess.Popen(
        [found, "-c", f"{folder}/nginx.conf", "-p", str(folder), "-e", "stderr", "-g", options],
        stderr=log,
    )
    try:
        _wait_for(port, process)
        yield Proxy(port, folder / "certificate.pem")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        log.close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    def listens() -> bool:
        assert process.poll() is None, "nginx refuses our configuration"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
        except OSError:
            return False
        return True

    until(listens)
