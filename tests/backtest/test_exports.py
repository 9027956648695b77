"""The invented exports are what they claim to be: the distribution, the manifest, the truth."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.exports import LOW_BELOW, SETTINGS, Person, write_export


def test_first_presentations_are_as_low_as_in_hawkins_2003() -> None:
    values = defaultdict(list)
    for number in range(12_000):
        person = Person(7, number, 0, 0)
        person.make()
        sodium = [r for r in person.resources if r["resourceType"] == "Observation"]
        if sodium:
            values[person.setting].append(sodium[0]["valueQuantity"]["value"])
    for setting, (_, below_136, _, above_145, _) in SETTINGS.items():
        low = sum(value < 136 for value in values[setting]) / len(values[setting])
        high = sum(value > 145 for value in values[setting]) / len(values[setting])
        assert low == pytest.approx(below_136, abs=0.03), setting
        assert high == pytest.approx(above_145, abs=0.01), setting


def test_a_seed_gives_the_same_patient_again_and_another_seed_another_one() -> None:
    def made(seed: int) -> list[dict[str, Any]]:
        person = Person(seed, 11, 0.5, 0.5)
        person.make()
        return person.resources

    assert made(7) == made(7)
    assert made(7) != made(8)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "small"
    write_export(folder, 1500, 7, compress=True)
    return folder


def test_the_manifest_names_every_file_with_its_number_of_lines(export: Path) -> None:
    listed = json.loads((export / "manifest.json").read_text(encoding="utf-8"))["output"]
    found = {}
    for path in export.glob("*.ndjson.gz"):
        with gzip.open(path) as file:
            found[path.name] = sum(1 for _ in file)
    assert {one["url"].rsplit("/", 1)[-1]: one["count"] for one in listed} == found


def test_a_low_sodium_at_discharge_is_the_last_usable_value_of_the_stay(export: Path) -> None:
    with (export / "truth" / "events.csv").open(encoding="utf-8") as file:
        events = [row for row in csv.DictReader(file) if row["event"] == "low-at-discharge"]
    assert events
    values: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    with gzip.open(export / "Observation.000.ndjson.gz") as file:
        for line in file:
            result = json.loads(line)
            quantity, when = result.get("valueQuantity", {}), result.get("effectiveDateTime", "")
            if result["code"]["text"] == "Sodium" and "T" in when and "value" in quantity:
                at = datetime.fromisoformat(when)
                values[result["subject"]["reference"].split("/")[1]].append((at, quantity["value"]))
    agree = 0
    for row in events:
        end = datetime.fromisoformat(row["at"])
        before = [
            v
            for at, v in sorted(values[row["patient"]])
            if end - at < timedelta(days=2) and at < end
        ]
        assert int(row["detail"]) < LOW_BELOW
        agree += bool(before) and before[-1] == int(row["detail"])
    # The others end with a result of an awkward shape.
    assert agree >= 0.9 * len(events)
