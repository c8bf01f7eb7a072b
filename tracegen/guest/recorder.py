"""The event loop: ``sys.settrace`` events become the wire's lines, with what changed since the frame's last event.

Near the recursion limit rendering may fail; so an event is computed wholly before anything of it is kept or written,
and computed again with head room if it failed.
"""

from __future__ import annotations

import sys
import threading
import time
from types import FrameType
from typing import Any, Callable, List, NamedTuple, Optional

from .codes import CodeTable
from .frame_state import FrameState
from .opcodes import is_internal_stop, is_return, is_yield
from .values import ValueRenderer
from .wire import WireWriter, encode, encode_event

_HEADROOM = 400
"""Frames that rendering may need above the program's recursion limit."""


class Limits(NamedTuple):
    """What stops a recording from inside; ``None`` for no limit."""

    events: Optional[int]
    size: Optional[int]
    seconds: Optional[float]


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
        self._limits = limits
        self._on_limit = on_limit
        self._deadline: Optional[float] = None
        self._frames = 0
        self._lock = threading.RLock()
        self._threads = 0
        self._thread = _Thread()
        self._elision: List[Any] = []
        self._owed_limit: Optional[int] = None

    def start(self) -> None:
        """Begin with the next Python call, in this thread and those that it starts."""
        self._deadline = None if self._limits.seconds is None else time.monotonic() + self._limits.seconds
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
        self.wire.put(self._pending())
        if still != self.enter:
            self.wire.line("X", "tracer_removed", self.wire.events - 1, 0, "sys.settrace", 1)

    def enter(self, frame: FrameType, kind: str, arg: Any) -> Optional[FrameState]:
        """The global trace function: a frame is entered, or a suspended one resumed."""
        if not self.active:
            return None
        with self._lock:
            try:
                return self._enter(frame)
            except RecursionError:
                if self._owed_limit is not None:  # had its headroom already
                    raise
                return self._with_headroom(lambda: self._enter(frame))

    def local(self, state: FrameState, frame: FrameType, kind: str, arg: Any) -> Optional[FrameState]:
        """The trace function of recorded frames."""
        if not self.active:
            return None
        with self._lock:
            try:
                self._event(state, frame, kind, arg)
            except RecursionError:
                if self._owed_limit is not None:
                    raise
                self._with_headroom(lambda: self._event(state, frame, kind, arg))
        return state

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
        row = encode("F", state.uid, stack[-1] if stack else 0, info.index, self._number())
        self._write(state, frame, "c", None, row)
        self._frames = state.uid
        stack.append(state.uid)
        return state

    def _event(self, state: FrameState, frame: FrameType, kind: str, arg: Any) -> None:
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
            self._write(state, frame, "y", self.renderer.render(arg))
        elif is_return(frame):
            self._write(state, frame, "r", self.renderer.render(arg))
        else:
            self._write(state, frame, "u", None)
        state.unwinding = False
        stack = self._thread.stack
        if state.uid in stack:
            del stack[stack.index(state.uid) :]

    def _write(self, state: FrameState, frame: FrameType, tag: str, value: Optional[str], row: bytes = b"") -> None:
        self._check_limits()
        if not self.active:
            return
        found = state.changes(frame)
        # A module's frame is entered on line 0 from 3.11 on.
        event = encode_event(tag, state.uid, frame.f_lineno or 1, found.changed, found.deleted, value)
        data = self._pending() + row + event
        state.commit(found)
        self._elision = []
        self.wire.events += 1
        self.wire.put(data)

    def _check_limits(self) -> None:
        limits = self._limits
        if limits.events is not None and self.wire.events >= limits.events:
            self._on_limit("event_limit")
        elif limits.size is not None and self.wire.bytes >= limits.size:
            self._on_limit("byte_limit")
        elif self._deadline is not None and time.monotonic() > self._deadline:
            self._on_limit("timeout")

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
        self.wire.put(self._pending())
        self._elision = [*row, 1]

    def _pending(self) -> bytes:
        return encode("X", *self._elision) if self._elision else b""

    def _with_headroom(self, compute: Callable[[], Optional[FrameState]]) -> Optional[FrameState]:
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
