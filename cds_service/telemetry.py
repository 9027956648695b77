"""Writes the log as JSON lines, with an allow-list of fields and never with patient data.

A field that is not in `FIELDS` is dropped before it is written. Values are closed sets, counts,
durations and our own ids. Exceptions are named by class, because their texts may hold URLs.
A call never waits for the log and never fails because of it (`log_writer`).
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import platform
import random
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from cds_service.log_writer import LogWriter

_STANDARD_ERROR = 2
_FLUSH_S = 0.1

FIELDS = frozenset(
    {
        "event",
        "level",
        "time",
        "correlation",  # of one call; the OperationOutcome shows it too
        "client",
        "service",
        "hook",
        "status",
        "code",  # FHIR issue type of an error
        "cards",  # topic codes
        "suppressed",  # rules of cards that this user has answered
        "off",  # rules that found something and are switched off; "all": none was asked
        "indicators",
        "sources",  # per prefetch key: satisfied, empty, failed; absent only with a reason
        "statuses",  # per prefetch key: the HTTP status of a read that failed
        "missing",  # per prefetch key: why it is not all
        "causes",  # per prefetch key: the code of what lies behind that
        "key",  # a prefetch key
        "origins",  # per prefetch key, if it is not prefetch: live, none
        "foreign",  # resources of another patient that were left out
        "unrecognised",
        "milliseconds",
        "error",  # class of an exception
        "module",
        "line",
        "outcome",  # of a feedback
        "count",
        "mode",
        "port",
        "knowledge",  # SHA-256 of hooks/
        "file",
        "reason",  # one of our own fixed texts
        "server",  # host and port of a registered URL
        "shadow",  # the cards were not sent
        "request",  # X-Request-ID of the caller, or ours
        "trace",  # the id of a W3C trace
        "release",
        "node",  # the name of the machine
        "worker",  # the id of its process
        "url",  # under which EHRs reach the service, from the settings
        "clients",  # names of the registry
        "store",
        "reviewed",  # every file of hooks/ is signed
    }
)


# What every line of one request says: whose it is. A thread begins each request anew. The default
# is never changed.
_about: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039
_writer: list[LogWriter] = []  # of this process, if its log goes to standard error


def _line(_: WrappedLogger, level: str, event: EventDict) -> str:
    """Returns one event as JSON: its allowed fields, its level and the time."""
    line = {name: value for name, value in event.items() if name in FIELDS}
    for name, value in (*_about.get().items(), *_origin().items()):
        line.setdefault(name, value)
    line["worker"] = os.getpid()
    line["level"] = level
    line["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps(line, default=repr)


def begin_lines(**about: str) -> None:
    """Says what every line of the request says that this thread begins to answer."""
    _about.set(about)


def name_in_lines(**more: str) -> None:
    """Adds to what every line of this request says."""
    _about.set({**_about.get(), **more})


def whose() -> str:
    """Returns the name of the client of this request, or "unknown"; it is one of the registry."""
    return _about.get().get("client") or "unknown"


def service_in_lines() -> str:
    """Returns the CDS service that this request calls, or "" if none of ours."""
    return _about.get().get("service", "")


@cache
def release() -> str:
    """Returns the release that runs."""
    return version("hyponatremia-cds")


@cache
def _origin() -> dict[str, str]:
    return {"release": release(), "node": platform.node()}


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Sends our log to standard error, one JSON object a line; to `stream` at once if one is given.

    In the first case, what libraries log and errors that end a thread go the same way.
    """
    # These libraries put URLs, and so patient ids, into their messages.
    for name in ("urllib3", "requests", "werkzeug"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream or _standard_error()),
        cache_logger_on_first_use=False,
    )
    if stream is None:
        logging.basicConfig(handlers=[_FromLibraries(logging.WARNING)], force=True)
        threading.excepthook = _log_end_of_thread


def log_from(level: str) -> None:
    """Writes only lines of this level and above from now on: info, warning or error."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))


def _standard_error() -> TextIO:
    """Returns a stream to standard error that neither blocks nor raises an error."""
    # Without it (`2>&-`) another file may have its number.
    descriptor = _STANDARD_ERROR if sys.__stderr__ is not None else None
    if not _writer:
        atexit.register(flush_log)
    _writer[:] = [LogWriter(descriptor, _lost_line)]
    return cast(TextIO, _writer[0])  # structlog calls write and flush only


def _lost_line(number: int) -> str:
    return _line(None, "error", {"event": "log-lost", "count": number}) + "\n"


def log_problem() -> str:
    """Returns what is wrong with the log of this process, in fixed words; empty if nothing is."""
    return _writer[0].problem if _writer else ""


def flush_log(seconds: float = _FLUSH_S) -> None:
    """Waits at most so long until all lines of this process are written."""
    if _writer:
        _writer[0].close(seconds)


class _FromLibraries(logging.Handler):
    """Logs that a library warned of something, without its words: they may hold patient data."""

    def emit(self, record: logging.LogRecord) -> None:
        """Takes one record; `logging` calls this."""
        kind = record.exc_info[0] if record.exc_info else None
        log().warning(
            "library",
            module=record.name,
            line=record.lineno,
            error=kind.__name__ if kind else None,
        )


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        log_crash(ended.exc_value, "none")


def log() -> FilteringBoundLogger:
    """Returns the logger of the service; a command has none, because it says what it finds."""
    if not structlog.is_configured():
        structlog.configure(processors=[_dropped])  # its default writes to standard output
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def _dropped(_: WrappedLogger, __: str, ___: EventDict) -> EventDict:
    raise structlog.DropEvent


def log_crash(error: BaseException, correlation: str) -> None:
    """Logs class and place of an exception that is our bug, without its text."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place: dict[str, Any] = {}
    if last is not None:
        place = {"module": last.tb_frame.f_globals.get("__name__", "?"), "line": last.tb_lineno}
    log().error("crash", correlation=correlation, error=type(error).__name__, **place)


def fresh_id(bits: int) -> str:
    """Returns an id in hex digits that is unique in all workers and on all nodes; it is no secret.

    Each worker begins from the system's random bytes (Python seeds again after a fork). To ask the
    system for each id would let another thread go first, three times a call.
    """
    return f"{random.getrandbits(bits):0{bits // 4}x}"


def correlation_id(hook_instance: str) -> str:
    """Returns a short id of one call, which the EHR can work out too; it holds no patient data."""
    return hashlib.sha256(hook_instance.encode("utf-8", "replace")).hexdigest()[:16]
