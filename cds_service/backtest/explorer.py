"""The what-if page of a run: filters, and one number that can be moved. For this machine only.

It answers on a loopback address, to a browser that asks for one, and tells numbers: no patient is
in an address, in an answer or in a log. `cds-service backtest serve` starts it.
"""

from __future__ import annotations

import secrets
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.pool import AsyncResult, Pool
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request
from msgspec import Struct, field

from cds_service.backtest.cells import Cell, hide_small
from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import INDICATORS, Row, Run
from cds_service.backtest.tell import HIDDEN, Sum, Tell
from cds_service.backtest.whatif import (
    PLACES,
    Change,
    Moved,
    PieceChange,
    key_of,
    moved_limits,
    number_rows,
    order_of,
    reads_file,
)
from cds_service.errors import BacktestError
from cds_service.feedback.plots import Bar, Part, bars
from cds_service.knowledge.load import Knowledge

FILTERS = ("indicator", "setting", "age", "month", "kind")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_EXTENSION = "what-if"
_PAUSE_S = 0.02
_MOST_RULES = 24
_HUNDRED = 100

ChangeJob = Callable[[tuple[Moved, int]], PieceChange]
NoteJob = Callable[[tuple[str, int]], None]


class Jobs(Struct, frozen=True):
    """The processes that judge again, and what they do."""

    pool: Pool
    change: ChangeJob
    note: NoteJob
    number: int


