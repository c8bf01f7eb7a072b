"""Which lines are still, what their calls call, and that trusting them changes no byte of a record."""

import dis
import random
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, ClassVar

import programs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen.guest import callees, stillness
from tracegen.guest.codes import CodeTable
from tracegen.guest.recorder import Limits, Recorder
from tracegen.guest.sources import SourceFile
from tracegen.guest.values import ValueRenderer
from tracegen.guest.wire import WireWriter

SAMPLE = """
def f(items, key):
    one = items
    two = items[key]
    for each in one:
        two += each
    items.append(two)
    size = len(items)
    text = "a".join(one)
    found = (len if key else text.count)(one)
    kept = sorted(one, key=str)
    items[0] = two
    del two
    one.size = size
    return one
"""
TRAPS = sorted((Path(__file__).parents[1] / "corpus").glob("stillness_*.py"))
BOTH = stillness.STILL | stillness.CALLS


def _code(source: str) -> CodeType:
    return next(const for const in compile(source, "sample.py", "exec").co_consts if isinstance(const, CodeType))


def test_lines_tell_what_they_can_do() -> None:
    lines = stillness.still_lines(_code(SAMPLE))
    assert lines[3] == (stillness.STILL, ("one",))
    assert lines[4] == (stillness.STILL | stillness.SUBSCRIPT, ("two",))
    assert lines[5] == (stillness.STILL | stillness.ITERATION, ("each",))
    assert lines[6] == (stillness.STILL | stillness.IN_PLACE, ("two",))
    assert [lines[line] for line in (7, 8, 9, 10, 11)] == [
        (BOTH, ()),
        (BOTH, ("size",)),
        (BOTH, ("text",)),
        (BOTH, ("found",)),
        (BOTH, ("kept",)),
    ]
    assert lines[12] == (BOTH, ())
    assert lines[13] == (stillness.STILL, ("two",))
    assert 14 not in lines
    assert lines[15] == (stillness.STILL, ())


LOOPS = """
def f(items, held):
    for i in range(len(items)):
        held.append(i)
    for held[0] in range(len(items)):
        items
    for held.first in range(len(items)):
        items
    for each in items:
        for i, (a, *b) in enumerate(sorted(each)):
            if i:
                continue
            held.append(a)
    for each in list(items): held.append(each)
    while items:
        for each in [one for one in range(len(items))]:
            break
        items.pop()
"""


def test_heads_of_loops_tell_what_they_do_when_they_come_again() -> None:
    code = _code(LOOPS)
    lines = stillness.still_lines(code)
    heads, parts = stillness.loops(code, lines)
    going_on = stillness.STILL | stillness.ITERATION
    known = {line: {parts[key] for key in keys.values()} for line, keys in heads.items()}
    # Not where the target is an item or attribute, the body on the same line, or the whole line as calm.
    assert known.pop(16, None) in (None, {(going_on, ("each",))})  # in 3.12 and later another loop is on the line
    assert known == {3: {(going_on, ("i",))}, 10: {(going_on, ("a", "b", "i"))}}
    assert all(key < 0 for keys in heads.values() for key in keys.values())
    assert lines[3][0] & lines[10][0] & stillness.CALLS


def test_the_head_of_a_long_loop_has_an_extended_argument() -> None:
    body = "".join(f"        held.append({number})\n" for number in range(100))
    code = _code(f"def f(items, held):\n    for i in range(len(items)):\n{body}")
    heads, _ = stillness.loops(code, stillness.still_lines(code))
    key = min(heads[2].values())
    assert set(heads[2]) == {-key, -key - 2}
    assert code.co_code[-key - 2] == dis.EXTENDED_ARG
    seen = set()

    def trace(frame: FrameType, kind: str, arg: Any) -> Any:
        if frame.f_code is code and kind == "line" and frame.f_lineno == 2:
            seen.add(frame.f_lasti)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        FunctionType(code, {"range": range, "len": len})([1, 2, 3], [])
    finally:
        sys.settrace(before)
    assert [len(seen), len(seen & set(heads[2]))] == [2, 1]


