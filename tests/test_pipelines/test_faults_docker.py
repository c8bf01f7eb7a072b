"""SIGKILL of containers, of their driver and of the container engine: the rows are those of an undisturbed run."""

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from engines import SecondEngine, second_engine_lack
from fault_runs import Command, check_nothing_left, contents, report, rows_of, shoot, until, write_rows

from pipelines.manifests import finished_ids
from sandboxes.docker.owners import OWNER_LABEL

pytestmark = pytest.mark.docker
SEED = 20261123


@pytest.fixture
def client(docker_image: object) -> Iterator["docker.APIClient"]:
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("corpus") / "rows.jsonl", rows_of(24))


@pytest.fixture(scope="module")
def undisturbed(source: Path, docker_image: object) -> dict[str, Any]:
    command = Command(source, source.with_name("undisturbed"))
    assert command.finish()["rows"] == 51
    return contents(command.out)


def of(client: "docker.APIClient", pids: set[int], states: tuple[str, ...] = ("running",)) -> list[str]:
    """Return the containers that belong to processes."""
    found = client.containers(all=True, filters={"label": OWNER_LABEL})
    owners = {str(pid) for pid in pids}
    return [
        each["Id"]
        for each in found
        if each["State"] in states and each["Labels"][OWNER_LABEL].partition(":")[0] in owners
    ]


def none_runs(client: "docker.APIClient", pids: set[int]) -> bool:
    return not of(client, pids)


def check_complete(command: Command, expected: dict[str, Any]) -> None:
    assert command.finish()["complete"]
    assert contents(command.out) == expected
    assert command.finish()["done_now"] == 0


def advanced(command: Command, least: int, process: "subprocess.Popen[str]") -> bool:
    """Return whether so many inputs stand in manifests, or the run has ended."""
    return len(finished_ids(command.out)) >= least or process.poll() is not None


def test_containers_killed_under_a_run_lose_nothing(
    source: Path, undisturbed: dict[str, Any], client: "docker.APIClient", tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out")
    process = command.start()
    killed = 0
    # By progress, not by time: on a slow machine one job would meet every kill, and rightly be given up as poison.
    for least in (1, 15, 30):
        assert until(partial(advanced, command, least, process), 60)
        for container in of(client, {process.pid})[:1]:
            subprocess.run(["docker", "kill", container], check=False, capture_output=True)
            killed += 1
    assert report(process)["done_now"] == 53
    assert killed >= 2
    assert contents(command.out) == undisturbed
    assert of(client, {process.pid}) == []


def test_a_killed_driver_leaves_no_container_and_loses_nothing(
    source: Path, undisturbed: dict[str, Any], client: "docker.APIClient", tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out")
    moments = random.Random(SEED)
    drivers: set[int] = set()
    for _ in range(3):
        process = command.start()
        time.sleep(moments.uniform(0.5, 3))
        shoot(process.pid)
        _, errors = process.communicate()
        check_nothing_left(command, errors)
        assert until(partial(none_runs, client, {process.pid})), "a container outlived its driver"
        drivers.add(process.pid)
    check_complete(command, undisturbed)
    assert of(client, drivers, ("created", "exited", "dead")) == []


@pytest.mark.ray
def test_ray_workers_and_the_driver_killed_with_their_containers_lose_nothing(
    source: Path, undisturbed: dict[str, Any], client: "docker.APIClient", tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out", ("--executor", "ray", "--workers", "2"))
    process = command.start()
    assert until(lambda: len(finished_ids(command.out)) > 5, 90)
    workers = set(command.processes("ray::WorkerHost"))
    assert of(client, workers)
    for pid in list(workers)[:1]:
        shoot(pid)
    time.sleep(1)
    workers |= set(command.processes("ray::WorkerHost"))
    shoot(process.pid)
    _, errors = process.communicate()
    check_nothing_left(command, errors)
    assert until(lambda: not of(client, workers)), "a container outlived its worker"
    check_complete(command, undisturbed)


@pytest.mark.skipif(second_engine_lack() != "", reason=second_engine_lack() or "-")
def test_a_killed_engine_ends_the_run_cleanly_and_the_next_completes_it(
    source: Path, undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SecondEngine(tmp_path / "engine") as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        command = Command(source, tmp_path / "out")
        process = command.start()
        assert until(lambda: len(finished_ids(command.out)) > 5, 120)
        engine.kill()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 3, errors
        assert "container engine" in errors.splitlines()[-1]
        assert "Traceback" not in errors
        kept = finished_ids(command.out)
        assert 5 < len(kept) < 53
        engine.start()
        check_complete(command, undisturbed)
        listed = subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, text=True, check=True)
        assert listed.stdout == "", "the dead engine's containers are still there"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk for an engine, on memory."""
    if second_engine_lack():
        pytest.skip(second_engine_lack())
    disk = tmp_path / "engine"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(filler: Path) -> None:
    """Write until the disk has not one block left."""
    with filler.open("wb", buffering=0) as file:
        for piece in (2**20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(piece))


def test_a_full_disk_of_the_engine_ends_the_run_cleanly_and_it_completes_when_there_is_room(
    docker_image: object, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many: a quick machine is done with the other tests' rows between two looks at what is finished.
    source = write_rows(tmp_path / "rows.jsonl", rows_of(100))
    undisturbed = Command(source, tmp_path / "undisturbed")
    assert undisturbed.finish()["rows"] == 203
    with SecondEngine(small_disk) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        command = Command(source, tmp_path / "out")
        process = command.start()
        filler = small_disk / "filler"
        with docker.APIClient(base_url=engine.address) as client:
            # Two pools, each with its spare: all of them are up, so that none comes up later.
            assert until(lambda: len(of(client, {process.pid})) == 4 and len(finished_ids(command.out)) > 5, 120)
            process.send_signal(signal.SIGSTOP)  # or it would be done before the disk is full
            for container in of(client, {process.pid}):
                client.remove_container(container, force=True)  # here: what they leave would be room for the next ones
            fill(filler)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 3, errors
        assert "the disk of the container engine is full" in errors
        assert "Traceback" not in errors
        assert 5 < len(finished_ids(command.out)) < 205
        filler.unlink()
        check_complete(command, contents(undisturbed.out))
