"""What a backtest leaves behind: one row for each judged moment, with its cards, and the counts.

A run is a folder. `run.json` holds its settings, and its totals rounded (`tell.py`). Everything
about patients is below `private/`, which only its owner may read:

* `private/run.json`: the same with the totals as they were counted;
* `private/key`: the secret behind the keyed hashes of patients and users;
* `private/spool/`: the lines of the export that a rule can look at, by patient (`spool.py`);
* `private/rows/0007.ndjson`: the rows of the patients of piece 7, and `0007.json` their counts.

`read_run` reads it all again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.backtest.spool import Person, Spool
from cds_service.backtest.tell import Rounding
from cds_service.errors import BacktestError
from cds_service.feedback.pseudonyms import Pseudonyms

# "order": each order as it is picked; "signing": those of one instant as they are signed together.
MomentKind = Literal["result", "admission", "discharge", "order", "signing", "open", "date"]
KINDS: tuple[MomentKind, ...] = get_args(MomentKind)
Indicator = Literal["info", "warning", "critical"]
INDICATORS: tuple[Indicator, ...] = ("critical", "warning", "info")
Knowledge = Literal["new", "old"]
# Why a card is not shown: the client's entry, a reader who has seen it already, --quiet-days; or
# it is that of a signing, and was shown when the order was picked: an order is one moment.
Held = Literal["", "disabled", "suppressed", "quiet", "shadow", "picked"]
# What of a moment had to be guessed, because the export does not say it.
Guess = Literal["known-since", "order-status", "condition-date", "encounter"]
GUESSES: tuple[Guess, ...] = ("known-since", "order-status", "condition-date", "encounter")
AGE_BANDS: tuple[tuple[str, int], ...] = (  # each with the age below which it ends, in years
    ("0-17", 18),
    ("18-39", 40),
    ("40-64", 65),
    ("65-79", 80),
    ("80+", 200),
)
NO_AGE = "unknown"
_FORMAT = 3


class CardRow(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One card that the rules made at a moment; `held` says why it is not shown."""

    rule: str  # "PV-MILD"
    variant: str
    indicator: Indicator
    topic: str
    slot: str = ""
    drugs: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()  # rules that became lines of this card
    held: Held = ""

    @property
    def shown(self) -> bool:
        """Whether a clinician would have seen it."""
        return not self.held


