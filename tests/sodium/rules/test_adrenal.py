"""Adrenal failure that results or medicines point to (F5): no restriction, and a crisis is critical."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.engine.cards import FACE_BULLETS
from cds_service.engine.finding import Finding
from cds_service.knowledge.limits import PROFILES
from cds_service.sodium.snapshot import Order, Problem
from cds_service.sodium.volume import Volume
from tests.sodium.patients import Story, ago, fluid_restriction, order, problem, result
from tests.sodium.rules.cases import detail, fired
from tests.sodium.rules.orders import Scene, restriction, selected, table

SIADH = problem("siadh", days=5)
WARD = Story(sodium="124", setting="inpatient", problems=(SIADH,))
POTASSIUM = result("potassium", "5.6", 47.9)
CHECKPOINT = order("nivolumab", days=200, ended=179.9, status="completed")
STEROID = order("prednisone", days=55, ended=29.9, status="completed")
PITUITARY = problem("pituitary-surgery", days=29.9)


def ward(*, sodium: str = "124", **more: Any) -> Story:
    """An inpatient with SIADH, to whom restriction is offered while nothing is added."""
    story = replace(WARD, sodium=sodium, **more)
    return replace(story, problems=(SIADH, *more.get("problems", ())))


HYDROCORTISONE = order("hydrocortisone", days=200)
ADENOMA, VOMITING = problem("pituitary-disease", days=900), problem("vomiting", days=1)
SHEEHAN = problem("postpartum-hemorrhage", "pregnancy-ended", days=41.9)
MYXEDEMA = problem("myxedema-coma", days=6.9)
ON_STEROID = "withheld-adrenal-replaced"
GROUNDS = {
    "high potassium": ("withheld-adrenal-potassium", ward(results=(POTASSIUM,))),
    "checkpoint inhibitor": ("withheld-adrenal-checkpoint", ward(orders=(CHECKPOINT,))),
    "pituitary surgery": ("withheld-adrenal-pituitary", ward(problems=(PITUITARY,))),
    "steroid ended": ("withheld-adrenal-steroid", ward(orders=(STEROID,))),
    "pituitary and steroid": (
        ON_STEROID,
        ward(orders=(HYDROCORTISONE,), problems=(ADENOMA,)),
    ),
    "postpartum hemorrhage": ("withheld-adrenal-postpartum", ward(problems=(SHEEHAN,))),
    "myxedema coma": ("withheld-adrenal-myxedema", ward(problems=(MYXEDEMA,))),
}


def card(story: Story) -> Finding:
    found = fired(story.case())
    assert len(found) == 1
    return next(iter(found.values()))


def said(story: Story) -> str:
    return "\n".join(detail(card(story)))


def test_without_a_ground_restriction_is_offered() -> None:
    assert ward().case().restriction.verdict == "offer"


@pytest.mark.parametrize(("key", "story"), GROUNDS.values(), ids=GROUNDS)
def test_f5_each_ground_withholds_restriction_and_says_think_adrenal(
    key: str, story: Story
) -> None:
    verdict = story.case().restriction
    assert verdict.verdict in ("text", "never")
    assert [line.key for line in verdict.adrenal] == [key]
    assert "**Think adrenal**" in said(story)
    assert "no fluid restriction, no vaptan" in said(story)


@pytest.mark.parametrize(
    "story",
    [
        ward(results=(result("potassium", "5.5"),)),
        ward(results=(result("potassium", "5.6", 48.1),)),
        ward(orders=(order("nivolumab", days=300, ended=180.1, status="completed"),)),
        ward(problems=(problem("pituitary-surgery", days=30.1),)),
        ward(orders=(order("prednisone", days=60, ended=30.1, status="completed"),)),
        ward(orders=(order("prednisone", days=30.9, ended=10, status="completed"),)),
        ward(orders=(order("prednisone", days=200),)),
    ],
    ids=["potassium", "potassium old", "checkpoint old", "surgery old", "steroid old", "steroid short", "steroid taken"],
)  # fmt: skip
def test_f5_beyond_its_edge_a_ground_does_not_count(story: Story) -> None:
    assert story.case().restriction.adrenal == ()


def test_f5_a_steroid_course_of_exactly_three_weeks_is_long() -> None:
    story = ward(orders=(order("prednisone", days=31, ended=10, status="completed"),))
    assert story.case().restriction.adrenal


def test_f5_orders_that_follow_each_other_are_one_course() -> None:
    courses = [(60, 40), (35, 20), (18, 9)]
    orders = tuple(
        order("prednisone", days=start, ended=end, status="completed") for start, end in courses
    )
    assert ward(orders=orders).case().restriction.adrenal
    assert ward(orders=orders[2:]).case().restriction.adrenal == ()


@pytest.mark.parametrize("status", ["stopped", "on-hold"])
def test_f5_a_long_course_without_an_end_may_have_ended_lately(status: str) -> None:
    for days in (60, 200, 730):
        old = order("prednisone", days=days, status=status)
        assert ward(orders=(old,)).case().restriction.adrenal, days


@pytest.mark.parametrize(
    "old",
    [
        order("prednisone", days=130, status="stopped", route="iv"),
        order("prednisone", days=130, status="stopped", route="local"),
        replace(order("prednisone", days=130, status="stopped"), changed=ago(days=40)),
        order("prednisone", days=366 + 31, status="completed"),
    ],
    ids=["by vein", "local", "changed long ago", "completed, of more than a year ago"],
)
def test_f5_an_old_order_that_cannot_have_lasted_until_now_is_no_course(old: Order) -> None:
    assert ward(orders=(old,)).case().restriction.adrenal == ()


def test_f5_an_undated_order_of_years_ago_makes_no_long_course_of_a_short_one() -> None:
    old = order("prednisone", days=900, status="stopped", reference="MedicationRequest/8")
    burst = order("prednisone", days=9, ended=4, status="completed")
    assert ward(orders=(old, burst)).case().restriction.adrenal == ()
    assert (
        ward(orders=(order("prednisone", days=380, status="completed"),)).case().restriction.adrenal
    )


def prescribed(days: float, *, changed: float | None = None, **more: Any) -> Order:
    """Prednisone of which only the day of writing is known, and perhaps the last change."""
    written = order("prednisone", days=days, status="stopped")
    last = None if changed is None else ago(days=changed)
    return replace(written, authored=written.start, changed=last, **more)


@pytest.mark.parametrize(
    "steroid",
    [
        prescribed(240, changed=5),
        prescribed(20, changed=5),
        prescribed(20),
        prescribed(15, changed=5),
        prescribed(60, changed=29.9),
        prescribed(371, changed=5),
    ],
    ids=["W05", "P07", "no change known", "ten days", "just lately", "a year"],
)
def test_f5_a_steroid_stopped_lately_is_named_and_cortisol_comes_first(steroid: Order) -> None:
    verdict = ward(orders=(steroid,)).case().restriction
    assert (verdict.verdict, [line.key for line in verdict.adrenal]) == (
        "text",
        ["withheld-adrenal-steroid"],
    )
    assert "prednisone ended lately. Cortisol first" in said(ward(orders=(steroid,)))


@pytest.mark.parametrize(
    "steroid",
    [
        prescribed(14.9, changed=5),
        prescribed(60, changed=30.1),
        prescribed(371.1, changed=5),
        prescribed(20, changed=5, duration_days=Decimal(5)),
        prescribed(20, changed=5, start=ago(days=19)),
        prescribed(20, changed=5, route="iv"),
        prescribed(20, changed=5, single_dose=True),
    ],
    ids=["burst", "long ago", "older than a year", "five days", "start told", "by vein", "once"],
)
def test_f5_a_short_or_old_course_of_a_steroid_is_no_ground(steroid: Order) -> None:
    assert ward(orders=(steroid,)).case().restriction.verdict == "offer"


@pytest.mark.parametrize("concept", ["ckd-4-5", "dialysis"])
def test_f5_in_kidney_failure_potassium_says_nothing_of_the_adrenal_glands(concept: str) -> None:
    story = ward(results=(POTASSIUM,), problems=(problem(concept),))
    assert story.case().restriction.adrenal == ()


@pytest.mark.parametrize(("key", "story"), GROUNDS.values(), ids=GROUNDS)
@pytest.mark.parametrize(
    ("cortisol", "hours", "lifts"),
    [("15", 24 * 7 - 0.1, True), ("14.9", 24, False), ("15", 24 * 7 + 0.1, False)],
)
def test_f5_a_recent_normal_cortisol_lifts_the_grounds(
    key: str, story: Story, cortisol: str, hours: float, lifts: bool
) -> None:
    measured = replace(story, results=(*story.results, result("cortisol", cortisol, hours)))
    # What was taken by mouth is measured too: such a cortisol lifts nothing.
    assert bool(measured.case().restriction.adrenal) is (not lifts or key == ON_STEROID), key


@pytest.mark.parametrize(
    ("cortisol", "hours", "status"),
    [
        ("4.9", 2, Volume.ADRENAL),
        ("5", 2, Volume.EUV),
        ("0.4", 24 * 30 - 0.1, Volume.ADRENAL),
        ("0.4", 24 * 30 + 0.1, Volume.EUV),
    ],
)
def test_f5_a_low_cortisol_is_adrenal_failure(cortisol: str, hours: float, status: Volume) -> None:
    case = ward(results=(result("cortisol", cortisol, hours),)).case()
    assert case.volume.status is status
    assert (case.restriction.verdict == "never") is (status is Volume.ADRENAL)


def test_f5_a_cortisol_drawn_under_a_glucocorticoid_says_nothing() -> None:
    low = result("cortisol", "0.4", 48)
    before = order("dexamethasone", days=10)
    after = order("hydrocortisone", days=1)
    assert ward(results=(low,), orders=(before,)).case().volume.status is Volume.EUV
    assert ward(results=(low,), orders=(after,)).case().volume.status is Volume.ADRENAL


LOW_CORTISOL = result("cortisol", "2", 3)
ADDISON = problem("adrenal", days=2000)
SIGNS = {
    "low pressure": {"results": (result("systolic", 84, 1),)},
    "vomiting": {"problems": (problem("vomiting", days=1),)},
    "low glucose": {"results": (result("glucose", 69, 3),)},
    "high potassium": {"results": (POTASSIUM,)},
    "hypotension recorded": {"problems": (problem("hypotension", days=0.5),)},
}


@pytest.mark.parametrize("sign", SIGNS.values(), ids=SIGNS)
@pytest.mark.parametrize("sodium", ["118", "124", "131"])
@pytest.mark.parametrize("known", [True, False])
def test_f5_adrenal_failure_with_a_sign_of_crisis_is_critical(
    sign: dict[str, Any], sodium: str, known: bool
) -> None:
    problems = (*((ADDISON,) if known else ()), *sign.get("problems", ()))
    results = (*(() if known else (LOW_CORTISOL,)), *sign.get("results", ()))
    story = ward(sodium=sodium, problems=problems, results=results)
    found = card(story)
    assert found.indicator == "critical"
    assert "**Treat as adrenal crisis first**" in said(story)
    labs = [a.analytes for s in found.suggestions for a in s.actions if hasattr(a, "analytes")]
    assert not any("cortisol" in analytes for analytes in labs)


@pytest.mark.parametrize(
    ("known", "sign"),
    [
        (True, {}),
        (False, {}),
        (True, {"results": (result("glucose", 70, 3),)}),
        (True, {"results": (result("systolic", 100, 1),)}),
        (True, {"problems": (problem("vomiting", days=3.1),)}),
    ],
)
def test_f5_adrenal_failure_without_a_sign_is_no_crisis(known: bool, sign: dict[str, Any]) -> None:
    problems = (*((ADDISON,) if known else ()), *sign.get("problems", ()))
    results = (*(() if known else (LOW_CORTISOL,)), *sign.get("results", ()))
    assert card(ward(problems=problems, results=results)).indicator == "warning"


AGAIN_WITHIN_HOURS = {
    f"monitor-{key}" for key in ("near", "severe", "shedding", "emergency", "acute")
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sodium", ["116", "122", "127", "132"])
@pytest.mark.parametrize("vomits", [False, True])
def test_f5_the_face_of_the_card_says_how_adrenal_failure_is_treated(
    profile: str, sodium: str, vomits: bool
) -> None:
    """In a crisis sodium rises with the first hydrocortisone: it is measured again within hours."""
    problems = (ADDISON, *((VOMITING,) if vomits else ()))
    (found,) = fired(ward(sodium=sodium, problems=problems).case(profile)).values()
    face = [line.key for line in found.do[:FACE_BULLETS]]
    assert {"adrenal-crisis", "adrenal-treat"} & set(face), face
    monitored = {line.key for line in found.do if line.key.startswith("monitor-")}
    if vomits:
        assert monitored <= AGAIN_WITHIN_HOURS, monitored


def test_f5_no_words_of_a_vaptan_or_of_drinking_less_beside_a_ground() -> None:
    ascites = problem("ascites", days=5)
    plain = Story(sodium="124", problems=(ascites,), setting="inpatient")
    assert "Vaptans:" in said(plain)
    assert "Vaptans:" not in said(replace(plain, results=(POTASSIUM,)))
    assert "beyond thirst" not in said(replace(plain, results=(POTASSIUM,)))


def restricted(says: str, key: str, *, drug: Order | None = None, **story: Any) -> Scene:
    """A scene in which fluid restriction, or a vaptan, meets one ground."""
    return Scene(
        says=says,
        order=drug or restriction(),
        story=replace(WARD, **story),
        fires={"OS-VAP-CONTRA" if drug else "OS-FR": "warning adrenal"},
        removes=drug is None,
        shows=(key,),
    )


@pytest.mark.parametrize(
    ("sodium", "problems", "keys"),
    [
        ("124", (ADENOMA,), ["withheld-adrenal-dependent"]),
        ("128", (ADENOMA,), []),
        ("124", (problem("pituitary-surgery", days=900),), []),
    ],
)
def test_f5_a_pituitary_disease_is_reason_enough_below_a_mild_sodium(
    sodium: str, problems: tuple[Problem, ...], keys: list[str]
) -> None:
    reasons = ward(sodium=sodium, problems=problems).case().restriction.reasons
    assert [told.key for told in reasons if "adrenal" in told.key] == keys


VAPTAN = selected("tolvaptan")
TAKEN = order("tolvaptan", days=200)  # not new, so that no other card speaks
SCENES = (
    restricted("F5: restriction with high potassium", "withheld-adrenal-potassium", results=(POTASSIUM,)),
    restricted("F5: restriction months after a checkpoint inhibitor", "withheld-adrenal-checkpoint", orders=(CHECKPOINT,)),
    restricted("F5: restriction after a long course of a steroid", "withheld-adrenal-steroid", orders=(STEROID,)),
    Scene(
        says="F5: restriction after pituitary surgery: the adrenal glands first",
        order=restriction(),
        story=ward(problems=(PITUITARY,)),
        fires={"OS-FR": "warning adrenal"},
        removes=True,
        shows=("withheld-adrenal-pituitary", "do-adrenal-first"),
    ),
    Scene(
        says="F5: after pituitary surgery with a cortisol that excludes it, restriction is right",
        order=restriction(),
        story=ward(problems=(PITUITARY,), results=(result("cortisol", "16", 24),)),
    ),
    Scene(
        says="F5: restriction with a low cortisol",
        order=restriction(),
        story=ward(results=(LOW_CORTISOL,)),
        fires={"OS-FR": "critical main"},
        removes=True,
        shows=("do-adrenal",),
    ),
    Scene(
        says="F5: restriction with high potassium, age not known: no removal",
        order=restriction(),
        story=ward(results=(POTASSIUM,), patient=Story(patient=replace(WARD.patient, birth_date=None)).patient),
        fires={"OS-FR": "warning adrenal"},
    ),
    Scene(
        says="F5: restriction with a potassium that is only at the limit",
        order=restriction(),
        story=ward(results=(result("potassium", "5.5"),)),
    ),
    Scene(
        says="F5: a vaptan with high potassium",
        order=VAPTAN,
        story=ward(results=(POTASSIUM,), orders=(TAKEN,)),
        fires={"OS-VAP-CONTRA": "warning adrenal", "OS-VAP-DUR": "warning main"},
        shows=("withheld-adrenal-potassium", "exclude-adrenal-first"),
    ),
    Scene(
        says="F5: a vaptan with a low cortisol",
        order=VAPTAN,
        story=ward(results=(LOW_CORTISOL,), orders=(TAKEN,)),
        fires={"OS-VAP-CONTRA": "critical main", "OS-VAP-DUR": "warning main"},
        removes=True,
    ),
)  # fmt: skip


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()


def test_f5_a_restriction_that_is_ordered_already_is_told_of_the_ground() -> None:
    story = ward(results=(POTASSIUM,), orders=(fluid_restriction(),))
    assert "potassium 5.6" in said(story)


@pytest.mark.parametrize(
    ("orders", "problems", "grounds"),
    [
        ((HYDROCORTISONE,), (VOMITING,), ["withheld-adrenal-replaced"]),
        ((order("prednisone", days=21),), (VOMITING,), ["withheld-adrenal-replaced"]),
        ((order("prednisone", days=20.9),), (VOMITING,), []),
        ((HYDROCORTISONE,), (problem("vomiting", days=4),), []),
        ((HYDROCORTISONE,), (), []),
        ((), (ADENOMA, VOMITING), ["withheld-adrenal-dependent"]),
        ((), (ADENOMA,), ["withheld-adrenal-dependent"]),
        ((), (problem("postpartum-hemorrhage", "pregnancy-ended", days=42.1),), []),
        ((), (problem("myxedema-coma", days=7.1),), []),
    ],
)
def test_f5_who_lives_on_a_steroid_and_vomits_may_lack_it(
    orders: tuple[Order, ...], problems: tuple[Problem, ...], grounds: list[str]
) -> None:
    story = ward(orders=orders, problems=problems)
    assert [line.key for line in story.case().restriction.adrenal] == grounds


def test_f5_the_card_names_the_steroid_and_why_it_may_fail() -> None:
    words = said(ward(orders=(HYDROCORTISONE,), problems=(ADENOMA, VOMITING)))
    assert "**Think adrenal** (hydrocortisone, pituitary disease, vomiting)" in words
    assert "hydrocortisone before levothyroxine" in said(ward(problems=(MYXEDEMA,)))


def test_f5_a_cortisol_out_of_the_tablet_excludes_nothing() -> None:
    drawn = result("cortisol", "18", 24)
    story = ward(orders=(HYDROCORTISONE,), problems=(ADENOMA,), results=(drawn,))
    assert story.case().restriction.adrenal
    assert not replace(story, orders=(), problems=(SHEEHAN,)).case().restriction.adrenal


RAISED = (result("potassium", "5.7"),)
SPIRONOLACTONE, TRIMETHOPRIM = order("spironolactone"), order("trimethoprim")
WEAK = problem("ckd-1-3", days=900)


@pytest.mark.parametrize(
    ("more", "explained"),
    [
        ({"results": (result("creatinine", "4.1", 160),)}, True),
        ({"results": (result("creatinine", "4", 160),)}, False),
        ({"results": (result("creatinine", "9", 24 * 7 + 0.1),)}, False),
        ({"results": (result("egfr", "14.9", 160),)}, True),
        ({"results": (result("egfr", "15", 160),)}, False),
        ({"problems": (problem("urinary-obstruction", days=6.9),)}, True),
        ({"problems": (problem("urinary-obstruction", days=7.1),)}, False),
        ({"problems": (WEAK,)}, False),
        ({"orders": (SPIRONOLACTONE,)}, False),
        ({"problems": (WEAK,), "orders": (SPIRONOLACTONE,)}, True),
        ({"problems": (WEAK,), "orders": (TRIMETHOPRIM,)}, True),
        ({"problems": (WEAK,), "orders": (order("lisinopril"),)}, True),
        ({"problems": (WEAK,), "orders": (order("ciprofloxacin"),)}, False),
        ({"problems": (problem("acute-kidney-injury"),), "orders": (SPIRONOLACTONE,)}, True),
        ({"results": (result("creatinine", "1", 30), result("creatinine", "1.3")),
          "orders": (SPIRONOLACTONE,)}, True),
        ({"results": (result("creatinine", "1", 30), result("creatinine", "1.2")),
          "orders": (SPIRONOLACTONE,)}, False),
    ],
)  # fmt: skip
def test_f5_a_potassium_that_the_kidney_explains_is_no_adrenal_failure(
    more: dict[str, Any], explained: bool
) -> None:
    story = ward(
        results=(*RAISED, *more.get("results", ())),
        problems=more.get("problems", ()),
        orders=more.get("orders", ()),
    )
    verdict = story.case().restriction
    assert bool(verdict.adrenal) is not explained
    assert verdict.verdict == "text"
    assert ("withheld-potassium" in [line.key for line in verdict.reasons]) is explained


def together(names: tuple[str, ...], *problems: Problem) -> Story:
    """A patient with several of the grounds."""
    stories = [GROUNDS[name][1] for name in names]
    return ward(
        results=tuple(dict.fromkeys(r for story in stories for r in story.results)),
        orders=tuple(dict.fromkeys(o for story in stories for o in story.orders)),
        problems=(*(p for story in stories for p in story.problems), *problems),
    )


SEVERAL = [names for size in (2, 3) for names in combinations(GROUNDS, size)]


@pytest.mark.parametrize("names", SEVERAL, ids=" + ".join)
def test_f37_several_grounds_say_think_adrenal_once_and_name_what_they_are(
    names: tuple[str, ...],
) -> None:
    for sodium in ("118", "124", "131"):
        story = replace(together(names), sodium=sodium)
        assert said(story).casefold().count("think adrenal") == 1
        assert ("before levothyroxine" in said(story)) is ("myxedema coma" in names)
    first = said(together(names[:1]))
    assert first != said(together(names))


@pytest.mark.parametrize("names", SEVERAL[:6], ids=" + ".join)
def test_f37_an_order_beside_several_grounds_says_think_adrenal_once(
    names: tuple[str, ...],
) -> None:
    for draft in (restriction(), selected("tolvaptan")):
        cards = Scene(says="", order=draft, story=together(names)).findings()
        lines = [line.key for finding in cards.values() for line in (*finding.do, *finding.why)]
        assert sum(key.startswith("withheld-adrenal-") for key in lines) == 1


@pytest.mark.parametrize("names", [(), ("high potassium",), SEVERAL[0]], ids=" + ".join)
def test_f37_recorded_adrenal_failure_is_told_once_whatever_points_to_it(
    names: tuple[str, ...],
) -> None:
    words = said(together(names, problem("adrenal", days=900))).casefold()
    assert words.count("think adrenal") + words.count("treat as adrenal crisis") == 1
    assert "do not restrict fluids" in words
