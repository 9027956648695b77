"""What a tester does on the workbench, in a real browser."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from cds_service.demo.stories import load_story
from tests.browser.axe import assert_nothing_found
from tests.browser.conftest import PATIENCE_MS, Open
from tests.patience import PATIENCE_S

expect.set_options(timeout=PATIENCE_MS)
SERVICE = "hyponatremia-patient-view"


def _story(demo: str, name: str) -> dict[str, Any]:
    asked = requests.get(f"{demo}/demo/stories/{name}/request", timeout=PATIENCE_S).json()
    return dict(asked)


def _call(demo: str, body: object, service: str = SERVICE) -> requests.Response:
    return requests.post(f"{demo}/cds-services/{service}", json=body, timeout=PATIENCE_S)


@pytest.fixture
def page(open_page: Open, demo: str) -> Page:
    """The workbench after one call with a prefetch and one with live reads, the second on top."""
    requests.post(f"{demo}/workbench/forget", json={}, timeout=PATIENCE_S)
    call = _story(demo, "cramps-in-siadh")
    assert _call(demo, call).status_code == 200
    del call["prefetch"]
    assert _call(demo, call | {"fhirServer": f"{demo}/demo/fhir"}).status_code == 200
    opened = open_page("/workbench")
    expect(_rows(opened)).to_have_count(2)
    return opened


def _rows(page: Page) -> Locator:
    return page.locator("#timeline > li")


def _opened(page: Page, at: int) -> Locator:
    number = _rows(page).nth(at).get_attribute("data-number")
    row = page.locator(f"#timeline > li[data-number='{number}']")  # others may come on top
    row.locator("summary").first.click()
    expect(row.locator(".path")).to_be_visible()
    return row


def test_a_call_is_a_timeline_of_access_data_reads_rules_cards_answer_and_rows(page: Page) -> None:
    row = _opened(page, 0)
    expect(row.locator("h2")).to_have_text(
        [
            "Who called",
            "Prefetch and data, by key",
            "FHIR reads",
            "Rules",
            "Cards",
            "Answer",
            "Rows",
        ]
    )
    steps = row.locator(".path > li")
    expect(steps.nth(0)).to_contain_text("No token: anonymous.")
    expect(steps.nth(1)).to_contain_text("satisfied (live)")
    reads = steps.nth(2).locator("tbody tr")
    sodium = reads.filter(has=page.get_by_role("rowheader", name="sodium", exact=True))
    expect(sodium).to_contain_text(re.compile(r"GET http://\S+/demo/fhir/Observation\?\S+"))
    expect(sodium).to_contain_text(re.compile(r"200\s+[\d.]+ ms\s+[\d.]+ ms"))
    expect(steps.nth(3)).to_contain_text("Found something: PV-MILD")
    steps.nth(3).get_by_text(re.compile("^Silent, and why")).click()
    expect(steps.nth(3).get_by_role("rowheader", name="RATE-OVER")).to_be_visible()
    expect(steps.nth(4)).to_contain_text("Mild low sodium 131")
    steps.nth(6).get_by_text(re.compile("^Issued cards")).click()
    expect(steps.nth(6)).to_contain_text("sodiumMildSymptomatic")


def test_new_calls_come_on_top_by_themselves(page: Page, demo: str) -> None:
    _call(demo, {"hook": "patient-view"})
    expect(_rows(page)).to_have_count(3)
    expect(_rows(page).first).to_contain_text("400")
    requests.get(f"{demo}/cds-services", timeout=PATIENCE_S)
    expect(_rows(page).first).to_contain_text("discovery")


def test_a_changed_call_is_sent_again_and_what_changed_is_listed(page: Page) -> None:
    row = _opened(page, 1)
    row.get_by_role("button", name="Edit and send again").click()
    field = row.get_by_label("Hook call (JSON)")
    text = field.input_value()
    field.fill(text.replace(text[text.index('"value": 131') :][:12], '"value": 121', 1))
    row.get_by_role("button", name="Send", exact=True).click()
    result = row.locator(".result")
    expect(result.locator("li").first).to_contain_text("Card gone: sodiumMildSymptomatic")
    expect(result).to_contain_text("Rule PV-MILD-SYMP: “found something” before")
    expect(result.locator(".both h3")).to_have_text(
        [re.compile("^First answer, call"), re.compile("^This answer, call")]
    )
    expect(result.locator("h2")).to_be_focused()
    expect(_rows(page).first).to_contain_text("sent again, from call")


def test_json_that_breaks_says_line_and_column(page: Page) -> None:
    row = _opened(page, 1)
    row.get_by_role("button", name="Edit and send again").click()
    field = row.get_by_label("Hook call (JSON)")
    field.fill('{\n "hook": oops\n}')
    row.get_by_role("button", name="Send", exact=True).click()
    expect(row.get_by_role("alert")).to_have_text(
        "This is not JSON: it breaks at line 2, column 10."
    )
    field.fill('{\n "hook": "patient-view"')
    row.get_by_role("button", name="Send", exact=True).click()
    expect(row.get_by_role("alert")).to_contain_text("line 2, column 24")
    expect(_rows(page)).to_have_count(2)


def test_a_call_is_copied_as_a_line_for_curl(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row = _opened(page, 1)
    row.get_by_role("button", name="Copy as curl").click()
    expect(row.locator(".told")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -s -X POST http://127.0.0.1:")
    assert json.loads(copied.split("<<'CALL'\n")[1].split("\nCALL")[0])["hook"] == "patient-view"


def test_a_call_is_saved_as_a_story_that_the_service_reads(page: Page, tmp_path: Path) -> None:
    row = _opened(page, 0)
    row.get_by_role("button", name="Save as story").click()
    row.get_by_label(re.compile("^Name")).fill("saved-here")
    row.get_by_label("Title").fill('A "saved" call')
    row.get_by_label(re.compile("^What it shows")).fill("Live reads are in its record.")
    with page.expect_download() as download:
        row.get_by_role("button", name="Download the story").click()
    expect(row.locator(".told")).to_contain_text("Downloaded as saved-here.zip")
    zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).extractall(tmp_path)
    story = load_story(tmp_path / "saved-here")
    assert story.file.title == 'A "saved" call'
    assert [card.topic for card in story.file.cards] == ["sodiumMildSymptomatic"]
    assert story.patient_id == "patient-1" or story.patient_id.startswith("patient-")
    assert {"sodium", "medications", "patient"} <= story.request["prefetch"].keys()


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_axe_finds_nothing_and_the_page_fits(page: Page, width: int, dark: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    row = _opened(page, 0)
    for folded in row.locator(".path details").all():
        folded.locator("summary").first.click()
    row.get_by_role("button", name="Edit and send again").click()
    row.get_by_role("button", name="Send", exact=True).click()
    expect(row.locator(".result h2")).to_be_visible()
    row.get_by_role("button", name="Save as story").click()
    assert_nothing_found(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_can_be_done_by_keyboard(page: Page) -> None:
    row = page.locator(
        f"#timeline > li[data-number='{_rows(page).nth(1).get_attribute('data-number')}']"
    )
    row.locator("summary").first.focus()
    page.keyboard.press("Enter")
    button = row.get_by_role("button", name="Edit and send again")
    expect(button).to_be_visible()
    button.focus()
    page.keyboard.press("Enter")
    expect(row.get_by_label("Hook call (JSON)")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row.locator(".result h2")).to_be_focused()
    expect(row.locator(".result")).to_contain_text("Nothing but ids and times.")


def test_calls_can_be_forgotten(page: Page) -> None:
    page.get_by_role("button", name="Forget all calls").click()
    expect(_rows(page)).to_have_count(0)
    expect(page.locator("#bench-status")).to_have_text("No calls.")
