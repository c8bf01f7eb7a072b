"""Installs packages as one layer over a resolved base image. The network is used here only, by pip, on the host.

Wheels only: installing a wheel copies files, so nothing of the packages is executed on this machine. Left out of the
layer: ``.pth`` files, ``sitecustomize`` and ``usercustomize`` (the fork server, not the job, would execute them) and
scripts (they name the host's interpreter).
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from sandboxes.api import ImageRef
from sandboxes.docker import hardening
from sandboxes.docker.build import commit
from sandboxes.docker.engine import connect, speaking
from sandboxes.docker.engines import DOCKER, Engine
from sandboxes.docker.images import ROLE_LABEL, inspect, python_says
from sandboxes.docker.owners import OWNER_LABEL, own_label
from sandboxes.docker.preflight import check_room, written_bytes
from schemas.base import digest
from schemas.errors import ImageUnavailable, UsageError

if TYPE_CHECKING:
    import docker

    from sandboxes.docker.client import EngineClient

REPOSITORY: Final = "tracegen-packages"
KEY_LABEL: Final = "tracegen.packages.key"
DIGEST_LABEL: Final = "tracegen.packages.digest"
FOLDER_LABEL: Final = "tracegen.packages.folder"
FORMAT: Final = 2
"""Raised when what is laid over a base changes, so that older layers are not taken for this one's."""
INSTALL_SECONDS: Final = 900
LAYER_SECONDS: Final = 600
COMPILE: Final = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
"""Every job would compile what it imports anew: nothing can be written in a sandbox. Compiling executes nothing."""
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_HOOKS: Final = frozenset({"sitecustomize", "usercustomize"})
SITE: Final = "import site; print(site.getsitepackages()[0])"


def with_packages(base: ImageRef, requirements: Sequence[str], engine: Engine = DOCKER) -> ImageRef:
    """Return ``base`` with the packages (``NAME==VERSION``) and what they depend on, built now unless it was before.

    The digest is made from the base's and every installed file's. Raises ``UsageError`` for a requirement of another
    form, ``ImageUnavailable`` if they cannot be installed, ``BackendUnavailable``. A failed build leaves nothing.
    """
    wanted = checked(requirements)
    key = layer_key(base, wanted)
    client = connect(engine)
    try:
        with speaking("install packages over the base image"):
            return _made(client, base, key) or _make(client, base, wanted, key)
    finally:
        client.close()


def checked(requirements: Sequence[str]) -> list[str]:
    """Return the requirements sorted, each once. Raises ``UsageError`` for one of another form than NAME==VERSION."""
    wanted = sorted(set(requirements))
    for one in wanted:
        if not _REQUIREMENT.fullmatch(one):
            raise UsageError(f"{one!r} is no requirement that can be installed; allowed: NAME==VERSION")
    return wanted


def layer_key(base: ImageRef, wanted: Sequence[str]) -> str:
    """Return what tells whether these packages over this base were made before."""
    return digest([FORMAT, base.digest, base.python, list(wanted)])


def unpack_packages(image: ImageRef, folder: Path, engine: Engine = DOCKER) -> Path:
    """Copy the folder of installed packages out of an image of ``with_packages``; return where it lies now."""
    client = connect(engine)
    try:
        with speaking("read the packages of the image"):
            found = inspect(client, image.reference)
            if found is None:
                raise ImageUnavailable(f"the image {image.reference!r} is gone: run the same command again")
            place = str(found["Config"]["Labels"][FOLDER_LABEL])
            labels = {ROLE_LABEL: "probe", OWNER_LABEL: own_label()}
            container = client.create_container(image.reference, command=[hardening.PYTHON], labels=labels)["Id"]
            try:
                _extract(client, container, place, folder)
            finally:
                client.remove_container(container, force=True)
    finally:
        client.close()
    return folder / PurePosixPath(place).name


