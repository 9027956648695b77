"""Hypertonic saline or a vaptan: no fresh sodium, no true sodium, or a rise that is fast enough already."""

from __future__ import annotations

from msgspec.structs import replace

from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Missing
from tests.sodium.patients import Story, ago, order, problem, result
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table

SEIZURE = problem("seizure", days=0.2, encounter=True)
CIRRHOSIS = problem("cirrhosis", days=400)
RISEN = Story(
    sodium="115", sodium_hours=0.5, setting="inpatient", results=(result("sodium", 108, 5.5),)
)
ACTIVE_SALINE = replace(
    saline(), status="active", reference="MedicationRequest/7", start=RISEN.snapshot().now
)


def rising(start: str, now: str, over: float = 20, **more: object) -> Story:
    """An inpatient whose sodium rose within so many hours."""
    before = result("sodium", start, over + 1)
    return Story(sodium=now, sodium_hours=1, setting="inpatient", results=(before,), **more)  # type: ignore[arg-type]  # keywords of Story


UNDATED = replace(result("sodium", 112), time=None)
SCENES = (
    # -- a rise
    Scene(
        says="vector 48: 108 to 115 in 5 h with a seizure: warning, specialist, no removal",
        order=saline(),
        story=replace(RISEN, problems=(SEIZURE,)),
        fires={"OS-HTS-OVER": "warning severe", "OS-HTS-SEV": "info main"},
        shows=("treat-first", "specialist-now", "rise-measured"),
        hides=("no-further-rise",),
    ),
    Scene(
        says="a rise of 9 from 112: critical, removal",
        order=saline(),
        story=rising("112", "121"),
        fires={"OS-HTS-OVER": "critical over", "OS-HTS-ASX": "warning main"},
        removes=True,
        shows=("no-further-rise",),
    ),
    Scene(
        says="a rise of 9 from 126: warning; the removal is that of mild low sodium",
        order=saline(),
        story=rising("126", "135"),
        fires={"OS-HTS-OVER": "warning over", "OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="a rise of exactly 8 is not over",
        order=saline(),
        story=rising("112", "120"),
        fires={"OS-HTS-OVER": "warning reached", "OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="a rise of 6 warns",
        order=saline(),
        story=rising("112", "118"),
        fires={"OS-HTS-OVER": "warning near", "OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="a rise of 5.9 does not",
        order=saline(),
        story=rising("112", "117.9"),
        fires={"OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="high risk: a rise of 4 warns",
        order=saline(),
        story=rising("112", "116", problems=(CIRRHOSIS,)),
        fires={"OS-HTS-OVER": "warning near", "OS-HTS-ASX": "info main"},
        shows=("risk-aasld",),
    ),
    Scene(
        says="high risk: a rise of 7 is above the goal",
        order=saline(),
        story=rising("112", "119", problems=(CIRRHOSIS,)),
        fires={"OS-HTS-OVER": "warning goal", "OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="a rise between two days is estimated",
        order=saline(),
        story=rising("112", "122", over=30),
        fires={"OS-HTS-OVER": "warning reached", "OS-HTS-ASX": "warning main"},
        shows=("rise-estimated",),
        hides=("rise-measured",),
    ),
    Scene(
        says="an over-correction of yesterday counts, though sodium was lowered since",
        order=saline(),
        story=Story(
            sodium="117",
            sodium_hours=1,
            setting="inpatient",
            results=(result("sodium", 110, 27), result("sodium", 122, 9), result("sodium", 119, 5)),
        ),
        fires={"OS-HTS-OVER": "warning remembered", "OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="a slow rise after a fast one is still too much",
        order=saline(),
        story=Story(
            sodium="124",
            sodium_hours=1,
            setting="inpatient",
            results=(
                result("sodium", 112, 40),
                result("sodium", 123.5, 26),
                result("sodium", 123, 20),
            ),
        ),
        fires={"OS-HTS-OVER": "warning remembered", "OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="a rise to normal from 136 is no question of this rule",
        order=saline(),
        story=rising("136", "143"),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
    ),
    Scene(
        says="a vaptan on a rise of 9: critical, removal, no line on bolus",
        order=selected("tolvaptan"),
        story=rising("112", "121"),
        fires={"OS-HTS-OVER": "critical over", "OS-VAP-GEN": "info main"},
        removes=True,
        hides=("treat-first",),
    ),
    Scene(
        says="recovered from 130 to 139: no over-correction",
        order=selected("tolvaptan"),
        story=rising("130", "139"),
        fires={"OS-VAP-NONE": "warning main"},
    ),
    Scene(
        says="an over-correction with brain edema is shown, and the order never removed",
        order=saline(),
        story=rising("112", "121", problems=(problem("intracranial-bleed", days=3),)),
        fires={"OS-HTS-ICP": "info injury", "OS-HTS-OVER": "critical over"},
    ),
    Scene(
        says="a concentrate on a rise, with a seizure: no word of a bolus",
        order=saline("23.4", "concentrate"),
        story=rising("108", "117", problems=(SEIZURE,)),
        fires={"OS-HTS-OVER": "warning over", "OS-HTS-CONC": "warning main"},
        hides=("specialist-now",),
    ),
    # -- no fresh sodium
    Scene(
        says="a concentrate without a fresh sodium: no word of a bolus",
        order=saline("23.4", "concentrate"),
        story=Story(sodium="132", sodium_hours=7, setting="inpatient"),
        fires={"OS-HTS-OLD": "warning other", "OS-HTS-CONC": "warning main"},
        shows=("concentrate-first",),
    ),
    Scene(
        says="no sodium of the last 6 h: send one, the band card stays beside it",
        order=saline(),
        story=Story(sodium="122", sodium_hours=7, setting="inpatient"),
        fires={"OS-HTS-OLD": "warning bolus", "OS-HTS-ASX": "warning main"},
        shows=("treat-first", "send-now", "last-known"),
    ),
    Scene(
        says="a sodium of exactly 6 h ago is fresh",
        order=saline(),
        story=Story(sodium="122", sodium_hours=6, setting="inpatient"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="a sodium of 25 h ago decides nothing",
        order=saline(),
        story=Story(sodium="132", sodium_hours=25, setting="inpatient"),
        fires={"OS-HTS-OLD": "warning bolus"},
    ),
    Scene(
        says="no sodium on record",
        order=saline(),
        story=Story(sodium=None, setting="inpatient"),
        fires={"OS-HTS-OLD": "warning bolus"},
        shows=("none-on-record",),
        hides=("unread-is-not-absent",),
    ),
    Scene(
        says="a sodium without a readable time came beside an old one, hypertonic saline",
        order=saline(),
        story=Story(sodium="140", sodium_hours=30, setting="inpatient", results=(UNDATED,)),
        fires={"OS-HTS-OLD": "warning bolus-unusable"},
        shows=("unusable-is-not-absent",),
        hides=("last-known", "none-on-record"),
    ),
    Scene(
        says="only a sodium without a readable time came, vaptan",
        order=selected("tolvaptan"),
        story=Story(sodium=None, setting="inpatient", results=(UNDATED,)),
        fires={"OS-HTS-OLD": "warning other-unusable"},
        hides=("none-on-record",),
    ),
    Scene(
        says="vector 39: sodium could not be read, hypertonic saline",
        order=saline(),
        story=Story(sodium=None, setting="inpatient", missing={"sodium": Missing.REFUSED}),
        fires={"OS-HTS-OLD": "warning bolus-unread"},
        shows=("unread-is-not-absent",),
        hides=("none-on-record",),
    ),
    Scene(
        says="sodium could not be read, vaptan",
        order=selected("tolvaptan"),
        story=Story(sodium=None, setting="inpatient", missing={"sodium": Missing.TIMEOUT}),
        fires={"OS-HTS-OLD": "warning other-unread"},
        hides=("treat-first",),
    ),
    Scene(
        says="a vaptan without a sodium of the last 24 h",
        order=selected("tolvaptan"),
        story=Story(sodium="124", sodium_hours=25, setting="inpatient"),
        fires={"OS-HTS-OLD": "warning other", "OS-VAP-GEN": "info main"},
    ),
    # -- no true sodium
    Scene(
        says="vector 49: 128 with glucose 600, hypertonic saline",
        order=saline(),
        story=Story(sodium="128", setting="inpatient", results=(result("glucose", 600),)),
        fires={"OS-HTS-GLU": "warning main"},
        removes=True,
        shows=("coma-fits-glucose-none", "glucose-corrected"),
        hides=("treat-first",),
    ),
    Scene(
        says="vector 49: 128 with glucose 600, tolvaptan",
        order=selected("tolvaptan"),
        story=Story(sodium="128", setting="inpatient", results=(result("glucose", 600),)),
        fires={"OS-HTS-GLU": "warning main"},
        hides=("treat-first",),
    ),
    Scene(
        says="124 with glucose 400 is judged by the corrected value",
        order=saline(),
        story=Story(sodium="124", setting="inpatient", results=(result("glucose", 400),)),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("doubt-glucose",),
    ),
    Scene(
        says="brain edema: glucose is no argument",
        order=saline(),
        story=Story(
            sodium="128",
            setting="inpatient",
            results=(result("glucose", 600),),
            problems=(problem("cerebral-edema", days=1),),
        ),
        fires={"OS-HTS-ICP": "info main"},
    ),
    Scene(
        says="normal effective osmolality: an artefact is likely",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 290), result("bun", 14), result("glucose", 100)),
        ),
        fires={"OS-HTS-PSEUDO": "warning main", "OS-HTS-ASX": "warning main"},
        shows=("treat-first", "artefact-osmolality"),
    ),
    *(
        Scene(
            says=f"M6: osmolality 292 without a urea: {says} waits for it",
            order=chosen,
            story=Story(
                sodium="122",
                setting="inpatient",
                results=(result("serum-osmolality", 292), result("glucose", 100)),
            ),
            fires=fires,
            shows=(*shown, "prove-solute"),
        )
        for says, chosen, fires, shown in (
            (
                "3 % saline",
                saline(),
                {"OS-HTS-PSEUDO": "warning unproven", "OS-HTS-ASX": "warning main"},
                ("treat-first",),
            ),
            (
                "tolvaptan",
                selected("tolvaptan"),
                {"OS-HTS-PSEUDO": "warning unproven", "OS-VAP-GEN": "info main"},
                (),
            ),
        )
    ),
    Scene(
        says="M6: an osmolality of 265 is low, with or without a urea",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 265), result("glucose", 100)),
        ),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="M6: a seizure does not wait for the urea",
        order=saline(),
        story=Story(
            sodium="118",
            setting="inpatient",
            results=(result("serum-osmolality", 292),),
            problems=(problem("seizure", days=0.2, encounter=True),),
        ),
        fires={"OS-HTS-PSEUDO": "warning unproven-rescue", "OS-HTS-SEV": "info main"},
        shows=("treat-first",),
    ),
    *(
        Scene(
            says=f"M6: fluid restriction, osmolality {measured}",
            order=restriction(),
            story=Story(
                sodium="122",
                setting="inpatient",
                results=(result("serum-osmolality", measured), result("glucose", 100), *urea),
            ),
            fires=fires,
            removes=bool(fires),
        )
        for measured, urea, fires in (
            (292, (), {"OS-FR": "warning osmolality"}),
            (290, (result("bun", 14),), {"OS-FR": "warning osmolality"}),
            (265, (), {}),
        )
    ),
    Scene(
        says="severe symptoms: a possible artefact is no reason to hold a bolus back",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 290), result("bun", 14), result("glucose", 100)),
            problems=(problem("seizure", days=0.2, encounter=True),),
        ),
        fires={"OS-HTS-PSEUDO": "warning rescue", "OS-HTS-SEV": "info main"},
        shows=("treat-first",),
    ),
    Scene(
        says="F12: a direct measurement of the same minute is normal, and used",
        order=selected("tolvaptan"),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(replace(result("sodium", 138, 2.2), method="poc"),),
        ),
        fires={"OS-HTS-PSEUDO": "warning methods", "OS-VAP-NONE": "warning main"},
        shows=("use-direct",),
        hides=("treat-first", "confirm-direct"),
    ),
    Scene(
        says="F12: triglycerides of 1500 lead the card on 3 % saline",
        order=saline(),
        story=Story(sodium="118", setting="inpatient", results=(result("triglyceride", 1500),)),
        fires={"OS-HTS-PSEUDO": "warning lipids", "OS-HTS-ASX": "info main"},
        shows=("treat-first", "lipids-direct"),
    ),
    Scene(
        says="F12: below 1500 triglycerides are no doubt",
        order=saline(),
        story=Story(sodium="118", setting="inpatient", results=(result("triglyceride", 1499),)),
        fires={"OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="F12: with a seizure triglycerides are no reason to hold a bolus back",
        order=saline(),
        story=Story(
            sodium="118",
            setting="inpatient",
            results=(result("triglyceride", 6000),),
            problems=(problem("seizure", days=0.2, encounter=True),),
        ),
        fires={"OS-HTS-PSEUDO": "warning rescue", "OS-HTS-SEV": "info main"},
        shows=("treat-first",),
    ),
    Scene(
        says="F12: a lower direct value offers no removal",
        order=saline(),
        story=Story(
            sodium="134",
            setting="inpatient",
            results=(replace(result("sodium", 128, 2.2), method="poc"),),
        ),
        fires={"OS-HTS-MILD": "warning main"},
        removes=False,
    ),
    Scene(
        says="F13: a high osmolality under mannitol is no artefact, and no reason for the order",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 315), result("bun", 14), result("glucose", 100)),
            orders=(order("mannitol", days=0.2, route="iv"),),
        ),
        fires={"OS-HTS-PSEUDO": "warning shift"},
        removes=True,
        shows=("coma-fits-shift-none", "stop-osmole", "not-for-the-number"),
        hides=("confirm-direct", "treat-first"),
    ),
    Scene(
        says="F13: mannitol by mouth stays in the gut, and a high osmolality is a gap",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 315), result("bun", 14), result("glucose", 100)),
            orders=(order("mannitol", days=0.2),),
        ),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="F13: icodextrin with a normal osmolality of five hours ago: confirm first",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(
                result("serum-osmolality", 288, 7),
                result("bun", 14, 4),
                result("glucose", 100, 4),
            ),
            orders=(order("icodextrin", days=90),),
        ),
        fires={"OS-HTS-PSEUDO": "warning main", "OS-HTS-ASX": "warning main"},
        shows=("confirm-direct", "doubt-isotonic"),
    ),
    Scene(
        says="F13: after irrigation with glycine a normal osmolality is no doubt about the sodium",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 288), result("bun", 14), result("glucose", 100)),
            orders=(replace(order("glycine", days=0.2, status="completed"), irrigation=True),),
        ),
        fires={"OS-HTS-ASX": "warning setting"},
        shows=("doubt-irrigant", "treat-first"),
        hides=("confirm-direct", "not-for-the-number"),
    ),
    Scene(
        says="F49: an osmolal gap says nothing against the order",
        order=saline(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 315), result("bun", 14), result("glucose", 100)),
        ),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    # -- two at once
    Scene(
        says="vector 34: tolvaptan while 3 % saline runs",
        order=selected("tolvaptan"),
        story=Story(sodium="122", setting="inpatient", orders=(ACTIVE_SALINE,)),
        fires={"OS-VAP-HTS": "critical main", "OS-VAP-GEN": "info main"},
        removes=True,
        shows=("one-of-two",),
    ),
    Scene(
        says="tolvaptan with 3 % saline drafted in the same session",
        order=selected("tolvaptan"),
        story=Story(
            sodium="122",
            setting="inpatient",
            drafts=(replace(saline(), reference="MedicationRequest/8"),),
        ),
        fires={"OS-VAP-HTS": "critical main", "OS-VAP-GEN": "info main"},
        removes=True,
    ),
    Scene(
        says="3 % saline while a vaptan is taken",
        order=saline(),
        story=Story(sodium="122", setting="inpatient", orders=(order("tolvaptan", days=2),)),
        fires={"OS-VAP-HTS": "critical main", "OS-HTS-ASX": "warning main"},
        shows=("treat-first", "stop-the-vaptan"),
    ),
    Scene(
        says="3 % saline for a seizure while a vaptan is taken: never a stop",
        order=saline(),
        story=Story(
            sodium="112",
            setting="inpatient",
            problems=(SEIZURE,),
            orders=(order("tolvaptan", days=2),),
        ),
        fires={"OS-VAP-HTS": "warning rescue", "OS-HTS-SEV": "info main"},
        shows=("treat-first", "rescue-first"),
        hides=("stop-the-vaptan",),
    ),
    Scene(
        says="an order of 3 % saline that ended an hour ago does not run",
        order=selected("tolvaptan"),
        story=Story(
            sodium="122",
            setting="inpatient",
            orders=(replace(ACTIVE_SALINE, end=ago(hours=1), drugs=()),),
        ),
        fires={"OS-VAP-GEN": "info main"},
    ),
    Scene(
        says="a finished order of 3 % saline does not run",
        order=selected("tolvaptan"),
        story=Story(
            sodium="122", setting="inpatient", orders=(replace(ACTIVE_SALINE, status="completed"),)
        ),
        fires={"OS-VAP-GEN": "info main"},
    ),
)


@table(SCENES)
def test_orders_that_raise_sodium(scene: Scene) -> None:
    scene.check()


def test_every_rule_has_something_to_say_of_an_unrelated_order() -> None:
    scene = Scene(says="", order=selected("omeprazole"), story=Story(sodium="118"))
    assert scene.findings() == {}
    assert set(scene.outcomes()) == set(BOOK.order)


def test_f22_a_rise_above_the_limit_is_told_as_it_was_measured() -> None:
    before = (result("sodium", 121, 16), result("sodium", 120, 40))
    story = Story(sodium="132", sodium_hours=1, setting="inpatient", results=before)
    scene = Scene(says="measured", order=selected("tolvaptan"), story=story)
    found = scene.findings()["OS-HTS-OVER"]
    assert (found.facts["rise"], found.facts["hours"]) == ("11", "15")
    assert "rise-measured" in [told.key for told in found.why]
