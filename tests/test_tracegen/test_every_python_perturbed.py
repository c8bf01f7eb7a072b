"""Where CPython lets a traced program notice, the label says so; nothing of it is silent."""

import pytest
from jobs import make_job

from sandboxes.api import Pool
from tracegen.attempts import ending_of, run_inputs
from tracegen.determinism import check_run

COUNTER = """
import threading

def f():
    count = 0
    lock = threading.Lock()

    def bump():
        nonlocal count
        for _ in range(60):
            with lock:
                count += 1

    threads = [threading.Thread(target=bump) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen = count
    for thread in threads:
        thread.join()
    return count
"""

LOCALS = """
def f():
    x = 1
    space = locals()
    x = 2
    y = 3
    return sorted(name for name in space), space["x"]
"""

FINALISER = """
log = []

class Noisy:
    def __del__(self):
        log.append("gone")

def f():
    thing = Noisy()
    thing = None; log.append("after")
    other = Noisy()
    del other; log.append("after")
    return log
"""

CELL = """
def f():
    x = 1
    def inner():
        nonlocal x
        x += 1
        return x
    frame_locals = locals()
    inner(); inner()
    return x, frame_locals["x"]
"""


@pytest.mark.parametrize("source", [COUNTER, LOCALS, FINALISER, CELL], ids=["counter", "locals", "finaliser", "cell"])
def test_what_a_program_notices_is_labelled(every_pool: Pool, source: str) -> None:
    job = make_job(source, "f()", limits={"wall_seconds": 30.0, "max_events": None})
    traced, again, plain = (run_inputs(every_pool, job, [0], traced=one)[0] for one in (True, True, False))
    label = check_run(traced, again, plain).label
    noticed = ending_of(traced) != ending_of(plain)
    assert label in (("perturbed", "differs") if noticed else ("verified", "differs"))
    if noticed:
        # 3.13 gives f_locals no way back into the frame.
        assert not every_pool.image.python.startswith("3.13")


def test_an_untraced_counter_is_right(every_pool: Pool) -> None:
    assert ending_of(run_inputs(every_pool, make_job(COUNTER, "f()"), [0], traced=False)[0])[2] == "240"
