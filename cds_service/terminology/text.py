"""Free text as folded words, the known phrases in it, and what negates them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

T = TypeVar("T")

LONGEST = 1000  # characters of one text that are read: a name is shorter, a hostile text is not
_GROWN = 4
_Stem: TypeAlias = tuple[int, tuple[str, ...], tuple[T, ...]]  # rank, words, meanings
_STEM = 4  # letters by which stems of one word are found
# Kana run together to words, while each Han sign is a word of its own: neither has blanks.
_KANA, _HAN = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff", "\u3005-\u3007\u3400-\u9fff"
_WORD = re.compile(rf"[{_HAN}]|[{_KANA}]+|(?:(?![{_HAN}{_KANA}])[^\W\d_])+|\d+(?:\.\d+)?|%")
_PLAIN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|%")  # the same words where every sign is ASCII
_VOICED = frozenset("\u3099\u309a")  # marks of kana, which are no accents
_LETTERS = str.maketrans({"\u2044": "/", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
_POSSESSIVE = re.compile(r"['’]s\b")
_DECIMAL_COMMA = re.compile(
    r"(?<![\d.,])0,(?=\d)|(?<![\d.,])(?=\d{1,3},\d{1,2}(?!\d))(\d{1,3}),(?=\d)"
)
_BARE_POINT = re.compile(r"(?<![\w.])\.(?=\d)")  # ".9 %": the zero is often left out
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PERCENT = re.compile(r"\b(?:percent|per cent|pct|prozent|pourcent|por ciento|per ?cento)\b")
_BLANKS = re.compile(r"\s+")
_JOINING = frozenset({"and", "or"})


class Words(Struct, frozen=True):
    """A folded text and its words; `spans` are their places in it."""

    folded: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def gap(self, left: int, right: int) -> str:
        """Returns the text between two words."""
        return self.folded[self.spans[left][1] : self.spans[right][0]]


class Hit(Struct, Generic[T], frozen=True):
    """A phrase found: words `start` up to but not including `end`."""

    start: int
    end: int
    found: tuple[T, ...]


def fold(text: str) -> str:
    """Lower case, NFKC, without accents; decimal points for commas, single blanks."""
    plain = text[:LONGEST].casefold() if text.isascii() else _without_accents(text[:LONGEST])
    plain = _POSSESSIVE.sub("", _BLANKS.sub(" ", plain).strip())
    plain = _PERCENT.sub("%", plain)
    plain = _BARE_POINT.sub("0.", plain)
    plain = _DECIMAL_COMMA.sub(lambda m: f"{m[1] or '0'}.", plain)
    return _THOUSANDS.sub("", plain)


def _without_accents(text: str) -> str:
    # One sign may stand for eighteen: a text of such signs is no name, and is read to here.
    plain = unicodedata.normalize("NFKC", text)[: _GROWN * LONGEST]
    parted = unicodedata.normalize("NFKD", plain.casefold())
    kept = "".join([c for c in parted if c in _VOICED or not unicodedata.combining(c)])
    return unicodedata.normalize("NFC", kept).translate(_LETTERS)


def words(text: str) -> Words:
    """Returns the words of a text; letters and digits part, so that "25mg" is two."""
    return _remembered(text[: LONGEST + 1])


def _read(text: str) -> Words:
    folded = fold(text)
    found = list((_PLAIN if folded.isascii() else _WORD).finditer(folded))
    return Words(folded, tuple(m.group() for m in found), tuple(m.span() for m in found))


# One name is read a dozen times in a row. Words of a record are not kept longer than that.
_remembered = lru_cache(maxsize=16)(_read)


def _exact_and_stems(
    phrases: Mapping[str, Iterable[T]],
) -> tuple[dict[str, dict[tuple[str, ...], list[T]]], list[tuple[tuple[str, ...], tuple[T, ...]]]]:
    """Returns the phrases of whole words, by the first of them, and those that end in a stem."""
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
    return exact, stems


class Phrases(Generic[T]):
    """Known phrases, each with its meanings. A "*" at the end makes the last word a stem.

    An `ending` may be written onto the first word of a phrase: "sertralinhydrochlorid".
    """

    def __init__(self, phrases: Mapping[str, Iterable[T]], endings: Iterable[str] = ()) -> None:
        self._endings = tuple(fold(ending) for ending in endings)
        exact, stems = _exact_and_stems(phrases)
        # By the first word: the lengths of its phrases, the longest first. A phrase is found by its
        # words, so that a place costs the same however many phrases are known.
        self._exact = {
            first: (
                sorted({len(t) for t in by}, reverse=True),
                {t: tuple(f) for t, f in by.items()},
            )
            for first, by in exact.items()
        }
        # By the first word; of a phrase of one word only the beginning is sure.
        self._stems: dict[str, list[_Stem[T]]] = {}
        for rank, (stem, found) in enumerate(sorted(stems, key=lambda p: -len(p[0]))):
            first = stem[0] if len(stem) > 1 else stem[0][:_STEM]
            self._stems.setdefault(first, []).append((rank, stem, found))
        self._stem_lengths = sorted({min(len(key), _STEM) for key in self._stems})
        lengths = [len(t) for by in exact.values() for t in by] + [len(t) for t, _ in stems]
        self._longest = max(lengths, default=0)
        # The words with which a phrase can end; None if they cannot be listed.
        ends = frozenset(t[-1] for by in exact.values() for t in by)
        self._last = None if stems or self._endings else ends

    def find(self, text: Words) -> tuple[Hit[T], ...]:
        """Returns every phrase in the text: leftmost first, at each place the longest."""
        hits: list[Hit[T]] = []
        end = 0
        begins = self._may_begin if self._stems or self._endings else self._exact.__contains__
        starts = [at for at, word in enumerate(text.tokens) if begins(word)]
        for at in starts:
            hit = self._at(text.tokens, at) if at >= end else None
            if hit is not None:
                hits.append(hit)
                end = hit.end
        return tuple(hits)

    def _may_begin(self, word: str) -> bool:
        """Whether a phrase may begin with this word."""
        if word in self._exact or word in self._stems:
            return True
        if any(word[:length] in self._stems for length in self._stem_lengths):
            return True
        return word.endswith(self._endings) and self._bare(word) in self._exact

    def ends_before(self, text: Words, at: int, first: int = 0) -> bool:
        """Whether a phrase, of the words from `first` on, ends directly before word `at`."""
        if at <= first or (self._last is not None and text.tokens[at - 1] not in self._last):
            return False
        return any(
            hit.end == at
            for start in range(max(first, at - self._longest), at)
            for hit in self._all_at(text.tokens, start)
        )

    def starts_at(self, text: Words, at: int) -> bool:
        """Whether a phrase starts with word `at`."""
        return at < len(text.tokens) and self._at(text.tokens, at) is not None

    def _at(self, tokens: tuple[str, ...], at: int) -> Hit[T] | None:
        return max(self._all_at(tokens, at), key=lambda hit: hit.end, default=None)

    def _all_at(self, tokens: tuple[str, ...], at: int) -> list[Hit[T]]:
        hits = []
        first = self._bare(tokens[at])
        if first in self._exact:
            lengths, phrases = self._exact[first]
            hits = [
                Hit(at, at + len(here), phrases[here])
                for length in lengths
                if (here := (first, *tokens[at + 1 : at + length])) in phrases
            ]
        for _, phrase, found in self._stems_at(tokens[at]):
            end = at + len(phrase)
            here = tokens[at:end]
            if (
                len(here) == len(phrase)
                and here[:-1] == phrase[:-1]
                and here[-1].startswith(phrase[-1])
            ):
                hits.append(Hit(at, end, found))
        return hits

    def _bare(self, token: str) -> str:
        """Returns a known word without the ending that is written onto it, else the word."""
        if token in self._exact or not token.endswith(self._endings):
            return token
        bare = (token.removesuffix(ending) for ending in self._endings)
        return next((word for word in bare if word in self._exact), token)

    def _stems_at(self, token: str) -> list[_Stem[T]]:
        """Returns the stems that may begin with this word."""
        if not self._stems:
            return []
        beginnings = {token[:length] for length in self._stem_lengths}
        if beginnings.isdisjoint(self._stems) and token not in self._stems:
            return []
        return sorted(
            (s for key in {*beginnings, token} for s in self._stems.get(key, ())), key=itemgetter(0)
        )


def flat(phrases: Iterable[str]) -> Phrases[bool]:
    """Phrases of which only the presence matters."""
    return Phrases(dict.fromkeys(phrases, (True,)))


class Negation(Struct, frozen=True):
    """Words beside a name that take it back: "no ascites or cirrhosis", "sertraline allergy"."""

    before: Phrases[bool]
    after: Phrases[bool]
    chain_ends: re.Pattern[str]  # the end of a sentence, beyond which a negation does not reach
    phrase_ends: re.Pattern[str] | None = None  # the same, right beside the name
    skipped_before: frozenset[str] = frozenset()  # words that may be between "no" and the name
    skipped_after: frozenset[str] = frozenset()

    def kept(self, text: Words, hits: Iterable[Hit[T]]) -> list[Hit[T]]:
        """Returns the hits that no word beside them takes back."""
        kept: list[Hit[T]] = []
        last: Hit[T] | None = None  # the last one that was taken back
        for hit in hits:
            if self._is_chained(text, last, hit) or self._is_negated(text, hit):
                last = hit
            else:
                kept.append(hit)
        return kept

    def _is_chained(self, text: Words, last: Hit[T] | None, hit: Hit[T]) -> bool:
        """Whether the negation of the last name reaches this one: "no ascites or cirrhosis"."""
        if last is None:
            return False
        between = set(text.tokens[last.end : hit.start])
        gap = text.gap(last.end - 1, hit.start)
        return between <= _JOINING | self.skipped_before and not self.chain_ends.search(gap)

    def _is_negated(self, text: Words, hit: Hit[T]) -> bool:
        start, end = hit.start, hit.end
        while start > 0 and text.tokens[start - 1] in self.skipped_before:
            start -= 1
        if self.before.ends_before(text, start) and not self._is_parted(text, start - 1, start):
            return True
        while end < len(text.tokens) and text.tokens[end] in self.skipped_after:
            end += 1
        return self.after.starts_at(text, end) and not self._is_parted(text, hit.end - 1, end)

    def _is_parted(self, text: Words, left: int, right: int) -> bool:
        if self.phrase_ends is None:
            return False
        return self.phrase_ends.search(text.gap(left, right)) is not None
