"""Resources become a `Snapshot`, one by one: a bad element costs itself, never the request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import UNSET, Struct, field

from cds_service.knowledge.names import Analyte
from cds_service.lazy import cached_property
from cds_service.records.bounds import MAX_RESOURCES
from cds_service.records.drafts import SentDraft, choose, draft_of_another
from cds_service.records.fhir_types import (
    NO_RESOURCE,
    Resource,
    as_resource,
    codes,
    first_concept,
    kind_of,
    listed,
    whole_resources,
)
from cds_service.records.history import HISTORY, allergy, flagged, procedure
from cds_service.records.labs import foreign_sodium, observed_once, says_no_test, stray_sodium
from cds_service.records.medications import (
    KINDS,
    draft,
    exposure,
    medicine_of,
    named,
    points_elsewhere,
)
from cds_service.records.prefetch import Source
from cds_service.records.problems import is_unidentified, problem, visit
from cds_service.records.read_context import (
    INDEXED,
    Index,
    Owner,
    Person,
    ReadContext,
    Remembered,
    identity,
    person,
)
from cds_service.records.times import birth_date
from cds_service.sodium.snapshot import (
    Allergy,
    DroppedResult,
    LabResult,
    Missing,
    Order,
    Patient,
    Problem,
    Snapshot,
)
from cds_service.terminology.vocabulary import CodeLists, Vocabulary

PATIENT, ENCOUNTER, SODIUM = "patient", "encounter", "sodium"  # keys of the prefetch
_READ = frozenset({"Observation", "Condition", *HISTORY})
_R5_ORDERS = frozenset({"MedicationRequest", "MedicationStatement", "MedicationAdministration"})


class CallRecords(Struct, frozen=True, kw_only=True, dict=True):
    """Everything one snapshot is read from.

    `sources` has the prefetch keys, the extra sources of a client's registry entry, and any key for
    resources that were fetched because of `wanted_references`. `bases` are the FHIR base URLs that
    this client's references may use; `urls` the `full_urls` of the call. `bodies` is all the JSON
    as it was received.
    """

    patient_id: str
    now: datetime
    encounter_id: str | None = None  # "": there is one, and its id could not be read
    zone: timedelta | None = None  # the client's offset from UTC
    bases: tuple[str, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    urls: Mapping[str, Resource] = field(default_factory=dict)
    drafts: tuple[SentDraft, ...] = ()
    selections: tuple[str, ...] = ()
    bodies: tuple[bytes, ...] = ()
    keep_time: Callable[[], object] = bool  # raises OutOfTime once the call is late
    remembered: Remembered | None = None  # a backtest's memory for one patient

    @cached_property
    def by_kind(self) -> Mapping[str, Sequence[Resource]]:
        """Returns the resources of every source and the drafts, grouped by resource type."""
        groups: dict[str, list[Resource]] = {}
        for resource in self.resources():
            groups.setdefault(kind_of(resource), []).append(resource)
        return groups

    def resources(self) -> Iterator[Resource]:
        """Every resource of every source, then the drafts."""
        for source in self.sources.values():
            yield from source.resources
        yield from self.drafted

    @property
    def drafted(self) -> tuple[Resource, ...]:
        """The resources among the drafts."""
        return tuple([sent.resource for sent in self.drafts if sent.resource is not None])


def full_urls(bundles: Iterable[Resource | None]) -> dict[str, Resource]:
    """The resources of Bundles by `fullUrl`, if that is a urn, as references in a Bundle use it."""
    urls: dict[str, Resource] = {}
    for bundle in bundles:
        for entry in bundle.entry if bundle is not None else ():
            if entry is None or entry.resource is None:
                continue
            if entry.full_url.startswith("urn:"):
                urls.setdefault(entry.full_url.strip(), entry.resource)
    return urls


class _Tally(Struct):
    """A tally holds what has been read so far."""

    missing: dict[str, Missing]
    labs: list[LabResult] = field(default_factory=list)
    dropped: list[DroppedResult] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    listed: list[Resource] = field(default_factory=list)  # orders, statements and what was given
    allergies: list[Allergy] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    foreign: int = 0

    def loses(self, result: DroppedResult | None) -> None:
        """Note a result that may be sodium and that no rule will see, if it is one."""
        if result is not None:
            self.dropped.append(result)

    def lacks(self, source: str, why: Missing) -> None:
        """Notes that a source was not wholly read; that only its oldest part is missing is less."""
        if self.missing.get(source) in (None, Missing.OLDER):
            self.missing[source] = why


def read_snapshot(records: CallRecords, vocabulary: Vocabulary) -> Snapshot:
    """The patient at the moment of the call; no record makes it raise an error."""
    found = _first(records, "Patient", records.patient_id)
    patient = found or NO_RESOURCE
    died = bool(patient.deceased_boolean or patient.deceased_date_time.strip())
    me = _me(records)
    context = ReadContext(
        vocabulary=vocabulary,
        index=_index(records, me),
        now=records.now,
        zone=records.zone,
        encounter=f"Encounter/{records.encounter_id}" if records.encounter_id is not None else "",
        remembered=records.remembered,
    )
    tally = _Tally(missing=_missing(records, found, vocabulary.code_lists))
    for source, resources in _bounded(records, tally).items():
        for resource in resources:
            records.keep_time()
            _read(resource, source, me, context, tally)
    if _has_results_but_no_sodium(records, vocabulary):
        tally.lacks(SODIUM, Missing.FAILED)
    stay = visit(_encounter(records, me, tally), context)
    if stay.assumed:
        tally.missing.setdefault(ENCOUNTER, Missing.FAILED)

    def read_draft(resource: Resource) -> Order:
        records.keep_time()
        return draft(resource, context)

    drafts = choose(records.drafts, records.selections, me, read_draft)

    return Snapshot(
        now=records.now,
        zone=records.zone,
        patient=Patient(
            birth_date=birth_date(patient.birth_date.strip()),
            sex=patient.gender.strip().lower(),
            deceased=died,
        ),
        setting=stay.setting,
        stay_since=stay.since,
        labs=tuple(tally.labs),
        dropped=tuple(tally.dropped),
        problems=tuple(tally.problems),
        encounter_reasons=stay.reasons,
        allergies=tuple(tally.allergies),
        flags=frozenset(tally.flags),
        read_named=lambda: named(tally.listed, context),
        read_exposures=lambda: _exposures(_once(tally.listed), records, context),
        drafts=drafts.orders,
        selected=drafts.selected,
        every_draft_counts=drafts.every,
        orders_not_read=drafts.not_read,
        missing=tally.missing,
        dropped_foreign=tally.foreign,
    )


def _exposures(
    listed: Iterable[Resource], records: CallRecords, context: ReadContext
) -> tuple[Order, ...]:
    """The orders of the medication list that were or are given."""
    orders = []
    for resource in listed:
        records.keep_time()
        orders.append(exposure(resource, context))
    return tuple(order for order in orders if order is not None)


def _once(orders: Iterable[Resource]) -> list[Resource]:
    """Orders without those that came a second time, under the key of current and of past ones."""
    first: dict[str, Resource] = {}
    kept = []
    for one in orders:
        same = first.setdefault(identity(one), one)
        if same is one or same != one:
            kept.append(one)
    return kept


def wanted_references(records: CallRecords) -> tuple[str, ...]:
    """The Medications ("Medication/7") that orders of the call point to and that did not come."""
    orders = [
        order
        for kind, resources in records.by_kind.items()
        if KINDS.get(kind) == "medication"
        for order in resources
        if points_elsewhere(order)
    ]
    if not orders:
        return ()
    index = _index(records, _me(records))
    names = [name for order in orders for name in medicine_of(order, index).wanted]
    return tuple(dict.fromkeys(names))


def order_resource(records: CallRecords, reference: str) -> Mapping[str, object] | None:
    """The resource behind an Order of the snapshot, with all its members, by its reference.

    None if the call does not hold it: half a resource must never be sent back.
    """
    read = next((one for one in records.resources() if identity(one) == reference), None)
    if read is None:
        return None
    for body in records.bodies:
        for whole in whole_resources(body):
            if whole.get("id") == read.id and as_resource(whole) == read:
                return whole
    return None


def draft_of_another_patient(records: CallRecords) -> int | None:
    """The place, from 1, of the first draft that names another patient than the context."""
    return draft_of_another(records.drafts, _me(records))


def _me(records: CallRecords) -> Person:
    """The patient of the call, as references may name it."""
    patient = _first(records, "Patient", records.patient_id)
    return person(records.patient_id, records.bases, patient or NO_RESOURCE, records.urls)


def _index(records: CallRecords, me: Person) -> Index:
    """What references may lead to, without another patient's Condition or Specimen (T-10)."""
    index = Index(bases=records.bases)
    for url, resource in records.urls.items():
        if me.owner(resource) is not Owner.FOREIGN:
            index.add(resource, url)
    # What lies among the drafts answers first (T-08).
    every = [*records.drafted, *(one for kind in INDEXED for one in records.by_kind.get(kind, ()))]
    for resource in every:
        if me.owner(resource) is not Owner.FOREIGN:
            index.add(resource)
    return index


