"""One pass over a job's inputs in a pool: exactly one ``Run`` per input, whatever dies on the way."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sandboxes.api import JobOutcome, Pool, PoolJob
from sandboxes.guest.channel import RESULT_LOST
from sandboxes.retries import ATTEMPTS, DEATHS, GivenUp, run_persistently
from schemas.errors import WireError
from schemas.failure import FailureReason
from schemas.job import TraceJob
from schemas.trace_record import Output
from tracegen.crashes import crashing_types, has_crashed
from tracegen.guest.entry import GRACE
from tracegen.guest.output import text_of
from tracegen.wire import Ending, Refusal, Segment, parse_result


@dataclass(slots=True)
class Death:
    """How an input's process ended when it could not tell itself, as seen from outside."""

    label: str
    """``exited``, ``killed``, ``timeout``, ``out_of_memory`` or ``output_limit``."""
    signal: int | None
    exit_code: int | None
    stdout: Output
    stderr: Output


@dataclass(slots=True)
class Refused:
    """Why an input has no run."""

    reason: FailureReason
    detail: str


@dataclass(slots=True)
class Run:
    """What one input's run gave: a segment that ended, one that died, or a refusal."""

    python: str = ""
    segment: Segment | None = None
    death: Death | None = None
    refused: Refused | None = None
    attempts: int = 1
    silent: tuple[str, ...] = ()
    """Types that were not asked for their text, since that kills the process."""


def run_inputs(pool: Pool, job: TraceJob, indices: Sequence[int], *, traced: bool = True) -> dict[int, Run]:
    """Run the inputs in the given order. Raises ``EnvironmentLacking`` if no sandbox can be had."""
    done: dict[int, Run] = {}
    pending = list(indices)
    attempts = 1
    while pending:
        started = _run_some(pool, job, pending, traced, attempts)
        if not started:
            # Something spoilt the whole batch (a dead sandbox, forged lines): each alone shows whose it was.
            for index in pending:
                done.update(_run_alone(pool, job, index, traced, attempts))
            return done
        done.update(started)
        pending = [index for index in pending if index not in done]
        attempts += 1
    return done


def run_untraced(pool: Pool, job: TraceJob, index: int, like: Run) -> Run:
    """Run an input without the recorder, its result shown as in the traced run ``like``. Raises as ``run_inputs``."""
    if not like.silent:
        return run_inputs(pool, job, [index], traced=False)[index]
    try:
        outcome = _submit(pool, job, [index], False, silent=like.silent)
        return _read(pool, job, [index], outcome, False, 1)[index]
    except GivenUp as lost:
        return _lost(lost)
    except WireError as error:
        return Run(refused=Refused("protocol", str(error)))


def _run_some(pool: Pool, job: TraceJob, pending: list[int], traced: bool, attempts: int) -> dict[int, Run]:
    """Return the runs of the inputs that were reached; none if the batch has to be taken apart."""
    try:
        outcome = _submit(pool, job, pending, traced, fresh=False)
        return _read(pool, job, pending, outcome, traced, attempts)
    except GivenUp as lost:
        return {pending[0]: _lost(lost)} if len(pending) == 1 else {}
    except WireError as error:
        return (
            {pending[0]: Run(refused=Refused("protocol", str(error)), attempts=attempts)} if len(pending) == 1 else {}
        )


def _run_alone(pool: Pool, job: TraceJob, index: int, traced: bool, attempts: int) -> dict[int, Run]:
    runs = run_inputs(pool, job, [index], traced=traced)
    runs[index].attempts += attempts
    return runs


def _lost(lost: GivenUp) -> Run:
    reason: FailureReason = "poison" if lost.deaths >= DEATHS else "sandbox_lost"
    return Run(refused=Refused(reason, str(lost.error)), attempts=ATTEMPTS)


def _submit(
    pool: Pool,
    job: TraceJob,
    pending: list[int],
    traced: bool,
    *,
    fresh: bool = False,
    announce: bool = False,
    silent: Sequence[str] = (),
) -> JobOutcome:
    work = PoolJob(
        payload=payload(job, pending, traced=traced, announce=announce, silent=silent),
        wall_seconds=len(pending) * (job.limits.wall_seconds + 2 * GRACE) + 5,
        memory_bytes=job.limits.memory_bytes,
    )
    return run_persistently(lambda unused: pool.run(work, fresh=unused), fresh=fresh)


