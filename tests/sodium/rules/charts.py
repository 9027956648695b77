"""Charts in a few words whose cards show lines that no other gallery shows; facts are recorded here."""

from __future__ import annotations

from typing import Any

from tests.sodium.patients import Story, problem, result


def rising(now: float = 122, start: float = 112, *problems: Any, **more: Any) -> Story:
    """Sodium rose within 20 h, and the last value is an hour old."""
    before = (result("sodium", start, 21), *more.pop("results", ()))
    return Story(
        sodium=now, sodium_hours=1, setting="inpatient", results=before, problems=problems, **more
    )


def shed(osmolality: str, *problems: Any) -> Story:
    """A rise of 13 in 20 h, with this osmolality of the urine."""
    return rising(124, 111, *problems, results=(result("urine-osmolality", osmolality),))


CHARTS: tuple[Story, ...] = (shed("62", problem("psychogenic-polydipsia")),)
