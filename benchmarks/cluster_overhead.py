"""CPU time of the whole pipeline over that of the bare pool on the same payloads: plan, parse, check, render, store.

Both ways do the three passes of the full check (traced, traced again, untraced) in two pools of the process backend,
whose fork servers and jobs are this process's children, so that the kernel counts all of it. Rounds are interleaved and
the median counts; a first small run of both is left out: imports cost the same however long a run is. ``--source``
takes a JSONL of one's own (CRUXEval's rows are not in the repository); without it the functions are made.
"""

import cProfile
import pstats
import resource
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cluster_rows import corpus
from report import Measurement, parser, report

from pipelines.config import RunConfig
from pipelines.functions import run_functions
from sandboxes import open_pool, resolve_image
from sandboxes.api import PoolJob
from schemas.job import TraceJob
from schemas.limits import Limits
from tracegen.attempts import payload
from tracegen.runner import pool_spec
from tracegen.sources import PlanSettings, plan_sources

SANDBOX = "process"
OVERHEAD = 0.25
PROFILED = 25
"""Lines of the profile."""


def cpu_seconds() -> tuple[float, float]:
    """Return the CPU time of this process and of its ended children."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (usage.ru_utime + usage.ru_stime for usage in both)
    return own, children


def passes(source: Path) -> list[tuple[int, PoolJob]]:
    """Return what a full check runs: number of the pool, and the job."""
    image = resolve_image(SANDBOX)
    settings = PlanSettings(python=".".join(image.python.split(".")[:2]), image=image.digest)
    found = []
    for job in plan_sources([str(source)], settings):
        if isinstance(job, TraceJob):
            order = range(len(job.inputs))
            for pool, indices, traced in ((0, order, True), (1, order[::-1], True), (1, order[::-1], False)):
                work = PoolJob(payload(job, indices, traced=traced), 60.0 * len(order), job.limits.memory_bytes)
                found.append((pool, work))
    return found


def bare(work: list[tuple[int, PoolJob]]) -> tuple[float, float]:
    """Run the payloads and drop what comes; return the CPU time of this process and of its children."""
    image = resolve_image(SANDBOX)
    own, children = cpu_seconds()
    with ExitStack() as stack:
        pools = [stack.enter_context(open_pool(SANDBOX, pool_spec(seed, Limits()), image)) for seed in (0, 1)]
        for number, job in work:
            pools[number].run(job)
    return cpu_seconds()[0] - own, cpu_seconds()[1] - children


def pipeline(source: Path, out: Path) -> tuple[float, float]:
    """Run the command's work; return the CPU time of this process and of its children."""
    own, children = cpu_seconds()
    config = {"sources": [str(source)], "output": str(out), "sandbox": SANDBOX, "executor": "local"}
    done = run_functions(RunConfig.model_validate(config), quiet=True)
    if done.failures or not done.rows:
        raise RuntimeError(f"{done.failures} failures beside {done.rows} rows")
    return cpu_seconds()[0] - own, cpu_seconds()[1] - children


def measure(source: Path, folder: Path, rounds: int) -> list[Measurement]:
    """Run the rounds."""
    warm = folder / "warm.jsonl"
    corpus(warm, 8, 10**6)
    bare(passes(warm))
    pipeline(warm, folder / "warm")
    work = passes(source)
    results = []
    for number in range(rounds):
        if number % 2:
            whole, pool = pipeline(source, folder / f"{number}"), bare(work)
        else:
            pool, whole = bare(work), pipeline(source, folder / f"{number}")
        results.append((*pool, *whole))
    own_bare, below_bare, own, below = (statistics.median(column) for column in zip(*results, strict=True))
    over = statistics.median((c + d) / (a + b) - 1 for a, b, c, d in results)
    jobs = len(work) / 3
    return [
        Measurement("bare pool: this process", 1000 * own_bare / jobs, "ms/job"),
        Measurement("bare pool: sandboxes", 1000 * below_bare / jobs, "ms/job"),
        Measurement("pipeline: this process", 1000 * own / jobs, "ms/job"),
        Measurement("pipeline: sandboxes", 1000 * below / jobs, "ms/job"),
        Measurement("CPU time of the pipeline over the bare pool", over, "", bar=OVERHEAD, most=True),
        Measurement(
            "the same, own process only", (own - own_bare) / (own_bare + below_bare), "", bar=OVERHEAD, most=True
        ),
    ]


def profile(source: Path, out: Path) -> None:
    """Print what the pipeline's own process does; time in which it waits for sandboxes is not counted."""
    profiler = cProfile.Profile(lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    profiler.runcall(pipeline, source, out)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats("/(pipelines|tracegen|schemas|sandboxes)/", PROFILED)


def main() -> int:
    """Measure, print, and return the exit code."""
    described = parser(__doc__.partition("\n")[0])
    described.add_argument("--source", type=Path, metavar="JSONL", help="rows of code and input; default: made ones")
    described.add_argument("--profile", action="store_true", help="also print a profile of the pipeline's process")
    options = described.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = options.source or folder / "made.jsonl"
        if options.source is None:
            corpus(source, 40 if options.quick else 400, 0)
        code = report(measure(source, folder, 1 if options.quick else 5), options.json)
        if options.profile:
            profile(source, folder / "profile")
    return code


if __name__ == "__main__":
    sys.exit(main())
