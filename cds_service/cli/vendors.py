"""What is known of each vendor's EHR: what it calls the parts of a prefetch, and the scopes that each query needs.

Only what the sources named in docs/ehr/ say; none of it was tried with a real EHR.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

_SMART = {
    "Patient": "patient/Patient.read (SMART v2: .r)",
    "Encounter": "patient/Encounter.read (.r)",
    "Observation": "patient/Observation.read (.rs)",
    "Condition": "patient/Condition.read (.rs)",
    "MedicationRequest": "patient/MedicationRequest.read (.rs)",
    "Medication": "patient/Medication.read (.r)",
}
_VITALS_TOO = frozenset(
    {"labs"}
)  # it asks for blood pressure, heart rate, weight and Glasgow score too


class Vendor(Struct, frozen=True, kw_only=True):
    """One vendor, as far as its documents go."""

    title: str
    guide: str
    key_title: str = "key"
    query_title: str = "query"
    scopes: Mapping[str, str] = field(
        default_factory=lambda: _SMART
    )  # resource type -> name of its scope
    vitals_scope: str = ""  # where vital signs have one of their own
    orders: str = "context.draftOrders comes with the call; a site that filters it must let medication orders through."
    notes: tuple[str, ...] = ()

    def scopes_of(self, key: str, template: str) -> tuple[str, ...]:
        """The scopes that a query needs, with those of what it brings along."""
        kinds = [template.partition("?")[0].partition("/")[0]]
        if "_include=MedicationRequest:medication" in template:
            kinds.append("Medication")
        scopes = tuple(self.scopes.get(kind, f"read and search {kind}") for kind in kinds)
        return (*scopes, self.vitals_scope) if self.vitals_scope and key in _VITALS_TOO else scopes


VENDORS: Mapping[str, Vendor] = {
    "epic": Vendor(
        title="Epic",
        guide="docs/ehr/epic.md",
        key_title="Prefetch Property Name",
        query_title="FHIR Query",
        scopes={
            "Patient": "Patient.Read (R4)",
            "Encounter": "Encounter.Read (R4)",
            "Observation": "Observation.Search (Labs) (R4)",
            "Condition": "Condition.Search (Problems) (R4), Condition.Search (Encounter Diagnosis) (R4)",
            "MedicationRequest": "MedicationRequest.Search (R4)",
            "Medication": "Medication.Read (R4)",
        },
        vitals_scope="Observation.Search (Vitals) (R4)",
        orders="MedicationRequest (Unsigned Order), ServiceRequest (Unsigned Order): without them Epic leaves out "
        "context.draftOrders.",
        notes=(
            "Epic does not read discovery: type each line into the OurPractice Advisory (LGL) record of the service.",
            "The service URL must equal an Endpoint URI of the client ID, letter for letter.",
        ),
    ),
    "oracle-health": Vendor(
        title="Oracle Health",
        guide="docs/ehr/oracle-health.md",
        notes=(
            "Oracle's page names patient-view as the only hook, and does not say whether prefetch is sent: ask both.",
            "Without prefetch every key is read live, with the scopes below.",
        ),
    ),
    "athenahealth": Vendor(
        title="athenahealth",
        guide="docs/ehr/athenahealth.md",
        notes=(
            "athenahealth's public pages do not describe prefetch or scopes: ask its CDS Hooks team for both.",
        ),
    ),
    "generic": Vendor(title="any EHR", guide="docs/ehr/generic.md"),
}
