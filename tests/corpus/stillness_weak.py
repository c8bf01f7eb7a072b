"""What changes a value where the last name of an object goes: see ``stillness``. One program to a file: what it uses tells what is trusted."""

import contextlib
import weakref


class Target:  # no frame may keep it
    pass


def weak():
    target = Target()
    watch = weakref.ref(target)
    target = None
    again = watch
    return again


PARTS = (
    weak,
)


def run():
    ended = 0
    for part in PARTS:
        with contextlib.suppress(TypeError, UnboundLocalError):  # dict |= dict needs 3.9
            part()
            ended += 1
    return ended
