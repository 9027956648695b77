"""The draft orders of a call, and which of them are selected: none that came is passed over.

Selections are compared without base, version and case of a urn; an order set counts as its members.
If not every selection leads to a draft that was read, every draft counts as selected.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from cds_service.protocol.references import type_and_id
from cds_service.records.bounds import MAX_DRAFTS, MAX_ITEMS, MAX_SELECTED
from cds_service.records.cut import is_cut, is_too_large
from cds_service.records.fhir_types import Entry, Resource, kind_of
from cds_service.records.medications import KINDS, Kind
from cds_service.records.prefetch import OLDER_NAMES, is_failure
from cds_service.records.read_context import Owner, Person, identity
from cds_service.sodium.snapshot import BEYOND, Order

_ORDER_SETS = frozenset({"RequestGroup", "RequestOrchestration"})
# What an EHR sends beside its drafts so that they can be read by themselves.
_NO_ORDERS = frozenset(
    {
        *("Medication", "Patient", "Practitioner", "PractitionerRole", "Organization", "Location"),
        *("Coverage", "Encounter", "Condition", "Observation", "Device", "OperationOutcome"),
    }
)
_TODAY = {older: name for name, olders in OLDER_NAMES.items() for older in olders}
_URN = "urn:"
# Selections of these kinds that lead nowhere are told. Of services few concern a rule, and an EHR
# that does not send its laboratory orders would get an error at each of them.
_LOOKED_AT: tuple[Kind, ...] = ("medication", "nutrition")


class SentDraft(Struct, frozen=True):
    """One entry of draftOrders; `resource` is None if nothing in it could be read."""

    resource: Resource | None
    url: str = ""


class Chosen(Struct, frozen=True):
    """The drafts as orders, and the references of those that are selected."""

    orders: tuple[Order, ...] = ()
    selected: tuple[str, ...] = ()
    every: bool = False  # a selection led to no draft: all are selected
    not_read: int = 0  # orders beyond a limit; one of them may concern a rule


class _Draft(Struct, frozen=True):
    """An entry that is an order of this patient, or one that may be (`resource` None)."""

    place: int  # in draftOrders, from 1
    resource: Resource | None = None
    own_name: str = ""  # "MedicationRequest/7", or a urn
    names: frozenset[str] = frozenset()  # by which a selection may call it
    inside: str = ""  # its id, if it lies inside an order set


def sent_drafts(bundle: Resource | None, *, large: bool) -> tuple[SentDraft, ...]:
    """The entries of draftOrders in their order; in a `large` call one may be too large."""
    entries = bundle.entry if bundle is not None else ()
    return tuple([_sent(entry, large=large) for entry in entries])


def _sent(entry: Entry | None, *, large: bool) -> SentDraft:
    if entry is None or (large and entry.resource is not None and is_too_large(entry.resource)):
        return SentDraft(None)
    return SentDraft(entry.resource, entry.full_url)


def draft_of_another(sent: Sequence[SentDraft], me: Person) -> int | None:
    """The place, from 1, of the first draft that names another patient."""
    for place, one in enumerate(sent, 1):
        resource = one.resource
        if resource is None or kind_of(resource) in _NO_ORDERS:
            continue
        if me.drafted_for(resource) is Owner.FOREIGN:
            return place
    return None


def choose(
    sent: Sequence[SentDraft],
    selections: Sequence[str],
    me: Person,
    read: Callable[[Resource], Order],
) -> Chosen:
    """Reads the drafts as orders and finds which are selected.

    Each order has a reference of its own: "Type/id" if it alone has that name, else a urn or its
    place ("#2"), by which no EHR can be asked to remove it.
    """
    drafts = list(_drafts(sent, me))
    if not drafts:
        return Chosen()
    by_name: dict[str, list[int]] = {}
    for at, draft in enumerate(drafts):
        for name in draft.names:
            by_name.setdefault(name, []).append(at)
    named, lost = _selected(selections, drafts, by_name)
    every = list(range(len(drafts)))
    picked = every if lost else named
    read_at, not_read = _as_far_as_read(picked, every)
    by_place = _orders(drafts, read_at, by_name, read)
    chosen = [by_place[at].reference for at in picked[:MAX_SELECTED]]
    orders = [*by_place.values()]
    unnamed = set(every).difference(named)
    # A selection that leads nowhere may mean a draft that none names, unless one is lacking.
    lacking = any(
        _lost(lost, kind) > sum(_may_be(drafts[at], kind) for at in unnamed) for kind in _LOOKED_AT
    )
    for name, counts in (("#0", lacking), (BEYOND, not_read)):
        if counts:
            orders.append(Order(reference=name, kind="other", unread=True))
            chosen.append(name)
    return Chosen(tuple(orders), tuple(chosen), every=bool(lost), not_read=not_read)


def _as_far_as_read(picked: list[int], every: list[int]) -> tuple[list[int], int]:
    """Which drafts are read, the selected ones first; and how many are not, or not asked about."""
    selected = set(picked[:MAX_SELECTED])
    others = [at for at in every if at not in selected][: MAX_DRAFTS - len(selected)]
    read = selected.union(others)
    beyond = set(every).difference(read).union(picked[MAX_SELECTED:])
    return sorted(read), len(beyond)


def _drafts(sent: Sequence[SentDraft], me: Person) -> Iterator[_Draft]:
    """The entries that are orders or may be; one that came twice counts once."""
    seen: dict[str, Resource] = {}
    for place, one in enumerate(sent, 1):
        resource = one.resource
        if resource is None or not kind_of(resource) or is_failure(resource):
            yield _Draft(place)  # an error stands for what could not be sent: it may be an order
            continue
        if kind_of(resource) in _NO_ORDERS:
            continue
        if me.drafted_for(resource) is Owner.FOREIGN:
            yield _Draft(place)
            continue
        own_name = _own_name(resource, one.url)
        first = seen.setdefault(own_name, resource) if own_name else resource
        came_before = first is not resource and first == resource
        if not came_before:
            yield _Draft(place, resource, own_name, _names(resource, own_name, one.url))
            yield from _contained_orders(place, resource, own_name, me)


def _contained_orders(
    place: int, order_set: Resource, own_name: str, me: Person
) -> Iterator[_Draft]:
    """The orders inside an order set; no EHR can be asked to remove one of them alone (F23)."""
    if kind_of(order_set) not in _ORDER_SETS:
        return
    for inner in order_set.contained:
        own = inner.id.strip()
        if own and kind_of(inner) not in _NO_ORDERS:
            foreign = me.drafted_for(inner) is Owner.FOREIGN
            names = frozenset({f"{own_name}#{own}"})
            yield _Draft(place, None if foreign else inner, "", names, own)


def _own_name(resource: Resource, url: str) -> str:
    """ "Type/id", or a urn for a draft without an id; "" if it has neither."""
    kind, own = type_and_id(url)
    if identity(resource) or kind == kind_of(resource):
        return identity(resource) or f"{kind}/{own}"
    return _today(url) if url.strip().casefold().startswith(_URN) else ""


def _names(resource: Resource, own_name: str, url: str) -> frozenset[str]:
    """Every name by which a selection or an order set may call a draft."""
    own = resource.id.strip()
    names = {_today(own_name), own, _today(url), f"{_URN}uuid:{own}".casefold() if own else ""}
    return frozenset(names - {""})


def _today(reference: str) -> str:
    """A reference in its plainest form, by today's name of its type; "" if it is none."""
    text = reference.strip()
    if text.casefold().startswith(_URN):
        return text.casefold()
    kind, own = type_and_id(text)
    return f"{_TODAY.get(kind, kind)}/{own}" if kind else own


