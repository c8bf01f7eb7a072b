"""Traps of the recorder's research note: aliasing, cells, generators, exceptions, bodies, odd values."""

import asyncio
import contextlib
import functools


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def move(self, dx):
        self.x += dx
        return self


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Raises:
    def __repr__(self):
        raise ValueError("no repr")


class Meta(type):
    def __hash__(cls):
        raise ZeroDivisionError

    def __eq__(cls, other):
        raise ZeroDivisionError


class Tricky(metaclass=Meta):
    @property
    def __class__(self):
        raise ZeroDivisionError

    def __getattr__(self, name):
        raise ZeroDivisionError

    def __eq__(self, other):
        raise ZeroDivisionError


def extend(items, value):
    items.append(value)


def aliases():
    a = [1]
    b = a
    b.append(2)
    extend(a, 3)
    a[0] = True
    a[0] = 1
    a[0] = 0.0
    a[0] = -0.0
    d = {"x": 1, "y": 2}
    d["x"] = d.pop("x")
    a.append(a)
    blob = [b"x"]
    blob[0] = bytearray(b"x")
    del b
    b = 5
    return a, d, blob, b


def objects():
    point = Point(1, 2)
    other = point
    other.move(3)
    slotted = Slotted(1)
    slotted.b = 2
    bad = Raises()
    tricky = Tricky()
    del slotted.a
    return point, slotted, bad, tricky


def counter():
    count = 0

    def bump():
        nonlocal count
        count += 1
        return count

    bump()
    bump()
    return count


def numbers(n, log):
    try:
        for i in range(n):
            got = yield i
            log.append(got)
    except GeneratorExit:
        log.append("closed")
        raise
    finally:
        log.append("end")
    return n


def outer(n, log):
    result = yield from numbers(n, log)
    yield result


def generators():
    log = []
    first, second = outer(2, log), outer(3, log)
    next(first)
    next(second)
    first.send("a")
    second.send("b")
    list(first)
    second.close()
    third = numbers(2, log)
    next(third)
    try:
        third.throw(KeyError("thrown"))
    except KeyError as error:
        log.append(error)
    return log


class Iterator:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n


async def ticker(n):
    for i in range(n):
        await asyncio.sleep(0)
        yield i


async def worker(n):
    total = 0
    async for i in ticker(n):
        total += i
    return total


async def both():
    return await asyncio.gather(worker(2), worker(3))


@contextlib.contextmanager
def noted(log):
    log.append("in")
    try:
        yield log
    finally:
        log.append("out")


def depth(n):
    if n == 0:
        raise LookupError("bottom")
    try:
        return depth(n - 1)
    finally:
        n = -n


def exceptions():
    log = []
    with noted(log) as same:
        same.append(len(log))
    try:
        depth(3)
    except LookupError as error:
        try:
            raise ValueError("chained") from error
        except ValueError as again:
            log.append(str(again))
    try:
        with noted(log):
            raise KeyError("through")
    except KeyError:
        pass
    return log


def twice(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs) * 2

    return wrapper


@twice
@functools.lru_cache(
    maxsize=None
)
def decorated(n, *, m=1):
    return n + m


def bodies():
    class Made:
        field = [1]
        other = field
        other.append(2)

        def method(self):
            return self.field

    return Made().method()


def comprehensions(n):
    i = "outer"
    squares = [i * i for i in range(n)]
    table = {k: [j for j in range(k)] for k in range(n)}
    lazy = sum(q + n for q in range(n))
    return i, squares, table, lazy


def chain(a, b):
    value = (
        a
        and b
        or [
            a,
            b,
        ]
    )
    return value if a else not value


def recursive(n):
    return 1 if n < 2 else recursive(n - 1) + recursive(n - 2)


def values():
    huge = 10**5000
    text = "x" * 20000
    text += "y"
    nan, zero = float("nan"), -0.0
    odd = "\ud800 \u2028"
    mixed = {1, "a", (2, 3), None}
    items = list(range(2000))
    items[1500] = "changed"
    return huge, text, nan, zero, odd, mixed, items


def run():
    aliases()
    objects()
    counter()
    generators()
    for item in Iterator(2):
        last = item
    asyncio.run(both())
    exceptions()
    decorated(1, m=2)
    bodies()
    comprehensions(3)
    chain(0, 1)
    recursive(4)
    values()
    return last
