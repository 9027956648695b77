"""The public interface of the service: discovery, hook calls, feedback (CDS Hooks 3.0.0-ballot)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, g, request
from msgspec import Struct
from msgspec.structs import replace

from cds_service import metrics
from cds_service.engine.cards import EXTENSION_NAME
from cds_service.errors import NotFound
from cds_service.feedback.inbox import ANONYMOUS, RefusedItem, feedback_items
from cds_service.knowledge.load import Service
from cds_service.pipeline import HOOKS, Evaluation
from cds_service.protocol.documents import discovery
from cds_service.protocol.request import HookRequest, hook_request
from cds_service.protocol.wire import decode
from cds_service.records.causes import cause
from cds_service.records.fhir_types import decode_call
from cds_service.store.desk import FEEDBACK_S
from cds_service.telemetry import correlation_id, log
from cds_service.trust.deadline import Deadline
from cds_service.trust.registry import Client, claimed_issuer
from cds_service.web import call_log
from cds_service.web.access import (
    discovery_client,
    feedback_client,
    give_back_token,
    hook_client,
)
from cds_service.web.front import RECEIVED
from cds_service.web.languages import asked_language
from cds_service.web.messages import raw_body, refuse_by_head, unstored
from cds_service.web.runtime import Runtime, runtime
from cds_service.web.trace import passed_on
from cds_service.web.visits import on_its_visit

blueprint = Blueprint("hooks", __name__)
blueprint.after_request(call_log.finish)
blueprint.after_request(give_back_token)
UNSIGNED = "Not clinically reviewed."
FEEDBACK_LIMIT = 256_000  # T-65
_ANSWER_S = 0.1  # kept for rules, cards and sending after the last read (security.md section 4)
_MS = 1000


@blueprint.get("/cds-services", strict_slashes=False)
def discover() -> Response:
    """Lists the services of this deployment, in the language of the caller."""
    here = runtime()
    client = discovery_client(here) or Client()
    pipeline = here.pipeline
    language = pipeline.language_of(asked_language(pipeline.languages), client)
    services = [pipeline.service_in(name, language) for name in pipeline.knowledge.services]
    note = "" if pipeline.knowledge.reviews.complete else UNSIGNED
    return _in_language(unstored(discovery(services, note)), language)


@blueprint.post("/cds-services/<service_id>", strict_slashes=False)
def call(service_id: str) -> Response:
    """Answers one hook call."""
    began: float = request.environ.get(RECEIVED) or time.monotonic()
    g.began = began
    here = runtime()
    service = named_service(here, service_id)
    refuse_by_head(request, here.settings.max_body_bytes)
    proven = hook_client(here, service.id)
    g.body = body = raw_body(request, here.settings.max_body_bytes)
    caller = Caller(
        proven=proven,
        issuer=claimed_issuer(request.environ.get("HTTP_AUTHORIZATION")),
        language=asked_language(here.pipeline.languages),
    )
    return answered(here, service, body, caller)


class Caller(Struct, frozen=True, kw_only=True):
    """Who sent a hook call, as far as its head says."""

    proven: Client | None  # None: this deployment takes no tokens
    issuer: str | None  # a claim without proof
    language: str  # one of ours, "" if it asks for none


def answered(here: Runtime, service: Service, body: bytes, caller: Caller) -> Response:
    """Answers the hook call in `body`; `g.began` is the monotonic time at which it came."""
    proven, asked = caller.proven, caller.language
    began: float = g.began
    drafts = HOOKS[service.hook].drafts
    hook_call = hook_request(
        decode_call(body), service.id, service.hook, here.clock(), body, drafts
    )
    hook_call = replace(hook_call, trace=passed_on(), language=asked)
    g.correlation = correlation = correlation_id(hook_call.hook_instance)
    registered = proven or _unproven(here, hook_call, caller.issuer)
    client = call_log.in_its_arm(here, registered, hook_call.patient_id)
    client = on_its_visit(here, client, hook_call.user_id)
    tenant = proven.tenant if proven else ANONYMOUS
    answer_by = began + client.deadline_ms / _MS
    deadline = Deadline(answer_by - _ANSWER_S, answer_by)
    entry = call_log.begin(here, hook_call, client, tenant, correlation)
    evaluation = here.pipeline.answer(hook_call, client, deadline, entry.memory, entry.seen)
    entry.evaluation = evaluation
    _log_call(entry, evaluation, began)
    answer: dict[str, Any] = {"cards": [] if client.shadow else evaluation.cards}
    if here.settings.explain or client.explain:
        answer["extension"] = {EXTENSION_NAME: here.pipeline.explain(evaluation, service.id)}
    return _in_language(unstored(answer), here.pipeline.language_of(asked, client))


@blueprint.post("/cds-services/<service_id>/feedback", strict_slashes=False)
def feedback(service_id: str) -> Response:
    """Stores what users did with cards, and answers only once it is stored."""
    here = runtime()
    service = named_service(here, service_id)
    refuse_by_head(request, FEEDBACK_LIMIT)
    client = feedback_client(here, service.id)
    g.body = raw_body(request, FEEDBACK_LIMIT)
    received = feedback_items(decode(g.body), here.clock())
    tenant = client.tenant if client else ANONYMOUS
    # The next call knows an answer only beside the rows of its card, which may wait to be written.
    here.recorder.catch_up(FEEDBACK_S)
    stored = here.inbox.keep(service.id, received.items, here.clock(), tenant)
    log().info("feedback", service=service.id, count=stored, status=200)
    answer: dict[str, Any] = {"status": "ok", "received": len(received.items)}
    if received.refused:
        answer |= {"status": "partial", "refused": received.refused}
        _log_refused(received.refused, service.id, tenant)
    return unstored(answer)


def _log_refused(refused: Sequence[RefusedItem], service: str, tenant: str) -> None:
    metrics.count("cds_feedback_items_refused", times=len(refused))
    for reason, number in Counter(one.reason for one in refused).items():
        log().warning(
            "feedback-refused", client=tenant, service=service, count=number, reason=reason
        )


def _in_language(response: Response, language: str) -> Response:
    response.headers["Content-Language"] = language
    response.vary.add("Accept-Language")
    return response


def named_service(here: Runtime, service_id: str) -> Service:
    """Returns the service of this id, or raises NotFound."""
    try:
        return here.pipeline.knowledge.services[service_id]
    except KeyError:
        raise NotFound(
            "There is no such CDS service. The services are listed at /cds-services."
        ) from None


def _unproven(here: Runtime, hook_call: HookRequest, issuer: str | None) -> Client:
    """Returns the client whose FHIR server the call names; no token proves it."""
    client = here.registry().client_for(hook_call.fhir_server, issuer)
    here.gate.allow(client, hook_call.service)
    return client


def _log_call(entry: call_log.CallLog, evaluation: Evaluation, began: float) -> None:
    """Logs a call that was answered; what was neither sent nor read nor lacks is left out."""
    client = entry.client
    sources = {k: one for k, one in evaluation.sources.items() if one.state != "absent" or one.lack}
    by_key = {
        "origins": {key: one.origin for key, one in sources.items() if one.origin != "prefetch"},
        "statuses": {key: one.status for key, one in sources.items() if one.status},
        "missing": {key: why for key, one in sources.items() if (why := one.lack)},
        "causes": {key: code for key, one in sources.items() if (code := cause(one))},
    }
    log().info(
        "call",
        correlation=entry.correlation,
        client=client.name,
        service=entry.call.service,
        hook=entry.call.hook,
        status=200,
        shadow=client.shadow,
        suppressed=[finding.rule for finding in evaluation.suppressed],
        off=evaluation.off,
        cards=[card["source"]["topic"]["code"] for card in evaluation.cards],
        indicators=[card["indicator"] for card in evaluation.cards],
        sources={key: source.state for key, source in sources.items()},
        **{name: told for name, told in by_key.items() if told},
        milliseconds=round((time.monotonic() - began) * _MS, 1),
    )
