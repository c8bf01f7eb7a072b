"""Events per second of the recorder beside other tracers, on programs and on the tests of two real suites.

    python benchmarks/recorder_events.py [--quick] [--json FILE]

End to end, from the program's start to the bytes (of the others: characters) in memory. The tracers take turns within
each round, in one process; the first round is dropped; processor time, without the garbage collector; median and least.
Compiling a program and finding its functions' places happens once per job and is not timed; one renderer serves a
round's tests of a suite, as in the guest. All rows share one count of events, the recorder's. PySnooper does less than
the others: it cuts values at 100 characters.
Before anything is timed, every program passes the tests' oracle, and the tracers must report the same events.
"""

import gc
import importlib.util
import json
import math
import re
import statistics
import sys
import time
from collections import Counter
from io import StringIO
from typing import Any

import tracers
from report import Measurement, arguments, report
from suites import SUITES, tests_of
from tracers import Loaded, Output, Tracer
from workloads import ROOT, workloads

NAIVE = ROOT.parent / "shared/tools/naive_tracer.py"
ORACLE = ROOT / "tests/support/oracle.py"
WIRE_KINDS = {"c": "call", "s": "call", "l": "line", "r": "return", "y": "return", "u": "return", "x": "exception"}
SNOOPED = re.compile(r"^ *[0-9:.]{15} (?:call|line|return|exception) +\d+ |^ *Call ended by exception", re.MULTILINE)
STOPS = ("(<class 'StopIteration'>", "(<class 'StopAsyncIteration'>")

BARS = {"pysnooper": (1.0, 3.0), "snoop": (None, 8.0), "hunter": (None, 8.0), "naive": (None, 2.0)}
"""Least ratio on each workload, and on geometric average."""
MOST_BYTES = {"cruxeval": 35.0, "list": 30.0}

MOST_CALLS = 500
SUITE_TESTS = 20

Times = dict[str, dict[str, list[float]]]


class Mismatch(Exception):
    """The tracers did not do the same work, so that their times say nothing."""


def oracle_faults(loaded: list[Loaded]) -> list[str]:
    """Return what the tests' naive oracle has against the recorder on these programs."""
    spec = importlib.util.spec_from_file_location("oracle", ORACLE)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(ORACLE)
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    guest = oracle.load(str(ROOT), "tracegen.guest")
    return [fault for each in loaded for fault in each.check(oracle, guest)]


def recorded_kinds(loaded: Loaded) -> Counter[str]:
    """Count the recorder's events as ``sys.settrace`` names them, stops of iteration apart."""
    events, data = tracers.recorded(loaded)
    rows = [json.loads(line) for line in data.splitlines()]
    found = Counter(_kind(WIRE_KINDS[row[0]], row[5] if len(row) > 5 else "") for row in rows if row[0] in WIRE_KINDS)
    if found.total() != events or not events:
        raise Mismatch(f"{loaded.name}: {found.total()} events written, {events} counted")
    return found


def _kind(kind: str, value: str) -> str:
    return "stop" if kind == "exception" and value.startswith(STOPS) else kind


def naive_kinds(kind: Any, loaded: Loaded) -> Counter[str]:
    """Count the naive tracer's events likewise."""
    sink = StringIO()
    tracers.naive_run(kind, loaded, sink)
    rows = [json.loads(line) for line in sink.getvalue().splitlines()]
    return Counter(_kind(row["event"], row.get("value", "")) for row in rows)


def check_same_events(loaded: Loaded, kind: Any) -> None:
    """Raise ``Mismatch`` unless all tracers see the same events; only internal stops of iteration may be hidden."""
    mine = recorded_kinds(loaded)
    sink = StringIO()
    tracers.snooped(loaded, sink)
    seen = len(SNOOPED.findall(sink.getvalue()))
    if kind is None:
        if not mine.total() <= seen:
            raise Mismatch(f"{loaded.name}: {mine.total()} events, PySnooper shows {seen}")
        return
    other = naive_kinds(kind, loaded)
    stops = mine.pop("stop", 0), other.pop("stop", 0)
    if mine != other or stops[0] > stops[1] or seen != other.total() + stops[1]:
        raise Mismatch(f"{loaded.name}: recorder {mine} + {stops[0]}, naive {other} + {stops[1]}, PySnooper {seen}")


