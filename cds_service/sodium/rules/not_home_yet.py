"""What keeps a patient with a low sodium in hospital: a symptom, or a fall that goes on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from cds_service.engine.finding import Fact, Indicator, Line
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours, joined, lasted, number
from cds_service.knowledge.names import Problem, Sign
from cds_service.sodium.adrenal import adrenal_grounds
from cds_service.sodium.case import Case
from cds_service.sodium.depletion import creatinine_rise, red_flag_window
from cds_service.sodium.results import Band
from cds_service.sodium.rules.acute_order import AcuteState, acute_state
from cds_service.sodium.rules.gates import emergency, in_use, liver_forbids_diuretics
from cds_service.sodium.rules.plan import stop_lines
from cds_service.sodium.sodium import Fall
from cds_service.sodium.stay import Stay
from cds_service.sodium.volume import Volume


class NotHomeYet(Struct, frozen=True, kw_only=True):
    """Why the patient does not leave yet, as urgent as the card of the chart is."""

    variant: str  # of the summary of DC-LOW
    indicator: Indicator = "warning"
    symptom: str = ""
    why: str = ""
    fall: Fall | None = None
    first: tuple[Line, ...] = ()

    @property
    def facts(self) -> dict[str, Fact]:
        """What the summary tells."""
        if self.fall is None:
            return {"symptom": self.symptom, "why": self.why}
        return {
            "fall": number(self.fall.amount),
            "hours": in_hours(self.fall.over),
            "over": lasted(self.fall.over),
        }


def not_home_yet(case: Case, stay: Stay) -> NotHomeYet | None:
    """Returns what on the chart would be an emergency or an acute fall, or a fall that goes on."""
    if not case.sodium.low:
        return None
    state = acute_state(case)
    symptom = _symptom(case, stay, state)
    if symptom:
        return _with_symptom(case, state, symptom)
    if state is not None and state.fall is not None:
        critical = in_use(case) < case.limits.acute_critical_below
        return NotHomeYet(
            variant="acute",
            indicator="critical" if critical else "warning",
            fall=state.fall,
            first=(line("acute-first", keep=True),),
        )
    falling, variant = _falls(case, stay), "falling"
    if falling is None:
        falling, variant = _falls_on(case, stay), "fell"
    if falling is None:
        return _adrenal(case, stay) or _organ(case) or _unsettled(case, stay)
    falls = line("falling-first" if variant == "falling" else "fell-first", keep=True)
    kept = _adrenal(case, stay) or _organ(case)
    if kept is not None and case.sodium.band is not Band.SEVERE:
        return replace(kept, first=(kept.first[0], falls, *kept.first[1:]))
    return NotHomeYet(variant=variant, fall=falling, first=(falls,))


def _adrenal(case: Case, stay: Stay) -> NotHomeYet | None:
    """Returns a likely adrenal failure, if the sodium is news: the crisis comes at home (F5)."""
    known = case.sodium.stable_since is not None and not stay.fell
    news = stay.fell or in_use(case) < case.limits.discharge_low_below
    evidence = "" if known or not news else adrenal_evidence(case)
    if not evidence:
        return None
    return NotHomeYet(variant="adrenal", why=evidence, first=(line("adrenal-first", keep=True),))


def _organ(case: Case) -> NotHomeYet | None:
    """Returns kidneys that fail, or cirrhosis under diuretics, with a sodium far too low (M9, M14).

    In the severe band the card keeps the patient here in any case.
    """
    if case.sodium.band is Band.SEVERE or case.sodium.stable_since is not None:
        return None
    found = failing_organs(case)
    if not found:
        return None
    first = (line("senior-first", keep=True), *stop_lines(case))
    return NotHomeYet(variant="organ", why=joined("evidence", found), first=first)


def _unsettled(case: Case, stay: Stay) -> NotHomeYet | None:
    """Returns a sodium far too low that no second value shows to be steady (DISCHARGE).

    In the severe band the card keeps the patient here in any case.
    """
    known = case.sodium.stable_since is not None or stay.steady
    low = in_use(case) < case.limits.discharge_home_from
    if known or not low or case.sodium.band is Band.SEVERE:
        return None
    return NotHomeYet(variant="unsettled", first=(line("senior-first", keep=True),))


def failing_organs(case: Case) -> tuple[str, ...]:
    """Returns kidneys that fail, and cirrhosis under diuretics that should stop (M9, M14)."""
    if in_use(case) >= case.limits.discharge_home_from:
        return ()
    window = red_flag_window(case)
    injured = case.problems.has_current(Problem.ACUTE_KIDNEY_INJURY, window)
    rises = creatinine_rise(case, window) is not None
    found: tuple[str, ...] = (Sign.CREATININE_RISE,) if rises else ()
    found += (Problem.ACUTE_KIDNEY_INJURY,) if injured and not rises else ()
    if liver_forbids_diuretics(case) and stop_lines(case):
        found += case.problems.active(case.sets.cirrhosis)[:1]
    return found


def adrenal_evidence(case: Case) -> str:
    """Returns why adrenal failure is likely though none is recorded, as a fact of a card (F5)."""
    grounds = () if case.volume.status is Volume.ADRENAL else adrenal_grounds(case)
    return grounds[0].names if grounds else ""


def _with_symptom(case: Case, state: AcuteState | None, symptom: str) -> NotHomeYet:
    """Returns the symptom with its treatment, if the chart calls it an emergency."""
    critical = emergency(case) or bool(state and state.critical)
    # The bolus is named only if the symptom is a severe one: else it is decided on examination.
    known = state if emergency(case) or state is None else replace(state, symptom="")
    told = known.lines() if known is not None else []
    return NotHomeYet(
        variant="symptom",
        indicator="critical" if critical else "warning",
        symptom=symptom,
        first=(line("symptom-first", keep=True), *told),
    )


def _symptom(case: Case, stay: Stay, state: AcuteState | None) -> str:
    """Returns the symptoms that are of now, as a fact.

    Below the limit for discharge moderate ones count too. A symptom with which the patient came,
    and which sodium has left behind, is no reason to stay.
    """
    low_enough = in_use(case) < case.limits.discharge_low_below
    moderate = case.symptoms.recent if low_enough or case.sodium.acute else ()
    if not (moderate or (state is not None and state.symptom)):
        return ""
    if _is_history(case, stay, {*moderate, *case.symptoms.severe}):
        return ""
    return state.symptom if state is not None and state.symptom else joined("symptom", moderate[:2])


def _is_history(case: Case, stay: Stay, symptoms: Iterable[str]) -> bool:
    """Whether sodium has risen since the symptoms were recorded, and no coma scale is low now."""
    lowest, latest = stay.lowest, case.sodium.latest
    scale = case.encephalopathy.scale if case.encephalopathy is not None else None
    if lowest is None or latest is None or scale is not None or case.symptoms.gcs_impaired:
        return False
    risen = stay.value(latest) - stay.value(lowest) >= case.limits.discharge_falling_from
    newest = _newest(case, frozenset(symptoms))
    return risen and newest is not None and newest <= lowest.at


def _newest(case: Case, symptoms: frozenset[str]) -> datetime | None:
    """Returns when the newest of these problems was recorded; None if one has no date."""
    dates = [
        problem.since
        for problem in case.snapshot.problems
        if problem.active and not problem.concepts.isdisjoint(symptoms)
    ]
    known = [since for since in dates if since is not None]
    return max(known) if known and len(known) == len(dates) else None


def _falls(case: Case, stay: Stay) -> Fall | None:
    """Returns a fall of the last day that may go on at home, unless the fall was wanted."""
    latest, limits = case.sodium.latest, case.limits
    if latest is None or latest.comparator or case.relowered:
        return None
    very_low = in_use(case) < limits.discharge_home_from
    window = limits.falling_recent_hours if very_low else limits.discharge_falling_hours
    before = [s for s in stay.samples if s.at < latest.at and latest.at - s.at <= window]
    start = max(before, key=stay.value, default=None)
    if start is None or stay.value(start) > limits.acute_fall_start_to:
        return None
    amount = stay.value(start) - stay.value(latest)
    if amount < limits.discharge_falling_from:
        return None
    return Fall(amount=amount, over=latest.at - start.at, start=start)


def _falls_on(case: Case, stay: Stay) -> Fall | None:
    """Returns the fall of the whole stay, if it has not ended and sodium is low for a discharge."""
    latest, highest = case.sodium.latest, stay.highest
    if latest is None or highest is None or latest.comparator or not stay.falls_on:
        return None
    if in_use(case) >= case.limits.discharge_low_below:
        return None
    return Fall(amount=stay.fall, over=latest.at - highest.at, start=highest)
