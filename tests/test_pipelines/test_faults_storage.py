"""Disks that fill up, close or cannot do what a run needs: it stops cleanly, says so, and goes on when mended."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import refuse
from fault_runs import ROOT, Command, contents, rows_of, write_rows

from pipelines.run_lock import run_lock
from schemas.errors import StorageFailed

EXECUTORS = ["local", pytest.param("ray", marks=pytest.mark.ray)]
MOUNTING = "mount -t tmpfs -o size={size} tmpfs {out}"
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]


def can_mount() -> bool:
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")


def big_rows() -> list[dict[str, str]]:
    """Rows whose shards fill a small disk: values that do not compress."""
    code = "import random\ndef f(x):\n    random.seed(x)\n    y = [random.random() for _ in range(300)]\n    return y"
    return [{"code": code, "input": str(n), "id": f"big{n}"} for n in range(40)]


def options(executor: str) -> tuple[str, ...]:
    found = ("--sandbox", "process", "--check", "none", "--executor", executor)
    return (*found, "--workers", "2") if executor == "ray" else found


def in_namespace(tmp_path: Path, lines: list[str]) -> str:
    """Run a script in a mount namespace of its own; return what it printed."""
    script = tmp_path / "script.sh"
    script.write_text("\n".join(["set -u", *lines]) + "\n")
    done = subprocess.run([*NAMESPACE, "bash", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def once(command: Command, name: str) -> str:
    """Return a script's line that runs the command and prints its exit code and errors."""
    words = " ".join(f"'{word}'" for word in command.arguments())
    return f"{words} >/dev/null 2>{command.source.parent}/{name}.err; echo {name} $?"


@needs_mount
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_full_disk_stops_the_run_and_it_resumes_when_there_is_room(tmp_path: Path, executor: str) -> None:
    source = write_rows(tmp_path / "rows.jsonl", big_rows())
    whole = Command(source, tmp_path / "whole", options("local"))
    assert whole.finish()["rows"] == 40
    command = Command(source, tmp_path / "out", options(executor))
    command.out.mkdir()
    said = in_namespace(
        tmp_path,
        [
            MOUNTING.format(size="600k", out=command.out),
            once(command, "full"),
            f"find {command.out} -name '*.tmp' -o -name '.probe*' | sed 's/^/left: /'",
            f"find {command.out}/_manifest -name '*.json' | wc -l",
            f"mount -o remount,size=100m {command.out}",
            once(command, "again"),
            once(command, "third"),
            f"cp -r {command.out} {tmp_path}/copy",
        ],
    )
    assert said.split()[:2] == ["full", "3"], said
    assert "left:" not in said
    assert int(said.split()[2]) >= 1, "the shards that had room were not kept"
    assert said.split()[3:] == ["again", "0", "third", "0"]
    errors = (tmp_path / "full.err").read_text()
    assert "No space left on device; free some space" in errors
    assert "Traceback" not in errors
    assert contents(tmp_path / "copy") == contents(whole.out)


@needs_mount
def test_a_read_only_directory_stops_the_run_before_anything_runs_and_it_resumes(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "rows.jsonl", rows_of(6))
    whole = Command(source, tmp_path / "whole", options("local"))
    whole.finish()
    command = Command(source, tmp_path / "out", options("local"))
    command.out.mkdir()
    said = in_namespace(
        tmp_path,
        [
            MOUNTING.format(size="100m", out=command.out),
            f"{once(command, 'first')} --limit 5",
            f"mount -o remount,ro {command.out}",
            once(command, "closed"),
            f"mount -o remount,rw {command.out}",
            once(command, "open"),
            f"cp -r {command.out} {tmp_path}/copy",
        ],
    )
    assert said.split()[-4:] == ["closed", "3", "open", "0"], said
    errors = (tmp_path / "closed.err").read_text()
    assert "Read-only file system; choose a directory that can be written" in errors
    assert len(errors.splitlines()) == 1
    assert contents(tmp_path / "copy") == contents(whole.out)


