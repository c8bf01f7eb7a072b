"""A text that grows by ``+=``: quadratic under any trace function up to 3.11, and on 3.12 under one that reads locals.

    python benchmarks/recorder_appends.py [--quick] [--json FILE]

CPython appends in place only while nothing else holds the text; a trace function that has read a frame's locals does.
Beside a bare trace function, one that reads ``f_locals``, and the recorder: processor time, medians of rounds in turn.
The bar asks that the recorder's time grows from half the appends to all of them no faster than the reading one's.
"""

import gc
import statistics
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from report import Measurement, arguments, report
from tracers import Loaded, Output, bare, tracegen, under, untraced
from workloads import Program

SOURCE = """
def run():
    s = ''
    for _ in range({count}):
        s += 'x'
    return len(s)
"""


def reading(loaded: Loaded) -> Output:
    """Read the locals at every event and do nothing with them."""

    def local(frame: FrameType, kind: str, arg: Any) -> Any:
        _ = dict(frame.f_locals)
        return local

    return under(loaded, local)


WAYS: dict[str, Callable[[Loaded], Output]] = {
    "untraced": untraced,
    "bare": bare,
    "reading locals": reading,
    "tracegen": tracegen,
}


def measure(quick: bool) -> list[Measurement]:
    """Run the rounds."""
    most = 20_000
    loops = {
        count: Loaded.of_program(Program(f"<appends-{count}>", SOURCE.format(count=count)))
        for count in (most // 2, most)
    }
    times: dict[tuple[str, int], list[float]] = {(way, count): [] for way in WAYS for count in loops}
    for _ in range(2 if quick else 9):
        for (way, count), found in times.items():
            gc.collect()
            began = time.process_time()
            WAYS[way](loops[count])
            found.append(time.process_time() - began)
    medians = {key: statistics.median(found) for key, found in times.items()}
    rows = [Measurement(f"{way}, {most:,} appends", 1000 * medians[way, most], "ms") for way in WAYS]
    growth = {way: medians[way, most] / medians[way, most // 2] for way in WAYS}
    rows += [Measurement(f"{way}, twice the appends", growth[way], "x") for way in WAYS if way != "tracegen"]
    worst = max(2.0, growth["bare"], growth["reading locals"])
    rows.append(Measurement("tracegen, twice the appends", growth["tracegen"], "x", bar=1.15 * worst, most=True))
    return rows


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
