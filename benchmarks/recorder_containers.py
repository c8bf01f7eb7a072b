"""Containers and values of the kinds that are not among the workloads of ``recorder_events``.

    python benchmarks/recorder_containers.py [--quick] [--json FILE]

The recorder beside PySnooper and hunter, in turns, processor time without the garbage collector, medians. The bar is
PySnooper's: never slower. PySnooper cuts values at 100 characters, but asks for their whole ``repr``; of an object
without its own it shows the address, so that it does less than the recorder where objects change.
"""

import gc
import statistics
import sys
import time

import tracers
from report import Measurement, arguments, report
from tracers import Loaded, Tracer
from workloads import Program

POINTS = """
    p, q = Point(1, 2), Point(3, 4)
    found = []
    for n in range(60):
        p.x += n
        q = Point(p.y, q.x)
        found.append(q)
    return found
"""
"""What some of the programs do with two points, of the class ``Point``."""
BODIES = {
    "dict that grows to 500": """
    memo = {}
    for i in range(500):
        memo[i] = i * i
    return memo
""",
    "counts of 300 words": """
    counts = {}
    for word in ['w%d' % (i * 7919 % 300) for i in range(1000)]:
        counts[word] = counts.get(word, 0) + 1
    return counts
""",
    "dict of 100 lists": """
    groups = {}
    for i in range(600):
        groups.setdefault(i % 100, []).append(i)
    return groups
""",
    "list of 50 dicts": """
    rows = [{'id': i, 'n': 0} for i in range(50)]
    for k in range(200):
        rows[k % 50]['n'] += k
    return rows
""",
    "grid of 30 x 30": """
    grid = [[0] * 30 for _ in range(30)]
    for i in range(30):
        for j in range(30):
            grid[i][j] = i * j
    return grid
""",
    "set that grows to 500": """
    seen = set()
    for i in range(500):
        seen.add(i * 7919 % 1000)
    return seen
""",
    "deque of 200": """
    from collections import deque
    queue = deque(range(200))
    for i in range(300):
        queue.append(queue.popleft() + 1)
    return queue
""",
    "list of 300 tuples": """
    found = []
    for i in range(300):
        found.append((i, i + 1))
    return found
""",
    "list of 300 texts": """
    found = []
    for i in range(300):
        found.append('item %d' % i)
    return found
""",
    "defaultdict of 100 lists": """
    from collections import defaultdict
    groups = defaultdict(list)
    for i in range(600):
        groups[i % 100].append(i)
    return groups
""",
    "defaultdict that counts 300": """
    from collections import defaultdict
    counts = defaultdict(int)
    for i in range(600):
        counts[i * 7919 % 300] += 1
    return counts
""",
    "Counter of 300": """
    from collections import Counter
    counts = Counter()
    for i in range(600):
        counts[i * 7919 % 300] += 1
    return counts
""",
    "OrderedDict of 100, first in, first out": """
    from collections import OrderedDict
    cache = OrderedDict()
    for i in range(400):
        cache[i] = i * i
        if len(cache) > 100:
            cache.popitem(last=False)
    return cache
""",
    "dict of 60 dicts": """
    graph = {}
    for i in range(60):
        for j in range(5):
            graph.setdefault(i, {})[(i * j) % 60] = i + j
    return graph
""",
    "dict of 60 sets": """
    graph = {}
    for i in range(60):
        for j in range(5):
            graph.setdefault(i, set()).add((i * j) % 60)
    return graph
""",
    "table of 25 x 29": """
    a, b = 'kitten' * 4, 'sitting' * 4
    dp = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, 12):
        for j in range(1, len(b) + 1):
            dp[i][j] = dp[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1] else max(dp[i - 1][j], dp[i][j - 1])
    return dp
""",
    "heap of 150 tuples": """
    import heapq
    heap = []
    for i in range(150):
        heapq.heappush(heap, (i * 7919 % 151, 'n%d' % i))
    order = []
    while heap:
        order.append(heapq.heappop(heap))
    return order
""",
    "nested settings": """
    items = [{'id': n, 'tags': ['a', 'b'], 'size': {'w': n, 'h': 2}} for n in range(10)]
    config = {'name': 'x', 'items': items, 'total': 0}
    for item in config['items']:
        item['size']['w'] += 1
        config['total'] += item['size']['w']
        item['tags'].append('c')
    return config
""",
    "list of 60 objects": """
    class Point:
        def __init__(self, x, y):
            self.x = x
            self.y = y
    points = []
    for i in range(60):
        points.append(Point(i, i + 1))
    for point in points:
        point.x += point.y
    return points
""",
    "object with a list of 200": """
    class Stack:
        def __init__(self):
            self.items = []
            self.size = 0
        def push(self, item):
            self.items.append(item)
            self.size += 1
    stack = Stack()
    for i in range(200):
        stack.push(i)
    return stack
""",
    "tree of 63 objects": """
    class Tree:
        def __init__(self, key):
            self.key = key
            self.left = None
            self.right = None
        def insert(self, key):
            if key < self.key:
                if self.left is None:
                    self.left = Tree(key)
                else:
                    self.left.insert(key)
            elif self.right is None:
                self.right = Tree(key)
            else:
                self.right.insert(key)
    tree = Tree(32)
    for i in range(1, 64):
        tree.insert(i * 37 % 64)
    return tree
""",
    "decimals": """
    from decimal import Decimal
    total, rate, tax = Decimal('0'), Decimal('1.05'), Decimal('0')
    prices = [Decimal(n) for n in range(60)]
    for price in prices:
        tax = price * rate
        total += tax
        if total > 1000:
            total -= 1000
    return total
""",
    "dates": """
    from datetime import date, timedelta, datetime
    day, step, start = date(2020, 1, 1), timedelta(days=1), datetime(2020, 1, 1, 3)
    found = []
    for n in range(100):
        day += step
        if day.weekday() == 0:
            found.append(day)
        start += step
    return found
""",
    "list of 60 paths": """
    from pathlib import PurePosixPath
    root = PurePosixPath('/srv/data')
    found = []
    for n in range(60):
        path = root / ('f%d' % n)
        name = path.name
        suffix = path.with_suffix('.txt')
        found.append(suffix)
    return found
""",
    "fractions": """
    from fractions import Fraction
    total, part = Fraction(0), Fraction(1, 3)
    for n in range(60):
        total += part
        part = part * 2
        if part > 10:
            part -= 10
    return total
""",
    "enums": """
    import enum
    class Color(enum.Enum):
        RED = 1
        BLUE = 2
    now, last = Color.RED, Color.BLUE
    count = 0
    for n in range(100):
        now, last = last, now
        if now is Color.RED:
            count += 1
    return count
""",
    "list of 60 named tuples": """
    from collections import namedtuple
    Point = namedtuple('Point', 'x y')
    p, q = Point(1, 2), Point(3, 4)
    found = []
    for n in range(60):
        p = p._replace(x=n)
        q = Point(p.y, q.x)
        found.append(q)
    return found
""",
    "list of 60 dataclasses": """
    from dataclasses import dataclass
    @dataclass
    class Point:
        x: int
        y: int
"""
    + POINTS,
    "list of 60 objects with their own repr": """
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y
        def __repr__(self):
            return 'Point(%r, %r)' % (self.x, self.y)
"""
    + POINTS,
}
TRACERS: dict[str, Tracer] = {
    "tracegen": tracers.tracegen,
    "pysnooper": tracers.snooper,
    "hunter": tracers.hunter_tracer,
}


