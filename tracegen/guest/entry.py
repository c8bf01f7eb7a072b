"""The guest's entry point: a job's payload in, the wire's lines out. Runs in a forked child of the fork server."""

from __future__ import annotations

import contextlib
import doctest  # noqa: F401  (loaded before the fork: every docstring needs it)
import json
import os
import platform
import sys
import threading
from types import ModuleType
from typing import Any, Callable, Dict, Optional, Type

from . import guard, handlers, rivals
from .codes import CodeTable
from .expression_events import ExpressionRecorder
from .family import Family
from .opcode_events import OpcodeRecorder
from .output import Stream
from .program import CannotTrace, Ended, Program, describe, same_output
from .recorder import Limits, Recorder
from .regions import regions
from .surroundings import Surroundings
from .values import ValueRenderer
from .version import RECORDER_VERSION, WIRE_VERSION
from .wire import WireWriter, encode

GRACE = 1.0
"""Seconds between the recorder's own deadline and the parent's, which stops what the recorder cannot."""


def recorder_class(granularity: str, expressions: bool) -> Type[Recorder]:
    """Return the recorder for what is to be recorded."""
    if granularity == "opcode":
        return OpcodeRecorder
    return ExpressionRecorder if expressions else Recorder


class Job:
    """One job in one process: its inputs one after the other, each with fresh surroundings."""

    def __init__(self, payload: Dict[str, Any], channel: Any) -> None:
        self.payload = payload
        self.channel = channel
        self.wire = WireWriter(channel.write)
        limits = payload["limits"]
        self.seconds: float = limits["wall_seconds"]
        self.limits = Limits(limits["max_events"], limits["max_bytes"], self.seconds)
        sizes = limits["value_characters"], limits["value_items"], limits["value_depth"]
        self.renderer = ValueRenderer(*sizes)
        self.recorder_class = recorder_class(payload["granularity"], payload["expressions"])
        self.out = Stream(1, limits["output_bytes"])
        self.err = Stream(2, limits["output_bytes"])
        self.threads = threading.active_count()
        self.process = os.getpid()
        self.program: Optional[Program] = None
        self.failure: Optional[Exception] = None

    def run(self) -> None:
        """Run every input, and mark the end. Stops early where a thread is left that would disturb the next input."""
        self.wire.line("H", WIRE_VERSION, RECORDER_VERSION, platform.python_version(), regions())
        self.wire.silence_forks()
        self._prepare()
        surroundings = Surroundings(self.payload["seed"])
        for index, item in enumerate(self.payload["inputs"]):
            self.wire.begin(index)
            self.channel.set_deadline(self.seconds + GRACE)
            surroundings.restore()
            self._input(item)
            if os.getpid() != self.process:
                os._exit(0)
            if threading.active_count() > self.threads:
                return
            surroundings.main_module()
            surroundings.forget([self.payload["module"]["name"]] + [row["name"] for row in self.payload["support"]])
            self.out.restore()
            self.err.restore()
        self.wire.line("Z")

    def _prepare(self) -> None:
        """Do as the host, or the family, says about values whose ``__repr__`` kills the process."""
        self.renderer.silent = frozenset(self.payload["silent"])
        if self.payload["announce"]:
            guard.announce_to(lambda name: self.wire.write(encode("A", name)))

    def load(self) -> ModuleType:
        """Execute the module for a family's members. Raises ``CannotTrace``."""
        self.program = Program(self.payload, self.renderer)
        return self.program.load()

    def run_member(self, member: Dict[str, Any], module: ModuleType, channel: Any) -> None:
        """Run one input in a fork of the process that executed its module, with a channel of its own; never returns."""
        code = 1
        try:
            self.payload.update(member)  # the program reads the same dictionary
            self.channel, self.process = channel, os.getpid()
            self.wire = WireWriter(channel.write)
            self.wire.line("H", WIRE_VERSION, RECORDER_VERSION, platform.python_version(), regions())
            self.wire.silence_forks()
            self._prepare()
            self.wire.begin(0)
            self._input(member["inputs"][0], module)
            if os.getpid() == self.process and threading.active_count() <= self.threads:
                self.wire.line("Z")
            code = 0
        finally:
            os._exit(code)

    def _input(self, item: Dict[str, Any], module: Optional[ModuleType] = None) -> None:
        try:
            if self.program is None:
                self.program = Program(self.payload, self.renderer)
            program = self.program
            if self.payload["kind"] == "program":
                ended = program.script(item["text"], lambda code: self._record(program.file_of, code))
                self._end(ended, item["expected"])
                return
            module = program.load() if module is None else module
            if self.payload["kind"] == "function":
                ended = program.call(module, item, lambda function: self._record(program.file_of, function))
            else:
                ended = program.docstring(module, item, lambda run: self._docstring_recorder(program, run))
        except CannotTrace as error:
            self.wire.line("!", error.reason, str(error))
            self._take_output()
            return
        self._end(ended)

    def _docstring_recorder(self, program: Program, run: Any) -> Callable[[Any], Any]:
        def file_of(frame: Any) -> Any:
            return program.plain(run.file_of(frame)) or program.file_of(frame)

        return lambda function: self._record(file_of, function)

    def _record(self, file_of: Callable[[Any], Any], function: Callable[[], Any]) -> Any:
        if not self.payload["traced"]:
            return function()
        codes = CodeTable(self.wire, file_of)
        recorder = self.recorder_class(self.wire, codes, self.renderer, self.limits, self._on_limit)
        rivals.recording[:] = [recorder]
        recorder.start()
        try:
            return function()
        finally:
            recorder.stop()
            rivals.recording.clear()
            self.failure = recorder.failure

    def _on_limit(self, label: str) -> None:
        # An exception could be swallowed by the program, which would then run on untraced: the process ends here.
        sys.settrace(None)
        self._end(Ended(label, None, None, []))
        os._exit(0)

    def _end(self, ended: Ended, want: Optional[str] = None) -> None:
        if self.failure is not None:
            raise self.failure
        if self.out.overflown() or self.err.overflown():
            self.wire.line("!", "output_limit", "the program wrote more to a standard stream than the sandbox keeps")
            self._take_output()
            return
        out, err = self._take_output()
        if want is not None:
            ended = ended._replace(expectations=[["stdout", want, out[0], not out[1] and same_output(want, out[0])]])
        self.wire.line("E", ended.label, ended.exit_code, ended.final, ended.expectations, out, err)

    def flush(self) -> None:
        """Have what the program wrote reach the descriptors."""
        for stream in (sys.stdout, sys.stderr):
            # The program may have closed or replaced it: then what reached the descriptor is all there is.
            with contextlib.suppress(Exception):
                stream.flush()

    def _take_output(self) -> Any:
        self.flush()
        return self.out.take(), self.err.take()


def run(payload: bytes, channel: Any) -> None:
    """Run one job, or a family of them (``members``).

    What goes wrong in the recorder itself is told to the host as ``recorder_error``.
    """
    rivals.watch()
    handlers.watch()
    job = Job(json.loads(payload.decode("utf-8", "surrogatepass")), channel)
    try:
        if "members" in job.payload:
            member = Family(job).run()
            if member is not None:
                job.run_member(*member)
        else:
            job.run()
    except Exception as error:
        sys.settrace(None)
        job.wire.line("!", "recorder_error", describe(error))
