"""The seam between a pool and what holds its fork servers: bytes in, bytes out, deadlines."""

import select
import time
from typing import Protocol


class ChannelClosed(Exception):
    """The other end is gone; the message says what is known of why."""


class ChannelTimeout(Exception):
    """The other end did not answer within the deadline."""


class Channel(Protocol):
    """Both directions of one fork server's standard streams. Deadlines are in the clock of ``time.monotonic``."""

    name: str
    """Container or process id, for messages."""

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of ``data``. Raises ``ChannelClosed``, ``ChannelTimeout``."""
        ...

    def receive(self, count: int, deadline: float) -> bytes:
        """Return 1 to ``count`` bytes. Raises ``ChannelClosed``, ``ChannelTimeout``."""
        ...

    def kill(self) -> None:
        """End the server at once, from any thread: who waits in ``receive`` gets ``ChannelClosed``."""
        ...

    def close(self) -> None:
        """End the server and all that runs under it; what holds it is gone afterwards. Idempotent."""
        ...


def wait_readable(fd: int, deadline: float) -> None:
    """Return when ``fd`` has bytes or is at its end. Raises ``ChannelTimeout``."""
    if not _ready(fd, select.POLLIN, deadline):
        raise ChannelTimeout("it did not answer in time")


def wait_writable(fd: int, deadline: float) -> None:
    """Return when ``fd`` takes bytes or is closed. Raises ``ChannelTimeout``."""
    if not _ready(fd, select.POLLOUT, deadline):
        raise ChannelTimeout("it takes no more data")


def _ready(fd: int, events: int, deadline: float) -> bool:
    waiter = select.poll()  # select.select refuses descriptors above 1023, which large workers have
    waiter.register(fd, events)
    return bool(waiter.poll(max(0.0, deadline - time.monotonic()) * 1000))
