"""The assembly of the case: age, pregnancy, dialysis, comfort care, and no snapshot that breaks it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.knowledge.names import AnalyteSet, ClassSet, ConceptSet, DrugSet, ProblemSet
from cds_service.sodium.case import Case, assess
from cds_service.sodium.rules.book import Gate, closed
from cds_service.sodium.snapshot import (
    LabResult,
    Missing,
    Moment,
    Order,
    Patient,
    Problem,
    Snapshot,
)
from cds_service.sodium.volume import Volume
from cds_service.terminology.types import Saline
from tests.sodium.cases import NOW, limits
from tests.sodium.patients import (
    Story,
    concepts,
    drug,
    drugs,
    labs,
    order,
    problem,
    result,
    sets,
    words,
)


@pytest.mark.parametrize(
    ("born", "age"),
    [
        (date(1976, 11, 15), 50),
        (date(1976, 11, 16), 49),
        (date(2008, 11, 15), 18),
        (date(1960, 2, 29), 66),
        (None, None),
    ],
)
def test_age_is_counted_in_whole_years_on_the_day_of_the_call(
    born: date | None, age: int | None
) -> None:
    assert Story(patient=Patient(birth_date=born)).case().age_years == age


@pytest.mark.parametrize(("zone", "age"), [(11, 49), (12, 50), (-12, 49)])
def test_the_day_of_the_call_is_that_of_the_client(zone: int, age: int) -> None:
    story = Story(patient=Patient(birth_date=date(1976, 11, 16)), zone=timedelta(hours=zone))
    assert story.case().age_years == age


@pytest.mark.parametrize(
    ("pregnancy", "pregnant"),
    [
        (problem("pregnancy", days=300), True),
        (problem("pregnancy", days=301), False),
        (problem("pregnancy", days=None), False),
        (problem("pregnancy", days=None, encounter=True), True),
        (problem("pregnancy", active=False), False),
    ],
)
def test_pregnancy_lasts_at_most_three_hundred_days(pregnancy: Problem, pregnant: bool) -> None:
    assert Story(problems=(pregnancy,)).case().pregnant is pregnant


def test_dialysis_and_comfort_care_count_at_any_date_and_a_palliative_consult_changes_nothing() -> (
    None
):
    both = Story(
        problems=(problem("dialysis", days=None), problem("comfort-care", days=None))
    ).case()
    assert (both.dialysis, both.comfort_care) == (True, True)
    consult = Story(problems=(problem("hospice"),)).case()
    assert (consult.dialysis, consult.comfort_care) == (False, False)


def test_comfort_care_counts_as_the_reason_of_the_visit_too() -> None:
    assert Story(reasons=frozenset({"comfort-care"})).case().comfort_care
    assert not Story(reasons=frozenset({"dialysis"})).case().comfort_care


def test_an_empty_record_is_a_case_without_findings() -> None:
    case = assess(Snapshot(now=NOW), limits(), sets(), labs())
    assert case.sodium.latest is None
    assert case.volume.status is Volume.UNKNOWN
    assert case.restriction.verdict == "none"
    assert case.exposures.active == ()
    assert not case.risk.high


def test_the_risk_of_osmotic_demyelination_reaches_the_rate() -> None:
    rising = Story(sodium=123, results=(result("sodium", 116, 22),))
    assert rising.case().rate.level == "info"
    assert (
        replace(rising, problems=(problem("alcohol-use-disorder"),)).case().rate.level == "warning"
    )


def test_glucose_reaches_the_band() -> None:
    assert Story(sodium=128, results=(result("glucose", 600),)).case().sodium.low is False


def test_a_planned_fall_after_a_rise_above_the_limit_is_not_acute() -> None:
    fallen = Story(sodium=117, results=(result("sodium", 112, 40), result("sodium", 126, 20)))
    assert fallen.case().rate.episode is not None
    assert fallen.case().sodium.acute is None


def test_results_beside_sodium_are_at_hand_in_the_units_of_the_knowledge() -> None:
    case = Story(results=(result("creatinine", "176.8", unit="µmol/L"),)).case()
    reading = case.readings.latest("creatinine", timedelta(hours=3))
    assert reading is not None
    assert round(reading.value, 2) == Decimal("2.00")


@pytest.mark.parametrize(
    "unusable",
    [
        result("potassium", "3.0", unit="furlongs"),
        result("potassium", "3.0", status="entered-in-error"),
        result("potassium", "3.0", status="cancelled"),
        result("potassium", "3.0", hours=-1),
        replace(result("potassium", "3.0"), time=None),
        replace(result("potassium", "3.0"), value=Decimal("NaN")),
        replace(result("potassium", "3.0"), urine=True),
    ],
)
def test_an_unusable_result_is_left_out(unusable: LabResult) -> None:
    assert not Story(results=(unusable,)).case().risk.high


def test_a_creatinine_without_a_unit_is_not_seen_because_88_may_be_micromoles() -> None:
    unclear = Story(results=(result("creatinine", 88, unit=""), result("gcs", 13, unit=""))).case()
    assert unclear.readings.all("creatinine") == ()
    assert unclear.symptoms.gcs == 13


@pytest.mark.parametrize(
    ("unusable", "why"),
    [
        (result("creatinine", 88, unit=""), "unit"),
        (result("creatinine", "1E+20"), "implausible"),
        (replace(result("creatinine", 1), status="cancelled"), "status"),
        (replace(result("creatinine", 1), urine=True), "specimen"),
        (replace(result("creatinine", 1), time=None), "time"),
        (replace(result("creatinine", 1), time=Moment(at=NOW + timedelta(days=1))), "future"),
    ],
)
def test_each_result_that_is_left_out_has_a_reason(unusable: LabResult, why: str) -> None:
    readings = Story(results=(unusable,)).case().readings
    assert readings.all("creatinine") == ()
    assert [(r.analyte, r.why) for r in readings.left_out()] == [("creatinine", why)]


# ---- knowledge that the clinical inputs rest on ----------


def test_every_name_in_a_set_exists_in_the_file_of_its_kind() -> None:
    known: dict[type[ConceptSet], Collection[str]] = {
        ProblemSet: concepts(),
        ClassSet: words().drug_classes,
        DrugSet: drugs(),
        AnalyteSet: labs(),
    }
    for name, chosen in sets().by_name():
        if type(chosen) in known:
            assert set(chosen.members) <= set(known[type(chosen)]), name
    assert set(sets().adverse_effects) <= set(concepts())


def test_every_symptom_and_every_evidence_has_short_words() -> None:
    shown = words()
    for name in ("severe", "severe_when_profound", "moderate", "mild", "fall_or_fracture"):
        assert set(getattr(sets(), name).members) <= set(shown.symptoms), name
    evidence = (
        "salt_wasting",
        "subarachnoid",
        "adrenal",
        "hypovolemia",
        "brain_injury",
        "overload",
    )
    for name in (
        *evidence,
        "overload_recent",
        "overload_weak",
        "siadh",
        "demyelination_risk",
        "low_potassium",
    ):
        assert set(getattr(sets(), name).members) <= set(shown.evidence), name
    assert set(sets().red_flags.members) <= set(shown.evidence)
    for section in (shown.symptoms, shown.evidence, shown.labs):
        assert [text for text in section.values() if len(text) > 34] == []


def test_every_analyte_and_every_reason_a_source_is_missing_has_words() -> None:
    assert set(labs()) <= set(words().labs)
    assert {m.value for m in Missing} <= set(words().missing)


# ---- never raises ----------

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
) | st.sampled_from(
    [NOW, NOW - timedelta(hours=3), NOW - timedelta(days=20), NOW.astimezone(timezone.max)]
)
NUMBERS = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [Decimal(0), Decimal(-5), Decimal(124)]
)
UNITS = st.sampled_from(["", "mmol/L", "mg/dL", "kg", "mm[Hg]", "?"])
DRUG_NAMES = st.sampled_from(
    ["sertraline", "furosemide", "hydrochlorothiazide", "tolvaptan", "carbamazepine"]
)


def _results() -> st.SearchStrategy[LabResult]:
    return st.builds(
        LabResult,
        analyte=st.sampled_from([*sorted(labs()), "nonsense"]),
        value=NUMBERS,
        unit=UNITS,
        comparator=st.sampled_from(["", "<", "<=", ">", ">="]),
        time=st.none() | st.builds(Moment, at=INSTANTS, day_only=st.booleans()),
        status=st.sampled_from(["final", "preliminary", "unknown", "", "entered-in-error"]),
        method=st.sampled_from(["lab", "poc"]),
        urine=st.booleans(),
    )


def _orders() -> st.SearchStrategy[Order]:
    salines = st.builds(Saline, kind=st.just("isotonic"), volume_ml=st.none() | NUMBERS)
    return st.builds(
        Order,
        reference=st.sampled_from(["MedicationRequest/1", "MedicationAdministration/2", ""]),
        kind=st.sampled_from(["medication", "nutrition", "other"]),
        drugs=st.lists(DRUG_NAMES.map(drug), max_size=2).map(tuple),
        saline=st.none() | salines,
        status=st.sampled_from(["active", "stopped", "on-hold", "", "draft"]),
        intent=st.sampled_from(["order", "", "proposal"]),
        start=st.none() | INSTANTS,
        end=st.none() | INSTANTS,
        authored=st.none() | INSTANTS,
        duration_days=st.none() | NUMBERS,
        daily_dose_mg=st.none() | NUMBERS,
    )


def _problems() -> st.SearchStrategy[Problem]:
    return st.builds(
        Problem,
        concepts=st.frozensets(st.sampled_from(sorted(concepts())), max_size=3),
        active=st.booleans(),
        encounter_diagnosis=st.booleans(),
        since=st.none() | INSTANTS,
    )


SNAPSHOTS = st.builds(
    Snapshot,
    now=st.just(NOW),
    patient=st.builds(Patient, birth_date=st.none() | st.dates()),
    labs=st.lists(_results(), max_size=6).map(tuple),
    problems=st.lists(_problems(), max_size=4).map(tuple),
    read_exposures=st.lists(_orders(), max_size=4).map(lambda orders: lambda: tuple(orders)),
    drafts=st.lists(_orders(), max_size=2).map(tuple),
    setting=st.sampled_from(["inpatient", "outpatient"]),
)


@given(snapshot=SNAPSHOTS, profile=st.sampled_from(["aasld", "european"]))
@settings(max_examples=200, deadline=None)
def test_no_snapshot_breaks_the_case(snapshot: Snapshot, profile: str) -> None:
    assert isinstance(assess(snapshot, limits(profile), sets(), labs()), Case)


def test_every_shipped_drug_can_be_an_exposure() -> None:
    taken = tuple(order(name) for name in sorted(drugs()))
    assert len(Story(orders=taken).case().exposures.active) == len(drugs())


@pytest.mark.parametrize(("repeat", "falls"), [((), False), ((("sodium", 123, 1),), True)])
def test_f44_a_fall_that_is_not_confirmed_is_not_told(
    repeat: tuple[tuple[str, float, float], ...], falls: bool
) -> None:
    results = (result("sodium", 165, 10), *(result(*again) for again in repeat))
    case = Story(sodium=122, results=results).case()
    assert (case.sodium.falling is not None) is falls


PREGNANT = problem("pregnancy", days=200)


@pytest.mark.parametrize(
    ("outcome", "pregnant"),
    [
        (problem("pregnancy-ended", days=199), False),
        (problem("pregnancy-ended", days=200), False),
        (problem("pregnancy-ended", days=199, active=False), False),
        (problem("pregnancy-ended", days=201), True),  # pregnant again
        (problem("pregnancy-ended", days=None), True),  # nothing says that it came later
        (problem("hypothyroid", days=1), True),
    ],
)
def test_f20_a_later_outcome_ends_a_pregnancy(outcome: Problem, pregnant: bool) -> None:
    assert Story(problems=(PREGNANT, outcome)).case().pregnant is pregnant


def test_f20_an_undated_pregnancy_of_this_visit_and_the_reasons_of_the_visit() -> None:
    now, ended = problem("pregnancy", days=None, encounter=True), problem("pregnancy-ended", days=1)
    assert Story(problems=(now, ended)).case().pregnant
    assert Story(problems=(ended,), reasons=frozenset({"pregnancy"})).case().pregnant
    both = frozenset({"pregnancy", "pregnancy-ended"})
    assert not Story(problems=(PREGNANT,), reasons=both).case().pregnant
    assert not Story(problems=(PREGNANT,), reasons=frozenset({"pregnancy-ended"})).case().pregnant


@pytest.mark.parametrize(("days", "withheld"), [(41.9, True), (42.1, False), (None, True)])
def test_f20_for_six_weeks_after_it_restriction_is_withheld(
    days: float | None, withheld: bool
) -> None:
    siadh, ended = problem("siadh", days=5), problem("pregnancy-ended", days=days)
    verdict = Story(sodium="124", problems=(siadh, PREGNANT, ended)).case().restriction
    assert ("withheld-postpartum" in [r.key for r in verdict.reasons]) is withheld


WORDS = problem("comfort-words", encounter=True)


@pytest.mark.parametrize(
    ("codes", "silent"),
    [
        (("hospice",), True),
        (("do-not-resuscitate",), True),
        (("hospice", "do-not-resuscitate"), True),
        ((), False),
    ],
)
def test_f30_comfort_care_in_words_needs_a_code_beside_it(
    codes: tuple[str, ...], silent: bool
) -> None:
    coded = tuple(problem(code, days=None) for code in codes)
    assert Story(problems=(WORDS, *coded)).case().comfort_care is silent
    assert not Story(problems=coded).case().comfort_care


def test_f30_in_words_alone_comfort_care_withholds_restriction() -> None:
    story = Story(sodium="124", problems=(problem("siadh", days=5), WORDS))
    assert [r.key for r in story.case().restriction.reasons] == ["withheld-comfort-care"]


@pytest.mark.parametrize(
    ("days", "gate"), [(1, "under-age"), (0, None), (-364, None), (-366, None)]
)
def test_an_adult_is_eighteen_on_the_day(days: int, gate: str | None) -> None:
    case = Story(sodium="118").case()
    now = case.snapshot.now
    born = now.date().replace(year=now.year - 18) + timedelta(days=days)
    patient = replace(case.snapshot.patient, birth_date=born)
    snapshot = replace(case.snapshot, patient=patient)
    aged = assess(snapshot, case.limits, case.sets, case.labs)
    gates: tuple[Gate, ...] = ("under-age",)
    assert closed(aged, gates) == gate
