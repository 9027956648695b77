"""The trend line: the last sodium values as one line of a card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from cds_service.engine.cards import CardContext
from cds_service.engine.finding import Finding
from cds_service.engine.wording import day_name, local_time
from cds_service.knowledge.limits import Limits
from cds_service.sodium.case import Case
from cds_service.sodium.results import Sample, drawn
from cds_service.sodium.snapshot import Missing
from cds_service.sodium.sodium import SHOWN

TREND_VALUES = 4


def card_context(case: Case, patient_id: str, cards: Iterable[Finding]) -> CardContext:
    """Returns what every one of these cards about the case says beside its finding."""
    snapshot, latest = case.snapshot, case.sodium.latest
    newest: tuple[str, ...] = ("none",)
    if latest is not None:
        newest = (latest.reference, str(latest.value), latest.status, latest.at.isoformat())
    return CardContext(
        patient_id=patient_id,
        trend=trend_line(case.sodium.samples, snapshot.now, snapshot.zone, case.limits),
        missing={
            key: why.value
            for key, why in snapshot.missing.items()
            if why not in (Missing.NOT_APPLICABLE, Missing.NOT_READ)
        },
        unrecognised=snapshot.without_a_name,
        unread=snapshot.holds_unread,
        not_read=snapshot.orders_not_read,
        newest=newest,
        unused=unused_reason(case, cards),
    )


def unused_reason(case: Case, cards: Iterable[Finding]) -> str:
    """Returns why a result that may be the newest sodium was not used, as a key of hooks/, or "".

    It is "" too if one of the cards is about that result.
    """
    unusable = case.sodium.unusable
    if unusable is None:
        return ""
    findings = [finding for card in cards for finding in (card, *card.absorbed)]
    # DQ-PLAUS with the variant "below" is about a result that is used.
    said = {finding.rule for finding in findings if finding.variant != "below"}
    return "" if SHOWN.get(unusable.why) in said else unusable.why.value


def trend_line(
    samples: Sequence[Sample], now: datetime, zone: timedelta | None, limits: Limits
) -> str:
    """Returns the last values on one line, oldest first, or "" without any.

    An example is "139 (1 Nov) · 133 (14 Nov) · 128 today 07:45 ↓". The clock is that of the newest
    value, and of values of one day (F32).
    """
    shown = sorted(samples, key=drawn)[-TREND_VALUES:]
    if not shown:
        return ""
    offset = zone if zone is not None else shown[-1].at.utcoffset()
    today = local_time(now, offset)
    moments = [local_time(s.at, offset, s.day_only) for s in shown]
    days = [moment.date() for moment in moments]
    parts = []
    for sample, local in zip(shown, moments, strict=True):
        day = day_name(local, today)
        clock = ""
        newest = sample is shown[-1]
        if (newest or days.count(local.date()) > 1) and not sample.day_only:
            clock = f" {local:%H:%M}"
        is_today = local.date() == today.date()
        parts.append(
            f"{sample.shown} {day}{clock}" if is_today else f"{sample.shown} ({day}{clock})"
        )
    return " · ".join(parts) + _arrow(shown[-2:], limits)


def _arrow(last: Sequence[Sample], limits: Limits) -> str:
    if len(last) == 1 or any(s.comparator for s in last):
        return ""
    change = last[1].value - last[0].value
    if abs(change) < limits.trend_arrow_from:
        return ""
    return " ↑" if change > 0 else " ↓"
