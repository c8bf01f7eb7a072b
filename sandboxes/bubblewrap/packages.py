"""Packages in a copy of a root file system: the same files, digest and rules as a layer over an engine's image."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.api import ImageRef
from sandboxes.bubblewrap.probe import run_python, says
from sandboxes.docker.packages import (
    COMPILE,
    LAYER_SECONDS,
    SITE,
    checked,
    content_digest,
    fetch_wheels,
    layer_key,
    write_layer,
)
from sandboxes.rootfs import find, keep, unpack_own
from schemas.base import digest
from schemas.errors import StorageFailed

_COPY: Final = ("cp", "--archive", "--reflink=auto")


def install(base: ImageRef, requirements: Sequence[str], folder: Path) -> tuple[ImageRef, Path]:
    """Return ``base`` with the packages (``NAME==VERSION``), made unless it was before, and a copy of their files.

    Raises ``UsageError``, ``ImageUnavailable`` and ``StorageFailed``.
    """
    wanted = checked(requirements)
    key = layer_key(base, wanted)
    place = says(Path(base.reference), SITE)
    image = find(key) or _make(base, wanted, key, place)
    source = Path(image.reference) / place.lstrip("/")
    target = folder / source.name
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return image, target


def _make(base: ImageRef, wanted: Sequence[str], key: str, place: str) -> ImageRef:
    with tempfile.TemporaryDirectory(prefix="tracegen-packages-") as name:
        tree = Path(name)
        fetch_wheels(tree, base.python, wanted)
        content = digest([base.digest, content_digest(tree)])

        def fill(target: Path) -> None:
            _copy(Path(base.reference), target)
            _lay_over(tree, target, place)

        return keep(key, content, base.python, _bytes(Path(base.reference)) + _bytes(tree), fill)


def _copy(base: Path, target: Path) -> None:
    entries = [str(path) for path in sorted(base.iterdir()) if not path.name.startswith(".")]
    done = subprocess.run([*_COPY, *entries, str(target)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorageFailed(f"{base} cannot be copied: {done.stderr.strip()[-300:]}")


def _lay_over(tree: Path, target: Path, place: str) -> None:
    packages = target / place.lstrip("/")
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as archive:
        write_layer(tree, archive)
        archive.seek(0)
        unpack_own(archive, packages)
    # Whatever its exit code: templates among the files do not parse.
    run_python(target, ["-S", "-E", *COMPILE, place], writable=place, seconds=LAYER_SECONDS)


def _bytes(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())
