"""Documents that make promises: each test that they name exists, each row is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds_service.trust.registry import Registry
from tests.licenses import locked

ROOT = Path(__file__).parents[1]
TESTS = {
    found
    for path in (ROOT / "tests").rglob("test_*.py")
    for found in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
THREATS = [*range(1, 14), *range(20, 32), *range(40, 55), *range(60, 78)]


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["security.md", "conformance.md"])
def test_a_document_names_only_tests_that_exist(name: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", text(name)))
    assert named
    assert named - TESTS == set()


def test_every_threat_has_a_test_or_a_reason() -> None:
    rows = dict(re.findall(r"^\| (T-\d\d) \| [^|]+ \| ([^|]+) \|$", text("security.md"), re.MULTILINE))
    assert sorted(rows) == [f"T-{number:02}" for number in THREATS]


def test_every_requirement_of_the_specification_is_answered() -> None:
    answered: set[str] = set()
    for items in re.findall(r"^\| ((?:CDSH|OWN)-[^|]+?) \|", text("conformance.md"), re.MULTILINE):
        for item in items.split(", "):
            first, _, last = item.partition(" to ")
            kind, number = first.split("-")
            end = int((last or first).split("-")[1])
            answered |= {f"{kind}-{n:0{len(number)}}" for n in range(int(number), end + 1)}
    wanted = {f"CDSH-{number:03}" for number in range(1, 137)} | {f"OWN-{number:02}" for number in range(1, 21)}
    assert answered == wanted


def test_each_dependency_stands_in_the_list_of_licenses() -> None:
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \| .+ \|$", text("licenses.md"), re.MULTILINE))
    assert set(locked()) - listed == set()


def test_the_example_of_a_registry_would_start_in_production() -> None:
    registry = Registry.load(ROOT / "clients.example.toml", need_keys=True)
    assert [client.name for client in registry.clients] == ["mercy", "saint-anne", "oracle"]
