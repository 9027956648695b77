"""F2: a fall that the record proves to be acute water: let it go, with no limit and no re-lowering."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import problem
from tests.sodium.rules.cases import detail, fired, keys
from tests.sodium.rules.charts import drowned
from tests.sodium.rules.orders import Scene, saline, selected, table

SEIZURE = problem("seizure", days=0.02, encounter=True)
CONFUSED = problem("confusion", days=0.02, encounter=True)
DRINKER = problem("alcohol-use-disorder", days=900)
ECSTASY = problem("stimulant-poisoning", days=0.1)
PROFILES = ("aasld", "european")
HOLDS_BACK = ("desmopressin", "free water", "ceiling", "not above")

SCENES = (
    *(
        Scene(
            says=f"F2: 3 % saline after 139 to 119 in 6 h by water, {profile}: no limit, no brake",
            order=saline(ml="100"),
            story=drowned(SEIZURE),
            fires={"OS-HTS-SEV": "info acute"},
            shows=("let-water-go", "stop-when-acute"),
            hides=("shedding-order", "stop-when", "stop-when-ceiling", "drinks-locked"),
            profile=profile,
        )
        for profile in PROFILES
    ),
    Scene(
        says="F2: without an earlier value nothing proves how fast it fell",
        order=saline(ml="100"),
        story=drowned(SEIZURE, before=None),
        fires={"OS-HTS-SEV": "info main"},
        shows=("shedding-order", "stop-when"),
        hides=("let-water-go", "let-water-go-likely"),
    ),
    Scene(
        says="F2: ecstasy without an earlier value is likely acute, and said so",
        order=saline(ml="100"),
        story=drowned(SEIZURE, ECSTASY, before=None),
        fires={"OS-HTS-SEV": "info likely-acute"},
        shows=("let-water-go-likely", "stop-when-likely-acute"),
        hides=("shedding-order", "stop-when"),
    ),
    Scene(
        says="F2: a risk of demyelination keeps the limit: the brain may have adapted",
        order=saline(ml="100"),
        story=drowned(SEIZURE, DRINKER),
        fires={"OS-HTS-SEV": "info main"},
        shows=("shedding-order", "stop-when"),
        hides=("let-water-go", "stop-when-acute"),
    ),
    Scene(
        says="F2: a fall from a value that was low already is no proof",
        order=saline(ml="100"),
        story=drowned(SEIZURE, before="131"),
        fires={"OS-HTS-SEV": "info main"},
        shows=("shedding-order", "stop-when"),
        hides=("let-water-go",),
    ),
    Scene(
        says="F2: beside water that goes, polydipsia speaks of no desmopressin",
        order=saline(ml="100"),
        story=drowned(SEIZURE, problem("psychogenic-polydipsia", days=900)),
        fires={"OS-HTS-SEV": "info acute"},
        shows=("let-water-go",),
        hides=("drinks-locked",),
    ),
    Scene(
        says="F2: desmopressin while sodium rises again after 139 to 119 is no brake that is due",
        order=selected("desmopressin", route="iv"),
        story=drowned(SEIZURE, sodium="131", lowest="119"),
        fires={"OS-DDAVP": "warning brake-acute"},
        shows=("brake-acute",),
        hides=("order-acute",),
    ),
)


@table(SCENES)
def test_scene(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("symptom", [SEIZURE, CONFUSED, None], ids=["seizure", "confusion", "none"])
def test_no_card_of_the_chart_holds_the_water_back_or_names_a_ceiling(
    symptom: Any, profile: str
) -> None:
    found = fired(drowned(*filter(None, (symptom,))).case(profile))
    assert any("let-water-go" in keys(card) for card in found.values()), list(found)
    for card in found.values():
        text = " ".join(detail(card)).lower()
        assert not [word for word in HOLDS_BACK if word in text], (card.rule, text)


@pytest.mark.parametrize("now", ["120", "123", "128", "129", "131"])
def test_a_value_that_regained_as_much_as_is_left_is_no_new_fall(now: str) -> None:
    case = drowned(SEIZURE, sodium=now, lowest="119").case()
    still = int(now) - 119 < 139 - int(now)
    assert (case.sodium.acute is not None) is still
    assert case.symptoms.attributable  # a seizure of this fall keeps its card
    assert ("acute-too" in [key for card in fired(case).values() for key in keys(card)]) is still


def test_one_answer_speaks_once_of_restriction_after_an_acute_fall() -> None:
    for now in ("125", "128", "131"):
        found = fired(drowned(SEIZURE, sodium=now, lowest="115").case())
        said = [key for card in found.values() for key in keys(card) if "withheld" in key]
        if any(rule.startswith("RATE") for rule in found):
            assert said == [], (now, said)
