"""What is to be traced: one function, doctest or program, and its inputs."""

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.base import Model, digest
from schemas.limits import Limits

JobKind = Literal["function", "doctest", "program"]
Granularity = Literal["line", "opcode"]


def check_details(granularity: Granularity, expressions: bool) -> None:
    """Raise ``ValueError`` for two that exclude each other: sites of expressions are instructions, too."""
    if expressions and granularity != "line":
        raise ValueError(f"expressions are recorded at granularity line, not {granularity}: choose one of the two")


class Provenance(Model):
    """Where a source came from. Not part of any id: the same text from two places is the same job."""

    origin: str
    """The source as the user named it: ``module:statistics``, ``functions.jsonl``, ``src/``."""
    path: str | None = None
    """File within the origin."""
    licence: str = "unknown"
    """SPDX expression, or ``unknown``."""
    commit: str | None = None


class SourceModule(Model):
    """One module's text, executed under ``name`` as if it had been imported from ``path``."""

    name: str
    path: str
    """Relative to the origin, so that ids do not depend on the machine."""
    text: str
    is_package: bool = False


class TraceInput(Model):
    """One input of a job; ends as exactly one record or one failure row."""

    source_id: str
    """The id that the source gave."""
    text: str
    """``function``: a call expression, evaluated in the module's namespace. ``doctest``: the docstring.
    ``program``: what stands on standard input."""
    expected: str | None = None
    """``function``: an expression for the right result. ``program``: the right output. A doctest states its own."""
    occurrence: int = 0
    """Numbers equal texts of equal jobs from 0, over the whole corpus, whatever the batching."""


class TraceJob(Model):
    """A unit of work for a sandbox. Its inputs share one process; each finds the module freshly executed."""

    kind: JobKind
    entry: str
    """Dotted name within the module, e.g. ``Fraction.limit_denominator``; empty for the module's own docstring."""
    module: SourceModule
    support: tuple[SourceModule, ...] = ()
    """Modules of the same source that ``module`` imports; they count as the job's own code."""
    inputs: tuple[TraceInput, ...] = Field(min_length=1)
    python: str
    """Minor version, e.g. ``3.11``."""
    image: str
    """Content digest of the image (or interpreter) that runs the job."""
    limits: Limits = Limits()
    trace_packages: tuple[str, ...] = ()
    """Top-level packages traced beside the job's own code."""
    blocked_modules: tuple[str, ...] = ()
    """Modules that refuse to be imported while ``module`` executes (its C twins, with ``--pure``)."""
    granularity: Granularity = "line"
    expressions: bool = False
    """Record the values of expressions between the lines; not at granularity ``opcode``."""
    seed: int = 0
    """Seed of the ``random`` module before each input."""
    recorder_version: str
    provenance: Provenance

    @model_validator(mode="after")
    def _one_of_both(self) -> "TraceJob":
        check_details(self.granularity, self.expressions)
        return self

    def identity(self) -> dict[str, Any]:
        """Return what the job's id is computed from: everything that can change the events, but the inputs."""
        identity = self.model_dump(mode="json", exclude={"inputs", "provenance"})
        if not self.expressions:
            del identity["expressions"]  # older than the field: ids stay as they were
        return identity

    def job_id(self) -> str:
        """Return the id: equal for equal code, settings and recorder, whatever the inputs and their batching."""
        return digest(self.identity())


def trace_id(job_id: str, kind: JobKind, text: str, occurrence: int) -> str:
    """Return the id of one input: ``occurrence`` numbers equal inputs of a job from 0."""
    return digest({"job_id": job_id, "input": {"kind": kind, "text": text}, "occurrence": occurrence})
