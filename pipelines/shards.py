"""Shards on disk: Parquet files that appear whole, then the manifest that makes them count; and their readers."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.atomic import atomic_file, storage_errors
from pipelines.manifests import manifest_path, manifests, write_manifest
from pipelines.tally import Tally
from schemas import arrow
from schemas.base import digest
from schemas.document import RenderedDocument
from schemas.errors import ShardCorrupt
from schemas.failure import Failure
from schemas.manifest import ShardFile, ShardManifest, Table
from schemas.trace_record import TraceRecord

ROW_GROUP_BYTES: Final = 100_000_000
"""Most bytes of a row group before encoding: what the Hub's viewer takes. A single larger row stands alone."""

Row = TypeVar("Row")


@dataclass(slots=True)
class ShardContents:
    """What one shard is to hold, already in columns."""

    done: list[str] = field(default_factory=list)
    """Trace ids that are finished with this shard."""
    traces: list[pa.Table] = field(default_factory=list)
    documents: dict[str, list[pa.Table]] = field(default_factory=dict)
    """By renderer."""
    failures: list[pa.Table] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    nbytes: int = 0
    """Of the columns added so far."""

    def add(self, other: "ShardContents") -> None:
        """Append another shard's contents."""
        self.done += other.done
        self.traces += other.traces
        self.failures += other.failures
        for renderer, parts in other.documents.items():
            self.documents.setdefault(renderer, []).extend(parts)
        self.tally.add(other.tally)
        self.nbytes += sum(part.nbytes for _, _, parts in other.files("") for part in parts)

    def files(self, shard: str) -> Iterator[tuple[Table, str, list[pa.Table]]]:
        """Yield table, relative path and parts of every file that is not empty."""
        if self.traces:
            yield "traces", f"traces/{shard}.parquet", self.traces
        for renderer, parts in sorted(self.documents.items()):
            if parts:
                yield "documents", f"documents/{renderer}/{shard}.parquet", parts
        if self.failures:
            yield "failures", f"failures/{shard}.parquet", self.failures


def _pieces(part: pa.Table) -> Iterator[pa.Table]:
    """Yield a table cut so that no piece of several rows is larger than a row group."""
    if part.num_rows <= 1 or part.nbytes <= ROW_GROUP_BYTES:
        yield part
        return
    half = part.num_rows // 2
    yield from _pieces(part.slice(0, half))
    yield from _pieces(part.slice(half))


def _row_groups(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    group: list[pa.Table] = []
    size = 0
    for part in (piece for whole in parts for piece in _pieces(whole)):
        if group and size + part.nbytes > ROW_GROUP_BYTES:
            yield pa.concat_tables(group)
            group, size = [], 0
        group.append(part)
        size += part.nbytes
    yield pa.concat_tables(group)


def _write_parquet(path: Path, parts: list[pa.Table]) -> None:
    with (
        atomic_file(path) as temporary,
        pq.ParquetWriter(temporary, parts[0].schema, compression="zstd", write_page_index=True) as writer,
    ):
        for group in _row_groups(parts):
            writer.write_table(group, row_group_size=group.num_rows)


def _describe(run_dir: Path, table: Table, relative: str, rows: int) -> ShardFile:
    path = run_dir / relative
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return ShardFile(table=table, path=relative, rows=rows, bytes=path.stat().st_size, sha256=sha256)


@dataclass(slots=True, frozen=True)
class ShardWriter:
    """Writes the shards of one stage of a run. A shard is named by the digest of its sorted ids."""

    run_dir: Path
    stage: str

    def write(self, contents: ShardContents) -> ShardManifest:
        """Write the files, then the manifest. Raises ``StorageFailed``; then no trace of the shard is left."""
        shard = digest(sorted(contents.done))
        files: list[ShardFile] = []
        written: list[Path] = []
        try:
            for table, relative, parts in contents.files(shard):
                written.append(self.run_dir / relative)
                _write_parquet(written[-1], parts)
                with storage_errors(written[-1]):
                    files.append(_describe(self.run_dir, table, relative, sum(part.num_rows for part in parts)))
            manifest = self._manifest(shard, files, contents)
            write_manifest(self.run_dir, manifest)
        except BaseException:
            # The manifest first: without its files it must not stand, should the last sync have failed.
            for path in [manifest_path(self.run_dir, self.stage, shard), *written]:
                with suppress(OSError):  # the error on its way says more than one of the clean-up
                    path.unlink()
            raise
        return manifest

    def _manifest(self, shard: str, files: list[ShardFile], contents: ShardContents) -> ShardManifest:
        tally = contents.tally
        return ShardManifest(
            stage=self.stage,
            shard=shard,
            files=tuple(files),
            done=tuple(contents.done),
            outcomes=dict(tally.outcomes),
            determinism=dict(tally.determinism),
            failures=dict(tally.failures),
            matched=tally.matched,
            mismatched=tally.mismatched,
            events=tally.events,
            recorded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def corrupt(path: Path, reason: str) -> ShardCorrupt:
    """Return the error of a shard's file that is not what its manifest says, with what to do."""
    return ShardCorrupt(
        f"{path} cannot be read: {reason}; delete the manifest that names it and run again: its rows are then made anew"
    )


def read_file(run_dir: Path, file: ShardFile, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the row groups of one file of a manifest. Raises ``ShardCorrupt`` with what to do."""
    path = run_dir / file.path
    try:
        with pq.ParquetFile(path) as parquet:
            if parquet.metadata.num_rows != file.rows:
                raise corrupt(path, f"it has {parquet.metadata.num_rows} rows, its manifest says {file.rows}")
            arrow.current(parquet.schema_arrow.empty_table(), schema)
            for index in range(parquet.num_row_groups):
                yield arrow.current(parquet.read_row_group(index), schema)
    except (OSError, pa.ArrowInvalid) as error:
        raise corrupt(path, str(error)) from error


def shard_files(run_dir: Path, table: Table, renderer: str | None = None) -> Iterator[ShardFile]:
    """Yield the files of one table (and renderer) that manifests name."""
    prefix = f"documents/{renderer}/" if renderer else ""
    for manifest in manifests(run_dir):
        yield from (file for file in manifest.files if file.table == table and file.path.startswith(prefix))


def _rows(
    run_dir: Path, files: Iterable[ShardFile], schema: pa.Schema, decode: Callable[[pa.Table], Iterator[Row]]
) -> Iterator[Row]:
    for file in files:
        for group in read_file(run_dir, file, schema):
            yield from decode(group)


def read_traces(run_dir: Path) -> Iterator[TraceRecord]:
    """Yield every finished record of a run. Raises ``ShardCorrupt``."""
    return _rows(run_dir, shard_files(run_dir, "traces"), arrow.TRACES, arrow.records_from_table)


def read_documents(run_dir: Path, renderer: str | None = None) -> Iterator[RenderedDocument]:
    """Yield every finished document of a run, or those of one renderer. Raises ``ShardCorrupt``."""
    files = shard_files(run_dir, "documents", renderer)
    return _rows(run_dir, files, arrow.DOCUMENTS, arrow.documents_from_table)


def read_failures(run_dir: Path) -> Iterator[Failure]:
    """Yield every finished failure row of a run. Raises ``ShardCorrupt``."""
    return _rows(run_dir, shard_files(run_dir, "failures"), arrow.FAILURES, arrow.failures_from_table)
