"""All calls of the golden record are listed here, in batches that each leave their own rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.golden.answering import Call
from tests.golden.bodies import (
    PROFILES,
    Body,
    blank,
    menu,
    ordered,
    own,
    sent,
    service_of,
    stories,
)

OWN_CLIENTS = "plain-aasld", "plain-european", "told-aasld", "told-european"


def batch_names(*, quick: bool) -> list[str]:
    """The names of all batches are listed; the quick ones come first."""
    return [f"story/{story}" for story in stories()]


def batch(name: str) -> list[Call]:
    """The calls of one batch are made from its name alone."""
    kind, _, rest = name.partition("/")
    return list(_KINDS[kind](rest))


def made(group: str, name: str, client: str, body: Body, *, as_is: bool = False) -> Call:
    """One call is made; a call without a client goes to the demo."""
    return Call(
        group=group,
        name=name,
        app="hospital" if client else "demo",
        service=service_of(body),
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


_KINDS: dict[str, Callable[[str], Iterator[Call]]] = {"story": _story}
