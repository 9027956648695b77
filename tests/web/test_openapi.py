"""docs/openapi.yaml lists every address, and no request breaks the service."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from cds_service.app import create_app
from cds_service.demo.pages import demo_pages, development_pages
from cds_service.demo.stories import Story, default_fixtures_dir, load_stories
from cds_service.knowledge.load import default_hooks_dir, load_knowledge
from cds_service.settings import Settings
from cds_service.trust.registry import Registry
from tests.feedback.deployments import close, deployment
from tests.openapi import SERVED, as_json

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.yaml"
SHORT, LONG = 12, 500  # cases for each operation
RAW_SHORT, RAW_LONG = 150, 20_000

# An address of the demo that fails on purpose answers 500; it is no bug of the service.
ON_PURPOSE = "/demo/fhir-broken"


def demo(folder: Path) -> Flask:
    stories = dict(load_stories(default_fixtures_dir()))
    registry = Registry.demo("http://cds.test/demo/fhir")
    chosen = Settings(mode="demo", data_dir=folder, public_url="http://cds.test")
    return create_app(chosen, pages=demo_pages(stories), registry=lambda: registry)


def loaded() -> Any:
    """The description as schemathesis reads it, whose import takes more than a second of a process."""
    import schemathesis
    from schemathesis.specs.openapi.schemas import (
        OpenApiSchema,  # else parsed in the midst of a test: CPython 3.11 may fail
    )

    document: Any = schemathesis.openapi.from_path(DOCUMENT)
    assert isinstance(document, OpenApiSchema)
    return document


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    document = loaded()
    document.app = demo(tmp_path_factory.mktemp("openapi"))
    return document


def test_the_description_that_is_served_is_that_of_the_docs() -> None:
    made = SERVED.read_text(encoding="utf-8")
    assert made == as_json(), "run `python -m tests.openapi`"


def test_a_deployment_describes_itself_without_the_addresses_of_the_demo(tmp_path: Path) -> None:
    app = deployment(tmp_path, pages=development_pages())
    document = app.test_client().get("/openapi.json").get_json()
    assert document["servers"] == [{"url": "http://cds.test"}]
    served = {described(rule.rule) for rule in app.url_map.iter_rules()}
    assert {re.sub(r"\{[^}]*\}", "{}", path) for path in document["paths"]} <= served
    assert "/cds-services/{id}" in document["paths"]
    close(app)


def test_the_reference_shows_every_address_of_the_description_without_the_network(
    app: Flask, tmp_path: Path
) -> None:
    document = app.test_client().get("/openapi.json").get_json()
    answer = app.test_client().get("/reference")
    page = answer.get_data(as_text=True)
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            assert f"{method.upper()} {path}</a>" in page
            assert f'id="{one["operationId"]}"' in page
            shown = page.partition(f'id="{one["operationId"]}"')[2].partition("</section>")[0]
            told = [status for row in re.findall("<dt>(.*?)</dt>", shown) for status in row.split()]
            assert sorted(told) == sorted(one["responses"]), (method, path)
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page
    assert "$ref" not in page
    assert "`" not in page
    linked = set(re.findall(r'href="#([^"]+)"', page))
    assert linked <= set(re.findall(r'id="([^"]+)"', page)), "a link leads nowhere"
    assert not re.findall(r'(?:src|href)="https?://', page), "something comes from the network"
    assert "<script" not in page
    other = deployment(tmp_path)
    assert "/demo/chart" not in other.test_client().get("/reference").get_data(as_text=True)
    close(other)


def described(rule: str) -> str:
    """A Flask rule as OpenAPI writes it; what the parameters are called does not matter."""
    return re.sub(r"<[^>]*>", "{}", rule)


def test_the_services_and_hooks_of_the_description_are_those_of_services_toml() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    services = load_knowledge(default_hooks_dir()).services
    ids, hooks = set(services), {service.hook for service in services.values()}
    listed = [set(names.split(", ")) for names in re.findall(r"enum: \[([a-z, -]+)\]", text)]
    assert ids in listed, f"docs/openapi.yaml: the parameter Service lists {sorted(ids)}"
    assert listed.count(hooks) == 2, f"docs/openapi.yaml: each member hook lists {sorted(hooks)}"


def test_every_address_is_described_and_nothing_else(app: Flask) -> None:
    written = {
        (operation.ok().method.upper(), re.sub(r"\{[^}]*\}", "{}", operation.ok().path))
        for operation in loaded().get_all_operations()
    }
    served = {
        (method, described(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert written == served


def exercise(asked: Any, cases: int) -> int:
    """Call every operation with `cases` inputs of each kind, good and bad; how many calls were made."""
    from schemathesis import GenerationMode

    made = [0]
    for operation in (found.ok() for found in asked.get_all_operations()):
        for mode in GenerationMode:
            _exercise(operation, mode, cases, made)
    return made[0]


def _exercise(operation: Any, mode: Any, cases: int, made: list[int]) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
    )

    checks = [not_a_server_error, response_schema_conformance, content_type_conformance]

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=cases == SHORT,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        made[0] += 1
        response = case.call()
        if ON_PURPOSE not in case.formatted_path:
            case.validate_response(response, checks=checks)

    try:
        call()
    except Unsatisfiable:
        return  # an operation without input has no bad input


def test_nothing_that_the_description_allows_or_forbids_breaks_the_service(asked: Any) -> None:
    assert exercise(asked, SHORT) >= 200


@pytest.mark.long
def test_tens_of_thousands_of_calls_break_nothing(asked: Any) -> None:
    print("calls", exercise(asked, LONG))  # noqa: T201
    assert exercise(asked, SHORT) >= 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes of a good call, cut, doubled, swapped, or replaced by something else."""
    kind = draw(st.sampled_from(["cut", "flip", "insert", "bytes", "json", "member"]))
    at = draw(st.integers(0, len(whole) - 1))
    if kind == "cut":
        return whole[:at]
    if kind == "flip":
        return whole[:at] + draw(st.binary(min_size=1, max_size=8)) + whole[at + 1 :]
    if kind == "insert":
        return (
            whole[:at]
            + draw(st.sampled_from([b"null", b"NaN", b"[", b"{", b'"', b"1e999", b"\xff"]))
            + whole[at:]
        )
    if kind == "bytes":
        return draw(st.binary(max_size=300))
    if kind == "json":
        return json.dumps(draw(JSON)).encode()
    call = json.loads(whole)
    place = draw(st.sampled_from([call, call["context"], call.get("prefetch", call)]))
    place[draw(st.sampled_from(sorted(place)))] = draw(JSON)
    return json.dumps(call).encode()


def throw(app: Flask, story: Story, number: int) -> None:
    whole = json.dumps(story.request_at(datetime.now(UTC)), default=float).encode()
    client = app.test_client()
    paths = [f"/cds-services/{story.file.service}", f"/cds-services/{story.file.service}/feedback"]

    @settings(
        max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(body=spoilt(whole), path=st.sampled_from(paths))
    def call(body: bytes, path: str) -> None:
        answer = client.post(path, data=body, content_type="application/json")
        assert answer.status_code < 500
        assert (
            answer.status_code == 200
            or answer.get_json(force=True)["resourceType"] == "OperationOutcome"
        )

    call()


NAMES = ("cramps-in-siadh", "saline-3-percent-mild")


@pytest.mark.parametrize("name", NAMES)
def test_own08_no_body_breaks_the_service(app: Flask, stories: dict[str, Story], name: str) -> None:
    throw(app, stories[name], RAW_SHORT)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_own08_tens_of_thousands_of_bodies_break_nothing(
    app: Flask, stories: dict[str, Story], name: str
) -> None:
    throw(app, stories[name], RAW_LONG)
