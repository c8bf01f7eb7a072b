"""Docstrings of one module that run in forks of one process: the rows are those of each by itself."""

import random
import textwrap
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jobs import make_doctest, small_limits

from sandboxes import open_pool, resolve_image
from sandboxes.api import ImageRef, Pool
from schemas.failure import Failure
from schemas.job import SourceModule, TraceInput, TraceJob
from schemas.trace_record import TraceRecord
from tracegen.families import are_kin, run_family
from tracegen.runner import TraceRunner, pool_spec
from tracegen.sources import PlanSettings, plan_sources

SOURCE = """
import os, random, sys, time
state = []
loaded = random.random()

def f(x):
    state.append(x)
    return len(state)

def g():
    return 1

def deep(n=0):
    try:
        return deep(n + 1)
    except RecursionError:
        return n
"""
PLAIN = (
    ">>> f(1), f(2)\n(1, 2)",
    ">>> f(5)\n1",
    ">>> loaded == f(1)\nFalse",
    ">>> random.random() < f(0)\nTrue",
    ">>> print(random.random(), random.getrandbits(g()))\n",
    ">>> print(random.random(), random.getrandbits(g()))\n",
    ">>> import uuid, secrets; print(uuid.uuid4(), secrets.token_hex(g()))\n",
    ">>> import uuid, secrets; print(uuid.uuid4(), secrets.token_hex(g()))\n",
    ">>> print(g(), end='')\n1",
    ">>> os.environ['LEFT'] = 'x'; g()\n1",
    ">>> os.environ.get('LEFT'), g()\n(None, 1)",
    ">>> os.chdir('/'); sys.path.append('/left'); sys.modules['left'] = os; g()\n1",
    ">>> os.getcwd() == os.environ['HOME'], '/left' in sys.path, 'left' in sys.modules, g()\n(True, False, False, 1)",
    ">>> os.makedirs('deep/er'); open('deep/file', 'w').write('x' * g())\n1",
    ">>> os.listdir('.'), g()\n([], 1)",
    ">>> os.getsid(0) == os.getpid() == os.getpgrp(), g()\n(True, 1)",
    ">>> with open('first', 'x') as file: file.fileno() > g()\nTrue",
    ">>> g() + os.open('/', os.O_RDONLY) > 0\nTrue",
)
ODD = (
    ">>> g() and os._exit(3)",
    ">>> g() and os.kill(os.getpid(), 9)",
    ">>> g()\n>>> while True: pass",
    ">>> g() and sys.exit(4)",
    ">>> g() and os.write(250, b'[\"M\", 0, 3]\\nabc')",
    ">>> g() and os.ftruncate(250, 0)",
    ">>> g() and os.close(250)",
    ">>> g()\n>>> import threading; threading.Thread(target=time.sleep, args=(60,)).start()",
    ">>> for i in range(10**6): g()",
)


WRITES = """
print('from out', flush=True)
sys.stderr.write('from err\\n')
"""
LEAVES_A_PROCESS = """
>>> reader, writer = os.pipe()
>>> if g() and not os.fork():
...     os.setsid()
...     os.write(writer, b'x')
...     time.sleep(60)
...     os._exit(0)
>>> os.read(reader, 1)
b'x'
"""
"""Out of its member's process group."""
PATRICIDE = ">>> g() and os.kill(os.getppid(), 9)"
"""In a container its parent is the family's process, or by itself the server, which it has no right to kill."""


def kin(*docstrings: str, source: str = SOURCE, image: str = "test") -> list[TraceJob]:
    """Return jobs of one module."""
    module = SourceModule(name="prog", path="prog.py", text=textwrap.dedent(source))
    limits = small_limits(max_events=1000)
    made = [make_doctest("", text, limits=limits, image=image) for text in docstrings]
    return [
        job.model_copy(update={"module": module, "inputs": (TraceInput(source_id=f"prog#{n}", text=text),)})
        for n, (job, text) in enumerate(zip(made, docstrings, strict=True))
    ]


