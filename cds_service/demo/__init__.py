"""The small EHR of the demo: chart, plots, FHIR server, stories. The serving path never imports it."""
