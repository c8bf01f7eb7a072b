"""What changes a value where an item is read out of sight: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import collections


class Shown:
    """Has a text of its own, of what it holds out of sight."""

    def __init__(self):
        self._hidden = collections.defaultdict(int)

    def __repr__(self):  # reads what no-one sees
        return "Shown(%d)" % len(self._hidden)

    def look(self, key):
        value = self._hidden[key]
        return value


def hidden():
    shown = Shown()
    shown.look("k")
    value = shown._hidden["l"]
    other = shown
    return value, other


def run():
    return hidden()
