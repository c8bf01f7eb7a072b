"""Makes a base image from an interpreter of this machine: its standard library and the shared libraries it needs.

Takes seconds, needs no registry. The layout is that of ``python:3.x-slim`` (``/usr/local``), whatever the host's is.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sandboxes.interpreters import Interpreter
from schemas.base import digest
from schemas.errors import ImageUnavailable

_SKIPPED = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "ensurepip",
    "site-packages",
    "dist-packages",
}
_ZONES = Path("/usr/share/zoneinfo")
_SKIPPED_ZONES = {"right", "posix"}
_LOCALES = [Path("/usr/lib/locale/C.utf8"), Path("/usr/lib/locale/C.UTF-8")]
_FILES = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/false\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
}
_DIRECTORIES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755}
_PROBE = (
    "import json, os, sys, sysconfig;"
    "print(json.dumps([os.path.realpath(sys.executable), sysconfig.get_path('stdlib'), sys.base_prefix,"
    " sysconfig.get_platform()]))"
)
_SHELL = "bin/busybox"
_UNUSABLE = re.compile(r"_tkinter\.|_test|_ctypes_test|xxlimited|_xxtest")
"""Extension modules whose libraries or Python half are left out, or which only the skipped tests use."""
_WHEEL_LIBRARIES = (
    "libnss_files.so.2",  # before glibc 2.34 user names need it
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libz.so.1",
)
"""Beside what the interpreter needs: libraries that compiled wheels take for granted (PEP 600, ``manylinux``)."""
_LIBRARY = re.compile(r"^\s*(?:(?P<name>\S+) => )?(?P<path>/\S+) \(0x[0-9a-f]+\)$")


@dataclass(slots=True, frozen=True)
class HostFile:
    """One file of the image and where its bytes are."""

    target: str
    source: Path

    def is_cache(self) -> bool:
        """Return whether it is byte code: made from another file, so no part of the content."""
        return "__pycache__" in self.target


@dataclass(slots=True, frozen=True)
class HostTree:
    """What goes into the image."""

    interpreter: Interpreter
    platform: str
    files: tuple[HostFile, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Of the image's own programs: path, and where it points."""

    def key(self) -> str:
        """Return a cheap fingerprint (paths, sizes, times) that tells whether a made image is still the same."""
        stats = [(file.target, file.source.stat()) for file in self.files if not file.is_cache()]
        rows = [[target, stat.st_size, stat.st_mtime_ns] for target, stat in stats]
        return digest([FORMAT, self.interpreter.version, self.platform, rows])

    def content_digest(self) -> str:
        """Return a digest of every path and byte but the byte code: equal trees give equal digests anywhere."""
        hasher = hashlib.blake2b(digest_size=16)
        for file in self.files:
            if not file.is_cache():
                content = hashlib.blake2b(file.source.read_bytes()).hexdigest()
                hasher.update(f"{file.target}\0{content}\n".encode())
        return hasher.hexdigest()

    def size_bytes(self) -> int:
        """Return what the image will take on the engine's disk."""
        return sum(file.source.stat().st_size for file in self.files)

    def write_tar(self, output: IO[bytes]) -> None:
        """Write the image's root file system."""
        with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name, mode in _DIRECTORIES.items():
                archive.addfile(_entry(name, tarfile.DIRTYPE, mode))
            for name, content in _FILES.items():
                entry = _entry(name, tarfile.REGTYPE, 0o644)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            python = f"python{self.interpreter.minor}"
            for name, goal in (("usr/local/bin/python3", python), ("usr/local/bin/python", python), *self.links):
                entry = _entry(name, tarfile.SYMTYPE, 0o777)
                entry.linkname = goal
                archive.addfile(entry)
            for file in self.files:
                _add(archive, file)


FORMAT = 3
"""Raised when the layout changes, so that older images are not taken for this one's."""


def collect(interpreter: Interpreter, *, others: Sequence[Interpreter] = (), shell: Path | None = None) -> HostTree:
    """Find the files of an interpreter (CPython on Linux). Raises ``ImageUnavailable`` if it cannot be copied.

    ``others`` stand beside it as ``python3.X``; ``shell`` is a BusyBox (``busybox``), of which every program is linked.
    """
    found: dict[str, HostFile] = {}
    platform = ""
    for one in (*others, interpreter):
        platform, files = _files_of(one)
        for file in files:
            known = found.setdefault(file.target, file)
            if not known.source.samefile(file.source):
                raise ImageUnavailable(
                    f"{one.executable} does not go with the others into one image: /{file.target} is both "
                    f"{known.source} and {file.source}; make an image for each, or choose others"
                )
    links: tuple[tuple[str, str], ...] = ()
    if shell is not None:
        found[_SHELL] = HostFile(_SHELL, shell.resolve())
        programs = _run([str(shell), "--list"]).split()
        links = tuple((f"bin/{name}", "busybox") for name in programs if name != "busybox")
    files = sorted(found.values(), key=lambda file: file.target)
    return HostTree(interpreter, platform, tuple(files), links)


