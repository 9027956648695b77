"""All calls of the golden record are listed here, in batches that each leave their own rows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.golden.answering import CARD, WAIT, Call
from tests.golden.bodies import (
    KEYS,
    PROFILES,
    REMEMBERS,
    Body,
    blank,
    clients,
    leaving,
    menu,
    move,
    ordered,
    own,
    results,
    sent,
    service_of,
    set_value,
    shift_values,
    signed,
    stays,
    stories,
    with_sodium,
)
from tests.golden.dice import Dice
from tests.golden.mixing import mixed
from tests.golden.spoiling import spoil
from tests.golden.ward import ward_body

LIMITED = tuple(name for name in clients() if not name.startswith(("plain-aasld", "told-")))
SPOILT_CLIENTS = "", "plain-aasld", "plain-european", "told-aasld", "told-european", "told-aasld"
LEVELS = (*range(100, 151), 40, 60, 79, 80, 81, 90, 170, 179, 180, 181, 200)
STAY_LEVELS = (108, 114, 118, 121, 124, 126, 129, 131, 134, 137)
SIGNED_ALONE, SIGNED_TOGETHER = 8, 8
HOURS = (*range(1, 13), 18, 20, 23, 24, 25, 30, 36, 47, 48, 49, 60, 72)
MIXED_BATCHES, MIXED_CALLS = 70, 80
FEEDBACK_BATCHES = 4
SPOILT_CALLS, ORDERS_OF_A_CLIENT = 120, 5
WARD = {"usual": (12, 20, 20, 20), "large": (6, 5, 200, 100)}  # batches, calls, results, orders
OWN_CLIENTS = "plain-aasld", "plain-european", "told-aasld", "told-european"


def batch_names(*, quick: bool) -> list[str]:
    """The names of all batches are listed; the quick ones come first."""
    found = [f"story/{story}" for story in stories()]
    if quick:
        return found
    for kind in ("limited", "sodium", "spoilt"):
        found += [f"{kind}/{story}" for story in stories()]
    found += [f"sign/{story}" for story in stories()]
    found += [f"leave/{story}" for story in (*stories(), *stays())]
    found += [f"feedback/{number}" for number in range(FEEDBACK_BATCHES)]
    found += [f"mixed/{number:02}" for number in range(MIXED_BATCHES)]
    return found + [f"ward/{kind}-{n:02}" for kind, size in WARD.items() for n in range(size[0])]


def batch(name: str) -> list[Call]:
    """The calls of one batch are made from its name alone."""
    kind, _, rest = name.partition("/")
    return list(_KINDS[kind](rest))


def made(
    group: str,
    name: str,
    client: str,
    body: Body,
    *,
    as_is: bool = False,
    service: str = "",
    app: str = "",
) -> Call:
    """One call is made; a call without a client goes to the demo."""
    return Call(
        group=group,
        name=name,
        app=app or ("hospital" if client else "demo"),
        service=service or service_of(body),
        body=sent(body, client, f"{group} {name}", keep_instance=as_is),
    )


def _story(story: str) -> Iterator[Call]:
    """Parts 1 and 2: a story's record with each order of the menu, and with its own drafts."""
    for profile in PROFILES:
        group, client = f"story/{story}/{profile}", f"told-{profile}"
        yield made(group, "chart", client, blank(story))
        for order in menu():
            yield made(group, order, client, ordered(story, order))
    group = f"story/{story}/own"
    for client in ("", *OWN_CLIENTS):
        yield made(group, client or "demo", client, own(story), as_is=True)


def _limited(story: str) -> Iterator[Call]:
    """Part 5: clients whose software can do less, or that want to see less."""
    orders = tuple(menu())
    for client in LIMITED:
        group, dice = f"limited/{story}/{client}", Dice(f"limited {story} {client}")
        yield made(group, "own", client, own(story))
        yield made(group, "chart", client, blank(story))
        for order in dice.some(orders, ORDERS_OF_A_CLIENT):
            yield made(group, order, client, ordered(story, order))
        both = dice.some(orders, 2)
        yield made(group, "+".join(both), client, ordered(story, *both, selected=2))

    for kind, body in (("own", own(story)), ("chart", blank(story))):
        yield made(f"limited/{story}/requests", kind, "told-aasld", body, app="requests")


def _sodium(story: str) -> Iterator[Call]:
    """Part 3: every level of sodium, and the older results at every distance of hours."""
    dice, orders = Dice(f"sodium {story}"), tuple(menu())
    for number, level in enumerate(LEVELS):
        client = f"told-{PROFILES[number % 2]}"
        body = with_sodium(dice.one((own, blank))(story))
        shift_values(results(body), level)
        yield made(f"sodium/{story}/level", str(level), client, body)
        body = with_sodium(ordered(story, dice.one(orders)))
        set_value(results(body)[0], level - dice.one((0, 0.1)))
        yield made(f"sodium/{story}/newest", str(level), client, body)
    for number, hours in enumerate(HOURS):
        yield _at_hours(story, hours, f"told-{PROFILES[number % 2]}", dice)


