"""Shows the figures as a table, with the same columns in the terminal, in CSV and in HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from cds_service.feedback.arms import FOLLOWED, Arms, Difference
from cds_service.feedback.figures import ClientFigures, Figures, RuleFigures, Usage

REASONS = "Override reasons"
COLUMNS = (
    "Rule",
    "Profile",
    "Fired",
    "Shown",
    "Suppressed",
    "Cards",
    "Accepted",
    "Kept the order",
    "Overridden",
    REASONS,
    "Other outcomes",
    "No feedback in 24 h",
    "Open",
    "Median time",
)
CLIENT_COLUMNS = (
    "Client",
    "Calls",
    "With a sodium",
    "Share",
    "Without",
    "Unreadable",
    "Selected orders",
    "Recognised",
)
ARM_COLUMNS = ("Patients by arm", "Shown", "Shadow", "Difference (95 % interval)")
ARM_NOTES = (
    "Arms: clients with a shadow_share. Chance decides for each patient, and the patient stays in "
    "the arm. In the shadow arm rules are asked and recorded, and nothing is shown.",
    f"Later: another call fired this rule within {FOLLOWED.days} days after the first finding "
    "about the patient. A patient who is not seen again counts as free of it; see also "
    "'seen again'.",
    "The interval is Newcombe's. One that includes 0 shows no difference; looking at many rules, "
    "one in twenty excludes 0 by chance. Say before the start which line decides.",
)
NOTES = (
    "Fired: calls in which the rule had something to say; "
    "it may have become a line of another rule's card.",
    "Shown: times its own card was sent. Suppressed: times the card stayed away because its reader "
    "had answered it and the patient was no worse; critical cards never stay away.",
    "Cards: different cards. Opening a chart again on the same facts shows the same card again.",
    "A card counts as accepted if anybody accepted it, else as overridden if anybody did; "
    "the last reason counts. Kept the order: only a suggestion that keeps the order was taken, "
    "so that the card was not followed.",
    "Accepted of answered: of the cards that were accepted, kept or overridden, with Wilson's "
    "95 % interval. A wide one says that the numbers are too small to judge the rule.",
    "Other outcomes: cards on which the EHR only said another word, such as ignored or dismissed. "
    "Such a card is shown again.",
    "No feedback in 24 h: from its first showing. "
    "Open: shown less than 24 h ago, not answered yet.",
    "Median time: from the last showing before the answer to the answer.",
    "What clients deliver: calls that looked for sodium, and selected orders. Unreadable: a sodium "
    "came that no rule can use, or it could not be had. Recognised: its drug or fluid is known.",
    "Weeks begin on Monday, UTC. Many EHRs send no feedback when a card is simply left alone.",
)
CHOSEN_COLUMNS = ("What was accepted", "Cards")
_USUAL_PROFILE = "aasld"
_NOT_KNOWN = "a button that is not known here (of an earlier release)"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


INDICATORS = ("critical", "warning", "info")


def usage_words(usage: Usage) -> str:
    """Returns in one sentence what the cards are compared with."""
    rate = usage.cards_per_100_charts
    sent = ", ".join(f"{usage.indicators[name]:,} {name}" for name in INDICATORS)
    per_100 = f"; {rate:.1f} per 100 charts" if rate is not None else ""
    lacking = f"{_many(usage.unchecked, 'call')} ({percent(usage.unchecked, usage.calls)})"
    return (
        f"{_many(usage.calls, 'call')}, {usage.shadow:,} in shadow mode; "
        f"{_many(usage.charts, 'chart')}, {_many(usage.users, 'user')}. "
        f"Cards sent: {sent}{per_100}. Could not be checked: {lacking}."
    )


SHOWN_DIGITS = 16  # of a hash, as in the log


def period_words(figures: Figures) -> str:
    """Returns the first and the last day of the figures, as a heading says them."""
    return f"from {figures.since:%-d %B %Y} to {figures.until:%-d %B %Y} (UTC)"


def origin_words(figures: Figures, release: str) -> str:
    """Returns which release counted, and with which hooks/ the calls were answered."""
    return f"Release {release}; {knowledge_words(figures.usage.knowledge)}."


def knowledge_words(hashes: Iterable[str]) -> str:
    """Returns with which hooks/ the calls were answered, as `/health` and the log name it."""
    shown = ", ".join(sorted(one[:SHOWN_DIGITS] for one in hashes))
    return f"hooks/ {shown}" if shown else "no call"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def row_cells(rule: RuleFigures) -> tuple[str, ...]:
    """Returns the cells of one row, in the order of COLUMNS."""
    reasons, others = (
        "; ".join(f"{words}: {n}" for words, n in counted.most_common())
        for counted in (rule.reasons, rule.others)
    )
    return (
        rule.rule,
        rule.profile,
        str(rule.fired),
        str(rule.returned),
        str(rule.suppressed),
        str(rule.cards),
        str(rule.accepted),
        str(rule.kept),
        str(rule.overridden),
        reasons,
        others,
        str(rule.silent_for_a_day),
        str(rule.open),
        duration(rule.median_seconds),
    )


NARROW_COLUMNS = ("Rule", "Fired", "Shown", "Cards", "Accepted of answered", "Kept", "No", "Silent")
NARROW_NOTE = (
    "Kept: only a button that keeps the order. No: overridden. Silent: no feedback in 24 h."
)


def narrow_cells(rule: RuleFigures) -> tuple[str, ...]:
    """Returns the cells of a row that 80 columns hold, in the order of NARROW_COLUMNS."""
    name = rule.rule if rule.profile in ("", _USUAL_PROFILE) else f"{rule.rule} ({rule.profile})"
    numbers = (rule.fired, rule.returned, rule.cards)
    answers = (rule.kept, rule.overridden, rule.silent_for_a_day)
    return (name, *map(str, numbers), accepted_of_answered(rule), *map(str, answers))


def accepted_of_answered(rule: RuleFigures) -> str:
    """Returns the share of answered cards that were accepted, with its 95 % interval."""
    interval = rule.accepted_interval
    if interval is None:
        return "–"
    least, most = (round(100 * share) for share in interval)
    return f"{rule.accepted} of {rule.answered} ({max(0, least)}-{min(100, most)}%)"


def chosen_rows(total: RuleFigures, labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns which suggestions were taken, the most frequent first; `labels` by kind."""
    return [
        (labels.get(kind, _NOT_KNOWN), str(number)) for kind, number in total.chosen.most_common()
    ]


