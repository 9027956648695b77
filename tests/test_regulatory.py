"""The file that a manufacturer shows is current, traced to tests that exist, and true of the cards."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from flask.testing import FlaskClient

from cds_service.app import foundation
from cds_service.cli.knowledge import basis
from cds_service.cli.regulatory import pages_of, regulatory
from cds_service.cli.replay import evaluate
from cds_service.demo.stories import Story
from cds_service.errors import KnowledgeError
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.knowledge.regulatory import Regulatory, group_of, load_regulatory
from cds_service.settings import Settings
from cds_service.trust.registry import Client
from tests.fhir_resources import pipeline

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "regulatory"
HOOKS = default_hooks_dir()
TIME_CRITICAL = ("PV-SYMP", "PV-ENC", "PV-ACUTE", "RATE-OVER")


@pytest.fixture(scope="module")
def read() -> Regulatory:
    return load_regulatory(HOOKS, pipeline().knowledge)


# ---- the pages


def test_the_pages_are_current_and_none_is_left_over() -> None:
    made = pages_of(pipeline().knowledge, HOOKS)
    there = {path.name: path.read_text(encoding="utf-8") for path in PAGES.iterdir()}
    assert there == made, "run `cds-service regulatory --write`"


def test_every_page_says_that_it_is_a_draft_until_a_manufacturer_signs(tmp_path: Path) -> None:
    made = pages_of(pipeline().knowledge, HOOKS)
    assert all("**Draft for the manufacturer who signs.**" in text for text in made.values())
    signed = changed(tmp_path, "purpose", 'name = ""', 'name = "Acme"')
    purpose = signed / "regulatory" / "purpose.toml"
    for key in ("address", "responsible", "signed"):
        edit(purpose, f'{key} = ""', f'{key} = "{key} of Acme"')
    made = pages_of(pipeline().knowledge, signed)
    assert not any("Draft for the manufacturer" in text for text in made.values())
    assert "Acme, address of Acme" in made["source-attributes.md"]


def test_the_command_writes_checks_and_names_an_old_page(tmp_path: Path) -> None:
    run, output = CliRunner().invoke, ["--output", str(tmp_path / "file")]
    assert run(regulatory, ["--check", *output]).exit_code == 1
    assert run(regulatory, ["--write", *output]).exit_code == 0
    assert run(regulatory, ["--check", *output]).exit_code == 0
    edit(tmp_path / "file" / "safer.md", "SAFER", "safer")
    old = run(regulatory, ["--check", *output])
    assert old.exit_code == 1
    assert "safer.md" in old.output
    assert "hazard-log.md" not in old.output


def test_what_renews_the_clinical_basis_renews_the_file_beside_it(tmp_path: Path) -> None:
    beside = tmp_path / "regulatory"
    beside.mkdir()
    written = CliRunner().invoke(basis, ["--write", "--document", str(tmp_path / "basis.md")])
    assert written.exit_code == 0, written.output
    assert (beside / "hazard-log.md").is_file()


# ---- traced to tests


def _tests() -> set[str]:
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_test_that_a_control_rests_on_exists(read: Regulatory) -> None:
    assert len(read.tests) > 100
    assert read.tests - _tests() == set()


def test_every_hazard_has_at_least_three_tests_and_says_what_remains(read: Regulatory) -> None:
    hazards = read.hazards.hazards
    assert list(hazards) == [f"H-{number:02}" for number in range(1, len(hazards) + 1)]
    for name, hazard in hazards.items():
        tests = {test for control in hazard.controls for test in control.tests}
        assert len(tests) >= 3, name
        assert all((hazard.cause, hazard.situation, hazard.harm, hazard.remains)), name


# ---- the four criteria


def test_the_rules_that_direct_in_an_emergency_are_named_as_a_device(read: Regulatory) -> None:
    page = pages_of(pipeline().knowledge, HOOKS)["united-states.md"]
    for rule in TIME_CRITICAL:
        assert group_of(read.us, rule).conclusion == "device", rule
        row = next(line for line in page.splitlines() if line.startswith(f"| {rule} |"))
        assert row.endswith("| device (time-critical) |"), row


def _rows(page: str) -> Iterator[str]:
    for line in page.splitlines():
        if re.match(r"\| [A-Z]+-[A-Z-]+ \|", line):
            yield line.split(" ")[1]


def test_each_rule_is_judged_once(read: Regulatory) -> None:
    page = pages_of(pipeline().knowledge, HOOKS)["united-states.md"]
    assert list(_rows(page)) == list(pipeline().knowledge.rules)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    hooks = folder / "hooks"
    shutil.copytree(HOOKS, hooks)
    edit(hooks / "regulatory" / f"{file}.toml", old, new)
    return hooks


WRONG = {
    "a critical rule called calm": ("us", '"OS-VAP-CYP"', '"OS-VAP-CYP", "PV-SYMP"', "PV-SYMP"),
    "a rule that does not exist": ("us", '"PV-GLU"', '"PV-GLUE"', "PV-GLUE"),
    "a source that does not exist": ("safer", '"safer-2025"', '"safer-2035"', "safer-2035"),
    "a hazard that does not exist": ("usability", '"H-12"', '"H-99"', "H-99"),
    "a severity that does not exist": ("hazards", 'severity = "death"', 'severity = "x"', "H-01"),
    "a key that does not exist": ("europe", "conclusion =", "conclusoin =", "conclusoin"),
    "an answer that is none": ("attributes", 'used = "no"', 'used = "perhaps"', "perhaps"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(
    tmp_path: Path, case: tuple[str, str, str, str]
) -> None:
    file, old, new, named = case
    hooks = changed(tmp_path, file, old, new)
    with pytest.raises(KnowledgeError) as told:
        load_regulatory(hooks, load_knowledge(hooks))
    assert f"regulatory/{file}.toml" in str(told.value)
    assert named in str(told.value)
    with pytest.raises(KnowledgeError):
        foundation(Settings(mode="demo", hooks_dir=hooks, data_dir=tmp_path))


def test_a_rule_that_may_be_critical_cannot_be_moved_among_the_calm_ones(tmp_path: Path) -> None:
    hooks = changed(tmp_path, "us", '"PV-SYMP", ', "")
    edit(hooks / "regulatory" / "us.toml", '"PV-GLU"', '"PV-GLU", "PV-SYMP"')
    with pytest.raises(KnowledgeError, match="PV-SYMP may be critical"):
        load_regulatory(hooks, load_knowledge(hooks))


def test_the_file_changes_no_card_so_it_is_not_in_the_fingerprint(tmp_path: Path) -> None:
    hooks = changed(tmp_path, "safer", "Keep the call", "Keep every call")
    assert load_knowledge(hooks).sha256 == pipeline().knowledge.sha256


# ---- source attributes: what is said not to be used changes no card

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core"


def _extended(person: dict[str, Any], name: str, value: dict[str, Any]) -> None:
    person.setdefault("extension", []).append({"url": f"{US_CORE}-{name}", **value})


def _race(record: Bodies) -> None:
    for person in record.people:
        _extended(person, "race", {"extension": [{"url": "text", "valueString": "Black"}]})


def _ethnicity(record: Bodies) -> None:
    for person in record.people:
        _extended(person, "ethnicity", {"extension": [{"url": "text", "valueString": "Hispanic"}]})


def _language(record: Bodies) -> None:
    for person in record.people:
        person["communication"] = [{"language": {"text": "Spanish"}, "preferred": True}]


def _orientation(record: Bodies) -> None:
    record.add(_social(record, "76690-7", "Sexual orientation", "20430005"))


def _identity(record: Bodies) -> None:
    for person in record.people:
        value = {"valueCodeableConcept": {"text": "Identifies as female gender"}}
        _extended(person, "genderIdentity", value)
    record.add(_social(record, "76691-5", "Gender identity", "446141000124107"))


def _needs(record: Bodies) -> None:
    system = "http://hl7.org/fhir/sid/icd-10-cm"
    for code, text in (("Z59.00", "Homelessness"), ("Z59.41", "Food insecurity")):
        record.add_problem({"coding": [{"system": system, "code": code}], "text": text})
    record.add(_social(record, "88122-7", "Food insecurity", "LA28397-0"))


def _sex(record: Bodies) -> None:
    for person in record.people:
        person["gender"] = {"male": "female"}.get(person.get("gender", ""), "male")


def _social(record: Bodies, code: str, text: str, answer: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"social-{code}",
        "status": "final",
        "category": [{"coding": [{"code": "social-history"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": text},
        "subject": {"reference": f"Patient/{record.patient}"},
        "effectiveDateTime": record.at,
        "valueCodeableConcept": {"coding": [{"code": answer}], "text": text},
    }


class Bodies:
    """A story's call, with its patient and its lists at hand."""

    def __init__(self, story: Story) -> None:
        self.call = copy.deepcopy(story.request)
        self.patient = story.patient_id
        self.at = story.file.now.isoformat()
        self._prefetch = self.call.get("prefetch") or {}
        person = self._prefetch.get("patient")
        self.people = [person] if isinstance(person, dict) else []

    def add(self, resource: dict[str, Any]) -> None:
        self._append("labs", resource)

    def add_problem(self, code: dict[str, Any]) -> None:
        condition = {
            "resourceType": "Condition",
            "id": f"need-{code['coding'][0]['code']}",
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": code,
            "subject": {"reference": f"Patient/{self.patient}"},
        }
        self._append("conditions", condition)

    def _append(self, key: str, resource: dict[str, Any]) -> None:
        bundle = self._prefetch.get(key)
        if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle":
            bundle.setdefault("entry", []).append({"resource": resource})
            if "total" in bundle:
                bundle["total"] += 1


