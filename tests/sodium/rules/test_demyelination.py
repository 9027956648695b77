"""F4: signs of demyelination after too fast a rise lead, on the chart and at discharge."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Silence
from cds_service.sodium.case import Case
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import LabResult, Order, Problem
from tests.sodium.patients import Story, isotonic, order, problem, result
from tests.sodium.rules.cases import fired, keys, part_keys, summary
from tests.sodium.rules.charts import after_a_rise

TELLING = ("myelinolysis", "locked-in", "tetraplegia", "dysarthria", "dysphagia", "coma", "stupor")
UNSPECIFIC = ("gait", "confusion")
PROFILES = ("aasld", "european")


def at_discharge(case: Case) -> dict[str, Finding]:
    found = (rule(case) for rule in BOOK.discharge.values())
    return {one.rule: one for one in found if isinstance(one, Finding)}


def face(finding: Finding) -> list[str]:
    return [told.key for told in finding.do][:FACE_BULLETS]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("days", [0.1, 1, 3.5])
@pytest.mark.parametrize("sign", [*TELLING, *UNSPECIFIC])
def test_a_sign_on_the_chart_is_no_reason_to_come_back_for_it(
    sign: str, days: float, profile: str
) -> None:
    case = after_a_rise(problem(sign, days=days)).case(profile)
    level = "critical" if sign in TELLING else "warning"
    chart, home = fired(case)["PV-ODS"], at_discharge(case)["DC-OVER"]
    assert (chart.indicator, home.indicator, home.variant) == (level, level, "signs")
    assert "demyelination-mri" in face(chart)
    assert {"signs-stay", "demyelination-mri"} <= set(face(home))
    assert ("demyelination-relower" in face(home)) is (days <= 2)
    assert "come-back" not in keys(home)


@pytest.mark.parametrize(
    ("says", "story"),
    [
        ("no sign", after_a_rise()),
        ("from before the rise", after_a_rise(problem("dysarthria", days=6))),
        ("from its first day", after_a_rise(problem("confusion", days=5.2))),
        ("unspecific and without a date", after_a_rise(problem("confusion", days=None))),
        ("over again", after_a_rise(problem("dysarthria", days=1, active=False))),
        (
            "a slow rise",
            Story(
                setting="inpatient",
                sodium="134",
                results=(result("sodium", "128", 120), result("sodium", "131", 60)),
                problems=(problem("dysarthria", days=1),),
            ),
        ),
    ],
)
def test_what_is_no_sign_of_this_rise(says: str, story: Story) -> None:
    assert "PV-ODS" not in fired(story.case()), says
    assert all(f.variant != "signs" for f in at_discharge(story.case()).values())


@pytest.mark.parametrize("sign", ["dysphagia", "dysarthria", "tetraplegia", "myelinolysis"])
@pytest.mark.parametrize("encounter", [False, True])
def test_a_telling_sign_without_a_date_is_told_and_asked_for(sign: str, encounter: bool) -> None:
    """Its date could not be read, or was never sent: it may have come after the rise."""
    found = fired(after_a_rise(problem(sign, days=None, encounter=encounter)).case())["PV-ODS"]
    assert (found.indicator, found.variant) == ("warning", "undated")
    assert "demyelination-new" in part_keys(found)


@pytest.mark.parametrize("days", [0.5, 6])
@pytest.mark.parametrize("sign", ["dysarthria", "gait"])
def test_a_new_sign_beside_a_sodium_that_could_not_be_read_is_no_silence(
    sign: str, days: float
) -> None:
    """A sodium that was not read may be what it rose from."""
    results = (result("sodium", "108", 24 * days, unit="furlong"), result("sodium", "139", 2))
    story = Story(
        sodium="139", setting="inpatient", problems=(problem(sign, days=1),), results=results
    )
    outcome = BOOK.chart["PV-ODS"](story.case())
    assert isinstance(outcome, Silence)
    assert outcome.reason == ("rise-unread" if sign == "dysarthria" else "no-sign-after-a-rise")


def test_the_reason_of_a_visit_after_the_rise_counts() -> None:
    visit = replace(after_a_rise(), reasons=frozenset({"dysarthria"}), stay_days=0.1)
    assert fired(visit.case())["PV-ODS"].indicator == "critical"
    same_stay = replace(visit, stay_days=6)
    assert "PV-ODS" not in fired(same_stay.case())


def test_a_diagnosis_of_before_the_rise_stays_a_risk() -> None:
    case = after_a_rise(problem("myelinolysis", days=900)).case()
    assert "PV-ODS" not in fired(case)
    assert "myelinolysis" in case.risk.reasons


@pytest.mark.parametrize("sodium", ["131", "133"])
def test_a_mild_sodium_is_not_blamed_for_the_sign(sodium: str) -> None:
    cards = fired(after_a_rise(problem("gait", days=1), sodium=sodium, risen="133").case())
    assert "PV-ODS" in cards
    assert not [card for card in cards.values() if "with gait disturbance" in summary(card)]


RUNNING = (
    (),
    (isotonic("1000"),),
    (isotonic("1000"), order("urea", days=1, reference="MedicationRequest/urea")),
    (order("tolvaptan", days=1, reference="MedicationRequest/vaptan"),),
    (order("sodium chloride", days=1, reference="MedicationRequest/salt"),),
)
URINE = ((), (result("urine-osmolality", "78", 3),))
POTASSIUM = ((), (result("potassium", "2.9", 2),))
STOPS = ("stop-raising", "keep-down", "raising-", "hold-vaptan", "brake", "check-dialysate")


@pytest.mark.parametrize("signs", [(), (problem("dysarthria", days=0.02),)])
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("running", "urine", "potassium"), list(product(RUNNING, URINE, POTASSIUM))
)
@pytest.mark.parametrize("risen", ["122", "127"])
def test_what_the_chart_stops_the_discharge_stops(
    running: tuple[Order, ...],
    urine: tuple[LabResult, ...],
    potassium: tuple[LabResult, ...],
    risen: str,
    profile: str,
    signs: tuple[Problem, ...],
) -> None:
    story = Story(
        sodium=risen,
        setting="inpatient",
        results=(result("sodium", "106", 26), result("sodium", "117", 9), *urine, *potassium),
        orders=running,
        problems=signs,
        stay_days=2,
    )
    case = story.case(profile)
    chart, home = fired(case)["RATE-OVER"], at_discharge(case)["DC-OVER"]
    stops = [told for told in chart.do if told.key.startswith(STOPS)]
    assert stops
    assert all(told in home.do for told in stops)
    kept = ["signs-stay", "demyelination-mri"] if signs else ["stay"]
    assert face(home)[: len(kept)] == kept
    assert all(told in home.do[:FACE_BULLETS] for told in stops[: FACE_BULLETS - len(kept)])
    assert home.variant == "signs" if signs else home.variant in ("now", "jump")
    assert ("potassium-counts" in keys(home)) is bool(potassium)
    assert {"consult", "brake", "brake-vaptan"} & set(keys(home))


LIVER = (problem("cirrhosis", days=900),)
DIURETICS = (
    order("spironolactone", days=90, reference="MedicationRequest/s"),
    order("furosemide", days=90, reference="MedicationRequest/f"),
)
CREATININE = (result("creatinine", "1.0", 60), result("creatinine", "1.6", 4))
FALLS = (
    ("small", "123", 30),
    ("goes on", "126", 47),
    ("goes on by 5", "127", 40),
    ("acute", "134", 20),
)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("says", "before", "hours"), FALLS)
@pytest.mark.parametrize("sodium", ["117", "122", "124"])
@pytest.mark.parametrize(
    ("problems", "orders", "measured"),
    [
        (LIVER, DIURETICS, ()),
        (LIVER, DIURETICS, CREATININE),
        ((), (), CREATININE),
        ((problem("acute-kidney-injury", days=0.5),), (), ()),
        ((*LIVER, problem("confusion", days=0.2)), DIURETICS, CREATININE),
    ],
)
def test_a_fall_takes_back_no_stop_and_no_stay(
    problems: tuple[Problem, ...],
    orders: tuple[Order, ...],
    measured: tuple[LabResult, ...],
    sodium: str,
    says: str,
    before: str,
    hours: float,
    profile: str,
) -> None:
    stable = Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("sodium", sodium, 50), *measured),
        problems=problems,
        orders=orders,
        stay_days=10,
    )
    falling = replace(stable, results=(result("sodium", before, hours), *measured))
    before_it = at_discharge(stable.case(profile))["DC-LOW"]
    card = at_discharge(falling.case(profile))["DC-LOW"]
    stays = ("senior-first", "symptom-first", "acute-first", "adrenal-first")
    assert set(face(before_it)) & set(stays)
    assert set(face(card)) & set(stays), says
    stops = [told for told in before_it.do if told.key.startswith("stop-")]
    assert all(told in card.do[:FACE_BULLETS] for told in stops)
    assert not orders or "stop-cirrhosis" in keys(card)
    assert "culprit" not in keys(card)
    level = ("info", "warning", "critical").index
    assert level(card.indicator) >= level(before_it.indicator)