def test_calls_tell_what_they_call() -> None:
    found = callees.callees(_code(SAMPLE))
    items = callees.Callee("local", "items")
    assert found[7] == (callees.Callee("attribute", "append", items),)
    assert found[8] == (callees.Callee("global", "len"),)
    assert found[9] == (callees.Callee("attribute", "join", callees.Callee("literal", base=str)),)
    assert found[10] is None
    assert found[11] == (callees.Callee("keywords", base=callees.Callee("global", "sorted")),)
    assert found[4] == (callees.Callee("item", base=items),)
    assert found[12] == (callees.Callee("__setitem__", base=items),)
    assert 13 not in found


def test_items_and_made_functions_are_found_wherever_they_are() -> None:
    found = callees.callees(
        _code(
            """
def f(self, *given):
    if self and isinstance(self, int):
        self.table[given[0]] = 1
    del self.made().table["k"]
    any(each for each in given)
    (lambda: self)(*given)
    return [self][0][1]
"""
        )
    )
    local = callees.Callee("local", "self")
    assert found[3] == (callees.Callee("global", "isinstance"),)
    assert found[4] == (
        callees.Callee("item", base=callees.Callee("local", "given")),
        callees.Callee("__setitem__", base=callees.Callee("attribute", "table", local)),
    )
    assert found[5] == (callees.Callee("attribute", "made", local), callees.Callee("__delitem__"))
    assert found[6] == (callees.Callee("made"), callees.Callee("global", "any"))
    assert found[7] == (callees.Callee("keywords", base=callees.Callee("made")),)
    assert found[8] == (callees.Callee("item"), callees.Callee("item"))


def test_iter_of_one_argument_makes_no_iterator_that_calls() -> None:
    for body, makes in (
        ("iter(x)", False),
        ("next(iter(x), None), iter([])", False),
        ("iter(x, 1)", True),
        ("iter(*x)", True),
        ("iter", True),
        ("x.iter(x)", True),
        ("iter(x), map(x, x)", True),
        ("len(x)", False),
    ):
        assert callees.makes_iterators(_code(f"def f(x):\n    {body}\n")) == makes, body


class Owner:
    """Has methods of all kinds."""

    held = staticmethod(len)
    log: ClassVar[list[int]] = []
    kept = staticmethod(log.append)
    pop = list.pop

    def method(self) -> int:
        return 1

    @staticmethod
    def static() -> int:
        return 2

    @property
    def made(self) -> Callable[[], int]:
        return self.method


class Dynamic:
    """Answers to any name."""

    def __getattribute__(self, name: str) -> Any:
        return list.append


class Pair(tuple[Any, ...]):
    """Is made in C."""


class Stored:
    """Is written to by a function of Python."""

    __slots__ = ("held", "missing")
    of_class = (1,)

    def __init__(self) -> None:
        self.held = [1]

    def __setitem__(self, key: str, value: Any) -> None:
        self.held = [value]


def _trusted(expression: str, iterating: bool = True, subscripting: bool = True, **names: Any) -> bool:
    """Ask of one line, run in a function whose locals are ``names``."""
    source = f"def f({', '.join(names)}):\n    frames.append(sys._getframe())\n    {expression}\n"
    frames: list[FrameType] = []
    namespace: dict[str, Any] = {"frames": frames, "sys": sys, "re": re, "Owner": Owner}
    exec(source, namespace)
    function = namespace["f"]
    found = callees.callees(function.__code__)[3]
    try:
        function(**names)
    except Exception:
        assert frames
    frame = frames[0]
    return found is not None and callees.trusted(found, frame, frame.f_locals.__getitem__, iterating, subscripting)


