"""Rewrites a syntax tree so that each expression of interest passes its value through a site (see ``sites``).

What the next event states anyway is left alone: a value returned, yielded or bound to a local name. So is what would
make the program ask a value's truth once more: ``a and b``, a chained comparison or ``not`` where only truth counts.
"""

from __future__ import annotations

import ast
import sys
from typing import Any, Callable, Iterable, List, Optional, Set

DEEPEST = 100
"""Nesting of expressions beyond which none is recorded: the compiler's own limit is some hundreds."""

_VALUES = (
    ast.Attribute,
    ast.Await,
    ast.BinOp,
    ast.BoolOp,
    ast.Call,
    ast.Compare,
    ast.DictComp,
    ast.IfExp,
    ast.JoinedStr,
    ast.ListComp,
    ast.SetComp,
    ast.Subscript,
    ast.UnaryOp,
    ast.Yield,
    ast.YieldFrom,
    getattr(ast, "TemplateStr", ast.JoinedStr),  # from 3.14 on
)
_METHOD_LINES = sys.version_info >= (3, 10)
"""Whether an attribute is read, and a method called, on the line of its name and not on that of its object."""
_TESTED_LINES = (3, 10) <= sys.version_info < (3, 12)
"""Whether a jump stands on the line of the comparison that decides it, and not on its statement's."""
_JOINS_TELL = sys.version_info[:2] == (3, 12)
"""Whether a line may be told again where branches meet, depending on the instruction before: no site stands there."""
_RESUMES_TELL = sys.version_info >= (3, 13)
"""Whether a line is told again at a branch that follows a resumption."""
_ENDS_TELL = sys.version_info >= (3, 10)
"""Whether the end of a statement has no line of its own where the branches of its value meet: no site stands there."""
_UNROLLED = frozenset(
    {(3, 14): ("all", "any", "tuple"), (3, 15): ("all", "any", "tuple", "list", "set")}.get(sys.version_info[:2], ())
)
"""Functions whose calls with a generator expression are compiled into branches."""
_FIRST = {
    ast.Attribute: "value",
    ast.Await: "value",
    ast.BinOp: "left",
    ast.Call: "func",
    ast.Compare: "left",
    ast.FormattedValue: "value",
    ast.IfExp: "test",
    ast.NamedExpr: "value",
    ast.Starred: "value",
    ast.Subscript: "value",
    ast.UnaryOp: "operand",
    ast.Yield: "value",
    ast.YieldFrom: "value",
}
"""Field that is evaluated first."""
_FIRST_OF = {ast.BoolOp: "values", ast.JoinedStr: "values", ast.List: "elts", ast.Tuple: "elts", ast.Set: "elts"}


