"""One recorded frame: what it looked like at its last event, how it differs now, and the rows of its events.

The hot path: ``receive`` and ``write`` run at every event of every recorded frame.
"""

from __future__ import annotations

from _thread import _count as threads
from types import FrameType, MethodType
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple, cast

from . import structures
from .alarm import alarm
from .callees import Unknown, trusted
from .codes import UNBOUND, CodeInfo
from .growth import growth
from .interrupts import works
from .nodes import SNAPSHOTS, Bare, FactoryFields, Fields, Items, Members, Own
from .opcodes import is_internal_stop, yielded
from .plain import CONTAINERS, LEAVES
from .snapshots import immutable, take
from .splices import Pending, Splice, splice, splice_dict, splice_set
from .stillness import CALLS, FINAL, IN_PLACE, ITERATION, SUBSCRIPT, Line
from .stopped import STOPPED
from .tables import Table
from .types_text import bare_text
from .wire import SHORTEST_PATCHED, quoted, quoted_patch

if TYPE_CHECKING:
    from .recorder import Recorder
    from .values import ValueRenderer

NEW = object()
"""Mark of a name without a value, and of a value that only rendering knows."""
_LONG = 250
"""Characters from which it takes longer to compare a value than to know whether a call can have changed it."""
_SMALL = 1 << 2000  # 640 digits, the lowest limit that a program can set
_NOTHING: List[Tuple[str, Any]] = []


_SPLICES: Dict[type, Callable[[Any, str, Any, ValueRenderer], Optional[Splice]]] = {
    Items: splice,
    Members: splice_set,
    Fields: splice_dict,
    FactoryFields: splice_dict,
    Table: structures.splice_table,
}
"""By a snapshot's type, what tells how a text follows from the one that it has."""
Looks = Sequence[Tuple[str, str, Any]]
"""Names with their texts and marks."""
_NO_LOOKS: Looks = ()
_NO_NAMES: Tuple[str, ...] = ()
Changes = Tuple[str, Looks, Tuple[str, ...]]
"""How locals differ from the last event: JSON as the wire has it, new looks, deleted names. In force once kept."""


class Sharing:
    """A frame whose values are as they were looked at, so that their looks are good for another place."""

    __slots__ = ("_frame", "_items", "_state")

    def __init__(self, state: FrameState, frame: FrameType) -> None:
        self._state = state
        self._frame = frame
        self._items: Any = None

    def find(self, value: Any) -> Optional[Tuple[str, Any]]:
        """Return the look of a value, if the frame has it and it is known by a snapshot."""
        state = self._state
        bound = state.info.still[state.line][1]
        if self._items is None:
            self._items = self._frame.f_locals.items()
        for name, item in self._items:
            if item is value and name not in bound:
                mark = state.marks[name]
                if type(mark) is Items:
                    mark.alone = False
                return (state.texts[name], mark) if type(mark) in SNAPSHOTS else None
        return None


def state_of(function: Any) -> Optional[FrameState]:
    """Return the frame state whose ``receive`` a trace function is; asks nothing of foreign objects."""
    if type(function) is not MethodType or not issubclass(type(function.__self__), FrameState):
        return None
    return cast(FrameState, function.__self__)


