"""What changes a value where a generator goes that waits in a ``try``: see ``stillness``."""


def cleaning(seen):
    try:
        yield 1
    finally:
        seen.append("left")


def around(seen):
    yield from cleaning(seen)


def swept():
    seen = []
    alias = seen
    steps = cleaning(seen)
    next(steps)
    steps = None
    alias
    steps = around(seen)
    next(steps)
    steps = 2
    alias
    held = [cleaning(seen)]
    next(held[0])
    held = alias
    alias
    return held, steps


def run():
    swept()
    return swept()
