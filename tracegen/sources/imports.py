"""What a module imports, read from its text."""

import ast
from collections.abc import Iterable, Iterator
from typing import Final

from tracegen.sources.scopes import bound_by, statements

_CATCHES_IMPORT_ERROR: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute name of everything imported anywhere in the text, modules and what may be one.

    ``from a import b`` gives ``a`` and ``a.b``. ``package`` is what relative imports start from; those that leave the
    top-level package are left out.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = import_base(node, package)
            if base:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def import_base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of what is imported from; empty for a relative import that leaves its package."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return ""
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def with_parents(names: Iterable[str]) -> set[str]:
    """Return the names and those of every package above them."""
    found: set[str] = set()
    for name in names:
        parts = name.split(".")
        found.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return found


def optional_twins(tree: ast.Module, package: str) -> set[str]:
    """Return the private modules that the text can do without: imported in a ``try`` that catches ``ImportError``.

    A module that alone provides a name (``collections.deque`` comes from ``_collections`` or not at all) is needed and
    left out: a handler must do something else instead, or the rest of the text bind every name.
    """
    top = [node for node, _ in statements(tree.body)]
    attempts = {id(part): node for node in top if isinstance(node, ast.Try) for part in node.body}
    # ``else`` runs only where the import succeeded: it neither needs the twin nor replaces it.
    after = {id(part) for node in top if isinstance(node, ast.Try) for part in node.orelse}
    bound = {name for node in top if id(node) not in attempts.keys() | after for name in bound_by(node)}
    optional: set[str] = set()
    needed: set[str] = set()
    for node in top:
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in after:
            attempt = attempts.get(id(node))
            for module, name in _private(node, package):
                (optional if attempt and _can_fail(attempt, name, bound) else needed).add(module)
    return optional - needed


def _can_fail(attempt: ast.Try, name: str, bound: set[str]) -> bool:
    """Tell whether the module is whole when the import of ``name`` raises ``ImportError``."""
    handlers = [handler for handler in attempt.handlers if _catches_import_error(handler)]
    if not handlers or isinstance(handlers[0].body[-1], ast.Raise):
        return False
    replaces = not all(isinstance(statement, ast.Pass) for statement in handlers[0].body)
    return replaces or name == "*" or name in bound


def _catches_import_error(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(part, ast.Name) and part.id in _CATCHES_IMPORT_ERROR for part in ast.walk(handler.type))


def _private(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """Yield (private module, name that the import binds)."""
    for alias in statement.names:
        module = alias.name if isinstance(statement, ast.Import) else import_base(statement, package)
        if module.rpartition(".")[2].startswith("_"):
            yield module, alias.asname or alias.name
