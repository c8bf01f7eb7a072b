"""Doctests of files, folders and installed modules, found without importing them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planning import SETTINGS, plan, texts, trace_ids

from schemas.errors import UsageError
from schemas.job import TraceJob
from tracegen.sources import PlanSettings, PlanStatistics, plan_sources
from tracegen.sources.conventions import MARK
from tracegen.sources.doctest_text import examples

PURE = PlanSettings(python="3.11", image="i", pure=True)

MODULES = [
    "statistics", "collections", "difflib", "fractions", "pickletools", "zipfile", "json", "json.encoder", "typing",
    "enum", "heapq", "textwrap", "doctest", "secrets", "http.cookies", "ipaddress", "subprocess", "_threading_local",
    "importlib.metadata", "importlib.metadata._functools", "asyncio.timeouts", "unittest.mock", "pickle", "uuid",
]  # fmt: skip


def entries(jobs: list[TraceJob]) -> list[str]:
    return [job.entry for job in jobs]


_FINDER = """
import doctest, importlib, json, sys
found = {}
for name in sys.argv[1:]:
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    found[name] = {test.name: [one.source for one in test.examples] for test in tests if test.examples}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def finder() -> dict[str, dict[str, list[str]]]:
    """What the doctest finder sees in a fresh process: pytest's own imports patch ``typing``."""
    done = subprocess.run([sys.executable, "-c", _FINDER, *MODULES], capture_output=True, text=True, check=True)
    found: dict[str, dict[str, list[str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_what_the_doctest_finder_finds(finder: dict[str, dict[str, list[str]]], name: str) -> None:
    jobs, failures = plan(f"module:{name}")
    own = {
        f"{name}.{job.entry}".rstrip("."): [
            one.source for one in examples(job.inputs[0].text) if not one.source.endswith(f"{MARK}\n")
        ]
        for job in jobs
        if job.module.name == name
    }
    assert (own, failures) == (finder[name], [])


def test_pydecimal_gives_what_it_gives_under_its_own_name() -> None:
    # It calls itself ``decimal``, so the finder overlooks nearly all of it on the imported module.
    jobs, failures = plan("module:_pydecimal")
    assert (len(jobs) > 60, failures) == (True, [])
    assert {"Context.add", "Decimal.from_float", "localcontext"} <= set(entries(jobs))


def test_planning_a_module_does_not_import_it() -> None:
    name = "xmlrpc.client"
    assert name not in sys.modules
    plan("module:xmlrpc", "module:difflib")
    assert name not in sys.modules


def test_a_package_is_taken_with_its_submodules_and_carries_them() -> None:
    jobs, _ = plan("module:json")
    assert [job.inputs[0].source_id for job in jobs] == ["json", "json.encoder:JSONEncoder.encode"]
    assert [module.name for module in jobs[0].support] == ["json.decoder", "json.encoder", "json.scanner"]
    assert "json" in [module.name for module in jobs[1].support]
    assert jobs[1].module.path == "json/encoder.py"


@pytest.mark.parametrize(
    ("name", "blocked"),
    [
        ("heapq", {"_heapq"}),
        ("statistics", {"_statistics"}),
        ("json", {"_json"}),
        ("typing", {"_typing"}),
        ("datetime", {"_datetime"}),
        ("collections", set()),  # ``deque`` comes from ``_collections`` or not at all
        ("difflib", set()),
    ],
)
def test_pure_blocks_c_twins_that_can_be_done_without(name: str, blocked: set[str]) -> None:
    jobs, _ = plan(f"module:{name}", settings=PURE)
    assert {twin for job in jobs for twin in job.blocked_modules} == blocked
    plain, _ = plan(f"module:{name}")
    assert not any(job.blocked_modules for job in plain)


@pytest.mark.parametrize("name", ["sys", "_heapq", "math", "_frozen_importlib"])
def test_a_module_without_source_is_a_failure(name: str) -> None:
    jobs, failures = plan(f"module:{name}")
    assert (jobs, [(failure.reason, failure.source_id) for failure in failures]) == ([], [("no_source", name)])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("module:statistcs", "near: statistics"),
        ("module:json.decodr", r"near: json\.decoder"),
        ("module:no_such_module_at_all", "is installed here"),
        ("module:", "is not a module's name"),
        ("module:json..decoder", "is not a module's name"),
        ("module:../x", "is not a module's name"),
    ],
)
def test_an_unknown_module_is_a_usage_error(source: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_sources([source], SETTINGS)


def test_an_installed_package_outside_the_standard_library() -> None:
    statistics = PlanStatistics()
    with pytest.raises(UsageError, match="nothing to trace in module:iniconfig"):
        plan("module:iniconfig", statistics=statistics)
    assert statistics.functions == statistics.functions_without_inputs > 5


EVERY_PLACE = '''"""Module.

>>> 1
1
"""
import functools

__test__ = {"literal": ">>> 2\\n2\\n", "named": TEXT, "computed": str(3)}
TEXT = """
>>> 4
4
"""

def plain():
    """>>> 5"""
    def inner():
        """>>> not found"""

async def later():
    """>>> 6"""

def replaced():
    """>>> not found"""

def replaced():
    """>>> 7"""

def deleted():
    """>>> not found"""
del deleted

if condition:
    def either():
        """>>> 8"""
else:
    def either():
        """>>> 9"""

if __name__ == "__main__":
    def script():
        """>>> not found"""

class Outer:
    """>>> 10"""

    class Inner:
        @classmethod
        def make(cls):
            """>>> 11"""

    @property
    def side(self):
        """>>> 12"""

    @side.setter
    def side(self, value):
        """>>> not found"""

    area = property(lambda self: 0, doc=">>> 13")

    @functools.cached_property
    def cached(self):
        """>>> 14"""

class Told:
    __doc__ = ">>> 15"

def no_example():
    """Has words only."""

def prompt_in_words():
    """Type >>> to begin."""

def commented():
    """
    >>> # nothing to run
    """

def malformed():
    """
    >>> 1
  bad indentation
    """

def surrogate():
    """>>> '\\ud800'"""
'''


def test_every_place_that_holds_a_docstring(tmp_path: Path) -> None:
    file = tmp_path / "places.py"
    file.write_text(EVERY_PLACE)
    statistics = PlanStatistics()
    jobs, failures = plan(file, statistics=statistics)
    assert [job.inputs[0].source_id for job in jobs] == [
        "places.py",
        "places.py:plain",
        "places.py:later",
        "places.py:replaced",
        "places.py:either#1",
        "places.py:either#2",
        "places.py:Outer",
        "places.py:Outer.Inner.make",
        "places.py:Outer.side",
        "places.py:Outer.area",
        "places.py:Outer.cached",
        "places.py:Told",
        "places.py:__test__.literal",
        "places.py:__test__.named",
    ]
    assert not any("not found" in text for text in texts(jobs))
    assert [(failure.entry, failure.reason) for failure in failures] == [
        ("malformed", "bad_input"),
        ("surrogate", "bad_input"),
    ]
    assert (statistics.doctests, statistics.inputs, statistics.failures) == (14, 14, 2)
    assert (statistics.functions, statistics.functions_without_inputs) == (13, 3)


def make(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


DOC = '"""\n>>> 1\n1\n"""\n'


def test_a_folder_is_searched_and_bad_files_do_not_stop_it(tmp_path: Path) -> None:
    folder = make(
        tmp_path / "src",
        {
            "b.py": DOC,
            "a/mod.py": DOC,
            "a/__init__.py": "",
            "a/broken.py": "def f(:\n",
            "a/latin.py": b"# -*- coding: latin-1 -*-\n'''\xe9\n>>> 1\n1\n'''\n",
            "a/undecodable.py": b"'''\xe9\n>>> 1\n'''\n",
            "a/unknown_coding.py": b"# coding: no-such\n",
            "a/nulls.py": b"x = '\0'\n",
            "a/readme.txt": ">>> 1",
            "a/__pycache__/c.py": DOC,
            ".hidden/d.py": DOC,
            "env/pyvenv.cfg": "",
            "env/lib/e.py": DOC,
        },
    )
    (folder / "loop").symlink_to(folder)
    jobs, failures = plan(folder)
    assert [(job.inputs[0].source_id, job.module.name) for job in jobs] == [
        ("b.py", "b"),
        ("a/latin.py", "a.latin"),
        ("a/mod.py", "a.mod"),
    ]
    assert texts(jobs)[1].startswith("é")
    assert [(failure.source_id, failure.reason) for failure in failures] == [
        ("a/broken.py", "syntax_error"),
        ("a/nulls.py", "syntax_error"),
        ("a/undecodable.py", "unreadable_source"),
        ("a/unknown_coding.py", "unreadable_source"),
    ]


def test_ids_do_not_depend_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, str | bytes] = {"pkg/__init__.py": "", "pkg/sub/__init__.py": DOC, "pkg/sub/m.py": DOC}
    first, second = make(tmp_path / "one", files), make(tmp_path / "two" / "deeper", files)
    expected = trace_ids(plan(first)[0])
    assert trace_ids(plan(second)[0]) == expected
    # Naming a package, or a file in it, gives the same module as naming the folder around it.
    assert trace_ids(plan(second / "pkg")[0]) == expected
    assert trace_ids(plan(second / "pkg" / "sub" / "m.py")[0]) == expected[1:]
    monkeypatch.chdir(second / "pkg" / "sub")
    assert trace_ids(plan(".")[0]) == expected


def test_support_is_the_closure_of_own_imports(tmp_path: Path) -> None:
    folder = make(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/core.py": "'>>> from app.only_in_doctest import x'\nfrom . import helper\nimport json, nowhere\n",
            "app/helper.py": "def f():\n    from .deep import lazy\n    import spaces.inner\n",
            "app/deep/__init__.py": "",
            "app/deep/lazy.py": "import app.core\n",
            "app/only_in_doctest.py": "x = 1\n",
            "app/unused.py": "",
            "app/broken.py": "def (",
            "spaces/inner.py": "from app import broken\n",
            "json.py": "named like the standard library's",
        },
    )
    jobs, _ = plan(folder / "app" / "core.py")
    assert [module.name for module in jobs[0].support] == [
        "app",
        "app.broken",
        "app.deep",
        "app.deep.lazy",
        "app.helper",
        "app.only_in_doctest",
        "spaces",
        "spaces.inner",
    ]
    assert jobs[0].support[6].is_package


def test_too_much_support_is_a_failure_per_docstring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.sources.tree.MAX_SUPPORT_MODULES", 1)
    make(tmp_path, {"a.py": DOC + "import b, c\ndef f():\n    '>>> 2'\n", "b.py": "", "c.py": ""})
    jobs, failures = plan(tmp_path / "a.py")
    assert jobs == []
    assert [(failure.source_id, failure.reason) for failure in failures] == [
        ("a.py", "import_error"),
        ("a.py:f", "import_error"),
    ]


def test_an_oversized_or_unreadable_file_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.sources.python_source.MAX_SOURCE_BYTES", 10)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nothing")
    make(tmp_path, {"big.py": DOC})
    _, failures = plan(tmp_path)
    assert [failure.source_id for failure in failures] == ["big.py", "dangling.py"]
    assert {failure.reason for failure in failures} == {"unreadable_source"}


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.py")
    try:
        (tmp_path / name).write_text(DOC)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    jobs, _ = plan(tmp_path)
    assert jobs[0].module.path == r"caf\udce9.py"


def test_nothing_at_all_is_a_usage_error_that_says_what_to_do(tmp_path: Path) -> None:
    make(tmp_path, {"bare.py": "def f():\n    return 1\n", "with.py": DOC})
    with pytest.raises(UsageError, match=r"found 1 functions without either in 1 files.*FILE\.py 'function"):
        plan(tmp_path / "bare.py")
    statistics = PlanStatistics()
    jobs, _ = plan(tmp_path / "bare.py", tmp_path / "with.py", statistics=statistics)
    assert len(jobs) == 1
    assert statistics.sources_without_inputs == [str(tmp_path / "bare.py")]
