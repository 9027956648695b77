"""Which drugs may be the cause, since when, and how to review them without harm (DRUG block, B.0.7, S9)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.sodium.case import Case
from cds_service.sodium.exposure import Exposure
from cds_service.sodium.rules.gates import at, heart_failure

GENTLY = frozenset(
    {
        "ssri", "snri", "tca", "antidepressant-other", "antidepressant-fewer",  # withdrawal
        "iminostilbene", "valproate", "antiepileptic-other",  # seizures
        "antipsychotic",  # relapse
        "desmopressin",  # sudden water loss, and sodium rises too fast
    }
)  # fmt: skip
DIURETICS = frozenset({"thiazide", "loop", "mra"})
WATCHED = frozenset({"T1", "T2"})


def culprit(case: Case) -> str:
    """The most likely drug by our own name, or empty."""
    return case.exposures.suspects[0].drug.name if case.exposures.suspects else ""


def names(case: Case) -> tuple[str, ...]:
    """The drugs a card names, the most likely first."""
    return tuple(e.drug.name for e in case.exposures.suspects)


def drug_lines(case: Case) -> tuple[Line, ...]:
    """Each suspect with its start and how likely it is the cause, at most three; then what is on hold."""
    suspects = tuple(_since(case, e) for e in case.exposures.suspects if e.attribution)
    held = sorted(drug.name for drug in case.exposures.on_hold if drug.tier in WATCHED)
    shown = ", ".join(held[: int(case.limits.suspects_to)])
    return (*suspects, Line("drug-on-hold", {"drugs": shown})) if held else suspects


def review_lines(case: Case, stopped: frozenset[str] = frozenset()) -> tuple[Line, ...]:
    """What to do about suspects that no stop covers: some never abruptly, some no stop, the rest review."""
    groups: dict[str, list[str]] = {}
    for exposure in case.exposures.suspects:
        if exposure.drug.name not in stopped:
            groups.setdefault(_review(case, exposure), []).append(exposure.drug.name)
    return tuple(Line(key, {"drugs": ", ".join(found)}) for key, found in groups.items())


def _review(case: Case, exposure: Exposure) -> str:
    if exposure.drug.cls in GENTLY:
        return "review-gently"
    if exposure.drug.cls in DIURETICS and heart_failure(case):
        return "review-heart-failure"
    return "review-need"


def _since(case: Case, exposure: Exposure) -> Line:
    facts = {"drug": exposure.drug.name}
    if exposure.since is None:
        return Line("drug-undated", facts)
    return Line(
        f"drug-{exposure.attribution}", {**facts, "date": at(case, exposure.since, day_only=True)}
    )
