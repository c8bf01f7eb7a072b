"""Records of small real runs on CPython 3.11, written by hand: the cases of the golden files."""

from typing import Final

from records import build, code

from schemas.trace_record import MAIN_PATH, Code, Outcome, TraceRecord


def _case(text: str, call: str, codes: list[tuple[str, Code]], notation: str, label: Outcome) -> TraceRecord:
    main = f"def main():\n    return {call}\n"
    sources = [("m.py", 1, text), (MAIN_PATH, 1, main)]
    return build(sources, [code("main", 1, path=MAIN_PATH), *codes], notation, outcome=label)


_RETURNED = Outcome("returned")

# The complete example of TRACE_FORMAT section 3.
_EXAMPLE = _case(
    """def f(s, t):
    n = 0
    for c in s:
        n += g(c, t)
    return n

def g(a, b):
    return int(a == b)
""",
    "f('ab', 'b')",
    [code("f", 1), code("g", 7)],
    """
1:main call 1
1 line 2
2:f call 1; s='ab'; t='b'
2 line 2
2 line 3; n=0
2 line 4; c='a'
3:g call 7; a='a'; b='b'
3 line 8
3 return 8; => 0
2 line 3
2 line 4; c='b'
4:g call 7; a='b'; b='b'
4 line 8
4 return 8; => 1
2 line 3; n=1
2 line 5
2 return 5; => 1
1 return 2; => 1
""",
    _RETURNED,
)

_CAUGHT_EXCEPTION = _case(
    """def parse(text):
    try:
        return int(text)
    except ValueError as error:
        note = str(error)
        return fallback(note)


def fallback(note):
    return table[note]


table = {}
""",
    "parse('x')",
    [code("parse", 1), code("fallback", 9)],
    """
1:main call 1
1 line 2
2:parse call 1; text='x'
2 line 2
2 line 3
2 exception 3; => (<class 'ValueError'>, ValueError("invalid literal for int() with base 10: 'x'"), <traceback object>)
2 line 4
2 line 5; error=ValueError("invalid literal for int() with base 10: 'x'")
2 line 6; note="invalid literal for int() with base 10: 'x'"
3:fallback call 9; note="invalid literal for int() with base 10: 'x'"
3 line 10
3 exception 10; => (<class 'KeyError'>, KeyError("invalid literal for int() with base 10: 'x'"), <traceback object>)
3 unwind 10
2 exception 6; => (<class 'KeyError'>, KeyError("invalid literal for int() with base 10: 'x'"), <traceback object>)
2 unwind 6; -error
1 exception 2; => (<class 'KeyError'>, KeyError("invalid literal for int() with base 10: 'x'"), <traceback object>)
1 unwind 2
""",
    Outcome("raised"),
)

_GENERATOR = _case(
    """def count(n):
    i = 0
    while i < n:
        got = yield i
        i += 1


def total(n):
    s = 0
    for x in count(n):
        s += x
    return s
""",
    "total(2)",
    [code("total", 8), code("count", 1, None, "generator")],
    """
1:main call 1
1 line 2
2:total call 8; n=2
2 line 9
2 line 10; s=0
3:count call 1; n=2
3 line 2
3 line 3; i=0
3 line 4
3 yield 4; => 0
2 line 11; x=0
2 line 10
3 resume 4
3 line 5; got=None
3 line 3; i=1
3 line 4
3 yield 4; => 1
2 line 11; x=1
2 line 10; s=1
3 resume 4
3 line 5
3 line 3; i=2
3 return 3; => None
2 line 12
2 return 12; => 1
1 return 2; => 1
""",
    _RETURNED,
)

_DECORATED = _case(
    """import functools


def twice(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args) * 2

    return wrapper


@twice
def add(a, b):
    return a + b
""",
    "add(1, 2)",
    [code("twice.<locals>.wrapper", 5, 6), code("add", 12, 13)],
    """
1:main call 1
1 line 2
2:twice.<locals>.wrapper call 5; args=(1, 2); f=<function add>
2 line 7
3:add call 12; a=1; b=2
3 line 14
3 return 14; => 3
2 return 7; => 6
1 return 2; => 6
""",
    _RETURNED,
)

_CLASS_BODY = _case(
    """def make(base):
    class Point:
        origin = base

        def shifted(self, by):
            return self.origin + by

    del base
    return Point().shifted(1)
""",
    "make(3)",
    [code("make", 1), code("make.<locals>.Point", 2, None, "class"), code("make.<locals>.Point.shifted", 5)],
    """
1:main call 1
1 line 2
2:make call 1; base=3
2 line 2
3:make.<locals>.Point call 2
3 line 2
3 line 3
3 line 5; origin=3
3 return 5; shifted=<function make.<locals>.Point.shifted>; => None
2 line 8; Point=<class 'm.make.<locals>.Point'>
2 line 9; -base
4:make.<locals>.Point.shifted call 5; self=<m.make.<locals>.Point object>; by=1
4 line 6
4 return 6; => 4
2 return 9; => 4
1 return 2; => 4
""",
    _RETURNED,
)

_UNICODE = _case(
    """def grüße(имя):
    gruß = f"你好 {имя} 😀"
    return gruß.encode("utf-8")
""",
    "grüße('Zoë')",
    [code("grüße", 1)],
    """
1:main call 1
1 line 2
2:grüße call 1; имя='Zoë'
2 line 2
2 line 3; gruß='你好 Zoë 😀'
2 return 3; => b'\\xe4\\xbd\\xa0\\xe5\\xa5\\xbd Zo\\xc3\\xab \\xf0\\x9f\\x98\\x80'
1 return 2; => b'\\xe4\\xbd\\xa0\\xe5\\xa5\\xbd Zo\\xc3\\xab \\xf0\\x9f\\x98\\x80'
""",
    _RETURNED,
)

_MULTI_LINE_CALL = _case(
    """def f(a,
      b=2):
    total = add(
        a,
        add(b,
            1),
    )
    return total


def add(x, y): return x + y
""",
    "f(1)",
    [code("f", 1), code("add", 11)],
    """
1:main call 1
1 line 2
2:f call 1; a=1; b=2
2 line 3
2 line 4
2 line 5
2 line 6
2 line 5
3:add call 11; x=2; y=1
3 line 11
3 return 11; => 3
2 line 3
4:add call 11; x=1; y=3
4 line 11
4 return 11; => 4
2 line 8; total=4
2 return 8; => 4
1 return 2; => 4
""",
    _RETURNED,
)

CASES: Final[dict[str, TraceRecord]] = {
    "example": _EXAMPLE,
    "caught_exception": _CAUGHT_EXCEPTION,
    "generator": _GENERATOR,
    "decorated": _DECORATED,
    "class_body": _CLASS_BODY,
    "unicode": _UNICODE,
    "multi_line_call": _MULTI_LINE_CALL,
}
