"""Vaptans: contraindications, liver, duration, start; polycystic kidney disease is another matter."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from cds_service.sodium.snapshot import Missing, Order, Patient
from tests.sodium.patients import Story, ago, drug, order, problem, result
from tests.sodium.rules.orders import Scene, restriction, selected, table

HYPOVOLEMIA = problem("hypovolemia", days=2)
POLYCYSTIC = problem("adpkd", days=2000)
SEIZURE = problem("seizure", days=0.2, encounter=True)
LOW = Story(sodium="124", setting="inpatient")
NORMAL = Story(sodium="140", setting="inpatient")
START = {"OS-VAP-GEN": "info main"}
TOLVAPTAN = selected("tolvaptan")
LABELLED = replace(TOLVAPTAN, hyponatremia_product=True)
FOR_KIDNEY = replace(TOLVAPTAN, adpkd=True)

DANGER = {"OS-VAP-GEN": "warning danger"}


def tablets(dose: str) -> Order:
    """A draft of tolvaptan with so many milligrams on the first day."""
    return replace(TOLVAPTAN, first_day_mg=Decimal(dose))


ON_TOLVAPTAN = Story(sodium="126", setting="inpatient", orders=(order("tolvaptan", days=3),))

STRONG = (
    *("adagrasib", "ceritinib", "ribociclib", "idelalisib", "levoketoconazole", "mifepristone"),
    *("lonafarnib", "ensitrelvir", "tucatinib", "josamycin", "cobicistat", "telithromycin"),
)
MODERATE = (
    *("imatinib", "letermovir", "isavuconazole", "crizotinib", "nilotinib", "ciclosporin"),
    *("netupitant", "erythromycin", "verapamil"),
)
INDUCERS = (
    *("enzalutamide", "apalutamide", "mitotane", "hypericum", "phenytoin", "efavirenz"),
    *("bosentan", "rifapentine", "dabrafenib"),
)

SCENES = (
    *(
        Scene(
            says=f"F19: tolvaptan is started on {name}: contraindicated",
            order=TOLVAPTAN,
            story=replace(LOW, orders=(order(name, days=200),)),
            fires={"OS-VAP-CONTRA": "critical main", **START},
            removes=True,
            shows=("contra-inhibitor",),
        )
        for name in STRONG
    ),
    *(
        Scene(
            says=f"F19: tolvaptan is started on {name}",
            order=TOLVAPTAN,
            story=replace(LOW, orders=(order(name, days=200),)),
            fires={"OS-VAP-CONTRA": f"warning {kind}", **START},
            shows=(line,),
        )
        for names, kind, line in (
            (MODERATE, "moderate", "avoid-moderate"),
            (INDUCERS, "inducer", "avoid-inducer"),
        )
        for name in names
        if name not in ("mitotane",)  # it blocks cortisol, which comes first (F5)
    ),
    Scene(
        says="F19: carbamazepine while tolvaptan is taken: it lowers sodium, and takes the effect away",
        order=selected("carbamazepine"),
        story=ON_TOLVAPTAN,
        fires={"OS-VAP-CYP": "warning inducer", "OS-LOW": "warning main"},
        removes=True,
        shows=("do-inducer",),
    ),
    Scene(
        says="F19: imatinib without a vaptan: silent",
        order=selected("imatinib"),
        story=replace(ON_TOLVAPTAN, orders=()),
    ),
    # -- F19 from the other side: a drug is ordered beside a vaptan that is taken
    *(
        Scene(
            says=f"F19: {name} while tolvaptan is taken",
            order=selected(name),
            story=ON_TOLVAPTAN,
            fires={"OS-VAP-CYP": f"warning {kind}"},
            shows=(f"do-{kind}",),
        )
        for name, kind in [
            ("ritonavir", "strong"),
            ("indinavir", "strong"),
            ("fluconazole", "moderate"),
            ("diltiazem", "moderate"),
            ("grapefruit juice", "moderate"),
            ("rifampicin", "inducer"),
            ("phenobarbital", "inducer"),
            *((name, "strong") for name in STRONG),
            *((name, "moderate") for name in MODERATE),
            *((name, "inducer") for name in INDUCERS),
        ]
    ),
    Scene(
        says="F19: clarithromycin with an unread list of medicines: a vaptan may be on it",
        order=selected("clarithromycin"),
        story=replace(ON_TOLVAPTAN, orders=(), missing={"medications": Missing.TIMEOUT}),
    ),
    Scene(
        says="F19: amlodipine changes no vaptan",
        order=selected("amlodipine"),
        story=ON_TOLVAPTAN,
    ),
    Scene(
        says="F19: clarithromycin without a vaptan",
        order=selected("clarithromycin"),
        story=Story(sodium="126", setting="inpatient"),
    ),
    Scene(
        says="F19: both are drafted, and the card of the vaptan speaks",
        order=selected("fluconazole"),
        story=Story(
            sodium="126", setting="inpatient", drafts=(selected("tolvaptan", reference="M/2"),)
        ),
    ),
    # -- F19
    Scene(
        says="F19: below 120 a start is a warning with the goal",
        order=TOLVAPTAN,
        story=Story(sodium="119.9", setting="inpatient"),
        fires=DANGER,
        shows=("goal-very-low",),
    ),
    Scene(
        says="F19: 120 is not below 120",
        order=TOLVAPTAN,
        story=Story(sodium="120", setting="inpatient"),
        fires=START,
        hides=("goal-very-low",),
    ),
    Scene(
        says="F19: alcohol at 124 is a high risk of demyelination",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("alcohol-use-disorder", days=900),)),
        fires=DANGER,
        shows=("goal-high-risk",),
    ),
    Scene(
        says="F19: the same outside hospital",
        order=TOLVAPTAN,
        story=Story(sodium="119", setting="outpatient"),
        fires={"OS-VAP-GEN": "warning danger-outpatient"},
    ),
    *(
        Scene(
            says=f"F19: {name}: the patient cannot drink to thirst",
            order=TOLVAPTAN,
            story=replace(LOW, problems=(problem(name, days=days),)),
            fires={"OS-VAP-CONTRA": "critical main", **START},
            removes=True,
            shows=("contra-thirst",),
        )
        for name, days in (("dysphagia", 900), ("confusion", 1))
    ),
    Scene(
        says="F19: a confusion of last year says nothing of today",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("confusion", days=300),)),
        fires=START,
    ),
    Scene(
        says="F19: potassium 5.1",
        order=TOLVAPTAN,
        story=replace(LOW, results=(result("potassium", "5.1", 48),)),
        fires={"OS-VAP-GEN": "warning main"},
        shows=("potassium-high",),
    ),
    Scene(
        says="F19: potassium 5 is not above 5",
        order=TOLVAPTAN,
        story=replace(LOW, results=(result("potassium", "5", 2),)),
        fires=START,
        hides=("potassium-high",),
    ),
    Scene(
        says="F19: a potassium of three days ago says nothing of today",
        order=TOLVAPTAN,
        story=replace(LOW, results=(result("potassium", "5.6", 49),)),
        fires=START,
    ),
    Scene(
        says="F19: a moderate CYP3A inhibitor is taken: avoid",
        order=TOLVAPTAN,
        story=replace(LOW, orders=(order("diltiazem", days=200),)),
        fires={"OS-VAP-CONTRA": "warning moderate", **START},
        shows=("avoid-moderate",),
    ),
    Scene(
        says="F19: a moderate CYP3A inhibitor below 120: the goal is said beside",
        order=TOLVAPTAN,
        story=Story(
            sodium="118", setting="inpatient", drafts=(selected("fluconazole", reference="M/2"),)
        ),
        fires={"OS-VAP-CONTRA": "warning moderate", **DANGER},
        shows=("avoid-moderate", "goal-very-low"),
    ),
    Scene(
        says="F19: an inducer in a patient at high risk",
        order=TOLVAPTAN,
        story=replace(
            LOW,
            orders=(order("carbamazepine", days=200),),
            problems=(problem("alcohol-use-disorder", days=900),),
        ),
        fires={"OS-VAP-CONTRA": "warning inducer", **DANGER},
        shows=("avoid-inducer", "goal-high-risk"),
    ),
    Scene(
        says="F19: a strong inhibitor leads a moderate one",
        order=TOLVAPTAN,
        story=replace(LOW, orders=(order("cobicistat", days=20), order("verapamil", days=20))),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
        shows=("contra-inhibitor",),
    ),
    Scene(
        says="F19: a first dose of 15.1 mg",
        order=tablets("15.1"),
        story=LOW,
        fires={"OS-VAP-GEN": "warning dose"},
        shows=("dose-too-high", "start-in-hospital"),
    ),
    Scene(
        says="F19: a first dose of 60 mg at 118: the danger leads, and the dose is told",
        order=tablets("60"),
        story=Story(sodium="118", setting="inpatient"),
        fires=DANGER,
        shows=("dose-too-high", "goal-very-low"),
    ),
    Scene(
        says="F19: 60 mg of who takes it for days is no first dose",
        order=tablets("60"),
        story=ON_TOLVAPTAN,
    ),
    Scene(
        says="F19: a first dose of 15 mg",
        order=tablets("15"),
        story=LOW,
        fires=START,
        hides=("dose-too-high",),
    ),
    Scene(
        says="F19: conivaptan has a loading dose of its own",
        order=replace(selected("conivaptan"), first_day_mg=Decimal(20)),
        story=LOW,
        fires=START,
        hides=("dose-too-high",),
    ),
    Scene(
        says="vector 31: hypovolemia",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(HYPOVOLEMIA,)),
        fires={"OS-VAP-HYPO": "critical main", **START},
        removes=True,
    ),
    Scene(
        says="hypovolemia of a month ago is over",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("hypovolemia", days=30),)),
        fires=START,
    ),
    Scene(
        says="salt wasting after a bleed",
        order=selected("conivaptan"),
        story=replace(LOW, problems=(problem("sah", days=6),)),
        fires={"OS-VAP-HYPO": "critical main", **START},
        removes=True,
    ),
    Scene(
        says="hypovolemia, but the age is not known: no removal",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(HYPOVOLEMIA,), patient=Patient()),
        fires={"OS-VAP-HYPO": "critical main", **START},
    ),
    Scene(
        says="adrenal insufficiency",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("adrenal", days=2000),)),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
        shows=("contra-adrenal",),
    ),
    Scene(
        says="dialysis",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("dialysis", days=900),)),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
        shows=("contra-anuria",),
    ),
    Scene(
        says="anuria",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("anuria", days=1),)),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
        shows=("contra-anuria",),
    ),
    Scene(
        says="a seizure that 118 explains",
        order=TOLVAPTAN,
        story=Story(sodium="118", setting="inpatient", problems=(SEIZURE,)),
        fires={"OS-VAP-CONTRA": "critical main", **DANGER},
        removes=True,
        shows=("contra-severe",),
    ),
    Scene(
        says="a seizure that 132 does not explain is only a warning",
        order=TOLVAPTAN,
        story=Story(sodium="132", setting="inpatient", problems=(SEIZURE,)),
        fires={"OS-VAP-SEV": "warning main", **START},
    ),
    Scene(
        says="a strong CYP3A inhibitor is taken",
        order=TOLVAPTAN,
        story=replace(LOW, orders=(order("clarithromycin", days=2),)),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
        shows=("contra-inhibitor",),
    ),
    Scene(
        says="a strong CYP3A inhibitor is drafted",
        order=TOLVAPTAN,
        story=replace(LOW, drafts=(selected("ketoconazole", reference="MedicationRequest/2"),)),
        fires={"OS-VAP-CONTRA": "critical main", **START},
        removes=True,
    ),
    Scene(
        says="pregnancy: not advised",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("pregnancy", days=60),)),
        fires={"OS-VAP-CONTRA": "warning pregnancy", **START},
        shows=("pregnancy-lowers",),
    ),
    *(
        Scene(
            says=f"S11: the European label forbids tolvaptan in {name}",
            order=TOLVAPTAN,
            story=replace(LOW, problems=(problem(name, days=60),)),
            fires={"OS-VAP-CONTRA": "critical main", "OS-VAP-GEN": "warning profound"},
            removes=True,
            shows=("contra-european", "ask-specialist"),
            profile="european",
        )
        for name in ("pregnancy", "breast-feeding")
    ),
    Scene(
        says="S11: the label of conivaptan is another one",
        order=selected("conivaptan", route="iv"),
        story=replace(LOW, problems=(problem("pregnancy", days=60),)),
        fires={"OS-VAP-CONTRA": "warning pregnancy", "OS-VAP-GEN": "warning profound"},
        removes=True,
        hides=("contra-european",),
        profile="european",
    ),
    Scene(
        says="vector 32: cirrhosis",
        order=TOLVAPTAN,
        story=replace(LOW, problems=(problem("cirrhosis", days=900),)),
        fires={"OS-VAP-LIVER": "warning main", **DANGER},
        shows=("liver-guidance", "cirrhosis-instead"),
    ),
    Scene(
        says="conivaptan in cirrhosis is no question of the tolvaptan label",
        order=selected("conivaptan"),
        story=replace(LOW, problems=(problem("cirrhosis", days=900),)),
        fires=DANGER,
    ),
    Scene(
        says="vector 33: polycystic kidney disease, sodium 140",
        order=FOR_KIDNEY,
        story=replace(NORMAL, problems=(POLYCYSTIC,)),
    ),
    Scene(
        says="polycystic kidney disease needs no fresh sodium from us",
        order=FOR_KIDNEY,
        story=Story(sodium=None, setting="outpatient", problems=(POLYCYSTIC,)),
    ),
    Scene(
        says="the product for low sodium with polycystic kidney disease: boxed warning",
        order=LABELLED,
        story=replace(NORMAL, problems=(POLYCYSTIC,)),
        fires={"OS-VAP-CONTRA": "critical main", "OS-VAP-NONE": "warning main"},
        removes=True,
        shows=("contra-polycystic",),
    ),
    Scene(
        says="sodium 140 and no polycystic kidney disease",
        order=FOR_KIDNEY,
        story=NORMAL,
        fires={"OS-VAP-NONE": "warning main"},
    ),
    Scene(
        says="sodium 140 under tolvaptan that is taken already: it worked",
        order=TOLVAPTAN,
        story=replace(NORMAL, orders=(order("tolvaptan", days=5),)),
    ),
    Scene(
        says="polycystic kidney disease, but the order says low sodium",
        order=selected("tolvaptan", reasons=["hyponatremia"]),
        story=replace(LOW, problems=(POLYCYSTIC,)),
        fires=START,
    ),
    Scene(
        says="31 days of tolvaptan",
        order=selected("tolvaptan", duration="31"),
        story=LOW,
        fires={"OS-VAP-DUR": "warning main", **START},
        shows=("label-liver-injury",),
    ),
    Scene(
        says="30 days of tolvaptan are within the label",
        order=selected("tolvaptan", duration="30"),
        story=LOW,
        fires=START,
    ),
    Scene(
        says="a product for polycystic kidney disease is taken for years",
        order=replace(selected("tolvaptan", duration="365"), adpkd=True),
        story=LOW,
        fires=START,
    ),
    Scene(
        says="a product for polycystic kidney disease, ordered for low sodium, has the limit",
        order=replace(selected("tolvaptan", duration="365", reasons=["hyponatremia"]), adpkd=True),
        story=LOW,
        fires={"OS-VAP-DUR": "warning main", **START},
    ),
    Scene(
        says="a period of 40 days counts like a duration",
        order=replace(TOLVAPTAN, start=ago(days=0), end=ago(days=-40)),
        story=LOW,
        fires={"OS-VAP-DUR": "warning main", **START},
    ),
    Scene(
        says="tolvaptan that is taken for 45 days goes on",
        order=TOLVAPTAN,
        story=replace(LOW, orders=(order("tolvaptan", days=45),)),
        fires={"OS-VAP-DUR": "warning main"},
    ),
    Scene(
        says="5 days of conivaptan",
        order=selected("conivaptan", duration="5"),
        story=LOW,
        fires={"OS-VAP-DUR": "warning main", **START},
        shows=("label-days",),
    ),
    Scene(
        says="an outpatient start",
        order=TOLVAPTAN,
        story=replace(LOW, setting="outpatient"),
        fires={"OS-VAP-GEN": "warning outpatient"},
        shows=("start-in-hospital", "indicated-aasld"),
    ),
    Scene(
        says="the european profile does not recommend vaptans",
        order=TOLVAPTAN,
        story=LOW,
        fires={"OS-VAP-GEN": "warning profound"},
        removes=True,
        shows=("indicated-european", "against-profound"),
        profile="european",
    ),
    Scene(
        says="a fluid restriction drafted in the same session (N9)",
        order=TOLVAPTAN,
        story=replace(LOW, drafts=(restriction(),)),
        fires=START,
        shows=("restriction-also-ordered",),
    ),
    Scene(
        says="a fluid restriction that ended does not count",
        order=TOLVAPTAN,
        story=replace(LOW, orders=(replace(restriction(), status="completed"),)),
        fires=START,
        hides=("restriction-also-ordered",),
    ),
    Scene(
        says="a vaptan in a skin cream does not count",
        order=replace(TOLVAPTAN, route="local"),
        story=LOW,
    ),
    Scene(
        says="a brand name is shown as it was recorded",
        order=replace(
            TOLVAPTAN,
            drugs=(replace(drug("tolvaptan"), evidence="brand", matched=None),),
        ),
        story=replace(LOW, results=(result("glucose", 90),)),
        fires=START,
        hides=("matched-by-name",),
    ),
)


@table(SCENES)
def test_vaptans(scene: Scene) -> None:
    scene.check()
