"""Programs that set signal handlers and timers, for sandboxes (as text) and for this process."""

# Its text runs under every Python from 3.8 on.
import signal
from typing import Any


def late(number: int, frame: Any) -> None:
    raise TimeoutError("late")


def f() -> str:
    """Time out."""
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    count = 0
    try:
        while True:
            count += 1
    except TimeoutError as error:
        text = str(error)
    return text


def g() -> Any:
    """Leave a handler and a timer."""
    signal.setitimer(signal.ITIMER_REAL, 30)
    return signal.signal(signal.SIGALRM, late) is signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL)[0] > 29


def h() -> Any:
    """See what was left."""
    return signal.getsignal(signal.SIGALRM) is signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL)
