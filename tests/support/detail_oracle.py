"""Runs programs plainly, with expressions and with opcodes, and holds the three accounts against each other.

Standard library only, Python 3.8 and later: runs under every interpreter at hand.

    python detail_oracle.py FOLDER_OF_GUEST < programs.json     [[name, source], ...] ->
                                        {"events": n, "expressions": n, "opcodes": n, "faults": [...]}

A program's ``run()`` must give the same value or exception, the same output and the same line events each time.
"""

import contextlib
import gc
import importlib
import io
import json
import sys
from typing import Any, Dict, Iterator, List, Tuple

from oracle import replayed  # beside this file

MODULES = ("codes", "expression_events", "expressions", "opcode_events", "recorder", "sources", "values", "wire")
EVENTS = "clrysxu"
DETAILS = "eo"


def load(folder: str) -> Dict[str, Any]:
    """Import the guest package from a folder."""
    sys.path.insert(0, folder)
    return {name: importlib.import_module("guest." + name) for name in MODULES}


class Account:
    """What one run gave."""

    def __init__(self, guest: Dict[str, Any], recorder: Any, compiled: Any, name: str, source: str) -> None:
        written: List[bytes] = []
        wire = guest["wire"].WireWriter(written.append)
        wire.begin(0)
        namespace: Dict[str, Any] = {"__name__": "program"}
        exec(compiled.code, namespace)
        file = guest["sources"].SourceFile(name, source, compiled.code)
        codes = guest["codes"].CodeTable(wire, lambda frame: file if frame.f_code.co_filename == name else None)
        limits = guest["recorder"].Limits(None, None, None)
        made = recorder(wire, codes, guest["values"].ValueRenderer(), limits, print)
        gc.collect()  # what lies about must not be collected in one of the runs only
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            self.end = ended(made, namespace["run"], guest["values"].ValueRenderer())
        if made.failure is not None:
            raise made.failure
        self.output = output.getvalue()
        self.rows: List[List[Any]] = [json.loads(line) for data in written for line in data.splitlines()]

    def count(self, tag: str) -> int:
        """Return the number of lines with that tag."""
        return sum(row[0] == tag for row in self.rows)


def ended(recorder: Any, run: Any, renderer: Any) -> str:
    """Run under the recorder and return how it ended."""
    recorder.start()
    try:
        value = run()
    except Exception as error:
        value = error
    finally:
        recorder.stop()
    return str(renderer.render(value))


def without_details(rows: List[List[Any]]) -> List[List[Any]]:
    """Return the rows without those of details; then the elisions, counted without them, repeats as one."""
    kept: List[List[Any]] = []
    elided: List[List[Any]] = []
    seen: List[int] = []
    for row in rows:
        if row[0] in EVENTS + DETAILS:
            seen.append((seen[-1] if seen else -1) + (row[0] in EVENTS))
        if row[0] == "X":
            row = [*row[:2], seen[row[2]] if row[2] >= 0 else -1, *row[3:]]
            if elided and elided[-1][:-1] == row[:-1]:
                elided[-1][-1] += row[-1]
            else:
                elided.append(row)
        elif row[0] not in "ILB" + DETAILS:
            kept.append(row)
    return kept + elided


def check(guest: Dict[str, Any], name: str, source: str) -> Tuple[List[int], List[str]]:
    """Run one program three times; return the numbers of events and the faults."""
    recorder = guest["recorder"].Recorder
    plainly, with_sites = guest["expressions"].compile_plainly, guest["expressions"].compile_with_sites
    plain = Account(guest, recorder, plainly(source, name), name, source)
    compiled = with_sites(source, name)
    valued = Account(guest, guest["expression_events"].ExpressionRecorder, compiled, name, source)
    opcodes = Account(guest, guest["opcode_events"].OpcodeRecorder, plainly(source, name), name, source)
    faults = [
        "%s: %s %r, plainly %r" % (name, what, getattr(other, key), getattr(plain, key))
        for what, other in (("with expressions", valued), ("with opcodes", opcodes))
        for key in ("end", "output")
        if getattr(other, key) != getattr(plain, key)
    ]
    if compiled.without_sites:
        faults.append("%s: lines without sites: %r" % (name, compiled.without_sites))
    faults += differences(name + " with expressions", without_details(valued.rows), without_details(plain.rows))
    faults += differences(name + " with opcodes", list(states(opcodes.rows)), list(states(plain.rows)))
    events = sum(row[0] in EVENTS for row in plain.rows)
    return [events, valued.count("e"), opcodes.count("o")], faults


def states(rows: List[List[Any]]) -> Iterator[List[Any]]:
    """Yield each event that is no detail, with its frame's locals."""
    for tag, uid, line, state in replayed([row for row in rows if row[0] != "e"]):
        if tag not in DETAILS:
            yield [tag, uid, line, state]


def differences(name: str, found: List[List[Any]], wanted: List[List[Any]]) -> Iterator[str]:
    """Yield the first difference."""
    for number, (one, two) in enumerate(zip(found, wanted)):
        if one != two:
            yield "%s: row %d is %r, plainly %r" % (name, number, one, two)
            return
    if len(found) != len(wanted):
        yield "%s: %d rows, plainly %d" % (name, len(found), len(wanted))


def main() -> None:
    """Check the programs on stdin."""
    gc.disable()
    guest = load(sys.argv[1])
    totals = [0, 0, 0]
    found: List[str] = []
    for name, source in json.load(sys.stdin):
        counts, wrong = check(guest, name, source)
        totals = [one + two for one, two in zip(totals, counts)]
        found += wrong
    print(json.dumps({"events": totals[0], "expressions": totals[1], "opcodes": totals[2], "faults": found[:20]}))


if __name__ == "__main__":
    main()
