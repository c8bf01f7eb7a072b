"""The source chunks of a record: what ran, in order, without overlaps."""

import io
from collections.abc import Iterable

from schemas.job import TraceJob
from schemas.trace_record import MAIN_PATH, SourceChunk
from tracegen.guest.program import main_text


def physical_text(text: str) -> str:
    r"""Return a file's text with every line end as ``\\n``: the lines that the compiler counts."""
    return io.StringIO(text, newline=None).read()


def record_chunks(job: TraceJob, call: str, found: Iterable[SourceChunk]) -> tuple[SourceChunk, ...]:
    """Return a record's sources: the module (whole but for a doctest), other files, ``<main>`` last."""
    chunks = list(found)
    if job.kind == "doctest":
        return merged(chunks, job.module.path)
    whole = SourceChunk(job.module.path, 1, physical_text(job.module.text))
    if job.kind == "program":
        return merged([whole, *chunks], job.module.path)
    return (*merged([whole, *chunks], job.module.path), SourceChunk(MAIN_PATH, 1, main_text(call)))


def merged(chunks: Iterable[SourceChunk], first_path: str) -> tuple[SourceChunk, ...]:
    """Return the chunks in order of file (``first_path`` first) and line; touching and overlapping ones are one."""
    ordered = sorted(set(chunks), key=lambda chunk: (chunk.path != first_path, _natural(chunk.path), chunk.first_line))
    done: list[SourceChunk] = []
    for chunk in ordered:
        last = done[-1] if done else None
        if last is not None and last.path == chunk.path and chunk.first_line <= last.first_line + _lines(last):
            done[-1] = _joined(last, chunk)
        else:
            done.append(chunk)
    return tuple(done)


def _natural(path: str) -> tuple[int, str]:
    # "<doctest m[10]>" after "<doctest m[9]>": by length, then text.
    return (len(path), path) if path.startswith("<doctest ") else (0, path)


def _lines(chunk: SourceChunk) -> int:
    return len(chunk.text.split("\n")) - chunk.text.endswith("\n")


def _joined(upper: SourceChunk, lower: SourceChunk) -> SourceChunk:
    skipped = upper.first_line + _lines(upper) - lower.first_line
    rest = lower.text.split("\n")[skipped:]
    return SourceChunk(upper.path, upper.first_line, upper.text + "\n".join(rest))