def busybox() -> Path | None:
    """Return this machine's statically linked BusyBox, from which a base gets its shell."""
    path = shutil.which("busybox")
    if path is None:
        return None
    linked = subprocess.run(["ldd", path], capture_output=True, timeout=60, check=False)
    return Path(path) if linked.returncode else None  # ldd fails on what is linked to nothing


def _files_of(interpreter: Interpreter) -> tuple[str, list[HostFile]]:
    """Return the platform and the files of one interpreter."""
    try:
        answer = _run([interpreter.executable, "-E", "-s", "-S", "-c", _PROBE])
        executable, library, prefix, platform = json.loads(answer)
        stdlib = Path(library)
        files = [HostFile(f"usr/local/bin/python{interpreter.minor}", Path(executable))]
        root = PurePosixPath("usr/local") / stdlib.relative_to(prefix)
        files += _library_files(stdlib, root, interpreter.minor)
        files += _shared_libraries([Path(executable), *(file.source for file in files if file.source.suffix == ".so")])
        files += _zones() + _locales()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ImageUnavailable(f"no image can be made from {interpreter.executable}: {str(error)[:500]}") from error
    return str(platform), files


def _library_files(stdlib: Path, root: PurePosixPath, minor: str) -> list[HostFile]:
    tag = f".cpython-{minor.replace('.', '')}.pyc"
    found = []
    for path in _walk(stdlib, _SKIPPED):
        relative = path.relative_to(stdlib)
        if any(part.startswith("config-") for part in relative.parts[:1]) or path.suffix in (".a", ".exe"):
            continue
        if _UNUSABLE.match(path.name):
            continue
        if path.suffix == ".pyc" and not (path.name.endswith(tag) and _is_fresh(path)):
            continue
        found.append(HostFile(str(root / relative), path))
    return found


def _walk(directory: Path, skipped: set[str]) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            if path.name not in skipped:
                yield from _walk(path, skipped)
        elif path.is_file():
            yield path


def _is_fresh(cache: Path) -> bool:
    """Return whether byte code names its source's present time and size (PEP 552), so that Python will take it."""
    source = cache.parent.parent / f"{cache.name.split('.')[0]}.py"
    with cache.open("rb") as file:
        head = file.read(16)
    if not source.is_file() or len(head) < 16 or head[4:8] != bytes(4):
        return False
    stat = source.stat()
    return head[8:16] == int(stat.st_mtime).to_bytes(4, "little") + stat.st_size.to_bytes(4, "little")


def _shared_libraries(binaries: list[Path]) -> list[HostFile]:
    """Return the libraries that ``ldd`` names, all put beside the C library, where its loader looks untold."""
    found: dict[str, Path] = {}
    loader = ""
    for line in _run(["ldd", *map(str, binaries)]).splitlines():
        match = _LIBRARY.match(line)
        if match is None:
            if "not found" in line and ".so" in line.split("=>")[0] and "libpython" in line:
                raise ImageUnavailable(f"a library is missing on this machine: {line.strip()}")
            continue
        if match["name"] is None or match["name"].startswith("/"):
            loader = loader or match["name"] or match["path"]  # the executable's, which comes first
        else:
            found[match["name"]] = Path(match["path"])
    if "libc.so.6" not in found:
        raise ImageUnavailable("the interpreter is not linked to the GNU C library; give --base an image with Python")
    home = found["libc.so.6"].parent
    for name in _WHEEL_LIBRARIES:
        if name not in found and (home / name).exists():
            found[name] = home / name
    files = [HostFile(str(home / name).lstrip("/"), path.resolve()) for name, path in found.items()]
    return [*files, HostFile(loader.lstrip("/"), Path(loader).resolve())]


def _zones() -> list[HostFile]:
    """Return the time zones, which ``zoneinfo`` reads."""
    if not _ZONES.is_dir():
        return []
    return [HostFile(str(path).lstrip("/"), path.resolve()) for path in _walk(_ZONES, _SKIPPED_ZONES)]


def _locales() -> list[HostFile]:
    directories = [path for path in _LOCALES if path.is_dir()]
    return [HostFile(str(path).lstrip("/"), path) for directory in directories for path in _walk(directory, set())]


def _add(archive: tarfile.TarFile, file: HostFile) -> None:
    stat = file.source.stat()
    entry = _entry(file.target, tarfile.REGTYPE, 0o755 if stat.st_mode & 0o111 else 0o644)
    entry.size = stat.st_size
    entry.mtime = int(stat.st_mtime)  # byte code is taken only if its source has the time that it names
    with file.source.open("rb") as content:
        archive.addfile(entry, content)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry


def _run(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
