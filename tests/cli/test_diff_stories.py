"""`cds-service diff-stories` shows what a change of hooks/ does before it is in use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli.stories import diff_stories
from cds_service.knowledge.load import default_hooks_dir

SHIPPED = default_hooks_dir()


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    """Returns a copy of hooks/ with one passage changed."""
    hooks = folder / "hooks"
    shutil.copytree(SHIPPED, hooks)
    text = (hooks / file).read_text(encoding="utf-8")
    assert old in text, "the test is out of date"
    (hooks / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return hooks


def diff(new: Path, *options: str) -> Result:
    return CliRunner().invoke(diff_stories, [str(SHIPPED), str(new), *options])


def test_equal_folders_change_no_card() -> None:
    result = diff(SHIPPED)
    assert result.exit_code == 0
    assert "No card changes in " in result.output


def test_a_changed_sentence_shows_before_and_after_on_each_card_that_has_it(tmp_path: Path) -> None:
    hooks = changed(
        tmp_path,
        "knowledge/words.toml",
        'treat-cause = "Treat the cause',
        'treat-cause = "First treat the cause',
    )
    result = diff(hooks)
    assert result.exit_code == 1
    assert "\ncramps-in-siadh: sodiumMildSymptomatic\n" in result.output
    assert "  - line: Treat the cause" in result.output
    assert "  + line: First treat the cause" in result.output
    assert "summary" not in result.output


@pytest.mark.parametrize(
    ("old", "new", "story", "gone", "come"),
    [
        (
            "[moderate_below]\nvalue = 126",
            "[moderate_below]\nvalue = 132",
            "cramps-in-siadh",
            "sodiumMildSymptomatic",
            "sodiumModerate",
        ),
        (
            "[mild_below]\nvalue = 135",
            "[mild_below]\nvalue = 130",
            "cramps-in-siadh",
            "sodiumMildSymptomatic",
            "",
        ),
    ],
)
def test_a_changed_threshold_shows_which_cards_come_and_go(
    old: str, new: str, story: str, gone: str, come: str, tmp_path: Path
) -> None:
    result = diff(changed(tmp_path, "knowledge/thresholds.toml", old, new), "--json")
    assert result.exit_code == 1
    cards = [
        c
        for c in json.loads(result.stdout)["changes"]
        if c["story"] == story and c["what"] == "card"
    ]
    assert [c["card"] for c in cards if not c["new"]] == [gone]
    assert [c["card"] for c in cards if not c["old"]] == ([come] if come else [])


def test_a_changed_amount_shows_in_line_and_button(tmp_path: Path) -> None:
    hooks = changed(
        tmp_path,
        "knowledge/thresholds.toml",
        "[fluid_ml_day]\nvalue = 1000",
        "[fluid_ml_day]\nvalue = 800",
    )
    result = diff(hooks, "--json")
    whats = {
        c["what"] for c in json.loads(result.stdout)["changes"] if c["story"] == "cramps-in-siadh"
    }
    assert whats == {"line", "suggestion"}


def test_an_indicator_is_named_when_it_changes(tmp_path: Path) -> None:
    hooks = changed(
        tmp_path,
        "knowledge/thresholds.toml",
        "[lowering_critical_below]\nvalue = 120",
        "[lowering_critical_below]\nvalue = 131",
    )
    result = diff(hooks, "--json")
    levels = [c for c in json.loads(result.stdout)["changes"] if c["what"] == "indicator"]
    assert {"old": "warning", "new": "critical"}.items() <= levels[0].items()
