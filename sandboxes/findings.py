"""What of the sandboxes works on this machine and which to use, for ``tracegen doctor``."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from sandboxes.api import Finding
from sandboxes.backends import BACKENDS
from sandboxes.interpreters import installed

CHOICE: Final = "sandbox"
_WHY: Final = {
    "docker": "hardened containers, every limit enforced by the engine and verified",
    "podman": "hardened containers without a daemon of root's own, every limit enforced and verified",
    "bubblewrap": "namespaces and cgroups without a daemon, every limit verified",
}


def findings() -> list[Finding]:
    """Return one line per subject; takes a few seconds and runs at most a probe."""
    found = {name: backend.findings() for name, backend in BACKENDS.items()}
    chosen = choice(found)
    lines = [one for name, own in found.items() for one in (own if chosen.state == "missing" else softened(own))]
    return [*lines, chosen, _interpreters()]


def choice(found: Mapping[str, Sequence[Finding]]) -> Finding:
    """Return which backend to use and why: the first that isolates and lacks nothing, else the first that isolates."""
    isolating = {name: own for name, own in found.items() if BACKENDS[name].isolation != "none"}
    whole = [name for name, own in isolating.items() if all(one.state == "ok" for one in own)]
    usable = [name for name, own in isolating.items() if all(one.state != "missing" for one in own)]
    if whole:
        return Finding(CHOICE, "ok", f"use --sandbox {whole[0]} because it works here: {_WHY[whole[0]]}")
    if usable:
        notes = "; ".join(one.detail for one in isolating[usable[0]] if one.state == "warning")
        detail = f"use --sandbox {usable[0]} because nothing here does more; it has a note: {notes}"
        return Finding(CHOICE, "warning", detail, "see the notes above")
    problems = "; ".join(
        f"{name}: {one.detail}" for name, own in isolating.items() for one in own if one.state == "missing"
    )
    remedy = "mend one of them; --sandbox process runs code that you trust, without isolation"
    return Finding(CHOICE, "missing", f"nothing isolates programs here ({problems})", remedy)


def softened(own: Sequence[Finding]) -> list[Finding]:
    """Return findings of a backend that need not work, since another does: what it lacks is a note."""
    return [dataclasses.replace(one, state="warning") if one.state == "missing" else one for one in own]


def _interpreters() -> Finding:
    return Finding("Python interpreters", "ok", ", ".join(each.version for each in installed()))
