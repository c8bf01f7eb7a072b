"""SIGALRM is taken for guarded calls, and is the program's wherever that might see it."""

import _signal  # type: ignore[import-not-found]
import _thread
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tracegen.guest.alarm import alarm, may_see
from tracegen.guest.codes import CodeTable
from tracegen.guest.guard import call
from tracegen.guest.handlers import watched
from tracegen.guest.interrupts import works
from tracegen.guest.recorder import Limits, Recorder
from tracegen.guest.sources import SourceFile
from tracegen.guest.values import ValueRenderer
from tracegen.guest.wire import WireWriter

SHOWN = """
class Shown:
    def __repr__(self):
        return "Shown"

"""
DEFAULT = signal.SIG_DFL, (0.0, 0.0)


def now() -> tuple[Any, tuple[float, float]]:
    """Return who has SIGALRM; is not recorded."""
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)


@pytest.fixture(autouse=True)
def unseen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    others = _thread._count()  # the test runner may have some
    monkeypatch.setattr("tracegen.guest.alarm.threads", lambda: _thread._count() - others)
    alarm.seen = False
    yield
    alarm.release()
    alarm.seen = False


def recorded(
    source: str,
    use: Callable[[dict[str, Any]], Any],
    events: int | None = None,
    write: Callable[[bytes], Any] = len,
    **names: Any,
) -> Any:
    """Record what ``use`` runs of a program; return what it returns."""
    text = SHOWN + source
    code = compile(text, "made.py", "exec")
    namespace: dict[str, Any] = {"__name__": "program", "now": now, **names}
    exec(code, namespace)
    file = SourceFile("made.py", text, code)
    wire = WireWriter(write)
    codes = CodeTable(wire, lambda frame: file if frame.f_code.co_filename == "made.py" else None)
    recorder = Recorder(wire, codes, ValueRenderer(), Limits(events, None, None), lambda label: None)
    recorder.start()
    try:
        return use(namespace)
    finally:
        recorder.stop()
        assert recorder.failure is None
        assert now() == DEFAULT


def run(namespace: dict[str, Any]) -> Any:
    return namespace["run"]()


def test_it_is_held_from_event_to_event_of_recorded_code() -> None:
    source = """
def run():
    shown = Shown()
    one = state()
    two = state()
    return one["held"], two["held"]
"""
    assert recorded(source, run, state=alarm.__dict__.copy) == (True, True)


def test_code_that_is_not_recorded_sees_the_programs_own() -> None:
    source = """
def run():
    shown = Shown()
    first = now()
    again = shown
    return first, now()
"""
    assert recorded(source, run) == (DEFAULT, DEFAULT)


def test_it_is_given_back_where_recorded_code_returns_to_other_code() -> None:
    source = """
def give():
    shown = Shown()
    yield shown
    other = shown

def run():
    shown = Shown()
    return shown
"""

    def use(namespace: dict[str, Any]) -> list[Any]:
        found = []
        namespace["run"]()
        found.append((signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)))
        for _ in namespace["give"]():
            found.append((signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)))
        return found

    assert recorded(source, use) == [DEFAULT, DEFAULT]


def test_recorded_code_that_names_signals_sees_its_own() -> None:
    source = """
import signal

def run():
    rung = []
    shown = Shown()
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    shown = [shown]
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while not rung:
        again = shown
    signal.signal(signal.SIGALRM, before)
    return before, rung
"""
    assert recorded(source, run) == (signal.SIG_DFL, [signal.SIGALRM])
    assert alarm.seen