CHANGES: dict[str, Callable[[Bodies], None]] = {
    "race": _race,
    "ethnicity": _ethnicity,
    "language": _language,
    "sexual-orientation": _orientation,
    "gender-identity": _identity,
    "sdoh": _needs,
    "sex": _sex,
}


def _cards(story: Story, call: dict[str, Any]) -> dict[str, Any]:
    client = Client(
        profile=story.file.profile, explain_missing_data=story.file.explain_missing_data
    )
    found = evaluate(pipeline(), story.file.service, call, story.file.now, client)
    rules = [finding.rule for finding in found.returned]
    absorbed = [one.rule for finding in found.returned for one in finding.absorbed]
    return {"cards": found.cards, "rules": {*rules, *absorbed}}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_said_not_to_be_used_changes_no_card(
    name: str, stories: dict[str, Story], read: Regulatory
) -> None:
    said = read.attributes.attributes[name]
    reached = 0
    for story in stories.values():
        bodies = Bodies(story)
        CHANGES[name](bodies)
        reached += bodies.call != story.request
        before, after = _cards(story, story.request), _cards(story, bodies.call)
        if before["cards"] != after["cards"]:
            assert said.used == "yes", f"{story.name}: {name} changes a card"
            assert (before["rules"] | after["rules"]) & set(said.rules), story.name
    assert reached > len(stories) / 2, "the change must reach the calls"


