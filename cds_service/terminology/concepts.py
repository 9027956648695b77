"""Problems become concepts of conditions.toml (C.4, M1, D.7); an order may restrict fluid (C.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.words import Concept, Fluids, TextWords
from cds_service.terminology.codes import ICD9, ICD10_FAMILY, SNOMED, canonical
from cds_service.terminology.endings import Endings
from cds_service.terminology.text import Negation, Phrases, Words, flat, words
from cds_service.terminology.types import Coded, Coding, texts_of
from cds_service.terminology.units import volume_after

_NOT_CODE = re.compile(r"[^0-9A-Z]")
_SENTENCE = re.compile(r"[.;:]")


class ConceptMatch(Struct, frozen=True):
    """The concepts of one problem; `by_text` where words alone gave them."""

    concepts: frozenset[str] = frozenset()
    by_text: bool = False


class OfCode(Struct, frozen=True):
    """What one code says: concepts, concepts that need words beside it, and if it is known."""

    found: frozenset[str] = frozenset()
    with_text: frozenset[str] = frozenset()
    known: bool = False


_UNKNOWN_CODE = OfCode()
_NO_CODES: Mapping[tuple[str, str], Sequence[str]] = {}


class _Excluded(Struct, frozen=True):
    prefixes: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]

    def __contains__(self, code: str) -> bool:
        return code.startswith(self.prefixes) or any(p.match(code) for p in self.patterns)

    @classmethod
    def of(cls, codes: Iterable[str]) -> _Excluded:
        """Returns what the patterns with "!" leave out."""
        left_out = [code[1:] for code in codes if code.startswith("!")]
        return cls(
            tuple(code for code in left_out if "?" not in code),
            tuple(re.compile(code.replace("?", ".")) for code in left_out if "?" in code),
        )


class ProblemCodes:
    """The codes of conditions.toml, and those that a site adds; each deployment builds it once."""

    def __init__(
        self,
        concepts: Mapping[str, Concept],
        icd10_systems: frozenset[str] = ICD10_FAMILY,
        local_codes: Mapping[tuple[str, str], Sequence[str]] = _NO_CODES,
    ) -> None:
        self._icd10_systems = icd10_systems
        self._icd10 = _Prefixes({key: c.icd10 for key, c in concepts.items()})
        self._icd10_with_text = _Prefixes({key: c.icd10_with_text for key, c in concepts.items()})
        self._icd9 = _Prefixes({key: c.icd9 for key, c in concepts.items()})
        self._snomed: dict[str, list[str]] = {}
        for key, concept in concepts.items():
            for code in concept.snomed:
                self._snomed.setdefault(code, []).append(key)
        self._local = {
            (canonical(system), code.strip()): frozenset(named).intersection(concepts)
            for (system, code), named in local_codes.items()
        }

    def of(self, coding: Coding) -> OfCode:
        """Returns what one coding says; its system may be spelled in any way."""
        system, code = canonical(coding.system), _NOT_CODE.sub("", coding.code.upper())
        local = self._local.get((system, coding.code.strip()))
        if local:
            return OfCode(local, known=True)
        if system in self._icd10_systems:
            known = self._icd10.knows(code) or self._icd10_with_text.knows(code)
            with_text = frozenset(self._icd10_with_text.of(code))
            return OfCode(frozenset(self._icd10.of(code)), with_text, known)
        if system == ICD9:
            return OfCode(frozenset(self._icd9.of(code)), known=self._icd9.knows(code))
        if system == SNOMED and code in self._snomed:
            return OfCode(frozenset(self._snomed[code]), known=True)
        return _UNKNOWN_CODE


class ConceptMatcher:
    """Codes that we know decide, else words, and never beside a negation (F39)."""

    def __init__(
        self,
        concepts: Mapping[str, Concept],
        text: TextWords,
        icd10_systems: frozenset[str] = ICD10_FAMILY,
        local_codes: Mapping[tuple[str, str], Sequence[str]] = _NO_CODES,
    ) -> None:
        self._codes = ProblemCodes(concepts, icd10_systems, local_codes)
        phrases: dict[str, list[str]] = {decoy: [] for decoy in text.problem_decoys}
        for key, concept in concepts.items():
            for phrase in concept.text:
                phrases.setdefault(phrase, []).append(key)
        self._phrases = Phrases(phrases)
        self._without_code = {k for k, c in concepts.items() if not (c.icd10 or c.snomed or c.icd9)}
        self._yields_to = {key: frozenset(c.yields_to) for key, c in concepts.items()}
        self._operations = frozenset(key for key, c in concepts.items() if c.operation)
        self._negation = _negation(text, text.problem_before, text.problem_after)
        kept = [word for word in text.problem_before if word not in text.operation_done]
        self._not_done = _negation(text, kept, text.problem_after)
        self._planned = flat(text.operation_planned)

    def match(self, coded: Coded) -> frozenset[str]:
        """Returns the concepts of one CodeableConcept; empty if it is not one of ours."""
        return self.match_with_evidence(coded).concepts

    def match_with_evidence(self, coded: Coded) -> ConceptMatch:
        """Returns the concepts, and whether words alone gave them."""
        found: set[str] = set()
        with_text: set[str] = set()
        decided = False
        for said in map(self._codes.of, coded.codings):
            found |= said.found
            with_text |= said.with_text
            decided |= said.known
        named = {concept for name in texts_of(coded) for concept in self._named(words(name))}
        chosen = named & (found | with_text)
        found -= {key for key in found - named if chosen & self._yields_to[key]}
        by_code = found | (with_text & named)
        if decided:
            return ConceptMatch(
                frozenset(by_code | (named & self._without_code)), by_text=not by_code
            )
        return ConceptMatch(frozenset(named), by_text=bool(named))

    def _named(self, text: Words) -> Iterable[str]:
        """Yields what a text names and does not negate, and an operation if it was done."""
        hits = self._phrases.find(text)
        for hit in self._negation.kept(text, hits):
            yield from (key for key in hit.found if key not in self._operations)
        operated = any(key in self._operations for hit in hits for key in hit.found)
        if operated and not self._planned.find(text):
            for hit in self._not_done.kept(text, hits):
                yield from self._operations.intersection(hit.found)


def _negation(text: TextWords, before: Iterable[str], after: Iterable[str]) -> Negation:
    return Negation(
        before=flat(before),
        after=flat(after),
        chain_ends=_SENTENCE,
        skipped_before=frozenset(text.problem_between),
    )


class _Prefixes:
    """ICD prefixes, with "!" for exclusion, "=" for one code alone and "?" for any character."""

    def __init__(self, patterns: Mapping[str, Iterable[str]]) -> None:
        self._prefixes: dict[str, list[str]] = {}
        self._exact: dict[str, list[str]] = {}
        self._excluded: dict[str, _Excluded] = {}
        for key, codes in patterns.items():
            self._excluded[key] = _Excluded.of(codes)
            for code in codes:
                self._include(code, key)
        self._longest = max(map(len, self._prefixes), default=0)

    def _include(self, code: str, key: str) -> None:
        if code.startswith("="):
            self._exact.setdefault(code[1:], []).append(key)
        elif not code.startswith("!"):
            self._prefixes.setdefault(code, []).append(key)

    def knows(self, code: str) -> bool:
        """Whether a pattern names this code, be it to leave it out."""
        if any(beginning in self._prefixes for beginning in self._beginnings(code)):
            return True
        return code in self._exact or any(code in left_out for left_out in self._excluded.values())

    def of(self, code: str) -> set[str]:
        """Returns the concepts of one code without dots, upper case."""
        found = set(self._exact.get(code, ()))
        for beginning in self._beginnings(code):
            found.update(
                key for key in self._prefixes.get(beginning, ()) if code not in self._excluded[key]
            )
        return found

    def _beginnings(self, code: str) -> Iterator[str]:
        """Yields what may be a pattern: a code may be as long as a text."""
        for length in range(1, min(len(code), self._longest) + 1):
            yield code[:length]


class RestrictionMatcher:
    """Recognises an order for fluid restriction; education about it does not count."""

    def __init__(self, fluids: Fluids) -> None:
        restriction, numbers = fluids.restriction, fluids.numbers
        self._codes = frozenset(restriction.snomed)
        self._nutrients = frozenset(restriction.nutrients)
        self._nutrient_text = flat(restriction.nutrient_text)
        self._abbreviated = frozenset(restriction.abbreviated)
        self._least, self._most = numbers.restriction_from_ml.value, numbers.restriction_to_ml.value
        self._text, self._before, self._anywhere = (
            flat(restriction.text),
            flat(restriction.before),
            flat(restriction.anywhere),
        )
        self._endings = Endings(fluids.ending)
        self._plain = frozenset(token for word in restriction.plain for token in words(word).tokens)

    def match(self, concepts: Iterable[Coded], texts: Iterable[str] = ()) -> bool:
        """Whether any concept or text (instructions, notes) of one order restricts fluid."""
        coded, prose = list(concepts), list(texts)
        names = [name for one in coded for name in texts_of(one)]
        if any(self._ended(words(name)) for name in (*names, *prose)):
            return False
        return any(map(self._by_code, coded)) or any(map(self._restricts, (*names, *prose)))

    def is_plain(self, concepts: Iterable[Coded], texts: Iterable[str] = ()) -> bool:
        """Whether an order says no more than that it restricts fluid: every word is known (F23)."""
        names = [name for one in concepts for name in texts_of(one)]
        return all(self._says_no_more(words(name)) for name in (*names, *texts))

    def _says_no_more(self, text: Words) -> bool:
        hits = self._text.find(text)
        inside = {at for hit in hits for at in range(hit.start, hit.end)}
        rest = [token for at, token in enumerate(text.tokens) if at not in inside]
        return all(t in self._plain or t[0].isdigit() or t == "%" for t in rest)

    def _by_code(self, coded: Coded) -> bool:
        codes = [c.code.strip() for c in coded.codings if canonical(c.system) == SNOMED]
        return not self._codes.isdisjoint(codes)

    def _ended(self, text: Words) -> bool:
        """Whether one text of the order ends the restriction (F23)."""
        if self._endings.is_bare_end(text):
            return True
        hits = self._text.find(text)
        about = bool(hits) or not self._abbreviated.isdisjoint(text.tokens)
        if about and self._endings.is_end(text):
            return True
        return bool(hits) and all(self._endings.ends(text, hit) for hit in hits)

    def limits(self, nutrient: Coded, volume_ml: Decimal) -> bool:
        """Whether an amount of a nutrient of a diet restricts fluid: "Fluid, 1000 mL" (F23)."""
        if not self._least <= volume_ml <= self._most:
            return False
        codes = (c.code.strip() for c in nutrient.codings if canonical(c.system) == SNOMED)
        if not self._nutrients.isdisjoint(codes):
            return True
        return any(self._nutrient_text.find(words(name)) for name in texts_of(nutrient))

    def _abbreviates(self, text: Words) -> bool:
        """Whether it is "FR 1.2 L"; "16 Fr" is a catheter."""
        for at, token in enumerate(text.tokens):
            if token in self._abbreviated and (at == 0 or not text.tokens[at - 1][0].isdigit()):
                volume = volume_after(text, at + 1)
                if volume is not None and self._least <= volume <= self._most:
                    return not self._before.ends_before(text, at)
        return False

    def _restricts(self, text: str) -> bool:
        read = words(text)
        if self._anywhere.find(read):
            return False
        if self._abbreviates(read):
            return True
        return any(not self._before.ends_before(read, hit.start) for hit in self._text.find(read))


class DrinkingMatcher:
    """Recognises an order to drink much, such as "push fluids"; education does not count."""

    def __init__(self, fluids: Fluids) -> None:
        self._text = flat(fluids.drinking.text)
        self._before, self._anywhere = (
            flat(fluids.restriction.before),
            flat(fluids.restriction.anywhere),
        )
        self._endings = Endings(fluids.ending)

    def match(self, concepts: Iterable[Coded], texts: Iterable[str] = ()) -> bool:
        """Whether any concept or text of one order asks the patient to drink much."""
        names = [name for one in concepts for name in texts_of(one)]
        said = [words(name) for name in (*names, *texts)]
        if any(self._endings.is_bare_end(text) for text in said):
            return False
        return any(map(self._asks, said))

    def _asks(self, text: Words) -> bool:
        if self._anywhere.find(text) or self._endings.is_end(text):
            return False
        hits = self._text.find(text)
        return any(
            not (self._before.ends_before(text, hit.start) or self._endings.ends(text, hit))
            for hit in hits
        )