def can_break_ext4() -> bool:
    features = Path("/sys/fs/ext4/features")
    tools = all(shutil.which(name) for name in ("mkfs.ext4", "e2fsck", "losetup"))
    return os.geteuid() == 0 and tools and features.exists() and Path("/dev/loop-control").exists()


@pytest.mark.skipif(not can_break_ext4(), reason="needs root, loop devices and ext4")
def test_a_file_system_that_turns_read_only_under_a_run_stops_it_and_it_resumes(tmp_path: Path) -> None:
    """What the kernel does with a disk that reports errors: files stay open, every further write fails."""
    source = write_rows(tmp_path / "rows.jsonl", big_rows())
    whole = Command(source, tmp_path / "whole", options("local"))
    whole.finish()
    command = Command(source, tmp_path / "out", options("local"))
    command.out.mkdir()
    mount = f"mount -o loop,errors=remount-ro {tmp_path}/disk {command.out}"
    said = in_namespace(
        tmp_path,
        [
            f"truncate -s 64M {tmp_path}/disk; mkfs.ext4 -q -F {tmp_path}/disk; {mount}",
            f"( {once(command, 'broken')} ) &",
            f"for n in $(seq 600); do ls {command.out}/_manifest/*/*.json >/dev/null 2>&1 && break; sleep 0.05; done",
            f"device=$(basename $(findmnt -n -o SOURCE {command.out}))",
            "echo test > /sys/fs/ext4/$device/trigger_fs_error; wait",
            f"umount {command.out}; e2fsck -fy {tmp_path}/disk >/dev/null 2>&1; {mount}",
            once(command, "again"),
            once(command, "third"),
            f"cp -r {command.out} {tmp_path}/copy; umount {command.out}",
        ],
    )
    assert said.split() == ["broken", "3", "again", "0", "third", "0"], said
    errors = (tmp_path / "broken.err").read_text()
    assert "Read-only file system" in errors
    assert "Traceback" not in errors
    assert contents(tmp_path / "copy") == contents(whole.out)


@pytest.mark.skipif(not refuse.supported(), reason="the filter is not known for this machine")
@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("flock", errno.ENOLCK, "has no file locks (No locks available)"),
        ("flock", errno.EOPNOTSUPP, "has no file locks (Operation not supported)"),
        ("flock", 0, "grants the same file lock twice"),
        ("rename", errno.EOPNOTSUPP, "does not rename a file over another (Operation not supported)"),
        ("rename", errno.EXDEV, "does not rename a file over another"),
        ("rename", 0, "does not rename a file over another in one step"),
    ],
)
def test_a_file_system_that_cannot_keep_the_promise_is_named(tmp_path: Path, call: str, error: int, said: str) -> None:
    source = write_rows(tmp_path / "rows.jsonl", rows_of(2))
    command = Command(source, tmp_path / "out", options("local"))
    refusing = [sys.executable, refuse.__file__, call, str(error), *command.arguments()]
    done = subprocess.run(refusing, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr, len(done.stderr.splitlines())) == (3, True, 1), done.stderr
    assert "choose an -o on a local disk" in done.stderr
    assert [path.name for path in command.out.iterdir() if path.name.endswith(".parquet")] == []


@needs_mount
def test_a_place_that_refuses_the_rename_of_a_real_file_system_is_named(tmp_path: Path) -> None:
    """A file that is a mount point cannot be renamed over (EBUSY)."""
    source = write_rows(tmp_path / "rows.jsonl", rows_of(2))
    command = Command(source, tmp_path / "out", options("local"))
    command.out.mkdir()
    target = command.out / ".probe"
    target.touch()
    said = in_namespace(tmp_path, [f"mount --bind {source} {target}", once(command, "busy")])
    assert said.split() == ["busy", "3"]
    assert "does not rename a file over another (Device or resource busy)" in (tmp_path / "busy.err").read_text()


def test_the_probe_leaves_nothing(tmp_path: Path) -> None:
    with run_lock(tmp_path / "out"):
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_the_right_to_write_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageFailed, match="choose a directory that you may write to"), run_lock(tmp_path / "out"):
        pass
