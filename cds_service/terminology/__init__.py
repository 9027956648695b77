"""Codes and names of a record become ingredients, fluids, problems and analytes. Pure."""
