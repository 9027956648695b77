"""A file of words in another language: what it must hold, and what happens where it holds nothing."""

from __future__ import annotations

import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli.knowledge import check
from cds_service.errors import KnowledgeError
from cds_service.knowledge.languages import (
    ENGLISH,
    in_language,
    missing_words,
    numbers_in,
    only_signed,
)
from cds_service.knowledge.load import Knowledge, default_hooks_dir, load_knowledge
from cds_service.knowledge.review import REVIEWED, Reviews

FILE = "knowledge/words-da.toml"
DANISH = """
footer = "Kun beslutningsstøtte."

[language]
name = "Dansk"
not_reviewed = "Oversættelsen er ikke gennemgået."
note = "Written for a test."

[speech]
decimal = ","
now = "nu"
today = "i dag"
yesterday = "i går"
tomorrow = "i morgen"
months = ["jan", "feb", "mar", "apr", "maj", "jun", "jul", "aug", "sep", "okt", "nov", "dec"]
day = "$day. $month"
day_and_year = "$day. $month $year"
month_and_year = "$month $year"
on = "den $day"
moment = "$day $clock"
clock = "$hour.$minute"
minutes = "$count min"
hours = "$count t"
days = "$count d"
saline = "NaCl $percent %"
saline_mixture = "NaCl $percent %, blandet"
glucose_corrected = "(glukosekorrigeret, målt $measured)"
lipids = "(lipider: direkte ISE først)"
"""


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    copy = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), copy)
    return copy


def written(hooks: Path, more: str = "") -> Knowledge:
    (hooks / FILE).write_text(DANISH + more, encoding="utf-8")
    return load_knowledge(hooks)


def test_what_a_language_lacks_is_english_and_check_lists_it(hooks: Path) -> None:
    known = written(hooks, '[symptoms]\ncoma = "koma"\n')
    lacking = missing_words(known, known.languages["da"])
    assert "symptoms.coma" not in lacking
    assert {"symptoms.seizure", "rules.PV-MILD.summary.main", "drugs.sertraline"} <= set(lacking)
    told = CliRunner().invoke(check, ["--hooks", str(hooks)])
    assert told.exit_code == 0
    assert f"Dansk (da): {len(lacking)} texts are shown in English" in told.output
    assert "symptoms.seizure" in told.output


@pytest.mark.parametrize(
    ("more", "path", "problem"),
    [
        ('[symptoms]\nkoma = "koma"\n', "symptoms.koma", "there is no such text in English"),
        ('[card]\nmore = " "\n', "card.more", "the text is empty"),
        ('[card]\nmore = "50 $ mere"\n', "card.more", "a '$' that is no $name"),
        ('[card]\nmore = "<b>Mere</b>"\n', "card.more", "HTML is not allowed"),
        ('[card]\nroom = "Plads: $left"\n', "card.room", "$ceiling, $left, $until"),
        (
            '[rules.OS-HTS-SEV.lines]\nlook-further = "Ved $na mmol/l og 3 tegn."\n',
            "rules.OS-HTS-SEV.lines.look-further",
            "its numbers differ",
        ),
        (
            '[rules.PV-MILD.summary]\nmain = "Natrium $na ' + "meget " * 30 + '"\n',
            "rules.PV-MILD.summary.main",
            "characters",
        ),
    ],
)
def test_a_text_that_does_not_fit_is_shown_in_english_and_check_says_why(
    hooks: Path, more: str, path: str, problem: str
) -> None:
    """An English text may change, and its number with it, before its translations do."""
    known = written(hooks, more)
    danish = known.languages["da"]
    assert tuple(path.split(".")) not in danish.texts
    assert in_language(known, danish).words.card == known.words.card
    told = CliRunner().invoke(check, ["--hooks", str(hooks)])
    assert told.exit_code == 0
    (line,) = [line for line in told.output.splitlines() if f" {path}: " in line]
    assert problem in line


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("[lines]\nfalls = 3\n", "lines.falls must be a text"),
        ("[speech.more]\nx = 1\n", "[speech]"),
        ("[card", "words-da.toml"),
    ],
)
def test_a_broken_file_stops_the_start_and_is_named(hooks: Path, more: str, problem: str) -> None:
    with pytest.raises(KnowledgeError, match=re.escape(problem)):
        written(hooks, more)


def test_a_file_of_another_name_is_no_language(hooks: Path) -> None:
    (hooks / "knowledge/words-danish.toml").write_text(DANISH, encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"words-<language>\.toml"):
        load_knowledge(hooks)


def test_numbers_are_compared_as_each_language_writes_them() -> None:
    assert numbers_in("1,000 mL a day, 0.9%, 4-6 h") == numbers_in("1000 ml, 0,9 %, 4-6 h", ",")
    assert numbers_in("0,9 %", ",") == {Decimal("0.9"): 1}
    assert numbers_in("0.5 mg") != numbers_in("5 mg", ",")


def test_a_start_that_wants_signatures_speaks_only_signed_languages(hooks: Path) -> None:
    known = written(hooks)
    assert "da" in known.languages
    assert only_signed(known).languages == {}
    (hooks / REVIEWED).write_text(_signature(hooks), encoding="utf-8")
    signed = load_knowledge(hooks)
    assert set(only_signed(signed).languages) == {"da"}
    assert ENGLISH not in signed.languages


def _signature(hooks: Path) -> str:
    told = CliRunner().invoke(check, ["--hooks", str(hooks), "--sign-line", FILE])
    return told.output.replace("FIRST AND LAST NAME", "Ada Eksempel").replace("ROLE", "læge")


def test_a_translation_without_a_signature_does_not_make_the_knowledge_unsigned() -> None:
    assert Reviews(signed={}, changed=(), unsigned=(FILE,)).complete
    assert not Reviews(signed={}, changed=(), unsigned=(FILE, "chart.toml")).complete
