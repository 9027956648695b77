"""What the reader knows of codes and words: drugs, problems, laboratory tests, fluid orders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from msgspec import Struct, field

from cds_service.knowledge.names import Analyte, Problem
from cds_service.knowledge.words import Concept, Fluids, OrderWords, Terms
from cds_service.terminology.blame import Blame, BlameReader
from cds_service.terminology.codes import (
    ATC,
    ICD9,
    ICD10,
    ICD10_FAMILY,
    ICD10CM,
    ICD10PCS,
    LOINC,
    NDC,
    RXNORM,
    SNOMED,
    IndexedProduct,
    LabClass,
    LabMatch,
    LabResolver,
)
from cds_service.terminology.concepts import (
    ConceptMatch,
    ConceptMatcher,
    DrinkingMatcher,
    RestrictionMatcher,
)
from cds_service.terminology.doses import DoseReader
from cds_service.terminology.drugs import DrugResolver, remembering_products
from cds_service.terminology.remembering import remembering
from cds_service.terminology.services import ServiceReader
from cds_service.terminology.text import words
from cds_service.terminology.tube_water import TubeWater, TubeWaterReader
from cds_service.terminology.types import Coded, Coding, Product, Resolution, texts_of


class CodeLists(Struct, frozen=True, kw_only=True):
    """The [reading] table of orders.toml as sets; lower case."""

    inpatient_classes: frozenset[str]
    outpatient_classes: frozenset[str]
    ignored_statuses: frozenset[str]
    ignored_intents: frozenset[str]
    order_statuses: frozenset[str]
    order_intents: frozenset[str]
    refuted: frozenset[str]
    active: frozenset[str]
    inactive: frozenset[str]
    encounter_diagnosis: frozenset[str]
    under_way: frozenset[str]
    procedure_age: timedelta
    poc_words: frozenset[str]
    urine_words: frozenset[str]
    sodium_words: frozenset[str]
    not_blood_words: frozenset[str]
    hemolyzed_words: frozenset[str]
    untestable_words: frozenset[str]
    no_results: frozenset[str]
    hidden_results: frozenset[str]
    panels: frozenset[str]
    observed_problems: frozenset[str]
    once: frozenset[str]
    times_a_day: Mapping[str, Decimal]


class LocalCodes(Struct, frozen=True, kw_only=True):
    """What one site adds: its own codes, and the product codes of its RxNorm import (D.6)."""

    labs: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (system, code) -> analyte
    lab_classes: Mapping[tuple[str, str], LabClass] = field(default_factory=dict)  # (F47)
    drugs: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)  # -> ingredients
    problems: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)  # -> concepts
    products: Mapping[str, IndexedProduct] = field(default_factory=dict)


class Test(Struct, frozen=True, kw_only=True):
    """What the code of an Observation says of it."""

    lab: LabMatch | None  # None: no test that a rule uses
    panel: bool  # its components are results
    problem: bool  # its answer states a problem
    bedside: bool  # it names a blood gas analyzer or the point of care
    maybe_sodium: bool = False  # it is not known, and may mean sodium of the blood


class Vocabulary(Struct, frozen=True, kw_only=True):
    """Everything that turns codes and words of a record into our own names."""

    drugs: DrugResolver
    concepts: ConceptMatcher
    labs: LabResolver
    code_lists: CodeLists
    stop_classes: frozenset[str]  # drug classes that one click may stop
    # With a memory each, as the concepts of a site's records repeat:
    resolve: Callable[[Product], Resolution]
    restricts: Callable[[tuple[Coded, ...], tuple[str, ...]], bool]  # concepts, words
    restricts_plainly: Callable[
        [tuple[Coded, ...], tuple[str, ...]], bool
    ]  # and says no more (F23)
    asks_to_drink: Callable[[tuple[Coded, ...], tuple[str, ...]], bool]  # "push fluids"
    tube_water: Callable[[tuple[str, ...], bool], TubeWater | None]  # words; for a tube in any case
    doses: DoseReader
    limits_fluid: Callable[[Coded, Decimal], bool]  # a nutrient of a diet, and its amount
    gives_no_fluid: Callable[[Coded], bool]  # a service that tests, measures or forbids (F23)
    concept: Callable[[Coded], ConceptMatch]
    blame: Callable[[tuple[Coded, ...]], Blame]  # low sodium, and the drugs that caused it (F24)
    procedure: Callable[[Coded], ConceptMatch]
    test: Callable[[Coded], Test]
    unit: Callable[[str, str, str], str]  # analyte, code, unit as recorded -> the one to read
    lab_unit: Mapping[str, str]  # analyte -> the unit of the rules
    by_code: Callable[..., Decimal | None]  # analyte, codes, unit as recorded -> their own factor

    def problems(self, coded: Iterable[Coded]) -> ConceptMatch:
        """Returns all concepts that any of these CodeableConcepts means.

        They count as read from text only if each of them was.
        """
        return _together(map(self.concept, coded))

    def procedures(self, coded: Iterable[Coded]) -> ConceptMatch:
        """Returns all concepts that a Procedure of these CodeableConcepts means."""
        return _together(map(self.procedure, coded))


def _together(matches: Iterable[ConceptMatch]) -> ConceptMatch:
    """Returns the concepts of several matches; read from text only if each of them was."""
    named = [match for match in matches if match.concepts]
    if len(named) <= 1:
        return named[0] if named else _NO_CONCEPT
    return ConceptMatch(
        frozenset().union(*(match.concepts for match in named)),
        by_text=bool(named) and all(match.by_text for match in named),
    )


_LOW_SODIUM = frozenset({Problem.HYPONATREMIA, Problem.SIADH})
NO_LOCAL_CODES = LocalCodes()
_NO_CONCEPT = ConceptMatch()


def vocabulary(
    terms: Terms, fluids: Fluids, order_words: OrderWords, local: LocalCodes = NO_LOCAL_CODES
) -> Vocabulary:
    """Returns the vocabulary of one deployment; building it takes a while, using it does not."""
    drugs = DrugResolver(terms.drugs, fluids, local.drugs, local.products)
    concepts = ConceptMatcher(terms.concepts, fluids.text, local_codes=local.problems)
    blames = BlameReader(terms.concepts, _LOW_SODIUM, fluids.text, drugs, local.problems)
    procedures = ConceptMatcher(
        {
            key: Concept(
                title=words.title,
                icd10=words.icd10pcs,
                icd9=words.icd9,
                snomed=words.snomed,
                text=words.text,
            )
            for key, words in terms.procedures.items()
        },
        fluids.text,
        ICD10_FAMILY | {ICD10PCS},
    )
    labs = LabResolver(terms.labs, local.labs, local.lab_classes)
    reading = _code_lists(order_words)
    restrictions, drinking = RestrictionMatcher(fluids), DrinkingMatcher(fluids)
    return Vocabulary(
        drugs=drugs,
        concepts=concepts,
        labs=labs,
        code_lists=reading,
        stop_classes=frozenset(order_words.stop.classes),
        resolve=remembering_products(drugs.resolve),
        restricts=remembering(restrictions.match),
        restricts_plainly=remembering(restrictions.is_plain),
        asks_to_drink=remembering(drinking.match),
        tube_water=remembering(TubeWaterReader(fluids).read),
        doses=DoseReader(fluids.doses),
        limits_fluid=remembering(restrictions.limits),
        gives_no_fluid=remembering(ServiceReader(fluids.saline).gives_no_fluid),
        concept=remembering(concepts.match_with_evidence),
        blame=remembering(blames.read),
        procedure=remembering(procedures.match_with_evidence),
        test=remembering(lambda code: _test(code, labs, reading)),
        unit=remembering(labs.unit),
        by_code=remembering(labs.by_code),
        lab_unit=labs.lab_unit,
    )


def _test(code: Coded, labs: LabResolver, reading: CodeLists) -> Test:
    loinc = {c.code for c in code.codings if c.system == LOINC}
    text = " ".join((code.text, *(c.display for c in code.codings))).lower()
    lab = labs.resolve(code)
    return Test(
        lab=lab,
        panel=not loinc.isdisjoint(reading.panels),
        problem=not loinc.isdisjoint(reading.observed_problems),
        bedside=any(word in text for word in reading.poc_words),
        maybe_sodium=lab is None and _may_be_sodium(code, labs, reading),
    )


def _may_be_sodium(code: Coded, labs: LabResolver, reading: CodeLists) -> bool:
    """Whether a code that is not known may mean sodium of the blood, as far as one can tell.

    One of its codings says so and another contradicts it, or its words say so. Without any words a
    local code may mean anything, and a LOINC code that is not in labs.toml no sodium of the blood.
    """
    alone = [labs.resolve(Coded(codings=(coding,))) for coding in code.codings]
    if any(match is not None and match.analyte == Analyte.SODIUM for match in alone):
        return True
    tokens = words(" ".join(texts_of(code))).tokens
    if tokens:
        named = not reading.sodium_words.isdisjoint(tokens)
        return named and reading.not_blood_words.isdisjoint(tokens)
    return all(coding.system != LOINC for coding in code.codings)


def _code_lists(order_words: OrderWords) -> CodeLists:
    table = order_words.reading
    return CodeLists(
        inpatient_classes=frozenset(table.inpatient_classes),
        outpatient_classes=frozenset(table.outpatient_classes),
        ignored_statuses=frozenset(table.ignored_statuses),
        ignored_intents=frozenset(table.ignored_intents),
        order_statuses=frozenset(table.order_statuses),
        order_intents=frozenset(table.order_intents),
        refuted=frozenset(table.refuted),
        active=frozenset(table.active),
        inactive=frozenset(table.inactive),
        encounter_diagnosis=frozenset(table.encounter_diagnosis),
        under_way=frozenset(table.under_way),
        procedure_age=timedelta(days=table.procedure_days),
        poc_words=frozenset(table.poc_words),
        urine_words=frozenset(table.urine_words),
        sodium_words=frozenset(table.sodium_words),
        not_blood_words=frozenset(table.not_blood_words),
        hemolyzed_words=frozenset(table.hemolyzed_words),
        untestable_words=frozenset(table.untestable_words),
        no_results=frozenset(table.no_results),
        hidden_results=frozenset(table.hidden_results),
        panels=frozenset(table.panels),
        observed_problems=frozenset(table.observed_problems),
        once=frozenset(table.once),
        times_a_day=table.times_a_day,
    )


# ---- what the terminology says of one entry, for the command line


_SYSTEMS = (RXNORM, SNOMED, ATC, LOINC, ICD10CM, ICD10, ICD9, NDC)


class Meaning(Struct, frozen=True, kw_only=True):
    """One way to read a term: `read_as` is "text" or the system of the code."""

    read_as: str
    kind: str  # "drug", "fluid", "laboratory test", "problem"
    names: tuple[str, ...]  # keys of sodium-drugs.toml, labs.toml, conditions.toml
    steps: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "readAs": self.read_as,
            "kind": self.kind,
            "names": list(self.names),
            "steps": list(self.steps),
        }

    def as_text(self) -> str:
        """Returns one line, and one for each step."""
        lines = [f"{self.kind}: {', '.join(self.names)}  (read as {self.read_as})"]
        return "\n".join([*lines, *(f"  by {step}" for step in self.steps)])


def explain_term(
    term: str, drugs: DrugResolver, concepts: ConceptMatcher, labs: LabResolver
) -> list[Meaning]:
    """Returns every meaning of "code", "system|code" or a name, in each system."""
    found: list[Meaning] = []
    for read_as, coded in _readings(term):
        resolution = drugs.resolve(Product(concepts=(coded,)))
        found += _drug(read_as, resolution)
        lab = labs.resolve(coded)
        if lab is not None:
            steps = ("code", *(("whole blood or point of care",) if lab.poc else ()))
            found.append(
                Meaning(read_as=read_as, kind="laboratory test", names=(lab.analyte,), steps=steps)
            )
        problem = concepts.match_with_evidence(coded)
        if problem.concepts:
            by = "text" if problem.by_text else "code"
            found.append(
                Meaning(
                    read_as=read_as,
                    kind="problem",
                    names=tuple(sorted(problem.concepts)),
                    steps=(by,),
                )
            )
    return found


def _readings(term: str) -> Iterator[tuple[str, Coded]]:
    """Returns the term as a code of the named system, or of each system, or as text."""
    system, stroke, code = term.strip().rpartition("|")
    if stroke:
        yield system, Coded(codings=(Coding(system, code),))
        return
    if not any(sign.isspace() for sign in code):
        for known in _SYSTEMS:
            yield known, Coded(codings=(Coding(known, code),))
    yield "text", Coded(text=code)


def _drug(read_as: str, resolution: Resolution) -> list[Meaning]:
    names = tuple(f"{d.name} ({d.cls}, {d.tier}, by {d.evidence})" for d in resolution.drugs)
    fluids = []
    if resolution.saline is not None:
        percent, volume = resolution.saline.percent, resolution.saline.volume_ml
        fluids.append(
            f"{resolution.saline.kind} saline"
            + (f" {percent} %" if percent is not None else "")
            + (f", {volume} mL" if volume is not None else "")
        )
    if resolution.hypotonic:
        fluids.append("hypotonic fluid")
    if resolution.balanced:
        fluids.append("isotonic fluid, no saline")
    found = []
    if names:
        found.append(Meaning(read_as=read_as, kind="drug", names=names, steps=resolution.steps))
    if fluids:
        found.append(
            Meaning(read_as=read_as, kind="fluid", names=tuple(fluids), steps=resolution.steps)
        )
    return found
