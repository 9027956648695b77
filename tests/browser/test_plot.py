"""The plot as a browser draws it: no words cover a curve, a point or other words; the range fits."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Open

expect.set_options(timeout=PATIENCE_MS)

# What covers what in the plot that is seen, measured by the browser's own boxes.
_COVERED = """() => {
  const plot = [...document.querySelectorAll("#sodium .span:not([hidden]) svg.plot")]
    .find((one) => one.getClientRects().length > 0);
  const words = [...plot.querySelectorAll(".value, .limit-name, .room-name, .now-name, .band-name")];
  const box = (e) => { const b = e.getBBox(); return {l: b.x + 1, r: b.x + b.width - 1, t: b.y + 3, b: b.y + b.height - 3}; };
  const inside = (b, x, y, r) => x + r > b.l && x - r < b.r && y + r > b.t && y - r < b.b;
  const found = [];
  words.forEach((one, place) => {
    const b = box(one), name = one.textContent;
    for (const other of words.slice(place + 1)) {
      const o = box(other);
      if (b.l < o.r && o.l < b.r && b.t < o.b && o.t < b.b) found.push(`${name} / ${other.textContent}`);
    }
    for (const dot of plot.querySelectorAll(".dot"))
      if (inside(b, dot.cx.baseVal.value, dot.cy.baseVal.value, 3)) found.push(`${name} / point`);
    for (const curve of plot.querySelectorAll(".series, .limit"))
      for (let at = 0; at <= curve.getTotalLength(); at += 1) {
        const p = curve.getPointAtLength(at);
        if (inside(b, p.x, p.y, 0)) { found.push(`${name} / ${curve.getAttribute("class")}`); break; }
      }
  });
  return found;
}"""


def _checked(page: Page) -> str:
    return str(
        page.locator("input[name=span]:checked").evaluate("e => e.parentElement.textContent.trim()")
    )


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize(
    "story",
    [
        "near-the-limit",
        "rising-too-fast",
        "saline-3-percent-already-up",
        "tolvaptan-with-3-percent-saline",
        "partly-glucose",
        "discharge-after-a-fast-rise",
        "severe-without-symptoms",
    ],
)
def test_no_words_of_the_plot_cover_a_curve_a_point_or_words(
    story: str, width: int, open_page: Open
) -> None:
    page = open_page(f"/chart/{story}", width=width)
    expect(page.locator("#status")).to_contain_text("on opening the chart")
    covered = {}
    for name in ("24 h", "7 days", "90 days", "all"):
        page.get_by_label(name, exact=True).check()
        covered[name] = page.evaluate(_COVERED)
    assert covered == {name: [] for name in covered}


@pytest.mark.parametrize(
    ("story", "span"),
    [
        ("near-the-limit", "24 h"),  # rises near the limit
        ("severe-without-symptoms", "24 h"),  # a correction is due
        ("normal-sodium", "7 days"),
        ("outdated-result", "all"),  # the newest value is older than a week
    ],
)
def test_the_plot_opens_with_the_time_that_matters(story: str, span: str, open_page: Open) -> None:
    page = open_page(f"/chart/{story}")
    assert _checked(page) == span
    newest = page.locator("#sodium .span:not([hidden]) svg.wide .dot[tabindex='0']")
    expect(newest).to_have_count(1)


def test_the_limit_is_named_with_its_time_in_the_range_that_opens(open_page: Open) -> None:
    page = open_page("/chart/near-the-limit")
    name = page.locator("#sodium .span:not([hidden]) svg.wide .limit-name")
    room = page.locator(".room").inner_text()
    until = room.removeprefix("Room left until ").partition(": ")[0]
    expect(name).to_have_text(f"limit 124 until {until}")


def test_a_base_shortly_before_the_day_is_on_the_plot_of_24_hours(open_page: Open) -> None:
    """The rise that the card tells began more than 24 h ago: without its base nothing is seen of it."""
    page = open_page("/chart/rising-too-fast")
    assert _checked(page) == "24 h"
    dots = page.locator("#sodium .span:not([hidden]) svg.wide .dot[tabindex]")
    expect(dots).to_have_count(4)
    assert (dots.first.get_attribute("aria-label") or "").startswith("118 mmol/L")


def test_events_are_named_beside_their_signs(open_page: Open) -> None:
    page = open_page("/chart/rising-too-fast")
    plot = page.locator("#sodium .span:not([hidden]) svg.wide")
    expect(plot.locator(".event.rise")).to_have_count(1)
    told = plot.locator(".row-name.event")
    expect(told).to_have_text(re.compile(r"^rise of 9 mmol/L in 23\.5 h \(.+ \d\d:\d\d\)$"))


@pytest.mark.parametrize(
    ("story", "left"),
    [("near-the-limit", "1"), ("severe-without-symptoms", "8"), ("rising-too-fast", "")],
)
def test_what_is_left_of_the_rise_is_shaded_up_to_the_limit(
    story: str, left: str, open_page: Open
) -> None:
    page = open_page(f"/chart/{story}")
    plot = page.locator("#sodium .span:not([hidden]) svg.wide")
    shaded, key = plot.locator(".room-left"), page.locator(".legend .key-room")
    if not left:
        expect(shaded).to_have_count(0)
        expect(key).to_have_count(0)
        return
    expect(key).to_have_text(f"room left: {left} mmol/L")
    expect(page.locator(".room.left")).to_contain_text(f": {left} mmol/L")
    area, limit = shaded.bounding_box(), plot.locator(".limit").bounding_box()
    assert area is not None
    assert limit is not None
    assert abs(area["y"] - limit["y"]) < 2
    assert area["x"] + area["width"] <= limit["x"] + limit["width"] + 2
