"""What expressions and opcodes cost beside the plain recorder: time, bytes, and the compilation with sites.

    python benchmarks/recorder_expressions.py [--quick] [--json FILE]

The three recorders take turns within each round, in one process, on the workloads of ``recorder_events.py``; the first
round is dropped; processor time without the garbage collector; medians of the rounds' ratios. Before anything is timed,
every program passes the tests' oracle of details: same results, output and line events.
"""

import gc
import importlib.util
import statistics
import sys
import time
from typing import Any

from report import Measurement, arguments, median_ratio, report
from workloads import ROOT, Program, workloads

ORACLE = ROOT / "tests/support/detail_oracle.py"


class OracleFault(Exception):
    """A program did not pass: its times say nothing."""


def oracle() -> Any:
    """Return the tests' oracle of details."""
    sys.path.insert(0, str(ORACLE.parent))
    spec = importlib.util.spec_from_file_location("detail_oracle", ORACLE)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(ORACLE)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class Bench:
    """The guest's recorders and the programs, compiled once."""

    def __init__(self, programs: dict[str, list[Program]]) -> None:
        checker = oracle()
        self.guest = checker.load(str(ROOT / "tracegen"))
        guest = self.guest
        plainly, with_sites = guest["expressions"].compile_plainly, guest["expressions"].compile_with_sites
        self.makers = {
            "plain": (guest["recorder"].Recorder, plainly),
            "expressions": (guest["expression_events"].ExpressionRecorder, with_sites),
            "opcodes": (guest["opcode_events"].OpcodeRecorder, plainly),
        }
        for program in (one for some in programs.values() for one in some):
            faults = checker.check(guest, program.name, program.source)[1]
            if faults:
                raise OracleFault(faults[0])

    def prepared(self, name: str, program: Program) -> Any:
        """Return a function that runs a program under a recorder and returns its events and bytes."""
        recorder, compiler = self.makers[name]
        guest = self.guest
        code = compiler(program.source, program.name).code
        namespace: dict[str, Any] = {"__name__": "program"}
        exec(code, namespace)
        file = guest["sources"].SourceFile(program.name, program.source, code)
        limits = guest["recorder"].Limits(None, None, None)

        def run() -> tuple[int, int]:
            written: list[bytes] = []
            wire = guest["wire"].WireWriter(written.append)
            wire.begin(0)
            codes = guest["codes"].CodeTable(
                wire, lambda frame: file if frame.f_code.co_filename == file.path else None
            )
            made = recorder(wire, codes, guest["values"].ValueRenderer(), limits, print)
            made.start()
            try:
                namespace["run"]()
            finally:
                made.stop()
            if made.failure is not None:
                raise made.failure
            return wire.events, sum(map(len, written))

        return run


def measured(bench: Bench, work: str, programs: list[Program], rounds: int) -> list[Measurement]:
    """Return the ratios of one workload."""
    # dataclasses look their module up by name.
    sys.modules.setdefault("program", sys.modules[__name__])
    runs = {name: [bench.prepared(name, program) for program in programs] for name in bench.makers}
    times: dict[str, list[float]] = {name: [] for name in runs}
    sizes: dict[str, tuple[int, int]] = {}
    for number in range(rounds + 1):
        for name, some in runs.items():
            start = time.process_time()
            found = [run() for run in some]
            taken = time.process_time() - start
            sizes[name] = sum(events for events, _ in found), sum(size for _, size in found)
            if number:
                times[name].append(taken)
        gc.collect()
    rows = []
    for name in ("expressions", "opcodes"):
        if sizes[name][0] <= sizes["plain"][0]:
            raise OracleFault(f"{work}: {name} recorded nothing")
        rows += [
            Measurement(f"{work}: {name}, time beside plain", median_ratio(times[name], times["plain"]), "x"),
            Measurement(f"{work}: {name}, events beside plain", sizes[name][0] / sizes["plain"][0], "x"),
            Measurement(f"{work}: {name}, bytes beside plain", sizes[name][1] / sizes["plain"][1], "x"),
        ]
    return rows


def compilation(bench: Bench, rounds: int) -> Measurement:
    """Return what compiling with sites costs, on the largest modules of this project's tests."""
    texts = [path.read_text() for path in sorted((ROOT / "tests").glob("*/*.py"))]
    times: dict[str, list[float]] = {"plain": [], "sites": []}
    for _ in range(rounds):
        for name, key in (("compile_plainly", "plain"), ("compile_with_sites", "sites")):
            start = time.process_time()
            for text in texts:
                getattr(bench.guest["expressions"], name)(text, "<text>")
            times[key].append(time.process_time() - start)
    return Measurement("compilation with sites beside plain", median_ratio(times["sites"], times["plain"]), "x")


def geometric(rows: list[Measurement], ending: str) -> Measurement:
    """Return the geometric mean over the workloads."""
    return Measurement(
        f"all: {ending}", statistics.geometric_mean(row.value for row in rows if row.metric.endswith(ending)), "x"
    )


def main() -> int:
    """Measure and report."""
    options = arguments(__doc__ or "")
    programs = workloads()
    if options.quick:
        programs["cruxeval"] = programs["cruxeval"][:40]
    bench = Bench(programs)
    gc.disable()
    rows: list[Measurement] = []
    for work, some in programs.items():
        rows += measured(bench, work, some, 3 if options.quick else 9)
    endings = [row.metric.partition(": ")[2] for row in rows[:6]]
    rows += [geometric(rows, ending) for ending in endings]
    rows.append(compilation(bench, 2 if options.quick else 5))
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
