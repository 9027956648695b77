"""The card of an acute fall names the likely culprit where it says what to stop (F3)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cds_service.engine.finding import Finding
from cds_service.sodium.snapshot import Order
from tests.sodium.patients import order, problem
from tests.sodium.rules.cases import fired, text_of
from tests.sodium.rules.charts import acute

VINCRISTINE = replace(
    order("vincristine", days=6, route="iv", status="completed"), single_dose=True
)
VORICONAZOLE = order("voriconazole", days=9, reference="M/2")


def card(*orders: Order, **more: object) -> Finding:
    return fired(acute(*orders, **more).case())["PV-ACUTE"]


def stop(found: Finding) -> str:
    """The bullet that says what to stop, which is one of the first four."""
    return next(text_of(found, line) for line in found.do[:4] if line.key.startswith("acute-stop"))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("hydrochlorothiazide",), "the likely culprit: **hydrochlorothiazide**"),
        (("sertraline",), "the likely culprit: **sertraline**"),  # of days: no taper
        (("carbamazepine",), "**carbamazepine**; ask the prescriber, never stop it abruptly"),
        (("terlipressin",), "**terlipressin**; sodium may rise fast when it is stopped"),
        (("oxytocin",), "the likely culprit: **oxytocin**"),
        (("cyclophosphamide",), "**cyclophosphamide**, a needed treatment"),
        (("vincristine", "voriconazole"), "**vincristine**; **voriconazole raises it**"),
        (("vincristine", "fluconazole"), "**vincristine**, a needed treatment"),
        ((), "and the culprit drug where that is safe"),
    ],
)
def test_f3_the_step_names_the_culprit_and_how_it_is_stopped(
    names: tuple[str, ...], words: str
) -> None:
    taken = (order(name, days=3, reference=f"M/{name}") for name in names)
    assert words in stop(card(*taken))


def test_f3_a_drug_that_was_given_is_over_and_what_raises_it_can_still_be_changed() -> None:
    assert "**vincristine**, given already: it acts for days" in stop(card(VINCRISTINE))
    raised = stop(card(VINCRISTINE, VORICONAZOLE))
    assert "**vincristine**, given already; **voriconazole raises it**" in raised


def test_f3_a_recorded_symptom_is_told_where_symptoms_are_looked_for() -> None:
    headache = card(VINCRISTINE, problems=(problem("headache", days=0.1),))
    assert "(recorded: headache)" in text_of(headache, headache.do[0])
    assert card().do[0].key == "acute-danger"


def test_f3_desmopressin_is_still_never_the_culprit_to_stop() -> None:
    found = card(order("desmopressin", days=3), order("sertraline", days=3, reference="M/2"))
    assert not [line for line in found.do if line.key.startswith("acute-stop")]
