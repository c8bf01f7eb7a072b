"""A long list's snapshot is changed in place while one name has it: a frame that took the look over must not change it."""


def change(items):
    items[0] = -1
    items.append(0)
    return items[0]


def look(items):
    first = items[0]
    return first


def pass_on(items):
    found = look(items)
    found = change(items)
    return found


def deep(items, depth):
    if depth:
        below = deep(items, depth - 1)
        items[depth] = below
        return items[depth] + 1
    return 0


def run():
    nested = [[n] * 5 for n in range(40)]  # long enough that calls are asked about
    items = list(range(200))
    other = items
    copy = items[:]
    items[5] = 50
    items[6] = 60
    copy[5] = 50
    same = look(items)
    found = pass_on(items)
    items[7] = 70
    items[7:9] = []
    found = deep(items, 4)
    items[100:100] = [1, 2, 3]
    del items[50]
    items.reverse()
    other.pop()
    items, copy = copy, items
    items[9] = 90
    copy[9] = 91
    for n in range(3):
        items[n], items[n + 1] = items[n + 1], items[n]
        found = change(items)
    try:
        items[1] = same / (found + 1)
    except ZeroDivisionError:
        items[1] = None
    return items is copy, found
