"""Adrenal failure that results or medicines point to, although no code says so (F5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from cds_service.engine.finding import Line
from cds_service.engine.wording import number
from cds_service.knowledge.names import Analyte, Problem, Sign
from cds_service.sodium.depletion import creatinine_rise, failing_circulation, red_flag_window
from cds_service.sodium.exposure import COMPLETED, ON_HOLD, ended_at, maybe_taken, taken_within
from cds_service.sodium.results import Band, Reading
from cds_service.terminology.types import DrugMatch

if TYPE_CHECKING:
    from cds_service.sodium.case import Case
    from cds_service.sodium.snapshot import Order


PATTERN = "withheld-adrenal-pattern"


class Ground(Struct, frozen=True, kw_only=True):
    """One ground against fluid restriction: the line of a card, and what its summary names."""

    line: Line  # of words.toml [lines]
    names: str  # a drug, or keys of words.toml [evidence]
    blocks: str = ""  # the drug that lowers cortisol and is to be held


def low_cortisol(case: Case) -> Reading | None:
    """Returns a cortisol so low that it means adrenal failure, the newest first (F5).

    A cortisol that was drawn while a glucocorticoid was taken says nothing.
    """
    limits = case.limits
    drawn = case.readings.within(Analyte.CORTISOL, limits.adrenal_cortisol_days)
    low = [r for r in drawn if r.below(limits.adrenal_cortisol_below)]
    return next((r for r in reversed(low) if not _on_glucocorticoid(case, r.at)), None)


def _on_glucocorticoid(case: Case, moment: datetime) -> bool:
    """Whether a glucocorticoid was taken then; without a start it is not known to be."""
    return any(
        order.begun is not None
        and order.begun <= moment
        and (case.is_active(order) or (ended_at(order) or order.begun) >= moment)
        for order in _glucocorticoids(case)
    )


def _glucocorticoids(case: Case) -> list[Order]:
    wanted = case.sets.glucocorticoids
    return [o for o in case.listed if any(drug.cls in wanted for drug in o.drugs)]


def adrenal_grounds(case: Case) -> tuple[Ground, ...]:
    """Returns what makes adrenal failure likely enough to exclude it first, in one line (F5).

    A recent cortisol that is high enough lifts all of it, but for a drug under which it misleads.
    While the circulation fails no test is waited for.
    """
    found = _not_excluded(case)
    failing = _failing_circulation(case) if found else ()
    if failing:
        return (_crisis(case, found, failing),)
    return found if len(found) <= 1 else (_together(case, found),)


def adrenal_likely(case: Case) -> bool:
    """Returns whether adrenal failure leads a card: a crisis, two grounds or a pattern (F5)."""
    found = _not_excluded(case)
    pattern = any(ground.line.key == PATTERN for ground in found)
    return len(found) > 1 or pattern or bool(found and _failing_circulation(case))


def _not_excluded(case: Case) -> tuple[Ground, ...]:
    """Returns all grounds; a cortisol that is high enough leaves those under which it misleads."""
    found = tuple(_grounds(case))
    if high_cortisol(case) is None:
        return found
    return tuple(ground for ground in found if ground.blocks in case.sets.cortisol_misread)


def _failing_circulation(case: Case) -> tuple[str, ...]:
    """Returns the signs of a circulation that fails and needs fluid: none in overload."""
    overloaded = case.problems.active(case.sets.overload)
    if overloaded or case.problems.active(case.sets.heart_failure):
        return ()
    if case.problems.current(case.sets.myxedema, case.limits.measured_days):
        return ()  # its own line says which hormone comes first
    return failing_circulation(case)


def _crisis(case: Case, grounds: tuple[Ground, ...], failing: tuple[str, ...]) -> Ground:
    """Returns the grounds as a crisis: hormone and fluid now, beside a circulation that fails."""
    signs = [f"evidence:{sign}" for sign in failing]
    most = max(int(case.limits.suspects_to) - 1 - len(signs), 1)
    named = [name for name in _named(grounds) if name not in signs]
    return _held(case, grounds, "withheld-adrenal-shock", (*named[:most], *signs))


def _held(case: Case, grounds: tuple[Ground, ...], key: str, shown: tuple[str, ...]) -> Ground:
    """Returns one ground of several; the drug that is to be held is named first."""
    drug = next((ground.blocks for ground in grounds if ground.blocks), "")
    key = f"{key}-{_kind(case, drug)}" if drug else key
    facts = {"evidence": _listed(shown)}
    return Ground(line=Line(key, facts), names=drug or grounds[0].names, blocks=drug)


def _listed(shown: Sequence[str]) -> str:
    """Returns these facts as one: names of drugs alone are a text, keys of evidence are not."""
    text = "|".join(shown)
    return text if ":" in text else ", ".join(shown)


def _kind(case: Case, drug: str) -> str:
    """Returns the last part of the key: at the receptor hydrocortisone is blocked as well."""
    return "receptor" if drug in case.sets.receptor_blockers else "blocker"


def _named(grounds: tuple[Ground, ...]) -> list[str]:
    """Returns what makes adrenal failure likely, each once, as facts of a card."""
    named = dict.fromkeys(
        part
        for ground in grounds
        for part in str(ground.line.facts.get("evidence", ground.names))
        .replace(", ", "|")
        .split("|")
    )
    held = {ground.blocks for ground in grounds}
    return sorted(named, key=lambda name: name not in held)


def high_cortisol(case: Case) -> Reading | None:
    """Returns a recent cortisol so high that adrenal failure is unlikely, drawn without a drug."""
    limits = case.limits
    drawn = case.readings.within(Analyte.CORTISOL, limits.adrenal_cortisol_excludes_days)
    high = [r for r in drawn if r.at_least(limits.adrenal_cortisol_excludes_from)]
    return next((r for r in reversed(high) if not _on_glucocorticoid(case, r.at)), None)


def _together(case: Case, grounds: tuple[Ground, ...]) -> Ground:
    """Returns several grounds as one: a card says "think adrenal" once, and names them (F37)."""
    myxedema = any(ground.names == f"evidence:{Sign.MYXEDEMA_COMA}" for ground in grounds)
    shown = tuple(_named(grounds)[: int(case.limits.suspects_to)])
    facts, names = {"evidence": _listed(shown)}, grounds[0].names
    if myxedema:
        return Ground(line=Line("withheld-adrenal-several-myxedema", facts), names=names)
    if on_glucocorticoid(case):
        return Ground(line=Line("withheld-adrenal-replaced", facts), names=names)
    return _held(case, grounds, "withheld-adrenal-several", shown)


def _grounds(case: Case) -> Iterator[Ground]:
    limits, sets, problems = case.limits, case.sets, case.problems
    yield from _by_potassium(case)
    yield from _by_pattern(case)
    inhibitors = taken_within(case, sets.checkpoint_inhibitors, limits.adrenal_checkpoint_days)
    if inhibitors:
        drug = {"drug": inhibitors[0]}
        yield Ground(line=Line("withheld-adrenal-checkpoint", drug), names=inhibitors[0])
    yield from _by_blockers(case)
    if problems.happened(sets.pituitary_surgery, limits.brain_injury_days):
        words = f"evidence:{Sign.PITUITARY_SURGERY}"
        yield Ground(line=Line("withheld-adrenal-pituitary"), names=words)
    dependent = _dependent(case)
    if dependent:
        evidence = {"evidence": "|".join(dependent)}
        ending = "replaced" if on_glucocorticoid(case) else "dependent"
        yield Ground(line=Line(f"withheld-adrenal-{ending}", evidence), names=dependent[0])
    if problems.happened(sets.pituitary_bleeding, limits.postpartum_days):
        words = f"evidence:{Sign.POSTPARTUM_HEMORRHAGE}"
        yield Ground(line=Line("withheld-adrenal-postpartum"), names=words)
    if problems.current(sets.myxedema, limits.measured_days):
        words = f"evidence:{Sign.MYXEDEMA_COMA}"
        yield Ground(line=Line("withheld-adrenal-myxedema"), names=words)
    steroid = _long_course_ended(case)
    if steroid:
        words = f"evidence:{Sign.STEROID_ENDED}"
        yield Ground(line=Line("withheld-adrenal-steroid", {"drug": steroid}), names=words)


def _by_potassium(case: Case) -> Iterator[Ground]:
    """Yields a high potassium that neither kidneys nor a drug under a glucocorticoid explain."""
    potassium = high_potassium(case)
    if potassium is None or kidney_explains(case) or drug_explains(case):
        return
    facts = {"value": number(potassium.value, (case.limits.adrenal_potassium_above,))}
    key, drugs = "withheld-adrenal-potassium", potassium_drugs(case)
    if drugs:
        key, facts["drug"] = "withheld-adrenal-potassium-drug", drugs[0]
    yield Ground(line=Line(key, facts), names=f"evidence:{Sign.POTASSIUM_HIGH}")


def _by_pattern(case: Case) -> Iterator[Ground]:
    """Yields a low sodium with a potassium at the upper end and a low glucose, or a failing pulse.

    A higher potassium is a ground by itself. A drug that raises potassium, or a kidney that fails,
    explains it beside a low pressure; a sulfonylurea explains the glucose.
    """
    limits = case.limits
    potassium = case.readings.latest(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    if potassium is None or not potassium.at_least(limits.adrenal_pattern_potassium_from):
        return
    if not case.sodium.low or high_potassium(case) is not None:
        return
    if kidney_explains(case) or drug_explains(case):
        return
    signs = _beside_potassium(case)
    if signs:
        shown = "|".join(f"evidence:{sign}" for sign in signs)
        value = number(potassium.value, (limits.adrenal_pattern_potassium_from,))
        yield Ground(
            line=Line(PATTERN, {"value": value, "why": shown}),
            names=f"evidence:{Sign.POTASSIUM_HIGH}|{shown}",
        )


def _beside_potassium(case: Case) -> tuple[str, ...]:
    """Returns the low glucose and the failing circulation that nothing else explains."""
    limits, sets, window = case.limits, case.sets, red_flag_window(case)
    glucose = case.readings.within(Analyte.GLUCOSE, window)
    low = any(reading.below(limits.low_glucose_below) for reading in glucose)
    explained = case.exposures.of(*sets.lowers_glucose.members)
    signs: tuple[str, ...] = (Sign.GLUCOSE_LOW,) if low and not explained else ()
    rises = creatinine_rise(case, window) is not None
    if rises or potassium_drugs(case) or case.problems.active(sets.cirrhosis):
        return signs
    return (*signs, *_failing_circulation(case))


def _by_blockers(case: Case) -> Iterator[Ground]:
    """Yields a drug that blocks cortisol, or lets the gland rest, and may still act.

    Beside a glucocorticoid that replaces the cortisol a dose may have been missed.
    """
    drugs = _cortisol_blockers(case)
    if not drugs:
        return
    drug, replaced = drugs[0], on_glucocorticoid(case)
    if replaced:
        evidence = {"evidence": _listed((drug, replaced))}
        yield Ground(line=Line("withheld-adrenal-replaced", evidence), names=drug, blocks=drug)
    elif drug not in case.sets.cortisol_blockers or drug in case.sets.cortisol_suppressors:
        yield Ground(line=Line("withheld-adrenal-several", {"evidence": drug}), names=drug)
    else:
        key = f"withheld-adrenal-{_kind(case, drug)}"
        yield Ground(line=Line(key, {"drug": drug}), names=drug, blocks=drug)


def _cortisol_blockers(case: Case) -> tuple[str, ...]:
    """Returns the drugs that lower cortisol, taken as long ago as they may still act."""
    limits, slow = case.limits, case.sets.cortisol_blockers_slow
    recent = maybe_taken(case, partial(_blocks_cortisol, case), limits.adrenal_blocker_days)
    resting = maybe_taken(case, partial(_rests_gland, case), limits.adrenal_steroid_ended_days)
    lasting = maybe_taken(case, lambda drug, _: drug.name in slow, limits.adrenal_slow_blocker_days)
    return tuple(dict.fromkeys((*recent, *resting, *lasting, *_injected(case))))


def _injected(case: Case) -> Iterator[str]:
    """Yields the depot glucocorticoids that were injected so lately that the gland still rests."""
    now, window = case.snapshot.now, case.limits.adrenal_steroid_ended_days
    for order in case.listed:
        last = order.end or order.begun
        if last is not None and now - last <= window and order.route != "unknown":
            wanted = case.sets.depot_glucocorticoids
            yield from (drug.name for drug in order.drugs if drug.cls in wanted)


def _rests_gland(case: Case, drug: DrugMatch, order: Order) -> bool:
    """Whether this order acts as a glucocorticoid, in this dose, for more than a day."""
    sets, dose = case.sets, order.daily_dose_mg
    if drug.name not in sets.cortisol_suppressors or order.single_dose:
        return False
    if drug.name not in sets.cortisol_suppressors_by_dose:
        return True
    return dose is not None and dose >= case.limits.medroxyprogesterone_high_mg


def _blocks_cortisol(case: Case, drug: DrugMatch, order: Order) -> bool:
    """Whether this order blocks cortisol for days, which one dose does not."""
    sets = case.sets
    if drug.name not in sets.cortisol_blockers or order.single_dose:
        return False
    if drug.name in sets.cortisol_suppressors:
        return False
    return drug.name not in sets.cortisol_blockers_by_vein or order.route in ("iv", "unknown")


def on_glucocorticoid(case: Case) -> str:
    """Returns the glucocorticoid that is taken, under which cortisol says nothing, or ""."""
    taken = case.exposures.of(*case.sets.glucocorticoids.members)
    return taken[0].drug.name if taken else ""


def potassium_drugs(case: Case) -> tuple[str, ...]:
    """Returns the drugs that are taken and raise potassium."""
    sets = case.sets
    return tuple(
        drug.name
        for drug in (exposure.drug for exposure in case.exposures.active)
        if drug.cls in sets.potassium_raising or drug.name in sets.potassium_raising_drugs
    )


def drug_explains(case: Case) -> bool:
    """Returns whether a drug explains a high potassium: no adrenal gland fails under cortisone.

    With adrenal insufficiency on record a glucocorticoid may be too little.
    """
    known = case.problems.active(case.sets.adrenal)
    return bool(potassium_drugs(case) and on_glucocorticoid(case)) and not known


def kidney_explains(case: Case) -> bool:
    """Returns whether the kidneys explain a high potassium: failing, or weak with a drug (F5)."""
    limits, sets, problems = case.limits, case.sets, case.problems
    if problems.active(sets.kidney_failure):
        return True
    creatinine = case.readings.latest(Analyte.CREATININE, limits.measured_days)
    filtration = case.readings.latest(Analyte.EGFR, limits.measured_days)
    failing = (
        creatinine is not None and creatinine.above(limits.creatinine_told_above),
        filtration is not None and filtration.below(limits.egfr_told_below),
        problems.current(sets.obstruction, limits.measured_days),
    )
    if any(failing):
        return True
    rises = creatinine_rise(case, red_flag_window(case)) is not None
    weak = rises or problems.active(sets.weak_kidney)
    return bool(weak and potassium_drugs(case))


def _dependent(case: Case) -> tuple[str, ...]:
    """Returns why the patient lives on a glucocorticoid that may fail now, as facts of a card (F5).

    It may fail by vomiting; with a pituitary disease or after surgery there it may be too little.
    With the disease, a sodium below mild is reason enough: no glucocorticoid may have been begun.
    """
    limits, sets, problems = case.limits, case.sets, case.problems
    taken = case.exposures.of(*sets.glucocorticoids.members)
    pituitary: tuple[str, ...] = ()
    if problems.active(sets.pituitary_disease):
        pituitary = (f"evidence:{Sign.PITUITARY_DISEASE}",)
    elif problems.active(sets.pituitary_surgery):
        pituitary = (f"evidence:{Sign.PITUITARY_SURGERY}",)
    named = (*(e.drug.name for e in taken[:1]), *pituitary)
    long_taken = any(
        e.since is not None and case.snapshot.now - e.since >= limits.adrenal_steroid_course_days
        for e in taken
    )
    vomits = problems.has_current(Problem.VOMITING, limits.severe_symptom_hours)
    if vomits and (pituitary or long_taken):
        return (*named, f"evidence:{Sign.VOMITING}")
    below_mild = case.sodium.low and case.sodium.band is not Band.MILD
    diseased = bool(problems.active(sets.pituitary_disease)) and below_mild
    return named if pituitary and (taken or diseased) else ()


def high_potassium(case: Case) -> Reading | None:
    """Returns the highest recent potassium if it is high; treatment hides a later one."""
    limits = case.limits
    drawn = case.readings.within(Analyte.POTASSIUM, limits.adrenal_potassium_hours)
    high = [r for r in drawn if r.above(limits.adrenal_potassium_above)]
    return max(high, key=lambda reading: reading.value, default=None)


def _long_course_ended(case: Case) -> str:
    """Returns the glucocorticoid that ended lately after a long course, or "".

    Orders that follow each other without a long gap are one course. A course that was stopped
    without an end, or is on hold, counts as long as it may have ended lately. An order that says
    neither its start nor its length may renew an older course, so less of it is enough.
    """
    orders = [o for o in _glucocorticoids(case) if o.begun is not None]
    if not orders or any(case.is_active(order) for order in orders):
        return ""
    orders.sort(key=lambda order: order.begun or case.snapshot.now)
    last, limits = orders[-1], case.limits
    end = _course_ended(case, last)
    if case.snapshot.now - end > limits.adrenal_steroid_ended_days:
        return ""
    renews = _may_renew(last)
    needed = limits.adrenal_steroid_renewed_days if renews else limits.adrenal_steroid_course_days
    if end - _course_began(case, orders) < needed:
        return ""
    wanted = case.sets.glucocorticoids
    return next(drug.name for drug in last.drugs if drug.cls in wanted)


def _may_renew(order: Order) -> bool:
    """Whether an order says when it was written, and neither its start nor its length."""
    written = order.authored is not None and order.begun == order.authored == order.start
    return written and _may_last(order) and ended_at(order) is None


def _may_last(order: Order) -> bool:
    return order.route not in ("iv", "local") and not order.single_dose


def _course_ended(case: Case, newest: Order) -> datetime:
    """Returns the latest end of the newest order: of one without any date of it, now.

    An order that is completed was given as long as it was written for: at most a year.
    """
    undated = ended_at(newest) is None and newest.changed is None
    if not undated or not _may_last(newest):
        return _latest_end(case, newest)
    now, begun = case.snapshot.now, newest.begun or case.snapshot.now
    if newest.status == COMPLETED:
        return min(now, begun + case.limits.adrenal_steroid_order_days)
    return now


def _latest_end(case: Case, order: Order) -> datetime:
    """Returns when a stopped order ended; without a word of it, as late as it may have been.

    The last change of the record of a stopped order is most often its end, unless it is so old
    that it was changed for another reason.
    """
    now, begun = case.snapshot.now, order.begun or case.snapshot.now
    known = ended_at(order)
    if known is not None and order.status != ON_HOLD:
        return min(known, now)
    changed = order.changed
    if changed is not None and begun <= changed <= begun + case.limits.adrenal_steroid_order_days:
        return min(changed, now)
    return min(now, begun + case.limits.stop_unknown_days)


def _course_began(case: Case, orders: list[Order]) -> datetime:
    """Returns the start of the newest unbroken course; `orders` are oldest first."""
    began = orders[-1].begun or case.snapshot.now
    for order in reversed(orders[:-1]):
        if began - _latest_end(case, order) > case.limits.order_chain_days:
            break
        began = min(began, order.begun or began)
    return began
