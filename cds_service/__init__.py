"""FHIR-integrated CDS Hooks for hyponatremia: a hook call in, at most two cards out."""
