"""Behind the shipped nginx, below a path: a person reads the pages, and no link leaves the path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from cds_service.cli.run import free_port
from tests.browser.conftest import PATIENCE_MS
from tests.cluster.load import Node, running
from tests.proxy import CONF, ROOT, Proxy, nginx

pytestmark = pytest.mark.skipif(not CONF.is_file(), reason="a wheel has no deploy/")
# The words that docs/container.md tells to change.
BELOW = (
    ("location / {", "location /cds/ {"),
    ("proxy_pass http://cds;", "proxy_pass http://cds/;"),
)
PAGES_AT_MOST = 40


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The service in production mode, which knows that it is reached below /cds/."""
    folder = tmp_path_factory.mktemp("below")
    port = free_port("127.0.0.1")
    (folder / "clients.toml").write_text(
        "[clients.mercy]\nissuer = 'https://ehr.example'\njwks_url = 'https://ehr.example/jwks'\n"
    )
    node = Node(
        folder,
        {
            "CDS_MODE": "production",
            "CDS_CLIENTS_FILE": f"{folder}/clients.toml",
            "CDS_DATA_DIR": f"{folder}",
            "CDS_DRAIN_SECONDS": "0",
            "CDS_PUBLIC_URL": f"https://localhost:{port}/cds",
        },
    )
    upstream = node.base.removeprefix("http://")
    with running(node), nginx(folder, upstream, port=port, below=BELOW) as proxy:
        yield proxy


@pytest.fixture
def page(browser: Browser, proxy: Proxy) -> Iterator[Page]:
    """A page that notes each request which fails or leaves the path, and each fault of a script."""
    trouble: list[str] = []
    context = browser.new_context(ignore_https_errors=True)  # the certificate signs itself
    one = context.new_page()
    one.set_default_timeout(PATIENCE_MS)
    one.on("pageerror", lambda error: trouble.append(str(error)))
    one.on(
        "response",
        lambda answer: (
            None
            if answer.url.startswith(f"{proxy.url}/cds/") and answer.status < 400
            else trouble.append(f"{answer.status} {answer.url}")
        ),
    )
    yield one
    context.close()
    assert trouble == [], "requests that failed or left the path"


def test_a_person_goes_from_the_start_page_to_the_basis_and_all_looks_as_it_should(
    page: Page, proxy: Proxy
) -> None:
    page.goto(f"{proxy.url}/cds/")
    page.locator("a[href$='/basis']").first.click()
    page.wait_for_url(f"{proxy.url}/cds/basis")
    assert page.evaluate("document.styleSheets.length") > 0
    assert page.evaluate("document.styleSheets[0].cssRules.length") > 0, "the page has no style"
    page.locator("main a[href*='/basis/']").first.click()
    page.wait_for_url(re.compile(re.escape(proxy.url) + "/cds/basis/.+"))
    assert page.locator("h1").inner_text()


def test_every_link_that_can_be_reached_is_below_the_path_and_answers(proxy: Proxy) -> None:
    waiting, seen = ["/cds/"], set[str]()
    while waiting and len(seen) < PAGES_AT_MOST:
        path = waiting.pop(0)
        seen.add(path)
        answer = proxy.get(path)
        assert answer.status_code == 200, path
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        links = {
            link.partition("#")[0]
            for link in re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
        }
        assert [link for link in links if not link.startswith("/cds/")] == [], path
        waiting += sorted(links - seen - set(waiting))
    assert {"/cds/basis", "/cds/cds-services", "/cds/static/page.css"} <= seen


def test_discovery_is_found_below_the_path_and_the_guide_names_the_words(proxy: Proxy) -> None:
    assert proxy.get("/cds/cds-services").json()["services"]
    assert proxy.get("/cds-services").status_code == 404
    guide = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    for _, new in BELOW:
        assert new in guide
