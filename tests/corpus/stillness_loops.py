"""Heads of loops that come again: what of them runs then, and what changes values meanwhile.

No iterator calls a function in C: where one does, no iterator of the program is trusted.
"""


class Shown:
    def __init__(self, held):
        self.held = held

    def __repr__(self):
        return "Shown(%r)" % (self.held,)


class Popping:
    """An iterator in Python that changes what it was made from."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return self

    def __next__(self):
        if not self.items:
            raise StopIteration
        return self.items.pop()


def draining(items):
    while items:
        yield items.pop(0)


def heads():
    items = [3, 1, 2]
    shown = Shown(items)
    for i in range(len(items)):
        items.append(i)
        if i:
            continue
        shown
    for i, each in enumerate(sorted(items)):
        items[i] = each
    for each in Popping(items):
        shown
        if len(items) < 4:
            break
    else:
        shown
    for each in draining(items):
        shown
    return shown


def targets():
    items = [0, 0]
    shown = Shown(items)
    held = {"a": shown}
    for items[0] in range(len(items)):
        shown
    for shown.held in range(len(items)):
        held
    for held["a"], items[1] in zip(range(len(items)), [5, 6]):
        items
    for i, *rest in zip(range(len(items)), items, items):
        rest.append(i)
    return items, shown, held, rest


def nested():
    rows = [[1, 2], [3]]
    shown = Shown(rows)
    for row in list(rows):
        for i in range(len(row)):
            row[i] += 1
    for row in [each for each in rows if each]: row.append(len(row))
    for row in [[shown.held.append(each) for each in range(2)] for _ in range(len(rows))]:
        shown
    for row in list(rows):
        try:
            for each in sorted(row):
                rows.append(each[0])
        except TypeError:
            shown
        finally:
            shown
    return shown


def long_body():
    found = []
    shown = Shown(found)
    for i in range(len("abc")):
        found.append(i)
        a = [found, found, found, found, found, found, found, found, found, found, found, found, found, found, found, found]
        b = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
        c = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
        d = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
        e = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
        f = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
        g = [len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found), len(found)]
    return shown, a, b, c, d, e, f, g


def ending():
    for _ in range(len("ab")):
        pass


def run():
    return heads(), targets(), nested(), long_body(), ending()
