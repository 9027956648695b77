"""What `make sbom`, `make audit`, `make release` and `make pin-base` give, and what they refuse."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "deploy" / "release"
if not TOOLS.is_dir():
    pytest.skip("a wheel has no release tools", allow_module_level=True)

BUILT = ("cds_service", "hooks", "fixtures", "docs", "deploy", "tests")


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False,
        env=os.environ | environment,
    )  # fmt: skip


def sbom(folder: Path, *options: object) -> dict[str, Any]:
    done = run(sys.executable, TOOLS / "sbom.py", *options, folder / "sbom.json")
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads((folder / "sbom.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def bom(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return sbom(tmp_path_factory.mktemp("sbom"))


def packages(bom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {part["name"].lower().replace("_", "-"): part for part in bom["components"]}
    return {name: part for name, part in found.items() if part["type"] == "library"}


def test_the_sbom_is_valid_and_names_no_folder_of_this_machine(bom: dict[str, Any]) -> None:
    # Its grammars take seconds to load, and every process of the suite imports this module.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonValidator

    text = json.dumps(bom)
    assert JsonValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert str(ROOT) not in text
    assert sys.prefix not in text


def test_it_holds_what_runs_and_nothing_that_only_builds_or_tests(bom: dict[str, Any]) -> None:
    held = set(packages(bom))
    assert {"flask", "granian", "psycopg-binary", "msgspec"} <= held
    assert held & {"hatchling", "editables", "pluggy", "pytest", "ruff", "pip"} == set()


def test_each_package_has_a_licence_and_the_hashes_of_the_lock(bom: dict[str, Any]) -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for name, part in packages(bom).items():
        assert part["licenses"], name
        hashes = [p["value"] for p in part["properties"] if p["name"].endswith(":sha256")]
        assert hashes, name
        assert all(f"sha256:{value}" in lock for value in hashes), name


def test_it_says_what_needs_what(bom: dict[str, Any]) -> None:
    name_of = {part["bom-ref"]: part["name"].lower() for part in bom["components"]}
    root = bom["metadata"]["component"]["bom-ref"]
    needs = {
        name_of.get(edge["ref"], "root" if edge["ref"] == root else edge["ref"]): {
            name_of[ref] for ref in edge.get("dependsOn", [])
        }
        for edge in bom["dependencies"]
    }
    assert {"flask", "granian", "pyjwt"} <= needs["root"]
    assert "werkzeug" not in needs["root"]
    assert "werkzeug" in needs["flask"]


@pytest.mark.parametrize(
    ("package", "library"),
    [
        ("cryptography", "openssl"),
        ("granian", "hyper"),
        ("pydantic-core", "pyo3"),
        ("psycopg-binary", "libpq"),
        ("psycopg-binary", "libssl"),
    ],
)
def test_it_says_what_a_wheel_bundles(bom: dict[str, Any], package: str, library: str) -> None:
    inner = [part["name"] for part in packages(bom)[package].get("components", [])]
    assert any(name.startswith(library) for name in inner), sorted(inner)


def test_the_base_image_and_its_system_are_in_it(tmp_path: Path) -> None:
    system = tmp_path / "system.tsv"
    system.write_text("libc6\t2.41-12\tamd64\nzlib1g\t1:1.3\tamd64\n")
    whole = sbom(tmp_path, "--base", f"python:3.13@sha256:{'a' * 64}", "--system", system)
    [image] = [part for part in whole["components"] if part["type"] == "container"]
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert [part["name"] for part in image["components"]] == ["libc6", "zlib1g"]


def advisories(folder: Path, *, found: str = "", known: bool = True) -> str:
    """Writes a pip_audit that knows what it is told, and returns the folder for PYTHONPATH."""
    package: dict[str, Any] = {"name": "flask", "version": "3.1.3", "vulns": []}
    if found:
        package["vulns"] = [{"id": found, "aliases": ["CVE-2026-1"]}]
    if not known:
        package = {"name": "flask", "skip_reason": "not found"}
    (folder / "pip_audit.py").write_text(
        f"print({json.dumps(json.dumps({'dependencies': [package]}))})\n"
    )
    return str(folder)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({}, 0, "all known to pypi"),
        ({"found": "GHSA-1"}, 1, "flask 3.1.3: GHSA-1"),
        ({"known": False}, 75, "NOT AUDITED"),
    ],
)
def test_an_audit_that_asked_in_vain_is_no_clean_one(
    tmp_path: Path, given: dict[str, Any], code: int, said: str
) -> None:
    done = run(sys.executable, TOOLS / "audit.py", PYTHONPATH=advisories(tmp_path, **given))
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout + done.stderr


def test_an_advisory_is_accepted_with_a_reason_until_its_day(tmp_path: Path) -> None:
    copy = tmp_path / "release"
    shutil.copytree(TOOLS, copy)
    path = advisories(tmp_path, found="GHSA-1")
    codes = []
    for until in ("2999-01-01", "2026-01-01"):
        entry = f'[CVE-2026-1]\nreason = "never called"\nuntil = {until}\n'
        (copy / "accepted-advisories.toml").write_text(entry)
        lock = ROOT / "requirements.lock"
        codes.append(run(sys.executable, copy / "audit.py", lock, PYTHONPATH=path).returncode)
    (copy / "accepted-advisories.toml").write_text("[CVE-2026-1]\nuntil = 2999-01-01\n")
    bare = run(sys.executable, copy / "audit.py", lock, PYTHONPATH=path)
    assert codes == [0, 1]
    assert (bare.returncode, "needs a reason" in bare.stderr) == (1, True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a copy of this tree as a repository of one commit."""
    copy = tmp_path_factory.mktemp("checkout") / "copy"
    copy.mkdir()
    for name in BUILT:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.iterdir():
        if path.is_file() and path.suffix in (".md", ".toml", ".lock", "") and path.name != ".git":
            shutil.copy(path, copy)
    (copy / ".gitignore").write_text("dist/\nother/\n__pycache__/\n")
    who = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
    for command in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "A release")):
        assert run("git", "-C", copy, *command).returncode == 0
    return copy


