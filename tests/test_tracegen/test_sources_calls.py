"""A file and a call expression; and that planned expressions give their results under every Python at hand."""

import json
import subprocess
from pathlib import Path

import pytest
from interpreters import at_hand
from planning import SETTINGS, plan, texts

from sandboxes.interpreters import Interpreter
from schemas.errors import UsageError
from tracegen.guest.program import main_text
from tracegen.sources import PlanSettings, PlanStatistics, plan_call, plan_sources
from tracegen.sources.calls import call_expression
from tracegen.sources.scopes import readable_names

SAMPLE = Path(__file__).parents[1] / "data" / "functions_sample.jsonl"

GEOMETRY = '''"""Points."""
from shapes.scale import SCALE
from .names import name_of

class Point:
    def __init__(self, x, y):
        self.x, self.y = x * SCALE, y * SCALE

    def norm(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5

async def later(x):
    return x

if __name__ == "__main__":
    raise SystemExit("must not run")
'''


@pytest.fixture
def geometry(tmp_path: Path) -> Path:
    package = tmp_path / "anywhere" / "shapes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from shapes import names\n")
    (package / "names.py").write_text("def name_of(x):\n    return str(x)\n")
    (package / "scale.py").write_text("import shapes.missing\nSCALE = 2\n")
    (package / "unused.py").write_text("")
    file = package / "geometry.py"
    file.write_text(GEOMETRY)
    return file


_HARNESS = """
import json, sys
for code, main, want in json.load(sys.stdin):
    space = {"__name__": "snippet"}
    exec(compile(code, "snippet.py", "exec"), space)
    exec(compile(main, "<main>", "exec"), space)
    got = space["main"]()
    assert want is None or got == eval(want), (main, got, want)
"""


@pytest.mark.parametrize("python", at_hand(), ids=lambda found: found.version)
def test_planned_expressions_give_their_results(python: Interpreter) -> None:
    jobs, _ = plan(SAMPLE)
    cases = [(job.module.text, main_text(item.text), item.expected) for job in jobs for item in job.inputs]
    done = subprocess.run(
        [python.executable, "-W", "error", "-c", _HARNESS],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_drained_generator_raises_what_it_raises() -> None:
    text = "async def f():\n    yield 1\n    raise KeyError('second')\n"
    space: dict[str, object] = {}
    exec(text, space)
    exec(main_text(_planned(text, "f()")), space)
    main = space["main"]
    assert callable(main)
    with pytest.raises(KeyError, match="second"):
        main()


def _planned(code: str, call: str) -> str:
    return call_expression(call, readable_names(code, "3.11")).text


def test_the_whole_file_is_the_module(geometry: Path) -> None:
    job = plan_call(geometry, "Point(3, 4).norm()", SETTINGS)
    assert (job.kind, job.entry, job.inputs[0].text) == ("function", "Point.norm", "Point(3, 4).norm()")
    assert (job.module.name, job.module.path, job.module.text) == ("shapes.geometry", "shapes/geometry.py", GEOMETRY)
    assert [(module.name, module.path, module.is_package) for module in job.support] == [
        ("shapes", "shapes/__init__.py", True),
        ("shapes.names", "shapes/names.py", False),
        ("shapes.scale", "shapes/scale.py", False),
    ]


def test_ids_do_not_depend_on_where_the_file_lies(geometry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = plan_call(geometry, "later(1)", SETTINGS)
    monkeypatch.chdir(geometry.parent)
    relative = plan_call(Path("geometry.py"), "later(1)", SETTINGS)
    assert absolute.job_id() == relative.job_id()
    assert absolute.inputs == relative.inputs
    assert relative.inputs[0].text == "asyncio.run(later(1))"


def test_a_script_is_not_run_as_one(tmp_path: Path) -> None:
    file = tmp_path / "__main__.py"
    file.write_text("def f():\n    return __name__\n")
    assert plan_call(file, "f()", SETTINGS).module.name == "main"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("Point(3, 4", "not an expression"),
        ("x = 1", "not an expression"),
        ("Point", "calls nothing"),
        ("Pointt(1, 2)", "near: Point"),
        ("'a'.upper()", "nothing that has a name in the source"),
    ],
)
def test_a_wrong_call_is_a_usage_error(geometry: Path, call: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_call(geometry, call, SETTINGS)


def test_a_broken_file_is_a_usage_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = 1\ndef f(:\n")
    with pytest.raises(UsageError, match="line 2"):
        plan_call(file, "f()", SETTINGS)
    with pytest.raises(UsageError, match=r"no such file.*near: .*broken\.py"):
        plan_call(tmp_path / "brokn.py", "f()", SETTINGS)


def test_calls_after_a_file_take_the_place_of_its_doctests(geometry: Path) -> None:
    statistics = PlanStatistics()
    jobs, failures = plan(geometry, "Point(3, 4).norm()", "later(1)", "later(1)", statistics=statistics)
    assert (texts(jobs)[0], len(jobs), failures) == ("Point(3, 4).norm()", 3, [])
    assert [job.inputs[0].occurrence for job in jobs] == [0, 0, 1]
    assert (statistics.files, statistics.inputs) == (1, 3)


def test_a_call_longer_than_any_file_name(geometry: Path) -> None:
    jobs, _ = plan(geometry, f"Point({'1 + ' * 400}1, 2).norm()")
    assert len(jobs) == 1


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "no source was given; allowed: "),
        (["nowhere.py"], "no such file or folder: 'nowhere.py'"),
        (["nowhere"], "neither a file nor a folder nor a call; allowed: "),
        (["f(1)"], "needs a file of Python source before it"),
        (["module:json", "f(1)"], "needs a file of Python source before it"),
        (["nowhere/rows.jsonl"], "no such file or folder"),
        (["\0.py"], "no such file or folder"),
        ([str(SAMPLE.parents[1] / "golden" / "example.cwm.txt")], "of no known kind"),
    ],
)
def test_unknown_sources_are_refused_before_anything_is_planned(sources: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_sources(sources, SETTINGS)


def test_pure_blocks_the_twin_of_a_called_file(tmp_path: Path) -> None:
    file = tmp_path / "fast.py"
    file.write_text("try:\n    from _fast import f\nexcept ImportError:\n    def f(): return 1\n")
    pure = PlanSettings(python="3.11", image="i", pure=True)
    assert plan_call(file, "f()", pure).blocked_modules == ("_fast",)
    assert plan_call(file, "f()", SETTINGS).blocked_modules == ()
