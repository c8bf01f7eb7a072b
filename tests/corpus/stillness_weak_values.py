"""What changes a value where the last name of an object goes: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import weakref


class Target:  # no frame may keep it
    pass


def weak_values():
    target = Target()
    weak = weakref.WeakValueDictionary(a=target)
    target = None
    again = weak
    return again


def run():
    return weak_values()
