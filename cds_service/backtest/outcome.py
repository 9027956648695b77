"""Counts what followed cards, and what no card preceded; the counts of patients simply add up.

Keys are texts with bars, so that one dictionary of numbers travels from every process:

* `card|profile|knowledge|rule|0|first`: first cards of a rule (a card soon after one of the same
  rule is a repeat); `...|0|repeat`, `...|0|soon` (repeats
  within hours), and `...|0|patients`;
* `card|profile|knowledge|rule|24|over`: first cards after which it happened within 24 h;
  `...|24|followed` says of how many; `...|24|lowest=118` how low sodium was then;
* `reject|unit`: results of sodium that no rule can use, by the reason; `shape|text`: those
  that came otherwise than as a number with its unit;
* `event|profile|knowledge|fall|any|all`: events; `...|fall|PV-MOD|preceded` those that a card of
  this rule preceded, if it speaks of such an event (`[warns]` of history.toml);
  `...|fall|PV-MOD|lead=7` how many whole hours before;
* each of them with `@` at its end: the patients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import floor

from msgspec import Struct, field

from cds_service.backtest.course import Course, Event
from cds_service.backtest.rows import CardRow, Row

CARD, EVENT, REJECTED, SHAPE = "card", "event", "reject", "shape"
UNDATED = "undated"  # of a result that no moment sees
ANY = "any"
PEOPLE = "@"
_HOUR = timedelta(hours=1)


class _Seen(Struct, frozen=True):
    """One card that a clinician would have been shown."""

    at: datetime
    card: CardRow
    first: bool  # no card of the same rule in the days before
    soon: bool  # one of the same rule within hours


class _Group(Struct):
    """The cards of one patient under one profile and one version of the knowledge."""

    seen: list[_Seen] = field(default_factory=list)
    last: dict[str, datetime] = field(default_factory=dict)


def count_outcomes(
    course: Course,
    rows: Sequence[Row],
    profiles: Iterable[str],
    knowledge: Iterable[str] = ("new",),
    until: datetime | None = None,
) -> Counter[str]:
    """Returns the counts of one patient; nothing is known after `until`, the end of the export."""
    counts: Counter[str] = Counter()
    groups = _groups(rows, course)
    known = tuple(knowledge)
    for profile in profiles:
        events = list(course.events(profile))
        for version in known:
            group = groups.get((profile, version), _Group())
            head = f"{profile}|{version}"
            _count_cards(counts, f"{CARD}|{head}", course, group, events, until)
            for event in events:
                warns = course.knowledge.history.warns[event.kind].rules
                _count_event(counts, f"{EVENT}|{head}|{event.kind}", event, group, warns)
    counts.update(f"{REJECTED}|{why}" for why in course.rejected)
    counts.update([f"{key}{PEOPLE}" for key in +counts if "=" not in key])
    return counts


def count_odd(counts: dict[str, int], undated: int, shapes: Mapping[str, int]) -> None:
    """Counts the sodium results of one patient that have no time, or an unusual shape."""
    found = {f"{SHAPE}|{shape}": number for shape, number in shapes.items()}
    if undated:
        found[f"{REJECTED}|{UNDATED}"] = undated
    for key, number in found.items():
        counts[key] = number
        counts[f"{key}{PEOPLE}"] = 1


def _groups(rows: Sequence[Row], course: Course) -> dict[tuple[str, str], _Group]:
    numbers = course.knowledge.history.numbers
    again = timedelta(days=float(numbers.again_days.value))
    soon = float(numbers.soon_hours.value) * _HOUR
    groups: dict[tuple[str, str], _Group] = {}
    for row in sorted(rows, key=lambda row: row.at):
        group = groups.setdefault((row.profile, row.knowledge), _Group())
        for card in row.cards:
            if not is_seen(card):
                continue
            last = group.last.get(card.rule)
            group.last[card.rule] = row.at
            first = last is None or row.at - last > again
            near = last is not None and row.at - last <= soon
            group.seen.append(_Seen(row.at, card, first, near))
    return groups


def is_seen(card: CardRow) -> bool:
    """Whether a card counts: shown, or kept back only because the whole client is in shadow."""
    return card.held in ("", "shadow")


def _count_cards(
    counts: Counter[str],
    head: str,
    course: Course,
    group: _Group,
    events: Sequence[Event],
    until: datetime | None,
) -> None:
    for rule in {one.card.rule for one in group.seen}:
        counts[f"{head}|{rule}|0|patients"] += 1
    for one in group.seen:
        place = f"{head}|{one.card.rule}"
        counts[f"{place}|0|{'first' if one.first else 'repeat'}"] += 1
        counts[f"{place}|0|soon"] += one.soon
        if not one.first:
            continue
        for hours in course.knowledge.history.windows.hours:
            end = one.at + hours * _HOUR
            if until is None or end <= until:
                counts.update(f"{place}|{hours}|{w}" for w in _within(course, one, end, events))


def _within(course: Course, one: _Seen, end: datetime, events: Sequence[Event]) -> list[str]:
    """Returns what happened after a card, up to the end of a window."""
    after = one.at
    found = ["followed"]
    drawn = course.between(after, end)
    if drawn:
        values = [sample.value for sample in drawn]
        found += ["repeated", f"lowest={floor(min(values))}", f"highest={floor(max(values))}"]
    kinds = {event.kind for event in events if after < event.at <= end}
    found += [
        name for name, kind in (("over", "over-correction"), ("fell", "fall")) if kind in kinds
    ]
    if one.card.drugs:
        found.append("named")
        if any(s.drug in one.card.drugs and after < s.at <= end for s in course.stops):
            found.append("stopped")
    for name, times in (("restricted", course.restrictions), ("saline", course.salines)):
        if any(after < at <= end for at in times):
            found.append(name)
    if course.died is not None and after < course.died <= end:
        found.append("died")
    if any(e.how == "transferred" and after < e.at <= end for e in course.endings):
        found.append("transferred")
    return found


def _count_event(
    counts: Counter[str], place: str, event: Event, group: _Group, warns: Collection[str]
) -> None:
    """Counts an event, and the cards before it that speak of it."""
    counts[f"{place}|{ANY}|all"] += 1
    before = [one for one in group.seen if event.since <= one.at < event.at]
    first: dict[str, datetime] = {}
    for one in before:
        for rule in (one.card.rule, *one.card.merged):
            if rule in warns:
                first.setdefault(rule, one.at)
                first.setdefault(ANY, one.at)
    for rule, at in first.items():
        counts[f"{place}|{rule}|preceded"] += 1
        counts[f"{place}|{rule}|lead={floor((event.at - at) / _HOUR)}"] += 1


# ---- reading the counts


class Followed(Struct, frozen=True, kw_only=True):
    """What followed the first cards of one rule, within some hours."""

    hours: int
    cards: int  # whose record goes on for so long
    happened: dict[str, int]  # cards after which it happened; with "@" their patients
    people: int = 0
    lowest: float | None = None  # median, mmol/L
    highest: float | None = None


class RuleOutcome(Struct, frozen=True, kw_only=True):
    """The outcomes of one rule under one profile."""

    profile: str
    knowledge: str
    rule: str
    patients: int
    first: int
    repeats: int
    repeats_people: int
    soon: int  # repeats within hours
    soon_people: int
    windows: tuple[Followed, ...]


class Preceded(Struct, frozen=True, kw_only=True):
    """How many events of one kind the cards of one rule preceded, and how long before."""

    profile: str
    knowledge: str
    kind: str
    rule: str  # "any" for all together
    events: int
    preceded: int
    events_people: int = 0
    preceded_people: int = 0
    lead_hours: float | None = None  # median

    @property
    def missed(self) -> int:
        """The events that no such card preceded."""
        return self.events - self.preceded


class Outcomes(Struct, frozen=True):
    """All outcomes of a run."""

    rules: tuple[RuleOutcome, ...]
    events: tuple[Preceded, ...]


def read_outcomes(counts: dict[str, int]) -> Outcomes:
    """Returns the outcomes that the counts of all patients say."""
    cards: dict[tuple[str, str, str], dict[int, dict[str, int]]] = {}
    events: dict[tuple[str, str, str], dict[str, dict[str, int]]] = {}
    for key, number in counts.items():
        what, *place = key.split("|")
        if what in (REJECTED, SHAPE):
            continue
        profile, knowledge, name, part, item = place
        if what == CARD:
            hours = cards.setdefault((profile, knowledge, name), {})
            hours.setdefault(int(part), {})[item] = number
        else:
            rules = events.setdefault((profile, knowledge, name), {})
            rules.setdefault(part, {})[item] = number
    return Outcomes(
        tuple(_rule(*key, hours) for key, hours in sorted(cards.items())),
        tuple(
            _preceded(*key, rule, found, rules[ANY])
            for key, rules in sorted(events.items())
            for rule, found in sorted(rules.items())
        ),
    )


def _rule(profile: str, knowledge: str, rule: str, hours: dict[int, dict[str, int]]) -> RuleOutcome:
    whole = hours.get(0, {})
    return RuleOutcome(
        profile=profile,
        knowledge=knowledge,
        rule=rule,
        patients=whole.get("patients", 0),
        first=whole.get("first", 0),
        repeats=whole.get("repeat", 0),
        repeats_people=whole.get(f"repeat{PEOPLE}", 0),
        soon=whole.get("soon", 0),
        soon_people=whole.get(f"soon{PEOPLE}", 0),
        windows=tuple(_followed(one, hours[one]) for one in sorted(hours) if one),
    )


def _followed(hours: int, items: dict[str, int]) -> Followed:
    return Followed(
        hours=hours,
        cards=items.get("followed", 0),
        people=items.get(f"followed{PEOPLE}", 0),
        happened={name: n for name, n in items.items() if "=" not in name and name != "followed"},
        lowest=median_of(items, "lowest="),
        highest=median_of(items, "highest="),
    )


def _preceded(
    profile: str, knowledge: str, kind: str, rule: str, items: dict[str, int], whole: dict[str, int]
) -> Preceded:
    return Preceded(
        profile=profile,
        knowledge=knowledge,
        kind=kind,
        rule=rule,
        events=whole["all"],
        preceded=items.get("preceded", 0),
        events_people=whole.get(f"all{PEOPLE}", 0),
        preceded_people=items.get(f"preceded{PEOPLE}", 0),
        lead_hours=median_of(items, "lead="),
    )


def median_of(items: dict[str, int], name: str) -> float | None:
    """Returns the median of the numbers in keys such as `lowest=118`, each as often as counted."""
    found = sorted(
        (int(key.removeprefix(name)), number)
        for key, number in items.items()
        if key.startswith(name)
    )
    whole = sum(number for _, number in found)
    if not whole:
        return None
    passed = 0
    middle: list[int] = []
    for value, number in found:  # of an even number the two in the middle count
        passed += number
        middle += [value] * ((passed > (whole - 1) // 2) + (passed > whole // 2) - len(middle))
    return sum(middle) / len(middle)
