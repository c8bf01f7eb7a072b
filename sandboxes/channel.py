"""The seam between a pool and what holds its fork servers: bytes in, bytes out, deadlines."""

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

    def close(self) -> None:
        """End the server and all that runs under it; what holds it is gone afterwards. Idempotent."""
        ...
