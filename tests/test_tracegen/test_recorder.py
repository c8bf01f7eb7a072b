"""What the recorder says of single features, event by event; run for real in a fork server."""

import sys

from jobs import brief, events_of, make_doctest, make_job, run_record, run_row

from sandboxes.api import Pool
from schemas.failure import Failure
from schemas.job import TraceInput
from schemas.trace_record import Elision, TraceRecord


def test_a_second_call_of_a_function_states_its_arguments_again(primary: Pool) -> None:
    """Others key previous locals by ``id(frame)`` and show the second call's argument as unchanged."""
    record = run_record(primary, "def g(x):\n    return x\n\ndef f():\n    return [g(7), g(7), g(7)]\n", "f()")
    calls = [event.set for event in events_of(record, "g") if event.kind == "call"]
    assert calls == [{"x": "7"}] * 3
    assert [record.frame(event.frame).uid for event in events_of(record, "g") if event.kind == "call"] == [3, 4, 5]


def test_mutation_through_an_alias_and_in_a_callee_shows(primary: Pool) -> None:
    source = """
    def put(items):
        items.append(1)

    def f():
        a = []
        b = a
        put(a)
        b[0] = True
        return a
    """
    record = run_record(primary, source, "f()")
    assert brief(events_of(record, "f")) == [
        "call 5",
        "line 6",
        "line 7 a=[]",
        "line 8 b=[]",
        "line 9 a=[1] b=[1]",
        "line 10 a=[True] b=[True]",
        "return 10 -> [True]",
    ]


def test_return_unwind_yield_and_resume_are_told_apart(primary: Pool) -> None:
    source = """
    def gen(n):
        got = yield n
        raise KeyError(got)

    def f():
        it = gen(1)
        next(it)
        try:
            it.send("x")
        except KeyError:
            return None
    """
    record = run_record(primary, source, "f()")
    assert brief(events_of(record, "gen")) == [
        "call 2 n=1",
        "line 3",
        "yield 3 -> 1",
        "resume 3",
        "line 4 got='x'",
        "exception 4 -> (<class 'KeyError'>, KeyError('x'), <traceback object>)",
        "unwind 4",
    ]
    assert brief(events_of(record, "f"))[-1] == "return 12 -> None"


def test_a_generator_that_yields_none_is_not_unwound(primary: Pool) -> None:
    source = "def gen():\n    yield\n    yield None\n\ndef f():\n    return list(gen())\n"
    assert [event.kind for event in events_of(run_record(primary, source, "f()"), "gen")] == [
        *("call", "line", "yield", "resume", "line", "yield", "resume", "return")
    ]


def test_a_closed_generator_is_unwound(primary: Pool) -> None:
    source = "def gen():\n    yield 1\n\ndef f():\n    it = gen()\n    next(it)\n    it.close()\n"
    kinds = [event.kind for event in events_of(run_record(primary, source, "f()"), "gen")]
    assert kinds == ["call", "line", "yield", "resume", "exception", "unwind"]


def test_the_stop_of_a_loop_or_an_await_is_no_exception(primary: Pool) -> None:
    source = """
    class Count:
        def __init__(self):
            self.n = 0
        def __iter__(self):
            return self
        def __next__(self):
            self.n += 1
            if self.n > 1:
                raise StopIteration
            return self.n

    async def one():
        return 1

    async def two():
        return await one() + await one()

    def inner():
        yield 1
        return 2

    def outer():
        got = yield from inner()
        yield got

    def f():
        for _ in Count():
            pass
        import asyncio
        return asyncio.run(two()), list(outer())
    """
    record = run_record(primary, source, "f()")
    raised = [record.code_of(event).name for event in record.events if event.kind == "exception"]
    assert raised == ["Count.__next__"]
    assert events_of(record, "two")[-1].value == "2"


def test_an_exception_passes_through_frames(primary: Pool) -> None:
    source = """
    def h():
        raise ValueError("deep")

    def g():
        try:
            h()
        finally:
            x = 1

    def f():
        try:
            g()
        except ValueError as error:
            return str(error)
    """
    record = run_record(primary, source, "f()")
    assert [event.kind for event in events_of(record, "g")] == [
        *("call", "line", "line", "exception", "line", "unwind")
    ]
    f = brief(events_of(record, "f"))
    assert f[-3:] == ["line 14", "line 15 error=ValueError('deep')", "return 15 -error -> 'deep'"]


def test_names_bound_by_the_same_event_stand_in_code_order(primary: Pool) -> None:
    source = """
    def f(b, a):
        def inner():
            return a, free
        free = a, z = 1, 2
        return inner
    """
    record = run_record(primary, source, "f(1, 2)")
    assert list(events_of(record, "f")[0].set) == ["b", "a"]


