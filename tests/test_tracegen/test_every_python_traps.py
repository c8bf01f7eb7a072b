"""The traps of line tracing, each with the right account of it, under every Python at hand."""

import pytest
from jobs import brief, events_of, kinds, recorded, result, run_record, states

from sandboxes.api import Pool
from tracegen.checks import record_problems


def test_cells_change_through_nonlocal_and_globals_are_no_locals(every_pool: Pool) -> None:
    source = """
    total = 0

    def f():
        count = 0
        def bump(by):
            nonlocal count
            global total
            count += by
            total = count
        bump(1)
        bump(2)
        return count, total
    """
    record = recorded(every_pool, source)
    assert states(record, "f", "count") == ["0", "1", "3"]
    assert states(record, "f.<locals>.bump", "count") == ["0", "1", "1", "3"]
    assert not states(record, "f.<locals>.bump", "total")
    assert result(record) == "(3, 3)"


def test_a_name_can_go_and_come_back(every_pool: Pool) -> None:
    source = """
    def f():
        x = 1
        del x
        try:
            x
        except UnboundLocalError as error:
            x = type(error).__name__
        return x
    """
    events = brief(events_of(recorded(every_pool, source), "f"))
    assert "line 4 x=1" in events
    assert "line 5 -x" in events
    assert any(event.endswith("x='UnboundLocalError' -error") for event in events)


def test_a_comprehension_is_a_frame_up_to_311_and_part_of_the_function_after(every_pool: Pool) -> None:
    source = """
    def f():
        i = "outer"
        found = [i * 2 for i in (1, 2)]
        lazy = sum(i for i in found)
        return i, found, lazy
    """
    record = recorded(every_pool, source)
    inlined = tuple(map(int, record.python.split(".")[:2])) >= (3, 12)
    names = {code.name for code in record.codes}
    assert ("f.<locals>.<listcomp>" in names) is not inlined
    assert "f.<locals>.<genexpr>" in names
    assert result(record) == "('outer', [2, 4], 6)"
    if inlined:
        assert states(record, "f", "i")[0] == "'outer'"
    else:
        assert states(record, "f.<locals>.<listcomp>", "i") == ["1", "2"]


GENERATOR = """
def inner(log):
    try:
        got = yield 1
        log.append(got)
        got = yield 2
        log.append(got)
    except ValueError as error:
        log.append(str(error))
        yield "caught"
    finally:
        log.append("end")
    return "result"

def outer(log):
    done = yield from inner(log)
    log.append(done)

def f(how):
    log = []
    it = outer(log)
    next(it)
    if how == "send":
        log.append(it.send("a"))
        log.append(next(it, "over"))
    elif how == "throw":
        log.append(it.throw(ValueError("thrown")))
        log.append(next(it, "over"))
    else:
        it.close()
    return log
"""


@pytest.mark.parametrize(
    ("how", "expected", "inner"),
    [
        ("send", "['a', 2, None, 'end', 'result', 'over']", "call yield resume yield resume return"),
        ("throw", "['thrown', 'caught', 'end', 'result', 'over']", "call yield resume exception yield resume return"),
        ("close", "['end']", "call yield resume exception unwind"),
    ],
)
def test_generators_are_sent_to_thrown_at_and_closed(every_pool: Pool, how: str, expected: str, inner: str) -> None:
    record = recorded(every_pool, GENERATOR, f"f({how!r})")
    assert result(record) == expected
    # Up to 3.11 an exception that is thrown in does not resume a generator for a trace function.
    without = inner.replace("resume exception", "exception")
    assert kinds(record, "inner") in (inner, without)
    assert kinds(record, "outer").startswith("call yield")
    assert kinds(record, "outer").endswith("unwind" if how == "close" else "return")


ASYNC = """
import asyncio

class Manager:
    def __init__(self, log):
        self.log = log
    async def __aenter__(self):
        self.log.append("enter")
        return self
    async def __aexit__(self, kind, error, trace):
        self.log.append(kind and kind.__name__)
        return kind is KeyError

async def ticks(n):
    try:
        for i in range(n):
            got = yield i
    finally:
        n = -1

async def work(n, log):
    total = 0
    async for i in ticks(n):
        await asyncio.sleep(0)
        total += i
    async with Manager(log):
        raise KeyError(total)
    return total

async def both(log):
    totals = await asyncio.gather(work(2, log), work(3, log))
    agen = ticks(5)
    first = await agen.asend(None)
    try:
        await agen.athrow(ValueError("in"))
    except ValueError as error:
        log.append(str(error))
    await agen.aclose()
    return totals, first, [i async for i in ticks(2)]

def f():
    log = []
    return asyncio.run(both(log)), log
"""


