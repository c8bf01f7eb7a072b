"""What changes a value where another goes: see ``stillness``. No frame may keep what is to go."""

import gc

LOG = []


class Gone:
    def __del__(self):
        LOG.append(len(LOG))


class Dying:
    def __init__(self, log):
        self.log = log

    def __del__(self):
        self.log.append("gone")


def finalisers():
    log = []
    alias = log
    one = Dying(log)
    one = None
    two = Dying(log)
    two = 3
    gc.collect()
    return alias, one, two


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
    finalisers()
    rebound()
    return rebound()
