"""The rules of the service over the history of one patient: each moment with its cards.

A moment goes the way of a hook call, from the records of that moment to `Pipeline.decide`; there is
no other copy of any rule. Only the words of a card are not written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cds_service.backtest.course import Course
from cds_service.backtest.moments import CHART, PICKED, SIGNED, Moment, Wanted, moments_of
from cds_service.backtest.opens import OPEN
from cds_service.backtest.orders import CourseReader
from cds_service.backtest.outcome import count_odd, count_outcomes
from cds_service.backtest.quick import Look, Quick
from cds_service.backtest.rested import Rested
from cds_service.backtest.rows import (
    AGE_BANDS,
    NO_AGE,
    CardRow,
    Held,
    Knowledge,
    PieceCounts,
    Row,
    Stratum,
    more,
    patient_key,
)
from cds_service.backtest.spool import Person
from cds_service.backtest.stays import Stay, stay_at
from cds_service.backtest.timeline import CURRENT, NONE, Asked, Record, Timeline
from cds_service.backtest.watched import Watched
from cds_service.engine.finding import Finding
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.knowledge.load import Service
from cds_service.pipeline import (
    HOOKS,
    Decision,
    Pipeline,
    may_concern_a_rule,
    selected,
    unread_variant,
)
from cds_service.records.drafts import SentDraft
from cds_service.records.prefetch import Source, query
from cds_service.records.reader import SODIUM, CallRecords
from cds_service.records.times import birth_date
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import BOOK, Gate
from cds_service.trust.client import Client

_MONTH = len("2026-03")


class Task(Struct, frozen=True, kw_only=True):
    """What is judged, and how."""

    pipelines: Mapping[Knowledge, Pipeline]  # the new knowledge, and perhaps the old one
    clients: tuple[Client, ...]  # one for each profile
    wanted: Wanted
    names: Pseudonyms
    every: bool = False  # no moment is left out
    quiet: timedelta = timedelta(0)
    suppression: bool = False  # whether unchanged cards rest for a reader who has seen them
    until: datetime | None = None  # when the export was made; nothing is known later
    with_outcomes: bool = True  # what followed the cards is counted too


class _Call(Struct, frozen=True, kw_only=True):
    """One moment, ready to be judged."""

    records: CallRecords
    row: Row


class Judge:
    """Judges one patient after the other; it holds nothing of the one before."""

    def __init__(self, task: Task, medication: Callable[[str], bytes | None]) -> None:
        self._task = task
        self._medication = medication
        new = task.pipelines["new"]
        self._courses = CourseReader(new.vocabulary)
        self._watched = Watched(task.pipelines.values(), medication)
        self._quick = Quick(task.pipelines.values(), [one.profile for one in task.clients])
        self._asked = asked_by(_service(new, CHART), task.clients[0])

    def person(self, person: Person) -> tuple[list[Row], PieceCounts]:
        """Returns the rows of a patient by time, and what they came to."""
        opened = len(person.of(OPEN))
        if person.lines.keys() <= {OPEN}:
            return [], PieceCounts(openings_elsewhere=opened)
        counts = PieceCounts(patients=1, openings=opened, duplicate=person.again)
        look = self._look(person)
        timeline = Timeline(person, self._courses, counts, self._medication)
        rows = list(_Moments(self._task, self._asked, timeline, look, counts).rows(person))
        counts.with_moment = int(bool(counts.moments))
        silent = look is not None and look.quiet and not rows
        if self._task.with_outcomes and timeline.series[SODIUM].known and not silent:
            counts.outcomes = self._outcomes(timeline, rows)
        count_odd(counts.outcomes, timeline.undated, timeline.shapes)
        return rows, counts

    def _outcomes(self, timeline: Timeline, rows: Sequence[Row]) -> dict[str, int]:
        """Returns what followed the cards of a patient, and what no card preceded."""
        new = self._task.pipelines["new"]
        course = Course(timeline=timeline, knowledge=new.knowledge, vocabulary=new.vocabulary)
        profiles = [client.profile for client in self._task.clients]
        return count_outcomes(course, rows, profiles, self._task.pipelines, self._task.until)

    def _look(self, person: Person) -> Look | None:
        """Returns the moments of results at which a card is possible; None if it may be any.

        With --all it is asked too: what is counted by it must not depend on what is left out.
        """
        look = self._quick.look(person.id, person.of("sodium"), person.of("glucose"))
        if look is None or self._watched.is_ordered(person):
            return None
        return look


class _Moments:
    """The moments of one patient, one after the other."""

    def __init__(
        self,
        task: Task,
        asked: Asked,
        timeline: Timeline,
        look: Look | None,
        counts: PieceCounts,
    ) -> None:
        self._task = task
        self._asked = asked
        self._timeline = timeline
        self._look = look
        self._counts = counts
        self._rested = Rested(quiet=task.quiet, suppression=task.suppression, names=task.names)
        self._picked: set[tuple[datetime, str, str, str, str, str]] = set()
        self._gate: Gate | None = None  # why the moment at hand gets no cards

    def rows(self, person: Person) -> Iterator[Row]:
        """Yields the rows of all moments, by time."""
        timeline, counts = self._timeline, self._counts
        sodium = timeline.series["sodium"]
        counts.with_sodium = int(bool(sodium.known))
        counts.results = len(set(sodium.times))
        counts.admissions = sum(map(self._is_stay, timeline.stays))
        birth = _birth(person)
        strata = _Strata(birth, timeline.stays, counts, self._task.names)
        key = patient_key(self._task.names, timeline.id)
        for moment in moments_of(timeline, self._task.wanted):
            drugs = self._concerned(moment)
            if drugs is None:
                continue
            possible = self._is_possible(moment)
            if not possible and not self._task.every:
                strata.count(moment)
                self._count_gate(moment, birth)
                continue
            row = Row(
                patient=key,
                at=moment.at,
                kind=moment.kind,
                hook=moment.hook,
                profile="",
                user=self._task.names.of("user", moment.user) if moment.user else "",
                ordered=drugs,
                age_band=age_band(birth, moment.at),
            )
            call, self._gate = self._call(moment, row), None
            found = [self._once(one) for one in self._judged(call)]
            if self._is_the_pick(moment, found):
                yield from (replace(one, again=True) for one in found)
                continue
            strata.count(moment)
            more(counts.judged, moment.kind)
            self._count_gate(moment, birth, self._gate if possible else None)
            if possible:
                more(counts.possible, moment.kind)
                for guess in call.row.guessed:
                    more(counts.guessed, guess)
            yield from found

    def _is_stay(self, stay: Stay) -> bool:
        """Whether a stay is one in hospital, and in the time that was asked for."""
        wanted = self._task.wanted
        late = wanted.since is not None and stay.end.date() < wanted.since
        early = wanted.until is not None and stay.start.date() > wanted.until
        return stay.inpatient and not late and not early

    def _count_gate(self, moment: Moment, birth: date | None, found: Gate | None = None) -> None:
        """Counts a moment without cards for such a patient once, and not for each profile.

        Death and age are asked of every moment, also of one that numbers leave out; what only the
        rules find counts where a card is possible. So it is the same number with --all.
        """
        gates, adult = HOOKS[moment.hook].gates, self._adult_years
        young = birth is not None and years_at(birth, moment.at) < adult
        if "deceased" in gates and self._timeline.is_dead(moment.at):
            found = "deceased"
        elif "under-age" in gates and young:
            found = "under-age"
        if found is not None:
            more(self._counts.gated, found)

    @property
    def _adult_years(self) -> float:
        knowledge = self._task.pipelines["new"].knowledge
        return float(knowledge.limits[self._task.clients[0].profile].adult_years)

    def _once(self, row: Row) -> Row:
        """Returns a row of orders; its cards that were shown at their pick are marked."""
        if row.hook not in (PICKED, SIGNED):
            return row
        cards = []
        for card in row.cards:
            said = (
                *(row.at, row.profile, row.knowledge),
                *(card.rule, card.variant, card.indicator),
            )
            if row.hook == PICKED:
                self._picked.add(said)
            elif said in self._picked:
                card = replace(card, held="picked")
            cards.append(card)
        return replace(row, cards=tuple(cards))

    def _is_the_pick(self, moment: Moment, rows: Sequence[Row]) -> bool:
        """Whether the signing of one order says nothing that its pick did not say."""
        if moment.hook != SIGNED or len(moment.orders) > 1:
            return False
        return all(card.held == "picked" for row in rows for card in row.cards)

    def _is_possible(self, moment: Moment) -> bool:
        """Whether numbers alone leave a card possible."""
        look = self._look
        return look is None or moment.kind != "result" or moment.at in look.possible

    def _concerned(self, moment: Moment) -> tuple[str, ...] | None:
        """Returns the drugs of the orders of a moment; None if no rule can speak of any of them."""
        if not moment.orders:
            return ()
        held = self._timeline.medications
        known = {CURRENT: Source(state="satisfied", resources=held)} if held else {}
        alone = self._records(moment, None, known)
        orders = selected(self._task.pipelines["new"].snapshot(alone, moment.hook))
        self._counts.orders += moment.hook == PICKED and any(map(BOOK.concerning, orders))
        if not may_concern_a_rule(orders):
            return None
        return tuple(dict.fromkeys(drug.name for order in orders for drug in order.drugs))

    def _call(self, moment: Moment, row: Row) -> _Call:
        own = frozenset(order.reference for order in moment.orders)
        record: Record = self._timeline.at(moment.at, self._asked, without=own or NONE)
        return _Call(
            records=self._records(moment, record.encounter_id, record.sources),
            row=replace(row, guessed=tuple(sorted(record.guessed))),
        )

    def _records(
        self, moment: Moment, encounter_id: str | None, sources: Mapping[str, Source]
    ) -> CallRecords:
        zone = self._task.clients[0].time_zone
        picked = HOOKS[moment.hook].drafts == "selected"
        return CallRecords(
            patient_id=self._timeline.id,
            now=moment.at,
            encounter_id=encounter_id,
            zone=moment.at.astimezone(zone).utcoffset() if zone is not None else None,
            sources=sources,
            drafts=tuple([SentDraft(order.as_draft()) for order in moment.orders]),
            selections=tuple([order.reference for order in moment.orders]) if picked else (),
            remembered=self._timeline.remembered,
        )

    def _judged(self, call: _Call) -> Iterator[Row]:
        """Yields a row for each profile and version of the knowledge that says anything."""
        for knowledge, pipeline in self._task.pipelines.items():
            snapshot = pipeline.snapshot(call.records, call.row.hook)
            row = replace(call.row, knowledge=knowledge, setting=snapshot.setting)
            for client in self._task.clients:
                case = pipeline.case(snapshot, client.profile, worded=False)
                found = self._decided(pipeline, client, case, replace(row, profile=client.profile))
                if found.cards or found.unread:
                    yield found

    def _decided(self, pipeline: Pipeline, client: Client, case: Case, row: Row) -> Row:
        service = _service(pipeline, row.hook)
        keep = self._rested.keeper(case, service, client, row)
        decision = pipeline.decide(case, service, client, keep=keep)
        if decision.gate is not None:
            self._gate = decision.gate
            return row
        latest = case.sodium.latest
        return replace(
            row,
            unread=decision.unlooked or "",
            sodium=latest.value if latest is not None else None,
            sodium_at=latest.at if latest is not None else None,
            level=case.sodium.band.value if latest is not None else "",
            cards=tuple(self._cards(service, client, case, decision, row)),
        )

    def _cards(
        self, service: Service, client: Client, case: Case, decision: Decision, row: Row
    ) -> Iterator[CardRow]:
        """Yields what is shown, then what would have been without the client's own choice."""
        if decision.unlooked is not None:
            if client.explain_missing_data:
                rule = HOOKS[service.hook].unreadable
                topic, variant = service.rules[rule].topic, unread_variant(decision.unlooked)
                yield CardRow(rule=rule, variant=variant, indicator="info", topic=topic)
            return
        for finding in decision.shown:
            card = _card(service, finding)
            held: Held = self._rested.quieted(card, row)
            if not held:
                self._rested.note(finding, case, card.topic, row)
            yield replace(card, held=held or ("shadow" if client.shadow else ""))
        shown = {finding.rule for finding in decision.shown}
        for finding in decision.chosen:
            if finding.rule not in shown:
                yield replace(_card(service, finding), held="disabled")
        for finding in decision.rested:
            yield replace(_card(service, finding), held="suppressed")


