"""Numbers, times and names of a card as another language writes them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.engine.speech import Speech
from cds_service.engine.wording import (
    ago,
    doubted_by_lipids,
    glucose_corrected,
    month_name,
    number,
    saline_of,
    when,
)
from cds_service.knowledge.languages import SpeechWords, numbers_in

WORDS = SpeechWords(
    decimal=",",
    now="sofort",
    today="heute",
    yesterday="gestern",
    tomorrow="morgen",
    months=[
        "Jan.",
        "Feb.",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "Aug.",
        "Sept.",
        "Okt.",
        "Nov.",
        "Dez.",
    ],
    day="$day. $month",
    day_and_year="$day. $month $year",
    month_and_year="$month $year",
    on="am $day",
    moment="$day, $clock",
    clock="$hour:$minute Uhr",
    minutes="$count min",
    hours="$count Std.",
    days="$count Tage",
    saline="NaCl $percent %",
    saline_mixture="NaCl $percent % (gemischt)",
    glucose_corrected="(glukosekorrigiert, gemessen $measured)",
    lipids="(Lipide: zuerst direkte ISE)",
)
SPEECH = Speech(WORDS, {"sertraline": "Sertralin", "sodium chloride": "Natriumchlorid"})


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("128", "128"),
        ("<110.5", "<110,5"),
        ("now", "sofort"),
        ("12 min", "12 min"),
        ("3 h", "3 Std."),
        ("14 Nov", "14. Nov."),
        ("on 2 Dec", "am 2. Dez."),
        ("11 Oct 2025", "11. Okt. 2025"),
        ("today 08:30", "heute, 08:30 Uhr"),
        ("17 Nov 12:00", "17. Nov., 12:00 Uhr"),
        ("Aug", "Aug."),
        ("May 2025", "Mai 2025"),
        ("3% saline", "NaCl 3 %"),
        ("0.47% saline mixture", "NaCl 0,47 % (gemischt)"),
        ("sertraline (12 Nov), sodium chloride", "Sertralin (12. Nov.), Natriumchlorid"),
        (
            "134.3 (glucose-corrected, measured 118.25)",
            "134,3 (glukosekorrigiert, gemessen 118,25)",
        ),
        ("118.04 (lipids: direct ISE first)", "118,04 (Lipide: zuerst direkte ISE)"),
        ("139 (1 Nov) · 128.5 today 07:45 ↓", "139 (1. Nov.) · 128,5 heute, 07:45 Uhr ↓"),
        ("sertraliner", "sertraliner"),
    ],
)
def test_a_fact_is_written_as_the_language_does(english: str, german: str) -> None:
    assert SPEECH.said(english) == german


moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
numbers = st.decimals(0, 2000, places=2)


@given(at=moments, now=moments, day_only=st.booleans(), value=numbers, span=st.timedeltas())
def test_nothing_that_rules_write_is_left_in_english_and_no_number_is_lost(
    at: datetime, now: datetime, day_only: bool, value: Decimal, span: timedelta
) -> None:
    facts = [
        number(value),
        when(at, now, None, day_only),
        month_name(at, now, None),
        ago(span),
        saline_of(value, mixed=day_only),
        glucose_corrected(value, number(value)),
        doubted_by_lipids(number(value)),
    ]
    for fact in facts:
        said = SPEECH.said(fact)
        assert SPEECH.is_whole(fact), fact
        assert _digits(said) == _digits(fact), (fact, said)
        assert numbers_in(said.replace(":", " "), ",") == numbers_in(fact.replace(":", " ")), fact


def _digits(text: str) -> Counter[str]:
    return Counter(filter(str.isdigit, text))


def test_what_is_no_fact_is_seen() -> None:
    assert SPEECH.is_whole("sertraline (yesterday)")
    assert not SPEECH.is_whole("sertraline and more")
