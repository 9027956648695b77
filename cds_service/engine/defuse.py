"""Words out of a record become harmless before they enter a card (docs/security.md, T-48)."""

from __future__ import annotations

import re
import unicodedata

LIMIT = 80
_KEPT_SIGNS = frozenset(" .,()/%+-")
_AUTOLINK = re.compile(r"www|https?|ftp|mailto|xmpp", re.IGNORECASE)


def defuse(text: str, limit: int = LIMIT) -> str:
    """Returns one bounded line without markup, links or hidden characters.

    An allow-list, because renderers differ in what they take for markup; backslashes do not stop
    the autolinks of some of them.
    """
    plain = unicodedata.normalize("NFKC", text)
    kept = "".join(c if c in _KEPT_SIGNS or c.isalnum() else " " for c in plain if _visible(c))
    one_line = " ".join(_AUTOLINK.sub(" ", kept).split())
    return one_line if len(one_line) <= limit else one_line[: limit - 1].rstrip() + "…"


def _visible(character: str) -> bool:
    # Cf holds the bidi and zero-width controls; they must not even leave a blank inside a word.
    return unicodedata.category(character) != "Cf"
