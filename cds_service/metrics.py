"""Counts and times for Prometheus; labels are closed sets without data of callers or patients.

Counting starts with `enable`. Then each worker writes to files in a folder of this host, and the
process that watches over the workers sums them up and serves them on a port of their own. The same
numbers go to an OpenTelemetry collector from workers that have one (`otlp`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cds_service import otlp
from cds_service.errors import SettingsError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
    from prometheus_client.multiprocess import MultiProcessCollector

Stage = Literal["read", "judge", "write", "total"]
_ROOM_BYTES = 16_000_000
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus-client's own name for it
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5)

UNKNOWN_CLIENT = "unknown"
# The answers to hook calls that alarms look at.
STATUSES = ("200", "400", "401", "403", "408", "412", "413", "429", "500", "503")
# Why a call could not be checked: "order" is about the order itself, all others about its data.
UNCHECKED = (
    *("incomplete", "timeout", "forbidden", "transient"),
    *("no-fhir-server", "not-registered", "no-token", "odd-token", "order"),
)

# name: (what it counts, labels)
COUNTERS = {
    "cds_calls": ("Hook calls answered, by HTTP status.", ("service", "status")),
    "cds_client_calls": ("Hook calls answered, by client and HTTP status.", ("client", "status")),
    "cds_cards": ("Cards sent, by rule and indicator.", ("rule", "indicator")),
    "cds_cards_suppressed": ("Cards that stayed away after feedback, by rule.", ("rule",)),
    "cds_suppression_unknown": (
        "Calls whose earlier feedback could not be looked up; cards were shown.",
        (),
    ),
    "cds_data_unavailable": (
        "Calls that could not be checked, by client and cause: 412, or a card says so.",
        ("client", "cause"),
    ),
    "cds_sodium": (
        "Calls that looked for sodium, by client: none, unreadable or read.",
        ("client", "state"),
    ),
    "cds_selected_orders": (
        "Orders that users selected, by client: recognised or unrecognised.",
        ("client", "state"),
    ),
    "cds_fhir_reads": ("Live reads from FHIR servers, by outcome.", ("outcome",)),
    "cds_breaker_opened": (
        "Times that reads from a FHIR server were stopped because it kept failing.",
        (),
    ),
    "cds_breaker_closed": ("Times that such a FHIR server was read again.", ()),
    "cds_fhir_searches_repeated": (
        "Searches that were asked again in another form, by the reason.",
        ("reason",),
    ),
    "cds_feedback": ("Items of feedback stored, by outcome.", ("outcome",)),
    "cds_feedback_items_refused": (
        "Items of feedback that could not be read, beside others of their call that were stored.",
        (),
    ),
    "cds_feedback_refused": ("Feedback calls answered 503 because the store was down.", ()),
    "cds_queue_overflow": (
        "Calls whose issued-card and audit rows were dropped: the queue was full.",
        (),
    ),
    "cds_queue_lost": ("Calls whose rows the database refused for good.", ()),
    "cds_queue_failures": ("Failed attempts to write rows; they stay in the queue.", ()),
    "cds_store_late": ("Times that a call or feedback stopped waiting for the database.", ()),
    "cds_log_lost": ("Lines of the log that could not be written.", ()),
    "cds_held_off": ("Calls refused unread because tokens from their address kept failing.", ()),
    "cds_key_fetches": (
        "Fetches of key sets that clients publish: ok, failed or refused.",
        ("outcome",),
    ),
    "cds_replay_degraded": ("Calls whose token only this worker could check for replay.", ()),
}
GAUGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "cds_build_info": (
        "1, labelled by release, hash of hooks/, and whether all of it is signed.",
        "livemax",
        ("release", "knowledge", "reviewed"),
    ),
    "cds_registry_broken": (
        "1 while clients.toml is broken, else 0.",
        "livemax",
        (),
    ),
    "cds_rxnorm_index_age_days": (
        "Days since the release of the site's RxNorm index; 0 without one.",
        "livemax",
        (),
    ),
    "cds_queue_depth": ("Calls whose rows wait to be written.", "livesum", ()),
    "cds_store_up": ("1 where every worker can use the database, else 0.", "livemin", ()),
    "cds_switched_off": (
        "Rules that `cds-service off` keeps off now.",
        "livemax",
        (),
    ),
    "cds_breakers_open": (
        "FHIR servers that are not read because they kept failing.",
        "livesum",
        (),
    ),
}


class _Meters:
    """The metrics of this process; prometheus-client is imported once its folder is known."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        mine = CollectorRegistry()
        self.counters: dict[str, Counter] = {
            name: Counter(name, text, labels, registry=mine)
            for name, (text, labels) in COUNTERS.items()
        }
        self.gauges: dict[str, Gauge] = {
            name: Gauge(
                name,
                text,
                labels,
                registry=mine,
                multiprocess_mode=mode,  # type: ignore[arg-type]
            )
            for name, (text, mode, labels) in GAUGES.items()
        }
        self.seconds = Histogram(
            "cds_call_seconds",
            "Time of hook calls by stage: read, judge, write, and total.",
            ("stage",),
            buckets=_SECONDS,
            registry=mine,
        )


