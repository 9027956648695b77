"""What became of each card."""
