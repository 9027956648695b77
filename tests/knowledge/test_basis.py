"""docs/clinical-basis.md and /basis say what hooks/ says, all of it, and nothing of any patient."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cds_service.cli.basis import command
from cds_service.knowledge.basis import basis_text
from cds_service.knowledge.load import Knowledge
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
    assert run(command, ["--check", "--document", document]).exit_code == 1
    assert run(command, ["--write", "--document", document]).exit_code == 0
    assert run(command, ["--check", "--document", document]).exit_code == 0
    Path(document).write_text("old", encoding="utf-8")
    old = run(command, ["--check", "--document", document])
    assert old.exit_code == 1
    assert "basis --write" in old.output


def test_the_page_shows_every_rule_number_line_and_source(
    knowledge: Knowledge, client: FlaskClient
) -> None:
    page = unescape(client.get("/basis").get_data(as_text=True))
    for service in knowledge.services.values():
        for rule, words in service.file.rules.items():
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
