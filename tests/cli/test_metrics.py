"""The real server shows metrics of all workers on a port of its own, without patient data."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from click.testing import CliRunner

from cds_service import metrics
from cds_service.cli import cli
from cds_service.cli.run import free_port
from cds_service.demo.stories import Story
from cds_service.errors import SettingsError
from tests.feedback.deployments import PATIENT_VIEW, a_call, feedback
from tests.feedback.test_kept import serve
from tests.patience import PATIENCE_S, until


def value(text: str, metric: str) -> float:
    """Returns the sum over all label sets of one metric."""
    found = re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", text, re.M)
    return sum(map(float, found))


BEFORE_THE_FIRST_EVENT = [
    'cds_calls_total{service="hyponatremia-patient-view",status="500"}',
    'cds_calls_total{service="hyponatremia-order-sign",status="401"}',
    'cds_client_calls_total{client="mercy",status="412"}',
    'cds_client_calls_total{client="unknown",status="401"}',
    'cds_sodium_total{client="mercy",state="read"}',
    'cds_selected_orders_total{client="mercy",state="recognised"}',
    'cds_cards_total{indicator="critical",rule="PV-SYMP"}',
    'cds_feedback_total{outcome="accepted"}',
    'cds_key_fetches_total{outcome="failed"}',
    'cds_data_unavailable_total{cause="timeout",client="mercy"}',
    'cds_data_unavailable_total{cause="no-token",client="mercy"}',
    'cds_fhir_reads_total{outcome="ok"}',
    "cds_feedback_refused_total",
]


@pytest.mark.parametrize("workers", [1, 2])
def test_counts_are_right_with_one_worker_and_with_several(
    workers: int, tmp_path: Path, stories: dict[str, Story]
) -> None:
    port, metrics_port = free_port("127.0.0.1"), free_port("127.0.0.1")
    process = serve(
        tmp_path, port, {"CDS_METRICS_PORT": str(metrics_port)}, ("--workers", str(workers))
    )
    base, call = f"http://127.0.0.1:{port}", a_call(stories["cramps-in-siadh"], datetime.now(UTC))
    first = requests.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=PATIENCE_S).text
    try:
        for _ in range(30):
            assert requests.post(
                base + PATIENT_VIEW, json=call, timeout=PATIENCE_S
            ).ok  # a new connection each time
        assert requests.post(base + PATIENT_VIEW, json={}, timeout=PATIENCE_S).status_code == 400
        late = feedback("Jane-Roe-card", "overridden", stories["cramps-in-siadh"].file.now)
        assert requests.post(f"{base}{PATIENT_VIEW}/feedback", json=late, timeout=PATIENCE_S).ok
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        until(lambda: value(requests.get(metrics, timeout=PATIENCE_S).text, "cds_queue_depth") == 0)
        text = requests.get(metrics, timeout=PATIENCE_S).text
        assert requests.get(f"{base}/metrics", timeout=PATIENCE_S).status_code == 404  # T-70
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    for series in BEFORE_THE_FIRST_EVENT:
        assert f"\n{series} 0.0\n" in first, "an alarm would not see its first event"
    assert value(text, "cds_calls_total") == 31
    assert 'cds_calls_total{service="hyponatremia-patient-view",status="400"} 1.0' in text
    assert value(text, "cds_call_seconds_count") >= 31
    assert value(text, "cds_feedback_total") == 1
    assert value(text, "cds_queue_depth") == 0
    assert value(text, "cds_store_up") == 1
    assert "Jane" not in text
    assert call["context"]["patientId"] not in text
    assert (
        os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None
    )  # nothing is switched on in this process


def test_a_full_disk_for_the_counts_stops_the_start_and_not_a_worker_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(SettingsError, match="CDS_METRICS_DIR"):
        metrics.enable(tmp_path)
    assert os.environ.get("PROMETHEUS_MULTIPROC_DIR") is None


@pytest.mark.parametrize("variable", ["CDS_PORT", "CDS_METRICS_PORT"])
def test_a_port_that_is_taken_names_the_variable_to_change(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clients.toml").write_text("[clients.mercy]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name, value in {
            "CDS_MODE": "development",
            "CDS_CLIENTS_FILE": f"{tmp_path}/clients.toml",
            "CDS_DATA_DIR": str(tmp_path),
            "CDS_PORT": str(free_port("127.0.0.1")),
            variable: str(taken.getsockname()[1]),
        }.items():
            monkeypatch.setenv(name, value)
        done = CliRunner().invoke(cli, ["serve"])
        other = taken.getsockname()[1] + 1
    assert done.exit_code == 1
    assert f"try {variable}={other}." in done.output
