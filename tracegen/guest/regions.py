"""Where this process keeps its objects, so that the host can tell their addresses from other numbers."""

from __future__ import annotations

from typing import List

SPAN = 2**35
"""Bytes by which memory may grow while a job runs, upwards behind the program and downwards below the libraries."""


def regions() -> List[List[int]]:
    """Return ``[first, end]`` of what objects and threads may lie in; empty where the kernel does not tell (Linux)."""
    try:
        with open("/proc/self/maps") as file:
            lines = [line.split(None, 5) for line in file]
    except OSError:
        return []
    places = [([int(part, 16) for part in fields[0].split("-")], fields[-1].strip()) for fields in lines]
    stack = next((place[0] for place, name in places if name == "[stack]"), 0)
    below = [place for place, _ in places if place[1] <= stack]
    if not below:
        return []
    # The program's own memory is what follows its code; between it and the libraries nothing is mapped for terabytes.
    program = [place for place, name in places if name == "[heap]"] or below[:1]
    return [[below[0][0], program[0][1] + SPAN], [below[-1][1] - SPAN, below[-1][1]]]
