"""Which recorded problems count: active or not, how recent, of this encounter or undated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from cds_service.clinical.snapshot import Problem, Snapshot
from cds_service.knowledge.sets import ConceptSet


class Problems:
    """The problems and visit reasons of one snapshot, asked by concept and recency."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        drafted = (order.reasons for order in snapshot.drafts)
        self._reasons = snapshot.encounter_reasons.union(*drafted)

    def active(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Members that are active now, at any date, or a reason of this visit or of a draft."""
        return wanted.among(self._concepts(p for p in self._snapshot.problems if p.active) | self._reasons)

    def current(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Active members that are diagnoses of this encounter, recorded within the window, or a visit reason."""
        found = (p for p in self._snapshot.problems if p.active and (p.encounter_diagnosis or self._recent(p, window)))
        return wanted.among(self._concepts(found) | self._reasons)

    def diagnosed(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Active members that are diagnoses of this encounter and recorded within the window."""
        found = (p for p in self._snapshot.problems if p.active and p.encounter_diagnosis and self._recent(p, window))
        return wanted.among(self._concepts(found))

    def dated(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Active members recorded within the window; an encounter diagnosis without a date does not count."""
        found = (p for p in self._snapshot.problems if p.active and self._recent(p, window))
        return wanted.among(self._concepts(found))

    def happened(self, wanted: ConceptSet, window: timedelta) -> tuple[str, ...]:
        """Members within the window or of this encounter, resolved ones too: an event does not lapse."""
        found = (p for p in self._snapshot.problems if p.encounter_diagnosis or self._recent(p, window))
        return wanted.among(self._concepts(found) | self._reasons)

    def undated(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Active members of which nobody can tell how old they are."""
        found = (p for p in self._snapshot.problems if p.active and p.since is None and not p.encounter_diagnosis)
        return wanted.among(self._concepts(found))

    def without(self, excluded: ConceptSet) -> Problems:
        """The same record without the problems that also have one of these meanings."""
        kept = Problems(self._snapshot)
        kept._hidden = frozenset(excluded.members)
        return kept

    _hidden: frozenset[str] = frozenset()

    def _concepts(self, problems: Iterator[Problem]) -> frozenset[str]:
        return frozenset(c for p in problems if not p.concepts & self._hidden for c in p.concepts)

    def _recent(self, problem: Problem, window: timedelta) -> bool:
        return problem.since is not None and self._snapshot.now - problem.since <= window
