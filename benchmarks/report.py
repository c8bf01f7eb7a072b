"""What every benchmark prints and writes: measurements, each beside the bar that it must hold, if it has one."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True, frozen=True)
class Measurement:
    """One number. ``bar`` is the least value that is good enough (``most``: the largest); ``None``: no promise."""

    metric: str
    value: float
    unit: str
    bar: float | None = None
    most: bool = False

    @property
    def holds(self) -> bool:
        """Return whether the bar is met; without a bar, always."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.most else self.value >= self.bar

    def row(self) -> dict[str, Any]:
        """Return what the JSON file has of it."""
        fields = asdict(self)
        fields.pop("most")
        return {**fields, "holds": self.holds}


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of ``[--quick] [--json FILE]``."""
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--quick", action="store_true", help="fewer rounds: shows that it runs, not how fast")
    found.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements there")
    return found


def arguments(description: str) -> argparse.Namespace:
    """Parse ``[--quick] [--json FILE]``."""
    return parser(description).parse_args()


def report(measurements: list[Measurement], json_file: Path | None, unprinted: Sequence[Measurement] = ()) -> int:
    """Print a table, write the JSON list if asked, and return the exit code: 1 if a bar is not met.

    ``unprinted`` are written too; the caller has shown them in a form of its own.
    """
    width = max(len(each.metric) for each in measurements)
    for each in measurements:
        bar = "" if each.bar is None else f"  (bar {each.bar:g}: {'holds' if each.holds else 'MISSED'})"
        print(f"{each.metric:{width}}  {each.value:12.3f} {each.unit}{bar}")
    if json_file is not None:
        rows = [each.row() for each in [*measurements, *unprinted]]
        json_file.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if all(each.holds for each in measurements) else 1


def seconds(action: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median of the per-round ratios: rounds are interleaved, so a busy machine slows both."""
    return statistics.median(one / other for one, other in zip(slow, fast, strict=True))
