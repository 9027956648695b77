"""Where volume is likely lost, vomiting may be the cause and not a sign of brain edema (F7, S20)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, part_keys, text_of
from tests.sodium.rules.test_weak_signs import at_discharge

VOMITING = problem("vomiting", days=1, encounter=True)
NORMAL_LATELY = (result("sodium", "139", 24 * 60),)
LOW_POTASSIUM = (result("potassium", "2.6", 2),)
NORMAL_POTASSIUM = (result("potassium", "4.2", 2),)
RISEN_CREATININE = (result("creatinine", "0.8", 60), result("creatinine", "1.6", 2))
FAST_HEART = (result("heart-rate", "114", 1),)
LOW_PRESSURE = (result("systolic", "86", 1),)
DRY: dict[str, dict[str, Any]] = {
    "coded": {"problems": (problem("hypovolemia", days=1),)},
    "diarrhea": {"problems": (problem("diarrhea", days=1),)},
    "pressure and pulse": {"results": (*LOW_PRESSURE, *FAST_HEART)},
    "kidney and pulse": {"results": (*RISEN_CREATININE, *FAST_HEART)},
    "urine and pulse": {"results": (result("urine-sodium", 11, 3), *FAST_HEART)},
    "pressure and a urine that vomiting makes": {
        "results": (
            *LOW_PRESSURE,
            *FAST_HEART,
            result("urine-sodium", 52, 3),
            result("urine-osmolality", 540, 3),
        )
    },
}
SEVERE = ("seizure", "coma", "respiratory-failure")
OF_THE_BRAIN = ("confusion", "headache", "lethargy")


def vomits(*problems: Any, results: tuple[Any, ...] = (), sodium: str = "121") -> Story:
    """A patient in hospital who vomits, with a normal sodium two months ago."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=(VOMITING, *problems),
        results=(*NORMAL_LATELY, *results),
    )


def dry_story(way: str, potassium: tuple[Any, ...]) -> Story:
    more = DRY[way]
    results = (*more.get("results", ()), *potassium)
    return vomits(*more.get("problems", ()), results=results)


def face(card: Finding) -> str:
    return "\n".join(text_of(card, told) for told in card.do[:FACE_BULLETS])


def face_keys(card: Finding) -> list[str]:
    return [part.key for told in card.do[:FACE_BULLETS] for part in told.parts()]


@pytest.mark.parametrize("way", DRY)
def test_volume_leads_where_it_is_lost_and_potassium_is_low(way: str) -> None:
    card = fired(dry_story(way, LOW_POTASSIUM).case("european"))["PV-SYMP"]
    words = face(card)
    assert card.indicator == "critical"
    assert words.index("Vomiting may be the cause") < words.index("isotonic saline (0.9%)")
    assert "with potassium** (it is 2.6 mmol/L" in words
    assert words.index("isotonic saline (0.9%)") < words.index("3% saline only with drowsiness")
    assert "osmotic demyelination" in words


@pytest.mark.parametrize("way", DRY)
def test_volume_leads_with_a_limit_where_potassium_is_normal(way: str) -> None:
    card = fired(dry_story(way, NORMAL_POTASSIUM).case("european"))["PV-SYMP"]
    words = face(card)
    assert words.index("isotonic saline (0.9%)") < words.index("3% saline only with drowsiness")
    assert "with potassium" not in words
    assert "ot above" in words


@pytest.mark.parametrize(("way", "sign"), list(product(DRY, (*SEVERE, *OF_THE_BRAIN))))
def test_beside_any_other_sign_3_percent_saline_leads(way: str, sign: str) -> None:
    story = dry_story(way, LOW_POTASSIUM)
    story = replace(story, problems=(*story.problems, problem(sign, days=0.1, encounter=True)))
    card = fired(story.case("european"))["PV-SYMP"]
    assert "only-beside-signs" not in part_keys(card)
    assert any(key.startswith("bolus-") for key in face_keys(card))


@pytest.mark.parametrize("way", DRY)
def test_where_sodium_fell_suddenly_3_percent_saline_leads(way: str) -> None:
    story = dry_story(way, LOW_POTASSIUM)
    story = replace(story, results=(*story.results, result("sodium", "138", 20)))
    card = fired(story.case("european"))["PV-SYMP"]
    assert "only-beside-signs" not in part_keys(card)


@pytest.mark.parametrize("potassium", [LOW_POTASSIUM, NORMAL_POTASSIUM])
def test_vomiting_alone_in_a_patient_who_is_not_dry_stays_a_sign(
    potassium: tuple[Any, ...],
) -> None:
    card = fired(vomits(results=potassium).case("european"))["PV-SYMP"]
    assert "bolus-european" in face_keys(card)
    assert "only-beside-signs" not in part_keys(card)


@pytest.mark.parametrize("harm", ["siadh", "brain-injury", "heart-failure"])
def test_where_isotonic_saline_may_harm_nothing_changes(harm: str) -> None:
    story = vomits(problem(harm, days=3), results=(*LOW_POTASSIUM,))
    assert "vomiting-dry-potassium" not in part_keys(fired(story.case("european"))["PV-SYMP"])


@pytest.mark.parametrize("way", DRY)
def test_the_other_profile_makes_no_emergency_of_it(way: str) -> None:
    assert "PV-SYMP" not in fired(dry_story(way, LOW_POTASSIUM).case("aasld"))


def test_the_pregnant_patient_reads_it_first_and_thiamine_is_named() -> None:
    story = vomits(problem("pregnancy", days=60), results=(*LOW_PRESSURE, *LOW_POTASSIUM))
    card = fired(story.case("european"))["PV-SYMP"]
    assert "pregnant" in face_keys(card)
    assert "vomiting-thiamine" in part_keys(card)


def test_a_light_patient_keeps_the_bolus_by_weight() -> None:
    story = vomits(results=(*LOW_PRESSURE, *LOW_POTASSIUM, result("weight", 44, 3)))
    assert "mL/kg" in face(fired(story.case("european"))["PV-SYMP"])


@pytest.mark.parametrize("profile", ["european", "aasld"])
@pytest.mark.parametrize("way", ["none", *DRY])
@pytest.mark.parametrize("sign", ["", *SEVERE])
def test_at_discharge_the_lines_on_saline_do_not_contradict(
    profile: str, way: str, sign: str
) -> None:
    story = dry_story(way, LOW_POTASSIUM) if way in DRY else vomits()
    problems = (*story.problems, *((problem(sign, days=0.1, encounter=True),) if sign else ()))
    card = at_discharge(replace(story, problems=problems), profile)
    told = set(part_keys(card))
    if "order-symptom" in told:
        assert not told & {"volume-lost", "volume-examine"}
    if not sign and way in DRY:
        assert "order-symptom" not in told
