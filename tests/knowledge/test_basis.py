"""docs/clinical-basis.md and /basis say what hooks/ says, all of it, and nothing of any patient."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from cds_service.cli.knowledge import basis
from cds_service.knowledge.basis import anchor, basis_text, entries, evidence_counts
from cds_service.knowledge.load import Knowledge
from cds_service.web.pages import decided
from tests.fhir_resources import pipeline

DOCUMENT = Path(__file__).parents[2] / "docs" / "clinical-basis.md"


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return pipeline().knowledge


def test_the_document_is_current(knowledge: Knowledge) -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == basis_text(knowledge), (
        "run `cds-service basis --write`"
    )


def test_the_command_writes_checks_and_notices_an_old_document(tmp_path: Path) -> None:
    document = str(tmp_path / "basis.md")
    run = CliRunner().invoke
    assert run(basis, ["--check", "--document", document]).exit_code == 1
    assert run(basis, ["--write", "--document", document]).exit_code == 0
    assert run(basis, ["--check", "--document", document]).exit_code == 0
    Path(document).write_text("old", encoding="utf-8")
    old = run(basis, ["--check", "--document", document])
    assert old.exit_code == 1
    assert "basis --write" in old.output


def test_the_page_shows_every_rule_number_line_and_source(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    page = unescape(client.get("/basis").get_data(as_text=True))
    for service in knowledge.services.values():
        for rule, words in service.rules.items():
            assert f'id="{rule}"' in page
            shown = (
                words.when,
                *words.summary.values(),
                *words.lines.values(),
                *words.silence.values(),
            )
            assert [text for text in shown if text not in page] == []
    assert [name for name in knowledge.thresholds if f'id="number-{name}"' not in page] == []
    assert [text for text in knowledge.words.lines.values() if text not in page] == []
    assert [c.title for c in knowledge.citations.values() if c.title not in page] == []
    assert [text for text in knowledge.words.evidence_flags.values() if text not in page] == []


def test_the_page_needs_no_script_and_each_of_its_links_leads_somewhere(
    client: FlaskClient,
) -> None:
    page = client.get("/basis").get_data(as_text=True)
    assert "<script" not in page
    targets = {part.split('"')[0] for part in page.split('id="')[1:]}
    links = {part.split('"')[0] for part in page.split('href="#')[1:]}
    assert links
    assert links - targets == set()


def test_each_code_beside_a_number_leads_to_its_entry(client: FlaskClient) -> None:
    told = client.get("/clinical-decisions").get_data(as_text=True)
    there = set(re.findall(r'id="([^"]+)"', told))
    page = client.get("/basis").get_data(as_text=True)
    links = re.findall(r'href="/clinical-decisions#([^"]+)"', page)
    assert len(links) > 150
    assert set(links) - there == set()
    assert '<td>design decision, <a href="/clinical-decisions#m9">M9</a></td>' in page


def test_the_page_of_decisions_holds_every_entry_and_each_of_its_links_leads_somewhere(
    client: FlaskClient,
) -> None:
    answer = client.get("/clinical-decisions")
    assert answer.status_code == 200
    page = answer.get_data(as_text=True)
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {anchor(code) for code in entries()} - set(ids) == set()
    assert set(re.findall(r'href="#([^"]+)"', page)) - set(ids) == set()
    numbers = set(re.findall(r'href="/basis(#[^"]+)"', page))
    basis = client.get("/basis").get_data(as_text=True)
    assert {
        f'id="{number[1:]}"' for number in numbers if f'id="{number[1:]}"' not in basis
    } == set()
    assert len(numbers) > 150
    assert "<script" not in page
    assert "](" not in page, "every link of the document became one"


def test_a_place_in_a_source_stays_text_but_for_its_codes(app: Flask) -> None:
    with app.test_request_context():
        told = decided(f"M9 <b>, B12, S{99}")  # what has no entry stays as it is
        assert told == f'<a href="/clinical-decisions#m9">M9</a> &lt;b&gt;, B12, S{99}'


def test_f35_the_basis_begins_with_the_evidence_and_says_what_is_contested(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    page = unescape(client.get("/basis").get_data(as_text=True))
    counts = evidence_counts(knowledge)
    assert counts["design"] > counts["verified"] > 0
    told = ", ".join(f"{number} {flag}" for flag, number in counts.items())
    assert told in page
    assert page.index(told) < page.index('Contents"')
    for one in knowledge.words.contested.values():
        assert one.text in page


def test_f35_every_source_has_author_year_publisher_and_link(knowledge: Knowledge) -> None:
    own = {"design", "source-article-1", "source-article-2"}  # nothing outside to point at
    for key, source in knowledge.citations.items():
        assert source.author, key
        assert source.publisher, key
        assert source.year, key
        assert source.url or key in own, key


def test_f35_the_source_articles_are_never_the_first_source_of_a_rule(knowledge: Knowledge) -> None:
    first = {words.sources[0] for words in knowledge.rules.values()}
    assert not {key for key in first if key.startswith("source-article")}
