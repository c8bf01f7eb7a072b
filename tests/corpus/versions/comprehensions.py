def squares(n):
    return [i * i for i in range(n) if i]


def tables(n):
    table = {i: [j for j in range(i)] for i in range(n)}
    letters = {
        str(value)
        for values in table.values()
        for value in values
    }
    return table, sorted(letters)


def lazy(n):
    scale = 2
    return sum(i * scale for i in range(n))


def bound(items):
    found = [last := item for item in items]
    keyed = sorted(items, key=lambda item: -item)
    return found, last, keyed


class Grid:
    size = 2
    cells = [0 for _ in range(size)]


def run():
    squares(3)
    tables(3)
    lazy(2)
    bound([1, 2])
    return Grid.cells
