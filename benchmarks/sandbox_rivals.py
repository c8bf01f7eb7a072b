"""Jobs per second of the fork server beside other ways to isolate one: container, exec, process or bubblewrap per job.

    python benchmarks/sandbox_rivals.py [--quick] [--json FILE]

The ways take turns within each round; a ratio is the median of the rounds' ratios. Every way runs the same trivial work
in the same Python. Needs Docker; bubblewrap's rows are left out where `bwrap` is not installed, and that is said.
"""

import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from report import Measurement, arguments, median_ratio, report, seconds
from sandbox_pool import INPUTS, MANY, ONE, docker_run, spec

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool
from schemas.errors import SandboxError

WORK = "print(0 * 0)"
LIMIT_BYTES = 2**30
BUBBLEWRAP = (
    # CWM's way: everything unshared, the system read-only, its own /proc, /dev and /tmp.
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"),
    *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"),
)


@dataclass(slots=True)
class Way:
    """One way to run jobs: what runs one, how many make a round, the seconds per job of each round."""

    name: str
    run: Callable[[], object]
    jobs: int
    bar: float | None = None
    found: list[float] = field(default_factory=list)

    def round(self) -> None:
        """Run one round."""
        self.found.append(seconds(lambda: [self.run() for _ in range(self.jobs)]) / self.jobs)


class Exec:
    """A plain container with ``docker exec`` through docker-py."""

    def __init__(self, image: ImageRef) -> None:
        import docker

        self._client = docker.APIClient()
        config = self._client.create_host_config(network_mode="none", auto_remove=True)
        command = ["python3", "-c", "import time; time.sleep(3600)"]
        labels = {"tracegen.role": "benchmark"}
        self._container = self._client.create_container(
            image.reference, entrypoint=command, command=[], host_config=config, labels=labels
        )["Id"]
        self._client.start(self._container)

    def run(self) -> None:
        """Run one job."""
        made = self._client.exec_create(self._container, ["python3", "-c", WORK])
        self._client.exec_start(made["Id"])
        if self._client.exec_inspect(made["Id"])["ExitCode"] != 0:
            raise SystemExit("docker exec failed")

    def close(self) -> None:
        """Remove the container."""
        self._client.remove_container(self._container, force=True)
        self._client.close()


def process() -> None:
    """Run one job in a child process with limits."""
    subprocess.run([sys.executable, "-c", WORK], check=True, capture_output=True, preexec_fn=_limit)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def bubblewrap() -> None:
    """Run one job in namespaces of its own."""
    subprocess.run([*BUBBLEWRAP, sys.executable, "-c", WORK], check=True, capture_output=True, preexec_fn=_limit)


def one(pool: Pool) -> None:
    """Run one job in a pool."""
    if pool.run(ONE).result != b"0\n":
        raise SystemExit("the pool's job failed")


def ways(pool: Pool, image: ImageRef, exec_: Exec, jobs: int) -> list[Way]:
    """Return the rivals."""
    few = max(2, jobs // 20)
    found = [
        Way("docker run --rm per job", lambda: docker_run(image), 1, 80),
        Way("docker exec per job, docker-py", exec_.run, few, 10),
        Way("subprocess + rlimits per job", process, few, 5),
    ]
    if shutil.which("bwrap"):
        found.append(Way("bubblewrap per job", bubblewrap, few, 6))
    else:
        print("bubblewrap is not installed (apt install bubblewrap): not measured")
    return found


def measure(quick: bool) -> list[Measurement]:
    """Run the rounds."""
    rounds, jobs = (5, 40) if quick else (15, 100)
    image = resolve_image("docker")
    exec_ = Exec(image)
    try:
        with open_pool("docker", spec(), image) as pool:
            ours = Way("fork server", lambda: one(pool), jobs)
            inputs = Way(f"{INPUTS} inputs in one fork, each", lambda: pool.run(MANY), max(2, jobs // 10), 30)
            rivals = ways(pool, image, exec_, jobs)
            for way in (ours, *rivals, inputs):
                way.run()
            for _ in range(rounds):
                for way in (ours, *rivals, inputs):
                    way.round()
    except SandboxError as error:
        raise SystemExit(f"the pool failed: {error}") from error
    finally:
        exec_.close()
    inputs.found = [each / INPUTS for each in inputs.found]
    rates = [Measurement(way.name, 1 / statistics.median(way.found), "/s") for way in (ours, *rivals, inputs)]
    ratios = [
        Measurement(f"fork server beside {way.name}", median_ratio(way.found, ours.found), "x", bar=way.bar)
        for way in rivals
    ]
    batched = Measurement("inputs in one fork beside a fork each", median_ratio(ours.found, inputs.found), "x", bar=30)
    return [*rates, *ratios, batched]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    sys.exit(report(measure(options.quick), options.json))
