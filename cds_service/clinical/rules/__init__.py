"""One module per question a clinician asks; each rule answers with a finding or the reason for its silence."""
