"""Problems: every code of conditions.toml, the traps of M1, M4, M15, words and negations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.knowledge.words import Terms
from cds_service.terminology.codes import ICD9, ICD10, ICD10CM, SNOMED
from cds_service.terminology.concepts import ConceptMatcher
from cds_service.terminology.types import Coded, Coding

BOTH = {"nausea", "vomiting"}
SEVERE = {"seizure", "coma", "stupor", "somnolence", "respiratory-failure", "arrest"}


def coded(system: str, code: str, display: str = "") -> Coded:
    return Coded(codings=(Coding(system, code, display),))


def icd(code: str, display: str = "") -> Coded:
    return coded(ICD10CM, code, display)


def said(text: str) -> Coded:
    return Coded(text=text)


def with_dot(code: str) -> str:
    return f"{code[:3]}.{code[3:]}" if len(code) > 3 else code


def test_every_concept_is_found_by_each_of_its_codes(terms: Terms, matcher: ConceptMatcher) -> None:
    for key, concept in terms.concepts.items():
        for pattern in concept.icd10:
            code = pattern.lstrip("!=").replace("?", "0")
            found = matcher.match(icd(with_dot(code)))
            assert (key in found) is not pattern.startswith("!"), (key, pattern)
            assert found == matcher.match(coded(ICD10, code.lower())), (key, pattern)
        for code in concept.snomed:
            assert key in matcher.match(coded(SNOMED, code)), (key, code)
        for pattern in concept.icd9:
            code = pattern.lstrip("!").replace("?", "0")
            found = matcher.match(coded(ICD9, with_dot(code)))
            assert (key in found) is not pattern.startswith("!"), (key, pattern)


def test_every_concept_is_found_by_each_of_its_words(terms: Terms, matcher: ConceptMatcher) -> None:
    for key, concept in terms.concepts.items():
        for phrase in concept.text:
            found = matcher.match_with_evidence(said(phrase.replace("*", "xyz")))
            assert key in found.concepts, (key, phrase)
            assert found.by_text


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (icd("R40.2144", "Coma scale, eyes open, spontaneous"), set()),
        (icd("R40.2411", "Glasgow coma scale score 13-15"), set()),
        (icd("R40.2421", "Glasgow coma scale score 9-12"), {"confusion", "coma-scale"}),
        (icd("R40.2431"), {"coma", "coma-scale"}),
        (icd("R40.20"), {"coma"}),
        (icd("R40.2A"), {"coma"}),
        (coded(ICD10, "R40.2"), {"coma"}),
        (icd("R40.2344"), set()),
        (coded(SNOMED, "409622000", "Respiratory failure"), set()),
        (coded(SNOMED, "3006004", "Disturbance of consciousness"), {"confusion"}),
        (coded(SNOMED, "65710008"), {"respiratory-failure"}),
        (icd("J96.10"), set()),
        (icd("J96.21"), {"respiratory-failure"}),
        (icd("S06.0X0A", "Concussion without loss of consciousness"), {"head-injury"}),
        (icd("S06.5X0A"), {"tbi", "head-injury"}),
        (icd("S06.5X0D"), set()),
        (icd("S06.6X1A"), {"tbi", "head-injury", "traumatic-sah"}),
        (icd("S06.6X1S"), set()),
        (icd("S06.A1XA"), {"tbi", "head-injury"}),
        (icd("I69.051"), set()),
        (icd("K74.3"), {"pbc"}),
        (icd("K74.60"), {"cirrhosis"}),
        (icd("R18.0"), {"malignant-ascites"}),
        (icd("R18.8"), {"ascites"}),
        (coded(ICD10, "R18"), {"ascites"}),
        (icd("K70.31"), {"cirrhosis", "ascites"}),
        (icd("R60.0"), set()),
        (icd("F10.21"), set()),
        (icd("F10.20"), {"alcohol-use-disorder"}),
        (icd("F10.929"), set()),
        (icd("G40.909"), {"epilepsy"}),
        (coded(ICD10, "G41.0"), {"status-epilepticus"}),
        (icd("O24.419"), {"pregnancy"}),
        (icd("O80"), {"labor", "pregnancy-ended"}),
        (icd("O92.5"), {"pregnancy-ended"}),
        (icd("F54"), {"psychological-factors"}),
        (Coded(codings=(Coding(ICD10CM, "F54"),), text="Psychogenic polydipsia"),
         {"polydipsia", "psychogenic-polydipsia", "psychological-factors"}),
        (coded(SNOMED, "70241007"), set()),
        (coded(SNOMED, "716203000"), {"cirrhosis", "decompensated-cirrhosis"}),
        (icd("W18.30XA"), {"fall"}),
        (icd("W20.8XXA"), set()),
        (icd("E11.10"), {"hyperglycemic-crisis"}),
        (icd("E11.9"), set()),
        (coded("http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd10", "E871"), {"hyponatremia"}),
        (coded("http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd9", "2761"), {"hyponatremia"}),
        (coded("http://fhir.de/CodeSystem/bfarm/icd-10-gm", "E87.1"), {"hyponatremia"}),
        (coded("http: //snomed.info/sct", "89627008"), {"hyponatremia"}),
        (coded("urn:oid:2.16.840.1.113883.6.90", "E22.2"), {"siadh"}),
        (coded("http://hl7.org/fhir/sid/icd-10-pcs", "E87.1"), set()),
        (coded("urn:local", "E87.1"), set()),
    ],
)  # fmt: skip
def test_codes_and_their_traps(problem: Coded, wanted: set[str], matcher: ConceptMatcher) -> None:
    assert matcher.match(problem) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hyponatremia", {"hyponatremia"}),
        ("Chronic hyponatraemia", {"hyponatremia"}),
        ("SIADH (syndrome of inappropriate ADH production)", {"siadh"}),
        ("Cirrhosis of liver with ascites", {"cirrhosis", "ascites"}),
        ("primary biliary cirrhosis", {"pbc"}),
        ("Acute on chronic systolic heart failure", {"heart-failure", "acute-congestion"}),
        ("Hypovolemic hyponatremia due to dehydration", {"hypovolemia", "hyponatremia"}),
        ("Cerebral salt-wasting", {"salt-wasting"}),
        ("CSW", {"salt-wasting"}),
        ("Subarachnoid haemorrhage", {"sah"}),
        ("no evidence of heart failure", set()),
        ("No ascites or cirrhosis", set()),
        ("rule out SIADH", set()),
        ("No ascites. Cirrhosis.", {"cirrhosis"}),
        ("no known cirrhosis", set()),
        ("high-risk pregnancy", {"pregnancy"}),
        ("Non-traumatic subarachnoid hemorrhage", {"sah"}),
        ("Traumatic subarachnoid hemorrhage", {"traumatic-sah"}),
        ("family history of cirrhosis", set()),
        ("history of seizures", set()),
        ("h/o heart failure", set()),
        ("at risk for dehydration", set()),
        ("seizure precautions", set()),
        ("Fall risk", set()),
        ("Glasgow coma scale", set()),
        ("abdominal cramps", set()),
        ("leg cramps", {"cramp"}),
        ("Seizure disorder", {"epilepsy"}),
        ("nephrogenic diabetes insipidus", set()),
        ("central diabetes insipidus", {"diabetes-insipidus"}),
        ("chronic respiratory failure", set()),
        ("daytime somnolence", set()),
        ("Alcohol dependence, in remission", set()),
        ("low sodium diet", set()),
        ("comfort care", {"comfort-words"}),
        ("Essential hypertension", {"hypertension"}),
        ("", set()),
    ],
)
def test_words_and_their_negations(text: str, wanted: set[str], matcher: ConceptMatcher) -> None:
    assert matcher.match(said(text)) == wanted


def test_a_code_decides_before_the_words_beside_it(matcher: ConceptMatcher) -> None:
    coded_only = Coded(codings=(Coding(ICD10CM, "R40.2411"),), text="Coma")
    with_words = Coded(
        codings=(Coding(ICD10CM, "E87.1"),), text="Cerebral salt wasting hyponatremia"
    )
    finer = Coded(codings=(Coding(SNOMED, "999000001"),), text="Alcoholic cirrhosis with ascites")

    assert matcher.match(coded_only) == set()
    assert matcher.match(with_words) == {"hyponatremia", "salt-wasting"}
    assert not matcher.match_with_evidence(with_words).by_text
    assert matcher.match_with_evidence(finer).by_text
    assert {"cirrhosis", "ascites"} <= matcher.match(finer)


@pytest.mark.parametrize(
    ("problem", "wanted"),
    [
        (coded(ICD9, "430", "Subarachnoid hemorrhage"), {"sah"}),
        (coded(ICD9, "999.99", "Subarachnoid hemorrhage"), {"sah"}),
        (icd("Z99.99", "Compression of brain"), {"herniation"}),
        (coded(ICD9, "348.4", "Compression of brain"), {"herniation"}),
        (coded(ICD9, "345.3", "Grand mal status"), {"status-epilepticus", "epilepsy"}),
        (said("Grand mal status"), {"status-epilepticus"}),
        (said("Syndrome of inappropriate secretion of antidiuretic hormone"), {"siadh"}),
        (said("Acute kidney failure, unspecified"), {"acute-kidney-injury"}),
        (said("Glucocorticoid deficiency"), {"adrenal"}),
        (said("Chronic kidney disease, stage 4 (severe)"), {"ckd-4-5"}),
        (said("Chronic kidney disease, Stage IV (severe)"), {"ckd-4-5"}),
        (said("Type 2 diabetes mellitus with ketoacidosis"), {"hyperglycemic-crisis"}),
        (said("Type 2 diabetes mellitus without ketoacidosis"), set()),
        (said("Hypopotassemia"), {"hypokalemia"}),
        (coded(ICD9, "250.13", "Diabetes with ketoacidosis"), {"hyperglycemic-crisis"}),
        (coded(ICD9, "303.93", "Alcohol dependence, in remission"), set()),
        (icd("Z80.0", "Family history of cirrhosis"), set()),
        (icd("I69.00", "Sequelae of nontraumatic subarachnoid hemorrhage"), set()),
        (said("Late effects of intracerebral hemorrhage"), set()),
        (icd("I11.9", "Hypertensive heart disease without heart failure"), {"hypertension"}),
        (icd("I10", "Essential hypertension"), {"hypertension"}),
        (icd("J96.10", "Acute respiratory failure"), set()),
    ],
)  # fmt: skip
def test_f39_a_code_that_no_table_knows_leaves_the_words(
    problem: Coded, wanted: set[str], matcher: ConceptMatcher
) -> None:
    assert matcher.match(problem) == wanted


# Concepts that have an ICD-10 code and none in ICD-9-CM, because it has no code as narrow as they are.
WITHOUT_ICD9 = """
acute-porphyria
adrenal-crisis edema-generalized hypovolemic-shock somnolence stupor myelinolysis psychological-factors prolonged-exercise
neurosurgery recent-surgery labor coma-scale adverse-effect-snri myxedema-coma
"""


def test_f39_concepts_with_an_icd10_code_have_one_of_icd9_too(terms: Terms) -> None:
    lacking = {key for key, c in terms.concepts.items() if c.icd10 and not c.icd9}
    assert lacking <= set(WITHOUT_ICD9.split())


@given(
    st.text(max_size=80),
    st.text(max_size=20),
    st.sampled_from([ICD10CM, SNOMED, ICD9, ""]) | st.text(max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_no_problem_raises(matcher: ConceptMatcher, text: str, code: str, system: str) -> None:
    matcher.match(Coded(codings=(Coding(system, code, text),), text=text))


def test_no_normal_glasgow_item_is_a_severe_symptom(matcher: ConceptMatcher) -> None:
    items = [
        f"R40.2{group}{score}{when}" for group in "123" for score in range(7) for when in range(5)
    ]

    assert not any(matcher.match(icd(item)) & SEVERE for item in items)


CONTRACT = """
acute-porphyria
    dysarthria locked-in tetraplegia
