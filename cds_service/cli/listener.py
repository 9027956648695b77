"""Closes the socket that listens without a reset for a caller that has just connected.

The kernel connects a caller before any process accepts the connection, and the caller sends its
request at once. If the last process that listens closes the socket meanwhile, the caller gets a
reset, and no proxy may send a call a second time. On Linux, therefore, the socket first takes no
new connection, and is closed when its queue is empty. A caller that comes in between tries again
after a second, as TCP does, and is then refused.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# linux/filter.h: on a TCP socket a filter sees a packet from its TCP header on.
_SO_ATTACH_FILTER = 26
_FLAGS_OF_TCP, _SYN = 13, 0x02
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_WHOLE = 0xFFFFFFFF
_NO_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OF_TCP),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, _WHOLE),
)
_INFO_BYTES, _QUEUED_AT = 32, 24  # struct tcp_info: of a socket that listens, tcpi_unacked


class Listener:
    """The listener is a descriptor that several processes may share."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def refuse_new(self) -> None:
        """Takes no new connection, in any process; those that wait in the queue stay.

        A kernel that knows no such filters, as in some sandboxes, goes on taking them.
        """
        steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *s) for s in _NO_SYN))
        program = struct.pack("HP", len(_NO_SYN), ctypes.addressof(steps))
        with suppress(OSError), self._socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)

    @property
    def queued(self) -> int:
        """How many connections wait until a process accepts them."""
        with suppress(OSError), self._socket() as listener:
            info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
            return int(struct.unpack_from("I", info, _QUEUED_AT)[0])
        return 0

    def close(self) -> None:
        """Replaces the shared socket by one that no client knows.

        If the shared socket were closed, its number could be used again.
        """
        with socket.socket(socket.AF_UNIX) as silent:
            silent.setblocking(False)
            silent.bind("")  # a name that the kernel makes up
            silent.listen(1)
            os.dup2(silent.fileno(), self._descriptor)

    @contextmanager
    def _socket(self) -> Iterator[socket.socket]:
        borrowed = socket.socket(fileno=self._descriptor)
        try:
            yield borrowed
        finally:
            borrowed.detach()
