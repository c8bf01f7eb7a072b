"""Comprehensions whose variable has the name of one that a closure captures."""


def captured(x):
    def read():
        return x

    before = [x for x in (1, 2)]
    twice = [
        [x for x in (x, 3)] for x in
        (
            x,
            2,
        ) if x
    ]
    made = [(lambda: x)() for x in (4, 5)]
    try:
        [1 // x for x in (1, 0)]
    except ZeroDivisionError:
        made.append(x)
    x += 1
    return before, twice, made, read(), {x: y for x, y in zip("ab", (x, 7))}


def free():
    y = 3

    def inner():
        nonlocal y
        y += 1
        return [y for y in (1, 2)], (lambda: y)()

    return inner(), y


def run():
    return captured(9), free()
