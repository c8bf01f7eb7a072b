"""The timer of guarded calls: what a user's ``__repr__`` may take, whose code the program is.

SIGALRM is the program's. It is taken at the first guarded call and given back before code runs that might see it: what
is not recorded, and all code once a recorded one has a name by which signals and processes are reached.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # without the enums of ``signal``, which cost more than the rest
import math
import time
from _thread import _count as threads
from types import CodeType
from typing import Any, Callable, List

from .interrupts import ring

SECONDS = 0.5
"""Longest run of one ``__repr__``."""
_MORE = 0.1
"""Processor time that it must go on to use: a machine under load stops a process for as long as ``SECONDS``."""
ASLEEP = 2.0
"""Longest run of one that uses none."""
_LEAST = 1e-6
"""What a timer is set to that ought to have run out."""
_TELLING = frozenset(
    "signal _signal alarm setitimer getitimer getsignal pause sigwait sigwaitinfo sigtimedwait sigpending "
    "pthread_sigmask pthread_kill raise_signal siginterrupt set_wakeup_fd start_new_thread start_joinable_thread "
    "kill killpg fork forkpty system execv execve ctypes _ctypes".split()
)
"""Names of what sees or sets SIGALRM and its timer in C, or hands them on to another process."""


_set: Callable[[Any, Any], Any] = _signal.signal  # as it is before ``handlers`` puts its own in its place


class TimeUp(BaseException):
    """Raised inside a ``__repr__`` that runs too long; not an ``Exception``, so that few programs swallow it."""


class _Alarm:
    """One for the process. Outside the main thread no handler can be set; the input's deadline is the bound there."""

    def __init__(self) -> None:
        self.held = False
        """Whether SIGALRM is ours."""
        self.seen = False
        """Whether recorded code might see that it is: then it is given back after every event."""
        self.since = math.inf
        """When the innermost guarded call began."""
        self._late = math.nan
        """Beginning of the call that was last found to run long, and what processor time had been used then."""
        self._used = 0.0
        self._held_at = 0.0
        self._handler: Any = None
        self._timer = 0.0, 0.0
        self.waiting: List[int] = []
        """Signals that came within guarded calls, for handlers of the program."""
        self.told = False
        """Whether it is so of every handler: that ``handlers`` watches them."""

    @property
    def asking(self) -> bool:
        """Whether a guarded call is running."""
        return self.since != math.inf

    def arm(self, now: float) -> None:
        """Take SIGALRM, for the calls of this event and of later ones; what a handler of the program raises passes.

        Its timer is stopped first: one that ran out between the two would ring for nobody. Setting a handler then
        runs the program's for what has rung already, which may set its timer anew.
        """
        running, interval = _signal.getitimer(_signal.ITIMER_REAL)
        timer = _signal.setitimer(_signal.ITIMER_REAL, 0)
        try:
            self._handler = _set(_signal.SIGALRM, self._ring)
        except BaseException as error:
            if timer[0]:
                _signal.setitimer(_signal.ITIMER_REAL, *timer)
            if type(error) is ValueError and error.__traceback__ is not None and error.__traceback__.tb_next is None:
                return  # not of a handler: another thread than the main one
            raise
        if self.told and running and not timer[0] and _signal.SIGALRM not in self.waiting:
            # Linux stops a timer in its last nanoseconds without telling that it was running; it has not rung.
            timer = _LEAST, interval
        self.held = True
        self._held_at = now
        # Repeats: for calls that begin later, and since a __repr__ with a broad except would swallow the only alarm.
        anew = _signal.setitimer(_signal.ITIMER_REAL, SECONDS, 0.05)
        self._timer = anew if anew[0] else timer

    def _ring(self, signum: int, frame: Any) -> None:
        now = time.monotonic()
        foreign = now - self._held_at < SECONDS  # no timer of ours has run out
        if foreign and callable(self._handler):
            self.waiting.append(_signal.SIGALRM)
        if not self.asking:
            self.release()  # it is the program that runs
            return
        if foreign:
            return
        waited = now - self.since
        if waited < SECONDS:
            return
        used = time.thread_time()
        if self._late != self.since:  # perhaps it is the machine that stood still
            self._late, self._used = self.since, used
        elif used - self._used >= _MORE or waited >= ASLEEP:
            raise TimeUp

    def rest(self) -> None:
        """End an event whose code goes on: SIGALRM is kept, if the program had no use for it.

        Not beside other threads: it would ring in this one for what they are asked.
        """
        if threads() or self.seen or self._timer[0] or self._handler is not _signal.SIG_DFL:
            self.release()
        elif self.waiting:
            self._ring_waiting()

    def release(self) -> None:
        """Give the program its own handler and timer back, and have the signals come that waited."""
        if self.held:
            self._give_back()
        if self.waiting:
            self._ring_waiting()

    def _ring_waiting(self) -> None:
        while self.waiting:
            ring(self.waiting.pop())

    def _give_back(self) -> None:
        self.held = False
        _signal.setitimer(_signal.ITIMER_REAL, 0)
        if self._handler is not None:
            _set(_signal.SIGALRM, self._handler)
        left, interval = self._timer
        if left:
            _signal.setitimer(_signal.ITIMER_REAL, max(left - (time.monotonic() - self._held_at), _LEAST), interval)


alarm = _Alarm()


def may_see(code: CodeType) -> bool:
    """Whether a code has a name by which it might see SIGALRM and its timer, or hand them on."""
    return not _TELLING.isdisjoint(code.co_names)