def test_a_class_body_shows_its_names_without_the_implicit_ones(primary: Pool) -> None:
    source = "def f():\n    class Made:\n        x = 1\n        y = x\n    return Made.y\n"
    body = events_of(run_record(primary, source, "f()"), "f.<locals>.Made")
    assert "__module__" not in body[-1].set
    assert {name for event in body for name in event.set} == {"x", "y"}


def test_a_decorated_function_knows_its_def_line(primary: Pool) -> None:
    source = """
    import functools

    def keep(function):
        return function

    @keep
    @functools.lru_cache(
        maxsize=None
    )
    def f(n):
        return n
    """
    record = run_record(primary, source, "f(3)")
    code = next(code for code in record.codes if code.name == "f")
    assert (code.first_line, code.def_line) == (7, 11)
    assert events_of(record, "f")[0].line == 7


def test_flags(primary: Pool) -> None:
    source = "def f(n):\n    return list(i for i in range(n)), (lambda: n)(), {k: k for k in range(n)}\n"
    codes = {code.name: code.flags for code in run_record(primary, source, "f(1)").codes}
    assert codes["f.<locals>.<genexpr>"] == ("generator", "comprehension")
    assert codes["f.<locals>.<lambda>"] == ("lambda",)
    assert codes["main"] == ()


def test_calls_outside_the_own_code_are_counted(primary: Pool) -> None:
    source = "import textwrap\n\ndef f():\n    return textwrap.dedent(' a'), [textwrap.dedent(' b') for _ in 'xy']\n"
    record = run_record(primary, source, "f()")
    assert record.elisions[0] == Elision("untraced_call", 3, 2, "textwrap.dedent", 1)
    assert sum(row.count for row in record.elisions if row.name == "textwrap.dedent") == 3
    traced = run_record(primary, source, "f()", trace_packages=("textwrap",))
    assert [code.name for code in traced.codes if code.path.endswith("textwrap.py")] == ["dedent"]
    assert any(chunk.text.startswith("def dedent") for chunk in traced.sources)
    assert "textwrap.dedent" not in {row.name for row in traced.elisions}


def test_a_callback_from_library_code_is_recorded_below_its_caller(primary: Pool) -> None:
    source = "import functools\n\ndef f():\n    return functools.reduce(lambda a, b: a + b, [1, 2, 3])\n"
    record = run_record(primary, source, "f()")
    assert [record.frame(event.frame).parent for event in events_of(record, "f.<locals>.<lambda>")] == [2] * 6


def test_exec_without_source_is_elided_and_said(primary: Pool) -> None:
    source = "def f():\n    space = {}\n    exec('def g(): return 1', space)\n    return space['g']()\n"
    record = run_record(primary, source, "f()")
    assert {row.kind for row in record.elisions} == {"no_source"}
    assert record.events[-1].value == "1"


def test_a_program_that_takes_the_tracer_away_is_said(primary: Pool) -> None:
    source = "import sys\n\ndef f():\n    x = 1\n    sys.settrace(None)\n    x = 2\n    return x\n"
    record = run_record(primary, source, "f()")
    assert [(row.kind, row.name) for row in record.elisions] == [("tracer_removed", "sys.settrace")]
    assert record.outcome.label == "returned"


def test_recursion_to_the_limit_ends_as_in_python_or_is_said(primary: Pool) -> None:
    source = """
    def deep(n):
        return deep(n + 1)

    def f():
        try:
            deep(0)
        except RecursionError:
            return "caught"
    """
    record = run_record(primary, source, "f()")
    assert record.outcome.label == "returned"
    assert [row.name for row in record.elisions if row.kind == "tracer_removed"] == ["recursion limit"]
    assert record.counts.events > 500


def test_threads_have_lanes(primary: Pool) -> None:
    source = """
    import threading

    def work(out):
        out.append(1)

    def f():
        out = []
        for _ in range(2):
            thread = threading.Thread(target=work, args=(out,))
            thread.start()
            thread.join()
        return out
    """
    record = run_record(primary, source, "f()")
    assert [record.frames[uid].thread for uid in range(4)] == [0, 0, 1, 2]
    assert record.events[-1].value == "[1, 1]"


def test_a_forked_child_does_not_write_into_the_record(primary: Pool) -> None:
    source = """
    import os

    def f():
        pid = os.fork()
        if pid == 0:
            return "child"
        os.waitpid(pid, 0)
        return "parent"
    """
    record = run_record(primary, source, "f()")
    assert record.events[-1].value == "'parent'"


def test_finalisers_run_when_they_would(primary: Pool) -> None:
    source = """
    log = []

    class Noisy:
        def __del__(self):
            log.append("gone")

    def f():
        thing = Noisy()
        thing = None
        log.append("after")
        return log
    """
    assert run_record(primary, source, "f()").events[-1].value == "['gone', 'after']"


