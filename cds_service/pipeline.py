"""A hook call becomes its cards: read this first.

Prefetch and live reads become a snapshot, the snapshot a case, rules make findings of the case,
triage picks at most two, and `cards` writes them. What could not be read is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from string import Template
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service import metrics
from cds_service.engine.cards import CardContext, CardSettings, Phrases, Writer, explanation
from cds_service.engine.finding import URGENCY, Finding, Line, Outcome, Silence, Suggestion
from cds_service.engine.speech import translations
from cds_service.engine.triage import Keep, keep_all, one_time, still_shown, triage
from cds_service.errors import BadRequest, KnowledgeError, NoRuleAsked, OutOfTime
from cds_service.feedback.census import Seen
from cds_service.feedback.suppression import Memory
from cds_service.knowledge.languages import ENGLISH
from cds_service.knowledge.limits import NotingLimits
from cds_service.knowledge.load import Knowledge, Service
from cds_service.knowledge.names import MissingSince
from cds_service.knowledge.words import RuleWords, SharedWords
from cds_service.orders.drafts import OrderContext, orders
from cds_service.protocol.card import check_cards
from cds_service.protocol.limits import obey
from cds_service.protocol.request import Drafts, HookRequest, without_orders
from cds_service.protocol.wire import encode
from cds_service.records.breaker import Pause
from cds_service.records.causes import shown
from cds_service.records.client import FhirClient
from cds_service.records.cut import may_be_large, small_enough, within_limits
from cds_service.records.drafts import sent_drafts
from cds_service.records.fhir_types import as_resource
from cds_service.records.gather import (
    Ask,
    Gathered,
    code_of,
    gather,
    unavailable,
    unchecked,
    unidentified,
)
from cds_service.records.prefetch import Source, as_prefetched
from cds_service.records.reader import (
    ENCOUNTER,
    SODIUM,
    CallRecords,
    draft_of_another_patient,
    full_urls,
    order_resource,
    read_snapshot,
    wanted_references,
)
from cds_service.sodium.blind_spots import Unlooked, sodium_missing, unlooked, unused_sodium
from cds_service.sodium.case import Case, assess
from cds_service.sodium.results import Rejected
from cds_service.sodium.rules.book import BOOK, Gate, can_judge_without_sodium, closed
from cds_service.sodium.snapshot import Missing, Order, Snapshot, same_order
from cds_service.sodium.wording import card_context
from cds_service.terminology.vocabulary import NO_LOCAL_CODES, LocalCodes, Vocabulary, vocabulary
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client

EVERY_RULE = "all"
_LOOKUP_S = 0.15  # a store that takes longer to say what was answered is not waited for


class Hook(Struct, frozen=True, kw_only=True):
    """How one hook of CDS Hooks is answered."""

    drafts: Drafts  # "selected" and "all": its rules look at these orders; "none": at the patient
    gates: tuple[Gate, ...]  # patients for whom it has no cards
    unreadable: str  # the rule whose card says that something could not be checked
    going_home: bool = False  # of the rules about the patient: those about discharge


HOOKS: dict[str, Hook] = {
    "patient-view": Hook(
        drafts="none",
        gates=("deceased", "under-age", "comfort-care"),
        unreadable="PV-UNREADABLE",
    ),
    "order-select": Hook(
        drafts="selected", gates=("deceased", "under-age"), unreadable="OS-UNREADABLE"
    ),
    "order-sign": Hook(drafts="all", gates=("deceased", "under-age"), unreadable="OS-UNREADABLE"),
    "encounter-discharge": Hook(
        drafts="none",
        gates=("deceased", "under-age", "comfort-care"),
        unreadable="DC-UNREADABLE",
        going_home=True,
    ),
}


class Evaluation(Struct, frozen=True, kw_only=True):
    """What one call came to, with everything that explains it. No patient data but in `cards`."""

    cards: list[dict[str, Any]]
    sources: Mapping[str, Source] = field(default_factory=dict)
    returned: tuple[Finding, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    suppressed: tuple[Finding, ...] = ()  # this user has answered them already (B.5 rule 5)
    case: Case | None = None
    reason: str = ""  # why no rule was asked, or why nothing of what they found is shown
    closed: str = ""  # the key of that reason
    off: tuple[str, ...] = ()  # rules that found something and are switched off; or EVERY_RULE
    kinds: Mapping[str, str] = field(default_factory=dict)  # of the suggestions, by uuid


class Decision(Struct, frozen=True, kw_only=True):
    """What the rules make of one case before any word is written: cards, or why no rule speaks."""

    shown: tuple[Finding, ...] = ()  # at most two, the more urgent first
    chosen: tuple[Finding, ...] = ()  # the same before the client's own choice of rules
    rested: tuple[Finding, ...] = ()  # this user has answered them already (B.5 rule 5)
    outcomes: tuple[Outcome, ...] = ()
    off: tuple[str, ...] = ()  # rules that found something and are switched off
    gate: Gate | None = None  # why no rule was asked
    unlooked: Unlooked | None = None  # what could not be checked, so that silence would hide it


class Options(Struct, frozen=True, kw_only=True):
    """What a deployment may change about answering."""

    fluid_restriction_resource: Literal["NutritionOrder", "ServiceRequest"] = "NutritionOrder"
    local_codes: LocalCodes = NO_LOCAL_CODES


class Pipeline:
    """Answers hook calls; built once, shared by all threads, holds nothing of a patient."""

    def __init__(
        self,
        knowledge: Knowledge,
        settings: CardSettings,
        fhir: FhirClient,
        options: Options | None = None,
    ) -> None:
        check_rules(knowledge)
        self.knowledge = knowledge
        self._settings = settings
        self._fhir = fhir
        self._options = options or Options()
        self.vocabulary: Vocabulary = vocabulary(
            knowledge.terms, knowledge.fluids, knowledge.orders, self._options.local_codes
        )
        self._translations = translations(knowledge)
        spoken = {code: one.knowledge for code, one in self._translations.items()}
        sample = datetime(2000, 1, 1, tzinfo=UTC)
        self._orders = {
            code: orders(known.orders, known.terms.labs, sample)
            for code, known in {ENGLISH: knowledge, **spoken}.items()
        }

    def answer(
        self,
        request: HookRequest,
        client: Client,
        deadline: Deadline,
        memory: Memory | None = None,
        seen: Seen | None = None,
    ) -> Evaluation:
        """Returns the cards of one call.

        It raises DataUnavailable (412) if data is needed and cannot be had, and BadRequest (400) if
        a hook about orders came without them. `memory` knows which cards this user has answered;
        without it no card is left out for that reason. `seen` is told what the call brought, also
        if it is refused.
        """
        seen = seen or Seen()
        hook = HOOKS[request.hook]
        if request.lacks and not client.explain_missing_data:
            raise without_orders(request.hook, hook.drafts, request.lacks)
        if client.all_off:
            return self._closed("switched-off", Evaluation(cards=[], off=(EVERY_RULE,)))
        request = _with_encounter(request, client)
        try:
            return self._in_time(request, client, deadline, memory, seen)
        except OutOfTime:
            if not client.explain_missing_data:
                raise
            return self._too_late(request, client, seen)

    def _in_time(
        self,
        request: HookRequest,
        client: Client,
        deadline: Deadline,
        memory: Memory | None,
        seen: Seen,
    ) -> Evaluation:
        """Returns the cards, or raises OutOfTime as soon as the deadline has passed."""
        hook = HOOKS[request.hook]
        deadline.keep()
        if not self._may_concern_a_rule(request, hook, seen, deadline):
            return self._closed("no-order-concerned", Evaluation(cards=[]))
        with metrics.timed("read"):
            call = self._read(request, client, deadline)
            seen.case, seen.orders = call.case, selected(call.case.snapshot)
            seen.sources = {key: one.shown for key, one in call.gathered.sources.items()}
            seen.reads = call.gathered.reads.made
        with metrics.timed("judge"):
            decision = self.decide(
                call.case,
                self._service(request),
                client,
                lacks_orders=bool(request.lacks),
                keep=self._keep(call, memory, deadline),
                keep_time=deadline.keep,
            )
        if decision.gate is not None:
            return self._without_rules(call, decision.gate)
        if decision.unlooked is not None:
            return self._unreadable(call, decision.unlooked, seen)
        with metrics.timed("write"):
            answered = self._answered(call, [*decision.shown], decision.outcomes)
        answered = replace(answered, suppressed=decision.rested, off=decision.off)
        hidden = decision.off and not answered.cards
        return self._closed("rules-switched-off", answered) if hidden else answered

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that cards can speak, English first."""
        return (ENGLISH, *self._translations)

    def language_of(self, asked: str, client: Client) -> str:
        """Returns the language of a client's cards: the one of its entry, else the one asked for.

        The registry comes first, because a site signs for the words that its clinicians read.
        """
        wanted = client.language or asked
        return wanted if wanted in self._translations else ENGLISH

    def phrases(self, service: str, language: str) -> Phrases:
        """Returns the words of a language, for what is shown beside the cards."""
        known, translation = self._known_in(language), self._translations.get(language)
        speech = translation.speech if translation is not None else None
        return Phrases(known, known.services[service], speech)

    def service_in(self, service: str, language: str) -> Service:
        """Returns a service with the words of a language."""
        return self._known_in(language).services[service]

    def _known_in(self, language: str) -> Knowledge:
        translation = self._translations.get(language)
        return translation.knowledge if translation is not None else self.knowledge

    # ---- from a record to a decision, as a hook call and `cds-service backtest` both go

    def snapshot(self, records: CallRecords, hook: str) -> Snapshot:
        """Returns what rules may know of these records on a hook."""
        snapshot = read_snapshot(records, self.vocabulary)
        if HOOKS[hook].drafts != "all":
            return snapshot
        # Without selections every draft counts, up to the number that is read.
        return replace(snapshot, every_draft_counts=False)

    def case(self, snapshot: Snapshot, profile: str, *, worded: bool = True) -> Case:
        """Returns the case that the rules judge under a profile; `worded` as in Case."""
        known, limits = self.knowledge, self.knowledge.limits[profile]
        return assess(snapshot, limits, known.sets, known.terms.labs, worded=worded)

    def decide(
        self,
        case: Case,
        service: Service,
        client: Client,
        *,
        lacks_orders: bool = False,
        keep: Keep = keep_all,
        keep_time: Callable[[], object] = bool,
    ) -> Decision:
        """Asks the rules, picks at most two cards, and makes sure that silence hides nothing.

        `keep` says which cards are not rested; `keep_time` raises OutOfTime once it is too late.
        """
        hook = HOOKS[service.hook]
        gate = closed(case, hook.gates)
        if gate is not None:
            return Decision(gate=gate)
        lacking = _lacking(case.snapshot, hook, lacks_orders=lacks_orders)
        if lacking is not None:
            return Decision(unlooked=lacking)
        outcomes = outcomes_of(case, service, keep_time)
        rested: list[Finding] = []

        def kept(card: Finding) -> bool:
            if keep(card):
                return True
            rested.append(card)
            return False

        chosen = triage(
            outcomes,
            service.rules,
            age_known=case.age_years is not None,
            critical_only=case.comfort_care,
            keep=kept,
        )
        shown = one_time(still_shown(chosen, client.not_shown, client.min_indicator))
        silent = not shown and not rested
        hidden = unlooked(case, outcomes, client.not_shown, silent=silent)
        return Decision(
            shown=tuple(shown),
            chosen=tuple(chosen),
            rested=tuple(rested),
            outcomes=outcomes,
            off=tuple(dict.fromkeys(o.rule for o in outcomes if _is_off(o, client))),
            unlooked=hidden,
        )

    def _too_late(self, request: HookRequest, client: Client, seen: Seen) -> Evaluation:
        """Returns the card that says that a call could not be worked out by its deadline."""
        unread = Snapshot(now=request.received, missing={SODIUM: Missing.TOO_MUCH})
        case = self.case(unread, client.profile)
        parts = CallRecords(patient_id=request.patient_id, now=request.received)
        nothing = Gathered(sources={}, reads=self._fhir.reads(None, Deadline.after(0)))
        call = _Call(request=request, client=client, gathered=nothing, parts=parts, case=case)
        return self._unreadable(call, "sodium", seen)

    def explain(
        self, evaluation: Evaluation, service: str, *, with_values: bool = False
    ) -> dict[str, Any]:
        """Returns why there is each card of an evaluation, and why there is no other."""
        record: dict[str, Any] = {}
        if evaluation.case is not None:
            snapshot = evaluation.case.snapshot
            record["droppedResults"] = [
                self._dropped(result, with_values) for result in evaluation.case.sodium.rejected
            ]
            record["foreignResources"] = snapshot.dropped_foreign
            record["unrecognisedOrders"] = snapshot.unrecognised
            if snapshot.every_draft_counts:
                record["everyDraftCounts"] = True
            record["profile"] = evaluation.case.limits.profile
        return explanation(
            Phrases(self.knowledge, self.knowledge.services[service]),
            evaluation.outcomes,
            returned=evaluation.returned,
            suppressed=evaluation.suppressed,
            reason=evaluation.reason,
            head={
                "knowledge": self.knowledge.sha256[:16],
                "sources": {key: shown(source) for key, source in evaluation.sources.items()},
                "switchedOff": [*evaluation.off],
            },
            record=record,
            with_values=with_values,
        )

    def numbers_read(self, evaluation: Evaluation, rule: str) -> frozenset[str]:
        """Returns the names of the numbers that one rule compared with in a call."""
        case = evaluation.case
        if case is None:
            return frozenset()
        noting = NotingLimits(case.limits)
        again = assess(case.snapshot, noting.limits, case.sets, case.labs)
        about_patient = BOOK.about_patient(rule)
        if about_patient is not None:
            about_patient(again)
        elif rule in BOOK.order:
            for order in selected(case.snapshot):
                BOOK.order[rule].judge(again, order)
        return frozenset(noting.names)

    def _dropped(self, result: Rejected, with_values: bool) -> dict[str, Any]:
        """Returns why one sodium result was not used; its time and value are patient data."""
        shown: dict[str, Any] = {
            "reason": result.why.value,
            "because": self.knowledge.words.unused[result.why],
        }
        if not with_values:
            return shown
        if result.at is not None:
            shown["time"] = result.at.isoformat()
        return shown | {"value": f"{result.shown} {result.unit}".strip()}

    def pauses(self) -> tuple[Pause, ...]:
        """Returns since when FHIR servers have been left alone because they kept failing."""
        return self._fhir.pauses()

    def _may_concern_a_rule(
        self, request: HookRequest, hook: Hook, seen: Seen, deadline: Deadline
    ) -> bool:
        """Whether a rule may have something to say: decided from the drafts alone, before any read.

        It is true for a hook about the chart and if no order could be read. It raises BadRequest if
        an order is another patient's.
        """
        if hook.drafts == "none" or request.lacks:
            return True
        bundle = as_resource(request.draft_bundle)
        parts = CallRecords(
            patient_id=request.patient_id,
            now=request.received,
            urls=full_urls((bundle,)),
            drafts=sent_drafts(bundle, large=may_be_large((request.body,))),
            selections=request.selections,
            keep_time=deadline.keep,
        )
        another = draft_of_another_patient(parts)
        if another is not None:
            raise BadRequest(f"Draft order {another} names another patient than the context.")
        if wanted_references(parts):
            return True
        seen.orders = picked = selected(self.snapshot(parts, request.hook))
        return may_concern_a_rule(picked)

    def _read(self, request: HookRequest, client: Client, deadline: Deadline) -> _Call:
        """Reads everything the call can know; Medications of orders come in the same deadline."""
        ask = ask_for(self._service(request), request, client)
        gathered = gather(ask, self._fhir, deadline)
        large = may_be_large(_bodies(request, gathered))
        gathered = replace(gathered, sources=within_limits(gathered.sources, large=large))
        parts = _parts(request, client, gathered, deadline)
        wanted = wanted_references(parts)
        if wanted:
            read = tuple(gathered.reads.get_many(wanted).values())
            medications = Source(state="satisfied", origin="live", resources=read)
            referenced = within_limits({"referenced": medications}, large=True)
            parts = replace(parts, sources={**parts.sources, **referenced})
        case = self.case(self.snapshot(parts, request.hook), client.profile)
        return _Call(request=request, client=client, gathered=gathered, parts=parts, case=case)

    def _keep(self, call: _Call, memory: Memory | None, deadline: Deadline) -> Keep:
        """Which cards this user has not answered, as the client would be shown them."""
        if memory is None:
            return keep_all
        rules, client = self._service(call.request).rules, call.client

        def keep(card: Finding) -> bool:
            shown = still_shown([card], client.not_shown, client.min_indicator)
            seconds = min(_LOOKUP_S, deadline.left())
            return not shown or memory.keeps(
                shown[0], call.case, rules[shown[0].rule].topic, seconds
            )

        return keep

    def _without_rules(self, call: _Call, why: str) -> Evaluation:
        """Returns no card, and why no rule has to be asked: a key of `silence` in words.toml."""
        looked = Evaluation(cards=[], sources=call.gathered.sources, case=call.case)
        return self._closed(why, looked)

    def _unreadable(self, call: _Call, what: Unlooked, seen: Seen) -> Evaluation:
        """Returns a card on what could not be read, or raises 412 if the client shows errors."""
        snapshot = call.case.snapshot
        why = snapshot.missing.get(what, Missing.FAILED)
        going_home = HOOKS[call.request.hook].going_home
        unusable = unused_sodium(call.case, going_home=going_home) if what == "sodium" else None
        if unusable is not None:
            why = Missing.UNUSABLE
        cause = code_of(what, why, call.gathered)
        seen.unchecked = unchecked(what, why, cause)
        if not call.client.explain_missing_data:
            if what == "unidentified":
                raise unidentified(_code_words(snapshot, self.knowledge.words))
            told = self.knowledge.words.unused[unusable.why] if unusable is not None else ""
            raise unavailable(what, why, call.gathered, call.client, told)
        drugs = [order.drugs[0].name for order in selected(snapshot) if order.drugs]
        words = self._known_in(self.language_of(call.request.language, call.client)).words
        finding = Finding(
            rule=HOOKS[call.request.hook].unreadable,
            indicator="info",
            variant=unread_variant(what),
            do=(Line("check-chart" if what == "sodium" else f"check-{what}"),),
            why=(Line("cause", {"cause": cause}),) if cause else (),
            facts={
                "why": _filled(words.missing, self._why(call, what, why)),
                "drug": drugs[0] if drugs else words.card.unnamed_order,
                "code": _code_words(snapshot, words),
            },
            drugs=tuple(drugs),
        )
        return self._answered(call, [finding], ())

    def _answered(
        self, call: _Call, findings: list[Finding], outcomes: tuple[Outcome, ...]
    ) -> Evaluation:
        """The cards of these findings, each looked at once more before it is sent."""
        request, parts, client = call.request, call.parts, call.client
        evaluation = Evaluation(
            cards=[],
            sources=call.gathered.sources,
            returned=tuple(findings),
            outcomes=outcomes,
            case=call.case,
        )
        if not findings:
            return evaluation
        context = OrderContext(
            patient_id=request.patient_id,
            now=request.received,
            encounter_id=request.encounter_id or None,
            practitioner=request.practitioner,
            fluid_order=self._options.fluid_restriction_resource,
            bases=parts.bases,
            resource_of=lambda reference: order_resource(parts, reference),
        )

        language = self.language_of(request.language, client)

        def actions(suggestion: Suggestion, text: str) -> list[dict[str, Any]]:
            return self._orders[language].actions_for(suggestion, context, text)

        app = f"{self._settings.base_url}/smart/{client.name}/launch" if client.smart else ""
        owner = client.visit or client.tenant
        settings = replace(self._settings, tenant=owner, smart_url=app)
        writer = Writer(
            self.knowledge,
            self._service(request),
            settings,
            client.profile,
            self._translations.get(language),
        )
        about: CardContext = card_context(call.case, request.patient_id, findings)
        because = {key: self._why(call, key, Missing(why)) for key, why in about.missing.items()}
        about = replace(about, because=because)
        written = [writer.card(finding, about, actions) for finding in findings]
        cards = obey(written, client.card_limits)
        check_cards(cards)
        return replace(evaluation, cards=cards, kinds=writer.kinds)

    def _why(self, call: _Call, key: str, why: Missing) -> Line:
        """Returns why a source is missing: a key of `missing`, with a status or a time if known."""
        words, source = self.knowledge.words.missing, call.gathered.sources.get(key)
        pause = call.gathered.pause
        if why is Missing.LEFT_ALONE and pause is not None:
            since = f"{pause.since.astimezone(call.client.time_zone or UTC):%H:%M %Z}"
            return Line(MissingSince.LEFT_ALONE, {"since": since, "calls": str(pause.calls)})
        if source is not None and source.status and f"{why.value}-status" in words:
            return Line(f"{why.value}-status", {"status": str(source.status)})
        return Line(why.value)

    def _service(self, request: HookRequest) -> Service:
        return self.knowledge.services[request.service]

    def _closed(self, silence: str, evaluation: Evaluation) -> Evaluation:
        """Returns the evaluation with why it has no card: a key of `silence`, and its words."""
        return replace(evaluation, reason=self.knowledge.words.silence[silence], closed=silence)


