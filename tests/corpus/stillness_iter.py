"""What ``iter`` of a function changes, where ``iter`` of one argument changes nothing: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""


class Shown:
    """Has a text of its own, of what it holds out of sight."""

    def __init__(self, held):
        self._held = held

    def __repr__(self):
        return "Shown(%d)" % len(self._held)


def renamed():
    left = [1, 2, 3, 4]
    shown = Shown(left)
    make = iter
    for each in make(left.pop, 1):
        shown
    return shown, each


def direct():
    left = [1, 2, 3, 4]
    shown = Shown(left)
    for each in iter(left):
        shown
    for each in iter(left.pop, 1):
        shown
    return shown, each


def run():
    direct()
    return renamed()
