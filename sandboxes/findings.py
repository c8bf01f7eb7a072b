"""What of the sandboxes works on this machine, for ``tracegen doctor``."""

from sandboxes.api import Finding
from sandboxes.backends import BACKENDS
from sandboxes.interpreters import installed


def findings() -> list[Finding]:
    """Return one line per subject; takes a few seconds and starts nothing."""
    return [*(one for backend in BACKENDS.values() for one in backend.findings()), _interpreters()]


def _interpreters() -> Finding:
    return Finding("Python interpreters", "ok", ", ".join(each.version for each in installed()))