class _Call(Struct, frozen=True, kw_only=True):
    """One call once its data are in."""

    request: HookRequest
    client: Client
    gathered: Gathered
    parts: CallRecords
    case: Case


def _filled(words: Mapping[str, str], line: Line) -> str:
    return Template(words[line.key]).substitute(line.facts)


def _code_words(snapshot: Snapshot, words: SharedWords) -> str:
    """Says of which code system the first order is that could not be identified."""
    systems = [order.code_system for order in selected(snapshot) if order.unidentified]
    if not systems or not systems[0]:
        return words.card.no_code
    return words.code_systems.get(systems[0], words.card.unknown_code)


def outcomes_of(
    case: Case, service: Service, keep_time: Callable[[], object] = bool
) -> tuple[Outcome, ...]:
    """Returns what each rule of the hook says, in order of precedence; no rule is an error."""
    rules = rules_of(service)
    outcomes: list[Outcome] = []
    if HOOKS[service.hook].drafts == "none":
        judges = [BOOK.about_patient(rule) for rule in rules]
        outcomes = [judge(case) for judge in judges if judge is not None]
    judged: list[tuple[Order, list[Outcome]]] = []
    for order in {order.reference: order for order in selected(case.snapshot)}.values():
        keep_time()
        judged.append((order, [BOOK.order[rule].judge(case, order) for rule in rules]))
    outcomes += _said_once([said for _, said in _each_once(judged)])
    if not outcomes:
        raise NoRuleAsked
    return tuple([_in_its_slot(o, rules) if isinstance(o, Finding) else o for o in outcomes])


