"""Shows what one code or name is taken for, and which step decided it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.drugs import DrugResolver
from cds_service.terminology.labs import LabResolver
from cds_service.terminology.systems import ATC, ICD9, ICD10, ICD10CM, LOINC, NDC, RXNORM, SNOMED
from cds_service.terminology.types import Coded, Coding, Product, Resolution

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
        """One line, and one for each step."""
        lines = [f"{self.kind}: {', '.join(self.names)}  (read as {self.read_as})"]
        return "\n".join([*lines, *(f"  by {step}" for step in self.steps)])


def explain_term(
    term: str, drugs: DrugResolver, concepts: ConceptMatcher, labs: LabResolver
) -> list[Meaning]:
    """Every meaning of "code", "system|code" or a name; several systems may know one code."""
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
    """The term as a code of the named system, or of each system, or as text."""
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
