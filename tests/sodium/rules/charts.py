"""Charts in a few words whose cards show lines that no other gallery shows; facts are recorded here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from cds_service.sodium.snapshot import LabResult, Order, Problem, Setting
from cds_service.terminology.types import Nutrition, RecordText, Saline
from tests.sodium.patients import Story, ago, isotonic, order, problem, result

SEIZURE = problem("seizure", days=0.03, encounter=True)
CONFUSED = problem("confusion", days=0.04)
DROWSY = problem("somnolence", days=0.04)
SALINE_3 = replace(
    order("sodium chloride", days=0.1, route="iv", reference="MedicationRequest/2"),
    saline=Saline(kind="hypertonic", percent=Decimal(3), volume_ml=Decimal(500)),
)


ALKALI_BAG = Order(
    reference="MedicationRequest/1",
    hypotonic=True,
    hypotonic_volume_ml=Decimal(1000),
    carries=True,
    alkali="sodium bicarbonate",
    fluid_name=RecordText("Glucose 5% 1000 mL + sodium bicarbonate 50 mmol"),
    drugs=order("sodium bicarbonate").drugs,
    route="iv",
    status="active",
    intent="order",
    start=ago(days=0.1),
)


CRRT = replace(
    order("dialysis fluid", days=0.4, reference="MedicationRequest/3"),
    fluid_name=RecordText("PrismaSol 4"),
)


def rising(
    now: float = 122, start: float = 112, *problems: Any, hours: float = 20, **more: Any
) -> Story:
    """Sodium rose within so many hours, and the last value is an hour old."""
    before = (result("sodium", start, hours + 1), *more.pop("results", ()))
    return Story(
        sodium=now, sodium_hours=1, setting="inpatient", results=before, problems=problems, **more
    )


def shed(osmolality: str, *problems: Any) -> Story:
    """A rise of 13 in 20 h, with this osmolality of the urine."""
    return rising(124, 111, *problems, results=(result("urine-osmolality", osmolality),))


def two_in_one(partner: str, *problems: Any, systolic: int = 118, potassium: str = "4.2") -> Story:
    """A thiazide and its partner in one product, sodium 122."""
    product = replace(
        order("hydrochlorothiazide", partner), partners=(partner,), ingredient_count=2
    )
    measured = (result("systolic", systolic), result("potassium", potassium))
    return Story(
        sodium="122", setting="inpatient", results=measured, problems=problems, orders=(product,)
    )


def dialyzed(sodium: str = "121", *problems: Any, **more: Any) -> Story:
    """A patient on dialysis with a high potassium."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("potassium", "6.4"), result("creatinine", "11.2")),
        problems=(problem("dialysis", days=900), *problems),
        **more,
    )


def drawn(
    *problems: Any,
    sodium: str = "116",
    glucose: str = "912",
    potassium: str = "2.0",
    creatinine: str = "0.4",
    hours: float = 13,
) -> Story:
    """A sodium of two hours ago, with what was measured in its tube and so many hours before."""
    before, at = hours + 2, 2
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=problems,
        results=(
            result("sodium", 137, before),
            result("glucose", 118, before),
            result("potassium", "4.0", before),
            result("creatinine", "0.8", before),
            result("glucose", glucose, at),
            result("potassium", potassium, at),
            result("creatinine", creatinine, at),
        ),
    )


def diluted(*problems: Any, sodium: str = "111", **parts: Any) -> Story:
    """A sample without glucose in which so many parts of each value before are left."""
    usual = {"potassium": 4.1, "creatinine": 1.0, "bun": 15.6, "serum-albumin": 3.5}
    left = dict.fromkeys(usual, 0.45) | parts.pop("left", {})
    kept = {name: share for name, share in left.items() if share is not None}
    hours = parts.pop("hours", 4)
    before = [result(name, usual[name], hours + 2) for name in kept]
    after = [result(name, round(usual[name] * share, 2), 2) for name, share in kept.items()]
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("sodium", 139, hours + 2), *before, *after),
        problems=problems,
        **parts,
    )


