"""One module per question a clinician asks; a rule answers with a finding or why it is silent."""
