"""A node as an operator starts it, with one registered client: the command line, real processes, real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from tests.cli.test_servers import started
from tests.patience import PATIENCE_S, UNHURRIED
from tests.trust.tokens import BASE, VIEW, token

PATH = f"/cds-services/{VIEW}"


@dataclass(frozen=True, slots=True)
class Node:
    """One process of the service; EHRs know it, like its sisters, as `BASE`."""

    address: str
    log: Path

    @property
    def port(self) -> int:
        """Where it listens on this machine."""
        return int(self.address.rpartition(":")[2])

    def post(
        self, body: object, said: str | None = None, path: str = PATH, **headers: str
    ) -> requests.Response:
        """A call with this token, by default a new one that is good for `path`."""
        bearer = token(aud=BASE + path) if said is None else said
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(
            self.address + path,
            json=body,
            headers={"Authorization": f"Bearer {bearer}", **names},
            timeout=PATIENCE_S,
        )


@contextmanager
def served(folder: Path, registry: Path, **environment: str) -> Iterator[Node]:
    """A node with its own data folder, by default in development mode."""
    folder.mkdir(exist_ok=True)
    port = free_port("127.0.0.1")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    settings = {
        "CDS_MODE": "development", "CDS_CLIENTS_FILE": str(registry), "CDS_DATA_DIR": str(folder / "data"),
        "CDS_PORT": str(port), "CDS_PUBLIC_URL": BASE, "CDS_DRAIN_SECONDS": "0",
    }  # fmt: skip
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve"],
            env=kept | UNHURRIED | settings | environment,
            stdout=out,
            stderr=out,
            text=True,
        )
    try:
        yield Node(started(process, f"http://127.0.0.1:{port}"), log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def a_call(story: Story, patient: str) -> dict[str, Any]:
    """A story's hook call, made just now, about a patient of its own."""
    call = story.request_at(datetime.now(UTC))
    text = json.dumps(call, default=float).replace(str(call["context"]["patientId"]), patient)
    found: dict[str, Any] = json.loads(text)
    return found
