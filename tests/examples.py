"""How many examples a generated test tries: some in `make test`, many in `make check-long`."""

from __future__ import annotations

import os

SEARCHING = os.environ.get("HYPOTHESIS_PROFILE") == "searching"  # `make check-long` sets it


def examples(usual: int, searching: int) -> int:
    """Returns the number for this run."""
    return searching if SEARCHING else usual
