"""A connection to PostgreSQL that gives up a server which takes a statement and never answers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus

ANSWER_S = 6.0  # above the server's own statement_timeout, which a frozen server does not keep
_POLL_S = 0.1
_T = TypeVar("_T")


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself if the server does not answer; TCP does not notice, as the kernel answers."""

    def wait(self, gen: PQGen[_T], interval: float = _POLL_S, timeout: float | None = None) -> _T:
        """Waits for an answer of the server; psycopg calls this for every statement."""
        try:
            return super().wait(gen, interval, ANSWER_S if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # so that the pool does not use it again
            _end(gen)
            raise


def _end(gen: PQGen[_T]) -> None:
    """Ends what was waited for; a pipeline then wants to send once more, to a server that is gone.

    Left to the collector, that error would be printed to stderr, in the midst of another call.
    """
    with suppress(psycopg.Error, RuntimeError):
        gen.close()
