"""The image of tests that need a shell in their session."""

import os

import pytest

from sandboxes.api import ImageRef
from sandboxes.docker.images import resolve_docker_image
from schemas.errors import BackendUnavailable, ImageUnavailable


def shell_image_or_skip() -> ImageRef:
    """Return an image with ``/bin/sh``, or skip the test for want of an engine or a static BusyBox."""
    try:
        return resolve_docker_image(python=None, base=None, shell=True)
    except (BackendUnavailable, ImageUnavailable) as error:
        if os.environ.get("TRACEGEN_REQUIRE_DOCKER") == "1":
            pytest.fail(f"TRACEGEN_REQUIRE_DOCKER=1, but {error}")
        pytest.skip(str(error))