def client_cells(client: ClientFigures) -> tuple[str, ...]:
    """Returns the cells of one row about a client, in the order of CLIENT_COLUMNS."""
    return (
        client.client,
        str(client.calls),
        str(client.read),
        percent(client.read, client.calls),
        str(client.without),
        str(client.unreadable),
        str(client.orders),
        str(client.recognised),
    )


def arm_rows(both: Arms) -> list[tuple[str, ...]]:
    """Returns the rows of both arms, in the order of ARM_COLUMNS: whole numbers, then outcomes."""
    arms = (both.shown, both.shadow)
    rows: list[tuple[str, ...]] = [
        ("patients", *(f"{arm.patients:,}" for arm in arms), ""),
        ("calls", *(f"{arm.calls:,}" for arm in arms), ""),
        ("times a card was shown", *(f"{arm.cards:,}" for arm in arms), ""),
        ("patients with a finding", *(_share(arm.found, arm.patients) for arm in arms), ""),
        (f"followed for {FOLLOWED.days} days", *(f"{arm.followed:,}" for arm in arms), ""),
        ("seen again", *(_share(arm.seen_again, arm.followed) for arm in arms), ""),
    ]
    for rule in both.rules:
        counts = [_share(arm.later[rule], arm.followed) for arm in arms]
        rows.append((f"later: {rule}", *counts, _difference(both.difference(rule))))
    if both.moved:
        rows.append((f"not counted: {both.moved} patients whose arm was changed", "", "", ""))
    return rows


def _share(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.1f}%)" if whole else f"{part:,}"


def _difference(found: Difference | None) -> str:
    if found is None:
        return "–"
    return f"{found.points:+.1f} ({found.least:+.1f} to {found.most:+.1f})"


def leading_reason(rule: RuleFigures) -> str:
    """Returns the most frequent reason, and how many others there are."""
    if not rule.reasons:
        return ""
    words, number = rule.reasons.most_common(1)[0]
    others = len(rule.reasons) - 1
    if others:
        return f"{words}: {number} (+{others} other)"
    return f"{words}: {number}"


def report_csv(figures: Figures) -> str:
    """Returns the figures for a spreadsheet: a line for each rule and profile, and for their weeks.

    A cell that a spreadsheet would take for a formula is made text (T-65).
    """
    rows: list[tuple[object, ...]] = []
    for rule in figures.rules:
        seconds = rule.median_seconds
        cells = row_cells(rule)[:-1]
        rows.append(("all", *cells, "" if seconds is None else f"{seconds:.0f}"))
        for monday, week in sorted(rule.weeks.items()):
            counts = ("", week.returned, "", "", week.accepted, "", week.overridden, *[""] * 5)
            rows.append((monday, rule.rule, rule.profile, *counts))
    rows.append(("all", "feedback on unknown cards", "", figures.unmatched))
    rows += [
        ("all", f"accepted: {kind or 'unknown'}", "", number)
        for kind, number in figures.total.chosen.items()
    ]
    for client in figures.clients:
        counts_of = zip(CLIENT_COLUMNS[1:], client_cells(client)[1:], strict=True)
        rows += [("all", f"{client.client}: {name}", "", count) for name, count in counts_of]
    rows += _arm_lines(figures.arms)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("Week", *COLUMNS[:-1], "Median seconds"))
    for row in rows:
        writer.writerow(as_text(str(cell)) for cell in row)
    return text.getvalue()


def _arm_lines(both: Arms | None) -> list[tuple[object, ...]]:
    if both is None:
        return []
    lines: list[tuple[object, ...]] = []
    for name, arm in (("shown", both.shown), ("shadow", both.shadow)):
        counts = {
            "patients": arm.patients,
            "calls": arm.calls,
            "times a card was shown": arm.cards,
            "patients with a finding": arm.found,
            "followed": arm.followed,
            "seen again": arm.seen_again,
        } | {f"later {rule}": arm.later[rule] for rule in both.rules}
        lines += [("all", f"arm {name}: {what}", "", number) for what, number in counts.items()]
    return lines


def duration(seconds: float | None) -> str:
    """Returns a time as people write it, such as "40 s", "12 min", "3.5 h" or "2.1 d"."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} d"


def percent(part: int, whole: int) -> str:
    """Returns a share in whole percent, or a dash if there is no whole."""
    return f"{round(100 * part / whole)}%" if whole else "–"


def as_text(cell: str) -> str:
    """Returns a cell that no spreadsheet takes for a formula (T-65)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