hypoglycemia insulinoma
hepatic-failure acute-liver-failure head-injury ischemic-stroke brain-tumor neurosurgery dysphagia
adverse-effect-snri hyponatremia siadh cirrhosis pbc advanced-liver alcoholic-hepatitis portal-hypertension ascites
malignant-ascites encephalopathy heart-failure acute-heart-failure nephrotic ckd-4-5 dialysis
edema-generalized edema-unspecified fluid-overload decompensated-cirrhosis hypovolemia hypovolemic-shock
hemorrhage vomiting diarrhea orthostatic-hypotension sah traumatic-sah salt-wasting adrenal
adrenal-crisis cerebral-edema herniation tbi intracranial-bleed meningitis-encephalitis pituitary-surgery
seizure eclampsia nocturia epilepsy status-epilepticus coma stupor somnolence respiratory-failure arrest confusion headache
nausea cramp weakness fatigue lethargy dizziness poor-concentration gait fall fracture osteoporosis
alcohol-use-disorder malnutrition myelinolysis hypokalemia hypothyroid polydipsia myeloma adpkd hospice comfort-care
pregnancy diabetes-insipidus bleeding-disorder acute-kidney-injury sepsis shock hypotension pancreatitis
heat hyperglycemic-crisis anuria spasticity eating-disorder withdrawal gi-bleed adverse-effect-ssri
adverse-effect-diuretic adverse-effect-iminostilbene
stimulant-poisoning prolonged-exercise labor bowel-preparation irrigation recent-surgery
psychogenic-polydipsia psychological-factors schizophrenia coma-scale cardiac-arrest pneumonia
aspiration copd asthma pulmonary-edema pulmonary-embolism overdose
rhabdomyolysis tumor-lysis sickle-cell kidney-stone cystinuria salt-losing-tubulopathy
cardiomyopathy acute-congestion pregnancy-ended comfort-words do-not-resuscitate
acute-liver-failure brain-tumor head-injury hepatic-failure ischemic-stroke neurosurgery
myxedema-coma pituitary-disease postpartum-hemorrhage ckd-1-3 urinary-obstruction
breast-feeding hypertension pain mood-disorder
bleeding organ-injury bowel-obstruction peritonitis burns lasting-bowel-loss cystic-fibrosis
"""


def test_the_rules_find_every_concept_they_name(terms: Terms) -> None:
    assert set(terms.concepts) == set(CONTRACT.split())


BLED = {"hemorrhage", "gi-bleed", "bleeding", "organ-injury"}


@pytest.mark.parametrize(
    "bleeding",
    [
        *(icd(code) for code in (
            "K25.4", "K26.0", "K27.6", "K28.2", "K29.01", "K29.91", "K31.811", "K22.6", "K55.21", "K57.31", "K57.13", "K62.5",
            "K66.1", "I71.30", "S36.039A", "S35.11XA", "D62", "R58", "O72.1",
        )),
        *(coded(SNOMED, code) for code in ("15902003", "64121000", "12847006", "74474003")),
        coded(ICD10, "I85.0"),
        coded(ICD9, "531.40"),
        coded(SNOMED, "999999", "Chronic gastric ulcer with hemorrhage"),
        icd("K25.9", "Magenulkus, blutend"),
        *(said(text) for text in (
            "Bleeding duodenal ulcer", "Retroperitoneal haemorrhage", "Ruptured AAA", "Rectal bleeding", "Postoperative bleeding",
            "Magenblutung", "Nachblutung nach Tonsillektomie", "Hémorragie digestive", "Ulcère gastrique hémorragique", "Saignement actif",
            "Hemorragia digestiva alta", "Sangrado activo", "Emorragia gastrointestinale", "Sanguinamento attivo", "Sangramento digestivo",
            "Maagbloeding", "Blødende mavesår", "Gastrointestinal blödning", "Krwawienie z przewodu pokarmowego",
            "Желудочно-кишечное кровотечение", "Шлункова кровотеча", "消化管出血", "出血性胃潰瘍", "上消化道出血", "위장관출혈",
        )),
    ],
    ids=str,
)  # fmt: skip
def test_bleeding_is_known_by_its_codes_and_by_the_words_of_many_languages(
    bleeding: Coded, matcher: ConceptMatcher
) -> None:
    assert matcher.match(bleeding) & BLED


@pytest.mark.parametrize(
    "other",
    [
        icd("K25.9", "Gastric ulcer, unspecified as acute or chronic, without hemorrhage or perforation"),
        icd("K57.30", "Diverticulosis of large intestine without perforation or abscess without bleeding"),
        icd("I85.00", "Esophageal varices without bleeding"),
        coded(ICD9, "531.90", "Gastric ulcer without mention of hemorrhage, perforation or obstruction"),
        icd("I71.40", "Abdominal aortic aneurysm, without rupture, unspecified"),
        icd("S36.039D", "Laceration of spleen, subsequent encounter"),
        icd("H43.10", "Vitreous hemorrhage, unspecified eye"),
        icd("I69.00", "Unspecified sequelae of nontraumatic subarachnoid hemorrhage"),
        *(said(text) for text in (
            "Bleeding disorder", "Bleeding risk assessment", "At risk of bleeding", "History of GI bleed", "no evidence of bleeding",
            "Postmenopausal bleeding", "Subconjunctival haemorrhage", "Splinter haemorrhages", "Hereditary hemorrhagic telangiectasia",
            "Hemorrhoids", "Subarachnoid haemorrhage", "Nontraumatic subarachnoid hemorrhage", "Hirnblutung", "Cerebral haemorrhage",
            "Ulcus ventriculi ohne Angabe einer Blutung", "sans saignement", "sin sangrado", "senza sanguinamento", "出血を伴わない胃潰瘍",
            "Ruptured Achilles tendon", "Premature rupture of membranes",
        )),
    ],
    ids=str,
)  # fmt: skip
def test_bleeding_that_is_negated_small_or_in_the_brain_is_none(
    other: Coded, matcher: ConceptMatcher
) -> None:
    assert not matcher.match(other) & BLED


@pytest.mark.parametrize(
    ("problem", "concept"),
    [
        (icd("K56.609"), "bowel-obstruction"),
        (said("Paralytischer Ileus"), "bowel-obstruction"),
        (said("腸閉塞"), "bowel-obstruction"),
        (icd("T31.20"), "burns"),
        (said("Second degree burns of trunk"), "burns"),
        (icd("Z93.2", "Ileostomy status"), "lasting-bowel-loss"),
        (icd("K91.2"), "lasting-bowel-loss"),
        (said("Kurzdarmsyndrom"), "lasting-bowel-loss"),
        (icd("E84.0"), "cystic-fibrosis"),
        (icd("K65.0"), "peritonitis"),
    ],
)
def test_losses_into_the_bowel_the_skin_or_a_stoma_are_known(
    problem: Coded, concept: str, matcher: ConceptMatcher
) -> None:
    assert concept in matcher.match(problem)


@pytest.mark.parametrize(
    "other",
    [
        icd("Z93.3", "Colostomy status"),
        icd("T21.01XD"),
        icd("K59.00", "Constipation"),
        said("Heartburn"),
        said("Burning pain in feet"),
        said("Burn-out"),
        icd("Z14.1", "Cystic fibrosis carrier"),
    ],
    ids=str,
)
def test_what_loses_no_fluid_is_not_among_the_losses(other: Coded, matcher: ConceptMatcher) -> None:
    losses = {"bowel-obstruction", "burns", "lasting-bowel-loss", "cystic-fibrosis"}
    assert not matcher.match(other) & losses


@pytest.mark.parametrize(
    ("code", "text", "wanted"),
    [
        ("R11", "", BOTH),
        ("R11", "Nausea", {"nausea"}),
        ("R11", "Übelkeit", {"nausea"}),
        ("R11", "Nausées", {"nausea"}),
        ("R11", "Vomiting", BOTH),
        ("R11", "Nausea and vomiting", BOTH),
        ("R11", "Übelkeit und Erbrechen", BOTH),
        ("R11", "Nausées et vomissements", BOTH),
        ("R11", "Náuseas y vómitos", BOTH),
        ("R11", "Nausea, no vomiting", {"nausea"}),
        ("R11.2", "Nausea with vomiting, unspecified", BOTH),
        ("R11.10", "Vomiting, unspecified", {"vomiting"}),
    ],
)
def test_f7_a_code_of_nausea_and_vomiting_is_of_nausea_alone_if_the_words_say_so(
    matcher: ConceptMatcher, code: str, text: str, wanted: set[str]
) -> None:
    found = matcher.match(Coded(codings=(Coding(ICD10, code, ""),), text=text))
    assert set(found) == wanted


@pytest.mark.parametrize(
    ("display", "overload"),
    [
        ("Water intoxication", False),
        ("Wasserintoxikation", False),
        ("Fluid overload due to water intoxication", True),
        ("Other fluid overload", True),
        ("", True),
    ],
)
def test_f2_water_that_was_drunk_is_no_fluid_overload(
    display: str, overload: bool, matcher: ConceptMatcher
) -> None:
    found = matcher.match(icd("E87.79", display))
    assert ("fluid-overload" in found) is overload
    assert ("psychogenic-polydipsia" in found) is ("ntoxi" in display)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Essential hypertension", True),
        ("Arterielle Hypertonie", True),
        ("High blood pressure", True),
        ("Pulmonary hypertension", False),
        ("Pulmonary arterial hypertension", False),
        ("Portal hypertension", False),
        ("Intracranial hypertension", False),
        ("Ocular hypertension", False),
    ],
)
def test_f53_only_arterial_hypertension_is_hypertension(
    text: str, read: bool, matcher: ConceptMatcher
) -> None:
    found = matcher.match_with_evidence(Coded(text=text)).concepts
    assert ("hypertension" in found) is read
