"""The pages of the clinical basis in a browser: old links, search, and nothing wider than a telephone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS, Open

expect.set_options(timeout=PATIENCE_MS)


def test_an_old_link_to_a_rule_leads_to_its_page(open_page: Open) -> None:
    page = open_page("/basis#OS-HTS-MILD")
    expect(page).to_have_url(re.compile("/basis/OS-HTS-MILD$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("OS-HTS-MILD")
    expect(page.locator("article.card h3")).to_contain_text("3% saline")


def test_an_old_link_to_a_number_leads_to_it(open_page: Open) -> None:
    page = open_page("/basis#number-severe_below")
    expect(page).to_have_url(re.compile("/basis/numbers#number-severe_below$"))
    expect(page.locator("#number-severe_below")).to_be_in_viewport()


def test_a_search_leads_to_the_rule(open_page: Open) -> None:
    page = open_page("/basis")
    page.get_by_label(re.compile("^Search rules")).fill("sodium rose too fast")
    page.get_by_role("button", name="Search").click()
    page.locator(".found").get_by_role("link", name="RATE-OVER").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("RATE-OVER")


def test_a_story_of_a_rule_opens_its_chart(open_page: Open) -> None:
    page = open_page("/basis/DC-LOW")
    page.get_by_role("link", name=re.compile("^Going home with a sodium of 128")).click()
    expect(page).to_have_url(re.compile("/chart/discharge-at-128$"))


@pytest.mark.parametrize("path", ["/basis", "/basis/RATE-OVER", "/basis/numbers", "/basis/words"])
def test_no_page_is_wider_than_a_telephone_or_too_long_to_look_through(
    path: str, open_page: Open
) -> None:
    page = open_page(path, width=360)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360, wide
    if path == "/basis":
        page.set_viewport_size({"width": 1440, "height": 900})
        assert page.evaluate("document.documentElement.scrollHeight") < 6000


def test_the_index_counts_the_numbers_by_evidence_and_leads_to_them(open_page: Open) -> None:
    page = open_page("/basis")
    tile = page.get_by_role("link", name=re.compile("verified")).first
    expect(tile).to_be_in_viewport()
    tile.click()
    expect(page).to_have_url(re.compile(r"/basis/numbers\?evidence="))
    expect(page.locator("tbody tr")).not_to_have_count(0)


def test_the_page_of_a_rule_has_its_card_numbers_evidence_stories_and_who_signed(
    open_page: Open,
) -> None:
    page = open_page("/basis/RATE-OVER")
    expect(page.locator("article.card h3")).to_contain_text("Sodium rose 9 mmol/L")
    for heading in ("Its numbers", "What it rests on", "Its stories", "Signed by"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(page.get_by_role("rowheader", name="rate_steep_hours")).to_be_visible()


def test_every_address_is_in_the_reference_and_its_description_can_be_read(open_page: Open) -> None:
    page = open_page("/reference")
    expect(page.locator("main")).to_contain_text("/cds-services")
    described = page.request.get(page.url.replace("/reference", "/openapi.json")).json()
    for path in described["paths"]:
        expect(page.locator("main")).to_contain_text(path)
