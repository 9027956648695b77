"""A scene that fails says what differed."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story
from tests.sodium.rules.cases import a_case, reason
from tests.sodium.rules.orders import Scene, selected

SCENE = Scene(
    says="a vaptan is started in hospital",
    order=selected("tolvaptan"),
    story=Story(sodium="124", setting="inpatient"),
    fires={"OS-VAP-GEN": "info main"},
    shows=("sodium-early",),
)


def failure(scene: Scene) -> str:
    """What pytest shows of the failing scene."""
    with pytest.raises(pytest.fail.Exception) as failed:
        scene.check()
    return str(failed.value)


def test_the_scene_holds() -> None:
    SCENE.check()


def test_another_card_than_expected_shows_both() -> None:
    shown = failure(replace(SCENE, fires={"OS-VAP-GEN": "critical main"}))
    assert 'OS-VAP-GEN: expected "critical main", came "info main"' in shown


def test_a_silent_rule_shows_its_reason() -> None:
    shown = failure(replace(SCENE, fires={**SCENE.fires, "OS-VAP-HYPO": "critical main"}))
    assert 'OS-VAP-HYPO: expected "critical main", came silence "not-depleted"' in shown


def test_a_missing_line_is_named_beside_those_that_came() -> None:
    shown = failure(replace(SCENE, shows=("never-said",)))
    assert "never-said" in shown
    assert "sodium-early" in shown


def test_a_line_that_must_not_come_is_named() -> None:
    assert "sodium-early" in failure(replace(SCENE, hides=("sodium-early",)))


def test_a_button_that_was_not_expected_shows_both() -> None:
    assert "expected True, came False" in failure(replace(SCENE, removes=True))


def test_a_card_instead_of_a_silence_is_shown() -> None:
    with pytest.raises(AssertionError, match="PV-MILD fired"):
        reason("PV-MILD", a_case("131"))
