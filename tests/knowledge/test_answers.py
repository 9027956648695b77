"""A reviewer's saved answers: what they sign, and that no bad or old file signs anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds_service.cli.review import review
from cds_service.knowledge.answers import FORMAT, NUMBERS, Item, items_of
from cds_service.knowledge.load import default_hooks_dir, load_knowledge, read_files
from cds_service.knowledge.review import REVIEWED, text_sha256
from tests.knowledge.test_review import sign

TOPICS = "knowledge/topics.toml"
DAY = date(2026, 11, 29)
HEAD = {"format": FORMAT, "name": "Ada Example", "role": "clinical pharmacist"}


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    copy = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), copy)
    (copy / REVIEWED).unlink(missing_ok=True)
    return copy


def items(hooks: Path) -> tuple[Item, ...]:
    return items_of(load_knowledge(hooks), read_files(hooks))


def of_file(hooks: Path, file: str) -> list[Item]:
    return [item for item in items(hooks) if item.file == file]


def saved(
    hooks: Path,
    agreed: Iterable[Item],
    comments: Mapping[str, str] | None = None,
    **head: str,
) -> Path:
    """A file as the page saves it; tests/browser compares the page's own with it."""
    hashes = {item.id: item.sha256 for item in items(hooks)}
    yes = {item.id for item in agreed}
    comments = comments or {}
    given = [name for name in hashes if name in yes or name in comments]
    lines = [f"{name} = {json.dumps(value)}" for name, value in (HEAD | head).items()]
    lines += [f"date = {DAY}", f"answers = {len(given)}", "[files]"]
    for name, text in read_files(hooks).items():
        lines.append(f'"{name}" = "{text_sha256(text)}"')
    for name in given:
        lines += [f"[answer.{json.dumps(name)}]", f'sha256 = "{hashes[name]}"']
        lines += [f"agreed = {str(name in yes).lower()}"]
        lines += [f"comment = {json.dumps(comments.get(name, ''))}"]
    path = hooks.parent / "saved.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def apply(path: Path, hooks: Path, *more: str) -> Result:
    return CliRunner().invoke(review, ["apply", str(path), "--hooks", str(hooks), *more])


def signed(hooks: Path) -> dict[str, str]:
    return {name: one.name for name, one in load_knowledge(hooks).reviews.signed.items()}


def test_a_file_is_signed_once_every_rule_or_number_in_it_was_agreed_to(hooks: Path) -> None:
    path = saved(hooks, [*of_file(hooks, NUMBERS), *of_file(hooks, "chart.toml")])
    told = apply(path, hooks)
    assert told.exit_code == 0
    assert signed(hooks) == {NUMBERS: "Ada Example", "chart.toml": "Ada Example"}
    assert "Signed: chart.toml, by Ada Example, clinical pharmacist, 2026-11-29" in told.output
    assert load_knowledge(hooks).reviews.signed[NUMBERS].date == DAY


def test_everything_agreed_to_signs_everything(hooks: Path) -> None:
    apply(saved(hooks, items(hooks)), hooks)
    assert load_knowledge(hooks).reviews.complete


def test_one_number_without_a_tick_leaves_its_file_unsigned_and_is_named(hooks: Path) -> None:
    numbers = of_file(hooks, NUMBERS)
    told = apply(saved(hooks, [*numbers[1:], *of_file(hooks, TOPICS)]), hooks)
    assert signed(hooks) == {TOPICS: "Ada Example"}
    assert f"Not signed: {NUMBERS}: not agreed to: {numbers[0].id}" in told.output
    assert told.exit_code == 0, "a review in part is no error"


def test_comments_are_listed_open_or_agreed_and_a_reservation_does_not_undo_a_tick(
    hooks: Path,
) -> None:
    comments = {f"file {TOPICS}": "One word\nis wrong", "rule PV-MOD": 'Why "126"?'}
    path = saved(hooks, of_file(hooks, TOPICS), comments)
    told = apply(path, hooks).output
    assert "Comments: 2" in told
    assert "[OPEN] PV-MOD: " in told
    assert '      Why "126"?' in told
    assert f"[agreed] {TOPICS}" in told
    assert signed(hooks) == {TOPICS: "Ada Example"}


def test_the_result_as_json(hooks: Path) -> None:
    path = saved(hooks, of_file(hooks, TOPICS), {"number severe_below": "118?"})
    told = json.loads(apply(path, hooks, "--json", "--dry-run").stdout)
    assert told["written"] is False
    assert told["signed"][TOPICS]["name"] == "Ada Example"
    assert told["comments"] == [
        {
            "item": "number severe_below",
            "title": "severe_below",
            "file": NUMBERS,
            "comment": "118?",
            "agreed": False,
            "changed": False,
        }
    ]
    assert not (hooks / REVIEWED).exists(), "a dry run writes nothing"


