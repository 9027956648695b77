"""A finding becomes a card: rules are declared, triaged, written. Nothing here knows a disease."""
