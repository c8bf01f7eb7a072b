"""What changes a value where the last name of an object goes: see ``stillness``.

One program to a file: what it uses tells what is trusted.
"""

import weakref


class Target:  # no frame may keep it
    pass


def weak():
    target = Target()
    watch = weakref.ref(target)
    target = None
    again = watch
    return again


def run():
    return weak()
