def split(errors):
    found = []
    try:
        raise ExceptionGroup("several", errors)
    except* ValueError as group:
        found.append(len(group.exceptions))
    except* TypeError as group:
        found.append("type")
    return found


def run():
    return split([ValueError(1), TypeError(2), ValueError(3)])
