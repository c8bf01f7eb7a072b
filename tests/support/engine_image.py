"""The images that tests run in sandboxes; a missing engine is a failure when ``TRACEGEN_REQUIRE_DOCKER=1``."""

import os
from typing import NoReturn

import pytest
from podman_service import PodmanService, podman_lack

from sandboxes import resolve_image
from sandboxes.api import ImageRef
from sandboxes.backends import get_backend
from schemas.errors import BackendUnavailable


def image_or_skip() -> ImageRef:
    """Return the image, or skip the test for want of an engine."""
    try:
        return resolve_image("docker")
    except BackendUnavailable as error:
        _fail_or_skip(str(error))


def bubblewrap_or_skip() -> ImageRef:
    """Return bubblewrap's root file system, or skip the test where it enforces less than the whole profile."""
    problems = [each for each in get_backend("bubblewrap").findings() if each.state != "ok"]
    if problems:
        _fail_or_skip("; ".join(f"{each.detail} ({each.remedy})" for each in problems))
    return resolve_image("bubblewrap")


def podman_or_skip() -> PodmanService:
    """Return a service to be entered, or skip the test where none can be started; only root need be able to."""
    if reason := podman_lack():
        if os.geteuid() != 0:
            pytest.skip(reason)
        _fail_or_skip(reason)
    return PodmanService()


def _fail_or_skip(reason: str) -> NoReturn:
    if os.environ.get("TRACEGEN_REQUIRE_DOCKER") == "1":
        pytest.fail(f"TRACEGEN_REQUIRE_DOCKER=1, but {reason}")
    pytest.skip(reason)
