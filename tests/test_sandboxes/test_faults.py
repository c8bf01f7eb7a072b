"""What goes wrong around a job: containers and drivers that die, channels that lie, engines that are not there."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from sandbox_jobs import run, says, works

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool, PoolJob, PoolSpec
from sandboxes.backends import get_backend
from sandboxes.channel import ChannelClosed
from sandboxes.guest import frames
from sandboxes.sandbox import Sandbox
from schemas.errors import (
    BackendUnavailable,
    EnvironmentLacking,
    ImageUnavailable,
    ProtocolViolation,
    SandboxLost,
    StartFailed,
)

DRIVER = """
import sys
from pathlib import Path
sys.path.insert(0, {support!r})
from sandbox_jobs import text_spec
from sandboxes import open_pool, resolve_image
from sandboxes.api import PoolJob
pool = open_pool({backend!r}, text_spec(Path({directory!r})), resolve_image({backend!r}))
print("ready", flush=True)
pool.run(PoolJob(b"import time\\ntime.sleep(500)", 600))
"""


@pytest.fixture
def client() -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


def _ours(client: "docker.APIClient", pid: int) -> list[str]:
    containers = client.containers(all=True, filters={"label": "tracegen.role=function-pool"})
    return [each["Id"] for each in containers if each["Labels"]["tracegen.owner"].startswith(f"{pid}:")]


def _until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def _driver(backend: str, checkout: Path, directory: Path) -> subprocess.Popen[str]:
    text = DRIVER.format(backend=backend, support=str(checkout / "tests" / "support"), directory=str(directory))
    driver = subprocess.Popen([sys.executable, "-c", text], cwd=checkout, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "ready\n"
    return driver


@pytest.mark.docker
def test_the_container_vanishes_with_a_killed_driver(
    docker_image: ImageRef, client: "docker.APIClient", checkout: Path, tmp_path: Path
) -> None:
    with _driver("docker", checkout, tmp_path) as driver:
        assert len(_ours(client, driver.pid)) == 1
        driver.kill()
    assert _until(lambda: not _ours(client, driver.pid))


def test_the_server_and_its_job_vanish_with_a_killed_driver(checkout: Path, tmp_path: Path) -> None:
    with _driver("process", checkout, tmp_path) as driver:
        assert _until(lambda: len(_descendants(driver.pid)) == 2)
        below = _descendants(driver.pid)
        scratch = Path(f"/proc/{below[0]}/cwd").readlink()
        driver.kill()
    assert _until(lambda: not any(Path(f"/proc/{pid}/cwd").exists() for pid in below))
    assert not scratch.exists(), "its directory was left behind"


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in _descendants(child))]


@pytest.mark.docker
def test_a_container_killed_under_a_job_is_a_lost_sandbox_and_the_next_job_works(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient"
) -> None:
    with open_pool("docker", spec, docker_image) as pool:
        (container,) = _ours(client, os.getpid())
        killer = threading.Timer(0.5, client.kill, [container])
        killer.start()
        with pytest.raises(SandboxLost) as lost:
            run(pool, "import time\ntime.sleep(60)", wall_seconds=60)
        killer.join()
        assert lost.value.retryable
        assert container.startswith(lost.value.container)
        assert works(pool)
        assert pool.statistics.retired == {"lost": 1}
    assert _ours(client, os.getpid()) == []


def test_a_killed_server_is_a_lost_sandbox_and_its_job_dies(spec: PoolSpec, process_image: ImageRef) -> None:
    with open_pool("process", spec, process_image) as pool:
        with pytest.raises(SandboxLost):
            run(pool, "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)")
        assert works(pool)
        assert pool.statistics.retired == {"lost": 1}


@pytest.mark.docker
def test_closing_a_pool_removes_its_containers(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient"
) -> None:
    pool = open_pool("docker", spec, docker_image, size=2)
    jobs = [PoolJob(b"import time\ntime.sleep(0.5)", 10)] * 2
    assert [outcome.status for outcome in pool.map(jobs)] == ["finished"] * 2
    assert len(_ours(client, os.getpid())) == 2
    pool.close()
    pool.close()
    assert _ours(client, os.getpid()) == []


@dataclasses.dataclass
class ScriptedChannel:
    """A channel whose other end sends fixed bytes."""

    answer: bytes
    name: str = "scripted"
    closed: bool = False

    def send(self, data: bytes, deadline: float) -> None:
        if self.closed:
            raise ChannelClosed("closed")

    def receive(self, count: int, deadline: float) -> bytes:
        data, self.answer = self.answer[:count], self.answer[count:]
        if not data:
            raise ChannelClosed("its output ended")
        return data

    def kill(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True


def _outcome_frame(**changes: object) -> bytes:
    head = frames.OutcomeHead(1, "finished", 0, None, 0.1, 0.1, 1, 2, 0, 0, "")._asdict()
    text = json.dumps({**head, **changes}).encode()
    return frames.pack(frames.OUTCOME, frames.OUTCOME_HEAD.pack(len(text)), text, b"ok")


def test_a_proper_outcome_frame_is_read() -> None:
    sandbox = Sandbox("process", ScriptedChannel(_outcome_frame()), 1000, {})
    assert sandbox.run(PoolJob(b"", 1)).result == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        frames.HEAD.pack(2**31, frames.OUTCOME),
        frames.pack(frames.HELLO, b"{}"),
        frames.pack(99, b""),
        frames.pack(frames.OUTCOME, b""),
        frames.pack(frames.OUTCOME, frames.OUTCOME_HEAD.pack(2**31)),
        frames.pack(frames.OUTCOME, frames.OUTCOME_HEAD.pack(2), b"[]"),
        frames.pack(frames.OUTCOME, frames.OUTCOME_HEAD.pack(2), b"{]"),
        _outcome_frame(job=2),
        _outcome_frame(status="returned"),
        _outcome_frame(result=3),
        _outcome_frame(result=-1, stdout=3),
        _outcome_frame(result=2.0),
        _outcome_frame(extra=1),
    ],
)
def test_a_frame_out_of_the_protocol_is_a_violation(answer: bytes) -> None:
    sandbox = Sandbox("process", ScriptedChannel(answer), 1000, {})
    with pytest.raises(ProtocolViolation):
        sandbox.run(PoolJob(b"", 1))


def test_half_a_frame_is_a_lost_sandbox() -> None:
    sandbox = Sandbox("process", ScriptedChannel(_outcome_frame()[:-1]), 1000, {})
    with pytest.raises(SandboxLost, match="output ended"):
        sandbox.run(PoolJob(b"", 1))


def test_another_python_than_the_image_said_does_not_start(spec: PoolSpec, process_image: ImageRef) -> None:
    with pytest.raises(StartFailed, match=r"not 3\.4\.1"):
        open_pool("process", spec, dataclasses.replace(process_image, python="3.4.1"))


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_without_an_engine_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(BackendUnavailable, match="--sandbox process"):
        resolve_image("docker")
    assert [each.state for each in get_backend("docker").findings()] == ["missing"]


@pytest.mark.patient
def test_an_engine_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf.sock"))
        deaf.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/deaf.sock")
        with pytest.raises(BackendUnavailable, match="does not answer"):
            resolve_image("docker")


AS_NOBODY = """
import os, sys
from schemas.errors import BackendUnavailable
from sandboxes.docker.engine import connect
import docker, docker.utils
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    connect()
except BackendUnavailable as error:
    print(error)
