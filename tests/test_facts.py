"""Each $name of hooks/ is one that a rule fills, and each text is one that a rule shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from cds_service.errors import KnowledgeError
from cds_service.knowledge.check import FACTS, known_facts
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from tests.facts import KINDS, as_toml, recorded


def test_the_record_of_facts_is_current() -> None:
    assert FACTS.read_text(encoding="utf-8") == as_toml(recorded()), "run `make facts`"


def test_every_text_of_the_record_is_in_hooks() -> None:
    """What a rule shows has words: otherwise its card would be a 500."""
    knowledge = load_knowledge(default_hooks_dir())
    words = knowledge.words
    texts = {
        "lines": set(words.lines),
        "silence": set(words.silence),
        "suggestions": set(words.suggestions),
        "summary": set[str](),
    }
    for rule, own in knowledge.rules.items():
        texts["summary"] |= {f"{rule}.{key}" for key in own.summary}
        texts["lines"] |= {f"{rule}.{key}" for key in own.lines}
        texts["silence"] |= {f"{rule}.{key}" for key in own.silence}
    for kind in KINDS:
        assert set(known_facts()[kind]) == texts[kind], kind


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "chart.toml",
            "Moderate low sodium $na mmol/L",
            "Moderate low sodium $nna mmol/L",
            r"chart\.toml: \[rules\.PV-MOD\] summary\.\w+: nothing fills '\$nna' here; allowed: \$drug, \$na",
        ),
        (
            "chart.toml",
            'cause-later = "Look for',
            'never-used-at-all = "Nothing"\ncause-later = "Look for',
            r"\[rules\.PV-SYMP\] lines\.never-used-at-all: no rule shows this text",
        ),
        (
            "knowledge/words.toml",
            "[lines]\n",
            '[lines]\nnever-used-at-all = "Nothing"\n',
            r"words\.toml: \[lines\] never-used-at-all: no rule shows this text",
        ),
        (
            "knowledge/words.toml",
            "[silence]\n",
            '[silence]\nnever-used-at-all = "Nothing"\n',
            r"words\.toml: \[silence\] never-used-at-all: no rule shows this text",
        ),
        (
            "knowledge/words.toml",
            'treat-cause = "',
            'treat-cause = "$cause ',
            r"\[lines\] treat-cause: nothing fills '\$cause' here; allowed: no \$name",
        ),
        (
            "knowledge/words.toml",
            'label = "Remove the fluid restriction',
            'label = "Remove $drug',
            r"\[suggestions\.remove-restriction\]: nothing fills '\$drug'",
        ),
        (
            "knowledge/orders.toml",
            "max $amount mL",
            "max $ml mL",
            r"\[templates\.fluid-restriction\]: nothing fills '\$ml' here; allowed: \$amount",
        ),
    ],
)
def test_a_name_that_nothing_fills_or_a_text_that_no_rule_shows_stops_the_start(
    file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    path = hooks / file
    text = path.read_text(encoding="utf-8")
    assert old in text, "the test is out of date"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(KnowledgeError) as refused:
        load_knowledge(hooks)
    assert re.search(message, str(refused.value)), refused.value
