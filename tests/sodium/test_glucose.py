"""Glucose-corrected sodium and suspected artefacts: pairs, formulas, and what suppresses nothing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.sodium.case import Case, assess
from cds_service.sodium.glucose import (
    GlucosePair,
    GlucoseShift,
    Pseudo,
    corrected_sodium,
    glucose_shift,
)
from cds_service.sodium.snapshot import LabResult, Order, Problem
from cds_service.terminology.types import Route
from tests.sodium.cases import LABS, NOW, hours_ago, lab, limits, snapshot
from tests.sodium.patients import drug, sets


def glucose(value: str, hours: float = 0, **more: Any) -> LabResult:
    return hours_ago(value, hours, analyte="glucose", **more)


def case_of(*labs: LabResult, **more: Any) -> Case:
    return assess(snapshot(*labs, **more), limits(), sets(), LABS)


def pair_of(*labs: LabResult) -> GlucosePair | None:
    case = case_of(*labs)
    assert case.series.latest is not None
    return case.glucose_pairs.get(case.series.latest)


def shift_of(*labs: LabResult) -> GlucoseShift | None:
    return case_of(*labs).glucose


def suspicion(*labs: LabResult, **more: Any) -> Pseudo | None:
    return case_of(*labs, **more).pseudo


# ---- pairs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "loose"),
    [(1, False), (-0.1, False), (1.01, True), (4, True), (4.01, None), (30, None)],
)
def test_a_glucose_belongs_to_a_sodium_that_is_near_in_time(
    hours: float, loose: bool | None
) -> None:
    found = pair_of(lab("128"), glucose("600", hours))
    assert (found.loose if found else None) is loose


def test_the_same_specimen_wins_over_the_nearer_glucose_and_is_never_loose() -> None:
    found = pair_of(
        lab("128", specimen="s/1"), glucose("300", 0.1), glucose("600", 3, specimen="s/1")
    )
    assert found is not None
    assert (found.glucose, found.loose) == (Decimal(600), False)


def test_of_two_the_nearer_glucose_counts() -> None:
    found = pair_of(lab("128"), glucose("300", 0.5), glucose("600", 0.1))
    assert found is not None
    assert found.glucose == Decimal(600)


def test_two_results_of_one_day_without_a_clock_are_a_loose_pair() -> None:
    found = pair_of(lab("128", day_only=True), glucose("600", day_only=True))
    assert found is not None
    assert found.loose
    assert pair_of(lab("128", day_only=True), glucose("600")) is None


@pytest.mark.parametrize(("value", "unit"), [("600", "mg/dL"), ("33.3037", "mmol/L")])
def test_glucose_is_read_in_its_recorded_unit(value: str, unit: str) -> None:
    found = pair_of(lab("128"), glucose(value, unit=unit))
    assert found is not None
    assert found.glucose.quantize(Decimal(1)) == Decimal(600)


@pytest.mark.parametrize(
    "bad",
    [
        {"unit": ""},
        {"unit": "%"},
        {"status": "entered-in-error"},
        {"comparator": "<"},
        {"urine": True},
        {"hours": -1},
    ],
)
def test_a_glucose_that_cannot_be_trusted_is_no_pair(bad: dict[str, Any]) -> None:
    assert pair_of(lab("128"), glucose("600", **({"hours": 0} | bad))) is None


def test_a_glucose_above_the_range_of_the_meter_counts_as_its_bound() -> None:
    shift = shift_of(lab("128"), glucose("600", comparator=">"))
    assert shift is not None
    assert shift.explained


def spike(value: str, before: str, after: str, *, apart: float = 1, day: bool = False) -> bool:
    """Whether a glucose that was drawn with the sodium corrects nothing (F41)."""
    at = 30.0
    neighbors = (glucose(before, at + apart), glucose(after, at - apart, day_only=day))
    drawn = NOW - timedelta(hours=at)
    found = pair_of(hours_ago("129", at), glucose(value, at), *neighbors)
    return found != GlucosePair(glucose=Decimal(value), at=drawn, loose=False)


@pytest.mark.parametrize(
    ("value", "before", "after", "is_contaminated"),
    [
        ("600.1", "300", "250", True),
        ("600", "300", "250", False),
        ("600", "250", "300", False),
        ("600.1", "100", "301", False),
        ("600.1", "301", "100", False),
    ],
)
def test_f41_a_glucose_far_above_both_its_neighbors_is_contaminated(
    value: str, before: str, after: str, is_contaminated: bool
) -> None:
    assert spike(value, before, after, apart=12) is is_contaminated


@pytest.mark.parametrize(
    ("value", "neighbor", "apart", "is_contaminated"),
    [
        ("500.1", "199.9", 24, True),
        ("500.1", "199.9", 24.1, False),
        ("500", "199.9", 24, False),
        ("500.1", "200", 24, False),
        ("450", "199.9", 12, True),
        ("450", "199.9", 12.1, False),
    ],
)
def test_f41_a_very_high_glucose_of_a_day_between_near_normal_ones_is_contaminated(
    value: str, neighbor: str, apart: float, is_contaminated: bool
) -> None:
    assert spike(value, neighbor, "120", apart=apart) is is_contaminated
    assert spike(value, "120", neighbor, apart=apart) is is_contaminated


def test_f41_without_a_neighbor_on_each_side_nothing_is_contaminated() -> None:
    assert pair_of(lab("129"), glucose("900"), glucose("110", 2)) is not None
    assert not spike("900", "110", "110", day=True)


# ---- the shift -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sodium", "value", "katz", "hillier", "explained"),
    [
        ("128", "600", "136.0", "140.0", True),
        ("124", "400", "128.8", "131.2", False),
        ("130", "400", "134.8", "137.2", False),
        ("133.4", "200", "135.0", "135.8", False),
        ("133.5", "200", "135.1", "135.9", True),
    ],
)
def test_both_corrections_are_worked_out(
    sodium: str, value: str, katz: str, hillier: str, explained: bool
) -> None:
    shift = shift_of(lab(sodium), glucose(value))
    assert shift is not None
    assert (shift.katz, shift.hillier) == (Decimal(katz), Decimal(hillier))
    assert shift.explained is explained


@pytest.mark.parametrize(("value", "known"), [("199.9", False), ("200", True)])
def test_glucose_matters_from_its_limit_on(value: str, known: bool) -> None:
    assert (shift_of(lab("128"), glucose(value)) is not None) is known


@pytest.mark.parametrize(("value", "fits"), [("400", False), ("400.1", True)])
def test_the_later_formula_fits_better_at_very_high_glucose(value: str, fits: bool) -> None:
    shift = shift_of(lab("128"), glucose(value))
    assert shift is not None
    assert shift.hillier_fits is fits


def test_a_bound_is_not_corrected() -> None:
    assert shift_of(lab("110", comparator="<"), glucose("600")) is None
    assert glucose_shift(None, {}, limits()) is None


def test_only_samples_with_high_glucose_are_corrected() -> None:
    case = case_of(lab("128"), hours_ago("130", 10), glucose("600"), glucose("199", 10))
    corrected = corrected_sodium(case.glucose_pairs, limits())
    assert corrected == {case.series.samples[1]: Decimal("136.000")}


# ---- artefacts -------------------------------------------------------------------------------------------


def osmolality(value: str, hours: float = 0) -> LabResult:
    return hours_ago(value, hours, analyte="serum-osmolality")


def bun(value: str, hours: float = 0) -> LabResult:
    return hours_ago(value, hours, analyte="bun")


NORMAL_GLUCOSE = glucose("100")


@pytest.mark.parametrize(
    ("measured", "nitrogen", "shown"),
    [("285", "28", "275"), ("284.9", "28", None), ("290", "14", "285"), ("300", "14", "295")],
)
def test_only_osmolality_that_urea_does_not_explain_speaks_for_an_artefact(
    measured: str, nitrogen: str, shown: str | None
) -> None:
    found = suspicion(lab("125"), osmolality(measured), bun(nitrogen), NORMAL_GLUCOSE)
    assert (found.shown if found else None) == shown
    assert found is None or found.kind == "osmolality"


def test_urea_in_millimoles_is_subtracted_as_it_is() -> None:
    urea = lab("10", analyte="bun", unit="mmol/L")
    assert suspicion(lab("125"), osmolality("285"), urea, NORMAL_GLUCOSE) is not None
    assert suspicion(lab("125"), osmolality("284"), urea, NORMAL_GLUCOSE) is None


def test_alcohol_is_subtracted_where_it_is_known() -> None:
    results = (lab("125"), osmolality("295"), bun("28"), NORMAL_GLUCOSE)
    assert suspicion(*results, lab("46", analyte="ethanol")) is not None
    assert suspicion(*results, lab("46.1", analyte="ethanol")) is None


@pytest.mark.parametrize(("hours", "known"), [(1, True), (1.1, False)])
def test_osmolality_must_be_near_the_sodium(hours: float, known: bool) -> None:
    results = (lab("125"), osmolality("295", hours), bun("14"), NORMAL_GLUCOSE)
    assert (suspicion(*results) is not None) is known


@pytest.mark.parametrize(("hours", "known"), [(4, True), (4.1, False)])
def test_urea_must_be_near_the_sodium(hours: float, known: bool) -> None:
    found = suspicion(lab("125"), osmolality("295"), bun("14", hours), NORMAL_GLUCOSE)
    assert found is not None
    assert found.kind == ("osmolality" if known else "unproven")


def test_f49_an_osmolality_of_another_sodium_makes_no_artefact() -> None:
    results = (lab("125"), osmolality("290", 0.9), bun("14"), NORMAL_GLUCOSE)
    assert suspicion(*results) is not None
    assert suspicion(*results, hours_ago("125", 0.8)) is None


@pytest.mark.parametrize(("measured", "kind"), [("300", "osmolality"), ("300.1", "gap")])
def test_f49_above_the_normal_osmolality_something_else_is_in_the_blood(
    measured: str, kind: str
) -> None:
    found = suspicion(lab("125"), osmolality(measured), bun("14"), NORMAL_GLUCOSE)
    assert found is not None
    assert (found.kind, found.explains) == (kind, kind == "osmolality")


@pytest.mark.parametrize(
    ("sodium_before", "measured", "hours", "kind"),
    [
        ("140", "325", 3, "gap"),
        ("140", "325", 4.1, None),
        ("140", "305.1", 3, "gap"),
        ("140", "305", 3, None),
        ("150", "320", 3, None),
    ],
)
def test_f49_a_gap_is_one_also_if_the_sodium_of_that_specimen_was_not_low(
    sodium_before: str, measured: str, hours: float, kind: str | None
) -> None:
    found = suspicion(
        lab("133"),
        hours_ago(sodium_before, hours),
        osmolality(measured, hours),
        bun("14"),
        glucose("100", hours),
        NORMAL_GLUCOSE,
    )
    assert (found.kind if found else None) == kind


def infused(name: str, *, hours: float | None, status: str = "completed") -> dict[str, Any]:
    """A drug of the medication list, given so many hours ago."""
    start = None if hours is None else NOW - timedelta(hours=hours)
    order = Order(
        reference="MedicationAdministration/1", drugs=(drug(name),), status=status, start=start
    )
    return {"read_exposures": lambda: (order,)}


@pytest.mark.parametrize(
    "name", ["mannitol", "glycerol", "sorbitol", "intravenous immunoglobulin", "iodinated contrast"]
)
def test_f13_with_a_drug_that_shifts_water_a_high_osmolality_is_no_artefact(name: str) -> None:
    results = (lab("120"), osmolality("315"), bun("20"), glucose("110"))
    found = suspicion(*results, **infused(name, hours=10))
    assert found == Pseudo(kind="shift", shown="315", drugs=(name,), at=NOW)


@pytest.mark.parametrize(
    ("measured", "hours", "kind"),  # urea takes 5 of it away
    [
        ("295", 24, "shift"),
        ("294.9", 24, "isotonic"),
        ("280", 24, "isotonic"),
        ("279.9", 24, None),
        ("301", 24.1, "gap"),
        ("301", None, "gap"),
    ],
)
def test_f13_the_drug_was_given_within_a_day_and_the_osmolality_is_high(
    measured: str, hours: float | None, kind: str | None
) -> None:
    results = (lab("120"), osmolality(measured), bun("14"), NORMAL_GLUCOSE)
    found = suspicion(*results, **infused("mannitol", hours=hours))
    assert (found.kind if found else None) == kind


def test_f13_urea_alone_makes_no_high_osmolality_under_mannitol() -> None:
    results = (lab("120"), osmolality("315"), bun("140"), NORMAL_GLUCOSE)
    assert suspicion(*results, **infused("mannitol", hours=1)) is None
    without_urea = (lab("120"), osmolality("315"))
    assert suspicion(*without_urea, **infused("mannitol", hours=1)) is not None


@pytest.mark.parametrize(
    "results",
    [
        (lab("125"), osmolality("274.9"), NORMAL_GLUCOSE),
        (lab("130"), osmolality("280"), NORMAL_GLUCOSE),
        (lab("125"), osmolality("295"), glucose("200")),
        (lab("125"), osmolality("295"), bun("14"), glucose("200")),
        (lab("138"), osmolality("295"), bun("14"), NORMAL_GLUCOSE),
        (lab("138"), osmolality("310")),
    ],
    ids=["osmolality low", "usual urea", "glucose high", "urea known", "not low", "nothing known"],
)
def test_with_a_low_osmolality_high_glucose_or_no_low_sodium_osmolality_tells_nothing(
    results: tuple[LabResult, ...],
) -> None:
    assert suspicion(*results) is None


@pytest.mark.parametrize(
    ("na", "measured", "more"),
    [
        ("122", "292", (NORMAL_GLUCOSE,)),
        ("122", "292", (bun("14"),)),
        ("113", "275", ()),
        ("130", "280.1", (NORMAL_GLUCOSE,)),
        ("113", "340", (NORMAL_GLUCOSE,)),
    ],
)
def test_m6_a_measured_osmolality_that_is_not_low_counts_also_without_urea_or_glucose(
    na: str, measured: str, more: tuple[LabResult, ...]
) -> None:
    found = suspicion(lab(na), osmolality(measured), *more)
    no_urea = not any(result.analyte == "bun" for result in more)
    assert found == Pseudo(kind="unproven", shown=measured, no_urea=no_urea)


def test_f13_beside_such_a_drug_a_normal_osmolality_needs_urea_and_glucose() -> None:
    results = (lab("125"), osmolality("290"), bun("14"), NORMAL_GLUCOSE)
    found = suspicion(*results, **infused("mannitol", hours=1))
    assert found is not None
    assert (found.kind, found.explains) == ("isotonic", True)
    for known in ((*results[:2], NORMAL_GLUCOSE), results[:3]):
        unknown = suspicion(*known, **infused("mannitol", hours=1))
        assert unknown is not None
        assert (unknown.kind, unknown.explains) == ("unproven", False)


@pytest.mark.parametrize(
    ("name", "hours", "kind"),
    [
        ("mannitol", 24, "shift"),
        ("mannitol", 24.1, "gap"),
        ("icodextrin", 168, "shift"),
        ("icodextrin", 168.1, "gap"),
        ("intravenous immunoglobulin", 168, "shift"),
        ("intravenous immunoglobulin", 168.1, "gap"),
    ],
)
def test_f13_what_stays_in_the_blood_counts_for_a_week(name: str, hours: float, kind: str) -> None:
    results = (lab("120"), osmolality("310"), bun("14"), NORMAL_GLUCOSE)
    found = suspicion(*results, **infused(name, hours=hours))
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(("hours", "kind"), [(6, "shift"), (6.1, None)])
def test_f13_the_osmolality_may_be_six_hours_from_the_sodium(
    hours: float, kind: str | None
) -> None:
    found = suspicion(lab("120"), osmolality("310", hours), **infused("mannitol", hours=10))
    assert (found.kind if found else None) == kind
    assert found is None or found.at == NOW - timedelta(hours=hours)


@pytest.mark.parametrize(("before", "kind"), [("124", "shift"), ("124.1", None)])
def test_f13_if_sodium_fell_since_the_osmolality_the_drug_does_not_explain_it(
    before: str, kind: str | None
) -> None:
    results = (lab("120"), hours_ago(before, 5), osmolality("310", 5))
    found = suspicion(*results, **infused("mannitol", hours=10))
    assert (found.kind if found else None) == kind


def by_route(name: str, route: Route, **more: Any) -> dict[str, Any]:
    """A drug of the medication list by one route, given five hours ago."""
    order = Order(
        reference="MedicationAdministration/1",
        drugs=(drug(name),),
        status="completed",
        start=NOW - timedelta(hours=5),
        route=route,
        **more,
    )
    return {"read_exposures": lambda: (order,)}


@pytest.mark.parametrize(
    ("name", "route", "kind"),
    [
        ("mannitol", "iv", "shift"),
        ("mannitol", "systemic", "gap"),
        ("sorbitol", "systemic", "gap"),
        ("glycine", "systemic", "gap"),
        ("iodinated contrast", "systemic", "gap"),
        ("intravenous immunoglobulin", "systemic", "gap"),
        ("glycerol", "systemic", "shift"),
        ("icodextrin", "systemic", "shift"),
    ],
)
def test_f13_the_route_decides_whether_it_comes_into_the_blood(
    name: str, route: Route, kind: str
) -> None:
    results = (lab("120"), osmolality("315"), bun("20"), glucose("110"))
    found = suspicion(*results, **by_route(name, route))
    assert (found.kind if found else None) == kind


TURP = Problem(
    concepts=frozenset({"irrigation"}),
    active=True,
    encounter_diagnosis=False,
    since=NOW - timedelta(hours=5),
    done=True,
)


@pytest.mark.parametrize(
    "record",
    [
        by_route("glycine", "systemic", irrigation=True),
        by_route("sorbitol", "systemic", irrigation=True),
        by_route("mannitol", "systemic", irrigation=True),
        {"problems": (TURP,)},
        {"problems": (TURP,), **by_route("mannitol", "iv")},
    ],
    ids=["glycine", "sorbitol", "mannitol", "procedure", "procedure and mannitol"],
)
@pytest.mark.parametrize("measured", ["285", "310"])
def test_f13_after_irrigation_no_osmolality_explains_an_acute_fall(
    record: dict[str, Any], measured: str
) -> None:
    results = (lab("118"), hours_ago("139", 8), osmolality(measured), bun("14"), NORMAL_GLUCOSE)
    case = case_of(*results, **record)
    assert case.pseudo is not None
    assert (case.pseudo.kind, case.pseudo.explains) == ("irrigant", False)
    assert case.sodium.acute is not None
    assert case.acute_setting is not None


def test_f13_the_irrigation_of_the_day_before_says_nothing() -> None:
    old = replace(TURP, since=NOW - timedelta(hours=24.1))
    results = (lab("125"), osmolality("290"), bun("14"), NORMAL_GLUCOSE)
    found = suspicion(*results, problems=(old,))
    assert found is not None
    assert found.kind == "osmolality"
    near = suspicion(*results, problems=(replace(TURP, since=NOW - timedelta(hours=24)),))
    assert near is not None
    assert near.kind == "irrigant"


def test_f13_with_immunoglobulin_an_acute_fall_to_a_normal_osmolality_is_explained() -> None:
    results = (lab("118"), hours_ago("139", 20), osmolality("285"), bun("14"), NORMAL_GLUCOSE)
    case = case_of(*results, **infused("intravenous immunoglobulin", hours=3))
    assert case.sodium.acute is None
    low = (*results[:2], osmolality("260"), *results[3:])
    assert case_of(*low, **infused("intravenous immunoglobulin", hours=3)).sodium.acute is not None


@pytest.mark.parametrize(
    ("laboratory", "hours", "direct", "found"),
    [
        ("128", 1, "136", True),
        ("128", 1, "133", True),
        ("128", 1, "132.9", False),
        ("132", 1, "136", True),
        ("132", 1, "135.9", False),
        ("128", 1.01, "136", False),
        ("128", -0.1, "140", True),
    ],
)
def test_f12_a_direct_measurement_far_above_the_laboratory_is_used(
    laboratory: str, hours: float, direct: str, found: bool
) -> None:
    case = case_of(lab(laboratory), hours_ago(direct, hours, method="poc"))
    latest, verdict = case.series.latest, case.pseudo
    assert latest is not None
    assert (latest.shown == direct) is found
    assert (verdict is not None and verdict.kind == "direct-ise") is found
    assert [s.shown for s in case.series.falsely_low] == ([laboratory] if found else [])


def test_a_low_direct_measurement_confirms_the_laboratory() -> None:
    nearer = hours_ago("129", 0.2, method="poc")
    assert suspicion(lab("128"), nearer, hours_ago("137", 0.8, method="poc")) is None


def test_two_low_values_of_one_method_contradict_nothing() -> None:
    assert suspicion(lab("128"), hours_ago("140", 0.5)) is None


def test_f12_a_direct_value_is_never_called_an_artefact_by_its_osmolality() -> None:
    results = (osmolality("290"), bun("14"), NORMAL_GLUCOSE)
    assert suspicion(lab("125", method="poc"), *results) is None


@pytest.mark.parametrize(
    ("measured", "hours", "hinted"), [("274.9", 24, False), ("275", 24, True), ("260", 25, True)]
)
def test_f12_a_low_osmolality_of_the_day_makes_the_hint_needless(
    measured: str, hours: float, hinted: bool
) -> None:
    lipids = lab("2000", analyte="triglyceride")
    found = suspicion(lab("118"), lipids, osmolality(measured, hours))
    assert (found is not None) is hinted


def test_f12_a_direct_value_that_agrees_makes_the_hint_needless() -> None:
    lipids = lab("2000", analyte="triglyceride")
    assert suspicion(lab("118"), lipids, hours_ago("119", 0.5, method="poc")) is None
    lower = suspicion(lab("118"), lipids, hours_ago("112", 0.5, method="poc"))
    assert lower is not None


@pytest.mark.parametrize(
    ("analyte", "value", "hours", "hint"),
    [
        ("triglyceride", "1500", 24, "triglyceride"),
        ("triglyceride", "1499.9", 24, None),
        ("triglyceride", "1500", 24.5, None),
        ("total-protein", "10", 0, "protein"),
        ("total-protein", "9.9", 0, None),
    ],
)
def test_lipids_and_protein_are_a_hint_and_nothing_more(
    analyte: str, value: str, hours: float, hint: str | None
) -> None:
    found = suspicion(lab("115"), hours_ago(value, hours, analyte=analyte))
    assert found == (Pseudo(kind="hint", shown="", hints=(hint,)) if hint else None)


@pytest.mark.parametrize(("active", "hints"), [(True, ("myeloma",)), (False, ())])
def test_active_myeloma_is_a_hint_and_nothing_more(active: bool, hints: tuple[str, ...]) -> None:
    problem = Problem(
        concepts=frozenset({"myeloma"}), active=active, encounter_diagnosis=False, since=None
    )
    found = suspicion(lab("115"), problems=(problem,))
    assert (found.hints if found else ()) == hints
    assert found is None or found.kind == "hint"


def test_hints_go_with_a_stronger_suspicion() -> None:
    lipids = lab("2000", analyte="triglyceride")
    found = suspicion(lab("128"), lab("140", method="poc"), lipids)
    assert found == Pseudo(kind="direct-ise", shown="140", hints=("triglyceride",))


# ---- wild input ------------------------------------------------------------------------------------------

wild = st.builds(
    hours_ago,
    st.sampled_from(["0", "5.5", "60", "128", "140", "300", "1E+30", "NaN", "-Infinity"]),
    st.sampled_from([-5.0, -0.1, 0.0, 0.5, 3.0, 30.0]),
    analyte=st.sampled_from(["sodium", *LABS]),
    unit=st.sampled_from(["mmol/L", "mg/dL", "mOsm/kg", "", "g/dL"]),
    comparator=st.sampled_from(["", "<", ">"]),
    method=st.sampled_from(["lab", "poc"]),
    specimen=st.sampled_from(["", "s/1"]),
    day_only=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(wild, max_size=10).flatmap(
        lambda labs: st.tuples(st.just(labs), st.permutations(labs))
    )
)
def test_no_record_breaks_it_and_its_order_does_not_matter(
    labs: tuple[list[LabResult], list[LabResult]],
) -> None:
    recorded, shuffled = labs
    assert shift_of(*recorded) == shift_of(*shuffled)
    assert suspicion(*recorded) == suspicion(*shuffled)


def test_pairs_are_only_for_samples_that_have_one() -> None:
    assert case_of(lab("128")).glucose_pairs == {}


def test_every_analyte_that_is_asked_for_is_in_the_knowledge() -> None:
    asked = {"glucose", "serum-osmolality", "bun", "ethanol", "triglyceride", "total-protein"}
    assert asked <= set(LABS)
    assert LABS["bun"].units["mmol/l"] == "2.8"