def after_surgery(*problems: Any) -> Story:
    """A sodium of the day after surgery; the last one before it is six days old."""
    operated = problem("recent-surgery", days=0.9, active=False)
    before = (result("sodium", 139, 144),)
    return Story(sodium="128", setting="inpatient", results=before, problems=(operated, *problems))


def acute(*orders: Order, **more: Any) -> Story:
    """Sodium fell from 128 to 118 within a day, beside these orders."""
    earlier = (result("sodium", "138", 170), result("sodium", "128", 25), *more.pop("results", ()))
    return Story(sodium="118", setting="inpatient", results=earlier, orders=orders, **more)


def siadh_by_urine(*hormones: str, **more: Any) -> Story:
    """The urine of SIADH at 127, with a cortisol of 17 or a TSH of 2.1 of yesterday."""
    known = {"cortisol": "17", "tsh": "2.1"}
    measured = (result("urine-osmolality", "430"), result("urine-sodium", "66"))
    drawn = tuple(result(name, known[name], 24) for name in hormones)
    return Story(sodium="127", setting="inpatient", results=(*measured, *drawn), **more)


def drained(*found: Any) -> Story:
    """Sodium 128 beside a loop diuretic by vein, with more orders and problems."""
    orders = tuple(one for one in found if isinstance(one, Order))
    loop = order("bumetanide", days=1, route="iv", reference="MedicationRequest/4")
    recorded = tuple(one for one in found if not isinstance(one, Order))
    earlier = (result("sodium", "135", 600), result("sodium", "131", 30))
    if any(drug.cls == "thiazide" for one in orders for drug in one.drugs):
        orders = (*orders, loop)
    return Story(
        sodium="128", setting="inpatient", results=earlier, orders=orders, problems=recorded
    )


def drunk(osmolality: str, ethanol: str) -> Story:
    """Sodium 109 with an osmolality and the ethanol of the same tube."""
    measured = (result("serum-osmolality", osmolality), result("ethanol", ethanol))
    return Story(sodium="109", setting="inpatient", results=measured)


