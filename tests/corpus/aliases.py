"""Nested values that several names lead to: compared once per event, for whichever name comes first."""


class Row(list):
    pass


class Node:
    def __init__(self, name):
        self.name = name
        self.parts = [[name, [n]] for n in range(9)]


def several(first=None, second=None, third=None):
    rows = [{"id": n, "tags": [n]} for n in range(9)]
    first, second = rows, {"rows": rows, "last": rows[-1]}
    third = [rows] * 9
    rows[0]["tags"].append("first")
    rows[8]["tags"].append("last")
    second["last"]["id"] = None
    rows[4] = rows[5]
    first = rows = [{"id": n, "tags": [n]} for n in range(9)]
    rows[7]["tags"] = (rows[6], 1)
    third[8] = rows
    rows[6]["id"] = "twice"
    del third[0], second["rows"][2]
    return first is rows


def temporary():
    one = Row([n, [n]] for n in range(9))
    other = Row([n, [n]] for n in range(9))
    kept = [one, other, one]
    other[8][1].append("only here")
    one, other = other, one
    one[8][1].pop(); other[0][1].append("now there")
    kept[0] = other
    return kept


def cycles():
    parts = [[n] for n in range(9)]
    around = [parts, parts]
    parts[8].append(parts)
    around.append(around)
    parts[0].append(around)
    parts[8].remove(parts)
    parts[0].pop()
    around.pop()
    return parts


def objects():
    node = Node("a")
    nodes = [node, Node("b"), node]
    parts = node.parts
    parts[8][1].append("deep")
    nodes[1].parts = parts
    parts[8][1][0] = parts[0]
    node.parts = nodes[1].parts[:]
    node.parts[3] = [node.name, [3]]
    wide = Node("wide")
    for n in range(9):
        setattr(wide, "part%d" % n, [n, [n]])
    also = wide
    wide.part8[1].append(also.part0)
    also.part0.append("both")
    return nodes


def run():
    return several(), temporary(), cycles(), objects()
