"""Python text as data: read from disk, parsed, never executed."""

import ast
import sys
import tokenize
import warnings
from pathlib import Path
from typing import Final

from tracegen.sources.base import Rejected

MAX_SOURCE_BYTES: Final = 4 * 2**20
"""A larger file is data that happens to be Python (the largest module of the standard library has 0.3 MB)."""

PARSE_ERRORS: Final = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What ``ast.parse`` raises for bad text: null bytes, surrogates and deep nesting are not ``SyntaxError``."""


def read_source(path: Path) -> str:
    """Return the text of a Python file as the interpreter would decode it (PEP 263), line ends normalised.

    Raises ``Rejected`` (``unreadable_source``).
    """
    try:
        size = path.stat().st_size
        if size > MAX_SOURCE_BYTES:
            raise Rejected("unreadable_source", f"{size} bytes; most {MAX_SOURCE_BYTES} are read")
        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, SyntaxError, ValueError, LookupError) as error:
        raise Rejected("unreadable_source", f"cannot be read as Python source: {error}") from error
    if has_surrogates(text):
        raise Rejected("unreadable_source", "its encoding decodes to lone surrogates, which are not text")
    return text


def parse(text: str) -> ast.Module:
    """Return the syntax tree. Raises ``Rejected`` (``syntax_error``) with the line."""
    try:
        with warnings.catch_warnings():
            # Invalid escapes in user code warn at parse time; a warning is no error of theirs.
            warnings.simplefilter("ignore")
            return ast.parse(text, "<source>")
    except PARSE_ERRORS as error:
        raise Rejected("syntax_error", describe(error)) from error


def parse_expression(text: str) -> ast.expr:
    """Return the expression that is the whole of ``text``. Raises ``Rejected`` (``bad_input``).

    Compiled too, never run: a ``yield``, ``await`` or walrus in the wrong place parses but does not compile.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, "<call>", "eval")
            compile(tree, "<call>", "eval", dont_inherit=True)
    except PARSE_ERRORS as error:
        raise Rejected("bad_input", f"not an expression: {describe(error)}") from error
    return tree.body


def newer_than_here(python: str) -> bool:
    """Tell whether the sandbox's Python (minor version, ``3.13``) may know syntax that this one does not."""
    return tuple(int(part) for part in python.split(".")[:2]) > sys.version_info[:2]


def describe(error: BaseException) -> str:
    """Return one line that says what is wrong and where."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}" if error.lineno else str(error.msg)
    return f"{type(error).__name__}: {error}" if str(error) else f"too deeply nested ({type(error).__name__})"


def has_surrogates(text: str) -> bool:
    """Tell whether the text holds lone surrogates, which no UTF-8 file or column can store."""
    return any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False


def printable(text: str) -> str:
    """Return the text with lone surrogates written as escapes, so that it can be stored and shown."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
