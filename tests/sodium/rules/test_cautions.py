"""F29: picosulfate and urea harm in some patients, whatever they are given for."""

from __future__ import annotations

from datetime import date

from cds_service.sodium.snapshot import Patient
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.orders import Scene, selected, table

PREPARATION, UREA = selected("picosulfate"), selected("urea")
AT_65, AT_64 = Patient(birth_date=date(1961, 3, 1)), Patient(birth_date=date(1962, 3, 1))
SCENES = (
    Scene(
        says="F29: picosulfate at 134",
        order=PREPARATION,
        story=Story(sodium=134),
        fires={"OS-BOWEL": "warning low"},
        shows=("peg-electrolyte",),
    ),
    Scene(says="F29: picosulfate at 138 at 50", order=PREPARATION, story=Story(sodium=138)),
    Scene(
        says="F29: picosulfate beside a thiazide at 138",
        order=PREPARATION,
        story=Story(sodium=138, orders=(order("hydrochlorothiazide"),)),
        fires={"OS-BOWEL": "info main"},
        shows=("also-lowering", "hold-thiazide"),
    ),
    Scene(
        says="F29: picosulfate beside indapamide at 129",
        order=PREPARATION,
        story=Story(sodium=129, orders=(order("indapamide"), order("sertraline"))),
        fires={"OS-BOWEL": "warning low"},
        shows=("also-lowering", "hold-thiazide"),
    ),
    Scene(
        says="F29: in heart failure the thiazide goes on",
        order=PREPARATION,
        story=Story(
            sodium=138,
            orders=(order("hydrochlorothiazide"),),
            problems=(problem("heart-failure", days=100),),
        ),
        fires={"OS-BOWEL": "info main"},
        hides=("hold-thiazide",),
    ),
    Scene(
        says="F29: picosulfate beside a weaker drug at 138",
        order=PREPARATION,
        story=Story(sodium=138, orders=(order("mirtazapine"),)),
    ),
    Scene(
        says="F29: picosulfate at the age from which drugs lower sodium more",
        order=PREPARATION,
        story=Story(sodium=138, patient=AT_65),
        fires={"OS-BOWEL": "info main"},
    ),
    Scene(
        says="F29: picosulfate a year before that age",
        order=PREPARATION,
        story=Story(sodium=138, patient=AT_64),
    ),
    Scene(
        says="F29: an isotonic preparation at 134",
        order=selected("macrogol bowel prep"),
        story=Story(sodium=134, patient=AT_65),
    ),
    Scene(
        says="F29: urea with hepatic encephalopathy",
        order=UREA,
        story=Story(sodium=123, problems=(problem("encephalopathy", "cirrhosis"),)),
        fires={"OS-UREA": "warning main"},
        shows=(
            "cirrhosis-instead",
            "ammonia",
        ),
    ),
    Scene(
        says="F29: the same without cirrhosis on record",
        order=UREA,
        story=Story(sodium=123, problems=(problem("encephalopathy"),)),
        fires={"OS-UREA": "warning main"},
        shows=("avoid-urea",),
        hides=("cirrhosis-instead",),
    ),
    Scene(
        says="F29: urea after hepatic encephalopathy that is over",
        order=UREA,
        story=Story(sodium=123, problems=(problem("encephalopathy", active=False),)),
    ),
    Scene(
        says="F29: urea in SIADH",
        order=UREA,
        story=Story(sodium=127, problems=(problem("siadh"),)),
    ),
    *(
        Scene(
            says=f"F29: urea with {held}",
            order=UREA,
            story=Story(sodium=123, problems=(problem(held, days=900),)),
            fires={"OS-UREA": "warning kidney"},
            shows=("ask-nephrology-first", "stays-in-blood"),
        )
        for held in ("ckd-4-5", "dialysis")
    ),
    Scene(
        says="urea in stage 3 of chronic kidney disease",
        order=UREA,
        story=Story(sodium=123, problems=(problem("ckd-1-3", days=900),)),
    ),
    *(
        Scene(
            says=f"urea with {analyte} {value}",
            order=UREA,
            story=Story(sodium=123, results=(result(analyte, value),)),
            fires={"OS-UREA": f"warning {variant}"} if variant else {},
        )
        for analyte, value, variant in (
            ("egfr", 29, "filtration"),
            ("egfr", 30, ""),
            ("creatinine", "4.1", "creatinine"),
            ("creatinine", 4, ""),
            ("bun", 81, "nitrogen"),
            ("bun", 80, ""),
        )
    ),
    Scene(
        says="urea goes on at a BUN of 96, which it raises",
        order=UREA,
        story=Story(sodium=123, results=(result("bun", 96),), orders=(order("urea", days=10),)),
    ),
    Scene(
        says="urea with hepatic encephalopathy and dialysis: both are told",
        order=UREA,
        story=Story(sodium=123, problems=(problem("encephalopathy"), problem("dialysis"))),
        fires={"OS-UREA": "warning main"},
        shows=("ammonia", "stays-in-blood"),
    ),
)


@table(SCENES)
def test_orders_that_harm_in_some_patients(scene: Scene) -> None:
    scene.check()