def test_a_timer_that_runs_out_while_it_is_taken_rings_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the handler was set first it rang for nobody: a loop that waited for it never ended.
    rung: list[int] = []
    real = _signal.signal

    def slow(number: int, handler: Any) -> Any:
        before = real(number, handler)
        time.sleep(0.05)
        return before

    signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with monkeypatch.context() as patched:
            patched.setattr("tracegen.guest.alarm._set", slow)
            alarm.arm(time.monotonic())
        alarm.release()
        time.sleep(0.05)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_what_the_programs_handler_raises_while_it_is_taken_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(number: int, frame: Any) -> None:
        raise ValueError("late")

    def pending(number: int, handler: Any) -> Any:
        monkeypatch.undo()
        _thread.interrupt_main(signal.SIGALRM)
        return _signal.signal(number, handler)

    signal.signal(signal.SIGALRM, late)
    try:
        monkeypatch.setattr("tracegen.guest.alarm._set", pending)
        with pytest.raises(ValueError, match="late"):
            call(repr, object())
        assert (alarm.held, alarm.since) == (False, math.inf)
        assert signal.getsignal(signal.SIGALRM) is late
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.mark.parametrize("form", ["names", "any"])
def test_what_a_handler_raises_within_an_event_is_the_programs(form: str) -> None:
    # It was taken for a fault of the recorder's: the program waited for its time-out for ever.
    source = """
def run():
    try:
        one = 1
        two = 2
    except TimeoutError as error:
        return str(error)
"""
    lines: list[bytes] = []

    def names(number: int, frame: Any) -> None:
        raise TimeoutError("late")

    def any_arguments(*arguments: Any) -> None:
        raise TimeoutError("late")

    def write(data: bytes) -> None:
        lines.append(data)
        if b'"one"' in data:
            _thread.interrupt_main(signal.SIGALRM)

    def use(namespace: dict[str, Any]) -> Any:
        signal.signal(signal.SIGALRM, names if form == "names" else any_arguments)
        try:
            return run(namespace)
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    assert recorded(source, use, write=write) == "late"
    assert b'"tracer_removed"' in lines[-1]
    assert b'"signal handler"' in lines[-1]


def test_a_program_that_has_a_timer_keeps_it() -> None:
    rung: list[int] = []
    source = """
def run():
    while not rung:
        shown = Shown()
    return len(rung)
"""

    def use(namespace: dict[str, Any]) -> Any:
        signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            return namespace["run"]()
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    assert recorded(source, use, rung=rung) == 1


def test_a_limit_gives_it_back() -> None:
    source = """
def run():
    shown = Shown()
    one = 1
    two = 2
    return state()
"""
    # What is called is in C: it makes no event that would give anything back.
    state = alarm.__dict__.copy
    assert recorded(source, run, state=state)["held"]
    assert not recorded(source, run, events=4, state=state)["held"]


def test_it_rings_once_at_most_while_the_program_runs() -> None:
    source = """
def run():
    shown = Shown()
    return state(), sleep(0.8), state()
"""
    before, _, after = recorded(source, run, sleep=time.sleep, state=alarm.__dict__.copy)
    assert before["held"]
    assert not after["held"]


def test_a_repr_that_hangs_ends_though_the_timer_ran_before() -> None:
    source = """
class Hanging:
    hangs = False

    def __repr__(self):
        while self.hangs:
            pass
        return "Hanging"

def run():
    hanging = Hanging()
    end = clock() + 0.3
    while clock() < end:
        pass
    Hanging.hangs = True
    again = [hanging]
    return again
"""
    written: list[bytes] = []
    recorded(source, run, write=written.append, clock=time.monotonic)
    assert b"(repr timed out)" in b"".join(written)


@pytest.mark.patient
def test_it_does_not_ring_in_one_thread_for_what_another_is_asked() -> None:
    source = """
class Slow:
    def __repr__(self):
        end = clock() + 2.5
        while clock() < end:
            pass
        return "Slow"

def work():
    while len(rounds) < 3:
        pass
    slow = Slow()
    done.append(slow)

def run():
    shown = Shown()
    thread = Thread(target=work)
    thread.start()
    while not done:
        rounds.append(1)
    thread.join()
    return len(done)
"""
    names: dict[str, Any] = {"clock": time.monotonic, "Thread": threading.Thread, "rounds": [], "done": []}
    assert recorded(source, run, None, len, **names) == 1


def test_names_that_reach_signals_are_seen() -> None:
    for body, seen in (("signal.alarm(1)", True), ("os.fork()", True), ("time.sleep(1)", False), ("x.y.z()", False)):
        assert may_see(compile(body, "made.py", "exec")) == seen, body


def test_a_timer_that_runs_out_as_sigalrm_is_taken_rings_once() -> None:
    # Linux may stop a timer in its last nanoseconds without telling that it was running.
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    counts = Counter[int]()
    try:
        with watched():
            for number in range(4000):
                rung.clear()
                start = time.monotonic()
                signal.setitimer(signal.ITIMER_REAL, 60e-6)
                _spin(start + 55e-6 + number % 50 * 0.15e-6)
                _ask()
                _spin(time.monotonic() + 100e-6)
                counts[len(rung)] += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert list(counts) == [1], counts


@works
def _ask() -> None:
    call(repr, 1)
    alarm.release()


def _spin(until: float) -> None:
    while time.monotonic() < until:
        pass
