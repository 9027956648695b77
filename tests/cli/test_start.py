"""A start imports little, makes shared objects once, and leaves the rest for later."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from cds_service.cli.run import free_port
from cds_service.knowledge.load import default_hooks_dir
from tests.cli.test_servers import started
from tests.patience import PATIENCE_S, until

# Each would cost time at the start or memory in every worker, and most deployments never need it.
_NOT_NEEDED = {
    "fhir.resources": "orders that this release knows to be valid are not validated again",
    "alembic": "there is nothing to migrate",
    "authlib": "no EHR opens the SMART app",
    "markdown_it": "is for the pages of the demo",
    "prometheus_client": "metrics are off",
    "sqlalchemy.dialects.postgresql": "the store is SQLite",
}
_START = """
import sys
from cds_service.app import create_app, foundation, refuse_wrong
from cds_service.cli import serve
from cds_service.settings import settings_from_environment
settings = settings_from_environment()
base = foundation(settings)
refuse_wrong(settings, base)
create_app(settings, base=base)
print(*sys.modules, sep="\\n")
"""

# msgspec calls this function for each type that it does not know yet.
_CALLS = """
import sys
from pathlib import Path
from cds_service.app import create_app
from cds_service.settings import Settings
from cds_service.demo.pages import demo_pages
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.telemetry import configure_logging
from cds_service.trust.registry import Registry
configure_logging()
stories = load_stories(default_fixtures_dir())
settings = Settings(mode="demo", data_dir=Path(sys.argv[1]))
client = create_app(settings, pages=demo_pages(stories), registry=Registry.demo).test_client()
learnt = set()
def watch(frame, event, _):
    if event == "call" and frame.f_globals["__name__"] == "msgspec._utils":
        learnt.update(str(value) for value in frame.f_locals.values() if isinstance(value, type))
sys.setprofile(watch)
for story in stories.values():
    client.post(f"/cds-services/{story.file.service}", json=story.request)
client.post("/cds-services/hyponatremia-patient-view/feedback", json={"feedback": []})
sys.setprofile(None)
print(*learnt, sep="\\n")
"""

_WORKER = """
import asyncio, json, sys, threading
from cds_service.cli.serve import Worker
from cds_service.orders.drafts import stopped
from cds_service.demo.stories import default_fixtures_dir
from cds_service.web.front import Front, FrontLimits
async def serving():
    Worker(Front(None, FrontLimits()), 0, 0, 0).__rsgi_init__(asyncio.get_running_loop())
    assert "fhir.resources" not in sys.modules
    while not any(thread.name == "later" for thread in threading.enumerate()):
        await asyncio.sleep(0.001)
    for thread in threading.enumerate():
        if thread.name == "later":
            thread.join()
asyncio.run(serving())
before, offered = set(sys.modules), 0
for path in default_fixtures_dir().glob("*/record.json"):
    for entry in json.loads(path.read_text())["entry"]:
        offered += stopped(entry["resource"], "low sodium") is not None
print(offered > 0, *sorted(set(sys.modules) - before))
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    clients = tmp_path / "clients.toml"
    clients.write_text(
        '[clients.mercy]\nfhir_bases = ["https://ehr.test/fhir"]\nopen_access = true\n'
    )
    return os.environ | {
        "CDS_MODE": "development",
        "CDS_CLIENTS_FILE": str(clients),
        "CDS_DATA_DIR": str(tmp_path / "data"),
    }


def test_a_start_imports_no_library_that_most_calls_do_not_need(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START], capture_output=True, text=True, check=True, env=environ
    )
    loaded = set(done.stdout.split())
    assert "cds_service.web.hooks" in loaded
    assert {name: why for name, why in _NOT_NEEDED.items() if name in loaded} == {}


def test_a_worker_imports_what_a_stop_needs_before_a_stop_is_offered() -> None:
    """The import takes a third of a second, so a worker does it beside the first answers."""
    done = subprocess.run(
        [sys.executable, "-c", _WORKER],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.split() == ["True"]


def test_no_call_makes_msgspec_build_a_type(tmp_path: Path) -> None:
    """If two threads need a new type at once, msgspec may crash on a half-built type."""
    command = [sys.executable, "-c", _CALLS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 14),
    reason="workers are forked there, and /proc names them; from Python 3.14 on granian spawns them",
)
def test_new_workers_serve_the_knowledge_that_the_start_checked(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """SIGHUP keeps the settings, so a half-edited hooks/ cannot break the new workers."""
    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    port = free_port("127.0.0.1")
    base = f"http://127.0.0.1:{port}"
    chosen = environ | {
        "CDS_PORT": str(port),
        "CDS_HOOKS_DIR": str(hooks),
        "CDS_DRAIN_SECONDS": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "cds_service", "serve"], env=chosen, text=True
    )
    try:
        started(process, base)
        before = _workers(process.pid)
        (hooks / "knowledge" / "orders.toml").write_text("half a line")
        process.send_signal(signal.SIGHUP)
        until(lambda: _workers(process.pid) and not _workers(process.pid) & before)
        assert requests.get(f"{base}/ready", timeout=PATIENCE_S).ok
        assert requests.get(f"{base}/cds-services", timeout=PATIENCE_S).json()["services"]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0


def _workers(pid: int) -> set[str]:
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return {child for file in children for child in file.read_text().split()}
