"""The files of one table as plain rows: batch by batch, only the columns that a row form reads."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import IOBase
from pathlib import PurePosixPath
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.corpora.stores import Store
from tracegen.sources.base import PlainRow, Rejected
from tracegen.sources.json_lines import plain_rows

BATCH_ROWS: Final = 64
"""Rows that are Python objects at a time: problems with thousands of solutions have megabytes each."""
BUFFER_BYTES: Final = 2**20
"""Read ahead per column of a Parquet file; without a bound a whole row group is."""
PARQUET: Final = (".parquet",)
ARROW: Final = (".arrow", ".feather")
JSON_LINES: Final = (".jsonl", ".jsonl.gz")
SUFFIXES: Final = (*PARQUET, *ARROW, *JSON_LINES)
_ARROW_MAGIC: Final = b"ARROW1"
_READ_ERRORS: Final = (OSError, EOFError, zlib.error, pa.ArrowException)


@dataclass(frozen=True)
class TableFiles:
    """One source: files of one table, in order."""

    origin: str
    store: Store
    paths: tuple[str, ...]
    roots: frozenset[str]
    """Top-level columns to read, where a file has them."""

    def rows(self) -> Iterator[PlainRow]:
        """Yield the rows of every file. A file that cannot be read is an error in its place, and the rest goes on."""
        for path in self.paths:
            name = PurePosixPath(path).name
            try:
                with self.store.open(path) as file:
                    yield from self._rows(file, name)
            except _READ_ERRORS as error:
                detail = f"reading stopped: {' '.join(str(error).split())[:500]}"
                yield PlainRow(name, name, Rejected("unreadable_source", detail))

    def columns(self) -> list[str] | None:
        """Return the columns of the first file; ``None`` if they stand in every row. Raises ``OSError``, Arrow's."""
        path = self.paths[0]
        if path.endswith(JSON_LINES):
            return None
        with self.store.open(path) as file:
            return list(_schema(file, path).names)

    def _rows(self, file: BinaryIO, name: str) -> Iterator[PlainRow]:
        if name.endswith(JSON_LINES):
            text = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if name.endswith(".gz") else file
            yield from plain_rows(text, name)
            return
        batches = self._parquet(file) if name.endswith(PARQUET) else self._arrow(file)
        number = 0
        for batch in batches:
            for content in batch.to_pylist():
                number += 1
                yield PlainRow(f"{name}#{number}", f"{name}, row {number}", content)

    def _chosen(self, schema: pa.Schema) -> list[str]:
        return [name for name in schema.names if name in self.roots]

    def _parquet(self, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False) as parquet:
            yield from parquet.iter_batches(BATCH_ROWS, columns=self._chosen(parquet.schema_arrow), use_threads=False)

    def _arrow(self, file: BinaryIO) -> Iterator[pa.RecordBatch]:
        for batch in _record_batches(file):
            chosen = batch.select(self._chosen(batch.schema))
            yield from (chosen.slice(start, BATCH_ROWS) for start in range(0, chosen.num_rows, BATCH_ROWS))


def _schema(file: BinaryIO, path: str) -> pa.Schema:
    if path.endswith(PARQUET):
        return pq.read_schema(file)
    return (pa.ipc.open_file if _is_file_format(file) else pa.ipc.open_stream)(_native(file)).schema


def _native(file: BinaryIO) -> pa.NativeFile:
    return pa.PythonFile(cast(IOBase, file), mode="r")


def _is_file_format(file: BinaryIO) -> bool:
    """Tell Arrow's file format from its stream format, which ``datasets`` keeps under the same suffix."""
    start = file.read(len(_ARROW_MAGIC))
    file.seek(0)
    return start == _ARROW_MAGIC


def _record_batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    if not _is_file_format(file):
        yield from pa.ipc.open_stream(_native(file))
        return
    reader = pa.ipc.open_file(_native(file))
    for index in range(reader.num_record_batches):
        yield reader.get_batch(index)
