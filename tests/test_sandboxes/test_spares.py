"""Exactly one outcome a job: maps whose sandboxes die, and the spare that stands ready to replace them."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from sandbox_jobs import says, works

from sandboxes import open_pool
from sandboxes.api import ImageRef, PoolJob, PoolSpec
from schemas.errors import EnvironmentLacking, StartFailed


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


def _killing(count: int, mark: Path) -> PoolJob:
    """Return a job that kills its fork server the first ``count`` times."""
    text = (
        "import os, pathlib\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "seen = len(mark.read_text()) if mark.exists() else 0\n"
        "mark.write_text('x' * (seen + 1))\n"
        f"if seen < {count}:\n    os.kill(os.getppid(), 9)\n    import time; time.sleep(60)\n"
        "channel.write(b'survived')"
    )
    return PoolJob(text.encode(), 60)


def test_map_gives_one_outcome_per_job_whatever_kills_its_server(
    spec: PoolSpec, process_image: ImageRef, tmp_path: Path
) -> None:
    jobs = [PoolJob(b"channel.write(b'%d')" % n, 10) for n in range(6)]
    jobs[2], jobs[4] = _killing(1, tmp_path / "once"), _killing(9, tmp_path / "always")
    with open_pool("process", spec, process_image, size=2) as pool:
        outcomes = list(pool.map(jobs))
        assert works(pool)
    assert [each.status for each in outcomes] == ["finished"] * 4 + ["poison", "finished"]
    assert [each.result for each in outcomes] == [b"0", b"1", b"survived", b"3", b"", b"5"]
    assert "was lost" in outcomes[4].detail
    assert len((tmp_path / "always").read_text()) == 2, "a job that took two sandboxes down was run again"


@pytest.mark.docker
def test_map_survives_containers_that_are_killed_under_it(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient"
) -> None:
    jobs = [PoolJob(b"import time\ntime.sleep(0.3)\nchannel.write(b'%d')" % n, 20) for n in range(8)]
    results = []
    with open_pool("docker", spec, docker_image, size=2) as pool:
        for number, outcome in enumerate(pool.map(jobs)):
            results.append((outcome.status, outcome.result))
            if number in (0, 3):
                time.sleep(0.1)
                client.kill(_ours(client, os.getpid())[0])
    assert results == [("finished", b"%d" % n) for n in range(8)]
    assert _ours(client, os.getpid()) == []


def test_map_ends_when_no_sandbox_can_be_had(spec: PoolSpec, process_image: ImageRef, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nmkdir {tmp_path}/first && exec {sys.executable} "$@"\nkill -9 $$\n')
    script.chmod(0o755)
    image = dataclasses.replace(process_image, executable=str(script))
    jobs = [_killing(9, tmp_path / "mark"), *[PoolJob(b"", 10)] * 20]
    with open_pool("process", spec, image) as pool, pytest.raises(EnvironmentLacking, match="6 sandboxes in a row"):
        list(pool.map(jobs))


def test_a_spare_replaces_a_worn_sandbox_and_another_follows(spec: PoolSpec, process_image: ImageRef) -> None:
    spared = dataclasses.replace(spec, jobs_per_sandbox=2, warm_spare=True)
    with open_pool("process", spared, process_image) as pool:
        servers = [says(pool, "os.getppid()", "import os") for _ in range(6)]
        assert [servers.index(each) for each in servers] == [0, 0, 2, 2, 4, 4]
        found = pool.statistics
        assert (found.sandboxes_started, found.spares_used) == (3, 2)
    assert found.spares_started in (2, 3)  # the third may have been given up before it began to start
    assert not any(Path(f"/proc/{pid}").exists() for pid in servers)


def test_a_pool_of_its_own_accord_starts_a_spare_late_or_never(spec: PoolSpec, process_image: ImageRef) -> None:
    for wanted, after, used in ((None, 10, 1), (None, 8, 0), (False, 10, 0)):
        with open_pool("process", dataclasses.replace(spec, warm_spare=wanted), process_image) as pool:
            for _ in range(after):
                assert works(pool)
            pool.run(PoolJob(b"", 10), fresh=True)
            assert pool.statistics.spares_used == used, (wanted, after)


def test_a_spare_that_does_not_start_is_an_error_only_to_who_needs_it(
    spec: PoolSpec, process_image: ImageRef, tmp_path: Path
) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nmkdir {tmp_path}/first && exec {sys.executable} "$@"\necho worn out >&2\n')
    script.chmod(0o755)
    spared = dataclasses.replace(spec, warm_spare=True)
    with open_pool("process", spared, dataclasses.replace(process_image, executable=str(script))) as pool:
        assert works(pool)
        with pytest.raises(StartFailed, match="worn out"):
            pool.run(PoolJob(b"", 10), fresh=True)
        assert pool.statistics.spares_started == 0


@pytest.mark.docker
def test_a_container_that_died_while_it_waited_costs_no_job(
    spec: PoolSpec, docker_image: ImageRef, client: "docker.APIClient"
) -> None:
    with open_pool("docker", spec, docker_image) as pool:
        assert works(pool)
        client.kill(_ours(client, os.getpid())[0])
        assert _until(lambda: not _ours(client, os.getpid()))
        assert works(pool)
        assert pool.statistics.retired == {"died": 1}