class FrameState:
    """A frame's trace function is its ``receive``. The interpreter keeps it, so that a resumed generator finds it."""

    __slots__ = ("_line", "epoch", "info", "line", "marks", "recorder", "stack", "texts", "trusted", "uid", "unwinding")

    def __init__(self, recorder: Recorder, uid: int, info: CodeInfo, stack: List[int]) -> None:
        self.recorder = recorder
        self.uid = uid
        self._line = f'["l",{uid},'
        self.info = info
        self.stack = stack
        self.texts: Dict[str, str] = {}
        self.marks: Dict[str, Any] = info.unbound.copy()
        """What a name's value is known by: an immutable one by itself, others by a snapshot or not at all."""
        self.line: Optional[int] = None
        """The line of the last event, whose instructions run until the next, or the key of a part of it that does;
        ``None`` if others ran besides."""
        self.epoch = -1
        """The recorder's epoch when the values were looked at: nothing has changed them within it."""
        self.trusted: Optional[bool] = None
        """Whether the calls of the line change nothing by themselves; ``None`` while it is not asked."""
        self.unwinding = False
        """Whether the last event was an exception of the program's."""

    @works
    def receive(self, frame: FrameType, kind: str, arg: Any) -> None:
        """Receive one event from the interpreter, which keeps a trace function that returns nothing."""
        recorder = self.recorder
        if not recorder.active:
            return
        recorder.acquire()  # half the time of a with statement
        try:
            if recorder.owed_limit is not None:
                recorder.pay_limit()
            if kind == "line":
                self.write(frame, self._line)
                self.unwinding = False
            elif kind == "return":
                self._leave(frame, arg)
            elif kind == "exception" and not is_internal_stop(frame, arg[0]):
                self.write(frame, f'["x",{self.uid},', recorder.renderer.text(arg))
                self.unwinding = True
        except RecursionError:
            recorder.again(lambda: self.receive(frame, kind, arg))
        except MemoryError:
            raise  # there is none left for the program either, which meets the same a little sooner
        except Exception as error:
            recorder.fail(error)
        finally:
            if recorder.answers:
                recorder.rest()
            if alarm.held and kind == "return":
                recorder.leave(frame)
            recorder.release()

    def _leave(self, frame: FrameType, arg: Any) -> None:
        info = self.info
        if info.generator and info.is_yield(frame) and not (self.unwinding and arg is None):
            self.write(frame, f'["y",{self.uid},', self.recorder.renderer.text(yielded(arg)))
            if info.cleans_up:
                self.recorder.waiting += 1
        elif arg is not None or info.is_return(frame):  # what an exception leaves gives None
            self.write(frame, f'["r",{self.uid},', self._returned(frame, arg))
        else:
            self.write(frame, f'["u",{self.uid},')
        self.unwinding = False
        stack = self.stack
        if stack and stack[-1] == self.uid:
            stack.pop()
        elif self.uid in stack:
            del stack[stack.index(self.uid) :]

    def _returned(self, frame: FrameType, value: Any) -> str:
        """Return the text of what the frame returns, often one of its own values."""
        recorder = self.recorder
        if STOPPED:
            STOPPED.clear()
        if recorder.loud & CALLS or id(type(value)) in LEAVES or not self.still(frame):
            return self.look(value)[0]
        recorder.sharing = Sharing(self, frame)
        try:
            return self.look(value)[0]
        finally:
            recorder.sharing = None

    def write(self, frame: FrameType, row: str, value: Optional[str] = None) -> None:
        """Write one event unless a limit is met, ``row`` preceding its line. Of one that fails nothing is kept."""
        recorder, info, marks = self.recorder, self.info, self.marks
        wire = recorder.wire
        recorder.countdown -= 1
        if (recorder.countdown < 0 or wire.bytes >= recorder.most_bytes) and self._stops():
            return
        changed: Optional[List[Tuple[str, Any]]] = None
        now: Any = _NOTHING
        still = info.still.get(self.line)
        if still is not None and (still[0] & (recorder.loud | CALLS) or threads()):
            still = self._doubted(still, frame)
        if still is None:  # of a new frame no line has run: ``Recorder.enter`` looked at its caller's
            recorder.epoch += self.epoch >= 0
        elif self.epoch == recorder.epoch:
            changed = self._bound(frame, *still) if still[1] else _NOTHING
        if changed is None:
            changed = []
            if STOPPED:
                STOPPED.clear()
            try:
                now = frame.f_locals.items() if info.whole else info.visible(frame).items()
                for name, item in now:
                    mark = marks[name]
                    if mark is item or (type(mark) in SNAPSHOTS and mark.unchanged(item)):
                        continue
                    changed.append((name, item))
            except (KeyError, RuntimeError):  # names that the code does not have; a dict that another thread fills
                now = info.visible(frame).items()
                changed = [pair for pair in now if not self._known(*pair)]
        line = frame.f_lineno
        at = info.lines[line]
        found, deleted = _NO_LOOKS, _NO_NAMES
        if changed or (now is not _NOTHING and len(now) != len(self.texts)):
            text, found, deleted = self.changes(changed, now)
            more = deleted or value is not None or not text
            row = row + at + _tail(text, deleted, value) if more else f"{row}{at},{{{text}}}]\n"
        else:
            row = f"{row}{at}]\n" if value is None else f"{row}{at},{{}},[],{quoted(value)}]\n"
        if recorder.elision:
            recorder.flush_elision()
        data = row.encode()  # all ASCII
        wire.write(data)  # may want for stack: counted when it is done
        wire.events += 1
        wire.bytes += len(data)
        if found or deleted:
            self._keep(found, deleted)
        self.line = info.part(line, frame) if info.heads and value is None and line in info.heads else line
        self.epoch = recorder.epoch
        self.trusted = None

    def _stops(self) -> bool:
        """Whether a limit is met. Asked after some events: time to know the lines of a code that runs for long."""
        recorder, info = self.recorder, self.info
        if recorder.met_limit():
            return True
        if info.unread and recorder.wire.events:
            info.read()
        return False

    def _keep(self, looks: Looks, deleted: Tuple[str, ...]) -> None:
        """Keep what names look like now; ask about calls from now on if that is sooner done than comparing."""
        recorder, texts, marks = self.recorder, self.texts, self.marks
        for name in deleted:
            del texts[name]
            marks[name] = NEW
        loud = recorder.loud | recorder.renderer.loud
        for name, text, mark in looks:
            marks[name] = mark.keep() if type(mark) is Pending else mark
            texts[name] = text
            if (len(text) > _LONG or type(mark) is Own) and not _flat(mark):
                loud &= ~CALLS
        recorder.loud = loud

    def still(self, frame: Any) -> bool:
        """Whether nothing has changed since the frame's last event but what its names are bound to."""
        if self.epoch != self.recorder.epoch:
            return False
        still = self.info.still.get(self.line)
        return still is not None and self._doubted(still, frame) is not None

    def _doubted(self, still: Line, frame: FrameType) -> Optional[Line]:
        """Return what is known of the line that ran, if it is to be trusted."""
        loud = self.recorder.loud
        doubts = still[0] & (loud | CALLS)
        if threads() or (doubts and (doubts & loud & ~SUBSCRIPT or loud & CALLS)):
            return None
        return still if not doubts or self._trusts(frame) else None

    def _trusts(self, frame: FrameType) -> bool:
        """Whether what the line calls or reads changes nothing by itself; not asked where values changed anyway."""
        recorder = self.recorder
        if self.epoch != recorder.epoch:
            return False
        if self.trusted is None:
            found = self.info.callees(self.line)
            self.trusted = found is not None and trusted(
                found,
                frame,
                lambda name: self._before(frame, name),
                iterating=not recorder.loud & ITERATION,
                subscripting=not recorder.loud & SUBSCRIPT,
            )
        return self.trusted

    def _before(self, frame: FrameType, name: str) -> Any:
        """Return what a name was bound to before the line ran."""
        if name not in self.info.still[self.line][1]:
            return frame.f_locals[name]
        mark = self.marks[name]
        if mark is NEW or mark is UNBOUND or type(mark) in SNAPSHOTS:
            raise Unknown
        return mark

    def _bound(self, frame: FrameType, marks: int, names: Tuple[str, ...]) -> Optional[List[Tuple[str, Any]]]:
        """Return which of the names that a still line can have bound have changed; ``None`` to look at everything."""
        changed = []
        recorder, known = self.recorder, self.marks
        final = recorder.loud & FINAL or recorder.waiting
        if STOPPED:
            STOPPED.clear()
        found = frame.f_locals
        for name in names:
            mark = known.get(name, NEW)
            seen = type(mark) in SNAPSHOTS
            if final and (seen or mark is NEW):
                recorder.epoch += 1
                return None
            try:
                item = found[name]
            except KeyError:
                return None
            if marks & IN_PLACE and not immutable(item):
                recorder.epoch += 1
                return None
            if mark is not item and not (seen and mark.unchanged(item)):
                changed.append((name, item))
        return changed

    def _known(self, name: str, value: Any) -> bool:
        mark = self.marks.get(name, NEW)
        return mark is value or (type(mark) in SNAPSHOTS and mark.unchanged(value))

    def changes(self, found: List[Tuple[str, Any]], now: Any) -> Changes:
        """Return what changed since the last event; renders only the values ``found``, ``now`` being all or unknown."""
        texts, info = self.texts, self.info
        looks: List[Tuple[str, str, Any]] = []
        row = ""
        fresh = 0
        if len(found) > 1 and info.order:
            found.sort(key=lambda pair: info.order[pair[0]])
        for name, value in found:
            old = texts.get(name)
            kind = type(value)
            if kind is int and -_SMALL < value < _SMALL:
                text, mark, middle = repr(value), value, None
            elif old is not None and len(old) > SHORTEST_PATCHED:
                text, mark, middle = self._look(value, self.marks.get(name, NEW), old)
            else:
                text, mark = self.look(value, self.marks.get(name, NEW))
                middle = None
            looks.append((name, text, mark))
            if old == text:
                continue
            row += "," + info.keys[name] if row else info.keys[name]
            if old is None:
                fresh += 1
                row += quoted(text)
            elif middle is not None:
                row += middle
            else:
                row += quoted(text) if len(text) < SHORTEST_PATCHED else quoted_patch(old, text)
        deleted: Tuple[str, ...] = ()
        if now is not _NOTHING and len(now) != len(texts) + fresh:
            bound = dict(now)
            deleted = tuple([name for name in texts if name not in bound])
        return row, looks, deleted

    def _look(self, value: Any, before: Any, old: str) -> Tuple[str, Any, Optional[str]]:
        """Return a value's text, what to know it by, and how the text follows from the ``old`` one if that is known."""
        kind = type(before)
        if kind is str:
            grown = growth(before, old, value, self.recorder.renderer.characters) if type(value) is str else None
            if grown is not None:
                return grown.text, value, f"[{grown.start},{grown.end},{quoted(grown.middle)}]"
        elif kind in _SPLICES:
            spliced = _SPLICES[kind](before, old, value, self.recorder.renderer)
            if spliced is not None:
                return spliced.text, spliced.snapshot, f"[{spliced.start},{spliced.end},{quoted(spliced.middle)}]"
        text, mark = self.look(value, before)
        return text, mark, None

    def look(self, value: Any, before: Any = NEW) -> Tuple[str, Any]:
        """Return a value's text, and what to know it by; ``before``: what it was known by."""
        kind = type(value)
        if kind is int:
            if -_SMALL < value < _SMALL:
                return repr(value), value
        elif kind is str:
            text = repr(value)
            if len(text) <= self.recorder.renderer.characters:
                return text, value
        elif value is None or kind is bool or kind is float:
            return repr(value), value
        recorder = self.recorder
        if recorder.sharing is not None:
            shared = recorder.sharing.find(value)
            if shared is not None:
                return shared
        renderer = recorder.renderer
        found = structures.plain(value, renderer) if id(kind) in CONTAINERS else None
        if found is None:
            found = structures.known(value, before, renderer)
        if found is None:
            found = structures.look(value, before, renderer) or _rendered(value, renderer)
            if len(found[0]) > structures.LONGEST_REMEMBERED and type(found[1]) in SNAPSHOTS:
                renderer.remember(value, *found)
        return found


def _rendered(value: Any, renderer: ValueRenderer) -> Tuple[str, Any]:
    text = renderer.text(value)
    # After rendering, which tells how the value's types are shown; none of them runs the program's code then.
    if immutable(value):
        return text, value
    if renderer.handler(type(value)) is bare_text:
        return text, Bare(type(value))
    mark = take(value, renderer)
    return text, NEW if mark is None else mark


def _flat(mark: Any) -> bool:
    """Whether a value is known by its own identity or that of its items: soon compared, however long it is."""
    return type(mark) is str or type(mark) is Pending or type(mark) is Members or (type(mark) is Items and mark.flat)


def _tail(changed: str, deleted: Tuple[str, ...], value: Optional[str]) -> str:
    if not deleted and value is None:
        return f",{{{changed}}}]\n" if changed else "]\n"
    names = ",".join(map(quoted, deleted))
    return f",{{{changed}}},[{names}]" + ("]\n" if value is None else f",{quoted(value)}]\n")
