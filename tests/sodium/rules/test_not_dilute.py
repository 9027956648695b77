"""A blood that is not dilute: saline is no treatment, and no line says so and its opposite (F13)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, summary, text_of
from tests.sodium.rules.orders import Scene, saline, selected, table

HIGH = (result("serum-osmolality", 324), result("bun", 58), result("glucose", 110))
AGENTS = ("mannitol", "glycerol", "sorbitol", "intravenous immunoglobulin", "iodinated contrast")
SEVERE = ("somnolence", "coma", "seizure", "stupor")
SHIFT = {"OS-HTS-PSEUDO": "warning shift"}


def shifted(*problems: Any, agent: str = "mannitol", **more: Any) -> Story:
    """Sodium 119 with an osmolality of 324 under a drug that draws water out of the cells."""
    running: tuple[Order, ...] = (order(agent, days=0.2, route="iv"),)
    return Story(
        sodium="119", setting="inpatient", results=HIGH, orders=running, problems=problems, **more
    )


def hyperglycemia(*problems: Any, sodium: str = "112", osmolality: str = "") -> Story:
    """Low sodium beside a glucose of 1300."""
    measured = (result("serum-osmolality", osmolality),) if osmolality else ()
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("glucose", 1300), *measured),
        problems=problems,
    )


SCENES = (
    *(
        Scene(
            says=f"F13: {name} with a high osmolality and {symptom}: no bolus, no order is kept",
            order=saline(),
            story=shifted(problem(symptom, days=0.05, encounter=True), agent=name),
            fires=SHIFT,
            shows=("coma-fits-shift", "stop-osmole"),
            hides=("treat-first", "sodium-after-each", "dialyze-osmole"),
        )
        for name in AGENTS
        for symptom in SEVERE
    ),
    Scene(
        says="F13: without a symptom the line does not say that there is one, and the order may go",
        order=saline(),
        story=shifted(),
        fires=SHIFT,
        removes=True,
        shows=("coma-fits-shift-none", "stop-osmole"),
        hides=("coma-fits-shift", "treat-first"),
    ),
    *(
        Scene(
            says=f"F13: {told} keeps mannitol in the blood: dialysis is named",
            order=saline(),
            story=shifted(problem(told, days=0.5)),
            fires=SHIFT,
            removes=True,
            shows=("stop-osmole", "dialyze-osmole"),
        )
        for told in ("acute-kidney-injury", "anuria", "ckd-4-5")
    ),
    Scene(
        says="F13: on dialysis the next session removes mannitol",
        order=saline(),
        story=shifted(problem("dialysis", days=900)),
        fires=SHIFT,
        removes=True,
        shows=("stop-osmole", "dialysis-clears-osmole"),
        hides=("dialyze-osmole",),
    ),
    Scene(
        says="F13: brain edema is a reason of its own, mannitol or not",
        order=saline(),
        story=shifted(problem("cerebral-edema", days=0.1), problem("coma", days=0.05)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("treat-first", "sodium-after-each"),
        hides=("coma-fits-shift",),
    ),
    Scene(
        says="F13: an osmolality of 280 under mannitol is not high: the bolus stays",
        order=saline(),
        story=Story(
            sodium="112",
            setting="inpatient",
            results=(result("serum-osmolality", 250), result("bun", 14), result("glucose", 100)),
            orders=(order("mannitol", days=0.2),),
            problems=(problem("seizure", days=0.05, encounter=True),),
        ),
        fires={"OS-HTS-SEV": "info main"},
        shows=("treat-first", "sodium-after-each"),
    ),
    Scene(
        says="F13: 112 with glucose 1300 is hypertonic (296), though corrected it is still low",
        order=saline(),
        story=hyperglycemia(problem("somnolence", days=0.05, encounter=True)),
        fires={"OS-HTS-GLU": "warning main"},
        shows=("coma-fits-glucose",),
        hides=("treat-first", "sodium-after-each"),
    ),
    Scene(
        says="F13: without a symptom the osmolality is named as what coma would fit",
        order=saline(),
        story=hyperglycemia(sodium="114", osmolality="301"),
        fires={"OS-HTS-GLU": "warning main", "OS-HTS-MILD": "warning main"},
        removes=True,
        shows=("coma-fits-osmolality-none",),
        hides=("treat-first",),
    ),
    Scene(
        says="F13: 105 with glucose 1300 is not hypertonic: the rescue stays",
        order=saline(),
        story=hyperglycemia(problem("seizure", days=0.05, encounter=True), sodium="105"),
        fires={"OS-HTS-SEV": "info main"},
        shows=("treat-first", "sodium-after-each"),
    ),
    Scene(
        says="F13: a vaptan is not for a water shift either",
        order=selected("tolvaptan"),
        story=shifted(),
        fires={"OS-HTS-PSEUDO": "warning shift", "OS-VAP-GEN": "warning danger"},
    ),
)


EDEMA = problem("cerebral-edema", days=1, encounter=True)
SYMPTOMS = {
    "edema": (EDEMA,),
    "edema, coma scale 9": (EDEMA,),
    "somnolence": (problem("somnolence", days=0.1, encounter=True),),
    "seizure": (problem("seizure", days=0.1, encounter=True),),
    "confusion": (problem("confusion", days=0.1, encounter=True),),
}
KIDNEYS = {
    "injury": ((problem("acute-kidney-injury", days=1, encounter=True),), ()),
    "creatinine": ((), (result("creatinine", "0.9", 40), result("creatinine", "2.7", 2))),
    "dialysis": ((problem("dialysis", days=900),), ()),
}
SODIUM_TARGET = ("sodium is up", "Ceiling", "Goal 4-6", "low sodium worsens it")


def swollen(symptom: str, kidneys: str, sodium: str, agent: str | None = "mannitol") -> Story:
    """A symptom or an edema beside a high osmolality, with what the kidneys do."""
    problems, measured = KIDNEYS[kidneys] if kidneys else ((), ())
    scale = (result("gcs", 9, 1),) if "scale" in symptom else ()
    story = shifted(*SYMPTOMS[symptom], *problems, agent=agent or "mannitol")
    orders = story.orders if agent else ()
    results = (*HIGH, *measured, *scale, result("sodium", 139, 90))
    return replace(story, sodium=sodium, results=results, orders=orders)


def cards_of(story: Story, profile: str) -> list[Finding]:
    found = fired(story.case(profile))
    return [found[rule] for rule in ("PV-SYMP", "PV-ENC", "PV-PSEUDO") if rule in found]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["113", "124", "128"])
@pytest.mark.parametrize("kidneys", ["", *KIDNEYS])
@pytest.mark.parametrize("symptom", list(SYMPTOMS))
@pytest.mark.parametrize("agent", ["mannitol", "glycerol", None])
def test_f13_a_symptom_or_an_edema_aims_at_no_sodium_in_a_blood_that_is_not_dilute(
    agent: str | None, symptom: str, kidneys: str, sodium: str, profile: str
) -> None:
    if agent is None and "edema" not in symptom:
        return  # what is unknown may be an alcohol, which draws no water
    cards = cards_of(swollen(symptom, kidneys, sodium, agent), profile)
    first = cards[0]
    told = " ".join([summary(first), *(text_of(first, one) for one in (*first.do, *first.why))])
    assert not [words for words in SODIUM_TARGET if words in told], told
    face = " ".join(text_of(first, one) for one in first.do[: FACE_BULLETS - 1])
    if "edema" in symptom:
        assert "no sodium target" in face
        assert "3% saline" in face
    if agent and kidneys:
        assert f"Stop {agent}" in face
    elif agent:
        assert agent in face


def test_f13_a_low_osmolality_beside_an_edema_keeps_the_bolus_and_its_end() -> None:
    low = (result("serum-osmolality", 250), result("bun", 14), result("glucose", 100))
    seen = problem("seizure", days=0.1, encounter=True)
    story = replace(shifted(EDEMA, seen), results=low)
    card = cards_of(story, "european")[0]
    assert "bolus-european" in keys(card)
    assert "low sodium worsens it" in summary(card)


@table(SCENES)
def test_orders_in_a_blood_that_is_not_dilute(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("agent", AGENTS)
def test_the_chart_says_to_stop_what_draws_the_water(agent: str) -> None:
    card = fired(shifted(problem("acute-kidney-injury", days=0.5), agent=agent).case())["PV-PSEUDO"]
    assert keys(card)[:3] == ["hypertonic-shift", "stop-osmole", "dialyze-osmole"]


def test_the_chart_names_no_dialysis_where_the_kidneys_work() -> None:
    assert "dialyze-osmole" not in keys(fired(shifted().case())["PV-PSEUDO"])


PERITONEAL = problem("dialysis", days=900)


def dwelling(sodium: str = "128", *, agent: str = "icodextrin", measured: bool = True) -> Story:
    """A patient of peritoneal dialysis who has had icodextrin for months, with an osmolality."""
    results = (result("serum-osmolality", 310), result("bun", 22), result("glucose", 100))
    return Story(
        sodium=sodium,
        results=results if measured else (),
        problems=(PERITONEAL,) if agent == "icodextrin" else (),
        orders=(order(agent, days=2, route="iv" if agent != "icodextrin" else "unknown"),),
    )


def test_icodextrin_goes_on_and_its_small_effect_is_expected() -> None:
    card = fired(dwelling().case())["PV-PSEUDO"]
    told = keys(card)
    assert card.indicator == "info"
    assert told[:3] == ["hypertonic-shift", "osmole-expected-dwell", "monitor-expected"]
    assert {"stop-osmole", "dialyze-osmole", "monitor-osmolality"}.isdisjoint(told)


def test_a_larger_fall_is_more_than_icodextrin_alone() -> None:
    card = fired(dwelling("124.9").case())["PV-PSEUDO"]
    told = keys(card)
    assert card.indicator == "warning"
    assert {"osmole-more-dwell", "monitor-osmolality"} <= set(told)
    assert "stop-osmole" not in told


def test_a_course_of_immunoglobulin_goes_on() -> None:
    told = keys(fired(dwelling(agent="intravenous immunoglobulin").case())["PV-PSEUDO"])
    assert "osmole-expected" in told
    assert "stop-osmole" not in told


@pytest.mark.parametrize(
    ("agent", "key"),
    [
        ("icodextrin", "osmole-unmeasured-dwell"),
        ("intravenous immunoglobulin", "osmole-unmeasured"),
    ],
)
def test_without_an_osmolality_the_drug_is_named(agent: str, key: str) -> None:
    cards = fired(dwelling(agent=agent, measured=False).case())
    assert key in {k for card in cards.values() for k in keys(card)}


def test_an_osmolality_that_is_low_leaves_it_out() -> None:
    story = dwelling(measured=False)
    low = (result("serum-osmolality", 262), result("bun", 14), result("glucose", 100))
    cards = fired(replace(story, results=low).case())
    assert "osmole-unmeasured-dwell" not in {k for card in cards.values() for k in keys(card)}


def on_immunoglobulin(sodium: str, protein: str | None = None, *problems: Any) -> Story:
    """An inpatient on a course of immunoglobulin, without an osmolality."""
    measured = () if protein is None else (result("total-protein", protein),)
    course = order("intravenous immunoglobulin", days=2, route="iv")
    return Story(
        sodium=sodium, setting="inpatient", results=measured, problems=problems, orders=(course,)
    )


LEADING = {
    "osmole-unmeasured",
    "protein-unmeasured",
    "protein-unmeasured-drug",
    "artefact-now",
    "artefact-now-protein",
}


@pytest.mark.parametrize("profile", ["aasld", "european"])
@pytest.mark.parametrize("sodium", ["128", "126", "122", "118"])
@pytest.mark.parametrize("protein", [None, "9.5", "10.9"])
def test_m6_in_every_band_immunoglobulin_is_read_before_the_plan(
    profile: str, sodium: str, protein: str | None
) -> None:
    cards = fired(on_immunoglobulin(sodium, protein).case(profile))
    card = next(cards[rule] for rule in ("PV-SEV", "PV-MOD", "PV-MILD") if rule in cards)
    first = [n for n, key in enumerate(keys(card)) if key in LEADING]
    assert len(first) == 1
    assert first[0] <= 1


def test_m6_a_protein_that_was_measured_high_is_named_without_a_drug() -> None:
    story = replace(on_immunoglobulin("126", "10.9"), orders=())
    card = fired(story.case())["PV-MILD"]
    assert keys(card)[0] == "protein-unmeasured"
    assert "doubt-hint-protein" not in keys(card)


def test_m6_a_protein_of_9_5_without_immunoglobulin_is_no_doubt() -> None:
    story = replace(on_immunoglobulin("126", "9.5"), orders=())
    assert LEADING.isdisjoint(keys(fired(story.case())["PV-MILD"]))


def test_m6_beside_a_seizure_no_bolus_waits_for_it() -> None:
    story = on_immunoglobulin("118", "10.9", problem("seizure", days=0.1, encounter=True))
    told = keys(fired(story.case())["PV-SYMP"])
    assert "artefact-now-protein" in told
    assert "bolus-aasld" in told