"""


@pytest.mark.docker
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without the right")
def test_without_the_right_to_use_the_engine_the_error_names_the_group(docker_image: ImageRef, checkout: Path) -> None:
    said = subprocess.run([sys.executable, "-c", AS_NOBODY], cwd=checkout, capture_output=True, text=True, check=True)
    assert "usermod -aG docker" in said.stdout


@pytest.mark.docker
def test_an_image_that_cannot_be_had_fails_fast_and_clearly(docker_image: ImageRef) -> None:
    with pytest.raises(ImageUnavailable, match="neither here nor to be pulled"):
        resolve_image("docker", base="tracegen-no-such-image:1")
    with pytest.raises(ImageUnavailable, match="--base"):
        resolve_image("docker", python="4.7")


@pytest.mark.docker
def test_an_image_that_is_gone_is_named(spec: PoolSpec, docker_image: ImageRef) -> None:
    gone = dataclasses.replace(docker_image, reference="sha256:" + "0" * 64)
    with pytest.raises(ImageUnavailable, match="resolve it again"):
        open_pool("docker", spec, gone)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have SIGINT raise: a shell starts its background commands with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_job_does_not_spoil_the_next(spec: PoolSpec, process_image: ImageRef) -> None:
    with open_pool("process", spec, process_image) as pool:
        timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run(pool, "import time\ntime.sleep(30)", wall_seconds=30)
        timer.join()
        assert says(pool, "'next'") == "next"


def test_closing_a_pool_ends_the_jobs_of_other_threads(pool: Pool) -> None:
    lost: list[BaseException] = []

    def work() -> None:
        try:
            run(pool, "import time\ntime.sleep(100)", wall_seconds=200)
        except SandboxLost as error:
            lost.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    pool.close()
    thread.join(20)
    assert not thread.is_alive()
    assert len(lost) == 1


def test_an_executable_that_is_gone_is_named(spec: PoolSpec, process_image: ImageRef) -> None:
    with pytest.raises(EnvironmentLacking, match="/nowhere/python cannot be run"):
        open_pool("process", spec, dataclasses.replace(process_image, executable="/nowhere/python"))


def _dying_interpreter(folder: Path, image: ImageRef, deaths: int) -> ImageRef:
    """Return an interpreter that is killed the first times that it starts."""
    script = folder / "python"
    taken = " ".join(f"{folder}/{number}" for number in range(deaths))
    lines = [f"for place in {taken}; do mkdir $place 2>/dev/null && kill -9 $$; done", f'exec {sys.executable} "$@"']
    script.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    script.chmod(0o755)
    return dataclasses.replace(image, executable=str(script))


def test_a_first_sandbox_that_is_killed_while_it_starts_is_started_again(
    spec: PoolSpec, process_image: ImageRef, tmp_path: Path
) -> None:
    with open_pool("process", spec, _dying_interpreter(tmp_path, process_image, 2)) as pool:
        assert works(pool)
    (tmp_path / "always").mkdir()
    with pytest.raises(StartFailed):
        open_pool("process", spec, _dying_interpreter(tmp_path / "always", process_image, 3))
