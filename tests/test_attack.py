"""The frame of `make attack`: every attack is found, and one that succeeds is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.attack import __main__ as command
from tests.attack.attack import Attack, Figure


def of(*figures: Figure) -> Attack:
    """An attack that brings these figures at once."""
    return Attack(name="made-up", says="Nothing is done.", run=lambda folder: figures)


def told(
    attack: Attack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> tuple[int, str]:
    """The exit code and what was printed."""
    known: Mapping[str, Attack] = {attack.name: attack}
    monkeypatch.setattr(command, "attacks", lambda: known)
    return command.main(more), capsys.readouterr().out


def test_every_module_that_declares_an_attack_is_found_under_its_own_name() -> None:
    folder = Path(command.__file__).parent
    declaring = [f for f in folder.glob("*.py") if "\nATTACK = " in f.read_text(encoding="utf-8")]
    assert len(command.attacks()) == len(declaring) > 0
    assert all(name == attack.name for name, attack in command.attacks().items())


@pytest.mark.parametrize(
    ("figure", "code"),
    [
        (Figure(what="ms", value=5, most=5), 0),
        (Figure(what="ms", value=5.1, most=5), 1),
        (Figure(what="answers", value=3, least=3), 0),
        (Figure(what="answers", value=2, least=3), 1),
        (Figure(what="told only", value=1e9), 0),
    ],
    ids=["at the most", "above", "at the least", "below", "without a bound"],
)
def test_a_figure_out_of_its_bounds_makes_the_command_fail(
    figure: Figure, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, said = told(of(figure), monkeypatch, capsys)
    assert (exit_code, "OUT OF BOUNDS" in said) == (code, bool(code))


def test_an_attack_that_cannot_be_run_has_failed_and_keeps_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(folder: Path) -> Iterable[Figure]:
        yield Figure(what="first", value=1)
        raise AssertionError("the server did not start")

    attack = Attack(name="made-up", says="It breaks.", run=run)
    code, said = told(attack, monkeypatch, capsys, "--json")
    result = json.loads(said)[0]
    assert code == 1
    assert [one["what"] for one in result["figures"]] == ["first"]
    assert "the server did not start" in result["problem"]


def test_a_name_that_no_attack_has_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["worst-boddy"])
    assert "there is no attack 'worst-boddy'" in capsys.readouterr().err
