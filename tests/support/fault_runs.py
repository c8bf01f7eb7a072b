"""Real runs of the command that can be shot at: what they wrote, and what of them is still there."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.shards import read_documents, read_failures, read_traces

ROOT = Path(__file__).parents[2]
CODES = (
    "def f(x):\n    y = x + {n}\n    return y",
    "def f(x):\n    found = []\n    for i in range(x % 5):\n        found.append(i * {n})\n    return found",
    "def f(x):\n    print('x is', x)\n    return {{'n': {n}, x: None}}",
    "def f(x):\n    if x % 3 == 0:\n        raise ValueError({n})\n    return 'no'",
)
SHARDS = {"rows": 5, "seconds": 1.0}
"""Small ones, so that a run that is shot at has finished some."""


def rows_of(functions: int, inputs: int = 2) -> list[dict[str, Any]]:
    """Return rows of several inputs per function, some equal ones among them, and two that cannot be traced."""
    rows = []
    for n in range(functions):
        code = CODES[n % len(CODES)].format(n=n)
        rows += [{"code": code, "input": str(one), "id": f"f{n}.{one}"} for one in range(inputs)]
    again = [{**row, "id": row["id"] + " again"} for row in rows[:6:2]]
    broken = [{"code": "def f(:", "input": "1", "id": "broken"}, {"code": "x = 1", "input": "1", "id": "none"}]
    return [*rows, *again, *broken]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write a corpus."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def contents(run_dir: Path) -> dict[str, Any]:
    """Return everything that a run holds by id; fails on an id that is there twice.

    Left out are the attempts of a failure row: a disturbed run needs more.
    """
    found: dict[str, Any] = {}
    pairs: list[tuple[str, Any]] = [(f"trace {row.trace_id}", row) for row in read_traces(run_dir)]
    pairs += [(f"trace {row.trace_id}", row.model_copy(update={"attempts": 0})) for row in read_failures(run_dir)]
    pairs += [(f"document {row.document_id}", row) for row in read_documents(run_dir)]
    for key, row in pairs:
        assert key not in found, f"{key} is there twice"
        found[key] = row
    return found


@dataclass
class Command:
    """``tracegen functions`` over one corpus into one directory, started as often as one likes.

    Every process under it carries a folder of this command's own in its ``PATH``: that tells them from all others, and
    it reaches the fork servers too, which get little else of the environment.
    """

    source: Path
    out: Path
    options: Sequence[str] = ()
    mark: str = field(default_factory=lambda: f"/nowhere/{uuid.uuid4().hex}")

    def arguments(self) -> list[str]:
        """Return the command line; the recipe lies beside the output."""
        recipe = self.out.with_name(f"{self.out.name}.yaml")
        recipe.write_text(json.dumps({"sources": [str(self.source)], "output": str(self.out), "shards": SHARDS}))
        flags = ["--recipe", str(recipe), "--max-failures", "1", "--json", *self.options]
        return [sys.executable, "-m", "pipelines", "functions", *flags]

    def environment(self) -> dict[str, str]:
        """Return the marked environment."""
        return {**os.environ, "PATH": f"{os.environ['PATH']}:{self.mark}"}

    def start(self) -> subprocess.Popen[str]:
        """Start it in a session of its own."""
        return subprocess.Popen(
            self.arguments(),
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self) -> dict[str, Any]:
        """Run it to its end; return the report."""
        return report(self.start())

    def processes(self, name: str = "") -> list[int]:
        """Return the live processes under it whose command line has ``name``."""
        return [pid for pid in _pids() if self.mark.encode() in _read(pid, "environ") and name in command_line(pid)]


def report(process: subprocess.Popen[str], seconds: float = 120) -> dict[str, Any]:
    """Wait for the end of a run that must succeed; return its report."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, errors
    answer: dict[str, Any] = json.loads(output)
    return answer


def check_nothing_left(command: Command, said: str = "") -> None:
    """Fail if anything of a dead command is alive after 20 seconds."""
    gone = until(lambda: not command.processes())
    assert gone, (said, {pid: command_line(pid)[:80] for pid in command.processes()})


def shoot(pid: int) -> None:
    """Send SIGKILL; that it is gone already is no miss."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Return whether it becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended, or is another user's
        return b""


def command_line(pid: int) -> str:
    """Return a process's arguments, or nothing if it is gone."""
    return _read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