def test_sex_changes_a_card_as_is_said(stories: dict[str, Story]) -> None:
    """Otherwise the answer "used" would be as wrong as a silent use."""
    moved = []
    for story in stories.values():
        bodies = Bodies(story)
        _sex(bodies)
        if _cards(story, bodies.call)["cards"] != _cards(story, story.request)["cards"]:
            moved.append(story.name)
    assert moved


def test_there_are_thirteen_attributes_and_nine_say_whether_the_data_are_used(
    read: Regulatory,
) -> None:
    found = list(read.attributes.attributes.values())
    assert [one.number for one in found] == list(range(1, 14))
    assert [bool(one.used) for one in found] == [False] * 4 + [True] * 9


def test_no_code_of_social_needs_is_in_hooks() -> None:
    for path in HOOKS.rglob("*.toml"):
        if path.parent.name != "regulatory":
            codes = re.findall(r'"=?!?(Z(?:5[5-9]|6[0-5])[^"]*)"', path.read_text(encoding="utf-8"))
            assert not codes, f"{path.name}: {codes}"


def test_a_client_reads_the_attributes_of_each_rule_and_finds_them_from_the_basis(
    app: Flask, client: FlaskClient
) -> None:
    answer = client.get("/source-attributes.json")
    assert answer.status_code == 200
    document = answer.get_json()
    rules = pipeline().knowledge.rules
    assert [one["id"] for one in document["interventions"]] == list(rules)
    assert document["draft"] is True
    by_rule = {
        one["id"]: {a["id"]: a for a in one["attributes"]} for one in document["interventions"]
    }
    assert "Biggins" in by_rule["PV-MOD"]["citation"]["answer"]
    assert by_rule["PV-MOD"]["sex"]["used"] is False
    assert by_rule["OS-HTS-SEV"]["sex"]["used"] is True
    assert all(one["race"]["used"] is False for one in by_rule.values())
    assert "/source-attributes.json" in client.get("/basis").get_data(as_text=True)
    assert "/source-attributes.json" in client.get("/basis/PV-MOD").get_data(as_text=True)
