"""Runs a test suite under pytest, each test with a recorder of its own: one segment of the wire per test.

Beside the rows of ``wire`` it writes

["L", [node, ...]]                              once, before the first test: those that will run
["I", index, node]                              a test, or a file that cannot be collected, begins
["P", when, events, outcome, detail]            a phase has ended (``setup``, ``call``, ``teardown``); ``events``: how
                                                many the test had before it
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import random
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

from . import handlers, rivals
from .codes import CodeTable
from .entropy import seed_entropy
from .entry import GRACE
from .program import describe
from .recorder import Limits, Recorder
from .regions import regions
from .suite_files import SuiteFiles
from .types_text import clean
from .values import ValueRenderer
from .version import RECORDER_VERSION, WIRE_VERSION
from .wire import WireWriter

_ARGUMENTS = ["-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--continue-on-collection-errors"]
"""pytest's own files, timers and early end would be in the way."""
_WRAPPERS = ("pytest_runtest_protocol", "pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown")
_CUT = ("event_limit", "byte_limit")
_DETAIL = 2000
"""Characters kept of what pytest says of a phase."""


class Test:
    """One test while it runs: its recorder, which is on only within the phases."""

    def __init__(self, suite: Suite, node: str) -> None:
        self.node = node
        self.suite = suite
        self.label = "returned"
        self.exit_code: Optional[int] = None
        self.output = "", ""
        self.before = 0
        """Events before the phase that runs."""
        codes = CodeTable(suite.wire, suite.files.file_of)
        self.recorder = Recorder(suite.wire, codes, suite.renderer, suite.limits, self._on_limit)

    def start(self) -> None:
        """Record from here on, unless a limit was met before."""
        self.before = self.suite.wire.events
        if self.suite.payload["traced"] and self.label not in _CUT:
            rivals.recording[:] = [self.recorder]
            self.recorder.start()

    def stop(self) -> None:
        """Record no longer."""
        if self.suite.payload["traced"] and self.label not in _CUT:
            self.recorder.stop()
            rivals.recording.clear()

    def _on_limit(self, label: str) -> None:
        """End the recording: the test goes on, so that its outcome is known. A test out of time ends the process."""
        self.label = label
        sys.settrace(None)
        if label == "timeout":
            self.end()
            os._exit(0)

    def report(self, report: Any) -> None:
        """Write how a phase ended."""
        expected = hasattr(report, "wasxfail")
        outcome = "xpassed" if expected and report.passed else "xfailed" if expected else report.outcome
        if not report.passed and self.label == "returned":
            self.label = "raised"
        self.suite.wire.line("P", report.when, self.before, outcome, _detail(report))
        self.output = report.capstdout, report.capstderr

    def end(self) -> None:
        """Write the end of the test. A child that a test forked ends here."""
        if os.getpid() != self.suite.process:
            os._exit(0)
        if self.recorder.failure is not None:
            self.suite.wire.line("!", "recorder_error", describe(self.recorder.failure))
            return
        cut = self.suite.payload["limits"]["output_bytes"]
        out, err = (_kept(text, cut) for text in self.output)
        self.suite.wire.line("E", self.label, self.exit_code, None, [], out, err)


class Plugin:
    """What pytest calls. Its wrappers are the innermost, so that other plugins' work is in no phase."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._test: Any = None

    def pytest_collectreport(self, report: Any) -> None:
        """Note what cannot be collected."""
        if report.failed:
            self._suite.broken.append((report.nodeid, _detail(report)))

    def pytest_collection_modifyitems(self, items: List[Any]) -> None:
        """Leave out what ran in an earlier process."""
        done = set(self._suite.payload["done"])
        items[:] = [item for item in items if item.nodeid not in done]

    def pytest_collection_finish(self, session: Any) -> None:
        """Say what will run."""
        self._suite.plan(session.items)

    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        """Begin and end a test."""
        test = self._test = self._suite.begin(item.nodeid)
        outcome: Any = yield
        error = outcome.excinfo
        if error is not None:  # pytest.exit or KeyboardInterrupt: the session ends with this test
            test.label = "exited" if error[0].__name__ == "Exit" else "raised"
            test.exit_code = getattr(error[1], "returncode", None)
        test.end()

    def pytest_runtest_setup(self) -> Iterator[None]:
        """Record a phase."""
        yield from self._phase()

    def pytest_runtest_call(self) -> Iterator[None]:
        """Record a phase."""
        yield from self._phase()

    def pytest_runtest_teardown(self) -> Iterator[None]:
        """Record a phase."""
        yield from self._phase()

    def _phase(self) -> Iterator[None]:
        self._test.start()
        yield
        self._test.stop()

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Take note of a phase's outcome."""
        self._test.report(report)


