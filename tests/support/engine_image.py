"""The image that tests run in containers; a missing engine is a failure when ``TRACEGEN_REQUIRE_DOCKER=1``."""

import os

import pytest

from sandboxes import resolve_image
from sandboxes.api import ImageRef
from schemas.errors import BackendUnavailable


def image_or_skip() -> ImageRef:
    """Return the image, or skip the test for want of an engine."""
    try:
        return resolve_image("docker")
    except BackendUnavailable as error:
        if os.environ.get("TRACEGEN_REQUIRE_DOCKER") == "1":
            pytest.fail(f"TRACEGEN_REQUIRE_DOCKER=1, but {error}")
        pytest.skip(str(error))
