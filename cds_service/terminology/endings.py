"""Whether an order ends what it names: "D/C fluid restriction", "HCTZ 25 mg - HOLD" (F23)."""

from __future__ import annotations

import re
from bisect import bisect_left

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
        return begins or self._closes(text, 0, len(text.tokens))

    def _closes(self, text: Words, first: int, last: int) -> bool:
        """Whether the words `first` to `last`-1 close with such a word, "today" left out."""
        while last > first and text.tokens[last - 1] in self._closing:
            last -= 1
        return any(phrases.ends_before(text, last, first) for phrases in (self._verbs, self._after))

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
        return self._closes(text, hit.end, self._end_of_sentence(text, hit.end))

    def _end_of_sentence(self, text: Words, start: int) -> int:
        """Returns the word after the sentence in which word `start`-1 ends."""
        stop = _SENTENCE.search(text.folded, text.spans[start - 1][1])
        return len(text.tokens) if stop is None else bisect_left(text.spans, (stop.start(), 0))

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
