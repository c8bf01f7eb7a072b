"""Tries a job again in another sandbox when its sandbox failed, and tells when to stop."""

from collections.abc import Callable

from sandboxes.api import JobOutcome
from schemas.errors import ProtocolViolation, SandboxError, SandboxLost

ATTEMPTS = 3
"""Times that a job is tried when its sandbox fails."""
DEATHS = 2
"""Sandboxes that one job may take down before it is called poison."""


class GivenUp(Exception):
    """A job whose sandboxes failed too often: ``error`` is the last failure, ``deaths`` says how many it took down."""

    def __init__(self, error: SandboxError, attempts: int, deaths: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.attempts = attempts
        self.deaths = deaths

    def outcome(self) -> JobOutcome:
        """Return this as what ``Pool.map`` yields."""
        return JobOutcome("poison" if self.deaths >= DEATHS else "lost", detail=str(self.error))


def run_persistently(run: Callable[[bool], JobOutcome], *, fresh: bool = False) -> JobOutcome:
    """Return the first outcome that ``run(fresh)`` gives; further attempts get fresh sandboxes. Raises ``GivenUp``."""
    attempts = deaths = 0
    while True:
        attempts += 1
        try:
            return run(fresh or attempts > 1)
        except SandboxError as error:
            deaths += isinstance(error, SandboxLost | ProtocolViolation)
            if attempts == ATTEMPTS or not error.retryable or deaths >= DEATHS:
                raise GivenUp(error, attempts, deaths) from error
