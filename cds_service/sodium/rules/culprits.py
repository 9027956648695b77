"""Which drugs may be the cause, and how each is stopped, for a card that leads (F1, M14)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.knowledge.names import DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.rules.desmopressin import never_stop_lines
from cds_service.sodium.rules.gates import (
    decongesting,
    headline_drugs,
    heart_failure,
    osmolality_normal,
    rises_fast,
    unconfirmed,
    undiluted,
)
from cds_service.sodium.rules.plan import (
    combination_lines,
    diuretics_to_stop,
    held_lines,
    is_combined,
    review_lines,
)
from cds_service.sodium.tapering import never_abruptly

NOW, GENTLY = "acute-stop-culprit", "acute-stop-gently"


def culprit_lines(case: Case) -> list[Line]:
    """Returns what to stop beside an emergency, in one line, and what is reviewed (F1, M14).

    Not while sodium rises too fast, which a stop would speed, and not if the sodium may be none.
    """
    doubted = osmolality_normal(case) or undiluted(case) or unconfirmed(case)
    if doubted or rises_fast(case):
        return []
    to_stop = diuretics_to_stop(case)
    combined = [e.drug.name for e in to_stop if is_combined(case, e)]
    now = [drug for drug in _by_way(case, NOW) if drug not in combined]
    now += [e.drug.name for e in to_stop if e.drug.name not in (*now, *combined)]
    gently = _by_way(case, GENTLY)
    step = [] if never_stop_lines(case) else _one_line(case, now, gently)
    named = [*now, *gently, *culprits(case), *combined] if step else [*now, *combined]
    return [
        *held_lines(case)[:1],
        *step,
        *combination_lines(case, to_stop),
        *review_lines(case, leave_out=named),
    ]


def _one_line(case: Case, now: list[str], gently: list[str]) -> list[Line]:
    """Returns what is stopped now, with what is changed gently; else how the likeliest ends."""
    if not now:
        return culprit_step(case)
    drugs = ", ".join(now)
    if not gently:
        return [line(NOW, drugs=drugs, keep=True)]
    return [line("acute-stop-both", drugs=drugs, others=", ".join(gently), keep=True)]


def _by_way(case: Case, way: str) -> list[str]:
    """Returns the suspects that are stopped in this way."""
    return [drug for drug in _named(case) if _how_to_stop(case, drug) == way]


def culprit_step(case: Case) -> list[Line]:
    """Returns the line that says how to stop the likeliest culprits; nothing without one."""
    named = culprits(case)
    if not named:
        return []
    key, drugs = _how_to_stop(case, named[0]), ", ".join(named)
    raising = _raised_by(case, named[0])
    if raising:
        ending = "-given-raised" if key == "acute-stop-given" else "-raised"
        return [line(f"acute-stop{ending}", drugs=drugs, partner=raising, keep=True)]
    return [line(key, drugs=drugs, keep=True)]


def culprits(case: Case) -> list[str]:
    """Returns the drugs that the step names: those that are stopped in the way of the likeliest.

    A thiazide that is needed to drain an acute overload is reviewed, and not stopped (F48).
    """
    named = _named(case)
    alike = [drug for drug in named if _how_to_stop(case, drug) == _how_to_stop(case, named[0])]
    return alike[:1] if named and _raised_by(case, named[0]) else alike


def _named(case: Case) -> list[str]:
    """Returns the suspects, and before them what makes sodium rise fast when it ends (M12)."""
    named = [drug for drug in headline_drugs(case) if not _is_needed_drain(case, drug)]
    runs = case.exposures.of(DrugClass.VASOPRESSIN) if not undiluted(case) else ()
    return list(dict.fromkeys([*(exposure.drug.name for exposure in runs), *named]))


def _is_needed_drain(case: Case, name: str) -> bool:
    """Returns whether it is a diuretic that heart failure needs, or that another line holds."""
    failing = heart_failure(case) or decongesting(case)
    diuretics = case.exposures.of(*case.sets.diuretics.members)
    return failing and any(e.drug.name == name for e in diuretics)


def _how_to_stop(case: Case, name: str) -> str:
    """Returns the line on the drug: given and over, risen after it, never abruptly, or stopped."""
    taken = next((e.drug for e in case.exposures.active if e.drug.name == name), None)
    if taken is None:
        return "acute-stop-given"
    sets = case.sets
    ways = {
        "acute-stop-rising": taken.cls in sets.kept_in_a_rise,
        GENTLY: never_abruptly(case, taken),
        "acute-stop-needed": taken.cls in sets.needed_treatments,
    }
    return next((key for key, holds in ways.items() if holds), NOW)


def _raised_by(case: Case, name: str) -> str:
    """Returns what the patient takes that raises the exposure to this drug, or ""."""
    inhibitors = case.exposures.of(DrugClass.CYP3A_INHIBITOR)
    return inhibitors[0].drug.name if inhibitors and name in case.sets.raised_by_cyp3a else ""