def measure(name: str, body: str, rounds: int) -> list[Measurement]:
    """Run one program in turns under each tracer; the first round is dropped."""
    loaded = Loaded.of_program(Program(f"<{name}>", f"def run():{body}"))
    times: dict[str, list[float]] = {tracer: [] for tracer in TRACERS}
    events = size = 0
    for _ in range(rounds + 1):
        for tracer, run in TRACERS.items():
            loaded.job.begin()
            began = time.process_time()
            output = run(loaded)
            times[tracer].append(time.process_time() - began)
            events, size = max(events, output.events), output.size if tracer == "tracegen" else size
        gc.collect()
    middle = {tracer: statistics.median(taken[1:]) for tracer, taken in times.items()}
    return [
        Measurement(f"{name}, beside pysnooper", middle["pysnooper"] / middle["tracegen"], "x", 1.0),
        Measurement(f"{name}, beside hunter", middle["hunter"] / middle["tracegen"], "x"),
        Measurement(f"{name}, microseconds per event", 1e6 * middle["tracegen"] / events, "us"),
        Measurement(f"{name}, bytes per event", size / events, "bytes"),
    ]


if __name__ == "__main__":
    options = arguments(__doc__.partition("\n")[0])
    gc.disable()
    found = [row for name, body in BODIES.items() for row in measure(name, body, 2 if options.quick else 9)]
    sys.exit(report(found, options.json))