def _is_off(outcome: Outcome, client: Client) -> bool:
    return isinstance(outcome, Finding) and outcome.rule in client.rules_off


def unread_variant(what: Unlooked) -> str:
    """Returns which card says that something could not be checked."""
    return "main" if what == "sodium" else what


def may_concern_a_rule(picked: Sequence[Order]) -> bool:
    """Whether a rule may have something to say of the selected orders: true if none was read."""
    return not picked or any(
        order.unread or order.unidentified or BOOK.concerning(order) for order in picked
    )


def rules_of(service: Service) -> dict[str, RuleWords]:
    """Returns the rules that a service asks: all but the one with which it says what is missing."""
    unreadable = HOOKS[service.hook].unreadable
    return {rule: words for rule, words in service.rules.items() if rule != unreadable}


def ask_for(service: Service, request: HookRequest, client: Client) -> Ask:
    """Returns what a call asks for: from its prefetch, and else from the client's FHIR server."""
    return Ask(
        templates=service.prefetch,
        optional=service.optional,
        patient_id=request.patient_id,
        encounter_id=request.encounter_id or None,
        prefetch=request.prefetch,
        fhir_server=request.fhir_server,
        token=request.token,
        odd_token=request.odd_token,
        client=client,
        now=request.received,
        trace=request.trace,
    )


