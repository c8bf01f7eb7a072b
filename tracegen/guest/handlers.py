"""The program's signal handlers, which wait while the recorder has an event in hand.

CPython runs a handler wherever the main thread looks for signals: within the trace function too, where it would not be
recorded, and an exception of its (the usual time-out) would end the tracing. So ``signal.signal`` is given a
``Handler`` instead of a Python function. CPython asks it for its ``__call__``, and calls what it gets: within the
program the program's handler, by which no frame of ours comes between; within the recorder something that does nothing
but have the signal come again, until the recorder is left.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import sys
import threading
from contextlib import contextmanager, suppress
from functools import partial
from operator import is_
from typing import Any, Callable, Dict, Iterator

from .alarm import alarm
from .interrupts import at_work, ring

_set: Callable[[Any, Any], Any] = _signal.signal
_get: Callable[[Any], Any] = _signal.getsignal
_found: Dict[int, Any] = {}
"""By signal that the program has set since ``put_back``: what there was before."""


class Handler:
    """A handler of the program's, in ``signal``'s tables."""

    __slots__ = ("_bell", "handler", "number")

    def __init__(self, number: int, handler: Any) -> None:
        self.handler = handler
        self.number = number
        # Rings when it goes, after it was called: of this the recorder's own instructions see nothing.
        rings = {"__call__": staticmethod(is_), "__del__": staticmethod(partial(ring, number))}
        self._bell = type("Bell", (), {"__slots__": (), **rings})

    def _chosen(self) -> Any:
        if not at_work(sys._getframe(1)) or _wakes():
            return self.handler
        if alarm.asking:  # the program's own code runs, but so that it must not notice
            alarm.waiting.append(self.number)
            return is_
        return self._bell()

    __call__ = property(_chosen)


def _wakes() -> bool:
    """Whether each coming of a signal is written to a descriptor: it would be once more for each that is made up."""
    descriptor = _signal.set_wakeup_fd(-1)
    if descriptor == -1:
        return False
    with suppress(OSError, ValueError):  # closed, or blocking by now: of no use to anybody
        _signal.set_wakeup_fd(descriptor)
    return True


def _waiting(number: Any, handler: Any) -> Any:
    return Handler(number, handler) if callable(handler) and type(handler) is not Handler else handler


def _plain(handler: Any) -> Any:
    return handler.handler if type(handler) is Handler else handler


def _set_for_program(signalnum: Any, handler: Any, /) -> Any:
    before = _set(signalnum, _waiting(signalnum, handler))
    _found.setdefault(int(signalnum), before)
    return _plain(before)


def _get_for_program(signalnum: Any, /) -> Any:
    return _plain(_get(signalnum))


def watch() -> None:
    """Have the handlers that there are, and those set from now on, wait for the recorder. In the main thread only."""
    _signal.signal, _signal.getsignal = _set_for_program, _get_for_program
    alarm.told = True
    for number in range(1, _signal.NSIG):
        handler = _get(number)
        if callable(handler):
            _set(number, _waiting(number, handler))


def unwatch() -> None:
    """Undo ``watch``; what the program has set stays."""
    _signal.signal, _signal.getsignal = _set, _get
    alarm.told = False
    for number in range(1, _signal.NSIG):
        handler = _get(number)
        if type(handler) is Handler:
            _set(number, handler.handler)
    _found.clear()


@contextmanager
def watched() -> Iterator[None]:
    """Have handlers wait within; nothing where they do already, nor in another thread than the main one.

    Handlers run in the main thread alone.
    """
    if _signal.signal is _set_for_program or threading.current_thread() is not threading.main_thread():
        yield
        return
    watch()
    try:
        yield
    finally:
        unwatch()


def put_back() -> None:
    """Stop the program's timers, and put back the handlers that there were when this was called last."""
    for timer in (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF):
        _signal.setitimer(timer, 0)
    for number, handler in _found.items():
        _set(number, handler)
    _found.clear()
