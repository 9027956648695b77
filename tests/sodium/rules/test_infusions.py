"""Large infusions: silent wherever volume may be needed or sodium is lowered on purpose."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest
from msgspec.structs import replace

from cds_service.knowledge.names import Missing
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, ago, order, problem, result
from tests.sodium.rules.cases import fired
from tests.sodium.rules.orders import Kind, Scene, saline, selected, table, water

SIADH = problem("siadh", days=10)
ASCITES = problem("ascites", days=10)
NORMAL_SALINE = saline("0.9", "isotonic", "1000")
HALF = saline("0.45", "hypotonic", "1000")
PATTERN = (result("urine-osmolality", 400), result("urine-sodium", 60))
EUVOLEMIC = Story(sodium="128", setting="inpatient", problems=(SIADH,))
LOW = Story(sodium="128", setting="inpatient")


def mixed(percent: str, kind: Kind, ml: str | None, *, known: bool = True) -> Order:
    """A bag into which sodium chloride is put."""
    draft = saline(percent, kind, ml)
    assert draft.saline is not None
    mixture: Literal["computed", "unknown"] = "computed" if known else "unknown"
    return replace(draft, saline=replace(draft.saline, mixture=mixture))


CARRIER = replace(selected(route="iv"), isotonic_carrier_ml=Decimal(500))
RINGER = Order(
    reference="MedicationRequest/draft",
    status="draft",
    route="iv",
    balanced=True,
    balanced_volume_ml=Decimal(1000),
)
TUBE = replace(water("1500"), route="systemic", tube_water=True)
CONCENTRATED = (result("urine-osmolality", 690), result("urine-sodium", 90))
OVERLOADED = Story(sodium="128", setting="inpatient", problems=(problem("ascites", days=10),))
BY_VEIN = order("desmopressin", days=1, route="iv")
WILLEBRAND = problem("bleeding-disorder", days=4000)
DRAFTED = selected("desmopressin", route="iv", reference="MedicationRequest/other")
THREE_PERCENT = replace(saline(), reference="MedicationRequest/other")
INSIPIDUS = ("insipidus-differs",)
KEPT = {"OS-HYPOTONIC": "warning kept"}
KEPT_LINES = ("isotonic-and-little", "keeper-goes-on")
# Bicarbonate 50 mEq in a liter of dextrose 5 %, as the terminology reads it, and 150 mEq.
WEAK_BICARBONATE = replace(
    selected("sodium bicarbonate", route="iv"),
    hypotonic=True,
    carries=True,
    alkali="sodium bicarbonate",
    hypotonic_volume_ml=Decimal(1000),
)
ISOTONIC_BICARBONATE = selected("sodium bicarbonate", route="iv")
LOW_POTASSIUM = Story(sodium="117", setting="inpatient", results=(result("potassium", 2.8),))
ADDED_SALTS = (
    Scene(
        says="F23: a weak bag of bicarbonate at potassium 2.8 is water, and counts as no sodium",
        order=WEAK_BICARBONATE,
        story=LOW_POTASSIUM,
        fires={"OS-HYPOTONIC": "warning alkali"},
        shows=("make-isotonic", "count-diluent"),
        hides=("count-it", "change-diluent"),
    ),
    Scene(
        says="F23: beside a seizure it is as urgent as the water alone, and it stays",
        order=WEAK_BICARBONATE,
        story=replace(LOW, problems=(problem("seizure", days=0.03, encounter=True),)),
        fires={"OS-HYPOTONIC": "critical alkali"},
        shows=("make-isotonic",),
        hides=("no-hypotonic", "change-diluent"),
    ),
    Scene(
        says="F23: an isotonic bag of bicarbonate there is no water, and counts as sodium",
        order=ISOTONIC_BICARBONATE,
        story=LOW_POTASSIUM,
        fires={"OS-RAISE": "info counts"},
        hides=("free-water",),
    ),
    Scene(
        says="F23: a weak bag of bicarbonate with potassium: the potassium still counts",
        order=replace(
            selected("sodium bicarbonate", "potassium chloride", route="iv"),
            hypotonic=True,
            carries=True,
            alkali="sodium bicarbonate",
            hypotonic_volume_ml=Decimal(1000),
        ),
        story=LOW_POTASSIUM,
        fires={"OS-HYPOTONIC": "warning alkali", "OS-RAISE": "info counts"},
    ),
    Scene(
        says="F23: dextrose with 40 mmol of salt is a weak mixture that no button removes",
        order=mixed("0.23", "hypotonic", "1000"),
        story=LOW,
        fires={"OS-HYPOTONIC": "warning main"},
    ),
    Scene(
        says="F23: dextrose with 154 mmol of salt at a low sodium of no known cause",
        order=mixed("0.90", "isotonic", "1000"),
        story=LOW,
    ),
)
SCENES = (
    *ADDED_SALTS,
    Scene(
        says="Ringer's lactate, and the urine results that would show SIADH were not read",
        order=RINGER,
        story=Story(sodium="124", setting="inpatient", missing={"labs": Missing.TIMEOUT}),
    ),
    Scene(
        says="F23: saline that carries a drug, 500 mL a day in SIADH",
        order=CARRIER,
        story=EUVOLEMIC,
        fires={"OS-ISO": "warning main"},
    ),
    Scene(
        says="F23: saline that carries a drug, 500 mL a day in overload",
        order=CARRIER,
        story=OVERLOADED,
        fires={"OS-ISO-HYPER": "info main"},
    ),
    Scene(
        says="N4: in SIADH with urine 690 the card says what is given instead, and that it may fail",
        order=saline("0.9", "isotonic", "1000"),
        story=Story(sodium="122", setting="inpatient", problems=(SIADH,), results=CONCENTRATED),
        fires={"OS-ISO": "warning known"},
        shows=("instead", "restriction-next"),
    ),
    Scene(
        says="N4: in pregnancy no restriction is named instead of isotonic fluid",
        order=saline("0.9", "isotonic", "1000"),
        story=Story(
            sodium="122",
            setting="inpatient",
            problems=(SIADH, problem("pregnancy", days=90)),
            results=CONCENTRATED,
        ),
        fires={"OS-ISO": "warning known"},
        hides=("instead", "restriction-next"),
    ),
    Scene(
        says="A17: Ringer's lactate in SIADH with urine 690 warns as saline does",
        order=RINGER,
        story=Story(sodium="122", setting="inpatient", problems=(SIADH,), results=CONCENTRATED),
        fires={"OS-ISO": "warning known"},
        shows=("if-not-depleted",),
    ),
    Scene(
        says="A17: Ringer's lactate in overload",
        order=RINGER,
        story=OVERLOADED,
        fires={"OS-ISO-HYPER": "info main"},
    ),
    Scene(
        says="PH16: a bolus of Ringer's lactate in septic shock is silent",
        order=RINGER,
        story=Story(
            sodium="124",
            setting="inpatient",
            problems=(SIADH, problem("sepsis", days=0.1), problem("shock", days=0.1)),
        ),
    ),
    *(
        Scene(
            says=f"S13: Ringer's lactate at 131 in {name} is hypotonic to the brain",
            order=replace(RINGER, balanced_weak=True),
            story=Story(sodium="131", setting="inpatient", problems=(problem(name, days=days),)),
            fires={"OS-ISO": "warning brain"},
            shows=("saline-for-the-brain", "ringer-is-hypotonic"),
        )
        for name, days in (("tbi", 2), ("sah", 29), ("intracranial-bleed", 1))
    ),
    *(
        Scene(says=f"S13: {told}: silent", order=ordered, story=story)
        for told, ordered, story in (
            (
                "a balanced fluid with as much sodium as blood in brain injury",
                RINGER,
                Story(sodium="131", setting="inpatient", problems=(problem("tbi", days=2),)),
            ),
            (
                "a brain injury of long ago",
                replace(RINGER, balanced_weak=True),
                Story(sodium="131", setting="inpatient", problems=(problem("tbi", days=60),)),
            ),
            (
                "a normal sodium",
                replace(RINGER, balanced_weak=True),
                Story(sodium="138", setting="inpatient", problems=(problem("tbi", days=2),)),
            ),
        )
    ),
    Scene(
        says="A17: 250 mL of Ringer's lactate are small",
        order=replace(RINGER, balanced_volume_ml=Decimal(250)),
        story=EUVOLEMIC,
    ),
    Scene(
        says="A17: Ringer's lactate beside symptoms that may be brain edema is called by its name",
        order=RINGER,
        story=Story(
            sodium="122",
            setting="inpatient",
            problems=(problem("prolonged-exercise", days=0.1), problem("confusion", days=0.05)),
        ),
        fires={"OS-ISO": "warning symptom"},
    ),
    Scene(
        says="S13: dextrose in acute porphyria with a seizure: 3 % saline, then glucose in saline",
        order=water(),
        story=Story(
            sodium="119",
            setting="inpatient",
            problems=(problem("acute-porphyria", days=800), problem("seizure", days=0.05)),
        ),
        fires={"OS-HYPOTONIC": "critical porphyria"},
        shows=("order-symptom", "glucose-in-saline"),
    ),
    Scene(
        says="S13: dextrose in acute porphyria without symptoms keeps the order",
        order=water(),
        story=Story(
            sodium="126", setting="inpatient", problems=(problem("acute-porphyria", days=800),)
        ),
        fires={"OS-HYPOTONIC": "warning porphyria"},
        shows=("glucose-in-saline",),
        hides=("order-symptom",),
    ),
    Scene(
        says="PH18: 1.5 L of water a day by tube at 126",
        order=TUBE,
        story=Story(sodium="126", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning tube"},
        shows=("tube-cut",),
    ),
    Scene(
        says="PH18: below the mild band water by tube has no removal, as a feed may go with it",
        order=TUBE,
        story=Story(sodium="121", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning tube"},
    ),
    Scene(
        says="PH18: small flushes keep a tube open",
        order=replace(TUBE, hypotonic_volume_ml=Decimal(180)),
        story=Story(sodium="121", setting="inpatient"),
    ),
    Scene(
        says="PH18: water by tube without an amount is silent",
        order=replace(TUBE, hypotonic_volume_ml=None),
        story=Story(sodium="121", setting="inpatient"),
    ),
    Scene(
        says="PH18: water by tube at a high sodium is its treatment",
        order=TUBE,
        story=Story(sodium="152", setting="inpatient"),
    ),
    Scene(
        says="PH18: water by tube after an over-correction lowers sodium on purpose",
        order=TUBE,
        story=Story(sodium="125", setting="inpatient", results=(result("sodium", 112, 18),)),
    ),
    Scene(
        says="PH18: water by tube in an acute fall",
        order=TUBE,
        story=Story(sodium="124", setting="inpatient", results=(result("sodium", 135, 20),)),
        fires={"OS-HYPOTONIC": "warning acute-water"},
    ),
    Scene(
        says="F23: saline that carries a drug at 138: silent",
        order=CARRIER,
        story=Story(sodium="138", setting="inpatient", problems=(SIADH,)),
    ),
    Scene(
        says="F23: a litre of dextrose that carries a drug: no removal",
        order=replace(water(), carries=True),
        story=Story(sodium="125.9", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning diluent-water"},
    ),
    Scene(
        says="F23: 23.4 % made up to 3 % is 3 % saline, and may be removed",
        order=mixed("3", "hypertonic", "500"),
        story=Story(sodium="131", setting="inpatient"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="F23: 5.85 % in a bag that is not known: no removal, no amount",
        order=mixed("5.85", "hypertonic", None, known=False),
        story=Story(sodium="131", setting="inpatient"),
        fires={"OS-HTS-MILD": "warning main"},
        hides=("ordered-amount", "ordered-amount-plain", "ordered-boluses"),
    ),
    Scene(
        says="F23: 5.85 % 40 mL made up to 500 mL is hypotonic, and no button removes it",
        order=mixed("0.47", "hypotonic", "500"),
        story=Story(sodium="125.9", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning main"},
    ),
    Scene(
        says="F23: a litre of dextrose at 125.9: removal",
        order=water(),
        story=Story(sodium="125.9", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning water"},
        removes=True,
    ),
    Scene(
        says="F23: a litre of dextrose at 126: no removal",
        order=water(),
        story=Story(sodium="126", setting="inpatient"),
        fires={"OS-HYPOTONIC": "warning water"},
    ),
    Scene(
        says="vector 25: 0.9 % 1000 mL in SIADH, 128",
        order=NORMAL_SALINE,
        story=EUVOLEMIC,
        fires={"OS-ISO": "warning main"},
        shows=("check-urine-first", "if-not-depleted"),
    ),
    Scene(
        says="a SIADH pattern without the code is info",
        order=NORMAL_SALINE,
        story=Story(sodium="128", setting="inpatient", results=PATTERN),
        fires={"OS-ISO": "info known"},
    ),
    Scene(
        says="a SIADH pattern with urine above 500 is a warning",
        order=NORMAL_SALINE,
        story=Story(
            sodium="128",
            setting="inpatient",
            results=(result("urine-osmolality", 501), result("urine-sodium", 60)),
        ),
        fires={"OS-ISO": "warning known"},
    ),
    Scene(says="vector 26: a flush", order=saline("0.9", "isotonic", "10"), story=EUVOLEMIC),
    Scene(says="a carrier of 250 mL", order=saline("0.9", "isotonic", "250"), story=EUVOLEMIC),
    Scene(
        says="500 mL count",
        order=saline("0.9", "isotonic", "500"),
        story=EUVOLEMIC,
        fires={"OS-ISO": "warning main"},
    ),
    Scene(
        says="an infusion without a volume is taken as continuous",
        order=saline("0.9", "isotonic", None),
        story=EUVOLEMIC,
        fires={"OS-ISO": "warning main"},
    ),
    Scene(
        says="without a volume and a route nothing is known",
        order=saline("0.9", "isotonic", None, route="unknown"),
        story=EUVOLEMIC,
    ),
    Scene(says="sodium is not low", order=NORMAL_SALINE, story=replace(EUVOLEMIC, sodium="136")),
    Scene(says="the sodium is old", order=NORMAL_SALINE, story=replace(EUVOLEMIC, sodium_hours=30)),
    Scene(
        says="low blood pressure: volume may be needed",
        order=NORMAL_SALINE,
        story=replace(EUVOLEMIC, results=(result("systolic", 88),)),
    ),
    Scene(
        says="sepsis: volume may be needed",
        order=NORMAL_SALINE,
        story=replace(EUVOLEMIC, problems=(SIADH, problem("sepsis", days=0.5))),
    ),
    Scene(
        says="hypovolemia needs it",
        order=NORMAL_SALINE,
        story=replace(EUVOLEMIC, problems=(SIADH, problem("hypovolemia", days=1))),
    ),
    Scene(
        says="adrenal insufficiency needs it",
        order=NORMAL_SALINE,
        story=replace(EUVOLEMIC, problems=(SIADH, problem("adrenal", days=900))),
    ),
    Scene(
        says="after a bleed it is needed",
        order=NORMAL_SALINE,
        story=replace(EUVOLEMIC, problems=(SIADH, problem("sah", days=3))),
    ),
    Scene(says="volume status not known", order=NORMAL_SALINE, story=LOW),
    Scene(
        says="overload: info",
        order=NORMAL_SALINE,
        story=Story(sodium="128", setting="inpatient", problems=(ASCITES,)),
        fires={"OS-ISO-HYPER": "info main"},
    ),
    Scene(
        says="overload with shock: silent",
        order=NORMAL_SALINE,
        story=Story(
            sodium="128", setting="inpatient", problems=(ASCITES, problem("shock", days=0.5))
        ),
    ),
    Scene(
        says="dextrose in water with a low sodium",
        order=water(),
        story=LOW,
        fires={"OS-HYPOTONIC": "warning water"},
    ),
    Scene(says="half-normal saline", order=HALF, story=LOW, fires={"OS-HYPOTONIC": "warning main"}),
    Scene(
        says="quarter-normal saline keeps its strength",
        order=saline("0.225", "hypotonic", "1000"),
        story=LOW,
        fires={"OS-HYPOTONIC": "warning main"},
    ),
    Scene(says="100 mL of dextrose in water", order=water("100"), story=LOW),
    Scene(
        says="dextrose in water with a normal sodium",
        order=water(),
        story=replace(LOW, sodium="138"),
    ),
    Scene(
        says="sodium rose by 4: water is no brake yet",
        order=water(),
        story=replace(LOW, results=(result("sodium", 124, 20),)),
        fires={"OS-HYPOTONIC": "warning brake-early-water"},
    ),
    Scene(
        says="sodium rose by 3.9: it may not",
        order=water(),
        story=replace(LOW, results=(result("sodium", 124.1, 20),)),
        fires={"OS-HYPOTONIC": "warning water"},
    ),
    Scene(
        says="N14: re-lowering after an over-correction",
        order=water(),
        story=replace(
            LOW, sodium="117", results=(result("sodium", 110, 27), result("sodium", 122, 9))
        ),
    ),
    Scene(
        says="desmopressin by vein is active at a low sodium, no bleeding: it may be a clamp",
        order=water(),
        story=replace(LOW, orders=(BY_VEIN,)),
    ),
    Scene(
        says="F25: with a bleeding disorder it is no clamp",
        order=HALF,
        story=replace(LOW, sodium="133", orders=(BY_VEIN,), problems=(WILLEBRAND,)),
        fires=KEPT,
        shows=("isotonic-and-little", "keeper-needed"),
        hides=("keeper-goes-on",),
    ),
    Scene(
        says="F25: below 130 the bag may be removed",
        order=HALF,
        story=replace(LOW, sodium="125", orders=(BY_VEIN,), problems=(WILLEBRAND,)),
        fires=KEPT,
        removes=True,
    ),
    Scene(
        says="F25: beside 3 % saline it is a clamp, for a bleeding too",
        order=water(),
        story=replace(LOW, orders=(BY_VEIN,), drafts=(THREE_PERCENT,), problems=(WILLEBRAND,)),
    ),
    *(
        Scene(
            says=f"F25: half-normal saline beside {drug}, sodium 138",
            order=HALF,
            story=replace(LOW, sodium="138", orders=(order(drug, days=0.1, route="iv"),)),
            fires=KEPT,
            shows=(*KEPT_LINES, *INSIPIDUS),
        )
        for drug in ("desmopressin", "vasopressin")
    ),
    Scene(
        says="F25: half-normal saline beside oxytocin, sodium 138",
        order=HALF,
        story=replace(LOW, sodium="138", orders=(order("oxytocin", days=0.1, route="iv"),)),
        fires=KEPT,
        shows=("isotonic-and-little", "oxytocin-in-labor"),
        hides=(*INSIPIDUS, "keeper-goes-on"),
    ),
    Scene(
        says="F25: desmopressin is drafted in the same session",
        order=water(),
        story=replace(LOW, sodium="138", drafts=(DRAFTED,), problems=(WILLEBRAND,)),
        fires={"OS-HYPOTONIC": "warning kept-water"},
        shows=KEPT_LINES,
    ),
    Scene(
        says="F25: the evening tablet, sodium 128",
        order=water(),
        story=replace(LOW, orders=(order("desmopressin", days=60),)),
        fires={"OS-HYPOTONIC": "warning kept-water"},
    ),
    Scene(
        says="F25: no sodium on record",
        order=water(),
        story=replace(LOW, sodium=None, orders=(BY_VEIN,)),
        fires={"OS-HYPOTONIC": "warning kept-water"},
    ),
    Scene(
        says="F25: sodium 145 is not high",
        order=HALF,
        story=replace(LOW, sodium="145", orders=(BY_VEIN,)),
        fires=KEPT,
    ),
    Scene(
        says="F25: a high sodium needs free water",
        order=HALF,
        story=replace(LOW, sodium="145.1", orders=(BY_VEIN,)),
    ),
    *(
        Scene(
            says=f"F25: in diabetes insipidus fluid belongs to desmopressin, sodium {sodium}",
            order=HALF,
            story=replace(
                LOW,
                sodium=sodium,
                orders=(BY_VEIN,),
                problems=(problem("diabetes-insipidus", days=900),),
            ),
        )
        for sodium in ("128", "138")
    ),
    Scene(
        says="F25: a small bag beside desmopressin",
        order=water("499"),
        story=replace(LOW, sodium="138", orders=(BY_VEIN,)),
    ),
    Scene(
        says="F25: low glucose needs dextrose beside desmopressin too",
        order=water(),
        story=replace(LOW, sodium="138", orders=(BY_VEIN,), results=(result("glucose", 60),)),
    ),
    Scene(
        says="F25: sodium rose by 16 to 136: desmopressin and water brake it",
        order=water(),
        story=replace(LOW, sodium="136", orders=(BY_VEIN,), results=(result("sodium", 120, 20),)),
    ),
    Scene(
        says="F25: desmopressin that ended last week keeps no water",
        order=HALF,
        story=replace(
            LOW,
            sodium="138",
            orders=(order("desmopressin", days=9, ended=7, route="iv", status="completed"),),
        ),
    ),
    Scene(
        says="F25: water by a feeding tube is judged at a low sodium alone",
        order=TUBE,
        story=replace(LOW, sodium="138", orders=(order("desmopressin", days=60),)),
    ),
    Scene(
        says="F25: what fails in saline keeps its diluent beside desmopressin",
        order=replace(water(), carries=True, needs_glucose=True),
        story=replace(LOW, sodium="138", orders=(BY_VEIN,)),
        fires={"OS-HYPOTONIC": "warning kept-water"},
        shows=("keep-diluent", "keeper-goes-on"),
        hides=("isotonic-and-little",),
    ),
    Scene(
        says="F25: any other drug goes into saline there, if its label allows it",
        order=replace(water(), carries=True),
        story=replace(LOW, sodium="138", orders=(BY_VEIN,)),
        fires={"OS-HYPOTONIC": "warning kept-water"},
        shows=("change-diluent", "keeper-goes-on"),
    ),
    Scene(
        says="low glucose needs dextrose",
        order=water(),
        story=replace(LOW, results=(result("glucose", 60),)),
    ),
    Scene(
        says="low glucose in mmol/L needs dextrose",
        order=water(),
        story=replace(LOW, results=(result("glucose", 3.2, unit="mmol/L"),)),
    ),
    Scene(
        says="a normal glucose in mmol/L is not low",
        order=water(),
        story=replace(LOW, results=(result("glucose", 5.5, unit="mmol/L"),)),
        fires={"OS-HYPOTONIC": "warning water"},
    ),
    Scene(
        says="a hyperglycemic crisis has a protocol of its own",
        order=water(),
        story=replace(LOW, problems=(problem("hyperglycemic-crisis", days=0.5),)),
    ),
    Scene(
        says="a hyperglycemic crisis of last year says nothing about today",
        order=water(),
        story=replace(LOW, problems=(problem("hyperglycemic-crisis", days=300),)),
        fires={"OS-HYPOTONIC": "warning water"},
    ),
)


@table(SCENES)
def test_infusions(scene: Scene) -> None:
    scene.check()


def test_the_strength_of_saline_is_never_rounded() -> None:
    scene = next(s for s in SCENES if s.says.startswith("quarter-normal"))
    assert scene.findings()["OS-HYPOTONIC"].facts["drug"] == "0.225% saline"


@pytest.mark.parametrize("sodium", ["108", "118", "124", "131"])
@pytest.mark.parametrize("glucose_needed", [False, True])
@pytest.mark.parametrize("named", [False, True])
def test_f23_a_bag_of_bicarbonate_hears_the_same_when_it_runs_and_when_it_is_ordered(
    sodium: str, glucose_needed: bool, named: bool
) -> None:
    bag = replace(WEAK_BICARBONATE, needs_glucose=glucose_needed)
    name = RecordText("Glucose 5% with sodium bicarbonate") if named else None
    running = replace(
        bag, reference="MedicationRequest/1", status="active", start=ago(days=0.1), fluid_name=name
    )
    story = Story(sodium=sodium, setting="inpatient", orders=(running,))
    told = {line.key for card in fired(story.case()).values() for line in card.do}
    assert {"running-alkali", "running-alkali-unnamed"} & told
    assert not {key for key in told if key.startswith(("running-diluent", "running-hypotonic"))}
    ordered = Scene(says="", order=bag, story=replace(story, orders=())).findings()
    keys = {line.key for card in ordered.values() for line in card.do}
    assert "make-isotonic" in keys
    assert not {"keep-diluent", "change-diluent"} & keys
