"""What is written down of a call: JSON lines made by an allow-list of fields, never patient data.

A field that is not in `FIELDS` is dropped before it is written, whoever logs it; values are closed
sets, counts, durations and our own ids. Exceptions are named by class: their texts may hold URLs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

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
        "indicators",
        "sources",  # per prefetch key: satisfied, empty, failed, absent
        "origins",  # per prefetch key: prefetch, live, none
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
    }
)


# Our logger, and the processors by which it is known to be the configured one still; none: structlog's defaults.
_configured: list[tuple[FilteringBoundLogger, object]] = []
# Ids of log lines and audit rows: unique in all workers and on all nodes, and no secrets. Seeded once from
# the system, and again after a fork, so that no call asks the system for randomness.
_ids = random.Random(os.urandom(32))  # noqa: S311
os.register_at_fork(after_in_child=lambda: _ids.seed(os.urandom(32)))


def _line(_: WrappedLogger, level: str, event: EventDict) -> str:
    """One event by the allow-list, with its level and time, as `json.dumps` writes it in a fraction of its time.

    One step for what structlog has four for: every call is logged, and each step copies the event.
    """
    told = {name: value for name, value in event.items() if name in FIELDS}
    told["level"] = level
    told["time"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    try:
        return msgspec.json.format(msgspec.json.encode(told, enc_hook=repr), indent=0).decode()
    except UnicodeEncodeError:
        return json.dumps(told, default=repr)  # a file's name that is no text


def configure_logging(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send our log to `stream` (standard error by default) as one JSON object a line."""
    # These libraries put URLs, and so patient ids, into their messages.
    for name in ("urllib3", "requests", "werkzeug"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Put together here, once, instead of at each line.
    _configured[:] = [(structlog.get_logger().bind(), structlog.get_config()["processors"])]


def log() -> FilteringBoundLogger:
    """The service's logger."""
    for logger, processors in _configured:
        if structlog.get_config()["processors"] is processors:
            return logger
    default: FilteringBoundLogger = structlog.get_logger()
    return default


def log_crash(error: BaseException, correlation: str) -> None:
    """A bug of ours: class and place of the exception, without its text."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place: dict[str, Any] = {}
    if last is not None:
        place = {"module": last.tb_frame.f_globals.get("__name__", "?"), "line": last.tb_lineno}
    log().error("crash", correlation=correlation, error=type(error).__name__, **place)


def fresh_id(bits: int) -> str:
    """An id that nobody else has, in hex digits; it can be guessed, so nothing may rest on it."""
    return f"{_ids.getrandbits(bits):0{bits // 4}x}"


def correlation_id(hook_instance: str) -> str:
    """A short id of one call that both sides can work out, and that says nothing about the patient."""
    return hashlib.sha256(hook_instance.encode("utf-8", "replace")).hexdigest()[:16]
