"""What a worker has finished but not yet written; it becomes a shard when it is large or old enough."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.shards import ShardContents, ShardWriter
from pipelines.tally import Tally
from schemas import arrow
from schemas.base import Model
from schemas.document import RenderedDocument
from schemas.errors import FormatError
from schemas.failure import Failure
from schemas.trace_record import TraceRecord


class ShardThresholds(Model):
    """A shard is written when any is reached; one that is lost with its worker is at most that much work."""

    rows: int = 2_000
    bytes: int = 64 * 2**20
    """Of the columns in memory; on disk a tenth or less."""
    seconds: float = 60.0
    """Age of the oldest row."""


@dataclass(slots=True)
class Finished:
    """All that became of one item: rows enter the buffer together or not at all."""

    records: list[TraceRecord] = field(default_factory=list)
    documents: list[RenderedDocument] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def _storable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def storable_failure(failure: Failure) -> Failure:
    """Return the row with lone surrogates (odd file names, a corpus's escapes) spelled out, so that it has a form."""
    place = failure.provenance
    names = {name: _storable(getattr(failure, name)) for name in ("source_id", "entry", "inputs", "detail")}
    origin = {"origin": _storable(place.origin), "path": _storable(place.path), "commit": _storable(place.commit)}
    return failure.model_copy(update={**names, "provenance": place.model_copy(update=origin)})


def unstorable(record: TraceRecord, error: FormatError) -> Failure:
    """Return the failure row that stands for a record which has no stored form."""
    return Failure(
        trace_id=record.trace_id,
        job_id=record.job_id,
        source_id=record.source_id,
        kind=record.kind,
        entry=record.entry,
        inputs=record.inputs,
        reason="recorder_error",
        detail=str(error),
        provenance=record.provenance,
    )


class ShardBuffer:
    """Collects finished items as columns and writes them through a ``ShardWriter``. Thread-safe."""

    def __init__(self, writer: ShardWriter, thresholds: ShardThresholds) -> None:
        self._writer = writer
        self._thresholds = thresholds
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._contents = ShardContents()
        self._since: float | None = None

    def add(self, finished: Finished) -> tuple[Tally, bool]:
        """Take one item's rows; return what was counted, and whether everything taken so far is on disk now.

        A record that cannot be stored is counted as a failure row. Raises ``StorageFailed``.
        """
        item = _contents(finished)
        with self._lock:
            self._contents.add(item)
            self._since = self._since if self._since is not None else time.monotonic()
            if self._full():
                self._flush()
            return item.tally, not self._contents.done

    def flush(self) -> None:
        """Write what is there as one shard. Raises ``StorageFailed``; the rows are kept for another try."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if self._contents.done:
            self._writer.write(self._contents)
            self._clear()

    def _full(self) -> bool:
        limits = self._thresholds
        age = time.monotonic() - self._since if self._since is not None else 0.0
        return len(self._contents.done) >= limits.rows or self._contents.nbytes >= limits.bytes or age >= limits.seconds


def _contents(finished: Finished) -> ShardContents:
    traces, refused = _record_parts(finished.records)
    lost = {failure.trace_id for failure in refused}
    contents = ShardContents(traces=traces)
    for record in finished.records:
        if record.trace_id not in lost:
            contents.tally.add_record(record)
            contents.done.append(record.trace_id)
    for document in finished.documents:
        if document.trace_id not in lost:
            contents.tally.add_document(document)
            contents.documents.setdefault(document.renderer, []).append(arrow.documents_to_table([document]))
    for failure in [*finished.failures, *refused]:
        contents.tally.add_failure(failure)
        contents.done.append(failure.trace_id)
        contents.failures.append(arrow.failures_to_table([storable_failure(failure)]))
    return contents


def _record_parts(records: Sequence[TraceRecord]) -> tuple[list[pa.Table], list[Failure]]:
    parts: list[pa.Table] = []
    refused: list[Failure] = []
    for record in records:
        try:
            parts.append(arrow.records_to_table([record]))
        except FormatError as error:
            refused.append(unstorable(record, error))
    return parts, refused
