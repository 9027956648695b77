"""Writes the SBOM of a deployment (CycloneDX 1.6): its parts, their licences and what needs what.

The Python packages are those of requirements.lock, with its hashes. Libraries that a wheel bundles
(Rust crates, OpenSSL, libpq) come from the list that the wheel itself brings (PEP 770), and from
the folder of its shared libraries. The base image comes from the Dockerfile, the packages of its
system from a file that `dpkg-query` wrote in it.

Usage: python deploy/release/sbom.py [--base IMAGE@sha256:...] [--system FILE] OUTPUT
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OURS = "hyponatremia-cds"
SYSTEM_FIELDS = 3  # name, version, licence or architecture
Part = dict[str, Any]


def main() -> None:
    """Reads the command line and writes the file."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--base", default="", help="base image; default: the Dockerfile's")
    options.add_argument(
        "--system",
        type=Path,
        help="packages of the base image, one a line: name, version, architecture (tabs)",
    )
    options.add_argument("output", type=Path)
    given = options.parse_args()
    bom = whole(given.base or base_image(), given.system)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(summary(bom, given.output))


def whole(base: str, system: Path | None) -> Part:
    """Returns the list of all parts as one CycloneDX document."""
    bom = installed()
    root = bom["metadata"]["component"]["bom-ref"]
    run = running(locked())
    parts = {part["bom-ref"]: part for part in bom["components"] if normal(part["name"]) in run}
    edges = {
        edge["ref"]: [ref for ref in edge.get("dependsOn", []) if ref in parts]
        for edge in bom["dependencies"]
        if edge["ref"] in parts or edge["ref"] == root
    }
    direct = {name for name, entry in run.items() if OURS in entry["via"]}
    edges[root] = sorted(ref for ref, part in parts.items() if normal(part["name"]) in direct)
    for ref, part in sorted(parts.items()):
        _add_hashes(part, run[normal(part["name"])]["hashes"])
        _add_licence(part)
        bundled = [*bundled_in(part["name"], ref), *shared_in(part["name"], ref)]
        if bundled:
            part["components"] = bundled
    bom["components"] = [part for _, part in sorted(parts.items())]
    image = base_part(base, system)
    bom["components"].append(image)
    edges[root].append(image["bom-ref"])
    bom["dependencies"] = [
        {"ref": ref, "dependsOn": needs} if needs else {"ref": ref}
        for ref, needs in sorted(edges.items())
    ]
    return bom


def installed() -> Part:
    """Returns what is installed beside this script's Python, with licences and edges."""
    command = [
        *(sys.executable, "-m", "cyclonedx_py", "environment", sys.executable),
        *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--no-validate"),
    ]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read: Part = json.loads(written)
    return read


def locked() -> dict[str, dict[str, list[str]]]:
    """Returns the packages of requirements.lock, each with its hashes and what needs it."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    found = (re.match(r"[A-Za-z0-9._-]+(?===)", entry) for entry in entries)
    return {
        normal(name[0]): {
            "hashes": re.findall(r"--hash=sha256:([0-9a-f]{64})", entry),
            "via": re.findall(r"^ +# +(?:via )?([A-Za-z0-9._-]+)", entry, re.MULTILINE)
            + (["build"] if ":build)" in entry else []),
        }
        for name, entry in zip(found, entries, strict=True)
        if name
    }


def running(lock: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """Returns the packages without the build backend's, which the image does not keep."""
    building = {name for name, entry in lock.items() if "build" in entry["via"]}
    grown = True
    while grown:
        more = {
            name
            for name, entry in lock.items()
            if name not in building and set(entry["via"]) - {"via"} <= building
        }
        building |= more
        grown = bool(more)
    return {name: entry for name, entry in lock.items() if name not in building}


