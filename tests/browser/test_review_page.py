"""The review page as a pharmacist uses it: opened from a file, ticked, saved, and applied."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cds_service.cli.review import review
from cds_service.demo.stories import default_fixtures_dir
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.review import REVIEWED
from tests.browser.axe import assert_nothing_found
from tests.browser.conftest import PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)
TOPICS = "knowledge/topics.toml"
OpenReview = Callable[..., Page]


@pytest.fixture(scope="module")
def whole_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, written once."""
    return written(tmp_path_factory.mktemp("review") / "review.html")


@pytest.fixture(scope="module")
def few_stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stories of two rules: to look for the edges of all takes seconds."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("long-known", "severe-without-symptoms"):
        shutil.copytree(default_fixtures_dir() / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory, few_stories: Path) -> Path:
    """The page with the cards of two rules and notes for the others."""
    out = tmp_path_factory.mktemp("review-of-few") / "review.html"
    return written(out, "--fixtures", str(few_stories))


def written(out: Path, *options: str) -> Path:
    made = CliRunner().invoke(review, ["--out", str(out), *options])
    assert made.exit_code == 0, made.output
    return out


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A reviewer's browser, which keeps what a page stores until it is closed."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def open_review(context: BrowserContext, page_file: Path) -> Iterator[OpenReview]:
    """Opens a page from its file; nothing may be asked of a network or go wrong in the console."""
    trouble: list[str] = []

    def open_(path: Path = page_file, width: int = 1280) -> Page:
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda told: trouble.append(told.text) if told.type == "error" else None)
        page.on(
            "request",
            lambda asked: (
                trouble.append(asked.url) if not asked.url.startswith(("file:", "blob:")) else None
            ),
        )
        page.goto(path.as_uri())
        return page

    yield open_
    assert trouble == []


def agree(page: Page, item: str) -> None:
    page.locator(f"[data-agree='{item}']").check()


def comment(page: Page, item: str, words: str) -> None:
    page.locator(f"[data-comment='{item}']").fill(words)


def save(page: Page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my review").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def sign_on(page: Page) -> None:
    page.get_by_label("First and last name").fill('Ada "A" Example')
    page.get_by_label("Role").fill("clinical pharmacist")


def test_each_rule_stands_beside_a_card_with_its_numbers_and_its_edge(
    open_review: OpenReview, whole_page: Path
) -> None:
    page = open_review(whole_page)
    rules = load_knowledge(default_hooks_dir()).rules
    for rule in rules:
        assert page.locator(f"#{rule}").locator(".card .summary, .note").count() == 1, rule
    without = page.locator("article .note").count()
    assert without * 10 < len(rules), "a rule without a card is judged by its words alone"
    moderate = page.locator("#PV-MOD")
    expect(moderate.locator(".card .summary")).to_contain_text("Moderate low sodium")
    expect(moderate.locator(".edges")).to_contain_text("126 mmol/L: sodium 126 is not in the")
    expect(page.locator("#n-severe_below")).to_contain_text("european")


def test_what_was_ticked_is_saved_and_signs_the_file(
    open_review: OpenReview, tmp_path: Path
) -> None:
    page = open_review()
    sign_on(page)
    agree(page, f"file {TOPICS}")
    words = 'Is "126" right?\n\tSecond line \\ and “quotes” 😀'
    comment(page, "rule PV-MOD", words)
    expect(page.locator("#count")).to_contain_text("1 of ")
    expect(page.locator("#count")).to_contain_text("1 comment, not saved yet")
    path = save(page, tmp_path)
    assert path.name.startswith("knowledge-review-")
    answers = tomllib.loads(path.read_text(encoding="utf-8"))["answer"]
    assert answers["rule PV-MOD"]["comment"] == words
    assert answers[f"file {TOPICS}"]["agreed"] is True

    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    (hooks / REVIEWED).unlink(missing_ok=True)
    told = CliRunner().invoke(review, ["apply", str(path), "--hooks", str(hooks)])
    assert told.exit_code == 0, told.output
    assert f'Signed: {TOPICS}, by Ada "A" Example, clinical pharmacist' in told.output
    assert "[OPEN] PV-MOD" in told.output
    assert set(load_knowledge(hooks).reviews.signed) == {TOPICS}


def test_ticks_are_there_again_in_the_same_browser_and_from_a_saved_file(
    open_review: OpenReview, few_stories: Path, tmp_path: Path
) -> None:
    page = open_review()
    sign_on(page)
    agree(page, "rule PV-MOD")
    comment(page, "number severe_below", "118?")
    path = save(page, tmp_path)
    page.close()
    again = open_review()
    expect(again.locator("[data-agree='rule PV-MOD']")).to_be_checked()
    expect(again.get_by_label("First and last name")).to_have_value('Ada "A" Example')

    hooks = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), hooks)
    chart = hooks / "chart.toml"
    text = chart.read_text(encoding="utf-8")
    changed = text.replace("[rules.PV-MOD]\n", '[rules.PV-MOD]\nholds_back = ["PV-MILD"]\n', 1)
    assert changed != text
    if "holds_back" in text.partition("[rules.PV-MOD]\n")[2].partition("[rules.")[0]:
        changed = text.replace("Moderate low sodium $na", "Moderately low sodium $na", 1)
    chart.write_text(changed, encoding="utf-8")
    sources = ("--from", str(path), "--hooks", str(hooks), "--fixtures", str(few_stories))
    other = open_review(written(tmp_path / "later.html", *sources))
    expect(other.locator(".note").first).to_contain_text("rule PV-MOD")
    expect(other.locator("[data-agree='rule PV-MOD']")).not_to_be_checked()
    expect(other.locator("[data-comment='number severe_below']")).to_have_value("118?")


def test_what_is_agreed_can_be_hidden_and_a_commented_rule_stays(open_review: OpenReview) -> None:
    page = open_review()
    agree(page, "rule PV-MOD")
    agree(page, "rule PV-SEV")
    comment(page, "rule PV-SEV", "see mail")
    page.get_by_label("Hide what is agreed").check()
    expect(page.locator("#PV-MOD")).to_be_hidden()
    expect(page.locator("#PV-SEV")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_and_nothing_runs_off_the_side(
    width: int, open_review: OpenReview, whole_page: Path
) -> None:
    page = open_review(whole_page, width=width)
    agree(page, "rule PV-MOD")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Rules are drawn by one template, and numbers by another: axe looks at some of each.
    for items in ("article.item[id]", ".item.number"):
        page.evaluate(
            "items => document.querySelectorAll(items).forEach((one, i) => i > 9 && one.remove())",
            items,
        )
    assert_nothing_found(page)


def test_it_prints_each_rule_without_the_buttons(open_review: OpenReview) -> None:
    page = open_review()
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Save my review")).to_be_hidden()
    expect(page.locator("#PV-MOD .card")).to_be_visible()
    assert page.pdf()[:5] == b"%PDF-"
