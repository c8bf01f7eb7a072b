"""Our generic package names mean this checkout's packages, and nothing of ours hides what others own."""

import importlib
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from pipelines.checkup import DISTRIBUTION, PACKAGES

ROOT = Path(__file__).parents[1]
ALLOWED = {"sandboxes/docker"}
"""Named like a dependency, and harmless while nothing runs a file of ``sandboxes/`` as a script."""


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_this_checkouts_and_nobody_elses(name: str) -> None:
    package = importlib.import_module(name)
    assert package.__file__ == str(ROOT / name / "__init__.py")
    assert set(packages_distributions()[name]) == {DISTRIBUTION}


def test_every_folder_with_modules_is_an_explicit_package() -> None:
    folders = {path.parent for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not [name for name in PACKAGES if not (ROOT / name / "py.typed").is_file()]


def test_no_module_is_named_like_the_standard_library_or_a_dependency() -> None:
    others = sys.stdlib_module_names | (packages_distributions().keys() - set(PACKAGES))
    modules = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if path.name != "__init__.py"]
    inner = [path.parent for name in PACKAGES for path in (ROOT / name).rglob("*/__init__.py")]
    hiding = {path.relative_to(ROOT).as_posix() for path in [*modules, *inner] if path.stem in others}
    assert hiding == ALLOWED


def test_the_wheel_has_the_five_packages_and_what_they_need(tmp_path: Path) -> None:
    source = tmp_path / "source"
    copytree(ROOT, source, ignore=ignore_patterns(".*", "*.egg-info", "demo-output", "__pycache__", "build", "dist"))
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    wanted = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.py")}
    wanted |= {f"{name}/py.typed" for name in PACKAGES} | {"pipelines/recipes/demo.yaml"}
    assert wanted <= set(names)
    assert any(name.endswith("/LICENSE") for name in names)
