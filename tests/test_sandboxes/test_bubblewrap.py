"""The bubblewrap backend: as root and as nobody, whole and weak, and what is left when its processes are killed."""

import dataclasses
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nobody import USER, run_as_nobody
from sandbox_jobs import run, says, works

from sandboxes import open_pool, open_session, resolve_image
from sandboxes.api import ImageRef, PoolSpec
from sandboxes.bubblewrap import cgroups, survey
from sandboxes.session_api import Command, SessionSpec
from schemas.errors import (
    BackendCannot,
    BackendUnavailable,
    ImageUnavailable,
    LimitUnsupported,
    SandboxLost,
    UsageError,
)

pytestmark = pytest.mark.docker
NOBODY = """
import dataclasses, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1] + "/tests/support")
from sandbox_jobs import run, says, text_spec, works
from sandboxes import open_pool, resolve_image
from schemas.errors import LimitUnsupported
folder = Path(os.environ["XDG_CACHE_HOME"])
image = resolve_image("bubblewrap")
spec = dataclasses.replace(text_spec(folder), accepts=tuple(sys.argv[2:]), memory_bytes=2**28, processes=32)
try:
    pool = open_pool("bubblewrap", spec, image)
except LimitUnsupported as error:
    print(error)
    sys.exit()
with pool:
    print(pool.backend, says(pool, "os.getuid()", "import os") == says(pool, "os.getuid()", "import os"))
    kill = "import os, time\\nos.kill(os.getppid(), 9); os.fork() or time.sleep(60); os.kill(-1, 9)"
    print(run(pool, kill).status, works(pool))
    print(run(pool, "import os\\nwhile True:\\n    try: os.fork()\\n    except OSError: pass", 1).status, works(pool))
    print(run(pool, "hoard = []\\nwhile True: hoard.append(bytearray(1 << 20))").status, works(pool))
    print(b"PermissionError" in run(pool, "import os\\nopen('/proc/%d/mem' % os.getppid(), 'wb')").stderr)
    print(says(pool, "os.listdir('.')", "import os"))
"""


def nobody(tmp_path: Path, *accepts: str, setup: str = "") -> list[str]:
    checkout = str(Path(__file__).parents[2])
    return run_as_nobody(NOBODY, checkout, *accepts, home=tmp_path, setup=setup).splitlines()


