"""Flask: the public pages of the service and, in demo mode, the FHIR server of the stories."""
