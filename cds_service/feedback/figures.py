"""Counts what became of the cards of a period, by rule and profile, without patient data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

from msgspec import Struct, field

from cds_service.feedback.arms import Arms, arms, wilson
from cds_service.feedback.reasons import foreign_system
from cds_service.store.feedback import COMMENTED
from cds_service.store.figures import ALWAYS, Answer, Delivered, FigureTables, Showing

ANSWER_WITHIN = timedelta(hours=24)  # issue 6: "no feedback within 24 h"
NO_REASON = "no reason given"
ONLY_COMMENT = "only a comment"
OTHER_CODE = "a reason of the client's own"
# So many are enough that not even one with a sodium, or one that is recognised, is no chance.
WARN_FROM_CALLS = 50
WARN_FROM_ORDERS = 200
_CLOCKS_DIFFER = timedelta(minutes=2)

# Of the kinds of suggestions that a card offered, those that keep the order if they are all that
# was taken.
Keeping = Callable[[Collection[str]], frozenset[str]]
Reasons = Mapping[tuple[str, str], str]  # (system, code) -> words; our own system is ""


class Week(Struct):
    """Seven days from a Monday (UTC)."""

    returned: int = 0
    accepted: int = 0
    overridden: int = 0


class RuleFigures(Struct, kw_only=True):
    """The counts of one rule under one profile.

    `fired`, `returned` and `suppressed` count calls. A card that is shown again on the same facts
    is the same card. `cards` counts it once, and each card is accepted, overridden, answered in
    another way (`others`), not answered, or still `open`.
    """

    rule: str
    profile: str
    fired: int = 0
    returned: int = 0
    suppressed: int = 0
    cards: int = 0
    accepted: int = 0  # by a suggestion that changes something
    kept: int = 0  # by one that keeps the order, and no other
    overridden: int = 0
    chosen: Counter[str] = field(default_factory=Counter)  # suggestions, by kind; "": not known
    others: Counter[str] = field(default_factory=Counter)  # "ignored", "dismissed", ...
    late: int = 0  # of those, answered later than 24 h after it was first shown
    unanswered: int = 0  # no feedback within 24 h, nor later
    open: int = 0  # shown less than 24 h ago
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)  # from the last showing to the answer
    weeks: dict[date, Week] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """The number of cards that were accepted, kept or overridden."""
        return self.accepted + self.kept + self.overridden

    @property
    def accepted_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share that was accepted, from 0 to 1."""
        return wilson(self.accepted, self.answered) if self.answered else None

    @property
    def silent_for_a_day(self) -> int:
        """The number of cards without feedback within 24 h of their first showing."""
        return self.unanswered + self.late

    @property
    def median_seconds(self) -> float | None:
        """The median time to action, or None if no card was answered."""
        return median(self.seconds) if self.seconds else None


class ClientFigures(Struct, frozen=True, kw_only=True):
    """What the calls of one client brought, and what is wrong with that."""

    client: str
    read: int  # calls with a sodium that could be read
    without: int  # calls whose chart had none
    unreadable: int  # calls with a sodium that could not be read, or not be had
    recognised: int  # selected orders
    unrecognised: int

    @property
    def calls(self) -> int:
        """The number of calls that looked for sodium."""
        return self.read + self.without + self.unreadable

    @property
    def orders(self) -> int:
        """The number of selected orders."""
        return self.recognised + self.unrecognised

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an analyst should look at: a client like this gets no cards, and no errors."""
        found = []
        if self.calls >= WARN_FROM_CALLS and not self.read:
            found.append(
                f"{self.client}: none of {self.calls} calls brought a sodium that could be read. "
                "Check the prefetch, and the laboratory's codes (CDS_LOCAL_CODES)."
            )
        if self.orders >= WARN_FROM_ORDERS and not self.recognised:
            found.append(
                f"{self.client}: none of {self.orders} selected orders was recognised. "
                "Check the codes and the names of its orders."
            )
        return tuple(found)


class Usage(Struct, kw_only=True):
    """What the cards are compared with: the calls, charts and users of the period."""

    calls: int = 0
    charts: int = 0
    users: int = 0
    shadow: int = 0
    unchecked: int = 0
    indicators: Counter[str] = field(default_factory=Counter)  # of the cards that were sent
    knowledge: set[str] = field(default_factory=set)  # hashes of hooks/

    @property
    def cards_per_100_charts(self) -> float | None:
        """Returns how many cards were sent for each hundred charts, or None without a chart."""
        return 100 * self.indicators.total() / self.charts if self.charts else None

    def add(
        self,
        tables: FigureTables,
        tenant: str,
        period: tuple[datetime, datetime],
        unreadable: Sequence[str],
    ) -> None:
        """Adds one tenant; its patients and users are no other tenant's."""
        since, until = period
        used = tables.used(tenant, since, unreadable, until)
        for name, number in used._asdict().items():
            setattr(self, name, getattr(self, name) + number)
        self.indicators.update(tables.indicators(tenant, since, until))
        self.knowledge |= tables.knowledge(tenant, since, until)


