"""Orders of any kind as exposures and drafts (B.0.7, D.4), without those that were never given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from cds_service.knowledge.names import DrugClass
from cds_service.records.bounds import MAX_CONCEPTS
from cds_service.records.dosage import (
    Given,
    amount,
    carries_on,
    dosage,
    first_day_mg,
    given_as,
    instruction_text,
    instructions_of,
    is_in_turn,
    regimen,
)
from cds_service.records.fhir_types import (
    NO_DISPENSE,
    NO_PERIOD,
    NO_QUANTITY,
    Choice,
    Concept,
    Ingredient,
    Nutrient,
    OldProduct,
    OralDiet,
    Ratio,
    Reference,
    Resource,
    concept,
    concepts,
    exact,
    filled,
    first_concept,
    kind_of,
    listed,
)
from cds_service.records.read_context import Index, ReadContext, identity, relative
from cds_service.records.times import moment
from cds_service.sodium.snapshot import Named, Order
from cds_service.terminology.codes import canonical
from cds_service.terminology.types import (
    Coded,
    Coding,
    Product,
    RecordText,
    Resolution,
    Strength,
    texts_of,
)

Kind = Literal["medication", "nutrition", "service", "other"]
FluidWords: TypeAlias = tuple[tuple[Coded, ...], tuple[str, ...]]  # concepts, words
_NO_DIET = OralDiet()
_NOT_SAID = Given()

KINDS: dict[str, Kind] = {
    "MedicationRequest": "medication",
    "MedicationOrder": "medication",  # DSTU2
    "MedicationPrescription": "medication",  # DSTU1
    "MedicationStatement": "medication",
    "MedicationUsage": "medication",
    "MedicationAdministration": "medication",
    "MedicationDispense": "medication",
    "NutritionOrder": "nutrition",
    "ServiceRequest": "service",
    "ProcedureRequest": "service",
    "DiagnosticOrder": "service",
    "ReferralRequest": "service",
}
_ENDED = frozenset({"stopped", "completed"})
_DEPTH = 2  # a Medication's ingredient may be a Medication of its own, and no deeper (D.4)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
# MedicationRequest.intent in R4, a required binding that the model does not check.
_INTENTS = frozenset(
    {
        "proposal",
        "plan",
        "order",
        "original-order",
        "reflex-order",
        "filler-order",
        "instance-order",
        "option",
    }
)


class Medicine(Struct):
    """What an order and the Medications that it points to say of its medication."""

    concepts: list[Coded] = field(default_factory=list)
    ingredients: list[tuple[Coded, Strength | None]] = field(default_factory=list)
    displays: list[Coded] = field(default_factory=list)  # names beside a reference, or without one
    hints: list[Coded] = field(default_factory=list)  # words of an identifier: a name, maybe
    form: Coded | None = None
    wanted: list[str] = field(default_factory=list)  # "Medication/7", referred to and not at hand
    lost: bool = False  # a reference led to no Medication at hand
    cut: bool = False  # it has more ingredients than are read

    @property
    def unread(self) -> bool:
        """Whether it is a reference that leads nowhere and no more, or was not read to its end."""
        nameless = not (self.concepts or self.ingredients or self.displays)
        return self.cut or (self.lost and nameless)

    @property
    def code_system(self) -> str:
        """The system of the first code; "" without one."""
        coded = (*self.concepts, *(item for item, _ in self.ingredients))
        return next((c.system for one in coded for c in one.codings if c.code), "")

    def resolved(self, given: Given, context: ReadContext) -> Resolution:
        """What the vocabulary makes of it; words beside the concepts count if these say nothing."""
        known = self._resolved(self.concepts, given, context)
        if self.displays and not _is_known(known):
            known = self._resolved([*self.concepts, *self.displays], given, context)
        if self.hints and not _is_known(known):
            every = [*self.concepts, *self.displays, *self.hints]
            hinted = self._resolved(every, given, context)
            return hinted if _is_known(hinted) else known
        return known

    def _resolved(self, concepts: list[Coded], given: Given, context: ReadContext) -> Resolution:
        if not concepts and not self.ingredients:
            return Resolution()
        product = Product(
            concepts=tuple(concepts),
            ingredients=tuple(self.ingredients),
            routes=given.routes,
            form=self.form,
            instructions=given.words,
            volume_ml=given.volume_ml,
            ordered_ml=given.ordered_ml,
            dose_mmol=given.dose_mmol,
            rate_ml_h=given.rate_ml_h,
        )
        return context.vocabulary.resolve(product)


def _is_known(found: Resolution) -> bool:
    fluid = any((found.saline, found.hypotonic, found.balanced, found.strong_salt, found.nutrition))
    return fluid or bool(found.drugs)


def _fluid_name(medicine: Medicine, known: Resolution) -> RecordText | None:
    """What an order of fluid into a vein or for dialysis is called in the record."""
    carries_salt = known.isotonic_carrier_ml is not None or known.nutrition is not None
    dialyzes = any(drug.cls == DrugClass.DIALYSIS_FLUID for drug in known.drugs)
    if not (known.saline or known.hypotonic or known.balanced or carries_salt or dialyzes):
        return None
    names = (name for coded in (*medicine.concepts, *medicine.displays) for name in texts_of(coded))
    return next(map(RecordText, names), None)


def named(resources: Iterable[Resource], context: ReadContext) -> Named:
    """What the orders of the medication list name, without their dosage, which costs most.

    A route or a sig can only take a drug from an order, so that no drug is left out here.
    """
    classes, nameless = set[str](), False
    for resource in resources:
        if KINDS.get(kind_of(resource)) != "medication":
            continue
        medicine = medicine_of(resource, context.index)
        known = medicine.resolved(_NOT_SAID, context)
        classes.update(drug.cls for drug in known.drugs)
        nameless = nameless or medicine.unread or not (_is_known(known) or known.unrecognised)
    return Named(classes=frozenset(classes), nameless=nameless)


def exposure(resource: Resource, context: ReadContext) -> Order | None:
    """One resource of the medication list; None if it was proposed, forbidden or not given."""
    lists = context.vocabulary.code_lists
    kind = KINDS.get(kind_of(resource))
    if kind is None or resource.do_not_perform:
        return None
    if _status(resource, context) in lists.ignored_statuses:
        return None
    if _intent(resource, context) in lists.ignored_intents or _was_not_given(resource):
        return None
    order = _listed(resource, kind, context)
    nameless = kind == "medication" and not _has_medication(resource)
    return replace(order, unidentified=True) if nameless else order


def draft(resource: Resource, context: ReadContext) -> Order:
    """One resource of draftOrders, of any type; a draft without a medication has no drugs.

    A type that no version of FHIR has is a medication order all the same if it has a medication.
    """
    unknown: Kind = "medication" if _has_medication(resource) else "other"
    kind = KINDS.get(kind_of(resource), unknown)
    if kind != "service":
        return _order(resource, kind, context)
    fluid = _fluid_of_service(resource, context)
    return fluid or _service(resource, context)


def _service(resource: Resource, context: ReadContext) -> Order:
    """A service as its order; one without a code and without a word may be any, dialysis too."""
    order = _order(resource, "service", context)
    named = any(map(_names_something, concepts(resource.code, resource.order_detail)))
    about_fluid = order.fluid_restriction or order.asks_to_drink
    nameless = not (named or about_fluid or resource.do_not_perform)
    return replace(order, unidentified=order.unidentified or nameless)


def _fluid_of_service(resource: Resource, context: ReadContext) -> Order | None:
    """A service that gives saline, such as "Administer 3% saline 150 mL", as its order (F23)."""
    said = list(concepts(resource.code, resource.order_detail))
    if any(context.vocabulary.gives_no_fluid(one) for one in said):
        return None
    given = given_as(resource, context.vocabulary.code_lists)
    known = Medicine(concepts=said).resolved(given, context)
    fluid = known.saline is not None or known.hypotonic or known.balanced
    if not fluid or resource.do_not_perform:
        return None
    order = _order(resource, "service", context)
    if order.fluid_restriction or order.tube_water:
        return None
    return replace(
        order,
        kind="medication",
        saline=known.saline,
        hypotonic=known.hypotonic,
        hypotonic_volume_ml=known.hypotonic_volume_ml,
        carries=known.carries,
        needs_glucose=known.needs_glucose,
        alkali=known.alkali,
        balanced=known.balanced,
        balanced_weak=known.balanced_weak,
        balanced_volume_ml=known.balanced_volume_ml,
        route=known.route,
    )


def _says_nothing(resource: Resource, kind: Kind, medicine: Medicine, known: Resolution) -> bool:
    """Whether an order has a medication, and neither a code nor a word for it.

    A draft whose medication is still to be chosen has none at all.
    """
    if kind != "medication" or medicine.lost or _is_known(known):
        return False
    said = (*medicine.concepts, *(item for item, _ in medicine.ingredients), *medicine.displays)
    return _has_medication(resource) and not any(map(_names_something, said))


def _has_medication(resource: Resource) -> bool:
    members = (resource.medication_codeable_concept, resource.medication_reference)
    return any(one is not None for one in members) or resource.medication not in (UNSET, None)


def _names_something(coded: Coded) -> bool:
    coding = any(one.code for one in coded.codings)
    return coding or any(sign.isalpha() for name in texts_of(coded) for sign in name)


def _was_not_given(resource: Resource) -> bool:
    """MedicationStatement.taken (STU3), wasNotTaken and wasNotGiven (DSTU2)."""
    if resource.was_not_taken or resource.was_not_given or resource.not_given:
        return True
    return resource.taken.strip().lower() in ("n", "no")


def _order(resource: Resource, kind: Kind, context: ReadContext) -> Order:
    medicine, known = _product(resource, kind, context)
    return _whole(resource, kind, medicine, known, _fluid_words(resource, kind), context)


def _listed(resource: Resource, kind: Kind, context: ReadContext) -> Order:
    """One order of the medication list; no more than its name of one that no rule looks at."""
    medicine, known = _product(resource, kind, context)
    about = _fluid_words(resource, kind)
    if kind != "medication" or _matters(known) or _is_about_fluid(resource, kind, about, context):
        return _whole(resource, kind, medicine, known, about, context)
    return Order(
        reference=identity(resource),
        kind=kind,
        unrecognised=known.unrecognised,
        unread=medicine.unread,
        unidentified=_says_nothing(resource, kind, medicine, known),
        code_system=medicine.code_system,
        status=_status(resource, context),
        intent=_intent(resource, context),
    )


def _matters(known: Resolution) -> bool:
    """Whether a rule may look at a product, or a card may say that it could not be recognised."""
    rinses_or_carries = known.irrigation or known.isotonic_carrier_ml is not None
    return _is_known(known) or known.code_only or rinses_or_carries


def _is_about_fluid(
    resource: Resource, kind: Kind, about: FluidWords, context: ReadContext
) -> bool:
    if _restricts_fluid(resource, about, context) or context.vocabulary.asks_to_drink(*about):
        return True
    texts = _tube_texts(resource, kind, about)
    return context.vocabulary.tube_water(texts, False) is not None


def _product(resource: Resource, kind: Kind, context: ReadContext) -> tuple[Medicine, Resolution]:
    given = given_as(resource, context.vocabulary.code_lists)
    medicine = medicine_of(resource, context.index) if kind == "medication" else Medicine()
    return medicine, medicine.resolved(given, context)


def _whole(
    resource: Resource,
    kind: Kind,
    medicine: Medicine,
    known: Resolution,
    about: FluidWords,
    context: ReadContext,
) -> Order:
    doses = dosage(resource, context.vocabulary.code_lists, context.zone, context.now)
    authored = _authored(resource, context)
    effective_start, effective_end = _effective(resource, context)
    wanted = not resource.do_not_perform
    given = known if wanted else _not_given(known)
    order = Order(
        reference=identity(resource),
        kind=kind,
        drugs=given.drugs,
        partners=known.partners,
        ingredient_count=known.ingredient_count,
        saline=given.saline,
        route=known.route,
        irrigation=known.irrigation,
        strong_salt=given.strong_salt,
        nutrition=given.nutrition,
        isotonic_carrier_ml=given.isotonic_carrier_ml,
        effervescent=given.effervescent,
        fluid_name=_fluid_name(medicine, known),
        hypotonic=given.hypotonic,
        hypotonic_volume_ml=known.hypotonic_volume_ml,
        carries=known.carries,
        needs_glucose=known.needs_glucose,
        alkali=known.alkali,
        balanced=given.balanced,
        balanced_weak=known.balanced_weak,
        balanced_volume_ml=known.balanced_volume_ml,
        unrecognised=known.unrecognised,
        code_only=known.code_only,
        unread=medicine.unread,
        unidentified=wanted and (known.code_only or _says_nothing(resource, kind, medicine, known)),
        code_system=medicine.code_system,
        status=_status(resource, context),
        intent=_intent(resource, context),
        start=doses.start or effective_start or authored,
        end=doses.end or effective_end,
        authored=authored,
        duration_days=doses.duration_days,
        daily_dose_mg=doses.daily_dose_mg,
        first_day_mg=_first_day_mg(resource, medicine, known, context),
        single_dose=doses.single_dose,
        regimen=regimen(resource, _names_of(medicine), context.vocabulary),
        in_turn=is_in_turn(resource, context.vocabulary),
        reasons=_reasons(resource, context),
        about=_about(resource, kind, context),
        stoppable=_is_stoppable(resource, known, context),
        adpkd=known.adpkd,
        hyponatremia_product=known.hyponatremia_product,
        hemostatic=known.hemostatic,
        stopped_for_low=_ended_for_low(resource, context),
        changed=_changed(resource, context) if known.drugs else None,
        carries_on=bool(known.drugs) and carries_on(resource, context.vocabulary),
    )
    if known.drugs or not wanted:  # of a drug it is not asked what it says about drinking
        return order
    order = _with_drinking(order, resource, about, context)
    if order.saline or order.fluid_restriction or order.asks_to_drink:
        return order
    return _with_tube_water(order, resource, about, context)


def _not_given(known: Resolution) -> Resolution:
    """What a product is in an order that forbids it: it brings neither a drug nor a fluid."""
    return replace(
        known,
        drugs=(),
        saline=None,
        strong_salt=None,
        nutrition=None,
        isotonic_carrier_ml=None,
        effervescent=False,
        hypotonic=False,
        balanced=False,
    )


def _with_drinking(
    order: Order, resource: Resource, about: FluidWords, context: ReadContext
) -> Order:
    """The order with what it says about drinking: that it is restricted, or to be much."""
    restricts = _restricts_fluid(resource, about, context)
    drinks = not restricts and context.vocabulary.asks_to_drink(*about)
    if not (restricts or drinks):
        return order
    return replace(
        order,
        fluid_restriction=restricts,
        restricts_plainly=not restricts or context.vocabulary.restricts_plainly(*about),
        asks_to_drink=drinks,
        fluid_name=order.fluid_name or _about_fluid_name(resource, about, context),
    )


def _with_tube_water(
    order: Order, resource: Resource, about: FluidWords, context: ReadContext
) -> Order:
    """The order as hypotonic fluid, by the amount of a day, if it gives water by a tube (F23)."""
    texts = _tube_texts(resource, order.kind, about)
    water = context.vocabulary.tube_water(texts, resource.enteral_formula is not None)
    if water is None:
        return order
    ordered = given_as(resource, context.vocabulary.code_lists).ordered_ml
    known = (water.daily_ml, ordered, order.hypotonic_volume_ml)
    amounts = [ml for ml in known if ml is not None]
    return replace(
        order,
        tube_water=True,
        hypotonic=True,
        hypotonic_volume_ml=max(amounts, default=None),
        route="systemic",
        unidentified=False,
        fluid_name=order.fluid_name or next(map(RecordText, texts), None),
    )


def _tube_texts(resource: Resource, kind: Kind, about: FluidWords) -> tuple[str, ...]:
    """The words of an order that may name a tube and the water in it."""
    coded, said = about
    names = [text.strip() for one in coded for text in texts_of(one)]
    if kind == "medication":
        given = instructions_of(resource)
        routes = concepts(*(one.route for one in given))
        said = (*said, instruction_text(given), *(t for one in routes for t in texts_of(one)))
    formula = resource.enteral_formula
    if formula is not None:
        types = concepts(formula.base_formula_type, formula.additive_type)
        names += [text for one in types for text in texts_of(one)]
        names += [formula.base_formula_product_name, formula.additive_product_name]
        said = (formula.administration_instruction, *said)
    return tuple(dict.fromkeys(text.strip() for text in (*said, *names) if text.strip()))


def _ended_for_low(resource: Resource, context: ReadContext) -> bool:
    """Whether the record says that an order was ended or is on hold because of low sodium (F24)."""
    if resource.status_reason is None and resource.reason_ended is None:
        return False
    return context.vocabulary.blame(
        concepts(resource.status_reason, resource.reason_ended)
    ).low_sodium


def _changed(resource: Resource, context: ReadContext) -> datetime | None:
    """When the record of an ended order was last changed, which most often was its end (F24)."""
    if resource.meta is None or resource.status.strip().lower() not in _ENDED:
        return None
    changed = moment(resource.meta.last_updated, context.zone, context.now)
    return changed.at if changed is not None else None


def _first_day_mg(
    resource: Resource, medicine: Medicine, known: Resolution, context: ReadContext
) -> Decimal | None:
    """What the first day of a single vaptan brings; a rule asks it of no other order."""
    if known.ingredient_count != 1 or [d.cls for d in known.drugs] != [DrugClass.VAPTAN]:
        return None
    return first_day_mg(resource, _names_of(medicine), context.vocabulary)


def _names_of(medicine: Medicine) -> list[str]:
    """Every name of a product, as the record gives it."""
    said = (*medicine.concepts, *(item for item, _ in medicine.ingredients), *medicine.displays)
    return [name for coded in said for name in texts_of(coded)]


def _status(resource: Resource, context: ReadContext) -> str:
    """The status; a word that FHIR does not have may mean a drug that is taken."""
    status = resource.status.strip().lower()
    known = not status or status in context.vocabulary.code_lists.order_statuses
    return status if known else "unknown"


def _intent(resource: Resource, context: ReadContext) -> str:
    """The intent; a word that FHIR does not have reads as a missing one."""
    intent = resource.intent.strip().lower()
    return intent if intent in context.vocabulary.code_lists.order_intents else ""


def _authored(resource: Resource, context: ReadContext) -> datetime | None:
    """When an order was written, by the name that its version gives it."""
    dates = (
        resource.authored_on,
        resource.date_written,
        resource.date_asserted,
        resource.date_time,
        resource.ordered_on,
    )
    for value in dates:
        if value and (written := moment(value, context.zone, context.now)):
            return written.at
    return None


def _effective(resource: Resource, context: ReadContext) -> tuple[datetime | None, datetime | None]:
    """The time of a statement or administration; the end of a request's validity."""
    periods = filled(resource.effective_period, resource.effective_time_period)
    period = periods[0] if periods else NO_PERIOD
    validity = (resource.dispense_request or NO_DISPENSE).validity_period or NO_PERIOD
    once = resource.effective_date_time.strip() or resource.effective_time_date_time.strip()
    start = moment(once or period.start, context.zone, context.now)
    end = moment(period.end.strip() or validity.end, context.zone, context.now)
    return (start.at if start is not None else None, end.at if end is not None else None)


