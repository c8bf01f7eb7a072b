"""SIGKILL of everything that a run consists of, at random moments: the rows are those of an undisturbed run."""

import random
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fault_runs import Command, check_nothing_left, contents, report, rows_of, shoot, until, write_rows

from pipelines.manifests import finished_ids

PROCESS = ("--sandbox", "process")
RAY = ("--executor", "ray", "--workers", "2")
SEED = 20261123


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("corpus") / "rows.jsonl", rows_of(30))


@pytest.fixture(scope="module")
def undisturbed(source: Path) -> dict[str, Any]:
    """What a run to which nothing happens writes with trusted code."""
    command = Command(source, source.with_name("undisturbed"), PROCESS)
    assert command.finish()["planned"] == 65
    found = contents(command.out)
    assert len([key for key in found if key.startswith("trace")]) == 65
    return found


@pytest.fixture
def moments() -> random.Random:
    return random.Random(SEED)


def kill_driver(command: Command, seconds: float) -> bool:
    """Start it, kill its driver after that long, and wait until nothing of it is left; False if it had ended."""
    process = command.start()
    time.sleep(seconds)
    alive = process.poll() is None
    shoot(process.pid)
    _, errors = process.communicate()
    check_nothing_left(command, errors)
    return alive


def check_complete(command: Command, expected: dict[str, Any]) -> None:
    """The same command again completes the rows, and once more has nothing to do."""
    assert command.finish()["complete"]
    assert contents(command.out) == expected
    assert command.finish()["done_now"] == 0
    assert contents(command.out) == expected


def test_a_driver_killed_again_and_again_loses_and_doubles_nothing(
    source: Path, undisturbed: dict[str, Any], moments: random.Random, tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out", PROCESS)
    # The first fall into any run, however quick the machine; the last into later stages of a slow one.
    latest = (0.6, 0.8, 1.0, 1.5, 2.5)
    kills = [kill_driver(command, moments.uniform(0.2, seconds)) for seconds in latest]
    assert kills[0]
    check_complete(command, undisturbed)


@pytest.mark.ray
def test_a_driver_killed_under_ray_takes_ray_along_and_loses_nothing(
    source: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out", (*PROCESS, *RAY))
    process = command.start()
    assert until(lambda: len(finished_ids(command.out)) > 5, 60)
    assert len(command.processes("ray::WorkerHost")) == 2
    shoot(process.pid)
    _, errors = process.communicate()
    check_nothing_left(command, errors)
    check_complete(command, undisturbed)


@pytest.mark.ray
def test_a_driver_killed_under_ray_at_any_moment_loses_and_doubles_nothing(
    source: Path, undisturbed: dict[str, Any], moments: random.Random, tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out", (*PROCESS, *RAY))
    for _ in range(5):
        kill_driver(command, moments.uniform(0.5, 8))
    check_complete(command, undisturbed)


def at_least_two(command: Command, name: str) -> bool:
    return len(command.processes(name)) >= 2


@pytest.mark.ray
def test_killed_workers_and_fork_servers_lose_nothing_in_the_same_run(
    source: Path, undisturbed: dict[str, Any], moments: random.Random, tmp_path: Path
) -> None:
    command = Command(source, tmp_path / "out", (*PROCESS, *RAY))
    process = command.start()
    shot = 0
    for name in ("ray::WorkerHost", "-S -s -B -c", "ray::WorkerHost"):
        assert until(partial(at_least_two, command, name), 60)
        time.sleep(moments.uniform(0, 0.5))
        for pid in command.processes(name)[:1]:
            shoot(pid)
            shot += 1
    answer = report(process)
    assert (shot, answer["planned"], answer["done_now"]) == (3, 65, 65)
    assert contents(command.out) == undisturbed
    check_nothing_left(command)
