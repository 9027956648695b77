"""Lays out the whole file system of the image but for /opt/venv: python root.py FOLDER

The base image brings a shell, a package manager, Perl and much more that the service never starts.
This copies what Python needs to run: the interpreter, its standard library, the shared libraries
that they and the wheels are linked with, the authorities of TLS, and a few files of /etc. For each
Debian package that a copied file is from, the list of packages says so, for scanners and the SBOM,
and its licence comes along. It runs in the first stage of the Dockerfile, with no package but the
standard library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from stat import S_ISGID, S_ISREG, S_ISUID

USER = 10001
# Parts of the standard library that only a person at a screen or Python's own tests use.
LEFT_OUT = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3",
    "pydoc_data", "site-packages", "dist-packages", "config-*", "_test*.so", "_tkinter*.so",
    "_ctypes_test*.so", "xxlimited*.so", "*.a",
)  # fmt: skip
LINKS = ("bin", "sbin", "lib", "lib32", "lib64")  # of a Debian whose /usr holds all of it
AS_THEY_ARE = (
    "/etc/os-release", "/usr/lib/os-release", "/etc/nsswitch.conf", "/etc/ssl/openssl.cnf",
    "/etc/ssl/certs", "/usr/lib/ssl", "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    f"/etc/python{sys.version_info[0]}.{sys.version_info[1]}",
)  # fmt: skip
ALWAYS = ("libgcc_s.so.1",)  # glibc loads it by name if a thread ends early
_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
_LACKING = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_ELF = b"\x7fELF"


def main(root: Path) -> int:
    """Fills the folder, and says how large it is."""
    _folders(root)
    program = Path(sys.executable)  # in /opt/venv: a link to the base's
    stdlib = Path(sysconfig.get_path("stdlib"))
    base = [*_links_to(program), stdlib, *map(Path, AS_THEY_ARE)]
    taken = [_tree(root, path) for path in base if path.exists()]
    linked = [program.resolve(), *_elves(_at(root, stdlib)), *_elves(Path(sys.prefix))]
    for library in sorted(_libraries(linked)):
        taken.append(_file(root, library))
    _users(root)
    _packages(root, taken)
    _said("ldconfig", "-r", str(root))
    files = [path.lstat() for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    if any(S_ISREG(file.st_mode) and file.st_mode & (S_ISUID | S_ISGID) for file in files):
        raise SystemExit("A file of the image would let its user become another one.")
    size = sum(file.st_size for file in files)
    sys.stdout.write(f"{root}: {size / 1e6:.0f} MB.\n")
    return 0


def _folders(root: Path) -> None:
    """Makes the folders that are expected to be there, and the links of a merged /usr."""
    for name in ("etc", "proc", "sys", "dev", "run", "usr", "var/lib/dpkg/status.d"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name in LINKS:
        if (Path("/") / name).is_symlink():
            (root / "usr" / name).mkdir(exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")


def _at(root: Path, path: Path) -> Path:
    """Returns where this path of the base is in the image; its folder's links are followed."""
    return root / (path.parent.resolve() / path.name).relative_to("/")


def _tree(root: Path, source: Path) -> Path:
    """Copies a file, a link or a folder."""
    goal = _at(root, source)
    goal.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, goal, symlinks=True, ignore=LEFT_OUT, dirs_exist_ok=True)
    else:
        shutil.copy2(source, goal, follow_symlinks=False)
    return source


def _file(root: Path, source: Path) -> Path:
    """Copies what lies behind a link under the name of the link, as the linker looks for it."""
    goal = _at(root, source)
    goal.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, goal)
    return source.resolve()


def _links_to(program: Path) -> Iterator[Path]:
    """Gives a program of the base by each name that a link leads on to, down to the file itself."""
    while program.is_symlink():
        program = program.parent / program.readlink()
        yield program


def _elves(folder: Path) -> Iterator[Path]:
    """Finds the shared libraries below a folder."""
    for path in folder.rglob("*.so*"):
        if path.is_file() and path.read_bytes()[:4] == _ELF:
            yield path


def _libraries(linked: Iterable[Path]) -> set[Path]:
    """Returns the libraries of the system that these files are linked with."""
    found: set[Path] = set()
    for path in linked:
        said = _said("ldd", str(path))
        if lacking := _LACKING.findall(said):
            raise SystemExit(f"{path} needs {', '.join(lacking)}, which the base does not have.")
        found |= {Path(name) for name in _LIBRARY.findall(said)}
    beside = next(path.parent for path in sorted(found) if path.name.startswith("libc.so"))
    found |= {beside / name for name in ALWAYS if (beside / name).exists()}
    return {path for path in found if not path.is_relative_to(sys.prefix)}


def _users(root: Path) -> None:
    """Writes the two users that files of the image belong to."""
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"cds:x:{USER}:{USER}::/tmp:/usr/sbin/nologin\n"
    )
    (root / "etc/group").write_text(f"root:x:0:\ncds:x:{USER}:\n")


def _packages(root: Path, taken: Iterable[Path]) -> None:
    """Lists the Debian packages that files came from, and copies their licences."""
    names = sorted({name for path in taken for name in _owners(path)})
    lines = []
    for name in names:
        status = _query("--status", name)
        package = name.partition(":")[0]
        (root / "var/lib/dpkg/status.d" / package).write_text(status)
        lines.append(
            _query("--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n", name)
        )
        licence = Path("/usr/share/doc") / package / "copyright"
        if licence.exists():
            _file(root, licence)
    (root / "var/lib/dpkg/system.tsv").write_text("".join(sorted(lines)))


def _owners(path: Path) -> list[str]:
    """Returns the package that a path is from; older Debians know it without /usr in front."""
    for name in (str(path), str(path).removeprefix("/usr")):
        found = _query("--search", name)
        if found:
            return [one.strip() for one in found.splitlines()[0].partition(": ")[0].split(",")]
    return []


def _query(*arguments: str) -> str:
    return _said("dpkg-query", *arguments)


def _said(*command: str) -> str:
    """Returns what a program of the base says; "" if it does not know, or is not there."""
    found = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return (
        subprocess.run([found, *command[1:]], capture_output=True, text=True).stdout
        if found
        else ""
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