def _reasons(resource: Resource, context: ReadContext) -> frozenset[str]:
    """Concepts of the reason: a list, one object (sandbox), DSTU2's name for it, or a Condition."""
    coded = list(
        concepts(
            resource.reason_code,
            resource.reason_codeable_concept,
            resource.reason_for_use_codeable_concept,
            resource.reason,
        )
    )
    for reference in (*listed(resource.reason_reference), *listed(resource.indication)):
        condition = context.index.get(reference.reference.strip(), resource)
        if condition is not None and kind_of(condition) == "Condition":
            coded += concepts(condition.code)
    coded += concepts(*(reason.concept for reason in listed(resource.reason)))
    return context.vocabulary.problems(tuple(coded)).concepts if coded else frozenset()


def _about(resource: Resource, kind: Kind, context: ReadContext) -> frozenset[str]:
    """The concepts of what an order that is no medicine is about: comfort care, dialysis."""
    if kind == "medication":
        return frozenset()
    coded, vocabulary = list(concepts(resource.code)), context.vocabulary
    return vocabulary.problems(coded).concepts | vocabulary.procedures(coded).concepts


def _restricts_fluid(resource: Resource, about: FluidWords, context: ReadContext) -> bool:
    """Whether an order restricts fluid, by code or by words (C.6)."""
    nutrients = resource.oral_diet.nutrient if resource.oral_diet is not None else ()
    by_amount = any(_limits_fluid(nutrient, context) for nutrient in nutrients)
    return by_amount or context.vocabulary.restricts(*about)


