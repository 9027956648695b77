"""The workbench shows every call of this worker as a timeline; one can be changed and sent again.

It is there in demo and development mode only. It shows what the pipeline itself told of a call: its
explanation, its reads, its rows. Calls are kept in memory and nowhere else; tokens are never shown.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import msgspec
from flask import Blueprint, Response, current_app, g, render_template, request

from cds_service.demo.calls import KeptCall, Workbench, with_token, without_token
from cds_service.demo.comparing import changes
from cds_service.demo.html import html_page
from cds_service.demo.story_files import story_files, zipped
from cds_service.errors import BadRequest, ConfigurationError, Forbidden, ServiceError
from cds_service.records.fhir_types import decode_call
from cds_service.records.recording import Replaced, with_live_reads
from cds_service.telemetry import correlation_id
from cds_service.trust.registry import claimed_issuer
from cds_service.web.call_log import CallLog
from cds_service.web.errors import refused
from cds_service.web.front import RECEIVED
from cds_service.web.hooks import Caller, answered, named_service
from cds_service.web.messages import json_body, refuse_by_head, unstored
from cds_service.web.runtime import Runtime, runtime

HERE = "/workbench"
_EXTENSION = "hyponatremia-workbench"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MODES = ("demo", "development")
_MS = 1000
_NUMBER = re.compile(r"[0-9]{1,9}")
_KINDS = {"hooks.call": "hook", "hooks.feedback": "feedback", "hooks.discover": "discovery"}

blueprint = Blueprint("workbench", __name__, url_prefix=HERE)


@blueprint.record_once
def _install(setup: Any) -> None:
    here = setup.app.extensions["hyponatremia-cds"]
    if here.settings.mode not in _MODES:
        raise ConfigurationError("The workbench is for demo and development mode only.")
    setup.app.extensions[_EXTENSION] = Workbench()


@blueprint.app_template_filter("clock")
def clock(at: datetime) -> str:
    """Returns the time of an instant with its zone, to the second."""
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


@blueprint.app_template_filter("capitalize_first")
def capitalize_first(text: str) -> str:
    """Returns a sentence with a capital, and all other letters as they were."""
    return text[:1].upper() + text[1:]


@blueprint.before_request
def _only_this_machine() -> None:
    """Refuses a page that another machine or another site's script asks for.

    A demo that was opened to other machines on purpose shows its invented patients there too.
    """
    settings = runtime().settings
    if settings.mode == "demo" and settings.demo_public:
        return
    named = {urlsplit(settings.base_url).hostname, *_LOOPBACK}
    host = urlsplit(f"//{request.host}").hostname
    forwarded = request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded")
    if forwarded or request.remote_addr not in _LOOPBACK or host not in named:
        raise Forbidden("The workbench answers on this machine only, and not through a proxy.")


@blueprint.get("")
def workbench() -> Response:
    """Shows the timeline."""
    here = runtime()
    return html_page("workbench.html", demo=here.settings.mode == "demo", mode=here.settings.mode)


@blueprint.get("/calls")
def calls() -> Response:
    """Answers with the calls after a number, as lines of the timeline."""
    bench = _bench()
    number = _after()
    lines = [
        {
            "number": call.number,
            "html": render_template("workbench-line.html", call=call, again=call.again),
        }
        for call in bench.after(number)
    ]
    return unstored({"latest": bench.last, "calls": lines})


@blueprint.post("/forget")
def forget() -> Response:
    """Forgets every call."""
    _bench().forget()
    return unstored({"latest": _bench().last})


@blueprint.get("/calls/<int:number>")
def call(number: int) -> Response:
    """Answers with everything that became of one call, as HTML and as text to copy."""
    kept = _bench().find(number)
    return unstored(
        {
            "html": render_template("workbench-call.html", call=kept, pretty=_pretty),
            "request": _pretty(kept.body),
            "curl": _curl(runtime(), kept),
        }
    )


@blueprint.post("/calls/<int:number>/again")
def again(number: int) -> Response:
    """Sends a changed body again, as the client of that call, and says what is different."""
    bench, here = _bench(), runtime()
    first = bench.find(number)
    sent = _text_of("body").encode()
    decode_call(sent)  # strict and bounded, as for any caller
    second = bench.keep(_answer_again(here, first, sent))
    found = changes(first, second)
    html = render_template(
        "workbench-again.html", first=first, second=second, changes=found, pretty=_pretty
    )
    return unstored({"number": second.number, "html": html, "changes": found})


@blueprint.post("/calls/<int:number>/story")
def story(number: int) -> Response:
    """Answers with the folder of a story as a zip file, made from a call without identifiers."""
    kept = _bench().find(number)
    name, title, why = _text_of("name"), _text_of("title"), _text_of("why")
    made = _replaced(kept)
    packed = zipped(name, story_files(name, title, why, kept, made))
    response = Response(packed, mimetype="application/zip")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return response


@blueprint.get("/recorded")
def recorded() -> Response:
    """Answers with the hook calls after a number, without identifiers, for `cds-service record`."""
    bench = _bench()
    number = _after()
    made = []
    for kept in bench.after(number):
        try:
            one = _replaced(kept)
        except ServiceError:
            continue
        told = {"number": kept.number, "hook": kept.hook, "status": kept.status}
        made.append(told | _as_json(one))
    return unstored({"latest": bench.last, "calls": made})


def _as_json(one: Replaced) -> dict[str, Any]:
    return {
        "call": one.call,
        "texts": one.texts,
        "leftOut": one.left_out,
        "keys": one.keys,
    }


def _after() -> int:
    """Returns the number after which calls are wanted; 0 for what is no number."""
    given = request.args.get("after", "")
    return int(given) if _NUMBER.fullmatch(given) else 0


# ---- taking down a call


@blueprint.after_app_request
def _keep(response: Response) -> Response:
    """Keeps every request to discovery, hooks and feedback with its answer."""
    kind = _KINDS.get(request.endpoint or "")
    if kind is not None and request.method != "OPTIONS":
        body, answer = g.get("body", b""), response.get_data()
        _bench().keep_unread(body, answer, _kept(runtime(), kind, body, answer, response))
    return response


def _kept(
    here: Runtime, kind: str, raw: bytes, answer: bytes, response: Response
) -> Callable[[], KeptCall]:
    """Returns what makes the kept call, when the request itself is over."""
    entry: CallLog | None = g.get("call_log")
    proven = g.get("token")
    now = time.monotonic()
    began = g.get("began") or request.environ.get(RECEIVED) or now
    seen = partial(
        KeptCall,
        kind=kind,
        at=entry.call.received if entry else here.clock(),
        method=request.method,
        path=request.path,
        service=str((request.view_args or {}).get("service_id", "")),
        client=entry.client.name if entry else (proven.client.name if proven else ""),
        access=_access(response),
        status=response.status_code,
        milliseconds=round((now - began) * _MS, 1),
        answer=answer,
        proven=proven.client if proven else None,
        issuer=claimed_issuer(request.environ.get("HTTP_AUTHORIZATION")),
        began=began,
    )

    def made() -> KeptCall:
        body, token = without_token(raw)
        return seen(body=body, token=token, **_told(here, entry))

    return made


def _told(here: Runtime, entry: CallLog | None) -> dict[str, Any]:
    """Returns what the pipeline told of a call."""
    if entry is None:
        return {}
    told: dict[str, Any] = {
        "sources": entry.seen.sources,
        "reads": tuple(entry.seen.reads),
        "asked_as": entry.client,
        "language": entry.call.language,
    }
    if entry.evaluation is not None:
        told["explained"] = here.pipeline.explain(
            entry.evaluation, entry.call.service, with_values=True
        )
    if entry.record is not None:
        rows = entry.record
        told["rows"] = {
            "audit": [dict(rows.audit)],
            "issued": [dict(row) for row in rows.issued],
            "tallies": [row._asdict() for row in rows.tallies],
            "census": [row._asdict() for row in rows.census],
        }
    return told


def _access(response: Response) -> str:
    """Says how the caller was let in, or why it was not."""
    error = g.get("error")
    proven = g.get("token")
    if proven is not None:
        tenant = f", tenant {proven.client.claimed_tenant}" if proven.client.claimed_tenant else ""
        return f"token of {proven.client.name}{tenant}: signature, audience, time and id are good"
    why = getattr(error, "why", "")
    if why:
        return f"token refused: {why}"
    if request.environ.get("HTTP_AUTHORIZATION"):
        return "a token came, and this deployment proves no one by it: anonymous"
    return "no token: anonymous" if response.status_code != Forbidden.status else "not allowed"


# ---- sending again


def _answer_again(here: Runtime, first: KeptCall, body: bytes) -> KeptCall:
    """Answers a body as the client of another call; it leaves no rows and is not counted."""
    if first.kind != "hook":
        raise BadRequest("Only hook calls can be sent again.")
    if first.proven is None and here.registry().asks_for_tokens:
        raise Forbidden("That call proved no client, so it cannot be sent again from here.")
    shown, token = without_token(body)
    g.began = began = time.monotonic()
    try:
        service = named_service(here, first.service)
        response = answered(
            here,
            service,
            with_token(body, first.token),
            Caller(proven=first.proven, issuer=first.issuer, language=first.language),
        )
    except ServiceError as error:
        g.correlation = correlation_id("")
        response = refused(error)
    entry: CallLog | None = g.get("call_log")
    return KeptCall(
        kind="hook",
        at=entry.call.received if entry else here.clock(),
        method="POST",
        path=first.path,
        service=first.service,
        client=entry.client.name if entry else "",
        access=f"sent again from this page, as call {first.number}",
        status=response.status_code,
        milliseconds=round((time.monotonic() - began) * _MS, 1),
        body=shown,
        answer=response.get_data(),
        token=first.token if token is None else token,
        proven=first.proven,
        issuer=first.issuer,
        began=began,
        again=first.number,
        **_told(here, entry),
    )


def _text_of(name: str) -> str:
    """Returns a text in the JSON body."""
    settings = runtime().settings
    refuse_by_head(request, settings.max_body_bytes)
    if "sent" not in g:
        g.sent = json_body(request, settings.max_body_bytes)
    value = g.sent.get(name) if isinstance(g.sent, dict) else None
    if not isinstance(value, str):
        raise BadRequest(f"Send an object with the text '{name}'.")
    return value


# ---- what leaves the page


def _replaced(kept: KeptCall) -> Replaced:
    """Returns a call without identifiers, with what was read live in its prefetch."""
    here = runtime()
    if kept.kind != "hook" or kept.asked_as is None:
        raise BadRequest("This was no hook call that could be read.")
    service, client = named_service(here, kept.service), kept.asked_as
    known = {key: key for key in (*service.prefetch, *service.optional)}
    keys = {alias: key for key, all_ in client.prefetch_aliases.items() for alias in all_} | known
    about = {
        "service": service.id,
        "profile": client.profile,
        "language": here.pipeline.language_of(kept.language, client),
        "explainMissingData": client.explain_missing_data,
        "status": kept.status,
        "sources": dict(kept.sources),
    }
    body = with_live_reads(kept.request, kept.reads)
    return _bench().replacer.replaced(body, kept.at, keys, about)


def _curl(here: Runtime, kept: KeptCall) -> str:
    """Returns a line for a shell; a token has to be put in by hand."""
    url = shlex.quote(here.settings.base_url + kept.path)
    lines = [f"curl -s -X {kept.method} {url}"]
    if kept.proven is not None or kept.issuer:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if not kept.body:
        return " \\\n  ".join(lines)
    lines.append("-H 'Content-Type: application/json'")
    text = _pretty(kept.body)
    mark = next(m for m in ("CALL", "CALL_BODY", "END_OF_THE_CALL") if m not in text)
    return " \\\n  ".join([*lines, f"--data-binary @- <<'{mark}'"]) + f"\n{text}\n{mark}\n"


def _pretty(body: bytes) -> str:
    """Returns JSON with a line for each member; what is no JSON as it came."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")


def _bench() -> Workbench:
    bench: Workbench = current_app.extensions[_EXTENSION]
    return bench
