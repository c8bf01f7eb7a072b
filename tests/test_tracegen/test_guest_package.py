"""The guest packages are foreign programs: standard library only, and they compile from Python 3.8 on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from interpreters import ROOT

from sandboxes.interpreters import Interpreter

GUESTS = sorted((ROOT / "tracegen/guest").glob("*.py")) + sorted((ROOT / "sandboxes/guest").glob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the top-level names that a module imports absolutely."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", GUESTS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_imports_only_the_standard_library(path: Path) -> None:
    assert imported(path) <= sys.stdlib_module_names


def test_compiles_under_every_python(interpreter: Interpreter) -> None:
    check = "import sys\nfor path in sys.argv[1:]: compile(open(path).read(), path, 'exec')"
    command = [interpreter.executable, "-W", "error", "-c", check, *map(str, GUESTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
