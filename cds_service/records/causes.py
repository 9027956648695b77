"""Why a source is not all that was asked for, as one code that is the same wherever it is told.

The 412, the card for clients that want no error, the explanation and the log have the same code,
and docs/reading-records.md says of each what to do.
"""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.knowledge.names import Missing
from cds_service.records.client import CROWDED
from cds_service.records.cut import CUT, TOO_LARGE
from cds_service.records.prefetch import Source
from cds_service.records.reading import (
    FEWER_THAN_TOTAL,
    LOOP,
    NO_BUNDLE,
    NOT_WHOLE,
    OTHER_SERVER,
    PAGE_LIMIT,
)
from cds_service.trust.fetch import (
    BROKE_OFF,
    CERTIFICATE_FAULTS,
    NO_CONNECTION,
    NO_NAME,
    NO_TLS,
    NOT_ALLOWED,
    PRIVATE,
)

# What lies behind a failure, by the fixed text that says it at length.
BY_TEXT: Mapping[str, str] = {
    PRIVATE: "private-address",
    NOT_ALLOWED: "address-not-allowed",
    NO_NAME: "no-such-name",
    NO_CONNECTION: "no-connection",
    NO_TLS: "tls",
    **dict.fromkeys(CERTIFICATE_FAULTS, "certificate"),
    BROKE_OFF: "broken-answer",
    CROWDED: "too-many-calls",
    OTHER_SERVER: "next-link-elsewhere",
    LOOP: "next-link-loop",
    PAGE_LIMIT: "page-limit",
    FEWER_THAN_TOTAL: "fewer-than-total",
    NO_BUNDLE: "no-searchset",
    NOT_WHOLE: "broken-entry",
    TOO_LARGE: "too-large",
    CUT: "too-large",
    # What a call lacks to be read for (`gather.Unreachable`) is a code already.
    "no-fhir-server": "no-fhir-server",
    "not-registered": "not-registered",
    "no-token": "no-token",
    "odd-token": "odd-token",
}
# What the service found by itself, if no text says more.
BY_REASON: Mapping[Missing, str] = {
    Missing.TIMEOUT: "timeout",
    Missing.REFUSED: "token-refused",
    Missing.LEFT_ALONE: "left-alone",
    Missing.UNREACHABLE: "unreachable",
    Missing.TRUNCATED: "page-limit",
    Missing.IN_PART: "broken-entry",
    Missing.OLDER: "page-limit",
    Missing.VERSION: "fhir-version",
    Missing.WARNED: "warning",
    Missing.HIDDEN: "hidden-from-user",
    Missing.UNUSABLE: "unusable",
    Missing.TOO_MUCH: "too-much",
}
STATUS = "status"  # "status-500": what the server answered
PREFETCH = "prefetch-error"  # the EHR put an error into the prefetch
FAILED = "failed"
CODES = frozenset({*BY_TEXT.values(), *BY_REASON.values(), STATUS, PREFETCH, FAILED})


def cause(source: Source) -> str:
    """Returns the code of what a source lacks; empty if it lacks nothing."""
    why = source.missing
    if not source.lack or why is None:
        return ""
    if source.note in BY_TEXT:
        return BY_TEXT[source.note]
    if why in BY_REASON:
        return BY_REASON[why]
    if source.status:
        return f"{STATUS}-{source.status}"
    return PREFETCH if source.origin == "prefetch" else FAILED


def shown(source: Source) -> str:
    """Returns the state as an explanation shows it: "failed: failed, status 500, status-500"."""
    code = cause(source)
    told = source.shown
    return told if not code or told.endswith(code) else f"{told}, {code}"


_WORDS: Mapping[Missing, str] = {
    Missing.TIMEOUT: "no answer in time",
    Missing.FAILED: "the search failed",
    Missing.UNREACHABLE: "it cannot be reached",
    Missing.REFUSED: "refused",
    Missing.TRUNCATED: "cut at a limit of pages",
    Missing.IN_PART: "only a part could be read",
    Missing.OLDER: "all newer results came, older ones are cut off",
    Missing.LEFT_ALONE: "not asked, because the server kept failing",
    Missing.VERSION: "its FHIR version is not R4",
    Missing.NOT_READ: "not asked for",
    Missing.NOT_APPLICABLE: "not asked, because it needs an encounter",
    Missing.WARNED: "a warning came in place of results",
    Missing.HIDDEN: "the user may not see all of it",
    Missing.UNUSABLE: "something in it could not be used",
    Missing.TOO_MUCH: "it was too much to work out in time",
}


def told(source: Source) -> str:
    """Returns in words what a source lacks, each thing once: "refused, status 403"."""
    if source.missing is None:
        return ""
    words = source.note or _WORDS[source.missing]
    status = f", status {source.status}" if source.status else ""
    code = cause(source)
    told_already = code in (FAILED, BY_REASON[Missing.REFUSED], words) or code.startswith(
        f"{STATUS}-"
    )
    more = "" if not code or told_already else f" ({code})"
    return f"{words}{status}{more}"
