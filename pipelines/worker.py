"""The worker of ``tracegen functions``: runs jobs, renders their records, keeps both in a buffer of shards."""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.shard_buffer import Finished, ShardBuffer
from pipelines.stages import Work, documents_of, given_up
from pipelines.tally import Tally
from schemas.failure import Failure, FailureReason
from schemas.job import TraceJob
from schemas.trace_record import TraceRecord
from tracegen.render.base import Renderer


class Runner(Protocol):
    """Traces jobs: ``tracegen.runner.TraceRunner``."""

    def run(self, job: TraceJob) -> list[TraceRecord | Failure]:
        """Return one record or failure per input, in order of the inputs. Raises ``SandboxError``."""
        ...

    def run_family(self, jobs: Sequence[TraceJob]) -> list[TraceRecord | Failure]:
        """Return one record or failure per job, of docstrings of one module."""
        ...


class FunctionsWorker:
    """See ``pipelines.executor.Worker``."""

    def __init__(
        self, runner: Runner, renderers: Sequence[Renderer], buffer: ShardBuffer, close: Callable[[], None]
    ) -> None:
        self._runner = runner
        self._renderers = renderers
        self._buffer = buffer
        self._close = close

    def process(self, payload: Work) -> tuple[Tally, bool]:
        """Trace and render one job or several that are kin, or keep one failure row of the plan."""
        if isinstance(payload, Failure):
            return self._buffer.add(Finished(failures=[payload]))
        if isinstance(payload, tuple):
            results, wanted = self._runner.run_family(payload), len(payload)
        else:
            results, wanted = self._runner.run(payload), len(payload.inputs)
        if len(results) != wanted:
            raise RuntimeError(f"the runner gave {len(results)} results for {wanted} inputs")
        records = [result for result in results if isinstance(result, TraceRecord)]
        failures = [result for result in results if isinstance(result, Failure)]
        return self._buffer.add(Finished(records, documents_of(records, self._renderers), failures))

    def reject(self, payload: Work, reason: FailureReason, detail: str, attempts: int) -> tuple[Tally, bool]:
        """Keep failure rows for all inputs of an item."""
        return self._buffer.add(Finished(failures=given_up(payload, reason, detail, attempts)))

    def flush(self) -> None:
        """Write the buffer."""
        self._buffer.flush()

    def close(self) -> None:
        """End the sandboxes."""
        self._close()
