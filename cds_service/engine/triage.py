"""Which findings become cards, in what order, at most two (B.5, M15, M18)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, DraftLabs, Finding, Outcome, Suggestion
from cds_service.sodium.case import Case

AT_MOST = 2  # cards per call: B.5 rule 1, a promise of the design

SODIUM_ORDER = (
    "PV-SYMP", "PV-ACUTE", "DQ-PLAUS", "PV-SEV", "PV-MOD", "PV-MILD-SYMP",
    "PV-PSEUDO", "PV-GLU", "PV-AGE", "PV-MILD", "PV-DRUGCHK",
)  # fmt: skip
ORDER_ORDER = (
    "OS-HTS-OVER", "OS-VAP-HTS", "OS-VAP-HYPO", "OS-VAP-CONTRA", "OS-HTS-SEV", "OS-HTS-OLD", "OS-HTS-GLU",
    "OS-HTS-PSEUDO", "OS-HTS-NONE", "OS-HTS-MILD", "OS-HTS-ASX", "OS-VAP-SEV", "OS-VAP-LIVER", "OS-VAP-DUR",
    "OS-HTS-CONC", "OS-VAP-NONE", "OS-VAP-GEN", "OS-FR", "OS-SALT", "OS-HYPOTONIC", "OS-ISO",
    "OS-ISO-HYPER", "OS-DIUR-CRAMP", "OS-DDAVP", "OS-LOW", "OS-COMBO", "OS-BASE", "OS-DEMECLO", "OS-BACLO",
)  # fmt: skip

# A card that says "not now" has no bullet that says how to give it.
HELD_BACK: Mapping[str, frozenset[str]] = {
    "OS-HTS-OVER": frozenset({"OS-HTS-ASX", "OS-VAP-GEN"}),
    "OS-VAP-HTS": frozenset({"OS-VAP-GEN"}),
    "OS-VAP-HYPO": frozenset({"OS-VAP-GEN"}),
    "OS-VAP-CONTRA": frozenset({"OS-VAP-GEN"}),
    "OS-VAP-SEV": frozenset({"OS-VAP-GEN"}),
}

Keep = Callable[[Finding], bool]


def keep_all(finding: Finding) -> bool:
    """No finding is suppressed: the filter that holds until feedback says otherwise (B.5 rule 5)."""
    return True


def closed(case: Case) -> str:
    """Why this patient gets no cards at all from either service (a key of `silence`), or empty (M15)."""
    if case.snapshot.patient.deceased:
        return "deceased"
    if case.age_years is not None and case.age_years < case.limits.adult_years:
        return "under-age"
    return ""


def closed_patient_view(case: Case) -> str:
    """The same for patient-view, which comfort care closes too (M15)."""
    return closed(case) or ("comfort-care" if case.comfort_care else "")


def triage_patient_view(
    outcomes: Iterable[Outcome], case: Case, keep: Keep = keep_all
) -> list[Finding]:
    """One card about the sodium and one about its rise or its data, the more urgent first."""
    fired = [o for o in outcomes if isinstance(o, Finding)]
    if not fired or closed_patient_view(case):
        return []
    cards = [
        *_merged([f for f in fired if f.slot == "sodium"], _sodium_rank),
        *_merged([f for f in fired if f.slot == "rate"], _rate_rank),
    ]
    return _shown(cards, case, keep)


def triage_order_select(
    outcomes: Mapping[str, Sequence[Outcome]], case: Case, keep: Keep = keep_all
) -> list[Finding]:
    """One card per selected order, the most urgent first; in comfort care only critical ones (M15)."""
    if closed(case):
        return []
    cards = []
    for found in outcomes.values():
        fired = [o for o in found if isinstance(o, Finding)]
        if case.comfort_care:
            fired = [f for f in fired if f.indicator == "critical"]
        cards.extend(_merged(fired, _order_rank))
    return _shown(cards, case, keep)


def _shown(cards: list[Finding], case: Case, keep: Keep) -> list[Finding]:
    """The cards by urgency; what is beyond the last place becomes a bullet of the last card."""
    kept = [_within_age(c, case) for c in cards if _is_critical(c) or keep(c)]
    kept.sort(key=lambda c: -URGENCY[c.indicator])
    if len(kept) <= AT_MOST:
        return kept
    last, beyond = kept[AT_MOST - 1], kept[AT_MOST:]
    more = tuple(
        finding for card in beyond for finding in (replace(card, absorbed=()), *card.absorbed)
    )
    return [*kept[: AT_MOST - 1], replace(last, absorbed=(*last.absorbed, *more))]


def _merged(fired: list[Finding], rank: Callable[[Finding], tuple[int, ...]]) -> list[Finding]:
    """The leading finding with all others as its bullets; dropped is only what would contradict it."""
    if not fired:
        return []
    first, *others = sorted(fired, key=rank)
    bullets = (f for f in others if f.rule not in HELD_BACK.get(first.rule, ()))
    return [replace(first, absorbed=(*first.absorbed, *bullets))]


def _sodium_rank(finding: Finding) -> tuple[int, ...]:
    return (_not_critical(finding), _place(SODIUM_ORDER, finding))


def _rate_rank(finding: Finding) -> tuple[int, ...]:
    """RATE critical > DQ-DELTA > RATE > DQ (M18)."""
    if finding.rule == "DQ-DELTA":
        return (1,)
    if finding.rule.startswith("RATE"):
        return (0,) if finding.indicator == "critical" else (2,)
    return (3,)


def _order_rank(finding: Finding) -> tuple[int, ...]:
    return (_not_critical(finding), _place(ORDER_ORDER, finding))


def _not_critical(finding: Finding) -> int:
    return 0 if finding.indicator == "critical" else 1


def _place(order: tuple[str, ...], finding: Finding) -> int:
    return order.index(finding.rule) if finding.rule in order else len(order)


def _is_critical(card: Finding) -> bool:
    return any(f.indicator == "critical" for f in (card, *card.absorbed))


def _within_age(card: Finding, case: Case) -> Finding:
    """Where the age is not known only laboratory orders are suggested (M15)."""
    if case.age_years is not None:
        return card
    return replace(card, suggestions=tuple(s for s in card.suggestions if _only_labs(s)))


def _only_labs(suggestion: Suggestion) -> bool:
    return all(isinstance(a, DraftLabs) for a in suggestion.actions)
