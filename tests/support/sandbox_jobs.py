"""Jobs for sandbox tests: Python text, run by a tiny guest that gives it ``channel``."""

from pathlib import Path

from sandboxes.api import JobOutcome, Pool, PoolJob, PoolSpec
from sandboxes.bundle import bundle

GUEST = """
def run(payload, channel):
    exec(compile(payload, "<job>", "exec"), {"__name__": "job", "channel": channel})
"""


def text_spec(directory: Path) -> PoolSpec:
    """Return a pool's spec whose jobs are Python text; ``directory`` takes the guest's source."""
    (directory / "__init__.py").write_text("")
    (directory / "entry.py").write_text(GUEST)
    return PoolSpec(bundle(directory, "_test_guest"), "_test_guest.entry:run", result_bytes=2**20)


def run(pool: Pool, text: str, wall_seconds: float = 10.0, memory_bytes: int | None = None) -> JobOutcome:
    """Run a program."""
    return pool.run(PoolJob(text.encode(), wall_seconds, memory_bytes))


def says(pool: Pool, expression: str, setup: str = "pass") -> str:
    """Return ``str`` of an expression's value in a job, after the statements of ``setup``."""
    outcome = run(pool, f"{setup}\nchannel.write(str({expression}).encode())")
    assert (outcome.status, outcome.exit_code) == ("finished", 0), outcome
    return outcome.result.decode()


def works(pool: Pool) -> bool:
    """Return whether the pool still runs jobs properly."""
    return says(pool, "6 * 7") == "42"