def test_asynchronous_code_is_told_without_the_interpreters_own_stops(every_pool: Pool) -> None:
    record = recorded(every_pool, ASYNC)
    assert result(record) == "(([1, 3], 0, [0, 1]), ['enter', None, 'enter', None, 'in'])".replace("None", "'KeyError'")
    told = {str(event.value).split("'")[1] for event in record.events if event.kind == "exception"}
    assert told == {"KeyError", "ValueError"}
    frames = [uid for uid, frame in enumerate(record.frames, start=1) if record.codes[frame.code].name == "work"]
    assert len(frames) == 2
    for uid in frames:
        own = [event.kind for event in record.events if event.frame == uid]
        assert own[0] == "call"
        assert own[-1] == "return"
        assert own.count("yield") == own.count("resume") > 0


def test_bodies_of_classes(every_pool: Pool) -> None:
    source = """
    class Meta(type):
        def __new__(mcs, name, bases, space, **options):
            space["made"] = sorted(options)
            return super().__new__(mcs, name, bases, space)

        @classmethod
        def __prepare__(mcs, name, bases, **options):
            return {"prepared": name}

    def f(n):
        class Outer(metaclass=Meta, option=1):
            first = n
            class Inner:
                second = [n]
            first += 1
            del prepared
            def method(self):
                return __class__.__name__
        return Outer.first, Outer.Inner.second, Outer.made, Outer().method()
    """
    record = recorded(every_pool, source, "f(4)")
    assert result(record) == "(5, [4], ['option'], 'Outer')"
    body = events_of(record, "f.<locals>.Outer")
    assert body[0].set["prepared"] == "'Outer'"
    assert states(record, "f.<locals>.Outer", "first") == ["4", "5"]
    assert "prepared" in {name for event in body for name in event.deleted}
    assert states(record, "f.<locals>.Outer.Inner", "second") == ["[4]"]


def test_exceptions_are_caught_raised_again_and_chained(every_pool: Pool) -> None:
    source = """
    class Own(Exception):
        pass

    def low():
        raise KeyError("low")

    def middle():
        try:
            low()
        except KeyError as error:
            raise Own("middle") from error

    def again():
        try:
            middle()
        except Own:
            raise

    def passes():
        again()

    def f():
        try:
            passes()
        except Own as error:
            return repr(error.__cause__), error.args
    """
    record = recorded(every_pool, source)
    assert kinds(record, "low") == "call exception unwind"
    assert kinds(record, "middle") == "call exception exception unwind"
    assert kinds(record, "again") in ("call exception unwind", "call exception exception unwind")
    assert kinds(record, "passes") == "call exception unwind"
    assert kinds(record, "f") == "call exception return"
    assert result(record) == """("KeyError('low')", ('middle',))"""


def test_finally_and_with_decide_how_a_function_ends(every_pool: Pool) -> None:
    source = """
    import contextlib

    def overrides():
        try:
            raise ValueError
        finally:
            return "overridden"

    def continues():
        for n in range(3):
            try:
                continue
            finally:
                last = n
        return last

    def suppressed():
        with contextlib.suppress(KeyError):
            {}["no"]
            never = 1
        return "after"

    def unwound():
        try:
            return 1 // 0
        finally:
            x = 1

    def f():
        found = [overrides(), continues(), suppressed()]
        try:
            unwound()
        except ZeroDivisionError:
            found.append("unwound")
        return found
    """
    record = recorded(every_pool, source)
    assert result(record) == "['overridden', 2, 'after', 'unwound']"
    assert kinds(record, "overrides") == "call exception return"
    assert kinds(record, "suppressed") == "call exception return"
    assert kinds(record, "unwound") == "call exception unwind"
    assert events_of(record, "unwound")[-1].set == {} or states(record, "unwound", "x") == ["1"]


