"""Selected orders in a few words, and scenes: a patient, an order, and which rules then speak.

A scene counts if it is in `SCENES` of a test module of this folder; no list names the modules.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.engine.finding import Finding, Outcome, RemoveDraft
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline
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
        return {name: rule.judge(case, self.order) for name, rule in BOOK.order.items()}

    def findings(self) -> dict[str, Finding]:
        """The rules that speak."""
        return {rule: o for rule, o in self.outcomes().items() if isinstance(o, Finding)}

    def check(self) -> None:
        """Compares everything that the scene expects, and fails with each difference in words."""
        differences = [*self._other_rules(), *self._other_removals(), *self._other_lines()]
        if differences:
            pytest.fail("\n".join((f"{self.says}:", *differences)), pytrace=False)

    def _other_rules(self) -> Iterator[str]:
        """Yields each rule that speaks in another way than expected, or is silent, with its reason."""
        for rule, outcome in self.outcomes().items():
            spoken = isinstance(outcome, Finding)
            said = f"{outcome.indicator} {outcome.variant}" if isinstance(outcome, Finding) else ""
            if said != self.fires.get(rule, ""):
                wanted = f'"{self.fires[rule]}"' if rule in self.fires else "silence"
                came = f'"{said}"' if spoken else f'silence "{getattr(outcome, "reason", "")}"'
                yield f"  {rule}: expected {wanted}, came {came}"
        for rule in self.fires.keys() - BOOK.order.keys():
            yield f"  {rule}: no rule has this id"

    def _other_removals(self) -> Iterator[str]:
        """Yields what differs in the offers to remove the selected order."""
        buttons = [s for finding in self.findings().values() for s in finding.suggestions]
        removals = [a for s in buttons for a in s.actions if isinstance(a, RemoveDraft)]
        if bool(removals) is not self.removes:
            yield f"  removal of the order: expected {self.removes}, came {bool(removals)}"
        for removal in removals:
            if removal.reference != self.order.reference:
                yield f"  removal of another order: {removal.reference}"

    def _other_lines(self) -> Iterator[str]:
        """Yields the lines that are missing, and those that must not be there."""
        cards = self.findings().values()
        keys = {line.key for finding in cards for line in (*finding.do, *finding.why)}
        for key in self.shows:
            if key not in keys:
                yield f'  line "{key}" is missing; the lines are {sorted(keys)}'
        for key in self.hides:
            if key in keys:
                yield f'  line "{key}" must not be there'


@cache
def all_scenes() -> tuple[Scene, ...]:
    """The scenes of every test module in this folder."""
    folder, package = str(Path(__file__).parent), __name__.rpartition(".")[0]
    modules = [
        importlib.import_module(f"{package}.{module.name}")
        for module in pkgutil.iter_modules([folder])
        if module.name.startswith("test_")
    ]
    scenes = [scene for module in modules for scene in _listed(module)]
    return tuple(scene for scene in scenes if isinstance(scene, Scene))


def _listed(module: object) -> tuple[object, ...]:
    scenes = getattr(module, "SCENES", ())
    return scenes if isinstance(scenes, tuple) else ()


def table(scenes: tuple[Scene, ...]) -> pytest.MarkDecorator:
    """One test per scene, named by its sentence."""
    return pytest.mark.parametrize("scene", [pytest.param(s, id=s.says) for s in scenes])
