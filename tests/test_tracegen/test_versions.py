"""The same program under every Python: one golden recording for all versions that agree, others where they differ.

``tests/golden/versions/NAME.FIRST-LAST.txt`` (``NAME.ONLY.txt``) holds what these versions record of
``tests/corpus/versions/NAME.py``. What differs is listed in docs/recorder-limits.md.
"""

import os
from functools import cache
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Final

import pytest
from golden import FOLDER
from interpreters import ROOT, at_hand
from jobs import run_record

from sandboxes.interpreters import Interpreter
from sandboxes.open import open_pool, resolve_image
from schemas.limits import Limits
from schemas.special_tokens import ARG_SEP
from schemas.trace_record import TraceRecord
from tracegen.render import get_renderer
from tracegen.runner import pool_spec

PROGRAMS: Final = {path.stem: path for path in sorted((ROOT / "tests/corpus/versions").glob("*.py"))}
SINCE: Final = {"matching": (3, 10), "groups": (3, 11), "generics": (3, 12), "templates": (3, 14), "frozen": (3, 15)}
"""First version that has a program's syntax."""
GOLDEN: Final = FOLDER / "versions"
ACCEPTING: Final = os.environ.get("TRACEGEN_ACCEPT_GOLDEN") == "1"


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _runs(interpreter: Interpreter, name: str) -> bool:
    return _version(interpreter.minor) >= SINCE.get(name, (3, 8))


@cache
def _recordings(interpreter: Interpreter) -> dict[str, str]:
    """Return the text of every program that an interpreter can run."""
    image = resolve_image("process", python=interpreter.executable)
    with open_pool("process", pool_spec(0, Limits()), image) as pool:
        return {
            name: _text(run_record(pool, path.read_text(), "run()"))
            for name, path in PROGRAMS.items()
            if _runs(interpreter, name)
        }


def _text(record: TraceRecord) -> str:
    """Return the ``compact`` text after its context, each event on a line of its own."""
    assert record.outcome.label == "returned"
    after = get_renderer("compact").render(record)[3:]
    apart = ("\n" if segment.special and segment.text != ARG_SEP else "" for segment in after)
    return "".join(end + segment.text for end, segment in zip(apart, after, strict=True)).lstrip("\n") + "\n"


def _files(name: str) -> list[tuple[tuple[int, ...], tuple[int, ...], Path]]:
    """Return first version, last version and path of each golden file of a program, in order."""
    found = []
    for path in GOLDEN.glob(f"{name}.*.txt"):
        first, _, last = path.name.removeprefix(f"{name}.").removesuffix(".txt").partition("-")
        found.append((_version(first), _version(last or first), path))
    return sorted(found)


def _accept(name: str) -> None:
    """Write one file for each run of versions that record the same; needs every interpreter."""
    for _, _, path in _files(name):
        path.unlink()
    able = [each for each in at_hand() if _runs(each, name)]
    for text, group in groupby(able, key=lambda each: _recordings(each)[name]):
        span = dict.fromkeys(edge.minor for edge in itemgetter(0, -1)(list(group)))
        (GOLDEN / f"{name}.{'-'.join(span)}.txt").write_bytes(text.encode())


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_recorded_as_its_versions_file_says(name: str, interpreter: Interpreter) -> None:
    if not _runs(interpreter, name):
        pytest.skip(f"Python {interpreter.minor} does not have the syntax")
    if ACCEPTING:
        _accept(name)
    minor = _version(interpreter.minor)
    paths = [path for first, last, path in _files(name) if first <= minor <= last]
    assert len(paths) == 1, f"{name} has {len(paths)} golden files for {interpreter.minor}: see CONTRIBUTING.md"
    assert _recordings(interpreter)[name] == paths[0].read_bytes().decode()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_programs_files_cover_all_versions_and_differ(name: str) -> None:
    files = _files(name)
    assert files[0][0] == SINCE.get(name, (3, 8))
    for (_, last, path), (first, _, following) in pairwise(files):
        assert first == (last[0], last[1] + 1)
        assert path.read_bytes() != following.read_bytes()
