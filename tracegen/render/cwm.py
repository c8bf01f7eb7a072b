"""The ``cwm`` renderer: the frames of facebookresearch/cwm, byte for byte (its ``PROMPTING_GUIDE`` and debugger).

    <|begin_of_text|><|trace_context_start|>$CONTEXT<|frame_sep|>
    <|call_sep|>$LOCALS<|action_sep|>$SOURCE<|frame_sep|>                        and <|line_sep|>
    <|return_sep|><|action_sep|>$SOURCE<|arg_sep|>$VALUE<|frame_sep|>            and <|exception_sep|>
    <|end_of_text|>

A record that was cut (limit, time, signal) stops after a ``frame_sep``: ``end_of_text`` stands only where the entry
point's scope was left. The format has no frame identity: where threads interleave, the states cannot be told from the
text (``frames_nest`` says so), and no place for elisions, expressions or opcodes. ``compact`` keeps all. What a view
left out shows here only as after a call that was followed: the next LINE of its frame states all locals in full.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from schemas.document import Segment
from schemas.special_tokens import (
    ACTION_SEP,
    ARG_SEP,
    BEGIN_OF_TEXT,
    CALL_SEP,
    END_OF_TEXT,
    EXCEPTION_SEP,
    FRAME_SEP,
    LINE_SEP,
    RETURN_SEP,
    TRACE_CONTEXT_START,
)
from schemas.trace_record import VIEW_ELISIONS, Event, EventKind, TraceRecord
from tracegen.lines import line_record
from tracegen.render.segments import control, plain
from tracegen.render.source_lines import SourceLines
from tracegen.replay import replay
from tracegen.stacks import CUT, ENTERING, LEAVING

FRAME_TYPES: Final[dict[EventKind, str]] = {
    "call": CALL_SEP,
    "resume": CALL_SEP,
    "line": LINE_SEP,
    "return": RETURN_SEP,
    "yield": RETURN_SEP,
    "unwind": RETURN_SEP,
    "exception": EXCEPTION_SEP,
}
"""The raw ``sys.settrace`` stream, which the closed tracer is taken to follow: a yield is a return, a resumption a
call, and a frame left by an exception returns None."""

START_MARKER: Final = "  # << START_OF_TRACE"
UNCHANGED: Final = '".."'
ESCAPED_DOTS: Final = '"\\u002e."'
"""A value whose text is ``..`` in a LINE, where the plain JSON string means unchanged; as JSON it is the same."""
NO_SOURCE: Final = "\n"
"""``$SOURCE`` of a line that no chunk holds."""


class CwmRenderer:
    """Renders a record as CWM frames. Its entry point is the frame of the first event."""

    name = "cwm"
    version = 1

    def render(self, record: TraceRecord) -> tuple[Segment, ...]:
        """Return the whole text; special tokens are segments of their own."""
        return tuple(_segments(record))


def _segments(record: TraceRecord) -> Iterator[Segment]:
    record = line_record(record)
    lines = SourceLines(record.sources)
    if record.events:
        lines.append_comment(record.code_of(record.events[0]), START_MARKER)
    yield control(BEGIN_OF_TEXT)
    yield control(TRACE_CONTEXT_START)
    yield plain("context", lines.joined())
    yield control(FRAME_SEP)
    shown = _Shown()
    left_out: dict[int, list[int]] = {}
    for elision in record.elisions:
        if elision.kind in VIEW_ELISIONS:
            left_out.setdefault(elision.event, []).append(elision.frame)
    for index, (event, state) in enumerate(replay(record.events)):
        token = FRAME_TYPES[event.kind]
        yield control(token)
        if token in (CALL_SEP, LINE_SEP):
            yield plain("state", shown.locals_text(event, state))
        yield control(ACTION_SEP)
        source = lines.get(record.code_of(event).path, event.line)
        yield plain("source", NO_SOURCE if source is None else source + "\n")
        if token in (RETURN_SEP, EXCEPTION_SEP):
            yield control(ARG_SEP)
            yield plain("value", json.dumps("None" if event.value is None else event.value))
        yield control(FRAME_SEP)
        shown.left_by(event)
        shown.forget(left_out.get(index, ()))
    if _entry_left(record):
        yield control(END_OF_TEXT)


class _Shown:
    """What the text has shown of each frame so far, and which frames were left since."""

    def __init__(self) -> None:
        self._states: dict[int, dict[str, str]] = {}
        self._leaves = 0
        self._leaves_seen: dict[int, int] = {}

    def left_by(self, event: Event) -> None:
        if event.kind in LEAVING:
            self._leaves += 1

    def forget(self, frames: Iterable[int]) -> None:
        """Have the next LINE of each of these frames in full."""
        for frame in frames:
            self._leaves_seen.pop(frame, None)

    def locals_text(self, event: Event, state: dict[str, str]) -> str:
        """Return ``$LOCALS`` of a CALL or LINE and remember them as shown.

        A LINE is in full if since the frame's last CALL or LINE another frame was left (217 of 217 cases in outputs of
        the released model); else what is as it was last shown is ``..`` (EXCEPTION and RETURN show no locals).
        """
        # After its own yield a frame goes on with a CALL, so every leave counted at a LINE is another frame's.
        in_full = event.kind in ENTERING or self._leaves != self._leaves_seen.get(event.frame)
        before = {} if in_full else self._states[event.frame]
        self._leaves_seen[event.frame] = self._leaves
        self._states[event.frame] = dict(state)
        if event.kind in ENTERING:
            return json.dumps(state)
        pairs = (f"{json.dumps(name)}: {_line_value(text, before.get(name))}" for name, text in state.items())
        return "{" + ", ".join(pairs) + "}"


def _line_value(text: str, before: str | None) -> str:
    if text == before:
        return UNCHANGED
    return ESCAPED_DOTS if text == ".." else json.dumps(text)


def _entry_left(record: TraceRecord) -> bool:
    """A generator that is the entry of an episode may end suspended; in a cut record that is not the end."""
    if not record.events:
        return False
    entry = record.events[0].frame
    last = next(event for event in reversed(record.events) if event.frame == entry)
    return last.kind in LEAVING and not (last.kind == "yield" and record.outcome.label in CUT)


def frames_nest(record: TraceRecord) -> bool:
    """Return whether every event is of the frame entered last and not yet left: if so, ``parse_cwm`` is lossless.

    True for every run of one thread; interleaved threads break it.
    """
    stack: list[int] = []
    for event in record.events:
        if event.kind in ENTERING:
            stack.append(event.frame)
        if not stack or stack[-1] != event.frame:
            return False
        if event.kind in LEAVING:
            stack.pop()
    return True
