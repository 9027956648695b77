"""What is kept and counted of each hook call, after its answer is made and without making it wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from flask import Response, g, request
from msgspec import Struct

from cds_service import metrics
from cds_service.engine.finding import Finding
from cds_service.errors import DataUnavailable
from cds_service.feedback.suppression import Memory, Who, grounds
from cds_service.pipeline import Evaluation
from cds_service.protocol.request import HookRequest
from cds_service.store.recorder import CallRecord, Tally
from cds_service.telemetry import fresh_id
from cds_service.trust.client import Client
from cds_service.trust.guard import canonical_base
from cds_service.web.runtime import Runtime, runtime

_MS = 1000
_UNKNOWN_SERVICE = "other"


class Heard(Struct, kw_only=True):
    """A hook call that could be read, and what came of it so far."""

    call: HookRequest
    client: Client
    who: Who
    memory: Memory | None
    correlation: str
    evaluation: Evaluation | None = None


def begin(here: Runtime, call: HookRequest, client: Client, tenant: str, correlation: str) -> Heard:
    """Note a hook call, for `keep` to find; `tenant` is proven, or empty where nobody proves anything."""
    base = canonical_base(call.fhir_server) or ""
    names = here.pseudonyms
    who = Who(
        tenant=tenant,
        patient=names.patient(tenant, base, call.patient_id),
        user=names.user(tenant, base, call.user_id),
    )
    remembers = here.suppression is not None and client.suppression and not client.shadow
    memory = here.suppression.memory(who, call.received) if here.suppression and remembers else None
    heard = Heard(call=call, client=client, who=who, memory=memory, correlation=correlation)
    g.heard = heard
    return heard


def note_refusal(error: DataUnavailable) -> None:
    """Count a 412 by its cause."""
    metrics.count("cds_data_unavailable", error.code)


def keep(response: Response) -> Response:
    """Count every answer of a hook call, and record those that could be read. Runs after each request."""
    if request.endpoint != "hooks.call":
        return response
    here, now = runtime(), time.monotonic()
    heard: Heard | None = g.get("heard")
    seconds = now - g.get("began", now)
    metrics.count(
        "cds_calls", heard.call.service if heard else _named(here), str(response.status_code)
    )
    metrics.took("total", seconds)
    if heard is not None:
        _count_cards(heard)
        here.recorder.put(_record(here, heard, response.status_code, round(seconds * _MS)))
    return response


def _named(here: Runtime) -> str:
    """The service of a call that could not be read; what is none of ours is no label."""
    named = (request.view_args or {}).get("service_id")
    return str(named) if named in here.pipeline.knowledge.services else _UNKNOWN_SERVICE


def _count_cards(heard: Heard) -> None:
    evaluation = heard.evaluation
    if heard.memory is not None and heard.memory.unknown:
        metrics.count("cds_suppression_unknown")
    if evaluation is None:
        return
    for finding in evaluation.suppressed:
        metrics.count("cds_cards_suppressed", finding.rule)
    for finding in () if heard.client.shadow else evaluation.returned:
        metrics.count("cds_cards", finding.rule, finding.indicator)


def _record(here: Runtime, heard: Heard, status: int, milliseconds: int) -> CallRecord:
    call_id = fresh_id(128)
    evaluation = heard.evaluation or Evaluation(cards=[])
    call, client, who = heard.call, heard.client, heard.who
    fired = _fired(evaluation)
    returned = () if client.shadow else evaluation.returned
    audit = {
        "tenant": who.tenant,
        "call": call_id,
        "at": call.received,
        "correlation": heard.correlation,
        "service": call.service,
        "status": status,
        "profile": client.profile,
        "patient_hash": who.patient,
        "user_hash": who.user,
        "cards": len(returned),
        "fired": " ".join(fired),
        "suppressed": " ".join([f.rule for f in evaluation.suppressed]),
        "shadow": client.shadow,
        "sources": {key: source.state for key, source in evaluation.sources.items()},
        "knowledge": here.pipeline.knowledge.sha256,
        "milliseconds": milliseconds,
    }
    if not fired:  # most patients: nothing was said, so no card and no count
        return CallRecord(audit=audit)
    issued = [
        _issued(here, heard, call_id, finding, card)
        for finding, card in zip(returned, evaluation.cards if returned else (), strict=True)
    ]
    tallies = (
        *_tallies(heard, fired, "fired"),
        *_tallies(heard, [f.rule for f in returned], "returned"),
        *_tallies(heard, [f.rule for f in evaluation.suppressed], "suppressed"),
    )
    return CallRecord(audit=audit, issued=issued, tallies=tallies)


def _fired(evaluation: Evaluation) -> list[str]:
    """The rules that had something to say, whether or not a card of their own came of it."""
    found = [o.rule for o in evaluation.outcomes if isinstance(o, Finding)]
    return list(dict.fromkeys((*found, *(f.rule for f in evaluation.returned))))


def _tallies(heard: Heard, rules: Sequence[str], kind: str) -> list[Tally]:
    if not rules:
        return []
    call = heard.call
    day = call.received.astimezone(UTC).date()
    return [
        Tally(heard.who.tenant, day, call.service, rule, heard.client.profile, kind)
        for rule in rules
    ]


def _issued(
    here: Runtime, heard: Heard, call_id: str, finding: Finding, card: dict[str, Any]
) -> dict[str, Any]:
    case = heard.evaluation.case if heard.evaluation else None
    topic = card["source"]["topic"]["code"]
    assert case is not None  # noqa: S101  # a card is always about a case
    memory = heard.memory
    rests = (
        memory.grounds_of(finding, case, topic)
        if memory
        else grounds(finding, case, topic, here.pseudonyms)
    )
    return {
        "tenant": heard.who.tenant,
        "call": call_id,
        "card": card["uuid"],
        "issued_at": heard.call.received,
        "service": heard.call.service,
        "rule": finding.rule,
        "profile": heard.client.profile,
        "topic": topic,
        "indicator": finding.indicator,
        "rules": " ".join(sorted(rests.rules)),
        "patient_hash": heard.who.patient,
        "user_hash": heard.who.user,
        "drugs_hash": rests.drugs,
        "sodium": str(rests.sodium) if rests.sodium is not None else "",
        "band": rests.band,
        "symptom_hashes": " ".join(sorted(rests.symptoms)),
        "result_hash": rests.result,
        "suggestions": [s["uuid"] for s in card.get("suggestions", ())],
        "knowledge": here.pipeline.knowledge.sha256,
    }