def _fluid_words(resource: Resource, kind: Kind) -> FluidWords:
    """The concepts and the words of an order that may be about what a patient drinks."""
    diet = resource.oral_diet or _NO_DIET
    modifiers = [nutrient.modifier for nutrient in diet.nutrient]
    medication = resource.medication_codeable_concept
    coded = concepts(diet.type, resource.code, resource.order_detail, medication, *modifiers)
    texts = [diet.instruction.strip()]
    if isinstance(diet.type, str):
        texts.append(diet.type.strip())
    if kind != "medication":
        texts.append(instruction_text(instructions_of(resource)))
    if kind in ("nutrition", "service"):
        texts += [note.text.strip() for note in resource.note]
    return tuple(coded), tuple(filter(None, texts))


def _about_fluid_name(
    resource: Resource, about: FluidWords, context: ReadContext
) -> RecordText | None:
    """What an order about drinking is called: its words that say so, else its amount, its name."""
    coded, said = about
    names = [text.strip() for one in coded for text in texts_of(one)]
    texts = [text for text in (*names, *said) if text]
    known = context.vocabulary
    told = [t for t in texts if known.restricts((), (t,)) or known.asks_to_drink((), (t,))]
    nutrients = (resource.oral_diet or OralDiet()).nutrient
    limited = [n.amount for n in nutrients if n.amount is not None and _limits_fluid(n, context)]
    amounts = [f"{one.value} {one.unit or one.code}" for one in limited]
    named = next(iter((*told, *amounts, *names)), "")
    return RecordText(named) if named else None


