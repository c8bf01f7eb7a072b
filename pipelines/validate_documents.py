"""Whether the documents of a shard are what their renderer and view make of its records."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from pipelines.validation import Findings
from schemas.arrow import documents_from_table
from schemas.document import RenderedDocument
from schemas.errors import UsageError
from schemas.manifest import ShardFile
from schemas.trace_record import TraceRecord
from tracegen.checks import document_problems
from tracegen.documents import named_pieces

Place = tuple[int, int] | None
"""First and last event of an episode; ``None``: the whole."""


@dataclass(slots=True)
class DocumentCheck:
    """Checks files of documents against the records of one shard at a time."""

    findings: Findings
    files: dict[str, str] = field(default_factory=dict)
    """File of every document id so far."""
    counts: dict[str, int] = field(default_factory=dict)
    """Documents by renderer."""
    _key: tuple[str, str, int | None] | None = None
    _pieces: dict[Place, TraceRecord] = field(default_factory=dict)
    """What the view that was looked at last shows."""

    def check(self, file: ShardFile, records: Mapping[str, TraceRecord], unsound: Set[str]) -> None:
        """Check every document of a file, and that none is missing; those of ``unsound`` records are passed over."""
        found: dict[str, set[Place]] = {}
        view, seed, rows = "", None, 0
        for document in self.findings.rows(file, documents_from_table):
            rows += 1
            view, seed = document.view.removeprefix("episode+"), document.seed
            self.counts[document.renderer] = self.counts.get(document.renderer, 0) + 1
            found.setdefault(document.trace_id, set()).add(_place(document))
            self._unique(file, document)
            if document.trace_id not in records:
                problem = f"it is of trace {document.trace_id}, which its shard does not hold"
                self.findings.say(file.path, document.document_id, problem)
            elif document.trace_id not in unsound:
                self._document(file, document, records[document.trace_id])
        if rows:
            for trace_id in records.keys() - unsound:
                self._complete(file, records[trace_id], found.get(trace_id, set()), view, seed)

    def _unique(self, file: ShardFile, document: RenderedDocument) -> None:
        if document.document_id in self.files:
            other = self.files[document.document_id]
            self.findings.say(file.path, document.document_id, f"its id stands in {other} already")
        self.files[document.document_id] = file.path

    def _document(self, file: ShardFile, document: RenderedDocument, record: TraceRecord) -> None:
        try:
            self._show(record, document.view, document.seed)
        except UsageError as error:
            self.findings.say(file.path, document.document_id, str(error))
            return
        shown = self._pieces.get(_place(document))
        if shown is None:
            problem = f"events {_place(document)} are no part that its view {document.view} makes"
            self.findings.say(file.path, document.document_id, problem)
            return
        for problem in document_problems(document, shown):
            self.findings.say(file.path, document.document_id, problem)

    def _show(self, record: TraceRecord, view: str, seed: int | None) -> None:
        key = record.trace_id, view, seed
        if key != self._key:
            pieces = named_pieces(record, view, seed)
            self._pieces = {
                None if episode is None else (episode.first_event, episode.last_event): piece
                for episode, piece in pieces
            }
            self._key = key

    def _complete(self, file: ShardFile, record: TraceRecord, found: Set[Place], view: str, seed: int | None) -> None:
        """Note documents that are missing; of a budget, whose parts only its count knows, a record without any."""
        try:
            self._show(record, "whole" if "budget(" in view else view, seed)
        except UsageError:  # noted with each document
            return
        missing = self._pieces.keys() - found if "budget(" not in view else () if found else self._pieces.keys()
        if missing:
            self.findings.say(file.path, record.trace_id, f"{len(missing)} documents of this record are missing")


def _place(document: RenderedDocument) -> Place:
    episode = document.episode
    return None if episode is None else (episode.first_event, episode.last_event)