class Suite:
    """A suite's run in this process."""

    def __init__(self, payload: Dict[str, Any], channel: Any) -> None:
        self.payload = payload
        self.channel = channel
        self.wire = WireWriter(channel.write)
        limits = payload["limits"]
        self.limits = Limits(limits["max_events"], limits["max_bytes"], limits["wall_seconds"])
        self.renderer = ValueRenderer(limits["value_characters"], limits["value_items"], limits["value_depth"])
        self.files = SuiteFiles(payload["folder"], payload["packages"])
        self.broken: List[Tuple[str, str]] = []
        self.process = os.getpid()
        self._segments = 0

    def run(self) -> None:
        """Run pytest in the suite's folder. Raises ``ImportError`` where it is not installed."""
        self.wire.line("H", WIRE_VERSION, RECORDER_VERSION, platform.python_version(), regions())
        self.wire.silence_forks()
        rivals.watch()
        handlers.watch()
        pytest = importlib.import_module("pytest")
        for name in _WRAPPERS:
            pytest.hookimpl(hookwrapper=True, trylast=True)(getattr(Plugin, name))
        os.chdir(self.payload["folder"])
        sys.path.insert(0, self.payload["folder"])
        arguments = [*_ARGUMENTS, *self.payload["arguments"]]
        sys.argv[:] = ["pytest", *arguments]
        sys.dont_write_bytecode = True
        random.seed(self.payload["seed"])
        seed_entropy(self.payload["seed"])
        pytest.main(arguments, plugins=[Plugin(self)])
        for node, detail in self.broken:
            self._segment(node)
            self.wire.line("!", "import_error", detail)
        self.wire.line("Z")

    def plan(self, items: List[Any]) -> None:
        """Say which tests will run; their modules are the suite's own code."""
        self.wire.line("L", [item.nodeid for item in items])
        self.files.tests = frozenset(str(item.fspath) for item in items)

    def begin(self, node: str) -> Test:
        """Begin a test and its time."""
        self._segment(node)
        self.channel.set_deadline(self.payload["limits"]["wall_seconds"] + GRACE)
        return Test(self, node)

    def _segment(self, node: str) -> None:
        self.wire.begin(self._segments, node)
        self._segments += 1


def _detail(report: Any) -> str:
    """Return what pytest says of a report that did not pass: the reason of a skip, the message of an exception."""
    told = report.longrepr
    if hasattr(report, "wasxfail"):
        text = report.wasxfail
    elif report.outcome == "passed":
        text = ""
    elif isinstance(told, tuple):
        text = told[2]
    else:
        crash = getattr(told, "reprcrash", None)
        text = crash.message if crash is not None else str(told)
    return clean(str(text))[:_DETAIL]


def _kept(text: str, most: int) -> List[Any]:
    data = clean(text).encode("utf-8")
    return [data[:most].decode("utf-8", "ignore"), max(0, len(data) - most), False]


def run(payload: bytes, channel: Any) -> None:
    """Run a suite, as far as this process comes. What goes wrong beside the tests is told as ``recorder_error``."""
    suite = Suite(json.loads(payload.decode("utf-8", "surrogatepass")), channel)
    try:
        suite.run()
    except Exception as error:
        sys.settrace(None)
        suite.wire.begin(0, "")
        suite.wire.line("!", "recorder_error", describe(error))