def _extract(client: docker.APIClient, container: str, place: str, folder: Path) -> None:
    chunks, _ = client.get_archive(container, place)
    with tempfile.TemporaryFile() as spool:
        for chunk in chunks:
            spool.write(chunk)
        spool.seek(0)
        with tarfile.open(fileobj=spool) as archive:
            unpack(archive, folder)


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack files and directories below ``folder``. Raises ``ImageUnavailable`` for links and names that lead out."""
    members = archive.getmembers()
    for member in members:
        path = PurePosixPath(member.name)
        if not (member.isreg() or member.isdir()) or path.is_absolute() or ".." in path.parts:
            raise ImageUnavailable(
                f"the packages of the image hold {member.name!r}, which is no plain file or directory"
            )
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:  # Python before 3.11.4, Debian 12's among them
        for member in members:
            archive.extract(member, folder, set_attrs=False)


def _made(client: EngineClient, base: ImageRef, key: str) -> ImageRef | None:
    name = _tag(client, key)
    found = inspect(client, name)
    labels = found["Config"].get("Labels") or {} if found else {}
    return ImageRef(name, labels[DIGEST_LABEL], base.python) if labels.get(KEY_LABEL) == key else None


def _tag(client: EngineClient, key: str) -> str:
    return f"{client.engine.own(REPOSITORY)}:{key[:16]}"


def _make(client: EngineClient, base: ImageRef, wanted: Sequence[str], key: str) -> ImageRef:
    with tempfile.TemporaryDirectory(prefix="tracegen-packages-") as name:
        tree = Path(name)
        fetch_wheels(tree, base.python, wanted)
        content = digest([base.digest, content_digest(tree)])
        place = python_says(client, base.reference, SITE)
        _commit(client, base, tree, place, {KEY_LABEL: key, DIGEST_LABEL: content, FOLDER_LABEL: place})
    return ImageRef(_tag(client, key), content, base.python)


def fetch_wheels(tree: Path, python: str, wanted: Sequence[str]) -> None:
    """Have this machine's pip unpack wheels for another Python. Raises ``ImageUnavailable``."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--only-binary", ":all:", "--target", str(tree), "--python-version", python]
    try:
        done = subprocess.run([*command, *wanted], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ImageUnavailable(f"installing {', '.join(wanted)} took longer than {INSTALL_SECONDS} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr.strip()[-300:]]
        raise ImageUnavailable(
            f"{', '.join(wanted)} cannot be installed from wheels for Python {python}: {' '.join(said)[:600]}"
        )


def _files(tree: Path) -> Iterator[tuple[str, Path]]:
    """Yield what belongs in the layer, sorted: name within the folder of packages, file."""
    for file in sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()):
        parts = file.relative_to(tree).parts
        executed = len(parts) == 1 and (file.suffix == ".pth" or file.stem in _HOOKS)
        if not executed and parts[0] not in ("bin", *_HOOKS) and "__pycache__" not in parts:
            yield "/".join(parts), file


def _content(name: str, file: Path, kept: frozenset[str]) -> bytes:
    if not name.endswith(".dist-info/RECORD"):
        return file.read_bytes()
    with file.open(newline="", encoding="utf-8") as rows:
        own = [row for row in csv.reader(rows) if row and row[0] in kept]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(own)
    return text.getvalue().encode()


def content_digest(tree: Path) -> str:
    """Return a digest of every path and byte that goes into the layer: equal on every machine."""
    files = dict(_files(tree))
    kept = frozenset(files)
    rows = [[name, hashlib.blake2b(_content(name, file, kept)).hexdigest()] for name, file in files.items()]
    return digest(rows)


def write_layer(tree: Path, output: IO[bytes]) -> None:
    """Write the layer as a tar archive whose bytes depend on nothing but the files."""
    files = dict(_files(tree))
    kept = frozenset(files)
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, file in files.items():
            content = _content(name, file, kept)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if file.stat().st_mode & 0o111 else 0o644
            archive.addfile(entry, io.BytesIO(content))


def _commit(client: EngineClient, base: ImageRef, tree: Path, place: str, labels: dict[str, str]) -> None:
    """Lay the files over the base and give the result its tag, which comes last: without it nothing counts."""
    usual, client.timeout = client.timeout, LAYER_SECONDS
    labels = {**labels, ROLE_LABEL: "packages"}
    container = client.create_container(
        base.reference,
        entrypoint=[hardening.PYTHON, "-S", "-E", *COMPILE, place],
        command=[],
        host_config=client.create_host_config(network_mode="none", cap_drop=["ALL"]),
        labels={**labels, OWNER_LABEL: own_label()},
    )["Id"]
    try:
        with tempfile.TemporaryFile() as archive:
            write_layer(tree, archive)
            archive.seek(0)
            _make_folder(client, container, place)  # an engine unpacks only into a folder that exists
            client.put_archive(container, place, archive)
        client.start(container)
        client.wait(container, timeout=LAYER_SECONDS)  # whatever its exit code: templates among the files do not parse
        check_room(client, "the layer of packages", written_bytes(client, container))
        commit(client, container, _tag(client, labels[KEY_LABEL]), labels)
    finally:
        client.remove_container(container, force=True)
        client.timeout = usual


def _make_folder(client: docker.APIClient, container: str, place: str) -> None:
    folders = io.BytesIO()
    with tarfile.open(fileobj=folders, mode="w") as archive:
        path = PurePosixPath(place)
        for folder in [*reversed(path.parents[:-1]), path]:
            entry = tarfile.TarInfo(str(folder).lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
    client.put_archive(container, "/", folders.getvalue())