def seized(*problems: Any, sodium: str = "118", **more: Any) -> Story:
    """A seizure of this hour at a low sodium."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=(problem("seizure", days=0.03, encounter=True), *problems),
        **more,
    )


def at_night(
    *problems: Any, reason: str = "nocturia", setting: Setting = "inpatient", **more: Any
) -> Story:
    """Desmopressin for nocturia, or for no recorded reason, with a concentrated urine."""
    urine = (result("urine-osmolality", "512"), result("urine-sodium", "71"))
    before = (result("sodium", "138", 24 * 60),)
    known = (problem(reason, days=40),) if reason else ()
    more = {"results": (*before, *urine), **more}
    taken = (order("desmopressin", days=16), *more.pop("orders", ()))
    return Story(setting=setting, problems=(*known, *problems), orders=taken, **more)


def secreting(*problems: Any, **more: Any) -> Story:
    """Recorded SIADH with a urine so concentrated that a restriction is likely to fail."""
    urine = (result("urine-osmolality", "742"), result("urine-sodium", "128"))
    before = (result("sodium", "124", 24 * 5), result("sodium", "122", 24 * 3))
    siadh = problem("siadh", days=20)
    more = {"setting": "inpatient", "results": (*before, *urine), **more}
    return Story(problems=(siadh, *problems), **more)


def insipid(*problems: Any, osmolality: str = "610", **more: Any) -> Story:
    """Central diabetes insipidus on desmopressin, sodium 124, with the osmolality of the urine."""
    taken = (order("desmopressin", days=900), *more.pop("orders", ()))
    urine = (result("urine-osmolality", osmolality), result("urine-sodium", "70"))
    blood = (result("serum-osmolality", 256), *more.pop("results", ()))
    insipidus = problem("diabetes-insipidus", days=900)
    return Story(
        sodium="124",
        setting="inpatient",
        problems=(insipidus, *problems),
        results=(*urine, *blood),
        orders=taken,
        **more,
    )


def potassium_high(*drugs: str, problems: tuple[Any, ...] = (), sodium: str = "123") -> Story:
    """Sodium 123 and potassium 6.1 under these drugs, as long as a week."""
    taken = tuple(order(name, days=8) for name in drugs)
    measured = (result("potassium", "6.1"), result("creatinine", "0.9"))
    return Story(
        sodium=sodium, setting="inpatient", results=measured, orders=taken, problems=problems
    )


def irrigated(*problems: Any, hours: float = 5, status: str = "active") -> Story:
    """Irrigation with glycine since some hours; sodium fell to 106."""
    rinse = order("glycine", days=hours / 24, route="local", status=status)
    return Story(
        sodium="106",
        setting="inpatient",
        results=(result("sodium", "139", 30),),
        problems=problems,
        orders=(replace(rinse, irrigation=True),),
    )


def treated(drug: str, days: float, status: str = "completed", **more: Any) -> Story:
    """A cytotoxic drug that was given once, so many days ago; sodium is 121."""
    given = replace(order(drug, days=days, route="iv", status=status), single_dose=True)
    return Story(
        sodium="121",
        setting="inpatient",
        results=(result("sodium", "138", 24 * (days + 3)), *more.pop("results", ())),
        orders=(given,),
        **more,
    )


def on_vaptan(
    *partners: Any,
    sodium: str = "131",
    days: float = 3,
    supply: str | None = None,
    **more: Any,
) -> Story:
    """Tolvaptan since some days on the ward, beside other orders; ordered for so many days."""
    vaptan = replace(order("tolvaptan", days=days, duration=supply), hyponatremia_product=True)
    return Story(sodium=sodium, setting="inpatient", orders=(vaptan, *partners), **more)


# What speaks against a vaptan that is taken: the card of PV-VAPTAN and DC-VAPTAN, and its first line.
def on_lithium(level: str | None, *others: str, sodium: str = "124", **more: Any) -> Story:
    """Lithium with this level, and others beside it, in kidney injury."""
    injury = problem("acute-kidney-injury", days=0.5)
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=(injury, *more.pop("problems", ())),
        orders=tuple(
            order(name, days=400, reference=f"MedicationRequest/{name}")
            for name in ("lithium", *others)
        ),
        results=() if level is None else (result("lithium", level),),
        **more,
    )


ON_VAPTAN: tuple[tuple[str, str, Story], ...] = (
    ("warning strong", "on-vaptan-strong", on_vaptan(order("clarithromycin", days=0.4))),
    ("warning strong", "on-vaptan-strong", on_vaptan(order("ritonavir"), sodium="139")),
    ("warning moderate", "on-vaptan-moderate", on_vaptan(order("fluconazole", days=0.4))),
    ("warning inducer", "on-vaptan-inducer", on_vaptan(order("rifampicin", days=0.4))),
    ("warning inducer", "on-vaptan-inducer", on_vaptan(order("carbamazepine", days=0.4))),
    ("warning saline", "on-vaptan-saline", on_vaptan(SALINE_3)),
    ("warning contra", "on-vaptan-depleted", on_vaptan(problems=(problem("hypovolemia"),))),
    ("warning contra", "on-vaptan-thirst", on_vaptan(problems=(problem("dysphagia"),))),
    ("warning contra", "on-vaptan-adrenal", on_vaptan(problems=(problem("adrenal"),))),
    ("warning contra", "on-vaptan-severe", on_vaptan(sodium="118", problems=(SEIZURE,))),
    ("warning adrenal", "on-vaptan-cortisol", on_vaptan(results=(result("potassium", "5.9"),))),
    ("warning pregnancy", "on-vaptan-pregnancy", on_vaptan(problems=(problem("pregnancy"),))),
    ("warning liver", "on-vaptan-liver", on_vaptan(problems=(problem("cirrhosis", days=90),))),
    ("info contra", "on-vaptan-anuria", on_vaptan(problems=(problem("anuria"),))),
    ("info contra", "on-vaptan-polycystic", on_vaptan(problems=(problem("adpkd", days=900),))),
    ("info long", "on-vaptan-long", on_vaptan(days=31)),
    ("info long-ordered", "on-vaptan-long-ordered", on_vaptan(supply="90")),
)
PITUITARY = problem("pituitary-disease", days=900)
ADRENAL = problem("adrenal", days=900)
UNNAMED = replace(order("hydrochlorothiazide"), ingredient_count=2)
CARRIED = replace(
    order("potassium chloride", days=0.5, route="iv"),
    isotonic_carrier_ml=Decimal(1000),
    fluid_name=RecordText("potassium chloride 40 mmol in sodium chloride 0.9% 1000 mL"),
)
THREE_PERCENT = replace(
    order("sodium chloride", days=0.5, route="iv"),
    saline=Saline(kind="hypertonic", percent=Decimal(3), volume_ml=Decimal(500)),
    fluid_name=RecordText("sodium chloride 3% 500 mL"),
)


def too_fast(*running: Order, **more: Any) -> Story:
    """An inpatient whose sodium rose by 12 in 20 h, with these orders."""
    base = (result("sodium", 112, 22),)
    return Story(sodium="124", setting="inpatient", results=base, orders=running, **more)


def osmolar(agent: str, sodium: str = "128", osmolality: str = "310", *problems: Any) -> Story:
    """A lasting osmole, as icodextrin in peritoneal dialysis; no osmolality is measured if it is ""."""
    usual = (result("bun", 22), result("glucose", 100))
    measured = (*usual, result("serum-osmolality", osmolality)) if osmolality else usual
    given = order(agent, days=2, route="iv")
    return Story(sodium=sodium, results=measured, orders=(given,), problems=problems)


def sweet(
    before: tuple[float, float | None], now: tuple[float, float | None], **more: Any
) -> Story:
    """Two pairs of sodium and glucose, 20 h apart; None: glucose was not measured."""
    (old, old_glucose), (new, new_glucose) = before, now
    pairs = ((old_glucose, 21), (new_glucose, 1))
    glucose = tuple(result("glucose", value, hours) for value, hours in pairs if value is not None)
    return rising(new, old, results=glucose, **more)


def in_siadh(*running: Order, sodium: str = "122", **more: Any) -> Story:
    """A recorded SIADH with a concentrated urine, and what runs into the vein."""
    urine = (result("urine-osmolality", more.pop("osmolality", "640")),)
    siadh = problem("siadh", days=5)
    return Story(
        sodium=sodium, setting="inpatient", results=urine, problems=(siadh,), orders=running, **more
    )


# An osmolality that is not low, with all that makes it: the number is an artifact.
NORMAL_OSMOLALITY = (
    result("serum-osmolality", 291),
    result("glucose", 95),
    result("bun", 12),
)

# A patient of 34 kg: confused, with a seizure, after an acute fall, and confused after one.
LIGHT = (
    Story(
        sodium="117",
        setting="inpatient",
        results=(result("weight", 34, 24),),
        problems=(problem("confusion", days=0.04),),
    ),
    seized(results=(result("weight", 34, 24),)),
    acute(results=(result("weight", 34, 24),)),
    acute(problems=(CONFUSED,), results=(result("weight", 34, 24),)),
)
DILUTE = (result("urine-osmolality", 95),)
HIGH_RISK = problem("malnutrition", days=40)
# A rise of just the limit: 8 mmol/L.
REACHED = (
    rising(118, 110, HIGH_RISK, orders=(SALINE_3,), results=DILUTE),
    rising(118, 110, HIGH_RISK, results=DILUTE),
    rising(118, 110, orders=(order("tolvaptan", days=1),), results=DILUTE),
    rising(118, 110, orders=(order("tolvaptan", days=1),)),
    rising(122, 114),
)

NOURISHED = replace(
    order(days=0.5, route="iv"),
    nutrition=Nutrition(sodium_mmol_l=Decimal(0), daily_ml=Decimal(2000)),
    fluid_name=RecordText("Clinimix 5/15"),
)


def two_methods(direct: str, indirect: str, *results: Any) -> Story:
    """A blood gas and the laboratory of the same hour, with what else was measured."""
    gas = replace(result("sodium", direct, 1), method="poc")
    return Story(
        sodium=None,
        setting="inpatient",
        results=(gas, result("sodium", indirect, 1.2), *results),
    )


def drowned(
    *problems: Any, before: str | None = "139", sodium: str = "119", lowest: str | None = None
) -> Story:
    """Water drunk within hours: a fall from `before`, by way of `lowest`, in a dilute urine."""
    then = () if before is None else (result("sodium", before, 6.5 if lowest is None else 9.5),)
    between = () if lowest is None else (result("sodium", lowest, 4),)
    return Story(
        sodium=sodium,
        sodium_hours=0.5,
        setting="inpatient",
        results=(*then, *between, result("urine-osmolality", "85", 0.5)),
        problems=problems,
    )


def operated(sodium: float, *before: float, days: float | None = 5, **more: Any) -> Story:
    """Pituitary surgery in this stay; sodium of today, then of the days before."""
    earlier = tuple(result("sodium", value, 24 * at + 2) for at, value in enumerate(before, 1))
    problems = (problem("pituitary-surgery", days=days, encounter=True), *more.pop("problems", ()))
    results = (*earlier, *more.pop("results", ()))
    base = Story(
        sodium=sodium, setting="inpatient", stay_days=6, results=results, problems=problems
    )
    return replace(base, **more)


CORTISOL_ENOUGH = result("cortisol", 17, 60)
OPERATED = (
    operated(133, 137, 140, 141, results=(CORTISOL_ENOUGH,)),
    operated(133, 137, 140, 141),
    operated(133, 136, 140, days=None),
    operated(131, 133, 136, days=12, stay_days=13),
    operated(124, 129, 134, 140, results=(CORTISOL_ENOUGH,)),
)


def after_a_rise(*signs: Problem, sodium: str = "138", risen: str = "128") -> Story:
    """Sodium rose from 107 within 12 h, five days ago, and these signs were recorded since."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("sodium", 107, 132), result("sodium", risen, 120)),
        problems=signs,
        stay_days=6,
    )