def _with_encounter(request: HookRequest, client: Client) -> HookRequest:
    """A prefetched Encounter names the visit if the context does not: its template needs the id."""
    if request.encounter_id:
        return request
    for name in (ENCOUNTER, *client.prefetch_aliases.get(ENCOUNTER, ())):
        sent = as_prefetched(request.prefetch.get(name))
        if sent is not None and sent.resource_type == "Encounter" and sent.id:
            return replace(request, encounter_id=sent.id)
    return request


def _lacking(snapshot: Snapshot, hook: Hook, *, lacks_orders: bool) -> Unlooked | None:
    """Returns what the rules need and did not get, if anything."""
    orders_picked = selected(snapshot)
    if lacks_orders or (hook.drafts != "none" and not orders_picked):
        return "orders"
    if sodium_missing(snapshot) and not can_judge_without_sodium(orders_picked):
        return "sodium"
    return None


def _bodies(request: HookRequest, gathered: Gathered) -> tuple[bytes, ...]:
    """All the JSON of a call as it came."""
    pages = (body for source in gathered.sources.values() for body in source.bodies)
    return (request.body or encode({"prefetch": request.prefetch}), *pages)


def _parts(
    request: HookRequest, client: Client, gathered: Gathered, deadline: Deadline
) -> CallRecords:
    base = client.base_for(request.fhir_server)
    bundle = as_resource(request.draft_bundle)
    zone = request.received.astimezone(client.time_zone).utcoffset() if client.time_zone else None
    bodies = _bodies(request, gathered)
    large = may_be_large(bodies)
    urls = full_urls((bundle, *map(as_prefetched, request.prefetch.values())))
    return CallRecords(
        patient_id=request.patient_id,
        now=request.received,
        encounter_id=request.encounter_id,
        zone=zone,
        bases=client.names_of(base),
        sources=gathered.sources,
        urls=small_enough(urls, large=large),
        drafts=sent_drafts(bundle, large=large),
        selections=request.selections,
        bodies=bodies,
        keep_time=deadline.keep,
    )


