"""The medicine of low sodium: a snapshot of the record becomes a case, and rules make findings."""
