"""Finds Python interpreters on this machine."""

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import UsageError

OLDEST = (3, 8)
_PROBE = (
    "import json, platform, sys; print(json.dumps([sys.executable, platform.python_version(),"
    " sys.implementation.name, platform.machine(), sys.base_prefix]))"
)


@dataclass(slots=True, frozen=True)
class Interpreter:
    """One interpreter that answered."""

    executable: str
    version: str
    """Full, e.g. ``3.11.7``."""
    implementation: str
    machine: str
    base_prefix: str

    @property
    def minor(self) -> str:
        """Return the version without its last part, e.g. ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def usable(self) -> bool:
        """Return whether guests run on it."""
        return tuple(int(part) for part in self.minor.split(".")) >= OLDEST


def own() -> Interpreter:
    """Return the interpreter that runs this."""
    return Interpreter(
        sys.executable, platform.python_version(), sys.implementation.name, platform.machine(), sys.base_prefix
    )


def installed() -> list[Interpreter]:
    """Return every usable interpreter at hand, oldest first: this one, those beside it and those on ``PATH``."""
    found = {own().version: own()}
    for candidate in _candidates():
        interpreter = probe(candidate)
        if interpreter is not None and interpreter.usable:
            found.setdefault(interpreter.version, interpreter)
    return sorted(found.values(), key=lambda each: tuple(int(part) for part in re.findall(r"\d+", each.version)))


def find(python: str | None) -> Interpreter:
    """Return the interpreter for a path or a version (``3.12``, ``3.12.1``); ``None`` means the one running this.

    Raises ``UsageError`` naming what there is.
    """
    if python is None:
        return own()
    if "/" in python:
        interpreter = probe(python)
        if interpreter is None or not interpreter.usable:
            raise UsageError(f"{python} is not a Python {OLDEST[0]}.{OLDEST[1]} or later that can be run")
        return interpreter
    if own().version == python or own().minor == python:
        return own()
    choices = installed()
    for interpreter in reversed(choices):
        if python in (interpreter.version, interpreter.minor):
            return interpreter
    names = ", ".join(each.version for each in choices)
    raise UsageError(f"no Python {python} was found (found: {names}); install it or give the path of its executable")


def probe(executable: str) -> Interpreter | None:
    """Ask an executable what it is; ``None`` if it is no working Python."""
    command = [executable, "-S", "-E", "-s", "-c", _PROBE]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=20, check=True, text=True).stdout
        return Interpreter(*json.loads(answer))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return None


def _candidates() -> list[str]:
    """Return paths worth asking: version managers keep interpreters side by side, distributions on ``PATH``."""
    paths = [path for name in _names() if (path := shutil.which(name))]
    beside = Path(sys.base_prefix).parent
    for prefix in sorted(beside.iterdir()):
        paths += [str(prefix / "bin" / name) for name in _names() if (prefix / "bin" / name).is_file()][:1]
    return paths


def _names() -> list[str]:
    return [f"python3.{minor}" for minor in range(OLDEST[1], 20)]
