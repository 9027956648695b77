"""Codes and names become ingredients, saline strengths, problems and analytes. Pure."""
