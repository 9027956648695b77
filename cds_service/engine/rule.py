"""How a rule is written: it asks its questions in order, skips with a reason or returns a card.

`skip` works as `pytest.skip` does: it ends the rule, and `explain` shows the reason. A rule is
declared at its function with its id; the table of that id in hooks/ holds its words and its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import wraps
from types import MappingProxyType
from typing import Generic, NoReturn, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import (
    Fact,
    Finding,
    Indicator,
    Line,
    Outcome,
    Silence,
    Suggestion,
)
from cds_service.engine.wording import number


class Selected(Protocol):
    """An order that a rule can judge: the engine knows its reference and nothing else."""

    @property
    def reference(self) -> str:
        """Its reference, as in "MedicationRequest/7"."""


C = TypeVar("C")  # the case of a clinical domain
O = TypeVar("O", bound=Selected)  # noqa: E741  # an order of that domain
S = TypeVar("S")  # what an order rule looks for in the order

ChartJudge = Callable[[C], Outcome]


class Skip(Exception):  # it is no error
    """A rule ends without a card. Only `RuleBook` catches it."""

    def __init__(self, reason: str, facts: Mapping[str, Fact]) -> None:
        super().__init__(reason)
        self.reason, self.facts = reason, facts


def skip(reason: str, **facts: Fact | Decimal) -> NoReturn:
    """Ends the rule without a card; `reason` is a key of `silence` in hooks/."""
    raise Skip(reason, _shown(facts))


def require(holds: object, reason: str, **facts: Fact | Decimal) -> None:
    """Ends the rule with this reason unless the condition holds."""
    if not holds:
        raise Skip(reason, _shown(facts))


class OrderRule(Struct, Generic[C, O], frozen=True):
    """One rule about a selected order."""

    judge: Callable[[C, O], Outcome]
    concerns: Callable[[O], bool]  # whether the order holds what the rule is about
    without_sodium: Callable[[O], bool]  # the rule can speak although no sodium could be read
    names_missing_sodium: bool  # its card says that the sodium could not be read


class RuleBook(Generic[C, O]):
    """The rules of one clinical domain by their ids; a module adds its own at import."""

    def __init__(self, finish: Callable[[C, O, Finding], Finding]) -> None:
        self.chart: dict[str, ChartJudge[C]] = {}
        self.discharge: dict[str, ChartJudge[C]] = {}
        self.order: dict[str, OrderRule[C, O]] = {}
        self._finish = finish  # adds what each card about an order of this domain says

    def chart_rule(self, rule: str) -> Callable[[Callable[[C], Finding]], ChartJudge[C]]:
        """Declares a rule about the patient's chart."""
        return self._declared(rule, self.chart)

    def discharge_rule(self, rule: str) -> Callable[[Callable[[C], Finding]], ChartJudge[C]]:
        """Declares a rule about what has to be settled before the patient goes home."""
        return self._declared(rule, self.discharge)

    def _declared(
        self, rule: str, table: dict[str, ChartJudge[C]]
    ) -> Callable[[Callable[[C], Finding]], ChartJudge[C]]:
        def declare(judge: Callable[[C], Finding]) -> ChartJudge[C]:
            @wraps(judge)
            def outcome(case: C) -> Outcome:
                try:
                    return replace(judge(case), rule=rule)
                except Skip as skipped:
                    return Silence(rule, skipped.reason, skipped.facts)

            table[rule] = outcome
            return outcome

        return declare

    def order_rule(
        self,
        rule: str,
        subject: Callable[[O], S | None],
        otherwise: str,
        *,
        without_sodium: bool | Callable[[O], bool] = False,
        names_missing_sodium: bool = False,
    ) -> Callable[[Callable[[C, O, S], Finding]], Callable[[C, O], Outcome]]:
        """Declares a rule about a selected order.

        `subject` takes from the order what the rule is about, for example its vaptan. If the order
        holds none, the rule is silent with the reason `otherwise`; a subject may also skip with a
        reason of its own. `without_sodium` may depend on the order.
        """
        speaks = without_sodium if callable(without_sodium) else lambda _: bool(without_sodium)

        def declare(judge: Callable[[C, O, S], Finding]) -> Callable[[C, O], Outcome]:
            @wraps(judge)
            def outcome(case: C, order: O) -> Outcome:
                try:
                    about = subject(order) or skip(otherwise)
                    found = judge(case, order, about)
                except Skip as skipped:
                    return Silence(rule, skipped.reason, skipped.facts, order.reference)
                finding = replace(found, rule=rule, order=order.reference)
                return self._finish(case, order, finding)

            def concerns(order: O) -> bool:
                try:
                    return bool(subject(order))
                except Skip:
                    return False

            self.order[rule] = OrderRule(outcome, concerns, speaks, names_missing_sodium)
            return outcome

        return declare

    def about_patient(self, rule: str) -> ChartJudge[C] | None:
        """Returns the rule about the chart or about discharge that has this id."""
        return self.chart.get(rule) or self.discharge.get(rule)

    def concerning(self, order: O) -> list[OrderRule[C, O]]:
        """Returns the rules that can have something to say of the order, whoever the patient is."""
        return [rule for rule in self.order.values() if rule.concerns(order)]


def card(
    indicator: Indicator,
    variant: str = "main",
    *,
    do: Iterable[str | Line],
    why: Iterable[str | Line] = (),
    offer: Iterable[Suggestion] = (),
    drug: str = "",
    drugs: Iterable[str] = (),
    more_facts: Mapping[str, Fact | Decimal] = MappingProxyType({}),
    **facts: Fact | Decimal,
) -> Finding:
    """Returns what a card says: `do` and `why` are lines of hooks/, `offer` its buttons.

    `facts` fill the summary's $names; a name that Python or this function uses takes a trailing
    underscore (`why_` fills $why). `drugs` are named on the card and are part of its uuid; a card
    about one drug gives it as `drug`, which fills $drug too. Facts that only some variants show
    come as `more_facts`.
    """
    facts.update(more_facts)
    if drug:
        facts["drug"] = drug
    return Finding(
        rule="",
        indicator=indicator,
        variant=variant,
        facts=_shown(facts),
        do=tuple(map(_line, do)),
        why=tuple(map(_line, why)),
        suggestions=tuple(offer),
        drugs=(drug,) if drug else tuple(drugs),
    )


def line(
    key: str, *, keep: bool = False, within: timedelta | None = None, **facts: Fact | Decimal
) -> Line:
    """Returns one line of a card with what fills its $names; `keep` and `within` as in Line."""
    return Line(key, _shown(facts), keep, within)


def _line(line_or_key: str | Line) -> Line:
    return Line(line_or_key) if isinstance(line_or_key, str) else line_or_key


def _shown(facts: Mapping[str, Fact | Decimal]) -> dict[str, Fact]:
    """Returns facts as a card shows them; a number gets at most one decimal."""
    if not facts:
        return {}
    return {
        name.rstrip("_"): number(fact) if isinstance(fact, Decimal) else fact
        for name, fact in facts.items()
    }