class _Strata(Struct, frozen=True):
    """Counts the moments of one patient by setting, age and month."""

    birth: date | None
    stays: Sequence[Stay]
    counts: PieceCounts
    names: Pseudonyms

    def count(self, moment: Moment) -> None:
        """Counts one moment; the first one of a patient counts the patient too."""
        kind, at = moment.kind, moment.at
        stay = stay_at(self.stays, at)
        inpatient = stay is not None and stay.inpatient
        band = age_band(self.birth, at)
        if not self.counts.moments:
            more(self.counts.patients_by_age, band)
        more(self.counts.moments, kind)
        self.counts.count(
            Stratum(
                kind=kind,
                setting="inpatient" if inpatient else "outpatient",
                age_band=band,
                month=at.isoformat()[:_MONTH],
            )
        )
        if moment.user:
            more(self.counts.users, f"{self.names.of('user', moment.user)}|{at:%Y-%m-%d}")


def asked_by(service: Service, client: Client) -> Asked:
    """Returns what a service asks of a record for a client."""
    context = {"patientId": "any", "encounterId": "any"}
    asked = [query(key, template, context) for key, template in service.prefetch.items()]
    return Asked(
        enough={one.key: one.enough for one in asked if one is not None and one.enough is not None},
        optional=tuple(service.optional),
        listed=tuple(client.extra_sources),
    )


def age_band(birth: date | None, at: datetime) -> str:
    """Returns the band of an age at a moment."""
    if birth is None:
        return NO_AGE
    years = years_at(birth, at)
    return next((name for name, below in AGE_BANDS if years < below), NO_AGE)


def years_at(birth: date, at: datetime) -> int:
    """Returns whole years of age at a moment."""
    return at.year - birth.year - ((at.month, at.day) < (birth.month, birth.day))


class _Born(Struct, rename="camel"):
    birth_date: str = ""


_born = msgspec.json.Decoder(_Born).decode


def _birth(person: Person) -> date | None:
    for line in sorted(person.of("Patient")):
        try:
            return birth_date(_born(line).birth_date.strip())
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return None


def _service(pipeline: Pipeline, hook: str) -> Service:
    return next(s for s in pipeline.knowledge.services.values() if s.hook == hook)


def _card(service: Service, finding: Finding) -> CardRow:
    return CardRow(
        rule=finding.rule,
        variant=finding.variant,
        indicator=finding.indicator,
        topic=service.rules[finding.rule].topic,
        slot=finding.slot,
        drugs=finding.drugs,
        merged=tuple(one.rule for one in finding.absorbed),
    )