_meters: _Meters | None = None  # None until `enable`; then events are counted


def enable(folder: Path) -> None:
    """Begins to count, into files of this folder; call it before the workers start."""
    global _meters
    if _meters is not None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < _ROOM_BYTES:
        # The files are mapped into memory. The system kills a worker that cannot grow its file.
        raise SettingsError("CDS_METRICS_DIR: its disk is full; give it a folder in memory")
    os.environ[_FOLDER] = str(folder)
    _meters = _Meters()
    # The lowest value of all processes is shown, and only a worker knows of an outage.
    show("cds_store_up", 1)


def forget(folder: Path) -> None:
    """Removes the files that an earlier start left in this folder."""
    for path in folder.glob("*.db"):
        path.unlink(missing_ok=True)


def count(name: str, *labels: str, times: int = 1) -> None:
    """Adds to one of `COUNTERS`; the labels are in the order given there."""
    if otlp.is_on():
        otlp.add(name, dict(zip(COUNTERS[name][1], labels, strict=True)), times)
    if _meters is None:
        return
    counter = _meters.counters[name]
    if labels:
        counter = counter.labels(*labels)
    counter.inc(times)


def begin(name: str, *series: tuple[str, ...]) -> None:
    """Lets series of one of `COUNTERS` exist before their first event, with 0.

    Prometheus' increase() does not see the event with which a series begins.
    """
    if _meters is None:
        return
    for labels in series:
        _meters.counters[name].labels(*labels)


def begin_clients(names: Iterable[str]) -> None:
    """Lets all series of these clients exist; call it whenever the registry is read."""
    for name in (*names, UNKNOWN_CLIENT):
        begin("cds_client_calls", *((name, status) for status in STATUSES))
        begin("cds_sodium", *((name, state) for state in ("none", "unreadable", "read")))
        begin("cds_selected_orders", (name, "recognised"), (name, "unrecognised"))
        begin("cds_data_unavailable", *((name, cause) for cause in UNCHECKED))


def show(name: str, value: float, *labels: str) -> None:
    """Sets one of `GAUGES`; the labels are in the order given there."""
    if otlp.is_on():
        otlp.show(name, dict(zip(GAUGES[name][2], labels, strict=True)), value)
    if _meters is None:
        return
    gauge = _meters.gauges[name]
    if labels:
        gauge = gauge.labels(*labels)
    gauge.set(value)


def move(name: str, step: float) -> None:
    """Adds to one of `GAUGES`."""
    otlp.move(name, step)
    if _meters is not None:
        _meters.gauges[name].inc(step)


def took(stage: Stage, seconds: float) -> None:
    """Notes how long one hook call spent in this stage."""
    if otlp.is_on():
        otlp.took("cds_call_seconds", {"stage": stage}, seconds, _SECONDS)
    if _meters is not None:
        _meters.seconds.labels(stage).observe(seconds)


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """Notes how long the block inside takes, even if it raises an error."""
    began = time.perf_counter()
    try:
        with otlp.span(stage):
            yield
    finally:
        took(stage, time.perf_counter() - began)


def serve(host: str, port: int) -> None:
    """Serves the sums of all workers from a thread of this process; call `enable` before."""
    from prometheus_client import start_http_server

    start_http_server(port, host, registry=all_workers())


def all_workers() -> CollectorRegistry:
    """Returns a registry that sums up the files of all workers; gauges only of those that live."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    folder = Path(os.environ[_FOLDER])
    registry = CollectorRegistry()
    sums = MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.unregister(sums)
    registry.register(_Living(sums, folder))
    return registry


class _Living:
    """The sums of all workers, without the gauges of those that died."""

    def __init__(self, sums: MultiProcessCollector, folder: Path) -> None:
        self._sums = sums
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics; prometheus-client calls this at each scrape."""
        _forget_the_dead(self._folder)
        metrics: Iterable[Metric] = self._sums.collect()  # type: ignore[no-untyped-call]
        return metrics


def _forget_the_dead(folder: Path) -> None:
    """Removes the gauges of workers that were killed; their counters stay in the sums."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if not pid.isdigit():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except PermissionError:
            continue  # it lives, as another user
