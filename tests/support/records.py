"""Records written by hand in a short notation.

One event per line: ``FRAME KIND LINE``, then parts after ``; ``: ``name=text`` (set), ``-name`` (deleted), ``=> text``
(value). The first event of a frame names its code after a colon, and its parent after ``<`` and thread after ``#``
where they are not the frame of the event before and its thread: ``3:g<1#2 call 7; a='x'``. A line ``~ KIND FRAME
NAME COUNT`` is an elision after the event above it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import cast

from schemas.job import JobKind, Provenance
from schemas.trace_record import (
    EVENT_KINDS,
    Code,
    Counts,
    Determinism,
    Elision,
    ElisionKind,
    Event,
    Frame,
    Outcome,
    SourceChunk,
    TraceRecord,
)

_FRAME = re.compile(r"(\d+)(?::(\S+?)(?:<(\d+))?(?:#(\d+))?)?")


def code(name: str, first_line: int, def_line: int | None = None, *flags: str, path: str = "m.py") -> tuple[str, Code]:
    """Return a code object under its name; ``def_line`` defaults to ``first_line``."""
    return name, Code(path, name, first_line, first_line if def_line is None else def_line, flags)


def build(
    sources: Sequence[tuple[str, int, str]],
    codes: Sequence[tuple[str, Code]],
    notation: str,
    *,
    kind: JobKind = "function",
    outcome: Outcome | None = None,
) -> TraceRecord:
    """Return the record of a notation; ``sources`` are (path, first line, text)."""
    names = [name for name, _ in codes]
    frames: dict[int, Frame] = {}
    events: list[Event] = []
    elisions: list[Elision] = []
    for line in notation.strip("\n").split("\n"):
        if line.startswith("~ "):
            _, elided, uid, name, count = line.split(" ")
            elisions.append(Elision(cast(ElisionKind, elided), len(events) - 1, int(uid), name, int(count)))
            continue
        event, head = _event(line)
        if head[2] is not None:
            frames[event.frame] = _frame(head, frames, names, events[-1].frame if events else None)
        events.append(event)
    return TraceRecord(
        trace_id="t" * 32,
        job_id="j" * 32,
        source_id="example",
        kind=kind,
        entry="f",
        inputs="f()",
        outcome=outcome or Outcome("returned"),
        determinism=Determinism("verified"),
        sources=tuple(SourceChunk(*chunk) for chunk in sources),
        codes=tuple(code for _, code in codes),
        frames=tuple(frames[uid] for uid in sorted(frames)),
        events=tuple(events),
        elisions=tuple(elisions),
        counts=Counts(events=len(events), frames=len(frames), wire_bytes=0),
        provenance=Provenance(origin="tests"),
        python="3.11.7",
        image="",
        sandbox="process",
        recorder_version="1",
    )


def _event(line: str) -> tuple[Event, re.Match[str]]:
    first, *parts = line.split("; ")
    where, kind, number = first.split(" ")
    head = _FRAME.fullmatch(where)
    assert head is not None, line
    assert kind in EVENT_KINDS, line
    bound: dict[str, str] = {}
    deleted: list[str] = []
    value = None
    for part in parts:
        if part.startswith("=> "):
            value = part[3:]
        elif part.startswith("-"):
            deleted.append(part[1:])
        else:
            name, _, text = part.partition("=")
            bound[name] = text
    return Event(kind, int(head[1]), int(number), bound, tuple(deleted), value), head


def _frame(head: re.Match[str], frames: Mapping[int, Frame], names: Sequence[str], before: int | None) -> Frame:
    uid, name, parent_text, thread_text = head.groups()
    parent = before if parent_text is None else int(parent_text) or None
    thread = int(thread_text) if thread_text else (frames[parent].thread if parent else 0)
    return Frame(int(uid), parent, names.index(name), thread)
