"""Rows per second of the whole pipeline, local and on Ray, beside the bare runner's loop over the same jobs.

Every round makes its own functions (short ones, as CRUXEval's) and runs them three ways, sandboxes opened and closed
included; Ray itself is started once, outside the rounds, and its start is a line of its own. The bare loop neither
renders nor writes. Ray has two workers; how far that helps depends on free cores, so it has no bar.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from report import Measurement, arguments, median_ratio, report, seconds

from pipelines.config import RunConfig
from pipelines.functions import run_functions
from pipelines.ray_session import ray_session
from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef
from schemas.job import TraceJob
from schemas.limits import Limits
from tracegen.runner import TraceRunner, pool_spec
from tracegen.sources import PlanSettings, plan_sources

SANDBOX = "docker"
WORKERS = 2
BODIES = (
    "    seen = {{}}\n    for item in items:\n        seen[item] = seen.get(item, 0) + {n}\n    return seen",
    "    total = {n}\n    for item in items:\n        if item % 2:\n            total += item\n    return total",
    "    text = ''.join(chr(97 + item % 26) for item in items)\n    return text[::-1] + str({n})",
    "    items = sorted(items)\n    while len(items) > 2:\n        items.pop()\n    return items + [{n}]",
)


def corpus(path: Path, rows: int, start: int) -> None:
    """Write functions that no other round has."""
    with path.open("w") as file:
        for n in range(start, start + rows):
            code = "def f(items):\n" + BODIES[n % len(BODIES)].format(n=n)
            file.write(json.dumps({"code": code, "input": str([n, n + 3, n * 7]), "id": f"f{n}"}) + "\n")


def bare_loop(source: Path, image: ImageRef, rows: int) -> None:
    """Trace every job of the plan, keep nothing."""
    python = ".".join(image.python.split(".")[:2])
    with ExitStack() as stack:
        pools = [stack.enter_context(open_pool(SANDBOX, pool_spec(seed, Limits()), image)) for seed in (0, 1)]
        runner = TraceRunner(pools[0], pools[1], "full")
        jobs = plan_sources([str(source)], PlanSettings(python=python, image=image.digest))
        done = sum(len(runner.run(job)) for job in jobs if isinstance(job, TraceJob))
    if done != rows:
        raise RuntimeError(f"the bare loop made {done} rows of {rows}")


def pipeline(source: Path, out: Path, executor: str, rows: int) -> None:
    """Run the command's work."""
    fields = {"sources": [str(source)], "output": str(out), "sandbox": SANDBOX, "executor": executor}
    done = run_functions(RunConfig.model_validate({**fields, "workers": WORKERS}), quiet=True)
    if (done.rows, done.failures) != (rows, 0):
        raise RuntimeError(f"the pipeline made {done.rows} rows and {done.failures} failures of {rows}")


def one_round(folder: Path, number: int, rows: int, image: ImageRef) -> dict[str, float]:
    """Return seconds by way; the order turns with the round, so that none is always first."""
    source = folder / f"{number}.jsonl"
    corpus(source, rows, number * rows)
    ways: list[tuple[str, Callable[[], None]]] = [
        ("bare", lambda: bare_loop(source, image, rows)),
        ("local", lambda: pipeline(source, folder / f"{number}-local", "local", rows)),
        ("ray", lambda: pipeline(source, folder / f"{number}-ray", "ray", rows)),
    ]
    turn = number % len(ways)
    return {name: seconds(action) for name, action in ways[turn:] + ways[:turn]}


def measure(quick: bool) -> list[Measurement]:
    """Run the rounds."""
    rounds, rows = (1, 40) if quick else (3, 400)
    image = resolve_image(SANDBOX)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        start = seconds(lambda: stack.enter_context(ray_session(WORKERS)))
        results = [one_round(Path(folder), number, rows, image) for number in range(rounds)]
    taken = {name: [result[name] for result in results] for name in ("bare", "local", "ray")}
    rate = {name: rows / statistics.median(times) for name, times in taken.items()}
    # A few rows show the start of the sandboxes and one import, not the pace: no bar for them.
    bar = None if quick else 0.8
    return [
        Measurement("bare runner, no documents, no shards", rate["bare"], "rows/s"),
        Measurement("pipeline, local", rate["local"], "rows/s"),
        Measurement(f"pipeline, Ray with {WORKERS} workers", rate["ray"], "rows/s"),
        Measurement("local beside bare", median_ratio(taken["bare"], taken["local"]), "x", bar=bar),
        Measurement("Ray beside bare", median_ratio(taken["bare"], taken["ray"]), "x"),
        Measurement("start of Ray", start, "s"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
