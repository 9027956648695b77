"""What the name of an order says of sodium chloride: its strength, or that it only carries a drug (D.5)."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from cds_service.knowledge.fluids import Fluids
from cds_service.terminology.forms import FormReader
from cds_service.terminology.strength import MASS_UNITS, percent_at
from cds_service.terminology.text import Hit, Phrases, Words, flat, words

SHORTEST_DRUG = 4  # letters of a word that may be the drug which a fluid carries
REACH = 8  # words between the salt and its percent
_VOLUMES = frozenset({"ml", "l"})
_LINKING = frozenset("/+")

SaltHit = Hit[Decimal | None]


class Stated(Struct, frozen=True):
    """The strength that one order states."""

    percent: Decimal | None
    hypertonic: bool = False  # the word, which counts where no percent stands
    spoken: bool = True  # in the words of a fluid ("NS", "3 % saline"), not of a chemical


class SalineText:
    """Finds the salt in a name and reads what stands around it."""

    def __init__(self, fluids: Fluids, forms: FormReader) -> None:
        saline = fluids.saline
        self._forms = forms
        self._salt = Phrases[Decimal | None](
            {
                **dict.fromkeys(saline.terms, (None,)),
                **{s: (p,) for s, p in saline.shorthands.items()},
            }
        )
        self._usual = frozenset(map(Decimal, saline.shorthands.values()))
        self._hypertonic, self._filler, self._mixtures = (
            flat(phrases) for phrases in (saline.hypertonic, saline.filler, saline.mixtures)
        )
        self._additives = flat([*saline.additives, *saline.electrolytes, *saline.glucose])
        self._glucose, self._links = frozenset(saline.glucose), frozenset(saline.links)
        self._spoken, self._abbreviated = frozenset(saline.spoken), flat(saline.abbreviated)
        self._plain = frozenset(token for word in fluids.text.plain for token in words(word).tokens)
        self._per_mmol = fluids.numbers.gram_per_100_ml_of_one_mmol_per_ml.value

    def salt(self, name: Words) -> tuple[SaltHit, ...]:
        """Where the name speaks of sodium chloride."""
        return self._salt.find(name)

    def is_mixture(self, name: Words) -> bool:
        """Whether other electrolytes or nutrition are named."""
        return bool(self._mixtures.find(name))

    def is_additive(self, name: Words) -> bool:
        """Whether glucose, potassium or water is named."""
        return bool(self._additives.find(name))

    def stated(self, name: Words, salt: tuple[SaltHit, ...]) -> Stated:
        """A written percent wins over a shorthand, and the one after the salt over the one before it."""
        hypertonic = bool(self._hypertonic.find(name))
        shorthand = next(
            (percent for hit in salt for percent in hit.found if percent is not None), None
        )
        spoken = hypertonic or shorthand is not None or not self._spoken.isdisjoint(name.tokens)
        for hit in salt:
            percent = self._after(name, hit.end)
            if percent is None:
                percent = self._before(name, hit)
            if percent is not None:
                return Stated(percent, hypertonic, spoken)
        return Stated(None if hypertonic else shorthand, hypertonic, spoken)

    def _after(self, name: Words, start: int) -> Decimal | None:
        for at in range(start, min(len(name.tokens), start + REACH)):
            percent = percent_at(name, at, self._per_mmol)
            if percent is not None:
                behind = name.tokens[at + 2 : at + 3]
                return None if self._glucose.intersection(behind) else percent
            token = name.tokens[at]
            if not (token in _VOLUMES or token[0].isdigit() or self._filler.starts_at(name, at)):
                return None
        return None

    def _before(self, name: Words, hit: SaltHit) -> Decimal | None:
        at = hit.start - 1
        while at > 0 and name.tokens[at] != "%" and self._filler.starts_at(name, at):
            at -= 1
        if at < 0:
            return None
        if name.tokens[at] == "%":
            of_glucose = not self._glucose.isdisjoint(name.tokens[max(0, at - 2) : at - 1])
            return None if of_glucose or at == 0 else percent_at(name, at - 1, self._per_mmol)
        bare = name.tokens[at]
        if not bare.startswith("0."):
            return None
        is_shorthand = any(percent is not None for percent in hit.found)
        return (
            Decimal(bare) if is_shorthand or Decimal(bare) in self._usual else None
        )  # "0.45 NaCl"

    def carries(self, name: Words, salt: tuple[SaltHit, ...]) -> bool:
        """Whether it only carries a drug: an unknown word with a dose, linked by "in", or in a " / " part."""
        start = salt[0].start
        while start > 0 and (name.tokens[start - 1] == "%" or name.tokens[start - 1][0].isdigit()):
            start -= 1
        taken = {at for hit in salt for at in range(hit.start, hit.end)}
        drugs = [
            at for at in range(len(name.tokens)) if at not in taken and self._unknown(name, at)
        ]
        before = [at for at in drugs if at < start]
        if before and (
            self._linked(name, start) or self._abbreviated.starts_at(name, salt[0].start)
        ):
            return True
        if any(_has_dose(name, at) for at in drugs):
            return True
        behind = name.folded[name.spans[salt[0].end - 1][1] :]
        others = [words(part) for part in behind.split(" / ")[1:]]
        return any(self._unknown(part, at) for part in others for at in range(len(part.tokens)))

    def _linked(self, name: Words, at: int) -> bool:
        return name.tokens[at - 1] in self._links or not _LINKING.isdisjoint(name.gap(at - 1, at))

    def _unknown(self, name: Words, at: int) -> bool:
        """Whether this word may be the name of a drug."""
        word = name.tokens[at]
        if len(word) < SHORTEST_DRUG or not word.isalpha() or word in self._plain:
            return False
        if any(hit.start <= at < hit.end for hit in self._additives.find(name)):
            return False
        return not (self._filler.starts_at(name, at) or self._forms.is_form_word(word))


def _has_dose(name: Words, at: int) -> bool:
    """Whether an amount of mass follows a word directly: "norepinephrine 4 mg"."""
    behind = name.tokens[at + 1 : at + 3]
    return len(behind) > 1 and behind[0][0].isdigit() and behind[1] in MASS_UNITS