def _limits_fluid(nutrient: Nutrient, context: ReadContext) -> bool:
    """Whether a diet limits fluid by an amount (F23)."""
    ml = amount(nutrient.amount, "ml") if nutrient.amount is not None else None
    if ml is None:
        return False
    return any(context.vocabulary.limits_fluid(one, ml) for one in concepts(nutrient.modifier))


def _is_stoppable(resource: Resource, known: Resolution, context: ReadContext) -> bool:
    """Whether it is a single-ingredient, active order of a class that one click may stop (M14).

    Whether it is valid and safe to echo is checked when the suggestion is written (`orders.stops`).
    """
    classes = [drug.cls for drug in known.drugs]
    if not classes or known.ingredient_count != 1:
        return False
    return context.vocabulary.stop_classes.issuperset(classes) and may_stop(resource)


def may_stop(order: Resource) -> bool:
    """Whether an order may be given back stopped, as far as what is read of it tells."""
    if kind_of(order) != "MedicationRequest" or order.status != "active":
        return False
    return _ID.fullmatch(order.id.strip()) is not None and order.intent in _INTENTS


def points_elsewhere(order: Resource) -> bool:
    """Whether an order points to a Medication."""
    if order.medication_reference is None and order.medication is UNSET:
        named = order.medication_codeable_concept
        if isinstance(named, Choice) and named.reference is None:
            return False  # the usual order: its concept, and nothing else
    return any(one.reference and _references(one) for one in _choices(order))


