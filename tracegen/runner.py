"""``TraceJob`` -> one record or failure row per input, with its determinism checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sandboxes.api import Pool, PoolSpec
from sandboxes.bundle import bundle
from schemas.errors import UsageError
from schemas.failure import Failure
from schemas.job import TraceJob
from schemas.limits import Limits
from schemas.trace_record import Determinism, TraceRecord
from tracegen.attempts import Run, run_inputs, run_untraced
from tracegen.determinism import Check, check_run
from tracegen.families import Member, run_family
from tracegen.records import outcome_row

GUEST_PACKAGE: Final = "_tracegen_recorder"
"""Private name of the guest package in the sandbox."""


def pool_spec(hash_seed: int, limits: Limits) -> PoolSpec:
    """Return what a pool that runs the recorder is made of."""
    preload = bundle(Path(__file__).parent / "guest", GUEST_PACKAGE)
    memory = limits.memory_bytes
    if memory is None:
        return PoolSpec(preload=preload, entry=f"{GUEST_PACKAGE}.entry:run", hash_seed=hash_seed)
    # Beside the program: the server, and the result and two streams, which are memory files.
    room = memory + 512 * 2**20
    return PoolSpec(preload=preload, entry=f"{GUEST_PACKAGE}.entry:run", hash_seed=hash_seed, memory_bytes=room)


class TraceRunner:
    """Runs jobs in a primary pool; a secondary one, with another hash seed, checks that a second run agrees.

    ``check``: ``full`` also compares with an untraced run; ``rerun`` does not; ``none`` needs no secondary pool.
    """

    def __init__(self, primary: Pool, secondary: Pool | None, check: Check = "full") -> None:
        if check != "none" and secondary is None:
            raise UsageError(f"check {check!r} needs a second pool with another hash seed; give one, or use 'none'")
        self.primary = primary
        self.secondary = secondary
        self.check = check

    def run(self, job: TraceJob) -> list[TraceRecord | Failure]:
        """Return one row per input, in input order. Raises ``EnvironmentLacking`` if no sandbox can be had."""
        job_id = job.job_id()
        order = range(len(job.inputs))
        runs = run_inputs(self.primary, job, order)
        labels = self._check_all(job, runs)
        return [
            outcome_row(job, job_id, job.inputs[index], runs[index], labels[index], self.primary) for index in order
        ]

    def run_family(self, jobs: Sequence[TraceJob]) -> list[TraceRecord | Failure]:
        """Return one row per job, in order, of jobs that ``are_kin``: the rows that ``run`` gives of each.

        Each has a process of its own, so one that does not agree with its second run is not disturbed by the others.
        Raises ``EnvironmentLacking`` if no sandbox can be had.
        """
        runs = _family_runs(self.primary, jobs, [(index, True) for index in range(len(jobs))])
        ran = [index for index in reversed(range(len(jobs))) if runs[index, True].refused is None]
        again: dict[Member, Run] = {}
        if self.secondary is not None and self.check != "none":
            kinds = (True, False) if self.check == "full" else (True,)
            again = _family_runs(self.secondary, jobs, [(index, traced) for index in ran for traced in kinds])
            for index, traced in again:
                if not traced and runs[index, True].silent:
                    again[index, False] = run_untraced(self.secondary, jobs[index], index=0, like=runs[index, True])
        return [self._member_row(job, index, runs[index, True], again) for index, job in enumerate(jobs)]

    def _member_row(self, job: TraceJob, index: int, run: Run, again: dict[Member, Run]) -> TraceRecord | Failure:
        label = Determinism("unchecked")
        if (index, True) in again:
            label = check_run(run, again[index, True], again.get((index, False)))
        return outcome_row(job, job.job_id(), job.inputs[0], run, label, self.primary)

    def _check_all(self, job: TraceJob, runs: dict[int, Run]) -> dict[int, Determinism]:
        secondary = self.secondary
        if self.check == "none" or secondary is None:
            return dict.fromkeys(runs, Determinism("unchecked"))
        # Whose first run gave no record needs no second one.
        ran = [index for index in sorted(runs, reverse=True) if runs[index].refused is None]
        again = run_inputs(secondary, job, ran)
        plain = run_inputs(secondary, job, ran, traced=False) if self.check == "full" else {}
        for index in plain:
            if runs[index].silent:
                plain[index] = run_untraced(secondary, job, index, like=runs[index])
        labels = dict.fromkeys(runs, Determinism("unchecked"))
        for index in ran:
            labels[index] = self._check_one(job, index, runs, again, plain)
        return labels

    def _check_one(
        self, job: TraceJob, index: int, runs: dict[int, Run], again: dict[int, Run], plain: dict[int, Run]
    ) -> Determinism:
        found = check_run(runs[index], again[index], plain.get(index))
        if found.label == "verified" or len(job.inputs) == 1 or self.secondary is None:
            return found
        # The other inputs of its process may have disturbed it: alone in its own, it shows what it is itself.
        runs[index] = run_inputs(self.primary, job, [index])[index]
        alone = run_inputs(self.secondary, job, [index])[index]
        untraced = run_untraced(self.secondary, job, index, like=runs[index]) if plain else None
        return check_run(runs[index], alone, untraced)


def _family_runs(pool: Pool, jobs: Sequence[TraceJob], members: Sequence[Member]) -> dict[Member, Run]:
    """Return the run of every member, from the family or, where that has none, by itself."""
    found: dict[Member, Run] = {}
    for alike in _compiled_alike(jobs, members):
        found |= run_family(pool, jobs, alike)
    for index, traced in members:
        if (index, traced) not in found:
            found[index, traced] = run_inputs(pool, jobs[index], [0], traced=traced)[0]
    return found


def _compiled_alike(jobs: Sequence[TraceJob], members: Sequence[Member]) -> list[list[Member]]:
    """Divide members by the module that they need: an untraced run of a job with expressions has no sites."""
    if not jobs[0].expressions:
        return [list(members)] if members else []
    kinds = [[member for member in members if member[1] == traced] for traced in (True, False)]
    return [kind for kind in kinds if kind]
