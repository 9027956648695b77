"""`cds-service demo` runs the service with synthetic patients on this machine, for trying out."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import click
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from cds_service.app import create_app, front_for
from cds_service.cli import EX_CONFIG, Commands
from cds_service.cli.process import end_within
from cds_service.cli.run import HEADER_MS, bound_socket, free_port, load_later, tune_collector
from cds_service.demo.fhir_server import FHIR_PATH, SERVERS
from cds_service.demo.pages import demo_pages
from cds_service.demo.stories import default_fixtures_dir, load_stories
from cds_service.demo.test_ehr import new_test_ehr
from cds_service.settings import DEFAULT_PORT, settings_from_environment
from cds_service.telemetry import configure_logging
from cds_service.trust.modes import defaults_of
from cds_service.trust.registry import Registry
from cds_service.web.front import Front

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # recognised here, bound only with --demo-public
_STOP_S = 1.9
_POLL_S = 0.02
_SALINE, _CRAMPS = "saline-3-percent-mild", "cramps-in-siadh"


class DemoCommands(Commands):
    """Finds the commands that bring the stories to other servers."""

    commands_by_name: ClassVar[dict[str, str]] = {
        "load": "demo_load:load",
        "request": "demo_call:request",
        "call": "demo_call:call",
        "registry": "demo_call:registry",
    }


@click.group("demo", cls=DemoCommands, invoke_without_command=True)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--demo-public", is_flag=True, help="Allow a --host that other machines reach.")
@click.option(
    "--fhir-base",
    "bases",
    multiple=True,
    metavar="URL",
    help="Read from this FHIR server too. Repeatable.",
)
@click.option(
    "--explain/--no-explain",
    default=True,
    show_default=True,
    help="Add why, and why not, to each answer as an extension.",
)
@click.option("--verbose", is_flag=True, help="Log each call, one JSON object a line.")
@click.pass_context
def demo(
    ctx: click.Context,
    port: int,
    host: str,
    demo_public: bool,
    bases: tuple[str, ...],
    explain: bool,
    verbose: bool,
) -> None:
    """Start the service with synthetic patients.

    They are the stories of fixtures/, on an embedded FHIR server. Nothing leaves this machine: only
    the embedded FHIR server and those named with --fhir-base are read, with the token of each call.
    Feedback goes to a temporary store that is deleted at the end.

    The commands below bring the stories to a FHIR server of your own, and call a service as an EHR
    would.

    \b
    Example, with a FHIR server at http://127.0.0.1:8080/fhir:
      cds-service demo load --fhir-base http://127.0.0.1:8080/fhir
      cds-service demo --fhir-base http://127.0.0.1:8080/fhir
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options_of_the_server(ctx)
        return
    if host not in _LOOPBACK and not demo_public:
        click.echo(
            "cds-service: the demo listens on this machine only; --demo-public allows more.",
            err=True,
        )
        raise SystemExit(EX_CONFIG)
    # An address that cannot be used and a busy port are one clear line instead of a traceback.
    bound_socket(host, port).close()
    port = port or free_port(host)
    configure_logging(level=logging.INFO if verbose else logging.ERROR)
    base = f"http://{_in_url(_called(host))}:{port}"
    with tempfile.TemporaryDirectory(prefix="hyponatremia-demo-") as folder:
        settings = settings_from_environment(
            mode="demo",
            host=host,
            port=port,
            data_dir=Path(folder),
            database_url="",
            database_url_file=None,
            public_url=base,
            explain=explain,
            demo_public=demo_public,
        )
        own = [
            f"{origin}/demo/{name}"
            for origin in (base, f"http://localhost:{port}")
            for name in SERVERS
        ]
        test_ehr = new_test_ehr()
        registry = Registry.demo(
            *own, *bases, defaults=defaults_of(settings), test_ehr=test_ehr.public
        )
        app = create_app(
            settings,
            pages=demo_pages(load_stories(default_fixtures_dir()), test_ehr),
            registry=lambda: registry,
        )
        tune_collector()
        served = Served(front_for(app, settings), host, port, _welcome(base, bases))
        with asyncio.Runner(loop_factory=_event_loop()) as runner:
            runner.run(_serve(served, Path(folder)))
    click.echo("\nStopped; the temporary store is deleted.")


def _refuse_options_of_the_server(ctx: click.Context) -> None:
    """Refuses `demo --fhir-base URL load`, which would drop the option silently."""
    given = [
        option
        for option in ctx.command.params
        if ctx.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(
            f"{given[0].opts[0]} belongs behind the command: demo {ctx.invoked_subcommand} ..."
        )


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Returns uvloop's loop, which granian uses in `serve`, or None if it is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@dataclass(frozen=True)
class Served:
    """What the demo serves, at which address, and what it says when it listens there."""

    front: Front
    host: str
    port: int
    welcome: str


async def _serve(served: Served, folder: Path) -> None:
    """Serves in this process until Ctrl-C or SIGTERM; requests in flight are answered first.

    If one of them hangs, the process ends all the same, after it has deleted this folder.
    """
    server = Server(
        served.front,
        served.host,
        served.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS),
        log_enabled=False,
    )

    def stop() -> None:
        end_within(_STOP_S, partial(shutil.rmtree, folder, ignore_errors=True))
        server.stop()  # type: ignore[no-untyped-call]

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    load_later(loop)
    welcome = asyncio.create_task(_welcome_when_it_listens(served))
    try:
        await server.serve()
    finally:
        welcome.cancel()


async def _welcome_when_it_listens(served: Served) -> None:
    """Prints the welcome when its addresses can be opened: who clicks at once is not refused."""
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(_called(served.host), served.port)
            writer.close()
            break
        await asyncio.sleep(_POLL_S)
    click.echo(served.welcome)


def _called(host: str) -> str:
    """Returns what to call: an address that means "all" cannot be called, this machine's can."""
    return "127.0.0.1" if host in _EVERY_ADDRESS else host


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _welcome(base: str, bases: tuple[str, ...]) -> str:
    more = "".join(f"\n  also reads   {url}" for url in bases)
    return f"""hyponatremia-cds, DEMO with invented patients, not for care

  open         {base}/
  discovery    {base}/cds-services
  FHIR server  {base}{FHIR_PATH}{more}
  every call   {base}/workbench

Try it in another terminal. A warning against 3 % saline in mild low sodium:

{curl_line(base, _SALINE, "hyponatremia-order-select")}

Fluid restriction for leg cramps in SIADH:

{curl_line(base, _CRAMPS, "hyponatremia-patient-view")}

Ctrl-C stops it."""


def curl_line(base: str, story: str, service: str) -> str:
    return (
        f"  curl -s {base}/demo/stories/{story}/request"
        f" | curl -s -H 'Content-Type: application/json' "
        f"--data-binary @- {base}/cds-services/{service}"
    )
