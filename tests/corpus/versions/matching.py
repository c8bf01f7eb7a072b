def kind(value):
    match value:
        case 0:
            return "zero"
        case [x, *rest] if rest:
            return x
        case {"a": int(a), **others}:
            return a
        case (str() | bytes()) as text:
            return text
        case _:
            return None


def run():
    return [kind(value) for value in (0, [1, 2], {"a": 1, "b": 2}, "t", 3.0)]
