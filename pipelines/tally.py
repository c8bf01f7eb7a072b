"""Counts of what became of inputs: summed by workers, shown by progress, written into manifests and reports."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.document import RenderedDocument
from schemas.failure import Failure
from schemas.manifest import ShardManifest
from schemas.trace_record import TraceRecord


@dataclass(slots=True)
class Tally:
    """Sums over records, failure rows and documents."""

    outcomes: Counter[str] = field(default_factory=Counter)
    determinism: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    """Documents by renderer."""
    matched: int = 0
    mismatched: int = 0
    events: int = 0

    @property
    def rows(self) -> int:
        """Return the number of records."""
        return self.outcomes.total()

    @property
    def inputs(self) -> int:
        """Return the number of inputs that came to an end: records and failure rows."""
        return self.outcomes.total() + self.failures.total()

    def add_record(self, record: TraceRecord) -> None:
        """Count one record."""
        self.outcomes[record.outcome.label] += 1
        self.determinism[record.determinism.label] += 1
        self.events += len(record.events)
        if record.expected and all(one.matched for one in record.expected):
            self.matched += 1
        elif record.expected:
            self.mismatched += 1

    def add_failure(self, failure: Failure) -> None:
        """Count one failure row."""
        self.failures[failure.reason] += 1

    def add_document(self, document: RenderedDocument) -> None:
        """Count one document."""
        self.documents[document.renderer] += 1

    def add(self, other: "Tally", sign: int = 1) -> None:
        """Add another tally, or take it back with ``sign=-1``."""
        for mine, theirs in (
            (self.outcomes, other.outcomes),
            (self.determinism, other.determinism),
            (self.failures, other.failures),
            (self.documents, other.documents),
        ):
            for name, count in theirs.items():
                mine[name] += sign * count
        self.matched += sign * other.matched
        self.mismatched += sign * other.mismatched
        self.events += sign * other.events


def tally_of(manifest: ShardManifest) -> Tally:
    """Return what a finished shard holds."""
    tally = Tally(
        outcomes=Counter(manifest.outcomes),
        determinism=Counter(manifest.determinism),
        failures=Counter(manifest.failures),
        matched=manifest.matched,
        mismatched=manifest.mismatched,
        events=manifest.events,
    )
    for file in manifest.files:
        if file.table == "documents":
            tally.documents[file.path.split("/")[1]] += file.rows
    return tally
