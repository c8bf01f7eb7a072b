"""A test suite run under the recorder in a sandbox's interpreter: one raw record per test."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, cast

from sandboxes.api import JobOutcome, Pool, PoolJob, PoolSpec
from sandboxes.retries import run_persistently
from schemas.base import Model, digest
from schemas.errors import UsageError, WireError
from schemas.job import Provenance
from schemas.limits import Limits
from schemas.trace_record import Counts, Determinism, Outcome, OutcomeLabel, Output, TraceRecord
from tracegen.chunks import merged
from tracegen.guest.version import RECORDER_VERSION
from tracegen.runner import GUEST_PACKAGE, pool_spec
from tracegen.wire import Ending, Phase, Segment, WireResult, parse_result

SuiteOutcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed", "unfinished", "not_reached"]
"""pytest's words; ``error``: in setup or teardown, or while the file was collected. ``unfinished``: the process ended
within the test. ``not_reached``: no run got as far as the test."""
_SPENT: Final = ("output_limit", "timeout", "out_of_memory")
"""How a process ends that its tests together ask too much of."""
_PHASE_OUTCOMES: Final = ("passed", "failed", "skipped", "xfailed", "xpassed")


class Suite(Model):
    """What is run: a folder, which the sandbox's interpreter can read, with pytest and all packages installed there."""

    folder: str
    """Where pytest starts, as the sandbox sees it; it stands first in ``sys.path``. Part of no id."""
    version: str
    """What names the content of the folder: a commit, or a digest."""
    packages: tuple[str, ...]
    """Top-level packages that are recorded, beside the test modules and ``conftest.py`` files themselves."""
    arguments: tuple[str, ...] = ()
    """Arguments of pytest: files, ``-k``, plugins to leave out."""
    limits: Limits = Limits()
    """Of each test. At the limits of events and bytes the recording ends, and the test goes on; its time ends it."""
    seconds: float = 600.0
    """Wall time of one process that runs the suite."""
    seed: int = 0
    """Of the ``random`` module, when pytest starts."""

    def identity(self) -> dict[str, object]:
        """Return what can change the events."""
        return self.model_dump(mode="json", exclude={"folder"})


@dataclass(slots=True, frozen=True)
class RanTest:
    """One test: what pytest said of it, and what was recorded."""

    node: str
    """pytest's node id, with the parameters; of a file that cannot be collected, the file's."""
    outcome: SuiteOutcome
    phases: tuple[Phase, ...]
    """Setup, call, teardown as far as they came; the events of each reach to the next one's ``first_event``."""
    detail: str
    """Of what did not pass: pytest's reason."""
    record: TraceRecord | None
    """``None`` where nothing of the suite's code ran: tests that are skipped by a mark, files that fail to import."""


def suite_pool_spec(hash_seed: int, limits: Limits) -> PoolSpec:
    """Return what a pool that runs suites is made of."""
    spec = pool_spec(hash_seed, limits)
    fields = {name: getattr(spec, name) for name in spec.__slots__}
    return PoolSpec(**{**fields, "entry": f"{GUEST_PACKAGE}.suites:run"})


def run_suite(pool: Pool, suite: Suite, *, traced: bool = True) -> list[RanTest]:
    """Return one run per test, in pytest's order, then the files that could not be collected.

    Where a test ends its process, the rest runs in another one; what several tests may have brought about is no ending
    of the last of them, which runs again. Raises ``UsageError`` where pytest does not come as far as the first test,
    ``GivenUp`` and ``EnvironmentLacking`` where the sandbox fails.
    """
    planned: tuple[str, ...] = ()
    done: dict[str, RanTest] = {}
    while True:
        outcome = _submit(pool, suite, done, traced)
        wire = _parsed(suite, outcome, again=bool(done))
        planned = planned or wire.planned or ()
        found = {each.node: _test(pool, suite, wire, each, outcome) for each in _own(wire.segments, outcome)}
        fresh = found.keys() - done.keys()
        done |= found
        left = [node for node in planned if node not in done]
        if not left or not fresh:
            break
    ends = [done[node] if node in done else RanTest(node, "not_reached", (), "", None) for node in planned]
    return ends + [run for node, run in done.items() if node not in set(planned)]


def _own(segments: list[Segment], outcome: JobOutcome) -> list[Segment]:
    """Leave out the test within which its process met a limit of all its tests: it runs again, first in another."""
    spent = outcome.status in _SPENT and len(segments) > 1 and segments[-1].ended is None
    return segments[:-1] if spent else segments


