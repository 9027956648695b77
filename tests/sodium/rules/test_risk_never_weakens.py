"""A recorded risk of demyelination never makes the card of an order that raises sodium weaker (F22)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.engine.finding import URGENCY, Finding
from cds_service.engine.triage import triage
from cds_service.sodium.snapshot import Order
from cds_service.terminology.types import Saline, StrongSalt
from tests.sodium.patients import Story, problem, result
from tests.sodium.rules.orders import Scene, saline, selected
from tests.sodium.rules.test_order_select_words import service

AMOUNT = ("ordered-", "same-as-", "which-strength", "concentrate-")
Change = Callable[[Story], Story]


def strong(name: str, strength: str, ml: str | None) -> Order:
    """A draft of a sodium salt as strong as hypertonic saline."""
    volume = None if ml is None else Decimal(ml)
    salt = StrongSalt(name=name, mmol_per_ml=Decimal(strength), ordered_ml=volume)
    known = ("sodium bicarbonate",) if name == "sodium bicarbonate" else ()
    return replace(selected(*known, route="iv"), strong_salt=salt)


def chloride(percent: str, ml: str) -> Order:
    """A draft of saline of which so much is ordered."""
    kind = "hypertonic" if Decimal(percent) < Decimal("7.5") else "concentrate"
    known = Saline(kind=kind, percent=Decimal(percent), ordered_ml=Decimal(ml))  # type: ignore[arg-type]
    return replace(saline(), saline=known)


ORDERS = {
    **{f"3% saline {ml} mL": chloride("3", ml) for ml in ("100", "250", "500")},
    **{f"10% saline {ml} mL": chloride("10", ml) for ml in ("20", "100")},
    **{f"23.4% saline {ml} mL": chloride("23.4", ml) for ml in ("10", "30")},
    **{
        f"bicarbonate {ml} mL": strong("sodium bicarbonate", "1", ml)
        for ml in ("20", "100", "250", "1000", None)
    },
    "acetate 100 mL": strong("sodium acetate", "2", "100"),
    "lactate 250 mL": strong("sodium lactate", "1", "250"),
    "potassium by vein": selected("potassium chloride", route="iv"),
    "potassium by mouth": selected("potassium chloride", dose="4000"),
    "salt tablets": saline(None, "salt-tablet", None, route="systemic"),
    "urea": selected("urea", route="systemic"),
}


def recorded(name: str) -> Change:
    """The same patient with one more problem."""
    return lambda story: replace(story, problems=(*story.problems, problem(name, days=100)))


def low_potassium(story: Story) -> Story:
    """The same patient with a potassium of 3.1."""
    return replace(story, results=(*story.results, result("potassium", "3.1")))


RISKS: dict[str, Change] = {
    "low potassium": low_potassium,
    "alcohol": recorded("alcohol-use-disorder"),
    "malnutrition": recorded("malnutrition"),
    "cirrhosis": recorded("cirrhosis"),
}
BESIDE = {
    "nothing": (),
    "seizure": (problem("seizure", days=0.2, encounter=True),),
    "heart failure": (problem("heart-failure", days=900),),
    "kidney disease": (problem("ckd-4-5", days=900),),
    "vomiting": (problem("vomiting", days=0.5),),
}
RISEN = (None, 4, 7, 12)  # so far within 20 h


def ward(sodium: int, risen: int | None, beside: str) -> Story:
    """An inpatient at this sodium."""
    earlier = () if risen is None else (result("sodium", sodium - risen, 20),)
    return Story(sodium=sodium, setting="inpatient", results=earlier, problems=BESIDE[beside])


def card(order: Order, story: Story, profile: str) -> Finding | None:
    """The card of the order, as the clinician sees it."""
    scene = Scene(says="", order=order, story=story, profile=profile)
    cards = triage(scene.outcomes().values(), service().rules, age_known=True)
    return cards[0] if cards else None


def amounts(shown: Finding | None) -> set[str]:
    """What the card says about the ordered amount."""
    told = () if shown is None else shown.do
    return {line.key.removesuffix("-plain") for line in told if line.key.startswith(AMOUNT)}


def urgency(shown: Finding | None) -> int:
    return -1 if shown is None else URGENCY[shown.indicator]


def weaker(order: str, story: Story, risk: str, profile: str) -> list[str]:
    """In which way the card of the patient with the risk is weaker."""
    without = card(ORDERS[order], story, profile)
    with_it = card(ORDERS[order], RISKS[risk](story), profile)
    found = []
    if urgency(with_it) < urgency(without):
        found.append("it is less urgent")
    if lost := amounts(without) - amounts(with_it):
        found.append(f"it lost {sorted(lost)}")
    return found


@settings(max_examples=400, deadline=None)
@given(
    order=st.sampled_from(sorted(ORDERS)),
    sodium=st.sampled_from([108, 114, 119, 122, 127]),
    risen=st.sampled_from(RISEN),
    beside=st.sampled_from(sorted(BESIDE)),
    risk=st.sampled_from(sorted(RISKS)),
    profile=st.sampled_from(["aasld", "european"]),
)
def test_f22_a_risk_of_demyelination_never_weakens_a_card(
    order: str, sodium: int, risen: int | None, beside: str, risk: str, profile: str
) -> None:
    # A low potassium is the reason to give potassium, and no reason to warn of it.
    assume(not (risk == "low potassium" and order.startswith("potassium")))
    assert not weaker(order, ward(sodium, risen, beside), risk, profile)
