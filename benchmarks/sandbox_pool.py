"""Jobs per second of the container pool beside a container per job, and inputs per second in one fork or many.

    python benchmarks/sandbox_pool.py [--quick] [--json FILE]

The ways take turns within each round and ratios are medians over rounds, so other load falls on all of them alike.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from report import Measurement, arguments, median_ratio, report, seconds

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool, PoolJob, PoolSpec
from sandboxes.bundle import bundle

GUEST = """
def run(payload, channel):
    if payload == b"attack":  # in a sticky directory only owners may remove, so the container is retired
        import os
        os.mkdir("d"); open("d/f", "w").close(); os.chmod("d", 0o1777)
        return
    for number in range(int(payload)):
        channel.write(b"%d\\n" % (number * number))
"""
ONE = PoolJob(b"1", 10)
INPUTS = 100
MANY = PoolJob(b"%d" % INPUTS, 10)


def spec() -> PoolSpec:
    """Return a pool's spec whose jobs count squares, without a spare."""
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory)
        (package / "__init__.py").write_text("")
        (package / "entry.py").write_text(GUEST)
        preload = bundle(package, "_bench_guest")
    return PoolSpec(preload, "_bench_guest.entry:run", jobs_per_sandbox=100_000, warm_spare=False)


def docker_run(image: ImageRef) -> None:
    """Run an empty program in a container of its own, hardened by the flags that a user would give."""
    hardened = [
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "--memory=1g",
        "--pids-limit=64",
        "--log-driver=none",
    ]
    command = ["docker", "run", "--rm", *hardened, "--entrypoint=python3", image.reference, "-c", "print(0)"]
    subprocess.run(command, check=True, capture_output=True)


def pool_rounds(pool: Pool, jobs: int) -> float:
    """Return seconds per job."""
    return seconds(lambda: [pool.run(ONE) for _ in range(jobs)]) / jobs


def measure(quick: bool) -> list[Measurement]:
    """Run the rounds."""
    rounds, jobs = (3, 20) if quick else (10, 100)
    image = resolve_image("docker")
    starts = [seconds(lambda: open_pool("docker", spec(), image).close()) for _ in range(rounds)]
    with open_pool("docker", spec(), image) as pool, open_pool("process", spec(), resolve_image("process")) as local:
        pool_rounds(pool, jobs), pool_rounds(local, jobs)
        each: list[float] = []
        plain: list[float] = []
        single: list[float] = []
        batched: list[float] = []
        for _ in range(rounds):
            each.append(pool_rounds(pool, jobs))
            plain.append(seconds(lambda: docker_run(image)))
            single.append(pool_rounds(local, jobs))
            batched.append(seconds(lambda: [pool.run(MANY) for _ in range(max(1, jobs // 10))]) / max(1, jobs // 10))
    per_input = [batch / INPUTS for batch in batched]
    return [
        Measurement("pool, docker", 1 / statistics.median(each), "jobs/s"),
        Measurement("pool, process", 1 / statistics.median(single), "jobs/s"),
        Measurement("docker run --rm per job", 1 / statistics.median(plain), "jobs/s"),
        Measurement("pool beside docker run", median_ratio(plain, each), "x", bar=80),
        Measurement("inputs in one fork", 1 / statistics.median(per_input), "inputs/s"),
        Measurement(f"{INPUTS} inputs in one fork beside a fork each", median_ratio(each, per_input), "x", bar=30),
        Measurement("start, check and close a container", statistics.median(starts), "s"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
