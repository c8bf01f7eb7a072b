"""The run behind ``tracegen functions``: sources -> plan -> sandboxes -> records -> documents -> shards."""

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from pipelines.config import Resolved, RunConfig, save_recipe
from pipelines.corpora.spelling import table_opener
from pipelines.executor import Executor, Hooks, ItemStatus, LocalExecutor
from pipelines.funnel import funnel, plan_counts
from pipelines.interruption import Interruption
from pipelines.manifests import FUNCTIONS_STAGE, finished_ids
from pipelines.progress import Display, progress
from pipelines.ray_executor import RayExecutor
from pipelines.report import RunReport, make_report, save_report
from pipelines.run_lock import run_lock, sweep
from pipelines.shard_buffer import ShardBuffer
from pipelines.shards import ShardWriter
from pipelines.stages import PlanCount, work_items
from pipelines.tally import Tally
from pipelines.without_inputs import WithoutInputs
from pipelines.worker import FunctionsWorker
from sandboxes import install_packages, open_pool, resolve_image
from sandboxes.api import ImageRef, Pool
from tracegen.guest.version import RECORDER_VERSION
from tracegen.render import get_renderer
from tracegen.runner import TraceRunner, pool_spec
from tracegen.sources import Planned, PlanSettings, PlanStatistics, plan_sources
from tracegen.sources.base import Keep
from tracegen.sources.installed import PACKAGE_PREFIX

COUNT_SECONDS: Final = 3.0
"""Time spent on counting a plan ahead, for the estimate of the time left; a longer plan runs without one."""


@dataclass(frozen=True)
class FunctionsFactory:
    """Builds a worker with its own sandboxes where it is called. Picklable."""

    config: RunConfig
    run_dir: Path
    image: ImageRef

    def __call__(self) -> FunctionsWorker:
        """Open the sandboxes. Raises ``EnvironmentLacking`` and ``StartFailed``."""
        stack = ExitStack()
        try:
            pools = [stack.enter_context(self._pool(seed)) for seed in self._hash_seeds()]
            runner = TraceRunner(pools[0], pools[1] if len(pools) > 1 else None, self.config.check)
            buffer = ShardBuffer(ShardWriter(self.run_dir, FUNCTIONS_STAGE), self.config.shards)
            renderers = [get_renderer(name) for name in self.config.renderers]
            return FunctionsWorker(runner, renderers, buffer, stack.close)
        except BaseException:
            stack.close()
            raise

    def _hash_seeds(self) -> tuple[int, ...]:
        return (0,) if self.config.check == "none" else (0, 1)

    def _pool(self, hash_seed: int) -> Pool:
        spec = dataclasses.replace(
            pool_spec(hash_seed, self.config.limits),
            runtime=self.config.sandbox_runtime,
            accepts=self.config.sandbox_accepts,
        )
        return open_pool(self.config.sandbox, spec, self.image)


def run_functions(config: RunConfig, *, quiet: bool) -> RunReport:
    """Run the recipe into its directory, or continue it there; return the report, which is also saved.

    The report says whether the run is ``complete``. Raises ``UsageError``, ``EnvironmentLacking``, ``ShardCorrupt``.
    """
    started = time.monotonic()
    run_dir = Path(config.output).absolute()
    for name in config.renderers:
        get_renderer(name)
    with tempfile.TemporaryDirectory(prefix="tracegen-packages-") as folder:
        return _prepared(config, run_dir, Path(folder), started, quiet=quiet)


def _prepared(config: RunConfig, run_dir: Path, folder: Path, started: float, *, quiet: bool) -> RunReport:
    image = resolve_image(config.sandbox, python=config.python, base=config.base)
    packages = [one.removeprefix(PACKAGE_PREFIX) for one in config.sources if one.startswith(PACKAGE_PREFIX)]
    site_packages = None
    if packages:
        image, site_packages = install_packages(config.sandbox, image, packages, folder)
    resolved = Resolved(image=image.digest, python=image.python, recorder_version=RECORDER_VERSION)
    config = config.model_copy(update={"resolved": resolved})
    plan = SourcePlan(config, _settings(config, image, site_packages))
    plan.items()  # a source that does not exist is named before any output is
    with run_lock(run_dir):
        save_recipe(run_dir, config)
        sweep(run_dir)
        return _run(config, run_dir, image, plan, started, quiet=quiet)


def _settings(config: RunConfig, image: ImageRef, site_packages: Path | None) -> PlanSettings:
    return PlanSettings(
        python=".".join(image.python.split(".")[:2]),
        image=image.digest,
        limits=config.limits,
        program_limits=config.program_limits,
        trace_packages=config.trace_packages,
        pure=config.pure,
        granularity=config.granularity,
        expressions=config.expressions,
        seed=config.seed,
        licence=config.licence,
        form=config.form,
        columns=tuple(config.columns.items()),
        site_packages=site_packages,
    )


@dataclass(frozen=True)
class SourcePlan:
    """The plan of a run's sources, which can be made again and again."""

    config: RunConfig
    settings: PlanSettings

    def items(self, statistics: PlanStatistics | None = None, keep: Keep | None = None) -> Iterator[Planned]:
        """Stream what is planned. Raises as ``plan_sources``."""
        opener = table_opener(self.settings.columns)
        return plan_sources(self.config.sources, self.settings, statistics, open_rows=opener, keep=keep)


def _count_ahead(plan: SourcePlan, finished: set[str]) -> int | None:
    """Return how many inputs are left, or ``None`` if counting takes too long."""
    deadline = time.monotonic() + COUNT_SECONDS
    count = PlanCount()
    for _ in work_items(plan.items(), finished, plan.config.limit, count):
        if time.monotonic() > deadline:
            return None
    return count.planned - count.finished


def _run(
    config: RunConfig, run_dir: Path, image: ImageRef, plan: SourcePlan, started: float, *, quiet: bool
) -> RunReport:
    finished = finished_ids(run_dir)
    count = PlanCount()
    total = None if quiet else _count_ahead(plan, finished)
    statistics = PlanStatistics()
    with (
        WithoutInputs(run_dir) as without_inputs,
        Interruption() as interruption,
        progress(total, quiet=quiet) as display,
    ):
        items = work_items(plan.items(statistics, without_inputs.keep), finished, config.limit, count)
        hooks = _hooks(run_dir, display, interruption)
        first = next(items, None)  # a run with nothing left to do starts neither Ray nor a sandbox
        factory = FunctionsFactory(config, run_dir, image)
        complete = first is None or _executor(config).run(chain([first], items), factory, hooks)
        if complete:
            without_inputs.finish()
    report = make_report(
        run_dir,
        complete=complete,
        planned=count.planned,
        finished=count.finished,
        before=len(finished),
        seconds=time.monotonic() - started,
    )
    report = report.model_copy(
        update={"plan": plan_counts(statistics), "funnel": funnel(run_dir, statistics, rendered=bool(config.renderers))}
    )
    save_report(run_dir, report)
    report.check()
    return report


def _hooks(run_dir: Path, display: Display, interruption: Interruption) -> Hooks:
    tally = Tally()

    def on_status(status: ItemStatus) -> None:
        tally.add(status.tally)
        display.update(tally)

    def on_lost(status: ItemStatus) -> None:
        tally.add(status.tally, -1)

    return Hooks(on_status, on_lost, lambda: finished_ids(run_dir), interruption)


def _executor(config: RunConfig) -> Executor:
    return RayExecutor(config.workers) if config.executor == "ray" else LocalExecutor()