def runner(primary: Pool, secondary: Pool) -> TraceRunner:
    return TraceRunner(primary, secondary, "full")


def alone(primary: Pool, secondary: Pool, jobs: Sequence[TraceJob]) -> list[TraceRecord | Failure]:
    return [runner(primary, secondary).run(job)[0] for job in jobs]


def same(one: TraceRecord | Failure, other: TraceRecord | Failure) -> bool:
    """Compare rows but for the attempts, of which a family's member that died had one more."""
    if isinstance(one, Failure) and isinstance(other, Failure):
        return one.model_copy(update={"attempts": 0}) == other.model_copy(update={"attempts": 0})
    return one == other


@pytest.mark.patient
def test_a_family_gives_the_rows_of_each_by_itself_and_no_member_sees_another(primary: Pool, secondary: Pool) -> None:
    jobs = kin(*PLAIN)
    found = runner(primary, secondary).run_family(jobs)
    assert found == alone(primary, secondary, jobs)
    records = [row for row in found if isinstance(row, TraceRecord)]
    assert len(records) == len(jobs)
    assert {row.determinism.label for row in records} == {"verified"}
    unmatched = [row.inputs for row in records if not all(one.matched for one in row.expected)]
    assert all("print(" in text for text in unmatched)
    members = [(index, True) for index in range(len(jobs))]
    assert set(run_family(primary, jobs, members)) == set(members), "the family left some to run by themselves"


def test_what_the_module_wrote_is_each_members_output(primary: Pool, secondary: Pool) -> None:
    jobs = kin(*PLAIN[:3], ">>> print('own', g())\nown 1", source=SOURCE + WRITES)
    found = runner(primary, secondary).run_family(jobs)
    assert found == alone(primary, secondary, jobs)
    for row in found:
        assert isinstance(row, TraceRecord)
        assert (row.stdout.text[:8], row.stderr.text) == ("from out", "from err\n")
    assert set(run_family(primary, jobs, [(index, True) for index in range(4)])) == {
        (index, True) for index in range(4)
    }


@pytest.mark.patient
def test_a_member_that_ends_oddly_harms_nobody(primary: Pool, secondary: Pool) -> None:
    texts = [text for pair in zip(ODD, PLAIN, strict=False) for text in pair]
    jobs = kin(*texts)
    found = runner(primary, secondary).run_family(jobs)
    cold = alone(primary, secondary, jobs)
    assert [same(*pair) for pair in zip(found, cold, strict=True)] == [True] * len(jobs)
    labels = [row.outcome.label if isinstance(row, TraceRecord) else row.reason for row in found]
    assert labels[1::2] == ["returned"] * len(labels[1::2])
    assert {"exited", "killed", "timeout", "event_limit"} <= set(labels[::2])


@pytest.mark.patient
def test_what_a_member_leaves_running_meets_no_other(primary: Pool, secondary: Pool) -> None:
    jobs = kin(PLAIN[0], LEAVES_A_PROCESS, PLAIN[1], PLAIN[2])
    members = [(index, True) for index in range(len(jobs))]
    assert set(run_family(primary, jobs, members)) == set(members[:2]), "the rest belongs in processes of their own"
    assert runner(primary, secondary).run_family(jobs) == alone(primary, secondary, jobs)


def test_a_member_has_as_much_of_the_stack_as_by_itself(primary: Pool, secondary: Pool) -> None:
    jobs = [
        job.model_copy(update={"limits": job.limits.model_copy(update={"max_events": 100_000})})
        for job in kin(">>> deep()", PLAIN[0])
    ]
    members = [(index, True) for index in range(2)]
    assert set(run_family(primary, jobs, members)) == set(members)
    assert runner(primary, secondary).run_family(jobs) == alone(primary, secondary, jobs)


@pytest.mark.patient
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.integers(2, 6))
def test_the_order_and_the_company_change_no_row(
    primary: Pool, secondary: Pool, shuffle: random.Random, size: int
) -> None:
    jobs = kin(*PLAIN)
    expected = {row.source_id: row for row in runner(primary, secondary).run_family(jobs)}
    shuffle.shuffle(jobs)
    for row in runner(primary, secondary).run_family(jobs[:size]):
        assert row == expected[row.source_id]


