"""Docstrings of one module, run together: the guest executes the module once and forks per docstring.

Only what came to a regular end is taken from there. Everything else runs by itself (``attempts``), where the sandbox
tells how it ended. Rows are the same either way.
"""

import json
from collections.abc import Sequence
from typing import Any

from sandboxes.api import JobOutcome, Pool, PoolJob
from sandboxes.retries import GivenUp, run_persistently
from schemas.errors import WireError
from schemas.job import TraceJob
from tracegen.attempts import Run, payload
from tracegen.guest.entry import GRACE
from tracegen.wire import parse_result

Member = tuple[int, bool]
"""Position among the jobs, and whether it is traced."""


def are_kin(one: TraceJob, other: TraceJob) -> bool:
    """Return whether two jobs may run together: docstrings of one module that differ in nothing else."""
    if one.kind != "doctest" or len(one.inputs) != 1 or len(other.inputs) != 1 or one.module is not other.module:
        return False
    return one.model_copy(update={"entry": other.entry, "inputs": other.inputs}) == other


def run_family(pool: Pool, jobs: Sequence[TraceJob], members: Sequence[Member]) -> dict[Member, Run]:
    """Run members in the given order; return those that came to a regular end.

    Raises ``EnvironmentLacking`` if no sandbox can be had.
    """
    limits = jobs[0].limits
    work = PoolJob(
        payload=_payload(jobs, members),
        # Twice, since a member that crashes runs again; its own deadlines are the guest's.
        wall_seconds=2 * (len(members) + 1) * (limits.wall_seconds + 3 * GRACE) + 5,
        memory_bytes=limits.memory_bytes,
    )
    try:
        outcome = run_persistently(lambda fresh: pool.run(work, fresh=fresh))
        return _read(outcome, members)
    except (GivenUp, WireError):
        return {}  # whose fault it was shows when each runs by itself


def _payload(jobs: Sequence[TraceJob], members: Sequence[Member]) -> bytes:
    shared: dict[str, Any] = json.loads(payload(jobs[0], [0], traced=members[0][1]))
    shared["members"] = [
        {
            "entry": jobs[index].entry,
            "inputs": [jobs[index].inputs[0].model_dump(mode="json")],
            "traced": traced,
            "announce": False,
            "silent": [],
        }
        for index, traced in members
    ]
    return json.dumps(shared).encode("ascii")


def _read(outcome: JobOutcome, members: Sequence[Member]) -> dict[Member, Run]:
    """Take the sections apart. Raises ``WireError``; a section that was cut is what a death leaves."""
    if outcome.status == "guest_fault":
        return {}
    data, place = outcome.result, 0
    found: dict[Member, Run] = {}
    while (end := data.find(b"\n", place)) >= 0:
        position, size, silent = _head(data[place:end], len(members))
        section = data[end + 1 : end + 1 + size]
        place = end + 1 + size
        if len(section) == size and (run := _run(section, silent)) is not None:
            found[members[position]] = run
    return found


def _head(line: bytes, count: int) -> tuple[int, int, tuple[str, ...]]:
    try:
        tag, position, size, silent = json.loads(line)
        silent = tuple(silent)
    except (ValueError, TypeError) as error:
        raise WireError(f"no section of a family: {line[:80]!r}") from error
    if tag != "M" or type(position) is not int or type(size) is not int or not 0 <= position < count or size < 0:
        raise WireError(f"no section of a family: {line[:80]!r}")
    if not all(type(name) is str for name in silent):
        raise WireError(f"no section of a family: {line[:80]!r}")
    return position, size, silent


def _run(section: bytes, silent: tuple[str, ...]) -> Run | None:
    wire = parse_result(section)
    if len(wire.segments) != 1 or wire.segments[0].index != 0 or wire.segments[0].ended is None:
        return None
    return Run(python=wire.python, segment=wire.segments[0], silent=silent)
