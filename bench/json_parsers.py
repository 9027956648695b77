"""Measures the JSON parsers of decision 0003: what they refuse, decimals, and the time of 90 kB.

Examples:

    python json_parsers.py                   # all four tables, about half a minute
    python json_parsers.py strict            # hostile input x parser
    python json_parsers.py speed --rounds 9  # time per body

Parsers: json (standard library), orjson, msgspec without a type; `exact`, msgspec with a hook that
makes decimals exact (the choice of decision 0003); `typed`, the Struct `sample_request.Call`;
`resources`, an envelope whose resources are read one by one. Each cell of the table `stack` is a
process of its own, because a parser may crash there. It needs: pip install orjson msgspec.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from sample_request import Call, RawEntry, Resource, patient_view

Parser = Callable[[bytes], object]
try:
    orjson = importlib.import_module("orjson")  # a candidate, not a dependency of the project
except ModuleNotFoundError:
    sys.exit("json_parsers.py compares with orjson, which is not installed: pip install orjson")


class Entries(msgspec.Struct, rename="camel"):
    """A Bundle whose resources wait as bytes."""

    resource_type: str = ""
    entry: list[RawEntry] = []


class Envelope(msgspec.Struct, rename="camel"):
    """A request whose resources wait as bytes; nothing in it is of an open type."""

    hook: str
    hook_instance: str
    context: dict[str, msgspec.Raw]
    fhir_server: str | None = None
    prefetch: dict[str, msgspec.Raw] = {}


class RefusedError(Exception):
    """The body is not JSON that the service reads: a 400."""


def exact(text: str) -> Decimal | str:
    """Returns a number with a point or an exponent; text that is no measurement stays text."""
    if len(text) > 50:
        return text
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if abs(value.adjusted()) <= 50 else text


BRACKETS = 1000
read_envelope = msgspec.json.Decoder(Envelope).decode
read_entries = msgspec.json.Decoder(Entries).decode
read_resource = msgspec.json.Decoder(Resource).decode
read_anything = msgspec.json.Decoder(float_hook=exact).decode


def anything(raw: bytes) -> object:
    """Reads JSON of any shape with exact decimals, and refuses what may crash msgspec."""
    if raw.count(b"[") + raw.count(b"{") > BRACKETS:
        raise RefusedError("nested too deep")
    return read_anything(raw)


def resources(entries: list[RawEntry]) -> list[Resource | object]:
    """Reads each resource by itself; one that does not fit its type is read as plain JSON."""
    resources: list[Resource | object] = []
    for entry in entries:
        try:
            resources.append(read_resource(entry.resource))
        except msgspec.ValidationError:
            resources.append(anything(bytes(entry.resource)))
    return resources


def by_resource(body: bytes) -> dict[str, list[Resource | object]]:
    """The whole request: UTF-8 first, then the envelope, then resource by resource."""
    try:
        if not body.isascii():
            body.decode()
        call = read_envelope(body)
        for raw in call.context.values():
            anything(bytes(raw))
        return {key: resources(read_entries(raw).entry) for key, raw in call.prefetch.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(type(error).__name__) from None


PARSERS: dict[str, Parser] = {
    "json": json.loads,
    "orjson": orjson.loads,
    "msgspec": msgspec.json.decode,
    "exact": read_anything,
    "typed": msgspec.json.Decoder(Call).decode,
    "resources": by_resource,
}
START = (
    b'{"hook":"h","hookInstance":"x","context":{},"prefetch":{"sodium":{"resourceType":"Bundle",'
)
ENTRY = START + b'"entry":[{"resource":{"resourceType":"Observation",'
PLACES: dict[str, tuple[bytes, bytes]] = {
    "value": (ENTRY + b'"valueQuantity":{"value":', b"}}}]}}}"),
    "unread": (ENTRY + b'"extra":', b"}}]}}}"),
}
VALUES: dict[str, bytes] = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "1e999": b"1e999",
    "exponent 99999999999": b"1e99999999999",
    "integer of 5000 digits": b"1" * 5000,
    "decimal of 400 digits": b"118." + b"1" * 397,
    "leading zero": b"0118",
    "+118": b"+118",
    "arrays, 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects, 100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "arrays, 900 deep": b"[" * 900 + b"]" * 900,
    "bad UTF-8": b'"\xff\xfe"',
    "surrogate in UTF-8": b'"\xed\xa0\x80"',
    "lone surrogate escape": b'"\\ud800"',
    "duplicate members": b'{"a":1,"a":2}',
    "trailing comma": b"[1,]",
    "comment": b"1/*x*/",
    'the string "NaN"': b'"NaN"',
    'the string "118.1"': b'"118.1"',
    "raw control character": b'"a\nb"',
    "escaped NUL": b'"a\\u0000b"',
}
BODIES: dict[str, bytes] = {
    "empty body": b"",
    "null": b"null",
    "byte order mark": b"\xef\xbb\xbf" + START + b'"total":1}}}',
    "UTF-16": (START + b'"total":1}}}').decode().encode("utf-16"),
    "trailing garbage": START + b'"total":1}}}x',
    "trailing NUL": START + b'"total":1}}}\x00',
    "cut short": START + b'"total":1}}',
    "one member of a wrong type": ENTRY + b'"status":1}}]}}}',
}


def outcome(parser: Parser, body: bytes) -> str:
    """accepted, or the name of the exception."""
    try:
        parser(body)
    except Exception as error:
        return type(error).__name__
    return "accepted"


def strict() -> None:
    """Prints hostile input by parser, in a number that is read and in a member that is not."""
    cases = {
        f"{name} ({place})": head + value + tail
        for name, value in VALUES.items()
        for place, (head, tail) in PLACES.items()
    }
    print(f"{'input':36}" + "".join(f"{name:19}" for name in PARSERS))
    for name, body in (cases | BODIES).items():
        print(f"{name:36}" + "".join(f"{outcome(parser, body):19}" for parser in PARSERS.values()))


def decimals() -> None:
    """How a value arrives, and whether 128.2 - 120.2 is exactly 8."""
    ways: dict[str, Callable[[bytes], Any]] = {
        "json": json.loads,
        "json, parse_float=Decimal": lambda raw: json.loads(raw, parse_float=Decimal),
        "orjson": orjson.loads,
        "orjson, Decimal(repr(float))": lambda raw: [
            Decimal(repr(value)) for value in orjson.loads(raw)
        ],
        "msgspec": msgspec.json.decode,
        "msgspec, float_hook=Decimal": msgspec.json.Decoder(float_hook=Decimal).decode,
        "msgspec, list[Decimal]": msgspec.json.Decoder(list[Decimal]).decode,
    }
    print(f"{'way':32}{'128.2 - 120.2':28}{'118.10':20}118")
    for name, way in ways.items():
        low, high, padded, whole = way(b"[120.2,128.2,118.10,118]")
        print(f"{name:32}{high - low!r:28}{padded!r:20}{whole!r}")


def quantities(call: Any) -> list[Decimal]:
    """The 20 sodium values as Decimal, from what orjson returns."""
    entries = call["prefetch"]["sodium"]["entry"]
    return [Decimal(repr(entry["resource"]["valueQuantity"]["value"])) for entry in entries]


def speed(rounds: int) -> None:
    """Best and median CPU time per body; the parsers take turns."""
    body = patient_view()
    ways: dict[str, Parser] = {
        "json": json.loads,
        "json, parse_float=Decimal": lambda raw: json.loads(raw, parse_float=Decimal),
        "orjson": orjson.loads,
        "orjson, then 20 x Decimal(repr)": lambda raw: quantities(orjson.loads(raw)),
        "msgspec": msgspec.json.decode,
        "msgspec, exact decimals": read_anything,
        "msgspec, typed with Decimal": PARSERS["typed"],
        "msgspec, resource by resource": by_resource,
        "UTF-8 check alone": lambda raw: raw.isascii() or raw.decode(),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            for _ in range(100):
                way(body)
            times[name].append((time.process_time() - started) * 1e4)
    print(f"{len(body)} bytes{'':24} best us  median us")
    for name, runs in times.items():
        print(f"{name:34}{min(runs):8.0f}{statistics.median(runs):11.0f}")


def stack() -> None:
    """Prints, for each stack size of the thread, the depth of nesting that crashes the process."""
    sizes = (512, 2048, 8192, 16384)
    print(f"Python {sys.version.split()[0]:28}" + "".join(f"{kib:>9} KiB" for kib in sizes))
    for name in PARSERS:
        for shape in ("[", '{"a":'):
            cells = [_depth_that_crashes(name, shape, kib) for kib in sizes]
            print(f"{name:12}{shape:8}{'':16}" + "".join(f"{cell:>13}" for cell in cells))


def _depth_that_crashes(name: str, shape: str, kib: int) -> str:
    for depth in (3000, 9000, 100_000):
        command = [sys.executable, __file__, "deep", name, shape, str(depth), str(kib)]
        if subprocess.run(command, capture_output=True, timeout=20).returncode:
            return f"crash {depth}"
    return "refused"


def deep(name: str, shape: str, depth: int, kib: int) -> None:
    """Runs one cell of `stack`, in its own process."""
    nested = shape.encode() * depth + b"1" + {"[": b"]"}.get(shape, b"}") * depth
    head, tail = PLACES["unread"] if name in ("typed", "resources") else (b"", b"")
    threading.stack_size(kib * 1024)
    thread = threading.Thread(target=outcome, args=(PARSERS[name], head + nested + tail))
    thread.start()
    thread.join()


def main() -> None:
    """Reads the command line."""
    if sys.argv[1:2] == ["deep"]:
        deep(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("tables", nargs="*", metavar="table", help="strict, decimals, speed, stack")
    parser.add_argument(
        "--rounds", type=int, default=15, help="rounds of the speed table, 1 to 200"
    )
    options = parser.parse_args()
    tables: dict[str, Callable[[], None]] = {
        "strict": strict,
        "decimals": decimals,
        "speed": lambda: speed(options.rounds),
        "stack": stack,
    }
    if set(options.tables) - set(tables) or not 1 <= options.rounds <= 200:
        parser.error("tables are: " + ", ".join(tables) + "; rounds from 1 to 200")
    for table in options.tables or tables:
        tables[table]()
        print()


if __name__ == "__main__":
    main()