def medicine_of(order: Resource, index: Index) -> Medicine:
    """Collect an order's medication in any form of R4, R5, STU3 and DSTU2."""
    medicine = Medicine()
    for choice in _choices(order):
        medicine.concepts += _said(choice, choice.concept)
        _take_names(_pointer(choice), medicine)
        for reference in _references(choice):
            _follow(reference, order, index, medicine, _DEPTH)
    return medicine


def _choices(order: Resource) -> Iterator[Choice]:
    """Where the versions of FHIR name the medication of an order; bare words are a name too."""
    for member in (
        order.medication_codeable_concept,
        order.medication_reference,
        order.medication,
    ):
        if isinstance(member, str):
            points = member is order.medication_reference and " " not in member.strip()
            yield Choice(reference=member) if points else Choice(text=member)
        elif member is not UNSET:
            yield from listed(member)


def _said(*recorded: Concept | None) -> list[Coded]:
    """The concepts that say anything."""
    return [c for one in recorded if one is not None and (c := concept(one)) is not None]


def _pointer(choice: Choice) -> Reference:
    """The Reference itself, or the one inside an R5 CodeableReference."""
    inner = choice.reference
    if isinstance(inner, Reference):
        return inner
    return Reference(reference=inner or "", display=choice.display, identifier=choice.identifier)


