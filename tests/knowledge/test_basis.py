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
from cds_service.cli.review_examples import shown_examples
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.knowledge.basis import anchor, basis_text, entries, evidence_counts
from cds_service.knowledge.examples import NAME, examples, examples_text
from cds_service.knowledge.load import Knowledge
from cds_service.web.basis import decided
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


PAGES = ("/basis", "/basis/numbers", "/basis/words", "/basis/sources")


def text_of(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.get_data(as_text=True)


def test_the_index_lists_every_rule_under_its_old_anchor(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    page = text_of(client, "/basis")
    for rule, words in knowledge.rules.items():
        row = page.partition(f'<li id="{rule}">')[2].partition("</li>")[0]
        assert f'href="/basis/{rule}"' in row, rule
        assert knowledge.topics[words.topic] in unescape(row), rule


def test_each_rule_has_a_page_with_all_its_words_its_card_its_numbers_and_who_signed(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    shown = examples().rules
    for rule, words in knowledge.rules.items():
        page = unescape(text_of(client, f"/basis/{rule}"))
        texts = (
            words.when,
            *words.summary.values(),
            *words.lines.values(),
            *words.silence.values(),
        )
        assert [text for text in texts if text not in page] == [], rule
        example = shown[rule]
        assert example.summary in page, rule
        assert [label for label in example.buttons if label not in page] == [], rule
        assert [one.title for one in example.stories if one.title not in page] == [], rule
        assert [name for name in example.numbers if name not in page] == [], rule
        assert "knowledge/thresholds.toml</code>: not clinically reviewed" in page, rule


def test_the_examples_are_those_of_the_stories(knowledge: Knowledge) -> None:
    stories = load_stories(default_fixtures_dir())
    current = shown_examples(pipeline(), stories)
    written = DOCUMENT.with_name(NAME).read_text(encoding="utf-8")
    assert written == examples_text(current), "run `cds-service basis --write`"
    assert set(current.rules) == set(knowledge.rules), "each rule needs a story that shows it"


def test_an_unknown_rule_is_no_page(client: FlaskClient) -> None:
    assert client.get("/basis/PV-NONE").status_code == 404


def test_the_other_pages_show_every_number_line_and_source(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    numbers, words, sources = (unescape(text_of(client, page)) for page in PAGES[1:])
    assert [name for name in knowledge.thresholds if f'id="number-{name}"' not in numbers] == []
    assert [text for text in knowledge.words.lines.values() if text not in words] == []
    assert [c.title for c in knowledge.citations.values() if c.title not in sources] == []


def test_the_numbers_of_one_evidence_class_are_counted_on_the_index(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    for flag in knowledge.words.evidence_flags:
        page = text_of(client, f"/basis/numbers?evidence={flag}")
        shown = set(re.findall(r'<tr id="number-([a-z_0-9]+)"', page))
        wanted = {
            name
            for name, t in knowledge.thresholds.items()
            if flag in {one.evidence for one in (t, *t.profiles.values())}
        }
        assert shown == wanted, flag
    assert len(re.findall('<tr id="number-', text_of(client, "/basis/numbers?evidence=x"))) == len(
        knowledge.thresholds
    )


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("overcorrection", 'href="/basis/RATE-OVER"'),
        ("zoloft ", "<strong>sertraline</strong>"),
        ("<b>no such thing</b>", "0 found"),
        ("discharge_low_below", 'href="/basis/numbers#number-discharge_low_below"'),
        ("Spasovski", 'href="/basis/sources#erbp-2014"'),
        ("RATE-OVER", 'href="/basis/RATE-OVER"'),
        ("fast rise demyelination", 'href="/basis/'),
    ],
)
def test_a_search_finds_rules_numbers_and_sources(
    query: str, there: str, client: FlaskClient
) -> None:
    page = client.get("/basis", query_string={"q": query}).get_data(as_text=True)
    found = page.partition('class="found"')[2].partition("</section>")[0]
    assert there in found, found


def test_a_search_shows_what_was_typed_as_text(client: FlaskClient) -> None:
    page = client.get("/basis", query_string={"q": '"><script>alert(1)</script>'}).get_data(
        as_text=True
    )
    assert "<script>alert" not in page
    assert "0 found" in page


@pytest.mark.parametrize("path", [*PAGES, "/basis/RATE-OVER"])
def test_each_link_of_a_page_leads_somewhere(path: str, client: FlaskClient) -> None:
    page = text_of(client, path)
    targets = {part.split('"')[0] for part in page.split('id="')[1:]}
    links = {part.split('"')[0] for part in page.split('href="#')[1:]}
    assert links - targets == set()
    inside = {unescape(link) for link in re.findall(r'href="(/[^"#]*)', page)}
    for link in inside:
        with client.get(link) as answer:
            assert answer.status_code == 200, link


def test_each_code_beside_a_number_leads_to_its_entry(client: FlaskClient) -> None:
    told = client.get("/clinical-decisions").get_data(as_text=True)
    there = set(re.findall(r'id="([^"]+)"', told))
    page = client.get("/basis/numbers").get_data(as_text=True)
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
    numbers = set(re.findall(r'href="/basis/numbers(#[^"]+)"', page))
    basis = client.get("/basis/numbers").get_data(as_text=True)
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
    assert page.index(told) < page.index("<h2")
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
