"""What a worker has finished but not yet written; it becomes a shard when it is large or old enough."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from pipelines.shards import ShardContents, ShardWriter
from pipelines.tally import Tally
from schemas import arrow
from schemas.base import Model
from schemas.document import RenderedDocument
from schemas.errors import FormatError
from schemas.failure import Failure
from schemas.trace_record import TraceRecord

BATCH_BYTES: Final = 2**20
"""Estimated size of the rows that are put into columns together: one by one costs four times as much, and 100 bytes
of bookkeeping for each of the 100 arrays in a row's tables."""
ROW_BYTES: Final = 2_000
"""Of a row beside its events."""


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
    """Collects finished items, then columns, and writes them through a ``ShardWriter``. Thread-safe."""

    def __init__(self, writer: ShardWriter, thresholds: ShardThresholds) -> None:
        self._writer = writer
        self._thresholds = thresholds
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._waiting: list[Finished] = []
        self._waiting_bytes = 0
        self._contents = ShardContents()
        self._rows = 0
        self._since: float | None = None

    def add(self, finished: Finished) -> tuple[Tally, bool]:
        """Take one item's rows; return what they count, and whether everything taken so far is on disk now.

        A record that turns out to have no stored form is a failure row in the shard and its manifest. Raises
        ``StorageFailed``.
        """
        with self._lock:
            self._waiting.append(finished)
            self._waiting_bytes += _estimate(finished)
            self._rows += len(finished.records) + len(finished.failures)
            self._since = self._since if self._since is not None else time.monotonic()
            if self._waiting_bytes >= min(BATCH_BYTES, self._thresholds.bytes):
                self._convert()
            if self._full():
                self._flush()
            return _tally(finished), not self._rows

    def flush(self) -> None:
        """Write what is there as one shard. Raises ``StorageFailed``; the rows are kept for another try."""
        with self._lock:
            self._flush()

    def _convert(self) -> None:
        self._contents.add(_contents(self._waiting))
        self._waiting, self._waiting_bytes = [], 0

    def _flush(self) -> None:
        if self._waiting:
            self._convert()
        if self._contents.done:
            self._writer.write(self._contents)
        self._clear()

    def _full(self) -> bool:
        limits = self._thresholds
        age = time.monotonic() - self._since if self._since is not None else 0.0
        return self._rows >= limits.rows or self._contents.nbytes >= limits.bytes or age >= limits.seconds


def _estimate(finished: Finished) -> int:
    rows = len(finished.records) + len(finished.failures)
    return ROW_BYTES * rows + sum(record.counts.wire_bytes for record in finished.records)


def _tally(finished: Finished) -> Tally:
    tally = Tally()
    for record in finished.records:
        tally.add_record(record)
    for document in finished.documents:
        tally.add_document(document)
    for failure in finished.failures:
        tally.add_failure(failure)
    return tally


def _contents(items: Sequence[Finished]) -> ShardContents:
    together = Finished()
    for item in items:
        together.records += item.records
        together.documents += item.documents
        together.failures += item.failures
    try:
        return _columns(together)
    except FormatError:
        return _contents_one_by_one(together)


def _contents_one_by_one(finished: Finished) -> ShardContents:
    contents = _columns(Finished(failures=finished.failures))
    for record in finished.records:
        documents = [document for document in finished.documents if document.trace_id == record.trace_id]
        try:
            contents.add(_columns(Finished([record], documents)))
        except FormatError as error:
            contents.add(_columns(Finished(failures=[unstorable(record, error)])))
    return contents


def _columns(finished: Finished) -> ShardContents:
    """Return the rows as columns. Raises ``FormatError`` if one of them has no stored form."""
    contents = ShardContents(tally=_tally(finished))
    if finished.records:
        contents.traces.append(arrow.records_to_table(finished.records))
    for renderer in sorted({document.renderer for document in finished.documents}):
        documents = [document for document in finished.documents if document.renderer == renderer]
        contents.documents[renderer] = [arrow.documents_to_table(documents)]
    if finished.failures:
        contents.failures.append(arrow.failures_to_table([storable_failure(failure) for failure in finished.failures]))
    contents.done += [record.trace_id for record in finished.records]
    contents.done += [failure.trace_id for failure in finished.failures]
    return contents
