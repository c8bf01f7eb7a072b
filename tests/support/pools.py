"""One pool of the process backend per interpreter, opened at first use."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sandboxes.api import Pool
from sandboxes.interpreters import Interpreter
from sandboxes.open import open_pool, resolve_image
from schemas.limits import Limits
from tracegen.runner import pool_spec


class Pools:
    """Gives pools; all close with it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._open: dict[tuple[str, int], Pool] = {}

    def of(self, interpreter: Interpreter, hash_seed: int = 0) -> Pool:
        """Return the interpreter's pool with a hash seed."""
        key = interpreter.executable, hash_seed
        if key not in self._open:
            image = resolve_image("process", python=interpreter.executable)
            pool = open_pool("process", pool_spec(hash_seed, Limits()), image)
            self._open[key] = self._stack.enter_context(pool)
        return self._open[key]


@contextmanager
def opened() -> Iterator[Pools]:
    """Yield pools that close at the end."""
    with ExitStack() as stack:
        yield Pools(stack)
