class Item:
    pass


def run():
    found = [1]
    item = Item()
    table = frozendict(a=found, b=item)
    found.append(2)
    item.name = "late"
    nested = [table, frozendict()]
    found.append(table)
    missing = sentinel("missing")
    any(each is missing for each in nested)
    list(each for each in nested)
    return table.get("c", missing), table | {"a": 0}
