"""The filter leaves out no moment at which a rule speaks: records that aim at each of its clauses.

Random records hardly ever reach the edge of a clause, so each clause has records made for it, and a
filter with that one clause broken must lose a card of them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from cds_service.backtest.quick import Bounds, Look, Quick, bounds_of
from cds_service.knowledge.limits import PROFILES
from tests.backtest.judging import judged, people, pipeline, timeline
from tests.backtest.small_exports import (
    START,
    Resource,
    condition,
    order,
    patient,
    result,
    sertraline,
)

Record = list[Resource]
LAB, BEDSIDE, GLUCOSE = "2951-2", "2947-0", "2345-7"
AT_RISK = condition("7200002", "Alcoholism", -1000)
TRIES = 25


def bounds() -> Bounds:
    return bounds_of([pipeline().knowledge.limits[profile] for profile in PROFILES])


def lost(record: Record, given: Bounds | None = None) -> set[datetime]:
    """The moments with a row that the filter leaves out."""
    rows, _ = judged(record, every=True)
    look = look_at(record, given)
    return set() if look is None else {row.at for row in rows} - set(look.possible)


def look_at(record: Record, given: Bounds | None = None) -> Look | None:
    """What the numbers say; the moments are those that are judged without a filter."""
    (person,), _ = people(record)
    look = Quick([pipeline()], PROFILES, given).look(
        person.id, person.of("sodium"), person.of("glucose")
    )
    if look is not None:
        assert sorted(look.times) == sorted(set(timeline(record).series["sodium"].times))
    return look


def at_the_band(rng: random.Random) -> Record:
    """The newest value lies on the upper edge of a band; a new drug makes it worth a card."""
    hours = rng.uniform(24, 60)
    return [
        patient(), sertraline(-100), result(rng.choice((138, 139.5)), 0),
        result(rng.choice((135, 134.9, 134.5, 135.1)), hours),
    ]  # fmt: skip


def at_the_goal(rng: random.Random) -> Record:
    """Sodium rose to normal by exactly the smallest limit, in a patient at risk."""
    base = rng.choice((129, 129.5, 129.8))
    rise = rng.choice((6, 6.1, 6.2))
    end = max(135.1, round(base + rise, 1))
    return [patient(), AT_RISK, result(base, 0), result(end, rng.uniform(12, 23))]


def fell_back(rng: random.Random) -> Record:
    """Sodium rose above the goal, and is a little lower since, in a patient at risk."""
    top = rng.uniform(18, 23)
    newest = result(135.2, top + rng.uniform(10, 20), late=0.5)
    return [patient(), AT_RISK, result(129.5, 0), result(rng.choice((136, 136.5)), top), newest]


def above_the_limit(rng: random.Random) -> Record:
    """Sodium was nearly normal, and rose by just more than the limit, in a patient at risk."""
    base = rng.choice((131, 132.5))
    rise = rng.choice((8.1, 8.2, 8.5))
    return [patient(), AT_RISK, result(base, 0), result(base + rise, rng.uniform(12, 23))]


def a_jump(rng: random.Random) -> Record:
    """Sodium fell within hours to a normal value, by more than it can."""
    fall = rng.choice((12.1, 12.5, 13))
    return [patient(), result(137 + fall, 0), result(137, rng.uniform(1, 3.5))]


def long_before(rng: random.Random) -> Record:
    """A rise over four days was too fast, and is told the day after, when sodium is normal."""
    base, days = rng.choice((104, 103)), rng.uniform(94, 95.9)
    later = days + rng.uniform(20, 23)
    return [patient(), result(base, 0), result(138, days), result(138.5, later)]


def after_high_glucose(rng: random.Random) -> Record:
    """Sodium hardly changed, and rose by a lot once glucose is considered."""
    middle, end = rng.uniform(26, 34), rng.uniform(47, 56)
    sweet = [(700, 0), (90, middle), (rng.choice((450, 500)), end)]
    salt = [(rng.choice((129.9, 130.5)), 0), (130.9, middle), (135.5, end)]
    return [
        patient(), AT_RISK,
        *(result(value, at, code=GLUCOSE) for value, at in sweet),
        *(result(value, at) for value, at in salt),
    ]  # fmt: skip


def one_glucose(rng: random.Random) -> Record:
    """A glucose just above the limit beside a sodium that rose."""
    first = rng.choice((200, 205, 400))
    return [
        patient(), AT_RISK,
        result(first, 0, code=GLUCOSE), result(rng.choice((90, 150)), 20, code=GLUCOSE),
        result(130, 0), result(rng.choice((135.5, 135.9)), 20),
    ]  # fmt: skip


def two_methods(rng: random.Random) -> Record:
    """Laboratory and bedside differ by just as much as counts, and neither is low."""
    lab, apart = rng.choice((137, 138.5)), rng.choice((5, 5.5, 5.9))
    return [patient(), result(lab, 0), result(lab + apart, rng.uniform(0.1, 0.9), code=BEDSIDE)]


def a_low_one_beside(rng: random.Random) -> Record:
    """The newest value is normal, and one of the hour before is low."""
    low, later = rng.choice((134, 133.5)), rng.uniform(0.1, 0.9)
    return [patient(), result(low, 0), result(low + 4, later, code=BEDSIDE)]


Broken = Callable[[Bounds], Bounds]
CLAUSES: dict[str, tuple[Callable[[random.Random], Record], Broken]] = {
    "low": (at_the_band, lambda b: replace(b, low=b.low - 0.05)),
    "least": (at_the_goal, lambda b: replace(b, least=b.least + 0.05)),
    "recovered": (at_the_goal, lambda b: replace(b, recovered=128.0)),
    "over": (above_the_limit, lambda b: replace(b, over=b.over + 0.6)),
    "jump": (a_jump, lambda b: replace(b, jump=math.inf)),
    "recent": (fell_back, lambda b: replace(b, recent=timedelta(hours=1))),
    "reach": (long_before, lambda b: replace(b, reach=timedelta(hours=110))),
    "sweet": (after_high_glucose, lambda b: replace(b, sweet=math.inf)),
    "apart": (two_methods, lambda b: replace(b, apart=math.inf)),
    "beside": (a_low_one_beside, lambda b: replace(b, beside=timedelta(0))),
}
AIMED = {name: make for name, (make, _) in CLAUSES.items()} | {"one-glucose": one_glucose}


@pytest.mark.parametrize("clause", AIMED)
def test_no_card_is_lost_at_the_edge_of_a_clause(clause: str) -> None:
    rng, cards = random.Random(clause), 0
    for _ in range(TRIES):
        record = AIMED[clause](rng)
        assert lost(record) == set(), record
        cards += bool(judged(record, every=True)[0])
    assert clause == "one-glucose" or cards, "the records of this clause bring no card"


def _tolvaptan(form: str) -> Record:
    """An order of tolvaptan that names it in one of the ways of FHIR, with its Medication."""
    ordered = order("849501", "tolvaptan 15 MG Oral Tablet", -60)
    medication = {"code": ordered["medicationCodeableConcept"], "resourceType": "Medication"}
    if form == "code":
        return [ordered]
    del ordered["medicationCodeableConcept"]
    if form == "contained":
        inside = {
            "medicationReference": {"reference": "#m"},
            "contained": [medication | {"id": "m"}],
        }
        return [ordered | inside]
    return [
        ordered | {"medicationReference": {"reference": "Medication/m7"}},
        medication | {"id": "m7"},
    ]


@pytest.mark.parametrize("form", ["code", "contained", "reference"])
def test_a_drug_of_which_a_rule_speaks_at_any_sodium_is_left_to_the_rules(form: str) -> None:
    record = [
        patient(), result(139, 0), *_tolvaptan(form),
        order("197516", "clarithromycin 250 MG Oral Tablet", -10),
    ]  # fmt: skip
    rows, _ = judged(record)
    assert [card.rule for row in rows for card in row.cards][:1] == ["PV-VAPTAN"]
    assert rows == judged(record, every=True)[0]


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_filter_with_this_clause_broken_loses_a_card(clause: str) -> None:
    make, broken = CLAUSES[clause]
    rng = random.Random(clause)
    assert any(lost(make(rng), broken(bounds())) for _ in range(TRIES))


# ---- results that are not plain


def odd_results() -> dict[str, Record]:
    """Records with quiet numbers, and one result that the reader takes otherwise than as its number."""
    normal = [patient(), result(139, 0)]
    unknown_unit = result(138, 30)
    unknown_unit["valueQuantity"] |= {"unit": "mg/dL", "code": "mg/dL"}
    as_text = result(138, 30)
    as_text.pop("valueQuantity")
    as_text["valueString"] = "121"
    device = result(138.9, 30.2, code=LAB, device={"display": "blood gas analyzer"})
    no_time = result(138, 30)
    no_time.pop("effectiveDateTime")
    foreign = result(138, 30)
    foreign["subject"] = {"reference": "p1"}
    same = [{"system": "lab", "value": "7"}]
    return {
        "a unit that is not known": [*normal, unknown_unit],
        "a value that is impossible": [*normal, result(13.9, 30)],
        "a value below all that is plausible": [*normal, result(88, 30)],
        "a number as text": [*normal, as_text],
        "a bound": [*normal, result(140, 30) | {"valueQuantity": {"value": 134, "comparator": "<", "unit": "mmol/L"}}],
        "a preliminary result": [*normal, result(138, 30, status="preliminary", late=40)],
        "bedside by its device": [*normal, result(133.9, 30), device],
        "one draw told twice": [
            patient(), sertraline(-10),
            result(134, 30, identifier=same, status="corrected"), result(137, 40, identifier=same),
        ],
        "drawn after it was issued": [*normal, result(138, 30, late=-5)],
        "of another form of subject": [*normal, foreign],
        "without a time": [*normal, no_time],
        "urine": [*normal, result(138, 30, specimen={"display": "Urine"})],
        "a number beyond all sense": [*normal, result(138, 30) | {"valueQuantity": {"value": 1e30}}],
    }  # fmt: skip


@pytest.mark.parametrize("odd", odd_results())
def test_an_odd_result_is_left_to_the_rules(odd: str) -> None:
    record = odd_results()[odd]
    assert lost(record) == set()


def test_an_odd_result_of_long_ago_makes_no_moment_of_today_possible() -> None:
    for odd, record in odd_results().items():
        later = [result(139 + n % 2, 900 + 100 * n, late=2) for n in range(5)]
        look = look_at([*record, *later])
        if look is not None:
            late = [at for at in look.times if at >= START + timedelta(hours=900)]
            assert look.possible.isdisjoint(late), odd
        assert lost([*record, *later]) == set(), odd
    assert look_at([*odd_results()["a bound"], *later]) is not None


def test_the_odd_results_bring_rows_that_numbers_alone_would_not_show() -> None:
    silent = {odd for odd, record in odd_results().items() if not judged(record, every=True)[0]}
    may_be_silent = {"without a time"}  # it counts from when it was issued
    assert silent <= may_be_silent


# ---- everything at once


def as_text(one: Resource) -> Resource:
    number = one["valueQuantity"]["value"]
    return {k: v for k, v in one.items() if k != "valueQuantity"} | {"valueString": str(number)}


def as_bound(one: Resource) -> Resource:
    return one | {"valueQuantity": one["valueQuantity"] | {"comparator": "<"}}


def of_unknown_unit(one: Resource) -> Resource:
    return one | {"valueQuantity": one["valueQuantity"] | {"unit": "mg/dL", "code": "mg/dL"}}


def of_a_day(one: Resource) -> Resource:
    return one | {"effectiveDateTime": one["effectiveDateTime"][:10]}


def without_issue(one: Resource) -> Resource:
    return {k: v for k, v in one.items() if k != "issued"}


SHAPES = (
    as_text,
    as_bound,
    of_unknown_unit,
    of_a_day,
    without_issue,
    lambda one: one | {"status": "preliminary"},
    lambda one: one | {"status": "entered-in-error"},
    lambda one: one | {"identifier": [{"system": "lab", "value": "7"}]},
    lambda one: one | {"device": {"display": "blood gas analyzer"}},
    lambda one: one | {"valueQuantity": {"value": 13.9}},
)


def anything(rng: random.Random) -> Record:
    """A course of random values with odd ones among them, issued late and out of order."""
    record: Record = [patient()]
    if rng.random() < 0.5:
        record.append(AT_RISK)
    if rng.random() < 0.4:
        record.append(sertraline(rng.uniform(-400, 200)))
    at, value = 0.0, rng.choice((142.0, 138.0, 136.0, 131.0, 124.0))
    for _ in range(rng.randrange(2, 9)):
        at += rng.choice((0.01, 0.4, 1, 6, 20, 30, 50, 100, 900)) * rng.uniform(0.8, 1.2)
        value = min(152.0, max(112.0, value + rng.gauss(0, 2.5)))
        code = rng.choice((LAB, LAB, LAB, BEDSIDE))
        late = rng.choice((0.5, 1, 30))
        one = result(round(value, rng.choice((0, 1))), at, code=code, late=late)
        record.append(rng.choice(SHAPES)(one) if rng.random() < 0.2 else one)
        if rng.random() < 0.2:
            near = at + rng.uniform(-3, 3)
            record.append(result(rng.choice((90, 199, 201, 480, 900)), near, code=GLUCOSE))
    return record


def records(seed: int, number: int) -> Iterator[Record]:
    rng = random.Random(seed)
    return (anything(rng) for _ in range(number))


def test_no_card_of_random_courses_is_lost() -> None:
    for record in records(3, 120):
        assert lost(record) == set(), record


@pytest.mark.long
def test_no_card_of_ten_thousand_random_courses_is_lost() -> None:
    for record in records(4, 10_000):
        assert lost(record) == set(), record


def test_a_filter_of_everything_would_be_useless() -> None:
    """Most moments of people without low sodium are left out."""
    record: list[dict[str, Any]] = [patient()]
    record += [result(138 + (n % 3), 400 * n) for n in range(10)]
    (person,), _ = people(record)
    look = Quick([pipeline()], PROFILES).look(person.id, person.of("sodium"), [])
    assert look is not None
    assert len(look.times) == 10
    assert not look.possible


def test_nothing_is_left_out_if_a_late_result_could_find_a_new_drug_unmeasured() -> None:
    soon = replace(bounds(), unmeasured=timedelta(days=5))
    (person,), _ = people([patient(), result(139, 0)])
    assert Quick([pipeline()], PROFILES, soon).look("p1", person.of("sodium"), []) is None
