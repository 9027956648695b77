"""A drug that lowers sodium less often is begun beside one that may be lowering it (M12)."""

from __future__ import annotations

from cds_service.engine.finding import Line
from cds_service.engine.rule import line
from cds_service.knowledge.names import DrugClass
from cds_service.sodium.case import Case
from cds_service.sodium.rules.order_helpers import raised_potassium, taken
from cds_service.sodium.rules.same_group import running_of_group
from cds_service.sodium.rules.water_intake import diluting_urine
from cds_service.sodium.tapering import never_abruptly
from cds_service.terminology.types import DrugMatch


def culprits_beside(case: Case, drug: DrugMatch, group: str) -> list[DrugMatch]:
    """Returns the strong drugs that are taken, and may be the cause, beside a start of group B."""
    if group != "B" or taken(case, drug) or raised_potassium(case, drug) is not None:
        return []
    if diluting_urine(case, drug) is not None:
        return []
    alike = {other.name for other in running_of_group(case, drug)}
    return [
        exposure.drug
        for exposure in case.exposures.active
        if exposure.drug.tier == "T1"
        and exposure.drug.name != drug.name
        and exposure.attribution != "unlikely"
        and exposure.drug.name not in alike
    ]


def beside_lines(case: Case, drug: DrugMatch, group: str) -> list[Line]:
    """Returns that both lower sodium, what two serotonin drugs do besides, and what goes on."""
    culprits = culprits_beside(case, drug, group)
    if not culprits:
        return []
    shown = culprits[: int(case.limits.suspects_to)]
    partner = ", ".join(culprit.name for culprit in shown)
    serotonin = case.sets.strong_kinds["serotonin"]
    both = drug.cls in case.sets.serotonergic and any(c.cls in serotonin for c in culprits)
    key = "beside-culprit-serotonin" if both else "beside-culprit"
    return [line(key, keep=True, partner=partner), *_goes_on(case, culprits)]


def _goes_on(case: Case, culprits: list[DrugMatch]) -> list[Line]:
    """Returns that the first drug which a sudden stop makes harmful is not stopped abruptly.

    Of desmopressin another line says what is done.
    """
    for culprit in culprits:
        if culprit.cls == DrugClass.IMINOSTILBENE:
            return [line("keep-partner-antiseizure", keep=True, partner=culprit.name)]
        if never_abruptly(case, culprit) and culprit.cls != DrugClass.DESMOPRESSIN:
            return [line("keep-partner", keep=True, partner=culprit.name)]
    return []


def pain_options(drug: DrugMatch) -> list[Line]:
    """Returns what is given against pain in the place of an opioid that lowers sodium."""
    opioid = drug.cls == DrugClass.OPIOID_SODIUM
    return [line("pain-options", drug=drug.name, keep=True)] if opioid else []