class Rewriter:
    """Rewrites one tree in place. ``mark(node)`` returns the constant that stands for a node's site, or None."""

    def __init__(self, mark: Callable[[ast.expr], Optional[str]]) -> None:
        self._mark = mark
        self._foldable: Set[int] = set()
        self._globals: Set[str] = set()
        self._line = 0
        """Of the statement that is rewritten."""

    def rewrite(self, tree: ast.Module) -> None:
        """Rewrite every statement, also those of functions and classes."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                self._globals.update(node.names)
        pending: List[List[Any]] = [tree.body]
        while pending:
            for statement in pending.pop():
                pending += self._statement(statement)

    def _statement(self, node: Any) -> List[List[Any]]:
        """Rewrite a statement's own expressions and return the blocks within it."""
        rewrite = getattr(self, "_in_" + type(node).__name__.lower(), None)
        if rewrite is not None:
            self._line = getattr(node, "lineno", 0)
            rewrite(node)
        blocks = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
        for inner in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            self._statement(inner)
            blocks.append(inner.body)
        return blocks

    def _in_functiondef(self, node: Any) -> None:
        self._each(node.decorator_list, 0)
        self._defaults(node.args, 0)

    _in_asyncfunctiondef = _in_functiondef

    def _in_classdef(self, node: Any) -> None:
        self._each(node.decorator_list, 0)
        self._each(node.bases, 0)
        for keyword in node.keywords:
            self._field(keyword, "value", 0)

    def _in_return(self, node: Any) -> None:
        self._field(node, "value", 0, shown=True)

    def _in_delete(self, node: Any) -> None:
        for target in node.targets:
            self._target(target, 0)

    def _in_assign(self, node: Any) -> None:
        for target in node.targets:
            self._target(target, 0)
        self._field(node, "value", 0, shown=all(map(self._is_local, node.targets)))

    def _in_augassign(self, node: Any) -> None:
        self._target(node.target, 0)
        self._field(node, "value", 0)

    def _in_annassign(self, node: Any) -> None:
        self._target(node.target, 0)
        self._field(node, "value", 0, shown=self._is_local(node.target))

    def _in_for(self, node: Any) -> None:
        self._target(node.target, 0)
        self._field(node, "iter", 0)

    _in_asyncfor = _in_for

    def _in_while(self, node: Any) -> None:
        self._field(node, "test", 0, truth=True)

    _in_if = _in_while

    def _in_with(self, node: Any) -> None:
        for item in node.items:
            self._field(item, "context_expr", 0)
            if item.optional_vars is not None:
                self._target(item.optional_vars, 0)

    _in_asyncwith = _in_with

    def _in_match(self, node: Any) -> None:
        self._field(node, "subject", 0)

    def _in_match_case(self, node: Any) -> None:
        self._field(node, "guard", 0, truth=True)  # a pattern is no expression

    def _in_raise(self, node: Any) -> None:
        self._field(node, "exc", 0)
        self._field(node, "cause", 0)

    def _in_excepthandler(self, node: Any) -> None:
        self._field(node, "type", 0)

    def _in_assert(self, node: Any) -> None:
        self._field(node, "test", 0, truth=True)
        self._field(node, "msg", 0)

    def _in_expr(self, node: Any) -> None:
        value = node.value
        ends = _ENDS_TELL and (isinstance(value, ast.BoolOp) or _is_unrolled(value))
        self._field(node, "value", 0, shown=ends or isinstance(value, (ast.Yield, ast.YieldFrom)))

    def _is_local(self, target: Any) -> bool:
        return isinstance(target, ast.Name) and target.id not in self._globals

    def _target(self, node: Any, depth: int) -> None:
        """Rewrite what is evaluated to find the place that is bound or deleted."""
        if depth > DEEPEST:
            return
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            self._field(node, "value", depth + 1)
        if isinstance(node, ast.Subscript):
            self._slice(node, depth + 1)
        elif isinstance(node, ast.Starred):
            self._target(node.value, depth + 1)
        elif isinstance(node, (ast.Tuple, ast.List)):
            for element in node.elts:
                self._target(element, depth + 1)

    def _slice(self, node: Any, depth: int) -> None:
        if isinstance(node.slice, ast.expr):
            self._field(node, "slice", depth)
        else:  # up to 3.8
            self._others(node.slice, depth)

    def _each(self, nodes: List[Any], depth: int) -> None:
        for position, node in enumerate(nodes):
            if node is not None:
                nodes[position] = self._expression(node, depth, False, False)

    def _defaults(self, arguments: ast.arguments, depth: int) -> None:
        self._each(arguments.defaults, depth)
        self._each(arguments.kw_defaults, depth)

    def _field(self, node: Any, name: str, depth: int, *, shown: bool = False, truth: bool = False) -> None:
        child = getattr(node, name)
        if child is not None:
            setattr(node, name, self._expression(child, depth, shown, truth))

    def _expression(self, node: Any, depth: int, shown: bool, truth: bool) -> Any:
        """Rewrite an expression. ``shown``: its value needs no site; ``truth``: nothing but its truth counts."""
        if depth > DEEPEST:
            return node
        rewrite = getattr(self, "_of_" + type(node).__name__.lower(), None)
        if rewrite is None:
            self._others(node, depth + 1)
        else:
            rewrite(node, depth + 1, truth)
        if shown or not self._is_shown(node, truth):
            return node
        name = self._mark(node)
        return node if name is None else _wrapped(node, name)

    def _is_shown(self, node: Any, truth: bool) -> bool:
        if not isinstance(node, _VALUES) or not isinstance(getattr(node, "ctx", None), (ast.Load, type(None))):
            return False
        if self._is_constant(node) or _is_super(node):
            return False
        branches = _branches(node)
        if truth and (branches or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))):
            return False
        if truth and _TESTED_LINES and isinstance(node, ast.Compare) and node.lineno != self._line:
            return False
        # A branch may come from another line than the last; a format is compiled in another order.
        return node.lineno == node.end_lineno or not (branches or _is_format(node))

    def _is_constant(self, node: Any) -> bool:
        """Whether the compiler may compute it. Its operands were asked before."""
        if isinstance(node, (ast.UnaryOp, ast.BinOp, ast.Subscript, ast.Tuple)):
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.expr, ast.slice))]
            if all(isinstance(child, ast.Constant) or id(child) in self._foldable for child in inner):
                self._foldable.add(id(node))
        return id(node) in self._foldable

    def _others(self, node: Any, depth: int) -> None:
        """Rewrite the expressions of a node that has no rule of its own."""
        for name, child in ast.iter_fields(node):
            for one in child if isinstance(child, list) else (child,):
                if not isinstance(one, ast.expr) and isinstance(one, (ast.keyword, ast.slice)):
                    self._others(one, depth)
            if isinstance(child, ast.expr):
                self._field(node, name, depth)
            elif isinstance(child, list):
                self._each_expression(child, depth)
        if isinstance(node, ast.Tuple):
            self._is_constant(node)

    def _each_expression(self, nodes: List[Any], depth: int) -> None:
        if nodes and isinstance(nodes[0], (ast.expr, type(None))) and all(_is_expression(node) for node in nodes):
            self._each(nodes, depth)

    def _of_call(self, node: Any, depth: int, truth: bool) -> None:
        # The method itself is no value of interest, and would be bound in vain.
        if isinstance(node.func, ast.Attribute):
            self._field(node.func, "value", depth)
        else:
            self._field(node, "func", depth)
        self._each(node.args, depth)
        for keyword in node.keywords:
            self._field(keyword, "value", depth)

    def _of_boolop(self, node: Any, depth: int, truth: bool) -> None:
        last = len(node.values) - 1
        for position, value in enumerate(node.values):
            if (position == last and _JOINS_TELL) or _resumes(value):
                node.values[position] = self._expression(value, depth, True, truth)
            elif isinstance(value, ast.Name) and value.id != "__debug__":
                name = self._mark(value)
                node.values[position] = value if name is None else _wrapped(value, name)
            else:
                node.values[position] = self._expression(value, depth, False, truth or position < last)

    def _of_unaryop(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "operand", depth, truth=isinstance(node.op, ast.Not))

    def _of_ifexp(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "test", depth, truth=True)
        for name in ("body", "orelse"):
            value = getattr(node, name)
            self._field(node, name, depth, truth=truth, shown=_branches(value) or _JOINS_TELL or _resumes(value))

    def _of_lambda(self, node: Any, depth: int, truth: bool) -> None:
        self._defaults(node.args, depth)
        self._field(node, "body", depth, shown=True)

    def _of_yield(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "value", depth, shown=True)

    def _of_namedexpr(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "value", depth, shown=self._is_local(node.target))

    def _of_subscript(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "value", depth)
        self._slice(node, depth)

    def _of_generatorexp(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "elt", depth, shown=True)
        self._comprehensions(node.generators, depth)

    def _of_listcomp(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "elt", depth)
        self._comprehensions(node.generators, depth)

    _of_setcomp = _of_listcomp

    def _of_dictcomp(self, node: Any, depth: int, truth: bool) -> None:
        self._field(node, "key", depth)
        self._field(node, "value", depth)
        self._comprehensions(node.generators, depth)

    def _comprehensions(self, generators: Iterable[ast.comprehension], depth: int) -> None:
        for part in generators:
            self._target(part.target, depth)
            self._field(part, "iter", depth)
            for position, test in enumerate(part.ifs):
                part.ifs[position] = self._expression(test, depth, False, True)


