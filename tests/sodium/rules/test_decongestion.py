"""Heart failure by its codes and drugs (F18), and a thiazide in acute heart failure (F48)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding, RemoveDraft, StopOrder
from cds_service.knowledge.names import Missing
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.rules.gates import decongesting, heart_failure
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import detail, fired, keys, summary
from tests.sodium.rules.orders import Scene, selected, table

CIRRHOSIS = (problem("cirrhosis", days=400), problem("ascites", days=60))
WARD = Story(sodium="123", setting="inpatient")


def taking(name: str, **more: Any) -> Order:
    """A drug on a prescription that a click may stop."""
    return replace(order(name, **more), stoppable=True, reference=f"MedicationRequest/{name}")


FUROSEMIDE, SPIRONOLACTONE = taking("furosemide"), taking("spironolactone")


def said(story: Story) -> str:
    return "\n".join(line for found in fired(story.case()).values() for line in detail(found))


def stops(story: Story) -> list[str]:
    buttons = [s for found in fired(story.case()).values() for s in found.suggestions]
    return [a.reference for s in buttons for a in s.actions if isinstance(a, StopOrder)]


@pytest.mark.parametrize(
    ("more", "failing"),
    [
        ({"problems": (problem("cardiomyopathy", days=900),)}, True),
        ({"orders": (taking("sacubitril"),)}, True),
        ({"orders": (taking("empagliflozin"), FUROSEMIDE, SPIRONOLACTONE)}, True),
        ({"orders": (taking("empagliflozin"), FUROSEMIDE)}, False),
        ({"orders": (taking("empagliflozin"), SPIRONOLACTONE)}, False),
        ({"orders": (FUROSEMIDE, SPIRONOLACTONE)}, False),
    ],
)
def test_f18_heart_failure_is_told_by_its_codes_and_by_its_drugs(
    more: dict[str, Any], failing: bool
) -> None:
    assert heart_failure(replace(WARD, **more).case()) is failing


def test_f18_in_treated_heart_failure_no_diuretic_is_stopped_and_no_salt_is_spoken_of() -> None:
    base = replace(WARD, problems=CIRRHOSIS, orders=(FUROSEMIDE, SPIRONOLACTONE))
    assert len(stops(base)) == 2
    for added in (taking("sacubitril"), taking("empagliflozin")):
        treated = replace(base, orders=(*base.orders, added))
        assert stops(treated) == []
        assert "part of heart failure treatment" in said(treated)
    coded = replace(base, problems=(*CIRRHOSIS, problem("cardiomyopathy", days=900)))
    assert stops(coded) == []
    siadh = Story(sodium="128", problems=(problem("siadh"),))
    assert "Salty food" in said(siadh)
    assert "Salty food" not in said(replace(siadh, orders=(taking("sacubitril"),)))


THIAZIDE = taking("hydrochlorothiazide")
ACUTE: dict[str, dict[str, Any]] = {
    "code": {"problems": (problem("acute-congestion", days=29.9),)},
    "loop by vein": {"orders": (THIAZIDE, taking("furosemide", route="iv", days=1))},
}


@pytest.mark.parametrize("more", ACUTE.values(), ids=ACUTE)
def test_f48_in_acute_heart_failure_a_thiazide_is_not_stopped(more: dict[str, Any]) -> None:
    base = replace(WARD, orders=(THIAZIDE,))
    assert stops(base) == [THIAZIDE.reference]
    acute = replace(base, **more)
    assert stops(acute) == []
    assert "part of decongestion, no stop suggested; sodium daily" in said(acute)
    assert "Consider stopping" not in said(acute)


@pytest.mark.parametrize(
    "more",
    [
        {"problems": (problem("acute-congestion", days=30.1),)},
        {"orders": (THIAZIDE, taking("furosemide", days=1))},
    ],
)
def test_f48_an_old_code_or_a_tablet_is_no_acute_heart_failure(more: dict[str, Any]) -> None:
    story = replace(WARD, orders=(THIAZIDE,))
    assert not decongesting(replace(story, **more).case())
    assert THIAZIDE.reference in stops(replace(story, **more))


FAILING = problem("heart-failure", days=400)
HYPOVOLEMIA = problem("hypovolemia", days=0.5)


def holds(story: Story) -> bool:
    assert "Consider stopping" not in said(story)
    assert stops(story) == []
    return "**Stop or hold hydrochlorothiazide now**" in said(story)


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({"sodium": "124.9"}, True),
        ({"sodium": "125"}, False),
        ({"sodium": "131", "problems": (FAILING, HYPOVOLEMIA)}, True),
        ({"sodium": "131", "problems": (FAILING, problem("hypotension", days=0.9))}, True),
        ({"sodium": "131", "problems": (FAILING, problem("hypotension", days=1.1))}, False),
        ({"sodium": "131", "problems": (FAILING, problem("vomiting", days=0.5))}, False),
        ({"sodium": "131", "results": (result("systolic", "99.9"),)}, True),
        ({"sodium": "131", "results": (result("systolic", "100"),)}, False),
        ({"sodium": "131", "results": (result("creatinine", "1", 30), result("creatinine", "1.3"))},
         True),
        ({"sodium": "131", "results": (result("creatinine", "1", 30), result("creatinine", "1.2"))},
         False),
    ],
)  # fmt: skip
def test_f18_in_heart_failure_a_thiazide_that_harms_is_held(
    more: dict[str, Any], held: bool
) -> None:
    story = replace(WARD, problems=(FAILING,), orders=(THIAZIDE, FUROSEMIDE))
    story = replace(story, **more)
    assert holds(story) is held
    lost = held and more["sodium"] != "124.9"
    assert ("no stop suggested" in said(story)) is not lost


@pytest.mark.parametrize("name", ["metolazone", "chlorthalidone", "indapamide"])
def test_f18_each_thiazide_type_is_held_on_every_card_of_low_sodium(name: str) -> None:
    failing = replace(WARD, problems=(FAILING,), orders=(taking(name),))
    for sodium in ("112", "124"):
        assert f"**Stop or hold {name} now**" in said(replace(failing, sodium=sodium))
    fell = replace(failing, sodium="123", results=(result("sodium", "136", 30),))
    assert f"**Stop or hold {name} now**" in said(fell)


def test_f18_the_hold_leads_with_its_signs_and_the_potassium() -> None:
    dry = replace(
        WARD,
        sodium="114",
        problems=(FAILING, HYPOVOLEMIA),
        orders=(THIAZIDE, FUROSEMIDE),
        results=(result("systolic", 82), result("potassium", "2.4")),
    )
    face = detail(fired(dry.case())["PV-SEV"])[:4]
    assert "(dehydration or hypovolemia, hypotension), in heart failure too" in face[1]
    assert face[2].startswith("Potassium 2.4 mmol/L")
    assert said(dry).count("Potassium 2.4") == 1
    assert "Hold furosemide until the circulation is restored?" in said(dry)
    assert "no stop suggested" not in said(dry)
    fair = replace(dry, results=(result("potassium", "5.6"),))
    assert not any(
        words.startswith("Potassium") for words in detail(fired(fair.case())["PV-SEV"])[:4]
    )


@pytest.mark.parametrize("more", ACUTE.values(), ids=ACUTE)
@pytest.mark.parametrize(
    ("sign", "held"),
    [
        ({}, False),
        ({"problems": (HYPOVOLEMIA,)}, True),
        ({"results": (result("systolic", 84),)}, True),
        ({"results": (result("creatinine", "1", 30), result("creatinine", "1.3"))}, False),
    ],
    ids=["none", "hypovolemia", "hypotension", "creatinine"],
)
def test_f48_in_acute_heart_failure_only_lost_volume_or_pressure_holds_a_thiazide(
    more: dict[str, Any], sign: dict[str, Any], held: bool
) -> None:
    story = replace(WARD, sodium="118", orders=(THIAZIDE,))
    story = replace(story, **more)
    story = replace(
        story,
        problems=(*story.problems, *sign.get("problems", ())),
        results=sign.get("results", ()),
    )
    assert holds(story) is held
    assert ("part of decongestion" in said(story)) is not held


def test_f18_while_sodium_rises_too_fast_a_hold_is_left_to_nephrology() -> None:
    story = replace(WARD, problems=(FAILING,), orders=(THIAZIDE,))
    story = replace(story, results=(result("sodium", "112", 22),))
    assert "hydrochlorothiazide: stopping may speed a rise" in said(story)
    assert "Stop or hold" not in said(story)


METOLAZONE, BACLOFEN = selected("metolazone"), selected("baclofen", dose="10")
SCENES = (
    Scene(
        says="F48: a thiazide is started in acute heart failure",
        order=METOLAZONE,
        story=replace(WARD, problems=(problem("acute-congestion", encounter=True),)),
        fires={"OS-LOW": "warning main"},
        shows=("loop-first", "decongestion-close"),
        hides=("another-drug-or-wait", "thiazide-close"),
    ),
    Scene(
        says="F48: a thiazide is started without acute heart failure",
        order=METOLAZONE,
        story=WARD,
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("another-drug-or-wait",),
    ),
    Scene(
        says="F48: a thiazide beside furosemide by vein in cirrhosis",
        order=METOLAZONE,
        story=replace(WARD, problems=CIRRHOSIS, orders=(taking("furosemide", route="iv", days=1),)),
        fires={"OS-LOW": "warning main", "OS-DIUR-CRAMP": "warning main"},
        removes=True,
        shows=("cirrhosis-holds", "thiazide-potassium-unmeasured", "hold-diuretic"),
        hides=("decongestion", "decongestion-close", "loop-first"),
    ),
    Scene(
        says="F48: it is kept in cirrhosis if acute heart failure is recorded as well",
        order=METOLAZONE,
        story=replace(
            WARD, problems=(*CIRRHOSIS, problem("acute-congestion", "heart-failure", days=1))
        ),
        fires={"OS-LOW": "warning main", "OS-DIUR-CRAMP": "warning main"},
        shows=("decongestion-close", "loop-first", "heart-failure-text"),
    ),
    Scene(
        says="F48: in a mild low sodium it is part of decongestion, with its potassium",
        order=METOLAZONE,
        story=replace(
            WARD,
            sodium="131",
            problems=(problem("acute-congestion", encounter=True),),
            results=(result("potassium", "3.4"),),
        ),
        fires={"OS-LOW": "info main"},
        shows=("decongestion", "thiazide-potassium"),
        hides=("loop-first",),
    ),
    Scene(
        says="F48: a thiazide that is taken already is not stopped in acute heart failure",
        order=METOLAZONE,
        story=replace(
            WARD,
            problems=(problem("acute-congestion", encounter=True),),
            orders=(taking("metolazone", days=3),),
        ),
        fires={"OS-LOW": "warning main"},
        shows=("decongestion-close",),
        hides=("loop-first",),
    ),
    Scene(
        says="F48: beside furosemide by vein in nephrotic syndrome it is no heart failure",
        order=METOLAZONE,
        story=replace(
            WARD,
            sodium="117",
            problems=(problem("nephrotic", days=20),),
            orders=(taking("furosemide", route="iv", days=1),),
            results=(result("potassium", "2.8"),),
        ),
        fires={"OS-LOW": "critical main"},
        removes=True,
        shows=("loop-first", "thiazide-potassium", "thiazide-close"),
        hides=("decongestion", "decongestion-close"),
    ),
    Scene(
        says="F48: so it is if nothing is on record, yet no button removes it",
        order=METOLAZONE,
        story=replace(WARD, orders=(taking("furosemide", route="iv", days=1),)),
        fires={"OS-LOW": "warning main"},
        shows=("loop-first", "thiazide-potassium-unmeasured", "thiazide-close"),
        hides=("decongestion", "decongestion-close"),
    ),
    Scene(
        says="F48: any thiazide at a low potassium says that potassium comes first",
        order=METOLAZONE,
        story=replace(WARD, results=(result("potassium", "3.4"),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("another-drug-or-wait", "thiazide-potassium"),
    ),
    Scene(
        says="F17: baclofen beside rifaximin in cirrhosis",
        order=BACLOFEN,
        story=replace(WARD, problems=CIRRHOSIS, orders=(taking("rifaximin"),)),
        fires={"OS-BACLO": "warning avoid"},
        shows=("encephalopathy-drug",),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()
    if scene.removes:
        return
    actions = [a for f in scene.findings().values() for s in f.suggestions for a in s.actions]
    assert not any(isinstance(action, RemoveDraft) for action in actions)


NEPHROTIC = (problem("nephrotic", days=20), problem("edema-generalized", days=5))
LOOP = taking("furosemide", route="iv", days=20)
FELL = (result("sodium", "135", 600), result("sodium", "131", 30))
DRAINED: dict[str, dict[str, Any]] = {
    "nephrotic": {"problems": NEPHROTIC},
    "kidney disease": {"problems": (problem("ckd-4-5", days=900), problem("fluid-overload"))},
    "ascites": {"problems": CIRRHOSIS},
    "heart failure": {"problems": (problem("acute-heart-failure"),)},
}


def face(story: Story) -> str:
    (card,) = fired(story.case()).values()
    return summary(card)


@pytest.mark.parametrize("more", DRAINED.values(), ids=DRAINED)
def test_f48_a_loop_diuretic_that_drains_an_overload_is_no_cause_to_look_for(
    more: dict[str, Any],
) -> None:
    story = replace(WARD, sodium="128", results=FELL, orders=(LOOP,), **more)
    assert "no stop suggested" in said(story)
    assert "Review the need" not in said(story)
    assert "probable cause" not in said(story)
    assert "furosemide" not in face(story)
    going = [rule(story.case()) for rule in BOOK.discharge.values()]
    assert not any("culprit" in keys(found) for found in going if isinstance(found, Finding))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"problems": (problem("ckd-4-5", days=900),)},
        {"problems": (*NEPHROTIC, problem("hypotension", days=0.5))},
    ],
    ids=["nothing recorded", "kidney disease alone", "volume lacks"],
)
def test_f48_without_an_overload_or_with_lost_volume_the_loop_diuretic_is_reviewed(
    more: dict[str, Any],
) -> None:
    tablet = taking("furosemide", days=20)
    story = replace(WARD, sodium="128", results=FELL, orders=(tablet,), **more)
    assert "no stop suggested" not in said(story)
    assert "Review" in said(story)
    assert "drains" not in " ".join(
        line for found in fired(story.case()).values() for line in keys(found)
    )


def test_f48_beside_a_loop_diuretic_the_thiazide_is_the_suspect() -> None:
    metolazone = taking("metolazone", days=1.2)
    story = replace(WARD, sodium="128", results=FELL, orders=(LOOP, metolazone), problems=NEPHROTIC)
    assert "metolazone" in face(story)
    assert "metolazone beside a loop diuretic: the likelier cause" in said(story)
    old = (taking("bumetanide", days=2), taking("chlorthalidone", days=200))
    both = replace(WARD, sodium="128", results=FELL, orders=old)
    assert "chlorthalidone" in face(both)
    failing = replace(story, problems=(problem("acute-heart-failure"),))
    assert "metolazone: part of decongestion" in said(failing)


IN_VEIN = taking("furosemide", route="iv", days=1)
HEARTS: dict[str, dict[str, Any]] = {
    "acute code": {"problems": (problem("acute-congestion", days=1),)},
    "chronic code and a loop diuretic by vein": {"problems": (FAILING,), "orders": (IN_VEIN,)},
    "its drug and a loop diuretic by vein": {"orders": (IN_VEIN, taking("sacubitril"))},
    "an unread problem list": {"orders": (IN_VEIN,), "missing": {"conditions": Missing.FAILED}},
}
OTHERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "nephrotic syndrome": {"problems": NEPHROTIC},
    "cirrhosis": {"problems": CIRRHOSIS},
    "kidney disease": {"problems": (problem("ckd-4-5", days=900),)},
    "edema": {"problems": (problem("edema-generalized", days=5),)},
}


def of_the_thiazide(name: str, more: dict[str, Any]) -> Finding:
    story = replace(WARD, **more)
    scene = Scene(says=name, order=selected(name), story=story)
    return scene.findings()["OS-LOW"]


@pytest.mark.parametrize("name", ["metolazone", "hydrochlorothiazide", "indapamide"])
@pytest.mark.parametrize("sodium", ["112", "119.9", "124", "129.9"])
@pytest.mark.parametrize("more", HEARTS.values(), ids=HEARTS)
def test_f48_below_the_limit_the_face_says_what_comes_before_the_thiazide(
    more: dict[str, Any], sodium: str, name: str
) -> None:
    low = (result("potassium", "3.4"),)
    face = keys(of_the_thiazide(name, more | {"sodium": sodium, "results": low}))[:4]
    assert face[:3] == ["loop-first", "thiazide-potassium", "decongestion-close"]


@pytest.mark.parametrize("sodium", ["112", "124", "129.9", "132"])
@pytest.mark.parametrize("more", OTHERS.values(), ids=OTHERS)
def test_f48_a_loop_diuretic_by_vein_alone_is_no_acute_heart_failure(
    more: dict[str, Any], sodium: str
) -> None:
    card = of_the_thiazide("metolazone", more | {"sodium": sodium, "orders": (IN_VEIN,)})
    found = keys(card)
    assert not {"decongestion", "decongestion-close"}.intersection(found)
    assert ("loop-first" in found[:4]) is (sodium != "132" and more.get("problems") != CIRRHOSIS)


@pytest.mark.parametrize(
    ("potassium", "shown"),
    [("3.4", "thiazide-potassium"), ("3.5", ""), (None, "thiazide-potassium-unmeasured")],
)
def test_f48_potassium_is_replaced_or_measured_before_the_thiazide(
    potassium: str | None, shown: str
) -> None:
    results = (result("potassium", potassium),) if potassium else ()
    card = of_the_thiazide("metolazone", HEARTS["acute code"] | {"results": results})
    found = [key for key in keys(card) if key.startswith("thiazide-potassium")]
    assert found == ([shown] if shown else [])


@pytest.mark.parametrize("sodium", ["112", "119", "124", "125.9"])
@pytest.mark.parametrize("orders", [(), (IN_VEIN,), (FUROSEMIDE,)], ids=["alone", "vein", "tablet"])
def test_m14_in_cirrhosis_the_face_holds_the_thiazide(
    orders: tuple[Order, ...], sodium: str
) -> None:
    low = (result("potassium", "3.4"),)
    more = {"problems": CIRRHOSIS, "orders": orders, "sodium": sodium, "results": low}
    face = keys(of_the_thiazide("metolazone", more))[:4]
    assert face[:2] == ["cirrhosis-holds", "thiazide-potassium"]
    assert "loop-first" not in face


@pytest.mark.parametrize("more", OTHERS.values(), ids=OTHERS)
def test_f48_in_an_acute_fall_the_face_says_so_too(more: dict[str, Any]) -> None:
    results = (result("sodium", "132", 20), result("potassium", "3.1"))
    card = of_the_thiazide(
        "metolazone", more | {"sodium": "118", "orders": (IN_VEIN,), "results": results}
    )
    first = "cirrhosis-holds" if more.get("problems") == CIRRHOSIS else "loop-first"
    assert card.variant == "acute"
    assert keys(card)[:3] == ["order-acute", first, "thiazide-potassium"]