# Weight and creatinine, a weak sign of lost volume each, and the urine of SIADH.
LIGHTER = (result("weight", "59.8", 190), result("weight", "57.2", 1))
MORE_CREATININE = (result("creatinine", "1.3", 190), result("creatinine", "1.8", 2))
HOLDING = (result("urine-osmolality", "412"), result("urine-sodium", "81"))


def drying(*orders: Order, sodium: str = "126", **more: Any) -> Story:
    """Two weak signs of lost volume in a patient whose urine looks like SIADH."""
    earlier = (result("sodium", "138", 190), result("sodium", "129", 26))
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(*earlier, *LIGHTER, *MORE_CREATININE, *HOLDING, *more.pop("results", ())),
        orders=orders,
        **more,
    )


TRIMETHOPRIM = order("trimethoprim", days=8, reference="M/trimethoprim")
HEAVIER = (result("weight", "82.0", 216), result("weight", "89.4", 1))
WEAK_SIGNS = (
    drying(),
    drying(TRIMETHOPRIM),
    drying(order("furosemide", days=40), problems=(problem("lasting-bowel-loss", days=40),)),
    drying(problems=(problem("lasting-bowel-loss", days=40),)),
    drying(problems=(problem("siadh", days=9),), sodium="122"),
    drying(problems=(problem("cirrhosis", days=400), problem("siadh", days=9)), sodium="122"),
    drying(TRIMETHOPRIM, results=(result("potassium", "5.8", 2),)),
    drying(TRIMETHOPRIM, results=(result("potassium", "6.4", 2),)),
    *(
        drying(taken, order("prednisone", days=8), results=(result("potassium", "5.8", 2),))
        for taken in (TRIMETHOPRIM, order("lisinopril", days=90, reference="M/lisinopril"))
    ),
    Story(
        sodium="127",
        setting="inpatient",
        results=HEAVIER,
        problems=(problem("ckd-4-5", days=900),),
    ),
)


