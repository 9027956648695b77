"""The metrics, the page that explains them, the alarms and the dashboard use the same names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import cds_service
from cds_service.cli import cli
from cds_service.metrics import COUNTERS, GAUGES
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cds_service.__file__).parent
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "dashboards" / "hyponatremia-cds.json"
SECONDS = "cds_call_seconds"

if not ALERTS.is_file():
    pytest.skip("a wheel has no deploy folder", allow_module_level=True)

EXPORTED = {f"{name}_total" for name in COUNTERS} | set(GAUGES) | {SECONDS}


def metrics_in(text: str) -> set[str]:
    """Returns the metrics that a text names; parts of a histogram count as the histogram."""
    found = re.findall(r"\bcds_[a-z0-9_]+", text)
    return {SECONDS if name.startswith(SECONDS) else name for name in found}


def alerts() -> list[dict[str, Any]]:
    [group] = msgspec.yaml.decode(ALERTS.read_bytes())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def page() -> str:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return text.split("\n## Metrics\n")[1].split("\n## ")[0]


def rows() -> list[tuple[str, str]]:
    """Returns the metrics of each row of the page's table, and its alarm."""
    return re.findall(r"^\| (`cds_[^|]*) \| ([^|]*) \|", page(), re.MULTILINE)


def test_the_page_explains_every_metric_and_no_other() -> None:
    assert metrics_in(page()) == EXPORTED


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alarm_uses_metrics_that_exist_and_has_a_description(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"])
    assert metrics_in(rule["expr"]) <= EXPORTED
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]


def test_every_row_with_an_alarm_names_its_rules_and_every_rule_has_a_row() -> None:
    known = {rule["alert"]: metrics_in(rule["expr"]) for rule in alerts()}
    named: set[str] = set()
    for metrics, alarm in rows():
        for name in re.findall(r"`(Cds\w+)`", alarm):
            assert known[name] & metrics_in(metrics), f"{name} does not look at {metrics}"
            named.add(name)
        assert alarm.strip() == "" or "`Cds" in alarm, f"{metrics} has an alarm that no rule raises"
    assert named == set(known)


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    board = json.loads(DASHBOARD.read_text())
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert metrics_in(shown) == EXPORTED
    assert {t["datasource"]["uid"] for p in board["panels"] for t in p["targets"]} == {
        "${datasource}"
    }


def test_the_dashboard_names_only_alarms_that_exist() -> None:
    known = {rule["alert"] for rule in alerts()}
    named = set(re.findall(r"\bCds[A-Z]\w+", DASHBOARD.read_text()))
    assert named
    assert named <= known


def runbooks() -> dict[str, str]:
    """Returns the entry of each alarm in docs/runbooks.md, by the anchor of its heading."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\w+)$", text, flags=re.MULTILINE)[1:]
    return {name.lower(): entry for name, entry in zip(parts[::2], parts[1::2], strict=True)}


def test_each_alarm_leads_to_its_runbook_and_no_runbook_is_left_over() -> None:
    for rule in alerts():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"
    assert list(runbooks()) == [rule["alert"].lower() for rule in alerts()]


@pytest.mark.parametrize("name", runbooks())
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_whom_to_call(name: str) -> None:
    entry = runbooks()[name]
    assert re.findall(r"^\* \*\*(\w+)\*\*: \S", entry, re.MULTILINE) == [
        *("Means", "Look", "Do", "Call"),
    ]
    assert "`" in entry.partition("**Look**")[2].partition("**Do**")[0], "a first command"


def test_a_runbook_names_only_commands_options_and_log_lines_that_exist() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    for line in re.findall(r"cds-service ([a-z][^`]*)", text):
        command: click.Command = cli
        words = line.split()
        context = click.Context(cli)
        while words and isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", words[0]):
            found = command.get_command(context, words.pop(0))
            assert found is not None, line
            command = found
        options = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
    source = "".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    events = re.findall(r'"event": "(?:\(([a-z|-]+)\)|([a-z-]+))"', text)
    for event in {one for pair in events for one in "|".join(pair).split("|") if one}:
        assert re.search(rf'log\(\)\.\w+\(\s*"{event}"', source), event


def test_prometheus_accepts_the_alarm_rules_and_their_examples_hold() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "promtool is missing (Debian's package prometheus)"
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    for arguments in (
        ["check", "rules", str(ALERTS)],
        ["test", "rules", str(ALERTS.with_name("alerts.test.yaml"))],
        ["test", "rules", str(ALERTS.with_name("alerts-of-days.test.yaml"))],
    ):
        done = subprocess.run(
            [promtool, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env=os.environ | {"GOGC": "800"},  # a third of its time goes to collecting garbage
        )
        assert done.returncode == 0, done.stdout + done.stderr