@pytest.fixture
def shared() -> Path:
    """A folder that other users reach; pytest's own are for one user."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="tracegen-test-"))


def test_nobody_is_refused_what_cannot_be_enforced_by_name(shared: Path, bubblewrap_image: ImageRef) -> None:
    (said,) = nobody(shared)
    assert "--sandbox-accept one-uid --sandbox-accept rlimits" in said
    (said,) = nobody(shared, "one-uid")
    assert "rlimits (" in said
    assert "one-uid (" not in said


def test_nobody_who_accepts_gets_a_sandbox_that_its_job_cannot_kill(shared: Path, bubblewrap_image: ImageRef) -> None:
    assert nobody(shared, "one-uid", "rlimits") == [
        "bubblewrap+one-uid+rlimits True",
        "finished True",  # the first process of a pid namespace gets no signal from inside
        "timeout True",
        "guest_fault True",  # MemoryError, which the program did not catch
        "True",
        "[]",
    ]


@pytest.mark.skipif(not Path("/sys/fs/cgroup/memory").is_dir(), reason="gives a user cgroups of version 1")
def test_nobody_with_cgroups_of_its_own_has_the_limits_of_the_sandbox(shared: Path, bubblewrap_image: ImageRef) -> None:
    name = f"nobody-{os.getpid()}"
    tops = [f"/sys/fs/cgroup/{kind}/{name}" for kind in ("memory", "pids", "cpu")]
    setup = "\n".join(f"mkdir {top} && chown -R {USER} {top} && echo $$ > {top}/cgroup.procs" for top in tops)
    try:
        said = nobody(shared, "one-uid", setup=setup)
    finally:
        for top in tops:
            Path(top).rmdir()  # which fails if a cgroup was left in it
    assert said[0] == "bubblewrap+one-uid True"
    assert said[3] == "out_of_memory True"


def test_a_killed_driver_leaves_no_process_and_no_cgroup(bubblewrap_image: ImageRef, tmp_path: Path) -> None:
    text = (
        "import os, sys, time\nsys.path.insert(0, 'tests/support')\nfrom pathlib import Path\n"
        "from sandbox_jobs import run, text_spec\nfrom sandboxes import open_pool\nfrom sandboxes.api import ImageRef\n"
        "pool = open_pool('bubblewrap', text_spec(Path(sys.argv[1])), ImageRef(*sys.argv[2:]))\n"
        "print(pool._idle[0].channel._group.directories[0], flush=True)\nrun(pool, 'while True: pass', 600.0)"
    )
    image = [bubblewrap_image.reference, bubblewrap_image.digest, bubblewrap_image.python]
    command = [sys.executable, "-c", text, str(tmp_path), *image]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as driver:
        assert driver.stdout is not None
        group = Path(driver.stdout.readline().decode().strip())
        assert group.is_dir()
        driver.kill()
    end = time.monotonic() + 10
    while group.exists():
        assert time.monotonic() < end, (group / "cgroup.procs").read_text()
        time.sleep(0.05)


def test_a_killed_launcher_takes_its_sandbox_with_it_and_no_job(spec: PoolSpec, bubblewrap_image: ImageRef) -> None:
    with open_pool("bubblewrap", spec, bubblewrap_image) as pool:
        channel = pool._idle[0].channel  # type: ignore[attr-defined]
        group = Path(channel._group.directories[0])
        os.kill(channel._process.pid, signal.SIGKILL)
        assert select.select([channel._out], [], [], 10.0)[0]  # its end
        assert works(pool)
        end = time.monotonic() + 10
        while group.exists():
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_sandbox_that_dies_under_a_job_is_lost_and_the_next_works(spec: PoolSpec, bubblewrap_image: ImageRef) -> None:
    with open_pool("bubblewrap", spec, bubblewrap_image) as pool:
        with pytest.raises(SandboxLost):
            run(pool, "channel._page.clear()")
        assert works(pool)
        assert pool.statistics.retired == {"lost": 1}


def test_cgroups_of_dead_drivers_are_removed(bubblewrap_image: ImageRef) -> None:
    place, _ = cgroups.find_place()
    assert place is not None
    own = cgroups.make(place, 2**28, 32, 1.0)
    dead = [Path(each).with_name(f"{cgroups.PREFIX}{_label_of_the_dead()}:00") for each in own.directories]
    for directory in dead:
        directory.mkdir()
    cgroups.remove_dead(place)
    assert [each.exists() for each in dead] == [False] * len(dead)
    for each in own.directories:
        Path(each).rmdir()  # its owner lives: it stood


def _label_of_the_dead() -> str:
    text = "from sandboxes.docker.owners import own_label; print(own_label())"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_base_made_for_an_engine_and_a_root_file_system_are_the_same(
    docker_image: ImageRef, bubblewrap_image: ImageRef
) -> None:
    assert (docker_image.digest, docker_image.python) == (bubblewrap_image.digest, bubblewrap_image.python)


def test_an_unpacked_directory_is_a_base_and_any_other_is_refused(
    spec: PoolSpec, bubblewrap_image: ImageRef, tmp_path: Path
) -> None:
    image = resolve_image("bubblewrap", base=bubblewrap_image.reference)
    assert image.python == bubblewrap_image.python
    with open_pool("bubblewrap", spec, image) as pool:
        assert works(pool)
    with pytest.raises(ImageUnavailable, match="no unpacked root file system"):
        resolve_image("bubblewrap", base=str(tmp_path))
    (tmp_path / "usr").mkdir()
    with pytest.raises(ImageUnavailable, match="no `python3` that runs"):
        resolve_image("bubblewrap", base=str(tmp_path))


def test_a_damaged_root_file_system_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = resolve_image("bubblewrap")
    (Path(made.reference) / ".tracegen.json").unlink()  # as after a removal that was cut short
    (Path(made.reference) / "usr" / "local" / "bin" / "python3").unlink()
    again = resolve_image("bubblewrap")
    assert again == made
    assert (Path(again.reference) / "usr" / "local" / "bin" / "python3").is_symlink()


def test_a_session_has_a_user_for_each_command_and_a_disk(bubblewrap_image: ImageRef) -> None:
    spec = SessionSpec(memory_bytes=2**28, disk_bytes=2**25, processes=64)
    with open_session("bubblewrap", spec, bubblewrap_image) as session:
        text = "import os; open('/tmp/a', 'w'); print(os.getuid(), os.getcwd(), os.listdir('/tmp'))"
        assert session.exec(Command(["python3", "-c", text], 10.0, user=1234)).stdout == b"1234 /work ['a']\n"


def test_what_bubblewrap_does_not_offer_is_refused(spec: PoolSpec, bubblewrap_image: ImageRef) -> None:
    with pytest.raises(BackendCannot, match="runtime 'runsc'"):
        open_pool("bubblewrap", dataclasses.replace(spec, runtime="runsc"), bubblewrap_image)
    with pytest.raises(BackendCannot, match="runtime 'runsc'"):
        open_session("bubblewrap", SessionSpec(runtime="runsc"), bubblewrap_image)
    with pytest.raises(UsageError, match="no weakness rlimit to accept; it has rlimits, one-uid"):
        open_pool("bubblewrap", dataclasses.replace(spec, accepts=("rlimit",)), bubblewrap_image)


def test_a_limit_that_is_not_seen_from_inside_refuses(
    spec: PoolSpec, bubblewrap_image: ImageRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = cgroups.find_place()
    assert place is not None
    monkeypatch.setattr(cgroups, "_limit", lambda *arguments: None)
    with pytest.raises(LimitUnsupported, match="the memory limit is"):
        open_pool("bubblewrap", spec, bubblewrap_image)
    assert [each for top in place.parents.values() for each in top.glob(f"{cgroups.PREFIX}{_own()}*")] == []


def _own() -> str:
    from sandboxes.docker.owners import own_label

    return own_label()


def test_jobs_of_two_sandboxes_are_never_the_same_user_of_the_machine(
    spec: PoolSpec, bubblewrap_image: ImageRef
) -> None:
    with (
        open_pool("bubblewrap", spec, bubblewrap_image) as first,
        open_pool("bubblewrap", spec, bubblewrap_image) as other,
    ):
        maps = [says(pool, "open('/proc/self/uid_map').read().split()[1]") for pool in (first, other)]
    assert len(set(maps)) == 2
    assert all(int(each) > 1_000_000 for each in maps)  # root inside is nobody outside


def test_a_sandbox_may_run_more_jobs_than_there_are_users(spec: PoolSpec, bubblewrap_image: ImageRef) -> None:
    """A range of 65,536 users was divided into parts of a million: no server started."""
    with open_pool("bubblewrap", dataclasses.replace(spec, jobs_per_sandbox=10**6), bubblewrap_image) as pool:
        assert says(pool, "os.getuid()", "import os") != says(pool, "os.getuid()", "import os")


def test_an_old_bubblewrap_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(BackendUnavailable, match="install a newer one"):
        survey.survey()
    (tmp_path / "bwrap").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendUnavailable, match="apt-get install bubblewrap"):
        survey.survey()
