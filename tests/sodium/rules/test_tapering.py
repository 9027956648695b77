"""A drug is tapered by its class and by how long it was taken, on every card (DRUG, M12)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding, Line
from cds_service.knowledge.names import Missing
from cds_service.sodium.rules.book import BOOK
from cds_service.sodium.snapshot import Order
from cds_service.sodium.tapering import begun_lately, never_abruptly
from tests.sodium.patients import Story, drugs, order, result, sets
from tests.sodium.rules.orders import Scene, selected, table

GENTLY = {
    *("review-gently", "acute-stop-gently", "culprit-gently", "home-gently", "decide-gently"),
    *("not-abruptly", "keep-partner", "keep-partner-antiseizure"),
}
AT_ONCE = {"review-early", "culprit-early", "home-early", "begun-lately"}
TAPERED = tuple(sorted(n for n, d in drugs().items() if d.cls in sets().never_abruptly.members))
SHORT = tuple(n for n in TAPERED if drugs()[n].cls in sets().tapered_after_weeks.members)
STAY_DAYS = 20.0
DAYS = (3.0, 8.0, 13.9, 14.1, 60.0, 700.0, None)
FELL = (result("sodium", 138, 18 * 24), result("sodium", 131, 96))


def taking(*orders: Order, sodium: str = "126", **more: object) -> Story:
    """An inpatient of twenty days whose sodium falls."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        stay_days=STAY_DAYS,
        results=FELL,
        orders=orders,
        **more,  # type: ignore[arg-type]  # keywords of Story
    )


def began(name: str, days: float | None, **more: object) -> Order:
    return order(name, days=days, reference=f"MedicationRequest/{name}", **more)  # type: ignore[arg-type]  # keywords of order


def told(story: Story) -> Iterator[Line]:
    """Every line of the chart, of the discharge and of a renewal of what is taken."""
    for profile in ("aasld", "european"):
        case = story.case(profile)
        found = [rule(case) for rule in (*BOOK.chart.values(), *BOOK.discharge.values())]
        for drug in (d for o in story.orders for d in o.drugs):
            renewal = selected(drug.name)
            drafted = replace(story, drafts=(renewal,)).case(profile)
            found += [rule.judge(drafted, renewal) for rule in BOOK.order.values()]
        for finding in found:
            if isinstance(finding, Finding):
                yield from (*finding.do, *finding.why)


@pytest.mark.parametrize("days", DAYS)
@pytest.mark.parametrize("name", TAPERED)
def test_only_an_antidepressant_of_days_is_stopped_at_once(name: str, days: float | None) -> None:
    case = taking(began(name, days)).case()
    [drug] = [e.drug for e in case.exposures.active]
    lately = name in SHORT and days is not None and days < 14
    assert begun_lately(case, drug) is lately
    assert never_abruptly(case, drug) is not lately


@pytest.mark.parametrize("days", [3.0, 8.0, 60.0, None])
@pytest.mark.parametrize("name", TAPERED)
@pytest.mark.parametrize("sodium", ["133", "126", "117"])
def test_no_card_contradicts_how_long_the_drug_was_taken(
    sodium: str, name: str, days: float | None
) -> None:
    story = taking(began(name, days), sodium=sodium)
    keys = {line.key for line in told(story)}
    lately = name in SHORT and days is not None and days < 14
    assert not keys & (GENTLY if lately else AT_ONCE)


@pytest.mark.parametrize(
    "name", [one for one in SHORT if one not in ("paroxetine", "fluoxetine")]
)  # the same drug is one chain of orders
@pytest.mark.parametrize(
    "before",
    [
        began("paroxetine", 90, ended=9, status="stopped"),
        began("paroxetine", 90),
        began("paroxetine", None),
        began("fluoxetine", 200, ended=40, status="stopped"),
    ],
    ids=["stopped before", "taken beside", "undated", "stopped weeks before"],
)
def test_after_a_like_drug_it_is_tapered(name: str, before: Order) -> None:
    case = taking(began(name, 8), before).case()
    [drug] = [e.drug for e in case.exposures.active if e.drug.name == name]
    assert never_abruptly(case, drug)


@pytest.mark.parametrize("hours", [0, 2, 23])
@pytest.mark.parametrize("name", SHORT)
def test_what_is_ordered_at_the_admission_may_have_been_taken_at_home(
    name: str, hours: float
) -> None:
    story = replace(taking(began(name, 8 - hours / 24)), stay_days=8)
    case = story.case()
    [drug] = [e.drug for e in case.exposures.active]
    assert never_abruptly(case, drug)


@pytest.mark.parametrize("sodium", ["129", "126", "124", "119"])
@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("days", [2.5, 5.0, 9.0, 17.0])
def test_a_fall_of_the_stay_is_on_the_face_at_discharge(
    sodium: str, profile: str, days: float
) -> None:
    story = replace(taking(sodium=sodium), results=(result("sodium", 138, days * 24),))
    card = BOOK.discharge["DC-LOW"](story.case(profile))
    assert isinstance(card, Finding)
    face = [line.key for line in card.do[:FACE_BULLETS]]
    assert "fell-in-stay" in face
    assert {"fell-first", "falling-first", "senior-first"} & set(face)
    assert card.indicator != "info"


SCENES = (
    Scene(
        says="M12: duloxetine of eight days is ordered again at 126: stop it now",
        order=selected("duloxetine"),
        story=taking(began("duloxetine", 8)),
        fires={"OS-LOW": "warning falling"},
        shows=("begun-lately",),
        hides=("not-abruptly",),
    ),
    Scene(
        says="M12: duloxetine of two years is ordered again at 126: not abruptly",
        order=selected("duloxetine"),
        story=taking(began("duloxetine", 700)),
        fires={"OS-LOW": "warning falling"},
        shows=("not-abruptly",),
        hides=("begun-lately",),
    ),
)


@table(SCENES)
def test_a_renewal_is_told_by_how_long_it_was_taken(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("why", [Missing.FAILED, Missing.TIMEOUT, Missing.TRUNCATED])
@pytest.mark.parametrize("key", ["medications", "pastMedications"])
@pytest.mark.parametrize("name", SHORT)
def test_a_list_that_was_not_read_to_its_end_leaves_the_start_in_doubt(
    name: str, key: str, why: Missing
) -> None:
    """The order may renew what was taken for years, and a sudden stop would harm."""
    case = taking(began(name, 8), missing={key: why}).case()
    [drug] = [e.drug for e in case.exposures.active]
    assert never_abruptly(case, drug)
