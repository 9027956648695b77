"""From an order to its ingredients, form, saline and partners, by codes, names and text (D.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from cds_service.knowledge.names import DrugClass
from cds_service.knowledge.words import Drug, Fluids
from cds_service.terminology.codes import RXNORM, CodeIndex, IndexedProduct, canonical
from cds_service.terminology.endings import Endings
from cds_service.terminology.names import FormReader, NameMatch, NameReader, Place
from cds_service.terminology.nutrition import NutritionReader
from cds_service.terminology.remembering import remembering
from cds_service.terminology.saline import SALT, FluidReader, FluidReading
from cds_service.terminology.strong_salts import StrongSaltReader
from cds_service.terminology.text import Phrases, Words, flat, words
from cds_service.terminology.types import (
    Coded,
    Coding,
    DrugMatch,
    Evidence,
    Nutrition,
    Product,
    RecordText,
    Resolution,
    texts_of,
)

_STRENGTH: Mapping[Evidence, int] = {"code": 0, "display": 1, "text": 2, "brand": 3}
_TIERS = ("T1", "T2", "T3", "TREAT", "OTHER")
_KEPT_SILENT = frozenset({SALT})  # named only where the order is a saline order
_IRRIGATED = "bladder"  # a kind of local form of fluids.toml: every irrigation


class _Label(Struct, frozen=True):
    """What a tolvaptan product is labelled for, by RxNorm code or by words."""

    codes: frozenset[str]
    phrases: Phrases[bool]

    def fits(self, product: Product) -> bool:
        """Whether a concept of the order carries the code or the words."""
        for concept in product.concepts:
            if any(
                canonical(c.system) == RXNORM and c.code.strip() in self.codes
                for c in concept.codings
            ):
                return True
            if any(self.phrases.find(words(name)) for name in texts_of(concept)):
                return True
        return False


class _Findings:
    """What one order gives, gathered concept by concept."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Evidence, str]] = {}
        self.count = 0
        self.steps: list[str] = []
        self.known = False  # something was recognised, even if it was taken back

    def add(self, ingredient: str, evidence: Evidence, matched: str = "") -> None:
        """Keeps the strongest evidence for an ingredient."""
        before = self.found.get(ingredient)
        if before is None or _STRENGTH[evidence] < _STRENGTH[before[0]]:
            self.found[ingredient] = (evidence, matched)

    def add_names(self, match: NameMatch, matched: str) -> None:
        """Takes over what one name says."""
        for ingredient, evidence in match.ingredients:
            self.add(ingredient, evidence, matched)
            self.steps.append(f"{evidence}: {ingredient}")
        self.count = max(self.count, match.count)
        self.known = self.known or match.negated
        if match.negated:
            self.steps.append("text: a name that its neighbours take back")