def vomiting(*problems: Problem, results: tuple[LabResult, ...] = (), kg: str = "70") -> Story:
    """Vomiting as the only severe symptom in a patient whose pressure is low (F7)."""
    signs = (result("systolic", "86", 1), result("heart-rate", "114", 1), result("weight", kg, 3))
    return Story(
        sodium="121",
        setting="inpatient",
        problems=(problem("vomiting", days=1, encounter=True), *problems),
        results=(result("sodium", "139", 24 * 60), *signs, *results),
    )


WITHOUT_POTASSIUM = (result("potassium", "2.6", 2),)
EUROPEAN_CHARTS = (
    vomiting(),
    vomiting(kg="44"),
    vomiting(results=WITHOUT_POTASSIUM),
    vomiting(problem("pregnancy", days=60), results=WITHOUT_POTASSIUM),
    vomiting(results=(*WITHOUT_POTASSIUM, result("urine-sodium", "52", 3)), kg="44"),
)

AFTER_A_RISE = (
    after_a_rise(problem("dysarthria", "dysphagia", days=0.5)),
    after_a_rise(problem("gait", days=3), sodium="131"),
    after_a_rise(problem("dysarthria", days=None)),
    Story(
        sodium="131",
        setting="inpatient",
        problems=(problem("dysarthria", days=1),),
        results=(result("sodium", "108", 80, unit="furlong"), result("sodium", "130", 26)),
    ),
)

