"""The rules about sodium; importing this package declares them all in `book.BOOK`."""

from cds_service.sodium.rules import (
    also_raising,
    cautions,
    danger,
    data_quality,
    discharge,
    infusions,
    lowering_drugs,
    nutrition,
    potentiators,
    raise_sodium,
    slow_treatments,
    strong_salts,
    taken_vaptans,
    treatments,
    vaptans,
    water,
)

__all__ = [
    "also_raising",
    "cautions",
    "danger",
    "data_quality",
    "discharge",
    "infusions",
    "lowering_drugs",
    "nutrition",
    "potentiators",
    "raise_sodium",
    "slow_treatments",
    "strong_salts",
    "taken_vaptans",
    "treatments",
    "vaptans",
    "water",
]