def _selected(
    selections: Sequence[str], drafts: Sequence[_Draft], by_name: dict[str, list[int]]
) -> tuple[list[int], list[str]]:
    """The drafts that are named, in the order of the names, and the names that lead to none."""
    names = [_today(selection) for selection in selections[:MAX_ITEMS]] or [""]
    waiting = deque([*names, *[""] * (len(selections) > MAX_ITEMS)])
    found: dict[int, None] = {}
    lost: list[str] = []
    seen: set[str] = set()
    while waiting:
        name = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        hits = by_name.get(name, [])
        if not hits:
            lost.append(name)
        for at in hits:
            if at not in found:
                found[at] = None
                waiting += _members(drafts[at])
    return [*found], lost


def _members(draft: _Draft) -> list[str]:
    """The names of the orders in an order set; [""] for a set that names none of its orders."""
    resource = draft.resource
    if resource is None or kind_of(resource) not in _ORDER_SETS:
        return []
    names, waiting = [], [*resource.action]
    while waiting:
        action = waiting.pop()
        waiting += action.action
        if action.resource is not None:
            target = action.resource.reference.strip()
            inside = f"{draft.own_name}{target}"
            names.append(inside if target.startswith("#") else _today(target))
    return names or [""]


def _orders(
    drafts: Sequence[_Draft],
    wanted: Sequence[int],
    by_name: dict[str, list[int]],
    read: Callable[[Resource], Order],
) -> dict[int, Order]:
    """The wanted drafts as orders; a set whose orders did not all come was not read."""
    count = Counter(draft.own_name for draft in drafts)
    orders = {}
    for at in wanted:
        draft = drafts[at]
        alone = bool(draft.own_name) and count[draft.own_name] == 1
        place = f"#{draft.place}.{draft.inside}" if draft.inside else f"#{draft.place}"
        reference = draft.own_name if alone else place
        if draft.resource is None:
            orders[at] = Order(reference=reference, kind="other", unread=True)
            continue
        order = read(draft.resource)
        cut = order.unread or is_cut(draft.resource)
        unread = cut or any(name not in by_name for name in _members(draft))
        orders[at] = replace(order, reference=reference, unread=unread)
    return orders


def _lost(names: Sequence[str], kind: Kind) -> int:
    return sum(KINDS.get(name.partition("/")[0]) == kind for name in names)


def _may_be(draft: _Draft, kind: Kind) -> bool:
    return draft.resource is None or KINDS.get(kind_of(draft.resource)) == kind
