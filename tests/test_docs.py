"""Each test that a document names exists, each required row is there, and no link is dead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cds_service
from cds_service.trust.registry import Registry
from tests.licenses import locked
from tests.test_architecture import MAY_IMPORT

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cds_service.__file__).parent
PAGES = [
    *(
        ROOT / name
        for name in (
            "README.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "SECURITY.md",
            "hooks/README.md",
        )
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]
TESTS = {
    found
    for path in (ROOT / "tests").rglob("test_*.py")
    for found in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
THREATS = [*range(1, 14), *range(20, 32), *range(40, 55), *range(60, 78)]


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["security.md", "conformance.md"])
def test_a_document_names_only_tests_that_exist(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", text(name)))
    assert named
    assert named - TESTS == set()


def test_nothing_tells_one_to_install_our_name_from_a_registry() -> None:
    """We are not on PyPI: who takes that name there would be installed in hospitals."""
    told = re.compile(r"pip3? install [^\n]*['\" ]hyponatremia-cds\b")
    package = Path(cds_service.__file__).parent  # of the wheel too
    places = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *package.glob("**/*.py")]
    assert len(places) > 100
    assert [str(path) for path in places if told.search(path.read_text())] == []


def test_every_threat_has_a_test_or_a_reason() -> None:
    rows = dict(
        re.findall(r"^\| (T-\d\d) \| [^|]+ \| ([^|]+) \|$", text("security.md"), re.MULTILINE)
    )
    assert sorted(rows) == [f"T-{number:02}" for number in THREATS]


def test_every_requirement_of_the_specification_is_answered() -> None:
    answered: set[str] = set()
    for items in re.findall(r"^\| ((?:CDSH|OWN)-[^|]+?) \|", text("conformance.md"), re.MULTILINE):
        for item in items.split(", "):
            first, _, last = item.partition(" to ")
            kind, number = first.split("-")
            end = int((last or first).split("-")[1])
            answered |= {f"{kind}-{n:0{len(number)}}" for n in range(int(number), end + 1)}
    wanted = {f"CDSH-{number:03}" for number in range(1, 137)} | {
        f"OWN-{number:02}" for number in range(1, 21)
    }
    assert answered == wanted


def test_each_dependency_stands_in_the_list_of_licenses() -> None:
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \| .+ \|$", text("licenses.md"), re.MULTILINE))
    assert set(locked()) - listed == set()


def test_the_diagram_and_the_page_on_architecture_name_only_modules_that_exist() -> None:
    drawn = re.findall(r'<tspan class="m">([^<]+)</tspan>', text("images/architecture.svg"))
    written = re.findall(rf"`((?:{'|'.join(MAY_IMPORT)})\.[a-z_]+)`", text("architecture.md"))
    assert len(set(drawn)) > 15
    assert set(drawn) <= {*written, *MAY_IMPORT}, "what is drawn is explained"
    for name in {*drawn, *written} - {"records.x", "fhir.resources"}:
        path = PACKAGE.joinpath(*name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__init__.py").exists(), name


@pytest.mark.skipif(not (ROOT / "hooks").is_dir(), reason="links lead into the source folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page: Path) -> None:
    for target in _links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: there is no such file"
        assert there.is_relative_to(ROOT), f"{target}: leads out of the repository"
        if anchor:
            assert anchor in _anchors(there), f"{target}: there is no such heading"


# Files that a site makes for itself, and a pattern.
NOT_IN_THE_REPOSITORY = {
    "hooks/knowledge/reviewed.toml",
    "deploy/kubernetes/overlays/site/kustomization.yaml",
    "cds_service/records/x.py",
}


@pytest.mark.skipif(not (ROOT / "hooks").is_dir(), reason="paths lead into the source folder")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    named = re.findall(
        r"\b(?:cds_service|tests|docs|hooks|bench|deploy|fixtures)/[\w./-]+\.(?:py|toml|md|yaml|conf)\b",
        page.read_text(encoding="utf-8"),
    )
    missing = {name for name in named if not (ROOT / name).exists()}
    assert missing - NOT_IN_THE_REPOSITORY == set()


def test_reading_records_names_only_tests_that_exist() -> None:
    path = ROOT
    for name, test in re.findall(
        r"`((?:[a-z]+/)?test_\w+\.py)?(?:::(test_\w+))?`", text("reading-records.md")
    ):
        if name:
            path = ROOT / "tests" / (name if "/" in name else f"records/{name}")
        if name or test:
            assert f"def {test or 'test_'}" in path.read_text(encoding="utf-8"), (
                f"{path.name}::{test}"
            )


def _links(page: Path) -> list[str]:
    """Returns the relative links and pictures of a page, outside of code."""
    prose = re.sub(
        r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    prose = re.sub(r"`[^`\n]+`\]", "]", prose)  # the text of a link may be code
    found = re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", re.sub(r"`[^`\n]*`", "", prose))
    return [link for link in found if not re.match(r"[a-z][a-z0-9+.-]*:", link)]


def _anchors(page: Path) -> set[str]:
    """Returns the anchors that GitHub makes from a page's headings, and those written in it."""
    written = page.read_text(encoding="utf-8")
    made: dict[str, int] = {}
    anchors = set(re.findall(r'<a (?:id|name)="([^"]+)"', written))
    for heading in re.findall(
        r"^#{1,6} (.+?)\s*$", re.sub(r"^```.*?^```", "", written, flags=re.M | re.S), re.M
    ):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        made[name] = made.get(name, -1) + 1
        anchors.add(f"{name}-{made[name]}" if made[name] else name)
    return anchors


def test_the_example_of_a_registry_would_start_in_production() -> None:
    registry = Registry.load(ROOT / "clients.example.toml", need_keys=True)
    assert [client.name for client in registry.clients] == ["mercy", "saint-anne", "oracle"]
