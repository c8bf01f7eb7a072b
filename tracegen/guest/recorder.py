"""The event loop: ``sys.settrace`` events become the wire's lines, with what changed since the frame's last event.

Near the recursion limit rendering may fail; so an event is computed wholly before anything of it is kept or written,
and computed again with head room if it failed.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from _thread import get_ident
from types import FrameType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, Type, TypeVar, cast

from .alarm import alarm
from .codes import CodeTable
from .frame_state import FrameState, Sharing, state_of
from .interrupts import of_handler, works
from .stillness import CALLS, FINAL
from .uninstrumented import spare
from .values import ValueRenderer
from .wire import WireWriter

_HEADROOM = 400
"""Frames that rendering may need above the program's recursion limit."""
_OWN_FRAMES = 6
"""Frames that the recorder needs to find out that it needs more."""
_OWN = __name__.rpartition(".")[0] + "."
_TIMED_EVENTS = 16
"""Events between two looks at the clock. Always as many: looking takes stack, of which the program must miss the same
in every run."""


_AT_EVENTS = (
    "builtins_text callees codes crowds digests frame_state growth guard library_text memory nodes opcodes plain "
    "recorder snapshots splices standard_text stillness stopped structures tables types_text values wire"
).split()
"""Modules whose code runs at events; without ``alarm``, which asks a traceback whether its own frame raised."""


class Limits(NamedTuple):
    """What stops a recording from inside; ``None`` for no limit."""

    events: Optional[int]
    size: Optional[int]
    seconds: Optional[float]


Result = TypeVar("Result")


def _unlimited(limit: Optional[float]) -> float:
    return math.inf if limit is None else limit


class _Lane:
    """A thread's number, and its stack of recorded frames."""

    __slots__ = ("number", "stack")

    def __init__(self, number: int) -> None:
        self.number = number
        self.stack: List[int] = []


