"""F55 to F57: lost volume, shock and failing kidneys come before what is ordered for the sodium."""

from __future__ import annotations

import pytest

from tests.sodium.patients import Story, order, problem, result
from tests.sodium.rules.cases import fired, keys, kinds
from tests.sodium.rules.orders import Scene, restriction, saline, selected, table

SIADH = problem("siadh", days=5)
FAILURE = problem("heart-failure", days=5)
SEPTIC = problem("shock", "sepsis", days=0.2, encounter=True)
SEIZURE = problem("seizure", days=0.2, encounter=True)
THIAZIDE = order("hydrochlorothiazide", days=20)


def ward(
    sodium: str, *problems: object, orders: tuple[object, ...] = (), **measured: float
) -> Story:
    """An inpatient with these problems and results, `urine_sodium=9`."""
    results = tuple(result(name.replace("_", "-"), value, 1) for name, value in measured.items())
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=problems,  # type: ignore[arg-type]  # problems of any kind
        results=results,
        orders=orders,  # type: ignore[arg-type]
    )


START = {"OS-VAP-GEN": "info main"}
SCENES = (
    # ---- F55: a low urine sodium
    Scene(
        says="a restriction at a urine sodium of 9: volume first, and the order stays",
        order=restriction(),
        story=ward("124", urine_sodium=9, urine_osmolality=620),
        fires={"OS-FR": "warning urine"},
        shows=("do-volume-first",),
    ),
    Scene(
        says="a restriction at a urine sodium of 60: likely to fail, and no more",
        order=restriction(),
        story=ward("124", SIADH, urine_sodium=60, urine_osmolality=620),
        fires={"OS-FR": "info insufficient-osmolality"},
    ),
    Scene(
        says="in heart failure a urine sodium of 9 is of the edema",
        order=restriction(),
        story=ward("124", FAILURE, urine_sodium=9, urine_osmolality=420),
    ),
    Scene(
        says="in a dilute urine 9 is by water",
        order=restriction(),
        story=ward("124", urine_sodium=9, urine_osmolality=70),
    ),
    Scene(
        says="urea at a urine sodium of 9: examine first",
        order=selected("urea"),
        story=ward("124", SIADH, urine_sodium=9, urine_osmolality=420),
        fires={"OS-UREA": "warning urine"},
    ),
    Scene(
        says="urea at a urine sodium of 30 in SIADH",
        order=selected("urea"),
        story=ward("124", SIADH, urine_sodium=30, urine_osmolality=420),
    ),
    Scene(
        says="a vaptan at a urine sodium of 9: examine first",
        order=selected("tolvaptan"),
        story=ward("124", SIADH, urine_sodium=9, urine_osmolality=420),
        fires={"OS-VAP-CONTRA": "warning urine", **START},
    ),
    Scene(
        says="a vaptan at a urine sodium of 30",
        order=selected("tolvaptan"),
        story=ward("124", SIADH, urine_sodium=30, urine_osmolality=420),
        fires=START,
    ),
    # ---- F56: a circulation that fails
    Scene(
        says="furosemide into a vein in septic shock: the circulation first",
        order=selected("furosemide", route="iv"),
        story=ward("124", SEPTIC, systolic=82),
        fires={"OS-LOW": "warning shock"},
        shows=("shock-first",),
        hides=("check-not-delay",),
    ),
    Scene(
        says="furosemide in heart failure at a systolic pressure of 82, where it treats",
        order=selected("furosemide"),
        story=ward("122", problem("fluid-overload", days=2), FAILURE, systolic=82),
        fires={"OS-LOW": "warning shock"},
    ),
    Scene(
        says="the same at a systolic pressure of 90: silent, it treats the overload",
        order=selected("furosemide"),
        story=ward("122", problem("fluid-overload", days=2), FAILURE, systolic=90),
    ),
    Scene(
        says="sepsis with 96: low for sepsis",
        order=selected("furosemide", route="iv"),
        story=ward("124", problem("sepsis", days=0.2, encounter=True), systolic=96),
        fires={"OS-LOW": "warning shock"},
    ),
    Scene(
        says="96 without sepsis is no shock",
        order=selected("furosemide", route="iv"),
        story=ward("124", systolic=96),
        fires={"OS-LOW": "info check"},
    ),
    Scene(
        says="a vaptan in septic shock: not now, and no removal",
        order=selected("tolvaptan"),
        story=ward("124", SEPTIC, systolic=82),
        fires={"OS-VAP-CONTRA": "warning shock", **START},
    ),
    Scene(
        says="3 % saline in shock with wet lungs: no loop diuretic by the team",
        order=saline(),
        story=ward("112", SEIZURE, problem("acute-heart-failure", days=0.5), SEPTIC, systolic=80),
        fires={"OS-HTS-SEV": "info main"},
        shows=("overload-caution-shock",),
        hides=("overload-caution",),
    ),
    # ---- F57: kidneys that shed nothing
    Scene(
        says="3 % saline for a seizure on dialysis: the dialysate corrects, nothing keeps it",
        order=saline(),
        story=ward("112", SEIZURE, problem("dialysis", days=900)),
        fires={"OS-HTS-SEV": "info main"},
        shows=("order-dialysis", "give-aasld"),
        hides=("order-no-urine",),
    ),
    Scene(
        says="3 % saline at an estimated GFR of 9",
        order=saline(),
        story=ward("112", SEIZURE, egfr=9),
        fires={"OS-HTS-SEV": "info main"},
        shows=("order-no-urine",),
    ),
    Scene(
        says="at an estimated GFR of 15 the kidneys shed",
        order=saline(),
        story=ward("112", SEIZURE, egfr=15),
        fires={"OS-HTS-SEV": "info main"},
        hides=("order-no-urine", "order-dialysis"),
    ),
    Scene(
        says="a vaptan at an estimated GFR of 9: little effect",
        order=selected("tolvaptan"),
        story=ward("124", egfr=9),
        fires={"OS-VAP-CONTRA": "warning kidney", **START},
    ),
    Scene(
        says="a vaptan at an estimated GFR of 15",
        order=selected("tolvaptan"),
        story=ward("124", egfr=15),
        fires=START,
    ),
    Scene(
        says="a liter of isotonic saline in anuria: only if volume is lacking",
        order=saline("0.9", "isotonic", "1000"),
        story=ward("118", problem("anuria", days=0.5)),
        fires={"OS-ISO-HYPER": "info diagnosis"},
        shows=("order-no-urine", "least-volume"),
    ),
)


