"""The log neither blocks nor fails, and what it loses it counts: here one writer, with real files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.log_writer import LogWriter
from tests.patience import PATIENCE_S, until


def said(number: int) -> str:
    return f"lost {number}\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    import fcntl

    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue  # a test closed it


def test_lines_arrive_whole_and_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = LogWriter(file.fileno(), said)
        for n in range(1500):
            writer.write(f"line {n}\n")
        writer.close(PATIENCE_S)
    assert (tmp_path / "log").read_text().splitlines() == [f"line {n}" for n in range(1500)]
    assert (writer.lost, writer.problem) == (0, "")


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_is_lost_is_said_later(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.log_writer._STUCK_S", 0.0)
    read, write = pipe
    writer = LogWriter(write, said, room=100)
    for n in range(100):
        writer.write(f"{n:099}\n")
    until(lambda: writer.problem.startswith("lines wait"))
    for n in range(400):
        writer.write(f"late {n}\n")
    assert writer.lost >= 400 - 41, "100 may wait, and the pipe took 40"
    assert writer.problem == f"{writer.lost} lines were lost"
    writer.close(0.2)  # the end of a process does not wait for a reader, who comes only now
    os.set_blocking(read, False)
    lost, got = writer.lost, bytearray()

    def read_until(end: bytes) -> None:
        until(lambda: _reads_on(read, got) and end in got)

    read_until(b"0099\n")
    writer.close(PATIENCE_S)
    writer.write("after the loss\n")
    read_until(b"after the loss\n")
    assert got.index(b"0099\n") < got.index(f"lost {lost}\n".encode()) < got.index(b"after")


def _reads_on(read: int, got: bytearray) -> bool:
    with contextlib.suppress(BlockingIOError):
        got += os.read(read, 65536)
    return True


def test_a_reader_that_is_gone_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    read, write = pipe
    os.close(read)
    writer = LogWriter(write, said)
    for n in range(5):
        writer.write(f"{n}\n")
    writer.close(PATIENCE_S)
    assert writer.lost == 5
    assert writer.problem == "5 lines were lost"


def test_a_line_that_a_full_disk_cut_is_ended_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 10

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        done = os.pwrite(descriptor, data[:room], file.tell())
        file.seek(done, os.SEEK_CUR)
        room -= done
        return done

    with (tmp_path / "log").open("wb", buffering=0) as file:
        monkeypatch.setattr("cds_service.log_writer.os.write", write)
        writer = LogWriter(file.fileno(), said)
        writer.write("first\n")
        writer.close(PATIENCE_S)
        writer.write("second\n")
        writer.close(PATIENCE_S)
        assert writer.lost == 1
        room = 1000
        writer.write("third\n")
        writer.close(PATIENCE_S)
    assert (tmp_path / "log").read_text() == "first\nseco\nlost 1\nthird\n"


def test_a_thread_that_cannot_be_started_costs_lines_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    with (tmp_path / "log").open("wb") as file:
        writer = LogWriter(file.fileno(), said)
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", refuse)
            writer.write("first\n")
        assert writer.lost == 1
        writer.write("second\n")
        writer.close(PATIENCE_S)
    assert (tmp_path / "log").read_text() == "lost 1\nsecond\n"


def test_a_fork_writes_its_own_lines(tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as file:
        writer = LogWriter(file.fileno(), said)
        writer.write("parent\n")
        writer.close(PATIENCE_S)
        child = os.fork()
        if not child:
            writer.write("child\n")
            writer.close(PATIENCE_S)
            os._exit(0)
        os.waitpid(child, 0)
        writer.write("parent again\n")
        writer.close(PATIENCE_S)
    assert (tmp_path / "log").read_text() == "parent\nchild\nparent again\n"


def test_without_a_descriptor_nothing_is_written_anywhere() -> None:
    writer = LogWriter(None, said)
    writer.write("line\n")
    assert writer.problem == "1 lines were lost"
