"""Packs a guest package for the trip into a sandbox."""

import io
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


def bundle(package_dir: Path, package_name: str) -> bytes:
    """Return a zip of the package's ``.py`` files under ``package_name``; equal sources give equal bytes.

    Guest packages import their own modules relatively, so the name is free: a private one keeps out of programs' way.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(package_dir.rglob("*.py")):
            name = f"{package_name}/{path.relative_to(package_dir).as_posix()}"
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
    return buffer.getvalue()
