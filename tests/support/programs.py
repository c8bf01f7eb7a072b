"""Makes small programs that alias, mutate, yield, raise, nest, change large containers. ``choose(n)`` picks 0..n-1."""

from collections.abc import Callable

Choose = Callable[[int], int]

HEADER = """
import collections
import contextlib
import dataclasses

@dataclasses.dataclass
class Point:
    x: object
    y: object = None

class Box:
    def __init__(self, item):
        self.item = item
    def put(self, item):
        old, self.item = self.item, item
        return old

class Shown(Box):
    def __repr__(self):
        return "Shown(%r)" % (self.item,)

class Told(Point):
    def __repr__(self):
        return "Told(%r, %r)" % (self.x, self.y)

@contextlib.contextmanager
def held(items):
    items.append("in")
    try:
        yield items
    finally:
        items.append("out")

def feed(n, sink):
    for i in range(n):
        got = yield i
        sink.append(got)
    return len(sink)

def pipe(n, sink):
    total = yield from feed(n, sink)
    yield total

def mutate(a, b):
    a.append(len(b))
    b["n"] = a
    return a
"""

STATEMENTS = (
    "x = x + {n}",
    "s = s + str(x % 7)",
    "a.append(x)",
    "b = a\n{i}b.append({n})",
    "d['k{n}'] = a",
    "d.pop('k{n}', None)",
    "a[0:1] = [x, [x]]",
    "box.put(x)",
    "box.item = a",
    "mutate(a, d)",
    "x = sum([y + {n} for y in range({n})])",
    "z = {{k: v for k, v in zip('abc', range({n}))}}",
    "u = {{str(q) for q in range({n})}}",
    "del x\n{i}x = {n}",
    "f = lambda q, w=x: q + w\n{i}x = f({n})",
    "x = 1 // ({n} - 1)",
    "t = a[{n} + 90]",
    "g = pipe({n}, a)\n{i}x = next(g)",
    "with held(a) as h:\n{i}    x = len(h)",
    "x, *rest = [x, {n}, a]",
    "x = True\n{i}x = 1\n{i}x = 1.0\n{i}x = 0.0\n{i}x = -0.0",
    "try:\n{i}    x = g.send(x)\n{i}except (StopIteration, NameError):\n{i}    x = {n}",
    "class Local:\n{i}    field = {n}\n{i}    other = [field]",
    "global shared\n{i}shared = x",
    "w[{n} * 9] = x",
    "w.append(s)",
    "w.insert({n} * 20, True)",
    "del w[{n}:{n} + 2]",
    "w[{n}], w[-1 - {n}] = w[-1 - {n}], w[{n}]",
    "v = w\n{i}v[{n}:{n}] = [0.5, None]",
    "p = Point({n}, a)\n{i}p.y = [p.x, w[{n}]]",
    "p = Point(Box(x), d)\n{i}p.x.item = {n}\n{i}d['p'] = p.x",
    "m = ({n}, (x, s), [a])",
    "rows[{n} * 2].append(x)",
    "rows[-1 - {n}][0] = s",
    "rows[{n}] = [x, a]",
    "rows.insert({n}, rows[-1])",
    "store[x] = {n}",
    "store.setdefault('r{n}', []).append(x)",
    "store['r{n}'] = rows[{n}]",
    "store.pop(next(iter(store), None), None)",
    "if type(store) is collections.defaultdict:\n{i}    store.default_factory = (list, int, None)[{n} % 3]",
    "crowd[{n} * 3].y = x",
    "c = (rows, store, crowd, w)[{n}]; rows[{n} + 1][0] = x",
    "h = {{q: [q, x] for q in range(9)}}\n{i}c = h; h[{n}][0] = s",
    "crowd[{n}].y = rows\n{i}rows[{n}].append(0)",
    "crowd[-1 - {n}].x, crowd[0].z = a, {n}",
    "e = {{q: {{q}} for q in range(10)}}\n{i}e[{n}].add(x)\n{i}e[{n} + 4] = w",
    "k = [Shown([q]) for q in range(10)]\n{i}c = [k, k[{n}]]\n{i}k[{n} + 3].item.append(x)\n{i}k[{n}].item = k[0]",
    "k = [[q, [x]] for q in range(10)]\n{i}c = {{'k': k, 'l': [k, k]}}\n{i}k[{n}][1].append(s)\n{i}c['l'][0][9][0] = a",
)
STORES = ("{}", "collections.defaultdict(list)", "collections.OrderedDict()", "collections.Counter()")
BLOCKS = (
    "for i{n} in range({n}):",
    "if x {op} {n}:",
    "while x < 3 and fuel:\n{i}    fuel -= 1",
    "try:",
    "def inner(p):",
)


def program(choose: Choose, size: int = 12) -> str:
    """Return a program with a function ``run``."""
    body = _block(choose, size, "    ", 0)
    box = ("Shown", "Box")[choose(2)]
    start = f"    x, s, a, d, fuel, box, c = 1, '', [], {{}}, 30, {box}(0), None\n"
    start += "    w = [n * 7919 % 1000 for n in range(60)]\n"
    start += f"    store = {STORES[choose(len(STORES))]}\n    store.update({{n: n for n in range({25 * choose(3)})}})\n"
    start += "    rows = [[n, n + 1] for n in range(10)]\n"
    start += f"    crowd = [{('Point', 'Told')[choose(2)]}(n, [n]) for n in range(10)]\n"
    return HEADER + "\nshared = 0\n\ndef run():\n" + _globals(body) + start + body + "    return x, a, d\n"


def _globals(body: str) -> str:
    # A global statement must stand before any use of the name in its function.
    return "    global shared\n" if "global shared" in body else ""


def _block(choose: Choose, size: int, indent: str, depth: int) -> str:
    lines = []
    for _ in range(1 + choose(max(size, 1))):
        if depth < 3 and choose(4) == 0:
            lines.append(_compound(choose, size // 2, indent, depth))
        else:
            lines.append(indent + _fill(choose, STATEMENTS[choose(len(STATEMENTS))], indent))
    return "\n".join(line for line in lines).replace(indent + "global shared\n", "") + "\n"


def _compound(choose: Choose, size: int, indent: str, depth: int) -> str:
    head = _fill(choose, BLOCKS[choose(len(BLOCKS))], indent)
    inner = indent + "    "
    if head.startswith("def"):
        body = f"{inner}nonlocal x\n{inner}x = p\n{inner}a.append(p)\n{inner}return p + 1\n"
        return f"{indent}{head}\n{body}{indent}x = inner({choose(5)})"
    text = f"{indent}{head}\n{_block(choose, size, inner, depth + 1)}"
    if head.startswith("try"):
        text += f"{indent}except (ZeroDivisionError, IndexError, NameError) as error:\n{inner}s = str(error)\n"
        if choose(2):
            text += f"{indent}finally:\n{inner}a.append('f')\n"
    return text.rstrip("\n")


def _fill(choose: Choose, text: str, indent: str) -> str:
    return text.format(n=choose(4), i=indent, op=("<", ">", "==")[choose(3)])
