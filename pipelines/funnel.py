"""The yield funnel: how many of what the sources hold become data, and where and why the rest is lost.

The unit is an input, or a function (or a row) that has none. Stages, each a part of the one before:

=============  =======================================================================================================
stage          what is left
=============  =======================================================================================================
seen           every planned input (record or failure row), every function without an example, every row without input
parsed         not ``bad_row``, ``unreadable_source``, ``syntax_error`` (a module that fails so counts once)
importable     not ``no_source``, ``import_error``, ``module_error``; what has no inputs was never tried, and stays
callable       something says how to call it: not ``no_inputs``, ``bad_input``, ``unknown_entry``, ``ambiguous_entry``
traced         a record: none of the other failures
rerun_equal    its second run agreed: not ``differs``, ``perturbed`` (``unchecked`` stays)
kept           ended by itself (``returned``, ``raised``, ``exited``) and gives a document: not ``no_episode``, a
               doctest that calls nothing of its own module
=============  =======================================================================================================

A result other than the stated one is no loss: the trace is true all the same, and wrong solutions are wanted.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pipelines.lookup import columns
from pipelines.manifests import FUNCTIONS_STAGE, manifests
from schemas.base import Model
from schemas.failure import FailureReason
from schemas.manifest import ShardManifest
from tracegen.sources.base import PlanStatistics

EXAMPLES: Final = 3
"""Ids kept per reason."""
NO_INPUTS: Final = "no_inputs"
NO_EPISODE: Final = "no_episode"
STAGES: Final = ("seen", "parsed", "importable", "callable", "traced", "rerun_equal", "kept")
_STAGE_OF: Final[dict[FailureReason, str]] = {
    "bad_row": "parsed",
    "unreadable_source": "parsed",
    "syntax_error": "parsed",
    "no_source": "importable",
    "import_error": "importable",
    "module_error": "importable",
    "bad_input": "callable",
    "unknown_entry": "callable",
    "ambiguous_entry": "callable",
}
_ENDED: Final = frozenset({"returned", "raised", "exited"})
_AGREED: Final = frozenset({"verified", "unchecked"})


class PlanCounts(Model):
    """What the plan has seen; of an interrupted run or one with ``limit``, as far as it was planned."""

    files: int
    rows: int
    functions: int
    functions_without_inputs: int
    doctests: int
    code_without_inputs: int
    """Modules and rows in ``without_inputs.jsonl.gz``."""
    rows_without_inputs: int
    skipped: dict[str, int]
    """Parts of rows that no input could be made of, by reason."""


class FunnelStage(Model):
    """One stage: what is left after it, and what it dropped."""

    name: str
    count: int
    dropped: dict[str, int]
    """By reason."""
    examples: dict[str, list[str]]
    """Ids of the first that were dropped, by reason."""


class Funnel(Model):
    """See the module."""

    stages: tuple[FunnelStage, ...]


class _Drops:
    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {stage: Counter() for stage in STAGES}
        self.examples: dict[str, list[str]] = {}

    def add(self, stage: str, reason: str, source_id: str) -> None:
        self.counts[stage][reason] += 1
        found = self.examples.setdefault(reason, [])
        if len(found) < EXAMPLES:
            found.append(source_id)


def plan_counts(statistics: PlanStatistics) -> PlanCounts:
    """Return what of a plan's statistics the report keeps."""
    return PlanCounts(
        files=statistics.files,
        rows=statistics.rows,
        functions=statistics.functions,
        functions_without_inputs=statistics.functions_without_inputs,
        doctests=statistics.doctests,
        code_without_inputs=statistics.code_without_inputs,
        rows_without_inputs=statistics.rows_without_inputs,
        skipped=dict(+statistics.skipped),
    )


def funnel(run_dir: Path, statistics: PlanStatistics, *, rendered: bool) -> Funnel:
    """Return the funnel of a run's directory and its latest plan, one shard at a time.

    ``rendered``: the run writes documents, so that a record without one gives nothing. Raises ``ShardCorrupt``.
    """
    drops, rows = _Drops(), 0
    for manifest in manifests(run_dir, FUNCTIONS_STAGE):
        rows += len(manifest.done)
        _shard(run_dir, manifest, drops, rendered=rendered)
    unused = statistics.functions_without_inputs + statistics.rows_without_inputs
    if unused:
        drops.counts["callable"][NO_INPUTS] = unused
        drops.examples[NO_INPUTS] = statistics.examples_without_inputs[:EXAMPLES]
    return Funnel(stages=tuple(_stages(rows + unused, drops)))


def _stages(seen: int, drops: _Drops) -> Iterator[FunnelStage]:
    left = seen
    for name in STAGES:
        counts = drops.counts[name]
        left -= counts.total()
        examples = {reason: drops.examples[reason] for reason in counts}
        # Most first; reasons as frequent as each other by name, for a run meets them in another order each time.
        dropped = dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))
        yield FunnelStage(name=name, count=left, dropped=dropped, examples=examples)


def _shard(run_dir: Path, manifest: ShardManifest, drops: _Drops, *, rendered: bool) -> None:
    documented: set[str | None] = set()
    for file in manifest.files:
        if file.table == "documents":
            documented |= set(columns(run_dir, file, ["trace_id"]).column("trace_id").to_pylist())
    for file in manifest.files:
        if file.table == "failures":
            found = columns(run_dir, file, ["source_id", "reason"]).to_pydict()
            for source_id, reason in zip(found["source_id"], found["reason"], strict=True):
                drops.add(_STAGE_OF.get(reason, "traced"), reason, source_id)
        elif file.table == "traces":
            wanted = ["trace_id", "source_id", "kind", "determinism.label", "outcome.label"]
            for row in columns(run_dir, file, wanted).to_pylist():
                _record(row, documented if rendered else None, drops)


def _record(row: dict[str, Any], documented: set[str | None] | None, drops: _Drops) -> None:
    label, outcome = row["determinism"]["label"], row["outcome"]["label"]
    if label not in _AGREED:
        drops.add("rerun_equal", label, row["source_id"])
    elif outcome not in _ENDED:
        drops.add("kept", outcome, row["source_id"])
    elif documented is not None and row["trace_id"] not in documented:
        drops.add("kept", NO_EPISODE, row["source_id"])


def funnel_lines(found: Funnel, *, examples: bool) -> list[tuple[str, str]]:
    """Return the funnel as label and text, for people; reasons with ``examples`` on lines of their own."""
    lines = []
    for stage in found.stages:
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in stage.dropped.items())
        lines.append((f"  {stage.name}", f"{stage.count:,}" + (f"  (dropped: {dropped})" if dropped else "")))
        if examples:
            lines += [("", f"{reason}: {', '.join(ids)}") for reason, ids in stage.examples.items() if ids]
    return lines
