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
from collections.abc import Callable, Collection, Iterator, Mapping
from multiprocessing.pool import AsyncResult, Pool
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, current_app, jsonify, render_template, request
from msgspec import Struct, field

from cds_service.backtest.cells import Cell, cells_of
from cds_service.backtest.outcome import is_seen
from cds_service.backtest.rows import INDICATORS, Row, Run
from cds_service.backtest.tell import HIDDEN, Rounding, Tell
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
FEW = "few"  # about fewer patients than the smallest cell
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_EXTENSION = "what-if"
_PAUSE_S = 0.02
_MOST_RULES = 24
_PARTS = 50  # the number of moments is not told more exactly than to such a part of it
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

    def of_each(
        self, profile: str, wanted: Mapping[str, str]
    ) -> dict[tuple[str, str], Counter[int]]:
        """Returns the cards of each patient, by rule and indicator; "" stands for all of them."""
        found: dict[tuple[str, str], Counter[int]] = {("", ""): Counter()}
        for place, held in self.cards(profile, wanted):
            rule = place["rule"]
            for key in ((rule, place["indicator"]), (rule, ""), ("", "")):
                found.setdefault(key, Counter()).update(held)
        return found

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
        # What the report of the run hides is told here by no part of it.
        self._hidden = {
            (cell.profile, cell.dimension, cell.name, cell.indicator)
            for cell in cells_of(run)
            if cell.hidden and not cell.small and cell.knowledge == "new"
        }
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
        held = self.cube.of_each(profile, wanted)
        cells = {key: self._cell(profile, key, cards, wanted) for key, cards in held.items()}
        whole = cells["", ""]
        # Of moments it is not known whose they are: the step is that of the cards, or a larger one.
        moments = self.cube.moments(wanted)
        step = max(self._rounding.step_of(held["", ""].values()), moments // _PARTS)
        told = self._rounding.number(moments, self._rounding.step(step)) or None
        rules = [cell for (rule, indicator), cell in cells.items() if rule and not indicator]
        step = self._rounding.step_of(held["", ""].values())
        return {
            "moments": told if moments else 0,
            "cards": whole.cards,
            "cardsGiveOrTake": step if whole.cards is not None else None,
            "patients": whole.patients,
            "patientsGiveOrTake": self._tell.least,
            "ofPatients": self.run.totals.patients,
            "per100Moments": whole.per_100(told),
            "why": FEW if whole.small else HIDDEN,
            "few": sum(cell.hidden and cell.small for cell in rules),
            "hidden": sum(cell.hidden and not cell.small for cell in rules),
            "plot": self._plot(cells, held),
        }

    def _plot(
        self,
        cells: Mapping[tuple[str, str], Cell],
        held: Mapping[tuple[str, str], Counter[int]],
    ) -> str:
        """Draws the rules that may be told, each as long as its own figure says."""
        told = [cell for (rule, i), cell in cells.items() if rule and not i and not cell.hidden]
        rows = []
        for rule in sorted(told, key=lambda cell: -(cell.cards or 0))[:_MOST_RULES]:
            whole = rule.cards or 0
            shares = {i: cells.get((rule.name, i)) for i in INDICATORS}
            parts = _parts(whole, {i: c.cards or 0 for i, c in shares.items() if c is not None})
            step = self._rounding.step_of(held[rule.name, ""].values())
            rows.append(Bar(rule.name, parts, f"{whole:,} ± {step:,}"))
        return str(bars("Cards by rule", rows)) if rows else ""

    def _is_hidden(
        self, profile: str, rule: str, indicator: str, wanted: Mapping[str, str]
    ) -> bool:
        """Whether the report hides a figure that this one is a part of, or the whole of."""
        places = [("rule", rule), *((n, wanted.get(n, "")) for n in FILTERS if n != "indicator")]
        named = [("all", ""), *((dimension, name) for dimension, name in places if name)]
        level = indicator or wanted.get("indicator", "")
        return any(
            (profile, dimension, name, one) in self._hidden
            for dimension, name in named
            for one in {"", level}
        )

    @property
    def _tell(self) -> Tell:
        return Tell(self.run.settings.min_cell)

    @property
    def _rounding(self) -> Rounding:
        return Rounding(least=self.run.settings.min_cell, names=self.run.names)

    def _cell(
        self, profile: str, key: tuple[str, str], cards: Counter[int], wanted: Mapping[str, str]
    ) -> Cell:
        """Returns the cards of a rule and an indicator, rounded; hidden if they are few."""
        rule, indicator = key
        told = self._rounding.sum(cards.values())
        few = told is None
        if cards and self._is_hidden(profile, rule, indicator, wanted):
            told = None
        return Cell(
            profile=profile,
            knowledge="new",
            dimension="rule" if rule else "all",
            name=rule,
            indicator=indicator,
            cards=told,
            patients=None if told is None else self._rounding.sum(dict.fromkeys(cards, 1).values()),
            moments=None,
            small=few,
        )

    def change(self, wanted: Mapping[str, str]) -> dict[str, Any]:
        """Returns how far the newest move has been answered, and what it changes."""
        asked = self.asked
        if asked is None:
            return {"asked": False}
        change, patients = asked.change, asked.change.patients or 1
        lines = self._lines(asked, wanted)
        whole = lines.pop("")
        rows = sorted(lines.items(), key=lambda one: (-one[1].size, one[0]))
        spread = change.difference(wanted).give_or_take
        step = _HUNDRED * whole.more_step / patients
        return {
            "asked": True,
            "number": asked.moved.number,
            "value": asked.moved.value,
            "profile": asked.moved.profile,
            "share": len(change.done) / change.pieces if change.pieces else 1.0,
            "patients": change.patients,
            "again": self._tell.number(change.again),
            "seconds": round(asked.seconds, 1),
            "finished": change.finished,
            "failed": asked.failed,
            "beforePer100": _per_100(whole.before, patients),
            "afterPer100": _per_100(whole.after, patients),
            "beforeGiveOrTake": round(_HUNDRED * whole.step / patients, 2),
            "afterGiveOrTake": round(_HUNDRED * (whole.step + whole.more_step) / patients, 2),
            "difference": _per_100(whole.more, patients),
            "giveOrTake": 0.0 if isinstance(whole.more, str) else round(step + spread, 2),
            "unchanged": change.finished and not any(o.moved for o in (whole, *lines.values())),
            "rows": [
                {
                    "rule": rule,
                    "before": _with_step(one.before, one.step),
                    "after": _with_step(one.after, one.step + one.more_step),
                    "difference": one.shown_difference,
                }
                for rule, one in rows
            ],
        }

    def _lines(self, asked: Asked, wanted: Mapping[str, str]) -> dict[str, _Told]:
        """Returns what may be told of each rule before and after a move; under "" of all."""
        profile = asked.moved.profile
        cards = self.cube.of_each(profile, wanted)
        held = {rule: of for (rule, indicator), of in cards.items() if not indicator}
        before, after = asked.change.counts(wanted)
        moved = asked.change.moved(wanted)
        before[""], after[""] = before.total(), after.total()
        return {
            rule: self._told(
                before[rule],
                held.get(rule, {}),
                [one for one in moved.get(rule, ()) if one[0] != one[1]],
                why=HIDDEN if self._is_hidden(profile, rule, "", wanted) else "",
            )
            for rule in {**before, **after}
        }

    def _told(
        self,
        before: int,
        held: Mapping[int, int],
        moved: Collection[tuple[int, int]],
        why: str,
    ) -> _Told:
        """Returns what may be told of the cards of a rule, of which each patient had `held`.

        Where no patient moved the figure stays as it was, also if it is not told.
        """
        rounding = self._rounding
        changes = [new - old for old, new in moved]
        shown = (why, why, why) if why else self._shown(before, held, moved)
        return _Told(
            before=shown[0],
            more=shown[1],
            after=shown[2],
            step=rounding.step_of(held.values()) if held else 0,
            more_step=rounding.step_of(changes) if moved else 0,
            moved=bool(moved),
        )

    def _shown(
        self, before: int, held: Mapping[int, int], moved: Collection[tuple[int, int]]
    ) -> tuple[Figure, Figure, Figure]:
        """Returns the cards before, those that came or went, and those after, or why not."""
        rounding, tell, people = self._rounding, self._tell, len(held)
        more = rounding.sum([new - old for old, new in moved])
        few = tell.is_small(people)
        told = None if few else rounding.number(before, rounding.step_of(held.values()))
        left = people + sum(not old for old, _ in moved) - sum(not new for _, new in moved)
        after: Figure = max(0, (told or 0) + (more or 0)) if left else 0
        if tell.is_small(left):
            after = FEW
        elif more is None:
            after = HIDDEN
        return FEW if told is None else told, FEW if more is None else more, after


Figure = int | str  # FEW or HIDDEN if it is not told


class _Told(Struct, frozen=True, kw_only=True):
    """The cards of a rule before and after a move, rounded."""

    before: Figure
    more: Figure  # FEW: the cards of few patients came or went
    after: Figure
    step: int  # the truth is less than this away from what was rounded
    more_step: int
    moved: bool

    @property
    def size(self) -> int:
        """How many cards came or went, as far as it is told."""
        return abs(self.more) if isinstance(self.more, int) else 0

    @property
    def shown_difference(self) -> str:
        """Returns what came or went."""
        if not self.moved:
            return "none"
        sign = "+" if isinstance(self.more, int) and self.more > 0 else ""
        return f"{sign}{_with_step(self.more, self.more_step)}"


def _with_step(figure: Figure, step: int) -> str:
    """Returns a figure with how far the truth may be from it."""
    if isinstance(figure, str):
        return figure
    return f"{figure:,} ± {step:,}" if step else f"{figure:,}"


def _parts(whole: int, levels: Mapping[str, int]) -> tuple[Part, ...]:
    """Returns a bar by indicator; the parts are rounded apart, and the whole decides its length."""
    scale = min(1.0, whole / (sum(levels.values()) or 1))
    parts = [Part(name, number * scale, name) for name, number in levels.items() if number]
    rest = whole - sum(part.value for part in parts)
    return (*parts, Part("not told apart", rest, "none")) if rest > 0 else tuple(parts)


def _per_100(number: Figure, patients: int) -> float | None:
    return None if isinstance(number, str) else _HUNDRED * number / patients


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