def _first(records: CallRecords, kind: str, wanted: str | None) -> Resource | None:
    """The first resource of a type that has this id."""
    for resource in records.by_kind.get(kind, ()):
        if resource.resource_type == kind and resource.id.strip() == wanted:
            return resource
    return None


def _encounter(records: CallRecords, me: Person, tally: _Tally) -> Resource | None:
    """The Encounter in context, if it is this patient's."""
    if not records.encounter_id:
        return None
    encounter = _first(records, "Encounter", records.encounter_id)
    if encounter is None or me.owner(encounter) is not Owner.FOREIGN:
        return encounter
    tally.foreign += 1
    return None


def _missing(
    records: CallRecords, patient: Resource | None, lists: CodeLists
) -> dict[str, Missing]:
    """Why sources are missing; a Patient or Encounter that never came is missing too."""
    found = {key: s.missing or _warned(s, lists) for key, s in records.sources.items()}
    missing = {key: why for key, why in found.items() if why is not None}
    if patient is None:
        missing.setdefault(PATIENT, Missing.FAILED)
    if records.encounter_id is None:
        missing[ENCOUNTER] = Missing.NOT_APPLICABLE
    return missing


def _warned(source: Source, lists: CodeLists) -> Missing | None:
    """Returns why an answer of warnings alone is not an empty result; None if it is one.

    Epic says by a code that nothing was found, or that the user may not see all. Oracle Health
    leaves out what it cannot write as FHIR and says so without a code.
    """
    if not source.said:
        return None
    said = frozenset().union(*(codes(first_concept(issue.details)) for issue in source.said))
    if said & lists.hidden_results:
        return Missing.HIDDEN
    return None if said & lists.no_results else Missing.WARNED