class Figures(Struct, frozen=True, kw_only=True):
    """All figures of the report, before its layout."""

    since: date
    until: datetime
    rules: tuple[RuleFigures, ...]
    unmatched: int  # feedback on cards that we never sent, as far as we know
    earlier: int  # feedback on cards from before the period
    clients: tuple[ClientFigures, ...] = ()
    usage: Usage = field(default_factory=Usage)
    arms: Arms | None = None  # None: no client had a shadow_share

    @property
    def total(self) -> RuleFigures:
        """The figures of all rules together."""
        total = RuleFigures(rule="All rules", profile="")
        for one in self.rules:
            for name in _SUMMED:
                setattr(total, name, getattr(total, name) + getattr(one, name))
            total.reasons.update(one.reasons)
            total.chosen.update(one.chosen)
            total.others.update(one.others)
            total.seconds.extend(one.seconds)
            for monday, week in one.weeks.items():
                total_week = total.weeks.setdefault(monday, Week())
                total_week.returned += week.returned
                total_week.accepted += week.accepted
                total_week.overridden += week.overridden
        return total


_SUMMED = (
    "fired", "returned", "suppressed", "cards", "accepted", "kept", "overridden", "late",
    "unanswered", "open",
)  # fmt: skip


class _Card(Struct):
    figures: RuleFigures
    shown: list[datetime]
    kinds: dict[str, str]  # of its suggestions, by uuid
    answers: list[Answer] = field(default_factory=list)


def figures(
    tables: FigureTables,
    tenants: Iterable[str],
    since: date,
    now: datetime,
    reasons: Reasons,
    unreadable: Sequence[str] = (),
    *,
    until: date | None = None,
    keeping: Keeping = lambda offered: frozenset(),
) -> Figures:
    """Returns the figures of these tenants together, from one day to another (UTC), both whole.

    `unreadable` are the rules whose cards say that something could not be checked, `keeping`
    tells which suggestions keep the order. Feedback counts also if it came after the period.
    """
    usage = Usage()
    start = datetime.combine(since, time(), UTC)
    last = until or date.max
    end = datetime.combine(until + timedelta(days=1), time(), UTC) if until else ALWAYS
    rules: dict[tuple[str, str], RuleFigures] = {}
    clients: list[ClientFigures] = []
    both: list[Arms] = []
    unmatched = earlier = 0
    for tenant in tenants:
        usage.add(tables, tenant, (start, end), unreadable)
        _count(rules, tables, tenant, (since, last))
        clients += clients_of(tables, tenant, since, last)
        both += filter(None, [arms(tables.arm_calls(tenant, start, end), now)])
        cards = _cards(rules, tables.showings(tenant, start, end))
        without_card = _without_card(tables.answers(tenant, start), cards, end)
        earlier += sum(answer.known for answer in without_card)
        unmatched += sum(not answer.known for answer in without_card)
        for card in cards.values():
            _settle(card, now, reasons, keeping)
    ordered = sorted(rules.values(), key=lambda r: (-r.returned, r.rule, r.profile))
    return Figures(
        since=since,
        until=min(now, end - timedelta(seconds=1)),
        rules=tuple(ordered),
        unmatched=unmatched,
        earlier=earlier,
        clients=tuple(clients),
        usage=usage,
        arms=_together(both),
    )


def _without_card(
    answers: Iterable[Answer], cards: Mapping[str, _Card], end: datetime
) -> list[Answer]:
    """Gives each answer to its card; returns those of the period whose card is not among these."""
    rest = []
    for answer in answers:
        if answer.card in cards:
            cards[answer.card].answers.append(answer)
        elif answer.outcome_at < end:
            rest.append(answer)
    return rest


def _together(both: Sequence[Arms]) -> Arms | None:
    total = Arms()
    for one in both:
        total.add(one)
    return total if both else None


