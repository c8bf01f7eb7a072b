"""What changes a value where a line seems to change nothing: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import bisect
import collections
import contextlib
import functools
import heapq
import operator
import random


class Plain:
    def __init__(self, items):
        self.items = items
        self.count = 0

    kept = functools.cached_property(operator.attrgetter("count"))

    def read(self):
        return len(self.items)

    def grow(self):
        self.items.append(len(self.items))
        return self

    def __eq__(self, other):
        self.count += 1
        return True

    def __bool__(self):
        self.items.append("bool")
        return True

    def __contains__(self, item):
        self.items.append(item)
        return True

    def __getitem__(self, key):
        self.items.append(key)
        return key

    def __iadd__(self, other):
        self.items.append(other)
        return self

    @property
    def looked(self):
        self.count += 1
        return self.count

    def __getattr__(self, name):
        self.items.append(name)
        return 0


class Around:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log.append("in")
        return self.log

    def __exit__(self, *error):
        self.log.append("out")


def dunders():
    plain = Plain([1])
    other = plain
    plain == other
    if plain:
        other
    1 in plain
    plain["key"]
    plain.looked
    plain.missing
    plain += 2
    one, two = plain.looked, plain
    return other, one, two.count


def in_place():
    one = [1]
    two = one
    two += [2]
    three = {1}
    four = three
    four |= {2}
    number = 1
    number += 1
    text = "a"
    text *= 2
    five = (1,)
    five += (2,)
    six = {}
    seven = six
    with contextlib.suppress(TypeError):  # 3.8 has no such operator
        seven |= {"a": 1}
    return one, three, number, text, five, six


def calls():
    items = [3, 1]
    alias = items
    append = items.append
    append(2)
    held = {"f": items.append}
    held["f"](4)
    plain = Plain(items)
    plain.read()
    plain.grow().grow()
    plain.read = items.pop
    plain.read()
    size = len(items)
    ordered = sorted([1], key=items.append)
    top = max([5], key=alias.append)
    heapq.heappush([1], 0)
    setattr(plain, "count", 9)
    letters = ["b", "a"]
    same = letters
    letters = letters.pop()
    ordered = sorted([2], key=same.append)
    top = max([5], key=same.append)
    plain.kept
    plain.count
    vars(plain)["extra"] = 1
    vars(plain).update(count=8)
    items.sort(key=str)
    bound = functools.partial(items.append, 7)
    bound()
    mutate = operator.methodcaller("append", 8)
    mutate(items)
    text = ",".join([str(each) for each in items])
    text = text.upper()
    return ordered, top, size, text, plain.items, alias


def helper(items):
    count = len(items)
    items.append(count)
    return items


def reader(items):
    count = len(items)
    first = items
    return first if count else items


def passing():
    items = [[1], [2]]
    other = helper(items)
    third = reader(items)
    fourth = reader(third)[0]
    fourth.append(reader(items)[1])
    len = list.append  # noqa: A001
    len(items, 5)
    return other, third, fourth


def shadowed(len):
    items = [1]
    kept = items
    len(items, 2)
    return kept


def generators():
    shared = []

    def giver():
        for number in range(3):
            shared.append(number)
            got = yield shared
            shared
            if got:
                shared.append(got)

    steps = giver()
    first = next(steps)
    for each in steps:
        first
    more = giver()
    next(more)
    more.send("sent")
    last = giver()
    next(last)
    pair = shared.append(7), next(last)

    def bare():
        held = shared
        for _ in range(3):
            yield
            held

    steps = bare()
    next(steps)
    pair = shared.append(8), next(steps)
    both = zip(giver(), giver())
    for one, two in both:
        one
    return first, each, two, pair


def closures():
    count = 0
    seen = [count]

    def bump():
        nonlocal count
        count += 1
        seen[0] = count
        return count

    def only_reads():
        return count

    bump()
    only_reads()
    total = bump() + bump()
    done = only_reads() or bump()
    return total, seen, count, done


def handlers():
    log = []
    alias = log
    try:
        try:
            raise ValueError(log)
        except ValueError as error:
            error.args[0].append(1)
            alias
            raise KeyError from error
        finally:
            alias
    except KeyError as second:
        log.append(2)
    with Around(log) as inner:
        inner
    return alias


def one_line(): items = [1]; alias = items; items.append(2); return alias  # noqa: E702


def conditionals(flag):
    items = [1]
    alias = items
    (items.append if flag else items.count)(2)
    (sum if flag else items.append)(items)
    done = flag and items.append(3)
    x = items.pop() if flag else items.count(1)
    (y := items).append(4)
    items = items.copy() if flag else items
    return alias, x, y, items, done


def comprehensions():
    found = []
    alias = found
    [found.append(x) for x in range(3)]
    {len(found) for x in found}
    sum(found.pop() for _ in range(2))
    return alias


def library():
    items = [3, 1, 2]
    alias = items
    bisect.insort(items, 4)
    random.Random(1).shuffle(items)
    counts = collections.Counter(items)
    same = counts
    counts.update([1])
    ordered = collections.OrderedDict(a=1)
    ordered.move_to_end("a")
    return alias, same, ordered


def run():
    dunders()
    in_place()
    calls()
    passing()
    shadowed(list.append)
    generators()
    closures()
    handlers()
    one_line()
    conditionals(True)
    conditionals(False)
    comprehensions()
    return library()
