"""The elements whose loss may end in silence, by kind, and why that is right. The list stays short."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from tests.oracles.asking import Answer
from tests.oracles.damage import Damage

LISTS = r"prefetch\.(sodium|glucose|labs|vitals|conditions|medications|pastMedications)"
RECORD = rf"{LISTS}\.entry\[\]\.resource"
DRAFT = r"context\.draftOrders\.entry\[\]\.resource"
MEDICINE = rf"{RECORD}\.(code|medicationCodeableConcept)"


class Excuse(Struct, frozen=True):
    """A kind of damage that may be silent: at these places, of these kinds, with this reason."""

    why: str
    places: str  # a pattern
    kinds: str = ".*"  # a pattern
    reason: str = ""  # words that `explain` must show

    def holds(self, damage: Damage, answer: Answer) -> bool:
        """Whether it is meant for this damage, and `explain` says what it must."""
        here = re.fullmatch(self.places, damage.place.name)
        return bool(
            here
            and re.fullmatch(self.kinds, damage.kind)
            and any(self.reason in reason for reason in answer.reasons)
        )


EXCUSES = (
    Excuse("null or an empty list says that there is none (CDS Hooks)", LISTS, "null|empty list"),
    Excuse("left out without a trace", rf"{LISTS}\.entry\[\]", "left out, and not counted"),
    Excuse(
        "a selection less: the other order was not picked",
        r"context\.selections(\[\])?",
        "removed|null|cut in half|the first item alone",
    ),
    Excuse(
        "the record says that it is withdrawn, refuted or over",
        rf"{RECORD}\.(status|clinicalStatus|verificationStatus)",
        "status (entered-in-error|cancelled)|resolved, refuted",
    ),
    Excuse(
        "other words or another code name another thing",
        rf"({MEDICINE}|{DRAFT}\.(code|medicationCodeableConcept))(\.coding\[\]\.code|\.text)?",
        "text in its place|garbled|a number|another code|resolved, refuted",
    ),
    Excuse("a resource of another type is another thing", rf"{RECORD}|{DRAFT}", "another type"),
    Excuse(
        "an order less at the moment of signing: it is not signed, and nothing counts the orders",
        r"context\.draftOrders\.entry(\[\])?",
        "removed|cut in half|the first item alone",
        reason="no second drug beside …",
    ),
    Excuse(
        "a warning beside the orders is no order",
        rf"{DRAFT}",
        r"OperationOutcome (warning|information|\['error'\]|\{'x': 1\})",
    ),
    Excuse("a type that FHIR does not have is another thing", rf"{DRAFT}\.resourceType", "garbled"),
    Excuse(
        "a prescription without a medicine: nothing is chosen yet",
        rf"{DRAFT}\.medicationCodeableConcept",
        "removed|null",
    ),
    Excuse(
        "a diet without a known restriction is another diet",
        rf"{DRAFT}\.oralDiet.*",
        reason="",
    ),
    Excuse(
        "another number is another dose, volume or result",
        rf"({DRAFT}\.dosageInstruction|{RECORD}\.(valueQuantity|dosageInstruction.*\.value)).*",
        "a number",
    ),
    Excuse(
        "another unit that is known is another value",
        rf"{RECORD}\.valueQuantity",
        "unit 'g/L'",
        reason="glucose explains the low sodium",
    ),
    Excuse(
        "explain says that the dose is not known",
        rf"{DRAFT}\.dosageInstruction.*",
        reason="the daily dose is not given or could not be read",
    ),
    Excuse(
        "explain says that the age is not known",
        r"prefetch\.patient.*",
        reason="age is not known",
    ),
    Excuse(
        "an unknown encounter counts as hospital, where a result is old sooner (B.0.2)",
        r"prefetch\.encounter.*|context\.encounterId",
        reason="is too old to act on",
    ),
    Excuse(
        "explain says that the current medicines were not read",
        r"prefetch(\.medications.*)?",
        reason="current medicines were not read in full",
    ),
    Excuse(
        "explain says that no glucose was known; saline for the pressure in the skull is no question",
        r"prefetch\.glucose.*",
        reason="no glucose of its time could be used",
    ),
    Excuse(
        "explain says that dilution by an infusion is looked for in the results that could be used",
        r"prefetch\.((glucose|labs).*|sodium\.entry\[\]\.resource\.valueQuantity(\.value)?)",
        reason="by the results that could be used",
    ),
    Excuse(
        "explain says that no potassium of the sample could be used",
        r"prefetch\.labs.*",
        reason="no potassium of that sample could be used",
    ),
    Excuse(
        "a past order whose status cannot be read counts as taken now, and explain says so",
        r"prefetch\.pastMedications\.entry\[\]\.resource\.status",
        reason="the drug is taken already",
    ),
    Excuse(
        "a past order that names no medicine; no rule can tell what was taken (known limit)",
        r"prefetch\.pastMedications\.entry\[\]\.resource\.medicationCodeableConcept.*",
        reason="a recent sodium is there",
    ),
    Excuse(
        "a sample of the stay gave no value, and explain says so; the newest one is not low",
        r"prefetch\.sodium\.entry\[\]\.resource\..*",
        reason="by those results of the stay that could be used",
    ),
    Excuse(
        "a sample of the last days gave no value, and explain says which results were looked at",
        r"prefetch\.sodium\.entry\[\]\.resource\.valueQuantity(\.value)?",
        "(?!unit ).*",
        reason="no jump of sodium between the results that could be used",
    ),
    Excuse(
        "a number without a unit is read as mmol/L if a sodium can be so (B.0.1)",
        r"prefetch\.sodium\.entry\[\]\.resource\.valueQuantity",
        "unit ''",
        reason="sodium … is near normal",
    ),
    Excuse(
        "explain says that the start of a drug is not known",
        rf"{RECORD}\.authoredOn",
        reason="its start is not known",
    ),
)


def excuse(damage: Damage, answer: Answer) -> Excuse | None:
    """The first excuse that holds for a silent answer."""
    return next((one for one in EXCUSES if one.holds(damage, answer)), None)


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """The excuses that were used, each with its number, as `make check-long` prints them."""
    return "\n".join(f"  {count:6} {why}" for why, count in sorted(counts, key=lambda one: -one[1]))
