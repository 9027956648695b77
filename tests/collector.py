"""An OpenTelemetry collector in this process, which keeps what it gets."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Collector:
    """What a collector got, decoded."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.bodies: list[tuple[str, bytes]] = []

    def spans(self) -> list[dict[str, Any]]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        found = []
        for path, body in list(self.bodies):
            if path == "/v1/traces":
                sent = ExportTraceServiceRequest.FromString(body)
                for part in sent.resource_spans:
                    found += [_span(one) for scope in part.scope_spans for one in scope.spans]
        return found

    def metrics(self) -> dict[str, Any]:
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceRequest,
        )

        found: dict[str, Any] = {}
        for path, body in list(self.bodies):
            if path == "/v1/metrics":
                sent = ExportMetricsServiceRequest.FromString(body)
                for part in sent.resource_metrics:
                    found |= {m.name: m for scope in part.scope_metrics for m in scope.metrics}
        return found


def _span(one: Any) -> dict[str, Any]:
    values = {a.key: a.value.string_value or a.value.int_value for a in one.attributes}
    return {
        "name": one.name,
        "id": one.span_id.hex(),
        "trace": one.trace_id.hex(),
        "parent": one.parent_span_id.hex(),
        "events": len(one.events),
        **values,
    }


@contextmanager
def collecting(port: int = 0) -> Iterator[Collector]:
    """A collector of our own; port 0 is a free one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.bodies.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
