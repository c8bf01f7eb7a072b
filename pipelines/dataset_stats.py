"""Numbers of a whole data set: from the manifests, and from single columns where those do not say."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from pipelines.funnel import Funnel
from pipelines.lookup import columns
from pipelines.manifests import manifests
from pipelines.report import read_report
from pipelines.shards import read_failures, shard_files
from pipelines.tally import Tally, tally_of
from schemas.base import Model

EXAMPLES: Final = 3
"""Failure rows quoted per reason."""


class Spread(Model):
    """How a number is distributed over rows."""

    median: int
    p90: int
    largest: int
    total: int


class DatasetStatistics(Model):
    """What a run's directory holds."""

    rows: int
    failures: int
    failure_reasons: dict[str, int]
    failure_examples: dict[str, list[str]]
    """Source id and detail of the first rows of each reason."""
    outcomes: dict[str, int]
    determinism: dict[str, int]
    matched: int
    mismatched: int
    events: Spread | None
    """Per record; ``None`` without records."""
    documents: dict[str, int]
    characters: dict[str, Spread]
    """Per document, by renderer."""
    bytes_on_disk: dict[str, int]
    """By table; documents by renderer."""
    shards: int
    funnel: Funnel | None = None
    """As of the latest run into the directory."""


def dataset_statistics(run_dir: Path) -> DatasetStatistics:
    """Return the numbers of a run's directory. Raises ``ShardCorrupt``."""
    tally, shards, sizes = Tally(), 0, Counter[str]()
    report = read_report(run_dir)
    for manifest in manifests(run_dir):
        tally.add(tally_of(manifest))
        shards += bool(manifest.outcomes or manifest.failures)
        for file in manifest.files:
            sizes[file.path.rpartition("/")[0]] += file.bytes
    return DatasetStatistics(
        rows=tally.rows,
        failures=tally.failures.total(),
        failure_reasons=dict(tally.failures.most_common()),
        failure_examples=_examples(run_dir, tally.failures),
        outcomes=dict(tally.outcomes.most_common()),
        determinism=dict(tally.determinism.most_common()),
        matched=tally.matched,
        mismatched=tally.mismatched,
        events=_spread(_event_counts(run_dir)),
        documents=dict(sorted(tally.documents.items())),
        characters=_characters(run_dir, tally.documents),
        bytes_on_disk=dict(sorted(sizes.items())),
        shards=shards,
        funnel=None if report is None else report.funnel,
    )


def _spread(values: Iterable[int]) -> Spread | None:
    ordered = sorted(values)
    if not ordered:
        return None
    last = len(ordered) - 1
    return Spread(median=ordered[last // 2], p90=ordered[last * 9 // 10], largest=ordered[-1], total=sum(ordered))


def _event_counts(run_dir: Path) -> list[int]:
    counts: list[int] = []
    for file in shard_files(run_dir, "traces"):
        counts += pc.struct_field(columns(run_dir, file, ["counts"]).column("counts"), "events").to_pylist()
    return counts


def _characters(run_dir: Path, documents: Iterable[str]) -> dict[str, Spread]:
    spreads: dict[str, Spread] = {}
    for renderer in sorted(documents):
        lengths: list[int] = []
        for file in shard_files(run_dir, "documents", renderer):
            lengths += pc.utf8_length(columns(run_dir, file, ["text"]).column("text")).to_pylist()
        spread = _spread(lengths)
        if spread:
            spreads[renderer] = spread
    return spreads


def _examples(run_dir: Path, reasons: Iterable[str]) -> dict[str, list[str]]:
    wanted = list(reasons)
    return {
        reason: [
            f"{row.source_id}: {row.detail}"
            for row in islice((row for row in read_failures(run_dir) if row.reason == reason), EXAMPLES)
        ]
        for reason in wanted
    }


def statistics_lines(numbers: DatasetStatistics) -> list[tuple[str, str]]:
    """Return the numbers as label and text, for people."""
    lines = [("records", f"{numbers.rows:,} in {numbers.shards:,} shards"), ("failure rows", f"{numbers.failures:,}")]
    for reason, count in numbers.failure_reasons.items():
        lines.append((f"  {reason}", f"{count:,}"))
        lines += [("", f"{text[:160]}") for text in numbers.failure_examples[reason]]
    lines += [("outcomes", _listed(numbers.outcomes)), ("determinism", _listed(numbers.determinism))]
    expected = numbers.matched + numbers.mismatched
    lines.append(("expected results", f"{numbers.matched:,} of {expected:,} came" if expected else "none stated"))
    if numbers.events:
        lines.append(("events", _spread_text(numbers.events, "record")))
    for renderer, spread in numbers.characters.items():
        text = f"{numbers.documents[renderer]:,} documents; characters: {_spread_text(spread, 'document')}"
        lines.append((f"text {renderer}", text))
    sizes = ", ".join(f"{path} {size / 1e6:,.2f} MB" for path, size in numbers.bytes_on_disk.items())
    return [*lines, ("on disk", sizes)]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _spread_text(spread: Spread, unit: str) -> str:
    return f"{spread.total:,} in all, median {spread.median:,}, p90 {spread.p90:,}, most {spread.largest:,} per {unit}"
