"""Bodies of stories are mixed and shifted here, so that many rules come near their limits."""

from __future__ import annotations

import copy
from collections.abc import Callable

from tests.golden.bodies import (
    KEYS,
    Body,
    blank,
    borrowed,
    menu,
    move,
    ordered,
    own,
    resources,
    results,
    set_value,
    shift_values,
    stories,
    with_sodium,
)
from tests.golden.dice import Dice

UNITS = "mmol/L", "mEq/L", "mmol/l", "meq/l", "mg/dL", "", "MMOL/L", "mol/L"
SETTINGS = "IMP", "AMB", "EMER", "OBSENC", "ACUTE", "HH", "nonsense"
STATUSES = "active", "completed", "stopped", "on-hold", "draft", "entered-in-error", "cancelled"
SPREAD = (-6.0, -1.0, -0.1, 0.0, 0.1, 1.0, 6.0)  # hours around the limits of time that rules have
LIMITS = (6.0, 12.0, 24.0, 48.0, 72.0, 168.0)


def any_body(dice: Dice) -> Body:
    """A story opens its chart, sends its own call, or orders up to three things of the menu."""
    story, throw = dice.one(stories()), dice.below(10)
    if throw < 3:
        return blank(story)
    if throw < 5:
        return own(story)
    orders = dice.some(tuple(menu()), dice.between(1, 3))
    return ordered(story, *orders, selected=dice.between(1, len(orders)))


def mixed(dice: Dice) -> Body:
    """A body with parts of other stories, and with some of the changes below."""
    body = any_body(dice)
    for key in KEYS[2:]:
        if dice.happens(0.35):
            body["prefetch"][key] = borrowed(dice.one(stories()), key, body)
    for change in dice.some(_CHANGES, dice.between(1, 4)):
        change(body, dice)
    return body


def near_limits(body: Body, dice: Dice) -> None:
    """The second newest sodium, or all of them, move to about a limit of time."""
    found = results(with_sodium(body))
    hours = dice.one(LIMITS) + dice.one(SPREAD)
    moved = found if dice.happens(0.4) else found[1:]
    for result in moved:
        move(result, -hours + 2)


def other_level(body: Body, dice: Dice) -> None:
    """All sodium values move, to a tenth of mmol/L at times."""
    shift_values(results(with_sodium(body)), _sodium(dice))


def other_newest(body: Body, dice: Dice) -> None:
    """Only the newest sodium gets another value."""
    set_value(results(with_sodium(body))[0], _sodium(dice))


def one_more_sodium(body: Body, dice: Dice) -> None:
    """One more sodium was drawn some hours before the newest one."""
    with_sodium(body)
    entries = body["prefetch"]["sodium"]["entry"]
    more = copy.deepcopy(results(body)[0])
    more["id"] = f"{more['id']}-more"
    set_value(more, _sodium(dice))
    move(more, -dice.between(1, 60))
    entries.append({"resource": more})


def other_unit(body: Body, dice: Dice) -> None:
    """A result of any kind says another unit."""
    found = [r for key in ("sodium", "labs", "glucose") for r in results(body, key)]
    found = [r for r in found if "valueQuantity" in r]
    if found:
        quantity = dice.one(found)["valueQuantity"]
        quantity["unit"] = quantity["code"] = dice.one(UNITS)


def other_labs(body: Body, dice: Dice) -> None:
    """The laboratory's other values grow or shrink."""
    for key in ("labs", "glucose"):
        for result in results(body, key):
            value = result.get("valueQuantity", {}).get("value")
            if isinstance(value, int | float) and dice.happens(0.5):
                set_value(result, value * dice.one((0.3, 0.7, 0.9, 1.1, 1.5, 3.0)))


def other_setting(body: Body, dice: Dice) -> None:
    """The encounter is of another kind, or the patient of another age."""
    encounter, patient = (body["prefetch"].get(key) for key in ("encounter", "patient"))
    if encounter and dice.happens(0.7):
        encounter["class"] = {"code": dice.one(SETTINGS)}
    if patient and dice.happens(0.5):
        patient["birthDate"] = f"{dice.between(1920, 2026)}-{dice.between(1, 11):02}-20"


def more_of_others(body: Body, dice: Dice) -> None:
    """The problems or drugs of another story stand beside the patient's own."""
    key = dice.one(("conditions", "medications", "labs"))
    lent = borrowed(dice.one(stories()), key, body)
    bundle = body["prefetch"].get(key)
    if isinstance(lent, dict) and bundle:
        bundle["entry"] = [*bundle.get("entry", ()), *lent.get("entry", ())]


def other_times(body: Body, dice: Dice) -> None:
    """Whatever one key holds was written or drawn earlier, or later."""
    hours = dice.one((-4000.0, -700.0, -169.0, -49.0, -25.0, -12.0, -1.0, 1.0, 3.0))
    for resource in resources(body, dice.one(KEYS[2:])):
        move(resource, hours)


def other_status(body: Body, dice: Dice) -> None:
    """Some drug orders have another status."""
    for order in resources(body, "medications"):
        if dice.happens(0.5):
            order["status"] = dice.one(STATUSES)


def glucose_or_artifact(body: Body, dice: Dice) -> None:
    """A low sodium is explained by glucose, or by proteins and fats, at least in part."""
    lender = dice.one(("high-glucose", "partly-glucose", "laboratory-artefact"))
    for key in ("sodium", "glucose", "labs"):
        body["prefetch"][key] = borrowed(lender, key, body)


def _sodium(dice: Dice) -> float:
    whole = dice.one((dice.between(100, 150), dice.between(118, 136)))
    return whole + dice.one((0.0, 0.0, -0.1, 0.1, 0.5, 0.9))


_CHANGES: tuple[Callable[[Body, Dice], None], ...] = (
    near_limits,
    near_limits,
    other_level,
    other_level,
    other_newest,
    other_newest,
    one_more_sodium,
    other_unit,
    other_labs,
    other_setting,
    more_of_others,
    more_of_others,
    other_times,
    other_status,
    glucose_or_artifact,
)
