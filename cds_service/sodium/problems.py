"""Which recorded problems and symptoms count: active, recent, of this encounter or undated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.knowledge import names
from cds_service.knowledge.names import ConceptSet
from cds_service.sodium.consciousness import ComaScale, coma_scale, sedated
from cds_service.sodium.snapshot import Problem, Snapshot

if TYPE_CHECKING:
    from cds_service.sodium.case import Case


MIDNIGHT, DAY = time(0), timedelta(days=1)


class Problems:
    """The problems and visit reasons of one snapshot, by concept and recency.

    Reasons of the visit and of drafted orders are of today, so they count as "current".
    """

    def __init__(self, now: datetime, problems: Iterable[Problem], reasons: frozenset[str]) -> None:
        self._now = now
        self._problems = tuple(problems)
        self._reasons = reasons
        self._mentioned = reasons.union(*(problem.concepts for problem in self._problems))

    @property
    def names_nothing(self) -> bool:
        """Whether the record has no problem that a rule knows."""
        return not self._mentioned

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

    def without(self, concepts: Collection[str]) -> Problems:
        """Returns the same without the problems and reasons that mean one of these concepts."""
        kept = (p for p in self._problems if p.concepts.isdisjoint(concepts))
        return Problems(self._now, kept, self._reasons.difference(concepts))

    def since(self, moment: datetime, concepts: Collection[str]) -> Problems:
        """Returns the same without the problems of these concepts that are certainly older.

        A day without a clock is kept at midnight, so the problem may be of any hour of that day.
        """

        def is_older(problem: Problem) -> bool:
            since = problem.since
            if since is None or problem.concepts.isdisjoint(concepts):
                return False
            by_day = MIDNIGHT in (since.time(), since.astimezone(moment.tzinfo).time())
            return (since + DAY if by_day else since) < moment

        return Problems(self._now, (p for p in self._problems if not is_older(p)), self._reasons)

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
        """Returns members that are recent, even if resolved, or belong to this encounter."""
        return self._members(
            wanted, lambda p: p.encounter_diagnosis or self._recent(p, window), self._reasons
        )

    def undated(self, wanted: ConceptSet) -> tuple[str, ...]:
        """Returns active members without a date that are no diagnosis of this encounter."""
        return self._members(
            wanted, lambda p: p.active and p.since is None and not p.encounter_diagnosis
        )

    def is_newer(self, wanted: ConceptSet, than: ConceptSet) -> bool:
        """Whether the newest of these problems is not older than the newest of the others.

        A reason of this visit is of today; an active problem of the others without a date may be.
        """
        if than.among(self._reasons):
            return bool(wanted.among(self._reasons))
        if self._last(than) is None and self._members(than, lambda p: p.active):
            return False
        newest, other = self._last(wanted), self._last(than)
        if wanted.among(self._reasons):
            return True
        return newest is not None and (other is None or newest >= other)

    def _last(self, wanted: ConceptSet) -> datetime | None:
        dates = [p.since for p in self._problems if p.since and wanted.among(p.concepts)]
        return max(dates, default=None)

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
        """Returns the wanted concepts of the problems that count, and those that are a reason."""
        if self._mentioned.isdisjoint(wanted.names):
            return ()
        counted = (problem.concepts for problem in self._problems if counts(problem))
        return wanted.among(reasons.union(*counted))

    def current_ones(self, window: timedelta) -> list[Problem]:
        """Returns the entries that are active, and recent or of this encounter."""
        return [problem for problem in self._problems if self._is_current(problem, window)]

    def _is_current(self, problem: Problem, window: timedelta) -> bool:
        if not problem.active:
            return False
        return problem.encounter_diagnosis or self._recent(problem, window)

    def _recent(self, problem: Problem, window: timedelta) -> bool:
        return problem.since is not None and self._now - problem.since <= window


# ---- symptoms that are recorded now


class Symptoms(Struct, frozen=True, kw_only=True):
    """Concepts of conditions.toml, the most telling first."""

    severe: tuple[str, ...] = ()  # SEV
    attributable: bool = False  # SEV-A
    explained: tuple[str, ...] = ()  # severe symptoms for which the record holds another cause
    better_cause: str = ""  # the first such cause (F15)
    before_rise: tuple[str, ...] = ()  # severe ones from before an over-correction: history (F4)
    brain_edema: bool = False  # cerebral edema, herniation or raised ICP, recent
    moderate: tuple[str, ...] = ()  # MODS
    recent: tuple[str, ...] = ()  # those of `moderate` that are of these days (F1, F3)
    mild: tuple[str, ...] = ()  # MILDS
    cramp: bool = False
    fall_or_fracture: bool = False  # within 90 d
    falls_risk: bool = False  # age >= 65, or a fall, gait or osteoporosis code (FALL line)
    seizure: bool = False  # any seizure or epilepsy code that forbids a delete (M12)
    seizure_recent: bool = False  # <= 72 h
    icp_indication: bool = False  # OS-HTS-ICP codes with their recency (M4)
    neuro_code: bool = False  # any neurological code: no delete on OS-HTS-NONE
    gcs: int | None = None
    gcs_impaired: bool = False  # 9 to 14: counts as a symptom for hypertonic saline (M4)
    gcs_sedated: bool = False  # sedation explains the scale: it is no symptom (F43)
    gcs_untestable: bool = False  # speech could not be tested, for example under a tube


def symptoms(case: Case) -> Symptoms:
    """Returns the symptoms that are recorded now (B.0.4, M1, M2, M4, M12, S15, S20, F15, F43)."""
    limits, sets, problems = case.limits, case.sets, case.problems
    scale = coma_scale(case, limits.severe_symptom_hours)
    old = case.age_years is not None and case.age_years >= limits.falls_age_years
    if problems.names_nothing and scale is None:
        return Symptoms(falls_risk=old)
    recorded = problems.without(sets.coma_scale_codes.names) if sedated(case) else problems
    begun = rise_began(case)
    present = recorded if begun is None else recorded.since(begun, sets.severe.names)
    severe = _severe(case, present, scale)
    causes = _better_causes(case, severe)
    # What has another cause never leads the card.
    severe = tuple(sorted(severe, key=lambda symptom: symptom in causes))
    edema = bool(problems.current(sets.brain_edema, limits.icp_days))
    fell = problems.happened(sets.fall_or_fracture, limits.fall_days)
    return Symptoms(
        severe=severe,
        attributable=_attributable(case, [s for s in severe if s not in causes]),
        explained=tuple(causes),
        better_cause=next(iter(causes.values()), ""),
        before_rise=_but(severe, _severe(case, recorded, None)) if begun else (),
        brain_edema=edema,
        moderate=_but(severe, recorded.current(sets.moderate, limits.symptom_days)),
        recent=_but(severe, recorded.current(sets.moderate, limits.severe_symptom_hours)),
        mild=_mild(case),
        cramp=bool(problems.current(sets.cramp, limits.cramp_days)),
        fall_or_fracture=bool(fell),
        falls_risk=old or bool(fell) or bool(problems.active(sets.falls_risk)),
        seizure=bool(problems.active(sets.seizure)),
        seizure_recent=any(c in sets.seizure for c in severe),
        icp_indication=edema or bool(problems.dated(sets.icp_injury, limits.icp_days)),
        neuro_code=bool(severe) or bool(problems.active(sets.neurological)),
        gcs=scale.points if scale else None,
        gcs_impaired=_impaired(case, scale),
        gcs_sedated=scale is not None and scale.sedated,
        gcs_untestable=scale is not None and scale.untestable,
    )


def rise_began(case: Case) -> datetime | None:
    """Returns when an over-correction began that still holds, at its lowest sodium; else None (F4).

    A severe symptom from before it is history. A rise in doubt leaves every symptom an emergency.
    """
    rate, value = case.rate, case.effective_sodium
    pair = rate.worst if rate.rule == "RATE-OVER" else rate.episode
    if pair is None or value is None or not pair.observed or rate.jump is not None:
        return None
    still_up = value - pair.base > case.limits.rate_goal
    return pair.start.at if still_up and not pair.start.day_only else None


def pressing_rise_began(case: Case) -> datetime | None:
    """Returns when a rise began that is about to pass its limit and is a warning; else None (F31).

    Vomiting from before it is no reason to raise sodium further. A seizure or coma stays one.
    """
    rate = case.rate
    if not rate.presses or rate.level != "warning" or rate.worst is None or rate.jump is not None:
        return None
    start = rate.worst.start
    return None if start.day_only else start.at


def _impaired(case: Case, scale: ComaScale | None) -> bool:
    if scale is None or not scale.is_symptom:
        return False
    return case.limits.gcs_coma_to < scale.points <= case.limits.gcs_impaired_to


def _but(severe: Collection[str], found: Iterable[str]) -> tuple[str, ...]:
    return tuple(symptom for symptom in found if symptom not in severe)


def _severe(case: Case, problems: Problems, scale: ComaScale | None) -> tuple[str, ...]:
    """SEV: recent, or a diagnosis of this encounter; epilepsy only as both (B.0.4)."""
    limits, sets = case.limits, case.sets
    window = limits.severe_symptom_hours
    recent = {c for c in problems.current(sets.severe, window) if c not in sets.only_as_diagnosis}
    recent.update(problems.diagnosed(sets.only_as_diagnosis, window))
    if scale is not None and scale.is_symptom and scale.points <= limits.gcs_coma_to:
        recent.add(names.Problem.COMA)
    return sets.severe.among(frozenset(recent)) + _severe_vomiting(case, window)


def _severe_vomiting(case: Case, window: timedelta) -> tuple[str, ...]:
    """Vomiting, which the European profile calls severe if sodium is profoundly low (S20)."""
    value = case.effective_sodium
    if value is None or value >= case.limits.vomiting_severe_below:
        return ()
    counted, begun = case.problems, rise_began(case) or pressing_rise_began(case)
    if begun is not None:
        counted = counted.since(begun, case.sets.severe_when_profound.names)
    return counted.current(case.sets.severe_when_profound, window)


def _better_causes(case: Case, severe: Iterable[str]) -> dict[str, str]:
    """Returns the symptoms for which the record holds a likelier cause than sodium (F15).

    They are respiratory failure and arrest; and a seizure, if sodium is not far below normal.
    """
    limits, sets, problems = case.limits, case.sets, case.problems
    value = case.effective_sodium
    lungs = (
        *problems.current(sets.breathing_causes, limits.symptom_days),
        *problems.active(sets.breathing_causes_chronic),
    )
    fits = problems.current(sets.seizure_causes, limits.symptom_days) + problems.active(
        sets.seizure_causes_chronic
    )
    near_normal = value is not None and value >= limits.severe_attributable_below
    causes: dict[str, str] = {}
    for symptom in severe:
        if symptom in sets.breathing and lungs:
            causes[symptom] = lungs[0]
        elif symptom in sets.seizure and fits and near_normal and not case.sodium.fell_lately:
            causes[symptom] = fits[0]
    return causes


def _attributable(case: Case, severe: Collection[str]) -> bool:
    """Whether sodium is low enough, or fell fast enough, to cause the symptoms (SEV-A, M2)."""
    value = case.effective_sodium
    if not severe or value is None:
        return False
    if case.sodium.fell_lately or value < case.limits.severe_attributable_below:
        return True
    telling = any(c in case.sets.severe_at_higher_sodium for c in severe)
    return telling and value < case.limits.severe_attributable_higher_below


def _mild(case: Case) -> tuple[str, ...]:
    limits, sets, problems = case.limits, case.sets, case.problems
    recent = {c for c in problems.current(sets.mild, limits.symptom_days) if c not in sets.cramp}
    recent.update(problems.current(sets.cramp, limits.cramp_days))
    return sets.mild.among(frozenset(recent))
