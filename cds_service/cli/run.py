"""What `demo` and `serve` share: a worker's process, tuned, and a port that can be taken."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cds_service.orders import r4b
from cds_service.web.front import Front

_HEADER_MS = 5000
_LATER_S = 0.2


def tune_collector() -> None:
    """Leave what start-up made alone, and collect less often: fewer and shorter pauses (docs/decisions/0002)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def load_later(loop: asyncio.AbstractEventLoop) -> None:
    """Import what only a stop needs soon after the start, beside the first calls: none has to wait for it."""
    thread = threading.Thread(target=r4b.load_for_stops, name="later", daemon=True)
    loop.call_later(_LATER_S, thread.start)


def refuse_busy_port(host: str, port: int) -> None:
    """One clear line where the port is taken or the address is not ours."""
    bound_socket(host, port).close()


def bound_socket(host: str, port: int, other: str = "--port") -> socket.socket:
    """A socket with this address, not listening yet; one clear line where that cannot be. `other` chooses a port."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        if isinstance(error, PermissionError):
            raise click.ClickException(
                f"Port {port} needs more rights than this user has; try {other} 8643."
            ) from None
        raise click.ClickException(
            f"Port {port} on {host} is taken; try {other} {port + 1}."
        ) from None
    return bound


def free_port(host: str) -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def serve_here(front: Front, host: str, port: int) -> None:
    """Serve in this process until Ctrl-C or SIGTERM; requests in flight are answered first."""
    with asyncio.Runner(loop_factory=_event_loop()) as runner:
        runner.run(_serve(front, host, port))


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, as the granian of `serve` takes it by itself; Python's own where there is no uvloop."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(front: Front, host: str, port: int) -> None:
    server = Server(
        front,
        host,
        port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS),
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, server.stop)
    load_later(loop)
    await server.serve()
