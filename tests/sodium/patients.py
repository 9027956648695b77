"""Patients in a few words: whole snapshots, assessed with the shipped knowledge."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.knowledge.load import default_hooks_dir
from cds_service.knowledge.names import ConceptSets
from cds_service.knowledge.words import Concept, Drug, Lab, SharedWords
from cds_service.sodium.case import Case, assess
from cds_service.sodium.snapshot import (
    Allergy,
    LabResult,
    Missing,
    Moment,
    Order,
    Patient,
    Problem,
    Setting,
    Snapshot,
)
from cds_service.terminology.types import DrugMatch, Route, Saline
from tests.sodium.cases import NOW, limits

T = TypeVar("T")
KNOWLEDGE = default_hooks_dir() / "knowledge"
ADULT = Patient(birth_date=date(1976, 3, 1))


def ago(*, hours: float = 0, days: float = 0) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(hours=hours, days=days)


@cache
def sets() -> ConceptSets:
    """The shipped concept sets."""
    return msgspec.convert(_toml("concept-sets.toml"), ConceptSets)


@cache
def labs() -> dict[str, Lab]:
    """The shipped analytes."""
    return _tables("labs.toml", Lab)


@cache
def concepts() -> dict[str, Concept]:
    """The shipped problems."""
    return _tables("conditions.toml", Concept)


@cache
def drugs() -> dict[str, Drug]:
    """The shipped ingredients."""
    return _tables("sodium-drugs.toml", Drug)


@cache
def words() -> SharedWords:
    """The shipped words."""
    return msgspec.convert(_toml("words.toml"), SharedWords)


def _tables(name: str, kind: type[T]) -> dict[str, T]:
    return {key: msgspec.convert(table, kind) for key, table in _toml(name).items()}


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((KNOWLEDGE / name).read_text(encoding="utf-8"), parse_float=Decimal)


def result(
    analyte: str,
    value: str | float,
    hours: float = 2,
    *,
    unit: str | None = None,
    comparator: str = "",
    status: str = "final",
    day_only: bool = False,
) -> LabResult:
    """A result, so many hours old, in the unit that rules use."""
    return LabResult(
        analyte=analyte,
        value=Decimal(str(value)),
        unit=labs()[analyte].unit if unit is None else unit,
        comparator=comparator,
        time=Moment(at=ago(hours=hours), day_only=day_only),
        status=status,
    )


def problem(
    *names: str,
    days: float | None = 1,
    active: bool = True,
    encounter: bool = False,
    blames: Iterable[str] = (),
) -> Problem:
    """A recorded problem, so many days old; None: undated."""
    return Problem(
        concepts=frozenset(names),
        active=active,
        encounter_diagnosis=encounter,
        since=None if days is None else ago(days=days),
        low_sodium=not {"hyponatremia", "siadh"}.isdisjoint(names),
        blames=frozenset(blames),
    )


def drug(name: str) -> DrugMatch:
    """An ingredient as the resolver gives it."""
    known = drugs()[name]
    return DrugMatch(name=name, cls=known.cls, tier=known.tier, group=known.group, evidence="code")


def order(
    *names: str,
    days: float | None = 200,
    ended: float | None = None,
    status: str = "active",
    intent: str = "order",
    route: Route = "systemic",
    reference: str = "MedicationRequest/1",
    dose: str | None = None,
    duration: str | None = None,
    reasons: Iterable[str] = (),
) -> Order:
    """A medication order, started so many days ago."""
    return Order(
        reference=reference,
        drugs=tuple(drug(n) for n in names),
        status=status,
        intent=intent,
        route=route,
        start=None if days is None else ago(days=days),
        end=None if ended is None else ago(days=ended),
        daily_dose_mg=None if dose is None else Decimal(dose),
        duration_days=None if duration is None else Decimal(duration),
        reasons=frozenset(reasons),
    )


def ringer(volume: str) -> Order:
    """Lactated Ringer's, ordered lately: volume given, and no saline."""
    return replace(isotonic(None), saline=None, balanced=True, balanced_volume_ml=Decimal(volume))


def isotonic(volume: str | None, *, days: float = 0.1, status: str = "active") -> Order:
    """0.9 % saline into a vein."""
    millilitres = None if volume is None else Decimal(volume)
    return Order(
        reference="MedicationRequest/9",
        saline=Saline(kind="isotonic", percent=Decimal("0.9"), volume_ml=millilitres),
        route="iv",
        status=status,
        intent="order",
        start=ago(days=days),
    )


def fluid_restriction(status: str = "active") -> Order:
    """An order that limits all fluids."""
    return Order(
        reference="NutritionOrder/1", kind="nutrition", fluid_restriction=True, status=status
    )


class Story(Struct, frozen=True, kw_only=True):
    """A patient: by default an adult outpatient with a single sodium, two hours old, and nothing else."""

    sodium: str | float | None = 131
    sodium_hours: float = 2
    results: tuple[LabResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    orders: tuple[Order, ...] = ()
    drafts: tuple[Order, ...] = ()
    reasons: frozenset[str] = frozenset()
    allergies: tuple[Allergy, ...] = ()
    setting: Setting = "outpatient"
    patient: Patient = ADULT
    missing: dict[str, Missing] = field(default_factory=dict)
    zone: timedelta | None = None
    stay_days: float | None = None  # so many days ago the stay began

    def snapshot(self) -> Snapshot:
        """What the reader would hand over."""
        measured = (
            () if self.sodium is None else (result("sodium", self.sodium, self.sodium_hours),)
        )
        return Snapshot(
            now=NOW,
            zone=self.zone,
            patient=self.patient,
            setting=self.setting,
            labs=measured + self.results,
            problems=self.problems,
            encounter_reasons=self.reasons,
            allergies=self.allergies,
            read_exposures=lambda: self.orders,
            drafts=self.drafts,
            missing=self.missing,
            stay_since=None if self.stay_days is None else ago(days=self.stay_days),
        )

    def case(self, profile: str = "aasld") -> Case:
        """What rules are given."""
        return assess(self.snapshot(), limits(profile), sets(), labs())