def test_stdout_and_stderr_are_kept_cut_and_escaped(primary: Pool) -> None:
    source = r"""
    import os, sys

    def f():
        print("hello")
        os.write(1, b"\xff\\")
        sys.stderr.write("e" * 50)
    """
    record = run_record(primary, source, "f()", limits={"output_bytes": 20})
    assert record.stdout.escaped
    assert record.stdout.text == "\\xff\\\\hello\n"
    assert (record.stderr.text, record.stderr.bytes_cut) == ("e" * 20, 30)


def test_the_module_keeps_its_own_main(primary: Pool) -> None:
    record = run_record(primary, "def main():\n    return 'theirs'\n\ndef f():\n    return main()\n", "f()")
    assert record.events[-1].value == "'theirs'"
    assert record.codes[0].path == "<main>"


def test_generator_and_async_entries_are_run(primary: Pool) -> None:
    source = "async def f(n):\n    return n\n"
    assert run_record(primary, source, "asyncio.run(f(4))").events[-1].value == "4"


def test_main_is_real_and_stands_last(primary: Pool) -> None:
    record = run_record(primary, "def f(x):\n    return x\n\n\n", "f(1)")
    assert [chunk.path for chunk in record.sources] == ["prog.py", "<main>"]
    assert record.sources[1].text == "def main():\n    return f(1)\n"
    assert record.events[0].frame == 1
    assert record.codes[0].name == "main"


DOCTEST_SOURCE = '''
class Thing:
    """A thing."""

    def __init__(self, n):
        self.n = n

    def twice(self, key=None):
        if key:
            return key(self.n)
        return helper(self.n)


def helper(n):
    return n * 2
'''


def test_a_doctest_is_one_record_with_its_set_up(primary: Pool) -> None:
    text = """
    >>> def plus(n):
    ...     return n + 1
    >>> thing = Thing(3)
    >>> thing.twice()
    6
    >>> thing.twice(plus)
    5
    >>> thing.missing
    Traceback (most recent call last):
        ...
    AttributeError: ...
    """
    record = run_row(primary, make_doctest(DOCTEST_SOURCE, text, "Thing"))
    assert isinstance(record, TraceRecord)
    assert [record.codes[frame.code].name for frame in record.frames if frame.parent is None] == [
        *("Thing.__init__", "Thing.twice", "Thing.twice")
    ]
    assert [(row.source, row.want, row.got, row.matched) for row in record.expected[:2]] == [
        ("thing.twice()\n", "6\n", "6\n", True),
        ("thing.twice(plus)\n", "5\n", "4\n", False),
    ]
    # Without ELLIPSIS the third does not match either, as in doctest itself.
    assert [row.matched for row in record.expected] == [True, False, False]
    texts = [chunk.text for chunk in record.sources]
    assert texts[0].startswith("class Thing:\n")
    assert "def plus(n):\n    return n + 1\n" in texts


def test_pure_loads_the_module_without_its_twin(primary: Pool) -> None:
    source = """
    try:
        from _bisect import bisect_left
    except ImportError:
        def bisect_left(a, x):
            return -1
    """
    assert run_record(primary, source, "bisect_left([1], 1)").events[-1].value == "0"
    pure = run_record(primary, source, "bisect_left([1], 1)", blocked_modules=("_bisect",))
    assert pure.events[-1].value == "-1"


def test_support_modules_are_own_code(primary: Pool) -> None:
    support = (
        {"name": "pack", "path": "pack/__init__.py", "text": "", "is_package": True},
        {"name": "pack.tools", "path": "pack/tools.py", "text": "def t(n):\n    return -n\n"},
    )
    module = {"name": "pack.mod", "path": "pack/mod.py", "text": "from .tools import t\n\ndef f(n):\n    return t(n)\n"}
    row = run_row(primary, make_job("", "f(2)", module=module, support=support))
    assert isinstance(row, TraceRecord)
    assert [code.path for code in row.codes] == ["<main>", "pack/mod.py", "pack/tools.py"]
    assert [chunk.path for chunk in row.sources] == ["pack/mod.py", "pack/tools.py", "<main>"]


def test_a_package_that_imports_the_module_does_not_make_it_run_twice(primary: Pool) -> None:
    init = "runs = []\nfrom .mod import f\n"
    support = ({"name": "pack", "path": "pack/__init__.py", "text": init, "is_package": True},)
    text = "from . import runs\nruns.append(__name__)\n\ndef f():\n    return list(runs)\n"
    module = {"name": "pack.mod", "path": "pack/mod.py", "text": text}
    row = run_row(primary, make_job("", "f()", module=module, support=support))
    assert isinstance(row, TraceRecord)
    assert row.events[-1].value == "['pack.mod']"


