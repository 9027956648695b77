"""Imports follow a matrix; only the edges know Flask, requests, SQLAlchemy and fhir.resources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cds_service

PACKAGE = Path(cds_service.__file__).parent
# Which package may import which: a pair that is not here is a decision, to be made in this table.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "svg": set(),
    "lazy": set(),
    "knowledge": {"errors", "lazy"},
    "settings": {"errors", "knowledge"},
    "otlp": {"errors"},
    "metrics": {"errors", "otlp"},
    "log_writer": {"metrics"},
    "telemetry": {"errors", "settings", "log_writer"},
    "terminology": {"knowledge"},
    "engine": {"knowledge", "terminology"},
    "sodium": {"lazy", "engine", "knowledge", "terminology"},
    "chart": {"svg", "knowledge", "engine", "sodium"},
    "protocol": {"errors", "knowledge"},
    "trust": {"errors", "knowledge", "settings", "telemetry", "metrics", "protocol"},
    "store": {"errors", "telemetry", "metrics"},
    "feedback": {"svg", "errors", "knowledge", "metrics", "engine", "sodium", "protocol", "store"},
    "records": {
        "lazy", "otlp", "errors", "knowledge", "telemetry", "metrics", "terminology", "sodium", "protocol", "trust",
    },
    "orders": {"lazy", "errors", "knowledge", "terminology", "engine", "protocol", "records"},
    "pipeline": {
        "errors", "knowledge", "metrics", "terminology", "engine", "sodium", "protocol", "trust",
        "feedback", "records", "orders",
    },
    "backtest": {
        "lazy", "errors", "knowledge", "terminology", "engine", "sodium", "protocol", "trust", "feedback",
        "records", "pipeline",
    },
    "web": {
        "otlp", "errors", "knowledge", "settings", "telemetry", "metrics", "engine", "protocol", "trust",
        "store", "feedback", "records", "pipeline", "chart",
    },
    "demo": {
        "lazy", "errors", "knowledge", "telemetry", "engine", "protocol", "trust", "records", "chart", "web",
    },
    "app": {
        "errors", "knowledge", "settings", "telemetry", "engine", "trust", "store", "feedback",
        "records", "pipeline", "web",
    },
    "cli": {
        "otlp", "errors", "knowledge", "settings", "telemetry", "metrics", "terminology", "engine",
        "protocol", "trust", "store", "feedback", "records", "orders", "pipeline", "backtest",
        "web", "demo", "app",
    },
}  # fmt: skip
ONLY_IN = {
    "authlib": {"trust"},
    "flask": {"web", "demo", "app", "backtest"},  # there, the what-if page alone
    "fhir": {"orders"},  # the distribution fhir.resources
    "requests": {"records", "trust"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "rich": {"cli"},
    "click": {"cli"},
    "markdown_it": {"web"},
    "pydantic_settings": {"settings"},
    "prometheus_client": {"metrics"},
    "opentelemetry": {"otlp"},
}
PURE = {"sodium", "terminology"}
# How a record of values is declared (docs/decisions/0007); neither JSON nor conversion is among it.
DECLARES = {"msgspec": {"Struct", "field"}, "msgspec.structs": {"replace"}}
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem in MAY_IMPORT)


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield f"{node.module}"


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_package_imports_only_what_the_matrix_allows(path: Path) -> None:
    own = _layer(path)
    allowed = MAY_IMPORT[own] | {own}
    for name in _imports(path):
        if name.startswith("cds_service."):
            assert name.split(".")[1] in allowed, f"{_name(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_a_library_stays_in_its_layers(path: Path) -> None:
    for name in _imports(path):
        top = name.split(".")[0]
        assert _layer(path) in ONLY_IN.get(top, {_layer(path)}), f"{_name(path)} imports {name}"


@pytest.mark.parametrize("path", [p for p in MODULES if _layer(p) in PURE], ids=_name)
def test_the_medicine_is_pure(path: Path) -> None:
    for name in _imports(path):
        top = name.split(".")[0]
        known = top == "cds_service" or top in sys.stdlib_module_names or name in DECLARES
        assert known, f"{_name(path)} imports {name}"
        assert top not in {"socket", "urllib", "http", "os", "subprocess", "random", "time"}, (
            f"{_name(path)}: {name}"
        )
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in DECLARES:
            assert {alias.name for alias in node.names} <= DECLARES[node.module], (
                f"{_name(path)}: more than records"
            )
        assert not (isinstance(node, ast.Import) and node.names[0].name in DECLARES), (
            f"{_name(path)}: more than records"
        )
    text = path.read_text(encoding="utf-8")
    assert "datetime.now(" not in text, f"{_name(path)} looks at a clock"
    assert "date.today(" not in text, f"{_name(path)} looks at a clock"


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_house_rules_hold(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), f"{_name(path)} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            named = getattr(node.type, "id", "")
            assert node.type is not None, f"{_name(path)}: a bare except"
            assert named not in {"Exception", "BaseException"}, f"{_name(path)}: a broad except"


TESTS = Path(__file__).parent


def test_no_connection_to_sqlite_is_left_open() -> None:
    """`with sqlite3.connect(...)` ends the transaction, and closes nothing: Python 3.13 says so at the wrong test."""
    texts = {
        path: path.read_text(encoding="utf-8")
        for folder in (PACKAGE, TESTS)
        for path in folder.rglob("*.py")
    }
    left = [
        f"{path.name}:{node.lineno}"
        for path, text in texts.items()
        if "with sqlite3.connect(" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.With)
        and ast.unparse(node.items[0].context_expr).startswith("sqlite3.connect(")
    ]
    assert left == []
