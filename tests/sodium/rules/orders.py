"""Selected orders in a few words, and scenes: a patient, an order, and which rules then speak."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.engine.finding import Finding, Outcome, RemoveDraft
from cds_service.sodium.case import Case
from cds_service.sodium.rules.order_select import RULES
from cds_service.sodium.snapshot import Order
from cds_service.terminology.match import Saline
from tests.sodium.patients import Story, order

Kind = Literal["hypertonic", "concentrate", "isotonic", "hypotonic", "salt-tablet"]
SELECTED = "MedicationRequest/draft"


def selected(*names: str, **more: Any) -> Order:
    """A draft of these ingredients."""
    dated = {"status": "draft", "days": None, "reference": SELECTED, **more}
    return order(*names, **dated)


def saline(
    percent: str | None = "3", kind: Kind = "hypertonic", ml: str | None = "500", **more: Any
) -> Order:
    """A draft of sodium chloride."""
    return replace(
        selected("sodium chloride", route=more.pop("route", "iv")),
        saline=Saline(
            kind=kind,
            percent=None if percent is None else Decimal(percent),
            volume_ml=None if ml is None else Decimal(ml),
        ),
        **more,
    )


def water(ml: str | None = "1000") -> Order:
    """A draft of dextrose 5 % in water."""
    volume = None if ml is None else Decimal(ml)
    return Order(
        reference=SELECTED, status="draft", hypotonic=True, hypotonic_volume_ml=volume, route="iv"
    )


def restriction() -> Order:
    """A draft of a fluid restriction."""
    return Order(
        reference="NutritionOrder/draft", kind="nutrition", fluid_restriction=True, status="draft"
    )


class Scene(Struct, frozen=True, kw_only=True):
    """One patient and one selected order; `fires` maps each rule that speaks to "indicator variant"."""

    says: str
    order: Order
    story: Story
    fires: Mapping[str, str] = field(default_factory=dict)
    removes: bool = False  # whether any rule that speaks offers to remove the order
    shows: tuple[str, ...] = ()  # keys of lines that must be there
    hides: tuple[str, ...] = ()  # keys of lines that must not
    profile: str = "aasld"

    def case(self) -> Case:
        """The patient with the order drafted beside the story's own drafts."""
        return replace(self.story, drafts=(self.order, *self.story.drafts)).case(self.profile)

    def outcomes(self) -> dict[str, Outcome]:
        """What every rule says."""
        case = self.case()
        return {rule: judge(case, self.order) for rule, judge in RULES.items()}

    def findings(self) -> dict[str, Finding]:
        """The rules that speak."""
        return {rule: o for rule, o in self.outcomes().items() if isinstance(o, Finding)}

    def check(self) -> None:
        """The whole expectation."""
        found = self.findings()
        assert {rule: f"{f.indicator} {f.variant}" for rule, f in found.items()} == dict(self.fires)
        removals = [
            a
            for f in found.values()
            for s in f.suggestions
            for a in s.actions
            if isinstance(a, RemoveDraft)
        ]
        assert bool(removals) is self.removes
        assert all(removal.reference == self.order.reference for removal in removals)
        keys = {line.key for f in found.values() for line in (*f.do, *f.why)}
        assert set(self.shows) <= keys
        assert keys.isdisjoint(self.hides)


def table(scenes: tuple[Scene, ...]) -> pytest.MarkDecorator:
    """One test per scene, named by its sentence."""
    return pytest.mark.parametrize("scene", [pytest.param(s, id=s.says) for s in scenes])
