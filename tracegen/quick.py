"""Trace one call of a live function in this very process: for notebooks and one's own code only."""

import linecache
import platform
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from schemas.base import digest
from schemas.errors import UsageError
from schemas.job import Provenance
from schemas.limits import Limits
from schemas.trace_record import Counts, Determinism, Outcome, OutcomeLabel, TraceRecord
from tracegen.chunks import merged
from tracegen.guest.codes import CodeTable
from tracegen.guest.handlers import watched
from tracegen.guest.recorder import Limits as RecorderLimits
from tracegen.guest.recorder import Recorder
from tracegen.guest.regions import regions
from tracegen.guest.sources import SourceFile
from tracegen.guest.values import ValueRenderer
from tracegen.guest.version import RECORDER_VERSION, WIRE_VERSION
from tracegen.guest.wire import WireWriter, encode
from tracegen.render import get_renderer
from tracegen.render.terminal import trace_lines
from tracegen.wire import parse_result

_SHOWN_EVENTS = 500


class Trace:
    """What ``trace`` gives: the record, the call's ``value`` or ``exception``, and its texts."""

    def __init__(self, record: TraceRecord, value: Any, exception: BaseException | None) -> None:
        self.record = record
        self.value = value
        self.exception = exception

    def text(self, renderer: str = "compact") -> str:
        """Return the record rendered for a model; ``UsageError`` names the renderers that there are."""
        return "".join(segment.text for segment in get_renderer(renderer).render(self.record))

    def __str__(self) -> str:
        return "\n".join(trace_lines(self.record, limit=_SHOWN_EVENTS))

    def __repr__(self) -> str:
        return str(self)


def trace(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Trace:
    """Call ``function(*args, **kwargs)`` and record it and every function of the same module that it calls.

    Nothing isolates the call, and what it prints is printed. An exception is kept in the result, not raised.
    A generator or coroutine function only makes its object: trace ``lambda: list(f(3))`` or ``asyncio.run``.
    At the recorder's limits (``schemas.limits``) recording ends and the call goes on.
    Raises ``UsageError`` for what has no Python source.
    """
    session = _Session(_namespace(function))
    return session.run(function, args, kwargs)


def _namespace(function: Any) -> dict[str, Any]:
    inner = getattr(function, "__func__", function)
    found = getattr(inner, "__globals__", None)
    if found is None:
        owner = inner if isinstance(inner, type) else type(inner)
        module = sys.modules.get(owner.__module__)
        found = module.__dict__ if isinstance(module, ModuleType) and owner.__flags__ & (1 << 9) else None
    if not isinstance(found, dict):
        raise UsageError(
            f"{function!r} has no Python source to trace; give a function, method or class written in Python"
        )
    return found


class _Session:
    """One recording: the lines of the recorder, kept in memory."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.limits = Limits()
        self.lines: list[bytes] = []
        self.label: OutcomeLabel = "returned"
        self.files: dict[str, SourceFile | None] = {}
        self.renderer = ValueRenderer(self.limits.value_characters, self.limits.value_items, self.limits.value_depth)
        wire = WireWriter(self.lines.append)
        wire.line("H", WIRE_VERSION, RECORDER_VERSION, platform.python_version(), regions())
        wire.begin(0)
        limits = RecorderLimits(self.limits.max_events, self.limits.max_bytes, None)
        self.recorder = Recorder(wire, CodeTable(wire, self._file_of), self.renderer, limits, self._on_limit)

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
        inputs = self._call_text(function, args, kwargs)
        value, exception = None, None
        outer = sys.gettrace()
        with watched():
            self.recorder.start()
            try:
                value = function(*args, **kwargs)
            except Exception as error:
                exception = error
                self.label = "raised" if self.label == "returned" else self.label
            finally:
                self.recorder.stop()
                sys.settrace(outer)
        if self.recorder.failure is not None:
            raise self.recorder.failure
        return Trace(self._record(function, inputs), value, exception)

    def _on_limit(self, label: str) -> None:
        self.label = "event_limit" if label == "event_limit" else "byte_limit"
        self.recorder.active = False

    def _file_of(self, frame: FrameType) -> SourceFile | None:
        # By namespace, not by file: every notebook cell is a file of its own.
        if frame.f_globals is not self.namespace:
            return None
        path = frame.f_code.co_filename
        if path not in self.files:
            linecache.getlines(path, frame.f_globals)
            self.files[path] = SourceFile.of_library(path)
        return self.files[path]

    def _call_text(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        given = [self.renderer.render(item) for item in args]
        given += [f"{name}={self.renderer.render(item)}" for name, item in kwargs.items()]
        return f"{getattr(function, '__qualname__', type(function).__qualname__)}({', '.join(given)})"

    def _record(self, function: Any, inputs: str) -> TraceRecord:
        segment = parse_result(b"".join(self.lines) + encode("Z")).segments[0]
        sources = merged(segment.sources, segment.codes[0].path if segment.codes else "")
        job_id = digest([(chunk.path, chunk.text) for chunk in sources])
        return TraceRecord(
            trace_id=digest({"job_id": job_id, "input": inputs}),
            job_id=job_id,
            source_id=getattr(function, "__qualname__", "?"),
            kind="function",
            entry=getattr(function, "__qualname__", "?"),
            inputs=inputs,
            outcome=Outcome(self.label),
            determinism=Determinism("unchecked"),
            sources=sources,
            codes=tuple(segment.codes),
            frames=tuple(segment.frames),
            events=tuple(segment.events),
            elisions=tuple(segment.elisions),
            counts=Counts(len(segment.events), len(segment.frames), len(segment.raw)),
            provenance=Provenance(origin="tracegen.trace"),
            python=platform.python_version(),
            image=sys.implementation.name,
            sandbox="none",
            recorder_version=RECORDER_VERSION,
        )
