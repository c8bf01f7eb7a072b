import collections
import dataclasses
import enum
import functools


def twice(times):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * times
        return wrapper
    return decorate


@twice(
    2
)
@twice(1)
def number(
    x,
    y=3,
):
    return x + y


def made():
    class Base:
        """A class."""
        kind = "base"

        def __init__(self, x):
            self.x = x

        @property
        def double(self):
            return self.x * 2

    class Child(Base):
        kind = Base.kind + "child"

        def __init__(self, x):
            super().__init__(x)
            self.__hidden = x

        @staticmethod
        def plain():
            return __class__.kind

    return Child(3).double, Child.plain()


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


Pair = collections.namedtuple("Pair", "left right")


def values():
    point = Point(1)
    point.y = Colour.RED
    pair = Pair(point, Mode.READ)
    both = Mode.READ | Mode.WRITE
    order = collections.OrderedDict(a=1)
    tally = collections.Counter("aab")
    missing = collections.defaultdict(list, k=[1])
    line = collections.deque([1, 2], maxlen=2)
    chain = collections.ChainMap({"a": 1}, {})
    window = slice(1, None)
    span = range(1, 9, 2)
    many = frozenset({1, 2})
    caught = ValueError("bad", 1)
    partial = functools.partial(number, 1)
    return locals()


def cells():
    count = 0

    def bump(by=1):
        nonlocal count
        count += by
        return count

    bump()
    bump(2)
    del bump
    return count


def run():
    number(1)
    made()
    values()
    return cells()