def clients_of(
    tables: FigureTables, tenant: str, since: date, until: date = date.max
) -> list[ClientFigures]:
    """Returns what the clients of one tenant brought; without tokens all are of the tenant ""."""
    return [_client(tenant, delivered) for delivered in tables.delivered(tenant, since, until)]


def _client(tenant: str, delivered: Delivered) -> ClientFigures:
    return ClientFigures(
        client=tenant or delivered.client,
        read=delivered.sodium_read,
        without=delivered.sodium_none,
        unreadable=delivered.sodium_unreadable,
        recognised=delivered.orders_recognised,
        unrecognised=delivered.orders_unrecognised,
    )


def _of(rules: dict[tuple[str, str], RuleFigures], rule: str, profile: str) -> RuleFigures:
    key = (rule, profile)
    if key not in rules:
        rules[key] = RuleFigures(rule=rule, profile=profile)
    return rules[key]


def _count(
    rules: dict[tuple[str, str], RuleFigures],
    tables: FigureTables,
    tenant: str,
    period: tuple[date, date],
) -> None:
    for count in tables.counts(tenant, *period):
        one = _of(rules, count.rule, count.profile)
        one.fired += count.fired
        one.returned += count.returned
        one.suppressed += count.suppressed
        one.weeks.setdefault(_monday(count.day), Week()).returned += count.returned


def _cards(
    rules: dict[tuple[str, str], RuleFigures], showings: Iterable[Showing]
) -> dict[str, _Card]:
    cards: dict[str, _Card] = {}
    for showing in showings:
        card = cards.get(showing.card)
        if card is None:
            offered = showing.suggestions if isinstance(showing.suggestions, dict) else {}
            figures_of = _of(rules, showing.rule, showing.profile)
            cards[showing.card] = _Card(figures_of, [showing.issued_at], offered)
        else:
            card.shown.append(showing.issued_at)
    return cards


def _settle(card: _Card, now: datetime, reasons: Reasons, keeping: Keeping) -> None:
    """Counts one card as accepted if any answer was, else by the reason of its last override.

    A card of which only a suggestion that keeps the order was taken was not followed: it is `kept`.
    A card that was neither accepted nor overridden counts by the last word on it.
    """
    one, first = card.figures, card.shown[0]
    one.cards += 1
    if not card.answers:
        if now - first < ANSWER_WITHIN:
            one.open += 1
        else:
            one.unanswered += 1
        return
    if card.answers[0].outcome_at - first > ANSWER_WITHIN:
        one.late += 1
    accepted = [a for a in card.answers if a.outcome == "accepted"]
    decided = accepted[:1] or [a for a in card.answers if a.outcome == "overridden"][-1:]
    if not decided:
        one.others[card.answers[-1].outcome] += 1
        return
    answer = decided[0]
    week = one.weeks.setdefault(_monday(answer.outcome_at.date()), Week())
    if accepted:
        _count_accepted(one, week, _taken(card, accepted), keeping(card.kinds.values()))
    else:
        one.overridden += 1
        week.overridden += 1
        one.reasons[_reason(answer, reasons)] += 1
    _count_time(card, answer)


def _count_accepted(one: RuleFigures, week: Week, kinds: set[str], keeping: frozenset[str]) -> None:
    """Counts a card as accepted, or as kept if only suggestions that keep the order were taken."""
    one.chosen.update(kinds)
    if kinds and kinds <= keeping:
        one.kept += 1
        return
    one.accepted += 1
    week.accepted += 1


def _count_time(card: _Card, answer: Answer) -> None:
    """Notes how long the answer took since the card was last shown."""
    before = [shown for shown in card.shown if shown <= answer.outcome_at + _CLOCKS_DIFFER]
    if before:
        taken = answer.outcome_at - before[-1]
        card.figures.seconds.append(max(0.0, taken.total_seconds()))


def _taken(card: _Card, accepted: Iterable[Answer]) -> set[str]:
    """Returns the kinds of the suggestions that were taken; "" is one that we cannot name."""
    ids = {one for answer in accepted for one in answer.content.get("suggestions", ())}
    return {card.kinds.get(one, "") for one in ids}


def _reason(answer: Answer, reasons: Reasons) -> str:
    """Returns the reason in our words; a client's own words are not repeated."""
    given = answer.content.get("reason") or {}
    if given.get("code"):
        system = foreign_system(given.get("system", ""))
        return reasons.get((system, given["code"]), OTHER_CODE)
    if answer.content.get("comment") or answer.content.get(COMMENTED):
        return ONLY_COMMENT
    return NO_REASON


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
