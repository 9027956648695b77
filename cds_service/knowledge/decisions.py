"""docs/clinical-decisions.md: what each clinical code such as "M9" or "B.0.7" stands for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

NAME = "clinical-decisions"
# "B.0.7", "B.5 rule 6", "M9", "M10 c", "S15", "N4", "S1-6", "MON": never a part of a longer word
# or number, and no code of ICD-10 ("S06.6X0A", "N17.9").
CODE = re.compile(
    r"(?<![\w.#*-])(?:"
    r"B\.5 rule [1-9]|B scope|[A-E]\.[0-9]+(?:\.[0-9]+)*"
    r"|S[12]-[1-9][0-9]?|M10 [a-f]|[MNS][1-9][0-9]?|MON|FALL|CRAMP|DRUG"
    r")(?![\w*-]|\.[0-9])"
)
_ENTRY = re.compile(r"^#+ (.+)\n\n", re.MULTILINE)


def anchor(code: str) -> str:
    """The anchor of a code's heading, as GitHub makes it."""
    return code.lower().replace(".", "").replace(" ", "-")


@cache
def decisions_text() -> str:
    """The document: it lies inside an installed package, and beside it in a checkout."""
    package = Path(__file__).parents[1]
    bundled = package / "docs" / f"{NAME}.md"
    path = bundled if bundled.is_file() else package.parent / "docs" / f"{NAME}.md"
    return path.read_text(encoding="utf-8")


@cache
def entries() -> Mapping[str, str]:
    """Each code with the text below its heading."""
    parts = _ENTRY.split(decisions_text())
    found = zip(parts[1::2], parts[2::2], strict=True)
    return {heading: text for heading, text in found if CODE.fullmatch(heading)}


def linked(text: str, link: Callable[[str, str], str]) -> str:
    """The text with `link(code, anchor)` in place of each code that has an entry."""

    def told(found: re.Match[str]) -> str:
        return link(found[0], anchor(found[0])) if found[0] in entries() else found[0]

    return CODE.sub(told, text)
