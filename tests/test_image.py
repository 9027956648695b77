"""The image itself, as a deployment runs it: `make try-image TAG=...` after `make image TAG=...`.

No image can be built without its base, so that these tests run only if CDS_TEST_IMAGE names one.
CDS_TEST_IMAGE_OPTIONS has further options for the engine, such as `--runtime runc`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from tests.feedback.deployments import PATIENT_VIEW, a_call
from tests.patience import PATIENCE_S, until
from tests.trust.tokens import AUDIENCE, BASE, token, written

IMAGE = os.environ.get("CDS_TEST_IMAGE", "")
LARGEST_MB = 200
pytestmark = pytest.mark.skipif(not IMAGE, reason="CDS_TEST_IMAGE names no image")
HARDENED = (
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
    "--tmpfs", "/tmp", "--network", "host",  # noqa: S108  # in the container
)  # fmt: skip


def engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of podman or docker."""
    tool = shutil.which("podman") or shutil.which("docker")
    assert tool, "an image is run by podman or docker"
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Starts a container as docs/container.md says."""
    more = shlex.split(os.environ.get("CDS_TEST_IMAGE_OPTIONS", ""))
    return engine("run", *HARDENED, *more, *arguments)


def python(program: str) -> str:
    """Returns what a program writes in a new container."""
    done = run("--rm", IMAGE, "python", "-c", program)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The service in production mode, with SQLite and one client that has keys: container, address."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port("127.0.0.1")
    written(folder, "fhir_bases = ['https://fhir.mercy.example/r4']\n")
    folder.chmod(0o755)
    variables = {"CDS_PUBLIC_URL": BASE, "CDS_CLIENTS_FILE": "/registry/clients.toml",
                 "CDS_HOST": "127.0.0.1", "CDS_PORT": str(port)}  # fmt: skip
    options = [f"--env={name}={value}" for name, value in variables.items()]
    done = run("-d", "-v", f"{folder}:/registry:ro", *options, IMAGE)
    assert done.returncode == 0, done.stderr
    container, base = done.stdout.strip(), f"http://127.0.0.1:{port}"
    try:
        until(lambda: ready(container, base))
        yield container, base
    finally:
        engine("rm", "--force", "--volumes", container)


def ready(container: str, base: str) -> bool:
    """Whether the service is ready; fails if it has stopped."""
    state = engine("inspect", "--format", "{{.State.Running}}", container).stdout.strip()
    assert state == "true", engine("logs", container).stderr
    try:
        return requests.get(f"{base}/ready", timeout=PATIENCE_S).ok
    except requests.ConnectionError:
        return False


def test_the_service_answers_in_production_mode(
    node: tuple[str, str], stories: dict[str, Story]
) -> None:
    _, base = node
    for name, service in (
        ("cramps-in-siadh", PATIENT_VIEW),
        ("saline-3-percent-mild", "/cds-services/hyponatremia-order-select"),
    ):
        call = a_call(stories[name], datetime.now(UTC))
        audience = AUDIENCE.rpartition("/")[0] + "/" + service.rpartition("/")[2]
        signed = {"Authorization": f"Bearer {token(aud=audience)}"}
        answer = requests.post(base + service, json=call, headers=signed, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        assert answer.json()["cards"]
        unsigned = requests.post(base + service, json=call, timeout=PATIENCE_S)
        assert unsigned.status_code == 401


def test_the_health_check_of_the_image_finds_it_well(node: tuple[str, str]) -> None:
    container, _ = node
    [found] = json.loads(engine("inspect", "--type", "image", IMAGE).stdout)
    check = (found.get("Healthcheck") or found["Config"]["Healthcheck"])["Test"]
    assert engine("exec", container, *check[1:]).returncode == 0


def test_nothing_but_what_runs_is_in_it() -> None:
    found = python(
        "import os\nfor folder, _, files in os.walk('/'):\n"
        " if not folder.startswith(('/proc', '/sys')):\n"
        "  for name in files:\n"
        "   path = os.path.join(folder, name); mode = os.lstat(path).st_mode\n"
        "   print(oct(mode), os.access(path, os.W_OK) and not os.path.islink(path), path)"
    )
    lines = [line.split(" ", 2) for line in found.splitlines()]
    names = {Path(path).name for _, _, path in lines}
    assert not names & {"sh", "bash", "dash", "busybox", "apt", "dpkg", "perl", "pip", "pip3", "su"}
    assert not [path for mode, _, path in lines if int(mode, 8) & 0o6000]
    assert not [
        path
        for _, writable, path in lines
        if writable == "True" and path[:5] not in ("/dev/", "/etc/")
    ]
    [found_image] = json.loads(engine("inspect", "--type", "image", IMAGE).stdout)
    assert found_image["Size"] < LARGEST_MB * 1e6


def test_it_has_what_python_looks_for_outside_of_its_packages() -> None:
    assert python(
        "import os, ssl, sqlite3, socket, zoneinfo, psycopg, getpass\n"
        "print(len(ssl.create_default_context().get_ca_certs()) > 100)\n"
        "print(zoneinfo.ZoneInfo('Europe/Berlin'), getpass.getuser(), os.getuid())\n"
        "print(socket.getaddrinfo('localhost', 80)[0][4][1])\n"
        "print(open('/proc/self/status').read().split('CapBnd:')[1].split()[0])"
    ).split() == ["True", "Europe/Berlin", "cds", "10001", "80", "0" * 16]


def test_scanners_find_the_packages_of_its_system() -> None:
    listed = python("print(open('/var/lib/dpkg/system.tsv').read(), end='')").splitlines()
    assert all(re.fullmatch(r"[a-z0-9.+-]+\t\S+\t(amd64|arm64|all)", line) for line in listed)
    names = {line.split("\t")[0].removesuffix("t64") for line in listed}
    assert {"libc6", "libssl3", "ca-certificates"} <= names


def test_it_stops_when_it_is_told_to(node: tuple[str, str]) -> None:
    """The last test here: it ends the container that the others use."""
    container, _ = node
    assert engine("stop", "--time", "60", container).returncode == 0
    code = engine("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip()
    assert code == "0", engine("logs", container).stderr
