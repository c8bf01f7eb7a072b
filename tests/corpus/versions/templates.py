class Item:
    pass


def run():
    found = [1]
    item = Item()
    text = t"{found} and {item!r:>{found[0]}}"
    found.append(2)
    item.name = "late"
    parts = list(text)
    found.append(text)
    try:
        int(parts[0])
    except TypeError, ValueError:
        return any(part for part in parts), text.values[1] is item
