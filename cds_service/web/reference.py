"""The description of all addresses as a page: docs/openapi.yaml in words, without a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, render_template
from markupsafe import Markup, escape
from msgspec import Struct

from cds_service.web.openapi import described_here
from cds_service.web.runtime import runtime

reference_page = Blueprint("reference", __name__)
_METHODS = ("get", "post")
_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "as {}",
    "format": "{}",
}
# Each group by the beginning of its addresses; the last one takes the rest.
_GROUPS = {
    "CDS Hooks": ("/cds-services",),
    "SMART app": ("/smart",),
    "Code systems": ("/fhir",),
    "Whether it runs": ("/health", "/ready"),
    "For developers": ("/workbench", "/openapi.json", "/reference"),
    "The demo's EHR": ("/demo", "/chart", "/static/demo"),
    "Pages": ("/",),
}


class Member(Struct, frozen=True):
    """One member of a JSON object, or a parameter."""

    name: str
    depth: int
    words: str  # its type and bounds
    schema: str  # the schema that it is, to link to
    required: bool
    about: str


class Answer(Struct, frozen=True):
    """What an operation answers with some statuses."""

    statuses: list[str]
    words: str
    media: tuple[tuple[str, str], ...]  # media type, schema


class Operation(Struct, frozen=True):
    """One method of an address."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    parameters: list[Member]
    bodies: list[tuple[str, list[Member]]]  # media type, members
    answers: list[Answer]


@reference_page.get("/reference")
def reference() -> str:
    """Shows every address with its parameters, bodies and answers."""
    document = described_here()
    operations = [
        _operation(document, path, method, one)
        for path, methods in document["paths"].items()
        for method, one in methods.items()
        if method in _METHODS
    ]
    groups: dict[str, list[Operation]] = {name: [] for name in _GROUPS}
    for operation in operations:
        groups[_group(operation.path)].append(operation)
    schemas = document["components"]["schemas"]
    return render_template(
        "reference.html",
        demo=runtime().settings.mode == "demo",
        info=document["info"],
        base=document["servers"][0]["url"],
        groups={name: listed for name, listed in groups.items() if listed},
        schemas={
            name: (schema.get("description", ""), list(_members(schema, 0)))
            for name, schema in schemas.items()
        },
        token=document["components"]["securitySchemes"]["token"]["description"],
    )


@reference_page.app_template_filter("marked")
def marked(text: str) -> Markup:
    """Returns a description with its code as code; it is our own text."""
    parts = escape(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part
        for number, part in enumerate(parts)
    )


def _group(path: str) -> str:
    return next(name for name, starts in _GROUPS.items() if path.startswith(starts))


def _operation(
    document: Mapping[str, Any], path: str, method: str, one: Mapping[str, Any]
) -> Operation:
    parameters = [_followed(document, parameter) for parameter in one.get("parameters", ())]
    content = one.get("requestBody", {}).get("content", {})
    return Operation(
        id=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one.get("summary", ""),
        about=one.get("description", ""),
        parameters=[
            Member(
                name=parameter["name"],
                depth=0,
                words=f"{parameter['in']}, {_words(parameter['schema'])}",
                schema="",
                required=parameter.get("required", False),
                about=parameter.get("description", ""),
            )
            for parameter in parameters
        ],
        bodies=[(name, list(_body(kept.get("schema", {})))) for name, kept in content.items()],
        answers=_answers(document, one.get("responses", {})),
    )


def _answers(document: Mapping[str, Any], responses: Mapping[str, Any]) -> list[Answer]:
    """Returns the answers of an operation; those that say the same are one."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for status, answer in responses.items():
        told = _followed(document, answer)
        media = tuple(
            (name, _name_of(kept.get("schema", {})))
            for name, kept in told.get("content", {}).items()
        )
        found.setdefault((told.get("description", ""), media), []).append(status)
    return [Answer(statuses, words, media) for (words, media), statuses in found.items()]


def _followed(document: Mapping[str, Any], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns what a reference within the document points at, or the value itself."""
    if "$ref" not in value:
        return value
    found: Any = document
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    followed: Mapping[str, Any] = found
    return followed


def _body(schema: Mapping[str, Any]) -> Iterator[Member]:
    if name := _name_of(schema):
        yield Member("", 0, "", name, required=True, about="")
    else:
        yield from _members(schema, 0)


def _members(schema: Mapping[str, Any], depth: int) -> Iterator[Member]:
    """Yields the members of an object, each followed by those inside it."""
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        inner = member.get("items", member)
        yield Member(
            name=name,
            depth=depth,
            words=_words(member),
            schema=_name_of(inner),
            required=name in required,
            about=member.get("description", ""),
        )
        yield from _members(inner, depth + 1)


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _words(schema: Mapping[str, Any]) -> str:
    """Returns the type of a value and what bounds it, in words."""
    if "const" in schema:
        return f"always {schema['const']}"
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    named = " or ".join(kind) if isinstance(kind, list) else kind
    if named == "array":
        items = _words(schema.get("items", {})) or "items"
        named = f"list of {items}"
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    return ", ".join(filter(None, [named, *bounds]))
