"""The lines that the recorder writes and the host reads: one JSON array each, ASCII, tag first.

["H", wire_version, recorder_version, python]        once, first
["I", index]                                          an input begins; everything to the next "I" belongs to it
["S", path, first_line, text]                         source lines of code that is about to run
["C", path, name, first_line, def_line, [flags]]      a code object; numbered from 0 within the input
["F", uid, parent, code, thread]                      a frame; parent 0 for none
[kind, frame, line, {set}, [deleted], value]          an event, kind as in ``EVENTS``; its empty tail is left out
["X", kind, event, frame, name, count]                an elision after event number ``event``
["E", label, exit_code, final, [[source, want, got, matched]], [text, cut, escaped], [text, cut, escaped]]
                                                      an input ends: expectations, stdout, stderr
["!", reason, detail]                                 an input ends: it cannot be traced
["Z"]                                                 the job ends; absent after a death
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional

EVENTS: Dict[str, str] = {
    "c": "call",
    "l": "line",
    "r": "return",
    "y": "yield",
    "s": "resume",
    "x": "exception",
    "u": "unwind",
}

_to_json = json.JSONEncoder(separators=(",", ":")).encode


def encode(*fields: Any) -> bytes:
    """Return one line."""
    return _to_json(fields).encode("ascii") + b"\n"


def encode_event(
    tag: str, frame: int, line: int, changed: Dict[str, str], deleted: List[str], value: Optional[str]
) -> bytes:
    """Return one event's line, without its empty tail."""
    if value is not None:
        return encode(tag, frame, line, changed, deleted, value)
    if deleted:
        return encode(tag, frame, line, changed, deleted)
    return encode(tag, frame, line, changed) if changed else encode(tag, frame, line)


class WireWriter:
    """Writes lines as they come, so that what was written survives any death of the process."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write
        self.bytes = 0
        """Of the current input."""
        self.events = 0
        """Of the current input."""
        self.silent = False
        """Set in a child that the program forked: its lines would mix with ours."""

    def begin(self, index: int) -> None:
        """Begin an input."""
        self.bytes = self.events = 0
        self.line("I", index)

    def line(self, *fields: Any) -> None:
        """Encode and write one line."""
        self.put(encode(*fields))

    def put(self, data: bytes) -> None:
        """Write encoded lines."""
        if not self.silent:
            self.bytes += len(data)
            self._write(data)

    def silence_forks(self) -> None:
        """Keep children that the program forks from writing into their parent's record."""

        def silence() -> None:
            self.silent = True
            sys.settrace(None)

        os.register_at_fork(after_in_child=silence)
