"""Runs a script as a user without rights, in an interpreter that such a user can reach."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USER = 65534
CHECKOUT = Path(__file__).parents[2]


def run_as_nobody(script: str, *arguments: str, home: Path, setup: str = "", seconds: int = 120) -> str:
    """Return what the script printed; ``setup`` is shell text that root runs before it gives up its rights."""
    home.chmod(0o755)
    cache = home / "cache"
    cache.mkdir(exist_ok=True)
    os.chown(cache, USER, USER)
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *(each for each in sys.path if "site-packages" in each)]),
    }
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env", reachable_python(), "-c", script]
    command = ["sh", "-c", f'{setup}\nexec "$@"', "sh", *drop, *arguments]
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def reachable_python() -> str:
    """Return an interpreter of the running one's minor version that others may start, or skip the test."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv")
    name = f"python3.{sys.version_info.minor}"
    # By `env`: setpriv itself still has its rights when it starts a program.
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "env"]
    for path in [sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"]:
        probes = [[path, "-c", "import ctypes"], ["test", "-r", str(CHECKOUT / "schemas" / "base.py")]]
        if Path(path).exists() and not any(
            subprocess.run([*drop, *one], capture_output=True).returncode for one in probes
        ):
            return path
    pytest.skip(f"no {name} that other users can start, or a checkout that they cannot read")
