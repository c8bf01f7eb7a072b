"""``tracegen sandbox bench`` measures and leaves nothing."""

import os
import re

import docker
import pytest

from pipelines.cli import main
from sandboxes.api import ImageRef
from sandboxes.docker.owners import OWNER_LABEL
from schemas.errors import BackendUnavailable

pytestmark = pytest.mark.docker


def test_the_table_has_both_ways_and_their_ratio(docker_image: ImageRef, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "bench", "--seconds", "0.1"]) == 0
    said = capsys.readouterr().out
    pool, single, ratio = (float(one) for one in re.findall(r"([\d.]+) (?:jobs/s|x)\n", said))
    assert ratio == pytest.approx(pool / single, rel=0.2)
    client = docker.APIClient()
    left = client.containers(all=True, filters={"label": OWNER_LABEL})
    client.close()
    assert not [one for one in left if one["Labels"][OWNER_LABEL].startswith(f"{os.getpid()}:")]


def test_without_the_client_program_it_is_said(
    docker_image: ImageRef, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["sandbox", "bench"]) == BackendUnavailable.exit_code
    assert "install the client" in capsys.readouterr().err
