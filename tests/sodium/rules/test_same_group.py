"""A switch within the group that may be lowering sodium is no solution; pain names none (M12)."""

from __future__ import annotations

from collections import defaultdict

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import Story, drugs, order, problem, result, sets
from tests.sodium.rules.orders import Scene, selected, table

NAMED = ("same-group", "same-group-both", "same-class-antiseizure", "same-group-stopped")
MIXED = ("antidepressant-other",)  # vortioxetine and inhibitors of monoamine oxidase
GUARDS = {"iminostilbene": "keep-partner-antiseizure"}
EPILEPSY = problem("epilepsy", days=900)
PAIN, DEPRESSION = problem("pain", days=90), problem("mood-disorder", days=900)


def lately_low(sodium: str, *taken: Order, **more: object) -> Story:
    """An inpatient whose sodium was normal before the drugs that are taken, and fell slowly."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("sodium", 139, 36 * 24),),
        orders=taken,
        **more,  # type: ignore[arg-type]  # keywords of Story
    )


def running(name: str) -> Order:
    return order(name, days=20)


def stopped(name: str, **more: object) -> Order:
    return order(name, days=60, status="stopped", reference="MedicationRequest/8", **more)  # type: ignore[arg-type]  # keywords of order


SCENES = (
    Scene(
        says="M12: eslicarbazepine beside oxcarbazepine at 124 is no solution",
        order=selected("eslicarbazepine"),
        story=lately_low("124", running("oxcarbazepine"), problems=(EPILEPSY,)),
        fires={"OS-LOW": "warning falling"},
        shows=("same-class-antiseizure", "keep-partner-antiseizure"),
        hides=("another-drug-or-wait", "other-lowering"),
    ),
    Scene(
        says="M12: carbamazepine after a stopped oxcarbazepine: never untreated",
        order=selected("carbamazepine"),
        story=lately_low("128", stopped("oxcarbazepine", ended=3), problems=(EPILEPSY,)),
        fires={"OS-LOW": "warning falling"},
        shows=("same-group-stopped", "never-untreated"),
    ),
    Scene(
        says="M12: escitalopram beside sertraline at 126",
        order=selected("escitalopram"),
        story=lately_low("126", running("sertraline")),
        fires={"OS-LOW": "warning falling"},
        removes=True,
        shows=("same-group", "keep-partner", "antidepressant-options"),
        hides=("other-lowering", "another-drug-or-wait"),
    ),
    Scene(
        says="M12: indapamide beside hydrochlorothiazide: another group, and no word of a taper",
        order=selected("indapamide"),
        story=lately_low("126", running("hydrochlorothiazide")),
        fires={"OS-LOW": "warning falling"},
        removes=True,
        shows=("same-group", "another-group"),
        hides=("keep-partner",),
    ),
    Scene(
        says="M12: quetiapine beside haloperidol at 124: which one is needed, and no wait",
        order=selected("quetiapine"),
        story=lately_low("124", running("haloperidol")),
        fires={"OS-LOW": "warning falling"},
        shows=("same-group-both", "keep-partner", "another-or-now"),
        hides=("another-group", "another-drug-or-wait"),
    ),
    Scene(
        says="M12: sertraline that is renewed beside escitalopram is reviewed, not called a switch",
        order=selected("sertraline"),
        story=lately_low("126", running("sertraline"), running("escitalopram")),
        fires={"OS-LOW": "warning falling"},
        shows=("not-abruptly",),
        hides=NAMED,
    ),
    Scene(
        says="M12: duloxetine for pain: no antidepressant in its place",
        order=selected("duloxetine"),
        story=Story(sodium=128, problems=(PAIN,)),
        fires={"OS-LOW": "warning main"},
        removes=True,
        shows=("another-drug-or-wait",),
        hides=("antidepressant-options", "no-bupropion"),
    ),
)


@table(SCENES)
def test_same_group_and_pain(scene: Scene) -> None:
    scene.check()


def groups() -> dict[str, list[str]]:
    """The drugs of the table that lower sodium in one way, of alert groups A and B."""
    kinds = {cls: kind for kind, known in sets().strong_kinds.items() for cls in known.members}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, known in drugs().items():
        if known.group in ("A", "B") and known.cls not in MIXED:
            found[kinds.get(known.cls, known.cls)].append(name)
    return {kind: names for kind, names in found.items() if len(names) > 1}


def pairs() -> list[tuple[str, str]]:
    """Each drug of a group beside its neighbor, in a ring."""
    return [
        (names[i - 1], names[i])
        for names in groups().values()
        for i in range(len(names))
        if names[i - 1] != names[i]
    ]


def face(name: str, story: Story, **more: object) -> list[str]:
    """The keys of the first four lines of the card on this order."""
    return [line.key for line in card(name, story, **more).do[:FACE_BULLETS]]


def card(name: str, story: Story, **more: object) -> Finding:
    findings = Scene(says="", order=selected(name, **more), story=story).findings()
    return findings["OS-LOW"]


def test_the_groups_are_those_of_the_table() -> None:
    kinds = {cls: kind for kind, known in sets().strong_kinds.items() for cls in known.members}
    assert groups().keys() == {kinds.get(cls, cls) for cls in sets().one_group.members}


@pytest.mark.parametrize("sodium", ["124", "131"])
def test_no_card_asks_to_wait_with_an_antipsychotic_or_calls_another_group_its_place(
    sodium: str,
) -> None:
    finding = card("quetiapine", lately_low(sodium, running("haloperidol")))
    keys = {line.key for line in finding.do}
    assert "same-group-both" in keys
    assert not keys & {"same-group", "another-group", "another-drug-or-wait"}


@pytest.mark.parametrize(("running_one", "chosen"), [("sertraline", "citalopram")])
def test_in_an_acute_fall_it_is_on_the_face_too(running_one: str, chosen: str) -> None:
    story = replace(lately_low("119", running(running_one)), results=(result("sodium", 139, 20),))
    assert "same-group" in face(chosen, story)


@pytest.mark.parametrize(("taken", "chosen"), pairs())
@pytest.mark.parametrize("sodium", ["118", "124", "131"])
def test_the_running_drug_of_the_group_is_named_on_the_face(
    taken: str, chosen: str, sodium: str
) -> None:
    finding = card(chosen, lately_low(sodium, running(taken)))
    named = [line for line in finding.do[:FACE_BULLETS] if line.key in NAMED]
    assert [line.facts["partner"] for line in named] == [taken]
    keys = [line.key for line in finding.do]
    if drugs()[chosen].cls in sets().never_abruptly.members:
        assert GUARDS.get(drugs()[chosen].cls, "keep-partner") in keys[:FACE_BULLETS]
    told = [line for line in finding.why if line.key == "other-lowering"]
    assert all(taken not in str(line.facts["drugs"]) for line in told)
    if drugs()[chosen].cls != "antipsychotic":
        assert not [s for s in finding.suggestions if s.kind.startswith("recheck")]


@pytest.mark.parametrize(("before", "chosen"), pairs())
@pytest.mark.parametrize("how", ["ended", "undated", "on hold"])
def test_the_drug_of_the_group_that_was_just_stopped_is_named(
    before: str, chosen: str, how: str
) -> None:
    old = stopped(before, ended=4) if how == "ended" else stopped(before)
    old = replace(old, status="on-hold") if how == "on hold" else old
    assert "same-group-stopped" in face(chosen, lately_low("127", old))


@pytest.mark.parametrize("chosen", groups()["iminostilbene"])
@pytest.mark.parametrize("other", groups()["iminostilbene"])
@pytest.mark.parametrize("told", ["seizure", "new epilepsy", "old epilepsy", "acute fall"])
def test_an_antiseizure_drug_stays_what_m12_allows_and_is_never_stopped_abruptly(
    chosen: str, other: str, told: str
) -> None:
    if chosen == other:
        return
    problems = {
        "seizure": (problem("seizure", days=0.1, encounter=True),),
        "new epilepsy": (problem("epilepsy", days=0.2, encounter=True),),
        "old epilepsy": (EPILEPSY,),
        "acute fall": (EPILEPSY,),
    }[told]
    story = lately_low("119", running(other), problems=problems)
    if told == "acute fall":
        story = replace(story, results=(result("sodium", 139, 20),))
    finding = card(chosen, story)
    if told in ("seizure", "new epilepsy"):
        assert finding.indicator == "info"
    assert "keep-partner-antiseizure" in [line.key for line in finding.do[:FACE_BULLETS]]
    assert "antiseizure-choice" not in [line.key for line in finding.do]


@pytest.mark.parametrize("chosen", ["duloxetine", "venlafaxine", "amitriptyline", "nortriptyline"])
@pytest.mark.parametrize("sodium", [124, 128, 131])
@pytest.mark.parametrize(
    ("told", "options"),
    [
        ("pain on record", False),
        ("pain as the reason", False),
        ("pain and depression on record", True),
        ("pain on record, depression as the reason", True),
        ("nothing on record", True),
    ],
)
def test_alternatives_are_named_for_the_recorded_purpose_only(
    chosen: str, sodium: int, told: str, options: bool
) -> None:
    problems = {
        "pain on record": (PAIN,),
        "pain as the reason": (DEPRESSION,),
        "pain and depression on record": (PAIN, DEPRESSION),
        "pain on record, depression as the reason": (PAIN,),
    }.get(told, ())
    reasons = {
        "pain as the reason": ("pain",),
        "pain on record, depression as the reason": ("mood-disorder",),
    }.get(told, ())
    finding = card(chosen, Story(sodium=sodium, problems=problems), reasons=reasons)
    assert ("antidepressant-options" in [line.key for line in finding.do]) is options


def test_an_ssri_keeps_its_alternatives_beside_pain() -> None:
    assert "antidepressant-options" in face("sertraline", Story(sodium=128, problems=(PAIN,)))
