"""Runs the oracle under another interpreter."""

import json
import subprocess
from pathlib import Path
from typing import Any

from sandboxes.interpreters import Interpreter

ROOT = Path(__file__).parents[2]


def run_oracle(interpreter: Interpreter, programs: list[tuple[str, str]]) -> dict[str, Any]:
    """Run programs under the naive oracle in an interpreter; see ``tests/support/oracle.py``."""
    command = [interpreter.executable, str(ROOT / "tests/support/oracle.py"), str(ROOT / "tracegen")]
    done = subprocess.run(command, input=json.dumps(programs), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
