"""Short looks with bubblewrap alone: does it run here, and what does the Python of a root file system say?"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.bubblewrap.survey import survey
from sandboxes.docker.hardening import PYTHON
from schemas.errors import ImageUnavailable

_SECONDS: Final = 30
_VERSION: Final = "import platform; print(platform.python_version())"
_ISOLATED: Final = ("--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--clearenv")
_PATH: Final = ("--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin")
_KERNEL: Final = ("--dev", "/dev", "--proc", "/proc")


def version_in(root: Path) -> str:
    """Return the version of the ``python3`` of a root file system. Raises ``ImageUnavailable``."""
    return says(root, _VERSION)


def says(root: Path, program: str) -> str:
    """Return what a one-line program prints in the Python of a root file system. Raises ``ImageUnavailable``."""
    done = run_python(root, ["-S", "-E", "-c", program])
    if done.returncode or not done.stdout.strip():
        said = (done.stderr.strip() or "nothing")[-300:]
        raise ImageUnavailable(f"{root} has no `{PYTHON}` that runs under bubblewrap; it said: {said}")
    return done.stdout.strip()


def run_python(
    root: Path, arguments: Sequence[str], *, writable: str = "", seconds: float = _SECONDS
) -> "subprocess.CompletedProcess[str]":
    """Run the Python of a root file system without network; ``writable`` names a directory in it that takes files."""
    bind = ["--bind", str(root / writable.lstrip("/")), writable] if writable else []
    mounts = ["--ro-bind", str(root), "/", *_KERNEL, *bind]
    return _run([survey().program, *_ISOLATED, *_PATH, *mounts, "--", PYTHON, *arguments], seconds)


def problem_here() -> str:
    """Return why bubblewrap cannot start anything on this machine, or nothing. Raises ``BackendUnavailable``."""
    done = _run([survey().program, *_ISOLATED, "--ro-bind", "/", "/", *_KERNEL, "--", "/bin/true"], _SECONDS)
    return (done.stderr.strip() or f"exit code {done.returncode}")[-300:] if done.returncode else ""


def _run(command: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"it did not end within {seconds:g} s")
