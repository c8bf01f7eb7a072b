"""One run at a time per directory; the next one removes what a killed one left unfinished."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipelines.atomic import TEMPORARY_SUFFIX, storage_errors
from pipelines.manifests import manifests
from pipelines.storage_probe import check_storage, no_locks
from schemas.errors import UsageError

LOCK_NAME: Final = ".lock"
_TABLES: Final = ("traces", "documents", "failures", "_manifest")


@contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold the directory; made if need be. Raises ``UsageError`` if another run holds it, ``StorageFailed``.

    Its file system is tried first: on one without locks or atomic renames there is no run.
    """
    with storage_errors(run_dir):
        run_dir.mkdir(parents=True, exist_ok=True)
        file = (run_dir / LOCK_NAME).open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another run is writing to {run_dir}; wait for it, or choose another -o") from error
        except OSError as error:
            raise no_locks(run_dir, error) from error
        check_storage(run_dir)
        yield


def sweep(run_dir: Path) -> int:
    """Remove temporary files and shards without a manifest, so that a glob finds finished rows only; count them.

    Only under ``run_lock``. Raises ``ShardCorrupt`` for an unreadable manifest, ``StorageFailed``.
    """
    named = {file.path for manifest in manifests(run_dir) for file in manifest.files}
    stray = [path for path in _files(run_dir) if _unfinished(path, run_dir, named)]
    with storage_errors(run_dir):
        for path in stray:
            path.unlink()
    return len(stray)


def _files(run_dir: Path) -> Iterator[Path]:
    for table in _TABLES:
        yield from (path for path in (run_dir / table).rglob("*") if path.is_file())


def _unfinished(path: Path, run_dir: Path, named: set[str]) -> bool:
    if path.name.startswith(".") and path.name.endswith(TEMPORARY_SUFFIX):
        return True
    return path.suffix == ".parquet" and path.relative_to(run_dir).as_posix() not in named
