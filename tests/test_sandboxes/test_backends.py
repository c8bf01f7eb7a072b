"""Backends behind one Protocol: one table, one refusal for what each cannot do, and nothing falls back."""

import dataclasses
from pathlib import Path

import pytest

from pipelines.config import build_config
from sandboxes import install_packages, open_pool, open_session, resolve_image
from sandboxes.api import Finding, ImageRef, PoolSpec
from sandboxes.backends import BACKENDS, get_backend
from sandboxes.findings import choice, softened
from sandboxes.session_api import SessionSpec
from schemas.errors import BackendCannot, LimitUnsupported, UsageError


def test_an_unknown_backend_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"'vm'.*docker.*process"):
        get_backend("vm")
    with pytest.raises(UsageError, match=r"sandbox:.*docker.*process"):
        build_config({"sources": ["x"], "output": "y", "sandbox": "vm"}, {})


@pytest.mark.parametrize("name", list(BACKENDS))
def test_a_backend_is_found_by_the_name_it_gives_itself(name: str) -> None:
    assert get_backend(name).name == name


def test_the_process_backend_refuses_what_it_does_not_isolate(
    process_image: ImageRef, spec: PoolSpec, tmp_path: Path
) -> None:
    with pytest.raises(BackendCannot, match="--sandbox docker"):
        open_session("process", SessionSpec(), process_image)
    with pytest.raises(BackendCannot, match="--sandbox docker"):
        install_packages("process", process_image, ["six==1.16.0"], tmp_path)
    with pytest.raises(BackendCannot, match="runtime 'runsc'"):
        open_pool("process", dataclasses.replace(spec, runtime="runsc"), process_image)
    with pytest.raises(UsageError, match="--base"):
        resolve_image("process", base="x")


def test_a_weakness_that_a_backend_does_not_have_cannot_be_accepted(process_image: ImageRef, spec: PoolSpec) -> None:
    with pytest.raises(UsageError, match="no weakness rlimits"):
        open_pool("process", dataclasses.replace(spec, accepts=("rlimits",)), process_image)


OK = [Finding("x", "ok", "fine")]
NOTED = [Finding("x", "warning", "weak here", "mend it")]
LACKING = [Finding("x", "missing", "not there", "install it")]


@pytest.mark.parametrize(
    ("docker", "bubblewrap", "said"),
    [
        (OK, OK, "ok: use --sandbox docker because"),
        (LACKING, OK, "ok: use --sandbox bubblewrap because"),
        (NOTED, OK, "ok: use --sandbox bubblewrap because"),
        (LACKING, NOTED, "warning: use --sandbox bubblewrap because nothing here does more; it has a note: weak here"),
        (LACKING, LACKING, "missing: nothing isolates programs here (docker: not there; bubblewrap: not there)"),
    ],
)
def test_the_doctor_picks_what_isolates_and_lacks_nothing(
    docker: list[Finding], bubblewrap: list[Finding], said: str
) -> None:
    chosen = choice({"docker": docker, "bubblewrap": bubblewrap, "process": OK})
    assert f"{chosen.state}: {chosen.detail}".startswith(said)


def test_what_one_backend_lacks_is_a_note_where_another_works() -> None:
    assert [each.state for each in softened([*OK, *NOTED, *LACKING])] == ["ok", "warning", "warning"]


@pytest.mark.docker
def test_a_runtime_that_the_engine_does_not_know_is_refused(docker_image: ImageRef, spec: PoolSpec) -> None:
    with pytest.raises(LimitUnsupported, match=r"no runtime 'nonesuch'; it has: .*runc"):
        open_pool("docker", dataclasses.replace(spec, runtime="nonesuch"), docker_image)


@pytest.mark.docker
def test_a_runtime_is_part_of_the_sandboxs_name(docker_image: ImageRef, spec: PoolSpec) -> None:
    with open_pool("docker", dataclasses.replace(spec, runtime="runc"), docker_image) as pool:
        assert pool.backend == "docker+runc"
