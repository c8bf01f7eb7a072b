"""The program's signal handlers run within the program, never within the recorder."""

import _signal  # type: ignore[import-not-found]
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import time_outs

from tracegen import trace
from tracegen.guest import handlers

seen: list[Any] = []


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    seen.clear()
    numbers = signal.SIGALRM, signal.SIGUSR1, signal.SIGINT
    before = [signal.getsignal(number) for number in numbers]
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert _signal.signal is handlers._set


def told(number: int, frame: Any) -> None:
    seen.append(frame.f_code.co_name)


class Shown:
    """Has its signal come while the recorder asks it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        if sys._getframe(1).f_code.co_name == "call":
            os.kill(os.getpid(), self.number)
        return f"Shown({self.number})"


def test_a_time_out_is_recorded_and_recording_goes_on() -> None:
    # Mostly it came within the recorder: CPython took the trace function away, and the record ended there.
    for _ in range(20):
        found = trace(time_outs.f)
        assert found.value == "late"
        names = [found.record.codes[frame.code].name for frame in found.record.frames]
        assert names == ["f", "late"]
        assert [row.kind for row in found.record.elisions if row.kind != "untraced_call"] == []
        assert found.record.events[-1].value == "'late'"


def waits(number: int) -> list[Any]:
    signal.signal(number, told)
    shown = Shown(number)
    other = 1
    return [shown.number, other]


@pytest.mark.parametrize("number", [int(signal.SIGALRM), int(signal.SIGUSR1)])
def test_what_comes_while_a_value_is_asked_is_handled_by_the_program(number: int) -> None:
    found = trace(waits, number)
    assert "waits" in seen
    assert {*seen} <= {"waits", "run"}  # what came in the last event is the caller's
    assert len(seen) > 1
    assert f"[{number}, 1]" in [event.value for event in found.record.events]
    assert not [row for row in found.record.elisions if row.kind == "tracer_removed"]


def stack_of_handler() -> list[str]:
    names: list[str] = []

    def look(number: int, frame: Any) -> None:
        names.extend(row.name for row in traceback.extract_stack(sys._getframe())[-2:])

    signal.signal(signal.SIGUSR1, look)
    signal.raise_signal(signal.SIGUSR1)
    while not names:
        pass
    return names


def test_no_frame_of_the_recorders_is_between() -> None:
    assert trace(stack_of_handler).value == ["stack_of_handler", "look"]


def sets_and_gets() -> list[Any]:
    first = signal.signal(signal.SIGUSR1, told)
    second = signal.getsignal(signal.SIGUSR1)
    third = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    return [first, second, third, signal.getsignal(signal.SIGUSR1)]


def test_the_program_sees_its_own_handlers() -> None:
    assert trace(sets_and_gets).value == [signal.SIG_DFL, told, told, signal.SIG_IGN]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


def test_handlers_that_were_there_wait_too_and_are_left_as_they_were() -> None:
    signal.signal(signal.SIGUSR1, told)
    interrupt = signal.default_int_handler
    signal.signal(signal.SIGINT, interrupt)  # ignored where the tests run in the background

    def inside() -> Any:
        return type(handlers._get(signal.SIGUSR1)), type(handlers._get(signal.SIGINT)), signal.getsignal(signal.SIGINT)

    with handlers.watched():
        with handlers.watched():  # a call that is traced within another
            pass
        assert inside() == (handlers.Handler, handlers.Handler, interrupt)
    assert signal.getsignal(signal.SIGUSR1) is told
    assert signal.getsignal(signal.SIGINT) is interrupt


def test_elsewhere_than_in_the_main_thread_nothing_is_done() -> None:
    found: list[Any] = []

    def enter() -> None:
        with handlers.watched():
            found.append(_signal.signal)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [handlers._set]


def test_a_wrong_handler_is_refused_as_ever() -> None:
    with handlers.watched():
        with pytest.raises(TypeError, match="signal handler must be"):
            signal.signal(signal.SIGUSR1, "none")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="out of range"):
            signal.signal(10_000, told)


def spins(thread: threading.Thread) -> int:
    count = 0
    while thread.is_alive():
        count += 1
    return count


def send(count: int) -> None:
    for number in range(count):
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(seen) <= number:
            time.sleep(0.0002)


@pytest.mark.parametrize("woken", [False, True])
def test_each_signal_is_handled_once(woken: bool) -> None:
    # asyncio runs its handlers for each byte: signals that are made to come again must not be written there.
    reader, writer = socket.socketpair()
    thread = threading.Thread(target=send, args=(100,))
    signal.signal(signal.SIGUSR1, told)
    with reader, writer:
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno() if woken else -1)
        thread.start()
        trace(spins, thread)
        after = signal.set_wakeup_fd(before)
        assert len(seen) == 100
        assert not woken or (after, len(reader.recv(10_000))) == (writer.fileno(), 100)
    assert woken or "receive" not in seen


def test_what_an_input_left_is_put_back() -> None:
    with handlers.watched():
        signal.signal(signal.SIGUSR1, told)
        signal.signal(signal.SIGUSR1, time_outs.late)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 30)
        handlers.put_back()
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            assert signal.getitimer(timer) == (0, 0)
        handlers.put_back()
