"""The podman backend, with a real service of the tests' own: the profile, what is refused, what is left behind."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import PRELUDE
from podman_service import PodmanService, podman_lack
from sandbox_jobs import run, says, works

from pipelines.cli import main
from pipelines.shards import read_traces
from sandboxes import open_pool, open_session
from sandboxes.api import ImageRef, Pool, PoolSpec
from sandboxes.backends import get_backend
from sandboxes.conformance.bench import Bench
from sandboxes.conformance.suite import by_name, run_checks
from sandboxes.docker import hardening, memories
from sandboxes.docker.channel import remove
from sandboxes.docker.client import EngineClient
from sandboxes.docker.engine import connect
from sandboxes.docker.engines import DOCKER, PODMAN
from sandboxes.docker.garbage import find_dead, find_garbage, sweep
from sandboxes.docker.owners import OWNER_LABEL
from sandboxes.docker.seccomp import tightened
from sandboxes.session_api import SessionSpec
from schemas.errors import (
    BackendCannot,
    BackendUnavailable,
    ImageUnavailable,
    LimitUnsupported,
    UsageError,
)

pytestmark = pytest.mark.docker

SHORT = [
    "snapshot",
    "the_network_is_unreachable",
    "files_of_the_machine_are_out_of_sight",
    "nothing_but_the_own_directory_can_be_written",
    "system_calls_are_filtered",
    "each_job_has_a_user_of_its_own",
    "namespaces_cannot_be_made",
    "the_environment_of_the_machine_stays_there",
    "processes_are_limited",
    "memory_of_many_processes_is_limited",
    "disk_is_limited",
    "inodes_are_limited",
    "the_hash_seed_is_the_pools",
    "closing_ends_what_runs",
    "what_was_written_survives_a_death",
]
"""Of the checks, those that an engine could fail; all of them run in ``test_conformance`` (slow)."""


@pytest.fixture(scope="module")
def pool(spec: PoolSpec, podman_image: ImageRef) -> Iterator[Pool]:
    with open_pool("podman", spec, podman_image) as opened:
        yield opened


def test_podman_conforms(podman_image: ImageRef) -> None:
    results = list(run_checks(Bench(get_backend("podman"), podman_image), by_name(SHORT)))
    assert [(one.check.name, one.detail) for one in results if one.verdict != "passed"] == []


def test_a_job_sees_what_it_sees_in_docker(pool: Pool, docker_pool: Pool) -> None:
    """Podman's own variables and writable directories are not there; records do not tell the engines apart."""
    seen = [
        says(each, "(sorted(os.environ.items()), os.statvfs('.')[2:7], os.access('/run', 2))", "import os")
        for each in (pool, docker_pool)
    ]
    assert seen[0] == seen[1]


def test_the_calls_that_podman_allows_and_docker_does_not_are_refused(pool: Pool) -> None:
    """Podman's own filter let a job make a user namespace, in which it had every capability."""
    program = "call('unshare', 0x10000000); call('syscall', 435, 0, 0)\ntell(os.fork() and os.wait()[1])"
    told = run(pool, PRELUDE + program + "\nchannel.write(' '.join(said).encode())").result.decode()
    assert told == "EPERM ENOSYS 0"


def test_a_tightened_filter_keeps_nothing_open_that_its_own_closes() -> None:
    own = {"defaultAction": "E", "syscalls": [{"names": ["read", "clone", "unshare", "clone3"], "action": "A"}]}
    ruled = tightened(own)
    assert ruled["defaultAction"] == "E"
    assert [rule["names"] for rule in ruled["syscalls"] if rule["action"] in ("A", "SCMP_ACT_ALLOW")] == [
        ["read"],
        ["clone"],
    ]
    assert ruled["syscalls"][1]["args"][0]["op"] == "SCMP_CMP_MASKED_EQ"


