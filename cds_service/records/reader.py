"""Resources become a `Snapshot`, entry by entry: one bad element costs itself, never the request."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from cds_service.records.call_records import CallRecords, objects
from cds_service.records.elements import Element, concept_of, flag, text
from cds_service.records.labs import SODIUM, seen
from cds_service.records.lazy_orders import Listing
from cds_service.records.medications import KINDS, draft, exposure
from cds_service.records.problems import problem, visit
from cds_service.records.products import INDEXED, Index, gather, may_refer
from cds_service.records.read_context import ReadContext
from cds_service.records.references import FOREIGN, Person, identity, person
from cds_service.records.times import birth_date
from cds_service.records.versions import is_unreadable
from cds_service.sodium.snapshot import LabResult, Missing, Order, Patient, Problem, Snapshot
from cds_service.terminology.vocabulary import Vocabulary

PATIENT, ENCOUNTER = "patient", "encounter"
MAX_RESOURCES = 2000  # T-45; a source that reaches beyond is incomplete


class _Tally(Struct):
    """What has been read so far."""

    labs: list[LabResult] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    listed: list[Element] = field(default_factory=list)  # orders, statements and what was given
    missing: dict[str, Missing] = field(default_factory=dict)
    foreign: int = 0


def read_snapshot(parts: CallRecords, vocabulary: Vocabulary) -> Snapshot:
    """The patient of the call at the moment of the call; raises nothing, whatever JSON the parts hold."""
    patient = _first(parts, "Patient", parts.patient_id)
    me = person(parts.patient_id, parts.bases, patient or {}, parts.urls)
    context = _scene(parts, vocabulary, me)
    tally = _Tally(missing=_missing(parts, patient))
    for source, resources in _bounded(parts, tally).items():
        for resource in objects(resources):
            _read(resource, source, me, context, tally)
    if _none_is_sodium(parts, context):
        tally.missing.setdefault(SODIUM, Missing.FAILED)
    stay = visit(_encounter(parts, me, tally), context)
    if stay.assumed:
        tally.missing.setdefault(ENCOUNTER, Missing.FAILED)
    drafts = _drafts(parts, me, context, tally)
    return Snapshot(
        now=parts.now,
        zone=parts.zone,
        patient=_patient(patient),
        setting=stay.setting,
        labs=tuple(tally.labs),
        problems=tuple(tally.problems),
        encounter_reasons=stay.reasons,
        exposures=Listing(tally.listed, lambda resource: exposure(resource, context)),
        drafts=drafts,
        selected=_selected(parts.selections, drafts),
        missing=tally.missing,
        dropped_foreign=tally.foreign,
    )


def wanted_references(parts: CallRecords) -> tuple[str, ...]:
    """The Medications ("Medication/7") that orders of the parts point to and that are not at hand."""
    kinds = (
        resources for kind, resources in parts.by_kind.items() if KINDS.get(kind) == "medication"
    )
    orders = [order for resources in kinds for order in resources if may_refer(order)]
    if not orders:
        return ()
    patient = _first(parts, "Patient", parts.patient_id)
    index = _index(parts, person(parts.patient_id, parts.bases, patient or {}, parts.urls))
    return tuple(dict.fromkeys(name for order in orders for name in gather(order, index).wanted))


def order_resource(parts: CallRecords, reference: str) -> Element | None:
    """The resource that an Order of the snapshot was read from, whole, by its reference."""
    found = next((r for r in parts.resources() if identity(r) == reference), None)
    return parts.whole(found) if found is not None else None


def _scene(parts: CallRecords, vocabulary: Vocabulary, me: Person) -> ReadContext:
    return ReadContext(
        vocabulary=vocabulary,
        index=_index(parts, me),
        now=parts.now,
        zone=parts.zone,
        encounter=f"Encounter/{parts.encounter_id}" if parts.encounter_id else "",
    )


def _index(parts: CallRecords, me: Person) -> Index:
    """What references may lead to; another patient's Condition or Specimen is not among it (T-10)."""
    index = Index(bases=parts.bases)
    for url, resource in parts.urls.items():
        if me.owner(resource) is not FOREIGN:
            index.add(resource, url)
    # What lies among the drafts answers first (T-08).
    drafts = [r for r in objects(parts.drafts) if text(r, "resourceType") in INDEXED]
    for resource in (*drafts, *(r for kind in INDEXED for r in parts.by_kind.get(kind, ()))):
        if me.owner(resource) is not FOREIGN:
            index.add(resource)
    return index


