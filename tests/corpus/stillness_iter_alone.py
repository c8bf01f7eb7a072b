"""What ``iter`` of a function changes, if its name stands in no call: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""


class Shown:
    """Has a text of its own, of what it holds out of sight."""

    def __init__(self, held):
        self._held = held

    def __repr__(self):
        return "Shown(%d)" % len(self._held)


def run():
    left = [1, 2, 3, 4]
    shown = Shown(left)
    make = iter
    for each in make(left.pop, 1):
        shown
    return shown, each
