"""A case as a picture: sodium with its corridor, medicines, other results and events."""
