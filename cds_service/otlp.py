"""Traces and metrics for an OpenTelemetry collector (OTLP over HTTP), off unless a URL is set.

It needs the extra `[otel]`. A span holds what is in `ATTRIBUTES` and nothing else: closed sets,
counts and our own ids, never a URL, a name of a patient or the text of an error. Nothing here is
imported and no thread runs while it is off.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from cds_service.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

NAME = "hyponatremia-cds"
ATTRIBUTES = frozenset(
    {
        "http.request.method",
        "http.route",  # the pattern of an address, never the address
        "http.response.status_code",
        "cds.client",  # a name of the registry
        "cds.service",
        "cds.request",  # X-Request-ID of the caller, or ours
        "cds.cards",  # how many
        "cds.resource_type",
        "cds.outcome",
    }
)
TRACE_PARENT = "traceparent"  # the header of W3C Trace Context

Value = str | int
_Series = tuple[str, tuple[str, ...]]  # an instrument and its labels


class Span(Protocol):
    """A piece of work that is timed; it may be used with `with`."""

    @property
    def traceparent(self) -> str:
        """The W3C header that makes a call of another server a part of this work."""

    def note(self, name: str, value: Value) -> None:
        """Adds one of `ATTRIBUTES`."""

    def end(self) -> None:
        """Ends the work."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class _Block:
    """What ends with its `with` block, also if that fails."""

    def end(self) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class _Nothing(_Block):
    """The span of a process that sends none."""

    traceparent = ""

    def note(self, name: str, value: Value) -> None:
        return


_NOTHING = _Nothing()


class _Timed(_Block):
    """A span that is sent; work that begins in its thread before it ends is a part of it."""

    def __init__(self, tracer: Any, name: str, parent: str, *, serves: bool) -> None:
        from opentelemetry import context, propagate, trace

        self._detach = context.detach
        above = propagate.extract({TRACE_PARENT: parent}) if parent else None
        kind = trace.SpanKind.SERVER if serves else trace.SpanKind.INTERNAL
        self._span = tracer.start_span(
            name, context=above, kind=kind, record_exception=False, set_status_on_exception=False
        )
        self._token = context.attach(trace.set_span_in_context(self._span))

    @property
    def traceparent(self) -> str:
        own = self._span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"

    def note(self, name: str, value: Value) -> None:
        if name in ATTRIBUTES:
            self._span.set_attribute(name, value)

    def end(self) -> None:
        self._detach(self._token)
        self._span.end()


class _Sender(Protocol):
    """What talks to the collector."""

    def shutdown(self) -> None:
        """Tries no more."""


class _Exporter:
    """The traces and metrics of this process, sent by threads of their own."""

    def __init__(
        self, traces: TracerProvider, meters: MeterProvider, wire: Sequence[_Sender]
    ) -> None:
        self._providers = (traces, meters)
        self._wire = wire
        self._tracer = traces.get_tracer(NAME)
        self._meter = meters.get_meter(NAME)
        self._instruments: dict[str, Any] = {}

    def span(self, name: str, parent: str, *, serves: bool) -> Span:
        return _Timed(self._tracer, name, parent, serves=serves)

    def add(self, name: str, labels: Mapping[str, str], number: float) -> None:
        self._instrument(name, self._meter.create_counter).add(number, labels)

    def move(self, name: str, step: float) -> None:
        self._instrument(name, self._meter.create_up_down_counter).add(step)

    def show(self, name: str, labels: Mapping[str, str], value: float) -> None:
        self._instrument(name, self._meter.create_gauge).set(value, labels)

    def took(self, name: str, labels: Mapping[str, str], seconds: float, edges: Any) -> None:
        def made(name: str) -> Any:
            return self._meter.create_histogram(
                name, unit="s", explicit_bucket_boundaries_advisory=list(edges)
            )

        self._instrument(name, made).record(seconds, labels)

    def close(self, seconds: float) -> None:
        """Sends what waits, and waits for that at most so long: a collector may hang."""
        sending = threading.Thread(target=self._send, name="otlp-end", daemon=True)
        sending.start()
        sending.join(seconds)
        if sending.is_alive():
            for sender in self._wire:  # whoever still tries gives up
                sender.shutdown()

    def _send(self) -> None:
        for provider in self._providers:
            provider.shutdown()  # sends what waits, and ends its thread

    def _instrument(self, name: str, make: Any) -> Any:
        found = self._instruments.get(name)
        if found is None:
            found = self._instruments.setdefault(name, make(name))
        return found


_exporter: _Exporter | None = None  # None until `enable`


def refuse_missing() -> None:
    """Raises SettingsError if the extra is not installed; no thread runs and nothing is sent."""
    for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        try:
            found = find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise SettingsError("CDS_OTLP_URL needs the extra [otel] (docs/operations.md)")


def enable(url: str, release: str, ca_bundle: str | None = None) -> None:
    """Begins to send to the collector at this URL; call it in each worker, because it has threads.

    OTEL_... variables say the rest: headers, sampling, intervals (docs/operations.md).
    """
    global _exporter
    refuse_missing()
    _exporter = _made(url.rstrip("/"), release, ca_bundle)


def _made(url: str, release: str, ca_bundle: str | None) -> _Exporter:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    here = Resource.create(
        {
            "service.name": NAME,
            "service.version": release,
            "service.instance.id": f"{platform.node()}:{os.getpid()}",
        }
    )
    traces = TracerProvider(resource=here, shutdown_on_exit=False)
    spans = OTLPSpanExporter(f"{url}/v1/traces", certificate_file=ca_bundle)
    traces.add_span_processor(BatchSpanProcessor(spans))
    sums = OTLPMetricExporter(f"{url}/v1/metrics", certificate_file=ca_bundle)
    reader = PeriodicExportingMetricReader(sums)
    meters = MeterProvider([reader], resource=here, shutdown_on_exit=False)
    return _Exporter(traces, meters, (spans, sums))


def close(seconds: float) -> None:
    """Sends what waits, within these seconds, and sends nothing more."""
    global _exporter
    ending, _exporter = _exporter, None
    if ending is not None:
        ending.close(seconds)


def is_on() -> bool:
    """Returns whether this process sends anything."""
    return _exporter is not None


def span(name: str, parent: str = "", *, serves: bool = False) -> Span:
    """Begins a piece of work: a part of `parent`, a W3C header, or else of what this thread does.

    `name` is one of our own fixed texts. `serves` marks a request that somebody sent to us.
    """
    if _exporter is None:
        return _NOTHING
    return _exporter.span(name, parent, serves=serves)


def add(name: str, labels: Mapping[str, str], number: float) -> None:
    """Adds to a counter."""
    if _exporter is not None:
        _exporter.add(name, labels, number)


def move(name: str, step: float) -> None:
    """Adds to a number that may fall."""
    if _exporter is not None:
        _exporter.move(name, step)


def show(name: str, labels: Mapping[str, str], value: float) -> None:
    """Sets a number."""
    if _exporter is not None:
        _exporter.show(name, labels, value)


def took(name: str, labels: Mapping[str, str], seconds: float, edges: Sequence[float]) -> None:
    """Notes a time in seconds."""
    if _exporter is not None:
        _exporter.took(name, labels, seconds, edges)
