"""What changes a value where an iterator goes on: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import itertools


class Numbers(list):
    """Is made in C."""


def from_elsewhere(steps):
    total = 0
    for step in steps:
        total += 1
    return total


def lazy_iterators():
    found, alias = [], []
    alias = found
    steps = map(found.append, range(3))
    for _ in steps:
        pass
    more = filter(found.append, [4, 5])
    for _ in more:
        found
    left = [1, 2, 3]
    same = left
    for item in iter(left.pop, 1):
        item
    a, b = map(found.append, "ab")
    7 in map(found.append, range(2))
    for _ in itertools.starmap(found.append, [(6,)]):
        pass
    [*itertools.takewhile(found.append, [1])]
    return alias, same, a, b, item


def handed_iterators():
    found = []
    count = from_elsewhere(map(found.append, range(3)))
    steps = zip(map(found.append, range(2)), "xy")
    for one, two in steps:
        count = one
    return found, count, two


def calls_of_iterators():
    items = [1]
    alias = items
    any(map(items.append, range(2)))
    last = next(map(items.append, range(3)))
    text = ",".join(filter(lambda each: items.append(1) or each, "ab"))
    kept = list(map(alias.append, range(2)))
    steps = map(alias.append, range(2))
    made = Numbers(steps)
    return last, text, kept, made


def run():
    lazy_iterators()
    handed_iterators()
    return calls_of_iterators()
