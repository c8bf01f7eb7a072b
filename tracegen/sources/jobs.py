"""Makes jobs and failure rows with their ids; holds the only state of a plan."""

from collections.abc import Sequence
from typing import Final

from schemas.base import digest
from schemas.failure import Failure
from schemas.job import JobKind, Provenance, SourceModule, TraceInput, TraceJob, trace_id
from tracegen.sources.base import CodeWithoutInputs, Keep, PlanSettings, PlanStatistics, Rejected
from tracegen.sources.python_source import printable

DETAIL_CHARACTERS: Final = 2_000
"""A syntax error quotes its source, which may be a line of megabytes."""

EXAMPLES: Final = 3
"""Ids kept of what has no inputs."""


class JobFactory:
    """Numbers equal inputs over a whole plan: 16 bytes and a counter are kept of each different one."""

    def __init__(self, settings: PlanSettings, statistics: PlanStatistics, keep: Keep | None = None) -> None:
        self.settings = settings
        self.statistics = statistics
        self._keep = keep
        self._seen: dict[bytes, int] = {}

    def provenance(self, origin: str, path: str | None = None, licence: str | None = None) -> Provenance:
        """Return where a job comes from; file names that are no text are escaped."""
        where = None if path is None else printable(path)
        return Provenance(origin=printable(origin), path=where, licence=licence or self.settings.licence)

    def without_inputs(self, source_id: str, module: SourceModule, entries: Sequence[str], place: Provenance) -> None:
        """Count code that nothing says how to call, and keep it for made inputs."""
        statistics = self.statistics
        statistics.code_without_inputs += 1
        names = [f"{source_id}:{entry}" for entry in entries] or [source_id]
        room = EXAMPLES - len(statistics.examples_without_inputs)
        statistics.examples_without_inputs += [printable(name) for name in names[: max(0, room)]]
        if self._keep is not None:
            self._keep(CodeWithoutInputs(printable(source_id), module, tuple(entries), place))

    def job(
        self,
        kind: JobKind,
        entry: str,
        module: SourceModule,
        inputs: Sequence[TraceInput],
        provenance: Provenance,
        *,
        support: tuple[SourceModule, ...] = (),
        blocked_modules: tuple[str, ...] = (),
        trace_packages: tuple[str, ...] = (),
    ) -> TraceJob:
        """Return the job with its inputs numbered among their equals."""
        settings = self.settings
        job = TraceJob(
            kind=kind,
            entry=entry,
            module=module,
            support=support,
            inputs=tuple(inputs),
            python=settings.python,
            image=settings.image,
            limits=settings.program_limits if kind == "program" else settings.limits,
            trace_packages=tuple(dict.fromkeys((*settings.trace_packages, *trace_packages))),
            blocked_modules=blocked_modules,
            granularity=settings.granularity,
            expressions=settings.expressions,
            seed=settings.seed,
            recorder_version=settings.recorder_version,
            provenance=provenance,
        )
        self.statistics.inputs += len(job.inputs)
        return self._numbered(job)

    def failure(
        self,
        rejected: Rejected,
        source_id: str,
        provenance: Provenance,
        *,
        kind: JobKind | None = None,
        entry: str | None = None,
        inputs: str | None = None,
    ) -> Failure:
        """Return the failure row of one input that cannot be planned."""
        self.statistics.failures += 1
        source_id = printable(source_id)
        identity = {"origin": provenance.origin, "source_id": source_id, "reason": rejected.reason}
        occurrence = self._count(digest(identity))
        return Failure(
            trace_id=digest(identity | {"occurrence": occurrence}),
            source_id=source_id,
            kind=kind,
            entry=None if entry is None else printable(entry),
            inputs=None if inputs is None else printable(inputs),
            reason=rejected.reason,
            detail=printable(rejected.detail)[:DETAIL_CHARACTERS],
            provenance=provenance,
        )

    def _numbered(self, job: TraceJob) -> TraceJob:
        job_id = job.job_id()
        counts = [self._count(trace_id(job_id, job.kind, item.text, 0)) for item in job.inputs]
        if not any(counts):
            return job
        numbered = tuple(
            item.model_copy(update={"occurrence": count}) for item, count in zip(job.inputs, counts, strict=True)
        )
        return job.model_copy(update={"inputs": numbered})

    def _count(self, hex_digest: str) -> int:
        """Return how often the digest was counted before."""
        key = bytes.fromhex(hex_digest)
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        return count
