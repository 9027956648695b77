"""Makes a release in dist/, or checks one: wheel, sdist, SBOM, checksums, provenance, signature.

The build can be repeated: the same commit gives the same bytes, because times come from the commit.
provenance.json is an in-toto statement with SLSA's build provenance (v1): which files, from which
commit, with which locked dependencies. SHA256SUMS covers all files, and its signature by
`ssh-keygen -Y sign` covers SHA256SUMS.

Usage: python deploy/release/build.py make [--key FILE] [--output FOLDER] [--base IMAGE@sha256:...]
       python deploy/release/build.py verify FOLDER [--signers FILE --identity NAME]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NAMESPACE = "hyponatremia-cds-release"
SUMS, SIGNATURE, PROVENANCE = "SHA256SUMS", "SHA256SUMS.sig", "provenance.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"


def main() -> None:
    """Reads the command line and makes or checks a release."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = options.add_subparsers(required=True, dest="command")
    make = commands.add_parser("make", help="build into a folder, from a clean commit")
    make.add_argument("--output", type=Path, default=ROOT / "dist")
    make.add_argument("--key", type=Path, help="private SSH key that signs; none: not signed")
    make.add_argument("--base", default="", help="base image of the image, with its digest")
    verify = commands.add_parser("verify", help="check the files of a release")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--signers", type=Path, help="allowed signers, as ssh-keygen reads them")
    verify.add_argument("--identity", help="who must have signed, as in that file")
    given = options.parse_args()
    if given.command == "make":
        released(given.output, given.key, given.base)
    else:
        verified(given.folder, given.signers, given.identity)


def released(folder: Path, key: Path | None, base: str) -> None:
    """Builds every file of a release into a folder."""
    if ran("git", "status", "--porcelain"):
        raise SystemExit("release: commit your changes first: a release is made of one commit")
    folder.mkdir(parents=True, exist_ok=True)
    for old in [path for path in folder.iterdir() if path.is_file()]:
        old.unlink()
    stamp = ran("git", "log", "-1", "--format=%ct")
    environment = os.environ | {"SOURCE_DATE_EPOCH": stamp, "PYTHONWARNINGS": "ignore"}
    built(environment, "-m", "hatchling", "build", "-d", str(folder))
    sbom = [str(Path(__file__).with_name("sbom.py")), str(folder / "sbom.json")]
    built(environment, *sbom, *(("--base", base) if base else ()))
    started = datetime.fromtimestamp(int(stamp), UTC)
    statement = provenance(sorted(folder.iterdir()), started)
    written = json.dumps(statement, indent=1, sort_keys=True) + "\n"
    (folder / PROVENANCE).write_text(written, encoding="utf-8")
    sums = "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()))
    (folder / SUMS).write_text(sums, encoding="utf-8")
    if key:
        ran("ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(folder / SUMS))
    print(sums, end="")
    print(f"{folder}: {'signed' if key else 'NOT signed (RELEASE_KEY=file signs)'}")


def built(environment: dict[str, str], *arguments: str) -> None:
    """Runs one of the tools of this Python; its own words tell what failed."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"release: {' '.join(arguments[:3])} failed:\n{done.stdout}{done.stderr}")


def ran(*command: str) -> str:
    """Returns what a command prints; the release ends with its words if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"release: {command[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def provenance(files: list[Path], committed: datetime) -> dict[str, Any]:
    """Returns the statement of what was built, from which commit and with which locked packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    builder = os.environ.get("RELEASE_BUILDER", "local")
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    return {
        "_type": STATEMENT,
        "subject": [{"name": f.name, "digest": {"sha256": sha256(f)}} for f in files],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"urn:{project['name']}:make-release:v1",
                "externalParameters": {
                    "version": project["version"],
                    "committed": committed.isoformat(),
                },
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": ran("git", "rev-parse", "HEAD")}},
                    *({"name": lock.name, "digest": {"sha256": sha256(lock)}} for lock in locks),
                ],
            },
            "runDetails": {
                "builder": {
                    "id": f"urn:{project['name']}:builder:{builder}",
                    "version": {"python": ".".join(map(str, sys.version_info[:3]))},
                },
            },
        },
    }


def sha256(path: Path) -> str:
    """Returns the checksum of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def verified(folder: Path, signers: Path | None, identity: str | None) -> None:
    """Checks checksums, provenance and, if it is asked for, the signature of a release."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    listed = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    here = {path.name for path in folder.iterdir()} - {SUMS, SIGNATURE}
    wrong = [name for name in sorted(here & set(listed)) if sha256(folder / name) != listed[name]]
    faults = [f"{name}: changed since the release" for name in wrong]
    faults += [f"{name}: is missing" for name in sorted(set(listed) - here)]
    faults += [f"{name}: was not released" for name in sorted(here - set(listed))]
    if not faults:
        faults = _unproven(folder, listed)
    if faults:
        raise SystemExit("\n".join(["verify: do not install this:", *faults]))
    print(f"{len(listed)} files are as released; {_signed(folder, signers, identity)}")


def _unproven(folder: Path, listed: dict[str, str]) -> list[str]:
    """Returns each file that the provenance leaves out, or describes with other bytes."""
    statement = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    said = {part["name"]: part["digest"]["sha256"] for part in statement["subject"]}
    names = sorted(set(listed) - {PROVENANCE} | set(said))
    return [
        f"{PROVENANCE}: does not speak of these bytes of {name}"
        for name in names
        if said.get(name) != listed.get(name)
    ]


def _signed(folder: Path, signers: Path | None, identity: str | None) -> str:
    """Returns who signed, or that the signature was not checked; ends if it is wrong."""
    if signers is None or identity is None:
        return "signature not checked (--signers FILE --identity NAME)"
    command = ["ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", identity, "-n", NAMESPACE]
    command += ["-s", str(folder / SIGNATURE)]
    done = subprocess.run(
        command, input=(folder / SUMS).read_bytes(), capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"verify: do not install this:\n{SUMS}: not signed by {identity}")
    return f"signed by {identity}"


if __name__ == "__main__":
    main()
