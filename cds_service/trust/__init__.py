"""Who may call us, and whom we may call."""
