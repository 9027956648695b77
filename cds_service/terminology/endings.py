"""Whether an order ends what it names: "D/C fluid restriction", "HCTZ 25 mg - HOLD" (F23)."""

from __future__ import annotations

import re

from cds_service.knowledge.words import EndingWords
from cds_service.terminology.text import Hit, T, Words, flat, words

_SENTENCE = re.compile(r"[.;\n]")


class Endings:
    """Finds the words by which an order ends what it names."""

    def __init__(self, ending: EndingWords) -> None:
        self._verbs, self._after = flat(ending.verbs), flat(ending.after)
        self._starting = flat(ending.starting)
        self._closing = frozenset(token for word in ending.closing for token in words(word).tokens)
        self._between = frozenset(token for word in ending.between for token in words(word).tokens)

    def is_end(self, text: Words) -> bool:
        """Whether the order as a whole ends something: by its first or its last words."""
        first = self._skipped(text, 0)
        if first == len(text.tokens) or self._starting.find(text):
            return False
        begins = any(self._verbs.starts_at(text, at) for at in range(first + 1))
        return begins or self._closes(text)

    def _closes(self, text: Words) -> bool:
        """Whether a text closes with such a word, "today" and its like left out."""
        last = len(text.tokens)
        while last > 0 and text.tokens[last - 1] in self._closing:
            last -= 1
        return any(phrases.ends_before(text, last) for phrases in (self._verbs, self._after))

    def is_bare_end(self, text: Words) -> bool:
        """Whether a text says nothing but that something ends, as "Stop infusion now" does."""
        hits = self._verbs.find(text)
        inside = {at for hit in hits for at in range(hit.start, hit.end)}
        rest = [at for at in range(len(text.tokens)) if at not in inside]
        return bool(hits) and all(self._is_between(text.tokens[at]) for at in rest)

    def ends(self, text: Words, hit: Hit[T]) -> bool:
        """Whether the words beside a name end it; amounts and articles may stand between."""
        first, last = self._skipped_back(text, hit.start), self._skipped(text, hit.end)
        for at in range(first, hit.start + 1):
            if self._verbs.ends_before(text, at) and not self._is_parted(text, at, hit.start):
                return True
        for at in range(hit.end, last + 1):
            if self._after.starts_at(text, at) and not self._is_parted(text, hit.end, at):
                return True
        rest = text.folded[text.spans[hit.end - 1][1] :]
        return self._closes(words(_SENTENCE.split(rest)[0]))

    def _is_parted(self, text: Words, left: int, right: int) -> bool:
        """Whether a sentence ends between the words left-1 and right."""
        return _SENTENCE.search(text.gap(left - 1, right)) is not None

    def _is_between(self, word: str) -> bool:
        return word in self._between or word[0].isdigit() or word == "%"

    def _skipped(self, text: Words, at: int) -> int:
        while at < len(text.tokens) and self._is_between(text.tokens[at]):
            at += 1
        return at

    def _skipped_back(self, text: Words, at: int) -> int:
        while at > 0 and self._is_between(text.tokens[at - 1]):
            at -= 1
        return at
