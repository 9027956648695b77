"""How a call's time grows with the number of Observations and of orders in it, as a plot.

python bench/growth.py > growth.svg
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from http.client import HTTPConnection

import traffic
from deployment import PATH, service

from cds_service.records.reader import MAX_RESOURCES

COUNTS = (10, 50, 100, 250, 500, 1000, 2000, 3500, 5000)
ROUNDS, MS = 5, 1000
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 64, 24, 28, 52
COLORS = {"Observations": "#1f6feb", "orders": "#bf5b04"}
SLIM = (
    *(
        "resourceType",
        "id",
        "status",
        "intent",
        "code",
        "subject",
        "valueQuantity",
        "effectiveDateTime",
    ),
    *("medicationCodeableConcept", "authoredOn"),
)


@dataclass(frozen=True)
class Series:
    """Milliseconds by count."""

    name: str
    points: tuple[tuple[int, float], ...]


def _body(observations: int, orders: int) -> bytes:
    """A call with so many; resources without padding, so that 5,000 fit into the 2 MB that a body may have."""
    call = json.loads(traffic.call(7, observations, orders))
    for key in ("sodium", "medications"):
        for entry in call["prefetch"][key].get("entry", ()):
            entry.pop("fullUrl")
            entry.pop("search")
            entry["resource"] = {n: v for n, v in entry["resource"].items() if n in SLIM}
            if "code" in entry["resource"]:
                entry["resource"]["code"] = {
                    "coding": [{"system": "http://loinc.org", "code": "2951-2"}]
                }
    return json.dumps(call, separators=(",", ":")).encode()


def measured() -> list[Series]:
    """The median of some rounds for each count, of whole HTTP calls."""
    found = []
    with service() as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        for name in COLORS:
            bodies = {n: _body(n, 10) if name == "Observations" else _body(10, n) for n in COUNTS}
            points = [(n, _median(connection, body)) for n, body in bodies.items()]
            found.append(Series(name, tuple(points)))
        connection.close()
    return found


def _median(connection: HTTPConnection, body: bytes) -> float:
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - began) * MS)
        if answer.status != 200:
            raise SystemExit(f"growth: a call of {len(body)} bytes got {answer.status}")
    return statistics.median(times[1:])


def words(series: list[Series]) -> str:
    """What the plot shows, in a sentence for each line."""
    told = []
    for line in series:
        inside = [point for point in line.points if point[0] <= MAX_RESOURCES]
        (few, first), (many, last) = inside[2], inside[-1]
        told.append(
            f"{line.name}: {few} take {first:.1f} ms, {many} take {last:.1f} ms, {many // few} times as many "
            f"{last / first:.1f} times as long."
        )
    told.append(
        f"Of one call {MAX_RESOURCES} resources are read; beyond, the card says that the rest was not."
    )
    return " ".join(told)


def plot(series: list[Series]) -> str:
    """An SVG with both lines; its text is its alternative too."""
    top = max(ms for line in series for _, ms in line.points) * 1.1
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(count: float, ms: float) -> tuple[float, float]:
        return LEFT + across * count / COUNTS[-1], TOP + up * (1 - ms / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>Time of a call against its size. {words(series)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for step in range(5):
        _, y = at(0, top * step / 4)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d8dee4"/>'
        )
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#57606a">{top * step / 4:.0f}</text>'
        )
    for count in (0, 1000, 2000, 3000, 4000, 5000):
        x, _ = at(count, 0)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#57606a">{count}</text>'
        )
    x, _ = at(MAX_RESOURCES, 0)
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#8c959f" stroke-dasharray="4 4"/>'
    )
    parts.append(f'<text x="{x + 6:.1f}" y="{TOP + 12}" fill="#57606a">read up to here</text>')
    for row, line in enumerate(series):
        color = COLORS[line.name]
        places = [at(count, ms) for count, ms in line.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{color}"/>' for px, py in places
        ]
        parts.append(
            f'<text x="{LEFT + 12}" y="{TOP + 14 + 18 * row}" fill="{color}">{line.name}</text>'
        )
    parts.append(
        f'<text x="{LEFT + across / 2}" y="{HEIGHT - 10}" text-anchor="middle" fill="#24292f">resources</text>'
    )
    parts.append(f'<text x="14" y="{TOP - 10}" fill="#24292f">ms</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(plot(measured()))
