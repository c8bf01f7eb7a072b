"""Grids, groups and records: many plain rows, changed in every way. See ``tables``."""

import collections


class Row:
    def __init__(self, x):
        self.x = x
        self.y = 0


def grids(late=None, grid=None):
    grid = [[0] * 4 for _ in range(9)]
    late = grid; grid[3][2] = "changed where it gets a name"
    grid[0].append(1)
    grid[8] = [5]
    grid.insert(2, grid[3])
    grid[3][0], grid[4][1] = 7, 8
    del grid[0], grid[-1]
    grid[1] = [[1]]
    grid[1] = [1]
    grid.reverse()
    grid[2:5] = []
    return late is grid


def groups(early=None):
    rows = collections.defaultdict(list)
    for n in range(24):
        rows[n % 11].append(n)
    rows.default_factory = None
    early = rows; rows[4][0] = "first"
    rows[4] = rows.pop(4)
    rows[5] = rows[6]
    rows[6].clear()
    sets = {n: {n} for n in range(10)}
    sets[3] |= {4, 5}
    sets[3] = frozenset(sets[3])
    return early, sets


def records():
    rows = [{"id": n, "n": 0} for n in range(9)]
    for row in rows[2:5]:
        row["n"] += row["id"]
    rows[0]["id"] = rows[0].pop("id")
    rows[1][True] = rows[1].pop("n")
    rows[1][1] = "equal to True"
    things = [Row(n) for n in range(9)]
    things[2].x = things[3]
    things[2].x = None
    things[4].z = things[4].__dict__.pop("x")
    things[5].__class__ = type("Other", (Row,), {})
    things[6].__dict__ = {"x": 1}
    return rows, things


def others(again=None):
    counts = collections.Counter(range(60))
    counts[7] += 1
    again = counts; counts[8] -= 1
    ordered = collections.OrderedDict.fromkeys(range(60), 0)
    ordered.move_to_end(3)
    ordered.popitem(last=False)
    seen = set(range(60))
    seen.add(100)
    seen.discard(30)
    seen.add("mixed")
    seen.remove("mixed")
    return again, ordered


def run():
    return grids(), groups(), records(), others()
