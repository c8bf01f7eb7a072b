"""3.12 puts no instructions of tracing into the recorder's own code, other Pythons need not be kept from it."""

import json
import subprocess

from interpreters import ROOT

from sandboxes.interpreters import Interpreter

SCRIPT = """
import dis, json, sys

sys.path.insert(0, sys.argv[1])
from tracegen.guest import frame_state, guard, interrupts, nodes, types_text, uninstrumented
from tracegen.guest.codes import CodeTable
from tracegen.guest.recorder import Limits, Recorder
from tracegen.guest.sources import SourceFile
from tracegen.guest.values import ValueRenderer
from tracegen.guest.wire import WireWriter

PROGRAM = '''
class Shown:
    def __init__(self):
        self.seen = []
    def __repr__(self):
        return "Shown(%r)" % (self.seen,)

def run():
    one, other = Shown(), {"b": [1, (2, 3)], "a": {4, 5}}
    for number in range(3):
        one.seen.append(number)
        other["b"].append({"n": number})
    try:
        other["c"]
    except KeyError as error:
        return sorted(other), error
'''
code = compile(PROGRAM, "p", "exec")
namespace = {"__name__": "p"}
exec(code, namespace)
file = SourceFile("p", PROGRAM, code, whole=True)
rows = []
wire = WireWriter(rows.append)
codes = CodeTable(wire, lambda frame: file if frame.f_code.co_filename == "p" else None)
recorder = Recorder(wire, codes, ValueRenderer(), Limits(None, None, None), print)

def instrumented(function):
    found = dis.get_instructions(function, adaptive=True) if sys.version_info >= (3, 11) else ()
    return any(each.opname.startswith("INSTRUMENTED_") for each in found)

seen = {}
SPARED = frame_state.FrameState.write, guard.call, nodes.Own.unchanged, types_text.answer, Recorder._enter
KEPT = frame_state.FrameState.receive, Recorder.enter

class Watch:
    def write(self, data):
        for function in SPARED + KEPT:
            seen[function.__qualname__] = seen.get(function.__qualname__, False) or instrumented(function)
        rows.append(data)

wire.write = Watch().write
recorder.start()
namespace["run"]()
recorder.stop()
print(json.dumps([
    uninstrumented.INSTRUMENTS, recorder.failure is None, seen, "".join(row.decode() for row in rows),
    [function.__qualname__ for function in SPARED if interrupts.is_marked(function)],
    [function.__qualname__ for function in KEPT if not interrupts.is_marked(function)],
]))
"""


def test_the_recorders_own_code_runs_without(interpreter: Interpreter) -> None:
    command = [interpreter.executable, "-c", SCRIPT, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    instruments, whole, seen, rows, marked, unmarked = json.loads(done.stdout)
    assert instruments == (interpreter.minor == "3.12")
    assert (whole, marked, unmarked) == (True, [], [])
    kept = {name for name, found in seen.items() if found}
    # The functions by which the recorder finds itself on the stack are instrumented: the test would see it.
    assert kept == ({"FrameState.receive", "Recorder.enter"} if instruments else set())
    assert len(seen) == 7
    assert "Shown([0, 1, 2])" in rows