class Cube:
    """The cards of a run by place, each with its patient, so that filters answer at once."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._cards: dict[tuple[str, str], array[int]] = {}  # profile and place -> patients
        patients: dict[str, int] = {}
        for row in run.rows():
            if row.knowledge == "new":
                self._add(row, patients.setdefault(row.patient, len(patients)))

    def _add(self, row: Row, patient: int) -> None:
        for card in filter(is_seen, row.cards):
            place = (card.rule, card.indicator, row.setting, row.age_band, row.month, row.kind)
            held = self._cards.setdefault((row.profile, key_of(place)), array("l"))
            held.append(patient)

    def values(self, name: str) -> list[str]:
        """Returns the values that a filter can have."""
        place = PLACES.index(name)
        found = {key.split("|")[place] for _, key in self._cards}
        return [one for one in INDICATORS if one in found] if name == "indicator" else sorted(found)

    def cards(
        self, profile: str, wanted: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], array[int]]]:
        """Yields the cards of each place that is wanted, as the patients they are about."""
        for (of, key), held in self._cards.items():
            place = dict(zip(PLACES, key.split("|"), strict=True))
            if of == profile and all(not v or place[n] == v for n, v in wanted.items()):
                yield place, held

    def people(self, profile: str, wanted: Mapping[str, str]) -> Counter[str]:
        """Returns the number of patients with such cards, by rule."""
        found: dict[str, set[int]] = {}
        for place, held in self.cards(profile, wanted):
            found.setdefault(place["rule"], set()).update(held)
        return Counter({rule: len(people) for rule, people in found.items()})

    def moments(self, wanted: Mapping[str, str]) -> int:
        """Returns at how many moments such cards could come."""
        return sum(
            number
            for stratum, number in self.run.strata.items()
            if wanted.get("setting") in ("", None, stratum.setting)
            and wanted.get("age") in ("", None, stratum.age_band)
            and wanted.get("month") in ("", None, stratum.month)
            and wanted.get("kind") in ("", None, stratum.kind)
        )


class Asked(Struct, kw_only=True):
    """One move of a number, and how far it has been answered."""

    moved: Moved
    change: Change
    begun: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    failed: str = ""


class Explorer:
    """Answers the page; one move is worked on at a time, the newest."""

    def __init__(self, run: Run, knowledge: Knowledge, jobs: Jobs) -> None:
        self.run, self.knowledge = run, knowledge
        self.cube = Cube(run)
        self._jobs = jobs
        self._pieces = order_of(run.pieces)
        self._lock = threading.Lock()
        self._asked: Asked | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="what-if", daemon=True)

    def start(self) -> None:
        """Starts the thread that hands pieces to the processes."""
        self._thread.start()

    def close(self) -> None:
        """Stops it."""
        self._stop.set()
        self._thread.join()

    def move(self, moved: Moved) -> None:
        """Begins to judge again with another number; BacktestError if it is not plausible."""
        moved_limits(self.knowledge, moved)
        with self._lock:
            self._asked = Asked(moved=moved, change=Change(pieces=len(self._pieces)))

    @property
    def asked(self) -> Asked | None:
        """The newest move."""
        with self._lock:
            return self._asked

    # ---- the thread

    def _work(self) -> None:
        while not self._stop.is_set():
            asked = self.asked
            if asked is None or asked.change.finished or asked.failed:
                self._note_one()
                self._stop.wait(_PAUSE_S)
            else:
                self._answer(asked)

    def _answer(self, asked: Asked) -> None:
        """Judges the pieces of one move, until a newer one comes."""
        waiting = list(self._pieces)
        running: list[AsyncResult[PieceChange]] = []
        while (waiting or running) and asked is self.asked and not self._stop.is_set():
            while waiting and len(running) < self._jobs.number:
                job = (asked.moved, waiting.pop(0))
                running.append(self._jobs.pool.apply_async(self._jobs.change, (job,)))
            running = [one for one in running if not self._taken(one, asked)]
            asked.seconds = time.monotonic() - asked.begun
            self._stop.wait(_PAUSE_S)

    def _taken(self, result: AsyncResult[PieceChange], asked: Asked) -> bool:
        """Takes the result of a process, if there is one."""
        if not result.ready():
            return False
        try:
            asked.change.done.append(result.get())
        except (BacktestError, OSError, ValueError) as error:
            asked.failed = type(error).__name__
        return True

    def _note_one(self) -> None:
        """Notes which numbers the rules compare with, while there is nothing else to do."""
        job = next(self._unnoted(), None)
        if job is None:
            return
        done = self._jobs.pool.apply_async(self._jobs.note, (job,))
        while not (done.ready() or self._stop.is_set()):
            self._stop.wait(_PAUSE_S)

    def _unnoted(self) -> Iterator[tuple[str, int]]:
        """Yields the profile and the piece of what was not noted yet."""
        for profile in self.run.settings.profiles:
            for piece in self._pieces:
                if not reads_file(self.run, profile, piece).exists():
                    yield profile, piece

    # ---- what the page asks

    def figures(self, profile: str, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Returns the cards of a choice of places, by rule."""
        cells = hide_small(self._cells(profile, wanted), self._tell.least)
        whole = next(cell for cell in cells if cell.dimension == "all" and not cell.indicator)
        moments, few = self._tell.number(self.cube.moments(wanted)), whole.hidden
        rules = [cell for cell in cells if cell.dimension == "rule" and not cell.indicator]
        return {
            "moments": moments,
            "cards": whole.cards,
            "patients": whole.patients,
            "ofPatients": self.run.totals.patients,
            "per100Moments": None if few else whole.per_100(moments),
            "hidden": sum(cell.hidden for cell in rules),
            "plot": _plot(cells, self.run.totals.patients),
        }

    @property
    def _tell(self) -> Tell:
        return Tell(self.run.settings.min_cell)

    def _cells(self, profile: str, wanted: Mapping[str, str]) -> list[Cell]:
        """Returns the cards by rule and indicator, as a report would count them."""
        cards: Counter[tuple[str, str]] = Counter()
        people: dict[tuple[str, str], set[int]] = {("", ""): set()}
        for place, held in self.cube.cards(profile, wanted):
            rule, indicator = place["rule"], place["indicator"]
            for key in ((rule, indicator), (rule, ""), ("", indicator), ("", "")):
                cards[key] += len(held)
                people.setdefault(key, set()).update(held)
        return [
            Cell(
                profile=profile,
                knowledge="new",
                dimension="rule" if rule else "all",
                name=rule,
                indicator=indicator,
                cards=cards[rule, indicator],
                patients=len(found),
                moments=None,
            )
            for (rule, indicator), found in people.items()
        ]

    def _per_100(self, cards: Counter[str], patients: int) -> float | None:
        told = self._tell.number(cards.total())
        return None if told is None else _HUNDRED * told / patients

    def _tells_difference(self, before: Counter[str], after: Counter[str]) -> bool:
        """Whether no card came or went, or so many that their number may be told."""
        return not self._tell.is_small(abs(after.total() - before.total()))

    def _changes(
        self,
        rules: list[str],
        before: tuple[Counter[str], Counter[str]],
        after: tuple[Counter[str], Counter[str]],
    ) -> list[dict[str, str]]:
        """Returns the cards of each rule before and after, what is about few patients hidden."""
        hidden = []
        for cards, people in (before, after):
            about = [min(cards[rule], people[rule]) for rule in rules]
            hidden.append(self._tell.hidden(about, [Sum(None, tuple(range(len(rules))))]))
        rows = []
        for place, rule in enumerate(rules):
            old, new = before[0][rule], after[0][rule]
            alike = self._tell.is_small(abs(new - old)) and not self._tell.is_small(old)
            rows.append(
                {
                    "rule": rule,
                    "before": self._shown(before, rule, hidden=place in hidden[0]),
                    "after": HIDDEN
                    if alike
                    else self._shown(after, rule, hidden=place in hidden[1]),
                }
            )
        return rows

    def _shown(self, counted: tuple[Counter[str], Counter[str]], rule: str, *, hidden: bool) -> str:
        cards, people = counted
        small = self._tell.number(cards[rule], people[rule]) is None
        return self._tell.shown(None if hidden else cards[rule], small=small)

    def change(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Returns how far the newest move has been answered, and what it changes."""
        asked = self.asked
        if asked is None:
            return {"asked": False}
        change = asked.change
        before, after = change.counts(wanted)
        estimate = change.difference(wanted)
        held = self.cube.people(asked.moved.profile, wanted)
        rules = sorted(before | after, key=lambda r: (-abs(after[r] - before[r]), r))
        rows = self._changes(rules, (before, held), (after, change.people))
        patients = change.patients or 1
        return {
            "asked": True,
            "number": asked.moved.number,
            "value": asked.moved.value,
            "profile": asked.moved.profile,
            "share": len(change.done) / change.pieces if change.pieces else 1.0,
            "patients": change.patients,
            "again": change.again,
            "seconds": round(asked.seconds, 1),
            "finished": change.finished,
            "failed": asked.failed,
            "beforePer100": self._per_100(before, patients),
            "afterPer100": self._per_100(after, patients),
            "difference": estimate.per_100 if self._tells_difference(before, after) else None,
            "giveOrTake": estimate.give_or_take,
            "rows": rows,
        }


def _plot(cells: list[Cell], patients: int) -> str:
    told = [cell for cell in cells if cell.dimension == "rule" and cell.cards]
    rules = sorted((cell for cell in told if not cell.indicator), key=lambda c: -(c.cards or 0))
    rows = []
    for rule in rules[:_MOST_RULES]:
        levels = {cell.indicator: cell.cards or 0 for cell in told if cell.name == rule.name}
        parts = [Part(i, levels[i], i) for i in INDICATORS if i in levels]
        rest = levels[""] - sum(part.value for part in parts)
        parts += [Part("not told apart", rest, "none")] if rest > 0 else []
        rate = rule.per_100(patients) or 0.0
        rows.append(Bar(rule.name, tuple(parts), f"{rate:.1f}" if rate >= 1 else f"{rate:.2f}"))
    return str(bars("Cards for each 100 patients, by rule", rows)) if rows else ""


blueprint = Blueprint("what-if", __name__, template_folder=".")


def create_app(explorer: Explorer) -> Flask:
    """Returns the page as a Flask app."""
    app = Flask(__name__, static_folder=None)
    app.extensions[_EXTENSION] = explorer
    app.register_blueprint(blueprint)
    return app


def _here() -> Explorer:
    explorer: Explorer = current_app.extensions[_EXTENSION]
    return explorer


@blueprint.before_request
def only_from_here() -> Response | None:
    """Refuses a host name that is not this machine's, and pages of elsewhere."""
    host = request.host.rpartition(":")[0] or request.host
    origin = request.headers.get("Origin", "")
    strange = bool(origin) and urlsplit(origin).netloc != request.host
    if host not in _LOOPBACK or strange:
        return Response("This page is for this machine only.\n", 403, mimetype="text/plain")
    return None


@blueprint.after_request
def keep_nothing(answer: Response) -> Response:
    """Lets no browser keep an answer, and no other page frame it."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@blueprint.get("/")
def page() -> Response:
    """Shows the page."""
    here, nonce = _here(), secrets.token_urlsafe(16)
    text = render_template(
        "explorer.html",
        nonce=nonce,
        run=here.run,
        filters={name: here.cube.values(name) for name in FILTERS},
        numbers={one: number_rows(here.knowledge, one) for one in here.run.settings.profiles},
    )
    answer = Response(text)
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return answer


@blueprint.get("/figures")
def figures() -> Response:
    """Tells the cards of a choice of places."""
    here = _here()
    profile = request.args.get("profile", here.run.settings.profiles[0])
    return jsonify(here.figures(profile, _wanted()))


@blueprint.post("/what-if")
def move() -> tuple[Response, int]:
    """Begins to judge again with another number."""
    given = request.get_json(silent=True) or {}
    try:
        moved = Moved(
            profile=str(given["profile"]), number=str(given["number"]), value=float(given["value"])
        )
        _here().move(moved)
    except (KeyError, TypeError, ValueError):
        return jsonify({"error": "Give profile, number and value."}), 400
    except BacktestError as error:
        return jsonify({"error": str(error)}), 400
    return jsonify({"asked": True}), 202


@blueprint.get("/what-if")
def change() -> Response:
    """Tells how far the newest move has been answered."""
    return jsonify(_here().change(_wanted()))


def _wanted() -> dict[str, str]:
    return {name: request.args.get(name, "") for name in FILTERS}
