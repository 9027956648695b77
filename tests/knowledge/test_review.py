"""Signing: who answers for a file of hooks/, as long as the file is what was signed."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.app import create_app
from cds_service.cli.knowledge import check
from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.review import REVIEWED, sign_line
from cds_service.settings import Settings
from cds_service.trust.registry import Registry

FILE = "knowledge/topics.toml"
DAY = date(2026, 11, 20)


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    copy = tmp_path / "hooks"
    shutil.copytree(default_hooks_dir(), copy)
    (copy / REVIEWED).unlink(missing_ok=True)
    return copy


def sign(
    hooks: Path, *names: str, who: str = "Ada Example", role: str = "clinical pharmacist"
) -> None:
    """Paste the sign line of each file, filled in, as hooks/README.md says."""
    lines = [sign_line(n, (hooks / n).read_text(encoding="utf-8"), DAY) for n in names]
    text = "\n".join(lines).replace("FIRST AND LAST NAME", who).replace('"ROLE"', f'"{role}"')
    (hooks / REVIEWED).write_text(text, encoding="utf-8")


def sign_all(hooks: Path) -> None:
    sign(hooks, *load_knowledge(hooks).reviews.unsigned)


def service(hooks: Path, folder: Path, *, require_signed: bool = False) -> tuple[str, list[str]]:
    """The basis page, and the descriptions of the services."""
    settings = Settings(
        mode="demo",
        data_dir=folder / "data",
        hooks_dir=hooks,
        public_url="http://t",
        require_signed=require_signed,
    )
    client = create_app(
        settings, registry=lambda: Registry.demo("http://t/demo/fhir")
    ).test_client()
    services = client.get("/cds-services").get_json()["services"]
    return client.get("/basis").get_data(as_text=True), [s["description"] for s in services]


def test_unsigned_knowledge_says_so_on_the_page_in_check_and_in_the_description(
    hooks: Path, tmp_path: Path
) -> None:
    page, descriptions = service(hooks, tmp_path)
    assert "Not clinically reviewed." in page
    assert all(text.endswith("Not clinically reviewed.") for text in descriptions)
    told = CliRunner().invoke(check, ["--hooks", str(hooks)])
    assert f"not clinically reviewed: {FILE}" in told.output


def test_signed_knowledge_names_who_signed_and_no_longer_warns(hooks: Path, tmp_path: Path) -> None:
    sign_all(hooks)
    page, descriptions = service(hooks, tmp_path, require_signed=True)
    assert "ot clinically reviewed" not in page
    assert "signed by Ada Example, clinical pharmacist, 2026-11-20" in page
    assert not any("reviewed" in text for text in descriptions)
    told = CliRunner().invoke(check, ["--hooks", str(hooks)])
    assert f"signed by Ada Example, clinical pharmacist, 2026-11-20: {FILE}" in told.output


def test_a_file_changed_after_it_was_signed_is_not_reviewed_any_more(
    hooks: Path, tmp_path: Path
) -> None:
    sign_all(hooks)
    path = hooks / FILE
    path.write_text(path.read_text(encoding="utf-8") + "\n# one more word\n", encoding="utf-8")
    page, descriptions = service(hooks, tmp_path)
    assert "not clinically reviewed: changed since it was signed" in page
    assert all(text.endswith("Not clinically reviewed.") for text in descriptions)
    told = json.loads(CliRunner().invoke(check, ["--hooks", str(hooks), "--json"]).output)
    assert told["reviewed"] is False
    assert told["changed"] == [FILE]


def test_a_site_may_refuse_to_start_on_unsigned_knowledge(hooks: Path, tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"CDS_REQUIRE_SIGNED.*knowledge/topics\.toml"):
        service(hooks, tmp_path, require_signed=True)


def test_the_line_to_paste_signs_the_file_once_name_and_role_are_filled_in(hooks: Path) -> None:
    told = CliRunner().invoke(check, ["--hooks", str(hooks), "--sign-line", FILE])
    assert told.exit_code == 0
    pasted = told.output.replace("FIRST AND LAST NAME", "Ada Example").replace(
        '"ROLE"', '"pharmacist"'
    )
    (hooks / REVIEWED).write_text(pasted, encoding="utf-8")
    assert set(load_knowledge(hooks).reviews.signed) == {FILE}


def test_a_line_that_was_not_filled_in_signs_nothing(hooks: Path) -> None:
    sign(hooks, FILE, who="FIRST AND LAST NAME")
    with pytest.raises(KnowledgeError, match="needs the name and the role"):
        load_knowledge(hooks)


def test_a_signature_of_a_file_that_is_not_there_is_a_mistake(hooks: Path) -> None:
    sign(hooks, FILE)
    path = hooks / REVIEWED
    path.write_text(path.read_text(encoding="utf-8").replace("topics", "topiks"), encoding="utf-8")
    with pytest.raises(KnowledgeError, match="topiks"):
        load_knowledge(hooks)


def test_only_files_of_hooks_can_be_signed(hooks: Path) -> None:
    told = CliRunner().invoke(check, ["--hooks", str(hooks), "--sign-line", "../pyproject.toml"])
    assert told.exit_code == 2
    assert FILE in told.output
