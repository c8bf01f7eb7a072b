"""Takes the calls of ``candidate`` out of a ``check(candidate)`` function, without running it.

Taken: calls in the function's straight-line statements whose arguments mean the same outside of it: literals, built-in
names, names of the module itself, and local names that were bound to such an expression and not touched since.
Counted instead: ``test_call_in_loop`` (loops, comprehensions, lambdas), ``test_call_conditional`` (``if``, ``try``,
``with``, nested functions), ``test_call_open`` (arguments that need the test's own names), ``test_without_check``.
"""

import ast
import builtins
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tracegen.sources.scopes import FunctionNode, ModuleNames

CHECK: Final = "check"
_LOOPS: Final = (ast.For, ast.AsyncFor, ast.While)
_REPEATING: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


@dataclass(slots=True, frozen=True)
class CheckCall:
    """One call: the text of its arguments, and an expression for the right result if the test states one."""

    arguments: str
    expected: str | None


class CheckCalls:
    """The calls of one test, in order; ``skipped`` counts the others by reason."""

    def __init__(self, test: ast.Module, text: str, names: ModuleNames) -> None:
        self.calls: list[CheckCall] = []
        self.skipped: Counter[str] = Counter()
        self._text = text
        self._module = names
        self._known: dict[str, ast.expr] = {}
        checks = [node for node in test.body if isinstance(node, FunctionNode) and node.name == CHECK]
        if not checks or not checks[-1].args.args:
            self.skipped["test_without_check"] += 1
            return
        self._candidate = checks[-1].args.args[0].arg
        self._hidden = {name for node in test.body for name in _bound(node)} - {CHECK}
        self._hidden |= {name for node in checks[-1].body for name in _bound(node)} | {self._candidate}
        for statement in checks[-1].body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assert):
            self._expression(node.test)
            return
        if isinstance(node, ast.Assign | ast.Expr | ast.AnnAssign | ast.AugAssign):
            self._expression(node)
        else:
            reason = "test_call_in_loop" if isinstance(node, _LOOPS) else "test_call_conditional"
            self.skipped[reason] += sum(1 for _ in self._calls(node))
        # What else mentions a name may change what it holds.
        mentioned = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        value = self._inlined(node.value) if isinstance(node, ast.Assign) else None
        self._known = {name: known for name, known in self._known.items() if name not in mentioned}
        if isinstance(node, ast.Assign) and value is not None and not any(self._calls(node)):
            targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if len(targets) == len(node.targets) == 1:
                self._known[targets[0]] = value

    def _calls(self, node: ast.AST) -> Iterator[ast.Call]:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == self._candidate:
                yield inner

    def _expression(self, node: ast.AST) -> None:
        repeated = {id(call) for part in ast.walk(node) if isinstance(part, _REPEATING) for call in self._calls(part)}
        for call in self._calls(node):
            arguments = None if id(call) in repeated else self._arguments(call)
            if arguments is None:
                self.skipped["test_call_in_loop" if id(call) in repeated else "test_call_open"] += 1
            else:
                self.calls.append(CheckCall(arguments, self._expected(node, call)))

    def _arguments(self, call: ast.Call) -> str | None:
        parts = []
        for argument in call.args:
            starred = isinstance(argument, ast.Starred)
            text = self._closed_text(argument.value if isinstance(argument, ast.Starred) else argument)
            parts.append(text if text is None else "*" * starred + text)
        for keyword in call.keywords:
            text = self._closed_text(keyword.value)
            parts.append(text if text is None else f"{keyword.arg}={text}" if keyword.arg else f"**{text}")
        return None if None in parts else ", ".join(part for part in parts if part is not None)

    def _expected(self, test: ast.AST, call: ast.Call) -> str | None:
        """Return what the call is said to equal: of ``call == X``, ``X == call`` and ``call is X``."""
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.Is)):
            return None
        sides = (test.left, test.comparators[0])
        others = [side for side in sides if side is not call]
        return self._closed_text(others[0]) if len(others) == 1 else None

    def _closed_text(self, node: ast.expr) -> str | None:
        """Return an expression that gives the same value in the module, or ``None``."""
        inlined = self._inlined(node)
        if inlined is None:
            return None
        if ast.dump(inlined) != ast.dump(node):
            return ast.unparse(inlined)
        segment = ast.get_source_segment(self._text, node)
        # Within a call's parentheses lines may break freely; elsewhere they may not.
        return segment if segment is not None and "\n" not in segment else ast.unparse(node)

    def _inlined(self, node: ast.expr) -> ast.expr | None:
        own = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        own |= {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
        free = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} - own
        for name in free - self._known.keys():
            if name in self._hidden or not (self._module.has(name) or hasattr(builtins, name)):
                return None
        if own & self._known.keys():
            return None
        result = _Inliner(self._known).visit(copy.deepcopy(node))
        return result if isinstance(result, ast.expr) else None


class _Inliner(ast.NodeTransformer):
    def __init__(self, known: dict[str, ast.expr]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Put the known expression in the name's place."""
        return copy.deepcopy(self._known[node.id]) if node.id in self._known else node


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield every name that a statement binds, at any depth."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
