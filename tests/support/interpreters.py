"""The Pythons of this machine, and the oracle run under another."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from sandboxes.interpreters import Interpreter, installed

ROOT = Path(__file__).parents[2]


@cache
def at_hand() -> tuple[Interpreter, ...]:
    """Return every usable Python, oldest first, asked once per session: each starts to tell what it is."""
    return tuple(installed())


def run_oracle(interpreter: Interpreter, programs: list[tuple[str, str]]) -> dict[str, Any]:
    """Run programs under the naive oracle in an interpreter; see ``tests/support/oracle.py``."""
    return _run(interpreter, "oracle.py", programs)


def run_detail_oracle(interpreter: Interpreter, programs: list[tuple[str, str]]) -> dict[str, Any]:
    """Run programs with expressions and with opcodes; see ``tests/support/detail_oracle.py``."""
    return _run(interpreter, "detail_oracle.py", programs)


def newest() -> Interpreter:
    """Return the newest Python of this machine."""
    return max(at_hand(), key=lambda found: [int(part) for part in found.version.split(".")[:2]])


def _run(interpreter: Interpreter, oracle: str, programs: list[tuple[str, str]]) -> dict[str, Any]:
    command = [interpreter.executable, str(ROOT / "tests/support" / oracle), str(ROOT / "tracegen")]
    done = subprocess.run(command, input=json.dumps(programs), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