def _references(choice: Choice) -> list[Reference]:
    """The Reference of a choice, if it points anywhere."""
    pointer = _pointer(choice)
    return [pointer] if pointer.reference.strip() else []


def _take_names(pointer: Reference, medicine: Medicine) -> None:
    """Keep what a Reference says beside its target: some EHRs name a drug nowhere else."""
    display = pointer.display.strip()
    if display:
        medicine.displays.append(Coded(text=display))
    named = pointer.identifier
    if named is None:
        return
    value = named.value.strip()
    if value:
        code = Coding(system=canonical(named.system.strip()), code=value)
        medicine.concepts.append(Coded(codings=(code,)))
        medicine.hints.append(Coded(text=value))
    medicine.hints += _said(named.type)


def _follow(
    reference: Reference, holder: Resource, index: Index, medicine: Medicine, depth: int
) -> None:
    target = reference.reference.strip()
    medication = index.get(target, holder)
    if medication is None or kind_of(medication) != "Medication":
        _note_lost(reference, index, medicine)
        return
    code = first_concept(medication.code)
    if code is not None:
        medicine.concepts.append(code)
    form = first_concept(medication.form) or first_concept(medication.dose_form)
    medicine.form = medicine.form or form
    # Contained resources all lie in the outermost one.
    outer = holder if any(one is medication for one in holder.contained) else medication
    # DSTU2 keeps the ingredients one level deeper.
    for ingredient in (*medication.ingredient, *(medication.product or OldProduct()).ingredient):
        _take(ingredient, outer, index, medicine, depth - 1)