def _at_hours(story: str, hours: int, client: str, dice: Dice) -> Call:
    """The older results lie so many hours before the newest, with a fall or a rise on the way."""
    body = with_sodium(dice.one((own, blank))(story))
    newest = results(body)[0]
    older = copy.deepcopy(newest)
    older["id"] = f"{newest['id']}-older"
    change = dice.between(-14, 14)
    set_value(older, float(newest.get("valueQuantity", {}).get("value", 130)) + change)
    move(older, -hours)
    body["prefetch"]["sodium"]["entry"] = [{"resource": newest}, {"resource": older}]
    return made(f"sodium/{story}/hours", f"{hours}h{change:+}", client, body)


def _spoilt(story: str) -> Iterator[Call]:
    """Part 4: faults at random places, for clients with and without explained missing data."""
    dice = Dice(f"spoilt {story}")
    for number in range(SPOILT_CALLS):
        client = SPOILT_CLIENTS[number % len(SPOILT_CLIENTS)]
        body = dice.one((own(story), blank(story), ordered(story, dice.one(tuple(menu())))))
        service = service_of(body)
        spoil(body, dice)
        group = f"spoilt/{story}/{client or 'demo'}"
        yield made(group, str(number), client, body, service=service)
    for key in KEYS:
        for kind, body in (("own", own(story)), ("chart", blank(story))):
            body["prefetch"].pop(key, None)
            yield made(f"spoilt/{story}/without", f"{key}-{kind}", "", body)


def _sign(story: str) -> Iterator[Call]:
    """Part 3: orders of the menu are signed, one alone and two or three together."""
    orders, dice = tuple(menu()), Dice(f"sign {story}")
    for number in range(SIGNED_ALONE + SIGNED_TOGETHER):
        together = 1 if number < SIGNED_ALONE else dice.one((2, 2, 3))
        chosen = dice.some(orders, together)
        for profile in PROFILES:
            body = signed(story, *chosen)
            yield made(
                f"sign/{story}/{profile}", f"{number} {'+'.join(chosen)}", f"told-{profile}", body
            )


def _leave(story: str) -> Iterator[Call]:
    """Part 3: the patient goes home, with the sodium of the story and with others."""
    for profile in PROFILES:
        group, client = f"leave/{story}/{profile}", f"told-{profile}"
        yield made(group, "own", client, leaving(story))
        for level in STAY_LEVELS:
            body = with_sodium(leaving(story))
            shift_values(results(body), level)
            yield made(group, str(level), client, body)


def _mixed(number: str) -> Iterator[Call]:
    """Part 3: parts of several stories in one body, with their values and times changed."""
    dice = Dice(f"mixed {number}")
    for call in range(MIXED_CALLS):
        client = dice.one((*OWN_CLIENTS, *OWN_CLIENTS, *LIMITED, ""))
        group = f"mixed/{number}/{'low' if call < MIXED_CALLS // 2 else 'high'}"
        yield made(group, f"{call}-{client or 'demo'}", client, mixed(dice))


def _ward(name: str) -> Iterator[Call]:
    """Part 3: bodies as large as a hospital's."""
    _, calls, *size = WARD[name.partition("-")[0]]
    dice = Dice(f"ward {name}")
    for number in range(calls):
        body = ward_body(dice, *size)
        yield made(f"ward/{name}", str(number), dice.one(OWN_CLIENTS), body)


def _feedback(number: str) -> Iterator[Call]:
    """Charts are opened again, before and after their cards are answered."""
    asked = [
        made(f"feedback/{number}/{story}-{kind}", "first", REMEMBERS, body)
        for story in stories()[int(number) :: FEEDBACK_BATCHES]
        for kind, body in (("chart", blank(story)), ("own", own(story)))
    ]
    yield from asked
    yield Call("", "", "hospital", WAIT, "")
    for call in asked:
        yield replace(call, name="repeated")
    yield Call("", "", "hospital", WAIT, "")
    for call in asked:
        yield replace(call, name="feedback", service=f"{call.service}/feedback", body=_OVERRIDDEN)
    for call in asked:
        yield replace(call, name="again")


_OVERRIDDEN = json.dumps(
    {
        "feedback": [
            {
                "card": CARD,
                "outcome": "overridden",
                "outcomeTimestamp": "2026-11-20T09:00:00Z",
                "overrideReason": {"userComment": "seen"},
            }
        ]
    }
)
_KINDS: dict[str, Callable[[str], Iterator[Call]]] = {
    "story": _story,
    "limited": _limited,
    "sodium": _sodium,
    "spoilt": _spoilt,
    "sign": _sign,
    "leave": _leave,
    "mixed": _mixed,
    "ward": _ward,
    "feedback": _feedback,
}
