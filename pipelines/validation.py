"""The report of ``tracegen dataset validate``: what was looked at, and what is wrong."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from pipelines.shards import read_file
from schemas import arrow
from schemas.base import Model
from schemas.errors import ShardCorrupt
from schemas.manifest import ShardFile, Table

KEPT: Final = 100
"""Problems that are reported one by one; the others are counted."""
SCHEMAS: Final[dict[Table, pa.Schema]] = {
    "traces": arrow.TRACES,
    "documents": arrow.DOCUMENTS,
    "failures": arrow.FAILURES,
}

Row = TypeVar("Row")


class Problem(Model):
    """One thing that is wrong."""

    file: str
    """Relative to the data set's directory."""
    id: str | None
    """Of the row, if it is one row's."""
    problem: str


class Validation(Model):
    """What was looked at, and what is wrong."""

    manifests: int
    files: int
    records: int
    events: int
    failures: int
    documents: dict[str, int]
    """By renderer."""
    problems: int
    first_problems: tuple[Problem, ...]
    """At most ``KEPT``."""


class Findings:
    """Collects problems, and reads files so that a damaged one becomes a problem."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.count = 0
        self.first: list[Problem] = []

    def say(self, file: str, row: str | None, problem: str) -> None:
        """Note a problem of a file, or of one row of it."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(Problem(file=file, id=row, problem=problem))

    def rows(self, file: ShardFile, decode: Callable[[pa.Table], Iterator[Row]]) -> Iterator[Row]:
        """Yield the rows of a file whose bytes are those of its manifest; else note why not."""
        problem = self._bytes_problem(file)
        if problem is None:
            try:
                for group in read_file(self.run_dir, file, SCHEMAS[file.table]):
                    yield from decode(group)
            except ShardCorrupt as error:
                problem = str(error)
        if problem is not None:
            self.say(file.path, None, problem)

    def _bytes_problem(self, file: ShardFile) -> str | None:
        path = self.run_dir / file.path
        try:
            size = path.stat().st_size
            with path.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            return f"it cannot be read: {error.strerror or error}"
        if size != file.bytes:
            return f"it has {size} bytes, its manifest says {file.bytes}"
        return None if sha256 == file.sha256 else "its bytes are not those that its manifest has the sha256 of"
