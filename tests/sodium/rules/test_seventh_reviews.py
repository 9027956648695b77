"""What a seventh round of reviews found silent: fluid for dialysis, chemotherapy at a normal sodium."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.sodium.patients import Story, order, problem, result, sets
from tests.sodium.patients import drug as known
from tests.sodium.patients import drugs as table_of_drugs
from tests.sodium.rules.orders import Scene, saline, selected, water
from tests.sodium.rules.test_no_rescue import DIALYSIS

DIALYSIS_FLUID = selected("dialysis fluid", route="iv")
KIDNEY = problem("acute-kidney-injury", days=3)
CYTOTOXICS = [name for name, one in table_of_drugs().items() if one.cls in sets().cytotoxics]
HALF = saline("0.45", "hypotonic", "2400")


@pytest.mark.parametrize(("sodium", "speaks"), [("110", True), ("124.5", True), ("125", False)])
def test_f26_a_fluid_for_dialysis_is_told_as_dialysis_is(sodium: str, *, speaks: bool) -> None:
    story = Story(sodium=sodium, setting="inpatient", problems=(KIDNEY,))
    found = Scene(says="F26", order=DIALYSIS_FLUID, story=story).findings()
    assert ("OS-DIALYSIS" in found) is speaks


@pytest.mark.parametrize("status", ["final", "cancelled"])
def test_f26_dialysis_without_a_sodium_says_that_it_was_not_checked(status: str) -> None:
    withdrawn = result("sodium", "118", status=status) if status != "final" else None
    results = (withdrawn,) if withdrawn else ()
    story = Story(sodium=None, setting="inpatient", results=results, problems=(KIDNEY,))
    for ordered in (DIALYSIS_FLUID, DIALYSIS):
        card = Scene(says="F26", order=ordered, story=story).findings()["OS-DIALYSIS"]
        assert (card.indicator, card.variant) == ("info", "none")
        assert card.do[0].key == "sodium-before"


@pytest.mark.parametrize("recorded", ["ckd-1-3", "ckd-4-5", "acute-kidney-injury", "cirrhosis"])
def test_demeclocycline_is_a_warning_with_a_kidney_disease_of_any_stage(recorded: str) -> None:
    story = Story(sodium="126", setting="inpatient", problems=(problem(recorded, days=300),))
    card = Scene(says="N10", order=selected("demeclocycline"), story=story).findings()["OS-DEMECLO"]
    assert card.indicator == "warning"
    assert card.do[0].key == "liver-or-kidney"


@pytest.mark.parametrize("sodium", ["136", "139", "143"])
@pytest.mark.parametrize("name", CYTOTOXICS)
@pytest.mark.parametrize("fluid", [HALF, water()], ids=["0.45 % saline", "dextrose"])
@pytest.mark.parametrize("drafted", [True, False], ids=["drafted", "active"])
def test_f25_hypotonic_fluid_beside_chemotherapy_is_told_before_sodium_falls(
    fluid: Any, name: str, sodium: str, *, drafted: bool
) -> None:
    beside = selected(name, route="iv", reference="MedicationRequest/other")
    taken = order(name, days=0.1, route="iv", reference="MedicationRequest/other")
    story = Story(sodium=sodium, setting="inpatient")
    together = {"drafts": (beside,)} if drafted else {"orders": (taken,)}
    card = Scene(says="F25", order=fluid, story=replace(story, **together)).findings()[
        "OS-HYPOTONIC"
    ]
    assert card.indicator == "warning"
    assert card.variant.startswith("kept")
    assert card.facts["partner"] == known(name).name
    assert "remove-draft" not in {button.kind for button in card.suggestions}
    assert "insipidus-differs" not in {line.key for line in card.do}


def test_f25_a_tablet_of_cyclophosphamide_keeps_no_water_by_itself() -> None:
    tablet = order("cyclophosphamide", days=60)
    story = Story(sodium="139", setting="inpatient", orders=(tablet,))
    assert "OS-HYPOTONIC" not in Scene(says="F25", order=HALF, story=story).findings()
