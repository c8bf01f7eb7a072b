"""Containers that grow and change in loops, of the kinds that are not among the workloads of ``recorder_events``.

    python benchmarks/recorder_containers.py [--quick] [--json FILE]

The recorder beside PySnooper (which cuts values at 100 characters, but asks for their whole ``repr``) and hunter, in
turns, processor time without the garbage collector, medians. The bar is PySnooper's: never slower.
"""

import gc
import statistics
import sys
import time

import tracers
from report import Measurement, arguments, report
from tracers import Loaded, Tracer
from workloads import Program

BODIES = {
    "dict that grows to 500": """
    memo = {}
    for i in range(500):
        memo[i] = i * i
    return memo
""",
    "counts of 300 words": """
    counts = {}
    for word in ['w%d' % (i * 7919 % 300) for i in range(1000)]:
        counts[word] = counts.get(word, 0) + 1
    return counts
""",
    "dict of 100 lists": """
    groups = {}
    for i in range(600):
        groups.setdefault(i % 100, []).append(i)
    return groups
""",
    "list of 50 dicts": """
    rows = [{'id': i, 'n': 0} for i in range(50)]
    for k in range(200):
        rows[k % 50]['n'] += k
    return rows
""",
    "grid of 30 x 30": """
    grid = [[0] * 30 for _ in range(30)]
    for i in range(30):
        for j in range(30):
            grid[i][j] = i * j
    return grid
""",
    "set that grows to 500": """
    seen = set()
    for i in range(500):
        seen.add(i * 7919 % 1000)
    return seen
""",
    "deque of 200": """
    from collections import deque
    queue = deque(range(200))
    for i in range(300):
        queue.append(queue.popleft() + 1)
    return queue
""",
    "list of 300 tuples": """
    found = []
    for i in range(300):
        found.append((i, i + 1))
    return found
""",
    "list of 300 texts": """
    found = []
    for i in range(300):
        found.append('item %d' % i)
    return found
""",
}
TRACERS: dict[str, Tracer] = {
    "tracegen": tracers.tracegen,
    "pysnooper": tracers.snooper,
    "hunter": tracers.hunter_tracer,
}


def measure(name: str, body: str, rounds: int) -> list[Measurement]:
    """Run one program in turns under each tracer; the first round is dropped."""
    loaded = Loaded.of_program(Program(f"<{name}>", f"def run():{body}"))
    times: dict[str, list[float]] = {tracer: [] for tracer in TRACERS}
    events = size = 0
    for _ in range(rounds + 1):
        for tracer, run in TRACERS.items():
            loaded.job.begin()
            began = time.process_time()
            output = run(loaded)
            times[tracer].append(time.process_time() - began)
            events, size = max(events, output.events), output.size if tracer == "tracegen" else size
        gc.collect()
    middle = {tracer: statistics.median(taken[1:]) for tracer, taken in times.items()}
    return [
        Measurement(f"{name}, beside pysnooper", middle["pysnooper"] / middle["tracegen"], "x", 1.0),
        Measurement(f"{name}, beside hunter", middle["hunter"] / middle["tracegen"], "x"),
        Measurement(f"{name}, microseconds per event", 1e6 * middle["tracegen"] / events, "us"),
        Measurement(f"{name}, bytes per event", size / events, "bytes"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    gc.disable()
    found = [row for name, body in BODIES.items() for row in measure(name, body, 2 if options.quick else 9)]
    sys.exit(report(found, options.json))
