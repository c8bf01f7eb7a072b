"""A naive oracle: renders all visible locals at every event and holds them against the recorder's replayed deltas.

Standard library only, Python 3.8 and later: runs under every interpreter at hand.

    python oracle.py FOLDER_OF_GUEST < programs.json      [[name, source], ...] -> {"events": n, "faults": [...]}
"""

import contextlib
import importlib
import io
import json
import sys

RAW = {"call": "cs", "line": "l", "return": "ryu", "exception": "x"}


def load(folder, package="guest"):
    """Import the guest package from a folder, under whatever name it has there."""
    sys.path.insert(0, folder)
    try:
        return {
            name: importlib.import_module("%s.%s" % (package, name))
            for name in ("codes", "recorder", "sources", "values", "wire")
        }
    finally:
        sys.path.remove(folder)


def spy_class(guest):
    """Return a recorder that also keeps what a naive tracer sees at each of its events."""

    class Spy(guest["recorder"].Recorder):
        seen = None

        def _note(self, frame, kind, before):
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

        def enter(self, frame, kind, arg):
            before = self.wire.events
            result = super().enter(frame, kind, arg)
            if result is not None:
                self._note(frame, kind, before)
            return result

        def local(self, state, frame, kind, arg):
            before = self.wire.events
            result = super().local(state, frame, kind, arg)
            self._note(frame, kind, before)
            return result

    return Spy


def replayed(lines):
    """Yield (tag, uid, line, locals) per event line."""
    frames = {}
    for row in lines:
        if row[0] not in "clrysxu":
            continue
        tag, uid, line = row[:3]
        state = frames.setdefault(uid, {})
        for name in row[4] if len(row) > 4 else ():
            del state[name]
        state.update(row[3] if len(row) > 3 else {})
        yield tag, uid, line, dict(state)


def check(guest, name, source):
    """Run one program's ``run()`` under both; return the number of events and the faults."""
    written = []
    wire = guest["wire"].WireWriter(written.append)
    wire.begin(0)
    code = compile(source, name, "exec")
    namespace = {"__name__": "program"}
    exec(code, namespace)
    file = guest["sources"].SourceFile(name, source, code)
    codes = guest["codes"].CodeTable(wire, lambda frame: file if frame.f_code.co_filename == name else None)
    spy = spy_class(guest)(wire, codes, guest["values"].ValueRenderer(), guest["recorder"].Limits(None, None, None), print)
    spy.seen, spy.kept = [], []
    spy.start()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            namespace["run"]()
    except Exception:
        pass
    finally:
        spy.stop()
    rows = [json.loads(line) for data in written for line in data.splitlines()]
    return len(spy.seen), list(faults(name, list(replayed(rows)), spy.seen))


def faults(name, events, seen):
    """Yield every difference between the two accounts."""
    if len(events) != len(seen):
        yield "%s: %d events recorded, %d seen" % (name, len(events), len(seen))
    uids = {}
    for number, ((tag, uid, line, state), (frame, function, kind, seen_line, naive)) in enumerate(zip(events, seen)):
        where = "%s event %d (%s in %s, line %s)" % (name, number, kind, function, seen_line)
        if tag not in RAW[kind] or line != seen_line:
            yield "%s: recorded as %s at line %s" % (where, tag, line)
        if state != naive:
            yield "%s: recorded %r, seen %r" % (where, state, naive)
        if uids.setdefault(frame, uid) != uid:
            yield "%s: frame changed its uid" % where


def main():
    """Check the programs on stdin."""
    guest = load(sys.argv[1])
    total, found = 0, []
    for name, source in json.load(sys.stdin):
        events, wrong = check(guest, name, source)
        total += events
        found += wrong
    print(json.dumps({"events": total, "faults": found[:20]}))


if __name__ == "__main__":
    main()