def _bounded(records: CallRecords, tally: _Tally) -> Mapping[str, tuple[Resource, ...]]:
    """The first MAX_RESOURCES of all sources, by source; one that is cut is incomplete."""
    left = MAX_RESOURCES
    kept: dict[str, tuple[Resource, ...]] = {}
    for key, source in records.sources.items():
        kept[key] = source.resources[:left]
        if len(source.resources) > left:
            tally.lacks(key, Missing.TRUNCATED)
        left -= len(kept[key])
    return kept


def _read(resource: Resource, source: str, me: Person, context: ReadContext, tally: _Tally) -> None:
    """Take in one resource by its type, if it is this patient's."""
    kind = kind_of(resource)
    if kind not in KINDS and kind not in _READ:
        tally.loses(stray_sodium(resource, context) if source == SODIUM else None)
        return
    if me.owner(resource) is Owner.FOREIGN:
        _leave_out(resource, kind, source, context, tally)
        return
    if is_unreadable(resource, kind):
        tally.lacks(source, Missing.VERSION)
    elif kind == "Observation":
        _read_result(resource, source, context, tally)
    elif kind in KINDS:
        tally.listed.append(resource)
    else:
        _read_history(resource, kind, source, context, tally)


def _leave_out(
    resource: Resource, kind: str, source: str, context: ReadContext, tally: _Tally
) -> None:
    """Note what is another patient's, or ours in a form of reference that we do not know."""
    tally.foreign += 1
    tally.lacks(source, Missing.TRUNCATED)
    if kind == "Observation":
        tally.loses(foreign_sodium(resource, context, asked_sodium=source == SODIUM))


def _read_result(resource: Resource, source: str, context: ReadContext, tally: _Tally) -> None:
    """Take in an Observation: a value, or a finding that is a problem."""
    result = observed_once(resource, context, asked_sodium=source == SODIUM)
    if source != SODIUM and says_no_test(resource, context):
        tally.lacks(source, Missing.TRUNCATED)
    tally.labs += result.labs
    tally.loses(result.dropped)
    tally.problems += [result.problem] if result.problem is not None else []


def _read_history(
    resource: Resource, kind: str, source: str, context: ReadContext, tally: _Tally
) -> None:
    """Take in what was found, done or noted: a Condition, Procedure, AllergyIntolerance or Flag."""
    if kind == "Condition":
        known = problem(resource, context)
        tally.problems += [known] if known is not None else []
        if known is None and is_unidentified(resource, context):
            tally.missing.setdefault(source, Missing.TRUNCATED)
    elif kind == "Procedure":
        done = procedure(resource, context)
        tally.problems += [done] if done is not None else []
    elif kind == "AllergyIntolerance":
        found = allergy(resource, context)
        tally.allergies += [found] if found is not None else []
    else:
        tally.flags |= flagged(resource, context)


def is_unreadable(resource: Resource, kind: str) -> bool:
    """Whether a resource says what it is about in a place that R4, STU3, DSTU2 and R5 do not have.

    Older and newer shapes that the reader knows (MedicationOrder, R5's CodeableReference) are not.
    """
    if kind == "Observation":
        if resource.name is None:
            return False
        return bool(listed(resource.name)) and not listed(resource.code)  # DSTU1
    if kind == "MedicationPrescription":
        return True  # DSTU1
    if kind not in _R5_ORDERS or resource.medication is UNSET:
        return False
    for choice in listed(resource.medication)[:1]:
        return not (choice.concept or choice.reference or choice.coding or choice.text)
    return True


def _has_results_but_no_sodium(records: CallRecords, vocabulary: Vocabulary) -> bool:
    """Whether results came for sodium, and no code among them is known: that is not "no sodium"."""
    source = records.sources.get(SODIUM)
    if source is None or not source.resources:
        return False
    for resource in source.resources:
        code = first_concept(resource.code)
        lab = vocabulary.test(code).lab if code is not None else None
        if lab is not None and lab.analyte == Analyte.SODIUM:
            return False
    return True
