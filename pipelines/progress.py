"""How a run shows that it lives: a bar on a terminal, a plain line now and then elsewhere. Always on stderr."""

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.tally import Tally

PLAIN_SECONDS: Final = 15.0
"""Between two plain lines."""


class Display(Protocol):
    """Shows the state of a run; called with the sums of this run so far."""

    def update(self, tally: Tally) -> None:
        """Show the sums."""
        ...


def progress(total: int | None, *, quiet: bool) -> AbstractContextManager[Display]:
    """Return what fits stderr; ``total`` inputs are to be done, ``None`` if that is not known."""
    if quiet:
        return nullcontext(Silent())
    return Bar(total) if sys.stderr.isatty() else Lines(total)


def pace(tally: Tally, total: int | None, seconds: float) -> str:
    """Return rate, time left and failures by reason."""
    rate = tally.inputs / seconds if seconds > 0 else 0.0
    parts = [f"{rate:.1f} per s"]
    if total is not None and rate > 0:
        parts.append(f"{duration(max(0, total - tally.inputs) / rate)} left")
    failures = ", ".join(f"{name} {count}" for name, count in tally.failures.most_common() if count)
    return ", ".join(parts) + (f"; failed: {failures}" if failures else "")


def duration(seconds: float) -> str:
    """Return ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Silent:
    """Shows nothing."""

    def update(self, tally: Tally) -> None:
        """Ignore the sums."""


class Lines:
    """Plain lines at a low rate, for logs."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, tally: Tally) -> None:
        """Print a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            of = f" of {self._total:,}" if self._total is not None else ""
            sys.stderr.write(f"{tally.inputs:,}{of} inputs, {pace(tally, self._total, now - self._start)}\n")


class Bar:
    """A live bar."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._start = time.monotonic()
        columns = (
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pace]}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=total, pace="starting")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, tally: Tally) -> None:
        """Move the bar."""
        shown = pace(tally, self._total, time.monotonic() - self._start)
        self._progress.update(self._task, completed=tally.inputs, pace=shown)
