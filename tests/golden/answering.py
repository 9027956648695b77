"""This file asks the service its calls and brings each answer into the form that is compared.

It touches the service only where an EHR does: a POST to /cds-services/<id>, and the SQLite files of
its data folder. Everything is compared byte by byte, but for these, which are normalised:

(a) The knowledge hash is replaced by one word, in explanations and in rows: hooks/ gains files.
(b) The lists `silent` and `fired` of an explanation, and the same list `fired` in the column
    audit.fired, are sorted: rules may be asked in another order without another answer.
(c) What is random or read from the wall clock is replaced by one word: audit.call and
    audit.milliseconds. issued.call becomes the correlation of its call, so that each card still
    belongs to its call. An error's correlation id is replaced only where it is not made from
    hookInstance, because then the service draws one.
(d) Rows are sorted: the order in which one batch is written carries no meaning.

As a script (`python answering.py BATCHES OUT`) it needs nothing of this package, so that the Python
of another checkout can run it (`make golden AGAINST=...`).
"""

from __future__ import annotations

import importlib
import json
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from cds_service.app import create_app
from cds_service.settings import Settings

# Where the registry of clients lives: put a new place first and keep the old ones, for AGAINST.
REGISTRY_PLACES = ("cds_service.trust.registry",)

HERE = Path(__file__).parent
CLOCKS = {
    "demo": "2026-11-20T09:00:00+00:00",
    "hospital": "2026-11-20T10:00:00+01:00",
    "requests": "2026-11-20T03:00:00-06:00",  # as the hospital, with ServiceRequest for fluids
}
WAIT = "wait"  # in place of a service: everything so far is to be in the database first
CARD = "@card@"  # in a body: the uuid of the first card in the last answer of its group
SECRET = "0123456789abcdef" * 4
VIEW = "hyponatremia-patient-view"
_EXPLANATION = b',"extension":{"org.hyponatremia-cds.explanation":'
_CORRELATION = re.compile(rb"correlation id ([0-9a-f]{16})")
_UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
_WORD = "<not compared>"
_END = "golden-end-{}"
_FLUID_ORDERS: dict[str, Literal["ServiceRequest"]] = {"requests": "ServiceRequest"}
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Call:
    """A call is one POST to one service of one of the applications."""

    group: str
    name: str
    app: str  # one of CLOCKS
    service: str
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer is what is compared of one call."""

    status: int
    cards: int
    body: bytes

    @property
    def digest(self) -> str:
        """The digest stands for status and body together."""
        return sha256(b"%d\n%b" % (self.status, self.body)).hexdigest()


Rows = dict[str, list[str]]  # the rows of each table, as sorted lines of JSON


class Service:
    """A service is one application with its own data folder, a fixed clock and a fixed secret."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind, self._folder = kind, folder / kind
        self._folder.mkdir(parents=True)
        secret = folder / f"{kind}.secret"
        secret.write_text(SECRET, encoding="ascii")
        now = datetime.fromisoformat(CLOCKS[kind])
        settings = Settings(
            mode="demo" if kind == "demo" else "development",
            clients_file=None if kind == "demo" else HERE / "clients.toml",
            data_dir=self._folder,
            secret_file=secret,
            public_url="http://cds.test",
            explain=True,
            queue_size=100_000,
            deadline_ms=5000,  # nothing is read live, so a busy machine must not decide an answer
            fluid_restriction_resource=_FLUID_ORDERS.get(kind, "NutritionOrder"),
        )
        registry = _demo_registry() if kind == "demo" else None
        app = create_app(settings, registry=registry, clock=lambda: now)
        self._client = app.test_client()
        self._ends = 0
        self._cards: dict[str, str] = {}

    def answer(self, call: Call) -> Answer:
        """The service answers one call, and the answer comes back normalised."""
        if call.service == WAIT:
            self.end()
            self._await_rows()
            return Answer(0, 0, b"")
        body = call.body.replace(CARD, self._cards.get(call.group, ""))
        status, raw = self._post(call.service, body)
        found = _UUID.search(raw)
        self._cards |= {call.group: found[1].decode()} if found else {}
        cards = len(json.loads(raw)["cards"]) if status == 200 and b'"cards":' in raw else 0
        return Answer(status, cards, normalised(status, raw, call.body))

    def rows(self) -> Rows:
        """All rows up to the last `end` are read once they are there, and then deleted."""
        self._await_rows()
        found: Rows = {}
        for file in sorted(self._folder.glob("*.db")):
            with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as database, database:
                database.row_factory = sqlite3.Row
                for table, rows in _taken(database, self._ends):
                    found.setdefault(f"{self._kind}.{table}", []).extend(rows)
        return {table: sorted(rows) for table, rows in sorted(found.items()) if rows}

    def _post(self, service: str, body: str) -> tuple[int, bytes]:
        answered = self._client.post(
            f"/cds-services/{service}",
            data=body.encode(),
            content_type="application/json",
            buffered=True,
        )
        return answered.status_code, answered.data

    def end(self) -> None:
        """A last call is sent: rows are written in the order of their calls."""
        self._ends += 1
        self._post(VIEW, json.dumps(_end_call(self._ends)))

    def _await_rows(self) -> None:
        wanted, until = _end_correlation(self._ends), time.monotonic() + _PATIENCE_S
        while not self._has_row(wanted):
            if time.monotonic() > until:
                raise SystemExit("golden: the rows of the calls were not written to the database")
            time.sleep(0.02)

    def _has_row(self, correlation: str) -> bool:
        query = "SELECT 1 FROM audit WHERE correlation = ?"
        file = self._folder / "hyponatremia-cds.db"
        with closing(sqlite3.connect(file, timeout=_PATIENCE_S)) as database:
            return database.execute(query, (correlation,)).fetchone() is not None


