"""Jobs per second of a pool beside a container started for each job, on this machine."""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandboxes.api import PoolJob, PoolSpec
from sandboxes.bundle import bundle
from sandboxes.open import open_pool, resolve_image
from schemas.errors import BackendUnavailable

_GUEST: Final = "def run(payload, channel):\n    channel.write(b'done')\n"
_JOB: Final = PoolJob(b"", 10)
_BATCH: Final = 20
_HARDENED: Final = ("--network=none", "--read-only", "--cap-drop=ALL", "--memory=1g", "--pids-limit=64")


@dataclass(slots=True, frozen=True)
class Comparison:
    """Medians of rounds in which the ways took turns."""

    pool_jobs_per_second: float
    container_jobs_per_second: float
    start_seconds: float
    """Of the pool's first sandbox, its self-check included."""
    rounds: int


def compare(seconds: float) -> Comparison:
    """Measure for about that long, one job at a time. Raises ``EnvironmentLacking``."""
    if shutil.which("docker") is None:
        raise BackendUnavailable("the comparison starts containers with the program `docker`: install the client")
    image = resolve_image("docker")
    command = ["docker", "run", "--rm", *_HARDENED, "--entrypoint=python3", image.reference, "-c", "print(0)"]
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "__init__.py").write_text("")
        (Path(directory) / "entry.py").write_text(_GUEST)
        spec = PoolSpec(bundle(Path(directory), "_compared_guest"), "_compared_guest.entry:run")
    start = time.perf_counter()
    pooled, single = list[float](), list[float]()
    with open_pool("docker", spec, image) as pool:
        started = time.perf_counter() - start
        end = time.perf_counter() + seconds
        while not single or time.perf_counter() < end:
            pooled.append(_seconds(lambda: [pool.run(_JOB) for _ in range(_BATCH)]) / _BATCH)
            single.append(_seconds(lambda: _run(command)))
    return Comparison(1 / statistics.median(pooled), 1 / statistics.median(single), started, len(single))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise BackendUnavailable(f"`docker run` failed: {done.stderr.strip()[-300:]}")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
