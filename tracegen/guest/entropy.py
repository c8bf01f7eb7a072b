"""The machine's source of randomness, seeded: ``os.urandom``, and so ``uuid.uuid4``, ``secrets`` and ``SystemRandom``.

Ids that differ in every run are the first cause of records that cannot be verified. What CPython draws in C stays as it
is: the seed of ``random.Random()``, names of temporary files, TLS.
"""

from __future__ import annotations

import operator
import os
import random
from typing import Any, Tuple


class Entropy:
    """A stream of bytes that a seed determines; a forked child has one of its own."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._forks = 0
        self._random = random.Random(seed)  # noqa: S311 (repeatable is what it is for)
        os.register_at_fork(before=self._count, after_in_child=self._part)

    def _count(self) -> None:
        self._forks += 1

    def _part(self) -> None:
        # Else the child would draw its parent's ids; the module's own generator is seeded anew by CPython.
        self._random = random.Random("%d/%d" % (self._seed, self._forks))  # noqa: S311

    def again(self, seed: int) -> None:
        """Begin anew."""
        self._seed = seed
        self._forks = 0
        self._random = random.Random(seed)  # noqa: S311

    def state(self) -> Tuple[Any, ...]:
        """Return what ``restore`` takes."""
        return self._seed, self._forks, self._random.getstate()

    def restore(self, state: Tuple[Any, ...]) -> None:
        """Go on from where ``state`` was taken."""
        self._seed, self._forks, place = state
        self._random = random.Random()  # noqa: S311
        self._random.setstate(place)

    def urandom(self, size: Any, /) -> bytes:
        """Return ``size`` bytes, as ``os.urandom`` does."""
        count = operator.index(size)
        if count < 0:
            raise ValueError("negative argument not allowed")
        return self._random.getrandbits(8 * count).to_bytes(count, "little") if count else b""


entropy = Entropy(0)


def seed_entropy(seed: int) -> None:
    """Have this process draw its randomness from a stream that begins with ``seed``."""
    entropy.again(seed)
    os.urandom = entropy.urandom
    random._urandom = entropy.urandom  # type: ignore[attr-defined]
