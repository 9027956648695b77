"""FHIR in: what a record says becomes a snapshot of the patient."""
