"""Orders are tested with the vocabulary and the reader that the records use."""

from tests.records.conftest import (
    fluids,
    order_words,
    parts_of,
    read,
    terms,
    vocabulary,
)

__all__ = ["fluids", "order_words", "parts_of", "read", "terms", "vocabulary"]
