"""FHIR in and out: what a record says becomes a snapshot, what we suggest becomes a valid resource."""