def _first(parts: CallRecords, kind: str, wanted: str | None) -> Element | None:
    found = (
        r
        for r in parts.by_kind.get(kind, ())
        if r["resourceType"] == kind and text(r, "id") == wanted
    )
    return next(found, None)


def _encounter(parts: CallRecords, me: Person, tally: _Tally) -> Element | None:
    """The Encounter in context, if it is this patient's."""
    found = _first(parts, "Encounter", parts.encounter_id) if parts.encounter_id else None
    if found is None or me.owner(found) is not FOREIGN:
        return found
    tally.foreign += 1
    return None


def _missing(parts: CallRecords, patient: Element | None) -> dict[str, Missing]:
    """Why sources are missing; a Patient or Encounter that never came is missing too."""
    missing = {key: s.missing for key, s in parts.sources.items() if s.missing is not None}
    if patient is None:
        missing.setdefault(PATIENT, Missing.FAILED)
    if not parts.encounter_id:
        missing[ENCOUNTER] = Missing.NOT_APPLICABLE
    return missing


def _bounded(parts: CallRecords, tally: _Tally) -> Mapping[str, tuple[Element, ...]]:
    left = MAX_RESOURCES
    kept: dict[str, tuple[Element, ...]] = {}
    for key, source in parts.sources.items():
        kept[key] = source.resources[:left]
        if len(source.resources) > left:
            tally.missing.setdefault(key, Missing.TRUNCATED)
        left -= len(kept[key])
    return kept


def _read(resource: Element, source: str, me: Person, context: ReadContext, tally: _Tally) -> None:
    """Take in one resource by its type, if it is this patient's."""
    kind = text(resource, "resourceType")
    if kind not in KINDS and kind not in ("Observation", "Condition"):
        return
    owner = me.owner(resource)
    if owner is FOREIGN:
        # Another patient's, or ours in a form of reference that we do not know: what it said was not read.
        tally.foreign += 1
        tally.missing.setdefault(source, Missing.TRUNCATED)
        return
    if is_unreadable(resource, kind):
        tally.missing.setdefault(source, Missing.VERSION)
    elif kind == "Observation":
        _read_observation(resource, context, tally)
    elif kind == "Condition":
        found = problem(resource, context)
        tally.problems += [found] if found is not None else []
    else:
        tally.listed.append(resource)


def _none_is_sodium(parts: CallRecords, context: ReadContext) -> bool:
    """Whether results came for sodium, and no code among them is known: that is not "no sodium"."""
    source = parts.sources.get(SODIUM)
    came = False
    for resource in objects(source.resources) if source is not None else ():
        came, code = True, concept_of(resource, "code")
        lab = context.vocabulary.test(code).lab if code is not None else None
        if lab is not None and lab.analyte == SODIUM:
            return False
    return came


def _read_observation(observation: Element, context: ReadContext, tally: _Tally) -> None:
    said = seen(observation, context)
    tally.labs += said.labs
    tally.problems += [said.problem] if said.problem is not None else []


def _drafts(
    parts: CallRecords, me: Person, context: ReadContext, tally: _Tally
) -> tuple[Order, ...]:
    drafts = []
    for resource in objects(parts.drafts[:MAX_RESOURCES]):
        if text(resource, "resourceType") == "Medication":
            continue
        if me.owner(resource) is FOREIGN:
            tally.foreign += 1
        else:
            drafts.append(draft(resource, context))
    return tuple(drafts)


def _selected(selections: tuple[str, ...], drafts: tuple[Order, ...]) -> tuple[str, ...]:
    """The drafts that are selected, by "Type/id", or by the bare id where only one draft has it."""
    names = [d.reference for d in drafts if d.reference]
    found: dict[str, None] = {}
    for selection in selections:
        matches = [n for n in names if selection in (n, n.partition("/")[2])]
        exact = [n for n in matches if n == selection]
        if exact or len(set(matches)) == 1:
            found[(exact or matches)[0]] = None
    return tuple(found)


def _patient(resource: Element | None) -> Patient:
    if resource is None:
        return Patient()
    died = flag(resource, "deceasedBoolean") or bool(text(resource, "deceasedDateTime"))
    return Patient(
        birth_date=birth_date(text(resource, "birthDate")),
        deceased=died,
    )
