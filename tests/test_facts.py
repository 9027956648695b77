"""Each $name of hooks/ is filled, each text is shown, and each text that a card needs is there."""

from __future__ import annotations

import copy
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cds_service import pipeline
from cds_service.cli import stories as cli_stories
from cds_service.cli.replay import offline_pipeline, replay
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.errors import KnowledgeError
from cds_service.knowledge import load
from cds_service.knowledge.check import FACTS, known_facts
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.terminology.vocabulary import vocabulary
from tests import facts
from tests.facts import KINDS, as_toml, recorded
from tests.sodium.rules.test_words import parts_of_this_run


def test_the_record_of_facts_is_current() -> None:
    """If `make facts` changes nothing and this still fails, SOME_PARTS of the gallery lacks a part."""
    current = as_toml(recorded(parts=parts_of_this_run()))
    assert FACTS.read_text(encoding="utf-8") == current, "run `make facts`"


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
            r"\[suggestions\.remove-restriction\] label: nothing fills '\$drug'",
        ),
        (
            "knowledge/words.toml",
            "since $since after",
            "since $sinc after",
            r"\[missing\] left-alone-since: nothing fills '\$sinc' here; allowed: \$since, \$calls",
        ),
        (
            "knowledge/orders.toml",
            "max $amount mL",
            "max $ml mL",
            r"\[templates\.fluid-restriction\] instruction: nothing fills '\$ml' here; allowed: \$amount",
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


NEW = "Treat it as new"
ADDED = (
    ("orders.toml", "[rules.OS-SALT.lines]\n", f'[rules.OS-SALT.lines]\nquite-new = "{NEW}"\n'),
    ("knowledge/words.toml", "[lines]\n", f'[lines]\nalso-new = "{NEW}"\n'),
)


@pytest.fixture
def with_new_texts(tmp_path: Path) -> Path:
    """A hooks folder with two texts that no rule is recorded to show."""
    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    for file, old, new in ADDED:
        text = (hooks / file).read_text(encoding="utf-8")
        assert old in text, "the test is out of date"
        (hooks / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return hooks


def test_all_texts_that_no_rule_shows_are_listed_at_once_with_what_to_do(
    with_new_texts: Path,
) -> None:
    with pytest.raises(KnowledgeError) as refused:
        load_knowledge(with_new_texts)
    message = str(refused.value)
    for part in ("[rules.OS-SALT]", "lines.quite-new", "[lines]", "also-new", "SCENES"):
        assert part in message
    assert message.index("SCENES") < message.index("make facts")
    assert "declare" not in message


def test_a_rule_without_a_function_is_said_before_its_texts(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    orders = (hooks / "orders.toml").read_text(encoding="utf-8")
    salt = orders[orders.index("[rules.OS-SALT]") :].partition("\n\n")[0]
    table = salt.replace("OS-SALT", "OS-NEW")
    (hooks / "orders.toml").write_text(f"{orders}\n{table}\n", encoding="utf-8")
    with pytest.raises(KnowledgeError) as refused:
        load_knowledge(hooks)
    message = str(refused.value)
    declared = message.index('@order_rule("OS-NEW", ...) in cds_service/sodium/rules/')
    assert declared < message.index("SCENES")


def test_a_new_rule_can_be_replayed_and_its_story_written_before_make_facts(
    with_new_texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(load_stories(default_fixtures_dir())))
    shown = CliRunner().invoke(replay, [name, "--hooks", str(with_new_texts)])
    assert shown.exit_code == 0, shown.exception
    monkeypatch.setattr(cli_stories, "default_hooks_dir", lambda: with_new_texts)
    checked = CliRunner().invoke(cli_stories.stories, [])
    assert checked.exit_code == 0, checked.exception


def test_a_story_without_its_prefetch_is_recorded_all_the_same(tmp_path: Path) -> None:
    """`stories --write` and `make facts` may run in any order."""
    fixtures = tmp_path / "fixtures"
    source = default_fixtures_dir() / "saline-3-percent-mild"
    shutil.copytree(source, fixtures / "saline-3-percent-mild")
    path = fixtures / "saline-3-percent-mild" / "request.json"
    request = json.loads(path.read_text(encoding="utf-8"))
    del request["prefetch"]
    path.write_text(json.dumps(request), encoding="utf-8")
    recorder = facts.Recorder(load_knowledge(default_hooks_dir()))
    facts.hear_stories(recorder, fixtures)
    assert "OS-HTS-MILD.main" in recorder.facts["summary"]


def test_make_facts_says_in_one_line_what_stops_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(facts, "default_hooks_dir", lambda: Path("nowhere"))
    assert facts.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("make facts: nowhere is not a hooks folder")
    assert said.count("\n") == 1


# ---- a text that a card needs cannot be lost


Way = tuple[str, ...]  # file, tables and key
# These texts may be missing: the cards have other words in their place, or never name them.
MAY_BE_ABSENT = (
    # without the words that name the status, those without it are shown
    *(
        ("knowledge/words.toml", "missing", f"{why}-status")
        for why in ("failed", "truncated", "in-part", "refused")
    ),
    ("knowledge/words.toml", "code_systems"),  # card.unknown_code is in their place
    ("knowledge/words.toml", "symptoms", "fracture"),  # counts as a fall, and is not named
)


def _texts_of(table: Mapping[str, Any], way: Way) -> Iterator[Way]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _texts_of(value, (*way, key))
        elif isinstance(value, str):
            yield (*way, key)


def _shown_texts() -> list[Way]:
    """Every text of hooks/ that is shown to somebody, with its place."""
    found: list[Way] = []
    for file in (*load.RULE_FILES, "services.toml"):
        found += _texts_of(_table(file), (file,))
    for name in ("words", "topics", "override-reasons", "citations"):
        file = f"knowledge/{name}.toml"
        found += _texts_of(_table(file), (file,))
    suggested = "knowledge/orders.toml"
    found += _texts_of(_table(suggested)["templates"], (suggested, "templates"))
    optional = {"slot", "url", "note", "system"}
    return [way for way in found if way[-1] not in optional and "slot" not in way]


def _table(file: str) -> dict[str, Any]:
    return tomllib.loads((default_hooks_dir() / file).read_text(encoding="utf-8"))


# A source without them still starts; tests/knowledge/test_basis.py holds that each has them.
OPTIONAL_MEMBERS = {("knowledge/citations.toml", member) for member in ("author", "publisher")}


def test_a_text_that_is_deleted_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing word was a 500 for the patient whose card needed it. Here, some of the texts."""
    _each_is_missed(_shown_texts()[::30], monkeypatch)


@pytest.mark.long
def test_every_text_that_is_deleted_stops_the_start_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = _shown_texts()
    assert len(ways) > 700
    _each_is_missed(ways, monkeypatch)


def _each_is_missed(ways: list[Way], monkeypatch: pytest.MonkeyPatch) -> None:
    parse = load._parse
    # What no deleted text changes is made once: the vocabulary takes most of a start.
    monkeypatch.setattr(pipeline, "vocabulary", _made_once(vocabulary))
    wrong = []
    for way in ways:
        monkeypatch.setattr(load, "_parse", _without(parse, way))
        message = _refusal()
        optional_part = any(way[: len(optional)] == optional for optional in MAY_BE_ABSENT)
        if optional_part or (way[0], way[-1]) in OPTIONAL_MEMBERS:
            assert message is None, (way, message)
        elif message is None or way[0] not in message or not _names(message, way):
            wrong.append((way, message))
    assert not wrong, "\n".join(f"{' '.join(way)}: {message}" for way, message in wrong)


def _names(message: str, way: Way) -> bool:
    """Whether a message names the key, or says that its table has become empty."""
    return way[-1] in message or f"'{way[-2]}' is empty" in message


def _refusal() -> str | None:
    try:
        offline_pipeline(default_hooks_dir())
    except KnowledgeError as error:
        return str(error)
    return None


def _made_once(make: Any) -> Any:
    made: list[Any] = []

    def same(*given: Any) -> Any:
        if not made or made[0] != given:
            made[:] = [given, make(*given)]
        return made[1]

    return same


def _without(parse: Any, way: Way) -> Any:
    """The reader of hooks/ as if one text had been deleted."""

    def read(texts: Mapping[str, str], name: str) -> dict[str, Any]:
        table: dict[str, Any] = parse(texts, name)
        if name != way[0]:
            return table
        table = inner = copy.deepcopy(table)
        for key in way[1:-1]:
            inner = inner[key]
        del inner[way[-1]]
        return table

    return read