def _note_lost(reference: Reference, index: Index, medicine: Medicine) -> None:
    """Keep the reference and the name of a Medication that is not at hand."""
    medicine.lost = True
    name = relative(reference.reference.strip(), index.bases)
    if name.startswith("Medication/"):
        medicine.wanted.append(name)


def _take(
    ingredient: Ingredient, holder: Resource, index: Index, medicine: Medicine, depth: int
) -> None:
    medicine.cut = medicine.cut or len(medicine.ingredients) >= MAX_CONCEPTS
    if ingredient.is_active is False or medicine.cut:
        return
    item = ingredient.item or Choice()
    ratios = filled(ingredient.strength, ingredient.strength_ratio)
    strength = _strength(ratios[0]) if ratios else None
    for coded in _said(ingredient.item_codeable_concept, item, item.concept):
        medicine.ingredients.append((coded, strength))
    if depth <= 0:
        return
    references = [one for one in (ingredient.item_reference,) if one and one.reference.strip()]
    for reference in (*references, *_references(item)):
        inner = Medicine()
        _take_names(reference, inner)
        _follow(reference, holder, index, inner, depth)
        medicine.wanted += inner.wanted
        medicine.cut = medicine.cut or inner.cut
        named = inner.concepts or inner.displays
        medicine.ingredients += [(coded, strength) for coded in named]
        medicine.ingredients += inner.ingredients


def _strength(ratio: Ratio) -> Strength | None:
    above, below = ratio.numerator or NO_QUANTITY, ratio.denominator or NO_QUANTITY
    numerator, denominator = exact(above.value), exact(below.value)
    if numerator is None or not denominator:
        return None
    return Strength(
        numerator=numerator,
        numerator_unit=above.code.strip() or above.unit.strip(),
        denominator=denominator,
        denominator_unit=below.code.strip() or below.unit.strip(),
    )
