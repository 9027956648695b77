"""No patient with a ground against it gets a restriction, a stop, a removal, baclofen or a bolus.

Each ground of section F is told in every way that hooks/ knows: each code, drug, brand and word of
its lists, each on a generated patient who would get the button or the words without it. A ground
that is dropped from a rule fails under its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.knowledge.load import Knowledge
from cds_service.terminology.codes import ATC, ATC_LENGTH, ICD10CM, SNOMED
from tests.examples import SEARCHING
from tests.fhir_resources import (
    SALINE_3,
    TOLVAPTAN_15,
    Call,
    Resource,
    coded,
    draft,
    instant,
    lab,
    pipeline,
    problem,
    restriction_order,
    sodium,
    taking,
)

Ways = dict[str, tuple[Resource, ...]]
Gets = Callable[[Call], bool]
Patients = Iterator[Call]
SIADH, ASCITES, CIRRHOSIS = problem("E22.2", 5), problem("R18.8", 5), problem("K74.60", 400)


def known() -> Knowledge:
    return pipeline().knowledge


# ---- every way to tell a ground, out of hooks/


def concept(name: str, days: float = 0, **more: Any) -> Ways:
    """The problem by each of its codes and words, so many days old."""
    table = known().terms.concepts[name]
    ways: Ways = {}
    for code in table.icd10:
        plain = code.lstrip("=").replace("?", "0")
        if not code.startswith("!"):
            shown = plain if len(plain) <= 3 else f"{plain[:3]}.{plain[3:]}"
            ways[f"{name} {code}"] = (_condition(coded(ICD10CM, shown), days, **more),)
    for code in table.snomed:
        ways[f"{name} {code}"] = (_condition(coded(SNOMED, code), days, **more),)
    for words in table.text:
        ways[f"{name} {words}"] = (_condition({"text": words.rstrip("*")}, days, **more),)
    return ways


def _condition(code: Resource, days: float, **more: Any) -> Resource:
    return {**problem("I10", days, **more), "code": code}


def concepts(names: list[str], days: float = 0, **more: Any) -> Ways:
    return {k: way for name in names for k, way in concept(name, days, **more).items()}


def drugs(*classes: str, only: tuple[str, ...] = (), **order: Any) -> Ways:
    """Each drug of these classes by name, by each spelling and brand, and by each ATC code."""
    ways: Ways = {}
    for name, drug in known().terms.drugs.items():
        if drug.cls not in classes or (only and name not in only):
            continue
        for spelling in (name, *drug.names, *drug.brands):
            ways[f"{name}: {spelling}"] = (_taken({"text": spelling}, **order),)
        for code in drug.atc:
            if len(code) == ATC_LENGTH:
                ways[f"{name}: {code}"] = (_taken(coded(ATC, code), **order),)
    return ways


def _taken(medication: Resource, *, days: float = 1, **more: Any) -> Resource:
    order = taking("sertraline", days, **more)
    return {**order, "medicationCodeableConcept": medication}


def results(analyte: str, value: str, hours: float = 3, **more: Any) -> Ways:
    """The result by each of its LOINC codes."""
    codes = known().terms.labs[analyte].loinc
    return {f"{analyte} {code}": (lab(analyte, value, hours, code=code, **more),) for code in codes}


def beside(ways: Ways, *added: Resource) -> Ways:
    return {label: (*way, *added) for label, way in ways.items()}


def ended(days_ago: float, since: float) -> dict[str, Any]:
    """The members of an order that ended so many days ago."""
    period = {"start": instant(days=since), "end": instant(days=days_ago)}
    return {
        "days": since,
        "status": "completed",
        "dosageInstruction": [{"timing": {"repeat": {"boundsPeriod": period}}}],
    }


IV = {"dosageInstruction": [{"route": coded(SNOMED, "47625008", "Intravenous route")}]}
HYDRATED = ("cisplatin", "ifosfamide", "cyclophosphamide", "methotrexate")
VOMITING = problem("R11.10", 0, visit=True)

# ---- the patients who get the button or the words while no ground is told


CAUSES = ((SIADH,), (ASCITES, CIRRHOSIS))
THIAZIDES = ("hydrochlorothiazide", "chlorthalidone", "metolazone")


def restricted() -> Patients:
    """Patients to whom fluid restriction is offered."""
    for value, cause, inside in product(("121", "123.4", "125.9"), CAUSES, (False, True)):
        yield Call(record=(sodium(value), *cause), inpatient=inside)


def in_siadh() -> Patients:
    """Patients with SIADH, to whom fluid restriction is offered."""
    for value, inside in product(("121", "125.9"), (False, True)):
        yield Call(record=(sodium(value), SIADH), inpatient=inside)


def on_diuretics() -> Patients:
    """Patients with cirrhosis whose diuretics a click may stop."""
    medicines = taking("furosemide"), taking("spironolactone")
    for value in ("121", "124.4"):
        yield Call(record=(sodium(value), ASCITES, CIRRHOSIS, *medicines))


def on_thiazide() -> Patients:
    """Patients whose thiazide a click may stop."""
    for value, drug in product(("121", "125"), THIAZIDES):
        yield Call(record=(sodium(value), taking(drug, 20)))


def thiazide_drafted() -> Patients:
    """Patients for whom a thiazide is drafted that a click may remove."""
    for value, drug in product(("121", "125"), THIAZIDES):
        yield Call(record=(sodium(value),), drafts=(draft(drug),))


def saline_drafted() -> Patients:
    """Patients for whom 3 % saline is drafted that a click may remove."""
    for value in ("128", "131", "134"):
        yield Call(record=(sodium(value, 1),), drafts=(draft(SALINE_3, ml=250),))


def cramping() -> Patients:
    """Patients with cramps in cirrhosis for whom baclofen is drafted."""
    for value, age in product(("128", "131"), (50, 70)):
        cramps = CIRRHOSIS, problem("R25.2", 1), lab("egfr", "80")
        yield Call(record=(sodium(value), *cramps), age=age)


def restricts(call: Call) -> bool:
    return any(card.restricts for card in call.cards())


def stops(call: Call) -> bool:
    return any(card.stops for card in call.cards())


def removes(call: Call) -> bool:
    return any(card.removes for card in call.cards())


def drafts_baclofen(call: Call) -> bool:
    return any("baclofen" in label and "Draft" in label for c in call.cards() for label in c.labels)


def speaks(call: Call) -> bool:
    return bool(call.cards())


def restores_volume(call: Call) -> bool:
    texts = [card.text for card in call.cards()]
    return any("estore volume" in text for text in texts) or restricts(call)


@dataclass(frozen=True)
class Ground:
    """One ground: who gets what without it, and every way to tell it."""

    patients: Callable[[], Patients]
    gets: Gets
    ways: Callable[[], Ways]


def sets() -> Any:
    return known().sets


GROUNDS: dict[str, Ground] = {
    "F5 low cortisol": Ground(restricted, restricts, lambda: results("cortisol", "4.9")),
    "F5 high potassium": Ground(restricted, restricts, lambda: results("potassium", "5.6")),
    "F5 checkpoint inhibitor": Ground(
        restricted, restricts, lambda: drugs("checkpoint-inhibitor", **ended(150, 200))
    ),
    "F5 pituitary surgery": Ground(
        restricted, restricts, lambda: concepts(sets().pituitary_surgery.members, 20)
    ),
    "F5 steroid ended": Ground(
        restricted, restricts, lambda: drugs("glucocorticoid", **ended(10, 60))
    ),
    "F6 lithium": Ground(restricted, restricts, lambda: drugs("lithium", days=300)),
    "F6 hydrated drugs": Ground(
        restricted,
        restricts,
        lambda: drugs("cytotoxic", "methotrexate", only=HYDRATED, days=1, **IV),
    ),
    "F6 high calcium": Ground(restricted, restricts, lambda: results("calcium", "12")),
    "F6 albumin-corrected calcium": Ground(
        restricted,
        restricts,
        lambda: beside(results("serum-albumin", "2.5"), lab("calcium", "11")),
    ),
    "F6 illness": Ground(
        restricted, restricts, lambda: concepts(sets().volume_illness.members, 5)
    ),
    "F6 acute illness": Ground(
        in_siadh, restricts, lambda: concepts(sets().acute_volume_illness.members, 2)
    ),
    "F6 sickle cell disease": Ground(
        restricted, restricts, lambda: concepts(sets().hydration_illness.members, 4000)
    ),
    "F6 needs a dilute urine": Ground(
        in_siadh, restricts, lambda: concepts(sets().dilute_urine_illness.members, 4000)
    ),
    "F6 aquaretic": Ground(
        restricted, restricts, lambda: drugs(*sets().aquaretics.members, days=40)
    ),
    "F7 antidiuretic": Ground(
        in_siadh,
        restores_volume,
        lambda: beside(drugs(*sets().antidiuretics.members), VOMITING),
    ),
    "F7 cytotoxic": Ground(
        in_siadh, restores_volume, lambda: beside(drugs("cytotoxic"), VOMITING)
    ),
    "F7 vomiting in SIADH": Ground(in_siadh, restores_volume, lambda: concept("vomiting")),
    "F11 the brain": Ground(
        saline_drafted, removes, lambda: concepts(sets().saline_kept.members, 0, visit=True)
    ),
    "F17 sedating drug": Ground(
        cramping, drafts_baclofen, lambda: drugs(*sets().sedatives.members)
    ),
    "F17 rifaximin": Ground(cramping, drafts_baclofen, lambda: drugs("rifaximin")),
    "F18 heart failure": Ground(
        on_diuretics, stops, lambda: concepts(sets().heart_failure.members, 900)
    ),
    "F18 sacubitril": Ground(
        on_diuretics, stops, lambda: drugs(*sets().heart_failure_drugs.members)
    ),
    "F18 three drugs": Ground(on_diuretics, stops, lambda: drugs("sglt2")),
    "F20 six weeks after": Ground(
        restricted, restricts, lambda: concept("pregnancy-ended", 40)
    ),
    "F20 pregnancy": Ground(restricted, restricts, lambda: concept("pregnancy", 40)),
    "F30 comfort care": Ground(
        restricted, speaks, lambda: beside(concept("comfort-words", 2), problem("Z51.5", 2))
    ),
    "F30 words alone": Ground(restricted, restricts, lambda: concept("comfort-words", 2)),
    "F48 no stop": Ground(
        on_thiazide, stops, lambda: concept("acute-congestion", 0, visit=True)
    ),
    "F48 no removal": Ground(
        thiazide_drafted, removes, lambda: concept("acute-congestion", 0, visit=True)
    ),
    "F48 loop by vein": Ground(
        on_thiazide, stops, lambda: drugs("loop", only=("furosemide", "bumetanide", "torsemide"), **IV)
    ),
}  # fmt: skip


BASES = {(one.patients, one.gets): name for name, one in GROUNDS.items()}


@pytest.mark.parametrize("name", BASES.values())
def test_the_patients_of_this_file_get_it_without_the_ground(name: str) -> None:
    ground = GROUNDS[name]
    assert [call for call in ground.patients() if not ground.gets(call)] == []


@pytest.mark.parametrize("name", GROUNDS)
def test_no_patient_gets_it_whichever_way_the_ground_is_told(name: str) -> None:
    """Each way on one of the patients, in turn; in `make check-long`, on each of them."""
    ground, patients = GROUNDS[name], list(GROUNDS[name].patients())
    ways = list(ground.ways().items())
    assert ways
    told = product(ways, patients) if SEARCHING else zip(ways, cycle(patients), strict=False)
    got = [
        label
        for (label, way), call in told
        if ground.gets(replace(call, record=(*call.record, *way)))
    ]
    assert got == []


# Stones and cysts withhold the button, and warn of no order: SIADH may leave no other choice.
ORDERED = [
    name for name in GROUNDS if name.startswith(("F5", "F6")) and name != "F6 needs a dilute urine"
]


@pytest.mark.parametrize("name", ORDERED)
def test_a_fluid_restriction_that_is_selected_gets_the_ground_as_a_warning(name: str) -> None:
    silent = [
        label
        for label, way in GROUNDS[name].ways().items()
        if not _warns("fluidRestrictionHarm", restriction_order(), way)
    ]
    assert silent == []
    assert not _warns("fluidRestrictionHarm", restriction_order(), ())


@pytest.mark.parametrize("name", [name for name in GROUNDS if name.startswith("F5")])
def test_a_vaptan_that_is_selected_gets_the_ground_as_a_warning(name: str) -> None:
    silent = [
        label
        for label, way in GROUNDS[name].ways().items()
        if not _warns("vaptanContraindicated", draft(TOLVAPTAN_15), way)
    ]
    assert silent == []
    assert not _warns("vaptanContraindicated", draft(TOLVAPTAN_15), ())


def _warns(topic: str, order: Resource, way: tuple[Resource, ...]) -> bool:
    """Whether a card of this topic about the order is at least a warning."""
    call = Call(record=(sodium("124"), SIADH, *way), drafts=(order,))
    return any(c.topic == topic and c.indicator in ("warning", "critical") for c in call.cards())


def test_each_row_of_withholding_has_a_ground_here() -> None:
    assert {name.split()[0] for name in GROUNDS} == {
        *("F5", "F6", "F7", "F11", "F17", "F18", "F20", "F30", "F48"),  # F42: below
    }


@st.composite
def falls(draw: st.DrawFn) -> tuple[Resource, ...]:
    """An acute fall to a sodium of 130 or more."""
    value = draw(st.sampled_from(["130", "132", "134.9"]))
    return sodium("145", 20), sodium(value, 1)


def severe_but_brain_edema() -> Ways:
    chosen = [name for name in sets().severe.members if name not in sets().brain_edema.members]
    return concepts(chosen, 0, visit=True)


@given(fall=falls())
@settings(max_examples=2, deadline=None)
def test_f42_from_130_on_no_symptom_brings_the_words_of_a_bolus(fall: tuple[Resource, ...]) -> None:
    said = [
        label
        for label, way in {"no symptom": (), **severe_but_brain_edema()}.items()
        if any("3% saline 1" in card.text for card in Call(record=(*fall, *way)).cards())
    ]
    assert said == []
