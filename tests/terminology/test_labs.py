"""Analytes, point-of-care codes, units and orders that restrict fluid."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.knowledge.words import Fluids, Terms
from cds_service.terminology.codes import LOINC, SNOMED, LabMatch, LabResolver
from cds_service.terminology.concepts import RestrictionMatcher
from cds_service.terminology.types import Coded, Coding
from cds_service.terminology.units import factor, unit_key

NEVER_SODIUM = [
    "2956-1",
    "21525-1",
    "57382-4",
    "2950-4",
    "15207-4",
    "2952-0",
    "49790-9",
    "42570-2",
    "74688-3",
    "82812-9",
    "44783-9",
]


@pytest.fixture
def restriction(fluids: Fluids) -> RestrictionMatcher:
    return RestrictionMatcher(fluids)


def loinc(*codes: str) -> Coded:
    return Coded(codings=tuple(Coding(LOINC, code) for code in codes))


def test_every_loinc_code_gives_its_analyte(terms: Terms, labs: LabResolver) -> None:
    for key, lab in terms.labs.items():
        for code in lab.loinc:
            own = (code,) if lab.by_code else ()
            assert labs.resolve(loinc(code)) == LabMatch(key, code in lab.poc, codes=own)


def test_suggested_orders_and_poc_codes_stand_among_the_codes(terms: Terms) -> None:
    for key, lab in terms.labs.items():
        assert not lab.order or lab.order in lab.loinc, key
        assert set(lab.poc) <= set(lab.loinc), key
        assert not lab.unit or lab.unit.lower() in lab.units, key


def test_no_code_stands_for_two_analytes(terms: Terms) -> None:
    codes = [code for lab in terms.labs.values() for code in lab.loinc]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("code", NEVER_SODIUM)
def test_other_fluids_and_methods_are_never_a_sodium(code: str, labs: LabResolver) -> None:
    assert labs.resolve(loinc(code)) is None


def test_urine_sodium_is_an_analyte_of_its_own(labs: LabResolver) -> None:
    assert labs.resolve(loinc("2955-3")) == LabMatch("urine-sodium")
    assert labs.resolve(loinc("2951-2", "2955-3")) is None


def test_the_loinc_code_need_not_come_first(labs: LabResolver) -> None:
    epic = Coded(
        codings=(Coding("urn:oid:1.2.840", "1520009"), Coding("http://loinc.org/", " 2951-2"))
    )

    assert labs.resolve(epic) == LabMatch("sodium")


def test_a_result_counts_as_point_of_care_only_where_every_code_says_so(labs: LabResolver) -> None:
    assert labs.resolve(loinc("2947-0")) == LabMatch("sodium", poc=True)
    assert labs.resolve(loinc("2947-0", "2951-2")) == LabMatch("sodium")


def test_a_site_adds_local_codes(terms: Terms) -> None:
    local = LabResolver(
        terms.labs,
        {("http://mimic.mit.edu/d-labitems/", "50983"): "sodium", ("x", "y"): "no-such-lab"},
    )

    assert local.resolve(
        Coded(codings=(Coding("http://mimic.mit.edu/d-labitems", "50983"),))
    ) == LabMatch("sodium")
    assert local.resolve(Coded(codings=(Coding("x", "y"),))) is None
    assert local.resolve(Coded(text="Sodium")) is None


def test_f47_a_local_code_has_the_class_that_the_site_gives_else_that_of_the_loinc_beside_it(
    terms: Terms,
) -> None:
    plain, gas, serum = ("x", "plain"), ("x", "gas"), ("x", "serum")
    local = LabResolver(
        terms.labs, dict.fromkeys((plain, gas, serum), "sodium"), {gas: "poc", serum: "lab"}
    )

    def poc(*codings: tuple[str, str]) -> bool | None:
        match = local.resolve(Coded(codings=tuple(Coding(*coding) for coding in codings)))
        return match.poc if match is not None else None

    assert (poc(plain), poc(gas), poc(serum)) == (False, True, False)
    assert poc(plain, (LOINC, "2947-0")) is True
    assert poc(plain, (LOINC, "2951-2")) is False
    assert poc(plain, (LOINC, "2947-0"), (LOINC, "2951-2")) is False
    assert poc(serum, (LOINC, "2947-0")) is False
    assert poc(gas, (LOINC, "2951-2")) is True
    assert poc(gas, (LOINC, "2823-3")) is None


@pytest.mark.parametrize(
    "unit",
    [
        "mmol/L",
        "meq/L",
        "mEq/L",
        "MEQ/L",
        "mEq/l",
        "mmol/l",
        " mM ",
        "mmol/litre",
        "milliequivalents per liter",
    ],
)
def test_sodium_units_are_read_in_any_spelling(unit: str, terms: Terms) -> None:
    assert factor(terms.labs["sodium"], unit) == 1


@pytest.mark.parametrize("unit", ["mg/dL", "g/L", "%", "", "mmol", "umol/L"])
def test_any_other_sodium_unit_is_refused(unit: str, terms: Terms) -> None:
    assert factor(terms.labs["sodium"], unit) is None


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "wanted"),
    [
        ("glucose", "33.3", "mmol/L", "599.9"),
        ("glucose", "600", "mg/dL", "600"),
        ("creatinine", "88.4", "umol/L", "1.0"),
        ("creatinine", "88.4", "µmol/L", "1.0"),
        ("bun", "10", "mmol/L", "28.0"),
        ("calcium", "2.5", "mmol/L", "10.0"),
        ("magnesium", "0.8", "mmol/L", "1.9"),
        ("urate", "238", "umol/L", "4.0"),
        ("total-protein", "70", "g/L", "7.0"),
        ("triglyceride", "17", "mmol/L", "1505.7"),
        ("cortisol", "500", "nmol/L", "18.1"),
        ("weight", "154", "[lb_av]", "69.9"),
        ("systolic", "12", "kPa", "90.0"),
        ("egfr", "45", "mL/min/{1.73_m2}", "45"),
        ("serum-osmolality", "270", "mosm/kg", "270"),
    ],
)
def test_values_come_in_the_unit_of_the_rules(
    analyte: str, value: str, unit: str, wanted: str, terms: Terms
) -> None:
    by = factor(terms.labs[analyte], unit)
    assert by is not None
    assert round(Decimal(value) * by, 1) == round(Decimal(wanted), 1)


def test_units_stand_in_labs_toml_as_they_are_looked_up(terms: Terms) -> None:
    for lab in terms.labs.values():
        assert all(unit == unit_key(unit) and Decimal(by) > 0 for unit, by in lab.units.items())


@given(st.text(max_size=40), st.text(max_size=20))
@settings(max_examples=100, deadline=None)
def test_no_unit_and_no_code_raises(labs: LabResolver, terms: Terms, text: str, code: str) -> None:
    factor(terms.labs["glucose"], text)
    labs.resolve(Coded(codings=(Coding(text, code),)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Fluid restriction 1000 mL/24 h", True),
        ("Restrict fluids to 1.5 L per day", True),
        ("Restricted fluid intake", True),
        ("Free water restriction", True),
        ("1200 mL fluid-restricted diet; no added salt", True),
        ("No fluid restriction", False),
        ("Discontinue fluid restriction", False),
        ("Dietary education about fluid restriction", False),
        ("Low sodium diet", False),
        ("Encourage fluids", False),
        ("FR 1.2 L", True),
        ("FR 1500 mL/d", True),
        ("Foley 16 Fr 10 mL balloon", False),
        ("Fr 12 catheter", False),
        ("no FR 1 L", False),
        ("Limit fluids to 1 L", True),
        ("Fluid balance chart", False),
        ("Restricción de líquidos 1 L", True),
        ("Vochtbeperking 1 liter", True),
        ("Trinkmengenbeschränkung 1 l", True),
        ("keine Flüssigkeitsrestriktion", False),
        ("Restrizione idrica 1 litro", True),
        ("Restrição hídrica 1000 mL", True),
        ("Vätskekarens 1 l", True),
        ("Væskerestriksjon 1 liter", True),
        ("Ograniczenie płynów do 1 l", True),
        ("水分制限 1000mL", True),
        ("限制液体 1000ml", True),
    ],
)
def test_an_order_that_restricts_fluid_is_recognised_by_its_words(
    text: str, wanted: bool, restriction: RestrictionMatcher
) -> None:
    assert restriction.match([Coded(text=text)]) is wanted
    assert restriction.match([], [text]) is wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [("226208002", True), ("33463005", False), ("61426000", False), ("699827002", False)],
)
def test_an_order_that_restricts_fluid_is_recognised_by_its_code(
    code: str, wanted: bool, restriction: RestrictionMatcher
) -> None:
    assert restriction.match([Coded(codings=(Coding(SNOMED, code),))]) is wanted
