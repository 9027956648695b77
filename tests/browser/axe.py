"""axe-core looks at a page; the contrast, its slowest rule, is measured once for each style."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

_MARK = "data-axe-style"
# A page holds thousands of texts in a few dozen styles. Texts of one style have the same colors, so
# that the first of each stands for all of them.
_MARK_ONE_OF_EACH_STYLE = """mark => {
  const seen = new Set();
  const solid = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      const layered = style.opacity !== "1" || style.backgroundImage !== "none";
      if (layered) return `${at.tagName}.${at.className}`;
      const alpha = style.backgroundColor.match(/rgba\\(.*, *([\\d.]+)\\)/);
      if (!alpha) return style.backgroundColor;
      if (alpha[1] !== "0") return `${at.tagName}.${at.className} ${style.backgroundColor}`;
    }
    return "";
  };
  const ownText = (node) => [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
  const rest = "input:not([type=hidden]), select, textarea";
  for (const node of document.body.querySelectorAll("*")) {
    if (!(ownText(node) || node.matches(rest)) || !node.checkVisibility()) continue;
    const style = getComputedStyle(node);
    const key = [
      node.tagName, node.className, node.parentElement.className, node.disabled, style.color,
      style.fontSize, style.fontWeight, style.position, style.textShadow, solid(node),
    ].join("|");
    if (!seen.has(key)) node.setAttribute(mark, "");
    seen.add(key);
  }
  return seen.size;
}"""
# One run for all rules: each run walks through the page anew. Of the marked texts, axe takes those
# that have a contrast to measure, as it does of all.
_RUN = """async (mark) => {
  axe.configure({ rules: [{ id: "color-contrast", selector: `[${mark}]` }] });
  const found = await axe.run({ resultTypes: ["violations"] });
  document.querySelectorAll(`[${mark}]`).forEach((node) => node.removeAttribute(mark));
  return found.violations.map((one) => [one.impact, one.id, one.nodes.map((node) => node.target)]);
}"""


def assert_nothing_found(page: Page) -> None:
    """Fails with each violation and its place, if axe-core finds one on the page as it is now."""
    # Cards are dim while their call is under way, and fade in when they come.
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    styles = page.evaluate(_MARK_ONE_OF_EACH_STYLE, _MARK)
    assert styles > 0, "a page without any text"
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_RUN, _MARK)
    assert not found, f"axe-core found {found}"
