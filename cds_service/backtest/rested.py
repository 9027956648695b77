"""Which cards a reader would not have been shown again, if the reader saw each one before."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct, field

from cds_service.backtest.rows import CardRow, Held, Row
from cds_service.engine.finding import Finding
from cds_service.engine.triage import Keep, keep_all, still_shown
from cds_service.feedback.pseudonyms import Pseudonyms
from cds_service.feedback.suppression import Grounds, grounds, says_nothing_new
from cds_service.knowledge.load import Service
from cds_service.sodium.case import Case
from cds_service.trust.client import Client

_Reader = tuple[str, str, str]  # profile, knowledge, user


class _Shown(Struct, frozen=True):
    at: datetime
    grounds: Grounds


class Rested(Struct, kw_only=True):
    """What was shown of one patient so far.

    The export names no reader, except in a list of openings: all others count as one reader.
    """

    quiet: timedelta = timedelta(0)
    suppression: bool = False
    names: Pseudonyms
    _shown: dict[_Reader, list[_Shown]] = field(default_factory=dict)
    _last: dict[tuple[_Reader, str], datetime] = field(default_factory=dict)

    def keeper(self, case: Case, service: Service, client: Client, row: Row) -> Keep:
        """Returns which cards are no repetition of what the reader saw a few hours ago (F51)."""
        if not self.suppression:
            return keep_all
        limits = case.limits
        earliest = row.at - limits.suppression_repeat_hours
        before = [one for one in self._shown.get(_reader(row), ()) if one.at >= earliest]

        def keep(card: Finding) -> bool:
            shown = still_shown([card], client.disabled_rules, client.min_indicator)
            if not shown or not before:
                return True
            topic = service.rules[shown[0].rule].topic
            now = grounds(shown[0], case, topic, self.names)
            return not any(says_nothing_new(o.grounds, now, card.slot, limits) for o in before)

        return keep

    def note(self, card: Finding, case: Case, topic: str, row: Row) -> None:
        """Remembers a card that was shown."""
        if self.suppression:
            shown = _Shown(row.at, grounds(card, case, topic, self.names))
            self._shown.setdefault(_reader(row), []).append(shown)

    def quieted(self, card: CardRow, row: Row) -> Held:
        """Returns "quiet" for a card whose rule spoke shortly before and that is not critical."""
        key = (_reader(row), card.rule)
        last = self._last.get(key)
        if self.quiet and last is not None and row.at - last < self.quiet:
            return "" if card.indicator == "critical" else "quiet"
        self._last[key] = row.at
        return ""


def _reader(row: Row) -> _Reader:
    return row.profile, row.knowledge, row.user