@pytest.mark.parametrize(
    "top",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "shared = open('/proc/self/status')",
        "import mmap; shared = mmap.mmap(-1, 4096)",
        "import os; os.write(250, b'nonsense\\n')",
        "import os; os.write(250, b'[\"M\", 99, 1]\\nx')",
        "import os; os._exit(0)",
    ],
)
def test_a_module_that_cannot_be_forked_is_executed_by_each(primary: Pool, secondary: Pool, top: str) -> None:
    jobs = kin(*PLAIN[:2], source=f"{top}\n{SOURCE}")
    assert run_family(primary, jobs, [(0, True), (1, True)]) == {}
    found = runner(primary, secondary).run_family(jobs)
    assert [same(*pair) for pair in zip(found, alone(primary, secondary, jobs), strict=True)] == [True, True]


@pytest.mark.parametrize("top", ["import no_such_module", "raise KeyError('top')", "def f(:"])
def test_a_module_that_fails_fails_for_all_at_once(primary: Pool, secondary: Pool, top: str) -> None:
    jobs = kin(*PLAIN[:3], source=f"{top}\n{SOURCE}")
    assert len(run_family(primary, jobs, [(index, True) for index in range(3)])) == 3
    found = runner(primary, secondary).run_family(jobs)
    assert found == alone(primary, secondary, jobs)
    assert all(isinstance(row, Failure) for row in found)


def test_only_docstrings_of_one_module_with_equal_settings_are_kin() -> None:
    one, two = kin(*PLAIN[:2])
    assert are_kin(one, two)
    (other,) = kin(PLAIN[2])
    assert not are_kin(one, other), "equal modules, of two plans"
    assert not are_kin(one, two.model_copy(update={"seed": 7}))
    assert not are_kin(one, two.model_copy(update={"inputs": (*two.inputs, *two.inputs)}))
    assert not are_kin(one.model_copy(update={"kind": "function"}), two.model_copy(update={"kind": "function"}))


@pytest.mark.patient
def test_real_docstrings_give_the_same_rows(primary: Pool, secondary: Pool) -> None:
    image = resolve_image("process")
    plan = PlanSettings(python=".".join(image.python.split(".")[:2]), image=image.digest)
    planned = plan_sources(["module:textwrap", "module:collections", "module:heapq"], plan)
    jobs = [job for job in planned if isinstance(job, TraceJob)]
    families: list[list[TraceJob]] = []
    for job in jobs:
        if families and are_kin(families[-1][-1], job):
            families[-1].append(job)
        else:
            families.append([job])
    assert max(map(len, families)) > 5
    found = [row for family in families for row in runner(primary, secondary).run_family(family)]
    assert found == alone(primary, secondary, jobs)


@pytest.fixture(scope="module")
def docker_image() -> ImageRef:
    from engine_image import image_or_skip

    return image_or_skip()


@pytest.mark.docker
def test_a_family_in_a_container_gives_the_same_rows(docker_image: ImageRef) -> None:
    jobs = kin(*PLAIN, ODD[1], PATRICIDE, PLAIN[1], image=docker_image.digest)
    limits = jobs[0].limits
    with (
        open_pool("docker", pool_spec(0, limits), docker_image) as primary,
        open_pool("docker", pool_spec(1, limits), docker_image) as secondary,
    ):
        plain = [(index, True) for index in range(len(PLAIN))]
        assert set(run_family(primary, jobs, plain)) == set(plain)
        found = runner(primary, secondary).run_family(jobs)
        assert found == alone(primary, secondary, jobs)
        assert {row.determinism.label for row in found if isinstance(row, TraceRecord)} == {"verified"}
        assert [row.outcome.label for row in found if isinstance(row, TraceRecord)].count("returned") == len(jobs) - 1
        assert primary.statistics.sandboxes_started == 1
