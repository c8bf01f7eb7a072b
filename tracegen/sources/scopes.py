"""What the statements of a scope bind, found without running them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tracegen.sources.base import Rejected
from tracegen.sources.python_source import newer_than_here, parse

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

_NESTED: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_BINDS_UNSEEN: Final = frozenset({"exec", "globals", "vars"})
_DEFINITION: Final = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)


@dataclass(slots=True)
class ModuleNames:
    """The top-level names of a module, as far as its text tells."""

    bound: set[str] = field(default_factory=set)
    functions: dict[str, FunctionNode | None] = field(default_factory=dict)
    """Top-level functions in order; the node is ``None`` when the name may hold something else at run time."""
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    is_open: bool = False
    """Names may appear that the text does not show: star imports, ``exec``, ``globals()``, unknown syntax."""

    def has(self, name: str) -> bool:
        """Tell whether the name is, or may be, defined."""
        return name in self.bound or self.is_open


def statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, int]]:
    """Yield a scope's statements in order, blocks entered, each with its block's number.

    Nested scopes are not entered, nor what runs only as a script (``if __name__ == "__main__"``).
    Iterative: a chain of a thousand ``elif`` is a thousand blocks deep.
    """
    stack = [(node, 0) for node in reversed(body)]
    blocks = 0
    while stack:
        node, block = stack.pop()
        yield node, block
        if isinstance(node, _NESTED):
            continue
        inner = [node.orelse] if isinstance(node, ast.If) and is_main_guard(node) else _blocks(node)
        for number, part in reversed(list(enumerate(inner, start=blocks + 1))):
            stack.extend((child, number) for child in reversed(part))
        blocks += len(inner)


def _blocks(node: ast.stmt) -> list[list[ast.stmt]]:
    parts: list[list[ast.stmt]] = [getattr(node, "body", [])]
    parts += [handler.body for handler in getattr(node, "handlers", [])]
    parts += [case.body for case in getattr(node, "cases", [])]
    parts += [getattr(node, "orelse", []), getattr(node, "finalbody", [])]
    return [part for part in parts if part]


def is_main_guard(node: ast.If) -> bool:
    """Tell whether this is ``if __name__ == "__main__"``."""
    test = node.test
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = {ast.dump(test.left), ast.dump(test.comparators[0])}
    return sides == {ast.dump(ast.Name("__name__", ast.Load())), ast.dump(ast.Constant("__main__"))}


def module_names(tree: ast.Module) -> ModuleNames:
    """Return what the module binds."""
    names = ModuleNames()
    for node, _ in statements(tree.body):
        if isinstance(node, FunctionNode):
            previous = names.functions.get(node.name, node)
            names.functions[node.name] = node if node.name not in names.bound or previous is not None else None
            names.bound.add(node.name)
            continue
        if isinstance(node, ast.ClassDef):
            names.classes[node.name] = node
        for name in bound_by(node):
            if name in names.functions:
                names.functions[name] = None
            names.bound.add(name)
        names.is_open |= isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Global):
            names.bound.update(inner.names)
        names.is_open |= isinstance(inner, ast.Name) and inner.id in _BINDS_UNSEEN
    return names


def readable_names(text: str, python: str) -> ModuleNames:
    """Return the names of a module that a sandbox of that minor version will run.

    Raises ``Rejected`` (``syntax_error``), unless its Python is newer than this one: then the sandbox is to judge.
    """
    try:
        return module_names(parse(text))
    except Rejected:
        if not newer_than_here(python):
            raise
        return _guessed_names(text)


def _guessed_names(text: str) -> ModuleNames:
    """Return the functions of a text that only a newer Python can parse: its unindented ``def`` lines."""
    found = _DEFINITION.findall(text)
    return ModuleNames(bound=set(found), functions=dict.fromkeys(found), is_open=True)


def bound_by(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement binds in its scope, blocks inside it not counted."""
    if isinstance(node, ast.ClassDef | FunctionNode):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    else:
        yield from _stored(node)


def _stored(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement's own expressions and patterns bind; its blocks are visited by themselves."""
    stack: list[ast.AST] = [statement]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        stack.extend(
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, (*_NESTED, *_COMPREHENSIONS, ast.stmt, ast.ExceptHandler))
        )


def is_generator(function: FunctionNode) -> bool:
    """Tell whether the function's own body yields."""
    stack: list[ast.AST] = list(function.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, _NESTED):
            stack.extend(ast.iter_child_nodes(node))
    return False
