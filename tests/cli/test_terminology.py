"""A site can add its RxNorm release and its own codes, and look up a code or a name."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner

from cds_service import metrics
from cds_service.app import create_app
from cds_service.cli.terminology import terminology
from cds_service.demo.fhir_server import MemoryServer, Query
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.errors import TerminologyError
from cds_service.records.prefetch import fill
from cds_service.settings import Settings
from cds_service.web.runtime import runtime_of
from tests.cli.typed import run, run_alone
from tests.feedback.deployments import PATIENT_VIEW, a_call, close, deployment
from tests.fhir_resources import BASE, NOW, VIEW, instant, named
from tests.rrf import files, zipped

RELEASE = "RxNorm_full_prescribe_10062025.zip"
EX_CONFIG = 78


def lookup(term: str, *more: str) -> dict[str, Any]:
    shown = CliRunner().invoke(terminology, ["lookup", term, "--json", *more])
    result: dict[str, Any] = json.loads(shown.stdout)
    return result


def imported(folder: Path) -> Path:
    index = folder / "index.json"
    result = CliRunner().invoke(
        terminology, ["import", str(zipped(folder / RELEASE)), "--output", str(index)]
    )
    assert result.exit_code == 0, result.output
    return index


def test_import_writes_an_index_that_lookup_and_service_use(tmp_path: Path) -> None:
    release, index = zipped(tmp_path / RELEASE), tmp_path / "index.json"
    result = run("terminology", "import", str(release), "--json", CDS_RXNORM_INDEX=str(index))

    said = json.loads(result.stdout)
    assert (said["index"], said["release"]) == (str(index), "2025-10-06")
    assert "sertraline" not in said["notInRelease"]
    assert "tolvaptan" in said["notInRelease"]
    assert result.stderr == ""  # no bar where nobody watches
    found = lookup("900042", "--index", str(index))
    assert found["rxnormRelease"] == "2025-10-06"
    assert [m["names"] for m in found["meanings"]] == [
        ["bendroflumethiazide (thiazide, T1, by code)"]
    ]
    assert found["meanings"][0]["steps"][0] == "RxNorm index 900042: bendroflumethiazide"


def test_a_second_import_gives_the_same_index_and_leaves_no_other_file(tmp_path: Path) -> None:
    first = imported(tmp_path).read_bytes()
    (tmp_path / "index.json.part").write_text("an import that was stopped", encoding="utf-8")
    assert imported(tmp_path).read_bytes() == first
    assert not list(tmp_path.glob("*.part"))


def test_a_full_release_is_read_whole_and_not_only_its_prescribable_part(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "RxNorm_full_10062025"
    for name, content in files().items():
        (folder / "prescribe" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "prescribe" / name).write_text("1|\n", encoding="utf-8")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    result = run(
        "terminology", "import", str(folder), "--output", str(tmp_path / "index.json"), "--json"
    )
    assert json.loads(result.stdout)["codes"] > 0


def spoiled(folder: Path, how: str) -> Path:
    release = zipped(folder / RELEASE)
    if how == "no such file":
        return folder / "elsewhere.zip"
    if how == "cut ZIP":
        release.write_bytes(release.read_bytes()[:-200])
    elif how == "another ZIP":
        return _other_zip(folder)
    elif how == "damaged member":
        content = bytearray(release.read_bytes())
        content[120:140] = bytes(20)
        release.write_bytes(bytes(content))
    else:
        return _folder(folder, how)
    return release


def _other_zip(folder: Path) -> Path:
    path = folder / "Other_10062025.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sct2_Concept_Full.txt", "id\teffectiveTime\n")
    return path


def _folder(folder: Path, how: str) -> Path:
    unpacked = folder / "rxnorm_10062025"
    unpacked.mkdir()
    contents = {name.rpartition("/")[2]: content for name, content in files().items()}
    if how == "cut line":
        contents["RXNCONSO.RRF"] = contents["RXNCONSO.RRF"][:-9]
    elif how == "another table":
        contents["RXNCONSO.RRF"] = "<html>\nnot found\n</html>\n"
    elif how == "relations missing":
        contents["RXNREL.RRF"] = ""
    for name, content in contents.items():
        (unpacked / name).write_text(content, encoding="utf-8")
    return unpacked


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no such file", "no such folder or file"),
        ("cut ZIP", "neither a folder nor a ZIP file, or the ZIP file is incomplete"),
        ("another ZIP", "has no RXNCONSO.RRF"),
        ("damaged member", "get the release again"),
        ("cut line", "ends within a line"),
        ("another table", "holds no RxNorm concept"),
        ("relations missing", "to no product"),
    ],
)
def test_a_wrong_or_truncated_release_ends_with_78_one_line_and_no_index(
    tmp_path: Path, how: str, said: str
) -> None:
    index = tmp_path / "index.json"
    result = run("terminology", "import", str(spoiled(tmp_path, how)), "--output", str(index))
    assert result.returncode == EX_CONFIG
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not index.exists()


@pytest.mark.parametrize(
    ("term", "kind", "name", "step"),
    [
        ("312940", "drug", "sertraline (ssri, T1, by code)", "code 312940: sertraline"),
        (
            "HYDROCHLOROTHIAZIDE 25 MG TAB",
            "drug",
            "hydrochlorothiazide (thiazide, T1, by text)",
            "text: ",
        ),
        ("2955-3", "laboratory test", "urine-sodium", "code"),
        ("E87.1", "problem", "hyponatremia", "code"),
        ("http://loinc.org|2951-2", "laboratory test", "sodium", "code"),
    ],
)
def test_lookup_shows_the_meaning_and_the_step(term: str, kind: str, name: str, step: str) -> None:
    meaning = lookup(term)["meanings"][0]
    assert meaning["kind"] == kind
    assert meaning["names"] == [name]
    assert meaning["steps"][0].startswith(step)


@pytest.mark.parametrize("term", ["hydroxyurea 500 mg capsule", "99999999", "", "|"])
def test_lookup_of_something_unknown_says_so_and_ends_with_1(term: str) -> None:
    result = CliRunner().invoke(terminology, ["lookup", term])
    assert result.exit_code == 1
    assert result.stdout.startswith("Not known")


CODES = """\ufeffSystem,Code,Ingredient,Analyte
urn:example:formulary,HCTZ25,hydrochlorothiazide,
# a combination takes one line for each ingredient
urn:example:formulary,LISHCT,lisinopril,
urn:example:formulary,LISHCT,hydrochlorothiazide,

