"""What every source yields: jobs, and failures for what cannot even be planned."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol, get_args

from schemas.errors import TracegenError
from schemas.failure import Failure, FailureReason
from schemas.job import Granularity, Provenance, SourceModule, TraceJob
from schemas.limits import Limits
from tracegen.guest.version import RECORDER_VERSION

Planned = TraceJob | Failure
"""One job with its inputs, or one failure row that stands for one planned input."""

RowForm = Literal["code", "humaneval", "contest"]
ROW_FORMS: Final[tuple[RowForm, ...]] = get_args(RowForm)

PROGRAM_EVENTS: Final = 10_000
PROGRAM_BYTES: Final = 2**20
"""CWM's rule for whole programs: at most 10,000 line events and 1 MB."""


@dataclass(slots=True, frozen=True)
class PlanSettings:
    """What a run decides for all its jobs."""

    python: str
    """Minor version of the sandbox's interpreter, e.g. ``3.11``."""
    image: str
    """Content digest of the image."""
    limits: Limits = field(default_factory=Limits)
    program_limits: Limits = field(default_factory=lambda: Limits(max_events=PROGRAM_EVENTS, max_bytes=PROGRAM_BYTES))
    """Of jobs of the kind ``program``."""
    trace_packages: tuple[str, ...] = ()
    pure: bool = False
    """Refuse the C twins that a module imports optionally."""
    granularity: Granularity = "line"
    expressions: bool = False
    """Record the values of expressions between the lines."""
    seed: int = 0
    licence: str = "unknown"
    recorder_version: str = RECORDER_VERSION
    form: RowForm | None = None
    """Of all rows; ``None``: told by their columns."""
    columns: tuple[tuple[str, str], ...] = ()
    """Our name of a column -> where rows have it: ``("code", "files[].content")``."""
    site_packages: Path | None = None
    """Folder with the files of the packages that the image has for ``package:`` sources."""


@dataclass(slots=True)
class PlanStatistics:
    """What a plan has seen so far; grows while the plan is iterated."""

    files: int = 0
    """Python files, modules, and sources of rows that were read."""
    rows: int = 0
    """Rows of tables and lines of JSON-lines files, blank ones not counted."""
    functions: int = 0
    """Functions and methods in files and modules that were searched for doctests."""
    functions_without_inputs: int = 0
    """Those of them whose docstring has no example: nothing says with what to call them."""
    doctests: int = 0
    """Docstrings with examples."""
    inputs: int = 0
    """Inputs of the jobs that were planned."""
    failures: int = 0
    """Failure rows that were planned."""
    code_without_inputs: int = 0
    """Modules and rows with code that nothing says how to call; kept for made inputs."""
    rows_without_inputs: int = 0
    """Those of them that are rows and hold no function either with or without an example."""
    examples_without_inputs: list[str] = field(default_factory=list)
    """Ids of the first functions and rows without inputs."""
    skipped: Counter[str] = field(default_factory=Counter)
    """What rows hold and no input could be made of, by reason: ``test_call_in_loop`` ..."""
    sources_without_inputs: list[str] = field(default_factory=list)
    """Sources, as the user named them, that gave neither a job nor a failure."""


@dataclass(slots=True, frozen=True)
class CodeWithoutInputs:
    """Code that could run if something said with what to call it."""

    source_id: str
    module: SourceModule
    entries: tuple[str, ...]
    """Its functions without inputs; empty for a script."""
    provenance: Provenance


Keep = Callable[[CodeWithoutInputs], None]
"""Takes what has no inputs, one at a time."""


@dataclass(slots=True, frozen=True)
class PlainRow:
    """One row of a table, whatever the table is stored as."""

    default_id: str
    """The row's id unless it has a column for it: ``functions.jsonl#3``."""
    place: str
    """For messages: ``line 3``."""
    content: "Mapping[str, object] | Rejected"


class Rows(Protocol):
    """A table as plain rows, streamed: where it lies and how it is stored is its owner's business."""

    @property
    def origin(self) -> str:
        """The source as the user named it."""
        ...

    def rows(self) -> Iterator[PlainRow]:
        """Yield the rows in order. Raises ``Rejected`` (``unreadable_source``) where reading ends early."""
        ...


OpenRows = Callable[[str], Rows | None]
"""Opens a source by its spelling; ``None`` if it is no table. Raises ``UsageError`` for one that does not exist."""


class Rejected(TracegenError):
    """Something cannot be planned; becomes a failure row, or a ``UsageError`` when the user named just that."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: FailureReason = reason
        self.detail = detail
