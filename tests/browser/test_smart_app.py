"""The SMART app in a browser, opened by a real authorization server (Django OAuth Toolkit)."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from msgspec import Struct
from playwright.sync_api import Browser, Frame, Page, expect
from werkzeug.serving import make_server

from cds_service.app import create_app
from cds_service.settings import Settings
from tests.browser.axe import assert_nothing_found
from tests.browser.conftest import PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)
CLIENTS = """
[clients.mercy]
fhir_bases = ["{ehr}/fhir"]
allow_private = true
time_zone = "UTC"
deadline_ms = 5000
extra_sources = ["MedicationAdministration"]
[clients.mercy.smart_launch]
client_id = "sodium-app"
frame_ancestors = ["{ehr}"]
"""


class Site(Struct, frozen=True):
    """An EHR and our service, both running; another site that may not frame the app."""

    ehr: str
    service: str

    @property
    def launch(self) -> str:
        """Where the EHR opens the app."""
        return f"{self.service}/smart/mercy/launch"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def site(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The EHR in a process of its own, and the service in a thread."""
    folder = tmp_path_factory.mktemp("smart")
    ehr_port, own_port = free_port(), free_port()
    site = Site(f"http://127.0.0.1:{ehr_port}", f"http://localhost:{own_port}")
    redirect = f"{site.service}/smart/mercy/app"
    command = [sys.executable, "-m", "tests.smart.authorization_server"]
    ehr = subprocess.Popen(
        [*command, str(ehr_port), redirect, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"EHR_BASE": f"{site.ehr}/fhir"},
        cwd=Path(__file__).parents[2],
    )
    (folder / "clients.toml").write_text(CLIENTS.format(ehr=site.ehr), encoding="utf-8")
    settings = Settings(
        mode="development",
        clients_file=folder / "clients.toml",
        data_dir=folder / "data",
        public_url=site.service,
    )
    app = create_app(settings)
    server = make_server("127.0.0.1", own_port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert ehr.stdout is not None
        assert ehr.stdout.readline() == "ready\n"
        yield site
    finally:
        server.shutdown()
        server.server_close()
        ehr.terminate()
        ehr.wait()
        if ehr.stdout is not None:
            ehr.stdout.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh browser of a nurse, in whose console nothing may go wrong."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    yield page
    context.close()
    assert trouble == []


def consent(page: Page | Frame) -> None:
    """Logs in and allows the app what it asks for, as a user does."""
    page.get_by_label("Username").fill("nurse")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Authorize").or_(page.locator("input[value=Authorize]")).click()


def opened(page: Page, site: Site, patient: str) -> Page:
    """The app in the EHR's window, after login and consent."""
    page.goto(f"{site.ehr}/ehr/window?patient={patient}&app={site.launch}")
    consent(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sodium")
    page.wait_for_load_state()  # the script that answers keys and pointer runs before
    return page


def test_the_ehr_is_asked_by_a_code_with_pkce_for_the_patient_of_the_launch(
    page: Page, site: Site
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, site, "near-the-limit")
    [authorize] = [url for url in asked if "/o/authorize/" in url and "state=" in url][:1]
    query = {name: values[0] for name, values in parse_qs(urlsplit(authorize).query).items()}
    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert query["aud"] == f"{site.ehr}/fhir"
    scopes = query["scope"].split()
    assert {"launch", "openid", "fhirUser", "patient/Observation.rs"} <= set(scopes)
    assert "code_verifier" not in query
    # The page takes the code of the launch out of the address once it has loaded.
    page.wait_for_url(lambda url: not urlsplit(url).query)


def test_plot_and_card_say_the_same_room_until_the_same_time(page: Page, site: Site) -> None:
    opened(page, site, "near-the-limit")
    room = page.locator(".room").inner_text()
    found = re.fullmatch(r"Room left until (.+): (\d+) mmol/L \(not above (\d+)\)", room)
    assert found, room
    until, left, ceiling = found.groups()
    assert left == "1"
    cards = page.locator("section.cards").inner_text()
    assert f"not above {ceiling} mmol/L before {until}" in cards
    limit = page.locator(".span:not([hidden]) .plot.wide .limit-name").text_content()
    assert limit == f"limit {ceiling} until {until}"


def test_values_are_read_by_keyboard_and_pointer(page: Page, site: Site) -> None:
    opened(page, site, "rising-too-fast")
    readout = page.locator(".readout")
    dots = page.locator(".span:not([hidden]) .plot.wide .dot[tabindex]")
    dots.last.focus()
    expect(readout).to_contain_text("127 mmol/L, mild")
    page.keyboard.press("ArrowLeft")
    expect(readout).to_contain_text("124 mmol/L, moderate")
    page.keyboard.press("Home")
    expect(readout).to_contain_text("118 mmol/L, severe")
    dots.last.hover()
    expect(readout).to_contain_text("127 mmol/L")


def test_the_time_that_is_shown_can_be_chosen(page: Page, site: Site) -> None:
    opened(page, site, "discharge-at-128")
    count = page.locator(".span:not([hidden]) .plot.wide .dot[tabindex]")
    expect(count).to_have_count(4)
    page.get_by_label("24 h").check()
    expect(count).to_have_count(1)
    page.get_by_label("all").check()
    expect(count).to_have_count(4)
    bars = page.locator(".span:not([hidden]) .plot.wide .bar")
    expect(bars).to_have_count(2)  # sertraline and tolvaptan


def test_goal_and_limit_are_drawn_from_the_same_base(page: Page, site: Site) -> None:
    opened(page, site, "near-the-limit")
    plot = page.locator(".span:not([hidden]) .plot.wide")
    expect(plot.locator(".goal title")).to_have_text("goal: 116 to 122 mmol/L")
    goal, limit, base = (
        plot.locator(name).bounding_box() for name in (".goal", ".limit", ".base-line")
    )
    assert goal is not None
    assert limit is not None
    assert base is not None
    assert limit["y"] < goal["y"], "the limit lies above the goal"
    assert abs(goal["y"] + goal["height"] - base["y"]) < 2, "the goal begins at the base"
    expect(page.locator(".legend .key-goal")).to_have_text("goal: 116 to 122 mmol/L")


@pytest.mark.parametrize(
    ("patient", "drawn", "words"),
    [
        ("blood-gas-reads-higher", (".dot.poc",), "blood gas or bedside"),
        ("partly-glucose", (".dot.lab", ".dot.corrected"), "corrected for glucose"),
        ("isotonic-saline-in-siadh", (".dot.lab",), "620 mOsm/kg"),
        ("seizure", (".event.symptom",), "seizure"),
        ("rising-too-fast", (".event.dose", ".event.rise"), "rise of 9 mmol/L in 23.5 h"),
        ("discharge-at-128", (".bar.lowers", ".bar.treats"), "sertraline"),
    ],
    ids=["methods apart", "glucose", "urine", "symptom", "doses and over-correction", "drugs"],
)
def test_what_belongs_to_sodium_is_drawn_and_said_in_words(
    patient: str, drawn: tuple[str, ...], words: str, page: Page, site: Site
) -> None:
    opened(page, site, patient)
    page.get_by_label("all", exact=True).check()
    plot = page.locator(".span:not([hidden]) .plot.wide")
    for name in drawn:
        expect(plot.locator(name)).not_to_have_count(0)
    expect(page.locator(".tables, .now, .legend").filter(has_text=words)).not_to_have_count(0)


def test_it_prints_the_plot_and_leaves_out_what_is_pressed(page: Page, site: Site) -> None:
    opened(page, site, "near-the-limit")
    page.emulate_media(media="print")
    expect(page.locator(".spans")).to_be_hidden()
    expect(page.locator(".readout")).to_be_hidden()
    expect(page.locator(".room")).to_be_visible()
    expect(page.locator(".span:not([hidden]) .plot").filter(visible=True)).to_have_count(1)
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_screen_reader_finds_the_parts_by_name_and_the_values_in_a_table(
    page: Page, site: Site
) -> None:
    opened(page, site, "near-the-limit")
    for name in ("Sodium now", "Chart of sodium", "Decision support"):
        expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("group", name=re.compile("Sodium over time: 3 values"))).to_be_visible()
    expect(
        page.get_by_role("img", name=re.compile("^123 mmol.L, moderate, (to|yester)day"))
    ).to_be_visible()
    values = page.get_by_role("region", name="Sodium values")
    expect(values.get_by_role("row").nth(1)).to_contain_text("123")
    expect(page.locator("footer")).to_contain_text("AASLD 2021 profile.")


def test_the_app_opens_in_the_frame_of_the_ehr(page: Page, site: Site) -> None:
    page.goto(f"{site.ehr}/ehr/chart?patient=rising-too-fast&app={site.launch}")
    frame = page.frame_locator("#app")
    frame.get_by_label("Username").fill("nurse")
    frame.get_by_label("Password").fill("demo")
    frame.get_by_role("button", name="Log in").click()
    frame.locator("input[value=Authorize], button:has-text('Authorize')").first.click()
    expect(frame.get_by_role("heading", level=1)).to_contain_text("Sodium")
    expect(frame.locator("article.card.critical h3")).to_contain_text("too fast")


def test_another_site_may_not_show_it_in_a_frame(page: Page, site: Site) -> None:
    answer = page.request.get(f"{site.service}/smart/mercy/app?code=x&state=y")
    policy = answer.headers["content-security-policy"]
    assert f"frame-ancestors {site.ehr}" in policy
    assert answer.headers["cache-control"] == "no-store"


def test_it_opens_by_itself_for_the_patient_that_the_user_picks(page: Page, site: Site) -> None:
    page.goto(site.launch)
    assert "launch/patient" in unquote(unquote(page.url))
    consent(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Sodium")
    expect(page.locator(".about").first).to_contain_text("Practitioner/nurse")


def test_a_code_that_is_used_again_or_of_another_browser_opens_nothing(
    page: Page, browser: Browser, site: Site
) -> None:
    back: list[str] = []
    page.on("request", lambda r: back.append(r.url) if "/smart/mercy/app?" in r.url else None)
    opened(page, site, "rising-too-fast")
    [used] = back
    page.goto(used)
    expect(page.get_by_role("heading", level=1)).to_have_text("The chart could not be opened")
    stranger = browser.new_context()
    other = stranger.new_page()
    other.goto(used)
    expect(other.locator(".note")).to_contain_text("This launch is over")
    assert "127" not in other.content()
    stranger.close()


def test_a_launch_of_a_server_that_is_not_registered_goes_nowhere(page: Page, site: Site) -> None:
    answer = page.request.get(f"{site.launch}?iss=https://evil.example/fhir&launch=1")
    assert answer.status == 404
    assert "evil" not in answer.text()


def test_a_user_who_refuses_gets_a_page_that_says_so(page: Page, site: Site) -> None:
    page.goto(f"{site.ehr}/ehr/window?patient=rising-too-fast&app={site.launch}")
    page.get_by_label("Username").fill("nurse")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()
    page.locator("input[value=Cancel]").click()
    expect(page.locator(".note")).to_contain_text("got no leave to read the chart")


@pytest.mark.parametrize(
    ("patient", "width", "dark"),
    [
        ("discharge-at-128", 360, True),
        ("discharge-at-128", 900, False),
        ("discharge-at-128", 1440, True),
        ("rising-too-fast", 360, False),
        ("normal-sodium", 1440, False),
        ("sertraline-without-sodium", 360, True),
        ("blood-gas-reads-higher", 900, True),
        ("partly-glucose", 360, False),
    ],
)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    patient: str, width: int, dark: bool, browser: Browser, site: Site
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    opened(page, site, patient)
    assert_nothing_found(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_axe_finds_nothing_on_the_page_that_says_why_no_chart_is_shown(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.service}/smart/mercy/app?code=x&state=y")
    expect(page.get_by_role("heading", level=1)).to_have_text("The chart could not be opened")
    assert_nothing_found(page)
