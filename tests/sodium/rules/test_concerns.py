"""Which orders concern a rule, and which of those can be judged without a readable sodium.

Each rule takes from the order what it is about; these tests compare that with a definition of their
own, over all orders of the demo, of the stories, of the scenes, and generated ones. A new rule about
orders of another kind needs a line in `defined` too (CONTRIBUTING.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.demo.stories import default_fixtures_dir
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.records.drafts import SentDraft
from cds_service.records.fhir_types import as_resources
from cds_service.records.reader import CallRecords, read_snapshot
from cds_service.sodium.rules.book import BOOK, can_judge_without_sodium
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Nutrition, StrongSalt
from cds_service.terminology.vocabulary import Vocabulary, vocabulary
from tests.sodium.patients import drugs
from tests.sodium.rules.orders import all_scenes, restriction, saline, selected, water

Concern = Literal["names missing sodium", "without sodium", "with sodium", "none"]
LACTATE = StrongSalt(name="sodium lactate", mmol_per_ml=Decimal(1))
MENU = Path(__file__).parents[2] / "golden" / "menu.json"
RAISING, HOURLY = ("hypertonic", "concentrate"), ("isotonic", "hypotonic")
ALSO_RAISING = {"bicarbonate", "potassium", "sodium-phosphate", "urea"}  # F22
INTERACTING = {  # F19: beside a vaptan
    *("cyp3a-inhibitor", "cyp3a-moderate", "cyp3a-inducer", "calcium-blocker", "barbiturate")
}
STRENGTHENING = {"nsaid", "antidiarrheal"}  # F25: beside desmopressin
NOT_BEFORE_CORTISOL = {"thyroid-hormone"}  # F5
LOW_SODIUM = {"hyponatremia", "siadh"}


def defined(order: Order) -> Concern:
    """The definition: what an order must hold so that any rule can speak about it."""
    systemic = order.kind == "medication" and order.route != "local"
    saline_kind = order.saline.kind if order.saline else ""
    watched = systemic and any(drug.group or drug.cls == "desmopressin" for drug in order.drugs)
    classes = {drug.cls for drug in order.drugs} if systemic else set()
    if "vaptan" in classes or (systemic and saline_kind in RAISING):
        return "names missing sodium"
    steroids = {"glucocorticoid", "glucocorticoid-inhaled", "glucocorticoid-depot"} & classes
    if steroids and order.route != "iv":
        return "without sodium"
    session = order.kind == "service" and "dialysis-session" in order.about
    if session or "dialysis-fluid" in classes or (INTERACTING & classes and not watched):
        return "without sodium"
    if order.fluid_restriction or saline_kind == "salt-tablet" or "baclofen" in classes:
        return "without sodium"
    if order.route != "local" and (order.hypotonic or saline_kind in HOURLY):
        volumes = [order.hypotonic_volume_ml, order.saline.volume_ml if order.saline else None]
        if order.route == "iv" or any(volume is not None for volume in volumes):
            return "with sodium"
    treating = [drug.cls for drug in order.drugs if drug.cls in ("demeclocycline", "lithium")]
    lithium_for_another_reason = treating[:1] == ["lithium"] and order.reasons.isdisjoint(
        LOW_SODIUM
    )
    balanced_given = order.balanced and (
        order.route == "iv" or order.balanced_volume_ml is not None
    )
    picosulfate = any(drug.name == "picosulfate" for drug in order.drugs)
    cortisol_by_vein = order.route == "iv" and "glucocorticoid" in classes
    if systemic and (balanced_given or ALSO_RAISING & classes or cortisol_by_vein or picosulfate):
        return "with sodium"
    treats = systemic and treating and not lithium_for_another_reason
    by_vein = systemic and order.route in ("iv", "unknown") and "mannitol" in classes
    rinses = systemic and order.irrigation and bool({"mannitol", "osmotic-agent"} & classes)
    moves_water = by_vein or rinses or order.asks_to_drink
    moves_water = moves_water or (systemic and order.strong_salt is not None)
    rich = order.route == "iv" and any(d.sodium_mmol_per_g is not None for d in order.drugs)
    moves_water = moves_water or rich
    moves_water = moves_water or order.nutrition is not None
    moves_water = moves_water or (systemic and order.effervescent and "potassium" not in classes)
    carries_salt = order.route != "local" and order.isotonic_carrier_ml is not None
    moves_water = moves_water or (carries_salt and not saline_kind)
    strengthens = bool((STRENGTHENING | NOT_BEFORE_CORTISOL) & classes)
    concerns = (watched, treats, moves_water, strengthens)
    return "with sodium" if any(concerns) else "none"


def derived(order: Order) -> Concern:
    """What the rules say."""
    rules = BOOK.concerning(order)
    if any(rule.names_missing_sodium for rule in rules):
        return "names missing sodium"
    if any(rule.without_sodium(order) for rule in rules):
        return "without sodium"
    return "with sodium" if rules else "none"


def differing(orders: Iterable[Order]) -> list[str]:
    """Names each order of which the rules say something else than the definition."""
    return [
        f"{order}: the rules say '{derived(order)}', `defined` in this file '{defined(order)}'"
        for order in orders
        if derived(order) != defined(order)
    ]


@pytest.mark.parametrize(
    ("draft", "wanted"),
    [
        (saline(), "names missing sodium"),
        (saline("23.4", "concentrate"), "names missing sodium"),
        (selected("tolvaptan"), "names missing sodium"),
        (saline("0.9", "isotonic"), "with sodium"),
        (saline("0.9", "isotonic", None, route="unknown"), "none"),
        (saline(None, "salt-tablet", None, route="systemic"), "without sodium"),
        (water(), "with sodium"),
        (restriction(), "without sodium"),
        (selected("sertraline"), "with sodium"),
        (selected("furosemide"), "with sodium"),
        (selected("desmopressin"), "with sodium"),
        (selected("baclofen"), "without sodium"),
        (selected("demeclocycline"), "with sodium"),
        (selected("lithium"), "none"),
        (selected("lithium", reasons=["hyponatremia"]), "with sodium"),
        (selected("clarithromycin"), "without sodium"),
        (selected("carbamazepine"), "with sodium"),
        (selected("omeprazole"), "none"),
        (selected("prednisone"), "without sodium"),
        (selected("budesonide"), "without sodium"),
        (selected("prednisone", route="local"), "none"),
        (selected("hydrocortisone", route="iv"), "with sodium"),
        (selected("mannitol", route="iv"), "with sodium"),
        (replace(selected(), strong_salt=LACTATE), "with sodium"),
        (replace(selected(), isotonic_carrier_ml=Decimal(500)), "with sodium"),
        (replace(selected(), nutrition=Nutrition()), "with sodium"),
        (selected("mannitol"), "none"),
        (selected("glycine"), "none"),
        (Order(reference="ServiceRequest/1", kind="service", asks_to_drink=True), "with sodium"),
        (selected("doxepin", route="local"), "none"),
        (selected(), "none"),
        (Order(reference="ServiceRequest/1", kind="service"), "none"),
    ],
)
def test_an_order_that_no_rule_can_judge_needs_no_sodium(draft: Order, wanted: Concern) -> None:
    assert derived(draft) == wanted
    assert defined(draft) == wanted


@pytest.mark.parametrize(
    ("drafts", "wanted"),
    [
        ([], False),
        ([selected("omeprazole")], False),
        ([selected("sertraline")], False),
        ([restriction()], True),
        ([restriction(), selected("omeprazole")], True),
        ([restriction(), selected("sertraline")], False),
        ([saline(), selected("sertraline")], True),
        ([selected("tolvaptan"), restriction(), selected("sertraline")], True),
    ],
)
def test_which_selections_can_be_judged_without_a_sodium(drafts: list[Order], wanted: bool) -> None:
    assert can_judge_without_sodium(drafts) is wanted


@cache
def terms() -> Vocabulary:
    knowledge = load_knowledge(default_hooks_dir())
    return vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders)


def as_read(resource: dict[str, Any]) -> tuple[Order, ...]:
    """The order as a call would read it."""
    draft = {**resource, "id": "draft", "subject": {"reference": "Patient/1"}}
    draft |= {"patient": draft["subject"]} if resource["resourceType"] == "NutritionOrder" else {}
    records = CallRecords(
        patient_id="1",
        now=datetime(2026, 6, 1, tzinfo=UTC),
        drafts=tuple(SentDraft(one) for one in as_resources([draft])),
    )
    return read_snapshot(records, terms()).drafts


def of_the_menu() -> Iterator[dict[str, Any]]:
    yield from json.loads(MENU.read_text(encoding="utf-8")).values()


def of_the_stories() -> Iterator[dict[str, Any]]:
    for file in sorted(default_fixtures_dir().glob("*/request.json")):
        context = json.loads(file.read_text(encoding="utf-8"))["context"]
        for entry in context.get("draftOrders", {}).get("entry", ()):
            yield entry["resource"]


def test_orders_of_the_menu_and_of_all_stories_concern_the_rules_as_defined() -> None:
    resources = [*of_the_menu(), *of_the_stories()]
    orders = [order for resource in resources for order in as_read(resource)]
    assert len(orders) > 30
    assert not differing(orders)


def test_orders_of_all_scenes_concern_the_rules_as_defined() -> None:
    orders = [order for scene in all_scenes() for order in (scene.order, *scene.story.drafts)]
    assert not differing(orders)


FLUIDS = st.builds(
    lambda draft, ml: replace(
        draft, hypotonic_volume_ml=draft.hypotonic_volume_ml and ml, ingredient_count=2
    ),
    st.sampled_from(
        [
            saline(percent, kind, ml, route=route)  # type: ignore[arg-type]  # kinds of Saline
            for percent, kind in [
                ("3", "hypertonic"),
                ("23.4", "concentrate"),
                ("0.9", "isotonic"),
                ("0.45", "hypotonic"),
                (None, "salt-tablet"),
            ]
            for ml in (None, "100", "1000")
            for route in ("iv", "systemic", "local", "unknown")
        ]
        + [replace(water(ml), route=route) for ml in (None, "500") for route in ("iv", "local")]
    ),
    st.sampled_from([None, 100, 1000]),
)
MEDICINES = st.builds(
    lambda names, route, reason, kind: replace(
        selected(*names, route=route, reasons=reason), kind=kind
    ),
    st.lists(st.sampled_from(sorted(drugs())), max_size=2, unique=True),
    st.sampled_from(["iv", "systemic", "local", "unknown"]),
    st.sampled_from([[], ["hyponatremia"], ["siadh"], ["adpkd"]]),
    st.sampled_from(["medication", "medication", "medication", "service", "other"]),
)


@settings(max_examples=1500, deadline=None)
@given(st.one_of(FLUIDS, MEDICINES, MEDICINES))
def test_generated_orders_concern_the_rules_as_defined(order: Order) -> None:
    assert not differing([order])


def test_each_drug_alone_concerns_the_rules_as_defined() -> None:
    orders = [selected(name, route=route) for name in drugs() for route in ("iv", "systemic")]
    assert not differing(orders)