def test_functions_are_traced_in_podman(podman_image: ImageRef, tmp_path: Path) -> None:
    source = tmp_path / "three.py"
    source.write_text(
        "".join(f'def f{n}(x):\n    """\n    >>> f{n}(2)\n    {2 * n}\n    """\n    return x * {n}\n' for n in range(3))
    )
    out = tmp_path / "run"
    assert (
        main(["functions", str(source), "-o", str(out), "--sandbox", "podman", "--base", podman_image.reference]) == 0
    )
    traces = list(read_traces(out))
    assert len(traces) == 3
    assert {trace.sandbox for trace in traces} == {"podman"}


def test_a_files_limit_that_podman_does_not_set_is_refused(
    spec: PoolSpec, podman_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = memories.Memory.volume
    monkeypatch.setattr(memories.Memory, "volume", lambda self: options(self).replace("nr_inodes=20000,", ""))
    with pytest.raises(LimitUnsupported, match=r"the scratch file system takes \d+ files, not 20000"):
        open_pool("podman", spec, podman_image)


def test_podmans_own_filter_is_refused(spec: PoolSpec, podman_image: ImageRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.docker.containers.security_options", lambda client: [])
    with pytest.raises(LimitUnsupported, match="new_namespaces is True"):
        open_pool("podman", spec, podman_image)


def test_a_filter_that_cannot_be_read_is_refused(
    spec: PoolSpec, podman_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.docker.client.EngineClient.seccomp_path", lambda self: "/nowhere/seccomp.json")
    with pytest.raises(LimitUnsupported, match=r"'/nowhere/seccomp.json', cannot be read .*a service on this machine"):
        open_pool("podman", spec, podman_image)


def test_a_runtime_that_podman_would_ignore_is_refused(spec: PoolSpec, podman_image: ImageRef) -> None:
    """Its API takes a container's runtime and ignores it: ``crun`` asked for was ``runc`` without a word."""
    with pytest.raises(BackendCannot, match=r"not 'runsc'.*--runtime runsc"):
        open_pool("podman", dataclasses.replace(spec, runtime="runsc"), podman_image)
    with pytest.raises(BackendCannot, match="not 'kata'"):
        open_session("podman", SessionSpec(runtime="kata"), podman_image)


def test_there_is_no_weakness_to_accept(spec: PoolSpec, podman_image: ImageRef) -> None:
    with pytest.raises(UsageError, match="podman has no weakness inodes"):
        open_pool("podman", dataclasses.replace(spec, accepts=("inodes",)), podman_image)
    with pytest.raises(UsageError, match="podman has no weakness inodes"):
        open_session("podman", SessionSpec(accepts=("inodes",)), podman_image)


def test_another_engine_at_the_address_is_told_from_the_one_asked_for(
    podman_service: PodmanService, docker_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("DOCKER_HOST", podman_service.address)
        with pytest.raises(BackendUnavailable, match=r"answers podman, not docker: use --sandbox podman"):
            connect(DOCKER)
    monkeypatch.setenv("CONTAINER_HOST", DOCKER.address(os.environ))
    with pytest.raises(BackendUnavailable, match=r"answers docker, not podman"):
        connect(PODMAN)


def test_where_nothing_listens_the_error_says_what_to_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTAINER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(BackendUnavailable, match=r"podman system service --time=0 &.*or set CONTAINER_HOST"):
        connect(PODMAN)
    assert [(each.subject, each.state) for each in get_backend("podman").findings()] == [("podman", "missing")]
    monkeypatch.setenv("CONTAINER_HOST", "ssh://root@elsewhere/run/podman/podman.sock")
    with pytest.raises(BackendUnavailable, match="forward its socket"):
        connect(PODMAN)


def test_everybody_but_root_has_a_service_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PODMAN.address({}) == "unix:///run/podman/podman.sock"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert PODMAN.address({"XDG_RUNTIME_DIR": "/run/user/1"}) == "unix:///run/user/1/podman/podman.sock"
    assert PODMAN.address({"CONTAINER_HOST": "unix:///x"}) == "unix:///x"
    assert DOCKER.address({}) == "unix:///var/run/docker.sock"


@pytest.mark.skipif(bool(podman_lack()), reason=podman_lack())
def test_a_service_without_an_init_is_refused_with_the_package(
    spec: PoolSpec, podman_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PodmanService('init_path = "/nowhere/init"') as other:
        monkeypatch.setenv("CONTAINER_HOST", other.address)
        backend = get_backend("podman")
        with pytest.raises(BackendUnavailable, match="install the package catatonit"):
            backend.open_pool(spec, backend.resolve_image())


def test_an_image_without_a_registry_is_looked_for_here_by_its_full_name(podman_image: ImageRef) -> None:
    assert podman_image.reference.startswith("localhost/tracegen-base:")
    with pytest.raises(ImageUnavailable, match="what was built here is called localhost/no-such:1"):
        get_backend("podman").resolve_image(base="no-such:1")


KILLED = """
import os, signal, sys
from sandboxes.docker.client import EngineClient
from sandboxes.api import ImageRef, PoolSpec
from sandboxes import open_pool
EngineClient.start = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
open_pool("podman", PoolSpec(b"", "a:b"), ImageRef(*sys.argv[1:]))
"""


def test_what_a_killed_driver_leaves_is_removed(
    spec: PoolSpec, podman_image: ImageRef, checkout: Path, pool: Pool
) -> None:
    image = [podman_image.reference, podman_image.digest, podman_image.python]
    done = subprocess.run([sys.executable, "-c", KILLED, *image], cwd=checkout, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    found = find_dead(PODMAN)
    assert [each.kind for each in found] == ["container", "volume"]
    assert any(each.subject == "podman left-overs" for each in get_backend("podman").findings())
    with open_pool("podman", spec, podman_image) as other:
        assert works(other)
    assert find_dead(PODMAN) == []
    assert works(pool), "a live owner's volume was taken"


def test_a_closed_pool_leaves_neither_container_nor_volume(spec: PoolSpec, podman_image: ImageRef) -> None:
    client = connect(PODMAN)
    before = _held(client)
    with open_pool("podman", spec, podman_image) as other:
        assert works(other)
        assert _held(client) > before
    after = _held(client)
    client.close()
    assert after == before


def _held(client: EngineClient) -> set[str]:
    mine = {"label": [OWNER_LABEL]}
    containers = {each["Id"] for each in client.containers(all=True, filters=mine)}
    return containers | {each["Name"] for each in client.volumes(filters=mine)["Volumes"] or []}


def test_images_of_ours_are_collected_and_others_stay(podman_image: ImageRef) -> None:
    client = connect(PODMAN)
    container = client.create_container(podman_image.reference, ["true"])["Id"]
    try:
        client.commit(
            container, repository="localhost/tracegen-build", tag="ours", changes=["LABEL tracegen.role=build"]
        )
        client.commit(container, repository="localhost/users", tag="own")
    finally:
        remove(client, container)
    found = [each for each in find_garbage(0, None, PODMAN) if each.kind == "image"]
    names = {name for each in found for name in each.names}
    assert "localhost/tracegen-build:ours" in names
    assert "localhost/users:own" not in names
    ours = [each for each in found if "localhost/tracegen-build:ours" in each.names]
    assert not sweep(ours, PODMAN).kept
    client.remove_image("localhost/users:own")
    client.close()


def test_a_pools_files_are_a_volume_with_both_limits() -> None:
    (memory,) = hardening.pool_memories(PoolSpec(b"", "a:b", scratch_bytes=2**20))
    assert memory.volume() == "nr_blocks=256,nr_inodes=20000,mode=0711,noexec,nosuid,nodev"
    assert memory.tmpfs() == "size=1048576,nr_inodes=20000,mode=0711,noexec,nosuid,nodev"