def sample(suite: str) -> list[Loaded]:
    """Return tests from all over a suite, none so long that the slowest tracer would take hours."""
    short = [test for test in tests_of(suite) if tracers.calls(test) <= MOST_CALLS]
    chosen = short[:: max(1, len(short) // SUITE_TESTS)]
    found = [test for test in chosen if _repeats(test)]
    print(
        f"{suite}: {len(found)} tests timed; {len(chosen) - len(found)} left out: their events differ from run to run"
    )
    return found


def _repeats(test: Loaded) -> bool:
    try:
        return len({tracers.tracegen(test).events for _ in range(3)}) == 1
    except Exception:  # it notices that reprs are called, and raises what it likes
        return False


def turn(tracer: Tracer, programs: list[Loaded]) -> tuple[float, Output]:
    """Return the seconds of one run of every program, and what they gave together."""
    events = size = 0
    for loaded in programs:
        loaded.job.begin()
    start = time.process_time()
    for loaded in programs:
        output = tracer(loaded)
        events += output.events
        size += output.size
    return time.process_time() - start, Output(events, size)


def rounds(
    turns: dict[str, Tracer], loaded: dict[str, list[Loaded]], count: int
) -> tuple[Times, dict[str, dict[str, Output]]]:
    """Return seconds by workload and tracer, one per round, and each tracer's output."""
    times: Times = {work: {name: [] for name in turns} for work in loaded}
    outputs: dict[str, dict[str, Output]] = {work: {} for work in loaded}
    gc.disable()
    for number in range(count + 1):
        for work, programs in loaded.items():
            for name, tracer in turns.items():
                seconds, output = turn(tracer, programs)
                before = outputs[work].setdefault(name, output)
                if output.events != before.events:
                    raise Mismatch(f"{work}, {name}: {output.events} events in a later round, {before.events} before")
                if number:
                    times[work][name].append(seconds)
            gc.collect()
    gc.enable()
    return times, outputs


def check_outputs(outputs: dict[str, Output], traced: list[str]) -> None:
    """Raise ``Mismatch`` if a tracer that was timed gave nothing."""
    empty = [name for name in traced if not outputs[name].size]
    if empty or not outputs["tracegen"].events:
        raise Mismatch(f"no output: {', '.join(empty)}")


def rows(times: Times, outputs: dict[str, dict[str, Output]]) -> list[Measurement]:
    """Print the table and return its numbers."""
    found = []
    head = ("workload", "tracer", "events/s", "at best", "slow-down", "bytes/event")
    print(f"{head[0]:10} {head[1]:10} {head[2]:>12} {head[3]:>12} {head[4]:>10} {head[5]:>12}")
    for work, by_tracer in times.items():
        events = outputs[work]["tracegen"].events
        floor = statistics.median(by_tracer["untraced"])
        for name, taken in by_tracer.items():
            middle = statistics.median(taken)
            rates = events / middle, events / min(taken), middle / floor, outputs[work][name].size / events
            print(f"{work:10} {name:10} {rates[0]:12,.0f} {rates[1]:12,.0f} {rates[2]:9.1f}x {rates[3]:12.1f}")
            units = ("events/s", "events/s at best", "x untraced", "bytes/event")
            found += [Measurement(f"{work}, {name}", rate, unit) for rate, unit in zip(rates, units, strict=True)]
    return found


def ratios(times: Times, rivals: list[str]) -> list[Measurement]:
    """Return how many times faster the recorder is, by workload and on geometric average, by medians and by minima."""
    found = []
    for rival in rivals:
        by_work = {
            work: statistics.median(taken[rival]) / statistics.median(taken["tracegen"])
            for work, taken in times.items()
        }
        best = [min(taken[rival]) / min(taken["tracegen"]) for taken in times.values()]
        every, mean = BARS.get(rival, (None, None))
        found += [Measurement(f"tracegen beside {rival}, {work}", ratio, "x", every) for work, ratio in by_work.items()]
        found.append(
            Measurement(f"tracegen beside {rival}, geometric mean", _geometric(list(by_work.values())), "x", mean)
        )
        found.append(Measurement(f"tracegen beside {rival}, geometric mean of minima", _geometric(best), "x"))
    return found


def sizes(outputs: dict[str, dict[str, Output]]) -> list[Measurement]:
    """Return the recorder's bytes per event, by workload."""
    found = []
    for work, by_tracer in outputs.items():
        mine = by_tracer["tracegen"]
        found.append(
            Measurement(f"bytes per event, {work}", mine.size / mine.events, "bytes", MOST_BYTES.get(work), most=True)
        )
    return found


def _geometric(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def measure(quick: bool) -> tuple[list[Measurement], list[Measurement]]:
    """Check, time and print; return the table's numbers and the summary."""
    loaded = {work: [Loaded.of_program(each) for each in programs] for work, programs in workloads().items()}
    loaded |= {name: sample(name) for name in SUITES}
    everything = [each for programs in loaded.values() for each in programs]
    turns: dict[str, Tracer] = {
        "untraced": tracers.untraced,
        "bare": tracers.bare,
        "tracegen": tracers.tracegen,
        "pysnooper": tracers.snooper,
        "snoop": tracers.snoop_tracer,
        "hunter": tracers.hunter_tracer,
    }
    kind = tracers.naive_class(NAIVE) if NAIVE.exists() else None
    if kind is None:
        print(f"no naive tracer: {NAIVE} is absent, so its rows are left out")
    else:
        turns["naive"] = tracers.naive(kind)
    faults = oracle_faults(everything)
    for fault in faults[:5]:
        print(f"oracle: {fault}")
    for each in everything:
        check_same_events(each, kind)
    rivals = [name for name in turns if name not in ("untraced", "tracegen")]
    times, outputs = rounds(turns, loaded, 3 if quick else 9)
    for by_tracer in outputs.values():
        check_outputs(by_tracer, [name for name in turns if name not in ("untraced", "bare")])
    table = rows(times, outputs)
    sound = Measurement("programs without an oracle fault", len(everything) - len(faults), "of all", len(everything))
    same = Measurement("programs with equal events", len(everything), "of all", len(everything))
    return table, [sound, same, *ratios(times, rivals), *sizes(outputs)]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    table, summary = measure(options.quick)
    print()
    sys.exit(report(summary, options.json, unprinted=table))
