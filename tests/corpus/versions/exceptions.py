class Held:
    def __init__(self, log, swallow=False):
        self.log = log
        self.swallow = swallow

    def __enter__(self):
        self.log.append("in")
        return self

    def __exit__(self, kind, error, trace):
        self.log.append("out")
        return self.swallow


def fails(n):
    if n:
        raise KeyError(n)
    return n


def handled(log):
    try:
        fails(1)
    except (KeyError, ValueError) as error:
        log.append(str(error))
    except Exception:
        log.append("other")
    else:
        log.append("none")
    finally:
        log.append("end")


def returned(log):
    for n in 1, 2:
        try:
            if n == 2:
                return n
        finally:
            log.append(n)
    return 0


def overridden():
    try:
        fails(2)
    finally:
        return "instead"


def chained():
    try:
        try:
            fails(3)
        except KeyError as error:
            raise ValueError("again") from error
    except ValueError as error:
        return error.__cause__


def through(log):
    with Held(log), Held(log) as inner:
        inner.log.append("body")
    with Held(log, swallow=True):
        fails(4)
    try:
        with Held(log):
            fails(5)
    except KeyError:
        pass
    with Held(log):
        return len(log)


def again():
    try:
        fails(6)
    except KeyError:
        raise


def run():
    log = []
    handled(log)
    returned(log)
    overridden()
    chained()
    through(log)
    try:
        again()
    except KeyError:
        log.append("caught")
    return log
