"""``RUN/without_inputs.jsonl.gz``: code that nothing says how to call, kept for made inputs.

Every plan meets all of it again, so it is written anew by every complete run and appears whole or not at all. One JSON
object per line: ``id``, ``code``, ``entries`` (functions without inputs), ``module``, ``origin``, ``path``,
``licence``. ``tracegen functions`` reads the file as it is.
"""

import gzip
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from pipelines.atomic import TEMPORARY_SUFFIX, fsync_directory, storage_errors
from tracegen.sources.base import CodeWithoutInputs

NAME: Final = "without_inputs.jsonl.gz"


class WithoutInputs:
    """Streams into a temporary file; ``finish`` gives it its name, leaving the context without that removes it."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / NAME
        self._temporary = run_dir / f".{NAME}.{os.getpid()}{TEMPORARY_SUFFIX}"
        self._raw: IO[bytes] | None = None
        self._file: gzip.GzipFile | None = None

    def keep(self, item: CodeWithoutInputs) -> None:
        """Write one. Raises ``StorageFailed``."""
        with storage_errors(self._path):
            if self._file is None:
                self._raw = self._temporary.open("wb")
                self._file = gzip.GzipFile("", "wb", 6, self._raw, mtime=0)
            self._file.write(json.dumps(_row(item), ensure_ascii=True).encode() + b"\n")

    def finish(self) -> None:
        """Make what was written the run's. Raises ``StorageFailed``."""
        with storage_errors(self._path):
            if self._raw is None or self._file is None:
                self._path.unlink(missing_ok=True)
                return
            self._file.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
            self._temporary.replace(self._path)
            fsync_directory(self._path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._raw is not None:
            self._raw.close()
            self._temporary.unlink(missing_ok=True)


def _row(item: CodeWithoutInputs) -> dict[str, Any]:
    place = item.provenance
    return {
        "id": item.source_id,
        "code": item.module.text,
        "entries": list(item.entries),
        "module": item.module.name,
        "origin": place.origin,
        "path": place.path,
        "licence": place.licence,
    }
