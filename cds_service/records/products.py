"""What an order says of its medication: its concepts, the Medications it points to, ingredients (D.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from cds_service.records.dosage import Dosage
from cds_service.records.elements import (
    Element,
    child,
    concept,
    concept_of,
    items,
    number,
    plain_concepts,
    text,
)
from cds_service.records.references import contained, identity, relative
from cds_service.terminology.match import Coded, Product, Strength

_DEPTH = 2  # a Medication's ingredient may be a Medication of its own, and no deeper (D.4)
INDEXED = ("Medication", "Condition", "Specimen", "Device")


class Index(Struct, frozen=True):
    """Resources that others point to, by "Type/id" and by fullUrl."""

    bases: tuple[str, ...] = ()
    found: dict[str, Element] = field(default_factory=dict)

    def add(self, resource: Element, url: str = "") -> None:
        """Take in one resource, the first one of a name."""
        if text(resource, "resourceType") not in INDEXED:
            return
        names = [url] if url else []
        if text(resource, "id"):
            # Bundles often name an entry by the urn of its id.
            names += [identity(resource), f"urn:uuid:{text(resource, 'id')}"]
        for name in names:
            self.found.setdefault(name, resource)

    def get(self, reference: str, holder: Element) -> Element | None:
        """What a reference inside `holder` points to; None where it is not at hand."""
        if reference.startswith("#"):
            return contained(holder, reference) or None
        found = self.found.get(reference)
        if found is not None or (
            "/_history/" not in reference and not reference.startswith(("http", *self.bases))
        ):
            return found  # any other name is its own plainest form
        return self.found.get(relative(reference, self.bases))


class Gathering(Struct):
    """What was collected so far of one order's medication."""

    concepts: list[Coded] = field(default_factory=list)
    ingredients: list[tuple[Coded, Strength | None]] = field(default_factory=list)
    form: Coded | None = None
    wanted: list[str] = field(default_factory=list)  # "Medication/7", referred to and not at hand
    lost: bool = False  # a reference led to no Medication at hand

    @property
    def unread(self) -> bool:
        """Whether all that the order says of its medication is a reference that leads nowhere."""
        return self.lost and not (self.concepts or self.ingredients)


def gather(order: Element, index: Index) -> Gathering:
    """Collect an order's medication in any form of R4, R5, STU3 and DSTU2."""
    found = Gathering(concepts=list(plain_concepts(order, "medicationCodeableConcept")))
    if found.concepts and not _says_it_elsewhere(order):
        return found
    for element in _medications(order, found):
        said = concept(element)
        if said is not None:
            found.concepts.append(said)
        inner = child(element, "concept")
        if inner and (said := concept(inner)) is not None:
            found.concepts.append(said)
        for reference in _references(element):
            _follow(reference, order, index, found, _DEPTH)
    return found


def may_refer(order: Element) -> bool:
    """Whether an order can point to a Medication at all."""
    return _says_it_elsewhere(order) or not plain_concepts(order, "medicationCodeableConcept")


def _says_it_elsewhere(order: Element) -> bool:
    return "medicationReference" in order or "medication" in order


def product(found: Gathering, doses: Dosage) -> Product:
    """Everything the drug resolver is given of one order."""
    return Product(
        concepts=tuple(found.concepts),
        ingredients=tuple(found.ingredients),
        routes=doses.routes,
        form=found.form,
        instructions=doses.words,
        volume_ml=doses.volume_ml,
    )


def _medications(order: Element, found: Gathering) -> Iterator[Element]:
    """What may say more than one concept does, under the names of every version."""
    if not found.concepts:
        yield from items(order, "medicationCodeableConcept")
    for name in ("medicationReference", "medication"):
        if name in order:
            yield from items(order, name)


def _references(element: Element) -> Iterable[Element]:
    """The Reference itself, or the one inside an R5 CodeableReference."""
    inner = child(element, "reference")
    return [e for e in (element, inner) if text(e, "reference")]


def _follow(
    reference: Element, holder: Element, index: Index, found: Gathering, depth: int
) -> None:
    target = text(reference, "reference")
    medication = index.get(target, holder)
    if medication is None or text(medication, "resourceType") != "Medication":
        _unresolved(reference, target, index, found)
        return
    code = concept_of(medication, "code")
    if code is not None:
        found.concepts.append(code)
    found.form = found.form or concept_of(medication, "form") or concept_of(medication, "doseForm")
    # Contained resources all lie in the outermost one.
    outer = holder if target.startswith("#") else medication
    for ingredient in _ingredients(medication):
        _take(ingredient, outer, index, found, depth - 1)


def _unresolved(reference: Element, target: str, index: Index, found: Gathering) -> None:
    found.lost = True
    name = relative(target, index.bases)
    if name.startswith("Medication/"):
        found.wanted.append(name)
    display = text(reference, "display")
    if display:
        found.concepts.append(Coded(text=display))


def _ingredients(medication: Element) -> tuple[Element, ...]:
    # DSTU2 keeps them one level deeper.
    return items(medication, "ingredient") + items(child(medication, "product"), "ingredient")


def _take(ingredient: Element, holder: Element, index: Index, found: Gathering, depth: int) -> None:
    if ingredient.get("isActive") is False:
        return
    strength = _strength(child(ingredient, "strength") or child(ingredient, "strengthRatio"))
    item = child(ingredient, "item")
    for element in (child(ingredient, "itemCodeableConcept"), item, child(item, "concept")):
        said = concept(element)
        if said is not None:
            found.ingredients.append((said, strength))
    if depth <= 0:
        return
    for element in (child(ingredient, "itemReference"), item, child(item, "reference")):
        if text(element, "reference"):
            inner = Gathering()
            _follow(element, holder, index, inner, depth)
            found.wanted.extend(inner.wanted)
            found.ingredients.extend((said, strength) for said in inner.concepts)
            found.ingredients.extend(inner.ingredients)


def _strength(ratio: Element) -> Strength | None:
    above, below = child(ratio, "numerator"), child(ratio, "denominator")
    numerator, denominator = number(above, "value"), number(below, "value")
    if numerator is None or not denominator:
        return None
    return Strength(
        numerator=numerator,
        numerator_unit=text(above, "code") or text(above, "unit"),
        denominator=denominator,
        denominator_unit=text(below, "code") or text(below, "unit"),
    )
