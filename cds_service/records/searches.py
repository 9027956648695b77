"""The forms of a search: as its template is written, without what servers refuse, in parts.

A search is only text here; `records.client` sends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct
from requests.utils import requote_uri

_OPTIONAL = frozenset({"_sort", "_count", "_include", "status"})
_CODES = "code"
LONGEST_SEARCH = 2000  # IIS ends at 2,048 characters, others at 4,096 or 8,192
_LONGEST_ID = 64  # of FHIR
# A form that worked is tried first for so long; after errors of the server itself not as long,
# because it may only have been unwell.
_REMEMBERED_S = 600.0
_REMEMBERED_AFTER_ERROR_S = 60.0
_FORBIDDEN_S = 60.0  # a 403 that a plainer form did not mend is not questioned for so long
_MOST_KEYS = 64  # there are a dozen

# Statuses after which a plainer form may help: a parameter that is not known, not allowed, or a URL
# that is too long. 401 is not among them: no form mends a token.
_REFUSALS = frozenset({400, 403, 404, 405, 413, 414, 422, 431})
_FORBIDDEN = 403
_SERVER_ERROR = 500


class Form(Struct, frozen=True, kw_only=True):
    """How a search is asked: with its optional parameters or without, and in which parts."""

    plain: bool = False
    codes: int = 0  # at most so many codes at once; 0: all

    def words(self) -> str:
        """Returns the form in our own words."""
        how = ["without _sort, _count, _include and status"] if self.plain else []
        how += [f"at most {self.codes} codes at once"] if self.codes else []
        return ", ".join(how) or "as written"


AS_WRITTEN = Form()


def is_refusal(status: int) -> bool:
    """Returns True if a search that got this status may be answered in a plainer form."""
    return status in _REFUSALS or status >= _SERVER_ERROR


def plainer(search: str, status: int) -> tuple[str, ...]:
    """Returns the searches that together ask the same in a plainer form; none if there is none.

    First the optional parameters are left out, then the list of codes is halved. After a 403 it is
    not halved: a number of codes is no question of access.
    """
    bare = without_optional(search)
    if bare != search:
        return (bare,)
    codes = code_count(search)
    if codes < 2 or status == _FORBIDDEN:  # noqa: PLR2004  # one code cannot be halved
        return ()
    return in_parts(search, (codes + 1) // 2)


def formed(search: str, form: Form, most_codes: int = 0, most_chars: int = 0) -> tuple[str, ...]:
    """Returns the searches that ask for `search` in this form, each within both limits."""
    asked = without_optional(search) if form.plain else search
    limits = [limit for limit in (form.codes, most_codes) if limit]
    parts = in_parts(asked, min(limits)) if limits else (asked,)
    if not most_chars:
        return parts
    return tuple(short for part in parts for short in _within(part, most_chars))


def without_optional(search: str) -> str:
    """Returns the search without the parameters that change no match, and without the statuses.

    What comes with another status is left out by the reader.
    """
    path, _, query = search.partition("?")
    kept = [one for one in query.split("&") if one.partition("=")[0] not in _OPTIONAL]
    return f"{path}?{'&'.join(kept)}"


def with_parameter(search: str, name: str, value: str) -> str:
    """Returns the search with one more parameter."""
    return f"{search}&{name}={value}" if value else search


def code_count(search: str) -> int:
    """Returns how many codes a search asks for."""
    return sum(value.count(",") + 1 for name, value in _parameters(search) if name == _CODES)


def in_parts(search: str, most: int) -> tuple[str, ...]:
    """Returns searches of at most so many codes each, in the order of the list."""
    codes = next((value.split(",") for name, value in _parameters(search) if name == _CODES), [])
    if len(codes) <= most:
        return (search,)
    return tuple(
        _with_codes(search, codes[first : first + most]) for first in range(0, len(codes), most)
    )


def sent_length(search: str) -> int:
    """Returns the length of a search as it is sent, with its escapes."""
    return len(requote_uri(search))


def _within(search: str, most_chars: int) -> tuple[str, ...]:
    codes = code_count(search)
    if codes < 2 or sent_length(search) <= most_chars:  # noqa: PLR2004  # one code stays whole
        return (search,)
    halves = in_parts(search, (codes + 1) // 2)
    return tuple(short for half in halves for short in _within(half, most_chars))


def _parameters(search: str) -> list[tuple[str, str]]:
    pairs = [one.partition("=") for one in search.partition("?")[2].split("&")]
    return [(name, value) for name, _, value in pairs]


def _with_codes(search: str, codes: list[str]) -> str:
    path = search.partition("?")[0]
    named = [
        f"{name}={','.join(codes) if name == _CODES else value}"
        for name, value in _parameters(search)
    ]
    return f"{path}?{'&'.join(named)}"


def long_searches(prefetches: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Returns one sentence for each prefetch key whose search is longer than servers may take."""
    lengths: dict[str, int] = {}
    for prefetch in prefetches:
        for key, template in prefetch.items():
            length = sent_length(template.replace("{{context.patientId}}", "x" * _LONGEST_ID))
            lengths[key] = max(length, lengths.get(key, 0))
    return tuple(
        f"the search '{key}' has {length} characters: the service asks it in parts, but an EHR "
        "that prefetches it may cut or refuse it (see CDS_LOCAL_CODES)"
        for key, length in lengths.items()
        if length > LONGEST_SEARCH
    )


class _Known(Struct, frozen=True):
    form: Form
    until: float


class Memory:
    """The form of each search that one server of one client answers; of a patient it knows nothing.

    It is this worker's own, and forgets: a server may be mended.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._forms: dict[str, _Known] = {}
        self._forbidden: dict[str, float] = {}

    def form(self, key: str) -> Form:
        """Returns the form that worked last, else as the template is written."""
        known = self._forms.get(key)
        return known.form if known is not None and self._clock() < known.until else AS_WRITTEN

    def may_ask_again(self, key: str, status: int) -> bool:
        """Returns False after a 403 that no form mended a moment ago: access is what is lacking."""
        return status != _FORBIDDEN or self._clock() >= self._forbidden.get(key, 0.0)

    def stayed_refused(self, key: str, status: int) -> None:
        """Notes that a plainer form was refused too; only a 403 says that none would help."""
        with self._lock:
            if status == _FORBIDDEN and (
                key in self._forbidden or len(self._forbidden) < _MOST_KEYS
            ):
                self._forbidden[key] = self._clock() + _FORBIDDEN_S

    def worked(self, key: str, form: Form, refused_with: int) -> bool:
        """Notes the form that worked after a refusal, and returns True if that is news."""
        after_error = refused_with >= _SERVER_ERROR
        until = self._clock() + (_REMEMBERED_AFTER_ERROR_S if after_error else _REMEMBERED_S)
        with self._lock:
            is_news = self.form(key) != form
            if key in self._forms or len(self._forms) < _MOST_KEYS:
                self._forms[key] = _Known(form, until)
        return is_news

    def shown(self) -> dict[str, str]:
        """Returns the form of each key that is not asked as it is written, in words."""
        found = {key: self.form(key) for key in self._forms}
        return {key: form.words() for key, form in found.items() if form != AS_WRITTEN}
