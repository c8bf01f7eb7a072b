"""Jobs and rows from a source text, for tests that really run them."""

import textwrap
from typing import Any

from sandboxes.api import Pool
from schemas.failure import Failure
from schemas.job import Provenance, SourceModule, TraceInput, TraceJob
from schemas.limits import Limits
from schemas.trace_record import Event, TraceRecord
from tracegen.attempts import ending_of, run_inputs
from tracegen.checks import record_problems
from tracegen.guest.version import RECORDER_VERSION
from tracegen.runner import TraceRunner


def make_job(source: str, *calls: str, expected: str | None = None, **fields: Any) -> TraceJob:
    """Return a function job of a dedented source and its call expressions."""
    values: dict[str, Any] = {
        "kind": "function",
        "entry": "f",
        "module": SourceModule(name="prog", path="prog.py", text=textwrap.dedent(source)),
        "inputs": tuple(
            TraceInput(source_id=f"test#{number}", text=call, expected=expected) for number, call in enumerate(calls)
        ),
        "python": "3.11",
        "image": "test",
        "recorder_version": RECORDER_VERSION,
        "provenance": Provenance(origin="test"),
    }
    return TraceJob(**{**values, **fields})


def make_doctest(source: str, docstring: str, entry: str = "f", **fields: Any) -> TraceJob:
    """Return a doctest job."""
    item = TraceInput(source_id=f"prog:{entry}", text=textwrap.dedent(docstring))
    return make_job(source, "", kind="doctest", entry=entry, inputs=(item,), **fields)


def run_row(pool: Pool, job: TraceJob) -> TraceRecord | Failure:
    """Return the row of a job with one input, unchecked."""
    return TraceRunner(pool, None, "none").run(job)[0]


def run_record(pool: Pool, source: str, call: str, **fields: Any) -> TraceRecord:
    """Return the record of one call; fails the test if there is none."""
    row = run_row(pool, make_job(source, call, **fields))
    assert isinstance(row, TraceRecord), row
    return row


def events_of(record: TraceRecord, name: str) -> list[Event]:
    """Return the events of the frames of a code object's qualified name."""
    return [event for event in record.events if record.code_of(event).name == name]


def brief(events: list[Event]) -> list[str]:
    """Return events as ``kind line changes``, short enough to read in an assertion."""
    done = []
    for event in events:
        parts = [event.kind, str(event.line), *(f"{name}={text}" for name, text in event.set.items())]
        parts += [f"-{name}" for name in event.deleted]
        done.append(" ".join(parts + ([f"-> {event.value}"] if event.value is not None else [])))
    return done


def small_limits(**fields: Any) -> Limits:
    """Return limits of one second, with changes."""
    return Limits(**{"wall_seconds": 1.0, **fields})


def recorded(pool: Pool, source: str, call: str = "f()") -> TraceRecord:
    """Return the record of one call, checked to be whole."""
    record = run_record(pool, source, call)
    assert list(record_problems(record)) == []
    return record


def kinds(record: TraceRecord, name: str) -> str:
    """Return the kinds of a function's events but for lines, which differ by version."""
    return " ".join(event.kind for event in events_of(record, name) if event.kind != "line")


def states(record: TraceRecord, name: str, variable: str) -> list[str]:
    """Return the texts that a variable took on."""
    return [event.set[variable] for event in events_of(record, name) if variable in event.set]


def result(record: TraceRecord) -> str | None:
    """Return the text of what ``main`` returned."""
    assert record.outcome.label == "returned"
    return record.events[-1].value


def unnoticed(pool: Pool, source: str) -> TraceRecord:
    """Return the record of ``f()``, whose end is that of a run without the recorder."""
    job = make_job(source, "f()")
    alone = ending_of(run_inputs(pool, job, [0], traced=False)[0])
    assert ending_of(run_inputs(pool, job, [0])[0]) == alone
    assert alone[0] == "returned"
    record = run_record(pool, source, "f()")
    assert list(record_problems(record)) == []
    return record


def removals(record: TraceRecord) -> list[tuple[str, str]]:
    """Return where and why recording stopped: the name of the code and the cause."""
    found = [row for row in record.elisions if row.kind == "tracer_removed"]
    return [(record.codes[record.frame(row.frame).code].name if row.frame else "", row.name) for row in found]
