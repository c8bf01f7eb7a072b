"""What changes a value where an item is read, set or deleted, wherever what holds it is found: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import collections

TABLE = collections.defaultdict(list)


class Shown:
    """Has a text of its own, of what it holds out of sight."""

    table = TABLE

    def __init__(self, held):
        self._held = held

    def __repr__(self):
        return "Shown(%d, %d)" % (len(self._held), len(TABLE))


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return "Slotted(%d)" % len(self.held)


class Missing(dict):
    def __missing__(self, key):
        self[key] = key
        return key


class Written:
    """Writes elsewhere when it is written to."""

    def __init__(self, log):
        self.log = log

    def __repr__(self):
        return "Written(%d)" % len(self.log)

    def __setitem__(self, key, value):
        self.log.append(key)

    def __delitem__(self, key):
        self.log.append(key)


class Numbers(list):
    """Is written to in C."""


def everywhere():
    shown = Shown(collections.defaultdict(int))
    other = Slotted(collections.defaultdict(int))
    same = shown, other
    shown.table["class"]
    same
    TABLE["global"]
    same
    shown._held["instance"]
    same
    other.held["slot"]
    same
    value = [shown._held][0]["nested"]
    same
    value = shown._held["short"] if value else other.held["long"]
    same
    part = Missing()
    alias = part
    part["made"]
    return same, alias


def cells():
    held = collections.defaultdict(int)
    shown = Shown(held)

    def inner(key):
        value = held[key]
        return value

    held["outer"]
    shown
    inner("inner")
    shown
    return shown


def rebound():
    table = collections.defaultdict(int)
    shown = Shown(table)
    table = table["gone"]
    shown
    held, table = shown._held, {}
    held = held["again"] or held
    return shown, held, table


def stored():
    log = []
    written = Written(log)
    same = written
    written["k"] = 1
    same
    del written["l"]
    same
    numbers = Numbers([1, 2, 3])
    alias = numbers
    numbers[0] = 5
    alias
    del numbers[0]
    plain = {"a": Shown([])}
    twin = plain
    plain["b"] = 2
    twin
    del plain["a"]
    return log, alias, twin


def spread():
    found = []
    shown = Shown(found)
    add = found.append
    arguments = [1]
    add(*arguments)
    shown
    found.extend(*[arguments])
    shown
    (lambda: add(2))()
    shown
    any(add(each) for each in arguments)
    dict(**{"a": found.append(3)})
    return shown


def made():
    found = [Shown([])]
    pair = tuple(found)
    error = KeyError(found)
    found.append(1)
    same = Numbers(found)
    found.append(2)
    return pair, error, same


def many():
    shown = [Shown([]) for _ in range(12)]
    table = {number: each for number, each in enumerate(shown)}
    table["other"] = [table]
    both = shown, table
    for each in shown[::5]:
        each._held.append(1)
        both
    return both


def run():
    many()
    everywhere()
    cells()
    rebound()
    stored()
    spread()
    return made()
