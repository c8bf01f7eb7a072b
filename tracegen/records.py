"""Build the record, or the failure row, of one input from its run."""

from typing import cast, get_args

from sandboxes.api import Pool
from schemas.failure import FAILURE_REASONS, Failure, FailureReason
from schemas.job import TraceInput, TraceJob, trace_id
from schemas.trace_record import (
    Counts,
    Determinism,
    Expectation,
    Outcome,
    OutcomeLabel,
    Output,
    TraceRecord,
)
from tracegen.attempts import Run
from tracegen.chunks import record_chunks
from tracegen.wire import Ending, Refusal

_DEATH_REASONS: dict[str, FailureReason] = {
    "exited": "exited",
    "killed": "killed",
    "timeout": "timeout",
    "out_of_memory": "out_of_memory",
    "output_limit": "output_limit",
}


def outcome_row(
    job: TraceJob, job_id: str, item: TraceInput, run: Run, determinism: Determinism, pool: Pool
) -> TraceRecord | Failure:
    """Return the record of a run that has events, else the failure row that says why there are none."""
    refused = _refusal(run)
    if refused is not None:
        reason, detail = refused
        return failure_row(job, job_id, item, reason, detail, run.attempts)
    return _record(job, job_id, item, run, determinism, pool)


def failure_row(
    job: TraceJob, job_id: str, item: TraceInput, reason: FailureReason, detail: str, attempts: int
) -> Failure:
    """Return the failure row of one planned input."""
    return Failure(
        trace_id=trace_id(job_id, job.kind, item.text, item.occurrence),
        job_id=job_id,
        source_id=item.source_id,
        kind=job.kind,
        entry=job.entry,
        inputs=item.text,
        reason=reason,
        detail=detail,
        attempts=attempts,
        provenance=job.provenance,
    )


def _refusal(run: Run) -> tuple[FailureReason, str] | None:
    if run.refused is not None:
        return run.refused.reason, run.refused.detail
    ended = run.segment.ended if run.segment is not None else None
    if isinstance(ended, Refusal):
        known = ended.reason in FAILURE_REASONS
        return (
            (cast(FailureReason, ended.reason), ended.detail)
            if known
            else ("protocol", f"unknown reason {ended.reason!r}")
        )
    if isinstance(ended, Ending) and ended.label not in get_args(OutcomeLabel):
        return "protocol", f"unknown outcome {ended.label!r}"
    if run.death is not None and run.death.label == "output_limit":
        return "output_limit", "the program wrote more than the sandbox keeps"
    if run.death is not None and (run.segment is None or not run.segment.events):
        how = f"signal {run.death.signal}" if run.death.signal else f"exit code {run.death.exit_code}"
        return _DEATH_REASONS[run.death.label], f"the process ended before the first event ({how})"
    return None


def _record(
    job: TraceJob, job_id: str, item: TraceInput, run: Run, determinism: Determinism, pool: Pool
) -> TraceRecord:
    segment = run.segment
    if segment is None:
        raise AssertionError("a run without a segment is refused before")
    outcome, expected, stdout, stderr = _ending(run)
    return TraceRecord(
        trace_id=trace_id(job_id, job.kind, item.text, item.occurrence),
        job_id=job_id,
        source_id=item.source_id,
        kind=job.kind,
        entry=job.entry,
        inputs=item.text,
        expected=expected,
        outcome=outcome,
        determinism=determinism,
        granularity=job.granularity,
        expressions=job.expressions,
        sources=record_chunks(job, item.text, segment.sources),
        codes=tuple(segment.codes),
        frames=tuple(segment.frames),
        events=tuple(segment.events),
        elisions=tuple(segment.elisions),
        stdout=stdout,
        stderr=stderr,
        counts=Counts(len(segment.events), len(segment.frames), len(segment.raw)),
        provenance=job.provenance,
        python=run.python,
        image=pool.image.digest,
        sandbox=pool.backend,
        recorder_version=job.recorder_version,
    )


def _ending(run: Run) -> tuple[Outcome, tuple[Expectation, ...], Output, Output]:
    ended = run.segment.ended if run.segment is not None else None
    if isinstance(ended, Ending):
        label = cast(OutcomeLabel, ended.label)
        return Outcome(label, None, ended.exit_code), ended.expectations, ended.stdout, ended.stderr
    death = run.death
    if death is None:
        raise AssertionError("a segment that did not end has a death")
    label = "killed" if death.label == "out_of_memory" else cast(OutcomeLabel, death.label)
    return Outcome(label, death.signal, death.exit_code), (), death.stdout, death.stderr
