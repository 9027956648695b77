"""The prefetch table prints the queries of discovery, and says truly what happens without each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from cds_service.cli.prefetch_table import VENDORS, WITHOUT, prefetch_table
from cds_service.errors import DataUnavailable
from tests.fhir_resources import Call, lab, pipeline, problem, sodium, taking

ROOT = Path(__file__).parents[2]
CLIENTS = """
[clients.mercy]
services = ["hyponatremia-patient-view"]
fhir_bases = ["https://fhir.mercy.example/r4"]
extra_sources = ["NutritionOrder"]
[clients.mercy.prefetch_aliases]
sodium = ["-sodium"]
"""
# Offered while everything is read: a fluid restriction and the stop of a drug.
WHOLE = Call(
    record=(
        sodium("123"),
        problem("E22.2", 5),
        taking("hydrochlorothiazide", 9),
        lab("glucose", "100"),
        lab("potassium", "4"),
    ),
    inpatient=False,
)


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(prefetch_table, list(arguments), env=environment)


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_query_is_whole_on_one_line(vendor: str) -> None:
    lines = run("--client", vendor, CDS_PUBLIC_URL="https://cds.example").stdout.splitlines()
    for service in pipeline().knowledge.services.values():
        assert f"  {service.hook:<14} https://cds.example/cds-services/{service.id}" in lines
        for key, template in service.prefetch.items():
            at = lines.index(template)
            assert lines[at - 4].endswith(f": {key}")
            assert lines[at - 3].endswith(WITHOUT[key])


def test_epics_words_and_the_scope_of_unsigned_orders() -> None:
    shown = run("--client", "epic").stdout
    assert "Prefetch Property Name: medications" in shown
    assert "MedicationRequest (Unsigned Order)" in shown
    assert "Observation.Search (Vitals) (R4)" in shown
    assert "Procedure.Search (R4)" in shown
    alone = run("--client", "epic", "--service", "hyponatremia-patient-view").stdout
    assert "Unsigned Order" not in alone, "a chart that is opened brings no orders"


def test_a_registered_client_gets_its_own_names_services_and_sources(tmp_path: Path) -> None:
    registry = tmp_path / "clients.toml"
    registry.write_text(CLIENTS, encoding="utf-8")
    shown = run("--client", "mercy", CDS_CLIENTS_FILE=str(registry)).stdout
    assert "key: -sodium   (our sodium)" in shown
    assert "order-select" not in shown
    assert "NutritionOrder?patient={{context.patientId}}" in shown
    assert "Procedure?patient={{context.patientId}}" not in shown, "its entry does not list it"
    listed = json.loads(run("--client", "mercy", "--json", CDS_CLIENTS_FILE=str(registry)).stdout)
    assert [row["key"] for row in listed["hyponatremia-patient-view"]][-1] == "NutritionOrder"


def test_a_vendors_table_shows_the_optional_keys_apart() -> None:
    shown = run("--client", "generic").stdout
    before, after = shown.split("Optional keys (if the entry of the client lists them")
    for key, template in (
        pipeline().knowledge.services["hyponatremia-patient-view"].optional.items()
    ):
        assert template in after, key
        assert template not in before, key


def test_the_table_as_json_names_key_query_scopes_and_what_is_lost() -> None:
    rows = json.loads(run("--json").stdout)["hyponatremia-patient-view"]
    assert [row["key"] for row in rows] == list(WITHOUT)
    assert rows[0]["query"] == "Patient/{{context.patientId}}"
    assert "http://loinc.org|2951-2" in rows[2]["query"]
    assert rows[7]["scopes"] == [
        "patient/MedicationRequest.read (.rs)",
        "patient/Medication.read (.r)",
    ]


def test_a_sites_own_codes_are_typed_in_too(tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("system,code,analyte\nurn:Example:LIS,50983,sodium\n", encoding="utf-8")
    assert ",urn:Example:LIS|50983&_sort" in run(CDS_LOCAL_CODES=str(codes)).stdout


def test_an_unknown_client_or_vendor_gets_a_list_of_the_known_ones() -> None:
    result = run("--client", "mercy")
    assert result.exit_code == 2
    assert ", ".join(VENDORS) in result.output


def test_each_vendor_has_its_guide() -> None:
    assert {vendor.guide for vendor in VENDORS.values()} <= {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "ehr").iterdir()
    }


def test_with_every_key_both_actions_are_offered() -> None:
    (card,) = WHOLE.cards()
    assert card.restricts
    assert card.stops


@pytest.mark.parametrize("key", WITHOUT)
def test_the_table_says_truly_what_happens_without_a_key(key: str) -> None:
    call = replace(WHOLE, left_out=(key,))
    if "REQUIRED" in WITHOUT[key]:
        with pytest.raises(DataUnavailable):
            call.cards()
        return
    (card,) = call.cards()
    withheld = "no fluid restriction, no stop of a drug is offered" in WITHOUT[key]
    assert card.restricts is not withheld
    assert bool(card.stops) is not withheld
    assert "Not checked: " in card.text
