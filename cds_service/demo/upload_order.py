"""In which order a record is written, and how it is marked as nobody's real record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cds_service.records.prefetch import Resource

# HL7's label for invented records: whoever finds one on a shared server can tell what it is.
_TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


def in_order(record: Sequence[Resource]) -> list[Resource]:
    """Each resource after those that it refers to: servers that check references refuse it otherwise."""
    by_name = {f"{resource['resourceType']}/{resource['id']}": resource for resource in record}
    seen: set[str] = set()
    ordered: list[Resource] = []

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for reference in _references(by_name[name]):
            if reference in by_name:
                visit(reference)
        ordered.append(by_name[name])

    for name in by_name:
        visit(name)
    return ordered


def as_test_data(resource: Resource) -> Resource:
    """The resource, labelled as test data."""
    meta = resource.get("meta", {})
    return resource | {"meta": meta | {"security": [*meta.get("security", []), _TEST_DATA]}}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        value = list(value.values())
    for member in value if isinstance(value, list) else []:
        yield from _references(member)