class DrugResolver:
    """Recognises the watched ingredients in any order; no input makes it raise an error."""

    def __init__(
        self,
        drugs: Mapping[str, Drug],
        fluids: Fluids,
        local_codes: Mapping[tuple[str, str], Sequence[str]] | None = None,
        products: Mapping[str, IndexedProduct] | None = None,
    ) -> None:
        self._drugs = drugs
        self._codes = CodeIndex(drugs, local_codes, products)
        self._forms = FormReader(fluids.forms)
        self._endings = Endings(fluids.ending)
        self._names = NameReader(drugs, fluids.text, self._forms, self._endings)
        self._fluids = FluidReader(fluids, self._codes, self._forms)
        self._strong_salts = StrongSaltReader(fluids)
        self._nutrition = NutritionReader(fluids)
        self._glucose_only = flat(fluids.mixing.glucose_only)
        self._effervescent = flat(fluids.effervescent.phrases)
        vaptans = fluids.vaptans
        self._adpkd = _Label(frozenset(vaptans.adpkd), flat(vaptans.adpkd_words))
        self._hyponatremia = _Label(
            frozenset(vaptans.hyponatremia), flat(vaptans.hyponatremia_words)
        )
        self._hemostatic = _Label(frozenset(), flat(fluids.desmopressin.hemostatic_words))
        self._rank = {
            name: (_TIERS.index(drug.tier), at) for at, (name, drug) in enumerate(drugs.items())
        }

    def resolve(self, product: Product) -> Resolution:
        """Returns what the order is: ingredients, saline, route, and what stayed unknown."""
        if self._is_end(product):
            return Resolution(steps=("the order ends what it names",))
        product = self._with_official_names(product)
        findings = self._gather(product)
        place = self._forms.read(product)
        nutrition = self._nutrition.read(product, place)
        fluid = (
            self._fluids.read(product, place, findings.found)
            if nutrition is None
            else FluidReading(is_salt=True, step="parenteral nutrition")
        )
        if fluid.saline is not None:
            findings.add(SALT, "text", _first_name(product))
        drugs = self._kept(findings, place, fluid)
        if place.route == "local" and drugs:
            place = Place("systemic", place.kinds)
        known = self._as_fluid(product, place, fluid, nutrition, findings.found)
        known = self._with_drugs(known, product, findings, drugs)
        is_fluid = fluid.is_salt or known.hypotonic or known.balanced or known.strong_salt
        if is_fluid or findings.found or findings.known:
            return known
        name = _first_name(product)
        return replace(
            known,
            code_only=not name and _has_code(product),
            unrecognised=RecordText(name) if name else None,
        )

    def _as_fluid(
        self,
        product: Product,
        place: Place,
        fluid: FluidReading,
        nutrition: Nutrition | None,
        found: Collection[str],
    ) -> Resolution:
        """Returns what the order is as a fluid, and which way it is given."""
        has_other_kind = fluid.hypotonic or nutrition is not None
        balanced = None if has_other_kind else self._fluids.balanced(product, place)
        strong_salt = fluid.strong_salt
        if strong_salt is None and not (fluid.saline or has_other_kind):
            strong_salt = self._strong_salts.read(product, place, found)
        known = Resolution(
            saline=fluid.saline,
            hypotonic=fluid.hypotonic,
            carries=fluid.carries,
            alkali=fluid.alkali,
            needs_glucose=fluid.carries and self._is_for_glucose(product, found),
            hypotonic_volume_ml=fluid.volume_ml if fluid.hypotonic else None,
            route=fluid.route if place.route == "unknown" else place.route,
            irrigation=_IRRIGATED in place.kinds,
            strong_salt=strong_salt,
            nutrition=nutrition,
            isotonic_carrier_ml=fluid.isotonic_carrier_ml,
            steps=(*_fluid_steps(fluid, balanced), f"route: {place.route}"),
        )
        if balanced is None:
            return known
        return replace(
            known,
            balanced=True,
            balanced_weak=balanced.weak,
            balanced_volume_ml=balanced.volume_ml,
        )

    def _with_drugs(
        self,
        known: Resolution,
        product: Product,
        findings: _Findings,
        drugs: tuple[DrugMatch, ...],
    ) -> Resolution:
        """Returns the order with its drugs, and what these are labelled or given for."""
        count = max(1, findings.count, len(findings.found), len(product.ingredients))
        classes = {drug.cls for drug in drugs}
        is_vaptan = DrugClass.VAPTAN in classes
        is_desmopressin = DrugClass.DESMOPRESSIN in classes
        return replace(
            known,
            drugs=drugs,
            partners=tuple(drug.name for drug in drugs[1:]) if count > 1 else (),
            ingredient_count=count,
            effervescent=self._fizzes(product),
            adpkd=is_vaptan and self._adpkd.fits(product),
            hyponatremia_product=is_vaptan and self._hyponatremia.fits(product),
            hemostatic=is_desmopressin and self._stops_a_bleeding(product),
            steps=(*findings.steps, *known.steps),
        )

    def classes_named(self, text: Words) -> frozenset[str]:
        """Returns the classes of all drugs that a text names, even beside "avoid" (F24)."""
        return frozenset(self._drugs[name].cls for name in self._names.mentioned(text))

    def _is_end(self, product: Product) -> bool:
        """Whether the order ends a drug or a fluid, by its name or by all of its sig (F23)."""
        if self._endings.is_bare_end(words(product.instructions)):
            return True
        names = (words(name) for one in product.concepts for name in texts_of(one))
        return any(self._endings.is_end(name) for name in names)

    def _stops_a_bleeding(self, product: Product) -> bool:
        """Whether a name of the order, or its sig, says that desmopressin is for a bleeding."""
        said = self._hemostatic.phrases.find(words(product.instructions))
        return bool(said) or self._hemostatic.fits(product)

    def _is_for_glucose(self, product: Product, found: Collection[str]) -> bool:
        """Whether a label allows the drug in glucose alone, or asks for it (F23)."""
        said = (*(name for one in _items(product) for name in texts_of(one)), *found)
        return any(self._glucose_only.find(words(name)) for name in said)

    def _fizzes(self, product: Product) -> bool:
        """Whether a name of the order, or its form, says that the tablet is effervescent."""
        forms = [product.form] if product.form is not None else []
        said = (name for one in (*_items(product), *forms) for name in texts_of(one))
        return any(self._effervescent.find(words(name)) for name in said)

    def _gather(self, product: Product) -> _Findings:
        findings = _Findings()
        for concept in (*product.concepts, *(item for item, _ in product.ingredients)):
            official = ""
            for coding in concept.codings:
                official = self._by_code(findings, coding) or official
            self._by_name(findings, concept, official)
        self._drop_groups(findings)
        return findings

    def _by_code(self, findings: _Findings, coding: Coding) -> str:
        match = self._codes.find(coding)
        for ingredient in match.ingredients:
            findings.add(ingredient, "code")
        if match.ingredients:
            findings.steps.append(f"{match.step}: {', '.join(match.ingredients)}")
            findings.count = max(
                findings.count,
                len(match.ingredients) + (match.combination and len(match.ingredients) == 1),
            )
        return coding.display if canonical(coding.system) == RXNORM else ""

    def _by_name(self, findings: _Findings, concept: Coded, official: str) -> None:
        if official.strip():
            findings.add_names(self._names.official(official), official)
        for name in texts_of(concept):
            if name != official:
                findings.add_names(self._names.free(name), name)

    def _drop_groups(self, findings: _Findings) -> None:
        """ "Lisinopril and diuretics" gives way where the diuretic itself is named."""
        found = {name: self._drugs[name] for name in findings.found}
        named = {drug.cls for drug in found.values() if not drug.combination}
        for name, drug in found.items():
            if drug.combination and drug.cls in named:
                del findings.found[name]

    def _with_official_names(self, product: Product) -> Product:
        """A code without a name gets that of the site's index, which tells form and strength."""
        if all(c.display.strip() for concept in product.concepts for c in concept.codings):
            return product
        concepts = tuple(
            replace(concept, codings=tuple(self._official(coding) for coding in concept.codings))
            for concept in product.concepts
        )
        return replace(product, concepts=concepts)

    def _official(self, coding: Coding) -> Coding:
        name = "" if coding.display.strip() else self._codes.find(coding).name
        return replace(coding, display=name) if name else coding

    def _kept(
        self, findings: _Findings, place: Place, fluid: FluidReading
    ) -> tuple[DrugMatch, ...]:
        """Systemic ingredients, the strongest tier first."""
        kept = []
        for name in sorted(findings.found, key=self._rank.__getitem__):
            drug = self._drugs[name]
            if place.route == "local" and place.kinds.isdisjoint(drug.also_systemic):
                continue
            if name in _KEPT_SILENT and fluid.saline is None:
                continue
            evidence, matched = findings.found[name]
            text = RecordText(matched) if matched and evidence != "code" else None
            kept.append(
                DrugMatch(
                    name=name,
                    cls=drug.cls,
                    tier=drug.tier,
                    group=drug.group,
                    evidence=evidence,
                    matched=text,
                    sodium_mmol_per_g=drug.sodium_mmol_per_g,
                )
            )
        return tuple(kept)


