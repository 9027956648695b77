"""The small EHR of the demo: chart, plots, FHIR server, stories. The service never imports it."""
