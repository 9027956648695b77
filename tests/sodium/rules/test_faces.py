"""What has to be among the first four lines: culprits, desmopressin, a rise that presses, dilute urine."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding, RemoveDraft, StopOrder
from cds_service.sodium.snapshot import Order, Problem
from tests.sodium.patients import Story, isotonic, order, problem, result
from tests.sodium.rules.cases import fired, keys, text_of
from tests.sodium.rules.charts import insipid, rising, seized
from tests.sodium.rules.orders import Scene, saline, selected, table

FACE = 4
THIAZIDE = replace(order("indapamide", days=21), stoppable=True)
SSRI = order("citalopram", days=21, reference="MedicationRequest/2")
CONFUSION = problem("confusion", days=0.1, encounter=True)
HEART_FAILURE = problem("heart-failure", days=200)
POLYDIPSIA = problem("psychogenic-polydipsia", days=900)
CIRRHOSIS = problem("cirrhosis", days=900)
EARLIER = (result("sodium", "137", 24 * 60),)
WARD = Story(sodium="121", setting="inpatient")


def face(card: Finding) -> list[str]:
    """The words of the first four lines."""
    return [text_of(card, line) for line in card.do[:FACE]]


def stops(card: Finding) -> list[str]:
    """The orders that a button of the card stops."""
    actions = (action for each in card.suggestions for action in each.actions)
    return [action.reference for action in actions if isinstance(action, StopOrder)]


def taking(*orders: Order, **more: Any) -> Story:
    """A seizure at 118 under these drugs; sodium was normal two months ago."""
    return seized(orders=orders, results=EARLIER, **more)


# ---- F1, M14: what to stop beside an emergency


@pytest.mark.parametrize("profile", ["aasld", "european"])
def test_f1_a_seizure_on_a_thiazide_says_on_its_face_what_to_stop(profile: str) -> None:
    card = fired(taking(THIAZIDE, SSRI).case(profile))["PV-SYMP"]
    said = "the likely culprit: **indapamide**. Likely too, never abruptly: **citalopram**"
    assert any(said in words for words in face(card)), face(card)
    assert any("3% saline" in words for words in face(card))
    assert stops(card) == [THIAZIDE.reference]


@pytest.mark.parametrize("profile", ["aasld", "european"])
def test_f1_the_confused_patient_reads_the_same(profile: str) -> None:
    story = Story(
        sodium="119",
        setting="inpatient",
        problems=(CONFUSION,),
        orders=(THIAZIDE, SSRI),
        results=EARLIER,
    )
    card = fired(story.case(profile))["PV-ENC"]
    assert any("**indapamide**" in words and "**citalopram**" in words for words in face(card))
    assert stops(card) == [THIAZIDE.reference]


def test_f1_a_needed_antiepileptic_is_named_and_never_stopped_abruptly() -> None:
    card = fired(taking(order("carbamazepine", days=21)).case())["PV-SYMP"]
    assert any("**carbamazepine**; ask the prescriber, never stop" in each for each in face(card))
    assert stops(card) == []


def culprits(story: Story) -> set[str]:
    """The keys of the lines that name a culprit to stop."""
    return {line.key for line in fired(story.case())["PV-SYMP"].do if "stop" in line.key}


@pytest.mark.parametrize(
    "story",
    [
        taking(),
        replace(taking(THIAZIDE), results=(result("sodium", "104", 20),)),
        replace(taking(THIAZIDE), results=(*EARLIER, result("serum-osmolality", "288"))),
    ],
    ids=["no drug", "sodium rises too fast", "the osmolality is not low"],
)
def test_f1_no_culprit_is_named_without_one_or_where_a_stop_would_harm(story: Story) -> None:
    assert not {key for key in culprits(story) if key.startswith("acute-stop")}


def test_f48_a_thiazide_that_drains_acute_heart_failure_is_not_to_be_stopped() -> None:
    acute = problem("acute-heart-failure", days=0.5, encounter=True)
    story = replace(taking(THIAZIDE), problems=(*taking().problems, HEART_FAILURE, acute))
    assert not {key for key in culprits(story) if key.startswith("acute-stop")}
    assert stops(fired(story.case())["PV-SYMP"]) == []


def test_m14_of_a_combination_the_card_says_what_its_stop_would_take_away() -> None:
    product = replace(order("hydrochlorothiazide", "metoprolol"), ingredient_count=2)
    both = replace(product, partners=("metoprolol",))
    story = taking(both)
    assert any(key.startswith("stop-combination-tapered") for key in culprits(story))
    assert stops(fired(story.case())["PV-SYMP"]) == []


# ---- F1: desmopressin in central diabetes insipidus

INSIPIDUS = problem("diabetes-insipidus", days=900)
DESMOPRESSIN = order("desmopressin", days=300)


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize(
    "symptom",
    [
        problem("seizure", days=0.03, encounter=True),
        problem("vomiting", days=0.1, encounter=True),
        CONFUSION,
    ],
    ids=["seizure", "vomiting", "confusion"],
)
def test_f1_never_stop_desmopressin_is_on_the_face(symptom: Problem, profile: str) -> None:
    story = Story(
        sodium="117",
        setting="inpatient",
        problems=(INSIPIDUS, symptom),
        orders=(DESMOPRESSIN,),
        results=(*EARLIER, result("urine-osmolality", 600)),
    )
    cards = fired(story.case(profile))
    card = cards.get("PV-SYMP") or cards["PV-ENC"]
    assert any("Never stop desmopressin" in words for words in face(card)), face(card)
    assert all("probable cause" not in text_of(card, line) for line in card.why)
    assert any("replaces the missing hormone" in text_of(card, line) for line in card.why)


def test_f1_for_nocturia_desmopressin_is_a_cause_like_others() -> None:
    card = fired(taking(DESMOPRESSIN).case())["PV-SYMP"]
    assert all("replaces the missing" not in text_of(card, line) for line in card.why)


@pytest.mark.parametrize("sodium", ["114", "123", "131"])
def test_f1_without_symptoms_the_dose_comes_before_the_rest_of_the_plan(sodium: str) -> None:
    story = replace(insipid(problem("alcohol-use-disorder", days=9)), sodium=sodium)
    cards = fired(story.case())
    card = next(cards[rule] for rule in ("PV-SEV", "PV-MOD", "PV-MILD") if rule in cards)
    assert any("desmopressin is the likely cause" in words for words in face(card)), face(card)


# ---- F31: a rise that is about to pass its limit


def rise(now: float, hours: float, *orders: Order, base: str = "115", **more: Any) -> Story:
    """Sodium rose in so many hours; the newest value is half an hour old."""
    return Story(
        sodium=now,
        sodium_hours=0.5,
        setting="inpatient",
        results=(result("sodium", base, hours + 0.5), *more.pop("results", ())),
        orders=orders,
        **more,
    )


def test_f31_under_saline_a_rise_that_presses_leads_and_gets_the_brake_ready() -> None:
    vomiting = problem("vomiting", days=0.48, encounter=True)
    story = rise(123.5, 9.5, isotonic("1000"), problems=(vomiting,))
    cards = fired(story.case("european"))
    near = cards["RATE-NEAR"]
    assert near.indicator == "warning"
    assert not {"PV-SYMP", "PV-ENC"} & set(cards)
    assert cards["PV-SEV"].indicator == "warning"  # it gives way to the card on the rate
    said = " ".join(face(near))
    assert "Urine output hourly" in said
    assert "desmopressin and dextrose 5% ready" in said
    (repeat,) = (each for each in near.suggestions if each.within is not None)
    assert repeat.within is not None
    # An hour after the newest sample: at this pace the limit is met before that.
    assert repeat.within == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("now", "hours", "running"),
    [(122, 12, True), (123.5, 9.5, False)],
    ids=["the limit is farther than 4 h", "nothing that raises sodium runs"],
)
def test_f31_else_it_informs(now: float, hours: float, running: bool) -> None:
    story = rise(now, hours, *((isotonic("1000"),) if running else ()))
    assert fired(story.case("european"))["RATE-NEAR"].indicator == "info"


@pytest.mark.parametrize("days", [0.1, 0.3])
def test_f31_vomiting_of_the_rise_itself_and_a_seizure_stay_an_emergency(days: float) -> None:
    vomiting = problem("vomiting", days=days, encounter=True)
    seizure = problem("seizure", days=0.48, encounter=True)
    running = isotonic("1000")
    vomits = rise(123.5, 9.5, running, problems=(vomiting,))
    seizes = rise(123.5, 9.5, running, problems=(seizure,))
    assert "PV-SYMP" in fired(vomits.case("european"))
    assert "PV-SYMP" in fired(seizes.case("european"))


def test_f4_vomiting_from_before_an_over_correction_is_no_emergency_either() -> None:
    vomiting = problem("vomiting", days=0.9, encounter=True)
    story = replace(rise(124, 18), results=(result("sodium", "110", 18.5),), problems=(vomiting,))
    cards = fired(story.case("european"))
    assert cards["RATE-OVER"].indicator == "critical"
    assert "PV-SYMP" not in cards


# ---- F27: less water stays right for a patient who drank it


NORMAL = (result("sodium", "139", 20), result("sodium", "117", 10))


def raising(card: Finding) -> str:
    """The line that lists what raises sodium."""
    return next(text_of(card, line) for line in card.do if "vaptan" in text_of(card, line))


@pytest.mark.parametrize(
    ("problems", "stays"),
    [((), False), ((POLYDIPSIA,), True)],
    ids=["nobody drank", "compulsive drinking"],
)
def test_f27_a_restriction_is_not_lifted_in_compulsive_drinking(
    problems: tuple[Problem, ...], stays: bool
) -> None:
    limited = Order(
        reference="NutritionOrder/1", kind="nutrition", fluid_restriction=True, status="active"
    )
    card = fired(rising(124, 111, *problems, orders=(limited,)).case())["RATE-OVER"]
    assert ("fluid restriction" not in raising(card)) is stays
    lifted = [line for line in card.do if line.key.startswith("restriction-running")]
    assert bool(lifted) is not stays


def test_f27_nor_after_a_documented_acute_fall() -> None:
    story = Story(sodium="133", sodium_hours=0.5, setting="inpatient", results=NORMAL)
    card = fired(story.case("european"))["RATE-OVER"]
    assert card.variant == "acute"
    assert "extra water stays restricted" in raising(card)


# ---- orders

DILUTE = (result("urine-osmolality", 60), result("urine-sodium", 12))
SEIZURE = problem("seizure", days=0.03, encounter=True)
TOLVAPTAN = selected("tolvaptan")
RESTRICTION = Order(
    reference="NutritionOrder/draft", kind="nutrition", fluid_restriction=True, status="draft"
)

CARRIED_DRAFT = replace(
    selected("potassium chloride", route="iv"), isotonic_carrier_ml=Decimal(1000)
)

SCENES = (
    Scene(
        says="F27: hypertonic saline with a seizure and a dilute urine: sodium may rise by itself",
        order=saline(ml="150"),
        story=replace(WARD, sodium="114", problems=(SEIZURE, POLYDIPSIA), results=DILUTE),
        fires={"OS-HTS-SEV": "info main"},
        shows=("shedding-order", "drinks-locked", "stop-when-ceiling"),
        profile="european",
    ),
    Scene(
        says="F27: with a concentrated urine nothing of it",
        order=saline(ml="150"),
        story=replace(
            WARD, sodium="114", problems=(SEIZURE,), results=(result("urine-osmolality", 450),)
        ),
        fires={"OS-HTS-SEV": "info main"},
        hides=("shedding-order", "drinks-locked"),
        profile="european",
    ),
    Scene(
        says="F27: without a severe symptom it is named too",
        order=saline(ml="150"),
        story=replace(WARD, sodium="114", results=DILUTE),
        fires={"OS-HTS-ASX": "info main"},
        shows=("shedding-order",),
    ),
    Scene(
        says="M10 c: a restriction is no harm while sodium rises after a documented acute fall",
        order=RESTRICTION,
        story=Story(sodium="133", sodium_hours=0.5, setting="inpatient", results=NORMAL),
        hides=("hold-restriction",),
    ),
    *(
        Scene(
            says=f"M4: {sodium} without a symptom: {'kept' if kept else 'doubted, and not kept'}",
            order=saline(ml="150"),
            story=replace(WARD, sodium=sodium),
            fires={"OS-HTS-ASX": f"{'info' if kept else 'warning'} main"},
            profile=profile,
        )
        for profile in ("aasld", "european")
        for sodium, kept in (("119", True), ("121", False))
    ),
    Scene(
        says="F22: potassium in a litre of saline near the limit: the litre and the room are told",
        order=CARRIED_DRAFT,
        story=rise(121, 13, base="112"),
        fires={"OS-RAISE": "info main"},
        shows=("carrier-of-potassium", "ceiling-european"),
        profile="european",
    ),
    Scene(
        says="F22: so is the litre that shares the bag with the potassium",
        order=replace(saline("0.9", "isotonic", "1000"), drugs=CARRIED_DRAFT.drugs),
        story=rise(121, 13, base="112"),
        fires={"OS-RAISE": "info main"},
        shows=("carrier-of-potassium", "ceiling-european"),
        profile="european",
    ),
    Scene(
        says="F22: at high risk the room is that of the lower limit",
        order=replace(CARRIED_DRAFT, isotonic_carrier_ml=None),
        story=replace(rise(119, 13, base="112"), problems=(CIRRHOSIS,)),
        fires={"OS-RAISE": "warning main"},
        shows=("ceiling-european-risk",),
        profile="european",
    ),
    Scene(
        says="F22: potassium in little volume: the room alone",
        order=replace(CARRIED_DRAFT, isotonic_carrier_ml=None),
        story=rise(121, 13, base="112"),
        fires={"OS-RAISE": "info main"},
        shows=("ceiling-european",),
        hides=("carrier-of-potassium",),
        profile="european",
    ),
    Scene(
        says="F34: below 125 the European card is against tolvaptan, and removes it",
        order=replace(TOLVAPTAN, first_day_mg=Decimal(15)),
        story=replace(WARD, sodium="117"),
        fires={"OS-VAP-GEN": "warning danger-profound"},
        removes=True,
        shows=("against-profound", "sodium-early-european", "start-low"),
        hides=("sodium-early",),
        profile="european",
    ),
    Scene(
        says="F34: in the moderate band it does not recommend it, and removes nothing",
        order=replace(TOLVAPTAN, first_day_mg=Decimal("7.5")),
        story=replace(WARD, sodium="127"),
        fires={"OS-VAP-GEN": "info moderate"},
        shows=("against-moderate", "sodium-early-european"),
        hides=("start-low",),
        profile="european",
    ),
    Scene(
        says="F34: a first day above 7.5 mg hears of the smaller start",
        order=replace(TOLVAPTAN, first_day_mg=Decimal("7.6")),
        story=replace(WARD, sodium="127"),
        fires={"OS-VAP-GEN": "info moderate"},
        shows=("start-low",),
        profile="european",
    ),
    Scene(
        says="the label of the US counts in the default profile",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="122"),
        fires={"OS-VAP-GEN": "info main"},
        shows=("sodium-early",),
        hides=("sodium-early-european", "start-low"),
    ),
    Scene(
        says="S1-6: with cirrhosis the European card says what its guideline and EASL say",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="121", problems=(CIRRHOSIS,)),
        fires={"OS-VAP-LIVER": "warning main", "OS-VAP-GEN": "warning danger-profound"},
        removes=True,
        shows=("against-profound", "liver-guidance-european"),
        hides=("liver-guidance",),
        profile="european",
    ),
    Scene(
        says="S1-6: in the default profile AASLD is cited",
        order=TOLVAPTAN,
        story=replace(WARD, sodium="121", problems=(CIRRHOSIS,)),
        fires={"OS-VAP-LIVER": "warning main", "OS-VAP-GEN": "warning danger"},
        shows=("liver-guidance",),
        hides=("liver-guidance-european", "against-profound"),
    ),
)


@table(SCENES)
def test_the_orders(scene: Scene) -> None:
    scene.check()


def test_f27_dilute_urine_is_on_the_face_of_the_order_card() -> None:
    card = SCENES[0].findings()["OS-HTS-SEV"]
    assert "shedding-order" in [line.key for line in card.do[:FACE]]


def test_f34_the_removal_comes_first_and_takes_the_draft_of_the_vaptan() -> None:
    scene = next(scene for scene in SCENES if scene.removes)
    first = scene.findings()["OS-VAP-GEN"].suggestions[0]
    assert first.actions == (RemoveDraft(TOLVAPTAN.reference),)


def test_f4_a_3_percent_order_that_is_doubted_is_kept_by_no_button() -> None:
    for scene in SCENES:
        if scene.says.startswith("M4") and "doubted" in scene.says:
            kinds = [each.kind for each in scene.findings()["OS-HTS-ASX"].suggestions]
            assert "keep-sodium-1h" not in kinds, scene.says


# ---- the probes of the same review

TURP = (result("sodium", "138", 8), result("serum-osmolality", "288"))


def test_f36_one_card_does_not_say_bolus_and_no_3_percent_yet() -> None:
    story = seized(results=TURP)
    card = fired(story.case("european"))["PV-SYMP"]
    said = " ".join(text_of(card, line) for line in (*card.do, *card.why))
    assert "3% saline 150 mL" in said
    assert "3% saline yet" not in said
    assert any("Measured osmolality 288 is not low" in words for words in face(card))


def test_m6_without_such_a_symptom_no_bolus_is_named_beside_that_osmolality() -> None:
    doubted = Story(sodium="118", setting="inpatient", results=TURP)
    dilute = replace(doubted, results=TURP[:1])
    assert "bolus-aasld" in keys(fired(dilute.case())["PV-ACUTE"])
    assert "bolus-aasld" not in keys(fired(doubted.case())["PV-ACUTE"])


def test_m14_in_cirrhosis_the_diuretics_to_stop_are_on_the_face() -> None:
    story = Story(
        sodium="122",
        setting="inpatient",
        problems=(CIRRHOSIS, problem("ascites", days=90)),
        orders=(order("furosemide"), order("spironolactone", reference="MedicationRequest/2")),
        results=(result("urine-osmolality", 420), result("sodium", "127", 240)),
    )
    card = fired(story.case("european"))["PV-SEV"]
    assert any("Stop diuretics at this sodium" in words for words in face(card)), face(card)


def test_f27_an_antidiuretic_that_was_stopped_is_named_as_why_sodium_rises() -> None:
    stopped = order("desmopressin", days=200, ended=0.46, status="stopped")
    for now, rule in ((126, "RATE-NEAR"), (129, "RATE-OVER")):
        dilute = (result("urine-osmolality", 70, 0.6),)
        card = fired(rise(now, 10, stopped, base="118", results=dilute).case("european"))[rule]
        assert any("Why sodium rises: desmopressin" in words for words in face(card)), rule
    other = order("hydrochlorothiazide", days=200, ended=0.46, status="stopped")
    card = fired(rise(126, 10, other, base="118").case("european"))["RATE-NEAR"]
    assert "stopped-antidiuretic" not in keys(card)
