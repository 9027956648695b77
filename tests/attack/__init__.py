"""Attacks on a service of our own, one module each: `make attack` runs them and prints a table."""
