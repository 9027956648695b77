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

from cds_service.records.bounds import MAX_RESOURCES

COUNTS = (10, 50, 100, 250, 500, 1000, 2000, 3500, 5000)
ROUNDS, MS = 5, 1000
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 64, 24, 28, 52
COLORS = {"Observations": "#1f6feb", "orders": "#bf5b04"}
SLIM = (
    "resourceType",
    "id",
    "status",
    "intent",
    "code",
    "subject",
    "valueQuantity",
    "effectiveDateTime",
    "medicationCodeableConcept",
    "authoredOn",
)
GRAY, DARK = "#57606a", "#24292f"


@dataclass(frozen=True)
class Series:
    """Milliseconds of a call by the number of resources in it."""

    name: str
    points: tuple[tuple[int, float], ...]


def _body(observations: int, orders: int) -> bytes:
    """Returns a call with so many resources, without padding, so that 5,000 fit into 2 MB."""
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
    """Returns the median time of whole HTTP calls for each count."""
    series = []
    with service() as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        for name in COLORS:
            bodies = {n: _body(n, 10) if name == "Observations" else _body(10, n) for n in COUNTS}
            points = [(n, _median(connection, body)) for n, body in bodies.items()]
            series.append(Series(name, tuple(points)))
        connection.close()
    return series


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
    """Returns what the plot shows, in a sentence for each line."""
    sentences = []
    for line in series:
        inside = [point for point in line.points if point[0] <= MAX_RESOURCES]
        (few, first), (many, last) = inside[2], inside[-1]
        sentences.append(
            f"{line.name}: {few} take {first:.1f} ms, {many} take {last:.1f} ms, "
            f"{many // few} times as many {last / first:.1f} times as long."
        )
    sentences.append(
        f"Of one call {MAX_RESOURCES} resources are read; "
        "beyond, the card says that the rest was not."
    )
    return " ".join(sentences)


def plot(series: list[Series]) -> str:
    """Returns an SVG with both lines; its title is its alternative text."""
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
    for value in (top * step / 4 for step in range(5)):
        _, y = at(0, value)
        parts.append(_line((LEFT, y), (WIDTH - RIGHT, y), 'stroke="#d8dee4"'))
        parts.append(_text((LEFT - 8, y + 4), f"{value:.0f}", GRAY, "end"))
    for count in (0, 1000, 2000, 3000, 4000, 5000):
        x, _ = at(count, 0)
        parts.append(_text((x, HEIGHT - BOTTOM + 20), str(count), GRAY, "middle"))
    x, _ = at(MAX_RESOURCES, 0)
    dashes = 'stroke="#8c959f" stroke-dasharray="4 4"'
    parts.append(_line((x, TOP), (x, HEIGHT - BOTTOM), dashes))
    parts.append(_text((x + 6, TOP + 12), "read up to here", GRAY))
    for row, line in enumerate(series):
        color = COLORS[line.name]
        places = [at(count, ms) for count, ms in line.points]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3.5" fill="{color}"/>' for px, py in places
        ]
        parts.append(_text((LEFT + 12, TOP + 14 + 18 * row), line.name, color))
    parts.append(_text((LEFT + across / 2, HEIGHT - 10), "resources", DARK, "middle"))
    parts.append(_text((14, TOP - 10), "ms", DARK))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" {style}/>'


def _text(place: tuple[float, float], words: str, color: str, anchor: str = "start") -> str:
    x, y = place
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{words}</text>'


if __name__ == "__main__":
    print(plot(measured()))
