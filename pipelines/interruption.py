"""Ctrl-C and SIGTERM as a wish to stop cleanly; a second one stops at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Whether the user asked to stop. As a context manager in the main thread it listens to the signals.

    The first signal sets ``requested``, and within ``breakable()`` also raises ``KeyboardInterrupt``; a second one
    always raises it.
    """

    def __init__(self) -> None:
        self.requested = False
        self._breakable = False
        self._previous: dict[int, signal.Handlers] = {}

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def listen(self) -> None:
        """Take over the signals; again after a library (Ray) took them. Only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            previous = signal.signal(number, self._on_signal)
            self._previous.setdefault(number, previous)  # type: ignore[arg-type]  # None only for handlers set from C

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Within, the first signal breaks off what is being done: for work that leaves nothing half-done."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or self._breakable:
            raise KeyboardInterrupt
