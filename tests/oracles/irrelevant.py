"""Changes of a request that no card may depend on, each drawn at random."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

Body = dict[str, Any]
Change = Callable[[Body, random.Random], None]
NAMES = (
    "Ångström",
    "O'Neil",
    "Müller-Lüdenscheidt",
    "李",
    "van der Berg",
    "x" * 60,
    "",
    "Sodium 112",
)
WORDS = (
    "venous",
    "seizure",
    "SIADH",
    "heart failure",
    "3% saline",
    "<b>stop</b>",
    "sodium 101 mmol/L",
)
CODES = "en", "de-CH", "x-unknown"


def names(body: Body, dice: random.Random) -> None:
    """The patient is called otherwise, lives elsewhere and has other numbers."""
    patient = body["prefetch"].get("patient")
    if not isinstance(patient, dict):
        return
    named = {"family": dice.choice(NAMES), "given": [dice.choice(NAMES)], "use": "official"}
    said: dict[str, Any] = {
        "name": [named] * dice.randrange(3),
        "telecom": [{"system": "phone", "value": str(dice.randrange(10**9))}],
        "address": [{"line": [dice.choice(WORDS)], "city": dice.choice(NAMES)}],
        "identifier": [_identifier(dice)],
        "contact": [{"name": named, "relationship": [{"text": dice.choice(WORDS)}]}],
        "communication": [{"language": {"text": dice.choice(CODES)}}],
        "generalPractitioner": [{"reference": "Practitioner/9", "display": dice.choice(NAMES)}],
        "photo": [{"contentType": "image/png", "data": "AAAA"}],
    }
    for name in dice.sample(sorted(said), dice.randint(1, 4)):
        patient[name] = said[name]


def extensions(body: Body, dice: random.Random) -> None:
    """An object anywhere, or a plain member, gets an extension."""
    found = {"url": "urn:example:extension", "valueString": dice.choice(WORDS)}
    where = dice.choice([*objects(body)])
    plain = [name for name, value in where.items() if isinstance(value, str | int | float)]
    if plain and dice.random() < 0.5:
        where[f"_{dice.choice(plain)}"] = {"extension": [found]}
    else:
        where["extension"] = [found]


def entries_in_another_order(body: Body, dice: random.Random) -> None:
    """The entries of every Bundle come in any order.

    Drafts that no selection names keep theirs: a card on two of them begins with the first ordered.
    """
    drafts = body["context"].get("draftOrders")
    for bundle in bundles(body):
        if bundle is not drafts or body["context"].get("selections"):
            dice.shuffle(bundle["entry"])


def members_in_another_order(body: Body, dice: random.Random) -> None:
    """The members of every object come in any order."""
    for where in [*objects(body), body]:
        members = [*where.items()]
        dice.shuffle(members)
        where.clear()
        where.update(members)


def narrative(body: Body, dice: random.Random) -> None:
    """A resource tells in words what it holds, or something else."""
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{dice.choice(WORDS)}</div>'
    resource = dice.choice([*resources(body)])
    resource["text"] = {"status": "generated", "div": div}


def meta(body: Body, dice: random.Random) -> None:
    """A resource or a Bundle says from which system it comes, and in which version.

    An ended order is left out: its last change tells when it ended (F24).
    """
    said: dict[str, Any] = {
        "versionId": str(dice.randrange(99)),
        "lastUpdated": f"2026-11-{dice.randint(1, 19):02}T0{dice.randrange(10)}:00:00Z",
        "source": "urn:example:lis",
        "profile": ["http://hl7.org/fhir/StructureDefinition/vitalsigns"],
        "security": [{"code": "R", "display": dice.choice(WORDS)}],
        "tag": [{"system": "urn:example:tag", "code": dice.choice(WORDS)}],
    }
    chosen = dice.sample(sorted(said), dice.randint(1, 3))
    of_resources = [one for one in resources(body) if not _is_ended_order(one)]
    dice.choice([*of_resources, *bundles(body)])["meta"] = {name: said[name] for name in chosen}


def _is_ended_order(resource: Body) -> bool:
    return resource["resourceType"] == "MedicationRequest" and resource.get("status") != "active"


def unknown_members(body: Body, dice: random.Random) -> None:
    """Members that no version of FHIR or CDS Hooks has, anywhere."""
    values: tuple[Any, ...] = (None, "", {}, [], 7, 1.5e300, True, dice.choice(WORDS), [[{"x": 1}]])
    for _ in range(dice.randint(1, 3)):
        where = dice.choice([*objects(body), body])
        where[f"vendorMember{dice.randrange(9)}"] = copy.deepcopy(dice.choice(values))


def language(body: Body, dice: random.Random) -> None:
    """A resource says in which language it is."""
    resource = dice.choice([*resources(body)])
    resource["language"] = dice.choice(CODES)


def identifiers(body: Body, dice: random.Random) -> None:
    """A resource of the record gets a number of its own."""
    resource = dice.choice([*resources(body)])
    resource["identifier"] = [_identifier(dice), _identifier(dice)][: dice.randint(1, 2)]


def people(body: Body, dice: random.Random) -> None:
    """A resource of the record says who did it, where and for whom it is paid."""
    somebody = {"reference": f"Practitioner/{dice.randrange(99)}", "display": dice.choice(NAMES)}
    said = {
        "Observation": ("performer", [somebody]),
        "Condition": ("asserter", somebody),
        "MedicationRequest": ("requester", somebody),
        "Encounter": ("participant", [{"individual": somebody}]),
        "Patient": ("managingOrganization", somebody),
        "NutritionOrder": ("orderer", somebody),
    }
    resource = dice.choice([*resources(body)])
    name, value = said[resource["resourceType"]]
    resource[name] = value


def around_the_entries(body: Body, dice: random.Random) -> None:
    """A Bundle has another address, time and id, and says how well each entry fits."""
    bundle = dice.choice([*bundles(body), {"entry": []}])
    bundle["id"] = f"b{dice.randrange(999)}"
    bundle["timestamp"] = "2026-11-20T08:59:00Z"
    bundle["link"] = [{"relation": "self", "url": "https://fhir.example/r4?x=1"}]
    for number, entry in enumerate(bundle["entry"]):
        entry["fullUrl"] = f"https://{dice.randrange(99)}.example/r4/{number}"
        entry["search"] = {"mode": "match", "score": dice.random()}


def others_beside(body: Body, dice: random.Random) -> None:
    """A Bundle also brings what was not asked for: people, places, and a word of the server."""
    names = ("sodium", "glucose", "labs", "conditions", "medications")
    found = [body["prefetch"].get(name) for name in names]
    added: tuple[Body, ...] = (
        {"resourceType": "Practitioner", "id": "9", "name": [{"family": dice.choice(NAMES)}]},
        {"resourceType": "Provenance", "id": "9", "recorded": "2026-11-20T08:00:00Z"},
        {"resourceType": "Organization", "id": "9", "name": dice.choice(WORDS)},
        {"resourceType": "OperationOutcome", "issue": [{"severity": "information", "code": "x"}]},
    )
    full = [one for one in found if isinstance(one, dict) and one.get("entry")]
    if full:
        resource = dice.choice(added)
        mode = "outcome" if resource["resourceType"] == "OperationOutcome" else "include"
        entry = {"resource": copy.deepcopy(resource), "search": {"mode": mode}}
        entries = dice.choice(full)["entry"]
        entries.insert(dice.randint(0, len(entries)), entry)


def more_around_the_call(body: Body, dice: random.Random) -> None:
    """The call has another number, an extension, and a prefetch key that we do not ask for."""
    body["hookInstance"] = (
        f"{dice.randrange(16**8):08x}-0000-4000-8000-{dice.randrange(16**12):012x}"
    )
    body["extension"] = {"com.example.ehr": {"user": dice.choice(NAMES)}}
    allergies = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Basic"}}]}
    body["prefetch"]["allergies"] = dice.choice([None, allergies, "x"])


def changed(
    body: Body, changes: Sequence[Change], dice: random.Random, sent_back: frozenset[str]
) -> None:
    """The changes are made, but not in the orders that a button of the card sends back."""
    before = {
        name: copy.deepcopy(value) for name, value in _orders(body).items() if name in sent_back
    }
    for change in changes:
        change(body, dice)
    for name, value in _orders(body).items():
        if name in before:
            value.clear()
            value.update(before[name])


def sent_back(cards: Iterable[Body]) -> frozenset[str]:
    """The ids of the orders that a button sends back, stopped."""
    buttons = [button for card in cards for button in card.get("suggestions", ())]
    actions = [action for button in buttons for action in button["actions"]]
    return frozenset(one["resource"]["id"] for one in actions if one["type"] == "update")


def _orders(body: Body) -> dict[str, Body]:
    listed = body["prefetch"].get("medications")
    entries = listed.get("entry", ()) if isinstance(listed, dict) else ()
    return {one["resource"]["id"]: one["resource"] for one in entries if "id" in one["resource"]}


CHANGES: tuple[Change, ...] = (
    *(names, extensions, entries_in_another_order, members_in_another_order, narrative, meta),
    *(unknown_members, language, identifiers, people, around_the_entries, others_beside),
    more_around_the_call,
)


def written(body: Body, dice: random.Random) -> bytes:
    """The body as bytes: with or without blanks, and with escapes or letters."""
    ascii_only, indent = dice.random() < 0.5, dice.choice([None, None, 1, 4])
    return json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode()


def bundles(body: Body) -> Iterator[Body]:
    """The Bundles of a call that hold anything: those of the prefetch, and the drafts."""
    for value in (*body["prefetch"].values(), body["context"].get("draftOrders")):
        if isinstance(value, dict) and value.get("entry"):
            yield value


def resources(body: Body) -> Iterator[Body]:
    """The resources of a call, without the drafts: a button may send those back as they came."""
    for value in body["prefetch"].values():
        if not isinstance(value, dict):
            continue
        held = [entry.get("resource", {}) for entry in value.get("entry", ())]
        yield from (one for one in (value, *held) if one.get("resourceType") in KNOWN)


KNOWN = frozenset({"Patient", "Encounter", "Observation", "Condition", "MedicationRequest"})


def objects(value: Any) -> Iterator[Body]:
    """Every object below a value, without the call itself."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if isinstance(one, dict):
            yield one
        yield from objects(one)


def _identifier(dice: random.Random) -> Body:
    return {"system": "urn:example:numbers", "value": f"{dice.randrange(10**15):015}"}
