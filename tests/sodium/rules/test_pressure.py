"""F11: 3 % saline for the brain is no question of the sodium number, and no card stands before it."""

from __future__ import annotations

import pytest

from cds_service.engine.finding import Silence
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.cases import fired, keys, summary
from tests.sodium.rules.orders import Scene, saline, table

HERNIATION = problem("herniation", days=0.1, encounter=True)
EDEMA = problem("cerebral-edema", days=1)
BLEED = problem("intracranial-bleed", days=3)
SEIZURE = problem("seizure", days=0.2, encounter=True)
PRESSURE = {"OS-HTS-ICP": "info main"}


def ward(sodium: str, *problems: object, **measured: float) -> Story:
    """An inpatient with these problems and results, `serum_osmolality=300`."""
    results = tuple(result(name.replace("_", "-"), value, 1) for name, value in measured.items())
    return Story(sodium=sodium, setting="inpatient", problems=problems, results=results)  # type: ignore[arg-type]  # problems of any kind


SCENES = (
    Scene(
        says="herniation at 128 and glucose 900: for the pressure, the glucose beside it",
        order=saline(),
        story=ward("128", HERNIATION, glucose=900),
        fires=PRESSURE,
        shows=("treat-first", "pressure-team", "pressure-glucose"),
        hides=("pressure-low", "lower-glucose-first", "glucose-before"),
    ),
    Scene(
        says="the same without anything of the brain: the number is a glucose shift",
        order=saline(),
        story=ward("128", glucose=900),
        fires={"OS-HTS-GLU": "warning main"},
        removes=True,
    ),
    Scene(
        says="herniation at 119 and glucose 900: no 'glucose first'",
        order=saline(),
        story=ward("119", HERNIATION, glucose=900),
        fires=PRESSURE,
        hides=("glucose-before",),
    ),
    Scene(
        says="brain edema at 131 with an osmolality of 300: neither for nor against it",
        order=saline(),
        story=ward("131", EDEMA, serum_osmolality=300),
        fires=PRESSURE,
        shows=("pressure-osmolality",),
    ),
    Scene(
        says="brain edema at 131 with an osmolality of 262: silent, as before",
        order=saline(),
        story=ward("131", EDEMA, serum_osmolality=262),
    ),
    Scene(
        says="brain edema alone at 118: the sodium may swell it too",
        order=saline(),
        story=ward("118", EDEMA),
        fires=PRESSURE,
        shows=("pressure-low",),
    ),
    Scene(
        says="a bleed of three days at 118: for the pressure, and no button keeps it",
        order=saline(),
        story=ward("118", BLEED),
        fires={"OS-HTS-ICP": "info injury"},
    ),
    Scene(
        says="a bleed of three days at 130 and glucose 700",
        order=saline(),
        story=ward("130", BLEED, glucose=700),
        fires={"OS-HTS-ICP": "info injury"},
        shows=("pressure-glucose",),
    ),
    Scene(
        says="a bleed of two months is no pressure of today",
        order=saline(),
        story=ward("130", problem("intracranial-bleed", days=60), glucose=700),
        fires={"OS-HTS-GLU": "warning main"},
    ),
    Scene(
        says="brain edema with a seizure at 124: the guardrails, one card",
        order=saline(),
        story=ward("124", EDEMA, SEIZURE),
        fires={"OS-HTS-SEV": "info main"},
    ),
    Scene(
        says="a concentrate against herniation: dose, dilution and route",
        order=saline("23.4", "concentrate"),
        story=ward("128", HERNIATION, glucose=900),
        fires={"OS-HTS-CONC": "warning main"},
    ),
)


@table(SCENES)
def test_saline_for_the_pressure(scene: Scene) -> None:
    scene.check()


@pytest.mark.parametrize(
    ("measured", "reason"),
    [({}, "no-glucose"), ({"glucose": 110}, "mild-band")],
    ids=["not known", "normal"],
)
def test_silence_in_the_mild_band_says_whether_the_glucose_was_known(
    measured: dict[str, float], reason: str
) -> None:
    scene = Scene(says="", order=saline(), story=ward("128", HERNIATION, **measured))
    outcome = scene.outcomes()["OS-HTS-ICP"]
    assert isinstance(outcome, Silence)
    assert outcome.reason == reason


@pytest.mark.parametrize("brain", [HERNIATION, EDEMA])
def test_the_chart_says_pressure_before_glucose(brain: object) -> None:
    card = fired(ward("128", brain, glucose=900).case())["PV-GLU"]

    assert card.indicator == "warning"
    assert "the pressure first" in summary(card)
    assert keys(card)[:2] == ["pressure-first", "pressure-glucose"]


def test_without_brain_edema_the_chart_treats_the_glucose() -> None:
    card = fired(ward("128", glucose=900).case())["PV-GLU"]

    assert (card.indicator, keys(card)[0]) == ("info", "treat-glucose")


def test_a_nearly_explained_sodium_with_herniation_is_one_emergency() -> None:
    cards = fired(ward("119", HERNIATION, glucose=900).case())

    assert "PV-SYMP" in cards
    assert "PV-GLU" not in cards
    assert "PV-GLU" in fired(ward("119", glucose=900).case())
