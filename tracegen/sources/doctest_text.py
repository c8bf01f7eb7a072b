"""Finds docstrings in a syntax tree as ``doctest.DocTestFinder`` finds them on the imported module.

Differences, all of them from not running the module: what a condition or a ``try`` leaves out is found too; a docstring
that is computed, or assigned to an attribute, is not; a ``functools.cached_property`` is found (the finder overlooks
it); a function that a decorator hides is found; ``__test__`` counts if it is a literal of strings or of names of them.
"""

import ast
import doctest
from collections.abc import Iterator
from dataclasses import dataclass

from tracegen.sources.base import Rejected
from tracegen.sources.scopes import FunctionNode, statements

_ACCESSORS = frozenset({"setter", "deleter"})


@dataclass(slots=True, frozen=True)
class Definition:
    """The module, a class, a function, or something else that can hold a docstring."""

    name: str
    """Qualified name; empty for the module."""
    docstring: str | None
    is_function: bool


def definitions(tree: ast.Module) -> list[Definition]:
    """Return what the doctest finder would look at, in order of the text."""
    found = [Definition("", _docstring(tree), is_function=False)]
    # Classes nest only as deep as indentation does (100 levels), so a stack is not needed.
    found.extend(_in_scope(tree.body, ""))
    found.extend(_test_dictionary(tree))
    return found


def examples(docstring: str) -> list[doctest.Example]:
    """Return the docstring's examples. Raises ``Rejected`` (``bad_input``) if they are malformed."""
    try:
        return doctest.DocTestParser().get_examples(docstring)
    except ValueError as error:
        raise Rejected("bad_input", f"malformed doctest: {error}") from error


def _in_scope(body: list[ast.stmt], prefix: str) -> Iterator[Definition]:
    for node in _surviving(body):
        if isinstance(node, ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield Definition(name, _docstring(node), is_function=False)
            yield from _in_scope(node.body, f"{name}.")
        elif isinstance(node, FunctionNode):
            yield Definition(f"{prefix}{node.name}", ast.get_docstring(node, clean=False), is_function=True)
        elif prefix and isinstance(node, ast.Assign):
            yield from _property(node, prefix)


def _surviving(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield definitions and assignments, without those that a later one of the same name and block replaces."""
    last: dict[tuple[str, int], ast.stmt] = {}
    for node, block in statements(body):
        if isinstance(node, ast.Delete):
            deleted = {target.id for target in node.targets if isinstance(target, ast.Name)}
            last = {key: kept for key, kept in last.items() if key[0] not in deleted}
        name = _name(node)
        if name is not None:
            # The replaced one's place goes too: a dict keeps the place of its first key.
            last.pop((name, block), None)
            last[name, block] = node
    return iter(list(last.values()))


def _name(node: ast.stmt) -> str | None:
    if isinstance(node, ast.ClassDef):
        return node.name
    if isinstance(node, FunctionNode):
        return None if any(_is_accessor(decorator) for decorator in node.decorator_list) else node.name
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call):
        return node.targets[0].id if _calls_property(node.value) else None
    return None


def _is_accessor(decorator: ast.expr) -> bool:
    """``@x.setter``: the property keeps the docstring of its getter."""
    return isinstance(decorator, ast.Attribute) and decorator.attr in _ACCESSORS


def _calls_property(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "property"


def _property(node: ast.Assign, prefix: str) -> Iterator[Definition]:
    """``x = property(get, set, delete, doc)``."""
    if not (isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name)):
        return
    given = [*node.value.args[3:4], *(keyword.value for keyword in node.value.keywords if keyword.arg == "doc")]
    for value in given:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield Definition(f"{prefix}{node.targets[0].id}", value.value, is_function=False)


def _docstring(node: ast.Module | ast.ClassDef) -> str | None:
    """Return the docstring; a later ``__doc__ = "..."`` in the body replaces it."""
    assigned = _strings(node.body).get("__doc__")
    return ast.get_docstring(node, clean=False) if assigned is None else assigned


def _strings(body: list[ast.stmt]) -> dict[str, str]:
    """Return the names that are bound to string literals."""
    return {
        target.id: node.value.value
        for node, _ in statements(body)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _test_dictionary(tree: ast.Module) -> Iterator[Definition]:
    strings = _strings(tree.body)
    for node, _ in statements(tree.body):
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)):
            continue
        if not any(isinstance(target, ast.Name) and target.id == "__test__" for target in node.targets):
            continue
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            text = strings.get(value.id) if isinstance(value, ast.Name) else getattr(value, "value", None)
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(text, str):
                yield Definition(f"__test__.{key.value}", text, is_function=False)
