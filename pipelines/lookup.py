"""Find one row of a run by its place or id, reading only the columns and the row group that it takes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.shards import corrupt, shard_files
from schemas import arrow
from schemas.document import RenderedDocument
from schemas.errors import UsageError
from schemas.failure import Failure
from schemas.manifest import ShardFile, Table
from schemas.trace_record import TraceRecord


@dataclass(slots=True, frozen=True)
class _Place:
    file: ShardFile
    row: int


def row_by_number(run_dir: Path, number: int) -> TraceRecord:
    """Return the ``number``-th record of a run, from 1, in the order of its shards. Raises ``UsageError``."""
    seen = 0
    for file in shard_files(run_dir, "traces"):
        if number >= 1 and number <= seen + file.rows:
            table = _row(run_dir, _Place(file, number - seen - 1))
            return next(arrow.records_from_table(table))
        seen += file.rows
    raise UsageError(f"{run_dir} has {seen} records: there is no row {number}; rows count from 1")


def row_by_id(run_dir: Path, wanted: str) -> TraceRecord | Failure:
    """Return the record or failure row whose trace id begins with ``wanted`` or whose source id is it.

    Raises ``UsageError`` if there is none, or if the beginning of a trace id fits several.
    """
    found = list(_places(run_dir, wanted))
    if not found:
        raise UsageError(f"{run_dir} has no row {wanted!r}; give a source_id, a trace_id or its beginning, or --row N")
    exact = [place for place, certain in found if certain] or [place for place, _ in found]
    if len(exact) > 1:
        raise UsageError(f"{len(exact)} rows of {run_dir} go by {wanted!r}; give more of the trace_id")
    table = _row(run_dir, exact[0])
    decode: Callable[[pa.Table], Iterator[TraceRecord | Failure]] = (
        arrow.records_from_table if exact[0].file.table == "traces" else arrow.failures_from_table
    )
    return next(decode(table))


def documents_of_row(run_dir: Path, trace_id: str, renderer: str) -> list[RenderedDocument]:
    """Return the stored documents of one record in one rendering."""
    rows = []
    for file in shard_files(run_dir, "documents", renderer):
        ids = columns(run_dir, file, ["trace_id"]).column("trace_id").to_pylist()
        places = (_Place(file, row) for row, found in enumerate(ids) if found == trace_id)
        rows += [next(arrow.documents_from_table(_row(run_dir, place))) for place in places]
    return rows


def _places(run_dir: Path, wanted: str) -> Iterator[tuple[_Place, bool]]:
    """Yield every place that fits, and whether it does by a whole id."""
    tables: tuple[Table, ...] = ("traces", "failures")
    for table in tables:
        for file in shard_files(run_dir, table):
            found = columns(run_dir, file, ["trace_id", "source_id"]).to_pydict()
            for row, ids in enumerate(zip(found["trace_id"], found["source_id"], strict=True)):
                if ids[0].startswith(wanted) or ids[1] == wanted:
                    yield _Place(file, row), wanted in ids


def columns(run_dir: Path, file: ShardFile, names: list[str]) -> pa.Table:
    """Read some columns of one file of a manifest. Raises ``ShardCorrupt``."""
    path = run_dir / file.path
    try:
        with pq.ParquetFile(path) as parquet:
            return parquet.read(columns=names)
    except (OSError, pa.ArrowInvalid) as error:
        raise corrupt(path, str(error)) from error


def _row(run_dir: Path, place: _Place) -> pa.Table:
    path, start = run_dir / place.file.path, 0
    try:
        with pq.ParquetFile(path) as parquet:
            for index in range(parquet.num_row_groups):
                rows = parquet.metadata.row_group(index).num_rows
                if place.row < start + rows:
                    return parquet.read_row_group(index).slice(place.row - start, 1)
                start += rows
    except (OSError, pa.ArrowInvalid) as error:
        raise corrupt(path, str(error)) from error
    raise corrupt(path, f"it has {start} rows, its manifest says {place.file.rows}")
