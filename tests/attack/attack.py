"""What a module of this folder declares: an attack, and the figures that it brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct


class Figure(Struct, frozen=True, kw_only=True):
    """One measured number, and what it must not exceed or fall below; without both it is told only."""

    what: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the number is within its bounds."""
        if self.most is not None and self.value > self.most:
            return False
        return self.least is None or self.value >= self.least

    @property
    def bound(self) -> str:
        """Says the bounds as a person reads them."""
        said = [f"at most {self.most:g}"] if self.most is not None else []
        said += [f"at least {self.least:g}"] if self.least is not None else []
        return ", ".join(said)


class Attack(Struct, frozen=True, kw_only=True):
    """One attack. `run` gets an empty folder of its own, and ends every process that it starts.

    A module of tests/attack that has a variable ATTACK is found by its name, nothing else lists it.
    """

    name: str  # as `make attack ONLY=name` takes it
    says: str  # one sentence: what is done, and what must hold
    run: Callable[[Path], Iterable[Figure]]
    seconds: int = 120  # the attack is ended, and has failed, after this time
