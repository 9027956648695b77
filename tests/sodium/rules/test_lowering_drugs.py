"""Drugs that can lower sodium: loud by group, never in the way of an emergency (M12, M13, S17)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import DraftLabs, Line, Suggestion
from cds_service.sodium.rules.gates import next_morning
from cds_service.sodium.snapshot import Missing, Order, Patient, Snapshot
from cds_service.terminology.types import RecordText
from tests.sodium.patients import Story, drug, order, problem, result
from tests.sodium.rules.cases import a_case
from tests.sodium.rules.orders import Scene, all_scenes, saline, selected, table

OLD = Patient(birth_date=date(1954, 3, 1))  # 72
YOUNG = Patient(birth_date=date(1986, 3, 1))  # 40
SERTRALINE = selected("sertraline")
SEIZURE = problem("seizure", days=0.2, encounter=True)
EPILEPSY = problem("epilepsy", days=4000)
OVERLOAD = problem("fluid-overload", days=2)


def at(sodium: str | None, **more: object) -> Story:
    """A younger outpatient whose sodium is two hours old."""
    return Story(**{"sodium": sodium, "patient": YOUNG, **more})  # type: ignore[arg-type]  # keywords of Story


def ward(sodium: str | None, **more: object) -> Story:
    """The same in hospital."""
    return at(sodium, setting="inpatient", **more)


SCENES = (
    # -- group A
    Scene(
        says="vector 27: sertraline, 129, age 70",
        order=SERTRALINE,
        story=at("129", patient=Patient(birth_date=date(1956, 3, 1))),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("stopp-ssri", "antidepressant-options", "another-drug-or-wait"),
    ),
    Scene(
        says="119.9 with an SSRI is critical",
        order=SERTRALINE,
        story=at("119.9"),
        fires={"OS-LOW": "critical main"},
        removes=True,
    ),
    Scene(
        says="120 with an SSRI is a warning",
        order=SERTRALINE,
        story=at("120"),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(
        says="129.5 with an SSRI is a warning",
        order=SERTRALINE,
        story=at("129.5"),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(
        says="130 in a younger patient is info",
        order=SERTRALINE,
        story=at("130"),
        fires={"OS-LOW": "info main"},
    ),
    Scene(
        says="130 at 72 is a warning, by Beers",
        order=SERTRALINE,
        story=at("130", patient=OLD),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("beers",),
    ),
    Scene(
        says="132 with a symptom is a warning",
        order=SERTRALINE,
        story=at("132", problems=(problem("headache", days=2),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(
        says="132 beside another strong drug is a warning, and a combination",
        order=SERTRALINE,
        story=at("132", orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-LOW": "warning main", "OS-COMBO": "warning low"},
        removes=True,
        shows=("other-lowering",),
    ),
    Scene(says="vector 30: sertraline, age 40, 139", order=SERTRALINE, story=at("139")),
    Scene(says="136 is not low", order=SERTRALINE, story=at("136")),
    Scene(
        says="136 after 141 three weeks ago is falling",
        order=SERTRALINE,
        story=at("136", results=(result("sodium", 141, 24 * 20),)),
        fires={"OS-LOW": "info falling"},
        shows=("sodium-falls",),
    ),
    Scene(
        says="low and falling is a warning",
        order=SERTRALINE,
        story=at("133", results=(result("sodium", 139, 24 * 20),)),
        fires={"OS-LOW": "warning falling"},
        removes=True,
    ),
    Scene(
        says="vector 37: a thiazide known by its name alone",
        order=replace(
            selected(),
            drugs=(
                replace(
                    drug("hydrochlorothiazide"),
                    evidence="text",
                    matched=RecordText("hydroCHLOROthiazide 25 mg tab"),
                ),
            ),
        ),
        story=at("127"),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("matched-by-name",),
    ),
    Scene(
        says="a thiazide in a combination, at 72",
        order=replace(
            selected("hydrochlorothiazide"), partners=("lisinopril",), ingredient_count=2
        ),
        story=at("127", patient=OLD),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("contains", "stopp-thiazide"),
        hides=("antidepressant-options",),
    ),
    Scene(
        says="a seizure code: carbamazepine is never offered for removal",
        order=selected("carbamazepine"),
        story=at("127", problems=(EPILEPSY,)),
        fires={"OS-LOW": "warning main"},
        shows=("antiseizure-options",),
    ),
    Scene(
        says="carbamazepine for another reason: no word of drugs against seizures",
        order=selected("carbamazepine"),
        story=at("127"),
        fires={"OS-LOW": "warning main"},
        removes=True,
        hides=("antiseizure-options",),
    ),
    *(
        Scene(
            says=f"newly diagnosed epilepsy: {name} by mouth is a choice, not an emergency",
            order=selected(name),
            story=ward("131", problems=(problem("epilepsy", days=0.2, encounter=True),)),
            fires={"OS-LOW": "info choice"},
            shows=("antiseizure-choice", "antiseizure-options"),
            hides=("check-not-delay",),
        )
        for name in ("carbamazepine", "oxcarbazepine", "eslicarbazepine")
    ),
    Scene(
        says="a seizure of today at 118: the sodium first, and another drug than carbamazepine",
        order=selected("carbamazepine"),
        story=ward("118", problems=(SEIZURE,)),
        fires={"OS-LOW": "info seizure"},
        shows=("order-symptom", "seizure-other-drug"),
        hides=("check-not-delay", "antiseizure-choice", "not-abruptly"),
    ),
    Scene(
        says="a seizure of today at 118: no higher dose of carbamazepine that is taken",
        order=selected("carbamazepine"),
        story=ward("118", problems=(SEIZURE,), orders=(order("carbamazepine", days=30),)),
        fires={"OS-LOW": "info seizure"},
        shows=("order-symptom", "seizure-other-drug", "not-abruptly"),
        hides=("check-not-delay",),
    ),
    Scene(
        says="a seizure of today: carbamazepine by vein is no reason to delay",
        order=selected("carbamazepine", route="iv"),
        story=ward("118", problems=(SEIZURE,)),
        fires={"OS-LOW": "info check"},
        shows=("check-not-delay",),
        hides=("antiseizure-choice", "antiseizure-options"),
    ),
    Scene(
        says="a seizure of today: valproate is no reason to delay",
        order=selected("valproate"),
        story=ward("118", problems=(SEIZURE,)),
        fires={"OS-LOW": "info check"},
        shows=("check-not-delay",),
        hides=("antiseizure-choice", "antiseizure-options"),
    ),
    Scene(
        says="bupropion with epilepsy: nothing that says to give it",
        order=selected("bupropion"),
        story=at("127", problems=(EPILEPSY,)),
        fires={"OS-LOW": "info main"},
        shows=("bupropion-seizures",),
        hides=("check-not-delay",),
    ),
    Scene(
        says="88 is below the plausible range: the card says so",
        order=SERTRALINE,
        story=at("88"),
        fires={"OS-LOW": "critical main"},
        removes=True,
        shows=("doubt-below-plausible",),
    ),
    Scene(
        says="desmopressin on a preliminary sodium: the card says so",
        order=selected("desmopressin"),
        story=at(None, results=(result("sodium", 128, 1, status="preliminary"),)),
        fires={"OS-DDAVP": "critical main"},
        removes=True,
        shows=("doubt-preliminary",),
    ),
    Scene(
        says="an SSRI with epilepsy: warned, not removed, and no bupropion",
        order=SERTRALINE,
        story=at("127", problems=(EPILEPSY,)),
        fires={"OS-LOW": "warning main"},
        shows=("no-bupropion",),
        hides=("antidepressant-options",),
    ),
    Scene(
        says="medicines were not read: no removal",
        order=SERTRALINE,
        story=at("127", missing={"medications": Missing.TIMEOUT}),
        fires={"OS-LOW": "warning main"},
    ),
    Scene(
        says="an SSRI that is taken already: reviewed, not removed",
        order=SERTRALINE,
        story=at("127", orders=(order("sertraline", days=20),)),
        fires={"OS-LOW": "warning main"},
        shows=("not-abruptly",),
        hides=("another-drug",),
    ),
    # -- refills
    Scene(
        says="a refill after 91 days at 131",
        order=SERTRALINE,
        story=at("131", orders=(order("sertraline", days=91),)),
    ),
    Scene(
        says="a refill after 91 days at 129",
        order=SERTRALINE,
        story=at("129", orders=(order("sertraline", days=91),)),
        fires={"OS-LOW": "warning main"},
    ),
    Scene(
        says="a refill after 91 days while sodium falls",
        order=SERTRALINE,
        story=at(
            "131", orders=(order("sertraline", days=91),), results=(result("sodium", 138, 24 * 30),)
        ),
        fires={"OS-LOW": "warning falling"},
    ),
    Scene(
        says="after 90 days it is no refill yet",
        order=SERTRALINE,
        story=at("131", orders=(order("sertraline", days=90),)),
        fires={"OS-LOW": "info main"},
    ),
    Scene(
        says="a higher dose is no refill",
        order=selected("sertraline", dose="100"),
        story=at("131", orders=(order("sertraline", days=300, dose="50"),)),
        fires={"OS-LOW": "info main"},
    ),
    # -- groups B and C
    Scene(
        says="a tricyclic at 125.5",
        order=selected("amitriptyline"),
        story=at("125.5"),
        fires={"OS-LOW": "warning main"},
    ),
    Scene(
        says="a tricyclic at 126",
        order=selected("amitriptyline"),
        story=at("126"),
        fires={"OS-LOW": "info main"},
    ),
    Scene(
        says="a tricyclic at 112 stays a warning",
        order=selected("amitriptyline"),
        story=at("112"),
        fires={"OS-LOW": "warning main"},
    ),
    Scene(
        says="haloperidol by mouth at 118",
        order=selected("haloperidol"),
        story=ward("118"),
        fires={"OS-LOW": "warning main"},
    ),
    Scene(
        says="haloperidol into a vein at 118",
        order=selected("haloperidol", route="iv"),
        story=ward("118"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="mirtazapine at 112 is info",
        order=selected("mirtazapine"),
        story=at("112"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="vector 57: valproate into a vein for a seizure at 118",
        order=selected("valproate", route="iv"),
        story=ward("118", problems=(SEIZURE,)),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="vector 56: furosemide into a vein with overload at 118",
        order=selected("furosemide", route="iv"),
        story=ward("118", problems=(OVERLOAD,)),
    ),
    Scene(
        says="furosemide in SIADH",
        order=selected("furosemide"),
        story=at("124", problems=(problem("siadh", days=9),)),
    ),
    Scene(
        says="F51: furosemide at 126 that does not fall is no news",
        order=selected("furosemide"),
        story=at("126"),
    ),
    Scene(
        says="F51: furosemide at 125.9 is told",
        order=selected("furosemide"),
        story=at("125.9"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="F51: furosemide at 130 after a fall of 4 is told",
        order=selected("furosemide"),
        story=at("130", results=(result("sodium", 134, 40),)),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="F51: furosemide at 130 after a fall of 3.9 is no news",
        order=selected("furosemide"),
        story=at("130", results=(result("sodium", 133.9, 40),)),
    ),
    Scene(
        says="F45: on the ward an SSRI means sodium within a day, not in weeks",
        order=SERTRALINE,
        story=ward("132"),
        fires={"OS-LOW": "info main"},
        shows=("another-drug-ward",),
    ),
    Scene(
        says="F45: on the ward a combination means sodium within a day, not in weeks",
        order=SERTRALINE,
        story=ward("138", orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-COMBO": "info main-ward"},
        shows=("sodium-then-again-ward",),
    ),
    Scene(
        says="furosemide without a reason to hold back is info",
        order=selected("furosemide"),
        story=at("124"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="F29: trimethoprim, alone or as co-trimoxazole, is info",
        order=selected("trimethoprim"),
        story=at("124"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="F29: ciprofloxacin gives no card of its own",
        order=selected("ciprofloxacin"),
        story=at("124"),
    ),
    Scene(
        says="oxytocin at 118",
        order=selected("oxytocin", route="iv"),
        story=ward("118"),
        fires={"OS-LOW": "info check"},
    ),
    Scene(says="a weak drug says nothing", order=selected("omeprazole"), story=at("118")),
    Scene(
        says="the strongest ingredient of a combination is the culprit",
        order=replace(selected("triamterene", "hydrochlorothiazide"), partners=("triamterene",)),
        story=at("127"),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    # -- age of the sodium, glucose
    Scene(
        says="an aging sodium: one step lower, repeat first, nothing else",
        order=SERTRALINE,
        story=at("127", sodium_hours=24 * 40),
        fires={"OS-LOW": "info aging"},
        shows=("repeat-first",),
    ),
    Scene(
        says="a severe sodium without a repeat stays critical for a week",
        order=SERTRALINE,
        story=ward("118", sodium_hours=24 * 5),
        fires={"OS-LOW": "critical main"},
        removes=True,
    ),
    Scene(
        says="a stale sodium says nothing", order=SERTRALINE, story=at("127", sodium_hours=24 * 95)
    ),
    Scene(
        says="glucose explains the low sodium",
        order=SERTRALINE,
        story=at("128", results=(result("glucose", 600),)),
    ),
    Scene(
        says="a direct measurement contradicts the low value",
        order=SERTRALINE,
        story=at("118", results=(replace(result("sodium", 138, 2.2), method="poc"),)),
    ),
    Scene(
        says="below 130 as the laboratory could tell",
        order=SERTRALINE,
        story=at(None, results=(result("sodium", 130, comparator="<"),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(says="no sodium at 40", order=SERTRALINE, story=at(None)),
    Scene(
        says="sodium could not be read: the pipeline answers",
        order=SERTRALINE,
        story=at(None, patient=OLD, missing={"sodium": Missing.REFUSED}),
    ),
    Scene(
        says="european: 135 is not low",
        order=SERTRALINE,
        story=at("135", patient=OLD),
        profile="european",
    ),
    # -- combination
    Scene(
        says="vector 28: sertraline beside a thiazide, 139, age 72",
        order=SERTRALINE,
        story=at("139", patient=OLD, orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-COMBO": "warning main"},
        shows=("weeks-after-second", "beers"),
    ),
    Scene(
        says="the same at 40 with 138 is info",
        order=SERTRALINE,
        story=at("138", orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-COMBO": "info main"},
    ),
    Scene(
        says="the same at 40 with 137 is a warning",
        order=SERTRALINE,
        story=at("137", orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-COMBO": "warning main"},
    ),
    Scene(
        says="the same at 40 without a sodium is info",
        order=SERTRALINE,
        story=at(None, orders=(order("hydrochlorothiazide", days=300),)),
        fires={"OS-COMBO": "info main"},
    ),
    Scene(
        says="a thiazide beside a drafted SSRI",
        order=selected("chlorthalidone"),
        story=at("138", drafts=(selected("citalopram", reference="MedicationRequest/2"),)),
        fires={"OS-COMBO": "info main"},
    ),
    Scene(
        says="two SSRI are one kind",
        order=SERTRALINE,
        story=at("138", orders=(order("venlafaxine", days=300),)),
    ),
    Scene(
        says="a refill of the SSRI beside a thiazide",
        order=SERTRALINE,
        story=at(
            "137",
            patient=OLD,
            orders=(order("sertraline", days=300), order("indapamide", days=400)),
        ),
    ),
    Scene(
        says="a combination on an aging sodium is one step lower",
        order=SERTRALINE,
        story=at("137", sodium_hours=24 * 40, patient=OLD, orders=(order("indapamide", days=400),)),
        fires={"OS-COMBO": "info main"},
    ),
    # -- baseline
    Scene(
        says="vector 29: sertraline, age 72, no sodium",
        order=SERTRALINE,
        story=at(None, patient=OLD),
        fires={"OS-BASE": "info none"},
    ),
    Scene(
        says="F25: desmopressin at 72 without a sodium: label and Beers criteria both speak",
        order=selected("desmopressin"),
        story=at(None, patient=OLD),
        fires={"OS-BASE": "info none", "OS-DDAVP": "warning label"},
        shows=("label-baseline",),
        hides=("beers",),
    ),
    Scene(
        says="valproate at 72: Beers does not name it",
        order=selected("valproate"),
        story=at("124", patient=OLD),
        fires={"OS-LOW": "warning main"},
        hides=("beers",),
    ),
    Scene(
        says="a sodium of 91 days ago is no baseline",
        order=SERTRALINE,
        story=at("139", sodium_hours=24 * 91, patient=OLD),
        fires={"OS-BASE": "info main"},
    ),
    Scene(
        says="a sodium of 90 days ago is",
        order=SERTRALINE,
        story=at("139", sodium_hours=24 * 90, patient=OLD),
    ),
    Scene(
        says="in hospital 8 days are too long",
        order=SERTRALINE,
        story=ward("139", sodium_hours=24 * 8, patient=OLD),
        fires={"OS-BASE": "info main"},
    ),
    Scene(
        says="the drug is taken already: no baseline any more",
        order=SERTRALINE,
        story=at(None, patient=OLD, orders=(order("sertraline", days=10),)),
    ),
    Scene(says="at 40 no baseline is asked for", order=SERTRALINE, story=at(None)),
    Scene(
        says="an unknown age switches age rules off",
        order=SERTRALINE,
        story=at(None, patient=Patient()),
    ),
    # -- desmopressin
    Scene(
        says="vector 59: desmopressin in central diabetes insipidus at 131",
        order=selected("desmopressin"),
        story=at("131", problems=(problem("diabetes-insipidus", days=900),)),
        fires={"OS-DDAVP": "info replacement"},
        shows=("replacement-never-stop",),
    ),
    Scene(
        says="vector 59: desmopressin for nocturia at 131",
        order=selected("desmopressin"),
        story=at("131"),
        fires={"OS-DDAVP": "warning main"},
        removes=True,
        shows=("contraindicated", "label-low-sodium"),
    ),
    Scene(
        says="desmopressin at 129.9",
        order=selected("desmopressin"),
        story=at("129.9"),
        fires={"OS-DDAVP": "critical main"},
        removes=True,
    ),
    Scene(
        says="desmopressin at 130",
        order=selected("desmopressin"),
        story=at("130"),
        fires={"OS-DDAVP": "warning main"},
        removes=True,
    ),
    Scene(says="desmopressin at 136", order=selected("desmopressin"), story=at("136")),
    # -- F38: one drug twice among the drafts
    Scene(
        says="F38: sertraline is drafted twice, the same dose at the same time",
        order=replace(SERTRALINE, regimen="50 mg daily"),
        story=at(
            "129",
            drafts=(
                replace(
                    selected("sertraline", reference="MedicationRequest/2"), regimen="50 mg daily"
                ),
            ),
        ),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("ordered-twice",),
    ),
    Scene(
        says="F38: two orders of one drug without a dose may both be meant",
        order=SERTRALINE,
        story=at("129", drafts=(selected("sertraline", reference="MedicationRequest/2"),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("ordered-in-parts",),
        hides=("ordered-twice",),
    ),
    Scene(
        says="F38: two drugs are no double",
        order=SERTRALINE,
        story=at("129", drafts=(selected("ibuprofen", reference="MedicationRequest/2"),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
        hides=("ordered-twice",),
    ),
    # -- F25: desmopressin that label or criteria forbid
    Scene(
        says="F25: 65 years at 138",
        order=selected("desmopressin"),
        story=at("138", patient=Patient(birth_date=date(1961, 1, 1))),
        fires={"OS-DDAVP": "warning label"},
        shows=("beers-desmopressin",),
    ),
    Scene(
        says="F25: 64 years at 138",
        order=selected("desmopressin"),
        story=at("138", patient=Patient(birth_date=date(1962, 1, 1))),
    ),
    *(
        Scene(
            says=f"F25: {name} beside it at 138",
            order=selected("desmopressin"),
            story=at("138", orders=(order(name, days=200),)),
            fires={"OS-DDAVP": "warning label"},
            shows=("label-partners",),
            hides=("beers-desmopressin",),
        )
        for name in ("furosemide", "prednisone", "fluticasone")
    ),
    Scene(
        says="F25: heart failure and an earlier low sodium at 138",
        order=selected("desmopressin"),
        story=at(
            "138", problems=(problem("heart-failure", days=400), problem("hyponatremia", days=300))
        ),
        fires={"OS-DDAVP": "warning label"},
        shows=("label-problems",),
    ),
    *(
        Scene(
            says=f"F25: {name} at 138",
            order=selected("desmopressin"),
            story=at("138", problems=(problem(name, days=400),)),
            fires={"OS-DDAVP": "warning label"},
            shows=("label-problems",),
        )
        for name in ("polydipsia", "psychogenic-polydipsia", "siadh")
    ),
    Scene(
        says="F25: an estimated GFR of 49",
        order=selected("desmopressin"),
        story=at("138", results=(result("egfr", 49, 24),)),
        fires={"OS-DDAVP": "warning label"},
        shows=("label-kidney",),
    ),
    Scene(
        says="F25: an estimated GFR of 50",
        order=selected("desmopressin"),
        story=at("138", results=(result("egfr", 50, 24),)),
    ),
    Scene(
        says="F25: in diabetes insipidus it is a replacement",
        order=selected("desmopressin"),
        story=at(
            "138",
            patient=OLD,
            problems=(problem("diabetes-insipidus", days=900),),
        ),
    ),
    Scene(
        says="F25: it is taken for long already",
        order=selected("desmopressin"),
        story=at("138", patient=OLD, orders=(order("desmopressin", days=400),)),
    ),
    Scene(
        says="F25: into a vein it is for another purpose",
        order=selected("desmopressin", route="iv"),
        story=ward("138", orders=(order("furosemide", days=200),)),
    ),
    # -- F24: what happened with such a drug before
    *(
        Scene(
            says=f"F24: an adverse effect of a diuretic 700 days ago, {says}",
            order=selected("hydrochlorothiazide"),
            story=at("139", problems=(problem("adverse-effect-diuretic", days=700), *more)),
            fires={"OS-LOW": "info earlier"},
            shows=("before-and-after",),
        )
        for says, more in (
            ("low sodium as a problem 14 days later", (problem("hyponatremia", days=686),)),
            ("SIADH as a problem on that day", (problem("siadh", days=700),)),
        )
    ),
    *(
        Scene(
            says=f"F24: an adverse effect of a diuretic 700 days ago, sodium {na} {days} days ago",
            order=selected("hydrochlorothiazide"),
            story=at(
                "139",
                problems=(problem("adverse-effect-diuretic", days=700),),
                results=(result("sodium", na, 24 * days),),
            ),
            fires={"OS-LOW": f"info {variant}"},
            shows=(line,),
        )
        for na, days, variant, line in (
            (131, 714, "earlier", "before-and-after"),
            (131, 715, "effect", "which-effect"),
            (140, 700, "effect", "which-effect"),
        )
    ),
    Scene(
        says="F24: an adverse effect of a diuretic, low sodium as a problem 15 days later",
        order=selected("hydrochlorothiazide"),
        story=at(
            "139",
            problems=(
                problem("adverse-effect-diuretic", days=700),
                problem("hyponatremia", days=685),
            ),
        ),
        fires={"OS-LOW": "info effect"},
        shows=("which-effect",),
        hides=("before-and-after",),
    ),
    Scene(
        says="F24: an adverse effect of a diuretic without a date",
        order=selected("hydrochlorothiazide"),
        story=at("139", problems=(problem("adverse-effect-diuretic", days=None),)),
        fires={"OS-LOW": "info effect-undated"},
    ),
    Scene(
        says="F24: one entry with the code of the effect and of low sodium",
        order=selected("hydrochlorothiazide"),
        story=at("139", problems=(problem("adverse-effect-diuretic", "hyponatremia", days=None),)),
        fires={"OS-LOW": "info earlier-undated"},
    ),
    Scene(
        says="F24: an entry whose words blame an SSRI, and another SSRI is ordered",
        order=SERTRALINE,
        story=at("139", problems=(problem("hyponatremia", days=500, blames=["ssri"]),)),
        fires={"OS-LOW": "info earlier"},
        shows=("before-and-after",),
    ),
    Scene(
        says="F24: an entry whose words blame a thiazide, and an SSRI is ordered",
        order=SERTRALINE,
        story=at("139", problems=(problem("hyponatremia", days=500, blames=["thiazide"]),)),
    ),
    *(
        Scene(
            says=f"F24: sodium {na} {days} days ago while {name} was taken, and it was stopped",
            order=SERTRALINE,
            story=at(
                "139",
                results=(result("sodium", na, 24 * days),),
                orders=(order(name, days=420, ended=30.5, status="stopped"),),
            ),
            fires=fires,
        )
        for na, days, name, fires in (
            ("125.9", 400, "sertraline", {"OS-LOW": "info earlier"}),
            (126, 400, "sertraline", {}),
            (125, 400, "sertraline", {"OS-LOW": "info earlier"}),
            (126, 400, "citalopram", {}),
            (125, 400, "citalopram", {"OS-LOW": "info earlier"}),
            (119, 421, "sertraline", {"OS-LOW": "info earlier-unknown"}),
            (120, 421, "sertraline", {}),
        )
    ),
    Scene(
        says="F24: a very low sodium that glucose explains",
        order=SERTRALINE,
        story=at(
            "139",
            results=(result("sodium", 124, 24 * 400), result("glucose", 700, 24 * 400)),
            orders=(order("sertraline", days=420, ended=380, status="stopped"),),
        ),
    ),
    Scene(
        says="F24: the allergy list is not read",
        order=SERTRALINE,
        story=at("129", missing={"AllergyIntolerance": Missing.NOT_READ}),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("allergies-unread",),
    ),
    Scene(
        says="F24: the allergy list is read",
        order=SERTRALINE,
        story=at("129"),
        fires={"OS-LOW": "warning main"},
        removes=True,
        hides=("allergies-unread",),
    ),
    Scene(
        says="F24: of a weaker drug nothing is said about the allergy list",
        order=selected("mirtazapine"),
        story=at("129", missing={"AllergyIntolerance": Missing.NOT_READ}),
        fires={"OS-LOW": "info check"},
        hides=("allergies-unread",),
    ),
    Scene(
        says="F24: an adverse effect of another class",
        order=SERTRALINE,
        story=at("139", problems=(problem("adverse-effect-diuretic", days=700),)),
    ),
    Scene(
        says="F24: an adverse effect of an SNRI",
        order=selected("venlafaxine"),
        story=at("139", problems=(problem("adverse-effect-snri", days=700),)),
        fires={"OS-LOW": "info effect"},
    ),
    Scene(
        says="F24: low sodium was recorded while an SSRI was taken",
        order=SERTRALINE,
        story=at(
            "139",
            problems=(problem("hyponatremia", days=700, active=False),),
            orders=(order("citalopram", days=720, ended=600, status="stopped"),),
        ),
        fires={"OS-LOW": "info earlier"},
    ),
    Scene(
        says="F24: low sodium was recorded after the SSRI had ended",
        order=SERTRALINE,
        story=at(
            "139",
            problems=(problem("hyponatremia", days=500, active=False),),
            orders=(order("citalopram", days=720, ended=600, status="stopped"),),
        ),
    ),
    Scene(
        says="F24: at a low sodium the card is that of low sodium",
        order=selected("hydrochlorothiazide"),
        story=at("129", problems=(problem("adverse-effect-diuretic", days=700),)),
        fires={"OS-LOW": "warning main"},
        removes=True,
    ),
    Scene(
        says="F24: the drug is taken again already",
        order=selected("hydrochlorothiazide"),
        story=at(
            "139",
            problems=(problem("adverse-effect-diuretic", days=700),),
            orders=(order("hydrochlorothiazide", days=40),),
        ),
    ),
    Scene(
        says="a single dose in hemophilia",
        order=replace(selected("desmopressin", route="iv"), single_dose=True),
        story=ward("131", problems=(problem("bleeding-disorder", days=4000),)),
        fires={"OS-DDAVP": "warning bleeding"},
    ),
    Scene(
        says="M13: by vein in hemophilia, with no word that it is one dose",
        order=selected("desmopressin", route="iv"),
        story=ward("131", problems=(problem("bleeding-disorder", days=4000),)),
        fires={"OS-DDAVP": "warning bleeding"},
        hides=("label-low-sodium",),
    ),
    Scene(
        says="M13: by vein for a uremic bleeding",
        order=selected("desmopressin", route="iv"),
        story=ward("128", problems=(problem("ckd-4-5", days=900), problem("gi-bleed", days=1))),
        fires={"OS-DDAVP": "warning bleeding"},
    ),
    *(
        Scene(
            says=f"M13: a product against bleeding, sodium {na}: {fired}",
            order=replace(selected("desmopressin"), hemostatic=True),
            story=at(na, orders=(order("sertraline", days=300),)),
            fires={"OS-DDAVP": fired},
            shows=("bleeding-limit-fluid", "bleeding-check", "other-lowering"),
            hides=("schedule", "contraindicated"),
        )
        for na, fired in (("131", "warning bleeding"), ("139", "info hemostatic"))
    ),
    Scene(
        says="M13: desmopressin for nocturia beside an SSRI is still a combination",
        order=selected("desmopressin"),
        story=at("139", orders=(order("sertraline", days=300),)),
        fires={"OS-COMBO": "info main"},
    ),
    Scene(
        says="M13: a dose against bleeding in an acute fall: sodium now",
        order=replace(selected("desmopressin", route="iv"), hemostatic=True),
        story=replace(ward("127"), results=(result("sodium", 136, 20),)),
        fires={"OS-DDAVP": "warning bleeding-hold"},
        shows=("order-acute", "bleeding-limit-fluid"),
    ),
    Scene(
        says="M13: a bleeding without kidney failure",
        order=selected("desmopressin", route="iv"),
        story=ward("128", problems=(problem("gi-bleed", days=1),)),
        fires={"OS-DDAVP": "critical main"},
        shows=("label-low-sodium",),
    ),
    Scene(
        says="M13: in diabetes insipidus no label forbids it",
        order=selected("desmopressin"),
        story=ward("131", problems=(problem("diabetes-insipidus", days=900),)),
        fires={"OS-DDAVP": "info replacement"},
        hides=("label-low-sodium",),
    ),
    Scene(
        says="hemophilia and daily doses: warned, not removed",
        order=selected("desmopressin"),
        story=at("131", problems=(problem("bleeding-disorder", days=4000),)),
        fires={"OS-DDAVP": "warning main"},
    ),
    Scene(
        says="desmopressin into a vein is never offered for removal",
        order=selected("desmopressin", route="iv"),
        story=ward("131"),
        fires={"OS-DDAVP": "warning main"},
    ),
    Scene(
        says="desmopressin after pituitary surgery is never offered for removal",
        order=selected("desmopressin"),
        story=ward("131", problems=(problem("pituitary-surgery", days=4),)),
        fires={"OS-DDAVP": "warning main"},
    ),
    Scene(
        says="desmopressin beside a loop diuretic and a steroid",
        order=selected("desmopressin"),
        story=at("131", orders=(order("furosemide", days=200), order("prednisone", days=20))),
        fires={"OS-DDAVP": "warning main"},
        removes=True,
        shows=("label-partners",),
    ),
    Scene(
        says="F27: who drinks compulsively is low again under the dose that brakes a rise",
        order=selected("desmopressin", route="iv"),
        story=Story(
            sodium="121",
            setting="inpatient",
            results=(result("sodium", 107, 20),),
            problems=(problem("psychogenic-polydipsia", days=900),),
        ),
        fires={"OS-DDAVP": "warning drinks"},
        shows=("drinks-locked",),
    ),
    Scene(
        says="sodium rose by 4: no brake is due yet",
        order=selected("desmopressin"),
        story=ward("124", results=(result("sodium", 120, 20),)),
        fires={"OS-DDAVP": "warning brake-early"},
    ),
    Scene(
        says="hypertonic saline runs: a clamp",
        order=selected("desmopressin"),
        story=ward("124", drafts=(replace(saline(), reference="MedicationRequest/8"),)),
    ),
    Scene(
        says="an aging sodium: one step lower, no removal",
        order=selected("desmopressin"),
        story=at("129", sodium_hours=24 * 40),
        fires={"OS-DDAVP": "warning main"},
        shows=("repeat-first",),
    ),
    Scene(
        says="a stale sodium says nothing about desmopressin",
        order=selected("desmopressin"),
        story=at("129", sodium_hours=24 * 95),
    ),
)


@table(SCENES)
def test_drugs_that_can_lower_sodium(scene: Scene) -> None:
    scene.check()


def test_an_aging_sodium_offers_nothing_but_another_sodium() -> None:
    scene = next(
        s for s in SCENES if s.says.startswith("an aging sodium: one step lower, repeat first")
    )
    buttons = scene.findings()["OS-LOW"].suggestions
    assert [s.kind for s in buttons] == ["repeat-sodium-now"]
    assert all(
        isinstance(a, DraftLabs) and a.analytes == ("sodium",) for s in buttons for a in s.actions
    )


def test_a_combination_names_the_culprit_and_not_the_partner() -> None:
    scene = next(s for s in SCENES if s.says.startswith("the strongest ingredient"))
    finding = scene.findings()["OS-LOW"]
    assert finding.drugs == ("hydrochlorothiazide",)
    assert (
        Line("contains", {"drug": "hydrochlorothiazide", "partners": "triamterene"}) in finding.why
    )


def test_words_of_the_record_stay_record_text() -> None:
    scene = next(s for s in SCENES if s.says.startswith("vector 37"))
    line = next(x for x in scene.findings()["OS-LOW"].why if x.key == "matched-by-name")
    assert line.facts == {"words": RecordText("hydroCHLOROthiazide 25 mg tab")}


WARD = [scene for scene in all_scenes() if scene.story.setting == "inpatient"]


@pytest.mark.parametrize("scene", WARD, ids=lambda scene: scene.says)
def test_f45_in_hospital_no_card_about_an_order_waits_for_weeks(scene: Scene) -> None:
    for finding in scene.findings().values():
        assert "recheck-sodium-weeks" not in [s.kind for s in finding.suggestions]
        keys = {line.key for line in (*finding.do, *finding.why)}
        assert keys.isdisjoint(
            {"another-drug", "sodium-then-again", "baseline-then-again", "schedule"}
        )
        assert (finding.rule, finding.variant) != ("OS-COMBO", "main")


def recheck_of(story: Story, draft: Order) -> Suggestion:
    scene = Scene(says="", order=draft, story=story)
    return scene.findings()["OS-LOW"].suggestions[-1]


@pytest.mark.parametrize(
    ("story", "draft", "kind", "after"),
    [
        (at("132"), SERTRALINE, "recheck-sodium-weeks", timedelta(days=7)),
        (ward("132"), SERTRALINE, "recheck-sodium-hours", timedelta(hours=12)),
        (
            ward("132"),
            selected("valproate", route="iv"),
            "recheck-sodium-hours",
            timedelta(hours=12),
        ),
        (ward("132"), selected("valproate"), "recheck-sodium-morning", timedelta(hours=18)),
        (
            ward("132", orders=(order("sertraline", days=30),)),
            SERTRALINE,
            "recheck-sodium-morning",
            timedelta(hours=18),
        ),
    ],
)
def test_f45_the_next_sodium_after_a_drug(
    story: Story, draft: Order, kind: str, after: timedelta
) -> None:
    recheck = recheck_of(story, draft)
    assert recheck.kind == kind
    draw = recheck.actions[0]
    assert isinstance(draw, DraftLabs)
    assert draw.after == after


@pytest.mark.parametrize(
    ("now", "zone", "morning"),
    [
        ("2026-11-15T05:59:00+00:00", 0, "2026-11-15T06:00:00+00:00"),
        ("2026-11-15T06:00:00+00:00", 0, "2026-11-16T06:00:00+00:00"),
        ("2026-11-15T23:00:00+00:00", 9, "2026-11-17T06:00:00+09:00"),
        ("2026-11-15T12:00:00+00:00", -6, "2026-11-16T06:00:00-06:00"),
    ],
)
def test_f45_the_next_morning_is_that_of_the_patient(now: str, zone: int, morning: str) -> None:
    moment = datetime.fromisoformat(now)
    snapshot = Snapshot(now=moment, zone=timedelta(hours=zone))
    assert next_morning(a_case(snapshot=snapshot)) == datetime.fromisoformat(morning)
