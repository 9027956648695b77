"""The report of a committee as it reads it: on a phone, on a screen, with every label whole or shortened at its end."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cds_service.feedback.figures import Figures, RuleFigures, Usage
from cds_service.feedback.report_html import report_page
from tests.browser.axe import assert_nothing_found

LONG = "Not appropriate at this time: waiting for information, pending results, pending consult"
OUTSIDE = """() => [...document.querySelectorAll("svg text")].filter((text) => {
  const at = text.getBoundingClientRect(), of = text.closest("svg").getBoundingClientRect();
  return at.left < of.left - 1 || at.right > of.right + 1;
}).map((text) => text.textContent)"""


def written(folder: Path) -> str:
    """Returns the address of a report with forty rules and a reason in many words."""
    rules = []
    for number in range(40):
        rule = RuleFigures(rule=f"OS-VAP-CONTRA-{number}", profile="aasld", cards=3, overridden=2)
        rule.reasons.update({LONG: 2})
        rules.append(rule)
    found = Figures(
        since=date(2026, 9, 1),
        until=datetime(2026, 11, 30, tzinfo=UTC),
        rules=tuple(rules),
        unmatched=0,
        earlier=0,
        usage=Usage(calls=100, charts=50, users=9),
    )
    names = {rule.rule: "A vaptan that is contraindicated for several reasons" for rule in rules}
    page = folder / "report.html"
    page.write_text(report_page(found, names))
    return page.as_uri()


@pytest.mark.parametrize("width", [360, 900, 1280])
def test_the_report_is_as_wide_as_the_window_and_no_label_leaves_its_plot(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(written(tmp_path))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OUTSIDE) == []
    assert page.locator("svg").first.locator("text.name").count() == 40, "every rule has its bar"
    assert_nothing_found(page)
    page.close()
