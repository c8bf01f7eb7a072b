"""Jobs per second of the pool on each backend of this machine, and its ratio to docker's.

    python benchmarks/sandbox_backends.py [--quick] [--json FILE]

The backends take turns within each round; a ratio is the median of the rounds' ratios. A backend that cannot be
used whole is left out, and that is said.
"""

import statistics
import sys
from contextlib import ExitStack

from report import Measurement, arguments, median_ratio, report, seconds
from sandbox_pool import ONE, spec

from sandboxes import open_pool, resolve_image
from sandboxes.api import Pool
from sandboxes.backends import BACKENDS
from schemas.errors import EnvironmentLacking


def rounds(pools: dict[str, Pool], count: int, jobs: int) -> dict[str, list[float]]:
    """Return the seconds per job of each round."""
    found: dict[str, list[float]] = {name: [] for name in pools}
    for _ in range(count):
        for name, pool in pools.items():
            found[name].append(seconds(lambda pool=pool: [pool.run(ONE) for _ in range(jobs)]) / jobs)  # type: ignore[misc]
    return found


def measure(quick: bool) -> list[Measurement]:
    """Open a pool of each backend and run the rounds."""
    count, jobs = (7, 40) if quick else (15, 150)
    with ExitStack() as stack:
        pools: dict[str, Pool] = {}
        starts: list[Measurement] = []
        for name in BACKENDS:
            try:
                image = resolve_image(name)
                start = seconds(lambda: pools.update({name: open_pool(name, spec(), image)}))  # noqa: B023
            except EnvironmentLacking as error:
                print(f"{name} is left out: {error}")
                continue
            stack.enter_context(pools[name])
            starts.append(Measurement(f"{name}, first sandbox up", start, "s"))
            pools[name].run(ONE)
        found = rounds(pools, count, jobs)
    rates = [Measurement(name, 1 / statistics.median(each), "jobs/s") for name, each in found.items()]
    base = found.get("docker", [])
    ratios = [
        Measurement(f"{name} beside docker", median_ratio(base, each), "x")
        for name, each in found.items()
        if base and name != "docker"
    ]
    return [*starts, *rates, *ratios]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
