"""FHIR out: the orders that a card suggests, and stops of the patient's own orders."""
