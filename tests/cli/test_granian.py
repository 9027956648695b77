"""A granian without the private members that `cds-service serve` uses must fail here first."""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from granian.server.mp import MPServer, WorkerProcess

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
METHODS = {
    "_init_shared_socket": [],
    "signal_handler_interrupt": ["args", "kwargs"],
}
MEMBERS = ["_shd", "_sso", "main_loop_interrupt", "wrks", "backlog", "workers_kill_timeout"]
WHAT_TO_DO = (
    "cds_service/cli/serve.py overrides it so that a stop and a restart lose no call. Read the new "
    "granian, adapt `Server`, and run tests/cli/test_servers.py and tests/cluster."
)


def test_only_the_minor_release_of_granian_that_was_tested_can_be_installed() -> None:
    pinned = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    assert "granian>=2.8,<2.9" in pinned, f"granian has another range. {WHAT_TO_DO}"
    assert version("granian").startswith("2.8."), f"another granian is installed. {WHAT_TO_DO}"


@pytest.mark.parametrize("name", METHODS)
def test_granian_has_the_methods_that_our_server_overrides(name: str) -> None:
    method = getattr(MPServer, name, None)
    assert method is not None, f"granian's MPServer has no method {name}. {WHAT_TO_DO}"
    parameters = list(inspect.signature(method).parameters)[1:]
    assert parameters == METHODS[name], f"granian's {name} takes other arguments. {WHAT_TO_DO}"


@pytest.mark.parametrize("name", MEMBERS)
def test_granian_uses_the_members_that_our_server_sets_or_reads(name: str) -> None:
    source = "".join(inspect.getsource(cls) for cls in MPServer.__mro__[:2])
    assert f"self.{name}" in source, f"granian's MPServer has no member {name}. {WHAT_TO_DO}"


def test_granian_gives_a_worker_the_shared_socket_and_a_process() -> None:
    spawned = inspect.getsource(MPServer._spawn_worker)
    assert "((self._ssp, self._shd), self._sso)" in spawned, (
        f"granian passes its socket to a worker in another way. {WHAT_TO_DO}"
    )
    assert "self.inner" in inspect.getsource(WorkerProcess), (
        f"granian's worker has no member inner. {WHAT_TO_DO}"
    )
