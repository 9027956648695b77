"""In kidney failure a high osmolality is urea until disproved, and overload needs its restriction (M6)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys
from tests.sodium.rules.orders import Scene, restriction, table

HIGH = (result("serum-osmolality", 302), result("glucose", 100))


def undiluted(*problems: Any, results: tuple[Any, ...] = ()) -> Story:
    """Sodium 122 with an osmolality of 302 of which urea is not known."""
    return Story(sodium="122", setting="inpatient", results=(*HIGH, *results), problems=problems)


SCENES = (
    *(
        Scene(
            says=f"M6: {told} and no urea: a high osmolality takes no restriction away",
            order=restriction(),
            story=undiluted(problem(told, days=days)),
            fires={"OS-FR": "info urea"},
            shows=("do-measure-urea", "because-urea"),
            hides=("do-prove-dilution", "osmolality-unproven"),
        )
        for told, days in (("ckd-4-5", 900), ("acute-kidney-injury", 0.5), ("anuria", 0.5))
    ),
    Scene(
        says="M6: a creatinine above 4 mg/dL says as much",
        order=restriction(),
        story=undiluted(results=(result("creatinine", "7.0"),)),
        fires={"OS-FR": "info urea"},
    ),
    Scene(
        says="M6: a creatinine of 4 mg/dL does not",
        order=restriction(),
        story=undiluted(results=(result("creatinine", "4.0"),)),
        fires={"OS-FR": "warning osmolality"},
        removes=True,
        shows=("do-prove-dilution", "osmolality-unproven"),
    ),
    Scene(
        says="M6: with little urea measured it is not urea, in kidney failure too",
        order=restriction(),
        story=Story(
            sodium="122",
            setting="inpatient",
            results=(result("serum-osmolality", 285), result("glucose", 100), result("bun", 14)),
            problems=(problem("ckd-4-5", days=900),),
        ),
        fires={"OS-FR": "warning osmolality"},
        removes=True,
    ),
    *(
        Scene(
            says=f"M6: {told} is a reason of its own for the restriction: no button takes it away",
            order=restriction(),
            story=undiluted(problem(told, days=3)),
            fires={"OS-FR": "warning osmolality"},
            shows=("do-keep-in-overload", "osmolality-unproven"),
            hides=("do-prove-dilution",),
        )
        for told in ("fluid-overload", "acute-heart-failure", "ascites", "nephrotic")
    ),
    Scene(
        says="M6: nor where protein may make the number wrong",
        order=restriction(),
        story=Story(
            sodium="126",
            setting="inpatient",
            results=(result("total-protein", "10.9"),),
            problems=(problem("fluid-overload", days=1),),
        ),
        fires={"OS-FR": "warning artefact"},
        shows=("do-prove-dilution",),
    ),
)


@table(SCENES)
def test_restriction_at_an_osmolality_that_is_not_low(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(
    ("problems", "told"),
    [((problem("ckd-4-5", days=900),), "osmolality-urea"), ((), "osmolality-unproven")],
)
def test_the_chart_names_urea_first_where_the_kidney_fails(problems: Any, told: str) -> None:
    cards = fired(undiluted(*problems).case())
    assert told in {key for card in cards.values() for key in keys(card)}
