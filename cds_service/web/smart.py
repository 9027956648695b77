"""The SMART app "Sodium": an EHR opens it for a patient, and it shows the chart and the cards.

A launch is in two steps (SMART App Launch 2, authorization code with PKCE): to the EHR for its
leave, and back with a code. What the app shows is one evaluation of patient-view, with the token of
the EHR and the entry of the client: the chart and the cards are of the same case. Nothing of it is
stored, and the token is forgotten with the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request
from itsdangerous import BadData, URLSafeTimedSerializer
from markupsafe import Markup
from msgspec.structs import asdict, replace

from cds_service.chart.view import view_of
from cds_service.engine.cards import Phrases
from cds_service.errors import DataRefused, NotFound, ServiceError
from cds_service.knowledge.load import Service
from cds_service.pipeline import Evaluation
from cds_service.protocol.documents import FHIR_JSON
from cds_service.protocol.references import type_and_id
from cds_service.protocol.request import HookRequest, Secret
from cds_service.protocol.wire import decode
from cds_service.telemetry import fresh_id, log
from cds_service.trust.client import Client, SmartLaunch
from cds_service.trust.deadline import Deadline
from cds_service.trust.smart import (
    LaunchFailed,
    Opened,
    Remedy,
    Started,
    authorization_url,
    begin,
)
from cds_service.web.call_log import in_its_arm
from cds_service.web.errors import refused
from cds_service.web.languages import asked_language
from cds_service.web.pages import rendered
from cds_service.web.plots import plotted
from cds_service.web.runtime import Runtime, runtime

HOOK = "patient-view"
LAUNCH_S = 600  # a user logs in and consents within this time
_PATIENCE_S = 8.0  # a page may wait longer than a hook
_COOKIE_LETTERS = 12  # of the state: two launches in one browser do not mix
_BASIC = ("openid", "fhirUser")
_NO_FRAME = "'none'"
# Errors of an authorization server that are no refusal of the user (RFC 6749, 4.1.2.1).
_OF_THE_SERVER = (
    "invalid_request",
    "unauthorized_client",
    "unsupported_response_type",
    "invalid_scope",
)
_DOWN = ("server_error", "temporarily_unavailable")

blueprint = Blueprint("smart", __name__)


@blueprint.errorhandler(ServiceError)
def refuse(failed: ServiceError) -> Response:
    """Answers a person with a page, and a program with an OperationOutcome."""
    if request.accept_mimetypes.best_match((FHIR_JSON, "text/html")) != "text/html":
        return refused(failed)
    return _secured(_problem(None, failed), None)


@blueprint.get("/smart/<name>/launch")
def launch(name: str) -> Response:
    """Sends the browser to the EHR's authorization server."""
    here = runtime()
    client, smart = _client(here, name)
    base, client = _base(client, request.args.get("iss"))
    handle = request.args.get("launch", "")
    started = begin(base)
    try:
        endpoints = here.smart.endpoints(client, base)
    except LaunchFailed as failed:
        return _secured(_problem(client, failed), client)
    where = authorization_url(
        started,
        endpoints,
        smart,
        _scope(here, client, smart, handle),
        _redirect(here, name),
        handle,
    )
    response: Response = redirect(where)  # type: ignore[assignment]  # Flask gives its own class
    _remember(here, name, response, started)
    return _secured(response, client)


@blueprint.get("/smart/<name>/app")
def app(name: str) -> Response:
    """Shows the chart of the patient for whom the EHR opened the app."""
    here = runtime()
    client, _ = _client(here, name)
    try:
        started = _started(here, name)
        _, client = _base(client, started.base)
        opened = here.smart.opened(client, started, _code(), _redirect(here, name))
        response = _chart(here, client, started, opened)
    except ServiceError as failed:
        response = _problem(client, failed)
    response.delete_cookie(_cookie(request.args.get("state", "")), path=_path(name))
    return _secured(response, client)


def _client(here: Runtime, name: str) -> tuple[Client, SmartLaunch]:
    for client in here.registry().clients:
        if client.name == name and client.smart is not None:
            return client, client.smart
    raise NotFound("There is no app for this EHR: its entry in clients.toml has no smart_launch.")


def _base(client: Client, iss: str | None) -> tuple[str, Client]:
    """Returns the registered base that `iss` names, and the client as the tenant of that base."""
    tenants = client.credentials.tenants
    for one in [client.for_tenant(tenant) for tenant in tenants] or [client]:
        if iss is None and len(one.fhir_bases) == 1 and not tenants:
            return one.fhir_bases[0], one
        base = one.base_for(iss)
        if base is not None:
            return base, one
    raise NotFound(
        "This FHIR server is not registered for the app: see fhir_bases in clients.toml."
    )


