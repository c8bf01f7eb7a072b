"""Dicts, sets and lists of tuples that are long enough to be changed in place of their text, and what else they hold."""

from collections import deque


def counted():
    counts = {"k%d" % n: 1 for n in range(60)}
    alias = counts
    for n in range(0, 60, 7):
        counts["k%d" % n] += 1
        counts["new %d" % n] = (n, "é")
    del counts["k3"], counts["k50"]
    counts["k4"], counts["k40"] = 1.5, None
    counts["k5"] = []
    counts["k5"].append(1)
    counts["k5"] = "plain again"
    counts["k6"] = "plain"
    counts[("a", 1)] = 2
    counts["k7"] = 3
    del counts[("a", 1)]
    counts.update({"k8": 10**30, "k9": True})
    moved = counts.pop("k10")
    counts["k10"] = moved
    return alias, moved


def paired():
    pairs = [(n, (str(n),)) for n in range(60)]
    alias = pairs
    pairs[7] = (1, (2, (3, (4,))))
    pairs[7] = (1, (2, (3,)))
    pairs.append((60, ([],)))
    pairs[60][1][0].append(1)
    pairs.pop()
    pairs.append(())
    pairs.insert(0, ("first",))
    pairs[20], pairs[40] = pairs[40], pairs[20]
    return alias


def gathered():
    seen, queue = set(), deque(range(60), 60)
    for n in range(60):
        seen.add(n * 7919 % 1000)
        queue.append(n)
    seen.add("mixed")
    seen.discard("mixed")
    names = {"n%d" % n for n in range(60)}
    names.add("é")
    held = {"seen": seen, "names": frozenset(names), "queue": queue, "nested": [seen, (queue,)]}
    seen.clear()
    queue.append((1, 2))
    queue.append([3])
    queue[-1].append(4)
    return held


def run():
    return counted(), paired(), gathered()
