"""Generated programs under the naive oracle: how many run without a violation, a crash or a hang.

    python benchmarks/recorder_fuzz.py [--quick] [--programs N] [--first SEED] [--json FILE]

Every program (classes, generators, exceptions, aliasing; ``tests/support/programs.py``) runs under the recorder and the
tests' oracle at once, the Pythons at hand taking turns. A batch that ends badly is run again in ever smaller parts, so
that the program is told by its seed.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from report import Measurement, parser, report
from workloads import ROOT

sys.path.insert(0, str(ROOT / "tests/support"))
import programs
from interpreters import run_oracle

from sandboxes.interpreters import Interpreter, find
from schemas.errors import UsageError

BATCH = 250
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")


@dataclass(slots=True)
class Found:
    """What came of some programs."""

    programs: int = 0
    events: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Count another's in."""
        self.programs += other.programs
        self.events += other.events
        self.faults += other.faults


def interpreters() -> list[Interpreter]:
    """Return the Pythons that this machine has."""
    found = []
    for version in PYTHONS:
        try:
            found.append(find(version))
        except UsageError as error:
            print(f"Python {version} is left out: {error}")
    return found


def run(interpreter: Interpreter, seeds: range) -> Found:
    """Run a batch; one that dies or hangs is narrowed down to its programs."""
    made = [(f"made_{seed}.py", programs.program(random.Random(seed).randrange)) for seed in seeds]
    try:
        answer = run_oracle(interpreter, made)
    except (AssertionError, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        if len(seeds) == 1:
            return Found(1, 0, [f"seed {seeds[0]} under {interpreter.version}: {type(error).__name__} {error}"[:500]])
        both = Found()
        middle = len(seeds) // 2
        both.add(run(interpreter, seeds[:middle]))
        both.add(run(interpreter, seeds[middle:]))
        return both
    faults = [f"under {interpreter.version}: {fault}" for fault in answer["faults"]]
    return Found(len(made), answer["events"], faults)


def batches(found: list[Interpreter], first: int, count: int) -> Iterator[tuple[Interpreter, range]]:
    """Yield the batches, the Pythons taking turns."""
    for number, start in enumerate(range(first, first + count, BATCH)):
        yield found[number % len(found)], range(start, min(start + BATCH, first + count))


def main() -> int:
    """Run, print and report."""
    options = parser(__doc__.partition("\n")[0])
    options.add_argument("--programs", type=int, default=100_000)
    options.add_argument("--first", type=int, default=1_000_000, help="the first seed")
    chosen = options.parse_args()
    count = 2 * BATCH * len(PYTHONS) if chosen.quick else chosen.programs
    total = Found()
    with ThreadPoolExecutor(2) as threads:
        for part in threads.map(lambda each: run(*each), batches(interpreters(), chosen.first, count)):
            total.add(part)
            for fault in part.faults:
                print(fault)
    rows = [
        Measurement("programs run", total.programs, "programs", count),
        Measurement("events compared", total.events, "events", 1),
        Measurement("violations, crashes and hangs", len(total.faults), "programs", 0, most=True),
    ]
    return report(rows, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
