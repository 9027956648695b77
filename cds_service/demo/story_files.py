"""Makes the folder of a story out of a call without identifiers, as fixtures/ holds them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cds_service.demo.calls import KeptCall
from cds_service.demo.stories import NAME
from cds_service.errors import BadRequest
from cds_service.protocol.wire import encode
from cds_service.records.recording import AT, Replaced

_LONGEST = 200
_LINE = re.compile(r"[^\x00-\x1f\x7f]+")


def story_files(
    name: str, title: str, why: str, kept: KeptCall, made: Replaced
) -> Mapping[str, bytes]:
    """Returns the files of a story by name; BadRequest says what is wrong with its name or title.

    The cards of the answer are what the story expects.
    """
    if not NAME.fullmatch(name) or len(name) > _LONGEST:
        raise BadRequest("Name the story in lower case, with hyphens: low-sodium-in-pneumonia.")
    for what, text in (("title", title), ("sentence", why)):
        if not _LINE.fullmatch(text.strip()) or len(text) > _LONGEST:
            raise BadRequest(f"Give the story a {what}: one line of at most {_LONGEST} characters.")
    call = {key: value for key, value in made.call.items() if key not in (AT, "extension")}
    patient = str(call["context"]["patientId"])
    return {
        "story.toml": _toml(title.strip(), why.strip(), kept, made).encode(),
        "record.json": _written(_record(call, patient)),
        "request.json": _written(call),
    }


def zipped(name: str, files: Mapping[str, bytes]) -> bytes:
    """Returns a zip file that holds a folder with these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(f"{name}/{file}", content)
    return packed.getvalue()


def _toml(title: str, why: str, kept: KeptCall, made: Replaced) -> str:
    about = kept.asked_as
    lines = [
        f"title = {_quoted(title)}",
        f"why = {_quoted(why)}",
        f"service = {_quoted(kept.service)}",
        f"now = {made.call[AT].replace('+00:00', 'Z')}",
    ]
    if about is not None:
        lines.append(f"profile = {_quoted(about.profile)}")
        if about.explain_missing_data:
            lines.append("explain_missing_data = true")
    for card in kept.cards:
        topic, indicator = card["source"]["topic"]["code"], card["indicator"]
        lines += ["", "[[cards]]", f"topic = {_quoted(topic)}", f"indicator = {_quoted(indicator)}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a basic string of TOML is written as one of JSON


def _record(call: Mapping[str, Any], patient: str) -> dict[str, Any]:
    """Returns the prefetch as the Bundle of one patient; each resource once, each with an id."""
    found: dict[tuple[str, str], Any] = {}
    for number, resource in enumerate(_resources(call.get("prefetch")), 1):
        kind = resource.get("resourceType")
        if isinstance(kind, str) and kind not in ("Bundle", "OperationOutcome"):
            named = {"id": f"resource-{number}"} | resource
            found.setdefault((kind, str(named["id"])), named)
    found.setdefault(("Patient", patient), {"resourceType": "Patient", "id": patient})
    ours = sorted(found.values(), key=lambda one: one["resourceType"] != "Patient")
    entries = [{"resource": one} for one in ours]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _resources(value: Any) -> Iterator[dict[str, Any]]:
    """Yields the resources of a prefetch in their order."""
    if isinstance(value, list):
        for one in value:
            yield from _resources(one)
    if not isinstance(value, dict):
        return
    if value.get("resourceType") == "Bundle":
        entries = [entry for entry in value.get("entry") or [] if isinstance(entry, dict)]
        yield from _resources([entry.get("resource") for entry in entries])
    elif "resourceType" in value:
        yield value
    else:
        yield from _resources(list(value.values()))


def _written(value: object) -> bytes:
    return msgspec.json.format(encode(value), indent=1) + b"\n"