def normal(name: str) -> str:
    """Returns the one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _add_hashes(part: Part, hashes: list[str]) -> None:
    """Adds the hashes of the lock, one for each file that may be installed."""
    properties = part.setdefault("properties", [])
    properties.extend(
        {"name": f"{OURS}:requirements.lock:sha256", "value": value} for value in sorted(hashes)
    )


def _add_licence(part: Part) -> None:
    """Adds the words of a package about its licence, if the generator did not understand them."""
    said = next(iter(metadata.metadata(part["name"]).get_all("License") or ()), "")
    if said and not part.get("licenses"):
        part["licenses"] = [{"license": {"name": said, "acknowledgement": "declared"}}]


def bundled_in(name: str, owner: str) -> Iterator[Part]:
    """Yields the libraries that the wheel of a package says it bundles, one level deep."""
    distribution = metadata.distribution(name)
    lists = [
        file
        for file in distribution.files or ()
        if ".dist-info/sboms/" in str(file) and file.suffix == ".json"
    ]
    seen = set()
    for file in lists:
        for found in json.loads(file.read_text(encoding="utf-8")).get("components", []):
            key = (found["name"], found.get("version", ""))
            if normal(found["name"]) == normal(name) or key in seen:
                continue
            seen.add(key)
            yield _bundled(found, owner)


def _bundled(found: Part, owner: str) -> Part:
    """Returns a bundled library with what identifies it, and nothing of where it was built."""
    kept = ("type", "name", "version", "purl", "licenses", "hashes", "cpe")
    part = {key: found[key] for key in kept if found.get(key)}
    if "path+file" in part.get("purl", "") or "download_url=file" in part.get("purl", ""):
        part["purl"] = part["purl"].partition("?")[0]
    return part | {"bom-ref": f"{owner}/{found['name']}@{found.get('version', '')}"}


def shared_in(name: str, owner: str) -> Iterator[Part]:
    """Yields the shared libraries that a wheel brings in a folder of their own, as files."""
    for file in metadata.distribution(name).files or ():
        if not file.parts[0].endswith(".libs"):
            continue
        content = hashlib.sha256(Path(str(file.locate())).read_bytes()).hexdigest()
        yield {
            "type": "file",
            "name": file.name,
            "hashes": [{"alg": "SHA-256", "content": content}],
            "bom-ref": f"{owner}/{file.name}",
        }


def base_image() -> str:
    """Returns the base image that the Dockerfile names."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    named = re.search(r"^ARG PYTHON_IMAGE=(\S+)", dockerfile, re.MULTILINE)
    if named is None:
        raise SystemExit("sbom: the Dockerfile has no ARG PYTHON_IMAGE")
    return named[1]


def base_part(image: str, system: Path | None) -> Part:
    """Returns the base image as one part, with the packages of its system if they are known."""
    name, _, digest = image.partition("@")
    part: Part = {"type": "container", "name": name, "bom-ref": f"image:{image}"}
    if digest:
        part["hashes"] = [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    if system:
        lines = system.read_text(encoding="utf-8").splitlines()
        part["components"] = [_system_part(line.split("\t"), image) for line in lines if line]
    return part


def _system_part(fields: list[str], image: str) -> Part:
    """Returns one package of the base image's system."""
    if len(fields) != SYSTEM_FIELDS:
        raise SystemExit("sbom: --system: each line is name, version, architecture, with tabs")
    name, version, architecture = fields
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:deb/debian/{name}@{version}?arch={architecture}",
        "bom-ref": f"image:{image}/{name}@{version}",
    }


def summary(bom: Part, output: Path) -> str:
    """Returns what was written, and what is missing, in two lines."""
    packages = [part for part in bom["components"] if part["type"] != "container"]
    image = next(part for part in bom["components"] if part["type"] == "container")
    bare = [part["name"] for part in packages if not part.get("licenses")]
    inner = sum(len(part.get("components", [])) for part in packages)
    lacks = [f"no licence: {', '.join(bare)}"] if bare else []
    lacks += [] if "hashes" in image else ["base image without a digest (--base)"]
    lacks += [] if "components" in image else ["packages of the base image (--system)"]
    return (
        f"{output}: {len(packages)} packages, {inner} libraries that they bundle, 1 base image\n"
        f"Not in it: {'; '.join(lacks) or 'nothing'}"
    )


if __name__ == "__main__":
    main()
