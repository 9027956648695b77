"""Two promises about any request: what is irrelevant changes no card, and damage is not silent."""
