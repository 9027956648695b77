"""The pages of a backtest as people use them: the report, the form for chart review, the what-if page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect

from cds_service.cli import cli
from tests.browser.axe import assert_nothing_found
from tests.browser.conftest import PATIENCE_MS
from tests.exports import write_export

expect.set_options(timeout=PATIENCE_MS)
OpenFile = Callable[..., Page]
WIDTHS = (360, 900, 1440)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over four hundred invented patients, with a drawing of cards."""
    work = tmp_path_factory.mktemp("pages")
    write_export(work / "export", 400, 5, thick=0)
    for asked in (
        ["backtest", str(work / "export"), "--output", str(work / "run"), "--jobs", "1"],
        ["backtest", "report", str(work / "run"), "--sample", "8"],
    ):
        done = CliRunner().invoke(cli, asked)
        assert done.exit_code == 0, done.output
    return work / "run"


@pytest.fixture
def open_file(browser: Browser) -> Iterator[OpenFile]:
    """Opens a page; it may ask for nothing elsewhere, and nothing may go wrong in the console."""
    trouble: list[str] = []
    contexts = []

    def open_(address: str, width: int = 1280, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda told: trouble.append(told.text) if told.type == "error" else None)
        page.on(
            "request", lambda asked: trouble.append(asked.url) if not _is_here(asked.url) else None
        )
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert trouble == []


def _is_here(address: str) -> bool:
    return address.startswith(("file:", "blob:", "http://127.0.0.1:"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_fits_every_width_and_everybody_can_read_it(
    folder: Path, open_file: OpenFile, dark: bool
) -> None:
    page = open_file((folder / "report.html").as_uri(), dark=dark)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.get_by_role("heading", name="What the cards would have been")).to_be_visible()
    assert_nothing_found(page)


def test_the_report_prints_on_a4(folder: Path, open_file: OpenFile) -> None:
    printed = open_file((folder / "report.html").as_uri()).pdf(prefer_css_page_size=True)
    sizes = set(re.findall(rb"/MediaBox\s*\[0 0 (\d+)[\d.]* (\d+)", printed))
    assert {(int(w), int(h)) for w, h in sizes} <= {(594, 841), (595, 842), (595, 841)}


def test_answers_of_the_form_come_back_into_the_report(
    folder: Path, open_file: OpenFile, tmp_path: Path
) -> None:
    page = open_file((folder / "private" / "review.html").as_uri(), dark=True)
    assert_nothing_found(page)
    page.get_by_label("Your name or initials").fill("Ada")
    cards = page.locator("article")
    assert cards.count() == 8
    for number in range(8):
        card = cards.nth(number)
        card.get_by_label("The card was right" if number else "The card was wrong").check()
        card.get_by_label("It would have helped").check()
    cards.nth(0).get_by_label("Comment").fill("of note 4711")
    expect(page.locator("#count")).to_have_text("8 of 8 cards judged, not saved yet")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my answers").click()
    answers = tmp_path / download.value.suggested_filename
    download.value.save_as(answers)
    assert json.loads(answers.read_text(encoding="utf-8"))["reviewer"] == "Ada"
    done = CliRunner().invoke(cli, ["backtest", "report", str(folder), "--answers", str(answers)])
    assert done.exit_code == 0, done.output
    report = open_file((folder / "report.html").as_uri())
    expect(report.get_by_text("1 reviewer judged 8 of 8 cards")).to_be_visible()
    expect(report.get_by_text("88% (95 % interval")).to_be_visible()
    assert "4711" not in report.content()


def test_a_number_is_moved_on_the_what_if_page(folder: Path, open_file: OpenFile) -> None:
    command = [
        sys.executable,
        "-m",
        "cds_service",
        "backtest",
        "serve",
        str(folder),
        "--port",
        "0",
        "--jobs",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            assert found is not None
            page = open_file(found[0], 360)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            expect(page.locator("#cards")).not_to_have_text("–")
            assert_nothing_found(page)
            page.get_by_label("Value in mmol/L").fill("130")
            page.get_by_role("button", name="Judge again").click()
            expect(page.locator("#told")).to_contain_text("mild_below = 130: all 400 patients")
            # Rounded by chance (decision 0018), so that few cards less may be told as none less.
            expect(page.locator("#difference")).to_have_text(
                re.compile(r"^(-\d[\d.]*|0) ± \d[\d.]*$")
            )
        finally:
            process.terminate()