def test_decorators_of_every_form(every_pool: Pool) -> None:
    source = """
    import functools

    def counted(function):
        @functools.wraps(function)
        def wrapper(*args):
            wrapper.calls += 1
            return function(*args)
        wrapper.calls = 0
        return wrapper

    class Thing:
        @property
        def half(self):
            return 2
        @staticmethod
        @counted
        def plain(n):
            return n
        @functools.lru_cache(None)
        def kept(self, n):
            return n

    def f():
        thing = Thing()
        return thing.half, thing.plain(3), thing.kept(4), thing.kept(4), Thing.plain.calls
    """
    record = recorded(every_pool, source)
    assert result(record) == "(2, 3, 4, 4, 1)"
    first = {code.name: (code.first_line, code.def_line) for code in record.codes}
    assert first["Thing.half"] == (13, 14)
    assert first["Thing.plain"] == (16, 18)
    assert len(events_of(record, "Thing.kept")) == 3


def test_deep_recursion_and_its_end(every_pool: Pool) -> None:
    source = """
    def depth(n):
        if n == 0:
            return 0
        below = depth(n - 1)
        return below + 1

    def endless(n):
        return endless(n + 1)

    def f():
        reached = depth(700)
        try:
            endless(0)
        except RecursionError as error:
            caught = type(error).__name__
        return reached, caught
    """
    record = run_record(every_pool, source, "f()", expected="(700, 'RecursionError')")
    assert list(record_problems(record)) == []
    assert [each.matched for each in record.expected] == [True]
    assert states(record, "depth", "below")[-1] == "699"
    # Where the interpreter drops the trace function, the record says so.
    gone = [row.name for row in record.elisions if row.kind == "tracer_removed"]
    assert gone == (["recursion limit"] if events_of(record, "f")[-1].kind != "return" else [])


def test_threads_have_lanes_and_keep_their_own_stacks(every_pool: Pool) -> None:
    source = """
    import threading

    def step(name, n):
        return name * n

    def work(name, out, gate):
        for n in range(3):
            gate.wait()
            out.append(step(name, n))

    def f():
        out = []
        gate = threading.Barrier(2)
        threads = [threading.Thread(target=work, args=(name, out, gate)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(out)
    """
    record = recorded(every_pool, source)
    assert result(record) == "['', '', 'a', 'aa', 'b', 'bb']"
    lanes = {frame.thread for frame in record.frames if record.codes[frame.code].name == "work"}
    assert lanes == {1, 2}
    for frame in record.frames:
        if record.codes[frame.code].name == "step":
            assert frame.parent is not None
            assert record.frame(frame.parent).thread == frame.thread


def test_code_from_text_runs_unrecorded_and_is_told(every_pool: Pool) -> None:
    source = """
    def f():
        x = [1]
        exec("x.append(2)")
        value = eval("[n for n in x]")
        space = {}
        exec(compile("def g(n):\\n    return n * 2\\n", "made.py", "exec"), space)
        return value, space["g"](4)
    """
    record = recorded(every_pool, source)
    assert result(record) == "([1, 2], 8)"
    assert states(record, "f", "x") == ["[1]", "[1, 2]"]
    assert sum(row.count for row in record.elisions) >= 3
    assert {row.kind for row in record.elisions} <= {"no_source", "untraced_call"}


def test_a_program_that_exits_or_is_interrupted(every_pool: Pool) -> None:
    source = """
    import signal, sys, os

    def leaves():
        try:
            sys.exit(3)
        finally:
            note = "cleaned"

    def alarmed():
        seen = []
        signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(frame.f_code.co_name))
        os.kill(os.getpid(), signal.SIGUSR1)
        for n in range(3):
            pass
        return seen

    def interrupted():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            for n in range(100):
                pass
        except KeyboardInterrupt:
            return "interrupted"

    def hungry():
        try:
            return bytearray(1 << 62)
        except MemoryError:
            return "no memory"
    """
    left = recorded(every_pool, source, "leaves()")
    assert (left.outcome.label, left.outcome.exit_code) == ("exited", 3)
    assert kinds(left, "leaves") == "call exception unwind"
    assert states(left, "leaves", "note") == ["'cleaned'"]
    assert result(recorded(every_pool, source, "alarmed()")) == "['alarmed']"
    assert result(recorded(every_pool, source, "interrupted()")) == "'interrupted'"
    hungry = recorded(every_pool, source, "hungry()")
    assert result(hungry) == "'no memory'"
    assert kinds(hungry, "hungry") == "call exception return"


def test_memory_that_runs_out_ends_in_the_program_and_not_in_the_recorder(every_pool: Pool) -> None:
    source = """
    def f():
        held = []
        try:
            while True:
                held.append(bytearray(16 << 20))
        except MemoryError:
            count = len(held)
            held = None
        return count > 3
    """
    assert result(recorded(every_pool, source)) == "True"
