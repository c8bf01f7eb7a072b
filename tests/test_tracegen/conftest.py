"""Interpreters and pools of these tests."""

from collections.abc import Iterator

import pytest
from interpreters import at_hand
from pools import Pools, opened

from sandboxes.api import Pool
from sandboxes.interpreters import Interpreter
from sandboxes.open import open_pool, resolve_image
from schemas.limits import Limits
from tracegen.runner import pool_spec

INTERPRETERS = at_hand()


@pytest.fixture(params=INTERPRETERS, ids=lambda found: found.version)
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """Every usable Python of this machine."""
    found: Interpreter = request.param
    return found


@pytest.fixture(scope="session")
def primary() -> Iterator[Pool]:
    """A pool of the process backend, for code of our own."""
    with open_pool("process", pool_spec(0, Limits()), resolve_image("process")) as pool:
        yield pool


@pytest.fixture(scope="session")
def secondary() -> Iterator[Pool]:
    """The pool that checks: another hash seed."""
    with open_pool("process", pool_spec(1, Limits()), resolve_image("process")) as pool:
        yield pool


@pytest.fixture(scope="session")
def pools() -> Iterator[Pools]:
    """Pools of the process backend by interpreter."""
    with opened() as found:
        yield found


@pytest.fixture
def every_pool(pools: Pools, interpreter: Interpreter) -> Pool:
    """The pool of each Python in turn."""
    return pools.of(interpreter)
