"""Whether a nutrition or service order restricts fluid (C.6)."""

from __future__ import annotations

from collections.abc import Iterable

from cds_service.knowledge.fluids import Restriction
from cds_service.terminology.forms import texts_of
from cds_service.terminology.match import Coded
from cds_service.terminology.systems import SNOMED, canonical
from cds_service.terminology.text import flat, words


class RestrictionMatcher:
    """Recognises an order for fluid restriction by code or by words; education about it does not count."""

    def __init__(self, restriction: Restriction) -> None:
        self._codes = frozenset(restriction.snomed)
        self._text, self._before, self._anywhere = (
            flat(restriction.text),
            flat(restriction.before),
            flat(restriction.anywhere),
        )

    def match(self, concepts: Iterable[Coded], texts: Iterable[str] = ()) -> bool:
        """Whether any concept or text (instructions, notes) of one order restricts fluid."""
        said = list(texts)
        for coded in concepts:
            if any(
                canonical(c.system) == SNOMED and c.code.strip() in self._codes
                for c in coded.codings
            ):
                return True
            said.extend(texts_of(coded))
        return any(self._says(text) for text in said)

    def _says(self, text: str) -> bool:
        read = words(text)
        if self._anywhere.find(read):
            return False
        return any(not self._before.ends_before(read, hit.start) for hit in self._text.find(read))
