"""Rows to write, and one private Ray for the whole session."""

import os
import warnings
from collections.abc import Iterator

import pytest
from engine_image import image_or_skip
from shard_rows import Rows

from pipelines.ray_session import ray_session
from sandboxes.api import ImageRef


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture(scope="session")
def docker_image() -> ImageRef:
    return image_or_skip()


@pytest.fixture(scope="session")
def local_ray() -> Iterator[int]:
    """Start one Ray with two CPUs; its token and settings leave no trace in the home or the environment."""
    before = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ray_session(2) as workers:
            yield workers
    os.environ.clear()
    os.environ.update(before)
