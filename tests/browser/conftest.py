"""A running demo and Debian's Chromium, for tests that look at the chart page as a person does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_ADDRESS = re.compile(r"open\s+(http://\S+?)/\s")
PATIENCE_MS = 300_000  # a busy machine; what takes longer hangs
_BUSY_MACHINE = {"CDS_DEADLINE_MS": "5000"}  # the longest; live reads are in time beside Chromiums

Open = Callable[..., Page]


# The headless shell is the same engine without a desktop's windows: it needs half of the time.
_CALLED = "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"


def chromium_path() -> str:
    """Returns the browser that CHROMIUM names, else an installed one, else an empty text."""
    named = os.environ.get("CHROMIUM", "")
    return named or next(filter(None, map(shutil.which, _CALLED)), "")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's path. Without one these tests are skipped, but never in CI."""
    found = chromium_path()
    if not found and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("CI needs Chromium: apt-get install chromium-headless-shell")
    if not found:
        pytest.skip(
            "no Chromium here: apt-get install chromium-headless-shell, or name one in CHROMIUM"
        )
    return found


@pytest.fixture(scope="session")
def demo(chromium: str) -> Iterator[str]:
    """The address of a demo that runs as `cds-service demo` does."""
    command = [sys.executable, "-m", "cds_service", "demo", "--port", "0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=clean | _BUSY_MACHINE | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        try:
            yield _address(process.stdout)
        finally:
            process.terminate()


def _address(lines: IO[str]) -> str:
    for line in lines:
        found = _ADDRESS.search(line)
        if found:
            return found[1]
    raise AssertionError("the demo did not start")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser, demo: str, tmp_path: Path) -> Iterator[Open]:
    """Opens a path of the demo in a fresh context; at the end nothing may have gone wrong in the console."""
    trouble: list[str] = []
    contexts = []

    def open_(
        path: str, *, width: int = 1280, expected: tuple[str, ...] = (), dark: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on(
            "console",
            lambda message: (
                trouble.append(message.text)
                if message.type == "error" and not any(words in message.text for words in expected)
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                trouble.append(request.url) if not request.url.startswith(demo) else None
            ),
        )
        page.goto(demo + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert trouble == [], "errors in the console, or requests to elsewhere"
