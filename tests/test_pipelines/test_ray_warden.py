"""The warden ends what is left of its driver's Ray, and nothing else, with processes that only look like Ray's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_runs import until

from pipelines import ray_warden

WAITS = "import sys, time; open(sys.argv[1], 'w').close(); held = open(sys.argv[1]); print(flush=True); time.sleep(60)"
DRIVER = "123456789"


@contextmanager
def looking_like(title: str, session: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process with a title, without the mark, that holds a file of a session open."""
    session.mkdir(exist_ok=True)
    command = [title, "-c", WAITS, str(session / "log")]
    process = subprocess.Popen(command, executable=sys.executable, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.patient
def test_agents_are_found_by_their_drivers_session_though_nobody_told_of_it(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(ray_warden.__file__), "MARK=of-nobody", DRIVER]
    own, other = (tmp_path / f"session_2026-11-26_01-30-00_123456_{pid}" for pid in (DRIVER, "9"))
    with looking_like("ray::Agent", own) as older:
        warden = subprocess.Popen(command, stdin=subprocess.PIPE)
        with (
            looking_like("ray::Agent", own) as agent,
            looking_like("ray::Agent", other) as others,
            looking_like("editor", own) as reader,
        ):
            warden.communicate(b"", 30)
            assert agent.wait(10) < 0
            assert [each.poll() for each in (older, others, reader)] == [None, None, None]


def test_a_mark_in_the_environment_is_enough() -> None:
    # It says when it runs: just after the start of a program its environment is not there to be read yet.
    command = ["sh", "-c", "echo; exec sleep 60"]
    with subprocess.Popen(command, env={**os.environ, "MARK": "of-one"}, stdout=subprocess.PIPE) as marked:
        assert marked.stdout is not None
        marked.stdout.readline()
        try:
            assert until(lambda: marked.pid in ray_warden.members(b"MARK=of-one", DRIVER), 10)
        finally:
            marked.kill()
