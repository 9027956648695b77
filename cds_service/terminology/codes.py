"""From a code to ingredients: RxNorm, SNOMED CT, ATC, and what a site adds (D.4 step 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from cds_service.knowledge.terms import Drug
from cds_service.terminology.systems import ATC, RXNORM, SNOMED, canonical
from cds_service.terminology.types import Coding

ATC_LENGTH = 7  # characters of a full ATC code; shorter ones name a group


class IndexedProduct(Struct, frozen=True):
    """One product of a site's RxNorm release: its official name and its shipped ingredients."""

    name: str
    ingredients: tuple[str, ...]


class CodeMatch(Struct, frozen=True):
    """The meaning of a code; `name` is the official name if an index has it."""

    ingredients: tuple[str, ...] = ()
    combination: bool = False
    name: str = ""
    step: str = ""


class CodeIndex:
    """Every code of sodium-drugs.toml, and what a site adds. Unknown codes give nothing."""

    def __init__(
        self,
        drugs: Mapping[str, Drug],
        local_codes: Mapping[tuple[str, str], Sequence[str]] | None = None,
        products: Mapping[str, IndexedProduct] | None = None,
    ) -> None:
        self._codes: dict[tuple[str, str], list[str]] = {}
        self._atc: dict[str, list[str]] = {}
        self._atc_excluded: dict[str, tuple[str, ...]] = {}
        self._several: set[tuple[str, str]] = set()
        self._combinations = {name for name, drug in drugs.items() if drug.combination}
        self._products = products or {}
        for name, drug in drugs.items():
            self._add(name, drug)
        self._local = {
            (canonical(system), code.strip()): tuple(i for i in ingredients if i in drugs)
            for (system, code), ingredients in (local_codes or {}).items()
        }

    def _add(self, name: str, drug: Drug) -> None:
        for code in (*drug.rxnorm, *drug.multi, *drug.products):
            self._codes.setdefault((RXNORM, code), []).append(name)
        self._several.update((RXNORM, code) for code in drug.multi)
        for code in drug.snomed:
            self._codes.setdefault((SNOMED, code), []).append(name)
        for code in drug.atc:
            if code.startswith("!"):
                self._atc_excluded[name] = (*self._atc_excluded.get(name, ()), code[1:])
            elif len(code) == ATC_LENGTH:
                self._codes.setdefault((ATC, code), []).append(name)
            else:
                self._atc.setdefault(code, []).append(name)

    def find(self, coding: Coding) -> CodeMatch:
        """The ingredients of one coding; its system may be spelled in any way."""
        system, code = canonical(coding.system), coding.code.strip()
        if system == ATC:
            code = code.upper()
        if local := self._local.get((system, code)):
            return CodeMatch(local, len(local) > 1, step=f"local code {code}")
        if known := self._codes.get((system, code)):
            several = (
                len(known) > 1
                or (system, code) in self._several
                or not self._combinations.isdisjoint(known)
            )
            return CodeMatch(tuple(known), several, step=f"code {code}")
        if system == ATC:
            return self._by_prefix(code)
        if system == RXNORM and (indexed := self._products.get(code)):
            return CodeMatch(
                indexed.ingredients,
                len(indexed.ingredients) > 1,
                indexed.name,
                f"RxNorm index {code}",
            )
        return CodeMatch()

    def _by_prefix(self, code: str) -> CodeMatch:
        found = [
            name
            for length in range(1, len(code) + 1)
            for name in self._atc.get(code[:length], ())
            if not code.startswith(self._atc_excluded.get(name, ("!",)))
        ]
        return CodeMatch(
            tuple(dict.fromkeys(found)), bool(found), step=f"ATC group of {code}" if found else ""
        )
