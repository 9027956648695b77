"""These tests start the real server as a user does, call it over HTTP, and stop it."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import requests

from cds_service.cli.run import free_port
from tests.patience import PATIENCE_S, until


def started(process: subprocess.Popen[str], base: str) -> str:
    """Waits until the server answers, as long as that takes; fails as soon as its process ends."""

    def answers() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"{base}/health", timeout=PATIENCE_S).ok
        return False

    until(answers)
    return base


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port("127.0.0.1")
    log = tmp_path_factory.mktemp("demo") / "out.txt"
    with log.open("w") as out:
        process = subprocess.Popen(  # our own command line
            [sys.executable, "-m", "cds_service", "demo", "--port", str(port)],
            stdout=out,
            stderr=out,
            text=True,
        )
        yield started(process, f"http://127.0.0.1:{port}"), process
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    result = log.read_text()
    assert "Stopped" in result
    assert "Traceback" not in result


def pasted(line: str) -> str:
    """What a line of the documentation prints."""
    return subprocess.run(  # noqa: S602  # that is what pasting does
        line, shell=True, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    ).stdout


def in_time(ask: Callable[[], str]) -> str:
    """Asks until the answer is not that the call took too long, as it may on a busy machine."""
    answers: list[str] = []

    def is_read() -> bool:
        answers.append(ask())
        return '"code":"timeout"' not in answers[-1]

    until(is_read)
    return answers[-1]


def test_the_printed_lines_work_when_pasted(
    demo: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    from cds_service.cli.demo import curl_line

    base, _ = demo
    for story, service, words in (
        ("saline-3-percent-mild", "hyponatremia-order-select", "not advised"),
        ("cramps-in-siadh", "hyponatremia-patient-view", "1000 mL"),
    ):
        line = curl_line(base, story, service)
        assert words in in_time(partial(pasted, line))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_that_the_demo_has_printed_can_be_opened_at_once(host: str) -> None:
    """A person clicks the link when it appears."""
    with subprocess.Popen(
        [sys.executable, "-m", "cds_service", "demo", "--host", host, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            printed = (
                re.search(r"open +http://\[?(.+?)\]?:(\d+)/", line) for line in process.stdout or ()
            )
            called, port = next(found for found in printed if found).groups()
            socket.create_connection((called, int(port))).close()
            assert called == host
        finally:
            process.terminate()


def test_a_hook_reads_from_the_server_it_runs_in_without_waiting_for_itself(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    base, _ = demo
    call = requests.get(f"{base}/demo/stories/cramps-in-siadh/request", timeout=PATIENCE_S).json()
    del call["prefetch"]
    call["fhirServer"] = f"{base}/demo/fhir"
    url = f"{base}/cds-services/hyponatremia-patient-view"
    for _ in range(3):
        answer = json.loads(in_time(lambda: requests.post(url, json=call, timeout=PATIENCE_S).text))
        assert answer["cards"]


def test_four_bodies_that_never_come_do_not_stop_the_service_and_are_ended(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    base, _ = demo
    host, port = base.removeprefix("http://").split(":")
    stalled = []
    for _ in range(24):
        sock = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        sock.sendall(
            b"POST /cds-services/hyponatremia-patient-view HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        )
        stalled.append(sock)
    assert requests.get(f"{base}/health", timeout=PATIENCE_S).status_code == 200
    first = stalled[0].recv(200)
    assert first.startswith(b"HTTP/1.1 408")
    for sock in stalled:
        sock.close()


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    base, _ = demo
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=PATIENCE_S)
    connection.putrequest("POST", "/cds-services/hyponatremia-patient-view")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "50000000")
    connection.putheader("Origin", "https://sandbox.cds-hooks.org")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert answer.headers["Access-Control-Allow-Origin"] == "https://sandbox.cds-hooks.org"
    connection.close()


def test_a_chunked_body_is_counted_and_read(demo: tuple[str, subprocess.Popen[str]]) -> None:
    base, _ = demo
    url = f"{base}/cds-services/hyponatremia-patient-view"
    headers = {"Content-Type": "application/json"}
    assert (
        requests.post(url, data=iter([b"{", b"}"]), headers=headers, timeout=PATIENCE_S).status_code
        == 400
    )
    endless = (b" " * 65536 for _ in range(40))
    with contextlib.suppress(
        requests.ConnectionError
    ):  # the answer may come before the end of our sending
        assert (
            requests.post(url, data=endless, headers=headers, timeout=PATIENCE_S).status_code == 413
        )


def test_t42_a_compressed_body_is_read_and_a_bomb_is_refused(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    base, _ = demo
    url = f"{base}/cds-services/hyponatremia-patient-view"
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    call = requests.get(f"{base}/demo/stories/cramps-in-siadh/request", timeout=PATIENCE_S).content
    answer = requests.post(url, data=gzip.compress(call), headers=headers, timeout=PATIENCE_S)
    assert answer.json()["cards"]
    bomb = gzip.compress(bytes(60_000_000))
    assert requests.post(url, data=bomb, headers=headers, timeout=PATIENCE_S).status_code == 413


def test_t77_a_request_hidden_in_another_is_not_answered(
    demo: tuple[str, subprocess.Popen[str]],
) -> None:
    base, _ = demo
    host, port = base.removeprefix("http://").split(":")
    hidden = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    head = (
        b"POST /cds-services/hyponatremia-patient-view HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(head + hidden)
        said = b""
        while part := connection.recv(65536):
            said += part
    assert said.startswith(b"HTTP/1.1 400")
    assert said.count(b"HTTP/1.1") == 1