CHARTS: tuple[Story, ...] = (
    *AFTER_A_RISE,
    *WEAK_SIGNS,
    Story(
        sodium="124", results=(result("sodium", 138, 240),), orders=(order("duloxetine", days=8),)
    ),
    after_surgery(),
    after_surgery(SEIZURE),
    diluted(),
    diluted(problem("vomiting", days=0.1)),
    *OPERATED,
    rising(
        121,
        116,
        problem("urinary-obstruction", days=1),
        hours=5,
        results=(result("urine-osmolality", "90"),),
    ),
    Story(sodium="128", setting="inpatient", results=(result("glucose", "61"),)),
    Story(sodium="118", setting="inpatient", problems=(problem("hospice", days=20),)),
    two_methods("131", "138", result("serum-albumin", "1.5", 20)),
    two_methods("115", "124", result("total-protein", "3.5", 20)),
    Story(sodium="128", setting="inpatient", orders=(NOURISHED,)),
    Story(sodium="128", setting="inpatient", orders=(replace(NOURISHED, fluid_name=None),)),
    drowned(SEIZURE),
    drowned(),
    drowned(SEIZURE, problem("stimulant-poisoning", days=0.1), before=None),
    *REACHED,
    *LIGHT,
    seized(results=NORMAL_OSMOLALITY),
    Story(sodium="119", setting="inpatient", problems=(DROWSY,), results=NORMAL_OSMOLALITY),
    Story(
        sodium="119",
        setting="inpatient",
        problems=(DROWSY,),
        results=(result("triglyceride", 4200),),
    ),
    in_siadh(isotonic("1000")),
    in_siadh(replace(isotonic("1000"), fluid_name=RecordText("sodium chloride 0.9% 1000 mL"))),
    drawn(),
    sweet((112, 110), (118, 600)),
    sweet((118, 900), (127, 180)),
    # A sodium of the day before is in a unit that nobody knows: what sodium rose from is not known.
    Story(sodium="138", results=(result("sodium", 120, 20, unit="furlong"),)),
    too_fast(order("potassium chloride", days=0.3, route="iv")),
    replace(
        rising(118, 130, orders=(order("potassium chloride", days=0.3, route="iv"),)),
        results=(result("sodium", 107, 72), result("sodium", 128, 60), result("sodium", 130, 20)),
    ),
    rising(119, 112, orders=(order("potassium chloride", days=0.3, route="iv"),)),
    rising(
        117,
        112,
        problem("alcohol-use-disorder", days=400),
        orders=(order("potassium chloride", days=0.3, route="iv"),),
    ),
    osmolar("icodextrin"),
    osmolar("icodextrin", "122"),
    osmolar("icodextrin", "128", ""),
    osmolar("intravenous immunoglobulin"),
    osmolar("intravenous immunoglobulin", "128", ""),
    osmolar("mannitol", "128", "310", problem("dialysis", days=900)),
    *(
        Story(
            sodium="117",
            setting="inpatient",
            results=(result("glucose", 420),),
            problems=(problem(without, days=90),),
        )
        for without in ("dialysis", "anuria")
    ),
    *(
        Story(sodium="122", setting="inpatient", orders=(bag,))
        for bag in (ALKALI_BAG, replace(ALKALI_BAG, fluid_name=None))
    ),
    rising(115, 110, hours=11, orders=(CRRT,)),
    rising(115, 110, hours=11, orders=(replace(CRRT, fluid_name=None),)),
    *(
        osmolar("mannitol", "124", "316", problem("cerebral-edema", days=2), *kidneys)
        for kidneys in (
            (),
            (problem("acute-kidney-injury", days=1, encounter=True),),
            (problem("dialysis", days=900),),
        )
    ),
    too_fast(CARRIED),
    too_fast(
        CARRIED, replace(order("potassium chloride", days=1), reference="MedicationRequest/8")
    ),
    too_fast(THREE_PERCENT),
    too_fast(replace(THREE_PERCENT, fluid_name=None), isotonic("1000")),
    shed("62", problem("psychogenic-polydipsia")),
    two_in_one("lisinopril", potassium="5.9"),
    two_in_one("lisinopril"),
    two_in_one("metoprolol"),
    two_in_one("metoprolol", systolic=84),
    replace(two_in_one("lisinopril", systolic=84), orders=(UNNAMED,)),
    two_in_one("lisinopril", problem("hypovolemia", days=0.5), systolic=84),
    rising(orders=(order("terlipressin", days=1, route="iv"),)),
    dialyzed(),
    dialyzed("128"),
    replace(dialyzed("120"), results=()),
    replace(dialyzed("130", problem("fluid-overload")), results=(result("potassium", "5.7"),)),
    dialyzed("113", problem("confusion", days=0.04)),
    replace(
        dialyzed("122", problem("confusion", days=0.04)), results=(result("sodium", "116", 20),)
    ),
    replace(
        dialyzed("123", problem("confusion", days=0.04)), results=(result("sodium", "112", 14),)
    ),
    rising(122, 112, problem("confusion", days=0.04)),
    *(
        acute(*(order(name, days=3, reference=f"M/{name}") for name in names))
        for names in (
            ("hydrochlorothiazide",),
            ("sertraline",),
            ("terlipressin",),
            ("cyclophosphamide",),
            ("nivolumab",),
            ("vincristine", "voriconazole"),
        )
    ),
    acute(replace(order("vincristine", days=6, route="iv", status="completed"), single_dose=True)),
    acute(
        replace(order("vincristine", days=6, route="iv", status="completed"), single_dose=True),
        order("voriconazole", days=9, reference="M/voriconazole"),
        problems=(problem("headache", days=0.1),),
    ),
    *(siadh_by_urine(*hormones) for hormones in ((), ("cortisol",), ("tsh",), ("cortisol", "tsh"))),
    replace(siadh_by_urine(), orders=(order("prednisone", days=400, ended=9, status="completed"),)),
    drained(order("furosemide", days=1), problem("fluid-overload")),
    drained(order("furosemide", days=1), problem("nephrotic"), problem("hypotension", days=0.2)),
    drained(order("metolazone", days=1), problem("nephrotic")),
    dialyzed("129", problem("cramp", days=0.5), problem("cirrhosis", days=900)),
    drunk("297", "330"),
    seized(problem("labor", days=0.2)),
    irrigated(problem("confusion", days=0.04)),
    Story(
        sodium="122",
        sodium_hours=0,
        setting="inpatient",
        problems=(problem("confusion", days=0.95),),
        results=(result("sodium", "112", 21),),
    ),
    treated("cisplatin", 9),
    treated("vincristine", 5),
    treated(
        "cisplatin", 9, results=(result("urine-osmolality", "410"), result("urine-sodium", "96"))
    ),
    insipid(),
    insipid(ADRENAL, orders=(order("hydrocortisone", days=900),)),
    potassium_high("trimethoprim", "prednisone"),
    potassium_high("trimethoprim"),
    potassium_high("hydrocortisone", problems=(PITUITARY,)),
    potassium_high(problems=(problem("myxedema-coma", days=1),)),
    potassium_high("lisinopril", problems=(problem("acute-kidney-injury", days=0.5),)),
    Story(
        sodium="123",
        setting="inpatient",
        problems=(PITUITARY, problem("vomiting", days=0.5)),
    ),
    on_lithium("2.1"),
    on_lithium("2.1", "ibuprofen", "ramipril"),
    on_lithium(None, "ibuprofen", "ramipril"),
    *(story for _, _, story in ON_VAPTAN),
    seized(
        orders=(
            order("indapamide", days=21),
            order("citalopram", days=21, reference="MedicationRequest/2"),
        )
    ),
    rising(121.5, 114, orders=(isotonic("1000"),), hours=9),
    Story(
        sodium="112",
        setting="inpatient",
        orders=(SALINE_3, order("desmopressin", days=0.2, route="iv")),
    ),
    Story(
        sodium="124",
        setting="inpatient",
        results=(result("urine-osmolality", 600),),
        problems=(problem("siadh", days=5),),
        orders=(replace(isotonic("1000"), fluid_name=RecordText("0.9% saline")),),
    ),
    Story(
        sodium="124",
        setting="inpatient",
        results=(result("systolic", 82), result("urine-sodium", 9)),
        problems=(problem("heart-failure", days=5),),
        orders=(order("furosemide", days=20), order("tolvaptan", days=3, reference="M/2")),
    ),
    Story(
        sodium="128",
        setting="inpatient",
        results=(result("glucose", 900, 1),),
        problems=(problem("herniation", days=0.1, encounter=True),),
    ),
    Story(sodium="131", setting="inpatient", results=(result("glucose", 400, 2),)),
    *(
        at_night(*symptoms, sodium=sodium, reason=reason)
        for symptoms in ((), (SEIZURE,), (problem("confusion", days=0.1, encounter=True),))
        for sodium in ("117", "122", "127")
        for reason in ("nocturia", "")
    ),
    at_night(setting="outpatient", sodium="122"),
    secreting(sodium="117"),
    secreting(problem("heart-failure", days=900), sodium="117"),
    *(
        Story(
            sodium="113",
            setting="inpatient",
            problems=(CONFUSED,),
            results=(result("potassium", potassium),),
            orders=(order("chlorthalidone", days=21),),
        )
        for potassium in ("2.7", "4.1")
    ),
)
