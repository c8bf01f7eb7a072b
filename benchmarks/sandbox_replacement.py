"""What a container costs: hardened beside default, two beside one, and the first good job after an attack.

    python benchmarks/sandbox_replacement.py [--quick] [--json FILE]

Needs Docker. The ways take turns within each round; a ratio is the median of the rounds' ratios.
"""

import dataclasses
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import docker
from report import Measurement, arguments, median_ratio, report, seconds
from sandbox_pool import ONE, spec

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool, PoolJob
from sandboxes.docker import hardening

STICKY = PoolJob(b"attack", 10)
"""Leaves a directory that the server may not empty, so its container is retired."""
SPARE_SECONDS = 20.0


def start(client: "docker.APIClient", image: ImageRef, options: dict[str, Any]) -> float:
    """Return the seconds to create and start a container that waits for input, then remove it."""
    config = client.create_host_config(**options)
    command = ["python3", "-S", "-c", "input()"]
    begin = time.perf_counter()
    container = client.create_container(
        image.reference, entrypoint=command, command=[], stdin_open=True, detach=False, host_config=config
    )["Id"]
    client.start(container)
    taken = time.perf_counter() - begin
    client.remove_container(container, force=True)
    return taken


def starts(image: ImageRef, rounds: int) -> Measurement:
    """Compare the hardened profile's start with Docker's default."""
    client = docker.APIClient()
    tmpfs = {memory.place: memory.tmpfs() for memory in hardening.pool_memories(spec())}
    hardened_options = {**hardening.host_config(spec()), "tmpfs": tmpfs, "auto_remove": False}
    start(client, image, {})
    default: list[float] = []
    hardened: list[float] = []
    for number in range(rounds):
        pairs: list[tuple[list[float], dict[str, Any]]] = [(default, {}), (hardened, hardened_options)]
        for found, options in pairs if number % 2 else reversed(pairs):
            found.append(start(client, image, options))
    client.close()
    return Measurement("hardened container start beside default", median_ratio(hardened, default), "x", 1.15, most=True)


def after_attack(image: ImageRef, rounds: int) -> list[Measurement]:
    """Compare the first job after a sandbox was spoilt with a job before."""
    normal: list[float] = []
    first: list[float] = []
    spared = dataclasses.replace(spec(), warm_spare=True)
    with open_pool("docker", spared, image) as pool:
        for _ in range(rounds):
            _await_spare(pool)
            pool.run(ONE)
            normal.append(statistics.median(seconds(lambda: pool.run(ONE)) for _ in range(9)))
            pool.run(STICKY)
            first.append(seconds(lambda: pool.run(ONE)))
        if pool.statistics.spares_used < rounds - 1:
            raise SystemExit(f"spares were not used: {pool.statistics}")
    return [
        Measurement("first job after an attack", statistics.median(first) * 1000, "ms"),
        Measurement("first job after an attack beside a normal one", median_ratio(first, normal), "x", 5, most=True),
    ]


def _await_spare(pool: Pool) -> None:
    end = time.monotonic() + SPARE_SECONDS
    found = pool.statistics
    while found.spares_started == found.spares_used and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)  # the engine is still removing the container before


def scaling(image: ImageRef, rounds: int, jobs: int) -> Measurement:
    """Compare jobs per CPU second with two containers and with one: of the jobs and this process, not the engine's."""
    one: list[float] = []
    two: list[float] = []
    with open_pool("docker", spec(), image) as single, open_pool("docker", spec(), image, size=2) as double:
        _cpu_per_job(double, 10, 2)
        for _ in range(rounds):
            one.append(_cpu_per_job(single, jobs, 1))
            two.append(_cpu_per_job(double, jobs, 2))
    return Measurement("jobs per CPU second, two containers beside one", median_ratio(one, two), "x", bar=0.9)


def _cpu_per_job(pool: Pool, jobs: int, threads: int) -> float:
    begin = time.process_time()
    with ThreadPoolExecutor(threads) as workers:
        outcomes = list(workers.map(lambda _: pool.run(ONE), range(jobs)))
    return (time.process_time() - begin + sum(each.cpu_seconds for each in outcomes)) / jobs


def measure(quick: bool) -> list[Measurement]:
    """Run everything."""
    image = resolve_image("docker")
    rounds, jobs = (6, 60) if quick else (15, 200)
    return [starts(image, rounds), *after_attack(image, rounds), scaling(image, rounds, jobs)]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
