"""A wrong file, folder or address is one line that names its variable, and exit code 78."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from cds_service import app
from cds_service.cli import main, replay, serve
from cds_service.knowledge.load import Knowledge, load_knowledge
from cds_service.settings import Settings
from tests.trust.tokens import written

_PATHS = sorted(
    name for name, one in Settings.model_fields.items() if "Path" in str(one.annotation)
)
_FOLDERS = [name for name in _PATHS if name.endswith("_dir")]
_FILES = [name for name in _PATHS if name not in _FOLDERS]
_HOSTS = sorted(name for name in Settings.model_fields if name.endswith("host"))
_URLS = ("public_url", "terminology_base", "otlp_url", "database_url", "cors_origins")
_ANY_BYTES = ("secret_file", "database_url_file")  # a secret may be any text
_READ_BY_CHECK = ("hooks_dir", "clients_file", "local_codes")
_ADDRESSES = ("10.99.1.1", "no-such-host.invalid", "fe80::zz", f"{'a' * 70}.example")


def _wrong_paths(name: str, here: Path) -> Iterator[Path]:
    """Gives the ways in which the path of a setting can be wrong."""
    text = here / "passwd"
    text.write_text("root:x:0:0:root:/root:/bin/bash\n" * 4)
    yield text / "below-a-file"
    yield here / ("n" * 300)
    if name in _FOLDERS:
        yield text
        yield Path("/proc/x")
        if name != "metrics_dir":  # its disk is full there, which has a line of its own
            yield Path("/proc")
        return
    yield here / "nowhere"
    yield here
    if name not in _ANY_BYTES:
        yield text


class Told(NamedTuple):
    """What a command wrote on its standard error, and its exit code."""

    stderr: str
    returncode: int


@pytest.fixture
def ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Told]:
    """Returns what runs a command in this process; a start with sound settings fails the test."""
    for name in ("configure_logging", "forbid_core_dumps", "share_arenas"):
        monkeypatch.setattr(serve, name, lambda: None)
    monkeypatch.setattr(serve, "allow_connections", lambda number: None)
    monkeypatch.setattr(serve, "_serve", lambda *given: pytest.fail("it started"))
    for module in (app, replay):
        monkeypatch.setattr(module, "load_knowledge", _loaded)
    secret = tmp_path / "good-secret"
    secret.write_text("s" * 64)
    sound = {
        "CDS_PUBLIC_URL": "https://cds.example",
        "CDS_CLIENTS_FILE": str(written(tmp_path)),
        "CDS_DATA_DIR": str(tmp_path / "data"),
        "CDS_PORT": "0",
        "CDS_METRICS_PORT": _free_port(),
    }

    def run(command: str, **changed: str) -> Told:
        given = sound | changed
        if any(name.startswith("CDS_DATABASE") for name in changed):
            given["CDS_SECRET_FILE"] = str(secret)
        with monkeypatch.context() as patched:
            for name in filter(lambda name: name.startswith("CDS_"), [*os.environ]):
                patched.delenv(name)
            for name, value in given.items():
                patched.setenv(name, value)
            patched.setattr(sys, "argv", ["cds-service", command])
            with pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        return Told(capsys.readouterr().err, code if isinstance(code, int) else 0)

    return run


@cache
def _loaded(hooks: Path, *, check_facts: bool = True) -> Knowledge:
    return load_knowledge(hooks, check_facts=check_facts)


def _is_one_line(told: Told, variable: str, code: int = 78) -> None:
    lines = told.stderr.strip().splitlines()
    assert (told.returncode, len(lines)) == (code, 1), told.stderr
    assert variable in lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no new folder")
@pytest.mark.parametrize("name", _PATHS)
def test_a_wrong_path_names_its_variable(
    name: str, tmp_path: Path, ran: Callable[..., Told]
) -> None:
    variable = f"CDS_{name.upper()}"
    for wrong in _wrong_paths(name, tmp_path):
        environment = {variable: str(wrong)}
        _is_one_line(ran("serve", **environment), variable)
        if name in _READ_BY_CHECK:
            _is_one_line(ran("check", **environment), variable)


@pytest.mark.parametrize("address", _ADDRESSES)
@pytest.mark.parametrize("name", _HOSTS)
def test_a_wrong_address_names_its_variable(
    name: str, address: str, ran: Callable[..., Told]
) -> None:
    variable = f"CDS_{name.upper()}"
    environment = {variable: address}
    _is_one_line(ran("serve", **environment), variable)


@pytest.mark.parametrize("name", _URLS)
def test_a_wrong_url_names_its_variable(name: str, ran: Callable[..., Told]) -> None:
    variable = f"CDS_{name.upper()}"
    _is_one_line(ran("serve", **{variable: "nothing like a URL"}), variable)


@pytest.mark.parametrize("variable", ["CDS_PORT", "CDS_METRICS_PORT"])
def test_a_port_that_is_taken_names_its_variable_and_is_no_wrong_setting(
    variable: str, ran: Callable[..., Told]
) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        told = ran("serve", **{variable: str(busy.getsockname()[1])})
    _is_one_line(told, variable, 1)


@pytest.mark.parametrize("name", ["clients_file", "local_codes"])
def test_the_line_of_a_broken_file_and_the_reason_stay(
    name: str, tmp_path: Path, ran: Callable[..., Told]
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("system,code\n[\n")
    told = ran("serve", **{f"CDS_{name.upper()}": str(broken)})
    assert f"CDS_{name.upper()}: broken" in told.stderr
    assert "line 1" in told.stderr


def test_every_setting_of_a_path_and_of_an_address_is_tried() -> None:
    assert _FILES == [
        "ca_bundle", "clients_file", "database_url_file", "local_codes", "rxnorm_index", "secret_file"
    ]  # fmt: skip
    assert _FOLDERS == ["data_dir", "hooks_dir", "metrics_dir"]
    assert _HOSTS == ["host", "metrics_host"]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
