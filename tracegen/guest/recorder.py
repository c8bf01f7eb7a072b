"""The event loop: ``sys.settrace`` events become the wire's lines, with what changed since the frame's last event.

Near the recursion limit rendering may fail; so an event is computed wholly before anything of it is kept or written,
and computed again with head room if it failed.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, List, NamedTuple, Optional, TypeVar

from .codes import CodeTable
from .frame_state import FrameState
from .opcodes import is_internal_stop, is_return, is_yield, yielded
from .values import ValueRenderer
from .wire import WireWriter, encode, encode_event

_HEADROOM = 400
"""Frames that rendering may need above the program's recursion limit."""


class Limits(NamedTuple):
    """What stops a recording from inside; ``None`` for no limit."""

    events: Optional[int]
    size: Optional[int]
    seconds: Optional[float]


Result = TypeVar("Result")


def _unlimited(limit: Optional[float]) -> float:
    return math.inf if limit is None else limit


class _Thread(threading.local):
    """A thread's number and its stack of recorded frames. Not keyed by ident: idents are used again."""

    number = -1

    def __init__(self) -> None:
        self.stack: List[int] = []


class Recorder:
    """Records one input. ``on_limit(label)`` is called inside the program at a limit, and need not return."""

    def __init__(
        self,
        wire: WireWriter,
        codes: CodeTable,
        renderer: ValueRenderer,
        limits: Limits,
        on_limit: Callable[[str], None],
    ) -> None:
        self.wire = wire
        self.codes = codes
        self.renderer = renderer
        self.active = False
        self._most_events = _unlimited(limits.events)
        self._most_bytes = _unlimited(limits.size)
        self._seconds = _unlimited(limits.seconds)
        self._deadline = math.inf
        self._on_limit = on_limit
        self._frames = 0
        self.lock = threading.RLock()
        self._threads = 0
        self._thread = _Thread()
        self._elision: List[Any] = []
        self._owed_limit: Optional[int] = None
        self._crowded = False
        """The program came near its recursion limit, where CPython may drop the trace function."""

    def start(self) -> None:
        """Begin with the next Python call, in this thread and those that it starts."""
        self._deadline = time.monotonic() + self._seconds
        self._number()
        self.active = True
        threading.settrace(self.enter)
        sys.settrace(self.enter)

    def stop(self) -> None:
        """End, and write what is pending. If the program took the trace function away, say so."""
        still = sys.gettrace()
        self.active = False
        sys.settrace(None)
        threading.settrace(None)
        self._pay_limit()
        self._flush_elision()
        if still != self.enter:
            cause = "recursion limit" if self._crowded else "sys.settrace"
            self.wire.line("X", "tracer_removed", self.wire.events - 1, 0, cause, 1)

    def enter(self, frame: FrameType, kind: str, arg: Any) -> Optional[FrameState]:
        """The global trace function: a frame is entered, or a suspended one resumed."""
        if not self.active:
            return None
        with self.lock:
            try:
                return self._enter(frame)
            except RecursionError:
                return self.again(lambda: self._enter(frame))

    def _enter(self, frame: FrameType) -> Optional[FrameState]:
        known = frame.f_trace
        stack = self._thread.stack
        if type(known) is FrameState and known.recorder is self:
            self._write(known, frame, "s", None)
            stack.append(known.uid)
            return known
        info = self.codes.info(frame)
        if info is None:
            self._skip(frame)
            return None
        state = FrameState(self, self._frames + 1, info)
        row = b'["F",%d,%d,%d,%d]\n' % (state.uid, stack[-1] if stack else 0, info.index, self._number())
        self._write(state, frame, "c", None, row)
        self._frames = state.uid
        stack.append(state.uid)
        return state

    def event(self, state: FrameState, frame: FrameType, kind: str, arg: Any) -> None:
        """Record one event of a recorded frame. May raise ``RecursionError``, with nothing of it kept."""
        if self._owed_limit is not None:
            self._pay_limit()
        if kind == "line":
            self._write(state, frame, "l", None)
            state.unwinding = False
        elif kind == "exception":
            if not is_internal_stop(frame, arg[0]):
                self._write(state, frame, "x", self.renderer.render(arg))
                state.unwinding = True
        elif kind == "return":
            self._leave(state, frame, arg)

    def _leave(self, state: FrameState, frame: FrameType, arg: Any) -> None:
        if state.info.generator and is_yield(frame) and not (state.unwinding and arg is None):
            self._write(state, frame, "y", self.renderer.render(yielded(arg)))
        elif is_return(frame):
            self._write(state, frame, "r", self.renderer.render(arg))
        else:
            self._write(state, frame, "u", None)
        state.unwinding = False
        stack = self._thread.stack
        if state.uid in stack:
            del stack[stack.index(state.uid) :]

    def _write(self, state: FrameState, frame: FrameType, tag: str, value: Optional[str], row: bytes = b"") -> None:
        wire = self.wire
        if wire.events >= self._most_events or wire.bytes >= self._most_bytes or time.monotonic() > self._deadline:
            self._stop_at_limit()
            return
        found = state.changes(frame)
        # A module's frame is entered on line 0 from 3.11 on.
        data = row + encode_event(tag, state.uid, frame.f_lineno or 1, state.row(found), found.deleted, value)
        if self._elision:
            data = encode("X", *self._elision) + data
            self._elision = []
        state.commit(found)
        wire.events += 1
        wire.put(data)

    def _stop_at_limit(self) -> None:
        if self.wire.events >= self._most_events:
            self._on_limit("event_limit")
        elif self.wire.bytes >= self._most_bytes:
            self._on_limit("byte_limit")
        else:
            self._on_limit("timeout")
        self.active = False

    def _number(self) -> int:
        if self._thread.number < 0:
            self._thread.number = self._threads
            self._threads += 1
        return self._thread.number

    def _skip(self, frame: FrameType) -> None:
        """Note a call that is not recorded, if a recorded frame made it; repeats are counted."""
        back = frame.f_back
        caller = back.f_trace if back is not None else None
        if type(caller) is not FrameState or caller.recorder is not self:
            return
        code = frame.f_code
        name = "%s.%s" % (frame.f_globals.get("__name__"), getattr(code, "co_qualname", code.co_name))
        kind = "no_source" if code.co_filename.startswith("<string") else "untraced_call"
        row = [kind, self.wire.events - 1, caller.uid, name]
        if self._elision[:4] == row:
            self._elision[4] += 1
            return
        self._flush_elision()
        self._elision = [*row, 1]

    def _flush_elision(self) -> None:
        if self._elision:
            self.wire.line("X", *self._elision)
            self._elision = []

    def again(self, compute: Callable[[], Result]) -> Result:
        """Compute an event again that failed for want of stack, with head room; once until the limit is given back."""
        if self._owed_limit is not None:
            raise RecursionError("maximum recursion depth exceeded")
        self._crowded = True
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + _HEADROOM)
        self._owed_limit = limit
        try:
            return compute()
        finally:
            self._pay_limit()

    def _pay_limit(self) -> None:
        """Give the program its recursion limit back.

        3.8 and 3.9 refuse within 50 frames of it: the least that they take is set, and the rest tried at later events.
        """
        owed = self._owed_limit
        if owed is None:
            return
        for limit in range(owed, sys.getrecursionlimit(), 10):
            try:
                sys.setrecursionlimit(limit)
            except RecursionError:
                continue
            self._owed_limit = None if limit == owed else owed
            return
