"""The same suite under the oldest and the newest Python, with the pytest that each can have."""

import subprocess
from pathlib import Path

import pytest
from interpreters import at_hand
from jobs import removals, unnoticed
from small_suite import ENDS, FILES, names_in, record_of, suite

from sandboxes.interpreters import Interpreter
from sandboxes.open import open_pool, resolve_image
from schemas.limits import Limits
from tracegen.checks import record_problems
from tracegen.runner import pool_spec
from tracegen.suites import run_suite, suite_pool_spec

OTHERS = [found for found in at_hand() if found.minor in ("3.8", "3.13")]


@pytest.mark.parametrize("other", OTHERS, ids=lambda found: found.version)
def test_the_same_suite_under_other_pythons(other: Interpreter, tmp_path: Path) -> None:
    home = tmp_path / "home"
    subprocess.run([other.executable, "-m", "venv", str(home)], check=True, timeout=120)
    python = str(home / "bin/python")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "pytest", "coverage"]
    subprocess.run(install, check=True, timeout=300)
    with open_pool("process", suite_pool_spec(0, Limits()), resolve_image("process", python=python)) as pool:
        found = run_suite(pool, suite(tmp_path / "suite", FILES))
    assert {run.node: run.outcome for run in found} == ENDS
    for run in found:
        assert run.record is None or list(record_problems(run.record)) == []
    run = next(run for run in found if run.node.endswith("[two]"))
    assert names_in(run, "setup") == ["stock", "Stock.__init__"]
    assert record_of(run).python == other.version
    with open_pool("process", pool_spec(0, Limits()), resolve_image("process", python=python)) as pool:
        for core in ("ctrace", "pytrace"):
            record = unnoticed(pool, COVERED.replace("CORE", core))
            assert removals(record) == [("f", "sys.settrace")]


COVERED = """
import os, sys, tempfile

def f():
    os.environ["COVERAGE_CORE"] = "CORE"
    import coverage
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "measured.py")
        with open(path, "w") as file:
            file.write("def g(n):\\n    if n:\\n        return 1\\n    return 2\\n")
        sys.path.insert(0, folder)
        measure = coverage.Coverage(data_file=None, config_file=False, include=[path], branch=True)
        measure.start()
        import measured
        value = measured.g(1)
        measure.stop()
        _, lines, _, missing, _ = measure.analysis2(path)
        del sys.modules["measured"]
    return value, lines, missing
"""