class Recorder:
    """Records one input. ``on_limit(label)`` is called inside the program at a limit, and need not return."""

    # More attributes than an object keeps without a dict of its own (30), which is slower.
    __slots__ = (
        "_crowded _deadline _first _frames _gone _interrupted _lanes _lock _most_events _on_limit _others _outer "
        "_seconds _starter _taken acquire active answers codes countdown elision epoch failure loud most_bytes "
        "owed_limit release renderer sharing waiting wire"
    ).split()
    frame_class: Type[FrameState] = FrameState

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
        self.answers = renderer.answers
        self.active = False
        self.failure: Optional[Exception] = None
        """A fault of the recorder itself: there is no record then."""
        self._most_events = _unlimited(limits.events)
        self.most_bytes = _unlimited(limits.size)
        self._seconds = _unlimited(limits.seconds)
        self._deadline = math.inf
        self._on_limit = on_limit
        self._frames = 0
        self._outer: Any = None
        """The trace function that there was before, which is put back."""
        self._taken: Dict[int, Tuple[int, int]] = {}
        """By thread, the event and frame at which the program set a trace function of its own."""
        self._gone: Set[int] = set()
        """Threads that lost the trace function, as was told."""
        self._lock = lock = threading.RLock()
        self.acquire, self.release = lock.acquire, lock.release
        self._starter, self._first = 0, _Lane(0)
        """The thread that started the recording, and outlives it; its lane."""
        self._others: Optional[threading.local] = None
        """The lanes of other threads. Not keyed by ident: idents are used again."""
        self._lanes = 1
        self.countdown = 0
        """Events until the limits are looked at again."""
        self.elision: List[Any] = []
        self.owed_limit: Optional[int] = None
        self.epoch = 0
        """Rises whenever values may have changed that are not of the frame that runs; see ``stillness``."""
        self.loud = CALLS
        """The marks of lines that are not to be trusted: of calls none while values are compared faster than that."""
        self.waiting = 0
        """Generators that wait where they have something to clean up, or went so."""
        self.sharing: Optional[Sharing] = None
        """While a value is looked at: whose looks may be taken over."""
        self._crowded = False
        """The program came near its recursion limit, where CPython may drop the trace function."""
        self._interrupted = False
        """A signal handler of the program raised while an event was at hand, at which CPython drops it too."""

    @works
    def start(self) -> None:
        """Begin with the next Python call, in this thread and those that it starts."""
        self._deadline = time.monotonic() + self._seconds
        self._starter = get_ident()
        self._outer = sys.gettrace()
        threading.settrace(self.enter)
        sys.settrace(self.enter)
        self.active = True

    @works
    def stop(self) -> None:
        """End, and write what is pending. If the program took the trace function away, say so."""
        still = sys.gettrace()
        self.active = False
        sys.settrace(self._outer)  # before anything is called that would be traced
        alarm.release()
        threading.settrace(None)
        self.pay_limit()
        self.flush_elision()
        if still == self.enter:
            self._taken.pop(0, None)  # it was put back
        elif 0 not in self._taken and 0 not in self._gone:
            self._taken[0] = self.wire.events - 1, 0
        for event, uid in self._taken.values():
            cause = "signal handler" if self._interrupted else "recursion limit" if self._crowded else "sys.settrace"
            self.wire.line("X", "tracer_removed", event, uid, cause, 1)
        self._taken.clear()
        self._gone.clear()

    def see_settrace(self) -> None:
        """Note that this thread is about to set its trace function, which may end the recording there.

        Whether it did is known when the thread sets one again: then the old one is not ours.
        """
        if not self.active:
            return
        with self._lock:
            lane = self._lane()
            if lane is None:
                return
            number = lane.number
            if sys.gettrace() == self.enter:
                stack = lane.stack
                self._taken[number] = self.wire.events - 1, stack[-1] if stack else 0
                self._gone.discard(number)
            elif number in self._taken:
                self.flush_elision()
                self.wire.line("X", "tracer_removed", *self._taken.pop(number), "sys.settrace", 1)
                self._gone.add(number)

    @works
    def enter(self, frame: FrameType, kind: str, arg: Any) -> Any:
        """The global trace function: a frame is entered, or a suspended one resumed."""
        if not self.active:
            return None
        self.acquire()
        try:
            return self._enter(frame)
        except RecursionError:
            return self.again(lambda: self._enter(frame))
        except MemoryError:
            raise  # as in ``FrameState.receive``
        except Exception as error:
            return self.fail(error)
        finally:
            if self.answers:
                self.rest()
            self.release()

    def _enter(self, frame: FrameType) -> Any:
        seen = self.codes.known.get(id(frame.f_code))
        info = seen[1] if seen is not None else self.codes.info(frame)
        if info is None:
            self._skip(frame)
            return None
        if info.unread:
            info.enter()
        self.loud |= info.loud
        caller = None if self.loud & (CALLS | FINAL) or self.waiting else self._still_caller(frame)
        if caller is None:
            self.epoch += 1
        lane = self._first if get_ident() == self._starter else self._lane() or self._new_lane()
        stack = lane.stack
        known = state_of(frame.f_trace) if info.generator else None
        if known is not None and known.recorder is self:
            known.write(frame, f'["s",{known.uid},')
            if info.cleans_up:
                self.waiting -= 1
            known.stack = stack
            stack.append(known.uid)
            return known.receive
        uid = self._frames + 1
        state = self.frame_class(self, uid, info, stack)
        parent = stack[-1] if stack else 0
        self.sharing = None if caller is None else Sharing(caller, cast(FrameType, frame.f_back))
        try:
            state.write(frame, f'["F",{uid},{parent},{info.index},{lane.number}]\n["c",{uid},')
        finally:
            self.sharing = None
        self._frames = uid
        stack.append(uid)
        return state.receive

    def _still_caller(self, frame: FrameType) -> Optional[FrameState]:
        """Return the state of a frame's caller, if nothing has changed since its last event."""
        back = frame.f_back
        caller = self.state(back)
        return caller if caller is not None and caller.still(back) else None

    def met_limit(self) -> bool:
        """Whether a limit is met, which ``on_limit`` is told of; else sets when to ask again."""
        wire = self.wire
        if wire.events >= self._most_events:
            self._on_limit("event_limit")
        elif wire.bytes >= self.most_bytes:
            self._on_limit("byte_limit")
        elif time.monotonic() > self._deadline:
            self._on_limit("timeout")
        else:
            self.countdown = int(min(_TIMED_EVENTS, self._most_events - wire.events)) - 1
            return False
        self.active = False
        alarm.release()
        return True

    def rest(self) -> None:
        """End an event in which values were asked."""
        self.renderer.forget()
        alarm.rest()

    def leave(self, frame: FrameType) -> None:
        """Give SIGALRM back if the frame that is left was called by code that is not recorded."""
        if self.state(frame.f_back) is None:
            alarm.release()

    def state(self, frame: Optional[FrameType]) -> Optional[FrameState]:
        """Return the state of a frame that is recorded here."""
        state = None if frame is None else state_of(frame.f_trace)
        return state if state is not None and state.recorder is self else None

    def fail(self, error: Exception) -> None:
        """End the recording for a fault of its own, which the program must not see; raises what is the program's."""
        if of_handler(error):
            self._interrupted = True
            raise error
        self.failure = error
        self.active = False
        alarm.release()

    def _lane(self) -> Optional[_Lane]:
        """Return this thread's lane, if it has recorded frames or had."""
        if get_ident() == self._starter:
            return self._first
        return getattr(self._others, "lane", None)

    def _new_lane(self) -> _Lane:
        if self._others is None:
            self._others = threading.local()
        lane = self._others.lane = _Lane(self._lanes)
        self._lanes += 1
        return lane

    def _skip(self, frame: FrameType) -> None:
        """Note a call that is not recorded, if a recorded frame made it; repeats are counted."""
        caller = self.state(frame.f_back)
        if caller is None:
            return
        code = frame.f_code
        module = frame.f_globals.get("__name__")
        if type(module) is str and module.startswith(_OWN):
            return  # what stands in for a function in C
        if alarm.held:
            alarm.release()
        caller.line = None
        name = "%s.%s" % (module, getattr(code, "co_qualname", code.co_name))
        kind = "no_source" if code.co_filename.startswith("<string") else "untraced_call"
        row = [kind, self.wire.events - 1, caller.uid, name]
        if self.elision[:4] == row:
            self.elision[4] += 1
            return
        self.flush_elision()
        self.elision = [*row, 1]

    def flush_elision(self) -> None:
        """Write the elision that waited for its count."""
        if self.elision:
            self.wire.line("X", *self.elision)
            self.elision = []

    def again(self, compute: Callable[[], Result]) -> Result:
        """Compute an event again that failed for want of stack, with head room; once until the limit is given back."""
        if self.owed_limit is not None:
            raise RecursionError("maximum recursion depth exceeded")
        self._crowded = True
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(limit + _HEADROOM)
        self.owed_limit = limit
        try:
            return compute()
        finally:
            self.pay_limit()

    def pay_limit(self) -> None:
        """Give the program its recursion limit back.

        The interpreter refuses a limit below the present depth, 3.8 and 3.9 within 50 frames above it too: the least
        that they take is set, and the rest tried at later events.
        """
        owed = self.owed_limit
        if owed is None:
            return
        before = sys.getrecursionlimit()
        low, high = owed, before
        limit = low
        while low < high:
            try:
                sys.setrecursionlimit(limit)
                high = limit
            except RecursionError:
                low = limit + 1
            limit = (low + high) // 2
        if high > owed:
            # What fits without a recorder must fit with one. Never more than before: else it would grow with the stack.
            sys.setrecursionlimit(min(high + _OWN_FRAMES, before))
        self.owed_limit = None if high == owed else owed


spare(*[sys.modules[_OWN + name] for name in _AT_EVENTS])
