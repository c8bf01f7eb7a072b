def count(n):
    try:
        for i in range(n):
            got = yield i
            if got:
                yield got
    finally:
        n = 0
    return "done"


def outer(n):
    result = yield from count(n)
    yield result


class Ready:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield self.value
        return self.value + 1


class Numbers:
    def __init__(self, n):
        self.n = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.n:
            raise StopAsyncIteration
        self.n -= 1
        return self.n


class Room:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None


async def stream(n):
    for i in range(n):
        yield await Ready(i)


async def work():
    total = await Ready(1)
    async with Room():
        async for number in Numbers(2):
            total += number
    async for number in stream(2):
        total += number
    return total


def driven(coroutine):
    sent = []
    try:
        while True:
            sent.append(coroutine.send(None))
    except StopIteration as stop:
        return stop.value, sent


def run():
    first = outer(2)
    next(first)
    first.send("x")
    list(first)
    second = count(3)
    next(second)
    second.close()
    third = count(3)
    next(third)
    try:
        third.throw(ValueError("thrown"))
    except ValueError:
        pass
    return driven(work())
