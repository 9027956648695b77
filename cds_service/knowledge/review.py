"""Who signed which file of hooks/, and whether the signature still fits the text."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from datetime import date

import msgspec
from msgspec import Struct

from cds_service.errors import KnowledgeError
from cds_service.knowledge.words import Review

REVIEWED = "knowledge/reviewed.toml"
_TRANSLATION = re.compile(r"knowledge/words-([a-z]{2})\.toml")
_BLANK_NAME, _BLANK_ROLE = "FIRST AND LAST NAME", "ROLE"  # what `sign_line` leaves to fill in


class Reviews(Struct, frozen=True):
    """By file name below hooks/: the signature that fits, or why there is none."""

    signed: Mapping[str, Review]
    changed: tuple[str, ...]  # signed once, changed since
    unsigned: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every file carries a signature that fits its text; of translations none needs to.

        A card in a language that is not signed says so itself.
        """
        return not self.open

    @property
    def open(self) -> tuple[str, ...]:
        """The files without a valid signature, but for translations; what changed comes last."""
        return tuple(n for n in (*self.unsigned, *self.changed) if not translation_of(n))


def translation_of(name: str) -> str:
    """Returns the language of a file knowledge/words-<language>.toml, "" for any other file."""
    found = _TRANSLATION.fullmatch(name)
    return found[1] if found else ""


def text_sha256(text: str) -> str:
    """Returns what a reviewer signs: the SHA-256 of the file's text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def review_state(texts: Mapping[str, str]) -> Reviews:
    """Compares the signatures of reviewed.toml with the files as they are."""
    table = _signatures(texts.get(REVIEWED, ""))
    files = [name for name in texts if name != REVIEWED]
    for name in sorted(set(table) - set(files)):
        raise KnowledgeError(f'{REVIEWED}: ["{name}"] signs a file that is not there')
    for name, review in table.items():
        if review.name.strip() in ("", _BLANK_NAME) or review.role.strip() in ("", _BLANK_ROLE):
            raise KnowledgeError(f'{REVIEWED}: ["{name}"] needs the name and the role of who signs')
    fits = {n for n in table if table[n].sha256 == text_sha256(texts[n])}
    return Reviews(
        signed={n: table[n] for n in sorted(fits)},
        changed=tuple(n for n in sorted(table) if n not in fits),
        unsigned=tuple(n for n in sorted(files) if n not in table),
    )


def refuse_unsigned(reviews: Reviews) -> None:
    """Stops a start with unsigned knowledge and names the files (CDS_REQUIRE_SIGNED)."""
    if reviews.complete:
        return
    named = ", ".join(
        f"{name} (changed since)" if name in reviews.changed else name for name in reviews.open
    )
    raise KnowledgeError(f"CDS_REQUIRE_SIGNED: not clinically reviewed: {named}")


def sign_line(name: str, text: str, day: date) -> str:
    """The table that a reviewer pastes into reviewed.toml to sign this text of this file."""
    return (
        f'["{name}"]\nname = "{_BLANK_NAME}"\nrole = "{_BLANK_ROLE}"\n'
        f'date = {day.isoformat()}\nsha256 = "{text_sha256(text)}"\n'
    )


def _signatures(text: str) -> dict[str, Review]:
    try:
        return msgspec.convert(tomllib.loads(text), dict[str, Review])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise KnowledgeError(f"{REVIEWED}: {error}") from None
