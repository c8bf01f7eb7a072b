"""Run jobs in isolation: argv, files, limits. Knows nothing of traces or agents."""

from sandboxes.findings import findings
from sandboxes.open import install_packages, open_pool, open_session, resolve_image

__all__ = ["findings", "install_packages", "open_pool", "open_session", "resolve_image"]
