"""How long a test waits for something that has to come: as long as a busy machine takes."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 600.0  # what takes longer hangs; nothing is measured with it
# For a service that is to answer: on a busy machine a call may take longer than its usual deadline.
UNHURRIED = {"CDS_DEADLINE_MS": "5000"}


def until(holds: Callable[[], object]) -> None:
    """Waits until this holds; fails if it still does not hold after `PATIENCE_S` seconds."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
