"""Run jobs in isolation: argv, files, limits. Knows nothing of traces or agents."""

from sandboxes.findings import findings
from sandboxes.open import open_pool, resolve_image

__all__ = ["findings", "open_pool", "resolve_image"]
