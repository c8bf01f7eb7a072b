"""What the documents say can be done can be done: commands parse, links and targets exist, tables are current."""

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.cli import VERBS
from scripts.data_format import document

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every ``tracegen`` command of a document: in blocks, and in running text."""
    blocks = _FENCE.findall(text) + re.findall(r"^ {4,}\S.*$", text, re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        if re.match(r"\s*(\$ |[A-Z_]+=\S+ |ray job submit )*.*\btracegen [a-z-]", line) and "import" not in line:
            yield shlex.split(line.partition("tracegen ")[2], comments=True)
    for inline in _INLINE.findall(_FENCE.sub("", text)):
        if inline.startswith("tracegen "):
            yield shlex.split(inline)[1:]


def parse(arguments: list[str]) -> None:
    """Parse as ``pipelines.cli`` does, without running. Exits with 2 for what the command line refuses."""
    modules = {verb.name: verb.module for verb in VERBS}
    if arguments == ["--help"]:
        return
    parser = argparse.ArgumentParser(prog=f"tracegen {arguments[0]}")
    importlib.import_module(modules[arguments[0]]).add_arguments(parser)
    if not any(argument.startswith("-") or not argument.islower() for argument in arguments[1:]):
        return  # a verb that is only named
    parser.parse_args(arguments[1:])


COMMANDS = [(path, arguments) for path in DOCUMENTS for arguments in commands(path.read_text())]


def test_commands_are_found_where_they_are() -> None:
    found = {path.name for path, _ in COMMANDS}
    assert {"README.md", "operations.md", "sources.md"} <= found
    assert ["trace", "examples/shop.py", "total({'tea': 250, 'milk': 99}, {'tea': 10})"] in [one for _, one in COMMANDS]


@pytest.mark.parametrize(("path", "arguments"), COMMANDS, ids=lambda value: getattr(value, "name", None))
def test_a_documented_command_parses(path: Path, arguments: list[str]) -> None:
    parse(arguments)


def test_the_data_format_is_current() -> None:
    assert (ROOT / "docs" / "data-format.md").read_text() == document(), "run: make docs"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_targets_exist(path: Path) -> None:
    text = path.read_text()
    assert not [link for link in _LINK.findall(text) if not (path.parent / link).exists()]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^    )make ([a-z-]+)", text, re.MULTILINE)) <= targets