def remembering_products(
    resolve: Callable[[Product], Resolution],
) -> Callable[[Product], Resolution]:
    """Returns the resolver with a memory without names of a record: each call gives its own."""

    def nameless(product: Product) -> tuple[Resolution, tuple[int | None, ...]]:
        found = resolve(product)
        names = _names(product)
        said = _said(found)
        places = tuple(
            names.index(one.value) if one and one.value in names else None for one in said
        )
        kept = [one if at is None else None for one, at in zip(said, places, strict=True)]
        return _saying(found, kept), places

    remembered = remembering(nameless)

    def named(product: Product) -> Resolution:
        found, places = remembered(product)
        if not any(at is not None for at in places):
            return found
        names = _names(product)
        known = zip(_said(found), places, strict=True)
        return _saying(found, [one if at is None else RecordText(names[at]) for one, at in known])

    return named


def _names(product: Product) -> list[str]:
    return [name for item in _items(product) for name in texts_of(item)]


def _said(found: Resolution) -> list[RecordText | None]:
    """Returns the words of a record in a resolution: what is unrecognised, then what matched."""
    return [found.unrecognised, *(drug.matched for drug in found.drugs)]


def _saying(found: Resolution, said: Sequence[RecordText | None]) -> Resolution:
    """Returns the resolution with these words in it, in the order of `_said`."""
    drugs = (replace(drug, matched=text) for drug, text in zip(found.drugs, said[1:], strict=True))
    return replace(found, unrecognised=said[0], drugs=tuple(drugs))


def _items(product: Product) -> Iterator[Coded]:
    yield from product.concepts
    for item, _ in product.ingredients:
        yield item


def _fluid_steps(*readings: FluidReading | None) -> list[str]:
    return [f"fluid: {one.step}" for one in readings if one is not None and one.step]


def _first_name(product: Product) -> str:
    """The first name in an order; digits and signs alone are none."""
    names = (name for item in _items(product) for name in texts_of(item))
    return next((name for name in names if any(map(str.isalpha, name))), "")


def _has_code(product: Product) -> bool:
    return any(coding.code.strip() for item in _items(product) for coding in item.codings)
