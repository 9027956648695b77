"""docs/clinical-decisions.md has a complete entry for each code that is cited."""

from __future__ import annotations

import re
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cds_service.knowledge.basis import CODE, anchor, decisions_text, entries
from tests.fhir_resources import pipeline
from tests.test_docs import THREATS

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "clinical-decisions.md"
FOLDERS = ["cds_service", "hooks", "docs", "tests"]
PROSE = re.compile(r"^(?:where|why|note|usageRequirements|when) = (.+)$|(?:^|\s)(#.*)$")
ABSENT = re.compile(
    r"\b(?:design|data|house|clinical|peers|trials|style)\.md\b|reference/|source-articles"
)
# What looks like a code and is none: pages of a journal.
NO_CODE = {"S1-42"}


@cache
def _words(path: Path) -> tuple[tuple[int, str], ...]:
    return tuple(_read(path))


def _read(path: Path) -> Iterator[tuple[int, str]]:
    """Returns the lines written for humans: comments, strings, and all lines of a Markdown page."""
    if path.suffix == ".py":
        yield from _python(path)
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if path.suffix == ".md":
            yield number, line
        elif found := PROSE.search(line):
            yield number, found[1] or found[2]


def _python(path: Path) -> Iterator[tuple[int, str]]:
    """Returns comments and strings, but not a string that is only a code, such as "N17"."""
    kinds = {
        tokenize.COMMENT,
        tokenize.STRING,
        getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
    }
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            text = token.string.strip("\"'")
            if token.type not in kinds or CODE.fullmatch(text):
                continue
            yield from enumerate(text.splitlines(), token.start[0])


@cache
def _files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(p for p in found if p.suffix in {".py", ".toml", ".md"} and p != Path(__file__))


def _cited(text: str) -> list[str]:
    return [found[0] for found in CODE.finditer(text) if found[0] not in NO_CODE]


def _dangling(path: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT).as_posix()}:{number} {code}"
        for number, line in _words(path)
        for code in _cited(line)
        if code not in entries()
    ]


@pytest.mark.skipif(not (ROOT / "hooks").is_dir(), reason="reads the source folder")
def test_each_code_that_is_cited_has_an_entry() -> None:
    assert [place for path in _files() for place in _dangling(path)] == []


@pytest.mark.skipif(not (ROOT / "hooks").is_dir(), reason="reads the source folder")
def test_no_reference_leads_to_a_file_that_is_not_here() -> None:
    places = [
        f"{path.relative_to(ROOT).as_posix()}:{number} {line.strip()}"
        for path in _files()
        for number, line in _words(path)
        if ABSENT.search(line)
    ]
    assert [p for p in places if not p.startswith("cds_service/")] == []  # these go with that code


def test_each_threat_that_is_cited_is_one_of_the_list() -> None:
    known = {f"T-{number:02}" for number in THREATS}
    files = [path for path in _files() if path.suffix != ".md" or path.parent == ROOT / "docs"]
    lines = [line for path in files for _, line in _words(path)]
    cited = set(re.findall(r"\bT-\d\d\b", "\n".join(lines)))
    assert len(cited) > 40
    assert cited - known == set()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("(B.0.7, M9)", ["B.0.7", "M9"]),
        ("M10 b to d; M10 c, DQ-DELTA", ["M10 b", "M10 c"]),
        ("B.5 rule 6, S18.", ["B.5 rule 6", "S18"]),
        ("S1-6; S1-15, S2-17", ["S1-6", "S1-15", "S2-17"]),
        ("ATC prefixes of C.2.1; D.4 steps 2 and 3", ["C.2.1", "D.4"]),
        ("M8's order, M7 to M9", ["M8", "M7", "M9"]),
        ("M4: OS-HTS-ICP codes (N4)", ["M4", "N4"]),
        ("CRAMP block, MON, FALL line", ["CRAMP", "MON", "FALL"]),
        ("B12, L3, M18x, #B10, #a1b2c3, R40.20, K74.60, E87.1, S06.6X0A, N17.9, S42*", []),
        ("FHIR R4, A1c, D5NS, ICD-9 430, CRAMP-LABS, OS-DIUR-CRAMP, v1.M9, e.g. 2, STOPP D4", []),
    ],
)
def test_a_code_is_distinguished_from_text_that_only_looks_like_one(
    text: str, codes: list[str]
) -> None:
    assert _cited(text) == codes


def test_each_anchor_occurs_once() -> None:
    headings = re.findall(r"^#+ (.+)$", decisions_text(), re.MULTILINE)
    made = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(made) == len(set(made))
    assert {anchor(code) for code in entries()} <= set(made)


def test_each_entry_has_its_rule_its_source_and_its_reason() -> None:
    assert len(entries()) > 140
    for code, text in entries().items():
        rule, source, reason = re.split(r"\n\n(?=Source: |Why: )", text)[:3]
        assert rule.startswith("**"), code
        assert len(source) > len("Source: "), code
        assert len(reason) > len("Why: x"), code


def test_an_entry_names_numbers_and_sources_that_exist() -> None:
    knowledge = pipeline().knowledge
    numbers = set(re.findall(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`", decisions_text()))
    sources = re.findall(r"^Source: (.+?)\n\n", decisions_text(), re.MULTILINE | re.DOTALL)
    keys = {key for line in sources for key in re.findall(r"`([a-z0-9-]+)`", line)} - {"evidence"}
    assert numbers == set(knowledge.thresholds), "each number is spoken of, and no other"
    assert keys <= set(knowledge.citations)


def test_the_packaged_page_is_the_one_in_docs() -> None:
    assert decisions_text() == DOCUMENT.read_text(encoding="utf-8")


def test_a_card_number_that_rests_on_our_own_decision_says_which() -> None:
    for name, threshold in pipeline().knowledge.thresholds.items():
        own = threshold.source == "design" and threshold.evidence == "design"
        result = [code for code in _cited(threshold.where) if code in entries()]
        assert result or not own or name in {"trend_arrow_from", "suppression_shared_minutes"}, name


# What the basis pages are made of, beside the rules themselves.
DOCUMENTS = ("docs/clinical-decisions.md", "docs/clinical-examples.json")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_document_goes_into_the_wheel_the_source_archive_and_the_image(name: str) -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    targets = written["tool"]["hatch"]["build"]["targets"]
    assert all(name in targets[target]["only-include"] for target in ("wheel", "sdist"))
    assert targets["wheel"]["sources"]["docs"] == "cds_service/docs"


@pytest.mark.skipif(not (ROOT / "Dockerfile").is_file(), reason="builds from the source folder")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_image_is_built_with_the_document(name: str) -> None:
    copied = [
        word
        for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ")
        for word in line.split()
    ]
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert name in copied
    assert f"!{name}" in let_in
