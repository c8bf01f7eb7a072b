"""What ``gc`` finds and removes of unpacked root file systems, with an engine and without."""

import os
import subprocess
from pathlib import Path

import pytest

from pipelines.cli import main
from sandboxes.docker.garbage import find_garbage, sweep
from sandboxes.litter import find_old_root_file_systems
from sandboxes.rootfs import cache_directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("old", "young"):
        (cache_directory() / name / "etc").mkdir(parents=True)
        (cache_directory() / name / "etc" / "file").write_bytes(bytes(50_000))
    os.utime(cache_directory() / "old", (0, 0))
    return cache_directory()


@pytest.mark.docker
def test_an_engines_gc_finds_them_too(cache: Path) -> None:
    mine = [one for one in find_garbage(3600, None) if one.kind == "rootfs"]
    assert [(one.identity, one.size_bytes >= 50_000) for one in mine] == [(str(cache / "old"), True)]
    assert not sweep(mine).kept
    assert [path.name for path in cache.iterdir()] == ["young"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_mounted_root_file_system_stays(cache: Path) -> None:
    command = ["unshare", "-m", "sh", "-c", f"mount --bind {cache / 'old'} /mnt && echo up && exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == b"up\n"
        held = find_old_root_file_systems(3600, None)
        user.communicate(b"")
    assert held == []


def test_no_engine_is_needed(cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    command = ["sandbox", "gc", "--sandbox", "bubblewrap"]
    assert main([*command, "--dry-run"]) == 0
    assert f"would remove rootfs {cache / 'old'} (0.1 MB, unpacked image)" in capsys.readouterr().out
    assert len(list(cache.iterdir())) == 2
    assert main(command) == 0
    assert "removed 0 containers, 0 volumes, 0 images, 1 root file systems; 0 MB" in capsys.readouterr().out
    assert [path.name for path in cache.iterdir()] == ["young"]
    assert main([*command, "--keep-bytes", "0B"]) == 0
    assert list(cache.iterdir()) == []


def test_what_cannot_be_removed_is_named(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = find_old_root_file_systems(3600, None)
    monkeypatch.setattr("pipelines.verbs.sandbox.find_old_root_file_systems", lambda *_: found)
    (cache / "old").rename(cache / "moved")
    assert main(["sandbox", "gc", "--sandbox", "bubblewrap"]) == 1
    assert f"kept rootfs {cache / 'old'}" in capsys.readouterr().err
