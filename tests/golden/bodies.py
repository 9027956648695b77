"""Bodies of calls are made here from the stories in fixtures/ and the stored menu of orders."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import cds_service

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1] / "fixtures"
WHEEL = Path(cds_service.__file__).parent / "fixtures"  # where `make wheel-test` has them
FIXTURES = CHECKOUT if CHECKOUT.is_dir() else WHEEL
HOOKS = "patient-view", "order-select", "order-sign", "encounter-discharge"
STAY = "discharge-at-128"  # a story of an inpatient
PROFILES = "aasld", "european"
REMEMBERS = "remembers"  # the client with suppression
KEYS = "patient", "encounter", "sodium", "glucose", "labs", "conditions", "medications"
Body = dict[str, Any]


@cache
def stories() -> tuple[str, ...]:
    """The names of the stories are stored: a new story does not change the golden record."""
    return tuple(json.loads((HERE / "stories.json").read_text(encoding="utf-8")))


@cache
def menu() -> dict[str, Body]:
    """The menu is the demo's list of draft orders as it was when the record was made."""
    found: dict[str, Body] = json.loads((HERE / "menu.json").read_text(encoding="utf-8"))
    return found


@cache
def clients() -> tuple[str, ...]:
    """The names of the clients in clients.toml stand in the order of the file."""
    return tuple(tomllib.loads((HERE / "clients.toml").read_text(encoding="utf-8"))["clients"])


def own(story: str) -> Body:
    """The call of a story is returned as it stands in its folder."""
    found: Body = json.loads(_request(story))
    return found


@cache
def stays() -> tuple[str, ...]:
    """The names of the stories about a discharge are stored as those of the others are."""
    return tuple(json.loads((HERE / "stays.json").read_text(encoding="utf-8")))


def blank(story: str) -> Body:
    """The call of a story is turned into one where the chart is opened and nothing is ordered."""
    body = own(story)
    body["hook"] = HOOKS[0]
    for name in ("selections", "draftOrders"):
        body["context"].pop(name, None)
    return body


def ordered(story: str, *orders: str, selected: int = 1) -> Body:
    """The doctor of a story drafts these orders of the menu and has picked the first of them."""
    body = blank(story)
    body["hook"] = HOOKS[1]
    drafts = [_draft(body, order, number) for number, order in enumerate(orders)]
    body["context"] |= {
        "selections": [f"{d['resourceType']}/{d['id']}" for d in drafts[:selected]],
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": draft} for draft in drafts],
        },
    }
    return body


def signed(story: str, *orders: str) -> Body:
    """The doctor of a story signs these orders of the menu together."""
    body = ordered(story, *orders)
    body["hook"] = HOOKS[2]
    del body["context"]["selections"]
    return body


def leaving(story: str) -> Body:
    """The patient of a story is an inpatient who is about to go home."""
    body = blank(story)
    body["hook"] = HOOKS[3]
    if body["prefetch"]["encounter"] is None or own(story)["hook"] != HOOKS[3]:
        body["context"]["encounterId"] = own(STAY)["context"]["encounterId"]
        body["prefetch"]["encounter"] = borrowed(STAY, "encounter", body)
    return body


def borrowed(lender: str, key: str, body: Body) -> object:
    """One prefetch key of another story is written as if it were about the patient of this body."""
    text = json.dumps(own(lender)["prefetch"][key])
    context = body["context"]
    text = text.replace(f"Patient/{lender}", f"Patient/{context['patientId']}")
    encounter = own(lender)["context"].get("encounterId")
    if encounter and context.get("encounterId"):
        text = text.replace(f"Encounter/{encounter}", f"Encounter/{context['encounterId']}")
    return json.loads(text)


def sent(body: Body, client: str, name: str, *, keep_instance: bool = False) -> str:
    """The body becomes the text that a client sends, with an id of its own for each call.

    A client that remembers has a user of its own for each call: whether the rows of the call before
    are written already may not decide an answer.
    """
    whole = dict(body)
    if client == REMEMBERS:
        user = sha256(f"user {name}".encode()).hexdigest()[:12]
        whole["context"] = {**whole["context"], "userId": f"Practitioner/{user}"}
    if not keep_instance and "hookInstance" in whole:
        digest = sha256(f"golden {name}".encode()).hexdigest()
        whole["hookInstance"] = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:28]}"
    if client:
        whole["fhirServer"] = f"https://{client}.example/r4"
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def service_of(body: Body) -> str:
    """A body is sent to the service of its hook."""
    return f"hyponatremia-{body['hook']}"


def results(body: Body, key: str = "sodium") -> list[Body]:
    """The results in one prefetch key are listed with the newest first."""
    found = [r for r in resources(body, key) if r.get("resourceType") == "Observation"]
    return sorted(found, key=lambda r: str(r.get("effectiveDateTime", "")), reverse=True)


def resources(body: Body, key: str) -> Iterator[Body]:
    """The resources in one prefetch key come in the order of their entries."""
    bundle = body["prefetch"].get(key) or {}
    for entry in bundle.get("entry", ()):
        yield entry["resource"]


def with_sodium(body: Body) -> Body:
    """A patient without a readable sodium gets the results of the story of a normal sodium."""
    if not any("valueQuantity" in result for result in results(body)):
        body["prefetch"]["sodium"] = borrowed("normal-sodium", "sodium", body)
    return body


def set_value(result: Body, value: float) -> None:
    """A result gets another number; its unit stays."""
    result.setdefault("valueQuantity", {"unit": "mmol/L"})["value"] = round(value, 1)


def shift_values(found: Sequence[Body], newest: float) -> None:
    """All results move by the same amount, so that the newest one has this value."""
    before = _value(found[0])
    for result in found:
        set_value(result, _value(result) + newest - before)


def move(resource: Body, hours: float) -> None:
    """A result was drawn, or an order written, so many hours later than it says."""
    for name in ("effectiveDateTime", "issued", "authoredOn", "recordedDate"):
        written = resource.get(name)
        if isinstance(written, str) and "T" in written:
            at = datetime.fromisoformat(written) + timedelta(hours=hours)
            resource[name] = at.isoformat().replace("+00:00", "Z")


def _value(result: Body) -> float:
    return float(result.get("valueQuantity", {}).get("value", 130))


def _draft(body: Body, order: str, number: int) -> Body:
    draft = copy.deepcopy(menu()[order])
    draft["id"] = f"draft-{number}" if number else "draft"
    about = "patient" if draft["resourceType"] == "NutritionOrder" else "subject"
    draft[about] = {"reference": f"Patient/{body['context']['patientId']}"}
    return draft


@cache
def _request(story: str) -> str:
    return (FIXTURES / story / "request.json").read_text(encoding="utf-8")
