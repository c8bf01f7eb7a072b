"""The lines that the recorder writes and the host reads: one JSON array each, ASCII, tag first.

["H", wire_version, recorder_version, python, [[first, end]]]
                                                      once, first; where objects lie, so that addresses can be told
["I", index]                                          an input begins; everything to the next "I" belongs to it
["S", path, first_line, text]                         source lines of code that is about to run
["C", path, name, first_line, def_line, [flags]]      a code object; numbered from 0 within the input
["F", uid, parent, code, thread]                      a frame; parent 0 for none
[kind, frame, line, {set}, [deleted], value]          an event, kind as in ``EVENTS``; its empty tail is left out;
                                                      a long text in ``set`` may be a patch of the name's last one:
                                                      [characters kept at its start, at its end, what is between]
["L", line, column, end_line, end_column]             an expression's place; numbered from 0 within the input
["e", frame, place, value]                            an expression's value: an event between two lines
["B", code, [[offset, name, line, column, end_line, end_column]]]
                                                      a code's instructions; null for a place that is not known
["o", frame, line, {set}, [deleted], offset]          an event before an instruction; ``offset`` as text
["X", kind, event, frame, name, count]                an elision after event number ``event``
["A", type]                                           a value is asked for its text, or (empty) has answered: only
                                                      in runs that look for a crash, which become no record
["E", label, exit_code, final, [[source, want, got, matched]], [text, cut, escaped], [text, cut, escaped]]
                                                      an input ends: expectations, stdout, stderr
["!", reason, detail]                                 an input ends: it cannot be traced
["Z"]                                                 the job ends; absent after a death
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Dict, List, Tuple, Union

EVENTS: Dict[str, str] = {
    "c": "call",
    "l": "line",
    "r": "return",
    "y": "yield",
    "s": "resume",
    "x": "exception",
    "u": "unwind",
    "e": "expression",
    "o": "opcode",
}

quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii
"""JSON of a text, in ASCII."""
_to_json = json.JSONEncoder(separators=(",", ":")).encode


def encode(*fields: Any) -> bytes:
    """Return one line."""
    return _to_json(fields).encode("ascii") + b"\n"


SHORTEST_PATCHED = 64
"""Characters of a text from which a patch is tried."""


_AS_NUMBERS = 500
"""Characters up to which two texts are sooner compared as numbers."""


def patch(old: str, new: str) -> Union[str, List[Any]]:
    """Return ``[start, end, middle]`` such that ``old[:start] + middle + old[len(old) - end:] == new``.

    Returns ``new`` itself where a patch would not halve it.
    """
    if len(new) < SHORTEST_PATCHED or len(old) < SHORTEST_PATCHED:
        return new
    start, end = common_ends(old, new)
    return new if 2 * (start + end) < len(new) else [start, end, new[start : len(new) - end]]


def common_ends(old: str, new: str) -> Tuple[int, int]:
    """Return how many characters two texts share at their starts and, of what is left, at their ends."""
    room = min(len(old), len(new))
    # Most often a text grows at its end, before a quote or bracket.
    start = len(old) - 1 if len(new) > len(old) and new.startswith(old[:-1]) else _common(old, new, room)
    return start, _common_end(old, new, room - start)


def quoted_patch(old: str, new: str) -> str:
    """Return the JSON of ``patch``."""
    found = patch(old, new)
    return quoted(found) if type(found) is str else f"[{found[0]},{found[1]},{quoted(found[2])}]"


def _common(one: str, two: str, room: int) -> int:
    """Return the length of the common start: of long texts by bisection, comparing slices is fast, characters slow."""
    if room <= _AS_NUMBERS and one.isascii() and two.isascii():
        return _equal(one[:room], two[:room], "big")
    low, high = 0, room
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(one: str, two: str, room: int) -> int:
    if room <= _AS_NUMBERS and one.isascii() and two.isascii():
        return _equal(one[len(one) - room :], two[len(two) - room :], "little")
    low, high = 0, room
    while low < high:
        middle = (low + high + 1) // 2
        if one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]:
            low = middle
        else:
            high = middle - 1
    return low


def _equal(one: str, two: str, order: Any) -> int:
    """Return how many characters two ASCII texts of one length share before ("little": after) all that differs.

    The highest bit in which they differ as numbers tells.
    """
    differing = int.from_bytes(one.encode(), order) ^ int.from_bytes(two.encode(), order)
    return len(one) - (differing.bit_length() + 7) // 8


class WireWriter:
    """Writes lines as they come, so that what was written survives any death of the process."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self.write = write
        """Writes encoded lines; who calls it counts them himself. Made to discard in a child that the program forked:
        its lines would mix with ours."""
        self.bytes = 0
        """Of the current input."""
        self.events = 0
        """Of the current input."""

    def begin(self, index: int, *node: str) -> None:
        """Begin an input; of a test suite, with the test's name."""
        self.bytes = self.events = 0
        self.line("I", index, *node)

    def line(self, *fields: Any) -> None:
        """Encode and write one line."""
        self.put(encode(*fields))

    def put(self, data: bytes) -> None:
        """Write encoded lines that are no events."""
        self.bytes += len(data)
        self.write(data)

    def silence_forks(self) -> None:
        """Keep children that the program forks from writing into their parent's record."""

        def silence() -> None:
            self.write = len
            sys.settrace(None)

        os.register_at_fork(after_in_child=silence)
