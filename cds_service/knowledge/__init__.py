"""hooks/*.toml as frozen objects: the knowledge that a clinician reviews. No medicine in code."""
