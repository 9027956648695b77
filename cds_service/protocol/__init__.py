"""CDS Hooks messages: discovery, request, card, feedback, OperationOutcome. No medicine."""