class Services:
    """The services are the applications, made when the first call asks for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Service] = {}

    def batch(self, calls: Sequence[Call]) -> tuple[list[Answer], Rows]:
        """The answers to the calls of one batch, in their order, with the rows that they left."""
        answers = [self._service(call.app).answer(call) for call in calls]
        used = [self._service(kind) for kind in sorted({call.app for call in calls})]
        for service in used:
            service.end()
        rows: Rows = {}
        for service in used:
            rows |= service.rows()
        return answers, rows

    def _service(self, kind: str) -> Service:
        if kind not in self._made:
            self._made[kind] = Service(kind, self._folder)
        return self._made[kind]


def normalised(status: int, raw: bytes, asked: str) -> bytes:
    """The bytes of an answer that are compared; the module says what is left out, and why."""
    if status != 200:
        return _CORRELATION.sub(lambda found: _known_correlation(found, asked), raw)
    head, mark, tail = raw.rpartition(_EXPLANATION)
    if not mark:
        return raw
    told = json.loads(tail[:-2])
    told["knowledge"] = _WORD
    for name in ("silent", "fired"):
        if name in told:
            told[name] = sorted(told[name], key=json.dumps)
    return head + mark + json.dumps(told, ensure_ascii=False).encode() + tail[-2:]


def pretty(answer: Answer) -> list[str]:
    """An answer as lines that a person can read and a diff can compare."""
    text = answer.body.decode()
    shown = json.dumps(json.loads(text), indent=2, ensure_ascii=False) if text else ""
    return [f"status {answer.status}", *shown.split("\n")]


def _known_correlation(found: re.Match[bytes], asked: str) -> bytes:
    instance = re.search(r'"hookInstance":\s*"([^"]*)"', asked)
    known = _correlation(instance[1]) if instance else ""
    return found[0] if found[1].decode() == known else b"correlation id " + _WORD.encode()


def _correlation(instance: str) -> str:
    return sha256(instance.encode()).hexdigest()[:16]


def _end_correlation(number: int) -> str:
    return _correlation(_END.format(number))


def _demo_registry() -> Any:
    for place in REGISTRY_PLACES:
        try:
            found = importlib.import_module(place).Registry.demo("http://cds.test/demo/fhir")
        except ModuleNotFoundError:
            continue
        return lambda: found
    raise SystemExit("golden: the registry has moved; name its module in REGISTRY_PLACES")


def _end_call(number: int) -> dict[str, Any]:
    """A call without any data: it leaves one row of the audit and nothing else."""
    return {
        "hook": "patient-view",
        "hookInstance": _END.format(number),
        "fhirServer": "https://plain-aasld.example/r4",
        "context": {"userId": "Practitioner/golden", "patientId": "golden"},
    }


def _taken(database: sqlite3.Connection, ends: int) -> Iterator[tuple[str, list[str]]]:
    listed = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    tables = [str(row["name"]) for row in listed.fetchall()]
    read = {table: _all(database, table) for table in tables}
    ours = {_end_correlation(number + 1) for number in range(ends)}
    calls = {row["call"]: row["correlation"] for row in read.get("audit", ())}
    for table in tables:
        rows = [row for row in read[table] if row.get("correlation") not in ours]
        yield table, [json.dumps(_row(row, calls), ensure_ascii=False) for row in rows]
        if table != "alembic_version":
            database.execute(f'DELETE FROM "{table}"')  # noqa: S608  # the file's own name


def _all(database: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    found = database.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # the file's own name
    return [dict(row) for row in found]


def _row(row: Mapping[str, Any], calls: Mapping[str, str]) -> dict[str, Any]:
    kept = dict(row)
    if "call" in kept:
        kept["call"] = _WORD if "correlation" in kept else calls.get(kept["call"], "no such call")
    if isinstance(kept.get("fired"), str):  # a list of rules in audit; a number in tally
        kept["fired"] = " ".join(sorted(kept["fired"].split()))
    return kept | {name: _WORD for name in ("knowledge", "milliseconds") if name in kept}


def written(batches: Iterable[Sequence[Call]]) -> str:
    """The calls of some batches as one text, for `main` in another Python."""
    listed = [[[c.group, c.name, c.app, c.service, c.body] for c in batch] for batch in batches]
    return json.dumps(listed)


def main(batches: Path, out: Path) -> None:
    """The answers and rows of the batches in one file are written to another."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        services = Services(Path(folder))
        for batch in json.loads(batches.read_text(encoding="utf-8")):
            answers, rows = services.batch([Call(*call) for call in batch])
            found.append({"answers": [pretty(answer) for answer in answers], "rows": rows})
    out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
