"""What changes a value where another goes: see ``stillness``. No frame may keep what is to go."""

LOG = []


class Gone:
    def __del__(self):
        LOG.append(len(LOG))


def rebound():
    seen = LOG
    one = Gone()
    one = None
    seen
    for each in (Gone, Gone):
        one = each()
        one = 1
        seen
    held = [Gone()]
    held = seen
    seen
    return held, one


def run():
    rebound()
    return rebound()
