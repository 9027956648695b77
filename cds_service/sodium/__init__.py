"""The medicine: pure functions from a snapshot to findings. No Flask, no HTTP, no FHIR JSON, no clock."""
