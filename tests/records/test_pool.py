"""The calls that wait for FHIR servers are bounded, for the process and for each client."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cds_service.protocol.request import Secret
from cds_service.records.client import CROWDED, Access, FhirClient, Wanted
from cds_service.records.pool import ReadLimits, WaitingCalls
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from tests.patience import PATIENCE_S

LIMITS = ReadLimits(calls_waiting=3, calls_waiting_of_one=2)


def test_t52_calls_for_one_server_never_wait_in_all_threads() -> None:
    waiting = WaitingCalls(LIMITS)

    def enters(stack: ExitStack, client: str) -> bool:
        return stack.enter_context(waiting.one(client, "https://fhir.example"))

    with ExitStack() as calls:
        assert [enters(calls, "x") for _ in range(3)] == [True, True, False]
        assert [enters(calls, client) for client in ("y", "z", "y")] == [True, False, False]
    with ExitStack() as calls:
        assert [enters(calls, client) for client in ("y", "y", "x")] == [True, True, True]


class Silent(BaseHTTPRequestHandler):
    """Takes a call, says so, and answers when the test is over."""

    came = threading.Semaphore(0)
    over = threading.Event()

    def do_GET(self) -> None:  # http.server's name
        """Waits."""
        self.came.release()
        self.over.wait(30)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_call_beyond_that_is_told_at_once_and_not_after_its_deadline() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads, server.block_on_close = True, False
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}/fhir"
    fhir = FhirClient(ReadLimits(calls_waiting=1, calls_waiting_of_one=1))
    access = Access(client="x", base=base, token=Secret("t"), allow_private=True)
    wanted = [Wanted(key="sodium", url="Observation?patient=7", expected="Observation")]
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(fhir.reads(access, Deadline.after(30), "p1").all, wanted)
        assert Silent.came.acquire(timeout=PATIENCE_S)
        told = fhir.reads(access, Deadline.after(30), "p2").all(wanted)["sodium"]
        assert not stuck.done()
        assert (told.missing, told.note) == (Missing.TIMEOUT, CROWDED)
        Silent.over.set()
        stuck.result(20)
    fhir.close()
    server.shutdown()
    server.server_close()
