"""F22: orders that raise sodium beside their purpose, while it rises too fast."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, ago, problem, result
from tests.sodium.rules.orders import Scene, saline, selected, table

# 112 to 122 in 20 h: above the limit; 108 to 114 in 12 h: the goal is reached at high risk.
FAST = Story(
    sodium="122", sodium_hours=1, setting="inpatient", results=(result("sodium", 112, 21),)
)
NEAR = Story(
    sodium="114",
    sodium_hours=1,
    setting="inpatient",
    results=(result("sodium", 108, 13),),
    problems=(problem("alcohol-use-disorder"),),
)
LOW_POTASSIUM = result("potassium", "2.9", 3)
KCL = selected("potassium chloride", route="iv")
RINGER = replace(saline("0.9", "isotonic"), saline=None, balanced=True)


PREMIX = replace(
    selected("potassium chloride", route="iv"), saline=saline("0.9", "isotonic", "1000").saline
)
RINGER_KCL = replace(KCL, balanced=True, balanced_volume_ml=PREMIX.saline.volume_ml)  # type: ignore[union-attr]
NO_PRESSURE = ("diuresis-ready", "count-it", "carrier-counts")  # "give it", "without saline"


def potassium(story: Story, value: str, hours: float = 3) -> Story:
    """The patient with this potassium."""
    return replace(story, results=(*story.results, result("potassium", value, hours)))


VERY_LOW = Story(sodium="119", setting="inpatient", problems=(problem("alcohol-use-disorder"),))
ADDISON = Story(sodium="114", setting="inpatient", problems=(problem("adrenal", days=900),))
DRY = Story(sodium="119", setting="inpatient", problems=(problem("hypovolemia"),))
CORTISOL = selected("hydrocortisone", route="iv")


def urine(osmolality: str) -> Story:
    """A very low sodium with this osmolality of urine, and nothing that is known to be lost."""
    results = (result("urine-osmolality", osmolality, 3),)
    return Story(sodium="118", setting="inpatient", results=results)


DILUTE = urine("99")


def speaks(order: object, story: Story, how: str, says: str) -> Scene:
    return Scene(says=f"F22: {says}", order=order, story=story, fires={"OS-RAISE": how})  # type: ignore[arg-type]


def silent(order: object, story: Story, says: str) -> Scene:
    return Scene(says=f"F22: {says}", order=order, story=story)  # type: ignore[arg-type]


def ordered(
    order: object, story: Story, how: str, says: str, *shows: str, hides: tuple[str, ...] = ()
) -> Scene:
    """A scene on an order of potassium, of which no card ever says "give it"."""
    return Scene(
        says=f"F22: {says}",
        order=order,  # type: ignore[arg-type]
        story=story,
        fires={"OS-RAISE": how},
        shows=shows,
        hides=(*NO_PRESSURE, *hides),
    )


POTASSIUM = (
    ordered(
        PREMIX,
        potassium(DRY, "2.4"),
        "info diuresis",
        "lost volume and a low potassium: the premixed fluid stays, potassium by protocol",
        *("diuresis-fluid", "potassium-by-protocol", "carrier-kept"),
        hides=("carrier-of-potassium",),
    ),
    ordered(
        RINGER_KCL,
        potassium(DRY, "2.4"),
        "info diuresis-balanced",
        "so does Ringer with potassium",
        *("diuresis-fluid", "potassium-by-protocol", "carrier-kept"),
    ),
    ordered(
        PREMIX,
        potassium(DRY, "4.9"),
        "info diuresis",
        "potassium 4.9 in the fluid",
        "potassium-by-protocol",
    ),
    ordered(
        PREMIX,
        potassium(DRY, "5.0"),
        "info diuresis",
        "potassium 5.0: is it needed in the fluid?",
        *("diuresis-fluid", "potassium-enough-fluid"),
    ),
    ordered(
        PREMIX,
        DRY,
        "info diuresis",
        "potassium not measured: begin without it",
        *("diuresis-fluid", "potassium-unmeasured-fluid"),
    ),
    ordered(
        PREMIX,
        potassium(DRY, "2.4", hours=49),
        "info diuresis",
        "potassium of two days ago is none",
        "potassium-unmeasured-fluid",
    ),
    ordered(PREMIX, potassium(DRY, "5.5"), "info diuresis", "potassium 5.5 is not above 5.5"),
    ordered(
        PREMIX,
        potassium(DRY, "5.6"),
        "warning potassium-high",
        "potassium 5.6: plain saline instead",
        *("plain-fluid-needed", "potassium-treat-first"),
    ),
    ordered(PREMIX, potassium(DRY, "5.9"), "warning potassium-high", "potassium 5.9"),
    ordered(PREMIX, potassium(DRY, "6.0"), "critical potassium-high", "potassium 6.0"),
    ordered(
        PREMIX,
        potassium(ADDISON, "6.3"),
        "critical potassium-high",
        "potassium 6.3 in adrenal failure: hydrocortisone, plain saline",
        *("adrenal-crisis", "plain-fluid-needed"),
    ),
    ordered(
        PREMIX,
        potassium(ADDISON, "5.0"),
        "warning potassium-high",
        "potassium 5.0 in adrenal failure",
    ),
    ordered(
        PREMIX,
        ADDISON,
        "warning potassium-first",
        "potassium not measured in adrenal failure",
        *("adrenal-treat", "potassium-measure-first"),
    ),
    ordered(
        PREMIX,
        potassium(ADDISON, "3.1"),
        "info diuresis",
        "a low potassium in adrenal failure",
        "potassium-by-protocol",
    ),
    ordered(
        selected("potassium chloride", dose="600"),
        potassium(Story(sodium="128", problems=(problem("ckd-4-5", days=900),)), "5.2"),
        "warning potassium-high",
        "a small dose by mouth at 5.2 in kidney failure",
        *("no-potassium", "kidney-holds-potassium"),
    ),
    ordered(
        KCL,
        potassium(Story(sodium="128"), "6.4"),
        "critical potassium-high",
        "potassium by vein at 6.4",
        "no-potassium",
    ),
    silent(KCL, potassium(Story(sodium="128"), "5.5"), "potassium by vein at 5.5"),
    silent(KCL, potassium(Story(sodium="138"), "6.4"), "potassium at a normal sodium"),
    silent(saline("0.9", "isotonic"), potassium(Story(sodium="128"), "6.4"), "plain saline at 6.4"),
    ordered(
        KCL,
        potassium(VERY_LOW, "2.9"),
        "info counts",
        "at high risk potassium by vein is left to the protocol of rate and dilution",
        "potassium-by-protocol",
    ),
    ordered(KCL, VERY_LOW, "info counts", "at high risk, not measured", "potassium-unmeasured"),
    ordered(
        PREMIX,
        potassium(FAST, "2.9"),
        "warning needed",
        "in a fast rise the fluid of a premix counts, and potassium is never concentrated",
        *("potassium-by-protocol", "carrier-of-potassium"),
    ),
    ordered(
        PREMIX,
        potassium(FAST, "5.2"),
        "warning main",
        "in a fast rise at 5.2",
        "potassium-enough-fluid",
    ),
    ordered(KCL, potassium(FAST, "5.2"), "warning main", "alone at 5.2", "potassium-enough"),
    ordered(
        PREMIX,
        potassium(Story(sodium="128"), "6.4"),
        "critical potassium-high",
        "without lost volume plain saline is given only if fluid is needed",
        "plain-fluid",
    ),
    Scene(
        says="F22: bicarbonate in a liter of isotonic saline: in less of it, or without",
        order=replace(
            selected("sodium bicarbonate", route="iv"),
            isotonic_carrier_ml=PREMIX.saline.volume_ml,  # type: ignore[union-attr]
        ),
        story=FAST,
        fires={"OS-RAISE": "warning main"},
        shows=("carrier-counts",),
    ),
)
TABLETS = saline(None, "salt-tablet", None, route="systemic")
DRY_NOW = ("hypotension", "shock", "gi-bleed")


def stopped(order: object, story: Story, says: str, *shows: str, how: str = "stop") -> Scene:
    """A scene in which the limit leaves no room for the order."""
    return Scene(
        says=f"F22: {says}",
        order=order,  # type: ignore[arg-type]
        story=story,
        fires={"OS-RAISE": f"warning {how}"},
        removes=True,
        shows=shows,
        hides=("hold-or-count",),
    )


SHEDDING = replace(FAST, results=(*FAST.results, result("urine-osmolality", "98", 2)))
RUNNING = replace(
    saline("0.9", "isotonic", "1000"),
    status="active",
    reference="MedicationRequest/7",
    start=ago(hours=5),
)
NAMED = replace(RUNNING, fluid_name=RecordText("sodium chloride 0.9% 1000 mL"))
STOPPED = (
    stopped(saline("0.9", "isotonic"), FAST, "saline above the limit", "do-not-give"),
    Scene(
        says="F22: saline exactly at the limit at usual risk: information, and no room all the same",
        order=saline("0.9", "isotonic"),
        story=replace(FAST, sodium="120"),
        fires={"OS-RAISE": "info stop"},
        removes=True,
        shows=("do-not-give",),
    ),
    stopped(RINGER, FAST, "balanced fluid above the limit", "do-not-give", how="stop-balanced"),
    stopped(TABLETS, FAST, "salt tablets above the limit", "stop-salt"),
    stopped(selected("urea"), FAST, "urea above the limit", "stop-salt"),
    stopped(saline("0.9", "isotonic"), SHEDDING, "a dilute urine is named", "sheds-water-too"),
    stopped(
        saline("0.9", "isotonic"),
        replace(SHEDDING, orders=(NAMED,)),
        "the bag that runs is named",
        *("sheds-water-too", "stop-running"),
    ),
    stopped(
        saline("0.9", "isotonic"),
        replace(FAST, orders=(RUNNING,)),
        "a bag without a name",
        "stop-running-unnamed",
    ),
    stopped(
        saline("0.9", "isotonic"),
        replace(FAST, problems=(problem("hypovolemia"),)),
        "lost volume without a low pressure",
        "do-not-give",
    ),
    *(
        Scene(
            says=f"F22: saline above the limit with {why}: give it, count it",
            order=saline("0.9", "isotonic"),
            story=replace(FAST, problems=(problem(why, days=0.1),)),
            fires={"OS-RAISE": "warning main"},
            shows=("hold-or-count",),
            hides=("do-not-give",),
        )
        for why in DRY_NOW
    ),
    speaks(
        RINGER,
        replace(FAST, problems=(problem("shock", days=0.1),)),
        "warning balanced",
        "balanced fluid above the limit in shock",
    ),
    Scene(
        says="F22: saline above the limit with a pressure of 84: give it, count it",
        order=saline("0.9", "isotonic"),
        story=replace(FAST, results=(*FAST.results, result("systolic", 84, 1))),
        fires={"OS-RAISE": "warning main"},
        shows=("hold-or-count",),
    ),
    Scene(
        says="F22: salt tablets above the limit in shock: stop all the same",
        order=TABLETS,
        story=replace(FAST, results=(*FAST.results, result("systolic", 84, 1))),
        fires={"OS-RAISE": "warning stop"},
        removes=True,
        shows=("stop-salt",),
    ),
    Scene(
        says="F22: saline just below the limit",
        order=saline("0.9", "isotonic"),
        story=replace(FAST, sodium="119.9"),
        fires={"OS-RAISE": "info main"},
        hides=("do-not-give",),
    ),
)
SCENES = (
    *POTASSIUM,
    speaks(selected("sodium bicarbonate", route="iv"), FAST, "warning main", "bicarbonate"),
    *STOPPED,
    speaks(selected("sodium phosphates", route="iv"), FAST, "warning main", "sodium phosphate"),
    speaks(
        selected("potassium phosphate", route="iv"), FAST, "warning main", "potassium phosphate"
    ),
    speaks(KCL, FAST, "warning main", "potassium by vein"),
    speaks(selected("potassium chloride", dose="2982"), FAST, "warning main", "40 mmol by mouth"),
    silent(selected("potassium chloride", dose="2981"), FAST, "less than 40 mmol by mouth"),
    speaks(selected("potassium chloride"), FAST, "warning main", "an unknown dose by mouth"),
    silent(saline("0.9", "isotonic", "499"), FAST, "less than 500 mL"),
    silent(replace(RINGER, balanced_volume_ml=result("sodium", 499).value), FAST, "a small Ringer"),
    speaks(
        KCL,
        replace(FAST, results=(*FAST.results, LOW_POTASSIUM)),
        "warning needed",
        "potassium that is needed beyond the limit is a warning",
    ),
    speaks(
        KCL,
        replace(NEAR, results=(*NEAR.results, LOW_POTASSIUM)),
        "info needed",
        "potassium that is needed counts all the same",
    ),
    Scene(
        says="F22: needed potassium exactly at the limit: no room is left",
        order=KCL,
        story=replace(FAST, sodium="120", results=(*FAST.results, LOW_POTASSIUM)),
        fires={"OS-RAISE": "warning needed"},
        shows=("at-limit",),
        hides=("above-limit",),
    ),
    Scene(
        says="F22: needed potassium just below the limit",
        order=KCL,
        story=replace(FAST, sodium="119.9", results=(*FAST.results, LOW_POTASSIUM)),
        fires={"OS-RAISE": "info needed"},
        hides=("at-limit", "above-limit"),
    ),
    speaks(
        KCL,
        replace(FAST, results=(*FAST.results, result("potassium", "3.0", 3))),
        "warning main",
        "potassium at 3.0 is not so low",
    ),
    speaks(KCL, NEAR, "info main", "the goal of the day is reached at high risk"),
    speaks(KCL, replace(NEAR, problems=()), "info main", "6 in a day at usual risk"),
    silent(KCL, replace(NEAR, sodium="113.9", problems=()), "below 6 in a day at usual risk"),
    silent(KCL, replace(FAST, results=()), "nothing rises"),
    speaks(saline("0.9", "isotonic"), DILUTE, "warning solute", "salt into a dilute urine"),
    speaks(RINGER, DILUTE, "warning solute-balanced", "Ringer into a dilute urine"),
    silent(saline("0.9", "isotonic"), urine("100"), "a urine that is not dilute"),
    silent(KCL, DILUTE, "potassium into a dilute urine, at no high risk"),
    silent(saline("0.9", "isotonic"), replace(DILUTE, sodium="120"), "dilute urine from 120 on"),
    speaks(
        saline("0.9", "isotonic"),
        replace(urine("199"), problems=(problem("psychogenic-polydipsia", days=900),)),
        "warning solute",
        "recorded polydipsia and a urine below 200",
    ),
    *(
        Scene(
            says=f"F1: {says} beside a dilute urine: isotonic fluid is no treatment of brain edema",
            order=saline("0.9", "isotonic"),
            story=replace(DILUTE, problems=(problem(symptom, days=0.03, encounter=True),)),
            fires={"OS-ISO": "warning symptom"},
        )
        for says, symptom in (
            ("a seizure", "seizure"),
            ("coma", "coma"),
            ("confusion", "confusion"),
        )
    ),
    speaks(
        saline("0.9", "isotonic"),
        replace(DILUTE, results=(*DILUTE.results, result("systolic", 84, 1))),
        "info diuresis",
        "dilute urine beside a low pressure: the circulation may need it",
    ),
    *(
        Scene(
            says=f"F22: a urine sodium of 9 with an osmolality of {osmolality}",
            order=saline("0.9", "isotonic"),
            story=replace(
                DILUTE,
                results=(
                    result("urine-osmolality", osmolality, 3),
                    result("urine-sodium", 9, 3),
                ),
            ),
            fires=fires,
        )
        for osmolality, fires in (("520", {"OS-RAISE": "info diuresis"}), ("150", {}))
    ),
    speaks(
        saline("0.9", "isotonic"),
        replace(DILUTE, problems=(problem("hypovolemia"),)),
        "info diuresis",
        "lost volume is restored all the same",
    ),
    speaks(KCL, VERY_LOW, "info counts", "below 120 at high risk potassium is counted at once"),
    speaks(RINGER, VERY_LOW, "info counts-balanced", "below 120 at high risk so is Ringer"),
    speaks(selected("urea"), VERY_LOW, "info counts", "below 120 at high risk so is urea"),
    silent(KCL, replace(VERY_LOW, sodium="120"), "at 120 nothing is counted before a rise"),
    silent(KCL, replace(VERY_LOW, problems=()), "at usual risk nothing is counted before it"),
    silent(
        selected("potassium chloride", dose="2981"), VERY_LOW, "a small dose by mouth at high risk"
    ),
    Scene(
        says="F22: in SIADH isotonic saline lowers sodium, and is not counted",
        order=saline("0.9", "isotonic"),
        story=replace(VERY_LOW, problems=(*VERY_LOW.problems, problem("siadh", days=3))),
        fires={"OS-ISO": "warning main"},
    ),
    speaks(CORTISOL, ADDISON, "info diuresis", "hydrocortisone in adrenal failure"),
    speaks(CORTISOL, replace(ADDISON, sodium="125"), "info diuresis", "hydrocortisone at 125"),
    silent(CORTISOL, replace(ADDISON, sodium="127"), "hydrocortisone at a mildly low sodium"),
    silent(CORTISOL, replace(ADDISON, problems=()), "hydrocortisone without adrenal failure"),
    silent(
        selected("hydrocortisone", route="systemic"), ADDISON, "hydrocortisone by mouth every day"
    ),
    speaks(saline("0.9", "isotonic"), ADDISON, "info diuresis", "saline in adrenal failure"),
    speaks(saline("0.9", "isotonic"), DRY, "info diuresis", "saline in volume depletion"),
    speaks(RINGER, DRY, "info diuresis-balanced", "Ringer in volume depletion"),
    silent(saline("0.9", "isotonic"), replace(DRY, sodium="120"), "saline at 120"),
)


@table(SCENES)
def test_orders_that_raise_sodium_too(scene: Scene) -> None:
    scene.check()


def test_f22_isotonic_saline_beside_a_rise_is_named_by_its_strength() -> None:
    found = Scene(says="", order=saline("0.9", "isotonic"), story=FAST).findings()["OS-RAISE"]
    assert found.facts["drug"] == "0.9% saline"
