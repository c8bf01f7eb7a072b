"""Both executors bring every item to exactly one end, whatever happens to workers and sandboxes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.executor import Executor, Hooks, ItemStatus, LocalExecutor, WorkItem
from pipelines.interruption import Interruption
from pipelines.manifests import finished_ids
from pipelines.ray_executor import RayExecutor
from pipelines.shard_buffer import Finished, ShardBuffer, ShardThresholds
from pipelines.shards import ShardWriter, read_failures
from pipelines.tally import Tally
from schemas.errors import BackendUnavailable, ProtocolViolation, SandboxLost
from schemas.failure import Failure, FailureReason
from schemas.job import Provenance


@dataclass(frozen=True)
class Step:
    """An item of the test worker: what it does when it is processed."""

    number: int
    deed: str = "fine"

    @property
    def trace_id(self) -> str:
        return f"{self.number:032x}"


class StepWorker:
    """A real worker on real shards; its rows are failure rows, its troubles real deaths and errors."""

    def __init__(self, run_dir: Path, thresholds: ShardThresholds) -> None:
        self._run_dir = run_dir
        self._buffer = ShardBuffer(ShardWriter(run_dir, "functions"), thresholds)

    def process(self, payload: Step) -> tuple[Tally, bool]:
        tries = self._try(payload)
        if payload.deed == "die" or (payload.deed == "die once" and tries == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if payload.deed == "flush and die" and tries == 1:
            self._keep(payload, "no_source", "", 1)
            self._buffer.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if payload.deed == "lose" or (payload.deed == "lose once" and tries == 1):
            raise SandboxLost("gone", backend="test", phase="run", retryable=True)
        if payload.deed == "garbage":
            raise ProtocolViolation("bad frame", backend="test", phase="receive", retryable=False)
        if payload.deed == "bug":
            raise ZeroDivisionError("a bug")
        if payload.deed == "no engine":
            raise BackendUnavailable("no engine answers; start one")
        if payload.deed == "sleep":
            time.sleep(600)
        return self._keep(payload, "no_source", "as planned", tries)

    def _try(self, payload: Step) -> int:
        folder = self._run_dir / "tries" / str(payload.number)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{time.monotonic_ns()}-{os.getpid()}").touch()
        return len(list(folder.iterdir()))

    def _keep(self, payload: Step, reason: FailureReason, detail: str, attempts: int) -> tuple[Tally, bool]:
        failure = Failure(
            trace_id=payload.trace_id,
            source_id=str(payload.number),
            reason=reason,
            detail=detail,
            attempts=attempts,
            provenance=Provenance(origin="test"),
        )
        return self._buffer.add(Finished(failures=[failure]))

    def reject(self, payload: Step, reason: FailureReason, detail: str, attempts: int) -> tuple[Tally, bool]:
        return self._keep(payload, reason, detail, attempts)

    def flush(self) -> None:
        self._buffer.flush()

    def close(self) -> None:
        (self._run_dir / f"closed-{os.getpid()}").touch()


@dataclass(frozen=True)
class Factory:
    run_dir: Path
    thresholds: ShardThresholds

    def __call__(self) -> StepWorker:
        return StepWorker(self.run_dir, self.thresholds)


class Run:
    """One run of an executor over steps, and what its hooks heard."""

    def __init__(self, executor: Executor, run_dir: Path) -> None:
        self.executor = executor
        self.run_dir = run_dir
        self.tally = Tally()
        self.pulled = 0
        self.parts: dict[int, list[Step]] = {}
        self.interruption = Interruption()

    def __call__(
        self,
        steps: list[Step],
        thresholds: ShardThresholds | None = None,
        parts: dict[int, list[Step]] | None = None,
    ) -> bool:
        """Run the steps; ``parts`` are what some of them, by number, are made of."""
        self.parts = parts or {}
        hooks = Hooks(self._status, self._lost, lambda: finished_ids(self.run_dir), self.interruption)
        factory = Factory(self.run_dir, thresholds or ShardThresholds(rows=3))
        return self.executor.run(self._items(steps), factory, hooks)

    def _items(self, steps: list[Step]) -> Iterator[WorkItem[Step]]:
        for step in steps:
            self.pulled += 1
            parts = tuple(WorkItem((one.trace_id,), one) for one in self.parts.get(step.number, []))
            yield WorkItem(tuple(one.ids[0] for one in parts) or (step.trace_id,), step, parts)

    def _status(self, status: ItemStatus) -> None:
        self.tally.add(status.tally)

    def _lost(self, status: ItemStatus) -> None:
        self.tally.add(status.tally, -1)

    def reasons(self) -> dict[int, str]:
        rows = list(read_failures(self.run_dir))
        assert len({row.trace_id for row in rows}) == len(rows), "a row was written twice"
        return {int(row.source_id): row.reason for row in rows}


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    if request.param == "local":
        return Run(LocalExecutor(), tmp_path)
    request.getfixturevalue("local_ray")
    return Run(RayExecutor(2), tmp_path)


@pytest.fixture
def ray_run(local_ray: int, tmp_path: Path) -> Run:
    return Run(RayExecutor(local_ray), tmp_path)


def test_every_item_ends_once_in_a_manifest(run: Run) -> None:
    assert run([Step(number) for number in range(20)])
    assert run.reasons() == dict.fromkeys(range(20), "no_source")
    assert run.tally.failures == Counter(no_source=20)


def test_the_order_of_items_changes_no_row(run: Run) -> None:
    steps = [Step(number, "garbage" if number % 3 == 0 else "fine") for number in range(12)]
    run(steps[::-1])
    assert run.reasons() == {number: "protocol" if number % 3 == 0 else "no_source" for number in range(12)}


def test_an_item_of_parts_that_fails_is_done_in_parts(run: Run) -> None:
    deeds = ["fine", "lose", "garbage", "bug", "fine"]
    parts = [Step(number, deed) for number, deed in enumerate(deeds)]
    whole = Step(99, "lose once")
    run([whole, Step(5)], parts={99: parts})
    assert run.reasons() == {
        **{0: "no_source", 1: "sandbox_lost", 2: "protocol", 3: "recorder_error", 4: "no_source", 5: "no_source"}
    }
    assert len(list((run.run_dir / "tries" / "99").iterdir())) == 1


@pytest.mark.ray
def test_an_item_of_parts_under_which_a_worker_dies_is_done_in_parts(ray_run: Run) -> None:
    parts = [Step(0), Step(1, "die"), Step(2)]
    ray_run([Step(99, "die"), *map(Step, range(3, 8))], parts={99: parts})
    assert ray_run.reasons() == {0: "no_source", 1: "poison", **dict.fromkeys(range(2, 8), "no_source")}


def test_no_items_are_no_error_and_no_shard(run: Run) -> None:
    assert run([])
    assert finished_ids(run.run_dir) == set()


def test_a_lost_sandbox_is_retried_and_given_up_after_two_retries(run: Run) -> None:
    run([Step(0, "lose once"), Step(1, "lose"), Step(2)])
    assert run.reasons() == {0: "no_source", 1: "sandbox_lost", 2: "no_source"}
    attempts = {row.source_id: row.attempts for row in read_failures(run.run_dir)}
    assert attempts["1"] == 3
    assert len(list((run.run_dir / "tries" / "1").iterdir())) == 3


def test_a_protocol_violation_and_a_bug_are_labelled_without_a_retry(run: Run) -> None:
    run([Step(0, "garbage"), Step(1, "bug"), Step(2)])
    assert run.reasons() == {0: "protocol", 1: "recorder_error", 2: "no_source"}
    details = {row.source_id: row.detail for row in read_failures(run.run_dir)}
    assert "ZeroDivisionError: a bug (StepWorker.process" in details["1"]
    assert len(list((run.run_dir / "tries" / "1").iterdir())) == 1


def test_a_lacking_environment_ends_the_run_and_keeps_what_was_done(run: Run) -> None:
    steps = [*map(Step, range(10)), Step(10, "no engine"), *map(Step, range(11, 200))]
    with pytest.raises(BackendUnavailable, match="start one"):
        run(steps, ShardThresholds(rows=1000))
    assert len(run.reasons()) >= run.tally.inputs >= 6
    assert run.pulled < 200, "the run went on"


def test_a_plan_that_fails_keeps_what_was_done(run: Run) -> None:
    def items() -> Iterator[WorkItem[Step]]:
        yield WorkItem((Step(0).trace_id,), Step(0))
        raise OSError("the corpus is gone")

    hooks = Hooks(lambda status: None, lambda status: None, lambda: finished_ids(run.run_dir), Interruption())
    with pytest.raises(OSError, match="corpus"):
        run.executor.run(items(), Factory(run.run_dir, ShardThresholds()), hooks)
    assert set(run.reasons()) <= {0}


def test_an_interruption_writes_what_is_finished_and_a_second_run_completes(run: Run) -> None:
    def stop_when_some_are_done() -> None:
        while run.tally.inputs < 4:
            time.sleep(0.01)
        run.interruption.requested = True
        if isinstance(run.executor, LocalExecutor):
            os.kill(os.getpid(), signal.SIGINT)

    steps = [Step(number) for number in range(4)] + [Step(4, "sleep"), Step(5, "sleep"), *map(Step, range(6, 50))]
    stopper = threading.Thread(target=stop_when_some_are_done)
    with run.interruption:
        stopper.start()
        assert not run(steps, ShardThresholds(rows=1000))
    stopper.join()
    done = set(run.reasons())
    assert {0, 1, 2, 3} <= done
    assert not {4, 5} & done
    again = Run(run.executor, run.run_dir)
    assert again([Step(number) for number in range(50) if number not in done])
    assert set(again.reasons()) == set(range(50))


@pytest.mark.ray
def test_items_of_a_dead_actor_are_put_back_and_a_killer_is_isolated(
    ray_run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = [*map(Step, range(8)), Step(8, "die"), Step(9, "die once"), *map(Step, range(10, 20))]
    assert ray_run(steps, ShardThresholds(rows=1000))
    assert ray_run.reasons() == {n: "poison" if n == 8 else "no_source" for n in range(20)}
    # Once in company, where the blame is not certain, and twice alone.
    assert len(list((ray_run.run_dir / "tries" / "8").iterdir())) in (2, 3)
    assert ray_run.tally.failures == Counter(no_source=19, poison=1), "lost rows were not taken back from the tally"
    assert capfd.readouterr().out == "", "Ray printed where the report belongs"


@pytest.mark.ray
def test_many_killers_side_by_side_blame_no_innocent_and_do_not_end_the_run(ray_run: Run) -> None:
    steps = [Step(n, "die" if n in (1, 2, 3) else "fine") for n in range(8)]
    assert ray_run(steps, ShardThresholds(rows=1000))
    assert ray_run.reasons() == {n: "poison" if n in (1, 2, 3) else "no_source" for n in range(8)}


@pytest.mark.ray
def test_what_a_dying_actor_had_written_is_not_done_again(ray_run: Run) -> None:
    assert ray_run([Step(0, "flush and die"), *map(Step, range(1, 6))], ShardThresholds(rows=1000))
    assert set(ray_run.reasons()) == set(range(6))
    assert len(list((ray_run.run_dir / "tries" / "0").iterdir())) == 1


@pytest.mark.ray
def test_the_driver_pulls_no_more_than_it_can_place(ray_run: Run) -> None:
    highest = 0

    class Watched(Run):
        def _status(self, status: ItemStatus) -> None:
            nonlocal highest
            super()._status(status)
            highest = max(highest, self.pulled - self.tally.inputs)

    watched = Watched(ray_run.executor, ray_run.run_dir)
    assert watched([Step(number) for number in range(60)])
    assert highest <= 4


@pytest.mark.ray
def test_a_factory_that_fails_is_an_error_of_the_environment(ray_run: Run) -> None:
    hooks = Hooks(lambda status: None, lambda status: None, set, Interruption())
    with pytest.raises(BackendUnavailable, match="no engine"):
        ray_run.executor.run(iter([WorkItem(("0",), Step(0))]), _no_worker, hooks)


def _no_worker() -> StepWorker:
    raise BackendUnavailable("no engine")


@pytest.mark.ray
def test_a_local_ray_writes_nothing_into_the_home(tmp_path: Path) -> None:
    program = "from pipelines.ray_session import ray_session\nwith ray_session(1) as workers: print(workers)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert not (tmp_path / ".ray").exists()
    assert done.stderr == ""


@pytest.mark.ray
def test_a_signal_to_the_drivers_group_does_not_end_its_ray() -> None:
    # The raylet ended too, and Ray ends a driver without one (exit code 1, nothing said).
    program = """
import os, signal, time
from pipelines.ray_session import ray_session
with ray_session(1):
    import ray
    signal.signal(signal.SIGTERM, lambda number, frame: print("heard"))
    os.killpg(0, signal.SIGTERM)
    time.sleep(1)
    print(ray.get(ray.remote(lambda: "there").remote()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\nthere\n", "")


@pytest.mark.ray
def test_a_running_cluster_is_joined_by_its_address(local_ray: int) -> None:
    import ray

    program = "from pipelines.ray_session import ray_session\nwith ray_session(None) as workers: print(workers)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{local_ray}\n", "")
    assert ray.is_initialized()
