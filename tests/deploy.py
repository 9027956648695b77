"""deploy/kubernetes as `kubectl kustomize` renders it, read without a cluster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.patience import PATIENCE_S

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
OVERLAYS = ("sqlite", "postgresql")

Manifest = dict[str, Any]


def rendered(folder: Path) -> list[Manifest]:
    """The objects that this folder means; skips the test where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return [msgspec.yaml.decode(text) for text in done.stdout.split("\n---\n")]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """The objects of one kind."""
    return [m for m in manifests if m["kind"] == kind]


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The pod template of everything that runs pods."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield template
