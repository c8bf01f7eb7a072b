"""What a check works with: sandboxes of one backend, and words to say what was wrong."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sandboxes.api import ImageRef, JobOutcome, Pool, PoolJob, PoolSpec
from sandboxes.backends import Backend
from sandboxes.bundle import bundle
from sandboxes.conformance.guest import entry
from sandboxes.session_api import Command, CommandResult, Session, SessionSpec

_GUEST: Final = "_tracegen_check"
SECONDS: Final = 10.0
MEMORY: Final = 256 * 2**20
SCRATCH: Final = 16 * 2**20
RESULT: Final = 2**20


class CheckFailed(Exception):
    """The backend did not do what a check asks for."""


def expect(truth: object, message: str) -> None:
    """Raise ``CheckFailed`` unless ``truth`` holds."""
    if not truth:
        raise CheckFailed(message)


class Bench:
    """One backend's sandboxes. The pool and the session that most checks share are opened at first use."""

    def __init__(self, backend: Backend, image: ImageRef, accepts: tuple[str, ...] = (), runtime: str = "") -> None:
        self.backend = backend
        self.image = image
        self.spec = PoolSpec(
            preload=bundle(Path(entry.__file__).parent, _GUEST),
            entry=f"{_GUEST}.entry:run",
            memory_bytes=MEMORY,
            scratch_bytes=SCRATCH,
            result_bytes=RESULT,
            warm_spare=False,
            accepts=accepts,
            runtime=runtime,
        )
        self.session_spec = SessionSpec(
            memory_bytes=MEMORY, disk_bytes=2 * SCRATCH, processes=64, accepts=accepts, runtime=runtime
        )
        self._pool: Pool | None = None
        self._session: Session | None = None

    @property
    def pool(self) -> Pool:
        """Return the shared pool of one sandbox."""
        if self._pool is None:
            self._pool = self.backend.open_pool(self.spec, self.image)
        return self._pool

    @property
    def session(self) -> Session:
        """Return the shared session."""
        if self._session is None:
            self._session = self.backend.open_session(self.session_spec, self.image)
        return self._session

    def close(self) -> None:
        """Close what was opened."""
        for one in (self._pool, self._session):
            if one is not None:
                one.close()
        self._pool = self._session = None

    @contextmanager
    def another(self, size: int = 1, **changes: object) -> Iterator[Pool]:
        """Open a pool of its own for a check that spoils or counts sandboxes."""
        with self.backend.open_pool(dataclasses.replace(self.spec, **changes), self.image, size=size) as pool:  # type: ignore[arg-type]
            yield pool

    def run(self, text: str, *, seconds: float = SECONDS, memory: int | None = None) -> JobOutcome:
        """Run a program in the shared pool."""
        return self.pool.run(job(text, seconds=seconds, memory=memory))

    def says(self, expression: str, setup: str = "pass", pool: Pool | None = None) -> str:
        """Return ``str`` of an expression's value in a job."""
        text = f"{setup}\nchannel.write(str({expression}).encode())"
        outcome = (pool or self.pool).run(job(text))
        ended = (outcome.status, outcome.exit_code)
        expect(
            ended == ("finished", 0), f"a plain job ended as {ended}: {outcome.stderr.decode(errors='replace')[-300:]}"
        )
        return outcome.result.decode()

    def command(self, *argv: str, seconds: float = SECONDS, **fields: object) -> CommandResult:
        """Run a command in the shared session."""
        return self.session.exec(Command(argv, seconds, **fields))  # type: ignore[arg-type]

    def python(self, text: str, *, seconds: float = SECONDS, **fields: object) -> CommandResult:
        """Run a Python program in the shared session."""
        return self.command("python3", "-c", text, seconds=seconds, **fields)


def job(text: str, *, seconds: float = SECONDS, memory: int | None = None) -> PoolJob:
    """Return a job."""
    return PoolJob(text.encode(), seconds, memory)


Part = Literal["pool", "isolation", "session", "shell", "transfer", "snapshot"]


@dataclass(slots=True, frozen=True)
class Check:
    """One thing that a backend must do."""

    part: Part
    name: str
    about: str
    """What must hold, as one sentence."""
    run: Callable[[Bench], None]
    """Raises ``CheckFailed``."""


def named(part: Part, checks: list[Callable[[Bench], None]]) -> list[Check]:
    """Return the checks of some functions: named after them, explained by their docstrings."""
    return [Check(part, one.__name__, str(one.__doc__).strip().partition("\n")[0], one) for one in checks]
