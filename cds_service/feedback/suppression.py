"""A card that its reader has answered stays away for a while, unless the patient got worse (B.5 rule 5).

Doubt shows the card: no user, no feedback that is surely this user's, a store that does not answer in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field

from cds_service.engine.finding import URGENCY, Finding
from cds_service.errors import StoreUnavailable
from cds_service.feedback.asking import Asking
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.limits import Limits
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.store.shown import ShownCard, ShownTable

_BANDS = tuple(Band)  # from normal to severe
_CLOCKS_DIFFER = timedelta(minutes=2)  # an EHR's clock may be so far behind ours
_LATE = timedelta(days=1)  # a card may be answered so long after it was shown


class Who(Struct, frozen=True, kw_only=True):
    """Whose call it is, as keyed hashes; `user` is empty where the call named none."""

    tenant: str
    patient: str
    user: str


class Grounds(Struct, frozen=True, kw_only=True):
    """What a card says and rests on: enough to tell whether a later one says more, or is more urgent."""

    topic: str
    indicator: str
    rules: frozenset[str]  # with their variants; those merged into the card too
    profile: str
    drugs: str
    sodium: Decimal | None
    band: str
    symptoms: frozenset[str]
    result: str


def grounds(card: Finding, case: Case, topic: str, pseudonyms: Pseudonyms) -> Grounds:
    """The grounds of a card that is about to be shown."""
    found = (card, *card.absorbed)
    sodium, latest = case.sodium, case.sodium.latest
    newest = sodium.newest_rejected
    result = (
        (latest.reference, str(latest.value), latest.at.isoformat()) if latest else (),
        (newest.shown, str(newest.at)) if newest else (),
    )
    return Grounds(
        topic=topic,
        indicator=max((f.indicator for f in found), key=URGENCY.__getitem__),
        rules=frozenset(f"{f.rule}:{f.variant}" for f in found),
        profile=case.limits.profile,
        drugs=pseudonyms.of("drugs", *sorted({drug for f in found for drug in f.drugs})),
        sodium=latest.value if latest else None,
        band=sodium.band.value,
        symptoms=frozenset(pseudonyms.of("symptom", s) for s in case.symptoms.severe),
        result=pseudonyms.of("result", *(part for parts in result for part in parts)),
    )


class Suppression:
    """Looks up, for one deployment, what its users have answered."""

    def __init__(
        self, table: ShownTable, pseudonyms: Pseudonyms, asking: Asking | None = None
    ) -> None:
        self._table = table
        self._asking = asking or Asking()
        self.pseudonyms = pseudonyms

    def memory(self, who: Who, now: datetime) -> Memory:
        """What this user has answered about this patient; asked of the store only when a card needs it."""
        return Memory(who=who, now=now, pseudonyms=self.pseudonyms, ask=self._begin)

    def _begin(self, who: Who, since: datetime) -> Future[list[ShownCard]] | None:
        if not who.user or not self._table.usable:
            return None
        return self._asking.begin(self._table.answered, who.tenant, who.patient, since)


class Memory(Struct, kw_only=True):
    """What one user has answered about one patient, for the length of one call."""

    who: Who
    now: datetime
    pseudonyms: Pseudonyms
    ask: Callable[[Who, datetime], Future[list[ShownCard]] | None]
    suppressed: list[Finding] = field(default_factory=list)
    unknown: bool = False  # the store did not say; cards were shown
    _shown: list[ShownCard] | None = None
    _grounds: list[tuple[Finding, Grounds]] = field(default_factory=list)

    def grounds_of(self, card: Finding, case: Case, topic: str) -> Grounds:
        """The grounds of a card of this call, worked out once: they are asked for to show it and to record it."""
        for known, found in self._grounds:
            if known is card:
                return found
        found = grounds(card, case, topic, self.pseudonyms)
        self._grounds.append((card, found))
        return found

    def keeps(self, card: Finding, case: Case, topic: str, seconds: float) -> bool:
        """Whether this card is to be shown; it may take at most so long to find out."""
        now = self.grounds_of(card, case, topic)
        if now.indicator == "critical" or not self.who.user:
            return True
        lasts = window(case)
        answered = answered_by(self._read(case.limits, seconds), self.who.user, case.limits)
        if any(
            self.now - lasts <= at <= self.now
            and still_covers(_grounds_of(shown), now, card.slot, case.limits)
            for shown, at in answered
        ):
            self.suppressed.append(card)
            return False
        return True

    def _read(self, limits: Limits, seconds: float) -> list[ShownCard]:
        if self._shown is None:
            longest = max(limits.suppression_inpatient_hours, limits.suppression_outpatient_days)
            asked = self.ask(self.who, self.now - longest - _LATE)
            try:
                self._shown = asked.result(seconds) if asked is not None else []
            except (NotInTime, StoreUnavailable):
                asked, self._shown = None, []
            self.unknown = asked is None
        return self._shown


def answered_by(
    shown: Sequence[ShownCard], user: str, limits: Limits
) -> Iterable[tuple[ShownCard, datetime]]:
    """The showings that this user answered, each with the time of the answer.

    A feedback does not say who gave it. It is taken for the user to whom its card was last shown before, and
    for nobody's where another user had been shown it shortly before.
    """
    for (card, outcome_at, received_at), showings in _by_feedback(shown).items():
        at = min(outcome_at, received_at)
        before = [s for s in showings if s.card == card and s.issued_at <= at + _CLOCKS_DIFFER]
        if not before or before[-1].user_hash != user:
            continue
        shared = limits.suppression_shared_minutes
        near = [s for s in before if s.issued_at >= at - shared]
        if all(s.user_hash == user for s in near):
            yield before[-1], at


def still_covers(then: Grounds, now: Grounds, slot: str, limits: Limits) -> bool:
    """Whether an answer to the card of `then` still answers that of `now`: the same advice, no worse."""
    same = (then.topic, then.drugs, then.profile) == (now.topic, now.drugs, now.profile)
    if not same or not now.rules <= then.rules or not now.symptoms <= then.symptoms:
        return False
    if URGENCY[now.indicator] > URGENCY[then.indicator]:
        return False
    if _BANDS.index(Band(now.band)) > _BANDS.index(Band(then.band)):
        return False
    if slot == "rate":
        return (
            now.result == then.result
        )  # about the results themselves: each new one is another card
    if then.sodium is None or now.sodium is None:
        return now.result == then.result
    fell = then.sodium - now.sodium
    # What is ordered may harm by a rise as well.
    moved = abs(fell) if slot == "order" else fell
    return moved < limits.suppression_release_fall


def window(case: Case) -> timedelta:
    """How long an answer keeps its card away from its reader (B.5 rule 5)."""
    if case.snapshot.setting == "inpatient":
        return case.limits.suppression_inpatient_hours
    return case.limits.suppression_outpatient_days


def _by_feedback(
    shown: Sequence[ShownCard],
) -> dict[tuple[str, datetime, datetime], list[ShownCard]]:
    grouped: dict[tuple[str, datetime, datetime], list[ShownCard]] = {}
    for one in shown:
        grouped.setdefault((one.card, one.outcome_at, one.received_at), []).append(one)
    return grouped


def _grounds_of(shown: ShownCard) -> Grounds:
    return Grounds(
        topic=shown.topic,
        indicator=shown.indicator,
        rules=frozenset(shown.rules.split()),
        profile=shown.profile,
        drugs=shown.drugs_hash,
        sodium=Decimal(shown.sodium) if shown.sodium else None,
        band=shown.band,
        symptoms=frozenset(shown.symptom_hashes.split()),
        result=shown.result_hash,
    )
