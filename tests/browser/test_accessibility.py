"""axe-core looks at our pages: nothing is found, in light and dark, on a telephone and on a desk."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Open

expect.set_options(timeout=PATIENCE_MS)


def _assert_nothing_found(page: Page) -> None:
    # Cards are dim while their call is under way, and fade in when they come.
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    found = Axe().run(page).response["violations"]
    assert [(v["impact"], v["id"], [node["target"] for node in v["nodes"]]) for v in found] == []


@pytest.mark.parametrize(
    ("path", "width", "dark"),
    [
        ("/", 360, True),
        ("/basis", 360, False),
        ("/basis?q=sodium+130", 360, True),
        ("/basis/RATE-OVER", 360, False),
        ("/basis/DC-LOW", 1440, True),
        ("/basis/numbers?evidence=verified", 1440, False),
        ("/clinical-decisions", 360, True),
        ("/reference", 360, True),
        ("/reference", 1440, False),
        ("/chart/rising-too-fast", 360, False),
        ("/chart/normal-sodium", 1440, True),
    ],
)
def test_axe_finds_nothing_on_a_page(path: str, width: int, dark: bool, open_page: Open) -> None:
    page = open_page(path, width=width, dark=dark)
    if path.startswith("/chart"):
        expect(page.locator("#status")).to_contain_text("on opening the chart")
    _assert_nothing_found(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_a_chart_in_use(dark: bool, open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild", dark=dark, expected=("412",))
    page.get_by_role("button", name="Order it").click()
    card = page.locator("#cards-order-select article.card")
    card.get_by_role("button", name=re.compile("^Add sodium")).click()
    expect(card.locator(".receipts")).to_contain_text("feedback stored")
    card.get_by_role("button", name="Dismiss").click()
    page.locator("#exchange summary").first.click()
    page.get_by_text("Edit the story's sodium values").click()
    page.get_by_text("Paste a Bundle").click()
    _assert_nothing_found(page)
    page.get_by_role("radio", name=re.compile("^Broken")).check()
    expect(page.locator("article.failure")).to_have_count(1)
    _assert_nothing_found(page)
