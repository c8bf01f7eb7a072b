"""One recorded frame: what it looked like at its last event, and how it differs now."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

from . import snapshots
from .codes import CodeInfo
from .wire import SHORTEST_PATCHED, patch

if TYPE_CHECKING:
    from .recorder import Recorder

_FIXED = "fixed"
_UNSEEN: Tuple[Any, Any] = (None, None)


class Changes:
    """How a frame's locals differ from its last event. Not in force until ``FrameState.commit``."""

    __slots__ = ("changed", "deleted", "seen")

    def __init__(self) -> None:
        self.changed: Dict[str, str] = {}
        self.deleted: List[str] = []
        self.seen: Dict[str, Tuple[Any, Any]] = {}
        """What to know the values by at the next event; see ``FrameState.seen``."""


class FrameState:
    """A frame's trace function. The interpreter keeps it on the frame, so that a resumed generator finds it again."""

    __slots__ = ("info", "recorder", "seen", "texts", "uid", "unwinding")

    def __init__(self, recorder: Recorder, uid: int, info: CodeInfo) -> None:
        self.recorder = recorder
        self.uid = uid
        self.info = info
        self.texts: Dict[str, str] = {}
        self.seen: Dict[str, Tuple[Any, Any]] = {}
        """Per name ``("fixed", value)`` for an immutable one, ``(None, snapshot)`` where one can be taken; all
        else is rendered at every event."""
        self.unwinding = False
        """Whether the last event was an exception of the program's."""

    def __call__(self, frame: FrameType, kind: str, arg: Any) -> Optional[FrameState]:
        """Receive one event from the interpreter."""
        recorder = self.recorder
        if not recorder.active:
            return None
        with recorder.lock:
            try:
                recorder.event(self, frame, kind, arg)
            except RecursionError:
                recorder.again(lambda: recorder.event(self, frame, kind, arg))
        return self

    def changes(self, frame: FrameType) -> Changes:
        """Return what changed since the last event; renders only what may have."""
        now = self.info.visible(frame)
        texts, seen = self.texts, self.seen
        found = Changes()
        for name, value in now.items():
            mark, before = seen.get(name, _UNSEEN)
            if mark is _FIXED:
                if before is value:
                    continue
            elif before is not None and before.unchanged(value):
                continue
            text = self._look(name, value, found.seen)
            if texts.get(name) != text:
                found.changed[name] = text
        if len(now) != len(texts) or found.changed:
            found.deleted.extend(name for name in texts if name not in now)
        return found

    def _look(self, name: str, value: Any, seen: Dict[str, Tuple[Any, Any]]) -> str:
        renderer = self.recorder.renderer
        text = renderer.render(value)
        # After rendering, which tells how the value's types are shown; none of them runs the program's code then.
        if snapshots.immutable(value):
            seen[name] = (_FIXED, value)
        else:
            seen[name] = (None, snapshots.take(value, renderer.structural))
        return text

    def row(self, found: Changes) -> Mapping[str, Any]:
        """Return the changed texts as the wire has them: long ones as patches of their last."""
        if all(len(text) < SHORTEST_PATCHED for text in found.changed.values()):
            return found.changed
        return {name: patch(self.texts.get(name, ""), text) for name, text in found.changed.items()}

    def commit(self, found: Changes) -> None:
        """Take the changes as the frame's state."""
        for name in found.deleted:
            del self.texts[name]
            self.seen.pop(name, None)
        if found.seen:
            self.texts.update(found.changed)
            self.seen.update(found.seen)
