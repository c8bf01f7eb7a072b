"""JSON lines as plain rows, read line by line; gzip is told by the name."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from tracegen.sources.base import PlainRow, Rejected
from tracegen.sources.json_rows import lines_of, row_content

SUFFIXES: Final = (".jsonl", ".jsonl.gz")


@dataclass(slots=True, frozen=True)
class JsonLines:
    """One file. ``origin`` is its name as the user gave it."""

    path: Path
    origin: str

    def rows(self) -> Iterator[PlainRow]:
        """Yield the rows in order. Raises ``Rejected`` (``unreadable_source``) where reading ends early."""
        try:
            with self._open() as file:
                yield from plain_rows(file, self.path.name)
        except (OSError, EOFError, zlib.error) as error:
            raise Rejected("unreadable_source", f"reading stopped: {error}") from error

    def _open(self) -> BinaryIO:
        return cast(BinaryIO, gzip.open(self.path)) if self.path.suffix == ".gz" else self.path.open("rb")


def plain_rows(file: BinaryIO, name: str) -> Iterator[PlainRow]:
    """Yield the rows of an open file; a line that is none is an error in its place."""
    for number, line in lines_of(file):
        try:
            content: dict[str, object] | Rejected = row_content(line)
        except Rejected as rejected:
            content = rejected
        yield PlainRow(f"{name}#{number}", f"line {number}", content)
