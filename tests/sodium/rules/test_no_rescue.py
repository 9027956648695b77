"""3 % saline that is no rescue, symptoms from before a rise, a rise that goes on, dialysis."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.sodium.snapshot import Order, Problem
from tests.sodium.cases import NOW
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.orders import Scene, saline, selected, table

GLUCOSE = result("glucose", 1380, 2)
COMA = problem("coma", days=0.05, encounter=True)
EDEMA = problem("acute-congestion", days=0.5)
DIALYSIS = Order(
    reference="ServiceRequest/draft",
    kind="service",
    status="draft",
    intent="order",
    about=frozenset({"dialysis-session"}),
)


def ward(sodium: Any, hours: float = 2, **more: Any) -> Story:
    return Story(sodium=sodium, sodium_hours=hours, setting="inpatient", **more)


def seized(hours: float, **more: Any) -> Problem:
    """A seizure so many hours ago, a diagnosis of this encounter."""
    return replace(problem("seizure", encounter=True), since=NOW - timedelta(hours=hours), **more)


def risen(*problems: Problem, start: float = 107, now: float = 126, **more: Any) -> Story:
    """Sodium rose within 12 h; the lowest value is 13 h old."""
    before = (result("sodium", start, 13), *more.pop("results", ()))
    return ward(now, 1, results=before, problems=problems, **more)


SCENES = (
    # -- M4: the escape line, and what stands there if saline is no rescue
    Scene(
        says="M4: glucose 1380 explains 121: the coma is named with its osmolality, no escape line",
        order=saline(),
        story=ward("121", results=(GLUCOSE, result("serum-osmolality", 352, 2)), problems=(COMA,)),
        fires={"OS-HTS-GLU": "warning main"},
        shows=("coma-fits-osmolality",),
        hides=("treat-first",),
    ),
    Scene(
        says="M4: an osmolality of 294 is not high",
        order=saline(),
        story=ward("121", results=(GLUCOSE, result("serum-osmolality", 294, 2)), problems=(COMA,)),
        fires={"OS-HTS-GLU": "warning main"},
        shows=("coma-fits-glucose",),
        hides=("treat-first", "coma-fits-osmolality"),
    ),
    Scene(
        says="M4: an osmolality of 295 is high",
        order=saline(),
        story=ward("121", results=(GLUCOSE, result("serum-osmolality", 295, 2)), problems=(COMA,)),
        fires={"OS-HTS-GLU": "warning main"},
        shows=("coma-fits-osmolality",),
    ),
    Scene(
        says="M4: nothing neurological is recorded: the removal is offered",
        order=saline(),
        story=ward("121", results=(GLUCOSE,)),
        fires={"OS-HTS-GLU": "warning main"},
        removes=True,
        shows=("coma-fits-glucose-none",),
    ),
    Scene(
        says="M4: corrected to 134 it is low: the escape line stays",
        order=saline(),
        story=ward("124", results=(result("glucose", 700),)),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("treat-first",),
    ),
    Scene(
        says="M4: a sodium of 7 h ago with its glucose is too old to take the escape line away",
        order=saline(),
        story=ward("121", 7, results=(result("glucose", 1380, 7),)),
        fires={"OS-HTS-GLU": "warning main", "OS-HTS-OLD": "warning bolus"},
        removes=True,
        shows=("treat-first",),
        hides=("coma-fits-glucose",),
    ),
    Scene(
        says="M4: with osmolality high by urea alone sodium is low: the escape line stays",
        order=saline(),
        story=ward("118", results=(result("serum-osmolality", 303), result("bun", 168))),
        fires={"OS-HTS-ASX": "info main"},
        shows=("treat-first",),
    ),
    Scene(
        says="M4: up 19 in 12 h and still: no escape line",
        order=saline(),
        story=risen(now=131, start=112),
        fires={"OS-HTS-OVER": "critical over", "OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("coma-after-rise",),
        hides=("treat-first",),
    ),
    Scene(
        says="M4: up 8 is within the limit: the escape line stays",
        order=saline(),
        story=risen(now=120, start=112),
        fires={"OS-HTS-OVER": "warning reached", "OS-HTS-ASX": "warning main"},
        shows=("treat-first",),
        hides=("coma-after-rise",),
    ),
    Scene(
        says="M4: a seizure after the rise keeps the escape line",
        order=saline(),
        story=risen(seized(0.5)),
        fires={"OS-HTS-OVER": "warning severe-over", "OS-HTS-SEV": "info main"},
        shows=("treat-first",),
        hides=("coma-after-rise",),
    ),
    Scene(
        says="F4: a seizure from before the lowest sodium is history: critical, removal",
        order=saline(),
        story=risen(seized(14)),
        fires={"OS-HTS-OVER": "critical over", "OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("coma-after-rise", "symptoms-before-rise"),
        hides=("treat-first", "symptoms-none"),
    ),
    Scene(
        says="F1: a coma scale of 13 is shown, and is not called no severe symptoms",
        order=saline(),
        story=ward("109", results=(result("gcs", 13),)),
        fires={"OS-HTS-ASX": "info scale"},
        shows=("symptoms-scale",),
        hides=("symptoms-none",),
    ),
    # -- F48: a wet lung
    Scene(
        says="F48: 3 % saline in pulmonary edema: a caution, no removal",
        order=saline(),
        story=ward("122", problems=(EDEMA,)),
        fires={"OS-HTS-ASX": "warning main"},
        shows=("overload-caution", "treat-first"),
    ),
    Scene(
        says="F48: 3 % saline without congestion has no such line",
        order=saline(),
        story=ward("122"),
        fires={"OS-HTS-ASX": "warning main"},
        hides=("overload-caution",),
    ),
    Scene(
        says="F48: a litre of 0.9 % in pulmonary edema with a high BUN:creatinine",
        order=saline("0.9", "isotonic", "1000"),
        story=ward(
            "122", problems=(EDEMA,), results=(result("bun", 50, 3), result("creatinine", 1.9, 3))
        ),
        fires={"OS-ISO-HYPER": "warning main"},
    ),
    Scene(
        says="F48: so it is where the volume status is overload too",
        order=saline("0.9", "isotonic", "1000"),
        story=ward(
            "122",
            problems=(EDEMA, problem("acute-heart-failure", days=1)),
            results=(result("bun", 50, 3), result("creatinine", 1.9, 3)),
        ),
        fires={"OS-ISO-HYPER": "warning main"},
    ),
    Scene(
        says="F26: 3 % saline after a fast rise in dialysis names the dialysate",
        order=saline(),
        story=risen(problem("dialysis", days=300), now=131, start=112),
        fires={"OS-HTS-OVER": "warning over", "OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("note-dialysis",),
    ),
    Scene(
        says="F48: a litre of 0.9 % in pulmonary edema with shock: silent",
        order=saline("0.9", "isotonic", "1000"),
        story=ward("122", problems=(EDEMA, problem("shock", days=0.2))),
    ),
    # -- S12: a urine osmolality that is known
    Scene(
        says="S12: a known urine osmolality is shown, and not asked for",
        order=saline("0.9", "isotonic", "1000"),
        story=ward("128", results=(result("urine-osmolality", 602), result("urine-sodium", 118))),
        fires={"OS-ISO": "warning known"},
        shows=("urine-known",),
        hides=("check-urine-first",),
    ),
    # -- M13: desmopressin in diabetes insipidus
    Scene(
        says="M13: in diabetes insipidus nocturia is no subject",
        order=selected("desmopressin"),
        story=ward(
            "119", problems=(problem("diabetes-insipidus"),), orders=(order("hydrocortisone"),)
        ),
        fires={"OS-DDAVP": "info replacement"},
        hides=("label-partners",),
    ),
    Scene(
        says="M13: without it the partner is named",
        order=selected("desmopressin"),
        story=ward("119", orders=(order("hydrocortisone"),)),
        fires={"OS-DDAVP": "critical main"},
        removes=True,
        shows=("label-partners", "replacement-keep"),
    ),
    # -- F26: dialysis
    Scene(
        says="F26: hemodialysis at 124.9",
        order=DIALYSIS,
        story=ward("124.9"),
        fires={"OS-DIALYSIS": "warning main"},
        shows=("dialysate-low", "dialysis-sodium", "dialysis-urgent"),
    ),
    Scene(
        says="F26: hemodialysis without any sodium",
        order=DIALYSIS,
        story=Story(sodium=None, setting="inpatient"),
        fires={"OS-DIALYSIS": "info none"},
        shows=("sodium-before", "dialysis-now"),
    ),
    Scene(says="F26: hemodialysis at 125", order=DIALYSIS, story=ward("125")),
    Scene(
        says="F26: hemodialysis at 121 that glucose explains",
        order=DIALYSIS,
        story=ward("121", results=(GLUCOSE,)),
    ),
    Scene(
        says="F26: another service is no dialysis",
        order=replace(DIALYSIS, about=frozenset({"dialysis-other"})),
        story=ward("106"),
    ),
)


@table(SCENES)
def test_orders_that_are_no_rescue(scene: Scene) -> None:
    scene.check()


# ---- F4: a severe symptom from before an over-correction


@pytest.mark.parametrize(
    ("hours", "emergency"), [(14, False), (13.1, False), (13, True), (12, True), (0.5, True)]
)
def test_f4_a_seizure_before_the_lowest_sodium_is_history(hours: float, emergency: bool) -> None:
    cards = fired(risen(seized(hours)).case())
    assert ("PV-SYMP" in cards) is emergency
    assert cards["RATE-OVER"].indicator == "critical"
    assert ("symptoms-before-rise" in keys(cards["RATE-OVER"])) is not emergency


def test_f4_a_seizure_that_may_be_after_the_lowest_sodium_stays_an_emergency() -> None:
    low = NOW - timedelta(hours=13)
    day = replace(seized(0), since=low.replace(hour=0, minute=0, second=0, microsecond=0))
    assert "PV-SYMP" in fired(risen(day).case())
    earlier = replace(day, since=day.since - timedelta(days=1) if day.since else None)
    assert "PV-SYMP" not in fired(risen(earlier).case())
    assert "PV-SYMP" in fired(risen(replace(day, since=None)).case())


def test_f4_without_an_over_correction_a_seizure_of_yesterday_is_an_emergency() -> None:
    assert "PV-SYMP" in fired(risen(seized(14), start=112, now=120).case())
    assert "PV-SYMP" in fired(risen(seized(14), start=126, now=125).case())


def test_f4_after_a_single_high_value_a_seizure_stays_an_emergency() -> None:
    jumped = ward(126, 1, results=(result("sodium", 107, 4),), problems=(seized(5),))
    assert jumped.case().rate.jump is not None
    assert "PV-SYMP" in fired(jumped.case())


def test_f4_a_seizure_before_a_rise_that_was_lowered_again_to_its_base_is_an_emergency() -> None:
    lowered = ward(113, 1, problems=(seized(40),), results=(result("sodium", 107, 36),
                   result("sodium", 124, 24), result("sodium", 119, 12)))  # fmt: skip
    assert "PV-SYMP" in fired(lowered.case())
    higher = replace(lowered, sodium=113.1)
    assert "PV-SYMP" not in fired(higher.case())


# ---- F27: a rise that goes on


@pytest.mark.parametrize(("osmolality", "brakes"), [(199.9, True), (200, False)])
def test_f27_in_dilute_urine_an_over_correction_goes_on(osmolality: float, brakes: bool) -> None:
    card = fired(risen(results=(result("urine-osmolality", osmolality),)).case())["RATE-OVER"]
    assert ("brake" in keys(card)) is brakes
    assert ("relower" in keys(card)) is not brakes


def test_f27_beside_a_vaptan_desmopressin_does_little() -> None:
    story = risen(results=(result("urine-osmolality", 88),), orders=(order("tolvaptan"),))
    assert "brake-vaptan" in keys(fired(story.case())["RATE-OVER"])


def test_f27_the_intake_is_no_subject_while_sodium_rises_too_fast() -> None:
    urine = (result("urine-osmolality", 52),)
    reasons = [line.key for line in risen(results=urine).case().restriction.reasons]
    assert "withheld-dilute-urine" not in reasons
    calm = ward(126, results=urine).case().restriction.reasons
    assert "withheld-dilute-urine" in [line.key for line in calm]


# ---- F1: vomiting after an acute fall; desmopressin


def test_f1_vomiting_after_an_acute_fall_names_the_bolus_for_now() -> None:
    fell = ward(121, 1, results=(result("sodium", 137, 47),), problems=(problem("vomiting"),))
    assert "bolus-now-aasld" in keys(fired(fell.case())["PV-ENC"])
    assert "bolus-now-european" in keys(fired(fell.case("european"))["PV-SYMP"])
    slow = replace(fell, results=(result("sodium", 137, 52),))
    assert "single-bolus-aasld" in keys(fired(slow.case())["PV-ENC"])


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        (ward(119, problems=(problem("confusion"),)), "PV-ENC"),
        (ward(119, problems=(problem("seizure", days=0.1, encounter=True),)), "PV-SYMP"),
        (ward(119, 1, results=(result("sodium", 135, 24),)), "PV-ACUTE"),
    ],
)
def test_f1_desmopressin_is_never_stopped_abruptly(story: Story, rule: str) -> None:
    treated = replace(story, orders=(order("desmopressin"),))
    card, without = fired(treated.case())[rule], fired(story.case())[rule]
    goes_on = {"never-stop-desmopressin", "desmopressin-overshoots-unknown"}
    assert goes_on & set(keys(card))
    assert "acute-stop" not in keys(card)
    assert not goes_on & set(keys(without))