def payload(
    job: TraceJob, indices: Sequence[int], *, traced: bool, announce: bool = False, silent: Sequence[str] = ()
) -> bytes:
    """Return what the guest's entry reads; ``announce`` and ``silent`` are for ``crashes.crashing_types``."""
    fields = job.model_dump(mode="json", exclude={"inputs", "provenance", "image", "python", "recorder_version"})
    fields["inputs"] = [job.inputs[index].model_dump(mode="json") for index in indices]
    fields |= {"traced": traced, "announce": announce, "silent": list(silent)}
    return json.dumps(fields).encode("ascii")


def _read(
    pool: Pool, job: TraceJob, pending: list[int], outcome: JobOutcome, traced: bool, attempts: int
) -> dict[int, Run]:
    if outcome.status != "finished" and not outcome.result:
        return {pending[0]: _died(pool, job, pending[0], Run(attempts=attempts), outcome, traced)}
    wire = parse_result(outcome.result)
    found: dict[int, Run] = {}
    for position, segment in enumerate(wire.segments):
        if segment.index != position or position >= len(pending):
            raise WireError(f"input {segment.index} where {position} of {len(pending)} was due")
        index = pending[position]
        run = Run(python=wire.python, segment=segment, attempts=attempts)
        found[index] = run if segment.ended else _died(pool, job, index, run, outcome, traced)
    if not found:
        found[pending[0]] = _died(pool, job, pending[0], Run(python=wire.python, attempts=attempts), outcome, traced)
    return found


def _died(pool: Pool, job: TraceJob, index: int, run: Run, outcome: JobOutcome, traced: bool) -> Run:
    if outcome.status == "out_of_memory":
        # The kernel may have picked this process for another's sake: it gets a sandbox of its own, once.
        try:
            outcome = _submit(pool, job, [index], traced, fresh=True)
        except GivenUp as lost:
            return _lost(lost)
        if outcome.status != "out_of_memory":
            return _read(pool, job, [index], outcome, traced, run.attempts + 1)[index]
    if outcome.status == "guest_fault":
        run.refused = _fault(outcome)
        return run
    label = "exited" if outcome.status == "finished" else outcome.status
    run.death = Death(
        label,
        outcome.signal,
        outcome.exit_code,
        _output(outcome.stdout, job.limits.output_bytes),
        _output(outcome.stderr, job.limits.output_bytes),
    )
    return _crashed(pool, job, index, run) if traced and has_crashed(outcome) else run


def _crashed(pool: Pool, job: TraceJob, index: int, run: Run) -> Run:
    """Return the run that there is if no value is asked that dies of it; ``run`` if the crash is the program's own."""
    try:
        silent = crashing_types(lambda names: _submit(pool, job, [index], True, announce=True, silent=names))
        if silent:
            outcome = _submit(pool, job, [index], True, silent=silent)
            if not has_crashed(outcome):
                found = _read(pool, job, [index], outcome, True, run.attempts + 1)[index]
                found.silent = silent
                return found
        plain = _submit(pool, job, [index], False, silent=silent)
    except GivenUp as lost:
        return _lost(lost)
    if not has_crashed(plain):
        number = run.death.signal if run.death else None
        run.refused = Refused("recorder_error", f"signal {number} under the recorder, and none without it")
    return run


def _fault(outcome: JobOutcome) -> Refused:
    """Return why a guest failed: the program took its way out, or the recorder is broken (by the program or by us)."""
    if outcome.exit_code == RESULT_LOST:
        return Refused("protocol", "the program closed the recorder's descriptor, or limited the size of its files")
    lines = outcome.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
    return Refused("recorder_error", lines[-1] if lines else "the recorder failed without a word")


def _output(data: bytes, limit: int) -> Output:
    text, cut, escaped = text_of(data[:limit], max(0, len(data) - limit))
    return Output(text, cut, escaped)


def ending_of(run: Run) -> tuple[object, ...]:
    """Return what a run shows to the outside: label, exit code, result, expectations and output."""
    if run.segment is not None and isinstance(run.segment.ended, Ending):
        end = run.segment.ended
        return end.label, end.exit_code, end.final, end.expectations, end.stdout, end.stderr
    if run.segment is not None and isinstance(run.segment.ended, Refusal):
        return "refused", run.segment.ended.reason, run.segment.ended.detail
    if run.death is not None:
        return run.death.label, run.death.exit_code, run.death.signal, run.death.stdout, run.death.stderr
    return "refused", run.refused