def _is_expression(node: Any) -> bool:
    return node is None or isinstance(node, ast.expr)


def _branches(node: Any) -> bool:
    return isinstance(node, (ast.BoolOp, ast.IfExp)) or (isinstance(node, ast.Compare) and len(node.ops) > 1)


def _resumes(value: Any) -> bool:
    return _RESUMES_TELL and isinstance(value, (ast.Await, ast.Yield, ast.YieldFrom))


def _is_format(node: Any) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Tuple)


def _is_unrolled(node: Any) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in _UNROLLED:
        return False
    return len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp)


def _is_super(node: Any) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def _wrapped(node: Any, name: str) -> ast.Subscript:
    """Return ``SITE[node]``, whose instructions stand on the lines of the node's first and last."""
    site = ast.Constant(value=name, kind=None)
    index: Any = node if sys.version_info >= (3, 9) else ast.Index(value=node)
    whole = ast.Subscript(value=site, slice=index, ctx=ast.Load())
    for made, line in ((site, _first_line(node)), (whole, _last_line(node))):
        made.lineno = made.end_lineno = line
        made.col_offset = made.end_col_offset = 0
    return whole


def _first_line(node: Any) -> int:
    while True:
        kind = type(node)
        first = getattr(node, _FIRST[kind]) if kind in _FIRST else None
        if kind in _FIRST_OF:
            first = next(iter(getattr(node, _FIRST_OF[kind])), None)
        if first is None or (kind in _FIRST_OF and isinstance(first, ast.Constant)):
            return int(node.lineno)
        node = first


def _last_line(node: Any) -> int:
    named = node.func if isinstance(node, ast.Call) else node
    if _METHOD_LINES and isinstance(named, ast.Attribute):
        return int(named.end_lineno or named.lineno)
    return int(node.lineno)
