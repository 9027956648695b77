"""What a rule says: a finding, or why it stays silent. Words are keys of hooks/, never text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.knowledge.names import OrderTemplate
from cds_service.knowledge.words import Slot
from cds_service.terminology.types import RecordText

Indicator = Literal["info", "warning", "critical"]
Fact = str | RecordText
URGENCY: Mapping[str, int] = {"info": 0, "warning": 1, "critical": 2}


class Line(Struct, frozen=True):
    """One line of a card: its key in hooks/, and what fills its $names.

    `keep` lines are never cut when a card grows too long. `within` is when a value is measured
    again, if the line says so: of all lines of an answer that do, one is shown (F31). `then` is
    said in the same line, and stays if that time is said by another card.
    """

    key: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    keep: bool = False
    within: timedelta | None = None
    then: Line | None = None

    def parts(self) -> Iterator[Line]:
        """Yields this line and each that is said after it in the same line."""
        yield self
        if self.then is not None:
            yield from self.then.parts()

    def also(self, told: Line) -> Line:
        """Returns this line with another said in it at the end."""
        return replace(self, then=told if self.then is None else self.then.also(told))


class DraftLabs(Struct, frozen=True):
    """Laboratory orders, one ServiceRequest each; analytes are keys of labs.toml."""

    analytes: tuple[str, ...]
    priority: Literal["routine", "urgent", "stat"] = "routine"
    after: timedelta = timedelta(0)  # when the sample is to be drawn, from now


class DraftOrder(Struct, frozen=True):
    """An order made from a template of knowledge/orders.toml."""

    template: OrderTemplate
    amount: str  # a day, in the unit of the template


class RemoveDraft(Struct, frozen=True):
    """Delete the selected draft."""

    reference: str


class StopOrder(Struct, frozen=True):
    """Stop an active order of the patient."""

    reference: str
    drug: str


Action = DraftLabs | DraftOrder | RemoveDraft | StopOrder


class Suggestion(Struct, frozen=True):
    """One button: `kind` is a key of words.toml [suggestions].

    `within` is as that of a line: of all buttons of an answer that measure again, one is shown.
    """

    kind: str
    actions: tuple[Action, ...]
    facts: Mapping[str, Fact] = field(default_factory=dict)
    recommended: bool = False
    within: timedelta | None = None


class Finding(Struct, frozen=True, kw_only=True):
    """One rule fired."""

    rule: str  # the rule's id in hooks/: "PV-MILD"
    indicator: Indicator
    variant: str = "main"  # which summary
    facts: Mapping[str, Fact] = field(default_factory=dict)  # fills the summary
    do: tuple[Line, ...] = ()
    why: tuple[Line, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    order: str = ""  # order-select: reference of the selected draft it is about
    slot: Slot = "sodium"  # which card it shares; set from hooks/
    drugs: tuple[str, ...] = ()  # named on the card; part of its uuid
    absorbed: tuple[
        Finding, ...
    ] = ()  # findings taken in as bullets: their summary becomes one line


class Silence(Struct, frozen=True):
    """One rule did not fire: the first condition that was not met, a key of `silence` in hooks/."""

    rule: str
    reason: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    order: str = ""


Outcome = Finding | Silence
