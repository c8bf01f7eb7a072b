"""What each backend says that it cannot do, by check or by part: conformance is to keep exactly this."""

from collections.abc import Mapping
from typing import Final

from sandboxes.backends import Backend
from sandboxes.conformance.bench import Check

_NO_SESSIONS: Final = "it has no sessions: they would run commands on this machine itself"
_CANNOT: Final[Mapping[str, Mapping[str, str]]] = {
    "process": {
        "session": _NO_SESSIONS,
        "shell": _NO_SESSIONS,
        "transfer": _NO_SESSIONS,
        "snapshot": _NO_SESSIONS,
    },
}


def inability(backend: Backend, check: Check) -> str:
    """Return why a backend cannot pass a check, as it says itself; empty if it must."""
    declared = _CANNOT.get(backend.name, {})
    return declared.get(check.name) or declared.get(check.part, "")