def test_an_asynchronous_generator_yields_its_values(primary: Pool) -> None:
    source = """
    import asyncio

    async def ticks():
        yield [1]

    async def drain():
        return [item async for item in ticks()]

    def f():
        return asyncio.run(drain())
    """
    events = events_of(run_record(primary, source, "f()"), "ticks")
    assert [event.value for event in events if event.kind == "yield"] == ["[1]"]


def test_preloaded_modules_do_not_hide_support(primary: Pool) -> None:
    """The recorder itself imports json: a job that brings its own json gets its own."""
    module = {
        "name": "json",
        "path": "json.py",
        "text": "mine = True\n\ndef f():\n    import json\n    return json.mine\n",
    }
    row = run_row(primary, make_job("", "f()", module=module))
    assert isinstance(row, TraceRecord)
    assert row.events[-1].value == "True"


def test_a_module_may_rename_itself(primary: Pool) -> None:
    source = """
    import traceback

    __name__ = "other"

    def f():
        try:
            1 // 0
        except ZeroDivisionError:
            return __name__, traceback.format_exc()
    """
    record = run_record(primary, source, "f()")
    assert str(record.events[-1].value).startswith("('other', 'Traceback")
    assert "1 // 0" in str(record.events[-1].value)


def test_what_cannot_be_traced_says_why(primary: Pool) -> None:
    cases = {
        "syntax_error": ("def f(:\n", "f()"),
        "import_error": ("import no_such_module\n\ndef f(): pass\n", "f()"),
        "module_error": ("raise RuntimeError('body')\n", "f()"),
        "bad_input": ("def f(x): pass\n", "f(]"),
    }
    for reason, (source, call) in cases.items():
        row = run_row(primary, make_job(source, call))
        assert isinstance(row, Failure)
        assert row.reason == reason
        assert row.detail


def test_a_module_whose_body_raises_what_is_no_exception_is_at_fault_itself(primary: Pool) -> None:
    for body in ("raise KeyboardInterrupt\n", "raise MemoryError\n", "raise SystemExit(3)\n", "raise GeneratorExit\n"):
        row = run_row(primary, make_job(body, "f()"))
        assert isinstance(row, Failure)
        assert row.reason == "module_error"


def test_a_module_that_hangs_on_import_is_a_failure(primary: Pool) -> None:
    row = run_row(primary, make_job("while True: pass\n", "f()", limits={"wall_seconds": 0.3}))
    assert isinstance(row, Failure)
    assert row.reason == "timeout"


def test_the_host_python_is_what_ran(primary: Pool) -> None:
    record = run_record(primary, "def f(): pass\n", "f()")
    assert record.python == ".".join(map(str, sys.version_info[:3]))


SCRIPT = """
import sys

def double(n):
    return 2 * n

for line in sys.stdin:
    print(double(int(line)))
if __name__ == "__main__":
    sys.exit(0)
"""


def script_row(primary: Pool, text: str, expected: str) -> TraceRecord:
    item = TraceInput(source_id="contest#0", text=text, expected=expected)
    row = run_row(primary, make_job(SCRIPT, "", kind="program", entry="", inputs=(item,)))
    assert isinstance(row, TraceRecord)
    return row


def test_a_program_reads_its_input_and_is_compared_by_its_output(primary: Pool) -> None:
    record = script_row(primary, "1\n20\n", "2\n40  \n\n")
    assert (record.outcome.label, record.outcome.exit_code) == ("exited", 0)
    assert record.stdout.text == "2\n40\n"
    assert [(item.source, item.matched) for item in record.expected] == [("stdout", True)]
    assert record.codes[0].flags == ("module",)
    assert record.events[0].line == 1
    body = [event for event in record.events if event.frame == 1]
    assert not any(name.startswith("__") for event in body for name in event.set)
    assert {"line": "'20\\n'"} in [event.set for event in body]
    assert [chunk.path for chunk in record.sources] == ["prog.py"]
    assert not script_row(primary, "1\n", "3\n").expected[0].matched


def test_a_fault_of_the_recorder_is_no_exception_of_the_programs_and_gives_no_record(primary: Pool) -> None:
    # A program that breaks the recorder from within, as far as one can.
    source = """
    import sys

    def f():
        recorder = sys.gettrace().__self__
        recorder.renderer.handler = None
        x = object()
        return "went on"
    """
    row = run_row(primary, make_job(source, "f()"))
    assert isinstance(row, Failure)
    assert (row.reason, row.detail) == ("recorder_error", "TypeError: 'NoneType' object is not callable")
