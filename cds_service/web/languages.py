"""Which of our languages a caller asks for."""

from __future__ import annotations

from collections.abc import Sequence

from flask import request


def asked_language(spoken: Sequence[str]) -> str:
    """Returns the one of our languages that `Accept-Language` prefers, "" if it names none.

    A regional form counts as its language, which Werkzeug's own match does only if no language
    of the header fits in full.
    """
    if "HTTP_ACCEPT_LANGUAGE" not in request.environ:
        return ""
    wanted = [tag.partition("-")[0].lower() for tag, share in request.accept_languages if share > 0]
    return next((tag for tag in wanted if tag in spoken), "")