def test_what_is_trusted() -> None:
    owner = Owner()
    for expression in (
        "owner.method()",
        "owner.static()",
        "owner.held('a')",
        "len('a')",
        "Owner()",
        "'a'.upper()",
        "isinstance(owner, int)",
    ):
        assert _trusted(expression, owner=owner), expression
    assert _trusted("call(1)", call=lambda given: given)
    assert _trusted("call('a')", call=re.compile("a").match)
    assert _trusted("re.compile('a')")
    assert _trusted("x.get(1)", x={})
    assert _trusted("ValueError(1)")
    assert _trusted("KeyError(1)")
    assert _trusted("Pair(x)", x=[1], Pair=Pair)
    assert _trusted("x['k'] = 1", x=Stored())
    assert _trusted("x.held[0]", x=Stored(), subscripting=False)
    assert _trusted("x.of_class[0]", x=Stored(), subscripting=False)
    assert _trusted("x[0]", x=Pair((1,)), subscripting=False)
    assert _trusted("call(*x)", x=[1], call=lambda given: given)


def test_what_is_not_trusted() -> None:
    owner = Owner()
    for expression in ("x.append(1)", "x.sort()", "x.extend(x)", "setattr(x, 'a', 1)", "x.pop()", "vars(x)"):
        assert not _trusted(expression, x=[1]), expression
    for expression in ("x.setdefault(1)", "x.update(x)", "x.pop(1, 2)", "dict.clear(x)"):
        assert not _trusted(expression, x={}), expression
    for expression in ("owner.kept('a')", "owner.pop()", "owner.made()", "owner.unknown()"):
        assert not _trusted(expression, owner=owner), expression
    owner.__dict__["method"] = [].append
    assert not _trusted("owner.method(1)", owner=owner)
    assert not _trusted("x.anything(1)", x=Dynamic())
    assert not _trusted("call(1)", call=[].append)
    assert not _trusted("len(1)", len=[].append)
    assert not _trusted("x.sub(call, 'a')", x=re.compile("a"), call=[].append)
    assert not _trusted("sorted([1], key=call)", call=[].append)
    assert not _trusted("x[0] = 1", x=[0])
    assert not _trusted("del x.held[0]", x=Stored())
    assert not _trusted("x[0]", x=defaultdict(int), subscripting=False)
    assert _trusted("x[0]", x=defaultdict(int))
    assert not _trusted("x.missing[0]", x=Stored(), subscripting=False)
    assert not _trusted("[x][0][0]", x=[0], subscripting=False)
    assert not _trusted("call(*x)", x=[1], call=[].append)


def test_what_goes_through_an_iterator_is_trusted_on_demand() -> None:
    for expression in ("list(x)", "sum(x)", "','.join(x)", "sorted(x)", "x.union(x)"):
        assert _trusted(expression, x=frozenset(("a",)))
        assert not _trusted(expression, iterating=False, x=frozenset(("a",)))


@pytest.mark.parametrize("path", TRAPS, ids=[path.stem for path in TRAPS])
def test_the_traps_are_sprung_to_their_end(path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec(path.read_text(), namespace)  # under the oracle a program may raise, so that what follows is not tried
    namespace["run"]()


class _Open(Recorder):
    """Has a ``__dict__``, so that a method can be replaced."""


def _wire(source: str, loud: int, trusting: bool) -> bytes:
    code = compile(source, "made.py", "exec")
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(code, namespace)
    file = SourceFile("made.py", source, code)
    written: list[bytes] = []
    wire = WireWriter(written.append)
    codes = CodeTable(wire, lambda frame: file if frame.f_code.co_filename == "made.py" else None)
    recorder = _Open(wire, codes, ValueRenderer(), Limits(None, None, None), print)
    recorder.loud = loud
    enter = recorder.enter

    def entered(frame: FrameType, kind: str, arg: Any) -> Any:
        info = codes.info(frame)
        if trusting and info is not None and info.unread:
            info.read()
        return enter(frame, kind, arg)

    recorder.enter = entered  # type: ignore[method-assign]
    recorder.start()
    try:
        namespace["run"]()
    except Exception as error:
        written.append(repr(type(error)).encode())
    finally:
        recorder.stop()
        assert recorder.failure is None
    assert recorder.failure is None
    return b"".join(written)


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_byte_depends_on_what_is_trusted(choose: random.Random) -> None:
    source = programs.program(choose.randrange)
    assert _wire(source, 0, trusting=True) == _wire(source, stillness.STILL, trusting=False)
