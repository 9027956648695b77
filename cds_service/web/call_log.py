"""Counts each hook call and records it in the store, after its answer is made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from flask import Response, g, request
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service import metrics
from cds_service.engine.finding import Finding
from cds_service.feedback.census import Seen
from cds_service.feedback.suppression import Memory, Who, grounds
from cds_service.pipeline import Evaluation
from cds_service.protocol.request import HookRequest
from cds_service.store.recorder import CallRecord, Count, Tally
from cds_service.store.switches import ALL
from cds_service.telemetry import fresh_id, name_in_lines, whose
from cds_service.trust.client import Client
from cds_service.trust.guard import canonical_base
from cds_service.web.runtime import Runtime, called_service, runtime

_MS = 1000
_UNKNOWN_SERVICE = "other"
_LOOKED_AT = frozenset({200, 412})
_CENSUS_METRICS = {"sodium": "cds_sodium", "orders": "cds_selected_orders"}


class CallLog(Struct, kw_only=True):
    """A hook call that could be read, and its result once there is one."""

    call: HookRequest
    client: Client
    who: Who
    memory: Memory | None
    correlation: str
    seen: Seen = field(default_factory=Seen)
    evaluation: Evaluation | None = None
    record: CallRecord | None = None  # the rows, once they are made


def in_its_arm(here: Runtime, client: Client, patient_id: str) -> Client:
    """Returns the client as it answers about this patient now.

    That is without what is switched off, and in shadow if it draws the patient so.
    """
    off = here.switches.rules_off(client.name)
    if off:
        client = replace(client, all_off=ALL in off, rules_off=off - {ALL})
    if not client.shadow_share:
        return client
    return client.for_patient(here.pseudonyms.place(client.tenant, patient_id))


def begin(
    here: Runtime, call: HookRequest, client: Client, tenant: str, correlation: str
) -> CallLog:
    """Starts the record of a hook call, which `finish` completes after the request.

    `tenant` is proven, or ANONYMOUS if this deployment takes no tokens.
    """
    name_in_lines(client=client.name)
    base = canonical_base(call.fhir_server) or ""
    names = here.pseudonyms
    who = Who(
        tenant=tenant,
        patient=names.patient(tenant + client.visit, base, call.patient_id),
        user=names.user(tenant, base, call.user_id),
    )
    memory = None
    if here.suppression and client.suppression and not client.shadow:
        memory = here.suppression.memory(who, call.received)
    entry = CallLog(call=call, client=client, who=who, memory=memory, correlation=correlation)
    g.call_log = entry
    return entry


def finish(response: Response) -> Response:
    """Counts every answer of a hook call, and records those calls that could be read."""
    if request.endpoint != "hooks.call":
        return response
    here, now = runtime(), time.monotonic()
    entry: CallLog | None = g.get("call_log")
    seconds = now - g.get("began", now)
    # A service that is not ours cannot be a label.
    service = called_service() or _UNKNOWN_SERVICE
    metrics.count("cds_calls", service, str(response.status_code))
    metrics.count("cds_client_calls", whose(), str(response.status_code))
    metrics.show("cds_registry_broken", int(here.registry().outdated))
    metrics.show("cds_rxnorm_index_age_days", here.index_age_days)
    metrics.took("total", seconds)
    if entry is not None:
        _count_cards(entry)
        entry.record = _record(here, entry, response.status_code, round(seconds * _MS))
        here.recorder.put(entry.record)
    return response


def _count_cards(entry: CallLog) -> None:
    evaluation = entry.evaluation
    if entry.seen.unchecked:
        metrics.count("cds_data_unavailable", whose(), entry.seen.unchecked)
    if entry.memory is not None and entry.memory.unknown:
        metrics.count("cds_suppression_unknown")
    if evaluation is None:
        return
    for finding in evaluation.suppressed:
        metrics.count("cds_cards_suppressed", finding.rule)
    for finding in _returned(entry):
        metrics.count("cds_cards", finding.rule, finding.indicator)


def _returned(entry: CallLog) -> Sequence[Finding]:
    """Returns the findings whose cards the caller got; a client in shadow mode gets no card."""
    if entry.evaluation is None or entry.client.shadow:
        return ()
    return entry.evaluation.returned


def _record(here: Runtime, entry: CallLog, status: int, milliseconds: int) -> CallRecord:
    """Returns the rows of one call: its audit, its cards, and what is counted by day and rule."""
    call_id = fresh_id(128)
    evaluation = entry.evaluation or Evaluation(cards=[])
    fired = _fired(evaluation)
    returned = _returned(entry)
    suppressed = [finding.rule for finding in evaluation.suppressed]
    audit = {
        "tenant": entry.who.tenant,
        "call": call_id,
        "at": entry.call.received,
        "correlation": entry.correlation,
        "service": entry.call.service,
        "status": status,
        "profile": entry.client.profile,
        "patient_hash": entry.who.patient,
        "user_hash": entry.who.user,
        "cards": len(returned),
        "fired": " ".join(fired),
        "suppressed": " ".join(suppressed),
        "shadow": entry.client.shadow,
        "arm": entry.client.arm,
        "sources": {key: source.state for key, source in evaluation.sources.items()},
        "knowledge": here.pipeline.knowledge.sha256,
        "milliseconds": milliseconds,
    }
    issued = [
        _issued(here, entry, call_id, finding, card)
        for finding, card in zip(returned, evaluation.cards if returned else (), strict=True)
    ]
    tallies = (
        *_tallies(entry, fired, "fired"),
        *_tallies(entry, [finding.rule for finding in returned], "returned"),
        *_tallies(entry, suppressed, "suppressed"),
    )
    return CallRecord(audit=audit, issued=issued, tallies=tallies, census=_census(entry, status))


def _census(entry: CallLog, status: int) -> list[Count]:
    """Counts what the call brought, for its client; a call that was not looked at adds nothing."""
    if status not in _LOOKED_AT:
        return []
    seen, client = entry.seen, entry.client.name
    counts = [
        ("orders", "recognised", seen.recognised),
        ("orders", "unrecognised", len(seen.orders) - seen.recognised),
    ]
    if seen.sodium:
        counts.append(("sodium", seen.sodium, 1))
    day = entry.call.received.astimezone(UTC).date()
    found = []
    for what, state, number in counts:
        if number:
            metrics.count(_CENSUS_METRICS[what], client, state, times=number)
            place = (entry.who.tenant, day, client, entry.call.service)
            found.append(Count(*place, column=f"{what}_{state}", number=number))
    return found


def _fired(evaluation: Evaluation) -> list[str]:
    """Returns the rules that had a finding, with or without a card of their own."""
    rules = [outcome.rule for outcome in evaluation.outcomes if isinstance(outcome, Finding)]
    rules += [finding.rule for finding in evaluation.returned]
    return list(dict.fromkeys(rules))


def _tallies(entry: CallLog, rules: Sequence[str], kind: str) -> list[Tally]:
    day = entry.call.received.astimezone(UTC).date()
    return [
        Tally(entry.who.tenant, day, entry.call.service, rule, entry.client.profile, kind)
        for rule in rules
    ]


def _issued(
    here: Runtime, entry: CallLog, call_id: str, finding: Finding, card: dict[str, Any]
) -> dict[str, Any]:
    """Returns the row of one card."""
    assert entry.evaluation is not None  # noqa: S101  # a card is always of one
    case = entry.evaluation.case
    assert case is not None  # noqa: S101  # a card is always about a case
    topic = card["source"]["topic"]["code"]
    if entry.memory:
        rests = entry.memory.grounds_of(finding, case, topic)
    else:
        rests = grounds(finding, case, topic, here.pseudonyms)
    return {
        "tenant": entry.who.tenant,
        "call": call_id,
        "card": card["uuid"],
        "issued_at": entry.call.received,
        "service": entry.call.service,
        "rule": finding.rule,
        "profile": entry.client.profile,
        "topic": topic,
        "indicator": finding.indicator,
        "rules": " ".join(sorted(rests.rules)),
        "patient_hash": entry.who.patient,
        "user_hash": entry.who.user,
        "drugs_hash": rests.drugs,
        "sodium": "" if rests.sodium is None else str(rests.sodium),
        "band": rests.band,
        "symptom_hashes": " ".join(sorted(rests.symptoms)),
        "result_hash": rests.result,
        "suggestions": {
            s["uuid"]: entry.evaluation.kinds.get(s["uuid"], "")
            for s in card.get("suggestions", ())
        },
        "knowledge": here.pipeline.knowledge.sha256,
    }
