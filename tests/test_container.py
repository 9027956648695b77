"""Dockerfile and docker-compose.yml are as docs/container.md says; no Docker engine is needed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Command, Context, Group

from cds_service.cli import cli
from cds_service.cli.serve import STOP_S
from cds_service.settings import Settings
from cds_service.web.front import FrontLimits

ROOT = Path(__file__).parents[1]
if not (ROOT / "Dockerfile").is_file():
    pytest.skip("a wheel has no Dockerfile", allow_module_level=True)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def stages() -> list[list[tuple[str, str]]]:
    """Returns the instructions of the Dockerfile, stage by stage."""
    joined = re.sub(r"^\s*#.*\n", "", text("Dockerfile"), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = [[]]
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, " ".join(rest.split())))
    return found


def services() -> dict[str, Any]:
    """Returns the services of docker-compose.yml, with merged parts filled in."""
    found: dict[str, Any] = yaml.safe_load(text("docker-compose.yml"))["services"]
    return found


OURS = {name: s for name, s in services().items() if s["image"] == "hyponatremia-cds:local"}


def test_everything_in_the_image_comes_from_the_hashed_lock() -> None:
    installs = re.findall(
        r"pip \S+ \S+ install ([^&]*)", " && ".join(rest for _, rest in stages()[1])
    )
    assert len(installs) == 2
    assert "--no-deps --require-hashes -r requirements.lock" in installs[0]
    assert "--no-deps --no-build-isolation --no-index ." in installs[1]
    assert "psycopg-binary==" in text("requirements.lock")
    assert not [rest for _, rest in stages()[1] if re.search(r"apt-get|curl|wget", rest)]


def test_the_image_is_not_made_of_the_base_but_of_what_runs() -> None:
    """`make try-image` looks into it; here is what makes it so."""
    final = stages()[-1]
    assert final[0] == ("FROM", "scratch")
    assert not [rest for name, rest in final if name in ("RUN", "ADD")]
    copied = [rest for name, rest in final if name == "COPY"]
    assert copied == [
        "--from=build /image /",
        "--from=build --chown=10001:10001 /owned /",
        "--from=build /opt/venv /opt/venv",
    ]
    assert "venv --without-pip /opt/venv" in " ".join(rest for _, rest in stages()[1])


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/image/root.py makes for a small environment of this machine's Python."""
    if shutil.which("ldd") is None:
        pytest.skip("the image is made on Linux")
    folder = tmp_path_factory.mktemp("image")
    venv, root = folder / "venv", folder / "root"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    done = subprocess.run(
        [venv / "bin/python", ROOT / "deploy/image/root.py", root], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{root}: \d+ MB.\n", done.stdout)
    return root


def test_python_starts_in_the_root_of_the_image(laid_out: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root changes the root")
    program = "import ssl, sqlite3, ctypes, bz2, lzma, decimal; print(ssl.OPENSSL_VERSION)"
    python = Path(sys.executable).resolve()
    done = subprocess.run(
        [shutil.which("chroot") or "", laid_out, python, "-Sc", program],
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("OpenSSL"), done.stderr


def test_the_root_of_the_image_has_no_program_but_python(laid_out: Path) -> None:
    programs = [
        path
        for path in laid_out.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o111
    ]
    started = {path.name for path in programs if "/bin/" in str(path) or "/sbin/" in str(path)}
    assert started == {Path(sys.executable).resolve().name}
    assert not list(laid_out.rglob("ensurepip"))
    assert (laid_out / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert "cds:x:10001:10001:" in (laid_out / "etc/passwd").read_text()


def test_certificates_and_index_of_a_site_are_secrets_of_the_build() -> None:
    """A build argument would stand in the history of the image."""
    [install] = [rest for name, rest in stages()[1] if name == "RUN" and "--require-hashes" in rest]
    for name in ("ca", "pip"):
        assert f"--mount=type=secret,id={name},target=/run/secrets/{name}" in install
    assert not [rest for stage in stages()[1:] for name, rest in stage if name == "ARG"]


@pytest.mark.parametrize("there", ["docker", "podman", "buildah", ""])
def test_the_image_is_built_by_whatever_is_at_hand(there: str, tmp_path: Path) -> None:
    for name in ("docker", "podman", "buildah"):
        tool = tmp_path / name
        works = name == there or (there == "podman" and name == "buildah")
        if name == "docker":  # it is there without an engine
            tool.write_text(
                f"#!/bin/sh\n[ $1 = info ] && exit {0 if works else 1}\necho docker $@\n"
            )
        elif works:
            tool.write_text(f"#!/bin/sh\necho {name} $@\n")
        if tool.exists():
            tool.chmod(0o755)
    for needed in ("sh", "dirname"):
        (tmp_path / needed).symlink_to(shutil.which(needed) or "")
    script = ROOT / "deploy/image/build.sh"
    done = subprocess.run(
        [shutil.which("sh") or "", str(script), "cds:1", "/etc/site.pem", "", "python@sha256:0"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    if not there:
        assert done.returncode == 69
        assert "install one of them" in done.stderr
        return
    command = done.stdout.splitlines()[-1]
    assert command.startswith(f"{there} build --tag cds:1 ")
    assert "--secret id=ca,src=/etc/site.pem" in command
    assert "id=pip" not in command
    assert command.endswith("--build-arg PYTHON_IMAGE=python@sha256:0 .")
    assert ("--format docker" in command) == (there != "docker")


def test_the_build_backend_does_not_stay_in_the_image_and_nothing_else_goes() -> None:
    gone = re.search(
        r"uninstall --yes --quiet ([a-z -]+) &&", " && ".join(rest for _, rest in stages()[1])
    )
    assert gone
    lock = re.sub(r" *\\\n *--hash=\S+", "", text("requirements.lock"))
    needed_by = dict(re.findall(r"^([a-z0-9-]+)==\S+.*\n((?: +# .*\n)+)", lock, re.MULTILINE))
    removed = set(gone[1].split())
    assert {"hatchling", "editables"} <= removed
    for name in removed:
        needs = set(re.findall(r"# (?:  |via )([a-z0-9-]+)", needed_by[name])) - {"via"}
        assert needs <= {"hatchling", "hyponatremia-cds"}, (name, needs)


def test_the_base_is_named_once_and_pinned_by_tag() -> None:
    (argument,) = [rest for name, rest in stages()[0] if name == "ARG"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim-\w+", argument)
    assert [stage[0][1] for stage in stages()[1:]] == ["${PYTHON_IMAGE} AS build", "scratch"]


def test_the_image_runs_as_nobody_who_is_known_and_gets_its_signals_itself() -> None:
    final = stages()[-1]
    (user,) = [rest for name, rest in final if name == "USER"]
    assert user == "10001:10001"
    assert [json.loads(rest) for name, rest in final if name == "CMD"] == [["cds-service", "serve"]]
    assert ("STOPSIGNAL", "SIGTERM") in final
    assert not [name for name, _ in final if name in ("ENTRYPOINT", "ADD", "SHELL")]


def test_the_health_check_is_python_that_compiles() -> None:
    (check,) = [rest for name, rest in stages()[-1] if name == "HEALTHCHECK"]
    program, flag, source = json.loads(check[check.index("CMD ") + 4 :])
    assert (program, flag) == ("python", "-Sc")
    compile(source, "HEALTHCHECK", "exec")
    assert "/health" in source


def test_no_secret_is_in_the_image_or_its_context() -> None:
    assert not re.search(r"(?i)(password|secret|token)\s*=", text("Dockerfile"))
    lines = [
        line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")
    ]
    assert lines[0] == "*", "everything is left out, but for what is named"
    copied = {part for name, rest in stages()[1] if name == "COPY" for part in rest.split()[:-1]}
    named = {line[1:].removeprefix("./") for line in lines if line.startswith("!")}
    assert {part.removeprefix("./") for part in copied} == named
    assert all((ROOT / name).exists() for name in named)


def test_every_variable_that_the_image_sets_is_a_setting() -> None:
    known = {f"CDS_{name.upper()}" for name in Settings.model_fields}
    in_compose = {name for s in OURS.values() for name in s.get("environment", {})}
    used = set(re.findall(r"\bCDS_[A-Z_]+\b", text("Dockerfile"))) | in_compose
    assert used <= known


@pytest.mark.parametrize("name", services())
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 500
    assert service["mem_limit"]
    forbidden = {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"}
    assert not forbidden & service.keys()
    assert service.get("network_mode", "none") == "none"
    assert "docker.sock" not in json.dumps(service)
    assert not service.get("user", "10001").startswith("0")


@pytest.mark.parametrize("name", services())
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in services()[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@pytest.mark.parametrize("name", services())
def test_an_image_of_others_is_pinned_by_tag(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:(local|v?\d[\w.-]*)", services()[name]["image"])


def test_the_image_alone_is_in_production_mode() -> None:
    chosen = " ".join(rest for name, rest in stages()[-1] if name == "ENV")
    assert "CDS_MODE" not in chosen
    assert Settings.model_fields["mode"].default == "production"


def test_nothing_but_the_service_reaches_the_database() -> None:
    whole = yaml.safe_load(text("docker-compose.yml"))
    assert whole["networks"]["database"] == {"internal": True}
    beside = {name for name, s in services().items() if "database" in s.get("networks", [])}
    assert beside == {"db", "cds", "upgrade"}
    assert services()["db"]["networks"] == ["database"]
    assert "ports" not in services()["db"]


def test_the_container_of_the_service_has_no_private_key_of_the_ehr() -> None:
    with_key = {
        name
        for name, s in services().items()
        if any(v.startswith("ehr:") for v in s.get("volumes", []))
    }
    assert with_key == {"registry", "ehr"}
    assert "registry:/registry:ro" in services()["cds"]["volumes"]


def test_the_service_runs_in_development_mode_and_starts_after_what_it_needs() -> None:
    cds = services()["cds"]
    assert cds["environment"]["CDS_MODE"] == "development"
    assert set(cds["depends_on"]) == {"registry", "upgrade"}
    assert {v["condition"] for v in cds["depends_on"].values()} == {
        "service_completed_successfully"
    }
    assert services()["upgrade"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    drain = Settings.model_fields["drain_seconds"].default
    assert int(cds["stop_grace_period"].removesuffix("s")) > drain + STOP_S


def test_the_demo_container_needs_no_other_container() -> None:
    assert "depends_on" not in services()["demo"]
    assert "profiles" not in services()["demo"]


@pytest.mark.parametrize(
    "name", [n for n, s in OURS.items() if (s.get("entrypoint") or s.get("command"))]
)
def test_each_container_runs_a_command_that_exists(name: str) -> None:
    words = [*OURS[name].get("entrypoint", []), *OURS[name].get("command", [])]
    if words[0] != "cds-service":
        assert (ROOT / "deploy/nginx" / Path(words[1]).name).is_file()
        return
    command: Command = cli
    context = Context(cli)
    rest = words[1:]
    while isinstance(command, Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, shlex.join(words)
        command, rest = found, rest[1:]
    command.make_context(
        shlex.join(words), rest, resilient_parsing=False
    )  # its options exist and their values fit


def test_folders_that_volumes_are_mounted_on_belong_to_the_user_of_the_image() -> None:
    (run,) = [rest for name, rest in stages()[1] if name == "RUN" and "install -d" in rest]
    owned = set(re.findall(r" /owned(/[a-z]+)\b", run))
    mounted = {
        v.split(":")[1]
        for s in OURS.values()
        for v in s.get("volumes", [])
        if not v.startswith(".")
    }
    assert mounted <= owned


def test_the_proxy_passes_no_larger_body_and_closes_idle_connections_before_the_service() -> None:
    conf = text("deploy/nginx/nginx.conf")
    limit = re.search(r"client_max_body_size (\d+);", conf)
    assert limit
    assert int(limit[1]) == Settings().max_body_bytes == FrontLimits().body_bytes
    kept = re.search(r"keepalive 32;\s+keepalive_timeout (\d+)s;", conf)
    assert kept
    assert int(kept[1]) * 1000 < 5000
    assert services()["nginx"]["user"] == "10001:10001", "who owns the key of the certificate"
