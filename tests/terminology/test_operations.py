"""An operation is read however a record names it: done by "status post", and not yet by "planned"."""

from __future__ import annotations

import pytest

from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.types import Coded, Coding

PITUITARY, BRAIN = "pituitary-surgery", "neurosurgery"
OPERATIONS = {
    PITUITARY: (
        "transsphenoidal resection of pituitary adenoma",
        "Transsphenoidal hypophysectomy",
        "trans-sphenoidal surgery",
        "pituitary tumor resection",
        "excision of pituitary tumor, transnasal approach",
        "resection of the pituitary gland",
        "transsphenoidale Adenomektomie",
        "Hypophysenoperation",
        "Hypophysen-OP",
        "Exzision und Resektion von erkranktem Gewebe der Hypophyse",
        "chirurgie hypophysaire",
        "exérèse d'adénome hypophysaire par voie transsphénoïdale",
        "cirugía transesfenoidal",
        "adenomectomía hipofisaria",
        "chirurgia ipofisaria transsfenoidale",
        "hypofysechirurgie",
    ),
    BRAIN: ("craniotomy", "intracranial surgery"),
}
INSIDE = (
    "Exzision und Resektion von erkranktem Gewebe der Hypophyse",
    "exérèse d'adénome hypophysaire par voie transsphénoïdale",
    "cirugía transesfenoidal",
)
DONE = (
    "Vor 5 Tagen {}",
    "{}",
    "Status post {}",
    "S/P {} (day 5)",
    "Z.n. {}",
    "Zustand nach {}",
    "POD 5 {}",
)
NOT_DONE = (
    "No {}",
    "History of {}",
    "Planned {}",
    "Scheduled for {}",
    "Awaiting {}",
    "{} planned",
    "{} next week, scheduled",
    "Geplante {}",
    "Screening for {}",
)
NAMED = [(concept, name) for concept, names in OPERATIONS.items() for name in names]
# A word that takes back is read right before the first word that is known.
FIRST = [(concept, name) for concept, name in NAMED if name not in INSIDE]
# Codes beside the words: one of a related problem, one that says nothing, and an unknown one.
BESIDE = (
    (),
    (Coding("http://hl7.org/fhir/sid/icd-10-cm", "Z98.890", "Other postprocedural states"),),
    (Coding("http://hl7.org/fhir/sid/icd-10", "D35.2", "Benign neoplasm of pituitary gland"),),
    (Coding("http://snomed.info/sct", "1", ""),),
)


@pytest.mark.parametrize(("concept", "name"), NAMED)
@pytest.mark.parametrize("said", DONE)
def test_an_operation_that_was_done_is_read(
    matcher: ConceptMatcher, concept: str, name: str, said: str
) -> None:
    for codings in BESIDE if concept == PITUITARY else BESIDE[:2]:
        assert concept in matcher.match(Coded(codings=codings, text=said.format(name)))


@pytest.mark.parametrize(("concept", "name"), FIRST)
@pytest.mark.parametrize("said", NOT_DONE)
def test_an_operation_that_was_not_done_lately_is_not_read(
    matcher: ConceptMatcher, concept: str, name: str, said: str
) -> None:
    assert concept not in matcher.match(Coded(text=said.format(name)))


@pytest.mark.parametrize("text", ["stroke", "seizure", "vomiting", "diarrhea"])
@pytest.mark.parametrize("before", ["Status post", "Zustand nach"])
def test_a_disease_that_was_is_no_disease_of_today(
    matcher: ConceptMatcher, text: str, before: str
) -> None:
    assert not matcher.match(Coded(text=f"{before} {text}"))
