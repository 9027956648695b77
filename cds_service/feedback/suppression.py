"""Keeps away a card that says nothing new, unless the patient gets worse (B.5 rule 5, F51).

A card rests for the reader who has answered it; for the whole team if one of them takes care of
it; and an unchanged info card for the reader who saw it a few hours ago. In doubt the card is
shown: if the call names no user, if no feedback is surely this user's, or if the store does not
answer in time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field

from cds_service.engine.finding import URGENCY, Finding
from cds_service.errors import StoreUnavailable
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.limits import Limits
from cds_service.sodium.case import Case
from cds_service.sodium.results import Band
from cds_service.store.shown import ShownCard, ShownTable

_BANDS = tuple(Band)  # from normal to severe
_CLOCKS_DIFFER = timedelta(minutes=2)  # an EHR's clock may be so far behind ours
_LATE = timedelta(days=1)  # a card may be answered so long after it was shown


class Who(Struct, frozen=True, kw_only=True):
    """The tenant, patient and user of a call as keyed hashes; `user` is "" if it is not known."""

    tenant: str
    patient: str
    user: str


class Grounds(Struct, frozen=True, kw_only=True):
    """What a card says and rests on; it shows whether a later card says more or is more urgent."""

    topic: str
    indicator: str
    rules: frozenset[str]  # with their variants, and with the rules merged into the card
    profile: str
    drugs: str
    sodium: Decimal | None
    band: str
    symptoms: frozenset[str]
    result: str


def grounds(card: Finding, case: Case, topic: str, pseudonyms: Pseudonyms) -> Grounds:
    """Returns the grounds of a card that is about to be shown."""
    findings = (card, *card.absorbed)
    sodium, latest = case.sodium, case.sodium.latest
    rejected = sodium.newest_rejected
    result: list[str] = []
    if latest:
        result += [latest.reference, str(latest.value), latest.at.isoformat()]
    if rejected:
        result += [rejected.shown, str(rejected.at)]
    if sodium.unusable and sodium.unusable is not rejected:
        result += [sodium.unusable.why, str(sodium.unusable.until)]
    drugs = {drug for finding in findings for drug in finding.drugs}
    return Grounds(
        topic=topic,
        indicator=max((finding.indicator for finding in findings), key=URGENCY.__getitem__),
        rules=frozenset(f"{finding.rule}:{finding.variant}" for finding in findings),
        profile=case.limits.profile,
        drugs=pseudonyms.of("drugs", *sorted(drugs)),
        sodium=latest.value if latest else None,
        band=sodium.band.value,
        symptoms=frozenset(pseudonyms.of("symptom", s) for s in case.symptoms.severe),
        result=pseudonyms.of("result", *result),
    )


class Suppression:
    """Looks up, for one deployment, what its users have answered."""

    def __init__(
        self,
        table: ShownTable,
        pseudonyms: Pseudonyms,
        cared_for: Set[str] = frozenset(),
        *,
        repeats: bool = False,
    ) -> None:
        """Takes where to look; with `repeats` what was seen and not answered is shown again."""
        self._table = table
        self._repeats = repeats
        self.pseudonyms = pseudonyms
        self._cared_for = cared_for  # codes of override-reasons.toml that rest a card for the team

    def memory(self, who: Who, now: datetime) -> Memory:
        """Returns what this user has answered about this patient, read when a card needs it."""
        return Memory(
            who=who,
            now=now,
            pseudonyms=self.pseudonyms,
            ask=self._begin,
            cared_for=self._cared_for,
            repeats=self._repeats,
        )

    def _begin(
        self, who: Who, since: datetime, unanswered_since: datetime
    ) -> Future[list[ShownCard]] | None:
        """Starts to read the store; returns None if the call has no user or the store is down."""
        if not who.user:
            return None
        return self._table.begin(who.tenant, who.patient, since, unanswered_since)


class Memory(Struct, kw_only=True):
    """What one user has answered about one patient, for the length of one call."""

    who: Who
    now: datetime
    pseudonyms: Pseudonyms
    ask: Callable[[Who, datetime, datetime], Future[list[ShownCard]] | None]
    cared_for: Set[str] = frozenset()
    repeats: bool = False  # an info card that was not answered is shown again
    suppressed: list[Finding] = field(default_factory=list)
    unknown: bool = False  # the store did not answer in time; cards were shown
    _shown: list[ShownCard] | None = None
    _grounds: list[tuple[Finding, Grounds]] = field(default_factory=list)

    def grounds_of(self, card: Finding, case: Case, topic: str) -> Grounds:
        """Returns the grounds of a card of this call, which are worked out once."""
        for known, its_grounds in self._grounds:
            if known is card:
                return its_grounds
        new = grounds(card, case, topic, self.pseudonyms)
        self._grounds.append((card, new))
        return new

    def keeps(self, card: Finding, case: Case, topic: str, seconds: float) -> bool:
        """Returns True if this card is shown; waits for the store at most so many seconds."""
        present = self.grounds_of(card, case, topic)
        if present.indicator == "critical" or not self.who.user:
            return True
        limits, shown_cards = case.limits, self._read(case.limits, seconds)
        answered = any(
            still_covers(_grounds_of(shown), present, card.slot, limits)
            for shown in self._answered(shown_cards, case)
        )
        if answered or any(
            says_nothing_new(_grounds_of(shown), present, card.slot, limits)
            for shown in self._seen(shown_cards, limits)
        ):
            self.suppressed.append(card)
            return False
        return True

    def _answered(self, shown_cards: Sequence[ShownCard], case: Case) -> Iterator[ShownCard]:
        """Yields the showings that this user has answered, or that the team takes care of."""
        earliest = self.now - window(case)
        for shown, answered_at in answered_by(shown_cards, self.who.user, case.limits):
            if earliest <= answered_at <= self.now:
                yield shown
        rested = self.now - case.limits.suppression_team_hours
        yield from (s for s in shown_cards if cared_for_since(s, self.cared_for, rested))

    def _seen(self, shown_cards: Sequence[ShownCard], limits: Limits) -> Iterator[ShownCard]:
        """Yields what was shown to this user a few hours ago, unless that is repeated."""
        if self.repeats:
            return
        earliest = self.now - limits.suppression_repeat_hours
        for shown in shown_cards:
            if shown.user_hash == self.who.user and earliest <= shown.issued_at <= self.now:
                yield shown

    def _read(self, limits: Limits, seconds: float) -> list[ShownCard]:
        """Returns the cards that were shown; reads the store once."""
        if self._shown is not None:
            return self._shown
        longest = max(limits.suppression_inpatient_hours, limits.suppression_outpatient_days)
        answer = self.ask(
            self.who, self.now - longest - _LATE, self.now - limits.suppression_repeat_hours
        )
        self._shown, self.unknown = [], True
        if answer is not None:
            with contextlib.suppress(NotInTime, StoreUnavailable):
                self._shown, self.unknown = answer.result(seconds), False
        return self._shown


def answered_by(
    shown: Sequence[ShownCard], user: str, limits: Limits
) -> Iterable[tuple[ShownCard, datetime]]:
    """Yields the showings that this user answered, each with the time of the answer.

    Feedback names no user. It counts for the user who saw the card last before it, and for no user
    if two saw the card shortly before.
    """
    by_feedback: dict[tuple[str, datetime, datetime], list[ShownCard]] = {}
    for one in shown:
        if one.outcome_at is None or one.received_at is None:
            continue
        key = (one.card, one.outcome_at, one.received_at)
        by_feedback.setdefault(key, []).append(one)
    for (_, outcome_at, received_at), showings in by_feedback.items():
        at = min(outcome_at, received_at)
        before = [s for s in showings if s.issued_at <= at + _CLOCKS_DIFFER]
        if not before or before[-1].user_hash != user:
            continue
        shortly_before = [
            s for s in before if s.issued_at >= at - limits.suppression_shared_minutes
        ]
        if all(s.user_hash == user for s in shortly_before):
            yield before[-1], at


def cared_for_since(shown: ShownCard, reasons: Set[str], earliest: datetime) -> bool:
    """Returns True if a member of the team has taken care of what this card says (F51).

    A suggestion was accepted, or the reason says that it is managed.
    """
    if shown.outcome_at is None or shown.received_at is None:
        return False
    at = min(shown.outcome_at, shown.received_at)
    if at < earliest or shown.issued_at > at + _CLOCKS_DIFFER:
        return False
    return shown.outcome == "accepted" or shown.reason in reasons


def says_nothing_new(then: Grounds, now: Grounds, slot: str, limits: Limits) -> bool:
    """Returns True if an info card repeats another one; a rise would be news too (F51)."""
    if then.indicator != "info" or now.indicator != "info":
        return False
    rise = (now.sodium or Decimal(0)) - (then.sodium or Decimal(0))  # a fall: `still_covers`
    if rise >= limits.suppression_release_fall:
        return False
    return still_covers(then, now, slot, limits)


def still_covers(then: Grounds, now: Grounds, slot: str, limits: Limits) -> bool:
    """Returns True if an answer to the card of `then` answers that of `now` too.

    It does if the advice is the same and the patient is not worse.
    """
    if (then.topic, then.drugs, then.profile) != (now.topic, now.drugs, now.profile):
        return False
    if _says_more(then, now):
        return False
    # A card of the slot "rate" is about the results themselves, so each new result is a new card.
    if slot == "rate" or then.sodium is None or now.sodium is None:
        return now.result == then.result
    fall = then.sodium - now.sodium
    if slot == "order":
        fall = abs(fall)  # an order may harm by a rise as well
    return fall < limits.suppression_release_fall


def _says_more(then: Grounds, now: Grounds) -> bool:
    """Returns True if the card of `now` has another rule or symptom, or is more urgent."""
    if not now.rules <= then.rules or not now.symptoms <= then.symptoms:
        return True
    if URGENCY[now.indicator] > URGENCY[then.indicator]:
        return True
    return _BANDS.index(Band(now.band)) > _BANDS.index(Band(then.band))


def window(case: Case) -> timedelta:
    """Returns how long an answer keeps its card away from its reader (B.5 rule 5)."""
    if case.snapshot.setting == "inpatient":
        return case.limits.suppression_inpatient_hours
    return case.limits.suppression_outpatient_days


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
