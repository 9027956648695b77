"""Compares five live reads with the slowest of them, against a local FHIR stub with latency.

    python bench/live_reads.py --runs 40 --latency-ms 50

It prints the median time of a gather, of its slowest read, and of the same reads one by one. The
ratio of the first two shows what five reads cost beyond one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import traffic

from cds_service.records.client import Access, FhirClient, Wanted
from cds_service.records.gather import Ask, gather
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client

DEADLINE_S = 5.0
MAX_RUNS = 1000
MAX_LATENCY_MS = 1000
PATIENT = json.loads(traffic.usual(0))["context"]["patientId"]
TEMPLATES = {
    name: f"Observation?patient={{{{context.patientId}}}}&code={code}"
    for name, code in (
        ("sodium", "2951-2"),
        ("glucose", "2345-7"),
        ("labs", "2160-0"),
        ("vitals", "29463-7"),
        ("past", "2951-2"),
    )
}


class Stub(ThreadingHTTPServer):
    """A FHIR server with the charts that hook calls carry; each answer takes `latency_s`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, latency_s: float, calls: Sequence[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.latency_s = latency_s
        self._charts = {
            str(call["context"]["patientId"]): list(resources_in(call["prefetch"]))
            for call in map(json.loads, calls)
        }

    def answer(self, path: str) -> dict[str, Any]:
        """Returns the resource that a path names, or the searchset of a search."""
        url = urlsplit(path)
        asked = parse_qs(url.query)
        kind, _, identity = url.path.removeprefix("/fhir/").partition("/")
        if identity:
            everyone = itertools.chain.from_iterable(self._charts.values())
            return next(r for r in everyone if (r["resourceType"], r.get("id")) == (kind, identity))
        found = [
            {"resource": resource, "search": {"mode": "match"}}
            for resource in self._charts.get(asked.get("patient", [""])[0], ())
            if resource["resourceType"] == kind and is_asked(resource, asked)
        ]
        return {"resourceType": "Bundle", "type": "searchset", "entry": found}


def resources_in(prefetch: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yields every resource of a prefetch."""
    for value in prefetch.values():
        if value["resourceType"] == "Bundle":
            yield from (entry["resource"] for entry in value.get("entry", ()))
        else:
            yield value


def is_asked(resource: dict[str, Any], asked: dict[str, list[str]]) -> bool:
    """Tells whether a resource has one of the codes and one of the statuses of a search."""
    codes = {
        code.rpartition("|")[2] for given in asked.get("code", ()) for code in given.split(",")
    }
    statuses = {status for given in asked.get("status", ()) for status in given.split(",")}
    own = {coding.get("code") for coding in resource.get("code", {}).get("coding", ())}
    return (not codes or bool(codes & own)) and (not statuses or resource.get("status") in statuses)


class Handler(BaseHTTPRequestHandler):
    """Sleeps, answers, keeps the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Stub

    def do_GET(self) -> None:
        body = json.dumps(self.server.answer(self.path)).encode()
        time.sleep(self.server.latency_s)
        self.send_response(200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Figures:
    """Medians in milliseconds."""

    gather: float
    single: float
    sequence: float

    @property
    def ratio(self) -> float:
        """A gather of five, in units of one read."""
        return self.gather / self.single


@contextmanager
def serving(latency_s: float, calls: Sequence[bytes]) -> Iterator[str]:
    """The base URL of a running stub with the charts of these hook calls."""
    stub = Stub(latency_s, calls)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{stub.server_address[1]}/fhir"
    finally:
        stub.shutdown()
        stub.server_close()


def measure(base: str, runs: int) -> Figures:
    """Gather, read one, and read all in turn, `runs` times each on warm connections."""
    client = FhirClient()
    who = Client(name="bench", fhir_bases=(base,), open_access=True, allow_private=True)
    ask = Ask(templates=TEMPLATES, patient_id=PATIENT, fhir_server=base, client=who)
    access = Access(client="bench", base=base, token=None, allow_private=True)
    gathers, singles, sequences = [], [], []
    gather(ask, client, Deadline.after(DEADLINE_S))
    for _ in range(runs):
        began = time.perf_counter()
        gathered = gather(ask, client, Deadline.after(DEADLINE_S))
        gathers.append(time.perf_counter() - began)
        if any(gathered.sources[key].missing for key in TEMPLATES):
            raise SystemExit("A read failed: the figures would mean nothing.")
        reads = [one(client, access, key) for key in TEMPLATES]
        singles.append(max(reads))
        sequences.append(sum(reads))
    client.close()
    return Figures(*(1000 * statistics.median(times) for times in (gathers, singles, sequences)))


def one(client: FhirClient, access: Access, key: str) -> float:
    """Seconds for one of the reads by itself."""
    began = time.perf_counter()
    wanted = Wanted(
        key=key,
        url=TEMPLATES[key].replace("{{context.patientId}}", PATIENT),
        expected="Observation",
    )
    client.reads(access, Deadline.after(DEADLINE_S)).all([wanted])
    return time.perf_counter() - began


def bounded(least: int, most: int) -> Callable[[str], int]:
    """An argparse type: a whole number in these bounds."""

    def whole_number(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"must be between {least} and {most}")
        return number

    return whole_number


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=bounded(1, MAX_RUNS), default=40)
    parser.add_argument("--latency-ms", type=bounded(0, MAX_LATENCY_MS), default=50)
    options = parser.parse_args()
    with serving(options.latency_ms / 1000, [traffic.usual(0)]) as base:
        figures = measure(base, options.runs)
    print(f"gather of {len(TEMPLATES)} reads   {figures.gather:7.1f} ms")
    print(f"slowest single read  {figures.single:7.1f} ms")
    print(f"one after the other  {figures.sequence:7.1f} ms")
    print(f"ratio gather / slowest read  {figures.ratio:.2f}")


if __name__ == "__main__":
    main()
