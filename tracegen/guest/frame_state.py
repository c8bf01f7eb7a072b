"""One recorded frame: what it looked like at its last event, and how it differs now."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from .codes import CodeInfo

if TYPE_CHECKING:
    from .recorder import Recorder


class Changes(NamedTuple):
    """How a frame's locals differ from its last event. Not in force until ``FrameState.commit``."""

    changed: Dict[str, str]
    deleted: List[str]
    fixed: Dict[str, Any]
    """Newly seen immutable values, for the identity test."""
    loose: List[str]
    """Names whose value no longer is immutable."""


class FrameState:
    """A frame's trace function. The interpreter keeps it on the frame, so that a resumed generator finds it again."""

    __slots__ = ("info", "recorder", "texts", "uid", "unwinding", "values")

    def __init__(self, recorder: Recorder, uid: int, info: CodeInfo) -> None:
        self.recorder = recorder
        self.uid = uid
        self.info = info
        self.texts: Dict[str, str] = {}
        # Only exact immutable built-ins: any other reference would delay a finaliser.
        self.values: Dict[str, Any] = {}
        self.unwinding = False
        """Whether the last event was an exception of the program's."""

    def __call__(self, frame: FrameType, kind: str, arg: Any) -> Optional[FrameState]:
        """Receive one event from the interpreter."""
        return self.recorder.local(self, frame, kind, arg)

    def changes(self, frame: FrameType) -> Changes:
        """Return what changed since the last event; renders only what may have."""
        now = self.info.visible(frame)
        render = self.recorder.renderer.render
        texts, values = self.texts, self.values
        found = Changes({}, [], {}, [])
        for name, value in now.items():
            kind = type(value)
            fixed = kind is int or kind is str or kind is float or kind is bool or kind is bytes or value is None
            if fixed and name in values and values[name] is value:
                continue
            text = render(value)
            if texts.get(name) != text:
                found.changed[name] = text
            if fixed:
                found.fixed[name] = value
            elif name in values:
                found.loose.append(name)
        found.deleted.extend(name for name in texts if name not in now)
        return found

    def commit(self, found: Changes) -> None:
        """Take the changes as the frame's state."""
        for name in found.deleted:
            del self.texts[name]
            self.values.pop(name, None)
        for name in found.loose:
            del self.values[name]
        self.texts.update(found.changed)
        self.values.update(found.fixed)
