"""The examples of B.6 and E.4 (docs/clinical-decisions.md), end to end: FHIR JSON in, cards out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from cds_service.errors import DataUnavailable
from tests.fhir_resources import (
    SALINE_3,
    TOLVAPTAN_15,
    Call,
    draft,
    instant,
    lab,
    named,
    problem,
    restriction_order,
    sodium,
    sodiums,
    taking,
)

SALINE_1000 = "1807639", "1000 ML sodium chloride 9 MG/ML Injection"
FLUSH_10 = "1807637", "10 ML sodium chloride 9 MG/ML Prefilled Syringe"
SALINE_3_INHALED = "724590", "sodium chloride 30 MG/ML Inhalation Solution"
SERTRALINE_50 = "312941", "sertraline 50 MG Oral Tablet"
TOLVAPTAN_45 = "2044359", "tolvaptan 45 MG Oral Tablet"
LISINOPRIL_HCTZ = "197885", "hydrochlorothiazide 12.5 MG / lisinopril 10 MG Oral Tablet"
SALINE = draft(SALINE_3, ml=250)
TOLVAPTAN = draft(TOLVAPTAN_15)
SERTRALINE = draft(SERTRALINE_50)
ASCITES = problem("K74.60", 400), problem("R18.8", 10)
DIURETICS = taking("spironolactone"), taking("furosemide")
CRAMP = problem("R25.2", 2)
SIADH = problem("E22.2", 10)
SAH = problem("I60.9", 6)


@dataclass(frozen=True, kw_only=True)
class Vector:
    """A vector is a call, its cards in order, and the words that must and must not be on them."""

    id: str
    call: Call
    cards: tuple[str, ...] = ()  # "topic indicator"
    says: tuple[str, ...] = ()  # on any of the cards
    never: tuple[str, ...] = ()  # on none of them
    offers: tuple[str, ...] = ()  # parts of button labels
    restricts: bool = False  # whether any button orders a fluid restriction
    stops: tuple[str, ...] = ()  # drugs that a button stops
    removes: bool = False  # whether a button deletes the draft


def view(
    id_: str, *record: dict[str, Any], cards: str | tuple[str, ...] = (), **more: Any
) -> Vector:
    """Returns a vector in which a chart is opened."""
    return _vector(id_, record, (), cards, more)


def select(
    id_: str,
    order: dict[str, Any],
    *record: dict[str, Any],
    cards: str | tuple[str, ...] = (),
    **more: Any,
) -> Vector:
    """Returns a vector in which an order is selected."""
    return _vector(id_, record, (order, *more.pop("other_drafts", ())), cards, more)


def _vector(
    id_: str, record: Any, drafts: Any, cards: str | tuple[str, ...], more: dict[str, Any]
) -> Vector:
    names = ("age", "inpatient", "profile", "failing", "left_out", "explain_missing")
    call = Call(record=record, drafts=drafts, **{n: more.pop(n) for n in names if n in more})
    return Vector(id=id_, call=call, cards=(cards,) if isinstance(cards, str) else cards, **more)


CONTAINED = named(
    "MedicationRequest",
    status="draft",
    intent="order",
    subject={"reference": "Patient/p1"},
    medicationReference={"reference": "#bag"},
    contained=[
        {
            "resourceType": "Medication",
            "id": "bag",
            "ingredient": [
                {
                    "itemCodeableConcept": {"text": "sodium chloride"},
                    "strength": {
                        "numerator": {"value": 30, "unit": "mg"},
                        "denominator": {"value": 1, "unit": "mL"},
                    },
                }
            ],
        }
    ],
    dosageInstruction=[
        {
            "route": {"text": "intravenous"},
            "doseAndRate": [{"doseQuantity": {"value": 250, "unit": "mL"}}],
        }
    ],
)

B6 = [
    view("1", sodium("136")),
    view("2", sodium("132"), cards="sodiumMild info"),
    view("2-135", sodium("135")),
    view("2-european", sodium("135"), profile="european"),
    view("3-126", sodium("126"), cards="sodiumMild info"),
    view("3-125.5", sodium("125.5"), cards="sodiumModerate warning", says=("125.5",)),
    view("3-125", sodium("125"), cards="sodiumModerate warning"),
    view("3-120", sodium("120"), cards="sodiumModerate warning"),
    view("3-119.9", sodium("119.9"), cards="sodiumSevere critical", says=("119.9",)),
    view("3-135.4", sodium("135.4")),
    view("4-130", sodium("130"), profile="european", cards="sodiumMild info"),
    view("4-129.9", sodium("129.9"), profile="european", cards="sodiumModerate warning"),
    view("4-125", sodium("125"), profile="european", cards="sodiumModerate warning"),
    view(
        "4-124.9",
        sodium("124.9"),
        profile="european",
        cards="sodiumSevere critical",
        says=("Profound low sodium",),
        never=("Severe low sodium",),
    ),
    view(
        "5",
        sodium("131"),
        CRAMP,
        SIADH,
        cards="sodiumMildSymptomatic warning",
        restricts=True,
        says=("1000 mL/24 h", "the link is weak", "at most 8 mmol/L in 24 h"),
        offers=("max 1000 mL/24 h", "potassium, calcium, magnesium"),
    ),
    view(
        "6",
        sodium("131"),
        CRAMP,
        problem("E86.0", 3),
        cards="sodiumMildSymptomatic warning",
        says=("Do not restrict fluids", "dehydration"),
    ),
    view(
        "7",
        sodium("131"),
        SAH,
        cards="sodiumMild info",
        says=("Do not restrict fluids", "worsened the outcome"),
    ),
    select(
        "7-order",
        restriction_order(),
        sodium("131"),
        SAH,
        cards="fluidRestrictionHarm critical",
        removes=True,
    ),
    view(
        "8",
        sodium("123"),
        *ASCITES,
        *DIURETICS,
        cards="sodiumModerate warning",
        restricts=True,
        stops=("furosemide", "spironolactone"),
        says=("1000 mL/24 h", "Stop diuretics at this sodium in cirrhosis"),
        offers=("Stop spironolactone, check potassium", "Stop furosemide"),
    ),
    view(
        "9",
        sodium("123"),
        problem("I50.9", visit=True),
        taking("furosemide"),
        cards="sodiumModerate warning",
        restricts=True,
        says=("heart failure",),
    ),
    view(
        "10",
        sodium("131"),
        *ASCITES,
        problem("R11.10", 2),
        cards="sodiumMildSymptomatic warning",
        says=("both ways", "Examine the patient"),
    ),
    view(
        "11",
        sodium("118"),
        problem("R56.9", visit=True),
        cards="sodiumEmergency critical",
        says=("seizure", "3% saline 100 mL"),
    ),
    view(
        "12",
        sodium("130"),
        problem("G40.909", 4000),
        taking("carbamazepine", 4000),
        cards="sodiumMild info",
        says=("carbamazepine", "taken for long"),
        never=("seizure",),
    ),
    view(
        "13",
        sodium("128"),
        lab("glucose", "600"),
        cards="glucoseShift info",
        says=("corrected 136-140",),
    ),
    view(
        "14",
        sodium("124"),
        lab("glucose", "400"),
        cards="glucoseShift warning",  # F14
        says=("Sodium 124", "128.8", "131.2"),
    ),
    view(
        "15",
        sodium("<110"),
        sodium("121", 10),
        cards="sodiumSevere critical",
        says=("<110",),
        never=("Sodium up", "Sodium rose", "Sodium fell"),
    ),
    view(
        "16",
        sodium("135", 2, unit="mg/dL"),
        sodium("131", 10),
        cards=("sodiumMild info", "sodiumImplausible info"),
        says=("mg/dL", "131"),
    ),
    view("17", sodium("110", status="entered-in-error"), sodium("138", 3)),
    view(
        "18",
        sodium("122", 1, status="preliminary"),
        cards="sodiumModerate warning",
        says=("preliminary",),
    ),
    view(
        "19", sodium("128", 40 * 24), inpatient=False, cards="sodiumOutdated info", says=("40 d",)
    ),
    view("20", sodium("128", 100 * 24), inpatient=False),
    select(
        "21",
        SALINE,
        sodium("132"),
        cards="hypertonicSalineMild warning",
        says=("3% saline for mild low sodium (132)",),
        removes=True,
    ),
    select(
        "22",
        SALINE,
        sodium("116"),
        problem("R40.20", 0),
        cards="hypertonicSalineGuardrails info",
        says=("100 mL",),
        offers=("sodium in 1 h",),
    ),
    select("23", SALINE, sodium("132"), problem("G93.6", 0)),
    select("24", draft(SALINE_3_INHALED), sodium("132")),
    select(
        "25", draft(SALINE_1000, ml=1000), sodium("128"), SIADH, cards="isotonicSalineSiadh warning"
    ),
    select("26", draft(FLUSH_10, ml=10), sodium("128"), SIADH),
    select(
        "27",
        SERTRALINE,
        sodium("129"),
        age=70,
        cards="sodiumLoweringDrug warning",
        says=("sertraline", "129"),
        removes=True,
    ),
    select(
        "28",
        SERTRALINE,
        sodium("139"),
        taking(LISINOPRIL_HCTZ),
        age=72,
        cards="sodiumLoweringCombination warning",
    ),
    select("29", SERTRALINE, age=72, inpatient=False, cards="baselineSodium info"),
    select("30", SERTRALINE, sodium("139"), age=40),
    select(
        "31",
        TOLVAPTAN,
        sodium("128"),
        problem("E86.1", 2),
        cards="vaptanHypovolemia critical",
        removes=True,
    ),
    select("32", TOLVAPTAN, sodium("128"), problem("K74.60", 400), cards="vaptanLiver warning"),
    select("33", draft(TOLVAPTAN_45), sodium("140"), problem("Q61.2", 900)),
    select(
        "34",
        TOLVAPTAN,
        sodium("124"),
        taking(SALINE_3, 0.1),
        cards="vaptanWithHypertonicSaline critical",
        removes=True,
    ),
    select("35", SERTRALINE, sodium("139"), age=40, other_drafts=(SALINE,)),
    select("36", CONTAINED, sodium("132"), cards="hypertonicSalineMild warning", removes=True),
    select(
        "37",
        draft("hydroCHLOROthiazide 25 mg tab"),
        sodium("127"),
        cards="sodiumLoweringDrug warning",
        says=("hydrochlorothiazide", "127"),
        removes=True,
    ),
    select("38", draft("hydroxyurea 500 mg capsule"), sodium("127")),
    select(
        "39-card",
        SERTRALINE,
        failing=("sodium",),
        explain_missing=True,
        cards="sodiumNotChecked info",
        says=("Sertraline",),
    ),
    select(
        "39-saline",
        SALINE,
        failing=("sodium",),
        cards="sodiumNeededFirst warning",
        says=("sodium could not be read", "do not delay a bolus for seizure or coma"),
    ),
    select("39-acetaminophen", draft("acetaminophen 500 mg tablet"), failing=("sodium",)),
    view("40", sodium("118"), age=17),
    select("40-order", SALINE, sodium("132"), age=17),
]

E4 = [
    view("41", sodium("134"), problem("J96.01", 0)),
    view(
        "41-132",
        sodium("132"),
        problem("J96.01", 0),
        cards="sodiumMild info",
        says=("too mild",),
        never=("3% saline",),
    ),
    view("42", sodium("131"), problem("R40.2411", 0), cards="sodiumMild info"),
    select(
        "44",
        SALINE,
        sodium("112"),
        cards="hypertonicSalineNoSevereSymptoms info",
        says=("If present, give now", "100 mL"),
    ),
    select(
        "45-confused",
        SALINE,
        sodium("122"),
        problem("R41.0", 0),
        cards="hypertonicSalineNoSevereSymptoms info",
    ),
    select("45", SALINE, sodium("122"), cards="hypertonicSalineNoSevereSymptoms warning"),
    select(
        "48",
        SALINE,
        *sodiums((0, "108"), (5, "115"), first_hours=0.5),
        problem("R56.9", 0),
        cards="raiseOvercorrection warning",
        says=("with severe symptoms",),
    ),
    select(
        "49-saline",
        SALINE,
        sodium("128"),
        lab("glucose", "600"),
        cards="glucoseShift warning",
        removes=True,
    ),
    select(
        "49-tolvaptan",
        TOLVAPTAN,
        sodium("128"),
        lab("glucose", "600"),
        cards="glucoseShift warning",
    ),
    view(
        "51",
        sodium("115"),
        problem("C90.00", 300),
        cards="sodiumSevere critical",
        says=("Consider direct ISE",),
    ),
    view(
        "52",
        sodium("124"),
        problem("E27.1", 900),
        lab("urine-sodium", "60"),
        lab("urine-osmolality", "400"),
        cards="sodiumModerate warning",
        says=("Do not restrict fluids", "adrenal crisis"),
    ),
    select(
        "52-order",
        restriction_order(),
        sodium("124"),
        problem("E27.1", 900),
        cards="fluidRestrictionHarm critical",
        removes=True,
    ),
    view(
        "54-pressure",
        sodium("123"),
        *ASCITES,
        lab("systolic", "84"),
        cards="sodiumModerate warning",
        says=("systolic blood pressure 84",),
    ),
    view(
        "54-creatinine",
        sodium("123"),
        *ASCITES,
        lab("creatinine", "1.5"),
        lab("creatinine", "1.0", 42),
        cards="sodiumModerate warning",
        says=("creatinine rose from 1 to 1.5",),
    ),
    view(
        "55",
        sodium("131"),
        CRAMP,
        problem("E22.2", 5 * 365),
        cards="sodiumMildSymptomatic warning",
        says=("Volume status not known", "if volume-depleted, do not restrict"),
    ),
    select("56", draft("furosemide", iv=True), sodium("118"), problem("E87.70", 1)),
    select(
        "57",
        draft("valproate", iv=True),
        sodium("118"),
        problem("R56.9", 0),
        cards="sodiumLoweringDrug info",
        says=("not a reason to delay",),
    ),
    select(
        "59-insipidus",
        draft("desmopressin"),
        sodium("131"),
        problem("E23.2", 900),
        cards="sodiumLoweringDrug info",
        says=("never stop abruptly",),
    ),
    select(
        "59-nocturia",
        draft("desmopressin"),
        sodium("131"),
        problem("R35.1", 90),
        cards="sodiumLoweringDrug warning",
        removes=True,
    ),
    view("60-palliative", sodium("118"), problem("Z51.5", 3), cards="sodiumSevere critical"),
    view("60-comfort", sodium("118"), problem("385763009", 3)),
    view(
        "63",
        sodium("131"),
        SAH,
        problem("", 0.5, text="volume status: euvolemic"),
        cards="sodiumMild info",
        says=("Do not restrict fluids",),
    ),
    view(
        "64",
        sodium("88"),
        sodium("128", 100),
        cards="sodiumImplausible warning",
        says=("88", "below the plausible range"),
    ),
]
VECTORS = {vector.id: vector for vector in (*B6, *E4)}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_vector(vector: Vector) -> None:
    cards = vector.call.cards()
    result = "\n".join(card.text for card in cards)
    labels = [label for card in cards for label in card.labels]
    assert [card.head for card in cards] == list(vector.cards)
    assert [words for words in vector.says if words not in result] == []
    assert [words for words in vector.never if words in result] == []
    assert [part for part in vector.offers if not any(part in label for label in labels)] == []
    assert any(card.restricts for card in cards) is vector.restricts
    assert [name for card in cards for name in card.stops] == list(vector.stops)
    assert any(card.removes for card in cards) is vector.removes


def test_vector_39_without_a_readable_sodium_a_drug_rule_answers_412() -> None:
    with pytest.raises(DataUnavailable) as raised:
        Call(drafts=(SERTRALINE,), failing=("sodium",)).cards()
    assert raised.value.status == 412


def test_vector_7_the_subarachnoid_hemorrhage_may_be_a_traumatic_one() -> None:
    record = sodium("131"), problem("S06.6X0A", 6)
    (card,) = Call(record=record).cards()
    assert "Do not restrict fluids" in card.text
    assert not card.restricts


def test_vector_63_the_sites_own_volume_status_does_not_open_restriction_after_a_hemorrhage() -> (
    None
):
    status = named(
        "Observation",
        status="final",
        code={"text": "volume status"},
        subject={"reference": "Patient/p1"},
        effectiveDateTime=instant(hours=2),
        valueCodeableConcept={"text": "euvolemic"},
    )
    assert not any(card.restricts for card in Call(record=(sodium("131"), SAH, status)).cards())
