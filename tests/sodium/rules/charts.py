"""Charts in a few words whose cards show lines that no other gallery shows; facts are recorded here."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.sodium.patients import Story, order, problem, result


def rising(now: float = 122, start: float = 112, *problems: Any, **more: Any) -> Story:
    """Sodium rose within 20 h, and the last value is an hour old."""
    before = (result("sodium", start, 21), *more.pop("results", ()))
    return Story(
        sodium=now, sodium_hours=1, setting="inpatient", results=before, problems=problems, **more
    )


def shed(osmolality: str, *problems: Any) -> Story:
    """A rise of 13 in 20 h, with this osmolality of the urine."""
    return rising(124, 111, *problems, results=(result("urine-osmolality", osmolality),))


def two_in_one(partner: str, *problems: Any, systolic: int = 118, potassium: str = "4.2") -> Story:
    """A thiazide and its partner in one product, sodium 122."""
    product = replace(
        order("hydrochlorothiazide", partner), partners=(partner,), ingredient_count=2
    )
    measured = (result("systolic", systolic), result("potassium", potassium))
    return Story(
        sodium="122", setting="inpatient", results=measured, problems=problems, orders=(product,)
    )


def dialyzed(sodium: str = "121", *problems: Any, **more: Any) -> Story:
    """A patient on dialysis with a high potassium."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        results=(result("potassium", "6.4"), result("creatinine", "11.2")),
        problems=(problem("dialysis", days=900), *problems),
        **more,
    )


def drunk(osmolality: str, ethanol: str) -> Story:
    """Sodium 109 with an osmolality and the ethanol of the same tube."""
    measured = (result("serum-osmolality", osmolality), result("ethanol", ethanol))
    return Story(sodium="109", setting="inpatient", results=measured)


def seized(*problems: Any, sodium: str = "118", **more: Any) -> Story:
    """A seizure of this hour at a low sodium."""
    return Story(
        sodium=sodium,
        setting="inpatient",
        problems=(problem("seizure", days=0.03, encounter=True), *problems),
        **more,
    )


UNNAMED = replace(order("hydrochlorothiazide"), ingredient_count=2)
CHARTS: tuple[Story, ...] = (
    shed("62", problem("psychogenic-polydipsia")),
    two_in_one("lisinopril", potassium="5.9"),
    replace(two_in_one("lisinopril", systolic=84), orders=(UNNAMED,)),
    two_in_one("lisinopril", problem("hypovolemia", days=0.5), systolic=84),
    rising(orders=(order("terlipressin", days=1, route="iv"),)),
    dialyzed(),
    dialyzed("129", problem("cramp", days=0.5), problem("cirrhosis", days=900)),
    drunk("297", "330"),
    seized(problem("labor", days=0.2)),
)