def selected(snapshot: Snapshot) -> tuple[Order, ...]:
    """The drafts that the user has just picked, in the order of the selections."""
    drafts = {order.reference: order for order in snapshot.drafts}
    return tuple(drafts[reference] for reference in snapshot.selected if reference in drafts)


def _each_once(
    judged: Sequence[tuple[Order, list[Outcome]]],
) -> list[tuple[Order, list[Outcome]]]:
    """Leaves out the doubles of an order; the one with the most urgent card is kept (F38)."""
    kept: list[tuple[Order, list[Outcome]]] = []
    for one in judged:
        at = next((i for i, other in enumerate(kept) if same_order(one[0], other[0])), None)
        if at is None:
            kept.append(one)
        elif _urgency(one[1]) > _urgency(kept[at][1]):
            kept[at] = one
    return kept


def _said_once(judged: Sequence[list[Outcome]]) -> list[Outcome]:
    """Returns the outcomes of all orders, each rule about the same drugs once: where it is worst.

    Two drugs that are dangerous together are one finding, also if both are ordered now.
    """
    kept: dict[tuple[str, frozenset[str]], Finding] = {}
    several = [o for said in judged for o in said if isinstance(o, Finding) and len(o.drugs) > 1]
    for finding in sorted(several, key=lambda one: -URGENCY[one.indicator]):
        kept.setdefault((finding.rule, frozenset(finding.drugs)), finding)
    return [_unless_said(outcome, kept) for said in judged for outcome in said]


