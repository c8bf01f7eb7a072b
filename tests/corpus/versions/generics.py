type Pair[T] = tuple[T, T]


def first[T](pair: Pair[T]) -> T:
    return pair[0]


def local(x):
    class Box[T]:
        item: T

        def __init__(self, item: T):
            self.item = item

    return Box(x).item


def run():
    name = "n"
    text = f"{name + "x"!r:>{len(name) + 4}} {
        first((1, 2))
    }"
    return local(text)