def test_what_has_changed_since_the_page_was_made_is_not_signed_and_its_comment_is_kept(
    hooks: Path,
) -> None:
    agreed = [*of_file(hooks, NUMBERS), *of_file(hooks, TOPICS)]
    path = saved(hooks, agreed, {"number severe_below": "I would say 118"})
    numbers = hooks / NUMBERS
    text = numbers.read_text(encoding="utf-8")
    numbers.write_text(text.replace("value = 120", "value = 119", 1), encoding="utf-8")
    told = apply(path, hooks)
    assert told.exit_code == 1
    assert signed(hooks) == {TOPICS: "Ada Example"}
    assert f"{NUMBERS} has changed since the page was made: number severe_below" in told.output
    assert "cds-service review --from FILE" in told.output
    assert "[agreed, changed since] severe_below" in told.output


def test_a_comma_more_in_a_file_voids_its_ticks_too(hooks: Path) -> None:
    path = saved(hooks, of_file(hooks, NUMBERS))
    numbers = hooks / NUMBERS
    numbers.write_text(numbers.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    told = apply(path, hooks)
    assert signed(hooks) == {}
    assert "only its comments or order" in told.output


def test_a_valid_signature_of_somebody_else_is_kept_unless_it_is_replaced(hooks: Path) -> None:
    sign(hooks, TOPICS, "services.toml", who="Bo Before")
    noted = (hooks / REVIEWED).read_text(encoding="utf-8")
    (hooks / REVIEWED).write_text(f"# our board\n{noted}", encoding="utf-8")
    path = saved(hooks, [*of_file(hooks, TOPICS), *of_file(hooks, NUMBERS)])
    told = apply(path, hooks)
    assert f"Already signed: {TOPICS}, by Bo Before" in told.output
    both = {TOPICS: "Bo Before", "services.toml": "Bo Before", NUMBERS: "Ada Example"}
    assert signed(hooks) == both
    assert apply(path, hooks, "--replace").exit_code == 0
    assert signed(hooks) == both | {TOPICS: "Ada Example"}
    assert (hooks / REVIEWED).read_text(encoding="utf-8").startswith("# our board\n")


def test_a_signature_that_no_longer_fits_is_replaced(hooks: Path) -> None:
    sign(hooks, TOPICS, who="Bo Before")
    topics = hooks / TOPICS
    topics.write_text(topics.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    apply(saved(hooks, of_file(hooks, TOPICS)), hooks)
    assert signed(hooks) == {TOPICS: "Ada Example"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "", "no file saved by the page"),
        (lambda text: "not = toml =", "no TOML file, or it was cut off"),
        (lambda text: text.replace("review 1", "review 9"), "no file saved by the page"),
        (lambda text: text[: text.rindex("[answer")], "were saved: the file is cut off"),
        (lambda text: text[: text.rindex("agreed")] + "agr", "no TOML file, or it was cut off"),
        (lambda text: text.replace('"Ada Example"', '""'), "needs the name and the role"),
        (lambda text: text.replace('"clinical pharmacist"', '" "'), "needs the name and the role"),
        (lambda text: text.replace("date = 2026-11-29", 'date = "today"'), "date"),
        (lambda text: text.replace("agreed = true", "agreed = 1", 1), "agreed"),
        (lambda text: text.replace("agreed = true", "agred = true", 1), "agred"),
    ],
    ids=[
        *("empty", "no TOML", "version", "an answer less", "cut off", "no name", "no role"),
        *("no date", "wrong type", "odd key"),
    ],
)
def test_a_file_that_cannot_be_used_signs_nothing_and_says_why(
    change: object, says: str, hooks: Path
) -> None:
    sign(hooks, "services.toml", who="Bo Before")
    before = (hooks / REVIEWED).read_bytes()
    path = saved(hooks, items(hooks))
    assert callable(change)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    kept = path.read_bytes()
    result = apply(path, hooks)
    assert result.exit_code != 0
    assert says in str(result.exception)
    assert (hooks / REVIEWED).read_bytes() == before
    assert path.read_bytes() == kept, "the reviewer's file is never changed"


def test_a_file_that_is_not_there_or_not_text_is_named(hooks: Path, tmp_path: Path) -> None:
    assert "nothing.toml: cannot be read" in str(apply(tmp_path / "nothing.toml", hooks).exception)
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"\xff\xfe\x00")
    assert "odd.toml: this is no UTF-8 text" in str(apply(odd, hooks).exception)


def test_an_item_that_is_gone_keeps_its_comment(hooks: Path) -> None:
    path = saved(hooks, [], {"rule PV-MOD": "two rules?"})
    text = path.read_text(encoding="utf-8").replace("rule PV-MOD", "rule PV-OLD")
    path.write_text(text, encoding="utf-8")
    assert "[OPEN, changed since] rule PV-OLD" in apply(path, hooks).output


def test_names_with_quotes_and_breaks_stay_what_they_are(hooks: Path) -> None:
    path = saved(hooks, of_file(hooks, TOPICS), name='Ada "A" \\ Example')
    apply(path, hooks)
    assert signed(hooks) == {TOPICS: 'Ada "A" \\ Example'}
