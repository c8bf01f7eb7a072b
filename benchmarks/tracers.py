"""The tracers that the recorder is measured against, each run on a loaded program."""

import importlib.util
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import hunter  # type: ignore[import-untyped]
import pysnooper  # type: ignore[import-untyped]
import snoop  # type: ignore[import-untyped]
from workloads import Program

from tracegen.guest.codes import CodeTable
from tracegen.guest.recorder import Limits, Recorder
from tracegen.guest.sources import SourceFile
from tracegen.guest.values import ValueRenderer
from tracegen.guest.wire import WireWriter


@dataclass(slots=True, frozen=True)
class Output:
    """What a run gave: how many events, if the tracer counts them, and how many bytes or characters."""

    events: int = 0
    size: int = 0


class CountingSink(StringIO):
    """A text sink that keeps only the count."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def write(self, text: str, /) -> int:
        """Count the text."""
        self.size += len(text)
        return len(text)


class _Loader:
    """Gives PySnooper the program's source, as a module's loader does."""

    def __init__(self, source: str) -> None:
        self.source = source

    def get_source(self, name: str) -> str:
        """Return the only source there is."""
        return self.source


@dataclass(slots=True)
class Job:
    """What the guest keeps from one recording of a job to the next: a suite's tests are one job."""

    _renderer: ValueRenderer | None = None

    def begin(self) -> None:
        """Begin anew."""
        self._renderer = None

    def renderer(self) -> ValueRenderer:
        """Return the job's only renderer."""
        if self._renderer is None:
            self._renderer = ValueRenderer()
        return self._renderer


@dataclass(slots=True, frozen=True)
class Loaded:
    """Something that can be run again and again, and which code of it is traced."""

    name: str
    run: Callable[[], Any]
    codes: frozenset[CodeType]
    """All that is traced; they may be other objects, equal to those that run."""
    homes: tuple[str, ...]
    """How the names of the files begin whose code is traced."""
    file_of: Callable[[FrameType], SourceFile | None]
    check: Callable[[Any, Any], list[str]]
    """Given the tests' oracle and the guest, says what that has against the recorder here."""
    job: Job = field(default_factory=Job)

    def owns(self, path: str) -> bool:
        """Return whether a file's code is traced."""
        return path.startswith(self.homes)

    @classmethod
    def of_program(cls, program: Program) -> "Loaded":
        """Compile and execute a program."""
        name = program.name
        code = compile(program.source, name, "exec")
        file = SourceFile(name, program.source, code, whole=True)
        namespace: dict[str, Any] = {"__name__": name, "__loader__": _Loader(program.source)}
        sys.modules[name] = ModuleType(name)  # dataclasses look their module up
        # snoop and hunter read a file's lines from there.
        linecache.cache[name] = (len(program.source), None, program.source.splitlines(True), name)
        exec(code, namespace)

        def check(oracle: Any, guest: Any) -> list[str]:
            # The timed module is of another name: dataclasses look it up as "program".
            sys.modules["program"] = sys.modules[name]
            faults: list[str] = oracle.check(guest, name, program.source)[1]
            return faults

        return cls(
            name,
            namespace["run"],
            frozenset(codes_in(code)),
            (name,),
            lambda frame: file if frame.f_code.co_filename == name else None,
            check,
        )


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code objects within one."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from codes_in(inner)


Tracer = Callable[[Loaded], Output]


def untraced(loaded: Loaded) -> Output:
    """Run the program alone."""
    loaded.run()
    return Output()


def bare(loaded: Loaded) -> Output:
    """Receive every event and do nothing with it."""

    def local(frame: FrameType, kind: str, arg: Any) -> Any:
        return local

    return under(loaded, local)


def under(loaded: Loaded, local: Callable[[FrameType, str, Any], Any]) -> Output:
    """Run the program with ``local`` as the trace function of its frames."""

    def enter(frame: FrameType, kind: str, arg: Any) -> Any:
        return local if loaded.owns(frame.f_code.co_filename) else None

    sys.settrace(enter)
    try:
        loaded.run()
    finally:
        sys.settrace(None)
    return Output()


def calls(loaded: Loaded) -> int:
    """Return how many calls and resumptions of its code a run takes."""
    found = 0

    def enter(frame: FrameType, kind: str, arg: Any) -> None:
        nonlocal found
        found += loaded.owns(frame.f_code.co_filename)

    sys.settrace(enter)
    try:
        loaded.run()
    finally:
        sys.settrace(None)
    return found


def tracegen(loaded: Loaded) -> Output:
    """Record the program as the guest records a function, to bytes in memory."""
    events, data = recorded(loaded)
    return Output(events, len(data))


def recorded(loaded: Loaded) -> tuple[int, bytes]:
    """Return the recorder's count of events, and what it wrote."""
    written: list[bytes] = []
    wire = WireWriter(written.append)
    codes = CodeTable(wire, loaded.file_of)
    recorder = Recorder(wire, codes, loaded.job.renderer(), Limits(None, None, None), print)
    recorder.start()
    try:
        loaded.run()
    finally:
        recorder.stop()
    if recorder.failure is not None:
        raise recorder.failure
    return wire.events, b"".join(written)


def snooped(loaded: Loaded, sink: StringIO) -> None:
    """Run the program under PySnooper: all functions of its file, no others."""
    snooper = pysnooper.snoop(sink)
    run = snooper(loaded.run)
    # What starts a test is not of its suite.
    snooper.target_codes.intersection_update(loaded.codes)
    snooper.target_codes.update(loaded.codes)
    run()


def snooper(loaded: Loaded) -> Output:
    """Run the program under PySnooper into a counting sink; it does not count its events."""
    sink = CountingSink()
    snooped(loaded, sink)
    return Output(0, sink.size)


def snoop_tracer(loaded: Loaded) -> Output:
    """Run the program under snoop: all functions of its file, no others."""
    sink = CountingSink()
    tracer = snoop.Config(out=sink, color=False).snoop()
    run = tracer(loaded.run)
    tracer.target_codes.intersection_update(loaded.codes)
    tracer.target_codes.update(loaded.codes)
    run()
    return Output(0, sink.size)


def hunter_tracer(loaded: Loaded) -> Output:
    """Run the program under hunter's VarsSnooper, which writes variables only."""
    sink = CountingSink()
    action = hunter.VarsSnooper(stream=sink, force_colors=False)
    with hunter.trace(filename_startswith=loaded.homes, action=action):
        loaded.run()
    return Output(0, sink.size)


def naive_class(path: Path) -> Any:
    """Load the naive tracer from its file."""
    spec = importlib.util.spec_from_file_location("naive_tracer", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NaiveTracer


def naive_run(kind: Any, loaded: Loaded, sink: StringIO) -> Any:
    """Run the program under the naive tracer with our value renderer; return the tracer."""
    with kind(loaded.job.renderer().render, loaded.owns, sink) as tracer:
        loaded.run()
    return tracer


def naive(kind: Any) -> Tracer:
    """Return the naive tracer, into a counting sink."""

    def run(loaded: Loaded) -> Output:
        tracer = naive_run(kind, loaded, CountingSink())
        return Output(tracer.events, tracer.characters)

    return run
