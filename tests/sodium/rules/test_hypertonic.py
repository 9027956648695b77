"""Hypertonic saline: guardrails and questions, never a card that delays a rescue (M4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Fact
from cds_service.sodium.rules.ordered_amount import overdose
from cds_service.sodium.snapshot import Missing, Order, Patient
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, table
from tests.sodium.rules.test_order_select_words import service, shown

SEIZURE = problem("seizure", days=0.2, encounter=True)
COMA = problem("coma", days=0.2, encounter=True)
CONFUSION = problem("confusion", days=0.2, encounter=True)
EDEMA = problem("cerebral-edema", days=1)
ADULT = Story().patient


ALF = problem("acute-liver-failure", "advanced-liver", "hepatic-failure", days=1)


def ward(sodium: str | None, **more: object) -> Story:
    """An inpatient whose sodium is two hours old."""
    return Story(sodium=sodium, setting="inpatient", **more)  # type: ignore[arg-type]  # keywords of Story


def ordered(ml: str, percent: str = "3") -> Order:
    """A draft that says how much of the saline is given in all."""
    draft = saline(percent, ml=ml)
    assert draft.saline is not None
    return replace(draft, saline=replace(draft.saline, ordered_ml=Decimal(ml)))


def concentrated(percent: str, ml: str) -> Order:
    """A concentrate that is ordered by itself."""
    draft = saline(percent, "concentrate", ml=ml)
    assert draft.saline is not None
    return replace(draft, saline=replace(draft.saline, ordered_ml=Decimal(ml)))


def dripped(percent: str, ml: str, rate: str) -> Order:
    """A concentrate that runs at a rate."""
    draft = concentrated(percent, ml)
    assert draft.saline is not None
    return replace(draft, saline=replace(draft.saline, rate_ml_h=Decimal(rate)))


SCENES = (
    *(
        Scene(
            says=f"F10: {percent} % {ml} mL at 118: the boluses of 3 % saline that it holds",
            order=concentrated(percent, ml),
            story=ward("118"),
            fires={"OS-HTS-CONC": "warning amount"},
            shows=("ordered-amount-plain", "dilute"),
        )
        for percent, ml in (("23.4", "30"), ("10", "100"))
    ),
    Scene(
        says="F10: 23.4 % 10 mL at 118 is less than a bolus",
        order=concentrated("23.4", "10"),
        story=ward("118"),
        fires={"OS-HTS-CONC": "warning main"},
        hides=("ordered-amount-plain",),
    ),
    Scene(
        says="F10: 23.4 % 30 mL at 118 with brain edema: the dose for herniation",
        order=concentrated("23.4", "30"),
        story=ward("118", problems=(EDEMA,)),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    *(
        Scene(
            says=f"F10: {percent} % {ml} mL at 124 without symptoms: the number is no reason for it",
            order=concentrated(percent, ml),
            story=ward("124", problems=(problem("siadh", days=3),)),
            fires={"OS-HTS-ASX": "warning concentrate", "OS-HTS-CONC": "critical above"},
            removes=True,
            shows=("day-limit-of-concentrate", "ordered-amount-plain", "diluted-as-much"),
            hides=("give-aasld", "stop-when", "dilute"),
        )
        for percent, ml in (("5.85", "500"), ("10", "250"), ("23.4", "90"))
    ),
    Scene(
        says="F10: 23.4 % 30 mL at 124 without symptoms: above a bolus, and within the day",
        order=concentrated("23.4", "30"),
        story=ward("124", problems=(problem("siadh", days=3),)),
        fires={"OS-HTS-ASX": "warning concentrate", "OS-HTS-CONC": "warning amount"},
        shows=("day-limit-of-concentrate", "ordered-amount-plain", "dilute"),
        hides=("give-aasld", "stop-when"),
    ),
    Scene(
        says="F10: 5.85 % 500 mL at 50 mL/h at 124: the rate is worked out",
        order=dripped("5.85", "500", "50"),
        story=ward("124"),
        fires={"OS-HTS-ASX": "warning concentrate", "OS-HTS-CONC": "critical above"},
        removes=True,
        shows=("ordered-rate-above", "day-limit-of-concentrate"),
    ),
    *(
        Scene(
            says=f"F10: a concentrate at 124 with {told}: its own card alone",
            order=concentrated("5.85", "500"),
            story=ward("124", **story),
            fires={"OS-HTS-CONC": f"critical {variant}"},
            removes=removes,
        )
        for told, variant, removes, story in (
            ("confusion", "above", False, {"problems": (CONFUSION,)}),
            ("a fall of this day", "above", True, {"results": (result("sodium", 138, 20),)}),
        )
    ),
    Scene(
        says="F10: a concentrate within a mixture at 124 is an additive",
        order=replace(concentrated("5.85", "500"), ingredient_count=2),
        story=ward("124"),
    ),
    Scene(
        says="F10: 23.4 % 30 mL at 138",
        order=concentrated("23.4", "30"),
        story=ward("138"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="vector 21: mild, no severe symptom: not advised, removal second",
        order=saline(),
        story=ward("132"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("treat-first", "symptoms-none"),
    ),
    Scene(
        says="vector 22: coma and 116: guardrails as info, nothing to remove",
        order=saline(),
        story=ward("116", problems=(COMA,)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("treat-first", "give-aasld", "stop-when"),
        hides=("look-further", "strength-unknown"),
    ),
    Scene(
        says="F14: coma at 119 and glucose 900: the blood is not dilute, the glucose first",
        order=saline(),
        story=ward("119", problems=(COMA,), results=(result("glucose", 900, 0.5),)),
        fires={"OS-HTS-SEV": "warning glucose"},
        shows=("glucose-before",),
        hides=("give-aasld",),
    ),
    Scene(
        says="F14: at 119 and glucose 650 both make less than 275: guardrails",
        order=saline(),
        story=ward("119", problems=(COMA,), results=(result("glucose", 650, 0.5),)),
        fires={"OS-HTS-SEV": "info main"},
        hides=("glucose-before",),
    ),
    Scene(
        says="F1: coma at 116 and glucose 30: the glucose is the first line",
        order=saline(),
        story=ward("116", problems=(COMA,), results=(result("glucose", 30, 0.5),)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("glucose-low",),
    ),
    Scene(
        says="vector 23: brain edema and 132: silent, it is given for pressure",
        order=saline(),
        story=ward("132", problems=(EDEMA,)),
    ),
    Scene(
        says="vector 44: 112 with nothing coded is info, without a removal",
        order=saline(),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        shows=("treat-first", "give-aasld", "symptoms-none"),
        hides=("acute-fall", "single-bolus"),
    ),
    Scene(
        says="vector 45: 122 with confusion is info",
        order=saline(),
        story=ward("122", problems=(CONFUSION,)),
        fires={"OS-HTS-ASX": "info symptom"},
        shows=("symptoms-recorded",),
    ),
    Scene(
        says="vector 45: 122 with nothing coded is a warning, without a removal",
        order=saline(),
        story=ward("122"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="119.9 is severe, 120 is not",
        order=saline(),
        story=ward("120"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="125.5 still is moderate",
        order=saline(),
        story=ward("125.5"),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="126 is mild",
        order=saline(),
        story=ward("126"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="a reduced coma scale makes it info",
        order=saline(),
        story=ward("122", results=(result("gcs", 12),)),
        fires={"OS-HTS-ASX": "info scale"},
    ),
    Scene(
        says="mild with confusion: no removal",
        order=saline(),
        story=ward("132", problems=(CONFUSION,)),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="mild, but it fell by 10 within a day: acute, info, no removal",
        order=saline(),
        story=ward("130", results=(result("sodium", 140, 20),)),
        fires={"OS-HTS-ASX": "info acute"},
        shows=("acute-fall",),
    ),
    Scene(
        says="122 after labor of today: likely acute, and the headline does not call it a number",
        order=saline(),
        story=ward("122", problems=(problem("labor", days=0.5),)),
        fires={"OS-HTS-ASX": "warning setting"},
    ),
    Scene(
        says="122, and the labor is three days old: the number alone is no indication",
        order=saline(),
        story=ward("122", problems=(problem("labor", days=3),)),
        fires={"OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="122 with nausea alone: the number alone is no indication",
        order=saline(),
        story=ward("122", problems=(problem("nausea", days=0.2, encounter=True),)),
        fires={"OS-HTS-ASX": "info main"},
    ),
    Scene(
        says="mild in SIADH at 128: work-up and fluid restriction are offered beside",
        order=saline(),
        story=ward("128", problems=(problem("siadh", days=5),)),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="the problem list was not read: no removal",
        order=saline(),
        story=ward("132", missing={"conditions": Missing.TIMEOUT}),
        fires={"OS-HTS-MILD": "warning unread"},
        hides=("symptoms-none",),
    ),
    Scene(
        says="moderate, and the problem list was not read: info, and no claim of absence",
        order=saline(),
        story=ward("122", missing={"conditions": Missing.TRUNCATED}),
        fires={"OS-HTS-ASX": "info unread"},
        hides=("symptoms-none",),
    ),
    Scene(
        says="the age is not known: no removal",
        order=saline(),
        story=ward("132", patient=type(ADULT)()),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="a seizure at 132: guardrails, and look for another cause",
        order=saline(),
        story=ward("132", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("look-further",),
    ),
    Scene(
        says="brain edema with a seizure at 124: guardrails are shown",
        order=saline(),
        story=ward("124", problems=(EDEMA, SEIZURE)),
        fires={"OS-HTS-SEV": "info main"},
    ),
    Scene(
        says="brain edema alone at 124: for the pressure",
        order=saline(),
        story=ward("124", problems=(EDEMA,)),
        fires={"OS-HTS-ICP": "info main"},
    ),
    Scene(
        says="F10: another strength than 3 % has its own volumes",
        order=saline("5"),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        hides=("strength-unknown",),
    ),
    Scene(
        says="an unknown strength counts as another strength",
        order=saline(None),
        story=ward("112"),
        fires={"OS-HTS-ASX": "info main"},
        shows=("strength-unknown",),
    ),
    Scene(
        says="140 two hours ago: confirm, removal possible",
        order=saline(),
        story=ward("140"),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
        shows=("coma-not-sodium", "pressure-keep"),
        hides=("treat-first",),
    ),
    Scene(
        says="140 with any neurological code, however old: no removal",
        order=saline(),
        story=ward("140", problems=(problem("tbi", days=900),)),
        fires={"OS-HTS-NONE": "warning main"},
    ),
    Scene(
        says="140 with a bleed of last week: it is given for pressure",
        order=saline(),
        story=ward("140", problems=(problem("intracranial-bleed", days=7),)),
    ),
    Scene(
        says="135 is low in the default profile",
        order=saline(),
        story=ward("135"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="135 is not low in the european profile",
        order=saline(),
        story=ward("135"),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
        profile="european",
    ),
    Scene(
        says="european: 126 is moderate, a warning with its own bolus",
        order=saline(),
        story=ward("126"),
        fires={"OS-HTS-ASX": "warning main"},
        shows=("give-european",),
        profile="european",
    ),
    Scene(
        says="european: 122 with confusion gets the single bolus",
        order=saline(),
        story=ward("122", problems=(CONFUSION,)),
        fires={"OS-HTS-ASX": "info symptom"},
        shows=("single-bolus",),
        profile="european",
    ),
    Scene(
        says="a concentrate: dose and dilution, and no line speaks of a bolus",
        order=saline("23.4", "concentrate"),
        story=ward("112", problems=(SEIZURE,)),
        fires={"OS-HTS-CONC": "warning main"},
        shows=("concentrate-first", "dilute", "no-bolus-volume"),
        hides=("give-aasld", "stop-when", "treat-first"),
    ),
    Scene(
        says="a concentrate in mild low sodium",
        order=saline("23.4", "concentrate"),
        story=ward("132"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="a concentrate at a normal sodium is left to its own card",
        order=saline("23.4", "concentrate"),
        story=ward("140"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="a concentrate within a mixture is an additive",
        order=saline("14.6", "concentrate", ingredient_count=4),
        story=ward("140"),
    ),
    Scene(
        says="a high risk of demyelination is shown",
        order=saline(),
        story=ward("122", problems=(problem("cirrhosis", days=400),)),
        fires={"OS-HTS-ASX": "warning main"},
        shows=("risk-aasld",),
    ),
    # -- F9: the ordered amount
    Scene(
        says="F9: a litre for a seizure is ten boluses: a warning, order one, no stop",
        order=ordered("1000"),
        story=ward("112", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "warning main"},
        shows=("ordered-amount", "treat-first", "give-aasld"),
    ),
    Scene(
        says="F9: exactly three boluses are no more than three",
        order=ordered("300"),
        story=ward("112", problems=(SEIZURE,), results=(result("weight", 90),)),
        fires={"OS-HTS-SEV": "info main"},
        hides=("ordered-amount",),
    ),
    Scene(
        says="F9: a little more than three boluses is said",
        order=ordered("301"),
        story=ward("112", problems=(SEIZURE,), results=(result("weight", 90),)),
        fires={"OS-HTS-SEV": "warning main"},
        shows=("ordered-amount",),
    ),
    Scene(
        says="F9: two boluses above the rise that is left after a rise of 5 are said",
        order=ordered("250"),
        story=ward("117", problems=(SEIZURE,), results=(result("sodium", 112, 10),)),
        fires={"OS-HTS-SEV": "warning main"},
        shows=("ordered-amount",),
    ),
    Scene(
        says="F9: the same two boluses without that rise are not",
        order=ordered("250"),
        story=ward("117", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "info main"},
        hides=("ordered-amount",),
    ),
    Scene(
        says="F9: 300 mL of 5 % are five boluses of 3 %",
        order=ordered("300", "5"),
        story=ward("112", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "warning main"},
        shows=("ordered-amount",),
    ),
    Scene(
        says="F9: a card that does not support the order never says to order one bolus",
        order=ordered("500"),
        story=ward("132"),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("ordered-amount-plain",),
        hides=("ordered-amount",),
    ),
    Scene(
        says="F9: the amount is said while sodium rises too fast, without a word to order one",
        order=ordered("500"),
        story=ward("121", results=(result("sodium", 112, 21),)),
        fires={"OS-HTS-OVER": "critical over", "OS-HTS-ASX": "warning above"},
        removes=True,
        shows=("ordered-amount-plain",),
    ),
    Scene(
        says="F9: an amount that is not known is not guessed",
        order=saline(),
        story=ward("112", problems=(SEIZURE,)),
        fires={"OS-HTS-SEV": "info main"},
        hides=("ordered-amount",),
    ),
    Scene(
        says="F9: a light patient gets a bolus by weight",
        order=saline(),
        story=ward("112", problems=(SEIZURE,), results=(result("weight", 49.9),)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("give-by-weight",),
        hides=("give-aasld",),
    ),
    Scene(
        says="F9: at 50 kg the usual bolus holds",
        order=saline(),
        story=ward("112", problems=(SEIZURE,), results=(result("weight", 50),)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("give-aasld",),
        hides=("give-by-weight",),
    ),
    Scene(
        says="dialysis: it will change the sodium too",
        order=saline(),
        story=ward("112", problems=(SEIZURE, problem("dialysis", days=400))),
        fires={"OS-HTS-SEV": "info main"},
        shows=("order-dialysis",),
    ),
    # -- F10: 7.5 % and more is a concentrate
    Scene(
        says="F10: 7.5 % for mild low sodium is a concentrate, and not advised for it",
        order=saline("7.5", "concentrate"),
        story=ward("132"),
        fires={"OS-HTS-MILD": "warning main", "OS-HTS-CONC": "warning main"},
        removes=True,
        shows=("concentrate-first",),
        hides=("treat-first",),
    ),
    Scene(
        says="F10: 13.9 % is still ordered by itself for a low sodium",
        order=saline("13.9", "concentrate"),
        story=ward("132"),
        fires={"OS-HTS-MILD": "warning main", "OS-HTS-CONC": "warning main"},
        removes=True,
    ),
    Scene(
        says="F10: 14 % is an additive",
        order=saline("14", "concentrate"),
        story=ward("132"),
        fires={"OS-HTS-CONC": "warning main"},
    ),
    Scene(
        says="F10: 10 % within a mixture is an additive",
        order=saline("10", "concentrate", ingredient_count=2),
        story=ward("132"),
    ),
    # -- F11: what hypertonic saline may be given for
    *(
        Scene(
            says=f"F11: mild with {name}: no removal",
            order=saline(),
            story=ward("132", problems=(problem(name, days=400),)),
            fires={"OS-HTS-MILD": "warning main"},
        )
        for name in ("brain-tumor", "meningitis-encephalitis", "tbi", "head-injury")
    ),
    Scene(
        says="F11: a stroke of 14 days ago: no removal",
        order=saline(),
        story=ward("132", problems=(problem("ischemic-stroke", days=14),)),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="F11: a stroke of 15 days ago: removal",
        order=saline(),
        story=ward("132", problems=(problem("ischemic-stroke", days=15),)),
        fires={"OS-HTS-MILD": "warning main"},
        removes=True,
    ),
    Scene(
        says="F11: a stroke without a date: no removal",
        order=saline(),
        story=ward("132", problems=(problem("ischemic-stroke", days=None),)),
        fires={"OS-HTS-MILD": "warning main"},
    ),
    Scene(
        says="F11: brain surgery of 10 days ago that is over: no removal",
        order=saline(),
        story=ward("140", problems=(problem("neurosurgery", days=10, active=False),)),
        fires={"OS-HTS-NONE": "warning main"},
    ),
    Scene(
        says="F11: a coma scale of 14 at a normal sodium: no removal",
        order=saline(),
        story=ward("140", results=(result("gcs", 14),)),
        fires={"OS-HTS-NONE": "warning main"},
    ),
    Scene(
        says="F11: a coma scale of 15 at a normal sodium: removal",
        order=saline(),
        story=ward("140", results=(result("gcs", 15),)),
        fires={"OS-HTS-NONE": "warning main"},
        removes=True,
    ),
    Scene(
        says="F11: acute liver failure at 131: an indication, info",
        order=saline(),
        story=ward("131", problems=(problem("acute-liver-failure", days=1),)),
        fires={"OS-HTS-MILD": "info liver"},
        shows=("liver-target",),
    ),
    Scene(
        says="F11: acute liver failure in coma, 132: its own target, no limit of 5",
        order=saline(),
        story=ward("132", problems=(ALF, problem("coma", days=0.1))),
        fires={"OS-HTS-SEV": "info liver"},
        shows=("liver-brain",),
        hides=("stop-when", "look-further", "give-aasld"),
    ),
    Scene(
        says="F11: acute liver failure in coma below mild: a bolus too",
        order=saline(ml="100"),
        story=ward("124", problems=(ALF, problem("coma", days=0.1))),
        fires={"OS-HTS-SEV": "info liver"},
        shows=("liver-brain", "give-aasld", "sodium-after-each"),
        hides=("stop-when",),
    ),
    Scene(
        says="F11: coma without the liver keeps its limit",
        order=saline(ml="100"),
        story=ward("124", problems=(problem("coma", days=0.1),)),
        fires={"OS-HTS-SEV": "info main"},
        hides=("liver-brain",),
    ),
    Scene(
        says="F11: hepatic failure with encephalopathy and no cirrhosis counts as acute",
        order=saline(),
        story=ward("138", problems=(problem("hepatic-failure", "encephalopathy", days=1),)),
    ),
    Scene(
        says="F11: with cirrhosis it is no indication, but no removal",
        order=saline(),
        story=ward(
            "138",
            problems=(problem("hepatic-failure", "encephalopathy", days=1), problem("cirrhosis")),
        ),
        fires={"OS-HTS-NONE": "warning main"},
    ),
    Scene(
        says="F11: a head injury keeps the saline although sodium rises too fast",
        order=saline(),
        story=ward(
            "121",
            problems=(problem("head-injury", days=300),),
            results=(result("sodium", 112, 21),),
        ),
        fires={"OS-HTS-OVER": "critical over", "OS-HTS-ASX": "warning main"},
    ),
    # -- F36: an old sodium
    Scene(
        says="F36: mild 8 h ago: not advised, repeat first, removal",
        order=saline(),
        story=ward("131", sodium_hours=8),
        fires={"OS-HTS-OLD": "warning mild"},
        removes=True,
        shows=("send-now", "symptoms-none"),
    ),
    Scene(
        says="F36: mild 25 h ago in hospital is too old to judge",
        order=saline(),
        story=ward("131", sodium_hours=25),
        fires={"OS-HTS-OLD": "warning bolus"},
    ),
    Scene(
        says="F36: mild 14 days ago in a clinic",
        order=saline(),
        story=Story(sodium="131", sodium_hours=14 * 24),
        fires={"OS-HTS-OLD": "warning mild"},
        removes=True,
    ),
    Scene(
        says="F36: mild 15 days ago in a clinic is too old to judge",
        order=saline(),
        story=Story(sodium="131", sodium_hours=15 * 24),
        fires={"OS-HTS-OLD": "warning bolus"},
    ),
    Scene(
        says="F36: moderately low 8 h ago: the bolus is not held up",
        order=saline(),
        story=ward("125", sodium_hours=8),
        fires={"OS-HTS-OLD": "warning bolus", "OS-HTS-ASX": "warning main"},
    ),
    Scene(
        says="F36: mild 8 h ago with a seizure today: the bolus is not held up",
        order=saline(),
        story=ward("131", sodium_hours=8, problems=(SEIZURE,)),
        fires={"OS-HTS-OLD": "warning bolus", "OS-HTS-SEV": "info main"},
    ),
    Scene(
        says="F36: mild 8 h ago with a brain tumor: no removal",
        order=saline(),
        story=ward("131", sodium_hours=8, problems=(problem("brain-tumor"),)),
        fires={"OS-HTS-OLD": "warning mild"},
    ),
    Scene(
        says="vector 24: inhaled 3 % saline",
        order=saline("3", route="local"),
        story=ward("132"),
    ),
)


@table(SCENES)
def test_hypertonic_saline(scene: Scene) -> None:
    scene.check()


def test_mild_low_sodium_offers_the_plan_instead() -> None:
    scene = next(s for s in SCENES if s.says.startswith("mild in SIADH"))
    kinds = [s.kind for s in scene.findings()["OS-HTS-MILD"].suggestions]
    assert kinds[:3] == ["add-sodium-1h", "remove-draft", "workup"]
    assert kinds[3].startswith("fluid-restriction")


AGAINST = ("OS-HTS-MILD", "OS-HTS-NONE", "OS-HTS-OVER", "OS-HTS-CONC")


def test_f11_the_first_button_draws_sodium_and_keeps_the_order_only_on_a_card_that_supports_it() -> (
    None
):
    for scene in SCENES:
        for finding in scene.findings().values():
            if overdose(scene.case(), scene.order) is not None and finding.rule != "OS-HTS-OLD":
                continue  # no sodium after what is not given: tests/sodium/rules/test_concentrates.py
            first = finding.suggestions[0]
            assert [type(a) for a in first.actions] == [DraftLabs]
            assert first.kind in ("add-sodium-1h", "keep-sodium-1h", "add-sodium-now")
            assert first.kind != "keep-sodium-1h" or finding.rule not in AGAINST
            assert not (first.recommended and finding.rule in AGAINST)


def test_f36_every_card_opens_with_treat_first_or_with_what_is_the_rescue_instead() -> None:
    for scene in SCENES:
        saline = scene.order.saline
        concentrate = saline is not None and saline.kind == "concentrate"
        rescue = ("treat-first", "coma-not-sodium", "coma-after-rise", "glucose-before")
        first = ("concentrate-first",) if concentrate else rescue
        for finding in scene.findings().values():
            opening = [line for line in finding.do if not line.key.startswith("ordered-")]
            assert opening[0].key in first
            assert opening[0].keep


def bolus(percent: str | None, profile: str = "aasld", **more: Any) -> Mapping[str, Fact]:
    """The facts of the line on the bolus."""
    scene = Scene(says="", order=saline(percent), story=ward("112", **more), profile=profile)
    lines = scene.findings()["OS-HTS-ASX"].do
    return next(line.facts for line in lines if line.key.startswith("give-"))


@pytest.mark.parametrize(
    ("percent", "small", "large"),
    [
        ("3", "100", "150"),
        ("2.7", "100", "150"),
        ("2.6", "120", "180"),
        ("1.8", "170", "255"),
        ("5", "60", "90"),
        (None, "100", "150"),
    ],
)
def test_f10_each_strength_has_its_own_volumes(percent: str | None, small: str, large: str) -> None:
    assert bolus(percent) == {
        "drug": f"{percent or 3}% saline",
        "volume": small,
        "large": large,
    }
    assert bolus(percent, "european")["volume"] == large


def test_f9_a_light_patient_s_bolus_is_two_ml_for_each_kg_of_3_percent() -> None:
    assert bolus("3", results=(result("weight", 42),))["volume"] == "84"
    assert bolus("5", results=(result("weight", 42),))["volume"] == "50"
    assert bolus("5", results=(result("weight", 42),))["each"] == "1.2"
    assert bolus("3", results=(result("weight", 42, 91 * 24),))["volume"] == "100"
    assert bolus("3", results=(result("weight", 42, 90 * 24),))["volume"] == "84"


def amount(
    profile: str = "aasld", *, sex: str = "", age: int = 50, **more: Any
) -> Mapping[str, Fact]:
    """The facts of the line on an ordered litre."""
    patient = Patient(birth_date=date(2026 - age, 1, 1), sex=sex)
    story = ward("113", problems=(SEIZURE,), patient=patient, **more)
    scene = Scene(says="", order=ordered("1000"), story=story, profile=profile)
    return scene.findings()["OS-HTS-SEV"].do[0].facts


def test_f9_the_rise_follows_from_body_water() -> None:
    assert amount() == {"volume": "1000", "boluses": "10", "rise": "12.9", "kg": "60"}
    assert amount("european")["boluses"] == "6.7"
    assert amount(results=(result("weight", 79),))["rise"] == "9.9"
    assert amount(results=(result("weight", 80),), sex="male")["rise"] == "8.2"
    assert amount(results=(result("weight", 80),), sex="male", age=65)["rise"] == "9.8"
    assert amount(results=(result("weight", 80),), sex="male", age=64)["rise"] == "8.2"
    assert amount(results=(result("weight", 80),), sex="female")["rise"] == "9.8"


def test_f9_a_card_on_a_fast_rise_begins_with_the_amount() -> None:
    story = ward("121", results=(result("sodium", 112, 21),))
    card = Scene(says="", order=ordered("500"), story=story).findings()["OS-HTS-OVER"]
    assert [line.key for line in card.do][:2] == ["ordered-amount-plain", "coma-after-rise"]


def test_f9_without_a_sodium_of_the_day_only_the_boluses_are_said() -> None:
    scene = Scene(
        says="", order=ordered("1000"), story=ward("112", sodium_hours=25), profile="aasld"
    )
    assert [line.key for line in scene.findings()["OS-HTS-OLD"].do][:1] == ["ordered-boluses"]


def headline(story: Story, **more: Any) -> str:
    """The summary of the card as a reader sees it."""
    scene = Scene(says="", order=saline(), story=story, **more)
    finding = scene.findings()["OS-HTS-ASX"]
    return shown(service().rules[finding.rule].summary[finding.variant], finding.facts)


def test_a_reader_of_the_headline_alone_does_not_take_it_for_a_permission() -> None:
    words = headline(ward("112"))
    assert words.index("no indication") < words.index("give now")
    unread = headline(ward("122", missing={"conditions": Missing.TRUNCATED}))
    assert unread.index("no indication") < unread.index("give now")
    acute = headline(ward("130", results=(result("sodium", 140, 20),)))
    assert "no indication" not in acute
    assert acute.index("acute") < acute.index("give now")


def test_f11_acute_liver_failure_alone_is_no_chronic_disease_with_a_risk_of_demyelination() -> None:
    assert ward("124", problems=(ALF,)).case().risk.reasons == ()
    chronic = ward("124", problems=(ALF, problem("cirrhosis", days=900))).case()
    assert chronic.risk.reasons == ("cirrhosis",)
