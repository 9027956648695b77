"""Which recorded problems count: active or not, how recent, of this encounter or undated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from cds_service.knowledge.sets import ConceptSet
from cds_service.sodium.snapshot import Problem, Snapshot


class Problems:
    """The problems and visit reasons of one snapshot, by concept and recency.

    Reasons of the visit and of drafted orders are of today, so they count as "current".
    """

    def __init__(self, now: datetime, problems: Iterable[Problem], reasons: frozenset[str]) -> None:
        self._now = now
        self._problems = tuple(problems)
        self._reasons = reasons
        self._mentioned = reasons.union(*(problem.concepts for problem in self._problems))

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
        return self._members(wanted, lambda problem: problem.active, self._reasons)

    def current(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members of this encounter or within the window, or a reason."""
        return self._members(wanted, lambda p: self._is_current(p, window), self._reasons)

    def diagnosed(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members that are a diagnosis of this encounter and within the window."""
        return self._members(
            wanted, lambda p: p.active and p.encounter_diagnosis and self._recent(p, window)
        )

    def dated(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns active members with a date within the window."""
        return self._members(wanted, lambda p: p.active and self._recent(p, window))

    def happened(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Returns members of this encounter or within the window, also resolved, or a reason."""
        return self._members(
            wanted, lambda p: p.encounter_diagnosis or self._recent(p, window), self._reasons
        )

    def undated(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Returns active members without a date that are no diagnosis of this encounter."""
        return self._members(
            wanted, lambda p: p.active and p.since is None and not p.encounter_diagnosis
        )

    def has_current(self, concept: str, window: timedelta) -> bool:
        """Whether this one concept is current."""
        if concept in self._reasons:
            return True
        return any(concept in p.concepts and self._is_current(p, window) for p in self._problems)

    def _members(
        self,
        wanted: ConceptSet,
        counts: Callable[[Problem], bool],
        reasons: frozenset[str] = frozenset(),
    ) -> tuple[str, ...]:
        """The wanted concepts of the problems that count, and those that are a reason."""
        if self._mentioned.isdisjoint(wanted.members):
            return ()
        counted = (problem.concepts for problem in self._problems if counts(problem))
        return wanted.among(reasons.union(*counted))

    def _is_current(self, problem: Problem, window: timedelta) -> bool:
        if not problem.active:
            return False
        return problem.encounter_diagnosis or self._recent(problem, window)

    def _recent(self, problem: Problem, window: timedelta) -> bool:
        return problem.since is not None and self._now - problem.since <= window
