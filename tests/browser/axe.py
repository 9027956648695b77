"""axe-core looks at a page; the contrast, its slowest rule, is measured once for each style."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

_CONTRAST = "color-contrast"
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


def assert_nothing_found(page: Page) -> None:
    """Fails with each violation and its place, if axe-core finds one on the page as it is now."""
    # Cards are dim while their call is under way, and fade in when they come.
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    page.wait_for_function("document.getAnimations().every(a => a.playState !== 'running')")
    styles = page.evaluate(_MARK_ONE_OF_EACH_STYLE, _MARK)
    assert styles > 0, "a page without any text"
    found = _violations(page, None, {"rules": {_CONTRAST: {"enabled": False}}})
    found += _violations(page, [f"[{_MARK}]"], {"runOnly": {"type": "rule", "values": [_CONTRAST]}})
    page.evaluate(
        "mark => document.querySelectorAll(`[${mark}]`).forEach(n => n.removeAttribute(mark))",
        _MARK,
    )
    assert not found, f"axe-core found {found}"


def _violations(
    page: Page, context: list[str] | None, options: dict[str, object]
) -> list[tuple[str, str, list[object]]]:
    answer = Axe().run(page, context=context, options=options | {"resultTypes": ["violations"]})
    return [
        (found["impact"], found["id"], [node["target"] for node in found["nodes"]])
        for found in answer.response["violations"]
    ]