class Row(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One moment of one patient, judged under one profile by one version of the knowledge."""

    patient: str  # keyed hash
    at: datetime
    kind: MomentKind
    hook: str
    profile: str
    knowledge: Knowledge = "new"
    cards: tuple[CardRow, ...] = ()
    unread: str = ""  # what could not be checked, so that the service would answer 412
    user: str = ""  # keyed hash; who opened the chart, if the list of openings says it
    ordered: tuple[str, ...] = ()  # drugs of the selected orders
    setting: Literal["inpatient", "outpatient"] = "outpatient"
    age_band: str = NO_AGE
    sodium: Decimal | None = None  # mmol/L, the newest usable one
    sodium_at: datetime | None = None
    level: str = ""  # its band under the profile: normal, mild, moderate, severe
    guessed: tuple[Guess, ...] = ()
    again: bool = False  # the signing of an order that says what its pick said: the same moment

    @property
    def month(self) -> str:
        """The month of the moment, as in "2026-03"."""
        return f"{self.at:%Y-%m}"

    @property
    def shown(self) -> tuple[CardRow, ...]:
        """The cards that a clinician would have seen."""
        return tuple(card for card in self.cards if card.shown)


class Stratum(Struct, frozen=True, kw_only=True, rename="camel"):
    """The patients and moments of one kind that figures are counted against."""

    kind: MomentKind
    setting: str
    age_band: str
    month: str


class PieceCounts(Struct, kw_only=True, rename="camel"):
    """What one piece of the patients came to."""

    asked: str = ""  # hash of what was asked of the run that judged it
    patients: int = 0
    with_sodium: int = 0
    with_moment: int = 0
    patients_by_age: dict[str, int] = field(default_factory=dict)  # with a moment, at their first
    results: int = 0
    admissions: int = 0
    orders: int = 0  # of a watched drug or fluid
    openings: int = 0  # rows of the list of openings about a patient of the export
    openings_elsewhere: int = 0  # and about one of whom the export knows nothing
    moments: dict[str, int] = field(default_factory=dict)  # by kind
    judged: dict[str, int] = field(default_factory=dict)  # by kind; the others were left out
    possible: dict[str, int] = field(default_factory=dict)  # by kind: numbers leave a card possible
    gated: dict[str, int] = field(default_factory=dict)  # moments without cards for such patients
    guessed: dict[str, int] = field(default_factory=dict)  # possible moments, by what was guessed
    broken: int = 0  # lines that no reader could make a resource of
    duplicate: int = 0  # the same resource again, or an older version of it
    undated: int = 0  # results of other tests without any time, at no moment known
    undated_sodium: int = 0
    strata: dict[str, int] = field(default_factory=dict)  # "kind|setting|age|month" -> moments
    users: dict[str, int] = field(default_factory=dict)  # hash of a user|day -> openings
    outcomes: dict[str, int] = field(default_factory=dict)  # its keys: outcome.py
    seconds: dict[str, float] = field(default_factory=dict)  # CPU, by step

    def count(self, stratum: Stratum, number: int = 1) -> None:
        """Counts moments of a stratum."""
        key = "|".join((stratum.kind, stratum.setting, stratum.age_band, stratum.month))
        more(self.strata, key, number)

    def add(self, other: PieceCounts) -> None:
        """Adds the counts of another piece."""
        for name in self.__struct_fields__:
            own, added = getattr(self, name), getattr(other, name)
            if isinstance(own, dict):
                for key, number in added.items():
                    own[key] = own.get(key, 0) + number
            if isinstance(own, int):
                setattr(self, name, own + added)

    def by_stratum(self) -> dict[Stratum, int]:
        """Returns the moments of each stratum."""
        found = {}
        for key, number in self.strata.items():
            kind, setting, age_band, month = key.split("|")
            stratum = Stratum(
                kind=kind,  # type: ignore[arg-type]
                setting=setting,
                age_band=age_band,
                month=month,
            )
            found[stratum] = number
        return found


class Totals(Struct, kw_only=True, rename="camel"):
    """What the run as a whole read and did; nothing in it is about a single patient."""

    files: int = 0
    bytes_read: int = 0
    lines: int = 0
    kept: int = 0  # lines that a rule can look at
    broken: int = 0
    duplicate: int = 0
    unknown: int = 0  # Observations whose code is no test that a rule uses
    maybe_sodium: int = 0  # Observations whose code may mean sodium, and is not known
    undated: int = 0  # results of other tests than sodium
    undated_sodium: int = 0
    ownerless: int = 0  # resources that name no patient
    other: dict[str, int] = field(default_factory=dict)  # lines of types that no rule reads
    kinds: dict[str, int] = field(default_factory=dict)  # lines by resource type
    patients: int = 0
    with_sodium: int = 0
    with_moment: int = 0
    results: int = 0
    admissions: int = 0
    orders: int = 0
    openings: int = 0  # listed, about a patient of the export
    openings_elsewhere: int = 0  # in the list, of patients whom the export does not have
    measured_from: date | None = None  # moments that are no results begin here, without --since
    moments: dict[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    possible: dict[str, int] = field(default_factory=dict)  # numbers alone leave a card possible
    left_out: dict[str, int] = field(default_factory=dict)  # no rule can have a card there
    guessed: dict[str, int] = field(default_factory=dict)
    cards: dict[str, int] = field(default_factory=dict)  # shown, "profile|knowledge"
    seconds: dict[str, float] = field(default_factory=dict)

    def guessed_share(self, guess: Guess) -> float:
        """Returns in which share of the possible moments something was guessed, from 0 to 1."""
        possible = sum(self.possible.values())
        return self.guessed.get(guess, 0) / possible if possible else 0.0


class Settings(Struct, frozen=True, kw_only=True, rename="camel"):
    """What was asked of a run; rows that were made for other settings are made anew."""

    export: str
    moments: tuple[str, ...] = ("results",)
    profiles: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    at: datetime | None = None
    opens: str = ""  # hash of the list of openings
    client: str = ""
    client_entry: str = ""  # hash of the client's entry
    quiet_days: float = 0
    suppression: bool = False
    every: bool = False  # --all: no moment is left out
    hooks: str = ""  # hash of the knowledge
    against: str = ""  # hash of the knowledge that it is compared with
    local_codes: str = ""  # hash of CDS_LOCAL_CODES
    min_cell: int = 10
    made: datetime | None = None  # when the export was made, if its manifest says it
    pieces: int = 1
    version: str = ""

    @property
    def asked(self) -> str:
        """Returns a hash of all that rows depend on; how small a figure may be is not of it."""
        alike = replace(self, min_cell=0)
        return hashlib.sha256(b"%d %s" % (_FORMAT, _ENCODER.encode(alike))).hexdigest()[:16]


class RunFile(Struct, kw_only=True, rename="camel"):
    """run.json, in private/ with the totals as they were counted."""

    settings: Settings
    totals: Totals = field(default_factory=Totals)
    finished: bool = False
    broken: list[str] = field(default_factory=list)  # the first of them: file and line
    format: int = _FORMAT


class Folder(Struct, frozen=True):
    """The places of a run."""

    root: Path

    @property
    def run_file(self) -> Path:
        """Settings, and totals that are rounded."""
        return self.root / "run.json"

    @property
    def exact_file(self) -> Path:
        """The same with the totals as they were counted."""
        return self.private / "run.json"

    @property
    def private(self) -> Path:
        """Everything about patients."""
        return self.root / "private"

    @property
    def key_file(self) -> Path:
        """The secret of the keyed hashes."""
        return self.private / "key"

    @property
    def spool(self) -> Path:
        """The kept lines."""
        return self.private / "spool"

    @property
    def rows(self) -> Path:
        """The rows by piece."""
        return self.private / "rows"

    @property
    def reads(self) -> Path:
        """Which numbers the rules compared with, as the what-if page noted it."""
        return self.private / "reads"

    @property
    def unknown_file(self) -> Path:
        """What was not understood, by kind and concept."""
        return self.private / "unknown.json"

    def rows_of(self, piece: int) -> Path:
        """The rows of one piece."""
        return self.rows / f"{piece:04}.ndjson"

    def counts_of(self, piece: int) -> Path:
        """The counts of one piece; if it is there, the piece is done."""
        return self.rows / f"{piece:04}.json"


class Run(Struct, frozen=True, kw_only=True):
    """A finished run: its settings, counts, rows and spooled lines."""

    folder: Folder
    file: RunFile
    counts: PieceCounts
    spool: Spool
    names: Pseudonyms

    @property
    def settings(self) -> Settings:
        """What was asked of it."""
        return self.file.settings

    @property
    def totals(self) -> Totals:
        """What it read and did."""
        return self.file.totals

    @property
    def strata(self) -> Mapping[Stratum, int]:
        """The moments by kind, setting, age and month, those that were left out among them."""
        return self.counts.by_stratum()

    @property
    def pieces(self) -> range:
        """The numbers of its pieces; a patient is in one of them."""
        return range(self.settings.pieces)

    def rows(self, piece: int | None = None) -> Iterator[Row]:
        """Yields the rows of a piece, or all, patient by patient and by time."""
        for number in self.pieces if piece is None else (piece,):
            yield from read_rows(self.folder.rows_of(number))

    def people(self, piece: int) -> Iterator[Person]:
        """Yields the patients of a piece with their spooled lines."""
        return self.spool.people(piece)

    def key_of(self, patient_id: str) -> str:
        """Returns the keyed hash by which rows name a patient."""
        return patient_key(self.names, patient_id)


def more(counts: dict[str, int], key: str, number: int = 1) -> None:
    """Adds to the count of a key."""
    counts[key] = counts.get(key, 0) + number


def patient_key(names: Pseudonyms, patient_id: str) -> str:
    """Returns the keyed hash of a patient of the export."""
    return names.of("patient", patient_id)


def read_run(root: Path) -> Run:
    """Returns the run of a folder; BacktestError if it holds no run, or one that did not end."""
    folder = Folder(root)
    file = read_run_file(folder)
    if not file.finished:
        raise BacktestError(
            f"{root}: this run did not end. Start the same command again: it goes on."
        )
    counts = PieceCounts()
    for piece in range(file.settings.pieces):
        counts.add(_own_counts(folder, piece, file.settings.asked))
    return Run(
        folder=folder,
        file=file,
        counts=counts,
        spool=Spool(folder.spool, file.settings.pieces),
        names=Pseudonyms(folder.key_file.read_bytes()),
    )


def _own_counts(folder: Folder, piece: int, asked: str) -> PieceCounts:
    """Returns the counts of a piece; BacktestError if another run has judged it, or none."""
    try:
        counts = read_counts(folder.counts_of(piece))
    except FileNotFoundError:
        counts = PieceCounts()
    if counts.asked != asked:
        raise BacktestError(
            f"{folder.root}: piece {piece} is not of this run. Start the command of the run again: "
            "it judges anew what is not its own."
        )
    return counts


def read_run_file(folder: Folder) -> RunFile:
    """Returns settings and totals; BacktestError if they cannot be read."""
    exact = folder.exact_file
    try:
        return _RUN.decode((exact if exact.exists() else folder.run_file).read_bytes())
    except FileNotFoundError:
        raise BacktestError(
            f"{folder.root}: there is no run.json: name the --output of `cds-service backtest`."
        ) from None
    except msgspec.MsgspecError:
        raise BacktestError(
            f"{folder.run_file}: it is of another version of this program: run it anew in an "
            "empty folder."
        ) from None


def write_run_file(folder: Folder, file: RunFile) -> None:
    """Writes run.json, whole or not at all, with its totals as they may be told."""
    secret = folder.key_file.read_bytes()
    for path, content in ((folder.exact_file, file), (folder.run_file, told_file(file, secret))):
        write_whole(path, msgspec.json.format(_ENCODER.encode(content), indent=2) + b"\n")


def told_file(file: RunFile, secret: bytes) -> RunFile:
    """Returns what a run may tell of itself: rounded totals, and no places of broken lines."""
    rounding = Rounding(least=file.settings.min_cell, names=Pseudonyms(secret))
    told: dict[str, int | dict[str, int]] = {}
    for name in file.totals.__struct_fields__:
        number = getattr(file.totals, name)
        if name in _PLAIN or number is None:
            continue
        if isinstance(number, int):
            told[name] = rounding.rough(number)
        else:
            told[name] = {key: rounding.rough(one) for key, one in number.items()}
    return replace(file, totals=replace(file.totals, **told), broken=[])


def read_rows(path: Path) -> Iterator[Row]:
    """Yields the rows of a file."""
    with path.open("rb") as file:
        for line in file:
            yield _ROW.decode(line)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Writes rows, one a line, whole or not at all."""
    write_whole(path, b"".join(_ENCODER.encode(row) + b"\n" for row in rows))


def encode_row(row: Row) -> bytes:
    """Returns a row as it is written."""
    return _ENCODER.encode(row)


def read_counts(path: Path) -> PieceCounts:
    """Returns the counts of a piece."""
    return _COUNTS.decode(path.read_bytes())


def write_counts(path: Path, counts: PieceCounts) -> None:
    """Writes the counts of a piece, whole or not at all."""
    write_whole(path, _ENCODER.encode(counts))


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there with all its content, or not at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)


def write_for_owner(path: Path, content: bytes) -> Path | None:
    """Writes a file that only its owner reads, and returns where another one that was there is."""
    kept = None
    if path.exists() and path.read_bytes() != content:
        kept = _place_of_its_time(path)
        path.replace(kept)
    write_whole(path, content)
    path.chmod(_OWNER_ONLY)
    return kept


def _place_of_its_time(path: Path) -> Path:
    """Returns a free place beside a file, with the time of its making in the name."""
    made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    stem = f"{path.stem}-{made:%Y%m%dT%H%M%SZ}"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    places = (path.with_name(f"{name}{path.suffix}") for name in names)
    return next(place for place in places if not place.exists())


_OWNER_ONLY = 0o600
_PLAIN = ("files", "bytes_read", "measured_from", "seconds")  # totals that count no records
_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_ROW = msgspec.json.Decoder(Row)
_COUNTS = msgspec.json.Decoder(PieceCounts)
_RUN = msgspec.json.Decoder(RunFile)
