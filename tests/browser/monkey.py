"""A monkey on the chart page and the workbench: `make monkey` (MINUTES=10 SEED=1).

It does what comes into its head, from a seed, and looks after each step: no error in the page, no
answer of 500 or above but from the server that fails on purpose, no card of an order whose draft is
gone, no page wider than its window. A failure prints the seed and the last steps.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable

from playwright.sync_api import (
    BrowserContext,
    ElementHandle,
    Error,
    Page,
    Response,
    sync_playwright,
)

from cds_service.demo.stories import default_fixtures_dir, load_stories
from tests.browser.conftest import FLAGS, _address, chromium_path

# What answers 500 on purpose: a server that the page offers, and those of stories that tell of one.
_FAILING = "|".join(n for n, s in load_stories(default_fixtures_dir()).items() if s.file.failing)
ON_PURPOSE = re.compile(f"/demo/fhir-broken/|/demo/fhir/.*=(?:{_FAILING})(?:&|$)")
EXPECTED = (
    "400",
    "401",
    "403",
    "404",
    "412",
    "413",
)  # a status in the console is shown on the page
WORDS = (
    "oxcarbazepine", "3% saline", "zoloft", "<b>x</b>", "", "9", "-1", "1e9", "130.55", "0", "{}", "[",
    '{"resourceType":"Bundle"}', '{"hook": oops}', "ß漢\u202e", "a" * 3000, "'; DROP TABLE", "null",
)  # fmt: skip
TARGETS = "button:visible, summary:visible, select:visible, textarea:visible, input:visible, a[href]:visible"
SIZES = ((360, 780), (900, 900), (1440, 1000))
LOOK = """() => {
  const drafts = new Set([...document.querySelectorAll("li.draft")].map((row) => row.dataset.reference));
  const places = [...document.querySelectorAll("#cards-order-select > *")];
  const open = (place) => place.querySelector(".card:not(.closed), .nothing") !== null;
  const lost = places.filter((place) => !drafts.has(place.dataset.draft) && open(place));
  const loose = [...document.querySelectorAll("#cards-order-select .card")].filter((card) => !card.closest(".of-draft"));
  const room = document.documentElement.clientWidth;
  const wide = document.documentElement.scrollWidth > room;
  const past = (e) => e.getBoundingClientRect().right > room + 0.5 && !e.closest(".wide, .json, pre, svg");
  const named = (e) => `${e.tagName} ${e.id} ${e.className} "${e.textContent.trim().slice(0, 40)}"`;
  return {
    lost: [...lost.map((place) => place.dataset.draft ?? "?"), ...loose.map((card) => card.textContent.slice(0, 80))],
    wide: wide ? [...document.querySelectorAll("body *")].filter(past).map(named).slice(0, 5) : null,
  };
}"""


# A machine with other work must not make the service refuse calls as too late.
_PATIENT = {"PYTHONUNBUFFERED": "1", "CDS_DEADLINE_MS": "5000"}


class Found(Exception):
    """The monkey found a fault."""


class Monkey:
    """One run over one demo."""

    def __init__(self, context: BrowserContext, base: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.base = base
        self.steps: deque[str] = deque(maxlen=40)
        self.counts: Counter[str] = Counter()
        self.trouble: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(3000)
        self.page.on("pageerror", lambda error: self.trouble.append(f"page error: {error}"))
        self.page.on("console", self._console)
        self.page.on("response", self._response)
        self.page.on("dialog", lambda dialog: dialog.dismiss())
        context.on("page", self._close_others)
        self.page.goto(base, timeout=60_000)  # the first page of a machine with other work
        links = self.page.locator("#patients a.patient").all()
        self.charts = [str(link.get_attribute("href")) for link in links]

    def _close_others(self, page: Page) -> None:
        if page is not self.page:
            page.close()

    def _console(self, message: object) -> None:
        text = str(getattr(message, "text", ""))
        if getattr(message, "type", "") != "error" or any(one in text for one in EXPECTED):
            return
        if not ON_PURPOSE.search(str(getattr(message, "location", {}).get("url", ""))):
            self.trouble.append(f"console: {text}")

    def _response(self, response: Response) -> None:
        self.counts[f"status {response.status}"] += 1
        if response.status >= 500 and not ON_PURPOSE.search(response.url):
            self.trouble.append(f"{response.status} from {response.url}")

    def step(self) -> None:
        """Does one thing, and raises Found if something is wrong after it."""
        does: list[tuple[int, Callable[[], str]]] = [
            (60, self._touch),
            (8, self._open_chart),
            (5, self._open_workbench),
            (4, self._press_keys),
            (3, self._resize),
            (2, self._reload),
            (3, self._back),
        ]
        chosen = self.random.choices([do for _, do in does], [weight for weight, _ in does])[0]
        try:
            self.steps.append(f"{self.page.url.removeprefix(self.base)[:60]}: {chosen()}")
        except Error as error:
            # An element that went away meanwhile is no fault; a page that is gone is.
            if self.page.is_closed():
                raise Found("the page closed itself") from None
            self.counts["missed"] += 1
            self.steps.append(f"missed: {str(error).splitlines()[0][:80]}")
        self.counts["steps"] += 1
        self._look()

    def _look(self) -> None:
        try:
            seen = self.page.evaluate(LOOK)
        except Error:
            return  # it goes to another page just now
        if seen["lost"] or seen["wide"] is not None:
            try:
                self.page.wait_for_load_state()  # a page whose style is not there yet is wide
                self.page.wait_for_timeout(300)
                seen = self.page.evaluate(LOOK)
            except Error:
                return
        if seen["lost"]:
            self.trouble.append(f"cards without their draft: {seen['lost']}")
        if seen["wide"] is not None:
            self.trouble.append(f"{self.page.url} is wider than its window: {seen['wide']}")
        if self.trouble:
            raise Found("; ".join(self.trouble))

    def _touch(self) -> str:
        elements = self.page.query_selector_all(TARGETS)
        if not elements:
            return self._open_chart()
        element = self.random.choice(elements)
        words = element.evaluate(
            "(e) => `${e.tagName.toLowerCase()} ${(e.ariaLabel ?? e.textContent ?? '').trim().slice(0, 50)}`"
        )
        kind = words.split(" ")[0]
        if kind == "a":
            return self._follow(element, words)
        if kind == "select":
            values = element.evaluate("(e) => [...e.options].map((option) => option.value)")
            value = self.random.choice(values)
            element.select_option(value)
            return f"{words} = {value}"
        if kind == "textarea" or (kind == "input" and self._is_text(element)):
            text = self.random.choice(WORDS)
            try:
                element.fill(text)
            except Error:
                element.type("12")  # a field for numbers takes no words
            if self.random.random() < 0.4:
                element.press("Enter")
            return f"{words} = {text[:20]!r}"
        element.click()
        return f"click {words}"

    def _is_text(self, element: ElementHandle) -> bool:
        return element.get_attribute("type") not in ("radio", "checkbox")

    def _follow(self, element: ElementHandle, words: str) -> str:
        href = element.get_attribute("href") or ""
        here = href.startswith("/") and not href.startswith(("/demo", "/cds-services", "/openapi"))
        if not here or element.get_attribute("target"):
            return f"left alone {words}"
        element.click()
        return f"follow {href}"

    def _open_chart(self) -> str:
        path = self.random.choice(self.charts)
        self.page.goto(self.base + path)
        return f"open {path}"

    def _open_workbench(self) -> str:
        self.page.goto(f"{self.base}/workbench")
        return "open the workbench"

    def _press_keys(self) -> str:
        keys = self.random.choices(
            ("Tab", "Enter", "Escape", "Space", "ArrowDown", "Shift+Tab"), k=6
        )
        for key in keys:
            self.page.keyboard.press(key)
        return f"keys {' '.join(keys)}"

    def _resize(self) -> str:
        width, height = self.random.choice(SIZES)
        self.page.set_viewport_size({"width": width, "height": height})
        return f"resize to {width}"

    def _reload(self) -> str:
        self.page.reload()
        return "reload"

    def _back(self) -> str:
        self.page.go_back()
        return "back"


def run(base: str, chromium: str, seed: int, minutes: float) -> int:
    """Lets a monkey loose on a demo, and returns an exit code."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        monkey = Monkey(browser.new_context(accept_downloads=True), base, seed)
        end = time.monotonic() + minutes * 60
        try:
            while time.monotonic() < end:
                monkey.step()
        except Found as fault:
            _say(f"FOUND with seed {seed}: {fault}\nThe last steps:")
            _say("\n".join(f"  {step}" for step in monkey.steps))
            return 1
        finally:
            _say(f"seed {seed}: {dict(sorted(monkey.counts.items()))}")
            browser.close()
    _say(f"{minutes:g} minutes and nothing found.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A monkey on the pages of the demo.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    chromium = chromium_path()
    if not chromium:
        sys.exit(
            "no Chromium here: apt-get install chromium-headless-shell, or name one in CHROMIUM"
        )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    command = [sys.executable, "-m", "cds_service", "demo", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean | _PATIENT
    ) as process:
        assert process.stdout is not None
        try:
            return run(_address(process.stdout), chromium, asked.seed, asked.minutes)
        finally:
            process.terminate()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