def _scope(here: Runtime, client: Client, smart: SmartLaunch, handle: str) -> str:
    """Returns the scopes to ask for: those of the entry, or what the queries read."""
    start = "launch" if handle else "launch/patient"
    if smart.scopes:
        return " ".join((start, *smart.scopes))
    templates = _service(here).prefetch.values()
    kinds = [template.partition("?")[0].partition("/")[0] for template in templates]
    read = dict.fromkeys((*kinds, "Medication", *client.extra_sources))
    return " ".join((start, *_BASIC, *(f"patient/{kind}.rs" for kind in read)))


def _service(here: Runtime) -> Service:
    services = here.pipeline.knowledge.services.values()
    return next(service for service in services if service.hook == HOOK)


def _redirect(here: Runtime, name: str) -> str:
    return f"{here.settings.base_url}/smart/{name}/app"


# ---- what the browser keeps between the two steps


def _serializer(here: Runtime, name: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(here.launch_secret, salt=f"smart launch {name}")


def _cookie(state: str) -> str:
    return f"smart-{''.join(c for c in state if c.isalnum())[:_COOKIE_LETTERS]}"


def _path(name: str) -> str:
    return f"{request.script_root}/smart/{name}/"


def _remember(here: Runtime, name: str, response: Response, started: Started) -> None:
    """Sets the cookie of this launch. It is partitioned, so that it works in an EHR's frame."""
    response.set_cookie(
        _cookie(started.state),
        str(_serializer(here, name).dumps(asdict(started))),
        max_age=LAUNCH_S,
        path=_path(name),
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )


def _started(here: Runtime, name: str) -> Started:
    """Returns the launch that this browser began; LaunchFailed if it began none, or long ago."""
    state = request.args.get("state", "")
    kept = request.cookies.get(_cookie(state), "")
    try:
        started = Started(**_serializer(here, name).loads(kept, max_age=LAUNCH_S))
    except (BadData, TypeError):
        started = None
    if started is None or started.state != state:
        raise LaunchFailed(
            "This browser began no such launch, or more than ten minutes ago, or keeps no cookies.",
            "over",
        )
    return started


def _code() -> str:
    code, error = request.args.get("code", ""), request.args.get("error", "")
    if code:
        return code
    if error in _OF_THE_SERVER:
        raise LaunchFailed(f"The EHR's authorization server refused the launch: {error}.")
    if error in _DOWN:
        raise LaunchFailed(f"The EHR's authorization server failed: {error}.", "later")
    raise LaunchFailed("The EHR gave no leave to read the chart.", "leave")


# ---- the page


def _chart(here: Runtime, client: Client, started: Started, opened: Opened) -> Response:
    kind, patient = type_and_id(opened.patient)
    if not patient or kind not in ("", "Patient"):
        raise LaunchFailed("The EHR named a patient by something that is no FHIR id.", "patient")
    arm = in_its_arm(here, client, patient)
    if arm.shadow:
        raise LaunchFailed("This EHR is in shadow mode: advice is recorded, not shown.", "trial")
    call = _call(here, started, opened, patient)
    asked = replace(arm, explain_missing_data=True, suppression=False)
    evaluation = here.pipeline.answer(call, asked, Deadline.after(_PATIENCE_S))
    log().info("smart", client=client.name, cards=[one["indicator"] for one in evaluation.cards])
    values = _values(here, asked, call, evaluation, opened)
    return Response(render_template("smart.html", **values))


def _call(here: Runtime, started: Started, opened: Opened, patient: str) -> HookRequest:
    _, encounter = type_and_id(opened.encounter)
    kind, user = type_and_id(opened.user.rpartition(started.base + "/")[2])
    return HookRequest(
        service=_service(here).id,
        hook=HOOK,
        hook_instance=fresh_id(64),
        patient_id=patient,
        received=here.clock(),
        encounter_id=encounter or None,
        user_id=f"{kind}/{user}" if kind else None,
        language=asked_language(here.pipeline.languages),
        fhir_server=started.base,
        token=Secret(opened.token),
    )


def _values(
    here: Runtime, client: Client, call: HookRequest, evaluation: Evaluation, opened: Opened
) -> dict[str, Any]:
    """Returns what the page shows; without a case it has the reason and no chart."""
    language = here.pipeline.language_of(call.language, client)
    phrases = here.pipeline.phrases(call.service, language)
    case = evaluation.case
    view = view_of(case) if case is not None and not evaluation.reason else None
    return {
        "language": language,
        "say": phrases.plot,
        "words": phrases.words,
        "signed": here.pipeline.knowledge.reviews.complete,
        "patient": _patient(evaluation),
        "about": _about(phrases, call, evaluation, opened),
        "reason": _why(phrases, evaluation),
        "cards": [_card(card) for card in evaluation.cards],
        "view": view,
        "missing": _missing(phrases, evaluation),
        "demo": here.settings.mode == "demo",
        **(plotted(view, phrases) if view is not None else {}),
    }


def _why(phrases: Phrases, evaluation: Evaluation) -> str:
    """Returns why there is no chart, "" if there is one."""
    closed = evaluation.closed.replace("-", "_")
    return phrases.plot(f"app_{closed}") if closed else ""


def _about(
    phrases: Phrases, call: HookRequest, evaluation: Evaluation, opened: Opened
) -> list[str]:
    """Returns who the patient is, who opened the app, and from which card."""
    told = []
    case = evaluation.case
    if case is not None and case.snapshot.patient.birth_date is not None:
        told.append(phrases.plot("app_born", date=case.snapshot.patient.birth_date.isoformat()))
    if case is not None and case.snapshot.patient.sex:
        told.append(phrases.plot(f"app_{case.snapshot.patient.sex}"))
    if call.user_id:
        told.append(phrases.plot("app_opened_by", user=call.user_id))
    if opened.app_context:
        told.append(phrases.plot("app_from_card", card=opened.app_context))
    return told


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    detail = Markup(rendered(card["detail"]))  # noqa: S704  # raw HTML is off in our renderer
    return {
        "indicator": card["indicator"],
        "summary": card["summary"],
        "detail": detail,
        "buttons": [suggestion["label"] for suggestion in card.get("suggestions", ())],
        "source": card["source"],
    }


def _missing(phrases: Phrases, evaluation: Evaluation) -> list[str]:
    words = phrases.words
    missing = evaluation.case.snapshot.missing if evaluation.case is not None else {}
    return [
        f"{words.sources[key]} ({words.missing[why]})"
        for key, why in missing.items()
        if key in words.sources and why not in ("not-applicable", "not-read")
    ]


def _patient(evaluation: Evaluation) -> str:
    """Returns the name of the patient as the record has it; "" without one."""
    source = evaluation.sources.get("patient")
    for body in source.bodies if source is not None else ():
        found = decode(body)
        names = found.get("name") if isinstance(found, dict) else None
        for one in names if isinstance(names, list) else ():
            shown = _name(one)
            if shown:
                return shown
    return ""


def _name(name: object) -> str:
    if not isinstance(name, dict):
        return ""
    if isinstance(name.get("text"), str):
        return str(name["text"])
    given = name.get("given")
    parts: Iterable[object] = (*(given if isinstance(given, list) else ()), name.get("family"))
    return " ".join(part for part in parts if isinstance(part, str))


# ---- answers


def _problem(client: Client | None, failed: ServiceError) -> Response:
    """Returns a page in the language of the user; what the analyst needs stays English."""
    name = client.name if client is not None else ""
    log().warning("smart", client=name, status=failed.status, reason=failed.message)
    here = runtime()
    spoken = asked_language(here.pipeline.languages)
    language = here.pipeline.language_of(spoken, client or Client())
    say = here.pipeline.phrases(_service(here).id, language).plot
    page = render_template(
        "smart-problem.html",
        remedy=say(f"app_do_{_remedy(failed)}"),
        message=failed.message,
        say=say,
        language=language,
        demo=False,
    )
    return Response(page, status=failed.status)


def _remedy(failed: ServiceError) -> Remedy:
    """Returns what the user can do: what the EHR's analyst must mend is nothing to try again."""
    if isinstance(failed, LaunchFailed):
        return failed.remedy
    return "setup" if isinstance(failed, DataRefused | NotFound) else "later"


def _secured(response: Response, client: Client | None) -> Response:
    """Returns the answer with its headers: who may frame it, no store, own scripts only."""
    smart = client.smart if client is not None else None
    frames = smart.frame_ancestors if smart is not None else ()
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {' '.join(frames) or _NO_FRAME}"
    )
    response.headers["Cache-Control"] = "no-store"
    response.mimetype = "text/html"
    return response
