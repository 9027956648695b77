"""What a reader of a run must hear first: that a part of it is empty, or was left out."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.backtest.rows import Settings, Totals
from cds_service.backtest.tell import Tell


def loud_lines(totals: Totals, settings: Settings) -> list[str]:
    """Returns what makes a run say less than it seems to, in whole sentences."""
    tell = Tell(settings.min_cell)
    return [*_empty(totals, settings), *_openings(totals, tell), *_begins(totals)]


def _empty(totals: Totals, settings: Settings) -> Iterator[str]:
    if not totals.results:
        yield (
            "The export holds no sodium result that was understood, so that hardly any card can "
            "come. Does it hold Observation, with the laboratory? Are the codes of sodium local "
            "(private/local-codes.csv)? No card here is no sign that all is well."
        )
    if not sum(totals.moments.values()):
        period = _period(settings)
        yield (
            f"There was no moment to judge{period}. Ask for other --moments or another time: this "
            "run says nothing about cards."
        )


def _period(settings: Settings) -> str:
    since = f" from {settings.since}" if settings.since else ""
    until = f" up to {settings.until}" if settings.until else ""
    return f"{since}{until}"


def _openings(totals: Totals, tell: Tell) -> Iterator[str]:
    listed = totals.openings + totals.openings_elsewhere
    few = tell.is_small(totals.openings) or tell.is_small(totals.openings_elsewhere)
    told = "some" if few else f"{totals.openings:,}"
    if totals.openings_elsewhere:
        yield (
            f"Of {tell.shown(tell.number(listed))} listed openings {told} are about patients of "
            "the export; the others are not counted. The column patient holds FHIR ids, and no MRN."
        )


def _begins(totals: Totals) -> Iterator[str]:
    if totals.measured_from is not None:
        yield (
            "Orders, admissions, discharges and chart opens are judged from "
            f"{totals.measured_from:%-d %B %Y} on, the first day with a sodium in the export: "
            "before it no patient could have had one. --since begins at another day."
        )
