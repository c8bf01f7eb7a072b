"""Names that docstrings take for granted, and the imports that their package tells."""

import ast
import doctest
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning import plan, texts

from tracegen.sources.conventions import MARK, free_names, with_imports


def package(folder: Path, **modules: str) -> Path:
    """Write a package ``kit``; ``__`` in a name is a folder."""
    for name, text in {"__init__": "", **modules}.items():
        file = folder / "kit" / f"{name if name == '__init__' else name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text)
    return folder / "kit"


def function(*examples: str, before: str = "") -> str:
    shown = "\n    ".join(f">>> {one}" for one in examples)
    return f'{before}\ndef f():\n    """\n    {shown}\n    """\n'


def imports_of(folder: Path) -> list[str]:
    """Return the lines that were put before the only docstring of ``asks.py``."""
    jobs, failures = plan(folder)
    assert not failures
    (text,) = [one for job in jobs if job.module.name == "kit.asks" for one in texts([job])]
    found = [one.source for one in doctest.DocTestParser().get_examples(text)]
    return [one.removesuffix(f"  {MARK}\n") for one in found if one.endswith(f"{MARK}\n")]


def test_examples_tell_before_code_and_the_most_frequent_import_counts(tmp_path: Path) -> None:
    shown = function("import kit as k", "from math import tau as t")
    coded = "import json as k\nimport json as j\nimport csv as j\nimport csv as j\n"
    assert imports_of(package(tmp_path, one=shown, two=coded, asks=function("k.f(t, j)"))) == [
        "import csv as j",
        "import kit as k",
        "from math import tau as t",
    ]


def test_the_package_and_its_modules_come_last(tmp_path: Path) -> None:
    folder = package(tmp_path, notes="", deep__inner="", asks=function("kit.f(notes, deep, inner)"))
    assert imports_of(folder) == ["from kit import deep", "import kit", "from kit import notes"]


def test_relative_imports_are_written_from_above(tmp_path: Path) -> None:
    folder = package(tmp_path, deep__one="from .. import tools as t\nfrom .x import y", asks=function("t(y)"))
    assert imports_of(folder) == ["from kit import tools as t", "from kit.deep.x import y"]


@pytest.mark.parametrize(
    "asks",
    [
        function("g", before="import decimal as g"),
        function("import fractions as g", "g"),
        function("def h(g): return g"),
        function("[g for g in range(3)]"),
        function("try: pass\n    ... except ValueError as g: print(g)"),
        function("from math import *", "g"),
        function("print"),
        function("__name__"),
        function("g  # NameError: name 'g' is not defined"),
        function("g", before="from somewhere import *"),
        function("nobody_knows"),
    ],
)
def test_what_is_defined_or_may_be_gets_no_import(tmp_path: Path, asks: str) -> None:
    assert imports_of(package(tmp_path, one="import json as g", asks=asks)) == []


def test_a_star_import_leaves_what_examples_tell(tmp_path: Path) -> None:
    folder = package(tmp_path, one=function("import kit as k"), asks=function("k.f()", before="from math import *"))
    assert imports_of(folder) == ["import kit as k"]


def test_scripts_of_a_folder_tell_each_other_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import json as g")
    (tmp_path / "two.py").write_text(function("g"))
    jobs, _ = plan(tmp_path)
    assert MARK not in jobs[0].inputs[0].text


def test_prose_and_broken_examples_are_no_imports(tmp_path: Path) -> None:
    prose = '"""\nimport g from the shop\nfrom g we know nothing\n>>> import ) as g\n"""\n'
    assert imports_of(package(tmp_path, one=prose, asks=function("g"))) == []


def test_ids_do_not_depend_on_how_much_of_the_package_is_asked_for(tmp_path: Path) -> None:
    folder = package(tmp_path, one="import json as g", asks=function("g.dumps(1)"))
    alone, whole = plan(folder / "asks.py")[0], plan(folder)[0]
    assert texts(alone) == texts(whole)
    assert "import json as g" in texts(alone)[0]


@given(st.lists(st.sampled_from(["import json", "from a.b import c as d"]), max_size=3), st.text())
def test_the_docstring_is_what_follows_the_first_blank_line(imports: list[str], docstring: str) -> None:
    text = with_imports(docstring, imports)
    assert text == docstring if not imports else text.partition("\n\n")[2] == docstring


@given(
    st.sampled_from(["x = {0}", "print({0} + y)", "lambda {0}: z", "for {0} in w: pass", "import {0}.v"]), st.just("n")
)
def test_free_names_are_those_that_no_scope_of_the_examples_binds(form: str, name: str) -> None:
    source = form.format(name)
    nodes = list(ast.walk(ast.parse(source)))
    loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert free_names([source]) == loaded - {"print"} - (
        {name} if form.startswith(("lambda", "for", "import")) else set()
    )
