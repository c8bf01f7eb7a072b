"""What changes a value where an item is read: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import collections


def defaults():
    table = collections.defaultdict(list)
    alias = table
    alias["a"]
    if table["b"]:
        pass
    nested = {"inner": collections.defaultdict(int)}
    value = nested["inner"]["x"]
    return table, value


def run():
    return defaults()
