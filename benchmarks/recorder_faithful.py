"""Real code with and without the recorder: the same result, output and exceptions, or a label that says otherwise.

    python benchmarks/recorder_faithful.py [--quick] [--json FILE] [--python VERSION]

CRUXEval's functions, every doctest of the standard library, and the tests of two suites run traced, and twice untraced:
what differs untraced from itself is no fault of the recorder's. Local processes, one hash seed, all in one order.
"""

import sys
import sysconfig
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from report import Measurement, parser, report
from suites import SUITES, unpacked
from workloads import CRUXEVAL, SAMPLE

from sandboxes.api import Pool
from sandboxes.open import open_pool, resolve_image
from schemas.job import TraceJob
from schemas.limits import Limits
from tracegen.attempts import Run, ending_of, run_inputs
from tracegen.determinism import check_run
from tracegen.runner import pool_spec
from tracegen.sources.base import PlanSettings
from tracegen.sources.plan import plan_sources
from tracegen.suites import Suite, run_suite, suite_pool_spec
from tracegen.wire import Ending

LIMITS = Limits(max_events=200_000, wall_seconds=10.0)
LEFT_OUT = {"test", "idlelib", "lib2to3", "turtledemo", "tkinter", "ensurepip", "antigravity", "this", "turtle"}
OWN_ENDS = ("returned", "raised", "exited")


@dataclass
class Found:
    """What came of all inputs."""

    inputs: Counter[str] = field(default_factory=Counter)
    functions: set[tuple[str, str, int]] = field(default_factory=set)
    """Distinct functions that were recorded: file, name, first line."""
    noticed: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)

    def take(self, name: str, traced: Run, plain: Run, again: Run) -> None:
        """Count one input: its traced run beside two untraced ones."""
        segment = traced.segment
        if segment is None or not segment.events:
            self.inputs["gave no events"] += 1
            return
        self.functions |= {(code.path, code.name, code.first_line) for code in segment.codes}
        if not isinstance(segment.ended, Ending) or segment.ended.label not in OWN_ENDS:
            self.inputs["met a limit"] += 1
        elif ending_of(plain) != ending_of(again):
            self.inputs["differ untraced too"] += 1
        elif ending_of(traced) == ending_of(plain):
            self.inputs["ended the same"] += 1
        else:
            self.inputs["noticed"] += 1
            label = check_run(traced, traced, plain)
            self.noticed.append(f"{name}: {label.first_difference}")
            if label.label != "perturbed":
                self.unlabelled.append(name)


def sources(quick: bool) -> list[str]:
    """Return what is planned."""
    rows = str(CRUXEVAL if CRUXEVAL.exists() else SAMPLE)
    if quick:
        return [rows, "module:statistics", "module:textwrap", "module:fractions"]
    library = Path(sysconfig.get_path("stdlib"))
    names = {path.stem for path in library.glob("*.py")} | {path.parent.name for path in library.glob("*/__init__.py")}
    return [rows, *(f"module:{name}" for name in sorted((names & sys.stdlib_module_names) - LEFT_OUT))]


def functions(pool: Pool, quick: bool, found: Found) -> None:
    """Run the inputs of all jobs."""
    settings = PlanSettings(python=".".join(pool.image.python.split(".")[:2]), image=pool.image.digest, limits=LIMITS)
    for job in plan_sources(sources(quick), settings):
        if not isinstance(job, TraceJob):
            continue
        every = range(len(job.inputs))
        runs = [run_inputs(pool, job, every, traced=traced) for traced in (True, False, False)]
        for index in every:
            found.take(job.inputs[index].source_id, *(run[index] for run in runs))


def tests(pool: Pool, name: str, found: Found) -> None:
    """Run a suite traced and untraced."""
    sdist = SUITES[name]
    folder = unpacked(sdist)
    arguments = (sdist.tests, "-o", f"pythonpath={folder / sdist.source}", "-c", "/dev/null", "--rootdir", ".")
    suite = Suite(
        folder=str(folder),
        version=sdist.requirement,
        packages=sdist.packages,
        arguments=arguments,
        limits=LIMITS,
    )
    traced, plain = run_suite(pool, suite), run_suite(pool, suite, traced=False)
    for one, other in zip(traced, plain, strict=True):
        if one.record is not None:
            found.functions |= {(code.path, code.name, code.first_line) for code in one.record.codes}
        if other.detail and other.outcome == "error":
            raise RuntimeError(f"{one.node} cannot be run: {other.detail}")
        if one.record is not None and one.record.outcome.label == "timeout":
            found.inputs["tests cut by their time"] += 1
            continue
        same = (one.node, one.outcome, one.detail) == (other.node, other.outcome, other.detail)
        found.inputs["tests that ended the same" if same else "tests that noticed"] += 1
        if not same:
            ends = [f"{each.outcome} {each.detail}" for each in (one, other)]
            found.noticed.append(f"{one.node}: traced {ends[0]}, untraced {ends[1]}")


def main() -> int:
    """Run, print and report."""
    options = parser(__doc__.partition("\n")[0])
    options.add_argument("--python", help="a version or an interpreter's path; suites run under this one's only")
    chosen = options.parse_args()
    found = Found()
    image = resolve_image("process", python=chosen.python)
    with open_pool("process", pool_spec(0, LIMITS), image) as pool:
        functions(pool, chosen.quick, found)
    if chosen.python is None:
        with open_pool("process", suite_pool_spec(0, LIMITS), image) as pool:
            for name in list(SUITES)[: 1 if chosen.quick else None]:
                tests(pool, name, found)
    for line in found.noticed:
        print("noticed:", line)
    rows = [Measurement(f"inputs: {what}", count, "inputs") for what, count in sorted(found.inputs.items())]
    bar = 400 if chosen.quick or chosen.python else 1_000
    rows.append(Measurement("distinct functions recorded", len(found.functions), "functions", bar))
    rows.append(Measurement("noticed, and not labelled so", len(found.unlabelled), "inputs", 0, most=True))
    return report(rows, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
