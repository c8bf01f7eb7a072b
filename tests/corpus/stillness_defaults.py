"""What changes a value where an item is read: see ``stillness``. One program to a file: what it uses tells what is trusted."""

import collections
import contextlib


def defaults():
    table = collections.defaultdict(list)
    alias = table
    alias["a"]
    if table["b"]:
        pass
    nested = {"inner": collections.defaultdict(int)}
    value = nested["inner"]["x"]
    return table, value


PARTS = (
    defaults,
)


def run():
    ended = 0
    for part in PARTS:
        with contextlib.suppress(TypeError, UnboundLocalError):  # dict |= dict needs 3.9
            part()
            ended += 1
    return ended