def release(checkout: Path, folder: str, *options: object) -> Path:
    build = checkout / "deploy" / "release" / "build.py"
    done = run(sys.executable, build, "make", "--output", checkout / folder, *options)
    assert done.returncode == 0, done.stderr
    return checkout / folder


def verify(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, TOOLS / "build.py", "verify", folder, *options)


@pytest.fixture(scope="module")
def released(checkout: Path) -> Path:
    """Returns a signed release, with the signer's key beside the repository."""
    key = checkout.parent / "key"
    assert run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).returncode == 0
    signers = checkout.parent / "signers"
    signers.write_text("releases@example.org " + key.with_suffix(".pub").read_text())
    return release(checkout, "dist", "--key", key)


def test_a_release_can_be_built_again_byte_by_byte(released: Path, checkout: Path) -> None:
    again = release(checkout, "other")
    assert (again / "SHA256SUMS").read_text() == (released / "SHA256SUMS").read_text()
    names = {path.name for path in released.iterdir()}
    assert {"sbom.json", "provenance.json", "SHA256SUMS.sig"} < names
    assert any(name.endswith(".whl") for name in names), names
    assert any(name.endswith(".tar.gz") for name in names), names


def test_a_release_names_its_commit_and_what_it_was_built_with(
    released: Path, checkout: Path
) -> None:
    statement = json.loads((released / "provenance.json").read_text())
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    parts = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    head = run("git", "-C", checkout, "rev-parse", "HEAD").stdout.strip()
    assert parts[0]["digest"] == {"gitCommit": head}
    assert str(checkout) not in json.dumps(statement)


def test_a_whole_release_is_verified_with_who_signed_it(released: Path, checkout: Path) -> None:
    signers = checkout.parent / "signers"
    done = verify(released, "--signers", signers, "--identity", "releases@example.org")
    assert (done.returncode, "signed by releases@example.org" in done.stdout) == (0, True)
    other = verify(released, "--signers", signers, "--identity", "somebody@example.org")
    assert (other.returncode, "not signed by" in other.stderr) == (1, True)


@pytest.mark.parametrize("harm", ["changed", "removed", "added", "sums changed too"])
def test_a_release_that_was_touched_is_refused(released: Path, tmp_path: Path, harm: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(released, copy)
    [wheel] = copy.glob("*.whl")
    if harm == "removed":
        wheel.unlink()
    elif harm == "added":
        (copy / "extra.whl").write_bytes(b"x")
    else:
        wheel.write_bytes(wheel.read_bytes() + b"x")
    if harm == "sums changed too":
        sums = (copy / "SHA256SUMS").read_text()
        new = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (copy / "SHA256SUMS").write_text(re.sub(rf"\w+(?=  {re.escape(wheel.name)})", new, sums))
    done = verify(copy)
    assert (done.returncode, "do not install" in done.stderr) == (1, True), done.stdout


def test_a_release_is_made_of_a_commit_only(checkout: Path) -> None:
    extra = checkout / "extra.py"
    extra.write_text("")
    build = checkout / "deploy" / "release" / "build.py"
    done = run(sys.executable, build, "make", "--output", checkout / "refused")
    extra.unlink()
    assert (done.returncode, "commit your changes first" in done.stderr) == (1, True)


def pinned(folder: Path, answer: str) -> tuple[int, str]:
    """Runs pin-base.sh beside a copy of the Dockerfile, with a skopeo that answers this."""
    (folder / "deploy" / "release").mkdir(parents=True)
    shutil.copy(TOOLS / "pin-base.sh", folder / "deploy" / "release")
    shutil.copy(ROOT / "Dockerfile", folder)
    skopeo = folder / "skopeo"
    skopeo.write_text(f"#!/bin/sh\n{answer}\n")
    skopeo.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    done = run("sh", folder / "deploy" / "release" / "pin-base.sh", PATH=path)
    return done.returncode, (folder / "Dockerfile").read_text(encoding="utf-8")


def test_the_base_image_is_pinned_by_the_digest_of_its_tag(tmp_path: Path) -> None:
    code, dockerfile = pinned(tmp_path, f"echo sha256:{'b' * 64}")
    named = re.search(r"^ARG PYTHON_IMAGE=(.*)", dockerfile, re.MULTILINE)
    assert named
    assert (code, named[1].endswith(f"@sha256:{'b' * 64}"), named[1].count("@")) == (0, True, 1)


@pytest.mark.parametrize("answer", ["exit 1", "echo latest", "echo sha256:12"])
def test_a_registry_that_gives_no_digest_leaves_the_dockerfile(tmp_path: Path, answer: str) -> None:
    code, dockerfile = pinned(tmp_path, answer)
    assert (code, dockerfile) == (75, (ROOT / "Dockerfile").read_text(encoding="utf-8"))
