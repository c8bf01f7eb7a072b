"""A naive oracle: renders all visible locals at every event and holds them against the recorder's replayed deltas.

Standard library only, Python 3.8 and later: runs under every interpreter at hand.

    python oracle.py FOLDER_OF_GUEST < programs.json      [[name, source], ...] -> {"events": n, "faults": [...]}
"""

import contextlib
import importlib
import io
import json
import sys
from types import FrameType
from typing import Any, Callable, Dict, Iterator, List, Tuple

RAW = {"call": "cs", "line": "l", "return": "ryu", "exception": "x"}


def load(folder: str, package: str = "guest") -> Dict[str, Any]:
    """Import the guest package from a folder, under whatever name it has there."""
    sys.path.insert(0, folder)
    try:
        return {
            name: importlib.import_module("%s.%s" % (package, name))
            for name in ("codes", "frame_state", "recorder", "sources", "stillness", "values", "wire")
        }
    finally:
        sys.path.remove(folder)


def spy_class(guest: Dict[str, Any]) -> Any:
    """Return a recorder that also keeps what a naive tracer sees at each of its events."""

    class SpyState(guest["frame_state"].FrameState):  # type: ignore[misc]
        def receive(self, frame: FrameType, kind: str, arg: Any) -> None:
            before = self.recorder.wire.events
            super().receive(frame, kind, arg)
            self.recorder.note(frame, kind, before)

    class Spy(guest["recorder"].Recorder):  # type: ignore[misc]
        frame_class = SpyState
        seen: List[Any]
        kept: List[Any]

        def note(self, frame: FrameType, kind: str, before: int) -> None:
            if self.wire.events == before:
                return
            naive = guest["values"].ValueRenderer()
            info = self.codes.info(frame)
            names = [name for name in frame.f_locals if name == ".0" or name.isidentifier()]
            state = {name: naive.render(frame.f_locals[name]) for name in names}
            if info.names is None:
                state = {name: state[name] for name in info.visible(frame)}
            self.seen.append((id(frame), frame.f_code.co_name, kind, frame.f_lineno, state))
            self.kept.append(frame)

        def enter(self, frame: FrameType, kind: str, arg: Any) -> Any:
            before = self.wire.events
            # What long recordings of large values do only after a while (``stillness``) is held to account at once.
            self.loud &= ~guest["stillness"].CALLS
            info = self.codes.info(frame)
            if info is not None and info.unread:
                info.read()
            result = super().enter(frame, kind, arg)
            if result is not None:
                self.note(frame, kind, before)
            return result

    return Spy


def patched(old: str, start: int, end: int, middle: str) -> str:
    """Return a text from its patch."""
    return old[:start] + middle + old[len(old) - end :]


def replayed(lines: List[List[Any]]) -> Iterator[Tuple[str, int, int, Dict[str, str]]]:
    """Yield (tag, uid, line, locals) per event line."""
    frames: Dict[int, Dict[str, str]] = {}
    for row in lines:
        if row[0] not in "clrysxuo":
            continue
        tag, uid, line = row[:3]
        state = frames.setdefault(uid, {})
        changed = {
            name: text if type(text) is str else patched(state[name], *text)
            for name, text in (row[3] if len(row) > 3 else {}).items()
        }
        for name in row[4] if len(row) > 4 else ():
            del state[name]
        state.update(changed)
        yield tag, uid, line, dict(state)


def check(guest: Dict[str, Any], name: str, source: str) -> Tuple[int, List[str]]:
    """Run one program's ``run()`` under both; return the number of events and the faults."""
    code = compile(source, name, "exec")
    namespace: Dict[str, Any] = {"__name__": "program"}
    exec(code, namespace)
    file = guest["sources"].SourceFile(name, source, code)
    return check_call(guest, name, namespace["run"], lambda frame: file if frame.f_code.co_filename == name else None)


def check_call(
    guest: Dict[str, Any], name: str, run: Callable[[], Any], file_of: Callable[[FrameType], Any]
) -> Tuple[int, List[str]]:
    """Run a call under both, all code that has a file; return the number of events and the faults."""
    written: List[bytes] = []
    wire = guest["wire"].WireWriter(written.append)
    wire.begin(0)
    spy = spy_class(guest)(
        wire,
        guest["codes"].CodeTable(wire, file_of),
        guest["values"].ValueRenderer(),
        guest["recorder"].Limits(None, None, None),
        print,
    )
    spy.seen, spy.kept = [], []
    spy.start()
    try:
        # Made programs raise; their events are what counts.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
            run()
    finally:
        spy.stop()
    rows = [json.loads(line) for data in written for line in data.splitlines()]
    found = list(faults(name, list(replayed(rows)), spy.seen))
    if spy.failure is not None:  # it recorded nothing more, and the naive oracle saw nothing more
        found.append("%s: the recorder failed: %r" % (name, spy.failure))
    return len(spy.seen), found


def faults(name: str, events: List[Any], seen: List[Any]) -> Iterator[str]:
    """Yield every difference between the two accounts."""
    if len(events) != len(seen):
        yield "%s: %d events recorded, %d seen" % (name, len(events), len(seen))
    uids: Dict[int, int] = {}
    for number, ((tag, uid, line, state), (frame, function, kind, seen_line, naive)) in enumerate(zip(events, seen)):
        where = "%s event %d (%s in %s, line %s)" % (name, number, kind, function, seen_line)
        if tag not in RAW[kind] or line != seen_line:
            yield "%s: recorded as %s at line %s" % (where, tag, line)
        if state != naive:
            yield "%s: recorded %r, seen %r" % (where, state, naive)
        if uids.setdefault(frame, uid) != uid:
            yield "%s: frame changed its uid" % where


def main() -> None:
    """Check the programs on stdin."""
    guest = load(sys.argv[1])
    total = 0
    found: List[str] = []
    for name, source in json.load(sys.stdin):
        events, wrong = check(guest, name, source)
        total += events
        found += wrong
    print(json.dumps({"events": total, "faults": found[:20]}))


if __name__ == "__main__":
    main()