def _unless_said(outcome: Outcome, kept: Mapping[tuple[str, frozenset[str]], Finding]) -> Outcome:
    if not isinstance(outcome, Finding):
        return outcome
    first = kept.get((outcome.rule, frozenset(outcome.drugs)), outcome)
    if first is outcome:
        return outcome
    return Silence(outcome.rule, "said-for-the-other-order", {}, outcome.order)


def _urgency(outcomes: Iterable[Outcome]) -> int:
    found = [URGENCY[o.indicator] for o in outcomes if isinstance(o, Finding)]
    return max(found, default=-1)


def _in_its_slot(finding: Finding, rules: Mapping[str, RuleWords]) -> Finding:
    return replace(finding, slot=rules[finding.rule].slot_of(finding.variant))


def check_rules(knowledge: Knowledge) -> None:
    """Raises KnowledgeError unless every rule has its words, its function and a hook."""
    for service in knowledge.services.values():
        _check_service(service)
    coded = {*BOOK.chart, *BOOK.discharge, *BOOK.order, *(h.unreadable for h in HOOKS.values())}
    for name, file in knowledge.rule_files.items():
        for rule, words in file.rules.items():
            _check_rule(f"{name}: [rules.{rule}]", rule, words.hooks)
    for rule in sorted(coded - set(knowledge.rules)):
        raise KnowledgeError(
            f"{', '.join(knowledge.rule_files)}: the rule {rule} has no words: "
            f"add a table [rules.{rule}]"
        )
    for kind, warns in knowledge.history.warns.items():
        for rule in sorted(set(warns.rules) - coded):
            raise KnowledgeError(
                f"knowledge/history.toml: [warns.{kind}] names a rule that does not exist: {rule}"
            )


