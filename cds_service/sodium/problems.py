"""Which recorded problems count: active or not, how recent, of this encounter or undated."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from cds_service.knowledge.sets import ConceptSet
from cds_service.sodium.snapshot import Problem, Snapshot


class Problems:
    """The problems and visit reasons of one snapshot, by concept and recency.

    Reasons of the visit and of drafted orders are of today, so they count as "current".
    """

    def __init__(self, now: datetime, problems: Iterable[Problem], reasons: frozenset[str]) -> None:
        self._now = now
        self._all = tuple(problems)
        self._active = tuple([p for p in self._all if p.active])
        self._reasons = reasons
        self._active_concepts = _concepts(self._active) | reasons
        all_active = len(self._active) == len(self._all)
        self._every_concept = (
            self._active_concepts if all_active else _concepts(self._all) | reasons
        )

    @classmethod
    def of(cls, snapshot: Snapshot) -> Problems:
        """Returns everything that is recorded, with the reasons of drafted orders."""
        drafted = (order.reasons for order in snapshot.drafts)
        return cls(snapshot.now, snapshot.problems, snapshot.encounter_reasons.union(*drafted))

    @classmethod
    def strict(cls, snapshot: Snapshot, leave_out: Collection[str]) -> Problems:
        """Returns what an action may rest on.

        Reasons of drafts are left out, and problems that also mean one of `leave_out`.
        """
        kept = (p for p in snapshot.problems if p.concepts.isdisjoint(leave_out))
        return cls(snapshot.now, kept, snapshot.encounter_reasons)

    def active(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Returns members that are active, at any date, or a reason."""
        return _among(wanted, self._active_concepts)

    def current(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members of this encounter or within the window, or a reason."""
        if self._active_concepts.isdisjoint(wanted.members):
            return ()
        counted = (p for p in self._active if p.encounter_diagnosis or self._recent(p, window))
        return wanted.among(_concepts(counted) | self._reasons)

    def diagnosed(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members that are a diagnosis of this encounter and within the window."""
        if self._active_concepts.isdisjoint(wanted.members):
            return ()
        counted = (p for p in self._active if p.encounter_diagnosis and self._recent(p, window))
        return wanted.among(_concepts(counted))

    def dated(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members with a date within the window."""
        if self._active_concepts.isdisjoint(wanted.members):
            return ()
        return wanted.among(_concepts(p for p in self._active if self._recent(p, window)))

    def happened(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns members of this encounter or within the window, also resolved, or a reason."""
        if self._every_concept.isdisjoint(wanted.members):
            return ()
        counted = (p for p in self._all if p.encounter_diagnosis or self._recent(p, window))
        return wanted.among(_concepts(counted) | self._reasons)

    def has_current(self, concept: str, window: timedelta) -> bool:
        """Whether this one concept is current."""
        if concept not in self._active_concepts:
            return False
        counted = (p for p in self._active if p.encounter_diagnosis or self._recent(p, window))
        return concept in self._reasons or concept in _concepts(counted)

    def undated(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Returns active members without a date that are no diagnosis of this encounter."""
        if self._active_concepts.isdisjoint(wanted.members):
            return ()
        counted = (p for p in self._active if p.since is None and not p.encounter_diagnosis)
        return wanted.among(_concepts(counted))

    def _recent(self, problem: Problem, window: timedelta) -> bool:
        return problem.since is not None and self._now - problem.since <= window


def _among(wanted: ConceptSet, names: frozenset[str]) -> tuple[str, ...]:
    return () if names.isdisjoint(wanted.members) else wanted.among(names)


def _concepts(problems: Iterable[Problem]) -> frozenset[str]:
    return frozenset(concept for problem in problems for concept in problem.concepts)
