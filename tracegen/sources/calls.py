"""Call expressions: which function of the module they call, and the expression whose value is a result."""

import ast
import builtins
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tracegen.sources.base import Rejected
from tracegen.sources.python_source import parse_expression
from tracegen.sources.scopes import FunctionNode, ModuleNames, is_generator

# Parses and runs on 3.8 to 3.15. ``asyncio.run`` wants a coroutine, which no expression outside an ``async def`` is:
# a generator expression with ``await`` becomes an asynchronous one, in which the draining comprehension is allowed, and
# ``wait_for`` makes its first item a coroutine. The call itself, being the outermost iterable, keeps the names of its
# own scope.
_DRAIN: Final = (
    "asyncio.run(asyncio.wait_for((await asyncio.sleep(0, [item async for item in items]) for items in [",
    "]).__anext__(), None))",
)
_AWAIT: Final = ("asyncio.run(", ")")
_LIST: Final = ("list(", ")")

_METHOD_DECORATORS: Final = frozenset({"staticmethod", "classmethod"})


@dataclass(slots=True, frozen=True)
class PlannedCall:
    """A call expression as a job takes it."""

    entry: str
    """Dotted name of what is called."""
    text: str
    """The expression to evaluate: the call, drained or awaited if its value alone would run nothing."""


def call_with_arguments(entry: str, arguments: str, names: ModuleNames) -> PlannedCall:
    """Plan ``entry(arguments)``. Raises ``Rejected`` (``bad_input``) unless it is that one call."""
    arguments = arguments.strip()
    text, tree = _between(f"{entry}(", arguments, ")")
    if not (isinstance(tree, ast.Call) and tree.func.end_lineno == 1 and _width(tree.func) == len(entry.encode())):
        # ``1) + f(2`` and ``1)(2`` are expressions too, but not calls of the entry.
        raise Rejected("bad_input", f"{arguments!r} is not the arguments of one call, as in `{entry}({arguments})`")
    return PlannedCall(entry=entry, text=_wrapped(text, tree, names))


def _width(function: ast.expr) -> int | None:
    return function.end_col_offset if isinstance(function, ast.Name | ast.Attribute) else None


def _between(before: str, text: str, after: str) -> tuple[str, ast.expr]:
    """Return the expression with its tree; a comment at the end of ``text`` must not swallow ``after``."""
    try:
        return before + text + after, parse_expression(before + text + after)
    except Rejected:
        if "#" not in text:
            raise
        return f"{before}{text}\n{after}", parse_expression(f"{before}{text}\n{after}")


def call_expression(text: str, names: ModuleNames) -> PlannedCall:
    """Plan an expression that holds a call. Raises ``Rejected``: ``bad_input``, ``unknown_entry``."""
    text = text.strip()
    tree = parse_expression(text)
    entry = _entry(text, tree, names)
    return PlannedCall(entry=entry, text=_wrapped(text, tree, names))


def has_call(text: str) -> bool:
    """Tell whether the text is an expression with a call in it."""
    try:
        tree = parse_expression(text.strip())
    except Rejected:
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


def near(name: str, choices: Iterable[str]) -> str:
    """Return what the name may have meant, as the end of a message; empty if nothing is near."""
    found = difflib.get_close_matches(name, sorted(set(choices)), n=3)
    return f"; near: {', '.join(found)}" if found else ""


def unknown_name(name: str, names: ModuleNames) -> Rejected:
    """Return the error for a name that the module does not define."""
    defined = ", ".join([*names.functions, *names.classes][:10]) or "no function or class"
    return Rejected("unknown_entry", f"{name!r} is not defined; the source defines {defined}{near(name, names.bound)}")


def _entry(text: str, tree: ast.expr, names: ModuleNames) -> str:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not calls:
        raise Rejected(
            "bad_input", f"`{text}` calls nothing; write a call, as in `f(1, key=2)` or `Point(1, 2).norm()`"
        )
    outer = _root(calls[0].func)
    if outer and not (names.has(outer) or outer in _local(tree) or hasattr(builtins, outer)):
        raise unknown_name(outer, names)
    own = [call for call in calls if _root(call.func) in names.bound]
    candidates = [dotted for call in own or calls if (dotted := _dotted(call.func, names))]
    if not candidates:
        raise Rejected("bad_input", f"`{text}` calls nothing that has a name in the source")
    return candidates[0]


def _local(tree: ast.expr) -> set[str]:
    """Names that the expression binds itself: lambda arguments, comprehension variables, walruses."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return bound | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def _root(node: ast.expr) -> str | None:
    """Return the name that a chain of attributes, calls and subscripts starts with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return None
    return node.id


def _dotted(function: ast.expr, names: ModuleNames) -> str | None:
    """Return ``Point.norm`` for both ``Point.norm`` and ``Point(1, 2).norm``; otherwise the root's name."""
    parts: list[str] = []
    node = function
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(parts)])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return ".".join([node.func.id, *reversed(parts)]) if node.func.id in names.classes else node.func.id
    return _root(node)


def _wrapped(text: str, tree: ast.expr, names: ModuleNames) -> str:
    """Return the expression that runs the body of a generator or coroutine that the call makes."""
    function = _called(tree, names)
    if function is None:
        return text
    drained = is_generator(function)
    if isinstance(function, ast.AsyncFunctionDef):
        before, after = _DRAIN if drained else _AWAIT
    elif drained:
        before, after = _LIST
    else:
        return text
    # Parsed once more: a walrus may stand among a call's arguments, not in a comprehension's iterable.
    return _between(before, text, after)[0]


def _called(tree: ast.expr, names: ModuleNames) -> FunctionNode | None:
    """Return the plain function or method that the whole expression calls, if the text tells."""
    if not isinstance(tree, ast.Call):
        return None
    if isinstance(tree.func, ast.Name):
        function = names.functions.get(tree.func.id)
        return function if function and not function.decorator_list else None
    if not isinstance(tree.func, ast.Attribute):
        return None
    owner = tree.func.value.func if isinstance(tree.func.value, ast.Call) else tree.func.value
    found = names.classes.get(owner.id) if isinstance(owner, ast.Name) else None
    return _method(found, tree.func.attr) if found else None


def _method(owner: ast.ClassDef, name: str) -> FunctionNode | None:
    found = [node for node in owner.body if isinstance(node, FunctionNode) and node.name == name]
    if len(found) != 1:
        return None
    decorators = found[0].decorator_list
    plain = all(isinstance(node, ast.Name) and node.id in _METHOD_DECORATORS for node in decorators)
    return found[0] if plain else None
