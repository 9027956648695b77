"""Codes, brands and products: every drug is found, combinations keep their count and partners."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.knowledge.words import Drug, Fluids, Terms
from cds_service.terminology.codes import ATC, RXNORM, SNOMED, IndexedProduct
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.types import Coded, Coding, Product, Resolution, Strength

INTRAVENOUS, ORAL = "47625008", "26643006"


def text(words: str, **more: str) -> Product:
    return Product(concepts=(Coded(text=words),), **more)  # type: ignore[arg-type]  # only instructions are passed


def code(system: str, value: str, display: str = "") -> Product:
    return Product(concepts=(Coded(codings=(Coding(system, value, display),)),))


def names(found: Resolution) -> set[str]:
    return {drug.name for drug in found.drugs}


def systemic(drug: Drug) -> bool:
    return drug.cls != "sodium-chloride"


def test_every_drug_is_recognised_by_its_names_and_brands(
    terms: Terms, resolver: DrugResolver
) -> None:
    for key, drug in terms.drugs.items():
        if not systemic(drug):
            continue
        for name in (key, *drug.names, *drug.brands, *drug.combination_brands):
            assert key in names(resolver.resolve(text(name))), (key, name)


def test_every_drug_is_recognised_by_each_of_its_codes(
    terms: Terms, resolver: DrugResolver
) -> None:
    for key, drug in terms.drugs.items():
        if not systemic(drug):
            continue
        for system, codes in (
            (RXNORM, (*drug.rxnorm, *drug.multi, *drug.products)),
            (SNOMED, drug.snomed),
            (ATC, (atc for atc in drug.atc if not atc.startswith("!"))),
        ):
            for value in codes:
                found = {d.name: d for d in resolver.resolve(code(system, value)).drugs}
                assert found[key].evidence == "code", (key, value)


def test_no_code_stands_for_two_single_ingredients(terms: Terms) -> None:
    seen: dict[str, str] = {}
    for key, drug in terms.drugs.items():
        for value in (*drug.rxnorm, *drug.snomed):
            assert seen.setdefault(value, key) == key


def test_brand_names_are_many_and_belong_to_the_watched_and_treating_drugs(terms: Terms) -> None:
    watched = [d for d in terms.drugs.values() if d.tier in ("T1", "T2", "TREAT")]
    assert len({brand for d in watched for brand in (*d.brands, *d.combination_brands)}) >= 127


@pytest.mark.parametrize(
    ("atc", "wanted"),
    [
        ("C03AA03", {"hydrochlorothiazide"}),
        ("C03AX01", {"thiazide diuretic"}),
        ("C09BA03", {"diuretic combination"}),
        ("C09DA01", {"diuretic combination"}),
        ("C07BB07", {"thiazide diuretic"}),
        ("C03EA01", {"thiazide diuretic", "potassium-sparing diuretic"}),
        ("C03EB01", {"loop diuretic", "potassium-sparing diuretic"}),
        ("C03CA01", {"furosemide"}),
        ("C03CB01", {"loop diuretic"}),
        ("C03DA01", {"spironolactone"}),
        ("C03XA01", {"tolvaptan"}),
        ("N05AH53", {"olanzapine"}),
        ("N06CA03", {"fluoxetine"}),
        ("c09ba03", {"diuretic combination"}),
        ("C09DX04", {"sacubitril"}),
        *(
            (excluded, set())
            for excluded in (
                "C09BB02",
                "C09DB01",
                "C09BX02",
                "C09DX02",
                "C03BC01",
                "C03BD01",
                "C03XA03",
            )
        ),
    ],
)
def test_atc_prefixes_find_diuretics_and_nothing_else(
    atc: str, wanted: set[str], resolver: DrugResolver
) -> None:
    assert names(resolver.resolve(code(ATC, atc))) == wanted


def test_a_class_entry_gives_way_to_the_diuretic_that_the_name_tells(
    resolver: DrugResolver,
) -> None:
    found = resolver.resolve(code(ATC, "C09BA03", "Lisinopril/hydrochlorothiazide"))

    assert names(found) == {"hydrochlorothiazide", "lisinopril"}
    assert found.ingredient_count == 2


@pytest.mark.parametrize(
    ("order", "count", "partners"),
    [
        ("sertraline 50 mg", 1, ()),
        ("hydroCHLOROthiazide 25 mg tab", 1, ()),
        ("Hydrochlorothiazide 12.5 MG / Lisinopril 20 MG Oral Tablet", 2, ("lisinopril",)),
        ("Exforge HCT 10-160-12.5", 3, ("valsartan", "amlodipine")),
        ("Ser-Ap-Es", 2, ("reserpine",)),
        ("traMADol-acetaminophen 37.5-325 mg", 2, ()),
        ("quinaglute/hydrochlorothiazide 1/25", 2, ()),
        ("hydrochlorothiazide 20/12.5 mg", 2, ()),
        ("Candesartan comp. 16/12,5", 2, ()),
        ("furosemide with food", 1, ()),
        ("furosemid-ratiopharm® 40 mg", 1, ()),
        ("HYDROcodone bit/acetaminophen", 2, ()),
        ("metoprolol succinate 50 mg / unknownine 5 mg", 2, ()),
    ],
)
def test_a_combination_keeps_its_count_and_names_its_partners(
    order: str, count: int, partners: tuple[str, ...], resolver: DrugResolver
) -> None:
    found = resolver.resolve(text(order))

    assert (found.ingredient_count, set(found.partners)) == (count, set(partners))


def test_a_multi_ingredient_code_counts_as_a_combination(resolver: DrugResolver) -> None:
    both = resolver.resolve(code(RXNORM, "214418"))

    assert resolver.resolve(code(RXNORM, "214287")).ingredient_count == 2
    assert (names(both), both.partners) == ({"chlorthalidone", "clonidine"}, ("clonidine",))


def test_the_strongest_evidence_for_an_ingredient_is_kept(resolver: DrugResolver) -> None:
    def evidence(product: Product) -> tuple[str, str | None]:
        (drug,) = resolver.resolve(product).drugs
        return drug.evidence, drug.matched.value if drug.matched else None

    assert evidence(code(RXNORM, "36437", "sertraline")) == ("code", None)
    assert evidence(code(RXNORM, "9", "sertraline 50 MG")) == ("display", "sertraline 50 MG")
    assert evidence(code("urn:local", "9", "Sertraline 50")) == ("text", "Sertraline 50")
    assert evidence(text("Zoloft 50 mg")) == ("brand", "Zoloft 50 mg")
    assert evidence(text("sertraline (Zoloft)"))[0] == "text"


@pytest.mark.parametrize(
    "system",
    [
        "urn:oid:2.16.840.1.113883.6.88",
        "http://www.nlm.nih.gov/research/umls/rxnorm/",
        "HTTP://www.nlm.nih.gov/research/umls/RxNorm",
        " http: //www.nlm.nih.gov/research/umls/rxnorm",
        "2.16.840.1.113883.6.88",
    ],
)
def test_a_code_system_may_be_spelled_in_any_way(system: str, resolver: DrugResolver) -> None:
    assert names(resolver.resolve(code(system, " 312941 "))) == {"sertraline"}


@pytest.mark.parametrize(
    "display",
    [
        "Doxepin Hydrochloride 50 MG/ML Topical Cream",
        "Diclofenac Sodium 0.01 MG/MG Topical Gel [Voltaren]",
        "Ketorolac Tromethamine 5 MG/ML Ophthalmic Solution",
        "Ciprofloxacin 3 MG/ML Ophthalmic Suspension",
        "Urea 400 MG/ML Topical Cream",
        "Ketoconazole 20 MG/ML Medicated Shampoo",
        "Diclofenac Sodium 15 MG/ML Medicated Patch",
        "Sodium Chloride 30 MG/ML Inhalation Solution",
        "Sodium Chloride 50 MG/ML Ophthalmic Ointment",
        "Sodium Chloride 6.5 MG/ML Nasal Spray",
        "Timolol 5 MG/ML Ophthalmic Solution",
    ],
)
def test_a_local_form_of_a_known_drug_is_dropped(display: str, resolver: DrugResolver) -> None:
    found = resolver.resolve(code(RXNORM, "1", display))

    assert (found.drugs, found.saline, found.route, found.unrecognised) == ((), None, "local", None)


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        (Coded(codings=(Coding(SNOMED, INTRAVENOUS),)), "iv"),
        (Coded(codings=(Coding(SNOMED, ORAL),)), "systemic"),
        (Coded(codings=(Coding(SNOMED, "447694001"),)), "local"),
        (Coded(codings=(Coding(SNOMED, "78421000"),)), "systemic"),
        (Coded(text="Intravenous route"), "iv"),
        (Coded(text="PO"), "systemic"),
        (Coded(text="Nebulization"), "local"),
        (Coded(text="Per G-tube"), "systemic"),
        (Coded(text="as directed"), "unknown"),
    ],
)
def test_the_recorded_route_decides(route: Coded, wanted: str, resolver: DrugResolver) -> None:
    found = resolver.resolve(Product(concepts=(Coded(text="furosemide"),), routes=(route,)))

    assert found.route == wanted
    assert bool(found.drugs) is (wanted != "local")


def test_nasal_desmopressin_acts_in_the_whole_body(resolver: DrugResolver) -> None:
    found = resolver.resolve(code(RXNORM, "1", "Desmopressin Acetate 0.1 MG/ML Nasal Spray"))

    assert (names(found), found.route) == ({"desmopressin"}, "systemic")


@pytest.mark.parametrize(("tolvaptan", "adpkd", "hyponatremia"), [
    (code(RXNORM, "849827"), False, True),
    (code(RXNORM, "2044359"), True, False),
    (text("Samsca 15 mg"), False, True),
    (text("Jynarque 60 mg-30 mg"), True, False),
    (text("tolvaptan 15 mg"), False, False),
    (code(RXNORM, "1", "Hyponatremia tolvaptan 15 MG Oral Tablet"), False, True),
])  # fmt: skip
def test_tolvaptan_says_what_it_is_labelled_for(
    tolvaptan: Product, adpkd: bool, hyponatremia: bool, resolver: DrugResolver
) -> None:
    found = resolver.resolve(tolvaptan)

    assert names(found) == {"tolvaptan"}
    assert (found.adpkd, found.hyponatremia_product) == (adpkd, hyponatremia)


def test_what_is_not_recognised_says_whether_it_had_a_name(resolver: DrugResolver) -> None:
    unknown_code = resolver.resolve(code(RXNORM, "999999999"))
    unknown_name = resolver.resolve(text("acetaminophen 500 mg"))
    nothing = resolver.resolve(Product())

    assert (unknown_code.code_only, unknown_code.unrecognised) == (True, None)
    assert unknown_name.unrecognised is not None
    assert unknown_name.unrecognised.value == "acetaminophen 500 mg"
    assert (nothing.code_only, nothing.unrecognised, nothing.ingredient_count) == (False, None, 1)


def test_a_site_adds_local_codes_and_an_index_of_products(terms: Terms, fluids: Fluids) -> None:
    resolver = DrugResolver(
        terms.drugs,
        fluids,
        {("http://site/formulary/", "SERT"): ("sertraline",), ("x", "y"): ("no such drug",)},
        {"77": IndexedProduct("doxepin 50 MG/ML Topical Cream", ("doxepin",)),
         "78": IndexedProduct("aspirin 325 MG / tramadol 37.5 MG", ("tramadol",))},
    )  # fmt: skip

    assert names(resolver.resolve(code("http://site/formulary/", "SERT"))) == {"sertraline"}
    assert resolver.resolve(code(RXNORM, "77")).drugs == ()
    combination = resolver.resolve(code(RXNORM, "78"))
    assert (names(combination), combination.ingredient_count) == ({"tramadol"}, 2)


def test_ingredients_inside_a_medication_count(resolver: DrugResolver) -> None:
    one = Coded(codings=(Coding(ATC, "C03AA03"),))
    other = Coded(text="quinidine")
    found = resolver.resolve(Product(ingredients=((one, None), (other, None))))

    assert (names(found), found.ingredient_count) == ({"hydrochlorothiazide"}, 2)


WILD = st.text(max_size=60) | st.sampled_from(
    [
        "sodium chloride",
        "%",
        "3 %",
        "in",
        "NS",
        "sertraline",
        "/",
        "HCT",
        "mg/mL",
        "9" * 40,
        "1e999",
        "NaN",
        "\x00",
        "0,9",
        "½",
        "no",
    ]
)


@given(
    words=st.lists(WILD, max_size=6).map(" ".join),
    display=WILD,
    system=st.sampled_from([RXNORM, ATC, SNOMED, "", "urn:oid:"]) | WILD,
    value=WILD,
    amount=st.decimals(allow_nan=True, allow_infinity=True),
    unit=st.sampled_from(["mg", "mL", "mmol", "L", ""]) | WILD,
)
@settings(max_examples=300, deadline=None)
def test_no_input_raises(
    resolver: DrugResolver,
    words: str,
    display: str,
    system: str,
    value: str,
    amount: Decimal,
    unit: str,
) -> None:
    coded = Coded(codings=(Coding(system, value, display),), text=words)
    strength = Strength(
        numerator=amount, numerator_unit=unit, denominator=amount, denominator_unit=unit
    )
    product = Product(
        concepts=(coded,), ingredients=((coded, strength), (coded, None)), routes=(coded,), form=coded,
        instructions=words, volume_ml=amount,
    )  # fmt: skip

    assert resolver.resolve(product).ingredient_count >= 1


def test_every_route_code_leads_to_a_kind_of_place(fluids: Fluids) -> None:
    assert set(fluids.forms.route_codes.values()) <= {"iv", "systemic", *fluids.forms.local}


@pytest.mark.parametrize(
    ("name", "hemostatic"),
    [
        ("Octim 150 micrograms/dose nasal spray", True),
        ("Octostim 15 mikrog/ml", True),
        ("Stimate 1.5 mg/mL nasal spray", True),
        ("DDAVP 0.3 mcg/kg IV", True),
        ("Minirin 0.2 mg tablets", False),
        ("Noqdirna 25 microgram", False),
        ("Octim", True),
        ("sertraline 50 mg", False),
    ],
)
def test_desmopressin_against_bleeding_is_known_by_its_product(
    name: str, hemostatic: bool, resolver: DrugResolver
) -> None:
    assert resolver.resolve(Product(concepts=(Coded(text=name),))).hemostatic is hemostatic


@pytest.mark.parametrize(
    ("sig", "hemostatic"),
    [
        ("0.3 mcg/kg IV once before renal biopsy", True),
        ("for uremic bleeding", True),
        ("one spray at night", False),
    ],
)
def test_the_sig_of_desmopressin_says_that_it_stops_a_bleeding(
    sig: str, hemostatic: bool, resolver: DrugResolver
) -> None:
    product = Product(concepts=(Coded(text="desmopressin"),), instructions=sig)
    assert resolver.resolve(product).hemostatic is hemostatic
