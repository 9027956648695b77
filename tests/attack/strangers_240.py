"""The same with 240 strangers."""

from __future__ import annotations

from tests.attack.attack import Attack
from tests.attack.strangers import of

ATTACK = Attack(
    name="strangers-240",
    says="240 strangers hold bodies open that hardly come: valid calls and /health are left alone.",
    run=of(240),
)
