"""A hook call becomes its cards: read this first.

Prefetch and live reads become a snapshot, the snapshot a case, rules make findings of the case, triage
picks at most two, and `cards` writes them. What could not be read is never taken for absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service import metrics
from cds_service.engine.cards import Desk, Writer
from cds_service.engine.client_filter import still_shown
from cds_service.engine.finding import Finding, Line, Outcome, Suggestion
from cds_service.engine.triage import (
    Keep,
    closed_patient_view,
    keep_all,
    triage_order_select,
    triage_patient_view,
)
from cds_service.engine.triage import closed as closed_always
from cds_service.errors import KnowledgeError
from cds_service.feedback.suppression import Memory
from cds_service.knowledge.load import Knowledge, Service
from cds_service.orders.drafts import OrderContext, orders
from cds_service.protocol.card import check_cards
from cds_service.protocol.limits import obey
from cds_service.protocol.request import HookRequest, without_orders
from cds_service.records.call_records import CallRecords, Part, full_urls
from cds_service.records.client import FhirClient
from cds_service.records.gather import Ask, Gathered, gather, unavailable
from cds_service.records.partial_decode import as_sent
from cds_service.records.prefetch import Source
from cds_service.records.reader import order_resource, read_snapshot, wanted_references
from cds_service.sodium.blind_spots import Unlooked, sodium_missing, unlooked
from cds_service.sodium.case import Case, assess
from cds_service.sodium.rules import order_select, patient_view
from cds_service.sodium.snapshot import Missing, Order, Snapshot
from cds_service.terminology.vocabulary import NO_LOCAL_CODES, LocalCodes, Vocabulary, vocabulary
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client

_LOOKUP_S = 0.15  # a store that takes longer to say what was answered is not waited for
UNREADABLE = {"patient-view": "PV-UNREADABLE", "order-select": "OS-UNREADABLE"}


class Evaluation(Struct, frozen=True, kw_only=True):
    """What one call came to, with everything that explains it. No patient data but in `cards`."""

    cards: list[dict[str, Any]]
    sources: Mapping[str, Source] = field(default_factory=dict)
    returned: tuple[Finding, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    suppressed: tuple[
        Finding, ...
    ] = ()  # stayed away because this user has answered them (B.5 rule 5)
    case: Case | None = None
    reason: str = ""  # why no rule was asked at all


class Options(Struct, frozen=True, kw_only=True):
    """What a deployment may change about answering."""

    fluid_restriction_resource: Literal["NutritionOrder", "ServiceRequest"] = "NutritionOrder"
    local_codes: LocalCodes = NO_LOCAL_CODES


class Pipeline:
    """Answers hook calls; built once, shared by all threads, holds nothing of a patient."""

    def __init__(
        self, knowledge: Knowledge, desk: Desk, fhir: FhirClient, options: Options | None = None
    ) -> None:
        _same_rules(knowledge)
        self.knowledge = knowledge
        self._desk = desk
        self._fhir = fhir
        self._options = options or Options()
        self._vocabulary: Vocabulary = vocabulary(
            knowledge.terms, knowledge.fluids, knowledge.orders, self._options.local_codes
        )
        self._orders = orders(
            knowledge.orders, knowledge.terms.labs, datetime(2000, 1, 1, tzinfo=UTC)
        )
        self._writers: dict[
            tuple[str, str, str], Writer
        ] = {}  # as many as the registry has clients, and no patient

    def answer(
        self, request: HookRequest, client: Client, deadline: Deadline, memory: Memory | None = None
    ) -> Evaluation:
        """The cards of one call. DataUnavailable (412) where data is needed and cannot be had, BadRequest (400) where
        order-select came without its orders.

        `memory` says which cards this user has answered; without it none stays away.
        """
        if request.lacks and not client.explain_missing_data:
            raise without_orders(request.lacks)
        if request.hook == "order-select" and not request.lacks and not self._concerns_us(request):
            return Evaluation(cards=[], reason="no selected order concerns a rule")
        with metrics.timed("read"):
            call = self._read(request, client, deadline)
        closed = closed_patient_view if request.hook == "patient-view" else closed_always
        gate = closed(call.case)
        if gate:
            return Evaluation(
                cards=[],
                sources=call.gathered.sources,
                case=call.case,
                reason=self.knowledge.words.silence[gate],
            )
        if request.lacks:
            return self._unreadable(call, "orders")
        if sodium_missing(call.case.snapshot) and not _needs_no_sodium(call.case.snapshot):
            return self._unreadable(call, "sodium")
        with metrics.timed("judge"):
            outcomes, chosen = _judge(request.hook, call.case, self._keep(call, memory, deadline))
        hidden = unlooked(call.case, outcomes, client.disabled_rules)
        if hidden is not None:
            return self._unreadable(call, hidden)
        shown = still_shown(chosen, client.disabled_rules, client.min_indicator)
        with metrics.timed("write"):
            answered = self._answered(call, shown, outcomes)
        return replace(answered, suppressed=tuple(memory.suppressed)) if memory else answered

    def _keep(self, call: _Call, memory: Memory | None, deadline: Deadline) -> Keep:
        """Which cards this user has not answered, as the client would be shown them."""
        if memory is None:
            return keep_all
        rules, client = self.knowledge.services[call.request.service].file.rules, call.client

        def keep(card: Finding) -> bool:
            shown = still_shown([card], client.disabled_rules, client.min_indicator)
            seconds = min(_LOOKUP_S, deadline.left())
            return not shown or memory.keeps(
                shown[0], call.case, rules[shown[0].rule].topic, seconds
            )

        return keep

    def _concerns_us(self, request: HookRequest) -> bool:
        """Whether a selected order may concern a rule: decided from the drafts alone, before any read."""
        parts = CallRecords(
            patient_id=request.patient_id,
            now=request.received,
            urls=full_urls((request.draft_bundle,)),
            drafts=request.draft_orders,
            selections=request.selections,
        )
        if wanted_references(parts):
            return True
        drafts = selected(read_snapshot(parts, self._vocabulary))
        return any(order.unread or order_select.concern(order) for order in drafts)

    def _read(self, request: HookRequest, client: Client, deadline: Deadline) -> _Call:
        """Everything the call can know; Medications that orders only refer to come in the same deadline."""
        service = self.knowledge.services[request.service]
        gathered = gather(_ask(service, request, client), self._fhir, deadline)
        parts = _parts(request, client, gathered)
        wanted = wanted_references(parts)
        if wanted:
            found = Part(resources=tuple(gathered.reads.get_many(wanted).values()))
            parts = replace(parts, sources={**gathered.sources, "referenced": found})
        snapshot = read_snapshot(parts, self._vocabulary)
        knowledge = self.knowledge
        case = assess(
            snapshot, knowledge.limits[client.profile], knowledge.sets, knowledge.terms.labs
        )
        return _Call(request=request, client=client, gathered=gathered, parts=parts, case=case)

    def _unreadable(self, call: _Call, what: Unlooked) -> Evaluation:
        """`what` is needed and cannot be had: 412, or a card for clients that show errors as "all clear"."""
        snapshot = call.case.snapshot
        why = snapshot.missing.get(what, Missing.FAILED)
        if not call.client.explain_missing_data:
            raise unavailable(what, why, call.gathered.unreachable, call.client)
        drugs = [order.drugs[0].name for order in selected(snapshot) if order.drugs]
        finding = Finding(
            rule=UNREADABLE[call.request.hook],
            indicator="info",
            variant="main" if what == "sodium" else what,
            do=(Line("check-chart" if what == "sodium" else f"check-{what}"),),
            facts={
                "why": self.knowledge.words.missing[why.value],
                "drug": drugs[0] if drugs else "this order",
            },
            drugs=tuple(drugs),
        )
        return self._answered(call, [finding], ())

    def _answered(
        self, call: _Call, findings: list[Finding], outcomes: tuple[Outcome, ...]
    ) -> Evaluation:
        """The cards of these findings, each looked at once more before it is sent."""
        request, parts = call.request, call.parts
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
            encounter_id=request.encounter_id,
            practitioner=request.practitioner,
            fluid_order=self._options.fluid_restriction_resource,
            bases=parts.bases,
            resource_of=lambda reference: order_resource(parts, reference),
        )

        def actions(suggestion: Suggestion, text: str) -> list[dict[str, Any]]:
            return self._orders.actions_for(suggestion, context, text)

        writer = self._writer(request.service, call.client)
        written = [
            writer.card(finding, call.case, request.patient_id, actions) for finding in findings
        ]
        cards = obey(written, call.client.card_limits)
        check_cards(cards)
        return replace(evaluation, cards=cards)

    def _writer(self, service: str, client: Client) -> Writer:
        key = (service, client.tenant, client.profile)
        if key not in self._writers:
            desk = replace(self._desk, tenant=client.tenant)
            self._writers[key] = Writer(
                self.knowledge, self.knowledge.services[service], desk, client.profile
            )
        return self._writers[key]


class _Call(Struct, frozen=True, kw_only=True):
    """One call once its data are in."""

    request: HookRequest
    client: Client
    gathered: Gathered
    parts: CallRecords
    case: Case


def _parts(request: HookRequest, client: Client, gathered: Gathered) -> CallRecords:
    base = client.base_for(request.fhir_server)
    zone = request.received.astimezone(client.time_zone).utcoffset() if client.time_zone else None
    return CallRecords(
        patient_id=request.patient_id,
        now=request.received,
        encounter_id=request.encounter_id,
        zone=zone,
        bases=(base,) if base else (),
        sources=gathered.sources,
        urls=full_urls((request.draft_bundle, *request.prefetch.values())),
        drafts=request.draft_orders,
        selections=request.selections,
        whole=lambda element: (
            as_sent(element, request.prefetch, request.body) if request.body else element
        ),
    )


def selected(snapshot: Snapshot) -> tuple[Order, ...]:
    """The drafts that the user has just picked."""
    return tuple(order for order in snapshot.drafts if order.reference in snapshot.selected)


def _judge(hook: str, case: Case, keep: Keep) -> tuple[tuple[Outcome, ...], list[Finding]]:
    if hook == "patient-view":
        outcomes = tuple(rule(case) for rule in patient_view.RULES.values())
        return outcomes, triage_patient_view(outcomes, case, keep)
    judged = {
        order.reference: tuple(rule(case, order) for rule in order_select.RULES.values())
        for order in selected(case.snapshot)
    }
    return tuple(o for group in judged.values() for o in group), triage_order_select(
        judged, case, keep
    )


def _needs_no_sodium(snapshot: Snapshot) -> bool:
    # Hypertonic saline or a vaptan without a readable sodium gets "sodium needed first", not an error; what
    # forbids a fluid restriction forbids it at any sodium.
    concerns = {order_select.concern(order) for order in selected(snapshot)}
    return "saline-or-vaptan" in concerns or concerns in (
        {"without-sodium"},
        {"without-sodium", ""},
    )


def _ask(service: Service, request: HookRequest, client: Client) -> Ask:
    return Ask(
        templates=service.prefetch,
        patient_id=request.patient_id,
        encounter_id=request.encounter_id,
        prefetch=request.prefetch,
        fhir_server=request.fhir_server,
        token=request.token,
        client=client,
    )


def _same_rules(knowledge: Knowledge) -> None:
    """Every rule of the code has its words, and every rule with words exists."""
    for service in knowledge.services.values():
        hook = service.file.hook
        coded = set(patient_view.RULES if hook == "patient-view" else order_select.RULES) | {
            UNREADABLE[hook]
        }
        for rule in sorted(coded ^ set(service.file.rules)):
            known = "has no words" if rule in coded else "is no rule of this service"
            raise KnowledgeError(f"{service.id}.toml: [rules.{rule}] {known}")
