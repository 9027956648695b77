"""F24: which drugs a problem or an allergy blames for low sodium, in the words of ten languages."""

from __future__ import annotations

import pytest

from cds_service.knowledge.load import Knowledge
from cds_service.terminology.blame import Blame
from cds_service.terminology.codes import ICD10CM, SNOMED
from cds_service.terminology.types import Coded, Coding
from cds_service.terminology.vocabulary import Vocabulary, vocabulary


@pytest.fixture(scope="module")
def known(knowledge: Knowledge) -> Vocabulary:
    return vocabulary(knowledge.terms, knowledge.fluids, knowledge.orders)


BLAMING = {
    "Hyponatraemia due to escitalopram (2024)": {"ssri"},
    "Thiazide-induced hyponatremia 2023": {"thiazide"},
    "SIADH due to sertraline": {"ssri"},
    "History of hyponatremia due to sertraline": {"ssri"},
    "Hyponatremia on HCTZ - avoid thiazides": {"thiazide"},
    "Diuretic-induced hyponatremia": {"thiazide", "loop", "mra"},
    "Hyponatremia due to thiazide diuretic": {"thiazide"},
    "Carbamazepine SIADH": {"iminostilbene"},
    "Z.n. schwerer Hyponatriämie unter HCT": {"thiazide"},
    "Hyponatriämie (SSRI-induziert)": {"ssri"},
    "Hyponatrémie sous diurétiques thiazidiques": {"thiazide"},
    "Hiponatremia por hidroclorotiazida": {"thiazide"},
    "Iponatremia da SSRI": {"ssri"},
    "Hyponatremie door citalopram": {"ssri"},
    "Hyponatremi utløst av tiazid": {"thiazide"},
    "Hiponatremia po tiazydach": {"thiazide"},
    "低ナトリウム血症（トリクロルメチアジドによる）": {"thiazide"},
    "氢氯噻嗪所致低钠血症": {"thiazide"},
    "Тиазидная гипонатриемия": {"thiazide"},
}
NOT_BLAMING = (
    "Rash due to thiazide diuretic",
    "Sexual dysfunction due to SSRI",
    "No hyponatremia on sertraline",
    "Hyponatremia, not due to sertraline",
    "Hyponatremia treated with furosemide",
    "Family history of hyponatremia on SSRI",
    "Hyponatremia",
    "Low sodium diet",
)


@pytest.mark.parametrize(("text", "classes"), BLAMING.items(), ids=list(BLAMING))
def test_words_blame_a_drug_for_low_sodium(text: str, classes: set[str], known: Vocabulary) -> None:
    assert known.blame((Coded(text=text),)) == Blame(True, frozenset(classes))


@pytest.mark.parametrize("text", NOT_BLAMING)
def test_words_that_blame_no_drug_for_low_sodium(text: str, known: Vocabulary) -> None:
    assert known.blame((Coded(text=text),)).classes == set()


@pytest.mark.parametrize(
    ("system", "code", "text"),
    [
        (SNOMED, "89627008", "Drug-induced hyponatremia (indapamide)"),
        (ICD10CM, "T50.2X5A", "Thiazide-induced hyponatremia"),
        (ICD10CM, "E87.1", "Thiazide effect"),
    ],
)
def test_a_code_and_the_words_beside_it_are_read_together(
    system: str, code: str, text: str, known: Vocabulary
) -> None:
    coded = Coded(codings=(Coding(system, code),), text=text)
    assert known.blame((coded,)) == Blame(True, frozenset({"thiazide"}))


def test_a_class_of_drugs_that_words_name_is_one_of_ours(knowledge: Knowledge) -> None:
    assert set(knowledge.fluids.text.classes) <= set(knowledge.words.drug_classes)
