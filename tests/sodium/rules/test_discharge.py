"""Discharge: each rule on both sides of its edge, and what goes home with the patient."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from string import Template

import pytest
from msgspec import Struct, field
from msgspec.structs import replace

from cds_service.engine.cards import Phrases
from cds_service.engine.finding import Finding, Outcome, Silence
from cds_service.knowledge.names import Missing
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import LabResult, Order
from cds_service.terminology.types import RecordText, Saline
from tests.fhir_resources import pipeline
from tests.sodium.patients import Story, fluid_restriction, isotonic, order, problem, result
from tests.sodium.rules.charts import CORTISOL_ENOUGH, ON_VAPTAN, on_vaptan, operated, two_in_one

LONGEST = ("hydrochlorothiazide", "bendroflumethiazide", "oxcarbazepine")
NOT_READ = {"NutritionOrder": Missing.NOT_READ, "ServiceRequest": Missing.NOT_READ}


def na(value: str, hours: float, *, unit: str | None = None, status: str = "final") -> LabResult:
    return result("sodium", value, hours, unit=unit, status=status)


def taken(story: Story) -> set[str]:
    return {drug.name for one in story.orders for drug in one.drugs}


def begun(name: str, days: float) -> Order:
    return order(name, days=days, reference=f"MedicationRequest/{name}")


def inpatient(sodium: str, *earlier: LabResult, **more: object) -> Story:
    """A patient whose stay began ten days ago, with a sodium of two hours ago."""
    base = Story(sodium=sodium, results=earlier, setting="inpatient", stay_days=10)
    return replace(base, **more)


def off(days: float | None = None, status: str = "stopped") -> Order:
    """Paroxetine that was begun before the stay, and ended in it."""
    return order(
        "paroxetine", days=42, ended=days, status=status, reference="MedicationRequest/off"
    )


def anew(name: str, days: float) -> Order:
    """An order that runs, begun so many days ago."""
    return begun(name, days)


def home(name: str) -> Order:
    """A drug of home that is stopped without a date."""
    return order(name, days=200, status="stopped", reference="MedicationRequest/home")


def resumed(name: str, days: float = 0.05) -> Order:
    """An order that says that it carries on what was taken at home."""
    return replace(begun(name, days), carries_on=True)


def recovered(sodium: str, *given: Order | LabResult, lowest: str = "118") -> Story:
    """A sodium that was low eight days ago in this stay, and rose slowly."""
    orders = tuple(one for one in given if isinstance(one, Order))
    results = tuple(one for one in given if isinstance(one, LabResult))
    return inpatient(
        sodium,
        na(lowest, 8 * 24),
        na("127", 96) if lowest < "125" else na(lowest, 96),
        *results,
        orders=orders,
    )


class Discharge(Struct, frozen=True, kw_only=True):
    """One patient who goes home; `fires` maps each rule that speaks to "indicator variant"."""

    says: str
    story: Story
    fires: Mapping[str, str] = field(default_factory=dict)
    shows: tuple[str, ...] = ()  # keys of lines that must be there
    hides: tuple[str, ...] = ()
    silent: Mapping[str, str] = field(default_factory=dict)  # rule -> why it says nothing
    profile: str = "aasld"

    def case(self) -> Case:
        return self.story.case(self.profile)

    def outcomes(self) -> list[Outcome]:
        case = self.case()
        return [rule(case) for rule in BOOK.discharge.values()]

    def findings(self) -> list[Finding]:
        return [outcome for outcome in self.outcomes() if isinstance(outcome, Finding)]


FAST = (na("112", 26), na("116", 14))  # then 123 two hours ago
PAST = (na("112", 98), na("123", 80), na("124", 60))  # up 11 within 18 h, three days ago
ONGOING = inpatient("138", na("137", 30), orders=(begun("tolvaptan", 3),))

RISING = (result("creatinine", "1.2", 60), result("creatinine", "1.9", 4))
INJURY = problem("acute-kidney-injury", days=0.5)
CIRRHOSIS = problem("cirrhosis", days=900)
WATER_TABLETS = (order("spironolactone", days=90), order("furosemide", days=90))
SALT_TABLETS = replace(
    begun("sodium chloride", 1), saline=Saline(kind="salt-tablet", percent=None, volume_ml=None)
)

LOSARTAN_HCTZ = order(
    "hydrochlorothiazide", "losartan", days=0.05, reference="MedicationRequest/two-in-one"
)

# Lines on a rise that the chart's card shares with this one: they name a ceiling and its time.
CHART_LINES = (
    "stop-raising-over",
    "stop-raising-until",
    "stop-raising-next",
    "brake",
    "urine-ready",
)

DISCHARGES = [
    # a vaptan that is taken, and what speaks against it; a stay of ten days began before it
    *(
        Discharge(
            says=f"vaptan: {key}",
            story=replace(story, sodium="138", results=(na("138", 30), na("137", 60))),
            fires={"DC-VAPTAN": fires},
            shows=(key,),
        )
        for fires, key, story in ON_VAPTAN
        if fires != "warning adrenal" and story.sodium != "118" and "carbamazepine" not in taken(story)
    ),
    Discharge(
        says="vaptan, sodium low, potassium high",
        story=on_vaptan(results=(result("potassium", "5.9"), na("137", 600))),
        fires={"DC-VAPTAN": "warning adrenal", "DC-LOW": "warning adrenal"},
        shows=("on-vaptan-cortisol",),
    ),
    Discharge(
        says="a seizure in a patient who may be dry: the volume comes after the 3 % saline",
        story=inpatient(
            "121", problems=(problem("seizure", days=0.1, encounter=True), problem("hypovolemia", days=1))
        ),
        fires={"DC-LOW": "critical symptom"},
        shows=("volume-after-bolus",),
    ),
    # sodium below 130
    Discharge(
        says="129.9",
        story=inpatient("129.9", missing=NOT_READ),
        fires={"DC-LOW": "warning low"},
        shows=("repeat-by", "letter", "readmission", "restriction-not-read"),
        hides=("stay-start-unknown",),
    ),
    # lost volume is told before any drug is called the cause
    Discharge(
        says="a stoma, a low urine sodium and pressure: dry, and the ACE inhibitor is held",
        story=inpatient(
            "128",
            na("131", 60),
            na("137", 230),
            result("systolic", 94, 1),
            result("urine-sodium", 8, 6),
            result("urine-osmolality", 640, 6),
            problems=(problem("lasting-bowel-loss", days=90),),
            orders=(begun("perindopril", 200), begun("omeprazole", 9)),
        ),
        fires={"DC-LOW": "warning fell"},
        shows=("volume-lost", "hold-dry"),
        hides=("volume-examine",),
    ),
    Discharge(
        says="a stoma without a sign: examine volume",
        story=inpatient(
            "128",
            problems=(problem("lasting-bowel-loss", days=90),),
            orders=(begun("perindopril", 200),),
        ),
        fires={"DC-LOW": "warning low"},
        shows=("volume-examine",),
        hides=("volume-lost", "hold-dry"),
    ),
    # what must not stop at home, and potassium that is open (F59)
    Discharge(
        says="F59: hydrocortisone and fludrocortisone in Addison's disease",
        story=inpatient(
            "126",
            problems=(problem("adrenal", days=5),),
            orders=(begun("hydrocortisone", 3), begun("fludrocortisone", 3)),
            results=(result("potassium", "5.9"),),
        ),
        fires={"DC-LOW": "warning low"},
        shows=("goes-on-steroid", "potassium-open"),
    ),
    Discharge(
        says="F59: prednisone without adrenal failure is not named",
        story=inpatient("126", orders=(begun("prednisone", 3),)),
        fires={"DC-LOW": "warning low"},
        hides=("goes-on-steroid", "goes-on-insipidus", "potassium-open"),
    ),
    Discharge(
        says="F59: desmopressin in diabetes insipidus is no culprit and not for the stay only",
        story=inpatient(
            "126",
            problems=(problem("diabetes-insipidus", days=900),),
            orders=(begun("desmopressin", 3),),
        ),
        fires={"DC-LOW": "warning low"},
        shows=("goes-on-insipidus",),
        hides=("stop-drugs", "culprit-gently"),
    ),
    Discharge(
        says="F59: desmopressin begun in the stay without it is for the stay only",
        story=inpatient("126", orders=(begun("desmopressin", 3),)),
        fires={"DC-LOW": "warning low"},
        shows=("stop-drugs",),
        hides=("goes-on-insipidus",),
    ),
    Discharge(
        says="F59: potassium 2.9",
        story=inpatient("126", results=(result("potassium", "2.9"),)),
        fires={"DC-LOW": "warning low"},
        shows=("potassium-open",),
    ),
    Discharge(
        says="F59: potassium 3.0",
        story=inpatient("126", results=(result("potassium", "3.0"),)),
        fires={"DC-LOW": "warning low"},
        hides=("potassium-open",),
    ),
    Discharge(
        says="F59: a potassium before dialysis is the plan of that team",
        story=inpatient(
            "126",
            problems=(problem("dialysis", days=900),),
            results=(result("potassium", "5.9"),),
        ),
        fires={"DC-LOW": "warning low"},
        hides=("potassium-open",),
    ),
    Discharge(says="130 and steady", story=inpatient("130", na("130", 26), na("131", 50))),
    Discharge(
        says="severe band",
        story=inpatient("119"),
        fires={"DC-LOW": "critical severe"},
        shows=("senior-first",),
    ),
    # far too low, and no second value shows that it is steady
    Discharge(
        says="edge of the severe band",
        story=inpatient("120"),
        fires={"DC-LOW": "warning unsettled"},
        shows=("senior-first",),
    ),
    Discharge(
        says="122 as the only value, under a thiazide of eleven days",
        story=inpatient("122", orders=(order("chlorthalidone", days=11),)),
        fires={"DC-LOW": "warning unsettled"},
        shows=("senior-first", "culprit"),
    ),
    Discharge(
        says="122 that still rises",
        story=inpatient("122", na("118", 26)),
        fires={"DC-LOW": "warning unsettled"},
        shows=("senior-first",),
    ),
    Discharge(
        says="122 twice, a day apart",
        story=inpatient("122", na("122", 26)),
        fires={"DC-LOW": "warning low"},
        hides=("senior-first",),
    ),
    Discharge(says="125 as the only value", story=inpatient("125"), fires={"DC-LOW": "warning low"}),
    Discharge(
        says="profound by the European profile",
        story=inpatient("124"),
        profile="european",
        fires={"DC-LOW": "critical severe"},
    ),
    # a diuretic of a combination
    Discharge(
        says="128 with a thiazide that shares its product with an ACE inhibitor",
        story=inpatient("128", na("128", 26), orders=two_in_one("lisinopril").orders),
        fires={"DC-LOW": "warning low"},
        shows=("culprit", "stop-combination"),
    ),
    Discharge(
        says="128 with a thiazide alone",
        story=inpatient("128", na("128", 26), orders=(begun("hydrochlorothiazide", 200),)),
        fires={"DC-LOW": "warning low"},
        shows=("culprit",),
        hides=("stop-combination",),
    ),
    # a symptom or an acute fall keeps the patient here, as urgent as on the chart
    Discharge(
        says="121 a day after 129, with a seizure of today",
        story=inpatient("121", na("129", 26), problems=(problem("seizure", days=0.25),)),
        fires={"DC-LOW": "critical symptom"},
        shows=("symptom-first",),
    ),
    Discharge(
        says="126 and a seizure of today by the European profile",
        story=inpatient("126", na("134", 26), problems=(problem("seizure", days=0.25),)),
        profile="european",
        fires={"DC-LOW": "critical symptom"},
    ),
    Discharge(
        says="123 and confusion of today",
        story=inpatient("123", na("124", 26), problems=(problem("confusion", days=0.25),)),
        fires={"DC-LOW": "warning symptom"},
        shows=("symptom-first",),
    ),
    Discharge(
        says="128 and a headache of today",
        story=inpatient("128", na("129", 26), problems=(problem("headache", days=0.25),)),
        fires={"DC-LOW": "warning symptom"},
    ),
    Discharge(
        says="128 and a headache of ten days ago",
        story=inpatient("128", na("129", 26), problems=(problem("headache", days=10),)),
        fires={"DC-LOW": "warning low"},
    ),
    Discharge(
        says="132 and a headache of today",
        story=inpatient("132", na("132", 26), problems=(problem("headache", days=0.25),)),
    ),
    Discharge(
        says="128 after 119 with the nausea of then: sodium has left it behind",
        story=inpatient(
            "128", na("119", 60), na("124", 30), problems=(problem("nausea", days=2.8),)
        ),
        fires={"DC-LOW": "warning low"},
    ),
    Discharge(
        says="123 after an acute fall, without a symptom",
        story=inpatient("123", na("132", 26)),
        fires={"DC-LOW": "critical acute"},
        shows=("acute-first",),
    ),
    Discharge(
        says="128 after an acute fall, without a symptom",
        story=inpatient("128", na("136", 26)),
        fires={"DC-LOW": "warning acute"},
    ),
    Discharge(
        says="125 after 129 of yesterday: it falls",
        story=inpatient("125", na("129", 26), na("130", 60)),
        fires={"DC-LOW": "warning falling"},
        shows=("falling-first",),
    ),
    Discharge(
        says="F5: 129 after 139 under osilodrostat: not home without cortisol",
        story=inpatient("129", na("139", 100), na("131", 50), orders=(order("osilodrostat", days=40),)),
        fires={"DC-LOW": "warning adrenal"},
        shows=("adrenal-first",),
        hides=("think-adrenal",),
    ),
    Discharge(
        says="F5: 129 with a potassium of 5.8",
        story=inpatient("129", na("129", 50), result("potassium", "5.8")),
        fires={"DC-LOW": "warning adrenal"},
        shows=("adrenal-first",),
    ),
    Discharge(
        says="F5: 129 under ketoconazole with a cortisol of 19",
        story=inpatient(
            "129", na("129", 50), result("cortisol", "19"), orders=(order("ketoconazole", days=40),)
        ),
        fires={"DC-LOW": "warning low"},
        hides=("adrenal-first",),
    ),
    Discharge(
        says="F5: 125 after 129 of yesterday under osilodrostat: it falls, and the drug is named",
        story=inpatient("125", na("129", 26), na("130", 60), orders=(order("osilodrostat", days=40),)),
        fires={"DC-LOW": "warning adrenal"},
        shows=("falling-first", "adrenal-first"),
    ),
    Discharge(
        says="F5: 118 after 122 of yesterday under osilodrostat: severe, and the drug is named",
        story=inpatient("118", na("122", 26), orders=(order("osilodrostat", days=40),)),
        fires={"DC-LOW": "critical severe"},
        shows=("senior-first", "think-adrenal"),
    ),
    *(
        Discharge(
            says=f"salt tablets with {held}: stop them?",
            story=inpatient(
                "127", na("127", 50), orders=(SALT_TABLETS,), problems=(problem(held, days=90),)
            ),
            fires={"DC-LOW": "warning low"},
            shows=("salt-restricted",),
            hides=("stop-drugs",),
        )
        for held in ("heart-failure", "ascites", "nephrotic")
    ),
    Discharge(
        says="salt tablets in SIADH: meant for the stay only?",
        story=inpatient(
            "127", na("127", 50), orders=(SALT_TABLETS,), problems=(problem("siadh", days=9),)
        ),
        fires={"DC-LOW": "warning low"},
        hides=("salt-restricted",),
    ),
    *(
        Discharge(
            says=f"{value} with {says}: not home yet",
            story=inpatient(value, na(value, 50), *measured, problems=problems, orders=orders),
            fires={"DC-LOW": fires},
            shows=shows,
        )
        for value, says, measured, problems, orders, fires, shows in (
            ("124.9", "a rising creatinine", RISING, (), (), "warning organ", ("senior-first",)),
            ("125", "a rising creatinine", RISING, (), (), "warning low", ()),
            ("122", "a kidney injury", (), (INJURY,), (), "warning organ", ("senior-first",)),
            *(
                (value, "cirrhosis on diuretics", (), (CIRRHOSIS,), WATER_TABLETS, fires, shows)
                for value, fires, shows in (
                    ("122", "warning organ", ("senior-first", "stop-cirrhosis")),
                    ("126", "warning low", ()),
                )
            ),
            ("122", "cirrhosis alone", (), (CIRRHOSIS,), (), "warning low", ()),
        )
    ),
    *(
        Discharge(
            says=f"122 in cirrhosis on diuretics, down from {before}, {profile}: they stop",
            story=inpatient(
                "122", na(before, 47), *RISING, problems=(CIRRHOSIS,), orders=WATER_TABLETS
            ),
            fires={"DC-LOW": fires},
            shows=(*shows, "senior-first", "stop-cirrhosis"),
            hides=("culprit",),
            profile=profile,
        )
        for profile, before, fires, shows in (
            ("aasld", "126", "warning organ", ("falling-first",)),
            ("aasld", "122", "warning organ", ()),
            ("european", "126", "critical severe", ("also-keeps",)),
            ("european", "122", "critical severe", ("also-keeps",)),
        )
    ),
    Discharge(
        says="124 after 130 of two days ago: it falls",
        story=inpatient("124", na("130", 47)),
        fires={"DC-LOW": "warning falling"},
        shows=("falling-first",),
    ),
    Discharge(
        says="126 after 132 of two days ago",
        story=inpatient("126", na("132", 47)),
        fires={"DC-LOW": "warning fell"},
        hides=("falling-first",),
    ),
    Discharge(
        says="F5: 134 and steady under osilodrostat",
        story=inpatient("134", na("134", 50), orders=(order("osilodrostat", days=40),)),
    ),
    Discharge(
        says="126 after 129 of yesterday",
        story=inpatient("126", na("129", 26), na("130", 60)),
        fires={"DC-LOW": "warning low"},
    ),
    Discharge(
        says="125 after 129 of the day before yesterday",
        story=inpatient("125", na("126", 26), na("129", 50)),
        fires={"DC-LOW": "warning low"},
    ),
    Discharge(
        says="128 for months",
        story=inpatient("128", *(na("128", 24 * days) for days in (20, 50, 90)), stay_days=2),
        fires={"DC-LOW": "info known"},
    ),
    Discharge(
        says="128 three days old",
        story=inpatient("128", sodium_hours=72),
        fires={"DC-LOW": "warning low"},
    ),
    Discharge(
        says="128 older than that",
        story=inpatient("128", sodium_hours=73),
        fires={"DC-LOW": "warning old"},
        shows=("before-leaving",),
    ),
    Discharge(says="an old 132", story=inpatient("132", sodium_hours=90)),
    Discharge(says="128 older than any rule looks", story=inpatient("128", sodium_hours=24 * 91)),
    Discharge(says="no sodium at all", story=Story(sodium=None, setting="inpatient", stay_days=10)),
    Discharge(
        says="glucose explains it",
        story=inpatient("125", result("glucose", 900)),
    ),
    Discharge(
        says="an osmolality that is not low",
        story=inpatient("128", result("serum-osmolality", 290), result("bun", 14), result("glucose", 100)),
    ),
    Discharge(
        says="such an osmolality without a urea proves nothing",
        story=inpatient("128", result("serum-osmolality", 285)),
        fires={"DC-LOW": "warning low"},
        shows=("osmolality-unproven",),
    ),
    # a drug that was stopped is not begun again at home
    *(
        Discharge(
            says=f"F24: {drug} stopped in the stay, in which sodium was 121: {'told' if told else 'needed'}",
            story=inpatient(
                "131",
                na("126", 96),
                na("121", 139),
                problems=(problem("diabetes-insipidus", days=900),) if not told else (),
                orders=(order(drug, days=200, ended=5.5, status="stopped"),),
                stay_days=6,
            ),
            fires={"DC-LOW": "info open"},
            shows=("not-again",) if told else (),
            hides=() if told else ("not-again",),
        )
        for drug, told in (("indapamide", True), ("desmopressin", False))
    ),
    Discharge(
        says="F24: stopped weeks before",
        story=inpatient(
            "131",
            na("126", 96),
            na("121", 139),
            orders=(order("indapamide", days=200, ended=20, status="stopped"),),
            stay_days=6,
        ),
        fires={"DC-LOW": "info open"},
        hides=("not-again",),
    ),
    # a drug that may be the cause
    Discharge(
        says="a thiazide from before the stay",
        story=inpatient("126", na("129", 26), orders=(begun("hydrochlorothiazide", 60),)),
        fires={"DC-LOW": "warning low"},
        shows=("culprit",),
    ),
    Discharge(
        says="three of them with long names",
        story=inpatient("126", na("129", 26), orders=tuple(begun(name, 60) for name in LONGEST)),
        fires={"DC-LOW": "warning low"},
        shows=("culprit", "culprit-gently"),
    ),
    Discharge(
        says="an antidepressant from the day before the stay, and a fall",
        story=inpatient("126", na("131", 60), na("128", 30), orders=(begun("escitalopram", 11),)),
        fires={"DC-LOW": "warning low"},
        shows=("culprit-early", "drug-possible-recent"),
    ),
    Discharge(
        says="a drug of the stay is named with the low sodium, and not twice",
        story=inpatient("126", na("129", 26), orders=(begun("escitalopram", 5),)),
        fires={"DC-LOW": "warning low"},
        shows=("culprit-early",),
        silent={"DC-DRUG": "named-with-low"},
    ),
    Discharge(
        says="a drug of the stay may have worsened a sodium that was low before",
        story=inpatient("126", na("126", 130), orders=(begun("escitalopram", 5),)),
        fires={"DC-LOW": "warning low", "DC-DRUG": "warning low"},
        hides=("culprit", "culprit-gently"),
    ),
    # pituitary surgery in the stay (F5)
    Discharge(
        says="F5: a little low after pituitary surgery",
        story=replace(operated(134, 136, 137), stay_days=10, results=(na("136", 26), CORTISOL_ENOUGH)),
        fires={"DC-LOW": "warning pituitary"},
        shows=("pituitary-to-come", "pituitary-home"),
        hides=("warn-patient", "think-adrenal", "pituitary-return"),
    ),
    Discharge(
        says="F5: it falls after pituitary surgery, and a new proton pump inhibitor is no cause",
        story=operated(133, 137, 140, 141, orders=(begun("pantoprazole", 5),)),
        fires={"DC-LOW": "warning adrenal"},
        shows=("adrenal-first", "falling-first", "pituitary-to-come", "pituitary-return"),
        hides=("culprit", "drug-probable", "pituitary-home"),
    ),
    Discharge(
        says="a thiazide that was stopped",
        story=inpatient(
            "126",
            na("129", 26),
            orders=(replace(begun("hydrochlorothiazide", 60), status="stopped"),),
        ),
        fires={"DC-LOW": "warning low"},
        hides=("culprit", "culprit-gently"),
    ),
    # a fall in the stay
    Discharge(
        says="fallen by 5",
        story=inpatient("136", na("141", 60), na("138", 30)),
        fires={"DC-LOW": "info fall"},
        shows=("fell-in-stay",),
    ),
    Discharge(says="fallen by 4.9", story=inpatient("136", na("140.9", 60), na("138", 30))),
    Discharge(
        says="fallen to a low value",
        story=inpatient("133", na("139", 60), na("136", 30)),
        fires={"DC-LOW": "warning fall"},
    ),
    Discharge(says="to a value that is not near low", story=inpatient("138", na("144", 60))),
    Discharge(
        says="from high sodium, which was treated: it counts from 145",
        story=inpatient("137", na("158", 90), na("150", 60), na("142", 30)),
        fires={"DC-LOW": "info fall"},
    ),
    Discharge(
        says="the high value is older than the stay",
        story=inpatient("136", na("141", 24 * 11), na("136", 40)),
    ),
    Discharge(
        says="the stay without a start: thirty days count",
        story=inpatient("136", na("141", 24 * 11), na("137", 40), stay_days=None),
        fires={"DC-LOW": "info fall"},
        shows=("stay-start-unknown",),
    ),
    # correction that is not finished
    Discharge(
        says="was 128, is 132 and still moves",
        story=inpatient("132", na("128", 60), na("129", 30)),
        fires={"DC-LOW": "info open"},
    ),
    Discharge(
        says="was 128, is 132 and steady", story=inpatient("132", na("128", 60), na("130", 26))
    ),
    Discharge(
        says="was 130 at least", story=inpatient("134", na("130", 60), na("131", 30))
    ),
    Discharge(
        says="treatment goes on",
        story=inpatient("136", na("129", 90), na("136", 30), orders=(begun("tolvaptan", 3),)),
        fires={"DC-LOW": "info treated"},
        shows=("stop-drugs",),
    ),
    Discharge(says="the same drug, and sodium was never low", story=ONGOING),
    Discharge(
        says="a vaptan from before the stay",
        story=inpatient("136", na("129", 90), na("136", 30), orders=(begun("tolvaptan", 30),)),
    ),
    Discharge(
        says="a restriction that still runs",
        story=inpatient(
            "136",
            na("129", 90),
            na("136", 30),
            orders=(replace(fluid_restriction(), fluid_name=RecordText("Fluids max 1 L")),),
        ),
        fires={"DC-LOW": "info treated"},
        shows=("stop-restriction",),
    ),
    Discharge(
        says="a restriction without a name, and saline that runs",
        story=inpatient(
            "128",
            orders=(
                fluid_restriction(),
                replace(isotonic("500"), saline=Saline(kind="hypertonic", percent=Decimal(3))),
            ),
        ),
        fires={"DC-LOW": "warning low"},
        shows=("stop-restriction-unnamed", "stop-drugs"),
    ),
    Discharge(
        says="desmopressin that brakes a rise",
        story=inpatient("128", orders=(begun("desmopressin", 1),)),
        fires={"DC-LOW": "warning low"},
        shows=("stop-drugs",),
    ),
    Discharge(
        says="desmopressin that replaces a hormone",
        story=inpatient(
            "128",
            orders=(begun("desmopressin", 1),),
            problems=(problem("diabetes-insipidus"),),
        ),
        fires={"DC-LOW": "warning low"},
        hides=("stop-drugs",),
    ),
    # a rise
    Discharge(
        says="rises too fast now",
        story=inpatient("123", *FAST),
        fires={"DC-OVER": "critical now"},
        shows=("stay", "come-back", "examine"),
    ),
    Discharge(
        says="rises too fast and the kidney sheds water: the rescue is on this card too",
        story=inpatient("123", *FAST, result("urine-osmolality", 60)),
        fires={"DC-OVER": "critical now"},
        shows=("stay", "brake", "come-back"),
    ),
    Discharge(
        says="rises too fast, and what raises it runs: the chart's steps are on this card too",
        story=inpatient(
            "123",
            *FAST,
            result("potassium", "2.9"),
            orders=(isotonic("1000"), order("urea", days=1, reference="MedicationRequest/urea")),
        ),
        fires={"DC-OVER": "critical now"},
        shows=("stay", "stop-raising-over", "raising-drugs", "consult", "potassium-counts"),
        hides=("stop-drugs", "potassium-open"),
    ),
    Discharge(
        says="a high potassium is corrected also while sodium rises",
        story=inpatient("123", *FAST, result("potassium", "5.9")),
        fires={"DC-OVER": "critical now"},
        shows=("potassium-open",),
        hides=("potassium-counts",),
    ),
    Discharge(
        says="F4: slurred speech five days after a rise of eleven",
        story=inpatient("138", *PAST, problems=(problem("dysarthria", days=0.5),)),
        fires={"DC-OVER": "critical signs"},
        shows=("signs-stay", "demyelination-mri", "demyelination-airway", "demyelination-relower"),
        hides=("come-back", "examine", "stay"),
    ),
    Discharge(
        says="F4: unsteady gait alone has many other causes",
        story=inpatient("138", *PAST, problems=(problem("gait", days=0.5),)),
        fires={"DC-OVER": "warning signs"},
        shows=("signs-stay", "demyelination-mri"),
    ),
    Discharge(
        says="rises as it may",
        story=inpatient("117", na("113", 26), na("115", 14)),
        fires={"DC-LOW": "critical severe"},
    ),
    Discharge(
        says="up 7 within 6 hours from a low base",
        story=inpatient("121", na("114", 8)),
        fires={"DC-OVER": "warning near"},
    ),
    Discharge(
        says="F31: the limit of 48 h is not said of 24 h",
        story=inpatient("128.4", na("120.6", 27), na("112", 41)),
        fires={"DC-OVER": "critical now-two-days"},
    ),
    Discharge(
        says="F31: over a gap of 55 h the average of a day is told",
        story=inpatient("132", na("112", 57)),
        fires={"DC-OVER": "warning now-average"},
    ),
    Discharge(
        says="rose too fast three days ago",
        story=inpatient("125", *PAST),
        fires={"DC-OVER": "warning was", "DC-LOW": "warning low"},
        shows=("come-back",),
        hides=("stay",),
    ),
    Discharge(
        says="F4: three days after it the high risk is told without the goal of its first day",
        story=inpatient("125", *PAST, problems=(problem("alcohol-use-disorder", days=900),)),
        fires={"DC-OVER": "warning was", "DC-LOW": "warning low"},
        shows=("risk-then",),
        hides=("risk-aasld",),
    ),
    Discharge(
        says="F4: while it rises the goal is told",
        story=inpatient("123", *FAST, problems=(problem("alcohol-use-disorder", days=900),)),
        fires={"DC-OVER": "critical now"},
        shows=("risk-aasld",),
        hides=("risk-then",),
    ),
    Discharge(
        says="rose too fast eight days ago",
        story=inpatient("131", na("131", 26), na("112", 220), na("123", 200), na("131", 180)),
    ),
    Discharge(
        says="a jump that no second sample confirms",
        story=inpatient("133", na("118", 5)),
        fires={"DC-OVER": "warning jump"},
    ),
    # a drug that was stopped in the stay, after which sodium rose, is ordered again (F24)
    Discharge(
        says="paroxetine: 118 with it, off for seven days, 133, and ordered again today",
        story=recovered("133", off(days=7), anew("paroxetine", 0.05)),
        fires={"DC-LOW": "warning anew"},
        shows=("anew", "begun-anew"),
        hides=("culprit-gently", "drug-probable", "drug-possible-recent"),
    ),
    Discharge(
        says="on hold, and ordered again",
        story=recovered("133", off(status="on-hold"), anew("paroxetine", 0.05)),
        fires={"DC-LOW": "warning anew"},
        shows=("anew",),
    ),
    Discharge(
        says="another drug of its class",
        story=recovered("133", off(days=7), anew("sertraline", 0.05)),
        fires={"DC-LOW": "warning anew"},
        shows=("anew",),
    ),
    Discharge(
        says="sodium is normal again",
        story=recovered("137", off(days=7), anew("paroxetine", 0.05), na("137", 30)),
        fires={"DC-DRUG": "warning anew"},
        shows=("anew", "begun-anew"),
        hides=("home-gently",),
    ),
    Discharge(
        says="off for less than a day: the prescription of the ward is carried over",
        story=recovered("133", off(days=1), anew("paroxetine", 0.05)),
        fires={"DC-LOW": "warning open"},
        shows=("culprit-gently",),
        hides=("anew",),
    ),
    Discharge(
        says="off for a day",
        story=recovered("133", off(days=1.06), anew("paroxetine", 0.05)),
        fires={"DC-LOW": "warning anew"},
    ),
    Discharge(
        says="sodium rose by four since: it had hardly recovered",
        story=recovered("133", off(days=7), anew("paroxetine", 0.05), lowest="129"),
        fires={"DC-LOW": "info open"},
        hides=("anew",),
    ),
    Discharge(
        says="never stopped",
        story=recovered("133", anew("paroxetine", 60)),
        fires={"DC-LOW": "warning open"},
        shows=("culprit-gently",),
        hides=("anew",),
    ),
    # a drug that was taken at home, was off, and is resumed before the patient leaves
    Discharge(
        says="hydrochlorothiazide of home, stopped without a date, is resumed at 133",
        story=recovered("133", home("hydrochlorothiazide"), anew("hydrochlorothiazide", 0.05)),
        fires={"DC-LOW": "warning anew"},
        shows=("anew-stop", "begun-anew"),
        hides=("anew", "decide"),
    ),
    Discharge(
        says="the same at a sodium that is settled",
        story=recovered(
            "131", home("hydrochlorothiazide"), anew("hydrochlorothiazide", 0.05), na("130", 30)
        ),
        fires={"DC-DRUG": "warning anew"},
        shows=("anew-stop", "begun-anew"),
        hides=("anew", "decide", "started"),
    ),
    Discharge(
        says="the same, known by the words of the order alone",
        story=recovered("131", resumed("hydrochlorothiazide"), na("130", 30)),
        fires={"DC-DRUG": "warning anew"},
        shows=("anew-stop",),
        hides=("decide", "started"),
    ),
    Discharge(
        says="it was carried on as the patient came, and goes home",
        story=recovered("131", resumed("hydrochlorothiazide", 8.2), na("130", 30)),
        fires={"DC-DRUG": "warning culprit"},
        shows=("home", "single-dose"),
        hides=("anew-stop",),
    ),
    Discharge(
        says="a thiazide that is new asks for a decision, and its product is named",
        story=recovered(
            "131",
            replace(LOSARTAN_HCTZ, partners=("losartan",), ingredient_count=2),
            na("130", 30),
        ),
        fires={"DC-DRUG": "warning low"},
        shows=("decide", "started", "stop-combination"),
    ),
    # how a drug that may be the cause ends (M14)
    Discharge(
        says="amiodarone is a needed treatment",
        story=inpatient("127", na("139", 220), orders=(begun("amiodarone", 8),)),
        fires={"DC-LOW": "warning fell"},
        shows=("culprit-needed",),
        hides=("culprit", "culprit-gently"),
    ),
    # a drug with which sodium was low goes home
    Discharge(
        says="a thiazide that lowered sodium in this stay is ordered again",
        story=inpatient(
            "132", na("131", 27), na("127", 75), na("119", 140),
            orders=(replace(begun("hydrochlorothiazide", 300), status="active"),),
        ),
        fires={"DC-DRUG": "warning culprit"},
        shows=("home", "single-dose", "repeat-by"),
        hides=("home-gently",),
    ),
    Discharge(
        says="sertraline went on through a low sodium of this stay",
        story=inpatient(
            "136", na("136", 27), na("128", 140), orders=(begun("sertraline", 60),)
        ),
        fires={"DC-DRUG": "info culprit"},
        shows=("home-gently",),
        hides=("home", "single-dose"),
    ),
    Discharge(
        says="sodium of this stay was never below the limit for discharge",
        story=inpatient(
            "136", na("136", 27), na("130", 140), orders=(begun("sertraline", 60),)
        ),
    ),
    Discharge(
        says="sodium was low before the drug was begun, in this stay",
        story=inpatient(
            "136", na("136", 27), na("128", 200), orders=(begun("sertraline", 4),)
        ),
        fires={"DC-DRUG": "info main"},
        hides=("home-gently",),
    ),
    Discharge(
        says="the record blames the thiazide that goes home",
        story=inpatient(
            "139", na("139", 60), orders=(begun("hydrochlorothiazide", 60),),
            problems=(problem("hyponatremia", days=30, blames=("thiazide",)),),
        ),
        fires={"DC-DRUG": "warning blamed"},
        shows=("home",),
    ),
    # a new drug
    Discharge(
        says="sertraline since four days",
        story=inpatient("139", na("139", 60), orders=(begun("sertraline", 4),)),
        fires={"DC-DRUG": "info main"},
        shows=("shows-late", "started", "repeat-by"),
    ),
    Discharge(
        says="sertraline since before the stay",
        story=inpatient("139", orders=(begun("sertraline", 10.1),)),
    ),
    Discharge(
        says="a week on the drug, and sodium as before",
        story=inpatient("139", na("139", 230), orders=(begun("sertraline", 7.1),)),
    ),
    Discharge(
        says="a week on the drug, and sodium fell",
        story=inpatient("135.8", na("142", 230), orders=(begun("sertraline", 7.1),)),
        fires={"DC-LOW": "info fall", "DC-DRUG": "warning low"},
        shows=("decide", "shows-late"),
        hides=("decide-gently",),
    ),
    Discharge(
        says="a week on an antiepileptic, and sodium fell",
        story=inpatient("135.8", na("142", 230), orders=(begun("carbamazepine", 7.1),)),
        fires={"DC-LOW": "info fall", "DC-DRUG": "warning low"},
        shows=("decide-gently",),
        hides=("decide",),
    ),
    Discharge(
        says="a week on a thiazide, and sodium fell",
        story=inpatient("135.8", na("142", 230), orders=(begun("indapamide", 7.1),)),
        fires={"DC-LOW": "info fall", "DC-DRUG": "warning low"},
        shows=("decide",),
        hides=("decide-gently", "shows-late"),
    ),
    Discharge(
        says="six days on the drug",
        story=inpatient("139", na("139", 230), orders=(begun("sertraline", 6.9),)),
        fires={"DC-DRUG": "info main"},
    ),
    Discharge(
        says="three new drugs and a low sodium",
        story=inpatient("128", orders=tuple(begun(name, 3) for name in LONGEST)),
        fires={"DC-LOW": "warning low"},
        silent={"DC-DRUG": "named-with-low"},
    ),
    Discharge(
        says="a drug that seldom lowers sodium",
        story=inpatient("139", orders=(begun("omeprazole", 4),)),
    ),
    Discharge(
        says="stopped again in the stay",
        story=inpatient(
            "139", orders=(replace(begun("sertraline", 4), status="stopped"),)
        ),
    ),
    Discharge(
        says="the medicine list was not read",
        story=inpatient("139", missing={"medications": Missing.TIMEOUT}),
        silent={"DC-DRUG": "medicines-unread"},
    ),
    Discharge(
        says="the record does not say when sertraline was begun",
        story=inpatient("139", orders=(order("sertraline", days=None),)),
        silent={"DC-DRUG": "start-not-known"},
    ),
    # a result of the stay that no rule can use
    Discharge(
        says="a value of the stay in a unit that is not known may have been high",
        story=inpatient("134", na("141", 60, unit="furlong"), na("136", 30)),
        silent={"DC-LOW": "stay-unread", "DC-OVER": "stay-unread"},
    ),
    Discharge(
        says="such a value from before the stay",
        story=inpatient("134", na("141", 250, unit="furlong"), na("136", 30)),
        silent={"DC-LOW": "settled", "DC-OVER": "no-over-correction"},
    ),
    Discharge(
        says="a withdrawn value of the stay",
        story=inpatient("134", na("141", 60, status="entered-in-error"), na("136", 30)),
        silent={"DC-LOW": "settled", "DC-OVER": "no-over-correction"},
    ),
    Discharge(
        says="a preliminary value of the stay that was never confirmed",
        story=inpatient("134", na("141", 60, status="preliminary"), na("136", 30)),
        silent={"DC-LOW": "settled-as-read", "DC-OVER": "no-over-correction"},
    ),
    Discharge(
        says="a low sodium has its card also if another value could not be read",
        story=inpatient("128", na("141", 60, unit="furlong"), na("129", 30)),
        fires={"DC-LOW": "warning low"},
        silent={"DC-OVER": "stay-unread"},
    ),
    Discharge(
        says="DISCHARGE: from 138 to 126 in nine days, still falling, under duloxetine of eight days",
        story=inpatient("126", na("138", 9 * 24), na("131", 96), orders=(begun("duloxetine", 8),)),
        fires={"DC-LOW": "warning fell"},
        shows=("fell-first", "fell-in-stay", "culprit-early"),
        hides=("culprit-gently",),
    ),
    Discharge(
        says="DISCHARGE: the same fall, and it has ended",
        story=inpatient("126", na("138", 9 * 24), na("127", 96)),
        fires={"DC-LOW": "warning low"},
        shows=("fell-in-stay",),
        hides=("fell-first",),
    ),
    Discharge(
        says="DISCHARGE: duloxetine of eight days goes home after a low sodium",
        story=inpatient("136", na("136", 9 * 24), na("129", 96), na("136", 30), orders=(begun("duloxetine", 8),)),
        fires={"DC-DRUG": "info culprit"},
        shows=("home-early",),
        hides=("home-gently",),
    ),
]  # fmt: skip
IDS = [one.says for one in DISCHARGES]


@pytest.mark.parametrize("one", DISCHARGES, ids=IDS)
def test_each_rule_speaks_on_its_side_of_the_edge(one: Discharge) -> None:
    found = {f.rule: f"{f.indicator} {f.variant}" for f in one.findings()}
    silent = {s.rule: s.reason for s in one.outcomes() if isinstance(s, Silence)}
    assert found == dict(one.fires), silent
    assert {rule: silent.get(rule) for rule in one.silent} == dict(one.silent)
    keys = {line.key for f in one.findings() for line in (*f.do, *f.why)}
    assert set(one.shows) <= keys, keys
    assert not keys & set(one.hides), keys


def _phrases() -> Phrases:
    knowledge = pipeline().knowledge
    return Phrases(knowledge, knowledge.services["hyponatremia-encounter-discharge"])


@pytest.mark.parametrize("one", [one for one in DISCHARGES if one.fires], ids=lambda one: one.says)
def test_every_text_is_filled_and_short_enough_to_read(one: Discharge) -> None:
    phrases = _phrases()
    for finding in one.findings():
        words = phrases.rules[finding.rule]
        assert finding.indicator in words.indicators
        assert len(phrases.summary(finding)) < 140
        for line in (*finding.do, *finding.why):
            template = words.lines.get(line.key) or phrases.words.lines[line.key]
            assert set(Template(template).get_identifiers()) == set(line.facts), line.key
            shown_on_the_chart = line.key in CHART_LINES
            assert shown_on_the_chart or len(phrases.line(finding.rule, line)) <= 125, line.key


@pytest.mark.parametrize("rule", BOOK.discharge)
def test_every_word_of_a_rule_is_used(rule: str) -> None:
    words = _phrases().rules[rule]
    found = [f for one in DISCHARGES for f in one.findings() if f.rule == rule]
    silent = {
        s.reason
        for one in DISCHARGES
        for s in one.outcomes()
        if isinstance(s, Silence) and s.rule == rule
    }
    assert set(words.summary) == {f.variant for f in found}
    assert set(words.lines) <= {line.key for f in found for line in (*f.do, *f.why)}
    assert set(words.silence) <= silent


@pytest.mark.parametrize(
    ("sodium", "hours", "label"),
    [
        ("128", 2, "Repeat sodium on 18 Nov"),
        ("119", 2, "Repeat sodium now"),
        ("128", 73, "Repeat sodium now"),
    ],
)
def test_the_button_measures_by_the_day_that_the_card_says(
    sodium: str, hours: float, label: str
) -> None:
    [finding] = Discharge(says="", story=inpatient(sodium, sodium_hours=hours)).findings()
    [button] = finding.suggestions
    text = _phrases().fill(_phrases().words.suggestions[button.kind].label, button.facts)
    assert text.startswith(label)
    [told] = [line for line in finding.do if line.key in ("repeat-by", "repeat-then")]
    assert told.within == button.within


def test_no_card_says_twice_that_sodium_is_repeated_now() -> None:
    """The first line says it, and the line on the next sodium says who measures after that."""
    phrases = _phrases()
    for one in DISCHARGES:
        for finding in one.findings():
            first = phrases.line(finding.rule, finding.do[0])
            again = [told for told in finding.do[1:] if told.key == "repeat-by"]
            said = "epeat sodium" in first or "sodium now" in first
            assert not (said and any(not told.within for told in again)), (one.says, first)


@pytest.mark.parametrize(
    ("story", "hours"),
    [
        # it still falls
        (inpatient("130", na("138", 52), na("133.5", 27)), 22),
        # a drug of the stay may have made it
        (
            inpatient(
                "131", na("141", 62), na("132", 27), orders=(begun("hydrochlorothiazide", 3),)
            ),
            22,
        ),
        # it fell, and no longer moves
        (inpatient("131", na("141", 62), na("132", 27)), 166),
    ],
)
def test_after_a_fall_that_goes_on_sodium_is_repeated_within_a_day(
    story: Story, hours: float
) -> None:
    [finding] = [f for f in Discharge(says="", story=story).findings() if f.rule == "DC-LOW"]
    assert finding.variant == "fall"
    [told] = [line for line in finding.do if line.key == "repeat-by"]
    assert told.within == timedelta(hours=hours)


# A drug of the stay, likely by its time, beside one that was taken for long: each way to end both.
NEW = (
    "citalopram",
    "sertraline",
    "hydrochlorothiazide",
    "carbamazepine",
    "mirtazapine",
    "tramadol",
)
OLD = ("indapamide", "tramadol", "omeprazole", "venlafaxine", "oxcarbazepine", "cyclophosphamide")


@pytest.mark.parametrize(("new", "old"), [(n, o) for n in NEW for o in OLD if n != o])
@pytest.mark.parametrize("lowest", ["133", "131", "127", "124"])
def test_the_likeliest_drug_is_named_first_as_on_the_chart(new: str, old: str, lowest: str) -> None:
    orders = (begun(new, 5), begun(old, 700))
    story = inpatient(lowest, na("136", 74), na("140", 145), orders=orders)
    found = [f for f in Discharge(says="", story=story).findings() if f.rule == "DC-LOW"]
    suspects = [e.drug.name for e in story.case().exposures.suspects]
    named = [
        name
        for finding in found
        for told in finding.do
        if told.key.startswith("culprit")
        for name in str(told.facts["drugs"]).split(", ")
    ]
    assert found
    assert named
    assert named[0] == suspects[0] == new
    assert sorted(named, key=suspects.index)[0] == new


@pytest.mark.parametrize("one", DISCHARGES, ids=IDS)
def test_whoever_goes_home_is_told_a_day_and_no_hour(one: Discharge) -> None:
    for finding in one.findings():
        stays = finding.rule == "DC-OVER" and finding.variant != "was"
        times = [str(told.facts["next"]) for told in finding.do if told.key == "repeat-by"]
        times += [str(b.facts["when"]) for b in finding.suggestions if "when" in b.facts]
        assert stays or not [time for time in times if ":" in time]
