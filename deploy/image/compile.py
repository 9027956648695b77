"""Compiles what the service imports, and removes parts that it never does: python compile.py

An image with a read-only root cannot keep bytecode that is made at a start, and the base image
brings none of the standard library. Bytecode of all that is installed would be 77 MB, most of it of
modules that nothing here imports. Of two packages whole parts are for others: the models of two
more FHIR versions, and the databases that CDS_DATABASE_URL refuses.
"""

from __future__ import annotations

import compileall
import importlib
import pkgutil
import sys
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

import cds_service

BESIDE = (
    "psycopg", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg",
    "multiprocessing.spawn", "multiprocessing.popen_fork", "multiprocessing.popen_spawn_posix",
    "multiprocessing.resource_tracker", "runpy", "urllib.request",
    "fhir.resources.R4B.nutritionorder", "fhir.resources.R4B.servicerequest",
)  # fmt: skip
# Folders of which only what was imported stays, with the folders below them that stay whole.
PRUNED = {"fhir/resources": ("R4B",), "sqlalchemy/dialects": ("postgresql", "sqlite")}
OPTIONAL = frozenset({"pyspark"})  # of another extra: not in the image


def main() -> int:
    """Imports every module of the service, and compiles all that this brought in."""
    for module in pkgutil.walk_packages(cds_service.__path__, "cds_service."):
        _imported(module.name)
    for name in BESIDE:
        importlib.import_module(name)
    from cds_service.orders import r4b

    r4b.load_for_stops()  # models that are loaded by need
    files = {str(getattr(module, "__file__", "") or "") for module in [*sys.modules.values()]}
    files |= {str(path) for path in Path(cds_service.__path__[0]).rglob("*.py")}
    _prune(files)
    ours = (sys.prefix, sysconfig.get_path("stdlib"))
    here = sorted(file for file in files if file.startswith(ours) and file.endswith(".py"))
    whole = all(
        compileall.compile_file(
            file, force=True, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
        )
        for file in here
    )
    sys.stdout.write(f"{len(here)} modules compiled.\n")
    return 0 if whole else 1


def _prune(imported: set[str]) -> None:
    """Removes the modules of others, unless they were imported."""
    packages = Path(sysconfig.get_path("purelib"))
    for name, whole in PRUNED.items():
        for file in sorted((packages / name).rglob("*.py")):
            if (
                file.relative_to(packages / name).parts[0] not in whole
                and str(file) not in imported
            ):
                file.unlink()


def _imported(name: str) -> None:
    if name.endswith("__main__") or ".migrations" in name:  # they run at once, when imported
        return
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name not in OPTIONAL:
            raise


if __name__ == "__main__":
    sys.exit(main())
