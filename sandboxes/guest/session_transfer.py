"""Reads or writes files for the host, with the rights of the user that it asks for. No link in a tree is followed."""

import os
import stat
from typing import List, NamedTuple, Tuple

from . import session_entries as entries
from .frames import write_all
from .process import remove_tree
from .session_entries import END, FILE, Entry
from .session_measure import measure
from .session_tree import Budget, Limits, Refused, Take, open_file, pieces, walk, write_file, write_tree


class Move(NamedTuple):
    """One transfer."""

    kind: str
    """``put``, ``get``, ``get_tree``, or ``measure``."""
    path: str
    """Absolute."""
    token: str
    """Names the directory in which what is put lies until it is whole."""
    limits: "List[int]"
    """``session_tree.Limits``."""


def move(task: Move) -> None:
    """Do it, with descriptors 0 and 1 as its ends."""
    if task.kind == "measure":
        write_all(1, measure())
        return
    budget = Budget(Limits(*task.limits))
    if task.kind == "put":
        _put(task, budget)
        return
    found = walk(task.path, budget) if task.kind == "get_tree" else [open_file(task.path, budget)]
    for entry, fd in found:
        write_all(1, entries.pack(entry))
        for data in pieces(fd, entry, os.fsdecode(entry.name)):
            write_all(1, data)
    write_all(1, entries.pack(Entry(END, b"")))


def clear(task: Move) -> None:
    """Remove what a put that was killed left behind."""
    path = task.path
    while True:
        _remove_stage(os.path.join(path, _stage_name(task)))
        if path == "/":
            return
        path = os.path.dirname(path)


def _remove_stage(stage: str) -> None:
    if os.path.lexists(stage) and not remove_tree(stage):
        raise Refused(0, "what was not put could not be removed", stage)


def _stage_name(task: Move) -> str:
    return ".tracegen-put-" + task.token


def _put(task: Move, budget: Budget) -> None:
    """Write everything beside its place first; then move it there, which cannot fail for want of room."""
    take: Take = open(0, "rb", closefd=False).read
    first = entries.read(take)
    single = first.kind == FILE and not first.name
    place, missing = _split(os.path.dirname(task.path) if single else task.path)
    stage = os.path.join(place, _stage_name(task))
    os.mkdir(stage, 0o700)
    try:
        inside = os.path.join(stage, *missing)
        os.makedirs(inside, 0o755, exist_ok=True)
        if single:
            budget.add(first)
            write_file(take, first, os.path.join(inside, os.path.basename(task.path)))
            _expect_end(entries.read(take))
            _check_replaced(task.path)
        else:
            write_tree(take, first, inside, budget)
        _install(stage, place, replace=single and not missing)
    finally:
        _remove_stage(stage)


def _split(path: str) -> "Tuple[str, List[str]]":
    """Return the deepest directory of ``path`` that is there, and the names below it that are not."""
    missing: List[str] = []
    while not os.path.lexists(path):
        path, name = os.path.split(path)
        missing.insert(0, name)
    if not os.path.isdir(path):
        raise Refused(0, "it is there, and no directory", path)
    return path, missing


def _expect_end(entry: Entry) -> None:
    if entry.kind != END:
        raise Refused(0, "more than the one file was sent")


def _check_replaced(path: str) -> None:
    if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        raise Refused(0, "it is there, and no regular file", path)


def _install(stage: str, place: str, replace: bool) -> None:
    names = sorted(os.listdir(stage))
    for name in names:
        if not replace and os.path.lexists(os.path.join(place, name)):
            raise Refused(0, "it is there already", os.path.join(place, name))
    moved: List[str] = []
    try:
        for name in names:
            os.rename(os.path.join(stage, name), os.path.join(place, name))
            moved.append(name)
    except OSError:
        for name in moved:
            os.rename(os.path.join(place, name), os.path.join(stage, name))
        raise
