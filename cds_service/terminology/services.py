"""Whether a service gives the fluid that its words name, or tests, measures or forbids (F23)."""

from __future__ import annotations

import re

from cds_service.knowledge.words import SalineWords
from cds_service.terminology.text import Words, flat, words
from cds_service.terminology.types import Coded, texts_of

_SENTENCE = re.compile(r"(?:\.(?!\d)|[;\n])")


class ServiceReader:
    """Tells a service that gives a fluid from one that only names it."""

    def __init__(self, saline: SalineWords) -> None:
        self._tests = flat(saline.tests_not_given)
        self._fluids, self._measures = flat(saline.service_fluids), flat(saline.service_measures)
        self._forbids, self._gives = flat(saline.service_forbids), flat(saline.service_gives)

    def gives_no_fluid(self, code: Coded) -> bool:
        """Whether a text tests with the fluid, or names it only to measure or to forbid.

        One sentence that gives it is enough: "Do not restrict fluids; give 3 % saline 150 mL".
        """
        texts = list(texts_of(code))
        if any(self._tests.find(words(text)) for text in texts):
            return True
        read = [words(sentence) for text in texts for sentence in _SENTENCE.split(text)]
        named = [sentence for sentence in read if self._fluids.find(sentence)]
        return bool(named) and all(map(self._only_names, named))

    def _only_names(self, sentence: Words) -> bool:
        """Whether the words before the fluid measure or forbid, and none after them gives it."""
        name = min(hit.start for hit in self._fluids.find(sentence))
        gives = [
            hit.start
            for hit in self._gives.find(sentence)
            if hit.end <= name and not self._forbids.ends_before(sentence, hit.start)
        ]
        measures = [hit.start for hit in self._measures.find(sentence) if hit.end <= name]
        if gives:
            return max(measures, default=-1) > max(gives)
        forbids = any(hit.end <= name for hit in self._forbids.find(sentence))
        return forbids or bool(measures)
