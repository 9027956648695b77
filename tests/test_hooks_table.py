"""The table of hooks: a hook without its row stops the start, and no answer hides that no rule was asked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cds_service import pipeline as module
from cds_service.cli.replay import answer_story, evaluate, offline_pipeline
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import BadRequest, KnowledgeError, NoRuleAsked
from cds_service.knowledge.load import default_hooks_dir
from cds_service.pipeline import HOOKS, Hook, Pipeline, rules_of
from cds_service.protocol.documents import outcome_of
from cds_service.sodium.rules.book import BOOK
from cds_service.trust.registry import Client
from tests.fhir_resources import Call, draft, sodium

SELECT, SIGN = "hyponatremia-order-select", "hyponatremia-order-sign"
REVIEW = "hyponatremia-order-review"  # a hook about orders that does not exist yet
REVIEW_ROW = Hook(drafts="all", gates=("deceased", "under-age"), unreadable="OS-UNREADABLE")
STORIES = {
    name: story
    for name, story in load_stories(default_fixtures_dir()).items()
    if story.file.service == SELECT
}


@pytest.fixture(scope="module")
def reviewing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hooks folder with a service for order-review: one table, and one word in one list."""
    folder = tmp_path_factory.mktemp("reviewing") / "hooks"
    shutil.copytree(default_hooks_dir(), folder)
    declare_order_review(folder)
    speak_on_order_review(folder / "orders.toml")
    return folder


def declare_order_review(hooks: Path, *more: str) -> None:
    """Writes the table of the service, with some lines more."""
    services = hooks / "services.toml"
    text = services.read_text(encoding="utf-8")
    start = text.index(f"[services.{SELECT}]")
    table = text[start : text.index("\n\n", start)]
    table = table.replace(SELECT, REVIEW).replace('"order-select"', '"order-review"')
    services.write_text("\n".join([text, table, *more, ""]), encoding="utf-8")


def speak_on_order_review(orders: Path) -> None:
    """Lets every rule about orders speak on order-review too."""
    head, rules, tables = orders.read_text(encoding="utf-8").partition("\n[rules.")
    head = head.replace('"order-select"', '"order-select", "order-review"')
    orders.write_text(head + rules + tables, encoding="utf-8")


def half_declared(hooks: Path, *more: str) -> Path:
    """A hooks folder whose service for order-review asks OS-LOW alone."""
    shutil.copytree(default_hooks_dir(), hooks)
    declare_order_review(hooks, *more)
    orders = hooks / "orders.toml"
    text = orders.read_text(encoding="utf-8")
    for rule in ("OS-LOW", "OS-UNREADABLE"):
        table = f"[rules.{rule}]\n"
        text = text.replace(
            table, f'{table}hooks = ["order-select", "order-sign", "order-review"]\n'
        )
    orders.write_text(text, encoding="utf-8")
    return hooks


@pytest.mark.usefixtures("with_row")
def test_a_service_that_asks_only_some_rules_about_orders_does_not_start(tmp_path: Path) -> None:
    """It answered hypertonic saline at a sodium of 132 with silence."""
    with pytest.raises(KnowledgeError) as refused:
        offline_pipeline(half_declared(tmp_path / "hooks"))
    message = str(refused.value)
    assert message.startswith(f"services.toml: [services.{REVIEW}] does not ask ")
    assert "OS-HTS-OVER" in message
    assert "add 'order-review' to their `hooks`" in message
    assert "leavesOut" in message
    assert "OS-LOW," not in message


@pytest.mark.usefixtures("with_row")
def test_a_service_may_leave_out_rules_on_purpose(tmp_path: Path) -> None:
    others = [rule for rule in BOOK.order if rule != "OS-LOW"]
    hooks = half_declared(tmp_path / "hooks", f"leavesOut = {others}")
    assert list(rules_of(offline_pipeline(hooks).knowledge.services[REVIEW])) == ["OS-LOW"]


@pytest.mark.usefixtures("with_row")
@pytest.mark.parametrize(
    ("rule", "why"), [("OS-LOW", "asked all the same"), ("OS-LAW", "no rule that it could ask")]
)
def test_a_rule_that_cannot_be_left_out_is_named(rule: str, why: str, tmp_path: Path) -> None:
    hooks = half_declared(tmp_path / "hooks", f'leavesOut = ["{rule}"]')
    with pytest.raises(KnowledgeError, match=f"leavesOut: {rule} is {why}: remove it there"):
        offline_pipeline(hooks)


@pytest.fixture
def with_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table HOOKS with a row for order-review."""
    monkeypatch.setitem(HOOKS, "order-review", REVIEW_ROW)


def test_a_hook_without_its_row_does_not_start_and_the_message_says_what_to_do(
    reviewing: Path,
) -> None:
    with pytest.raises(KnowledgeError) as refused:
        offline_pipeline(reviewing)
    message = str(refused.value)
    assert REVIEW in message
    assert "'order-review' has no row in the table HOOKS of cds_service/pipeline.py" in message


@pytest.mark.usefixtures("with_row")
def test_with_its_row_a_new_hook_gives_the_cards_of_order_select(reviewing: Path) -> None:
    pipeline, story = offline_pipeline(reviewing), STORIES["saline-3-percent-mild"]
    body = signed(story) | {"hook": "order-review"}
    answered = evaluate(pipeline, REVIEW, body, story.file.now, Client())
    assert [_said(card) for card in answered.cards] == [
        _said(card) for card in answer_story(pipeline, story).cards
    ]


def signed(story: Story) -> dict[str, Any]:
    """Returns the story's call as order-sign sends it: without selections."""
    body = story.request
    context = {name: value for name, value in body["context"].items() if name != "selections"}
    return body | {"hook": "order-sign", "context": context}


@pytest.fixture(scope="module")
def bundled() -> Pipeline:
    return offline_pipeline(default_hooks_dir())


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_order_sign_gives_the_cards_of_order_select(story: Story, bundled: Pipeline) -> None:
    client = Client(
        profile=story.file.profile, explain_missing_data=story.file.explain_missing_data
    )
    selected = answer_story(bundled, story)
    answered = evaluate(bundled, SIGN, signed(story), story.file.now, client)
    assert [_said(card) for card in answered.cards] == [_said(card) for card in selected.cards]
    assert answered.reason == selected.reason


def _said(card: dict[str, Any]) -> tuple[str, str, str]:
    return card["indicator"], card["summary"], card["detail"]


def test_order_sign_without_its_draft_orders_is_refused(bundled: Pipeline) -> None:
    story = next(iter(STORIES.values()))
    body = signed(story)
    del body["context"]["draftOrders"]
    with pytest.raises(BadRequest, match="order-sign needs 'draftOrders'; check"):
        evaluate(bundled, SIGN, body, story.file.now, Client())


@pytest.mark.parametrize("drafts", [(), (draft("sertraline"),)], ids=["chart", "order"])
def test_an_answer_for_which_no_rule_was_asked_is_an_error(
    drafts: tuple[dict[str, Any], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call(record=(sodium("117"),), drafts=drafts)
    assert call.cards()
    monkeypatch.setattr(module, "rules_of", lambda service: {})
    with pytest.raises(NoRuleAsked) as error:
        call.cards()
    assert error.value.status == 500
    assert outcome_of(error.value, "")["resourceType"] == "OperationOutcome"


def test_orders_that_concern_no_rule_have_a_named_reason() -> None:
    evaluation = Call(record=(sodium("117"),), drafts=(draft("amoxicillin"),)).evaluation()
    assert (evaluation.cards, evaluation.outcomes) == ([], ())
    assert evaluation.reason == "no selected order concerns a rule"
