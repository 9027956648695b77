"""Live reads against a small real server that misbehaves in every way we have heard of."""

from __future__ import annotations

import gzip
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cds_service.protocol.request import Secret
from cds_service.records.client import Access, FhirClient, Read, Wanted
from cds_service.records.pool import ReadLimits
from cds_service.sodium.snapshot import Missing
from cds_service.trust.deadline import Deadline
from tests.patience import PATIENCE_S, until

TOKEN = "sentinel-token-4711"
SOME_S = 3.0  # one in which a sound server answers, also on a busy machine
SHORT_S = 0.4  # a deadline that the misbehaving servers run into
LONG_S = PATIENCE_S  # one that nobody should come near
BOMB = gzip.compress(b"[" + b" " * 50_000_000, 1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stub

    def do_GET(self) -> None:
        self.server.calls.append((self.path, dict(self.headers)))
        try:
            self.server.behave(self)
        except OSError:
            self.close_connection = True  # the client has gone, as it should

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def log_message(self, format: str, *args: object) -> None:
        pass

    def say(self, body: object, status: int = 200, **headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)


Behaviour = Callable[[Handler], None]


class Stub(ThreadingHTTPServer):
    """A FHIR server of one behaviour that notes who called it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self.stopping = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Stub]]:
    running: list[Stub] = []

    def start(behave: Behaviour) -> Stub:
        running.append(Stub(behave))
        return running[-1]

    yield start
    for stub in running:
        stub.stopping.set()
        stub.shutdown()
        stub.server_close()


@pytest.fixture
def client() -> Iterator[FhirClient]:
    client = FhirClient()
    yield client
    client.close()


def access(stub: Stub, base: str | None = None) -> Access:
    return Access(client="mercy", base=base or stub.base, token=Secret(TOKEN), allow_private=True)


def search(key: str = "sodium", url: str = "Observation?patient=7") -> Wanted:
    return Wanted(key=key, url=url, expected="Observation")


def read(
    client: FhirClient, stub: Stub, wanted: Wanted | None = None, seconds: float = LONG_S
) -> Read:
    wanted = wanted or search()
    return client.reads(access(stub), Deadline.after(seconds)).all([wanted])[wanted.key]


def bundle(*ids: str, next_url: str | None = None, **more: object) -> dict[str, Any]:
    links = [{"relation": "next", "url": next_url}] if next_url is not None else []
    entries = [{"resource": {"resourceType": "Observation", "id": name}} for name in ids]
    return {"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **more}


def ids(read: Read) -> list[str]:
    return [resource.id for resource in read.resources]


def drip(handler: Handler, first: bytes) -> None:
    handler.wfile.write(first)
    for _ in range(int(PATIENCE_S / 0.02)):
        if handler.server.stopping.wait(0.02):
            return
        handler.wfile.write(b"a")


def drip_body(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")


def drip_chunk_sizes(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")


def drip_headers(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nX-Slow: ")


def hang(handler: Handler) -> None:
    handler.server.stopping.wait(PATIENCE_S)  # who waits for its end reads a broken answer


def status(code: int) -> Behaviour:
    return lambda handler: handler.say({"resourceType": "OperationOutcome"}, code)


def says(body: object, **headers: str) -> Behaviour:
    return lambda handler: handler.say(body, 200, **headers)


def truncated_body(handler: Handler) -> None:
    handler.say(b'{"resourceType": "Bundle"}', 200, Content_Length="999")
    handler.close_connection = True


def reset(handler: Handler) -> None:
    handler.close_connection = True


def gzip_bomb(handler: Handler) -> None:
    handler.say(BOMB, 200, Content_Encoding="gzip")


@pytest.mark.parametrize("behave", [drip_body, drip_chunk_sizes, drip_headers, hang])
def test_a_server_that_never_finishes_is_left_at_the_deadline(
    serve: Callable[[Behaviour], Stub], client: FhirClient, behave: Behaviour
) -> None:
    answer = read(client, serve(behave), seconds=SHORT_S)
    assert answer == Read(key="sodium", missing=Missing.TIMEOUT)


@pytest.mark.parametrize("behave", [drip_body, drip_chunk_sizes, drip_headers, hang])
def test_its_threads_are_free_again_soon_after(
    serve: Callable[[Behaviour], Stub], client: FhirClient, behave: Behaviour
) -> None:
    stub = serve(behave)
    read(client, stub, seconds=0.1)
    until(lambda: client._mine.pool._running == 0)


@pytest.mark.parametrize(
    ("behave", "missing"),
    [
        (status(401), Missing.REFUSED),
        (status(403), Missing.REFUSED),
        (status(404), Missing.FAILED),
        (status(429), Missing.FAILED),
        (status(500), Missing.FAILED),
        (reset, Missing.FAILED),
        (truncated_body, Missing.FAILED),
        (gzip_bomb, Missing.FAILED),
        (says(b"not JSON"), Missing.FAILED),
        (says(b'{"resourceType": "Bundle", "total": NaN}'), Missing.FAILED),
        (says(b""), Missing.FAILED),
        (says(b"7"), Missing.FAILED),
        (says({"resourceType": "OperationOutcome", "issue": []}), Missing.FAILED),
        (says({"resourceType": "Patient", "id": "7"}), Missing.FAILED),
        (says(bundle(), Content_Encoding="br"), None),
        (says(b"\x00garbage", Content_Encoding="gzip"), Missing.FAILED),
    ],
)
def test_what_a_bad_answer_counts_as(
    serve: Callable[[Behaviour], Stub],
    client: FhirClient,
    behave: Behaviour,
    missing: Missing | None,
) -> None:
    answer = read(client, serve(behave))
    assert (answer.resources, answer.missing, len(answer.bodies)) == ((), missing, not missing)


def test_a_bomb_is_not_inflated_beyond_the_limit(serve: Callable[[Behaviour], Stub]) -> None:
    small = FhirClient(ReadLimits(bytes_per_key=1000))
    body = gzip.compress(json.dumps(bundle(*map(str, range(200)))).encode())
    assert read(small, serve(says(body, Content_Encoding="gzip"))).missing is Missing.FAILED
    small.close()


def test_a_compressed_answer_is_read(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    body = gzip.compress(json.dumps(bundle("1", "2")).encode())
    assert ids(read(client, serve(says(body, Content_Encoding="gzip")))) == ["1", "2"]


def test_a_chunked_answer_is_read(serve: Callable[[Behaviour], Stub], client: FhirClient) -> None:
    raw = json.dumps(bundle("1")).encode()

    def chunked(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(
            b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (9, raw[:9], len(raw) - 9, raw[9:])
        )

    stub = serve(chunked)
    assert ids(read(client, stub)) == ids(read(client, stub)) == ["1"]
    assert stub.connections == 1


def test_numbers_arrive_as_they_were_written(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    quantity = b'{"value": 120.0000000000000001}'
    body = b'{"resourceType": "Observation", "id": "1", "valueQuantity": %s}' % quantity
    value = read(client, serve(says(body))).resources[0].value_quantity
    assert value is not None
    assert str(value.value) == "120.0000000000000001"


def test_a_redirect_is_not_followed(serve: Callable[[Behaviour], Stub], client: FhirClient) -> None:
    canary = serve(says(bundle("evil")))
    stub = serve(
        lambda handler: handler.say(b"x" * 100_000, 302, Location=canary.base + "/Observation")
    )
    assert read(client, stub).missing is Missing.FAILED
    assert canary.calls == []


def test_an_endless_redirect_body_does_not_hold_us(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def behave(handler: Handler) -> None:
        drip(handler, b"HTTP/1.1 302 Found\r\nLocation: /fhir/x\r\nContent-Length: 100000\r\n\r\n")

    assert read(client, serve(behave), seconds=SHORT_S).missing is not None


def test_pages_are_followed_with_the_token(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def behave(handler: Handler) -> None:
        last = "page=2" in handler.path
        handler.say(bundle("2" if last else "1", next_url=None if last else "?page=2"))

    stub = serve(behave)
    answer = read(client, stub)
    assert (ids(answer), answer.missing, len(answer.bodies)) == (["1", "2"], None, 2)
    assert [headers["Authorization"] for _, headers in stub.calls] == [f"Bearer {TOKEN}"] * 2
    assert stub.connections == 1


def test_endless_pages_end_and_what_was_read_is_kept(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def behave(handler: Handler) -> None:
        n = len(handler.server.calls)
        handler.say(bundle(str(n), next_url=f"?page={n}"))

    stub = serve(behave)
    answer = read(client, stub)
    assert (ids(answer), answer.missing) == (["1", "2", "3", "4", "5"], Missing.TRUNCATED)
    assert len(stub.calls) == 5


def test_a_page_that_comes_again_ends_the_reading(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(says(bundle("1", next_url="?page=2")))
    answer = read(client, stub)
    assert (ids(answer), answer.missing, len(stub.calls)) == (["1"], Missing.TRUNCATED, 2)


def test_no_page_follows_once_the_limit_of_resources_is_held_and_a_page_is_kept_whole(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    many = tuple(map(str, range(510)))
    answer = read(client, serve(says(bundle(*many))))
    assert (len(answer.resources), answer.missing) == (510, None)
    stub = serve(says(bundle(*many, next_url="?page=2")))
    answer = read(client, stub)
    assert (len(answer.resources), answer.missing) == (510, Missing.TRUNCATED)
    assert len(stub.calls) == 1


@pytest.mark.parametrize(
    "where", ["{canary}/Observation?page=2", "{origin}/other/Observation", "urn:x", ""]
)
def test_a_next_link_that_leaves_the_base_is_not_followed(
    serve: Callable[[Behaviour], Stub], client: FhirClient, where: str
) -> None:
    canary = serve(says(bundle("evil")))
    stub = serve(
        lambda handler: handler.say(
            bundle(
                "1",
                next_url=where.format(
                    canary=canary.base, origin=handler.server.base.removesuffix("/fhir")
                ),
            )
        )
    )
    answer = read(client, stub)
    assert (ids(answer), answer.missing) == (["1"], Missing.TRUNCATED)
    assert len(stub.calls) == 1
    assert canary.calls == []


def test_pages_read_before_the_deadline_are_kept(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def behave(handler: Handler) -> None:
        if "page=2" in handler.path:
            hang(handler)
        else:
            handler.say(bundle("1", next_url="?page=2"))

    answer = read(client, serve(behave), seconds=SHORT_S)
    assert (ids(answer), answer.missing) == (["1"], Missing.TRUNCATED)


def test_a_server_that_says_there_are_more_than_it_sends_is_not_believed_complete(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    assert read(client, serve(says(bundle("1", total=2)))).missing is Missing.IN_PART
    assert read(client, serve(says(bundle(total=2)))).missing is Missing.FAILED


def test_the_newest_hundred_are_enough_only_if_they_visibly_are_the_newest(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def page(*times: str) -> dict[str, Any]:
        found = bundle(*times, next_url="?page=2")
        for entry in found["entry"]:
            entry["resource"]["effectiveDateTime"] = entry["resource"]["id"]
        return found

    wanted = Wanted(
        key="sodium", url="Observation?_sort=-date&_count=2", expected="Observation", enough=2
    )
    newest = serve(says(page("2026-11-22T04:00:00Z", "2026-11-21T23:30:00-05:00")))
    assert read(client, newest, wanted).missing is Missing.TRUNCATED
    newest = serve(says(page("2026-11-21T23:30:00-05:00", "2026-11-22T04:00:00Z")))
    assert read(client, newest, wanted).missing is None


@pytest.mark.parametrize("said", [{"id": "7"}, {"id": "8"}, {}])
def test_a_read_by_id_takes_only_that_resource(
    serve: Callable[[Behaviour], Stub], client: FhirClient, said: dict[str, str]
) -> None:
    stub = serve(says({"resourceType": "Patient", **said}))
    wanted = Wanted(key="patient", url="Patient/7", expected="Patient", identity="7")
    assert read(client, stub, wanted).missing == (None if said.get("id") == "7" else Missing.FAILED)
    assert stub.calls[0][0] == "/fhir/Patient/7"


def test_the_environment_changes_nothing(
    serve: Callable[[Behaviour], Stub],
    client: FhirClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canary = serve(says(bundle("evil")))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login evil password evil\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, canary.base.removesuffix("/fhir"))
    stub = serve(says(bundle("1")))
    assert ids(read(client, stub)) == ["1"]
    assert stub.calls[0][1]["Authorization"] == f"Bearer {TOKEN}"
    assert canary.calls == []


def test_the_headers_are_ours_and_cookies_do_not_come_back(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(says(bundle("1"), Set_Cookie="session=1; Path=/"))
    read(client, stub)
    read(client, stub)
    headers = stub.calls[1][1]
    assert headers["Accept"] == "application/fhir+json"
    assert headers["Accept-Encoding"] == "gzip"
    assert "Cookie" not in headers


def test_a_server_of_open_access_gets_no_authorization(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(says(bundle("1")))
    leave = Access(client="demo", base=stub.base, token=None, allow_private=True)
    client.reads(leave, Deadline.after(LONG_S)).all([search()])
    assert "Authorization" not in stub.calls[0][1]


def test_a_private_address_is_not_called_unless_the_entry_allows_it(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(says(bundle("1")))
    leave = Access(client="mercy", base=stub.base, token=Secret(TOKEN))
    answer = client.reads(leave, Deadline.after(LONG_S)).all([search()])["sodium"]
    assert answer.missing is Missing.FAILED
    assert stub.connections == 0


def test_without_a_server_everything_is_unreachable(client: FhirClient) -> None:
    reads = client.reads(None, Deadline.after(LONG_S))
    assert reads.all([search()])["sodium"].missing is Missing.UNREACHABLE
    assert reads.get_many(["Medication/1"]) == {}


def test_reads_run_side_by_side(serve: Callable[[Behaviour], Stub], client: FhirClient) -> None:
    together = threading.Barrier(5)

    def slow(handler: Handler) -> None:
        together.wait(PATIENCE_S)  # none is answered before all have come
        handler.say(bundle("1"))

    stub = serve(slow)
    wanted = [search(f"key{n}", f"Observation?n={n}") for n in range(5)]
    answers = client.reads(access(stub), Deadline.after(LONG_S)).all(wanted)
    assert all(answer.missing is None for answer in answers.values())


def test_one_slow_source_costs_only_itself(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(
        lambda handler: hang(handler) if "n=3" in handler.path else handler.say(bundle("1"))
    )
    wanted = [search(f"key{n}", f"Observation?n={n}") for n in range(5)]
    answers = client.reads(access(stub), Deadline.after(SOME_S)).all(wanted)
    assert [key for key, answer in answers.items() if answer.missing] == ["key3"]


def test_references_are_read_together_and_only_below_the_base(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    canary = serve(says({"resourceType": "Medication", "id": "1"}))
    stub = serve(
        lambda handler: handler.say(
            {"resourceType": "Medication", "id": handler.path.rpartition("/")[2].partition("?")[0]}
        )
    )
    reads = client.reads(access(stub), Deadline.after(LONG_S))
    absolute = f"{stub.base}/Medication/2"
    asked = [
        "Medication/1",
        absolute,
        "Medication/1",
        f"{canary.base}/Medication/1",
        "#inside",
        "urn:uuid:1",
    ]
    assert {name: found.id for name, found in reads.get_many(asked).items()} == {
        "Medication/1": "1",
        absolute: "2",
    }
    assert len(stub.calls) == 2
    assert canary.calls == []


def test_references_are_limited_for_one_call(serve: Callable[[Behaviour], Stub]) -> None:
    few = FhirClient(ReadLimits(references=3))
    stub = serve(
        lambda handler: handler.say({"resourceType": "Medication", "id": handler.path[-1]})
    )
    reads = few.reads(access(stub), Deadline.after(LONG_S))
    assert len(reads.get_many([f"Medication/{n}" for n in range(5)])) == 3
    assert reads.get_many(["Medication/9"]) == {}
    few.close()


def test_a_connection_that_was_reset_while_idle_costs_one_more_connect(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    def behave(handler: Handler) -> None:
        if len(handler.server.calls) == 2:
            reset(handler)
        else:
            handler.say(bundle("1"))

    stub = serve(behave)
    assert ids(read(client, stub)) == ids(read(client, stub)) == ["1"]
    assert (stub.connections, len(stub.calls)) == (2, 3)


def test_a_fresh_connection_that_is_reset_is_not_tried_again(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(reset)
    read(client, stub)
    assert stub.connections == 1


def test_a_server_that_keeps_failing_is_left_alone_and_then_asked_by_a_few_whole_calls(
    serve: Callable[[Behaviour], Stub],
) -> None:
    now = [0.0]
    client = FhirClient(clock=lambda: now[0], later=lambda seconds, work: None)
    stub = serve(status(500))
    both = [search("one"), search("two")]

    def call(patient: int) -> list[Missing | None]:
        reads = client.reads(access(stub), Deadline.after(LONG_S), f"patient-{patient}")
        return [answer.missing for answer in reads.all(both).values()]

    assert [call(n) for n in range(7)] == [[Missing.FAILED] * 2] * 5 + [
        [Missing.LEFT_ALONE] * 2
    ] * 2
    assert len(stub.calls) == 10
    now[0] = 15.0
    assert call(0) == [Missing.FAILED] * 2  # the whole call, not its first read alone
    stub.behave = says(bundle("1"))
    assert call(0) == [Missing.LEFT_ALONE] * 2
    assert call(1) == call(0) == [None] * 2
    client.close()


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_a_refusal_is_no_failure_of_the_server(
    serve: Callable[[Behaviour], Stub], client: FhirClient, code: int
) -> None:
    stub = serve(status(code))
    for patient in range(8):
        reads = client.reads(access(stub), Deadline.after(LONG_S), str(patient))
        assert reads.all([search()])["sodium"].missing is not Missing.LEFT_ALONE
    assert len(stub.calls) == 8


def test_a_stuck_server_holds_its_own_lane_only(serve: Callable[[Behaviour], Stub]) -> None:
    many = {"calls_waiting": 40, "calls_waiting_of_one": 40}
    client = FhirClient(ReadLimits(threads=12, in_flight=4, waiting=8, **many))
    stuck, well = serve(hang), serve(says(bundle("1")))
    stuck_reads = client.reads(access(stuck), Deadline.after(SHORT_S))
    with ThreadPoolExecutor(30) as callers:
        waiting = [callers.submit(stuck_reads.all, [search()]) for _ in range(30)]
        time.sleep(0.1)
        assert ids(read(client, well)) == ["1"]
        answers = [job.result()["sodium"].missing for job in waiting]
    assert set(answers) == {Missing.TIMEOUT, Missing.FAILED}
    assert answers.count(Missing.TIMEOUT) == 12
    assert stuck.connections <= 4
    client.close()


def test_a_burst_waits_for_its_turn_instead_of_failing(
    serve: Callable[[Behaviour], Stub], client: FhirClient
) -> None:
    stub = serve(says(bundle("1")))
    wanted = [search(f"key{n}", f"Observation?n={n}") for n in range(60)]
    answers = client.reads(access(stub), Deadline.after(LONG_S)).all(wanted)
    assert all(answer.missing is None for answer in answers.values())
    assert stub.connections <= 16


def test_a_forked_worker_opens_connections_of_its_own(
    serve: Callable[[Behaviour], Stub], client: FhirClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = serve(says(bundle("1")))
    read(client, stub)
    parent = client._mine
    monkeypatch.setattr(os, "getpid", lambda: -1)
    read(client, stub)
    parent.close()
    assert stub.connections == 2


def test_nothing_of_token_or_patient_is_logged(
    serve: Callable[[Behaviour], Stub], client: FhirClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for behave in (
        reset,
        truncated_body,
        status(500),
        says(b"no"),
        lambda handler: drip(handler, b"HT"),
    ):
        read(client, serve(behave), search(url="Observation?patient=sentinel-patient"), seconds=0.2)
    assert "sentinel" not in caplog.text
    assert "sentinel" not in repr(Access(client="mercy", base="https://x", token=Secret(TOKEN)))