def _check_rule(place: str, rule: str, hooks: Iterable[str]) -> None:
    """Checks that every hook of a rule has its row, and that the rule looks at what it is about."""
    for hook in hooks:
        row = _row(hook, place)
        if rule not in {*_rules_of_kind(row), row.unreadable}:
            raise KnowledgeError(
                f"{place} speaks on '{hook}' and is no rule about {_kind(row)}: declare it in "
                "cds_service/sodium/rules/"
            )


def _check_service(service: Service) -> None:
    place = f"services.toml: [services.{service.id}]"
    unreadable = _row(service.hook, place).unreadable
    if not rules_of(service):
        raise KnowledgeError(
            f"{place}: no rule speaks on the hook '{service.hook}': add it to `hooks` at the top "
            "of chart.toml, orders.toml or discharge.toml"
        )
    if unreadable not in service.rules:
        raise KnowledgeError(f"{place}: [rules.{unreadable}] does not speak on '{service.hook}'")
    coded = _rules_of_kind(HOOKS[service.hook])
    for rule in service.leaves_out:
        if rule not in coded or rule in service.rules:
            why = "asked all the same" if rule in service.rules else "no rule that it could ask"
            raise KnowledgeError(f"{place} leavesOut: {rule} is {why}: remove it there")
    unasked = [rule for rule in coded if rule not in {*service.rules, *service.leaves_out}]
    if unasked:
        raise KnowledgeError(
            f"{place} does not ask {', '.join(unasked)}, so that its silence would say nothing: "
            f"add '{service.hook}' to their `hooks`, or name them in `leavesOut` if that is meant"
        )


def _rules_of_kind(hook: Hook) -> Collection[str]:
    """Returns the ids of the rules that a hook may ask, in their order."""
    if hook.drafts != "none":
        return BOOK.order
    return BOOK.discharge if hook.going_home else BOOK.chart


def _kind(hook: Hook) -> str:
    if hook.drafts != "none":
        return "orders"
    return "discharge" if hook.going_home else "the chart"


def _row(hook: str, place: str) -> Hook:
    if hook not in HOOKS:
        raise KnowledgeError(
            f"{place}: the hook '{hook}' has no row in the table HOOKS of cds_service/pipeline.py"
        )
    return HOOKS[hook]