urn:example:lab, 50983 ,,sodium
"""


def test_local_codes_of_a_formulary_and_of_a_laboratory_are_known(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text(CODES, encoding="utf-8")
    with_codes = ("--local-codes", str(codes))

    both = lookup("urn:example:formulary|LISHCT", *with_codes)["meanings"][0]
    assert both["steps"][0] == "local code LISHCT: lisinopril, hydrochlorothiazide"
    assert lookup("urn:example:lab|50983", *with_codes)["meanings"][0]["names"] == ["sodium"]
    assert lookup("urn:example:lab|50983")["meanings"] == []


def test_a_laboratory_that_knows_only_its_own_codes_is_asked_for_them(tmp_path: Path) -> None:
    """If the searches lacked a local code, a low sodium would stay unread and give no card."""
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "system,code,analyte\nurn:Example:LIS,50983,sodium\nurn:Example:LIS,NA|1,sodium\n",
        encoding="utf-8",
    )
    app = create_app(Settings(mode="demo", data_dir=tmp_path, local_codes=codes), clock=lambda: NOW)
    client = app.test_client()
    listed = client.get("/cds-services").get_json()["services"]
    templates = next(s["prefetch"] for s in listed if s["id"] == VIEW)
    assert all(s["prefetch"] == templates for s in listed)
    local_only = named(
        "Observation",
        status="final",
        code={"coding": [{"system": "urn:Example:LIS", "code": "50983"}]},
        subject={"reference": "Patient/p1"},
        effectiveDateTime=instant(hours=2),
        valueQuantity={"value": 117, "unit": "mmol/L"},
    )
    context = {"userId": "Practitioner/doctor", "patientId": "p1"}
    search = (fill(templates["sodium"], context) or "").partition("?")[2]
    assert "NA%5C%7C1" in search, "a bar inside a code is escaped"
    call = {
        "hook": "patient-view",
        "hookInstance": "6a2f1ef5-3b1f-4c40-9e2d-5f0d6f0c1a11",
        "context": context,
        "prefetch": {
            "sodium": MemoryServer(BASE, [local_only]).search(
                Query("Observation", dict(parse_qsl(search)))
            )
        },
    }
    cards = client.post(f"/cds-services/{VIEW}", json=call).get_json()["cards"]
    assert "117" in cards[0]["summary"]


def test_a_local_code_of_a_problem_counts_as_the_problem_itself(tmp_path: Path) -> None:
    """A site that codes heart failure in its own way must not be offered what harms in it."""
    codes = tmp_path / "codes.csv"
    codes.write_text(
        "system,code,problem\nurn:Example:EHR, HF.1 ,Heart-Failure\nx,E1,edema-generalized\n",
        encoding="utf-8",
    )
    app = create_app(Settings(mode="demo", data_dir=tmp_path, local_codes=codes))
    client = app.test_client()
    story = load_stories(default_fixtures_dir())["moderate-in-heart-failure"]
    call = json.loads(json.dumps(story.request_at(datetime.now(UTC)), default=float))
    given = client.post(f"/cds-services/{VIEW}", json=call).get_json()["cards"]

    def without_ids(code: str) -> list[dict[str, Any]]:
        coding = {"system": "urn:Example:EHR", "code": code}
        for entry in call["prefetch"]["conditions"]["entry"]:
            entry["resource"]["code"] = {"coding": [coding]}
        cards = client.post(f"/cds-services/{VIEW}", json=call).get_json()["cards"]
        return [{key: card[key] for key in ("summary", "detail", "indicator")} for card in cards]

    wanted = [{key: card[key] for key in ("summary", "detail", "indicator")} for card in given]
    assert "heart failure" in wanted[0]["detail"].lower()
    assert without_ids("HF.1") == wanted
    assert "heart failure" not in without_ids("HF.2")[0]["detail"].lower(), "a code of no line"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "codes.csv, line 1: needs the columns"),
        ("system,code\n", "codes.csv, line 1: needs the columns"),
        (
            "system,code,analyte\nx,1,sodium\nx,2,sodum\n",
            "codes.csv, line 3: 'sodum' is no analyte",
        ),
        (
            "system,code,ingredient\nx,1,sertralin\n",
            "codes.csv, line 2: 'sertralin' is no ingredient",
        ),
        (
            "system,code,ingredient,analyte\nx,1,sertraline,sodium\n",
            "codes.csv, line 2: needs a code, and",
        ),
        ("system,code,ingredient\nx,,sertraline\n", "codes.csv, line 2: needs a code, and"),
        ("system,code,ingredient\nx,1\n", "codes.csv, line 2: 2 cells, but 3 columns"),
        (
            "system,code,analyte\nx,1,sodium\nx,1,potassium\n",
            "codes.csv, line 3: the code has another meaning",
        ),
        (
            "system,code,analyte\nhttp://loinc.org,2955-3,sodium\n",
            "codes.csv, line 2: the code has another",
        ),
        ('system,code,analyte\nx,"1,sodium\n', "codes.csv, line 2: "),
        (
            "system,code,problem\nx,1,heart-failur\n",
            "codes.csv, line 2: 'heart-failur' is no problem of conditions.toml; did you mean "
            "heart-failure",
        ),
        (
            "system,code,analyte,problem\nx,1,,siadh\nx,1,sodium,\n",
            "codes.csv, line 3: the code has another meaning",
        ),
        (
            "system,code,ingredient,problem\nx,1,sertraline,\nx,1,,siadh\n",
            "codes.csv, line 3: the code has another meaning",
        ),
        (
            "system,code,problem\nhttp://hl7.org/fhir/sid/icd-10,E22.2,heart-failure\n",
            "codes.csv, line 2: the code has another meaning",
        ),
        (
            "system,code,analyte,class\nx,1,sodium,poc\nx,2,sodium,blood\n",
            "codes.csv, line 3: 'blood' is no class; allowed: lab, poc",
        ),
    ],
)
def test_a_broken_file_of_codes_stops_the_start_and_names_file_and_line(
    tmp_path: Path, content: str, said: str
) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text(content, encoding="utf-8")
    settings = Settings(mode="demo", data_dir=tmp_path, local_codes=codes)
    with pytest.raises(TerminologyError) as refused:
        create_app(settings)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_serve_ends_with_78_if_the_index_is_broken(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text("{", encoding="utf-8")
    result = run_alone(
        "serve", CDS_MODE="demo", CDS_RXNORM_INDEX=str(index), CDS_DATA_DIR=str(tmp_path)
    )
    assert result.returncode == EX_CONFIG
    assert result.stderr.splitlines()[-1].endswith(
        "index.json: cannot be read as an RxNorm index; import RxNorm again"
    )


def health(folder: Path, index: Path, now: datetime) -> dict[str, Any]:
    settings = Settings(mode="demo", data_dir=folder, rxnorm_index=index)
    result: dict[str, Any] = (
        create_app(settings, clock=lambda: now).test_client().get("/health").get_json()
    )
    return result


def test_health_notes_an_index_older_than_twelve_months(tmp_path: Path) -> None:
    index = imported(tmp_path)
    assert "notes" not in health(tmp_path, index, datetime(2026, 10, 6, tzinfo=UTC))
    later = health(tmp_path, index, datetime(2026, 10, 8, tzinfo=UTC))
    assert later["status"] == "ok"
    assert later["notes"] == ["RxNorm index: release of 2025-10-06, older than 12 months"]


def test_the_age_of_the_index_is_shown_at_the_start_and_again_with_each_call(
    tmp_path: Path, stories: dict[str, Story], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[float] = []

    def show(name: str, value: float, *_: str) -> None:
        if name == "cds_rxnorm_index_age_days":
            shown.append(value)

    monkeypatch.setattr(metrics, "show", show)
    today = datetime(2026, 10, 6, tzinfo=UTC)
    app = deployment(tmp_path, clock=lambda: today, rxnorm_index=imported(tmp_path))
    assert shown == [365]
    today += timedelta(days=2)
    app.test_client().post(PATIENT_VIEW, json=a_call(stories["normal-sodium"], today))
    close(app)
    assert shown == [365, 367]


def test_without_an_index_no_age_is_told(tmp_path: Path) -> None:
    app = deployment(tmp_path)
    assert runtime_of(app).index_age_days == 0
    close(app)


def test_an_index_from_before_a_drug_was_dropped_from_our_files_still_serves(
    tmp_path: Path,
) -> None:
    index = imported(tmp_path)
    content = json.loads(index.read_text(encoding="utf-8"))
    content["products"]["900077"] = ["dropped 10 MG Oral Tablet", "no-longer-ours"]
    index.write_text(json.dumps(content), encoding="utf-8")
    assert lookup("900077", "--index", str(index))["meanings"] == []
    assert lookup("900042", "--index", str(index))["meanings"]
