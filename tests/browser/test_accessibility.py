"""axe-core looks at our pages: nothing is found, in light and dark, on a telephone and on a desk."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from cds_service.feedback.figures import figures
from cds_service.feedback.report_html import report_page
from cds_service.store.engine import open_database, sqlite_url
from cds_service.store.figures import FigureTables
from tests.browser.axe import assert_nothing_found
from tests.browser.conftest import PATIENCE_MS, Open
from tests.feedback.simulated import fill

expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize(
    ("path", "width", "dark"),
    [
        ("/", 360, True),
        ("/basis", 360, False),
        ("/basis?q=sodium+130", 360, True),
        ("/basis/RATE-OVER", 360, False),
        ("/basis/DC-LOW", 1440, True),
        ("/basis/numbers?evidence=verified", 1440, False),
        ("/basis/words", 360, True),
        ("/basis/sources", 1440, False),
        ("/workbench", 360, False),
        ("/workbench", 1440, True),
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
    assert_nothing_found(page)


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
    assert_nothing_found(page)
    page.get_by_role("radio", name=re.compile("^Broken")).check()
    expect(page.locator("article.failure")).to_have_count(1)
    assert_nothing_found(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_when_orders_are_signed(dark: bool, open_page: Open) -> None:
    page = open_page("/chart/saline-3-percent-mild", width=360 if dark else 1440, dark=dark)
    page.get_by_role("button", name="Order it").click()
    expect(page.locator("#cards-order-select article.card")).to_have_count(1)
    page.locator("#sign").click()
    expect(page.locator("#cards-order-sign article.card")).not_to_have_count(0)
    assert_nothing_found(page)
    page.locator("#sign").click()
    expect(page.locator("#status")).to_contain_text("Signed all the same")
    assert_nothing_found(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_when_the_patient_goes_home(dark: bool, open_page: Open) -> None:
    page = open_page("/chart/discharge-at-128", width=360 if dark else 1440, dark=dark)
    page.get_by_role("button", name="Discharge the patient").click()
    expect(page.locator("#cards-encounter-discharge article.card")).to_have_count(1)
    assert_nothing_found(page)


def test_axe_finds_nothing_on_the_page_of_an_unknown_patient(open_page: Open) -> None:
    page = open_page("/chart/no-such-patient", width=360, expected=("404",))
    assert_nothing_found(page)


@pytest.fixture(scope="module")
def committee_report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report on a simulated year of cards, as `cds-service report --format html` writes it."""
    folder = tmp_path_factory.mktemp("report")
    database = open_database(sqlite_url(folder))
    now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    fill(database, "mercy", cards=3000, answers=900, until=now)
    counted = figures(FigureTables(database), ["mercy"], now.date() - timedelta(days=364), now, {})
    database.engine.dispose()
    return report_page(counted)


@pytest.mark.parametrize(("width", "dark"), [(360, True), (900, False), (1440, True)])
def test_axe_finds_nothing_on_the_report_for_the_committee(
    width: int, dark: bool, committee_report: str, browser: Browser
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    page.set_content(committee_report)
    assert_nothing_found(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        ("style.color = '#aaa'", "color-contrast"),
        ("style.opacity = '0.4'", "color-contrast"),
        ("outerHTML = '<p><button></button></p>'", "button-name"),
    ],
)
def test_a_fault_in_one_place_of_a_long_page_is_found(
    spoilt: str, found: str, open_page: Open
) -> None:
    """The contrast is measured once for each style: a place with a style of its own is one more."""
    page = open_page("/basis/RATE-OVER")
    page.evaluate(f"[...document.querySelectorAll('main li')].at(-3).{spoilt}")
    with pytest.raises(AssertionError, match=found):
        assert_nothing_found(page)
