"""The port and the process settings that `demo` and `serve` share."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import threading

import click

from cds_service.errors import SettingsError
from cds_service.orders import r4b

# Idle connections count too: a proxy must close its own after less than this time.
HEADER_MS = 5000
_LATER_S = 0.2


def tune_collector() -> None:
    """Exempts what start-up made from collection, and collects less often (docs/decisions/0002)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def load_later(loop: asyncio.AbstractEventLoop) -> None:
    """Imports, beside the first calls, what only a card that offers to stop a drug needs."""
    thread = threading.Thread(target=r4b.load_for_stops, name="later", daemon=True)
    loop.call_later(_LATER_S, thread.start)


def bound_socket(host: str, port: int, option: str = "--port", variable: str = "") -> socket.socket:
    """Returns a socket with this address that does not listen yet.

    If the port cannot be used, it raises one clear line that names the option to change. If it is
    the address, that is a wrong setting if a `variable` holds it, which the line then names.
    """
    bound = socket.socket(_family(host))
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((host, port))
    except PermissionError:
        bound.close()
        raise click.ClickException(
            f"Port {port} needs more rights than this user has; try {_typed(option, 8643)}."
        ) from None
    except (OSError, UnicodeError) as error:  # a name with a label that is too long is no OSError
        bound.close()
        if not isinstance(error, OSError) or error.errno != errno.EADDRINUSE:
            raise _no_address(host, variable) from None
        raise click.ClickException(
            f"Port {port} on {host} is taken; try {_typed(option, port + 1)}."
        ) from None
    return bound


def _no_address(host: str, variable: str) -> Exception:
    text = f"{host} cannot be listened on: it is no address of this machine."
    return SettingsError(f"{variable}: {text}") if variable else click.ClickException(text)


def _typed(option: str, port: int) -> str:
    """Returns another port as it is typed: an option of the demo, or else a variable."""
    named = f"{option} {port} (make demo PORT={port})"
    return named if option.startswith("--") else f"{option}={port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def free_port(host: str) -> int:
    """Returns a port that is free now."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
