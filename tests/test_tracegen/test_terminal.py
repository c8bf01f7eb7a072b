"""The trace for people: golden text, width, colour, and that no program's text steers the terminal."""

import io
import re

import pytest
from cases import CASES
from generated import PATIENT, Simulated, simulations
from golden import check_golden
from hypothesis import given
from records import build, code
from rich.cells import cell_len

from schemas.trace_record import Expectation, Outcome, Output, TraceRecord
from tracegen.render.terminal import print_trace, trace_lines

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("case", CASES)
def test_text(case: str) -> None:
    check_golden(f"{case}.terminal.txt", "\n".join(trace_lines(CASES[case], width=80)) + "\n")


def _threads() -> TraceRecord:
    record = build(
        [
            ("m.py", 1, "def work(job):\n    result = helper(job)\n    return result\n"),
            ("lib/h.py", 11, "def helper(x):\n\treturn x\n"),
        ],
        [code("work", 1), code("helper", 11, path="lib/h.py")],
        f"""
1:work call 1; job={list(range(100))}
2:work<0#1 call 1; job=[2, 3]
1 line 2
3:helper<1#0 call 11; x=1
3 line 12; text={"é" * 200}
2 line 2
~ untraced_call 2 json.dumps 3
2 exception 2; => (<class 'TypeError'>, TypeError('no'), <traceback object>)
3 return 12; => 2
1 line 3; result=\x1b[31m2
2 unwind 2
1 line 99; result=4; -job
""",
        outcome=Outcome("killed", signal=9),
    )
    output = Output("one\n\x1b]0;title\x07\n" + "more\n" * 30, bytes_cut=12)
    return record.model_copy(update={"stdout": output, "expected": (Expectation("f()", "'a'", "'b'", False),)})


def test_threads_elisions_limits_output_and_expectations() -> None:
    check_golden("threads.terminal.txt", "\n".join(trace_lines(_threads(), width=72, limit=11)) + "\n")


def test_ascii_needs_no_other_character() -> None:
    lines = list(trace_lines(CASES["caught_exception"], width=80, ascii_only=True))
    assert all(line.isascii() for line in lines)


@PATIENT
@given(simulations(threads=2))
def test_no_line_is_wider_than_the_terminal_or_steers_it(run: Simulated) -> None:
    plain = list(trace_lines(run.record, width=40))
    for line in plain:
        assert cell_len(line) <= 40
        assert line.isprintable()
    painted = [_ANSI.sub("", line).rstrip() for line in trace_lines(run.record, width=40, colour=True)]
    assert painted == plain


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    texts = {}
    for name, file in (("file", io.StringIO()), ("terminal", Terminal())):
        print_trace(CASES["example"], file)
        texts[name] = file.getvalue()
    assert "\x1b" not in texts["file"]
    assert "\x1b[" in texts["terminal"]
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = Terminal()
    print_trace(CASES["example"], quiet)
    assert "\x1b" not in quiet.getvalue()


def test_a_file_that_takes_only_ascii_gets_ascii() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_trace(CASES["unicode"], file)
    file.flush()
    assert b"gru\\xdf" in raw.getvalue()
