"""What the card of any order says in an acute fall of sodium, or beside symptoms of it (F1, F3)."""

from __future__ import annotations

from msgspec import Struct

from cds_service.engine.finding import Fact, Indicator, Line, Suggestion
from cds_service.engine.rule import line
from cds_service.engine.wording import in_hours, joined, number
from cds_service.sodium.case import Case
from cds_service.sodium.rules.follow_up import repeat_sodium
from cds_service.sodium.rules.gates import (
    bolus_risen,
    emergency,
    fall_line,
    first_symptom,
    names_bolus,
    osmolality_normal,
    undiluted,
)
from cds_service.sodium.rules.vomiting import dry_by_vomiting
from cds_service.sodium.sodium import Fall

SALINE_FIRST = "order-symptom"  # 3 % saline before any other fluid


class AcuteState(Struct, frozen=True, kw_only=True):
    """The emergency that the chart knows: a fall within two days, symptoms, or both."""

    fall: Fall | None = None
    symptom: str = ""  # as a fact of a card; empty without one
    critical: bool = False  # the card of the chart is critical for the symptoms
    bolus: bool = False  # 3 % saline may be named
    dry: bool = False  # vomiting is the only severe symptom, and volume is likely lost
    fall_told: tuple[Line, ...] = ()  # the fall with the next sodium

    @property
    def facts(self) -> dict[str, Fact]:
        """The fall as facts of a summary."""
        if self.fall is None:
            return {}
        return {"fall": number(self.fall.amount), "hours": in_hours(self.fall.over)}

    @property
    def indicator(self) -> Indicator:
        """How urgent an order is that makes it worse."""
        return "critical" if self.critical else "warning"

    @property
    def variant(self) -> str:
        """The part of a summary's key: the fall is told before the symptoms.

        Of a fall since before an acute setting no hours are known, and the symptoms lead.
        """
        by_symptom = self.fall is None or (self.fall.since_setting and self.symptom)
        return "symptom" if by_symptom else "acute"

    def lines(self) -> list[Line]:
        """Returns the symptoms with their treatment, and the fall with the next sodium."""
        told = []
        if self.symptom and self.bolus and self.dry:
            told.append(line("order-symptom-dry", symptom=self.symptom, keep=True))
        elif self.symptom:
            key = SALINE_FIRST if self.bolus else "order-symptom-examine"
            told.append(line(key, symptom=self.symptom, keep=True))
        return [*told, *self.fall_told]


def acute_state(case: Case) -> AcuteState | None:
    """Returns the acute fall and the symptoms that patient-view tells of, or None."""
    found, fall = case.encephalopathy, case.sodium.acute
    symptom = first_symptom(case) if emergency(case) else ""
    if not symptom and found is not None:
        symptom = joined("symptom", found.symptoms[:2])
    mild = case.symptoms.recent if fall and not symptom else ()
    if not symptom and fall is None:
        return None
    doubtful = osmolality_normal(case) or undiluted(case)
    return AcuteState(
        fall=fall,
        fall_told=(fall_line(case, fall, "order-acute"),) if fall else (),
        symptom=symptom or joined("symptom", mild[:2]),
        critical=bool(mild) or emergency(case) or bool(found and found.critical),
        dry=bool(dry_by_vomiting(case)),
        bolus=names_bolus(case) and not bolus_risen(case) and not doubtful,
    )


def sodium_now(case: Case) -> Suggestion:
    """Returns the button of an acute fall: sodium at once."""
    return repeat_sodium(case, priority="stat")
