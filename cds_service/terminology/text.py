"""Free text as folded words, and the search for known phrases in it. Whole words only, never substrings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")

LONGEST = 1000  # characters of one text that are read: a name is shorter, a hostile text is not
REMEMBERED = 200  # characters of a text that is kept for the next time
_WORD = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|%")
_POSSESSIVE = re.compile(r"['’]s\b")
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])0,(?=\d)|(?<![\d.,])(?=\d{1,3},\d{1,2}(?!\d))(\d{1,3}),(?=\d)")
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d)")  # ".9 %": the zero is often left out
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PERCENT = re.compile(r"\b(?:percent|per cent|pct|prozent|pourcent|por ciento|per ?cento)\b")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Words:
    """A folded text and its words; `spans` are their places in it."""

    folded: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def gap(self, left: int, right: int) -> str:
        """What stands between two words."""
        return self.folded[self.spans[left][1] : self.spans[right][0]]


@dataclass(frozen=True, slots=True)
class Hit(Generic[T]):
    """A phrase found: words `start` up to but not including `end`."""

    start: int
    end: int
    found: tuple[T, ...]


def fold(text: str) -> str:
    """Lower case, NFKC, without accents; decimal points for commas, single blanks."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).replace("\u2044", "/")
    plain = _POSSESSIVE.sub("", _BLANKS.sub(" ", plain).strip())
    plain = _PERCENT.sub("%", plain)
    plain = _BARE_POINT.sub("0.", plain)
    plain = _DECIMAL_COMMA.sub(lambda m: f"{m[1] or '0'}.", plain)
    return _THOUSANDS.sub("", plain)


def words(text: str) -> Words:
    """The words of a text; letters and digits part, so that "25mg" is two."""
    return _remembered(text) if len(text) <= REMEMBERED else _read(text)


def _read(text: str) -> Words:
    folded = fold(text)
    found = list(_WORD.finditer(folded))
    return Words(folded, tuple(m.group() for m in found), tuple(m.span() for m in found))


_remembered = lru_cache(maxsize=4096)(_read)


class Phrases(Generic[T]):
    """Known phrases, each with what it stands for. A "*" at the end makes the last word a stem."""

    def __init__(self, phrases: Mapping[str, Iterable[T]]) -> None:
        exact: dict[str, dict[tuple[str, ...], list[T]]] = {}
        stems: list[tuple[tuple[str, ...], tuple[T, ...]]] = []
        for phrase, found in phrases.items():
            tokens = words(phrase.rstrip("*")).tokens
            if not tokens:
                continue
            if phrase.endswith("*"):
                stems.append((tokens, tuple(found)))
            else:
                exact.setdefault(tokens[0], {}).setdefault(tokens, []).extend(found)
        self._exact = {
            first: sorted(((t, tuple(f)) for t, f in by.items()), key=lambda p: -len(p[0]))
            for first, by in exact.items()
        }
        self._stems = tuple(sorted(stems, key=lambda p: -len(p[0])))
        lengths = [len(t) for by in exact.values() for t in by] + [len(t) for t, _ in stems]
        self._longest = max(lengths, default=0)

    def find(self, text: Words) -> tuple[Hit[T], ...]:
        """Every phrase in the text: leftmost first, the longest at each place, none overlapping."""
        hits = []
        at = 0
        while at < len(text.tokens):
            hit = self._at(text.tokens, at)
            if hit is None:
                at += 1
            else:
                hits.append(hit)
                at = hit.end
        return tuple(hits)

    def ends_before(self, text: Words, at: int) -> bool:
        """Whether a phrase ends directly before word `at`."""
        return any(
            hit.end == at for start in range(max(0, at - self._longest), at) for hit in self._all_at(text.tokens, start)
        )

    def starts_at(self, text: Words, at: int) -> bool:
        """Whether a phrase starts with word `at`."""
        return at < len(text.tokens) and self._at(text.tokens, at) is not None

    def _at(self, tokens: tuple[str, ...], at: int) -> Hit[T] | None:
        return max(self._all_at(tokens, at), key=lambda hit: hit.end, default=None)

    def _all_at(self, tokens: tuple[str, ...], at: int) -> list[Hit[T]]:
        if not self._stems and tokens[at] not in self._exact:
            return []
        hits = [
            Hit(at, at + len(phrase), found)
            for phrase, found in self._exact.get(tokens[at], ())
            if tokens[at : at + len(phrase)] == phrase
        ]
        for phrase, found in self._stems:
            end = at + len(phrase)
            here = tokens[at:end]
            if len(here) == len(phrase) and here[:-1] == phrase[:-1] and here[-1].startswith(phrase[-1]):
                hits.append(Hit(at, end, found))
        return hits


def flat(phrases: Iterable[str]) -> Phrases[bool]:
    """Phrases of which only the presence matters."""
    return Phrases(dict.fromkeys(phrases, (True,)))
