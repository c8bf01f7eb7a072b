def add(a, b):
    return a + b


def calls(x):
    total = add(
        x,
        add(1,
            2),
    )
    table = {
        "a": total,
        "b": [x,
              total],
    }
    text = (str(x)
            .rjust(3)
            .strip())
    return table["b"][
        0
    ], text


def choices(x, y):
    if (x
            and y
            or not x):
        z = 1 if x else (
            2
        )
    else:
        z = 3
    return (z < x
            < y)


def loops(items):
    seen = []
    for item in items:
        if item == 1:
            continue
        if item == 3:
            break
        seen.append(item)
    else:
        seen.append("whole")
    while seen:
        if seen.pop(): pass
    else:
        seen.append("empty")
    for i in (1, 2): seen.append(i)
    while True:
        if len(seen) > 3:
            break
        seen.append(
            None
        )
    return seen


def checks(x):
    assert x, (
        "no x"
    )
    if 0:
        x = 1
    if x: x = x; y = x
    else: y = 0
    a, (b, *c) = x, (y, 1, 2)
    x, y = y, x
    del a, b
    pass
    return c


def run():
    calls(4)
    choices(1, 2)
    choices(0, 5)
    loops([1, 2, 3])
    loops([])
    return checks(1)
