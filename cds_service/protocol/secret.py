"""A value that is carried and never shown: the access token of one request."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Text that `repr`, formatting and pickling do not give away; only `reveal` does (R5, CDSH-051)."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value, for the one header it is meant for."""
        return self._value

    def __repr__(self) -> str:
        return ""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