@table(SCENES)
def test_volume_circulation_and_kidney_come_first(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(
    ("story", "kept"),
    [
        (ward("112", SEIZURE), ["keep-sodium-1h"]),
        (ward("112", SEIZURE, problem("dialysis", days=900)), ["add-sodium-1h"]),
        (ward("112", SEIZURE, problem("anuria", days=0.5)), ["add-sodium-1h"]),
        (ward("112", SEIZURE, egfr=9), ["add-sodium-1h"]),
    ],
)
def test_what_stays_in_the_body_is_kept_by_no_button(story: Story, kept: list[str]) -> None:
    found = Scene(says="", order=saline(), story=story).findings().values()

    assert [s.kind for finding in found for s in finding.suggestions] == kept


@pytest.mark.parametrize("taken", [(), (THIAZIDE,)])
def test_in_siadh_a_urine_sodium_of_9_withholds_restriction_and_urea(
    taken: tuple[object, ...],
) -> None:
    card = fired(ward("124", SIADH, orders=taken, urine_sodium=9, urine_osmolality=620).case())[
        "PV-MOD"
    ]

    assert not {"restriction-next", "restriction-euvolemic", "avoid-water"} & set(keys(card))
    assert {"withheld-urine-sodium", "withheld-low-solute"} & set(keys(card))
    assert not [kind for kind in kinds(card) if kind.startswith("fluid-restriction")]


def test_at_a_urine_sodium_of_60_restriction_is_offered() -> None:
    card = fired(ward("124", SIADH, urine_sodium=60, urine_osmolality=620).case())["PV-MOD"]

    assert "restriction-next" in keys(card)


@pytest.mark.parametrize(("systolic", "key"), [(82, "review-shock"), (118, "review-heart-failure")])
def test_the_chart_holds_a_diuretic_in_a_failing_circulation(systolic: int, key: str) -> None:
    taken = (order("furosemide", days=20),)
    story = ward("124", FAILURE, orders=taken, systolic=systolic)

    assert key in keys(fired(story.case())["PV-MOD"]) or key == "review-heart-failure"
    assert ("review-shock" in keys(fired(story.case())["PV-MOD"])) is (systolic < 90)


@pytest.mark.parametrize(("systolic", "told"), [(82, True), (118, False)])
def test_a_vaptan_that_is_taken_is_held_in_shock(systolic: int, *, told: bool) -> None:
    story = ward("124", FAILURE, orders=(order("tolvaptan", days=3),), systolic=systolic)

    card = fired(story.case()).get("PV-VAPTAN")
    assert (card is not None and "on-vaptan-shock" in keys(card)) is told
