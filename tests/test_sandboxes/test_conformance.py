"""Every backend does what all must do, or names what it cannot; and the checks can fail."""

import dataclasses
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from nobody import run_as_nobody
from podman_service import PodmanService
from session_images import shell_image_or_skip

from pipelines.cli import main
from sandboxes.api import ImageRef, Pool, PoolSpec
from sandboxes.backends import Backend, get_backend
from sandboxes.conformance import inabilities
from sandboxes.conformance.bench import Bench
from sandboxes.conformance.suite import CHECKS, CheckResult, by_name, run_checks
from sandboxes.process_backend import ProcessBackend
from schemas.errors import UsageError


def odd(results: list[CheckResult]) -> list[tuple[str, str, str]]:
    return [(one.check.name, one.verdict, one.detail) for one in results if not one.conforms]


def test_there_are_checks_of_every_part_and_names_are_told_apart() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS) > 44
    assert {check.part for check in CHECKS} >= {"pool", "isolation", "session", "shell", "transfer"}
    assert all(check.about.endswith(".") for check in CHECKS)


@pytest.mark.docker
def test_docker_conforms_in_everything() -> None:
    backend = get_backend("docker")
    results = list(run_checks(Bench(backend, shell_image_or_skip())))
    assert odd(results) == []
    assert {one.verdict for one in results} == {"passed"}


@pytest.mark.docker
@pytest.mark.slow  # all of it; test_podman has what an engine could fail
def test_podman_conforms_in_everything(podman_service: PodmanService) -> None:
    backend = get_backend("podman")
    results = list(run_checks(Bench(backend, backend.resolve_image(shell=True))))
    assert odd(results) == []
    assert {one.verdict for one in results} == {"passed"}


@pytest.mark.docker
def test_bubblewrap_conforms_in_everything(bubblewrap_image: ImageRef) -> None:
    backend = get_backend("bubblewrap")
    results = list(run_checks(Bench(backend, backend.resolve_image(shell=True))))
    assert odd(results) == []
    assert {one.check.part for one in results if one.verdict != "passed"} == {"snapshot"}


NOBODY = """
import sys
from sandboxes.backends import get_backend
from sandboxes.conformance.bench import Bench
from sandboxes.conformance.suite import run_checks
backend = get_backend("bubblewrap")
for one in run_checks(Bench(backend, backend.resolve_image(shell=True), tuple(sys.argv[1:]))):
    print(one.verdict, one.check.name, "" if one.conforms else one.detail)
"""


@pytest.mark.docker
@pytest.mark.slow  # a sandbox for each job: 50 s
def test_bubblewrap_as_nobody_conforms_but_for_what_was_accepted(bubblewrap_image: ImageRef) -> None:
    folder = Path(tempfile.mkdtemp(prefix="tracegen-test-"))
    said = run_as_nobody(NOBODY, "rlimits", "one-uid", home=folder).splitlines()
    assert [line for line in said if line.startswith(("failed", "surprise"))] == []
    tried = {check.name for check in CHECKS if check.part in ("pool", "isolation")}
    cannot = {line.split()[1] for line in said if line.startswith("cannot")} & tried
    assert cannot == {
        "memory_of_the_sandbox_is_limited",
        "memory_of_many_processes_is_limited",
        "each_job_has_a_user_of_its_own",
        "a_used_sandbox_is_kept_and_a_fresh_one_given",
        "a_worn_sandbox_is_replaced",
        "nothing_but_the_own_directory_can_be_written",
        "the_server_cannot_be_touched",
    }


@pytest.mark.patient
def test_process_conforms_in_what_it_can_and_attacks_are_never_tried_in_it() -> None:
    backend = get_backend("process")
    results = list(run_checks(Bench(backend, backend.resolve_image()), by_name(["pool", "isolation", "session"])))
    assert odd(results) == []
    untried = [one for one in results if one.check.part == "isolation"]
    assert untried
    assert {(one.verdict, one.seconds) for one in untried} == {("cannot", 0.0)}
    assert all(one.verdict == "passed" for one in results if one.check.part == "pool")


class Changed(ProcessBackend):
    """A backend whose pools do not have what was asked for."""

    def __init__(self, change: Callable[[PoolSpec], PoolSpec]) -> None:
        self._change = change

    def open_pool(self, spec: PoolSpec, image: ImageRef, *, size: int = 1) -> Pool:
        return super().open_pool(self._change(spec), image, size=size)


def one_seed(spec: PoolSpec) -> PoolSpec:
    return dataclasses.replace(spec, hash_seed=0)


def never_worn(spec: PoolSpec) -> PoolSpec:
    return dataclasses.replace(spec, jobs_per_sandbox=500)


def more_output(spec: PoolSpec) -> PoolSpec:
    return dataclasses.replace(spec, result_bytes=2**30)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (one_seed, "the_hash_seed_is_the_pools"),
        (never_worn, "a_worn_sandbox_is_replaced"),
        pytest.param(more_output, "too_large_a_result_is_labelled", marks=pytest.mark.patient),
    ],
)
def test_a_backend_that_does_not_do_as_asked_fails(change: Callable[[PoolSpec], PoolSpec], name: str) -> None:
    backend: Backend = Changed(change)
    checks = [check for check in CHECKS if check.name == name]
    (result,) = run_checks(Bench(backend, backend.resolve_image()), checks)
    assert result.verdict == "failed"
    assert result.detail


def test_what_is_said_to_fail_and_passes_is_a_surprise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inabilities, "_CANNOT", {"process": {"an_exit_code_is_told": "so it says"}})
    backend = get_backend("process")
    (result,) = run_checks(Bench(backend, backend.resolve_image()), by_name(["an_exit_code_is_told"]))
    assert (result.verdict, result.conforms) == ("surprise", False)


def test_an_unknown_check_is_named() -> None:
    with pytest.raises(UsageError, match="no check is called nonsense; give a part"):
        by_name(["nonsense"])


def test_the_command_prints_a_line_for_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "check", "--sandbox", "process", "an_exit_code_is_told", "session"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["passed", "pool", "an", "exit", "code", "is", "told"]
    assert lines[-1].startswith("process: 1 passed, ")
    assert lines[-1].endswith(" cannot")


def test_an_address_of_the_checks_is_nobodys() -> None:
    """``192.0.2.1`` is for documentation (RFC 5737): where it answers, the network checks would mean nothing."""
    with socket.socket() as probe:
        probe.settimeout(1)
        assert probe.connect_ex(("192.0.2.1", 80)) != 0