def _submit(pool: Pool, suite: Suite, done: Iterable[str], traced: bool) -> JobOutcome:
    fields = suite.model_dump(mode="json", exclude={"version", "seconds"})
    payload = json.dumps({**fields, "done": list(done), "traced": traced}).encode("ascii")
    work = PoolJob(payload, wall_seconds=suite.seconds, memory_bytes=suite.limits.memory_bytes)
    return run_persistently(lambda fresh: pool.run(work, fresh=fresh))


def _parsed(suite: Suite, outcome: JobOutcome, *, again: bool) -> WireResult:
    try:
        wire = parse_result(outcome.result)
    except WireError as error:
        raise UsageError(f"pytest did not begin in {suite.folder}: {error}; {_last_words(outcome)}") from error
    if not (again or wire.planned or any(each.node for each in wire.segments)):
        told = [each.ended.detail for each in wire.segments if not isinstance(each.ended, Ending | None)]
        raise UsageError(f"pytest found no tests in {suite.folder}: {'; '.join([*told, _last_words(outcome)])}")
    return wire


def _last_words(outcome: JobOutcome) -> str:
    text = (outcome.stdout + outcome.stderr).decode("utf-8", "backslashreplace").strip()
    return f"its process {outcome.status} with exit code {outcome.exit_code} and said: {text[-500:] or 'nothing'}"


def _test(pool: Pool, suite: Suite, wire: WireResult, segment: Segment, outcome: JobOutcome) -> RanTest:
    ended = segment.ended
    if ended is not None and not isinstance(ended, Ending):
        return RanTest(segment.node, "error", (), ended.detail, None)
    unknown = {phase.outcome for phase in segment.phases}.difference(_PHASE_OUTCOMES)
    if unknown:
        raise WireError(f"phases of {segment.node} ended as {', '.join(sorted(unknown))}, which pytest has not")
    summary, detail = _summary(segment.phases)
    record = _record(pool, suite, wire, segment, outcome) if segment.events else None
    return RanTest(segment.node, summary, tuple(segment.phases), detail, record)


def _summary(phases: list[Phase]) -> tuple[SuiteOutcome, str]:
    """Return the outcome of the first phase that did not simply pass, in pytest's words."""
    for phase in phases:
        if phase.outcome == "failed":
            return "failed" if phase.when == "call" else "error", phase.detail
        if phase.outcome != "passed":
            return cast(SuiteOutcome, phase.outcome), phase.detail
    return ("passed" if phases and phases[-1].when == "teardown" else "unfinished"), ""


def _label(segment: Segment, outcome: JobOutcome, limits: Limits) -> tuple[Outcome, Output, Output]:
    ended = segment.ended
    if isinstance(ended, Ending):
        return Outcome(cast(OutcomeLabel, ended.label), None, ended.exit_code), ended.stdout, ended.stderr
    label: OutcomeLabel = "killed"
    if len(segment.events) == limits.max_events:  # the recording had ended before the test did
        label = "event_limit"
    elif outcome.status == "finished":
        label = "exited"
    elif outcome.status == "timeout":
        label = "timeout"
    return Outcome(label, outcome.signal, outcome.exit_code), Output(), Output()


def _record(pool: Pool, suite: Suite, wire: WireResult, segment: Segment, outcome: JobOutcome) -> TraceRecord:
    job_id = digest(
        {**suite.identity(), "image": pool.image.digest, "python": wire.python, "recorder_version": RECORDER_VERSION}
    )
    ending, stdout, stderr = _label(segment, outcome, suite.limits)
    return TraceRecord(
        trace_id=digest({"job_id": job_id, "input": {"kind": "test", "text": segment.node}, "occurrence": 0}),
        job_id=job_id,
        source_id=segment.node,
        kind="test",
        entry=segment.node,
        inputs=segment.node,
        outcome=ending,
        determinism=Determinism("unchecked"),
        sources=merged(segment.sources, segment.node.partition("::")[0]),
        codes=tuple(segment.codes),
        frames=tuple(segment.frames),
        events=tuple(segment.events),
        elisions=tuple(segment.elisions),
        stdout=stdout,
        stderr=stderr,
        counts=Counts(len(segment.events), len(segment.frames), len(segment.raw)),
        provenance=Provenance(origin=suite.version),
        python=wire.python,
        image=pool.image.digest,
        sandbox=pool.backend,
        recorder_version=RECORDER_VERSION,
    )
