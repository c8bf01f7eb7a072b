"""Expressions whose evaluation a careless recorder would change: truth asked twice, order, scopes, positions."""

from __future__ import annotations

import asyncio
import functools
import inspect
import traceback

LOG = []


class Truth:
    """Counts how often its truth is asked."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def __bool__(self):
        LOG.append("bool " + self.name)
        return self.value

    def __lt__(self, other):
        LOG.append("lt " + self.name)
        return Truth(self.name + "<" + other.name, self.value)

    def __eq__(self, other):
        return NotImplemented

    def __repr__(self):
        return "Truth(%r)" % self.name


def truths():
    for left in (False, True):
        for right in (False, True):
            a, b, c = Truth("a", left), Truth("b", right), Truth("c", True)
            if a and b or c:
                LOG.append("if")
            if not (a and b):
                LOG.append("not")
            if a < b < c:
                LOG.append("chain")
            x = a and b or c
            y = (a or b) and (b or c)
            z = not (a or b)
            w = a if (a and b) else b
            v = (a and b) if a else (a or b)
            u = [q for q in (a, b) if q and not (q and c)]
            while a and not b:
                break
            assert a or c, "never"
            if (a if b and c else b) or not a:
                LOG.append("ifexp")
            if a.value and b.value \
                    or (c.value and
                        a < b):
                LOG.append("lines")
            a and b or c
            LOG.append(repr([x, y, z, w, v, u]))
            a.value and LOG.append("alone")
            any(each and LOG.append("any") for each in (a, b))
    return list(LOG)


def unimplemented(a: int, b: "str" = "x".upper()):
    return a.__eq__("x"), a.__add__(1.5), b


def chained():
    values = []

    def note(x):
        values.append(x)
        return x

    r = note(1) < note(2) > note(3) < note(0)
    t = note(note(4) + note(5)) * -note(6)
    f(*[note(7)], *note((8, 9)), k=note(10), **note({"z": 11}))
    s = note([1, 2, 3])[note(0) : note(2)][note(1)]
    note({"k": note(12)})[note("k")] = note(13)
    d = {note("a"): note(1), **note({"b": 2})}
    d[note("a")] += note(5)
    del d[note("b")]
    (note(d))["c"], *rest = note((1, 2, 3))
    return r, t, s, d, rest, values


def f(*args, **kwargs):
    return args, kwargs


def joins(a):
    """3.12 tells a line again where branches meet after a call of a Python function."""
    b = f(a and f())
    c = f((a, 1) and f(f(1)), f() if a else f(2), a and (a is b))
    return a and f()


def walrus(items):
    if (n := len(items)) > 2 and (m := items[n - 1] * 2) > 3:
        return [last := x + m for x in items], last, n
    return (k := sum(items)), k


class Base:
    __hidden = [1, 2, 3]

    def name(self):
        return type(self).__name__

    def mangled(self):
        return self.__hidden[len(self.__hidden) - 1] + self._Base__hidden[0]


class Derived(Base):
    pairs = [(i, j) for i in range(2) for j in range(i + 1)]
    size: int = len(pairs) + 1

    def name(self):
        return super().name() + super(Derived, self).name() + __class__.__name__

    @staticmethod
    @functools.wraps(len, assigned=("__doc__",))
    def decorated(x=len("ab") * 2, *, y=[abs(-1)]):
        return x + y[0]


def deco(*args):
    LOG.append(args)
    return lambda function: function


@deco(
    len("abc"),
    max(1, 2),
)
@deco(min(3, 4))
def many_lines(
    a,
    b=max(
        1,
        2,
    ),
):
    return (
        str(a)
        .upper()
        .replace("1", str(
            b + 1
        ))
        + "%s-%s" % (a,
                     b)
        + f"{a + b} {a!r:>{b * 3}} {max(a, b)} {'x' + str(a)}"
        + f"""{a +
            b}"""
    )


def generators():
    def pipe(n):
        got = 0
        while got is not None and got + n < 20:
            got = (yield got + n) or (yield n * 2)
        return str(n) + str((yield))

    def outer():
        x = (yield from pipe(3)) + "!"
        print("from", x)
        yield len(x) + 1

    made = outer()
    seen = [next(made)]
    for sent in (1, 0, 5, None, 7, None, None):
        try:
            seen.append(made.send(sent))
        except StopIteration:
            break
    return seen, sum(x * 2 for x in seen if x is not None and x > 2)


async def asynchronous():
    async def double(x):
        await asyncio.sleep(0)
        return x * 2

    async def numbers(n):
        for i in range(n):
            yield await double(i) + 1

    total = [x + await double(x) async for x in numbers(3) if x % 2 or x > 2]
    async for x in numbers(await double(1)):
        total.append(x + 1)
    return total, await double(await double(3)) - 1


def exceptions():
    def risky(x):
        return 10 // (x - 1) + [1, 2][x]

    seen = []
    for x in (0, 1, 2, 3):
        try:
            seen.append(risky(x) + 1)
        except (ZeroDivisionError, IndexError) as error:
            frames = traceback.extract_tb(error.__traceback__)
            seen.append([(frame.name, frame.lineno, frame.line) for frame in frames])
            seen.append([frame.function for frame in inspect.trace()])
        finally:
            seen.append(x * 2)
    return seen


def scopes():
    count = 0

    def step(by=1 + count):
        nonlocal count
        global shared
        count += by * 2
        shared = count + 1
        return [name for name in sorted(locals())], sorted(k for k in vars() if k), len(inspect.stack(0)) > 1

    first = step(), step(2)
    code = step.__code__
    names = code.co_varnames, code.co_freevars, code.co_name, code.co_firstlineno, code.co_flags, code.co_names
    return first, names, shared, eval("count + 1", {"count": count}), scopes.__doc__, unimplemented.__annotations__


def constants():
    a = "x" * 3
    b = (1, 2)[0]
    return a == "x" * 3, b, -1, 2**10, 1 in (1, 2), a in {"xxx", "y"}, __debug__ and a


def recursion(n):
    return 1 if n == 0 else recursion(n - 1) + n


def run():
    import warnings

    del LOG[:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [truths(), unimplemented(3), chained(), walrus([1, 2, 3]), walrus([1])]
    found += [Derived().name(), Derived().mangled(), Derived.decorated(), Derived.pairs, Derived.size]
    found += [many_lines(1), generators(), asyncio.run(asynchronous()), exceptions(), scopes(), recursion(100)]
    print(constants(), joins(1), joins(0), "é" + "ü", len("日本") + len("é"))
    return found, LOG
