"""F23: an order that ends a restriction or a drug is none that starts it."""

from __future__ import annotations

import pytest

from cds_service.knowledge.words import Fluids
from cds_service.terminology.concepts import RestrictionMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Coding, Product

SNOMED = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def restriction(fluids: Fluids) -> RestrictionMatcher:
    return RestrictionMatcher(fluids)


@pytest.mark.parametrize(
    "text",
    [
        "D/C fluid restriction - free oral fluids",
        "d/c fluid restriction",
        "DC fluid restriction",
        "Stop 1 L fluid restriction",
        "Please stop the fluid restriction",
        "Cancel FR 1000 mL",
        "Fluid restriction removed",
        "Fluid restriction 1 L/day discontinued",
        "Fluid restriction off",
        "Fluid restriction: stop",
        "Fluid restriction 1000 mL - D/C",
        "Fluid restriction ended",
        "Hold fluid restriction",
        "Off fluid restriction",
        "Lift fluid restriction",
        "Aufhebung der Trinkmengenbeschränkung",
        "Trinkmengenbeschränkung aufgehoben",
        "Flüssigkeitsrestriktion beenden",
        "Arrêt de la restriction hydrique",
        "Lever la restriction hydrique",
        "Restriction hydrique levée",
        "Suspender restricción hídrica",
        "Retirar la restricción de líquidos",
        "Restricción hídrica retirada",
        "Vochtbeperking opheffen",
        "Vochtbeperking opgeheven",
        "Sospendere restrizione idrica",
        "Fine restrizione idrica",
        "Suspender restrição hídrica",
        "Encerrar a restrição hídrica",
        "Avsluta vätskerestriktion",
        "Vätskerestriktion upphävd",
        "Seponer væskerestriktion",
        "Væskerestriksjon avsluttet",
        "Zakończyć ograniczenie płynów",
        "水分制限解除",
        "水分制限 終了",
        "飲水制限なし",
        "解除限水",
        "停止限制液体",
        "限水取消",
    ],
)
def test_who_ends_a_restriction_restricts_nothing(
    text: str, restriction: RestrictionMatcher
) -> None:
    coded = Coded(text=text, codings=(Coding(SNOMED, "226208002"),))
    assert not restriction.match([Coded(text=text)])
    assert not restriction.match([coded])
    assert not restriction.match([], [text])


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Fluid restriction 1000 mL/24 h", True),
        ("Fluid restriction 1.2 L per day", True),
        ("FR 1 L", True),
        ("Trinkmengenbeschränkung 1000 ml/24 h", True),
        ("Restriction hydrique 1 litre par jour", True),
        ("Restricción hídrica 800 mL/día", True),
        ("Vochtbeperking 1 liter per dag", True),
        ("限水 1000ml/日", True),
        ("Fluid restriction 1 L, liberalize tomorrow", False),
        ("Review fluid restriction", False),
        ("Fluid restriction 1 L/day, stop IV fluids", False),
        ("Stop fluid restriction 1 L; start fluid restriction 1.5 L", False),
        ("Fluid restriction 1 L. Stop if sodium above 130", False),
        ("Fluid restriction 1 L on D/C home", False),
    ],
)
def test_a_restriction_with_other_words_is_one_without_a_button(
    text: str, plain: bool, restriction: RestrictionMatcher
) -> None:
    assert restriction.match([Coded(text=text)])
    assert restriction.is_plain([Coded(text=text)]) is plain
    assert restriction.is_plain([], [text]) is plain


def test_a_code_of_restriction_whose_note_ends_it(restriction: RestrictionMatcher) -> None:
    coded = Coded(codings=(Coding(SNOMED, "226208002", "Fluid restricted diet"),))
    assert restriction.match([coded])
    assert restriction.is_plain([coded])
    assert not restriction.match([coded], ["Discontinue"])
    assert not restriction.is_plain([coded], ["see note of Dr. Lee"])


@pytest.mark.parametrize(
    "text",
    [
        "D/C hydrochlorothiazide 25 mg",
        "Stop home sertraline 50 mg",
        "Discontinue 3% sodium chloride infusion",
        "Hold sertraline",
        "hydrochlorothiazide 25 mg tablet - HOLD",
        "sertraline 50 mg discontinued",
        "Sertralin 50 mg abgesetzt",
        "NaCl 3% 500 mL stoppen",
        "Stop 3% saline",
        "3% saline off",
        "D/C D5W 1000 mL",
        "Arrêt sertraline 50 mg",
        "Suspender hidroclorotiazida 25 mg",
        "セルトラリン 中止",
        "停用氢氯噻嗪",
    ],
)
def test_who_stops_a_drug_or_a_fluid_starts_none(text: str, resolver: DrugResolver) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=text),)))
    assert not found.drugs
    assert found.saline is None
    assert not found.hypotonic


@pytest.mark.parametrize(
    ("text", "drugs"),
    [
        ("sertraline 50 mg, hold if sodium below 130", ["sertraline"]),
        ("Stop citalopram, start sertraline 50 mg", ["sertraline"]),
        ("sertraline 50 mg once daily", ["sertraline"]),
        ("hydrochlorothiazide 25 mg at discharge", ["hydrochlorothiazide"]),
    ],
)
def test_a_start_beside_such_a_word_is_a_start(
    text: str, drugs: list[str], resolver: DrugResolver
) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text=text),)))
    assert [drug.name for drug in found.drugs] == drugs


@pytest.mark.parametrize(
    ("sig", "ended"),
    [
        ("Stop infusion now", True),
        ("Stop IV fluids", False),
        ("D/C", True),
        ("Stop when sodium is up 6", False),
        ("", False),
    ],
)
def test_a_sig_that_only_stops_ends_the_order(
    sig: str, ended: bool, resolver: DrugResolver
) -> None:
    product = Product(concepts=(Coded(text="Sodium chloride 3% 250 mL"),), instructions=sig)
    assert (resolver.resolve(product).saline is None) is ended
