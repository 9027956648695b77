"""Makes exports of invented hospitals as FHIR Bulk NDJSON, and writes down what is true of them.

    python -m tests.exports OUT --patients 10000 --seed 7 [--thick 0.1] [--dirt 0.02] [--gzip]

The same seed gives the same patients, whatever the number of processes. `OUT` holds the NDJSON files
and manifest.json; `OUT/truth/events.csv` and `OUT/truth/unknown.csv` say what a backtest has to find.

Sodium at first presentation follows Hawkins, Clin Chim Acta 2003;337:169 (120,137 patients): below
136, below 116 and above 145 mmol/L are 7.2, 0.03 and 0.72 % in community care, 21, 0.17 and 0.53 % in
hospital outpatients, 28.2, 0.49 and 1.43 % in acute care. Below 136 the density falls exponentially;
its scale follows from the first two figures. Age, drugs and diagnoses shift the odds in the
published direction; how much, and all other shares, are round numbers and no estimates.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any, cast

import msgspec

NOW = datetime(2026, 1, 1, tzinfo=UTC)  # when the export was made
DAY = timedelta(days=1)
HISTORY = timedelta(days=730)
LOINC, RXNORM, SNOMED = (
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://snomed.info/sct",
)
UCUM, LOCAL = "http://unitsofmeasure.org", "urn:oid:1.2.3.4.5"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
# setting: share, below 136, below 116, above 145, mean number of sodium results
SETTINGS = {
    "community": (0.70, 0.072, 0.0003, 0.0072, 1.4),
    "outpatient": (0.22, 0.21, 0.0017, 0.0053, 3.0),
    "acute": (0.08, 0.282, 0.0049, 0.0143, 7.0),
}
# name: RxNorm, display, prevalence at 60 years, odds of a low sodium
DRUGS = {
    "sertraline": ("312941", "sertraline 50 MG Oral Tablet", 0.04, 2.0),
    "carbamazepine": ("308979", "carbamazepine 200 MG Oral Tablet", 0.004, 3.0),
    "hydrochlorothiazide": ("310798", "hydrochlorothiazide 25 MG Oral Tablet", 0.10, 2.0),
    "furosemide": ("310429", "furosemide 20 MG Oral Tablet", 0.05, 1.6),
    "lisinopril": ("314076", "lisinopril 10 MG Oral Tablet", 0.15, 1.1),
    "metformin": ("861007", "metformin hydrochloride 500 MG Oral Tablet", 0.10, 1.0),
}
STOPPED_IF_LOW = ("hydrochlorothiazide", "sertraline", "carbamazepine")
SALINE = ("313002", "sodium chloride 9 MG/ML Injectable Solution")
DIAGNOSES = {
    "84114007": ("Heart failure", 0.03, 1.8),
    "38341003": ("Hypertensive disorder", 0.35, 1.1),
    "35489007": ("Depressive disorder", 0.08, 1.2),
}
# LOINC, name, unit, usual value: what a laboratory sends beside a sodium
OTHERS = (
    ("2823-3", "Potassium", "mmol/L", 4.1), ("2075-0", "Chloride", "mmol/L", 103),
    ("2160-0", "Creatinine", "mg/dL", 0.9), ("3094-0", "Urea nitrogen", "mg/dL", 14),
    ("2345-7", "Glucose", "mg/dL", 104), ("718-7", "Hemoglobin", "g/dL", 13.2),
    ("777-3", "Platelets", "10*3/uL", 240), ("6690-2", "Leukocytes", "10*3/uL", 7.1),
    ("8867-4", "Heart rate", "/min", 78), ("9279-1", "Respiratory rate", "/min", 16),
    ("8310-5", "Body temperature", "Cel", 36.8), ("59408-5", "Oxygen saturation", "%", 97),
    ("1975-2", "Bilirubin", "mg/dL", 0.7), ("1742-6", "ALT", "U/L", 24),
    ("1920-8", "AST", "U/L", 26), ("1751-7", "Albumin", "g/dL", 3.9),
    ("17861-6", "Calcium", "mg/dL", 9.3), ("4548-4", "HbA1c", "%", 5.8),
    ("29463-7", "Body weight", "kg", 78), ("5902-2", "Prothrombin time", "s", 12.5),
)  # fmt: skip
OTHERS_BESIDE_EACH = 20
ZONES = tuple(timezone(timedelta(hours=h)) for h in (-8, -6, -5, 0, 1, 2))
FILE_ROWS = 500_000
BATCH = 500  # patients that one process makes at a time
LOW_BELOW, SEVERE_BELOW, RISE_FROM = 135, 120, 6  # what truth/events.csv lists
# Shapes of a sodium that a careful reader cannot use, or can.
UNUSABLE = ("local", "unknown-unit", "absent", "nodate", "error")
USABLE = ("nounit", "date", "twice", "corrected", "string")
Resource = dict[str, Any]


class Person:
    """One invented patient, made from nothing but a seed and a number."""

    def __init__(self, seed: int, number: int, thick: float, dirt: float) -> None:
        self.rng = random.Random(f"{seed}/{number}")
        self.id, self.dirt = f"p{number}", dirt
        self.age = min(99.0, max(18.0, self.rng.gauss(55, 20)))
        shares = [setting[0] for setting in SETTINGS.values()]
        self.setting = self.rng.choices(list(SETTINGS), shares)[0]
        self.zone = self.rng.choice(ZONES)
        self.thick = self.rng.random() < thick
        self.odds = 0.75 * math.exp((self.age - 55) / 45)
        self.active: dict[str, Resource] = {}
        self.events: list[tuple[str, datetime, str]] = []
        self.unknown: Counter[tuple[str, str]] = Counter()
        self.deceased: datetime | None = None
        self.resources: list[Resource] = []

    def make(self) -> None:
        """Fills the record: orders, problems, results, stays, and the patient last."""
        for name in DRUGS:
            self._chronic_order(name)
        for code in DIAGNOSES:
            self._diagnosis(code)
        self.level = self._first_level()
        stay = self.setting == "acute" and self.rng.random() < 0.6
        begin = NOW - self._within(HISTORY - 30 * DAY) - 30 * DAY if stay else NOW
        mean = SETTINGS[self.setting][4]
        times = sorted(
            NOW - self._within(HISTORY) for _ in range(self._number(mean / 3 if stay else mean))
        )
        for when in (t for t in times if t < begin):
            self._visit(when)
        if stay:
            end = self._stay(begin)
            for when in (t for t in times if t > end and self.deceased is None):
                self._visit(when)
        self._add(self._patient())

    # ---- the parts of a record

    def _patient(self) -> Resource:
        born = (NOW - timedelta(days=self.age * 365.25)).date().isoformat()
        sex = self.rng.choice(("male", "female"))
        patient: Resource = {"resourceType": "Patient", "id": self.id}
        patient |= {"gender": sex, "birthDate": born}
        if self.deceased is not None:
            patient["deceasedDateTime"] = self._text(self.deceased)
            self._event("death", self.deceased)
        return patient

    def _chronic_order(self, name: str) -> None:
        """Adds an order of years or weeks; four in ten have been stopped since."""
        share, factor = DRUGS[name][2:]
        if self.rng.random() >= min(0.6, share * math.exp((self.age - 60) / 40)):
            return
        begun = NOW - self._within(3 * HISTORY)
        order = self._order(DRUGS[name][:2], begun)
        if self.rng.random() < 0.4:
            self._end(order, begun + (NOW - begun) * self.rng.random())
            self.odds *= factor**0.5
        else:
            self.active[name] = order
            self.odds *= factor
        self._add(order)

    def _order(self, drug: tuple[str, str], begun: datetime) -> Resource:
        code, display = drug
        coding = {"system": RXNORM, "code": code, "display": display}
        order: Resource = {
            "resourceType": "MedicationRequest",
            "id": self._id(),
            "status": "active",
            "intent": "order",
            "subject": self._subject(),
            "authoredOn": self._text(begun),
        }
        concept: Resource = {"coding": [coding], "text": display}
        if self.rng.random() < self.dirt:
            shape = self.rng.choice(("text", "contained", "local"))
            if shape == "contained":
                medication = {"resourceType": "Medication", "id": "m", "code": concept}
                return order | {
                    "contained": [medication],
                    "medicationReference": {"reference": "#m"},
                }
            concept = {"text": display}
            if shape == "local":
                concept = {"coding": [{"system": LOCAL, "code": f"X{code}"}]}
                self.unknown["drug", f"X{code}"] += 1
        return order | {"medicationCodeableConcept": concept}

    def _end(self, order: Resource, at: datetime) -> None:
        """Ends an order; seven in ten say when, the others only that they are over."""
        order["status"] = self.rng.choice(("stopped", "stopped", "completed"))
        if self.rng.random() < 0.7:
            period = {"start": order["authoredOn"], "end": self._text(at)}
            order["dispenseRequest"] = {"validityPeriod": period}

    def _diagnosis(self, code: str) -> None:
        display, share, factor = DIAGNOSES[code]
        if self.rng.random() >= min(0.8, share * math.exp((self.age - 60) / 35)):
            return
        self.odds *= factor
        concept: Resource = {"coding": [{"system": SNOMED, "code": code, "display": display}]}
        if self.rng.random() < self.dirt:
            concept = {"coding": [{"system": LOCAL, "code": f"D{code}"}]}
            self.unknown["problem", f"D{code}"] += 1
        condition: Resource = {
            "resourceType": "Condition",
            "id": self._id(),
            "subject": self._subject(),
            "clinicalStatus": {
                "coding": [{"system": f"{TERMINOLOGY}condition-clinical", "code": "active"}]
            },
            "code": concept,
        }
        if self.rng.random() < 0.95:
            condition["recordedDate"] = self._text(NOW - self._within(HISTORY))
        self._add(condition)

    def _visit(self, when: datetime) -> None:
        """Adds one result of an outpatient, half of them at a visit."""
        if self.setting != "community" and self.rng.random() < 0.5:
            encounter = self._encounter("AMB", when - timedelta(hours=1), when + timedelta(hours=1))
            self._add(encounter)
        self._sodium(when)
        self.level += (140 - self.level) * 0.25 * self.rng.random() + self.rng.gauss(0, 1.3)

    def _stay(self, begin: datetime) -> datetime:
        """Adds an admission with a dense course, what was done about it, and how it ended."""
        rng, when = self.rng, begin + timedelta(hours=1)
        rate = rng.gauss(4.5, 4.0) if self.level < 133 else rng.gauss(0.0, 1.5)
        seen: list[tuple[datetime, int]] = []
        for number in range(rng.randrange(3, 16)):
            value = self._sodium(when)
            if value is not None:
                self._judge_course(seen, when, value)
                seen.append((when, value))
            if number == 0 and self.level < 133:
                self._treat(when)
            hours = rng.choice((4, 6, 8, 12, 24))
            when += timedelta(hours=hours, minutes=rng.randrange(40))
            self.level = min(150, max(102, self.level + rate * hours / 24 + rng.gauss(0, 0.8)))
        end = when
        encounter = self._encounter("IMP", begin, end)
        self._discharge(encounter, seen, end)
        self._add(encounter)
        return end

    def _treat(self, when: datetime) -> None:
        """Stops a drug, restricts fluid or orders saline; each may be forgotten."""
        rng = self.rng
        for name in (n for n in STOPPED_IF_LOW if n in self.active and rng.random() < 0.7):
            stop = when + timedelta(hours=rng.uniform(1, 20))
            order = self.active.pop(name)
            if order["authoredOn"] < self._text(when):
                self._end(order, stop)
                self._event("drug-stopped", stop, name)
        at = when + timedelta(hours=rng.uniform(0.5, 20))
        if rng.random() < 0.4:
            self._add(self._restriction(at))
            self._event("restriction", at)
        elif rng.random() < 0.5:
            saline = self._order(SALINE, at)
            self._end(saline, at + DAY)
            self._add(saline)
            self._event("saline", at)

    def _restriction(self, at: datetime) -> Resource:
        diet = {"system": SNOMED, "code": "226208002", "display": "Fluid restricted diet"}
        text = "Fluid restriction 1000 mL/24 h"
        return {
            "resourceType": "NutritionOrder",
            "id": self._id(),
            "status": "active",
            "intent": "order",
            "patient": self._subject(),
            "dateTime": self._text(at),
            "oralDiet": {"type": [{"coding": [diet], "text": text}], "instruction": text},
        }

    def _discharge(
        self, encounter: Resource, seen: Sequence[tuple[datetime, int]], end: datetime
    ) -> None:
        last = seen[-1][1] if seen else LOW_BELOW
        dies = self.rng.random() < (0.08 if min((v for _, v in seen), default=140) < 120 else 0.01)
        if dies:
            self.deceased = end
        elif last < LOW_BELOW:
            self._event("low-at-discharge", end, str(last))
        code = "exp" if dies else "other-hcf" if self.rng.random() < 0.1 else "home"
        if code == "other-hcf":
            self._event("transfer", end)
        system = f"{TERMINOLOGY}discharge-disposition"
        disposition = {"coding": [{"system": system, "code": code}]}
        encounter["hospitalization"] = {"dischargeDisposition": disposition}

    def _judge_course(
        self, seen: Sequence[tuple[datetime, int]], when: datetime, value: int
    ) -> None:
        """Writes down a rise within 24 h, and a fall below 120 mmol/L."""
        day = [before for at, before in seen if when - at <= DAY]
        if day and value - min(day) >= RISE_FROM:
            self._event("rise-24h", when, f"{value - min(day)} from {min(day)}")
        if value < SEVERE_BELOW and (not seen or seen[-1][1] >= SEVERE_BELOW):
            self._event("below-120", when, str(value))

    def _sodium(self, when: datetime) -> int | None:
        """Adds one result with what the laboratory sends beside it; None if it is unusable."""
        value = round(min(175.0, max(100.0, self.level)))
        code, unit = self.rng.choice(
            (("2951-2", "mmol/L"), ("2951-2", "mmol/L"), ("2951-2", "mEq/L"), ("2947-0", "mmol/L"))
        )
        result = self._observation(code, "Sodium", unit, value, when)
        usable = True
        if self.rng.random() < self.dirt:
            usable = self._soil(result, value)
        self._add(result)
        if self.thick:
            for other in self.rng.choices(OTHERS, k=OTHERS_BESIDE_EACH):
                name, shown, its_unit, usual = other
                its_value = round(usual * self.rng.uniform(0.85, 1.15), 1)
                if name == "2345-7" and self.rng.random() < 0.02:
                    its_value = 480.0
                self._add(self._observation(name, shown, its_unit, its_value, when))
        return value if usable else None

    def _observation(
        self, code: str, name: str, unit: str, value: float, when: datetime
    ) -> Resource:
        issued = when + timedelta(minutes=self.rng.randrange(20, 90))
        ucum = "meq/L" if unit == "mEq/L" else unit
        quantity = {"value": value, "unit": unit, "system": UCUM, "code": ucum}
        category = {"system": f"{TERMINOLOGY}observation-category", "code": "laboratory"}
        return {
            "resourceType": "Observation",
            "id": self._id(),
            "status": "final",
            "category": [{"coding": [category]}],
            "code": {"coding": [{"system": LOINC, "code": code, "display": name}], "text": name},
            "subject": self._subject(),
            "effectiveDateTime": self._text(when),
            "issued": self._text(issued),
            "valueQuantity": quantity,
        }

    def _soil(self, result: Resource, value: int) -> bool:
        """Gives a result an awkward shape; returns whether a careful reader can use it."""
        shape = self.rng.choice(UNUSABLE + USABLE)
        if shape == "local":
            result["code"] = {"coding": [{"system": LOCAL, "code": "NA"}], "text": "NA+ P"}
            self.unknown["sodium", "NA"] += 1
        elif shape == "unknown-unit":
            result["valueQuantity"] = {"value": value, "unit": "mmol/kg", "code": "mmol/kg"}
            self.unknown["unit", "mmol/kg"] += 1
        elif shape == "absent":
            del result["valueQuantity"]
            system = f"{TERMINOLOGY}data-absent-reason"
            result["dataAbsentReason"] = {"coding": [{"system": system, "code": "error"}]}
        elif shape == "nodate":
            del result["effectiveDateTime"], result["issued"]
        elif shape == "error":
            result["status"] = "entered-in-error"
        else:
            _awkward(result, shape, value)
        return shape in USABLE

    def _encounter(self, kind: str, begin: datetime, end: datetime) -> Resource:
        return {
            "resourceType": "Encounter",
            "id": self._id(),
            "status": "finished",
            "class": {"system": f"{TERMINOLOGY}v3-ActCode", "code": kind},
            "subject": self._subject(),
            "period": {"start": self._text(begin), "end": self._text(end)},
        }

    # ---- small things

    def _first_level(self) -> float:
        _, low, p116, high, _ = SETTINGS[self.setting]
        scale = 20 / math.log(low / p116)
        chance = low * self.odds / (1 - low + low * self.odds)
        draw = self.rng.random()
        if draw < chance:
            return max(100.0, 135.49 - self.rng.expovariate(1 / scale))
        if draw < chance + high:
            return min(175.0, 145.6 + self.rng.expovariate(1 / 2.5))
        return min(145.4, max(136.0, self.rng.gauss(140.2, 2.1)))

    def _number(self, mean: float) -> int:
        return min(60, int(self.rng.expovariate(1 / mean) + self.rng.random()))

    def _within(self, span: timedelta) -> timedelta:
        return timedelta(seconds=self.rng.randrange(int(span.total_seconds())))

    def _text(self, moment: datetime) -> str:
        return moment.replace(microsecond=0).astimezone(self.zone).isoformat()

    def _id(self) -> str:
        return f"{self.rng.getrandbits(96):024x}"

    def _subject(self) -> Resource:
        return {"reference": f"Patient/{self.id}"}

    def _add(self, resource: Resource) -> None:
        self.resources.append(resource)

    def _event(self, what: str, at: datetime, detail: str = "") -> None:
        self.events.append((what, at.replace(microsecond=0), detail))


def _awkward(result: Resource, shape: str, value: int) -> None:
    """Gives a result a shape that is unusual and usable."""
    if shape == "nounit":
        result["valueQuantity"] = {"value": value}
    elif shape == "date":
        result["effectiveDateTime"] = result["effectiveDateTime"][:10]
    elif shape == "twice":
        result["code"]["coding"].append({"system": SNOMED, "code": "104934005"})
    elif shape == "corrected":
        result["status"] = "corrected"
    else:
        del result["valueQuantity"]
        result["valueString"] = f"{value} mmol/L"


Made = tuple[dict[str, bytes], dict[str, int], list[tuple[str, ...]], Counter[tuple[str, str]]]


def _batch(job: tuple[int, int, int, float, float]) -> Made:
    """Makes some patients: NDJSON and number of lines by type, events, and unknown codes."""
    seed, first, last, thick, dirt = job
    encode = msgspec.json.Encoder().encode
    lines: dict[str, list[bytes]] = {}
    events: list[tuple[str, ...]] = []
    unknown: Counter[tuple[str, str]] = Counter()
    for number in range(first, last):
        person = Person(seed, number, thick, dirt)
        person.make()
        for resource in person.resources:
            lines.setdefault(resource["resourceType"], []).append(encode(resource))
        what = (person.id, person.setting)
        events += [(*what, kind, at.isoformat(), detail) for kind, at, detail in person.events]
        unknown.update(person.unknown)
    joined = {kind: b"\n".join(some) + b"\n" for kind, some in lines.items()}
    return joined, {kind: len(some) for kind, some in lines.items()}, events, unknown


class _Files:
    """The files of an export, each with a bounded number of lines."""

    def __init__(self, folder: Path, compress: bool) -> None:
        self._folder, self._compress = folder, compress
        self._open: dict[str, IO[bytes]] = {}
        self._rows: Counter[str] = Counter()
        self.named: list[dict[str, Any]] = []
        self.total: Counter[str] = Counter()

    def write(self, kind: str, lines: bytes, count: int) -> None:
        """Appends lines of one type."""
        if kind not in self._open or self._rows[kind] >= FILE_ROWS:
            self._next(kind)
        self._open[kind].write(lines)
        self._rows[kind] += count
        self.total[kind] += count
        next(f for f in reversed(self.named) if f["type"] == kind)["count"] += count

    def close(self) -> None:
        """Closes all files."""
        for file in self._open.values():
            file.close()

    def _next(self, kind: str) -> None:
        if kind in self._open:
            self._open[kind].close()
        number = sum(f["type"] == kind for f in self.named)
        name = f"{kind}.{number:03}.ndjson" + (".gz" if self._compress else "")
        path = self._folder / name
        packed = gzip.GzipFile(path, "wb", 1) if self._compress else path.open("wb")
        self._open[kind] = cast("IO[bytes]", packed)
        self._rows[kind] = 0
        self.named.append({"type": kind, "url": f"https://ehr.example/bulk/{name}", "count": 0})


def write_export(
    folder: Path,
    patients: int,
    seed: int,
    *,
    thick: float = 0.1,
    dirt: float = 0.02,
    compress: bool = False,
    jobs: int = 1,
) -> Counter[str]:
    """Writes an export into an empty folder; returns the number of resources by type."""
    (folder / "truth").mkdir(parents=True)
    files, unknown = _Files(folder, compress), Counter[tuple[str, str]]()
    with (folder / "truth" / "events.csv").open("w", newline="", encoding="utf-8") as truth:
        table = csv.writer(truth)
        table.writerow(("patient", "setting", "event", "at", "detail"))
        for lines, counts, events, not_known in _made(patients, seed, thick, dirt, jobs):
            for kind, text in lines.items():
                files.write(kind, text, counts[kind])
            table.writerows(events)
            unknown.update(not_known)
    files.close()
    manifest = {
        "transactionTime": NOW.isoformat(),
        "request": "https://ehr.example/Group/all/$export",
        "requiresAccessToken": True,
        "output": files.named,
        "error": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    with (folder / "truth" / "unknown.csv").open("w", newline="", encoding="utf-8") as truth:
        table = csv.writer(truth)
        table.writerow(("kind", "code", "times"))
        table.writerows((kind, code, n) for (kind, code), n in sorted(unknown.items()))
    return files.total


def _made(patients: int, seed: int, thick: float, dirt: float, jobs: int) -> Iterator[Made]:
    work = [(seed, n, min(patients, n + BATCH), thick, dirt) for n in range(0, patients, BATCH)]
    if jobs == 1:
        yield from map(_batch, work)
        return
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(_batch, work)


def main() -> None:
    """Writes an export from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--thick",
        type=float,
        default=0.1,
        help=f"share of patients with {OTHERS_BESIDE_EACH} other results beside each sodium",
    )
    parser.add_argument("--dirt", type=float, default=0.02, help="share of awkward resources")
    parser.add_argument("--gzip", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.out.exists():
        sys.exit(f"{given.out} exists; name a new folder.")
    total = write_export(
        given.out, given.patients, given.seed,
        thick=given.thick, dirt=given.dirt, compress=given.gzip, jobs=given.jobs,
    )  # fmt: skip
    sys.stdout.write(f"{json.dumps(total)}\n")


if __name__ == "__main__":
    main()
